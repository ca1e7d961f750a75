//! `refrain eval`

use super::speech::Search;
use super::{Data, Precision, Threads};
use crate::Ending;
use crate::terminal;
use anyhow::Result;
use refrain::tasks::speech::DecoderConfig;
use refrain::tasks::{self, Edited, EvaluateOn, EvaluateOptions, Split};
use refrain_decode::metrics::edit::Edit;
use std::path::PathBuf;

/// Measure a model with its field's metrics
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
A text is read as one stream, from its first token to its last. What the vocabulary lacks counts as the unknown token.
Data is looked for in --data, else in REFRAIN_DATA, else where the training found it.

Examples:
  refrain eval runs/stories
  refrain eval runs/ptb-small --data DIR --split valid --json
  refrain eval runs/stories --text other.txt
  refrain eval runs/kerstin-de --words runs/kerstin-de/words.arpa --worst 5")]
pub struct Args {
    /// Model folder, or the name of a model that ships with the program
    #[arg(value_name = "MODEL", value_parser = super::model())]
    model: PathBuf,

    /// Part of the model's own data to measure on
    #[arg(long, value_enum, default_value_t = SplitName::Test)]
    split: SplitName,

    /// A text file to measure on instead
    #[arg(long, value_name = "FILE", conflicts_with = "split")]
    text: Option<PathBuf>,

    /// Show how the most wrong utterances differ from what was said
    #[arg(long, value_name = "N", default_value_t = 0)]
    worst: usize,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    threads: Threads,

    #[command(flatten)]
    precision: Precision,

    #[command(flatten)]
    search: Search,
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
    let model = &args.model;
    let options = EvaluateOptions {
        data: args.data.folder()?,
        precision: args.precision.get(),
        decoder: args.search.over(&DecoderConfig::of(model)?)?,
        worst: args.worst,
    };
    let evaluation = tasks::evaluate(model, &on, &options)?;
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
    for own in &evaluation.worst {
        text += &beside(own);
    }
    terminal::print(&text)?;
    Ok(Ending::Done)
}

/// What was said above what was written, word under word; wrong words in capitals, missing ones as stars.
fn beside(own: &Edited) -> String {
    let (mut above, mut below) = (String::new(), String::new());
    let (mut reference, mut hypothesis) = (own.reference.iter(), own.hypothesis.iter());
    for edit in &own.edits {
        let said = match edit {
            Edit::Insertion => None,
            _ => reference.next(),
        };
        let written = match edit {
            Edit::Deletion => None,
            _ => hypothesis.next(),
        };
        let mut pair = [said, written].map(|word| word.cloned());
        if *edit != Edit::Equal {
            pair = pair.map(|word| Some(word.map_or("*".into(), |word| word.to_uppercase())));
        }
        let [said, written] = pair.map(Option::unwrap_or_default);
        let width = said.chars().count().max(written.chars().count());
        above += &format!(" {said:width$}");
        below += &format!(" {written:width$}");
    }
    let (name, errors) = (&own.name, terminal::counted(own.errors as u64, "error"));
    format!(
        "\n{name}, {errors}\n  said    {}\n  written {}\n",
        above.trim_end(),
        below.trim_end()
    )
}
