//! PDF files: their tables, and the text that poppler's programs find in them. Without these programs the latter tests
//! pass over.

use crate::pages::{block, empty_page, image, page, tight, written};
use refrain_image::Gray;
use refrain_page::formats::{Format, FormatError, Options, PageImage, Writer};
use refrain_page::{Page, Word};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every entry of the table of references points to its object; the number of objects.
fn check_table(pdf: &[u8]) -> usize {
    assert!(pdf.starts_with(b"%PDF-1.5\n") && pdf.ends_with(b"%%EOF\n"));
    let tail = String::from_utf8_lossy(&pdf[pdf.len() - 40..]).into_owned();
    let start: usize = tail
        .rsplit("startxref\n")
        .next()
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let table = std::str::from_utf8(&pdf[start..]).unwrap();
    let mut rows = table.lines();
    assert_eq!(rows.next(), Some("xref"));
    let count: usize = rows
        .next()
        .unwrap()
        .strip_prefix("0 ")
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(rows.next(), Some("0000000000 65535 f "));
    for number in 1..count {
        let row = rows.next().unwrap();
        assert_eq!(row.len(), 19);
        let offset: usize = row[..10].parse().unwrap();
        assert!(
            pdf[offset..].starts_with(format!("{number} 0 obj").as_bytes()),
            "object {number}"
        );
    }
    assert_eq!(rows.next(), Some("trailer"));
    count - 1
}

#[test]
fn tables_point_to_objects() {
    assert_eq!(check_table(&written(Format::Pdf, &[]).unwrap()), 3);
    let one = check_table(&written(Format::Pdf, &[page()]).unwrap());
    let three = check_table(&written(Format::Pdf, &[page(), empty_page(), page()]).unwrap());
    // An image, a content and a page each.
    assert_eq!(three, one + 6);
}

/// The output of a program on the file; none if the program is not there.
fn run(program: &str, options: &[&str], file: &Path) -> Option<String> {
    let output = Command::new(program)
        .args(options)
        .arg(file)
        .arg("-")
        .output();
    let Ok(output) = output else {
        eprintln!("{program} is missing: not tested (Debian: apt-get install poppler-utils)");
        return None;
    };
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && complaints.is_empty(),
        "{complaints}"
    );
    Some(String::from_utf8(output.stdout).unwrap())
}

fn file(folder: &tempfile::TempDir, pages: &[Page]) -> PathBuf {
    let path = folder.path().join("page.pdf");
    std::fs::write(&path, written(Format::Pdf, pages).unwrap()).unwrap();
    path
}

/// White space as one blank, and at most a blank line: programs lay it out by the gaps on the page.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn copied_text_is_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let pages = [page(), empty_page(), page()];
    let text = String::from_utf8(written(Format::Text, &pages).unwrap()).unwrap();
    if let Some(found) = run("pdftotext", &["-raw"], &file(&folder, &pages)) {
        assert_eq!(squeezed(&found), squeezed(&text));
    }
    // Line by line, also with boxes of different heights.
    let mut plain = Page {
        blocks: vec![block(
            60.0,
            50.0,
            &[
                &["one", "two,", "Three"],
                &["more", "words"],
                &["at", "last"],
            ],
        )],
        ..page()
    };
    plain.blocks[0].lines = plain.blocks[0].lines.iter().cloned().map(tight).collect();
    if let Some(found) = run(
        "pdftotext",
        &[],
        &file(&folder, std::slice::from_ref(&plain)),
    ) {
        let expected = written(Format::Text, &[plain]).unwrap();
        assert_eq!(
            found.trim_end(),
            String::from_utf8(expected).unwrap().trim_end()
        );
    }
}

/// Paragraphs that half a line parts: the same lines are copied; blank lines are of the text output only.
#[test]
fn paragraphs_are_copied_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let first: &[&[&str]] = &[&["The", "ship", "was"], &["late", "and", "full"]];
    let second: &[&[&str]] = &[&["Nobody", "knew", "it"], &["until", "the", "end"]];
    let page = Page {
        blocks: vec![
            block(60.0, 50.0, first),
            block(60.0, 50.0 + 2.5 * 48.0, second),
        ],
        ..page()
    };
    let expected = written(Format::Text, std::slice::from_ref(&page)).unwrap();
    let expected = String::from_utf8(expected).unwrap();
    assert_eq!(
        expected,
        "The ship was\nlate and full\n\nNobody knew it\nuntil the end\n"
    );
    if let Some(found) = run("pdftotext", &[], &file(&folder, &[page])) {
        let lines = |text: &str| -> Vec<String> {
            let lines = text.trim_end().lines().filter(|line| !line.is_empty());
            lines.map(String::from).collect()
        };
        assert_eq!(lines(&found), lines(&expected));
    }
}

