//! `refrain ocr calibrate`

use crate::Ending;
use crate::commands::{Compute, Data, Model, Options};
use crate::terminal::{self, typed};
use anyhow::Result;
use refrain::tasks::ocr::{CONFIDENCE, calibrate};
use std::path::PathBuf;

/// Learn from lines and their texts how sure a model may be of its words
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Writes confidence.toml into the model folder. `refrain ocr` then gives the chance
that a word is right as its confidence. Use lines that the model did not learn
from, of the kind that it will read.

Examples:
  refrain ocr calibrate runs/my-lines
  refrain ocr calibrate runs/my-lines --text other/lines --set plain_marks=true")]
pub struct Args {
    #[command(flatten)]
    model: Model,

    /// Lines with their texts instead of the validation data; may be given again
    #[arg(long, value_name = "LINES")]
    text: Vec<PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    options: Options,

    #[command(flatten)]
    compute: Compute,
}

/// Runs the command.
///
/// # Errors
/// A model or lines that cannot be used.
pub fn run(args: &Args) -> Result<Ending> {
    let (site, folder) = (args.compute.site()?, args.model.folder()?);
    let (options, data) = (args.options.table()?, args.data.folder()?);
    let own = site.compute(|| calibrate(&folder, options, &args.text, data.as_deref(), &site))?;
    let text = match args.json {
        true => serde_json::to_string(&own)?,
        false => format!(
            "{} words, {:.2}% of them right; calibration error {:.2} points, {:.2} before; written to {}",
            own.words,
            100.0 * own.right as f64 / own.words as f64,
            own.error_after,
            own.error_before,
            typed(&folder.join(CONFIDENCE))
        ),
    };
    terminal::print(&format!("{text}\n"))?;
    Ok(Ending::Done)
}
