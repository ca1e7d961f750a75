//! Translation from recipe to figures: generated numbers, which need no file.

use crate::support;
use refrain::recipe::Recipe;
use refrain::store::ModelFolder;
use refrain::tasks::translation::{Loaded, TranslateOptions, TranslationTask};
use refrain::tasks::{self, Medium, Piece, Site, Split, TASKS, Use};
use refrain::train::{Control, Event, Stopped};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use tempfile::{TempDir, tempdir};

const NUMBERS: &str = r#"
task = "translation"
[data]
from = "en"
to = "digits"
pairs = { from = "numbers", below = 1000, train = 2_000, valid = 40, test = 60, write = "digits" }
vocabulary = 300
batch_tokens = 60
[model]
cell = "gru"
embedding = 32
encoder = 32
decoder = 48
attention = "additive"
[train]
batch = 64
epochs = 30
optimizer = { kind = "adamw", lr = 6e-3 }
schedule = { kind = "cosine", warmup = 0.1, last = 0.02 }
[loss]
smoothing = 0.0
"#;

fn recipe(overrides: &[&str]) -> Recipe {
    support::recipe(NUMBERS, overrides).unwrap()
}

fn train(recipe: &Recipe, folder: &Path) -> tasks::Summary {
    support::train(recipe, folder, Path::new("."), &mut |_| Control::Continue).unwrap()
}

/// A model that reads numbers below 1,000, trained once for all tests.
static MODEL: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let keep = tempdir().unwrap();
    let folder = keep.path().join("run");
    train(&recipe(&[]), &folder);
    (keep, folder)
});

fn open(options: TranslateOptions) -> Loaded {
    tasks::open::<TranslationTask>(&MODEL.1, options, &Site::default()).unwrap()
}

fn texts(loaded: &Loaded, lines: &[&str]) -> Vec<String> {
    let all = loaded.translate_all(lines).unwrap();
    all.into_iter().map(|own| own.text).collect()
}

const LINES: [&str; 9] = [
    "three hundred and forty-two",
    "",
    "seven",
    " \u{a0}\t",
    "nine hundred and ninety",
    "one hundred",
    "twelve",
    "eight hundred and thirty-one",
    "NINETY FIVE",
];

#[test]
fn numbers_in_words_become_digits() {
    let own = support::evaluate(&MODEL.1, Split::Test).unwrap().metrics;
    // The pairs are those that the training held back.
    let trained = ModelFolder::open(&MODEL.1).unwrap();
    assert_eq!(own, trained.about().figures.test);
    assert!(own["accuracy"] > 80.0, "{own:?}");
    assert!(own["perplexity"] < 1.5 && own["chrf"] > 80.0, "{own:?}");
    let got = texts(&open(TranslateOptions::default()), &LINES);
    // Blank lines stay as they are, and the model is not asked.
    assert_eq!((got[1].as_str(), got[3].as_str()), ("", " \u{a0}\t"));
    assert_eq!(got[0], "342");
    // Capitals are read as a sentence.
    let small = texts(&open(TranslateOptions::default()), &["Ninety five"]);
    assert_eq!(got[8], small[0].to_uppercase());
}

#[test]
fn a_run_that_is_interrupted_ends_with_the_same_bits() {
    let short = recipe(&[
        "train.epochs=2",
        "data.placeholders=0.5",
        "data.capitals=0.2",
        "data.bpe_dropout=0.2",
        "train.average={ kind = \"best\", epochs = 2 }",
    ]);
    let (calm, rough) = (tempdir().unwrap(), tempdir().unwrap());
    let (calm, rough) = (calm.path().join("run"), rough.path().join("run"));
    let done = train(&short, &calm);
    let mut steps = 0;
    let first = support::train(&short, &rough, Path::new("."), &mut |event| {
        steps += u32::from(matches!(event, Event::Step { .. }));
        match steps < 77 {
            true => Control::Continue,
            false => Control::Stop,
        }
    });
    assert_eq!(first.unwrap().stopped, Stopped::Asked);
    let resumed = support::resume(&rough, &mut |_| Control::Continue).unwrap();
    let bytes = |folder: &Path| std::fs::read(folder.join("model.safetensors")).unwrap();
    assert_eq!(bytes(&calm), bytes(&rough));
    assert_eq!(done.test, resumed.test);
}

