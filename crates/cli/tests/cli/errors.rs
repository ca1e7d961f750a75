//! Broken, foreign and missing files and settings get one sentence with a hint.

use crate::tools::{copy_of_model, fails, model, ok, path, refused, strs, train};
use std::path::Path;

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

/// Overwrites bytes of a file.
fn overwrite(file: &Path, at: usize, bytes: &[u8]) {
    let mut whole = std::fs::read(file).unwrap();
    whole[at..at + bytes.len()].copy_from_slice(bytes);
    std::fs::write(file, whole).unwrap();
}

/// Where the tensors of a safetensors file begin.
fn tensors_of(file: &Path) -> usize {
    let whole = std::fs::read(file).unwrap();
    8 + usize::try_from(u64::from_le_bytes(whole[..8].try_into().unwrap())).unwrap()
}

#[test]
fn a_model_with_values_that_are_no_numbers_is_used_by_nothing() {
    let (_keep, copy) = copy_of_model();
    let file = copy.join("model.safetensors");
    overwrite(&file, tensors_of(&file), &f32::NAN.to_le_bytes());
    let (model, out) = (path(&copy), path(&copy.join("out")));
    for arguments in [
        &["eval", &model][..],
        &["eval", &model, "--json"],
        &["generate", &model],
        &["run", &model],
        &["info", &model],
        &["export", &model, &out],
        &["pack", &model, &out],
    ] {
        let error = fails(arguments);
        assert!(error.contains("not numbers"), "{error}");
    }
    assert!(!copy.join("out").exists());
}

#[test]
fn a_pack_that_fails_leaves_nothing() {
    let (_keep, copy) = copy_of_model();
    let file = copy.join("model.safetensors");
    overwrite(&file, tensors_of(&file), &1e6_f32.to_le_bytes());
    let out = copy.join("out");
    let error = fails(&["pack", &path(&copy), &path(&out)]);
    assert!(error.contains("half precision"), "{error}");
    assert!(!out.exists());
    // A folder that was there stays, with its files.
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("notes.txt"), "mine").unwrap();
    fails(&["pack", &path(&copy), &path(&out)]);
    let left: Vec<_> = std::fs::read_dir(&out).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_checkpoint_with_another_byte_is_damaged() {
    let (_keep, copy) = copy_of_model();
    let file = copy.join("checkpoint.safetensors");
    let (begin, whole) = (tensors_of(&file), std::fs::read(&file).unwrap());
    for at in [begin, (begin + whole.len()) / 2, whole.len() - 1] {
        std::fs::write(&file, &whole).unwrap();
        overwrite(&file, at, &[whole[at] ^ 0x40]);
        let error = fails(&["train", "--resume", &path(&copy), "--epochs", "5"]);
        assert!(error.contains("damaged"), "{error}");
    }
}

#[test]
fn sizes_that_no_memory_can_hold_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let out = path(&folder.path().join("out"));
    let settings = [
        "model.hidden=1000000",
        "model.layers=1000000000",
        "model.embedding=100000000000",
    ];
    for setting in settings {
        let error = fails(&["train", "--set", setting, "--out", &out]);
        let key = setting.split('=').next().unwrap();
        assert!(error.contains("memory") && error.contains(key), "{error}");
    }
    let (_keep, copy) = copy_of_model();
    let about = copy.join("model.toml");
    let forged = std::fs::read_to_string(&about).unwrap();
    let forged = forged.replace("hidden = 24", "hidden = 4000000000");
    std::fs::write(&about, forged).unwrap();
    for arguments in [
        &["train", "--resume", &path(&copy), "--epochs", "9"][..],
        &["eval", &path(&copy)],
        &["generate", &path(&copy)],
    ] {
        fails(arguments);
    }
    for config in [
        "lstm-99999999x99999999x1x1-fwd",
        "gru-1x1x1x4000000000-bi-l2-train",
        "rnn-18446744073709551615x2x2x2-train",
        "stream-lstm-4000000000",
    ] {
        let error = fails(&["bench", config]);
        assert!(
            error.contains(config) && error.contains("memory"),
            "{error}"
        );
    }
    let deep = format!("{}=1", vec!["a"; 30_000].join("."));
    assert!(fails(&["train", "--set", &deep]).contains("30000 parts"));
}

#[test]
fn settings_that_cannot_work_are_refused_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    for (setting, expected) in [
        ("generate.temperature=-1", "temperature -1"),
        ("generate.top_p=2", "top-p 2"),
        ("model.cell=xyz", "`lstm`, `gru`"),
        ("data.vocabulary.kind=bytes", "`characters`"),
        ("data.txt.path=x", "`text`"),
        ("train.time=3", "data.time"),
    ] {
        let error = fails(&strs(&train(&out, &["--set", setting])));
        assert!(error.contains(expected), "{setting}: {error}");
        // Keys of one place are not offered in another.
        assert!(!error.contains("`task`"), "{setting}: {error}");
    }
    assert!(!out.exists());
}

