//! Runs the binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use tempfile::TempDir;

/// The models of the checkout.
pub fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

/// The binary with the models of the checkout, whatever the environment says.
pub fn refrain(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refrain"));
    command
        .args(arguments)
        .env_remove("REFRAIN_DATA")
        .env("REFRAIN_MODELS", models())
        .env_remove("RUST_BACKTRACE");
    command
}

pub fn run(arguments: &[&str]) -> Output {
    refrain(arguments).output().expect("the binary runs")
}

pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("standard output is UTF-8")
}

pub fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Standard output of a run that must succeed.
pub fn ok(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", err(&output));
    out(&output)
}

/// The error of a run that must fail: one line with the exit code 1 and no panic.
pub fn fails(arguments: &[&str]) -> String {
    let output = run(arguments);
    let message = err(&output);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
    assert!(
        message.starts_with("error: ") && message.trim_end().lines().count() == 1,
        "{message}"
    );
    assert!(!message.contains("panicked"), "{message}");
    message
}

/// The error of arguments that are refused before anything begins: the exit code 2.
pub fn refused(arguments: &[&str]) -> String {
    let output = run(arguments);
    let message = err(&output);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
    assert!(message.starts_with("error: "), "{message}");
    message
}

/// Settings that make the default recipe small enough for a test.
pub const SMALL: [&str; 7] = [
    "data.text.characters=40000",
    "model.hidden=24",
    "model.embedding=12",
    "train.batch=8",
    "data.time=40",
    "train.epochs=2",
    "generate.length=40",
];

/// `refrain train` of the small recipe into `folder`, with more arguments.
pub fn train(folder: &Path, more: &[&str]) -> Vec<String> {
    let mut arguments = vec!["train".to_string(), "--out".into(), path(folder)];
    for setting in SMALL {
        arguments.extend(["--set".into(), setting.into()]);
    }
    arguments.extend(more.iter().map(ToString::to_string));
    arguments
}

/// `refrain train` of a tiny model that adds numbers, from `recipe` into `folder`, with more arguments.
pub fn train_adding(recipe: &str, folder: &Path, more: &[&str]) -> Vec<String> {
    let mut arguments = ["train", recipe, "--quiet", "--out"]
        .map(String::from)
        .to_vec();
    arguments.push(path(folder));
    for setting in [
        "data.length=12",
        "data.examples=200",
        "model.hidden=8",
        "train.epochs=2",
    ] {
        arguments.extend(["--set".into(), setting.into()]);
    }
    arguments.extend(more.iter().map(ToString::to_string));
    arguments
}

pub fn path(path: &Path) -> String {
    path.to_str().expect("a UTF-8 path").into()
}

pub fn strs(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// One trained model for all tests that only read it.
pub fn model() -> PathBuf {
    static MODEL: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, model) = MODEL.get_or_init(|| {
        let folder = TempDir::new().expect("a temporary folder");
        let model = folder.path().join("model");
        ok(&strs(&train(&model, &["--quiet"])));
        (folder, model)
    });
    model.clone()
}

/// A writable copy of the trained model.
pub fn copy_of_model() -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a temporary folder");
    let copy = folder.path().join("copy");
    std::fs::create_dir(&copy).expect("a new folder");
    for entry in std::fs::read_dir(model()).expect("the model folder") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), copy.join(entry.file_name())).expect("a copy");
    }
    (folder, copy)
}