#[test]
fn translations_do_not_depend_on_batch_order_or_threads() {
    for beam in [1, 4] {
        let all = |batch: usize, threads: Option<usize>, lines: &[&str]| {
            let loaded = open(TranslateOptions {
                beam: Some(beam),
                batch: Some(batch),
                n_best: Some(beam.min(2)),
                align: true,
                ..TranslateOptions::default()
            });
            let site = Site {
                threads,
                ..Site::default()
            };
            site.compute(|| loaded.translate_all(lines)).unwrap()
        };
        let expected = all(64, None, &LINES);
        for (batch, threads) in [(1, Some(1)), (2, Some(3)), (5, None)] {
            assert_eq!(all(batch, threads, &LINES), expected, "batch {batch}");
        }
        let mut turned = LINES;
        turned.reverse();
        let mut got = all(3, Some(2), &turned);
        got.reverse();
        assert_eq!(got, expected);
    }
}

#[test]
fn a_beam_of_one_is_greedy_and_scores_are_those_of_forced_translations() {
    let beam = |beam: usize, n_best: usize| {
        open(TranslateOptions {
            beam: Some(beam),
            n_best: Some(n_best),
            ..TranslateOptions::default()
        })
    };
    let lines: Vec<&str> = LINES
        .into_iter()
        .filter(|own| !own.trim().is_empty())
        .collect();
    let best = beam(5, 1).translate_all(&lines).unwrap();
    let many = beam(5, 5).translate_all(&lines).unwrap();
    for (best, many) in best.iter().zip(&many) {
        assert_eq!((&best.text, best.log_prob), (&many.text, many.log_prob));
        let mut scores = vec![many.score];
        scores.extend(many.alternatives.iter().map(|own| own.score));
        assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
        let mut texts: Vec<&String> = many.alternatives.iter().map(|own| &own.text).collect();
        texts.push(&many.text);
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), 1 + many.alternatives.len());
    }
    // Lines in capitals are read in lower case, which forced scoring does not know of.
    let loaded = beam(5, 1);
    let pairs: Vec<[String; 2]> = lines[..lines.len() - 1]
        .iter()
        .zip(&best)
        .map(|(line, own)| [line.to_string(), own.text.clone()])
        .collect();
    for (forced, own) in loaded.score(&pairs).unwrap().iter().zip(&best) {
        assert_eq!(forced.log_prob, own.log_prob, "{}", own.text);
    }
}

#[test]
fn items_are_copied_though_the_model_knows_none() {
    let loaded = open(TranslateOptions::default());
    let unchanged = ["...", "user@example.org, +447378099903!", "\u{ab} \u{bb}"];
    assert_eq!(texts(&loaded, &unchanged), unchanged);
    let lines = [
        "seven https://example.com/a?b=1 eight",
        "user@example.org",
        "forty at 19:30 and €30.50",
        "+447378099903",
    ];
    let items: [&[&str]; 4] = [
        &["https://example.com/a?b=1"],
        &["user@example.org"],
        &["19:30", "€30.50"],
        &["+447378099903"],
    ];
    for (own, items) in texts(&loaded, &lines).iter().zip(items) {
        for item in items {
            assert!(own.contains(item), "{own}");
        }
    }
}

#[test]
fn each_sentence_of_a_line_is_translated() {
    let loaded = open(TranslateOptions {
        align: true,
        attention: true,
        ..TranslateOptions::default()
    });
    let line = "Seven. Three hundred and forty-two!  Twelve.";
    let own = loaded.translate_all(&[line]).unwrap().remove(0);
    let alone = texts(
        &loaded,
        &["Seven.", "Three hundred and forty-two!", "Twelve."],
    );
    assert_eq!(own.text, format!("{} {}  {}", alone[0], alone[1], alone[2]));
    assert_eq!(own.warnings, [""; 0]);
    // Words are counted from the start of the line.
    let (source, target) = (
        line.split_whitespace().count(),
        own.text.split_whitespace().count(),
    );
    let pairs = own.alignment.unwrap();
    assert!(
        pairs.iter().all(|[i, j]| *i < source && *j < target),
        "{pairs:?}"
    );
    let last = pairs
        .iter()
        .filter(|[i, _]| *i == source - 1)
        .map(|[_, j]| *j);
    assert_eq!(last.collect::<Vec<_>>(), [target - 1]);
    let map = own.attention.unwrap();
    assert_eq!([map.source.len(), map.target.len()], [source, target]);
    assert!(map.weights.iter().all(|row| row.len() == source));
    assert!(
        map.weights[target - 1][..source - 1]
            .iter()
            .all(|w| *w == 0.0)
    );
    // The marks of items and speakers stay.
    let items = texts(&loaded, &["- Seven.", "\u{2022} seven"]);
    assert!(
        items[0].starts_with("- ") && items[1].starts_with("\u{2022} "),
        "{items:?}"
    );
}

