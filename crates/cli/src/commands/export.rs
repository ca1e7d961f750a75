//! `refrain export`

use super::Model;
use crate::Ending;
use crate::terminal::{self, grouped, typed};
use anyhow::{Result, bail};
use refrain::files::atomic;
use refrain::store::ModelFolder;
use refrain::tasks::{Site, Tasks};
use std::path::PathBuf;

/// Write a model as an ONNX file, for other engines
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
For language models. The inputs are `tokens` and the state before them.
`tokens` is int64 [batch, time] and holds numbers of the tokens in the model's
vocabulary file. The state is `h_l0`, `h_l1` and so on (and `c_l0` ... for an
LSTM), each [1, batch, units], zeros at the start. The outputs are `logits`
[batch, time, vocabulary] and the state after the tokens, `h_n_l0` and so on,
which is the input state of the next tokens. Numbers are 32-bit floats.

Examples:
  refrain export runs/stories stories.onnx
  refrain onnx run stories.onnx --input in.npz --output out.npz")]
pub struct Args {
    #[command(flatten)]
    model: Model,

    /// File to write
    #[arg(value_name = "OUT.onnx")]
    out: PathBuf,

    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

/// Runs the command.
///
/// # Errors
/// A model that ONNX cannot represent, or a file that cannot be written.
pub fn run(args: &Args, tasks: Tasks) -> Result<Ending> {
    if args.out.exists() && !args.force {
        bail!(
            "{} exists already; give another name, or replace it with --force",
            typed(&args.out)
        );
    }
    let folder = ModelFolder::open(&args.model.folder()?)?;
    let bytes = tasks.of(&folder)?.export(&folder, &Site::default())?;
    atomic::write(&args.out, &bytes)?;
    let size = grouped(bytes.len());
    terminal::print(&format!("{}: {size} bytes\n", typed(&args.out)))?;
    Ok(Ending::Done)
}
