//! Writers of text: the same bits alone, together, stored and read back.

use crate::support;
use proptest::prelude::*;
use refrain::Error;
use refrain::models::{CellKind, LanguageModelConfig};
use refrain::tasks::language::{Finished, GenerateConfig, LanguageRecipe, Loaded, Writer};
use refrain::tasks::{Piece, Session, TASKS, Use};
use refrain::train::Control;
use refrain_data::vocab::{Vocabulary, VocabularyKind};
use refrain_kernels::Precision;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tempfile::tempdir;

const TEXT: &str =
    "A cat sat.\nThe other cat, a big one, sat by it: \"Oh!\"\nThey sat and sat till noon.\n";

fn model(config: LanguageModelConfig, kind: VocabularyKind, seed: u64) -> Arc<Loaded> {
    let vocabulary = Vocabulary::build(kind, TEXT).unwrap();
    let recipe = "[data]\ntext = { from = \"generated\", seed = 1, characters = 1000 }\nvocabulary = { kind = \"characters\" }";
    let mut recipe: LanguageRecipe = toml_of(recipe);
    let device = burn::tensor::Device::flex();
    let model = config.init(vocabulary.len(), seed, &device).unwrap();
    recipe.model = config;
    Arc::new(Loaded::new(model, vocabulary, recipe))
}

fn toml_of(text: &str) -> LanguageRecipe {
    let recipe = support::recipe(&format!("task = \"language\"\n{text}"), &[]).unwrap();
    recipe.body().unwrap()
}

fn small() -> LanguageModelConfig {
    LanguageModelConfig {
        embedding: 6,
        hidden: 20,
        layers: 2,
        ..LanguageModelConfig::default()
    }
}

/// Models of each engine and kind of token.
fn models() -> Vec<Arc<Loaded>> {
    let mut normed = small();
    normed.variant.layer_norm = true;
    normed.variant.zoneout_h = 0.1;
    let gru = LanguageModelConfig {
        cell: CellKind::Gru,
        ..small()
    };
    let words = VocabularyKind::Words {
        max_size: None,
        min_count: 0,
    };
    vec![
        model(small(), VocabularyKind::Characters, 1),
        model(gru, VocabularyKind::Bpe { size: 280 }, 2),
        model(normed, words, 3),
    ]
}

#[derive(Clone, Debug)]
struct Wish {
    prime: String,
    config: GenerateConfig,
}

fn wish() -> impl Strategy<Value = Wish> {
    let stop = prop::sample::subsequence(vec!["at", "\n", "e", ""], 0..3);
    let prime = "[A-Ta-t ,\\n:é]{0,30}";
    (prime, 0usize..12, 0u64..1000, stop, 0usize..3).prop_map(
        |(prime, length, seed, stop, best)| Wish {
            prime,
            config: GenerateConfig {
                length,
                seed,
                temperature: 0.7,
                top_k: Some(9),
                stop: stop.into_iter().map(String::from).collect(),
                alternatives: best,
                ..GenerateConfig::default()
            },
        },
    )
}

/// All that a writer gave, with the bits of its log-probabilities.
#[derive(Clone, Debug, Default, PartialEq)]
struct Heard {
    text: String,
    bits: Vec<u64>,
    finished: Option<Finished>,
}

impl Heard {
    fn add(&mut self, written: refrain::tasks::language::Written) {
        self.text += &written.text;
        if let Some(drawn) = &written.drawn {
            let all = [&drawn.token].into_iter().chain(&drawn.alternatives);
            self.bits
                .extend(all.map(|token| token.log_probability.to_bits()));
        }
        self.finished = written.finished.or(self.finished);
    }
}

fn begun(loaded: &Arc<Loaded>, wish: &Wish) -> Writer {
    let mut writer = Writer::new(loaded, &wish.config).unwrap();
    writer.read(&wish.prime);
    writer.end();
    writer
}

