//! A folder of MIDI files, named by the variable `REFRAIN_MIDI_FILES`: all are read or refused with a reason, and the
//! outcome is printed (`cargo test -p refrain-music midi_files -- --nocapture`). Without the variable nothing is done.

use refrain_music::{Limits, MidiOptions, midi_bytes, read_file, read_midi};
use std::path::PathBuf;

fn files(folder: PathBuf, list: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let kind = path.extension().map(|e| e.to_ascii_lowercase());
        if path.is_dir() {
            files(path, list);
        } else if kind.is_some_and(|kind| kind == "mid" || kind == "midi" || kind == "kar") {
            list.push(path);
        }
    }
}

#[test]
fn a_folder_of_files_is_read() {
    let Some(folder) = std::env::var_os("REFRAIN_MIDI_FILES") else {
        return;
    };
    let mut list = Vec::new();
    files(folder.into(), &mut list);
    list.sort();
    let options = MidiOptions {
        drums: true,
        ..MidiOptions::default()
    };
    let (mut readable, mut notes) = (0, 0);
    for path in &list {
        let bytes = read_file(path, &Limits::default()).expect("the file");
        match read_midi(&bytes, &options) {
            Ok(read) => {
                readable += 1;
                notes += read.score.notes().len();
                let again = read_midi(&midi_bytes(&read.score).unwrap(), &options).unwrap();
                assert_eq!(
                    again.score.notes().len(),
                    read.score.notes().len(),
                    "{}",
                    path.display()
                );
                let warnings: Vec<_> = read.warnings.iter().map(|w| w.to_string()).collect();
                println!(
                    "{}: {} notes; {}",
                    path.display(),
                    read.score.notes().len(),
                    warnings.join("; ")
                );
            }
            Err(error) => println!("{}: {error}", path.display()),
        }
    }
    println!("{readable} of {} files with {notes} notes", list.len());
    assert!(readable > 0);
}
