//! `train`, `eval`, `info`, `list`, `completions`.

use crate::tools::{err, fails, model, ok, out, path, refrain, run, strs, train, train_adding};
use serde_json::Value;

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&ok(arguments)).expect("one JSON object")
}

#[test]
fn training_ends_with_figures_and_a_story() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("new").join("model");
    let output = run(&strs(&train(&model, &[])));
    assert!(output.status.success(), "{}", err(&output));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(text.contains("test: perplexity"), "{text}");
    assert!(text.contains("above the best possible"), "{text}");
    assert!(err(&output).contains("epoch 2/2 in "), "{}", err(&output));
    for file in [
        "model.safetensors",
        "model.toml",
        "train.jsonl",
        "vocabulary.json",
    ] {
        assert!(model.join(file).is_file(), "{file}");
    }
    let log = std::fs::read_to_string(model.join("train.jsonl")).unwrap();
    let events: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events[0]["event"], "started");
    assert!(events.iter().any(|event| event["event"] == "validated"));
}

#[test]
fn eval_gives_what_training_reported() {
    let model = path(&model());
    let evaluation = json(&["eval", &model, "--json"]);
    assert_eq!(evaluation["task"], "language");
    let metrics = &evaluation["metrics"];
    let number = |name: &str| {
        metrics[name]
            .as_f64()
            .unwrap_or_else(|| panic!("{name} in {metrics}"))
    };
    let (bits, perplexity) = (number("bits_per_character"), number("perplexity"));
    assert!(
        (bits - perplexity.log2()).abs() < 1e-6,
        "a character is a token here"
    );
    assert!(
        number("true_bits_per_character") < bits,
        "nothing beats the entropy"
    );
    assert!(bits < 40f64.log2(), "better than guessing");
    let info = json(&["info", &model, "--json"]);
    let reported = info["figures"]["test"]["bits_per_character"]
        .as_f64()
        .unwrap();
    assert!((bits - reported).abs() < 1e-6, "{bits} and {reported}");
    assert_eq!(info["recipe"]["model"]["hidden"], 24);
    for precision in ["bf16", "int8"] {
        let rounded = json(&["eval", &model, "--precision", precision, "--json"]);
        let rounded = rounded["metrics"]["bits_per_character"].as_f64().unwrap();
        assert!(
            rounded != bits && (rounded - bits).abs() < 0.01 * bits,
            "{precision}: {rounded}"
        );
    }
    assert!(ok(&["eval", &model]).contains("bits_per_character"));
    assert!(ok(&["info", &model]).contains("parameters"));
}

#[test]
fn threads_do_not_change_a_figure() {
    let model = path(&model());
    let one = ok(&["eval", &model, "--json", "--threads", "1"]);
    assert_eq!(one, ok(&["eval", &model, "--json", "--threads", "2"]));
}

#[test]
fn eval_reads_any_text_and_counts_what_the_vocabulary_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.txt");
    std::fs::write(&text, "Once a quiet boy. \u{e9}\u{1f600}").unwrap();
    let evaluation = json(&["eval", &path(&model()), "--text", &path(&text), "--json"]);
    assert_eq!(evaluation["metrics"]["unknown_tokens"], 2.0);
    assert!(evaluation["metrics"]["true_bits_per_character"].is_null());
    assert!(evaluation["metrics"]["perplexity"].as_f64().unwrap() > 1.0);
}

#[test]
fn list_names_every_recipe() {
    let text = ok(&["list"]);
    for name in [
        "stories",
        "tiny-shakespeare",
        "ptb-small",
        "ptb-medium",
        "ptb-characters",
        "ptb-modern",
    ] {
        assert!(text.contains(name), "{name} in {text}");
    }
    let list = json(&["list", "--json"]);
    assert_eq!(list["tasks"][0]["name"], "language");
    assert_eq!(list["tasks"][0]["recipes"][0]["name"], "stories");
}

#[test]
fn lists_fit_a_terminal_of_80_columns() {
    let too_wide = |text: &str| {
        let lines = text.lines().filter(|line| line.chars().count() > 80);
        lines.map(str::to_string).collect::<Vec<_>>()
    };
    assert_eq!(too_wide(&ok(&["list"])), [""; 0]);
    for task in ["language", "adding", "copy", "mnist", "speech"] {
        let details = ok(&["list", task]);
        assert!(
            details.contains("figures") && details.contains("recipes"),
            "{details}"
        );
        // Commands stay whole, to be copied, and so do the folders of models.
        let whole = |line: &String| line.contains("command ") || line.contains('/');
        let lines: Vec<_> = too_wide(&details)
            .into_iter()
            .filter(|line| !whole(line))
            .collect();
        assert_eq!(lines, [""; 0]);
    }
    assert!(fails(&["list", "speach"]).contains("speech"));
}