#[test]
fn a_translation_has_the_beginning_and_the_words_that_are_asked_for() {
    let loaded = open(TranslateOptions {
        prefix: Some("9".into()),
        words: vec!["55".into()],
        ..TranslateOptions::default()
    });
    for text in texts(&loaded, &["three hundred and forty-two", "seven"]) {
        assert!(text.starts_with('9') && text.contains("55"), "{text}");
    }
}

#[test]
fn a_translation_has_no_placeholder_that_its_source_lacks() {
    // A model that knows placeholders, and has seen them in all pairs with a common word.
    let loaded = open(TranslateOptions::default());
    for own in loaded
        .translate_all(&["seven", "seven 19:30", "19:30 7:15 19:30"])
        .unwrap()
    {
        assert!(
            !own.text
                .chars()
                .any(|c| ('\u{e000}'..='\u{e0ff}').contains(&c))
        );
        assert!(
            !own.warnings.iter().any(|own| own.contains("adds")),
            "{own:?}"
        );
    }
}

#[test]
fn a_long_line_is_cut_and_told() {
    let loaded = open(TranslateOptions::default());
    let line = "seven, ".repeat(200);
    let own = loaded.translate_all(&[line.as_str()]).unwrap().remove(0);
    assert!(own.warnings[0].contains("parts"), "{:?}", own.warnings);
    assert!(own.text.len() > 10, "{}", own.text);
    // A line without any place to cut is translated, too.
    let line = "x".repeat(20_000);
    assert_eq!(loaded.translate_all(&[line.as_str()]).unwrap().len(), 1);
}

#[test]
fn an_ensemble_of_a_model_with_itself_is_the_model() {
    let alone = open(TranslateOptions::default());
    let twice = open(TranslateOptions {
        ensemble: vec![MODEL.1.clone()],
        ..TranslateOptions::default()
    });
    let (alone, twice) = (texts(&alone, &LINES), texts(&twice, &LINES));
    assert_eq!(alone, twice);
    let other = tempdir().unwrap();
    let other = other.path().join("run");
    train(&recipe(&["train.epochs=1", "data.vocabulary=280"]), &other);
    let options = TranslateOptions {
        ensemble: vec![other],
        ..TranslateOptions::default()
    };
    let Err(error) = tasks::open::<TranslationTask>(&MODEL.1, options, &Site::default()) else {
        panic!("vocabularies differ");
    };
    assert!(error.to_string().contains("vocabulary differs"), "{error}");
}

#[test]
fn a_session_gives_a_line_for_each_line_and_can_be_stored() {
    let loaded: Arc<dyn Use> = TASKS
        .load(&MODEL.1, toml::Table::new(), &Site::default())
        .unwrap();
    assert_eq!(loaded.ports().takes, Medium::Text);
    let mut got = String::new();
    let mut give = |piece: Piece| {
        if let Piece::Text(text) = piece {
            got += &text.text;
        }
        Control::Continue
    };
    let mut session = loaded.clone().begin().unwrap();
    session.push(Piece::text("sev"), &mut give).unwrap();
    let state = session.store().unwrap();
    let mut session = loaded.clone().restore(&state).unwrap();
    session
        .push(Piece::text("en\r\n\nten\neigh"), &mut give)
        .unwrap();
    session.push(Piece::text("t"), &mut give).unwrap();
    session.finish(&mut give).unwrap();
    assert_eq!(got, "7\r\n\n10\n8");
    assert!(loaded.restore(&state[1..]).is_err());
}

#[test]
fn recipes_that_cannot_work_are_refused() {
    let refused = |setting: &str| {
        support::recipe(NUMBERS, &[setting])
            .unwrap_err()
            .to_string()
    };
    for (setting, named) in [
        ("data.pairs.test=1000", "below 1000"),
        ("data.longest=0", "data.longest"),
        ("data.capitals=1.5", "data.capitals"),
        ("search.beam=0", "search.beam"),
        ("loss.smoothing=1.5", "loss.smoothing"),
        ("data.vocabulary=200", "data.vocabulary"),
        ("model.copy=true", "data.joint"),
        ("model.decoder=0", "model.decoder"),
        ("search.no_repeat=0", "search.no_repeat"),
        ("search.length_penalty=-1", "search.length_penalty"),
        ("model.attention=\"dot\"", "general"),
        ("data.tokens=3", "batch_tokens"),
    ] {
        let error = refused(setting);
        assert!(error.contains(named), "{setting}: {error}");
    }
}
