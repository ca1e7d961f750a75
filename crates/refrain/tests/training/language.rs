//! The language task from recipe to text, in process.

use crate::support;
use flate2::Compression;
use flate2::write::GzEncoder;
use refrain::Error;
use refrain::recipe::Recipe;
use refrain::store::ModelFolder;
use refrain::tasks::language::{GenerateConfig, Loaded};
use refrain::tasks::{EvaluateData, EvaluateOn, Split, Summary, TASKS};
use refrain::train::{Control, Event, Observer, Stopped};
use refrain_data::vocab::Vocabulary;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use tempfile::{TempDir, tempdir};

const SMALL: &str = r#"
task = "language"
[data]
text = { from = "generated", seed = 3, characters = 6000 }
vocabulary = { kind = "characters" }
time = 25
[model]
embedding = 8
hidden = 16
dropout = { output = 0.1, hidden = 0.1 }
layers = 2
[train]
batch = 8
epochs = 2
checkpoint_every_seconds = 0
optimizer = { kind = "adamw", lr = 0.01 }
average = { kind = "asgd", from_epoch = 1 }
"#;

fn recipe(overrides: &[&str]) -> Recipe {
    support::recipe(SMALL, overrides).unwrap()
}

fn train_watched(recipe: &Recipe, folder: &Path, observe: Observer) -> Result<Summary, Error> {
    support::train(recipe, &folder.join("run"), folder, observe)
}

fn train(overrides: &[&str], folder: &Path) -> Result<Summary, Error> {
    train_watched(&recipe(overrides), folder, &mut |_| Control::Continue)
}

fn trained() -> (TempDir, Arc<Loaded>) {
    let folder = tempdir().unwrap();
    train(&["train.epochs=1"], folder.path()).unwrap();
    let loaded = support::language(&folder.path().join("run")).unwrap();
    (folder, loaded)
}

fn write(loaded: &Arc<Loaded>, options: &GenerateConfig) -> String {
    let mut text = String::new();
    let mut append = |piece: &str| {
        text.push_str(piece);
        Control::Continue
    };
    loaded.generate(options, &mut append).unwrap();
    text
}

#[test]
fn an_interrupted_run_ends_with_the_same_bits_and_figures() {
    for extra in [
        &[][..],
        &["data.random_lengths=true", "model.dropout.variational=true"],
    ] {
        let whole = tempdir().unwrap();
        let undisturbed = train(extra, whole.path()).unwrap();
        let expected = fs::read(whole.path().join("run/model.safetensors")).unwrap();
        assert_eq!(undisturbed.stopped, Stopped::Done);

        let folder = tempdir().unwrap();
        let run = folder.path().join("run");
        let stop_at = |n: u64| {
            move |event: &Event| match event {
                Event::Step { step, .. } if *step == n => Control::Stop,
                _ => Control::Continue,
            }
        };
        let stopped = train_watched(&recipe(extra), folder.path(), &mut stop_at(13)).unwrap();
        assert_eq!(
            (stopped.stopped, stopped.steps, stopped.test),
            (Stopped::Asked, 13, None)
        );
        support::resume(&run, &mut stop_at(40)).unwrap();
        let resumed = support::resume(&run, &mut |_| Control::Continue).unwrap();
        assert_eq!(fs::read(run.join("model.safetensors")).unwrap(), expected);
        assert_eq!(
            (resumed.test, resumed.validation, resumed.steps),
            (undisturbed.test, undisturbed.validation, undisturbed.steps)
        );

        let again = support::resume(&run, &mut |_| panic!("a finished run has no events")).unwrap();
        assert_eq!(again.stopped, Stopped::Done);
    }
}

#[test]
fn training_lowers_the_loss_and_evaluation_agrees_with_it() {
    let folder = tempdir().unwrap();
    let mut losses = Vec::new();
    let small = recipe(&["train.epochs=3"]);
    let summary = train_watched(&small, folder.path(), &mut |event| {
        if let Event::Validated { train_loss, .. } = event {
            losses.push(*train_loss);
        }
        Control::Continue
    })
    .unwrap();
    assert!(losses[2] < losses[0] - 0.2, "{losses:?}");
    let run = folder.path().join("run");
    let test = support::evaluate(&run, Split::Test).unwrap();
    assert_eq!(Some(test.metrics.clone()), summary.test);
    assert_eq!(test.task, "language");
    assert!(!test.metrics.contains_key("unknown_tokens"));
    let (perplexity, bits) = (
        test.metrics["perplexity"],
        test.metrics["bits_per_character"],
    );
    assert!(
        (perplexity.log2() - bits).abs() < 1e-9,
        "a token is a character"
    );
    assert!(bits > test.metrics["true_bits_per_character"]);
    let about = ModelFolder::open(&run).unwrap().about().clone();
    assert!(
        about.figures.finished && about.recipe == small && about.figures.steps == summary.steps
    );
}

