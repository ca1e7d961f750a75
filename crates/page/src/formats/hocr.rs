//! hOCR 1.2.

use super::place::{angle, bounds, confidence, fit};
use super::xml::Xml;
use super::{Emit, Format, FormatError, Options, PageImage, failed};
use crate::result::{Line, Page};
use std::fmt::Write as _;
use std::io::Write;

pub(super) struct Hocr {
    options: Options,
    pages: u64,
}

impl Hocr {
    pub(super) fn new(options: Options) -> Self {
        Self { options, pages: 0 }
    }
}

impl Emit for Hocr {
    fn begin(&mut self, out: &mut dyn Write) -> Result<(), FormatError> {
        let mut xml = Xml::default();
        xml.raw(concat!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
            "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\" ",
            "\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n",
            "<html xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<title></title>\n",
            "<meta http-equiv=\"Content-Type\" content=\"text/html;charset=utf-8\"/>\n",
        ));
        let capabilities = "ocr_page ocr_carea ocr_par ocr_line ocrx_word";
        for (name, content) in [
            ("ocr-system", self.options.program.as_str()),
            ("ocr-capabilities", capabilities),
        ] {
            xml.empty("meta", &[("name", &name), ("content", &content)])
                .line();
        }
        xml.raw("</head>\n<body>\n");
        out.write_all(xml.as_bytes()).map_err(failed(Format::Hocr))
    }

    fn page(
        &mut self,
        out: &mut dyn Write,
        page: &Page,
        _: Option<&PageImage<'_>>,
    ) -> Result<(), FormatError> {
        self.pages += 1;
        let p = self.pages;
        let mut xml = Xml::default();
        // A file name stands in double quotes, which hOCR cannot escape.
        let file = page.file.replace('"', "%22");
        let mut title = format!(
            "image \"{file}\"; bbox 0 0 {} {}; ppageno {}",
            page.width,
            page.height,
            p - 1
        );
        if let Some(dpi) = page.dpi {
            let _ = write!(title, "; scan_res {0:.0} {0:.0}", dpi);
        }
        open(&mut xml, "div", "ocr_page", format!("page_{p}"), &title);
        xml.line();
        for (b, block) in page.blocks.iter().enumerate() {
            let id = format!("{p}_{}", b + 1);
            let title = bbox(&block.quad, page);
            open(&mut xml, "div", "ocr_carea", format!("block_{id}"), &title);
            open(&mut xml, "p", "ocr_par", format!("par_{id}"), &title);
            xml.line();
            for (l, line) in block.lines.iter().enumerate() {
                span(&mut xml, page, line, &format!("{id}_{}", l + 1));
            }
            xml.raw("</p></div>\n");
        }
        xml.raw("</div>\n");
        out.write_all(xml.as_bytes()).map_err(failed(Format::Hocr))
    }

    fn end(&mut self, out: &mut dyn Write) -> Result<(), FormatError> {
        out.write_all(b"</body>\n</html>\n")
            .map_err(failed(Format::Hocr))
    }
}

fn open(xml: &mut Xml, tag: &str, class: &str, id: String, title: &str) {
    xml.open(tag, &[("class", &class), ("id", &id), ("title", &title)]);
}

fn bbox(quad: &refrain_image::Quad, page: &Page) -> String {
    let b = bounds(quad, page);
    format!("bbox {} {} {} {}", b.x, b.y, b.right(), b.bottom())
}

/// A line with its words. Its baseline is a polynomial from the bottom left corner of the box; text that is turned by
/// more than 45 degrees has an angle instead.
fn span(xml: &mut Xml, page: &Page, line: &Line, id: &str) {
    let mut title = bbox(&line.quad, page);
    let (turned, place) = (angle(&line.quad), bounds(&line.quad, page));
    if turned.abs() > 45.0 {
        let _ = write!(title, "; textangle {turned:.0}");
    } else if let Some((slope, at_zero)) = fit(&line.baseline) {
        let offset = at_zero + slope * place.x as f32 - place.bottom() as f32;
        let _ = write!(title, "; baseline {slope:.4} {offset:.1}");
    }
    open(xml, "span", "ocr_line", format!("line_{id}"), &title);
    for (w, part) in line.parts().iter().enumerate() {
        if part.spaced {
            xml.raw(" ");
        }
        let conf = 100.0 * confidence(part.word.confidence);
        let title = format!("{}; x_wconf {conf:.0}", bbox(&part.word.quad, page));
        let id = format!("word_{id}_{}", w + 1);
        open(xml, "span", "ocrx_word", id, &title);
        xml.escaped(&part.word.text).close("span");
    }
    xml.close("span").line();
}