fn alone(loaded: &Arc<Loaded>, wish: &Wish) -> Heard {
    let mut heard = Heard::default();
    let mut writer = begun(loaded, wish);
    let all = writer.write(&mut |written| {
        heard.add(written);
        Control::Continue
    });
    all.unwrap();
    heard.finished = writer.finished();
    assert!(heard.finished.is_some() && heard.text.chars().count() <= 40 * wish.config.length);
    heard
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Writers step together, leave when their text ends, and are stored and read back at random moments.
    #[test]
    fn a_text_has_the_same_bits_alone_in_any_batch_and_after_being_stored(
        wishes in prop::collection::vec(wish(), 1..7),
        moments in prop::collection::vec(0usize..100, 0..12),
        late in 0usize..5,
    ) {
        for loaded in models() {
            let mut writers: Vec<Writer> = wishes.iter().map(|own| begun(&loaded, own)).collect();
            let mut heard = vec![Heard::default(); wishes.len()];
            for round in 0.. {
                // The last writer joins later than the others.
                let together = if round < late { wishes.len() - 1 } else { wishes.len() };
                let mut open: Vec<(&mut Writer, &mut Heard)> = writers[..together]
                    .iter_mut()
                    .zip(&mut heard)
                    .filter(|(writer, _)| writer.finished().is_none())
                    .collect();
                if open.is_empty() && round >= late {
                    break;
                }
                for (number, (writer, _)) in open.iter_mut().enumerate() {
                    if moments.contains(&(7 * round + number)) {
                        **writer = Writer::restore(&loaded, &writer.store().unwrap()).unwrap();
                    }
                }
                let mut rows: Vec<&mut Writer> = open.iter_mut().map(|(writer, _)| &mut **writer).collect();
                let steps = Writer::step_many(&mut rows).unwrap();
                for ((_, heard), written) in open.into_iter().zip(steps) {
                    heard.add(written);
                }
            }
            for ((wish, writer), mut heard) in wishes.iter().zip(&writers).zip(heard) {
                heard.finished = writer.finished();
                prop_assert_eq!(heard, alone(&loaded, wish), "{:?}", wish);
            }
        }
    }
}

#[test]
fn log_probabilities_are_those_of_the_model_and_alternatives_are_the_likeliest() {
    let loaded = models().swap_remove(0);
    let config = GenerateConfig {
        length: 30,
        temperature: 0.0,
        alternatives: 400,
        ..GenerateConfig::default()
    };
    let mut writer = Writer::new(&loaded, &config).unwrap();
    let mut seen = 0;
    let mut check = |written: refrain::tasks::language::Written| {
        let drawn = written.drawn.unwrap();
        assert_eq!(
            drawn.alternatives[0], drawn.token,
            "temperature 0 takes the likeliest"
        );
        let sum: f64 = drawn
            .alternatives
            .iter()
            .map(|own| own.log_probability.exp())
            .sum();
        assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        // All but the unknown character, which is never written.
        assert_eq!(drawn.alternatives.len(), loaded.vocabulary.len() - 1);
        seen += 1;
        Control::Continue
    };
    writer.write(&mut check).unwrap();
    assert_eq!((seen, writer.counts().tokens), (30, 30));
}

fn restored(loaded: &Arc<Loaded>, bytes: &[u8]) -> Result<Box<dyn Session>, Error> {
    loaded.clone().restore(bytes)
}

/// Finishes a session in parts of a few pieces; between them it is stored and read back.
fn in_parts(loaded: &Arc<Loaded>, mut session: Box<dyn Session>, size: usize) -> String {
    let mut text = String::new();
    loop {
        let (mut pieces, mut finished) = (0, false);
        let mut give = |piece: Piece| {
            let Piece::Text(piece) = piece else {
                unreachable!("a text")
            };
            let detail = piece.detail.unwrap();
            assert!(!detail["tokens"].as_array().unwrap().is_empty(), "{detail}");
            finished = !detail["finished"].is_null();
            text += &piece.text;
            pieces += 1;
            match pieces == size {
                true => Control::Stop,
                false => Control::Continue,
            }
        };
        session.finish(&mut give).unwrap();
        if finished {
            return text;
        }
        session = restored(loaded, &session.store().unwrap()).unwrap();
    }
}

#[test]
fn a_session_is_stored_before_in_the_middle_of_and_after_its_text() {
    for loaded in models() {
        let wish = Wish {
            prime: "The cat sat, the other ".into(),
            config: GenerateConfig {
                length: 40,
                ..loaded.generate.clone()
            },
        };
        let mut own = Loaded::new(
            loaded.model.clone(),
            loaded.vocabulary.clone(),
            loaded.recipe.clone(),
        );
        own.generate = wish.config.clone();
        let loaded = Arc::new(own);
        let expected = alone(&loaded, &wish).text;
        for size in [1, 3, 7, 100] {
            let mut session = loaded.clone().begin().unwrap();
            session = restored(&loaded, &session.store().unwrap()).unwrap();
            for piece in wish.prime.split_inclusive(' ') {
                session
                    .push(Piece::text(piece), &mut |_| Control::Continue)
                    .unwrap();
                session = restored(&loaded, &session.store().unwrap()).unwrap();
            }
            assert_eq!(in_parts(&loaded, session, size), expected);
        }
        // After its text, a session takes another one.
        let mut session = loaded.clone().begin().unwrap();
        for _ in 0..2 {
            session
                .push(Piece::text(&*wish.prime), &mut |_| Control::Continue)
                .unwrap();
            let mut text = String::new();
            let mut append = |piece: Piece| {
                if let Piece::Text(piece) = piece {
                    text += &piece.text;
                }
                Control::Continue
            };
            session.finish(&mut append).unwrap();
            assert_eq!(text, expected);
            session = restored(&loaded, &session.store().unwrap()).unwrap();
        }
    }
}