#[test]
fn a_folder_that_holds_a_run_is_not_overwritten() {
    let (folder, _) = trained();
    let error = train(&[], folder.path()).unwrap_err().to_string();
    assert!(error.contains("--force"), "{error}");
}

#[test]
fn same_seed_same_text_and_a_prime_of_any_length() {
    let (_folder, loaded) = trained();
    let options = |prime: &str, length, seed| GenerateConfig {
        prime: prime.into(),
        length,
        seed,
        ..GenerateConfig::default()
    };
    let text = write(&loaded, &options("", 80, 7));
    assert_eq!(text.chars().count(), 80);
    assert_eq!(text, write(&loaded, &options("", 80, 7)));
    assert_ne!(text, write(&loaded, &options("", 80, 8)));
    assert!(!text.contains('\u{FFFD}'));
    let long = "Once there was a ".repeat(30);
    for prime in ["O", &long, "\u{1F600}\u{4E2D}"] {
        assert_eq!(write(&loaded, &options(prime, 5, 1)).chars().count(), 5);
    }
    assert_eq!(write(&loaded, &options("O", 0, 1)), "");
    let unknown = loaded.generate(&options("\u{1F600}\u{4E2D}", 3, 1), &mut |_| {
        Control::Continue
    });
    assert_eq!(unknown.unwrap().unknown, 2);
    let stopped = loaded.generate(&options("", 50, 1), &mut |_| Control::Stop);
    assert_eq!(stopped.unwrap().tokens, 1);
    let cold = GenerateConfig {
        temperature: -1.0,
        ..GenerateConfig::default()
    };
    assert!(loaded.generate(&cold, &mut |_| Control::Continue).is_err());
}

#[test]
fn a_text_with_unknown_characters_is_measured_and_they_are_counted() {
    let (folder, loaded) = trained();
    let file = folder.path().join("other.txt");
    fs::write(&file, "\u{4E2D}\u{6587} and so on.\n").unwrap();
    let run = folder.path().join("run");
    let on = || EvaluateOn {
        data: EvaluateData::File(file.clone()),
        worst: 0,
        confusions: 0,
    };
    let figures = support::evaluate(&run, on()).unwrap();
    assert!(figures.metrics["unknown_tokens"] >= 2.0 && figures.metrics["perplexity"].is_finite());
    assert!(!figures.metrics.contains_key("true_bits_per_character"));
    for bad in [&b""[..], b"a\xffb"] {
        fs::write(&file, bad).unwrap();
        assert!(support::evaluate(&run, on()).is_err());
    }
    assert!(
        loaded.evaluate_text("a").is_err(),
        "one character predicts nothing"
    );
}

#[test]
fn damaged_folders_are_errors() {
    let (folder, _) = trained();
    let run = folder.path().join("run");
    for name in ["model.safetensors", "model.toml", "vocabulary.json"] {
        let file = run.join(name);
        let whole = fs::read(&file).unwrap();
        for bytes in [&whole[..whole.len() / 2], b"", b"\x00\xff\x00 not this"] {
            fs::write(&file, bytes).unwrap();
            assert!(support::language(&run).is_err(), "{name}");
        }
        fs::remove_file(&file).unwrap();
        assert!(support::language(&run).is_err(), "{name}");
        fs::write(&file, &whole).unwrap();
    }
    let about = fs::read_to_string(run.join("model.toml")).unwrap();
    for (from, to) in [
        ("hidden = 16", "hidden = 1000000000"),
        ("layers = 2", "layers = 4000000000"),
        ("embedding = 8", "embedding = 9"),
    ] {
        assert!(about.contains(from));
        fs::write(run.join("model.toml"), about.replace(from, to)).unwrap();
        assert!(support::language(&run).is_err(), "{to}");
    }
    fs::write(run.join("model.toml"), about).unwrap();
    support::language(&run).unwrap();
}

