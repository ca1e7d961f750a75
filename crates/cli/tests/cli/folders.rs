//! Where runs are put, and what becomes of those that are there already.

use crate::tools::{
    copy_of_model, err, fails, model, ok, path, refrain, strs, train, train_adding,
};
use std::path::Path;
use std::process::{Output, Stdio};

/// `refrain train` of the small recipe without `--out`, in the current folder `at`.
fn train_in(at: &Path, more: &[&str]) -> Output {
    let arguments = train(Path::new(""), more);
    let without_out = [&arguments[..1], &arguments[3..]].concat();
    refrain(&strs(&without_out))
        .current_dir(at)
        .output()
        .expect("the binary runs")
}

#[test]
fn a_second_run_goes_beside_a_finished_one() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["stories", "stories-2", "stories-3"] {
        let output = train_in(folder.path(), &["--set", "train.epochs=1"]);
        assert!(output.status.success(), "{}", err(&output));
        let told = format!("the model is in runs/{name};");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(&told), "{text}");
        assert!(folder.path().join("runs").join(name).is_dir());
    }
}

#[test]
fn an_unfinished_run_is_neither_replaced_nor_passed_by() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("runs").join("stories");
    std::fs::create_dir_all(&run).unwrap();
    let about = std::fs::read_to_string(model().join("model.toml")).unwrap();
    let unfinished = about.replace("finished = true", "finished = false");
    std::fs::write(run.join("model.toml"), unfinished).unwrap();
    let output = train_in(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    let error = err(&output);
    assert!(
        error.contains("refrain train --resume runs/stories"),
        "{error}"
    );
}

#[test]
fn force_replaces_the_run_and_keeps_other_files() {
    let (_keep, copy) = copy_of_model();
    std::fs::write(copy.join("notes.txt"), "mine").unwrap();
    let before = std::fs::read(copy.join("model.safetensors")).unwrap();
    ok(&strs(&train(
        &copy,
        &["--force", "--quiet", "--set", "train.seed=9"],
    )));
    let after = std::fs::read(copy.join("model.safetensors")).unwrap();
    assert_ne!(before, after);
    let notes = std::fs::read_to_string(copy.join("notes.txt")).unwrap();
    assert_eq!(notes, "mine");
}

#[test]
fn a_finished_run_that_is_resumed_says_what_it_came_to() {
    let (_keep, copy) = copy_of_model();
    let text = ok(&["train", "--resume", &path(&copy)]);
    assert!(text.contains("trained for 2 epochs"), "{text}");
}

#[test]
fn data_given_by_a_relative_path_is_found_again_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let text = "the quick brown fox jumps over the lazy dog.\n".repeat(200);
    std::fs::write(data.join("text.txt"), text).unwrap();
    let source = "data.text={ from = \"split\", file = \"text.txt\" }";
    let arguments = ["train", "--set", source, "--set", "model.hidden=8"];
    let more = ["--set", "train.epochs=1", "--data", "data", "--out", "fox"];
    let trained = refrain(&[&arguments[..], &more].concat())
        .current_dir(folder.path())
        .env("REFRAIN_DATA", "not used: the option goes before it")
        .output()
        .unwrap();
    assert!(trained.status.success(), "{}", err(&trained));
    let output = refrain(&["eval", &path(&folder.path().join("fox")), "--json"])
        .env("REFRAIN_DATA", "")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", err(&output));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let mut child = refrain(&["generate", &path(&model()), "--length", "1000000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdout.take().unwrap();
    let mut first = [0; 10];
    std::io::Read::read_exact(&mut pipe, &mut first).unwrap();
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(err(&output), "");
}

/// A run that lasts until it is stopped, once it has begun.
fn long_run(run: &Path, more: &[&str]) -> std::process::Child {
    let arguments = train(
        run,
        &[&["--quiet", "--set", "train.epochs=5000"], more].concat(),
    );
    let child = refrain(&strs(&arguments))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !run.join("checkpoint.safetensors").exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child
}

#[test]
fn a_second_training_in_a_folder_that_is_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut first = long_run(&run, &[]);
    for second in [
        strs(&train(
            &run,
            &["--force", "--quiet", "--set", "model.hidden=48"],
        )),
        vec!["train", "--resume", &path(&run)],
    ] {
        let error = fails(&second);
        assert!(
            error.contains("another process is training in it"),
            "{error}"
        );
    }
    first.kill().unwrap();
    first.wait().unwrap();
    // The end of the process gives the folder back, whatever ended it.
    let info = ok(&["info", &path(&run)]);
    assert!(
        info.contains("24 units") && info.contains("not finished"),
        "{info}"
    );
    ok(&strs(&train(&run, &["--force", "--quiet"])));
}

#[test]
fn two_trainings_that_begin_together_take_two_folders() {
    let folder = tempfile::tempdir().unwrap();
    let begin = || {
        let arguments = train(Path::new(""), &["--quiet"]);
        refrain(&strs(&[&arguments[..1], &arguments[3..]].concat()))
            .current_dir(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let both = [begin(), begin()];
    for child in both {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", err(&output));
    }
    for name in ["stories", "stories-2"] {
        let run = folder.path().join("runs").join(name);
        assert!(ok(&["info", &path(&run)]).contains("test"), "{name}");
    }
}

#[test]
fn force_removes_the_files_of_the_old_run_and_no_others() {
    let (_keep, copy) = copy_of_model();
    for name in ["notes.txt", "words.arpa"] {
        std::fs::write(copy.join(name), "mine").unwrap();
    }
    assert!(copy.join("vocabulary.json").is_file());
    ok(&strs(&train_adding("adding-gru", &copy, &["--force"])));
    assert!(!copy.join("vocabulary.json").exists());
    for name in [
        "notes.txt",
        "words.arpa",
        "model.safetensors",
        "train.jsonl",
    ] {
        assert!(copy.join(name).is_file(), "{name}");
    }
    assert!(ok(&["info", &path(&copy)]).contains("adding"));
}

#[test]
fn a_finished_run_goes_on_to_more_epochs() {
    let (_keep, copy) = copy_of_model();
    let model = path(&copy);
    let text = ok(&["train", "--resume", &model, "--epochs", "3"]);
    assert!(text.contains("trained for 3 epochs"), "{text}");
    assert!(ok(&["info", &model]).contains("3 epochs"));
    let error = fails(&["train", "--resume", &model, "--epochs", "2"]);
    assert!(error.contains("3 epochs"), "{error}");
}
