//! Sound files that are given, and files that are written.

use crate::terminal::{self, say, typed};
use anyhow::{Context, Result, anyhow, bail};
use refrain_sound::{Reader, SoundError, Warning};
use std::fs::{File, OpenOptions};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

/// Largest sound file that is read from standard input, bytes: it is held in memory.
const LARGEST: u64 = 1 << 31;

/// Whether a name stands for standard input.
pub fn is_standard_input(file: &Path) -> bool {
    file == Path::new("-")
}

/// A name for messages.
pub fn shown(file: &Path) -> String {
    match is_standard_input(file) {
        true => "standard input".into(),
        false => typed(file),
    }
}

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

/// An error about a file, with the name of the file once.
pub fn about(file: &Path, error: &anyhow::Error) -> String {
    let line = terminal::one_line(error);
    let named = line.contains(&shown(file)) || line.contains(&*file.to_string_lossy());
    match named && !is_standard_input(file) || line.contains("standard input") {
        true => line,
        false => format!("{}: {line}", shown(file)),
    }
}

/// Refuses to write a file that is one of the inputs, or that exists already.
///
/// # Errors
/// Such a file; with `force`, only an input.
pub fn check_output(out: &Path, inputs: &[PathBuf], force: bool) -> Result<()> {
    let real = out.canonicalize().ok();
    let input = inputs.iter().find(|own| {
        let own = own.canonicalize().ok();
        own.is_some() && own == real
    });
    if let Some(input) = input {
        bail!(
            "{} would be written over the input {}; choose another place for the output",
            typed(out),
            typed(input)
        );
    }
    if !force && out.symlink_metadata().is_ok() {
        bail!(
            "{} exists already; replace it with --force, or choose another place for the output",
            typed(out)
        );
    }
    Ok(())
}

/// Opens a file that [`check_output`] let pass.
///
/// # Errors
/// A file that cannot be made, or that has come into being since.
pub fn create(out: &Path, force: bool) -> Result<File> {
    let mut options = OpenOptions::new();
    match force {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    let file = options.write(true).open(out);
    file.with_context(|| format!("cannot write {}", typed(out)))
}