#[test]
fn a_long_prime_does_not_wait_in_memory() {
    let loaded = models().swap_remove(0);
    let mut session = loaded.clone().begin().unwrap();
    let sizes: Vec<usize> = (0..3)
        .map(|_| {
            session
                .push(Piece::text(TEXT.repeat(400)), &mut |_| Control::Continue)
                .unwrap();
            session.store().unwrap().len()
        })
        .collect();
    assert!(sizes.iter().all(|size| *size < 8000), "{sizes:?}");
}

#[test]
fn another_model_and_foreign_bytes_are_refused_with_a_reason() {
    let loaded = model(small(), VocabularyKind::Characters, 1);
    let mut writer = Writer::new(&loaded, &GenerateConfig::default()).unwrap();
    writer.read("The cat");
    writer.catch_up().unwrap();
    let bytes = writer.store().unwrap();
    Writer::restore(&loaded, &bytes).unwrap();
    let same = model(small(), VocabularyKind::Characters, 1);
    Writer::restore(&same, &bytes).unwrap();

    let refused = |loaded: &Arc<Loaded>, bytes: &[u8], reason: &str| {
        let error = Writer::restore(loaded, bytes).err().expect("refused");
        assert!(matches!(error, Error::State(_)), "{error:?}");
        assert!(error.to_string().contains(reason), "{error}");
    };
    let other = model(small(), VocabularyKind::Characters, 2);
    refused(&other, &bytes, "other parameters");
    let int8 = Loaded::new(
        same.model.clone(),
        same.vocabulary.clone(),
        same.recipe.clone(),
    );
    refused(
        &Arc::new(int8.with_precision(Precision::Int8)),
        &bytes,
        "other parameters",
    );
    refused(&loaded, b"", "no stored session");
    refused(&loaded, &bytes[..bytes.len() - 1], "damaged");
    let text = "some text that is no state of a session at all, however long it is";
    refused(&loaded, text.as_bytes(), "no stored session");
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x41;
        refused(&loaded, &changed, "");
    }
}

const FOLDER: &str = "REFRAIN_TEST_WRITING_FOLDER";

/// Goes on with the session in the folder that a variable names, and writes the rest of its text there.
#[test]
#[ignore = "the other process of a_session_goes_on_in_another_process"]
fn the_other_process() {
    let folder = std::env::var_os(FOLDER).expect("started by the other test");
    let folder = Path::new(&folder);
    let state = fs::read(folder.join("state")).unwrap();
    let loaded = TASKS
        .load(&folder.join("run"), options(), &Default::default())
        .unwrap();
    let mut session = loaded.restore(&state).unwrap();
    fs::write(folder.join("rest"), pieces(session.as_mut(), usize::MAX)).unwrap();
}

fn options() -> toml::Table {
    toml::Table::from_iter([("length".into(), 60.into()), ("seed".into(), 5.into())])
}

/// The text of at most so many pieces.
fn pieces(session: &mut dyn Session, most: usize) -> String {
    let (mut text, mut count) = (String::new(), 0);
    let mut append = |piece: Piece| {
        if let Piece::Text(piece) = piece {
            text += &piece.text;
        }
        count += 1;
        match count >= most {
            true => Control::Stop,
            false => Control::Continue,
        }
    };
    session.finish(&mut append).unwrap();
    text
}

#[test]
fn a_session_goes_on_in_another_process() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let recipe = "task = \"language\"\n[data]\ntext = { from = \"generated\", seed = 3, characters = 3000 }\n\
                  vocabulary = { kind = \"characters\" }\n[model]\nembedding = 8\nhidden = 16\n[train]\nepochs = 1";
    let recipe = support::recipe(recipe, &[]).unwrap();
    support::train(&recipe, &run, folder.path(), &mut |_| Control::Continue).unwrap();
    let loaded = TASKS.load(&run, options(), &Default::default()).unwrap();
    let begin = || {
        let mut session = loaded.clone().begin().unwrap();
        session
            .push(Piece::text("Once a"), &mut |_| Control::Continue)
            .unwrap();
        session
    };
    let expected = pieces(begin().as_mut(), usize::MAX);
    let mut session = begin();
    let first = pieces(session.as_mut(), 20);
    fs::write(folder.path().join("state"), session.store().unwrap()).unwrap();
    let other = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "writing::the_other_process"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    assert!(
        other.status.success(),
        "{}",
        String::from_utf8_lossy(&other.stdout)
    );
    let rest = fs::read_to_string(folder.path().join("rest")).unwrap();
    assert_eq!((first.chars().count(), rest.chars().count()), (20, 40));
    assert_eq!(first + &rest, expected);
}
