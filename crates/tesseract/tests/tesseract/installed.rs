//! Models of Debian's packages tesseract-ocr, tesseract-ocr-deu and tesseract-ocr-kor, where they are installed.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use refrain_image::Gray;
use refrain_tesseract::{Model, Recogniser, parse};

/// A model of the system; none, with a message, if it is not installed.
fn installed(language: &str) -> Option<Model> {
    let path = format!("/usr/share/tesseract-ocr/5/tessdata/{language}.traineddata");
    match std::fs::read(&path) {
        Ok(file) => Some(parse(&file).unwrap()),
        Err(_) => {
            eprintln!(
                "skipped: {path} is not there (apt-get install tesseract-ocr tesseract-ocr-{language})"
            );
            None
        }
    }
}

/// A line of text, black on white.
fn draw(text: &str, font: &[u8], height: f32) -> Gray {
    let font = FontRef::try_from_slice(font).unwrap();
    let font = font.as_scaled(PxScale::from(height));
    let width: f32 = text.chars().map(|c| font.h_advance(font.glyph_id(c))).sum();
    let mut image = Gray::filled(width as usize + 12, height as usize + 4, 255);
    let mut x = 6.0;
    for c in text.chars() {
        let glyph = font.glyph_id(c);
        let placed = glyph.with_scale_and_position(height, point(x, 2.0 + font.ascent()));
        x += font.h_advance(glyph);
        let Some(outline) = font.outline_glyph(placed) else {
            continue;
        };
        let (left, top) = (
            outline.px_bounds().min.x as usize,
            outline.px_bounds().min.y as usize,
        );
        let (columns, rows) = (image.width(), image.height());
        outline.draw(|dx, dy, cover| {
            let (x, y) = (left + dx as usize, top + dy as usize);
            if x < columns && y < rows {
                let pixel = &mut image.pixels_mut()[y * columns + x];
                *pixel = pixel.saturating_sub((255.0 * cover) as u8);
            }
        });
    }
    image
}

#[test]
fn english_lines_are_read() {
    let Some(model) = installed("eng") else {
        return;
    };
    assert_eq!(
        (model.network.parameters(), model.charset.labels()),
        (385_807, 111)
    );
    assert_eq!(model.unichars.len(), 112);
    // As many as dawg2wordlist writes.
    assert_eq!(
        (model.words.len(), model.lexicon().count()),
        (338_080, 338_080)
    );
    assert_eq!(model.lexicon().next().unwrap(), "Ca");
    assert!(model.lexicon().any(|word| word == "recognition"));
    assert_eq!(model.numbers.len(), 442);
    let recogniser = Recogniser::new(model.network, model.charset).unwrap();
    let texts = [
        "The quick brown fox jumps over 13 lazy dogs.",
        "Please return all keys (2) before Friday, 5 June!",
        "Total: $48.50",
    ];
    let (sans, serif) = (dejavu::sans::regular(), dejavu::serif::regular());
    let mut images = Vec::new();
    for text in texts {
        images.push(draw(text, sans, 40.0));
        images.push(draw(text, serif, 28.0));
        images.push(draw(text, serif, 80.0).inverted());
    }
    let sights = recogniser.see(&images).unwrap();
    for (sight, text) in sights.iter().zip(texts.iter().flat_map(|text| [text; 3])) {
        assert_eq!(recogniser.text(&sight.scores).unwrap().text, *text);
    }
    // The same bits alone.
    assert_eq!(recogniser.see(&images[4..5]).unwrap()[0], sights[4]);
    assert!(
        sights
            .iter()
            .enumerate()
            .all(|(index, sight)| sight.inverted == (index % 3 == 2))
    );
    // Letters lie where their frames say: 3 columns of a line of height 36 each.
    let reading = &recogniser.read(&images[..1]).unwrap()[0];
    let scale = 3.0 * images[0].height() as f64 / 36.0;
    let last = reading.characters.last().unwrap();
    let place = scale * last.last as f64 / images[0].width() as f64;
    assert!((0.93..1.0).contains(&place), "{place}");
}

#[test]
fn german_lines_are_read() {
    let Some(model) = installed("deu") else {
        return;
    };
    assert_eq!(
        (model.words.len(), model.network.parameters()),
        (89_378, 400_979)
    );
    let recogniser = Recogniser::new(model.network, model.charset).unwrap();
    let text = "Schöne Grüße aus dem Süden, 27 Äpfel";
    let readings = recogniser
        .read(&[draw(text, dejavu::serif::regular(), 40.0)])
        .unwrap();
    assert_eq!(readings[0].text, text);
}

#[test]
fn korean_characters_are_spelled_by_three_labels() {
    let Some(model) = installed("kor") else {
        return;
    };
    assert_eq!((model.unichars.len(), model.charset.labels()), (1_158, 144));
    assert_eq!(model.words.len(), 79_277);
    assert_eq!(
        model.config,
        [("preserve_interword_spaces".to_owned(), "1".to_owned())]
    );
    assert_eq!(model.charset.spell("률").unwrap().chars().count(), 3);
    assert_eq!(
        model.charset.text(&[85, 116, 127, 0, 98, 117, 133]),
        "률 흡"
    );
    let words: Vec<String> = model.lexicon().collect();
    let spelled = words
        .iter()
        .filter(|word| model.charset.spell(word).is_some())
        .count();
    assert_eq!(spelled, words.len());
    // Digits need no Korean font.
    let recogniser = Recogniser::new(model.network, model.charset).unwrap();
    let readings = recogniser
        .read(&[draw("20261127", dejavu::sans::regular(), 44.0)])
        .unwrap();
    assert_eq!(readings[0].text, "20261127");
}
