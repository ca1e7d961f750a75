//! Any text comes back from every format.

use crate::pages::{line, page, spoken, turned, written};
use proptest::prelude::*;
use refrain_image::Quad;
use refrain_page::formats::truth::{Sample, Samples, Source, alto, hocr, page_xml, tesseract};
use refrain_page::formats::{Format, FormatError, read_json};
use refrain_page::{Block, BlockKind, Page};
use std::path::Path;

type Read = fn(&Path) -> Result<Samples, FormatError>;

const READERS: [(Format, Read); 4] = [
    (Format::Alto, alto),
    (Format::Page, page_xml),
    (Format::Hocr, hocr),
    (Format::Tsv, |path| tesseract(Path::new("page.png"), path)),
];

fn read(format: Format, read: Read, page: &Page) -> Vec<Sample> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page");
    std::fs::write(&path, written(format, std::slice::from_ref(page)).unwrap()).unwrap();
    read(&path).unwrap().map(Result::unwrap).collect()
}

/// The text as a format can hold it.
fn held(format: Format, text: &str) -> String {
    let allowed = |c: char| !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    match format {
        Format::Tsv => text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect(),
        Format::Hocr => {
            let text: String = text.chars().filter(|c| allowed(*c)).collect();
            text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
        }
        _ => text.chars().filter(|c| allowed(*c)).collect(),
    }
}

fn far(a: &Quad, b: &Quad) -> f32 {
    let pairs = a.0.iter().zip(b.0);
    pairs
        .map(|(p, q)| (p.x - q.x).hypot(p.y - q.y))
        .fold(0.0, f32::max)
}

#[test]
fn lines_come_back_with_text_and_place() {
    let page = page();
    let lines: Vec<_> = page.blocks.iter().flat_map(|block| &block.lines).collect();
    for (format, reader) in READERS {
        let samples = read(format, reader, &page);
        assert_eq!(samples.len(), lines.len(), "{format:?}");
        for (sample, line) in samples.iter().zip(&lines) {
            assert_eq!(sample.text, spoken(line), "{format:?}");
            let quad = sample.quad.unwrap();
            let upright = line.quad.bounds(800, 720).quad();
            match format {
                // Shapes have whole pixels, and the baseline's ends are rounded as well.
                Format::Alto | Format::Page => {
                    assert!(far(&quad, &line.quad) < 2.5, "{format:?} {quad:?}")
                }
                Format::Hocr if line.text == "upwards text" => {
                    assert!(far(&quad, &line.quad) < 1.5)
                }
                _ => assert!(far(&quad, &upright) < 0.1),
            }
            if let (Source::File(path), true) = (&sample.image, format != Format::Tsv) {
                assert!(path.ends_with("scan \"1\"; a&b.png"), "{path:?}");
            }
        }
    }
}

fn texts() -> impl Strategy<Value = Vec<Vec<String>>> {
    let word = prop_oneof![
        any::<String>(),
        "[\"'<>&\\\\;\t\r\n\u{0}-\u{1f}%]{1,6}",
        "[א-ת]{1,5}|[ا-ي]{1,5}|[가-힣]{1,4}|[😀-😏]{1,3}|e\u{301}",
    ];
    let word = word.prop_filter("a word", |word: &String| !word.trim().is_empty());
    prop::collection::vec(prop::collection::vec(word, 1..4), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_comes_back(texts in texts()) {
        let lines: Vec<_> = texts
            .iter()
            .enumerate()
            .map(|(i, words)| {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                line(10.0, 10.0 + 40.0 * i as f32, 0.0, &words)
            })
            .collect();
        let page = Page {
            file: "page.png".into(),
            number: 1,
            width: 2_000,
            height: 200,
            blocks: vec![Block { kind: BlockKind::Text, quad: turned(10.0, 10.0, 900.0, 150.0, 0.0), lines }],
            ..Page::default()
        };
        let lines = &page.blocks[0].lines;
        for (format, reader) in READERS {
            let found: Vec<String> = read(format, reader, &page).into_iter().map(|s| s.text).collect();
            let expected: Vec<String> = lines
                .iter()
                .map(|line| held(format, &spoken(line)))
                .filter(|text| !text.is_empty())
                .collect();
            prop_assert_eq!(found, expected, "{:?}", format);
        }
        let json = String::from_utf8(written(Format::Json, std::slice::from_ref(&page)).unwrap()).unwrap();
        let back = read_json(&json).unwrap();
        for (a, b) in back.pages[0].blocks[0].lines.iter().zip(lines) {
            prop_assert_eq!(&a.text, &b.text);
            let words = |line: &refrain_page::Line| line.words.iter().map(|w| w.text.clone()).collect::<Vec<_>>();
            prop_assert_eq!(words(a), words(b));
        }
        prop_assert!(written(Format::Pdf, &[page]).is_ok());
    }
}
