//! The language task from recipe to text, in process.

use crate::support;
use refrain::Error;
use refrain::recipe::Recipe;
use refrain::store::ModelFolder;
use refrain::tasks::language::{GenerateConfig, Loaded};
use refrain::tasks::{EvaluateData, EvaluateOn, Split, Summary};
use refrain::train::{Control, Event, Observer, Stopped};
use std::fs;
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
    assert!(error.contains("--resume"), "{error}");
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