#[test]
fn the_lines_of_a_training_fit_a_terminal_of_80_columns() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&strs(&train(
        &folder.path().join("model"),
        &["--set", "train.epochs=12"],
    )));
    let lines = err(&output);
    assert!(lines.contains("epoch 12/12 in "), "{lines}");
    for line in lines.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn a_text_file_is_trained_on_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = "the quick brown fox jumps over the lazy dog.\n".repeat(300);
    std::fs::write(folder.path().join("book.txt"), text).unwrap();
    let arguments = [
        "train",
        "book.txt",
        "--set",
        "model.hidden=16",
        "--epochs",
        "2",
    ];
    let output = refrain(&arguments)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", err(&output));
    assert!(
        out(&output).contains("the model is in runs/book;"),
        "{}",
        out(&output)
    );
    let model = path(&folder.path().join("runs/book"));
    assert_eq!(
        json(&["info", &model, "--json"])["recipe"]["recipe"]["name"],
        "book"
    );
    assert!(ok(&["generate", &model, "--prime", "the quick", "-n", "5"]).starts_with("the quick"));
    // From anywhere, and by a path.
    assert!(
        json(&["eval", &model, "--json"])["metrics"]["perplexity"]
            .as_f64()
            .unwrap()
            > 1.0
    );
    // The recipe names the file alone, so the model can be given away, and the file may move.
    let about = std::fs::read_to_string(folder.path().join("runs/book/model.toml")).unwrap();
    assert!(about.contains("file = \"book.txt\""), "{about}");
    assert!(!about.contains(&path(folder.path())), "{about}");
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::rename(folder.path().join("book.txt"), elsewhere.join("book.txt")).unwrap();
    assert!(fails(&["eval", &model]).contains("--data"));
    let moved = path(&elsewhere);
    ok(&["eval", &model, "--data", &moved]);
    ok(&[
        "train", "--resume", &model, "--epochs", "3", "--data", &moved, "-q",
    ]);
    // By a path, and whatever the data folder of other recipes is.
    let book = path(&elsewhere.join("book.txt"));
    let out = path(&folder.path().join("again"));
    let again = [
        "train",
        &book,
        "--set",
        "model.hidden=8",
        "--epochs",
        "1",
        "--out",
        &out,
    ];
    let output = refrain(&again)
        .env("REFRAIN_DATA", "/nonexistent")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", err(&output));
    assert!(
        err(&output).contains("book.txt, 14 KB of text"),
        "{}",
        err(&output)
    );
    ok(&["eval", &out]);
    std::fs::write(folder.path().join("noise.txt"), [0xff; 5000]).unwrap();
    let error = fails(&["train", "-q", &path(&folder.path().join("noise.txt"))]);
    assert!(
        error.contains("noise.txt") && error.contains("UTF-8"),
        "{error}"
    );
    assert!(fails(&["train", "nosuch.txt"]).contains("nosuch.txt"));
}

#[test]
fn new_writes_a_recipe_that_can_be_edited() {
    let folder = tempfile::tempdir().unwrap();
    for task in ["language", "adding", "copy", "mnist", "speech"] {
        let file = path(&folder.path().join(format!("{task}.toml")));
        assert!(ok(&["new", task, &file]).contains("refrain train"));
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.contains('#') && text.contains(&format!("task = \"{task}\"")),
            "{text}"
        );
        assert_eq!(text, ok(&["new", task, "-"]));
        // A file that exists is not overwritten.
        assert!(fails(&["new", task, &file]).contains("exists already"));
    }
    let file = path(&folder.path().join("adding.toml"));
    let model = folder.path().join("model");
    ok(&strs(&train_adding(&file, &model, &[])));
    assert!(fails(&["new", "langage"]).contains("language"));
}

#[test]
fn a_packed_model_is_smaller_and_nearly_as_good() {
    let folder = tempfile::tempdir().unwrap();
    let model = path(&model());
    let bits = |model: &str| {
        let metrics = &json(&["eval", model, "--json"])["metrics"];
        metrics["bits_per_character"].as_f64().unwrap()
    };
    let size = |folder: &str| {
        std::fs::metadata(format!("{folder}/model.safetensors"))
            .unwrap()
            .len()
    };
    let (whole, before) = (bits(&model), size(&model));
    for (option, share, tolerance) in [(None, 0.6, 0.001), (Some("--int8"), 0.45, 0.02)] {
        let out = path(&folder.path().join(option.unwrap_or("half")));
        let arguments = ["pack", &model, &out].into_iter().chain(option);
        let text = ok(&arguments.collect::<Vec<_>>());
        assert!(text.contains("bytes"), "{text}");
        let measured = text.contains("validation bits_per_character: ");
        assert_eq!(measured, option.is_some(), "{text}");
        assert!(
            (size(&out) as f64) < share * before as f64,
            "{option:?}: {}",
            size(&out)
        );
        let cost = (bits(&out) - whole).abs() / whole;
        assert!(cost > 0.0 && cost < tolerance, "{option:?}: {cost}");
        for left in ["checkpoint.safetensors", "train.jsonl", ".lock"] {
            assert!(!std::path::Path::new(&out).join(left).exists(), "{left}");
        }
        assert!(fails(&["pack", &model, &out]).contains("already"));
    }
}