#[test]
fn names_with_codes_for_terminals_are_spelled_out() {
    let (_keep, copy) = copy_of_model();
    let about = copy.join("model.toml");
    let text = std::fs::read_to_string(&about).unwrap();
    let name = "name = \"\\u001b]0;owned\\u0007\"\ndescription = \"\\u001b[31m\"";
    let begin = text.find("name = ").unwrap();
    let end = text.find("data = ").unwrap();
    let forged = format!("{}{name}\n{}", &text[..begin], &text[end..]);
    std::fs::write(&about, &forged).unwrap();
    let bare = |text: &str| {
        !text
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\t')
    };
    let info = ok(&["info", &path(&copy)]);
    assert!(info.contains("owned") && bare(&info), "{info:?}");
    // In messages of errors too, and in the names of runs.
    let unknown = forged.replace("hidden = 24", "\"\\u001b[2J\" = 24");
    std::fs::write(&about, unknown).unwrap();
    for command in ["info", "eval", "generate"] {
        assert!(bare(&fails(&[command, &path(&copy)])));
    }
    std::fs::write(&about, &forged).unwrap();
    let odd = copy.with_file_name("\u{1b}[31mred");
    std::fs::rename(&copy, &odd).unwrap();
    let out = path(&odd.with_file_name("drawn"));
    let text = ok(&["plot", &path(&odd), "--out", &out]);
    assert!(bare(&text), "{text:?}");
    let svg = std::fs::read_to_string(format!("{out}.svg")).unwrap();
    assert!(bare(&svg) && svg.contains("red"));
    assert!(bare(&fails(&["info", "\u{1b}[2J"])));
}

#[test]
fn devices_and_old_commands_get_a_hint() {
    let model = path(&model());
    let error = fails(&["eval", &model, "--device", "gpu"]);
    assert!(
        error.contains("\"gpu\"") && error.contains("cpu, ndarray, vulkan"),
        "{error}"
    );
    if cfg!(not(feature = "vulkan")) {
        let error = fails(&["eval", &model, "--device", "vulkan"]);
        assert!(error.contains("--features vulkan"), "{error}");
    }
    for old in ["align", "tune", "ngram"] {
        let message = refused(&[old, "x"]);
        assert!(
            message.contains(&format!("refrain speech {old}")),
            "{message}"
        );
        assert_eq!(message.lines().count(), 1);
    }
}

#[test]
fn a_key_of_another_table_is_named_with_its_table() {
    for (recipe, setting, expected) in [
        ("stories", "train.hidden=3", "did you mean `model.hidden`?"),
        ("stories", "train.time=3", "did you mean `data.time`?"),
        ("stories", "model.epochs=3", "did you mean `train.epochs`?"),
        ("adding-gru", "data.clip=1", "did you mean `train.clip`?"),
        ("adding-gru", "trian.epochs=3", "did you mean `train`?"),
        ("stories", "train.epoch=3", "did you mean `epochs`?"),
    ] {
        let error = fails(&["train", recipe, "--set", setting]);
        assert!(error.contains(expected), "{setting}: {error}");
    }
}

#[test]
fn hints_name_what_helps() {
    let model = path(&model());
    let setting = fails(&["eval", &model, "--set", "temp"]);
    assert!(setting.contains("KEY=VALUE"), "{setting}");
    let setting = fails(&["train", "--set", "train"]);
    assert!(setting.contains("train.epochs=3"), "{setting}");
    let file = fails(&["eval", &model, "--text", "nosuch.txt"]);
    assert!(file.contains("cannot read nosuch.txt"), "{file}");
    for arguments in [&["eval", "english"][..], &["speech", "ngram", "english"]] {
        let error = fails(arguments);
        assert!(
            error.contains("--data") && error.contains("REFRAIN_DATA"),
            "{error}"
        );
    }
    let worst = fails(&["eval", &model, "--worst", "3"]);
    assert!(worst.contains("leave out --worst"), "{worst}");
    let align = ok(&["speech", "align", "--help"]);
    assert!(!align.contains("--stream"), "{align}");
    assert!(refused(&["speech", "align", "f.wav"]).contains("--text-file"));
    // The device would not be used.
    let onnx = ["onnx", "run", "m.onnx", "--input", "i", "--output", "o"];
    assert!(refused(&[&onnx[..], &["--device", "cpu"]].concat()).contains("--device"));
}

#[test]
fn negative_numbers_are_values_out_of_range() {
    let model = path(&model());
    for (arguments, expected) in [
        (&["generate", &model, "-n", "-1"][..], "whole number"),
        (&["generate", &model, "--seed", "-1"], "whole number"),
        (&["generate", &model, "--count", "-1"], "-1 is not in"),
        (&["transcribe", "x.wav", "--offset", "-1"], "above 0"),
        (&["train", "--epochs", "-1"], "1 or more"),
        (&["train", "--epochs", "0"], "1 or more"),
        (&["eval", &model, "--worst", "-1"], "whole number"),
        (&["speech", "tune", &model, "--seed", "-1"], "whole number"),
    ] {
        let message = refused(arguments);
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
}

#[test]
fn arguments_out_of_range_are_refused_with_2() {
    let model = path(&model());
    for arguments in [
        &["bench", "--threads", "0"][..],
        &["bench", "--seconds", "nan"],
        &["bench", "--seconds", "-1"],
        &["eval", &model, "--threads", "0"],
        &["generate", &model, "--count", "0"],
        &["train", "--epochs", "0"],
        &["score", "a"],
        &["plot"],
    ] {
        refused(arguments);
    }
    assert!(fails(&["speech", "align", "f.wav", "--text", " "]).contains("empty"));
    assert!(fails(&["generate", &path(&Path::new(&model).join("model.toml"))]).contains("file"));
}
