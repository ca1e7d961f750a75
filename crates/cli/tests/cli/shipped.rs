//! Models that ship, found by name wherever the program is installed.

use crate::tools::{err, out};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::{TempDir, tempdir};

fn models() -> PathBuf {
    crate::tools::models().canonicalize().unwrap()
}

/// The program as `cargo install` leaves it: alone in a folder of another place.
struct Installed {
    root: TempDir,
}

impl Installed {
    fn new() -> Self {
        let root = tempdir().unwrap();
        let bin = root.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_refrain"));
        let copy = bin.join("refrain");
        if fs::hard_link(program, &copy).is_err() {
            fs::copy(program, &copy).unwrap();
        }
        Self { root }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.root.path().join("bin/refrain"));
        command
            .args(arguments)
            .current_dir(self.root.path())
            .env("HOME", self.root.path().join("home"))
            .env_remove("XDG_DATA_HOME")
            .env_remove("REFRAIN_MODELS");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Puts a shipped model into a folder below the root.
    fn put(&self, model: &str, folder: &str) {
        let to = self.root.path().join(folder).join(model);
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(models().join(model)).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_program_without_models_says_where_they_belong() {
    let installed = Installed::new();
    let sample = models().join("sample.wav").display().to_string();
    for arguments in [
        &["info", "english"][..],
        &["transcribe", &sample],
        &["run", "english", &sample],
        &["speech", "align", &sample, "--text", "the"],
        &["train", "--init", "english"],
    ] {
        let output = installed.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let error = err(&output);
        assert!(
            error.contains("\"english\"") && error.contains("REFRAIN_MODELS"),
            "{error}"
        );
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    let list = out(&installed.run(&["list"]));
    assert!(
        list.contains("(english)") && list.contains("not installed"),
        "{list}"
    );
}

#[test]
fn models_are_found_by_a_variable_and_in_data_folders_and_beside_the_program() {
    let installed = Installed::new();
    let by_variable = installed
        .command(&["info", "english"])
        .env("REFRAIN_MODELS", models())
        .output()
        .unwrap();
    assert!(by_variable.status.success(), "{}", err(&by_variable));
    let places = [
        "models",
        "bin/models",
        "share/refrain/models",
        "home/.local/share/refrain/models",
    ];
    for place in places {
        let installed = Installed::new();
        installed.put("digits", place);
        let output = installed.run(&["info", "digits"]);
        assert!(output.status.success(), "{place}: {}", err(&output));
        let list = out(&installed.run(&["list"]));
        assert!(list.contains("(english)"), "{list}");
        assert!(
            list.contains(" digits") && !list.contains("(digits)"),
            "{list}"
        );
    }
}

#[test]
fn a_folder_of_the_same_name_does_not_hide_a_model() {
    let installed = Installed::new();
    installed.put("digits", "share/refrain/models");
    // A data set in the current folder, and a folder for models that holds none.
    for folder in ["digits", "models/digits"] {
        fs::create_dir_all(installed.root.path().join(folder)).unwrap();
    }
    let output = installed.run(&["info", "digits"]);
    assert!(output.status.success(), "{}", err(&output));
    // One's own model of that name is not hidden either.
    let shipped = installed
        .root
        .path()
        .join("share/refrain/models/digits/model.toml");
    let about = fs::read_to_string(shipped).unwrap();
    let own = about.replacen("name = \"", "name = \"my own ", 1);
    installed.put("digits", "");
    fs::write(installed.root.path().join("digits/model.toml"), own).unwrap();
    let output = installed.run(&["info", "digits"]);
    assert!(out(&output).contains("my own"), "{}", out(&output));
}