#[test]
fn letters_from_right_to_left_come_back_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page {
        blocks: vec![block(60.0, 50.0, &[&["שלום"], &["سلام"]])],
        ..page()
    };
    if let Some(found) = run("pdftotext", &["-raw"], &file(&folder, &[page])) {
        // Programs may put marks of direction around the words.
        let letters: String = found.chars().filter(|c| c.is_alphabetic()).collect();
        assert_eq!(letters, "שלוםسلام");
    }
}

#[test]
fn words_lie_on_their_boxes() {
    let folder = tempfile::tempdir().unwrap();
    let page = page();
    let Some(found) = run(
        "pdftotext",
        &["-bbox"],
        &file(&folder, std::slice::from_ref(&page)),
    ) else {
        return;
    };
    let points = 72.0 / 150.0;
    let number = |row: &str, name: &str| -> f32 {
        let value = row.split(&format!("{name}=\"")).nth(1).unwrap();
        value.split('"').next().unwrap().parse::<f32>().unwrap() / points
    };
    let mut boxes: Vec<(String, [f32; 4])> = found
        .lines()
        .filter(|row| row.contains("<word "))
        .map(|row| {
            let text = row.split('>').nth(1).unwrap().trim_end_matches("</word");
            let text = text
                .replace("&quot;", "\"")
                .replace("&lt;", "<")
                .replace("&gt;", ">");
            (
                text.replace("&amp;", "&"),
                ["xMin", "yMin", "xMax", "yMax"].map(|n| number(row, n)),
            )
        })
        .collect();
    let lines: Vec<_> = page.blocks.iter().flat_map(|block| &block.lines).collect();
    let words: Vec<&Word> = lines.iter().flat_map(|line| &line.words).collect();
    assert!(words.len() > 20);
    for word in words {
        // The program draws upright boxes around words that lean a little, as if they did not lean.
        let lean = (word.quad.0[1].y - word.quad.0[0].y).min(word.quad.0[1].x - word.quad.0[0].x);
        let leaning = if lean.abs() > 0.5 {
            32.0 * 6.0_f32.to_radians().sin()
        } else {
            0.0
        };
        let at = boxes.iter().position(|(text, _)| *text == word.text);
        let (_, place) =
            boxes.remove(at.unwrap_or_else(|| panic!("{} is not in {found}", word.text)));
        let xs = word.quad.0.map(|p| p.x);
        let ys = word.quad.0.map(|p| p.y);
        let least = |v: [f32; 4]| v.into_iter().fold(f32::INFINITY, f32::min);
        let most = |v: [f32; 4]| v.into_iter().fold(f32::NEG_INFINITY, f32::max);
        let expected = [least(xs), least(ys), most(xs), most(ys)];
        let far = place
            .iter()
            .zip(expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(
            far < 1.0 + leaning,
            "{}: {place:?}, not {expected:?}",
            word.text
        );
    }
}

#[test]
fn more_characters_than_a_font_has_codes() {
    let folder = tempfile::tempdir().unwrap();
    // Letters and ideographs from two planes and more.
    let all: Vec<char> = ('\u{4e00}'..='\u{9fff}')
        .chain('\u{ac00}'..='\u{d7a3}')
        .chain('\u{20000}'..='\u{2a6df}')
        .collect();
    assert!(all.len() > 65_535);
    let rows: Vec<String> = all.chunks(500).map(|row| row.iter().collect()).collect();
    let pages: Vec<Page> = rows
        .chunks(40)
        .map(|rows| {
            let rows: Vec<[&str; 1]> = rows.iter().map(|row| [row.as_str()]).collect();
            let rows: Vec<&[&str]> = rows.iter().map(|row| &row[..]).collect();
            Page {
                width: 6_100,
                height: 2_000,
                blocks: vec![block(10.0, 10.0, &rows)],
                ..page()
            }
        })
        .collect();
    let mut writer = Writer::new(Format::Pdf, Vec::new(), &Options::default()).unwrap();
    for page in &pages {
        writer.page(page, None).unwrap();
    }
    let pdf = writer.finish().unwrap();
    check_table(&pdf);
    let path = folder.path().join("many.pdf");
    std::fs::write(&path, pdf).unwrap();
    if let Some(found) = run("pdftotext", &["-raw"], &path) {
        let found: String = found.split_whitespace().collect();
        assert!(
            found == rows.concat(),
            "{} characters",
            found.chars().count()
        );
    }
}

fn pdf_of(page: &Page, image: &PageImage<'_>, jpeg: Option<u8>) -> Result<String, FormatError> {
    let options = Options {
        jpeg,
        ..Options::default()
    };
    let mut writer = Writer::new(Format::Pdf, Vec::new(), &options)?;
    writer.page(page, Some(image))?;
    let pdf = writer.finish()?;
    check_table(&pdf);
    Ok(pdf.iter().map(|b| char::from(*b)).collect())
}

#[test]
fn images_are_stored_as_they_need_it() {
    let page = page();
    let (black, grey) = (image(&page, 0), image(&page, 40));
    let colour: Vec<u8> = grey.pixels().iter().flat_map(|p| [*p, 0, 255]).collect();
    let colour = PageImage::Rgb {
        width: 800,
        height: 720,
        pixels: &colour,
    };
    let jpeg = grey.to_jpeg(80).unwrap();
    for (image, quality, parts) in [
        (
            PageImage::Gray(&black),
            Some(75),
            ["/BitsPerComponent 1\n", "/DeviceGray", "/FlateDecode"],
        ),
        (
            PageImage::Gray(&grey),
            Some(75),
            ["/BitsPerComponent 8\n", "/DeviceGray", "/DCTDecode"],
        ),
        (
            PageImage::Gray(&grey),
            None,
            ["/Predictor 12\n", "/DeviceGray", "/FlateDecode"],
        ),
        (
            colour,
            Some(75),
            ["/BitsPerComponent 8\n", "/DeviceRGB", "/DCTDecode"],
        ),
        (colour, None, ["/Predictor 12\n", "/DeviceRGB", "/Colors 3"]),
        (
            PageImage::Jpeg(&jpeg),
            None,
            ["/BitsPerComponent 8\n", "/DeviceGray", "/DCTDecode"],
        ),
    ] {
        let pdf = pdf_of(&page, &image, quality).unwrap();
        for part in parts {
            assert!(pdf.contains(part), "{part} is not there");
        }
    }
    // The file itself is in the PDF.
    let inside = pdf_of(&page, &PageImage::Jpeg(&jpeg), None).unwrap();
    let jpeg: String = jpeg.iter().map(|b| char::from(*b)).collect();
    assert!(inside.contains(&jpeg));
}

#[test]
fn images_that_do_not_belong() {
    let page = page();
    let other = Gray::filled(10, 10, 255);
    let wrong = pdf_of(&page, &PageImage::Gray(&other), None);
    assert!(matches!(
        wrong,
        Err(FormatError::ImageSize {
            image: (10, 10),
            page: (800, 720)
        })
    ));
    let pixels = PageImage::Rgb {
        width: 800,
        height: usize::MAX,
        pixels: &[0; 30],
    };
    assert!(matches!(
        pdf_of(&page, &pixels, None),
        Err(FormatError::Image(_))
    ));
    let whole = image(&page, 40).to_jpeg(80).unwrap();
    for end in (0..200).chain([whole.len()]) {
        let result = pdf_of(&page, &PageImage::Jpeg(&whole[..end]), None);
        let headers = whole.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
        match result {
            Ok(_) => assert!(end > 20),
            Err(FormatError::Jpeg { .. }) => assert!(end <= headers),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn pixels_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut page = empty_page();
    (page.width, page.height) = (37, 23);
    let grey = Gray::from_fn(37, 23, |x, y| (7 * x + 5 * y) as u8);
    let black = Gray::from_fn(37, 23, |x, y| if (x * y) % 3 == 0 { 0 } else { 255 });
    for image in [grey, black] {
        let options = Options {
            jpeg: None,
            ..Options::default()
        };
        let mut writer = Writer::new(Format::Pdf, Vec::new(), &options).unwrap();
        writer.page(&page, Some(&PageImage::Gray(&image))).unwrap();
        let path = folder.path().join("image.pdf");
        std::fs::write(&path, writer.finish().unwrap()).unwrap();
        let root = folder.path().join("out");
        let extracted = Command::new("pdfimages").arg(&path).arg(&root).output();
        let Ok(output) = extracted else {
            eprintln!("pdfimages is missing: not tested (Debian: apt-get install poppler-utils)");
            return;
        };
        assert!(output.status.success() && output.stderr.is_empty());
        // A PBM or PPM file: a short head, and then rows.
        let read =
            |ending: &str| std::fs::read(folder.path().join(format!("out-000.{ending}"))).ok();
        let pixels: Vec<u8> = match (read("ppm"), read("pbm"), read("pgm")) {
            (Some(ppm), _, _) => ppm[ppm.len() - 37 * 23 * 3..]
                .chunks(3)
                .map(|p| p[0])
                .collect(),
            (_, _, Some(pgm)) => pgm[pgm.len() - 37 * 23..].to_vec(),
            (_, Some(pbm), _) => {
                let rows = pbm[pbm.len() - 5 * 23..].chunks(5);
                let bit = |row: &[u8], x: usize| {
                    if row[x / 8] & (0x80 >> (x % 8)) == 0 {
                        255
                    } else {
                        0
                    }
                };
                rows.flat_map(|row| (0..37).map(move |x| bit(row, x)))
                    .collect()
            }
            _ => panic!("no image came out"),
        };
        assert_eq!(pixels, image.pixels());
        for ending in ["ppm", "pbm", "pgm"] {
            let _ = std::fs::remove_file(folder.path().join(format!("out-000.{ending}")));
        }
    }
}
