//! Terminals, pipes and disks for messages that go away.

use crate::tools::{model, path, refrain, strs, train};
use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Stdio};

fn finished(folder: &Path) -> bool {
    let about = std::fs::read_to_string(folder.join("model.toml")).unwrap();
    about.contains("finished = true") && folder.join("model.safetensors").is_file()
}

/// A process whose standard output and error have lost their readers.
fn unread(arguments: &[&str]) -> Child {
    let mut child = refrain(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    child
}

#[test]
fn a_training_goes_on_without_readers() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut child = unread(&strs(&train(&run, &[])));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(finished(&run));
}

#[test]
fn other_commands_end_quietly_without_readers() {
    let model = path(&model());
    for arguments in [
        &["generate", &model, "--prime", "\u{6f22}\u{5b57}"][..],
        &["info", &model],
        &["list"],
        &["info", "nosuch"],
        &["plot", "nosuch"],
    ] {
        let code = unread(arguments).wait().unwrap().code();
        let expected = if arguments[1..] == ["nosuch"] { 1 } else { 0 };
        assert_eq!(code, Some(expected), "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_for_messages_ends_nothing() {
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let status = refrain(&strs(&train(&run, &[])))
        .stdout(full())
        .stderr(full())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(finished(&run));
    let with = |arguments: &[&str]| {
        let status = refrain(arguments)
            .stderr(full())
            .stdout(Stdio::null())
            .status();
        status.unwrap().code()
    };
    let model = path(&model());
    let prime = "\u{6f22}\u{5b57}";
    assert_eq!(with(&["generate", &model, "--prime", prime]), Some(0));
    assert_eq!(with(&["info", "nosuch"]), Some(1));
    // An answer that cannot be written is an error.
    let output = refrain(&["info", &model]).stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: "));
}
