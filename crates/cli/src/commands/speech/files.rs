//! Sound files that are given.

use crate::commands::outputs::{is_standard_input, shown};
use crate::terminal::{say, typed};
use anyhow::{Context, Result, anyhow, bail};
use refrain_sound::{Reader, SoundError, Warning};
use std::io::{Cursor, Read};
use std::path::Path;

/// Largest sound file that is read from standard input, bytes: it is held in memory.
const LARGEST: u64 = 1 << 31;

/// Opens a sound file, or the one that standard input holds for `-`.
///
/// # Errors
/// A folder, an address, or a file that holds no sound.
pub fn open(file: &Path) -> Result<Reader> {
    if is_standard_input(file) {
        return standard_input();
    }
    if file.is_dir() {
        bail!(
            "{} is a folder; give the sound files in it, such as {}/*.wav",
            typed(file),
            typed(file)
        );
    }
    let text = file.to_string_lossy();
    if text.contains("://") && !file.exists() {
        bail!(
            "{} is a web address; download the file first, or pipe it: curl -L ADDRESS | refrain transcribe -",
            typed(file)
        );
    }
    Ok(Reader::open(file)?)
}

fn standard_input() -> Result<Reader> {
    let mut bytes = Vec::new();
    let mut input = std::io::stdin().lock().take(LARGEST + 1);
    input
        .read_to_end(&mut bytes)
        .context("cannot read standard input")?;
    if bytes.len() as u64 > LARGEST {
        bail!(
            "standard input holds more than {LARGEST} bytes; write it to a file, and give its name"
        );
    }
    Reader::named(Cursor::new(bytes), "standard input").map_err(|error| match error {
        SoundError::Format { .. } => {
            anyhow!("{error}; samples without a header are read with --stream")
        }
        error => error.into(),
    })
}

/// Says which sound of a file was lost or changed.
pub fn warn(file: &Path, warnings: &[Warning]) {
    for warning in warnings {
        say(&format!("{}: {warning}", shown(file)));
    }
}
