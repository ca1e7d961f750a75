//! Pages on which other programs failed; the numbers are those of docs/ocr.md. Other tests of the same table are in the
//! crates image, page and tesseract.

use crate::ocr::KIT;
use crate::tools::{err, fails, ok, out, path, run};
use refrain_image::{Canvas, Gray, Point};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::{TempDir, tempdir};

/// Debian's package tesseract-ocr-eng.
const ENGLISH: &str = "/usr/share/tesseract-ocr/5/tessdata/eng.traineddata";

const PROSE: [&str; 4] = [
    "The harbour was quiet before the first",
    "boats came home with nets and lanterns",
    "and a dog ran along the stones to meet",
    "its master, who had been away for days",
];

/// A model that reads English, or nothing with a message where it is not installed.
fn english(test: &str) -> Option<&'static str> {
    match Path::new(ENGLISH).exists() {
        true => Some(ENGLISH),
        false => {
            eprintln!(
                "{test}: no text is compared, {ENGLISH} is missing (package tesseract-ocr-eng)"
            );
            None
        }
    }
}

/// Text that must be read: by `model`, or by the small model of these tests, which reads digits badly and whose text is
/// not compared.
fn read(model: Option<&str>, more: &[&str]) -> String {
    let all = ["ocr", "--model", model.unwrap_or(&KIT.model)];
    ok(&[&all, more].concat())
}

/// The pages of such a reading.
fn pages(model: Option<&str>, more: &[&str]) -> Vec<Value> {
    let json: Value = serde_json::from_str(&read(model, &[more, &["--json"]].concat())).unwrap();
    json["pages"].as_array().unwrap().clone()
}

/// The lines of a page.
fn lines(page: &Value) -> Vec<&Value> {
    let blocks = page["blocks"].as_array().unwrap().iter();
    blocks
        .flat_map(|block| block["lines"].as_array().unwrap())
        .collect()
}

/// The texts of its lines.
fn texts(page: &Value) -> Vec<&str> {
    let lines = lines(page).into_iter();
    lines.map(|line| line["text"].as_str().unwrap()).collect()
}

/// Texts at their places, `size` pixels from ascender to descender, black on white.
fn drawn(width: usize, height: usize, size: f32, texts: &[(f32, f32, &str)]) -> Gray {
    let mut canvas = Canvas::from(&Gray::filled(width, height, 255));
    for &(x, y, text) in texts {
        canvas.text(Point { x, y }, size, text, [0, 0, 0, 255]);
    }
    Gray::from_fn(width, height, |x, y| canvas.pixels()[3 * (y * width + x)])
}

/// A page of prose of this size.
fn prose(size: f32) -> Gray {
    let step = 1.4 * size;
    let texts = PROSE.iter().enumerate();
    let texts: Vec<(f32, f32, &str)> = texts
        .map(|(row, text)| (2.0 * size, size + row as f32 * step, *text))
        .collect();
    drawn((22.0 * size) as usize, (8.0 * size) as usize, size, &texts)
}

/// An image as a PNG file of this folder.
fn png(folder: &TempDir, name: &str, image: &Gray) -> String {
    let file = folder.path().join(name);
    image.write_png(&file).unwrap();
    path(&file)
}

/// 1: a blank page has no text in every format, and is no error.
#[test]
fn a_blank_page_is_an_empty_text() {
    let folder = tempdir().unwrap();
    for size in [20, 900] {
        let page = png(&folder, "white.png", &Gray::filled(size, size, 255));
        for layout in ["auto", "line", "word"] {
            assert_eq!(
                read(None, &[&page, "--layout", layout]),
                "",
                "{size} {layout}"
            );
        }
        let alto = read(None, &[&page, "--format", "alto"]);
        assert!(
            alto.contains("<Page ") && alto.trim_end().ends_with("</alto>"),
            "{alto}"
        );
        assert!(!alto.contains("<TextLine"), "{alto}");
        read(
            None,
            &[
                &page,
                "--format",
                "pdf",
                "--out",
                &path(folder.path()),
                "--force",
            ],
        );
        let pdf = folder.path().join("white.pdf");
        assert!(fs::read(&pdf).unwrap().starts_with(b"%PDF-"));
        if let Ok(found) = Command::new("pdftotext").args([&path(&pdf), "-"]).output() {
            assert!(found.status.success());
            assert_eq!(String::from_utf8_lossy(&found.stdout).trim(), "");
        }
    }
}

