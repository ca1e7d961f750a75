//! What is broken, foreign or missing gets one sentence with a hint.

use crate::tools::{copy_of_model, fails, model, path, strs, train};

#[test]
fn folders_that_are_not_models() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["generate", "eval", "info"] {
        fails(&[command, &path(&folder.path().join("missing"))]);
        fails(&[command, &path(folder.path())]);
        fails(&[command, &path(&model().join("model.toml"))]);
    }
}

#[test]
fn every_file_of_a_model_may_be_damaged() {
    for file in ["model.safetensors", "model.toml", "vocabulary.json"] {
        let (_keep, copy) = copy_of_model();
        let whole = std::fs::read(copy.join(file)).unwrap();
        let damaged: [&[u8]; 4] = [
            b"",
            b"not this at all",
            &whole[..whole.len() / 2],
            &[0xff; 64],
        ];
        for bytes in damaged {
            std::fs::write(copy.join(file), bytes).unwrap();
            fails(&["generate", &path(&copy)]);
        }
        std::fs::remove_file(copy.join(file)).unwrap();
        fails(&["generate", &path(&copy)]);
    }
}

#[test]
fn weights_of_another_model_are_refused() {
    let (_keep, copy) = copy_of_model();
    let about = std::fs::read_to_string(copy.join("model.toml")).unwrap();
    for (hidden, expected) in [
        ("hidden = 23", "has shape"),
        ("hidden = 25", "different models"),
    ] {
        let about = about.replace("hidden = 24", hidden);
        std::fs::write(copy.join("model.toml"), about).unwrap();
        assert!(fails(&["generate", &path(&copy)]).contains(expected));
    }
}

#[test]
fn unknown_keys_of_a_recipe_are_named_with_the_nearest_known_one() {
    let error = fails(&["train", "--set", "train.epoch=3"]);
    assert!(
        error.contains("epoch") && error.contains("epochs"),
        "{error}"
    );
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("recipe.toml");
    std::fs::write(&recipe, "task = \"language\"\nnonsense = 1\n").unwrap();
    assert!(fails(&["train", &path(&recipe)]).contains("nonsense"));
    assert!(fails(&["train", "storys"]).contains("stories"));
}

fn with_text(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("text.txt"), bytes).unwrap();
    let text = "data.text={ from = \"split\", file = \"text.txt\" }";
    let arguments = [
        "train",
        "--set",
        text,
        "--set",
        "train.epochs=1",
        "--out",
        &path(&folder.path().join("out")),
        "--data",
        &path(folder.path()),
    ];
    fails(&arguments)
}

#[test]
fn texts_that_cannot_be_learned_from() {
    assert!(with_text(b"").contains("empty"), "{}", with_text(b""));
    assert!(with_text(b"good so far \xff\xfe then not").contains("UTF-8"));
    fails(&[
        "train",
        "--set",
        "data.text.characters=0",
        "--out",
        "/nonexistent/x",
    ]);
}

#[test]
fn a_missing_data_set_says_what_to_put_where() {
    let folder = tempfile::tempdir().unwrap();
    let out = path(&folder.path().join("out"));
    let error = fails(&[
        "train",
        "ptb-small",
        "--out",
        &out,
        "--data",
        &path(folder.path()),
    ]);
    assert!(
        error.contains("ptb.train.txt") && error.contains("Penn Treebank"),
        "{error}"
    );
    let error = fails(&["train", "ptb-small", "--out", &out]);
    assert!(
        error.contains("--data") && error.contains("REFRAIN_DATA"),
        "{error}"
    );
}

#[test]
fn a_folder_that_holds_a_run_is_not_overwritten() {
    let (_keep, copy) = copy_of_model();
    let before = std::fs::read(copy.join("model.safetensors")).unwrap();
    let error = fails(&strs(&train(&copy, &[])));
    assert!(
        error.contains("--out") && error.contains("--force"),
        "{error}"
    );
    assert_eq!(
        std::fs::read(copy.join("model.safetensors")).unwrap(),
        before
    );
}
