//! The files that the command writes, checked before it begins.

use super::Args;
use crate::commands::outputs::{self, check_output};
use crate::terminal::typed;
use anyhow::{Result, bail};
use std::path::PathBuf;

/// The file for the transcript of each input.
///
/// # Errors
/// As [`outputs::plan`], or a plot that is one of them.
pub fn plan(args: &Args) -> Result<Vec<Option<PathBuf>>> {
    let ending = args.format().ending();
    let all = outputs::plan(&args.files, args.out.as_deref(), ending, args.force)?;
    if let Some(plot) = &args.plot {
        check_output(plot, &args.files, args.force)?;
        if all.iter().flatten().any(|out| out == plot) {
            bail!(
                "{} is the transcript and the plot; give another name to --plot",
                typed(plot)
            );
        }
    }
    Ok(all)
}
