//! Writers by themselves.

use crate::pages::{block, empty_page, page, written};
use refrain_page::formats::{Format, FormatError, Holds, Options, Writer, read_json};
use refrain_page::{Document, Page};
use std::io::{self, Write};
use std::path::Path;

fn text(format: Format, pages: &[Page]) -> String {
    String::from_utf8(written(format, pages).unwrap()).unwrap()
}

#[test]
fn names_are_read_back() {
    for format in Format::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
    let message = "tiff".parse::<Format>().unwrap_err();
    assert!(
        message.contains("text, json, tsv, hocr, alto, page, pdf"),
        "{message}"
    );
}

#[test]
fn text_has_blocks_and_pages() {
    let page = Page {
        blocks: vec![
            block(0.0, 0.0, &[&["a", "b"], &["c"]]),
            block(0.0, 99.0, &[&["d"]]),
        ],
        ..empty_page()
    };
    assert_eq!(
        text(Format::Text, &[page.clone(), page]),
        "a b\nc\n\nd\n\x0ca b\nc\n\nd\n"
    );
    let mut broken = empty_page();
    broken.blocks = vec![block(0.0, 0.0, &[&["a\nb\x0cc"]])];
    assert_eq!(text(Format::Text, &[broken]), "a b c\n");
}

#[test]
fn tsv_has_the_columns_of_tesseract() {
    let mut page = empty_page();
    page.width = 400;
    page.height = 100;
    page.blocks = vec![block(10.0, 20.0, &[&["on", "T\tx"]])];
    let expected = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n\
                    1\t1\t0\t0\t0\t0\t0\t0\t400\t100\t-1\t\n\
                    2\t1\t1\t0\t0\t0\t10\t20\t70\t48\t-1\t\n\
                    3\t1\t1\t1\t0\t0\t10\t20\t70\t48\t-1\t\n\
                    4\t1\t1\t1\t1\t0\t10\t20\t70\t32\t-1\t\n\
                    5\t1\t1\t1\t1\t1\t10\t20\t24\t32\t99.000000\ton\n\
                    5\t1\t1\t1\t1\t2\t44\t20\t36\t32\t82.000000\tT x\n";
    assert_eq!(text(Format::Tsv, &[page]), expected);
}

#[test]
fn hocr_has_its_properties() {
    let hocr = text(Format::Hocr, &[page()]);
    for part in [
        "<div class=\"ocr_page\" id=\"page_1\" title=\"image &quot;scan %221%22; a&amp;b.png&quot;; bbox 0 0 800 720; \
         ppageno 0; scan_res 150 150\">",
        "title=\"bbox 60 50 330 82; baseline 0.0000 -7.0\"",
        "title=\"bbox 60 50 108 82; x_wconf 99\">Fish</span> <span",
        "&lt;Chips&gt;,</span>",
        "textangle 90",
    ] {
        assert!(hocr.contains(part), "{part}\nis not in\n{hocr}");
    }
    let leaning = hocr.lines().find(|line| line.contains("leaning")).unwrap();
    assert!(leaning.contains("baseline 0.1051 "), "{leaning}");
}

#[test]
fn json_comes_back_whole() {
    let document = Document {
        pages: vec![page(), empty_page()],
    };
    let back = read_json(&text(Format::Json, &document.pages)).unwrap();
    // Positions are rounded once; after that nothing changes.
    let again = read_json(&text(Format::Json, &back.pages)).unwrap();
    assert_eq!(again, back);
    let plain = |document: &Document| {
        let mut document = document.clone();
        let blocks = document.pages.iter_mut().flat_map(|page| &mut page.blocks);
        for block in blocks {
            block.quad = Default::default();
            for line in &mut block.lines {
                line.quad = Default::default();
                line.baseline.clear();
                line.words
                    .iter_mut()
                    .for_each(|word| word.quad = Default::default());
            }
        }
        document
    };
    assert_eq!(plain(&back), plain(&document));
    let distance = |a: &Page, b: &Page| {
        let points = |page: &Page| -> Vec<_> {
            let lines = page.blocks.iter().flat_map(|block| &block.lines);
            lines
                .flat_map(|line| line.quad.0.into_iter().chain(line.baseline.clone()))
                .collect()
        };
        let pairs = points(a).into_iter().zip(points(b));
        pairs
            .map(|(p, q)| (p.x - q.x).hypot(p.y - q.y))
            .fold(0.0, f32::max)
    };
    assert!(distance(&back.pages[0], &document.pages[0]) < 0.01);
}