/// 4: the turn of a photograph is in the result, and places are those of the page as it is displayed.
#[test]
fn a_turn_of_the_camera_is_told() {
    let folder = tempdir().unwrap();
    let (upright, model) = (prose(30.0), english("4"));
    let exif = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0";
    for (orientation, turned) in [(3u8, 2), (6, 1), (8, 3)] {
        let jpeg = upright.turned(-turned).to_jpeg(95).unwrap();
        let bytes = [
            &jpeg[..2],
            exif,
            &[orientation, 0, 0, 0, 0, 0, 0, 0],
            &jpeg[2..],
        ]
        .concat();
        let file = folder.path().join("photo.jpg");
        fs::write(&file, bytes).unwrap();
        let all = pages(model, &[&path(&file), "--upright"]);
        assert_eq!(all[0]["turned"], turned);
        let size = [&all[0]["width"], &all[0]["height"]];
        assert_eq!(size, [upright.width(), upright.height()]);
        for line in lines(&all[0]) {
            let left = line["quad"][0][0].as_f64().unwrap();
            assert!((20.0..80.0).contains(&left), "{line}");
        }
        if model.is_some() {
            assert_eq!(texts(&all[0]), PROSE);
        }
    }
}

/// 5: a page that no memory holds is refused by its header.
#[test]
fn a_page_of_billions_of_pixels_is_refused() {
    let folder = tempdir().unwrap();
    let bomb = folder.path().join("bomb.pgm");
    fs::write(&bomb, "P5\n60000 60000\n255\n").unwrap();
    let output = run(&["ocr", "--model", &KIT.model, &path(&bomb)]);
    assert_eq!(
        (output.status.code(), out(&output)),
        (Some(1), String::new())
    );
    assert!(err(&output).contains("60000 by 60000"), "{}", err(&output));
}

/// A TIFF of uncompressed grey pages; a page with the flag has samples of seven bits.
fn tiff(pages: &[(&Gray, bool)]) -> Vec<u8> {
    let mut file = b"II*\0".to_vec();
    let mut link = file.len();
    file.extend([0; 4]);
    for (image, damaged) in pages {
        let data = file.len() as u32;
        file.extend(image.pixels());
        file.resize(file.len().next_multiple_of(4), 0);
        let here = file.len() as u32;
        file[link..link + 4].copy_from_slice(&here.to_le_bytes());
        let tags = [
            (256u16, image.width() as u32),
            (257, image.height() as u32),
            (258, if *damaged { 7 } else { 8 }),
            (259, 1),
            (262, 1),
            (273, data),
            (277, 1),
            (278, image.height() as u32),
            (279, image.pixels().len() as u32),
        ];
        file.extend((tags.len() as u16).to_le_bytes());
        for (tag, value) in tags {
            file.extend(tag.to_le_bytes());
            file.extend(4u16.to_le_bytes());
            file.extend(1u32.to_le_bytes());
            file.extend(value.to_le_bytes());
        }
        link = file.len();
        file.extend([0; 4]);
    }
    file
}

