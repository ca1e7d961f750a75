//! `refrain pack`

use super::Model;
use crate::Ending;
use crate::terminal::{self, grouped, typed};
use anyhow::Result;
use refrain::files::tensors::Storage;
use refrain::store::ModelFolder;
use refrain::tasks::Tasks;
use std::path::PathBuf;

/// Copy a model for others to use: half the size or less, without the files for training
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Parameters are stored in half precision (IEEE 754, 16 bits), or with --int8 as
bytes with a scale for each row. The checkpoint, the log and files that do not
belong to the model are not copied. The copy is used like the original;
`refrain eval` shows the cost.

Examples:
  refrain pack runs/english models/english
  refrain pack runs/stories small --int8")]
pub struct Args {
    #[command(flatten)]
    model: Model,

    /// Folder to make
    #[arg(value_name = "OUT")]
    out: PathBuf,

    /// Store matrices as bytes: a quarter of the size, seven significant bits
    #[arg(long)]
    int8: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// A folder without a model, or a target folder that already holds one.
pub fn run(args: &Args, tasks: Tasks) -> Result<Ending> {
    let folder = ModelFolder::open(&args.model.folder()?)?;
    let own = tasks.of(&folder)?.files(folder.path());
    let storage = match args.int8 {
        true => Storage::Int8,
        false => Storage::F16,
    };
    let bytes = folder.pack(&args.out, &own, storage)?;
    let text = match args.json {
        true => serde_json::json!({ "folder": args.out, "bytes": bytes }).to_string(),
        false => format!(
            "{}: {} bytes",
            typed(&args.out),
            grouped(usize::try_from(bytes)?)
        ),
    };
    terminal::print(&format!("{text}\n"))?;
    Ok(Ending::Done)
}
