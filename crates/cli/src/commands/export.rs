//! `refrain export`

use crate::Ending;
use crate::terminal::{self, grouped, typed};
use anyhow::Result;
use refrain::store::onnx;
use refrain::tasks::language::load_language_model;
use std::path::PathBuf;

/// Write a language model as an ONNX file, for other engines
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
The file takes `tokens` (int64, [batch, time]: numbers of the tokens in the model's vocabulary file) and the state
before them, `h_l0`, `h_l1` and so on (and `c_l0` ... for an LSTM; [1, batch, units], zeros at the start). It gives
`logits` [batch, time, vocabulary] and the state after them, `h_n_l0` ..., which goes in again with the next tokens.
Numbers are 32-bit floats.

Examples:
  refrain export runs/stories stories.onnx
  refrain onnx run stories.onnx --input in.npz --output out.npz")]
pub struct Args {
    /// Model folder, or the name of a model that ships with the program
    #[arg(value_name = "MODEL", value_parser = super::model())]
    model: PathBuf,

    /// File to write
    #[arg(value_name = "OUT.onnx")]
    out: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// A folder that does not hold a language model, or a file that cannot be written.
pub fn run(args: &Args) -> Result<Ending> {
    let loaded = load_language_model(&args.model)?;
    let cell = loaded.about.recipe.language()?.model.cell.into();
    let bytes = onnx::write_language_model(&args.out, &loaded.model, cell)?;
    let size = grouped(usize::try_from(bytes)?);
    terminal::print(&format!("{}: {size} bytes\n", typed(&args.out)))?;
    Ok(Ending::Done)
}