/// 6: a bad page of a file is reported, and the others are read.
#[test]
fn a_bad_page_does_not_hide_the_next() {
    let folder = tempdir().unwrap();
    let (page, blank) = (prose(30.0), Gray::filled(61, 37, 255));
    let file = folder.path().join("pages.tif");
    fs::write(
        &file,
        tiff(&[(&page, false), (&blank, true), (&page, false)]),
    )
    .unwrap();
    let model = english("6").unwrap_or(&KIT.model);
    let output = run(&["ocr", "--model", model, "--json", &path(&file)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("page 2"), "{}", err(&output));
    let json: Value = serde_json::from_str(&out(&output)).unwrap();
    let all = json["pages"].as_array().unwrap();
    let numbers: Vec<u64> = all
        .iter()
        .map(|page| page["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [1, 3]);
    assert_eq!(all[0]["blocks"], all[1]["blocks"]);
    assert_eq!(lines(&all[1]).len(), PROSE.len());
}

/// 9: light text on dark ground beside dark text on light ground.
#[test]
fn both_polarities_of_a_page_are_read() {
    let folder = tempdir().unwrap();
    let (upper, model) = (prose(30.0), english("9"));
    let (width, height) = (upper.width(), upper.height());
    let both = Gray::from_fn(width, 2 * height, |x, y| match y < height {
        true => upper.get(x, y),
        false => 255 - upper.get(x, y - height),
    });
    let all = pages(model, &[&png(&folder, "both.png", &both)]);
    let found = lines(&all[0]);
    let light = found.iter().map(|line| line["light_on_dark"] == true);
    assert_eq!(light.collect::<Vec<_>>(), [[false; 4], [true; 4]].concat());
    if model.is_some() {
        assert_eq!(texts(&all[0]), [PROSE, PROSE].concat());
    }
}

/// 10: a page on its side or its head, digits that read as others upside down, and a skewed page.
#[test]
fn turned_and_skewed_pages_are_read_upright() {
    let folder = tempdir().unwrap();
    let digits = [
        (40.0, 40.0, "Invoice 9810"),
        (40.0, 90.0, "Room 6661"),
        (40.0, 140.0, "Total 6069.18"),
    ];
    let Some(model) = english("10") else {
        return;
    };
    for page in [prose(30.0), drawn(400, 300, 32.0, &digits)] {
        let expected = read(Some(model), &[&png(&folder, "page.png", &page)]);
        assert!(
            expected.contains(PROSE[0]) || expected.contains("Room 6661"),
            "{expected}"
        );
        for quarters in 1..4 {
            let file = png(&folder, "turned.png", &page.turned(quarters));
            let all = pages(Some(model), &[&file]);
            assert_eq!(all[0]["turned"], 4 - quarters);
            let wanted: Vec<&str> = expected.lines().filter(|line| !line.is_empty()).collect();
            assert_eq!(texts(&all[0]), wanted, "{quarters}");
        }
    }
    let page = prose(30.0);
    let (sin, cos) = 3f32.to_radians().sin_cos();
    let skewed = page.warp(page.width(), page.height() + 60, 255, |x, y| {
        let y = y - 20.0;
        (cos * x + sin * y, cos * y - sin * x)
    });
    let all = pages(Some(model), &[&png(&folder, "skewed.png", &skewed)]);
    assert!(
        (all[0]["skew"].as_f64().unwrap() - 3.0).abs() < 0.3,
        "{}",
        all[0]["skew"]
    );
    assert_eq!(texts(&all[0]), PROSE);
}

/// 11: the letters of a screenshot, with an x of 6 pixels.
#[test]
fn small_letters_are_read() {
    let folder = tempdir().unwrap();
    let model = english("11");
    let file = png(&folder, "small.png", &prose(13.0));
    let all = pages(model, &[&file]);
    assert_eq!(lines(&all[0]).len(), PROSE.len());
    if model.is_some() {
        let text = read(model, &[&file]);
        let words = |text: &str| {
            text.split_whitespace()
                .map(String::from)
                .collect::<Vec<_>>()
        };
        let (found, wanted) = (words(&text), words(&PROSE.join(" ")));
        let right = found.iter().filter(|word| wanted.contains(word)).count();
        assert!(right + 2 >= wanted.len(), "{text}");
    }
}

/// 12: a line a hundred times as long as high is read as its two halves are.
#[test]
fn a_long_line_is_read_as_its_halves() {
    let folder = tempdir().unwrap();
    let (half, model) = (PROSE.join(" "), english("12"));
    let whole = format!("{half} {half}");
    assert!(whole.len() > 300);
    let width = whole.len() * 17;
    let image = drawn(width, 60, 30.0, &[(20.0, 12.0, &whole)]);
    let file = png(&folder, "long.png", &image);
    for layout in ["auto", "line"] {
        let all = pages(model, &[&file, "--layout", layout]);
        let [line] = lines(&all[0])[..] else {
            panic!("{layout}: {all:?}");
        };
        if model.is_some() {
            assert_eq!(line["text"], *whole, "{layout}");
            let file = png(
                &folder,
                "half.png",
                &drawn(width, 60, 30.0, &[(20.0, 12.0, &half)]),
            );
            assert_eq!(
                read(model, &[&file, "--layout", layout]),
                format!("{half}\n")
            );
        }
        // The words stand in their order over the whole line.
        let words = line["words"].as_array().unwrap();
        let lefts: Vec<f64> = words
            .iter()
            .map(|word| word["quad"][0][0].as_f64().unwrap())
            .collect();
        assert!(lefts.is_sorted(), "{lefts:?}");
    }
}

/// 13: ink up to the edge of the image, and a frame around a word.
#[test]
fn tight_and_framed_words_are_read() {
    let folder = tempdir().unwrap();
    let image = drawn(200, 80, 36.0, &[(30.0, 20.0, "Harbour")]);
    let dark = |x: usize, y: usize| image.get(x, y) < 128;
    let columns: Vec<usize> = (0..200).filter(|&x| (0..80).any(|y| dark(x, y))).collect();
    let rows: Vec<usize> = (0..80).filter(|&y| (0..200).any(|x| dark(x, y))).collect();
    let (left, top) = (columns[0], rows[0]);
    let (right, bottom) = (columns[columns.len() - 1] + 1, rows[rows.len() - 1] + 1);
    let tight = Gray::from_fn(right - left, bottom - top, |x, y| {
        image.get(left + x, top + y)
    });
    let framed = Gray::from_fn(200, 80, |x, y| {
        let rule = [5, 6, 193, 194].contains(&x) && (5..75).contains(&y)
            || [5, 6, 73, 74].contains(&y) && (5..195).contains(&x);
        if rule { 0 } else { image.get(x, y) }
    });
    let model = english("13");
    for (name, page) in [("tight.png", tight), ("framed.png", framed)] {
        for layout in ["auto", "line", "word"] {
            let all = pages(model, &[&png(&folder, name, &page), "--layout", layout]);
            assert_eq!(lines(&all[0]).len(), 1, "{name} {layout}");
            if model.is_some() {
                assert_eq!(lines(&all[0])[0]["text"], "Harbour", "{name} {layout}");
            }
        }
    }
}

/// 14: spaces between words stay, narrow and wide.
#[test]
fn spaces_of_any_width_stay() {
    let Some(model) = english("14") else {
        return;
    };
    let folder = tempdir().unwrap();
    // Spaces of about 9, 75 and 12 pixels.
    let places = [
        (10.0, "KNOCKED"),
        (146.0, "DOWN"),
        (306.0, "WAVE"),
        (395.0, "CADET"),
    ];
    let texts = places.map(|(x, text)| (x, 20.0, text));
    let file = png(&folder, "gaps.png", &drawn(600, 80, 30.0, &texts));
    for layout in ["auto", "line"] {
        let text = read(Some(model), &[&file, "--layout", layout]);
        assert_eq!(text.trim(), "KNOCKED DOWN WAVE CADET", "{layout}");
    }
}

/// 15: letters that look alike: the model may take one for another, and what is known of the text decides.
#[test]
fn a_lexicon_tells_letters_that_look_alike() {
    let Some(model) = english("15") else {
        return;
    };
    let folder = tempdir().unwrap();
    let file = png(
        &folder,
        "alike.png",
        &drawn(260, 60, 32.0, &[(10.0, 10.0, "0O0 5S 8B")]),
    );
    let lexicon = folder.path().join("codes.txt");
    fs::write(&lexicon, "0O0\nO00\n5S\nS5\n55\n8B\nB8\n88\n").unwrap();
    let all = [&file, "--layout", "line", "--lexicon", &path(&lexicon)];
    assert_eq!(read(Some(model), &all), "0O0 5S 8B\n");
    let best = [&file, "--layout", "line", "--beam", "40", "--best", "40"];
    let all = pages(Some(model), &best);
    let others = lines(&all[0])[0]["alternatives"].as_array().unwrap().len();
    assert!(others > 5, "{others}");
}

/// 16, and its like: models that would be read in the wrong direction are refused by name.
#[test]
fn models_of_other_directions_are_refused() {
    let folder = tempdir().unwrap();
    let page = png(&folder, "page.png", &prose(30.0));
    let model = folder.path().join("chi_sim_vert.traineddata");
    fs::write(&model, b"whatever it holds").unwrap();
    let error = fails(&["ocr", "--model", &path(&model), &page]);
    assert!(
        error.contains("top to bottom") && error.contains("chi_sim.traineddata"),
        "{error}"
    );
    let error = fails(&["import", &path(&model), &path(&folder.path().join("out"))]);
    assert!(error.contains("top to bottom"), "{error}");
}

/// 18: noise is soon found to be noise.
#[test]
fn noise_is_flagged_and_not_read() {
    let folder = tempdir().unwrap();
    let mut state = 7u32;
    let noise = Gray::from_fn(1600, 2200, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if (state >> 16).is_multiple_of(3) {
            0
        } else {
            255
        }
    });
    let output = run(&[
        "ocr",
        "--model",
        &KIT.model,
        &png(&folder, "noise.png", &noise),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(out(&output).trim(), "");
    assert!(
        err(&output).contains("noise or a picture"),
        "{}",
        err(&output)
    );
}

/// The time of each step is told where it is asked for, and only there.
#[test]
fn steps_are_timed() {
    let folder = tempdir().unwrap();
    let page = png(&folder, "page.png", &prose(30.0));
    let output = run(&["ocr", "--model", &KIT.model, "--json", "--times", &page]);
    let json: Value = serde_json::from_str(&out(&output)).unwrap();
    let seconds = json["pages"][0]["seconds"].as_object().unwrap();
    for step in ["decoding", "lines", "cut", "text", "words", "uncovered ink"] {
        assert!(seconds[step].as_f64().unwrap() >= 0.0, "{step}");
        assert!(err(&output).contains(step), "{}", err(&output));
    }
    let without = pages(None, &[&page]);
    assert!(without[0].get("seconds").is_none());
}