#[test]
fn completions_are_scripts() {
    assert!(ok(&["completions", "bash"]).contains("_refrain"));
    assert!(ok(&["completions", "zsh"]).contains("#compdef refrain"));
    assert!(ok(&["completions", "fish"]).contains("complete -c refrain"));
    assert_eq!(run(&["completions", "nosuch"]).status.code(), Some(2));
}

#[test]
fn the_program_names_itself_as_it_is_called() {
    let version = ok(&["--version"]);
    assert!(version.starts_with("refrain 0."), "{version}");
}

#[test]
fn help_shows_every_command_and_usage_errors_exit_with_2() {
    let help = ok(&["--help"]);
    for command in [
        "train",
        "new",
        "eval",
        "run",
        "generate",
        "transcribe",
        "info",
        "list",
        "pack",
        "export",
        "score",
        "plot",
        "lab",
        "onnx",
        "speech",
        "bench",
        "completions",
    ] {
        assert!(help.contains(command), "{command}");
        assert!(ok(&[command, "--help"]).contains("Usage"), "{command}");
    }
    assert_eq!(run(&["train", "--nonsense"]).status.code(), Some(2));
    assert_eq!(run(&["generate"]).status.code(), Some(2));
}

#[test]
fn precision_is_one_option_in_the_recipe_and_in_generate() {
    let bits = |model: &str| {
        let info = json(&["info", model, "--json"]);
        info["figures"]["test"]["bits_per_character"]
            .as_f64()
            .unwrap()
    };
    let without = bits(&path(&self::model()));
    for (precision, other) in [("bf16", "f32"), ("int8", "bf16")] {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model");
        let setting = format!("model.precision=\"{precision}\"");
        ok(&strs(&train(&model, &["--quiet", "--set", &setting])));
        let with = bits(&path(&model));
        assert!(
            with != without && (with - without).abs() < 0.05 * without,
            "{precision}: {with} and {without}"
        );
        let model = path(&model);
        let text = ok(&["generate", &model, "--length", "20", "--precision", other]);
        assert_eq!(text.chars().count(), 21);
    }
}

#[test]
fn the_bench_worker_speaks_its_protocol() {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = refrain(&["bench", "--worker"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for line in [
        r#"{"op":"run","seconds":0.01}"#,
        r#"{"op":"setup","task":"layer","cell":"lstm","T":3,"B":2,"I":4,"H":5,"L":2,"bi":true,"mode":"train","threads":2}"#,
        r#"{"op":"run","seconds":0.01,"min_reps":3,"warm":1}"#,
        r#"{"op":"setup","task":"stream","cell":"gru","T":1,"B":1,"I":8,"H":8,"L":1,"mode":"fwd","threads":1,"inner":5}"#,
        r#"{"op":"run","seconds":0.01,"max_reps":2}"#,
        r#"{"op":"setup","task":"lm","cell":"lstm","T":4,"B":2,"I":6,"H":6,"L":2,"V":11,"dropout":0.5,"mode":"train","threads":2}"#,
        r#"{"op":"setup","task":"layer","cell":"lstm","T":3,"B":2,"I":4,"H":5,"L":1,"mode":"fwd","threads":2,"dtype":"bf16"}"#,
        r#"{"op":"setup","task":"layer","cell":"lstm","T":3,"B":2,"I":4,"H":5,"L":1,"mode":"fwd","threads":2,"dtype":"f16"}"#,
        r#"{"op":"setup","task":"stream","cell":"lstm","T":1,"B":1,"I":8,"H":9,"L":1,"mode":"fwd","threads":1,"inner":5,"dtype":"int8"}"#,
        r#"{"op":"setup","task":"layer","cell":"lstm","T":3,"B":2,"I":4,"H":5,"L":1,"mode":"train","threads":2,"dtype":"int8"}"#,
        r#"{"op":"peak","threads":2}"#,
        r#"{"op":"exit"}"#,
    ] {
        writeln!(input, "{line}").unwrap();
    }
    drop(input);
    let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let answers: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), 11, "{text}");
    assert!(answers[0]["error"].is_string());
    assert_eq!(answers[1]["ok"], true, "{text}");
    assert!(answers[2]["times"].as_array().unwrap().len() >= 3);
    assert_eq!(answers[4]["times"].as_array().unwrap().len(), 2);
    assert_eq!(answers[5]["ok"], true, "{text}");
    assert_eq!(answers[6]["ok"], true, "{text}");
    assert!(answers[7]["error"].as_str().unwrap().contains("f16"));
    assert_eq!(answers[8]["ok"], true, "{text}");
    assert!(answers[9]["error"].as_str().unwrap().contains("inference"));
    assert!(answers[10]["peak"].as_f64().unwrap() > 1e6);
}