#[test]
fn words_from_files_and_what_to_do_about_a_missing_one() {
    let folder = tempdir().unwrap();
    let overrides = [
        "data.text={ from = \"files\", train = \"a.txt\", valid = \"b.txt\", test = \"c.txt\" }",
        "data.vocabulary={ kind = \"words\" }",
        "train.batch=2",
        "data.time=5",
    ];
    let error = train(&overrides, folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("a.txt") && error.contains("--data"),
        "{error}"
    );
    let text = " the cat sat on the mat \n the dog sat on the cat \n".repeat(20);
    for name in ["a.txt", "b.txt", "c.txt"] {
        fs::write(folder.path().join(name), &text).unwrap();
    }
    let summary = train(&overrides, folder.path()).unwrap();
    assert!(summary.test.unwrap()["perplexity"] < 9.0);
    let loaded = support::language(&summary.folder).unwrap();
    let prime = GenerateConfig {
        prime: "the".into(),
        length: 3,
        ..GenerateConfig::default()
    };
    let written = write(&loaded, &prime);
    assert!(
        written.starts_with([' ', '\n']),
        "a word after a word begins with a space: {written:?}"
    );

    fs::write(folder.path().join("a.txt"), "").unwrap();
    let other = folder.path().join("second");
    let error = support::train(&recipe(&overrides), &other, folder.path(), &mut |_| {
        Control::Continue
    })
    .unwrap_err();
    assert!(error.to_string().contains("empty"), "{error}");
    assert!(!other.exists(), "nothing is left behind");
}

#[test]
fn other_files_than_the_recipe_names_are_refused() {
    let folder = tempdir().unwrap();
    fs::write(
        folder.path().join("a.txt"),
        "some text that is not the one\n".repeat(40),
    )
    .unwrap();
    let overrides = [
        "data.text={ from = \"split\", file = \"a.txt\" }",
        "data.sha256={ \"a.txt\" = \"00\" }",
    ];
    let error = train(&overrides, folder.path()).unwrap_err().to_string();
    assert!(error.contains("SHA-256"), "{error}");
}

#[test]
fn one_thread_and_two_give_the_same_bits() {
    let models = [1, 2].map(|threads| {
        let folder = tempdir().unwrap();
        let threads = format!("train.threads={threads}");
        train(&[&threads, "train.epochs=1"], folder.path()).unwrap();
        fs::read(folder.path().join("run/model.safetensors")).unwrap()
    });
    assert!(models[0] == models[1]);
}

/// The loss of the first step, and the tensors taken over.
fn first_step(recipe: &Recipe, out: &Path, data: &Path) -> (f64, Option<Event>) {
    let (mut loss, mut inherited) = (0.0, None);
    let mut observe = |event: &Event| match event {
        Event::Step {
            step: 1, loss: own, ..
        } => {
            loss = *own;
            Control::Stop
        }
        Event::Inherited { .. } => {
            inherited = Some(event.clone());
            Control::Continue
        }
        _ => Control::Continue,
    };
    support::train(recipe, out, data, &mut observe).unwrap();
    (loss, inherited)
}

