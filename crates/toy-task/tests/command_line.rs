//! The toy task through the whole command line, without an edit in the library.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn toy(at: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refrain-toy-task"));
    command.args(arguments).current_dir(at).stdin(Stdio::null());
    command
}

fn output(at: &Path, arguments: &[&str]) -> Output {
    toy(at, arguments).output().expect("the binary runs")
}

fn ok(at: &Path, arguments: &[&str]) -> String {
    let output = output(at, arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).expect("text")
}

fn error(at: &Path, arguments: &[&str]) -> String {
    let output = output(at, arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits until the run in `folder` has done some epochs.
fn some_epochs(folder: &Path, child: &mut Child) {
    let began = Instant::now();
    let log = folder.join("train.jsonl");
    let epochs = || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        text.matches("\"validated\"").count()
    };
    while epochs() < 3 {
        assert!(began.elapsed() < Duration::from_secs(60));
        assert!(child.try_wait().unwrap().is_none(), "the run ended");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn it_trains_resumes_after_kill_evaluates_lists_runs_and_packs() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let text = ok(at, &["train", "parity", "--out", "whole"]);
    assert!(text.contains("% of the rows right"), "{text}");
    assert!(text.contains("echo 0110 | refrain run whole"), "{text}");
    let shown = text.trim_end().ends_with("even") || text.trim_end().ends_with("odd");
    assert!(shown, "the trained model is shown its sample: {text}");

    // Killed in the middle, a run ends with the same bits.
    let often = ["--set", "train.checkpoint_every_seconds=0", "-q"];
    let mut child = toy(
        at,
        &[&["train", "parity", "--out", "parts"][..], &often].concat(),
    )
    .spawn()
    .unwrap();
    some_epochs(&at.join("parts"), &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    ok(at, &["train", "--resume", "parts", "-q"]);
    let model = |run: &str| fs::read(at.join(run).join("model.safetensors")).unwrap();
    assert_eq!(model("whole"), model("parts"));

    let evaluated = ok(at, &["eval", "whole", "--json"]);
    let evaluated: serde_json::Value = serde_json::from_str(&evaluated).unwrap();
    assert_eq!(evaluated["task"], "parity");
    let accuracy = evaluated["metrics"]["accuracy"].as_f64().unwrap();
    assert!(accuracy > 90.0, "guessing has 50: {accuracy}");

    let info = ok(at, &["info", "whole"]);
    assert!(info.contains("GRU, 1 layer of 16 units"), "{info}");
    assert!(ok(at, &["list"]).contains("parity"));
    let details = ok(at, &["list", "parity"]);
    let words: Vec<&str> = details.split_whitespace().collect();
    assert!(words.join(" ").contains("50 by guessing"), "{details}");
    assert!(details.contains("probability = false"), "{details}");

    fs::write(at.join("row.txt"), "10110100").unwrap();
    let answer = ok(at, &["run", "whole", "row.txt"]);
    assert!(["even", "odd"].contains(&answer.trim()), "{answer}");
    let sure = ok(
        at,
        &["run", "whole", "row.txt", "--set", "probability=true"],
    );
    assert!(
        sure.starts_with(answer.trim()) && sure.contains('.'),
        "{sure}"
    );

    // A copy takes the task's own file along, and nothing else.
    fs::write(at.join("whole/private.txt"), "mine").unwrap();
    ok(at, &["pack", "whole", "small"]);
    assert!(at.join("small/note.txt").exists());
    assert!(!at.join("small/private.txt").exists());
    assert_eq!(ok(at, &["run", "small", "row.txt"]), answer);

    // A replaced run loses its files, and keeps those of others.
    let more = ["--set", "train.epochs=1", "--force", "-q"];
    ok(
        at,
        &[&["train", "parity", "--out", "whole"][..], &more].concat(),
    );
    assert!(at.join("whole/private.txt").exists());
}

#[test]
fn its_recipes_and_options_are_typed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let wrong = |setting: &str| error(at, &["train", "parity", "--set", setting]);
    assert!(wrong("data.lenght=3").contains("did you mean `length`?"));
    assert!(wrong("train.time=3").contains("`time`"));
    assert!(wrong("data.length=0").contains("at least one bit"));
    assert!(wrong("train.hidden=3").contains("did you mean `model.hidden`?"));
    let large = wrong("model.hidden=1000000");
    assert!(
        large.contains("memory") && large.contains("model.hidden"),
        "{large}"
    );
    // The first recipe of its own list is the default.
    ok(at, &["train", "--set", "train.epochs=1", "-q"]);
    let refused = error(at, &["run", "runs/parity", "--set", "probabillity=true"]);
    assert!(refused.contains("did you mean `probability`?"), "{refused}");
    let text = ok(at, &["new", "parity", "-"]);
    assert!(text.contains("task = \"parity\""));
}
