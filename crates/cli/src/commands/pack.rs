//! `refrain pack`

use crate::Ending;
use crate::terminal::{self, grouped, typed};
use anyhow::Result;
use refrain::store::ModelFolder;
use std::path::PathBuf;

/// Copy a model for others to use: half the size, without what only training needs
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Parameters are stored in half precision (IEEE 754, 16 bits); the checkpoint and the log stay behind. The copy is used as the original is, but
cannot be trained further.

Example:
  refrain pack runs/english models/english")]
pub struct Args {
    /// Model folder, or the name of a model that ships with the program
    #[arg(value_name = "MODEL", value_parser = super::model())]
    model: PathBuf,

    /// Folder to make
    #[arg(value_name = "OUT")]
    out: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// A folder that holds no model, or one that already does.
pub fn run(args: &Args) -> Result<Ending> {
    let bytes = ModelFolder::open(&args.model)?.pack(&args.out)?;
    let size = grouped(usize::try_from(bytes)?);
    terminal::print(&format!("{}: {size} bytes\n", typed(&args.out)))?;
    Ok(Ending::Done)
}