#[test]
fn a_run_keeps_the_vocabulary_of_the_model_it_begins_with_where_the_text_fits_in_it() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    let plain = ["model.dropout={}", "train.optimizer.lr=0.02"];
    let summary = train(&[&plain[..], &["train.epochs=6"]].concat(), data).unwrap();
    let learned = summary.validation.unwrap()["perplexity"].ln();
    let known = support::language(&data.join("run"))
        .unwrap()
        .vocabulary
        .clone();

    // Text of the same kind with fewer different characters, and with two that are new.
    let mut text = String::new();
    let stories = GenerateConfig {
        length: 9000,
        temperature: 0.5,
        ..GenerateConfig::default()
    };
    let loaded = support::language(&data.join("run")).unwrap();
    loaded
        .generate(&stories, &mut |piece| {
            text += piece;
            Control::Continue
        })
        .unwrap();
    let fewer: String = text
        .chars()
        .filter(|c| !"q,\"'!?ABC".contains(*c))
        .collect();
    fs::write(data.join("fewer.txt"), &fewer).unwrap();
    fs::write(data.join("new.txt"), format!("\u{fc}\u{4e2d}{fewer}")).unwrap();
    let run = |file: &str, init: Option<&str>| {
        let text = format!("data.text={{ from = \"file\", file = \"{file}\" }}");
        let path = data.join("run").display().to_string();
        let from = init.map(|_| format!("train.init=\"{path}\""));
        let overrides = plain
            .iter()
            .copied()
            .chain([text.as_str()])
            .chain(from.as_deref());
        let overrides: Vec<&str> = overrides.collect();
        let out = data.join(format!("{file}-{}", init.is_some()));
        let (loss, event) = first_step(&recipe(&overrides), &out, data);
        (loss, event)
    };
    let (fresh, none) = run("fewer.txt", None);
    assert!(none.is_none() && fresh > 2.5, "{fresh}");
    let (loss, event) = run("fewer.txt", Some("run"));
    let Some(Event::Inherited {
        tensors,
        of,
        reason,
        ..
    }) = event
    else {
        panic!("no event");
    };
    assert_eq!((tensors, reason), (of, None));
    assert!(loss < learned + 0.2, "it begins at {loss} after {learned}");
    let kept = Vocabulary::load(&data.join("fewer.txt-true")).unwrap();
    assert_eq!(kept.len(), known.len());

    let (_, event) = run("new.txt", Some("run"));
    let Some(Event::Inherited {
        tensors,
        of,
        reason,
        ..
    }) = event
    else {
        panic!("no event");
    };
    let reason = reason.expect("embedding and output do not fit");
    assert!(
        tensors < of && reason.contains("lacks 2 characters"),
        "{tensors} of {of}: {reason}"
    );
}

#[test]
fn any_text_file_trains_and_others_are_refused_with_a_reason() {
    let folder = tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let train = |path: &Path| {
        let small = ["model.hidden=8", "model.embedding=8", "train.epochs=1"].map(String::from);
        let recipe = TASKS.recipe(path.to_str().unwrap(), &small)?;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let out = folder.path().join("runs").join(name);
        support::train(&recipe, &out, folder.path(), &mut |_| Control::Continue)
    };
    let text = "The cat sat on the mat, and the d\u{f6}g sat on the cat.\n".repeat(60);
    let marked = format!("\u{feff}{text}");
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(marked.as_bytes()).unwrap();
    let packed = file("packed.txt.gz", &packed.finish().unwrap());
    let mut figures = Vec::new();
    for path in [
        file("plain.txt", text.as_bytes()),
        file("marked", marked.as_bytes()),
        packed.clone(),
    ] {
        let summary = train(&path).unwrap();
        figures.push((summary.parameters, summary.test.unwrap()));
    }
    assert!(figures.iter().all(|own| *own == figures[0]), "{figures:?}");
    let bytes = |path: &Path| {
        TASKS
            .recipe(path.to_str().unwrap(), &[])
            .unwrap()
            .train
            .batch
    };
    let long = "a longer text\n".repeat(20_000);
    let mut again = GzEncoder::new(Vec::new(), Compression::default());
    again.write_all(long.as_bytes()).unwrap();
    let again = file("long.gz", &again.finish().unwrap());
    assert_eq!(
        bytes(&again),
        bytes(&file("long.txt", long.as_bytes())),
        "sizes follow the text"
    );

    for (name, bytes, reasons) in [
        ("empty.txt", &b""[..], &["empty"][..]),
        ("mark.txt", "\u{feff}".as_bytes(), &["empty"]),
        ("same.txt", &[b'a'; 900], &["one character", "'a'"]),
        ("short.txt", b"ab", &["text"]),
        ("latin.txt", b"caf\xe9 and more", &["offset 3", "convert"]),
        ("sound.zip", b"PK\x03\x04\xff\xfe\x00", &["zip archive"]),
        ("picture.png", b"\x89PNG\r\n\x1a\n\x00\x00", &["offset 0"]),
        ("torn.gz", &fs::read(&packed).unwrap()[..60], &["gzip"]),
    ] {
        let error = train(&file(name, bytes)).unwrap_err().to_string();
        assert!(
            reasons.iter().all(|reason| error.contains(reason)),
            "{name}: {error}"
        );
        assert!(
            !folder.path().join("runs").join(name).exists(),
            "nothing is left behind"
        );
    }
}
