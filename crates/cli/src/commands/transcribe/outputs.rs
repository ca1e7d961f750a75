//! The files that a command writes, checked before it begins.

use super::Args;
use crate::commands::speech::files::{check_output, is_standard_input};
use crate::terminal::typed;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file for the transcript of each input.
///
/// # Errors
/// Two inputs with one output, an output that is an input, or one that exists already and was not given up with
/// `--force`.
pub fn plan(args: &Args) -> Result<Vec<Option<PathBuf>>> {
    let mut taken = BTreeMap::<PathBuf, &Path>::new();
    let mut outputs = Vec::new();
    for file in &args.files {
        let Some(folder) = &args.out else {
            outputs.push(None);
            continue;
        };
        let out = folder.join(name(file, args.format().ending())?);
        check_output(&out, &args.files, args.force)?;
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
    if let Some(plot) = &args.plot {
        check_output(plot, &args.files, args.force)?;
        if taken.contains_key(plot) {
            bail!(
                "{} is the transcript and the plot; give another name to --plot",
                typed(plot)
            );
        }
    }
    Ok(outputs)
}

/// The name of the transcript of a file.
fn name(file: &Path, ending: &str) -> Result<PathBuf> {
    if is_standard_input(file) {
        return Ok(Path::new("stdin").with_extension(ending));
    }
    let name = file.file_name();
    let name = name.with_context(|| format!("{} has no name of a file", typed(file)))?;
    Ok(Path::new(name).with_extension(ending))
}
