//! Tests of the music crate.

mod abc;
mod automaton;
mod copies;
mod corpora;
mod fuzz;
mod midi;
mod midi_files;
mod pictures;
mod rolls;
mod rules;
mod sound;
mod soundfont;
mod xml;

use refrain_music::{Note, Score};
use std::path::{Path, PathBuf};

/// The folder of the real data, which lies beside a checkout where there is one.
fn data() -> Option<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared/data/music"))
        .find(|folder| folder.is_dir())
}

/// A note of velocity 80.
fn note(start: u32, length: u32, pitch: u8, voice: u16) -> Note {
    Note {
        start,
        length,
        pitch,
        velocity: 80,
        voice,
    }
}

/// A score with 480 ticks a quarter note.
fn score(notes: Vec<Note>) -> Score {
    Score::new(480, notes).expect("a score")
}

/// Start, length and pitch of each note.
fn plain(score: &Score) -> Vec<(u32, u32, u8)> {
    score
        .notes()
        .iter()
        .map(|n| (n.start, n.length, n.pitch))
        .collect()
}