#[test]
fn json_with_numbers_that_are_none() {
    let mut page = page();
    page.dpi = Some(f32::NAN);
    page.skew = f32::INFINITY;
    page.blocks[0].lines[0].confidence = f32::NAN;
    page.blocks[0].lines[0].quad.0[0].x = f32::NAN;
    page.blocks[0].lines[0].words[0].confidence = f32::NEG_INFINITY;
    for format in Format::ALL {
        assert!(!written(format, &[page.clone()]).unwrap().is_empty());
    }
    assert_eq!(
        read_json(&text(Format::Json, &[page])).unwrap().pages[0].skew,
        0.0
    );
}

#[test]
fn json_that_is_not_ours() {
    let line = |text: &str| match read_json(text) {
        Err(FormatError::Json { line, .. }) => line,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        line("{\"format\":\"refrain-page\",\n\"version\":1,\n\"pages\":[{}]}"),
        3
    );
    assert_eq!(line("{\"format\":\"other\",\"version\":1}"), 1);
    assert_eq!(line(""), 1);
    let newer = read_json("{\"format\":\"refrain-page\",\"version\":9}");
    assert!(matches!(
        newer,
        Err(FormatError::Version { found: 9, known: 1 })
    ));
}

#[test]
fn formats_say_how_many_pages_they_hold() {
    let mut other_file = page();
    other_file.file = "other.png".into();
    for format in Format::ALL {
        let two = written(format, &[page(), page()]);
        let files = written(format, &[page(), other_file.clone()]);
        assert_eq!(two.is_ok(), format.holds() != Holds::OnePage);
        assert_eq!(files.is_ok(), format.holds() == Holds::AllPages);
    }
}

#[test]
fn the_same_pages_give_the_same_bytes_and_a_date_is_written() {
    for format in Format::ALL {
        let bytes = written(format, &[page()]).unwrap();
        assert_eq!(bytes, written(format, &[page()]).unwrap());
        let dated = Options {
            date: Some(1_795_790_000),
            ..Options::default()
        };
        let mut writer = Writer::new(format, Vec::new(), &dated).unwrap();
        writer.page(&page(), None).unwrap();
        let text = String::from_utf8_lossy(&writer.finish().unwrap()).into_owned();
        let date = match format {
            Format::Pdf => "20261127",
            Format::Json | Format::Alto | Format::Page => "2026-11-27T",
            Format::Text | Format::Tsv | Format::Hocr => continue,
        };
        assert!(text.contains(date));
    }
}

/// A full disk.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error() {
    for format in Format::ALL {
        for room in [0, 100, 300] {
            let write = || {
                let mut writer = Writer::new(format, Full(room), &Options::default())?;
                writer.page(&page(), None)?;
                writer.finish().map(drop)
            };
            match (write(), format) {
                (Err(FormatError::Write { .. }), _) | (Ok(()), Format::Text) => {}
                (other, _) => panic!("{format:?} {room}: {other:?}"),
            }
        }
    }
}

#[test]
fn pages_are_written_as_they_come() {
    struct Count(usize);
    impl Write for &mut Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for format in Format::ALL
        .into_iter()
        .filter(|f| f.holds() != Holds::OnePage)
    {
        let mut count = Count(0);
        let mut writer = Writer::new(format, &mut count, &Options::default()).unwrap();
        for _ in 0..1_000 {
            writer.page(&page(), None).unwrap();
        }
        writer.finish().unwrap();
        let mut one = Count(0);
        let mut writer = Writer::new(format, &mut one, &Options::default()).unwrap();
        writer.page(&page(), None).unwrap();
        // No `finish`: all of a page but the foot of the file is out.
        drop(writer);
        assert!(
            count.0 / 1_000 < one.0 + one.0 / 5,
            "{format:?}: {} and {}",
            count.0,
            one.0
        );
    }
}

/// Writes files for `scripts/check-ocr-formats` into the folder that `REFRAIN_FORMATS_OUT` names.
#[test]
fn files_for_other_programs() {
    let folder = std::env::var_os("REFRAIN_FORMATS_OUT");
    for format in Format::ALL {
        for (name, pages) in [
            ("none", vec![]),
            ("empty", vec![empty_page()]),
            ("page", vec![page()]),
            ("pages", vec![page(), page()]),
        ] {
            if format.holds() == Holds::OnePage && pages.len() > 1 {
                continue;
            }
            let bytes = written(format, &pages).unwrap();
            if let Some(folder) = &folder {
                let file = format!("{name}.{}", format.extension());
                std::fs::write(Path::new(folder).join(file), bytes).unwrap();
            }
        }
    }
}
