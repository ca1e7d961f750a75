//! Labels and characters.

use crate::writer;
use refrain_decode::ctc::LabelSpan;
use refrain_decode::ctc::beam::{BeamConfig, BeamDecoder, BeamModels};
use refrain_decode::text::Lexicon;
use refrain_tesseract::{Charset, Recogniser, Scores, TesseractError, parse};
use std::sync::Arc;

fn korean() -> Charset {
    parse(&writer::korean()).unwrap().charset
}

/// Scores of frames that each have one likely label and a second one.
fn scores(frames: &[(u32, u32)], labels: usize) -> Scores {
    let mut log_probs = Vec::new();
    for &(first, second) in frames {
        let mut frame = vec![(0.01f32).ln(); labels];
        frame[second as usize] = (0.3f32).ln();
        frame[first as usize] = (0.6f32).ln();
        log_probs.extend(frame);
    }
    Scores {
        frames: frames.len(),
        labels,
        log_probs,
    }
}

#[test]
fn characters_of_several_labels() {
    let charset = korean();
    assert_eq!(charset.text(&[1, 3, 5, 2, 3, 5, 0, 1, 3, 6, 7]), "가나 각7");
    // Labels that make no character are left out, and those behind them are not.
    assert_eq!(charset.text(&[1, 3, 1, 3, 6, 5, 7, 2]), "각7");
    let characters: Vec<&str> = charset.characters().collect();
    assert_eq!(characters, [" ", "7", "가", "각", "나"]);
    let span = |label, first, last, confidence| LabelSpan {
        label,
        first,
        last,
        confidence,
    };
    let spans = [
        span(1, 2, 3, 0.5),
        span(3, 4, 4, 1.0),
        span(5, 6, 8, 0.75),
        span(7, 9, 9, 0.25),
    ];
    let characters = charset.spans(&spans);
    assert_eq!(
        (
            &characters[0].text[..],
            characters[0].first,
            characters[0].last
        ),
        ("가", 2, 8)
    );
    assert_eq!(
        (characters[0].confidence, characters[1].confidence),
        (0.75, 0.25)
    );
}

#[test]
fn a_character_set_survives_storage() {
    for charset in [
        korean(),
        parse(&writer::model(writer::Numbers::Int8).0)
            .unwrap()
            .charset,
    ] {
        let stored = serde_json::to_string(&charset).unwrap();
        assert_eq!(serde_json::from_str::<Charset>(&stored).unwrap(), charset);
    }
    let broken = r#"{"labels":2,"blank":1,"texts":["a"],"codes":[[2]]}"#;
    let error = serde_json::from_str::<Charset>(broken)
        .unwrap_err()
        .to_string();
    assert!(error.contains("character 0 has labels [2]"), "{error}");
    let texts = || vec!["a".to_owned()];
    for (labels, blank, codes) in [
        (2, 2, vec![vec![0]]),
        (2, 1, vec![vec![]]),
        (2, 1, vec![vec![0; 10]]),
        (2, 1, vec![]),
        (70_000, 1, vec![vec![0]]),
    ] {
        let result = Charset::new(labels, blank, texts(), codes);
        assert!(matches!(result, Err(TesseractError::Charset(_))));
    }
}

#[test]
fn the_beam_search_of_labels_finds_words_of_characters() {
    let charset = korean();
    assert_eq!(charset.spell("나비"), None);
    let spelled = charset.spell("각나").unwrap();
    assert_eq!(spelled.chars().count(), 6);
    assert_eq!(charset.spell("7").unwrap(), "7");
    // The best path reads 가나; the only word of the lexicon is 각나.
    let frames = [(1, 8), (3, 8), (5, 6), (8, 0), (2, 8), (3, 8), (5, 8)];
    let scores = scores(&frames, 9);
    let decode = |models| {
        let labels = charset.search_labels().unwrap();
        let decoder = BeamDecoder::new(labels, BeamConfig::exhaustive(50), models).unwrap();
        let best = decoder.decode(&scores.log_probs, 1).unwrap().remove(0);
        let labels: Vec<u32> = best.labels.iter().map(|span| span.label).collect();
        charset.text(&labels)
    };
    assert_eq!(decode(BeamModels::default()), "가나");
    let lexicon = Some(Arc::new(Lexicon::new([&spelled[..]])));
    let models = BeamModels {
        lexicon,
        ..BeamModels::default()
    };
    assert_eq!(decode(models), "각나");
}

#[test]
fn a_path_that_spells_no_character_gives_way_to_one_that_does() {
    let model = parse(&writer::korean()).unwrap();
    let recogniser = Recogniser::new(model.network, model.charset).unwrap();
    let text = |frames: &[(u32, u32)]| recogniser.text(&scores(frames, 9)).unwrap().text;
    assert_eq!(text(&[(1, 8), (3, 8), (5, 6)]), "가");
    // The likeliest labels are 1, 3, 7; the last one could be 6.
    assert_eq!(text(&[(1, 8), (8, 3), (3, 8), (7, 6), (8, 7)]), "각");
    // 2, 2 and 3: the repeated label needs a blank, which is less likely than another beginning.
    assert_eq!(
        text(&[(2, 8), (3, 8), (5, 8), (8, 5), (5, 7), (7, 8)]),
        "나7"
    );
    let reading = recogniser
        .text(&scores(&[(1, 8), (8, 3), (3, 8), (7, 6), (8, 7)], 9))
        .unwrap();
    assert_eq!(
        (reading.characters[0].first, reading.characters[0].last),
        (0, 3)
    );
    assert!((reading.characters[0].confidence - 0.5).abs() < 1e-6);
}
