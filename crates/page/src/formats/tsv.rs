//! The table of Tesseract.

use super::place::{bounds, confidence};
use super::{Emit, Format, FormatError, PageImage, failed};
use crate::result::Page;
use refrain_image::Rect;
use std::fmt::Write as _;
use std::io::Write;

/// The columns, as Tesseract 5 names them.
pub(super) const HEADER: &str = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\t\
                                 conf\ttext\n";

/// A row for each page, block, paragraph, line and word. A block is one paragraph. Tabs, line ends and other control
/// characters of a word are written as spaces, everything else as it is: the table knows no escapes.
#[derive(Default)]
pub(super) struct Tsv {
    pages: u64,
}

impl Emit for Tsv {
    fn begin(&mut self, out: &mut dyn Write) -> Result<(), FormatError> {
        out.write_all(HEADER.as_bytes())
            .map_err(failed(Format::Tsv))
    }

    fn page(
        &mut self,
        out: &mut dyn Write,
        page: &Page,
        _: Option<&PageImage<'_>>,
    ) -> Result<(), FormatError> {
        self.pages += 1;
        let p = self.pages;
        let mut rows = String::new();
        let mut row = |level: u8, at: [usize; 4], place: Rect, word: Option<(f32, &str)>| {
            let [block, par, line, number] = at;
            let (x, y, width, height) = (place.x, place.y, place.width, place.height);
            let _ = write!(
                rows,
                "{level}\t{p}\t{block}\t{par}\t{line}\t{number}\t{x}\t{y}\t{width}\t{height}\t"
            );
            match word {
                None => rows.push_str("-1\t"),
                Some((value, text)) => {
                    let _ = write!(rows, "{:.6}\t", 100.0 * confidence(value));
                    rows.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
                }
            }
            rows.push('\n');
        };
        let whole = Rect {
            x: 0,
            y: 0,
            width: page.width as usize,
            height: page.height as usize,
        };
        row(1, [0; 4], whole, None);
        for (b, block) in page.blocks.iter().enumerate() {
            let place = bounds(&block.quad, page);
            row(2, [b + 1, 0, 0, 0], place, None);
            row(3, [b + 1, 1, 0, 0], place, None);
            for (l, line) in block.lines.iter().enumerate() {
                row(4, [b + 1, 1, l + 1, 0], bounds(&line.quad, page), None);
                for (w, part) in line.parts().iter().enumerate() {
                    let place = bounds(&part.word.quad, page);
                    let word = (part.word.confidence, part.word.text.as_str());
                    row(5, [b + 1, 1, l + 1, w + 1], place, Some(word));
                }
            }
        }
        out.write_all(rows.as_bytes()).map_err(failed(Format::Tsv))
    }

    fn end(&mut self, _: &mut dyn Write) -> Result<(), FormatError> {
        Ok(())
    }
}
