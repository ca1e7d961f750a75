//! `refrain eval`

use super::{Data, Precision, Threads};
use crate::Ending;
use crate::terminal;
use anyhow::Result;
use refrain::tasks::{self, EvaluateOn, Split};
use std::path::PathBuf;

/// Measure a model with its field's metrics
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
A text is read as one stream, from its first token to its last. What the vocabulary lacks counts as the unknown token.
Data is looked for in --data, else in REFRAIN_DATA, else where the training found it.

Examples:
  refrain eval runs/stories
  refrain eval runs/ptb-small --data DIR --split valid --json
  refrain eval runs/stories --text other.txt")]
pub struct Args {
    /// Model folder
    #[arg(value_name = "MODEL")]
    model: PathBuf,

    /// Part of the model's own data to measure on
    #[arg(long, value_enum, default_value_t = SplitName::Test)]
    split: SplitName,

    /// A text file to measure on instead
    #[arg(long, value_name = "FILE", conflicts_with = "split")]
    text: Option<PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    threads: Threads,

    #[command(flatten)]
    precision: Precision,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum SplitName {
    Train,
    Valid,
    Test,
}

/// Runs the command.
///
/// # Errors
/// A model or a text that cannot be read.
pub fn run(args: &Args) -> Result<Ending> {
    args.threads.apply();
    let on = match (&args.text, args.split) {
        (Some(file), _) => EvaluateOn::File(file.clone()),
        (None, SplitName::Train) => EvaluateOn::Split(Split::Train),
        (None, SplitName::Valid) => EvaluateOn::Split(Split::Validation),
        (None, SplitName::Test) => EvaluateOn::Split(Split::Test),
    };
    let evaluation = tasks::evaluate(
        &args.model,
        &on,
        args.data.folder()?.as_deref(),
        args.precision.get(),
    )?;
    if args.json {
        terminal::print(&format!("{}\n", serde_json::to_string(&evaluation)?))?;
        return Ok(Ending::Done);
    }
    let mut text = String::new();
    for (name, value) in &evaluation.metrics {
        let meaning = tasks::find(&evaluation.task)?
            .metrics
            .iter()
            .find(|metric| metric.name == name);
        let meaning = meaning.map_or("", |metric| metric.meaning);
        text += &format!("{name:28} {value:10.4}  {meaning}\n");
    }
    if let Some(above) = terminal::above_entropy(&evaluation.metrics) {
        text += &format!("the model is {above}\n");
    }
    if evaluation.unknown > 0 {
        text += &format!(
            "{} tokens are not in the vocabulary and were read as unknown\n",
            evaluation.unknown
        );
    }
    terminal::print(&text)?;
    Ok(Ending::Done)
}
