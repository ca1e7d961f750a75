//! Files that commands read and write, checked before the work begins.

use crate::terminal::{self, typed};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

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

/// The output of each input in the folder, with this ending; nothing without a folder.
///
/// # Errors
/// Two inputs with one output, an output that is an input, or one that exists already and was not given up with
/// `--force`.
pub fn plan(
    files: &[PathBuf],
    folder: Option<&Path>,
    ending: &str,
    force: bool,
) -> Result<Vec<Option<PathBuf>>> {
    let mut taken = BTreeMap::<PathBuf, &Path>::new();
    let mut outputs = Vec::new();
    for file in files {
        let Some(folder) = folder else {
            outputs.push(None);
            continue;
        };
        let out = folder.join(name(file, ending)?);
        check_output(&out, files, force)?;
        if let Some(other) = taken.insert(out.clone(), file) {
            bail!(
                "{} and {} would both be written to {}; give them one by one, each with a folder of its own",
                typed(other),
                typed(file),
                typed(&out)
            );
        }
        outputs.push(Some(out));
    }
    Ok(outputs)
}

/// The name of the output of a file.
fn name(file: &Path, ending: &str) -> Result<PathBuf> {
    if is_standard_input(file) {
        return Ok(Path::new("stdin").with_extension(ending));
    }
    let name = file.file_name();
    let name = name.with_context(|| format!("{} has no name of a file", typed(file)))?;
    Ok(Path::new(name).with_extension(ending))
}
