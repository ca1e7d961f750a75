//! A run that is killed, over and over, ends as one that was not.

use crate::tools::{err, ok, path, refrain, strs, train};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// Longer than the other tests' run, with a checkpoint after every step.
const MORE: [&str; 6] = [
    "--quiet",
    "--set",
    "train.checkpoint_every_seconds=0.0",
    "--set",
    "train.epochs=6",
    "--set=model.dropout.output=0.2",
];

/// How often the run is killed, if it has not ended before.
const KILLS: usize = 10;

fn start(arguments: &[&str]) -> Child {
    refrain(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs")
}

fn bytes(model: &Path) -> Vec<u8> {
    std::fs::read(model.join("model.safetensors")).expect("trained parameters")
}

/// An irregular sequence, the same in every run.
fn numbers() -> impl Iterator<Item = u64> {
    let mut state = 12_345u64;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    })
}

/// Waits until `child` has written `writes` checkpoints more than there are, or has ended.
fn wait_for_checkpoints(child: &mut Child, folder: &Path, writes: u64) {
    let checkpoint = folder.join("checkpoint.safetensors");
    let written = || {
        std::fs::metadata(&checkpoint)
            .and_then(|file| file.modified())
            .ok()
    };
    let mut last = written();
    for _ in 0..writes {
        while written() == last && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        last = written();
    }
}

/// The moments are counted in checkpoints, not in seconds, so that they fall into the run on any machine: some before
/// the first one of a process, most a moment after a later one, when the next may be half written.
#[test]
fn killed_at_random_moments_it_ends_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let (calm, rough) = (folder.path().join("calm"), folder.path().join("rough"));
    ok(&strs(&train(&calm, &MORE)));

    let mut kills = 0;
    let mut numbers = numbers();
    loop {
        let mut child = if rough.join("checkpoint.safetensors").exists() {
            start(&["train", "--resume", &path(&rough), "--quiet"])
        } else {
            // A process killed before its folder was complete leaves nothing to resume: it starts anew.
            let _ = std::fs::remove_dir_all(&rough);
            start(&strs(&train(&rough, &MORE)))
        };
        if kills < KILLS {
            let (writes, pause) = (numbers.next().unwrap() % 8, numbers.next().unwrap() % 5_000);
            wait_for_checkpoints(&mut child, &rough, writes);
            std::thread::sleep(Duration::from_micros(pause));
        }
        if kills < KILLS && child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            continue;
        }
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", err(&output));
        break;
    }
    assert!(
        kills >= 5,
        "the run ended after {kills} kills: too short for this test"
    );
    assert_eq!(bytes(&calm), bytes(&rough), "after {kills} kills");
}

#[test]
fn a_killed_run_has_the_figures_of_its_last_checkpoint_and_can_be_packed() {
    let folder = tempfile::tempdir().unwrap();
    let (model, out) = (folder.path().join("model"), folder.path().join("out"));
    let mut child = start(&strs(&train(
        &model,
        &["--quiet", "--set", "train.epochs=5000"],
    )));
    let epochs = || {
        let about = std::fs::read_to_string(model.join("model.toml")).ok()?;
        let line = about
            .lines()
            .find_map(|line| line.strip_prefix("epochs = "))?;
        line.parse::<u64>().ok()
    };
    while epochs().is_none_or(|epochs| epochs < 2) {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it goes on until it is killed"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let info: serde_json::Value =
        serde_json::from_str(&ok(&["info", &path(&model), "--json"])).unwrap();
    let figures = &info["figures"];
    assert!(figures["epochs"].as_u64().unwrap() >= 2, "{figures}");
    assert!(figures["validation"]["perplexity"].is_number(), "{figures}");
    assert_eq!(figures["finished"], false);
    let packed = refrain(&["pack", &path(&model), &path(&out)])
        .output()
        .unwrap();
    assert!(packed.status.success(), "{}", err(&packed));
    assert!(err(&packed).contains("not finished"), "{}", err(&packed));
    ok(&["eval", &path(&out)]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_a_polite_kill_or_a_closed_terminal_saves_and_says_how_to_go_on() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model");
        let child = start(&strs(&train(&model, &["--set", "train.epochs=500"])));
        // The first checkpoint is written once the run has begun.
        while !model.join("checkpoint.safetensors").exists() {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(100));
        let kill = std::process::Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status()
            .unwrap();
        assert!(kill.success());
        let output = child.wait_with_output().unwrap();
        let message = err(&output);
        assert_eq!(output.status.code(), Some(code), "{signal}: {message}");
        let told = format!("refrain train --resume {}", path(&model));
        assert!(message.contains(&told), "{message}");
        let info = ok(&["info", &path(&model)]);
        assert!(info.contains("not finished"), "{info}");
    }
}

#[cfg(unix)]
#[test]
fn a_run_under_nohup_outlives_its_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    let program = env!("CARGO_BIN_EXE_refrain");
    // As `nohup` does it: the signal is ignored when the program starts.
    let child = std::process::Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh", program])
        .args(train(&model, &["--quiet", "--set", "train.epochs=10"]))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !model.join("checkpoint.safetensors").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let killed = std::process::Command::new("kill")
        .args(["-HUP", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(ok(&["info", &path(&model)]).contains("10 epochs"));
}
