//! `refrain eval`

use super::{Compute, Data, Model, Options, Precision, count};
use crate::Ending;
use crate::terminal::{self, say};
use anyhow::Result;
use refrain::tasks::{Edited, EvaluateData, EvaluateOn, Site, Split, Tasks};
use refrain_decode::metrics::confusion::Confusion;
use refrain_decode::metrics::edit::Edit;
use std::path::PathBuf;

/// Measure a model with the metrics of its field
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
A text is read as one stream, from its first token to its last. Characters or
words outside of the vocabulary count as the unknown token. The data folder is
--data, else REFRAIN_DATA, else the folder of the training.

Examples:
  refrain eval runs/stories
  refrain eval runs/ptb-small --data DIR --split valid --json
  refrain eval runs/stories --text other.txt
  refrain eval runs/kerstin-de --set words=runs/kerstin-de/words.arpa --set beam=50 --worst 5
  refrain eval latin --text lines --confusions 20")]
pub struct Args {
    #[command(flatten)]
    model: Model,

    /// Part of the recipe's data to measure on
    #[arg(long, value_enum, default_value_t = SplitName::Test)]
    split: SplitName,

    /// A text file to measure on instead, or a file or folder of text lines for a model that reads lines
    #[arg(long, value_name = "FILE", conflicts_with = "split")]
    text: Option<PathBuf>,

    /// Show the N most wrong utterances or lines beside their references (models of speech and of text in images)
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true, value_parser = count)]
    worst: usize,

    /// Show the N characters that are most often taken for others (models of speech and of text in images)
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true, value_parser = count)]
    confusions: usize,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    options: Options,

    #[command(flatten)]
    compute: Compute,

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
/// A model, data or a text that cannot be read.
pub fn run(args: &Args, tasks: Tasks) -> Result<Ending> {
    let data = match (&args.text, args.split) {
        (Some(file), _) => EvaluateData::File(file.clone()),
        (None, SplitName::Train) => EvaluateData::Split(Split::Train),
        (None, SplitName::Valid) => EvaluateData::Split(Split::Validation),
        (None, SplitName::Test) => EvaluateData::Split(Split::Test),
    };
    let on = EvaluateOn {
        data,
        worst: args.worst,
        confusions: args.confusions,
    };
    let site = Site {
        precision: args.precision.get(),
        ..args.compute.site()?
    };
    let (folder, options) = (args.model.folder()?, args.options.table()?);
    let evaluation =
        tasks.evaluate(&folder, options, &on, args.data.folder()?.as_deref(), &site)?;
    if args.json {
        terminal::print(&format!("{}\n", serde_json::to_string(&evaluation)?))?;
        return Ok(Ending::Done);
    }
    let described = tasks.find(evaluation.task)?.profile().metrics;
    let mut text = String::new();
    for metric in described {
        if let Some(value) = evaluation.metrics.get(metric.name) {
            let (name, number) = (metric.name, metric.number(*value));
            let meaning = terminal::fold(metric.meaning, 39, 39);
            text += &format!("{name:26} {number:>10}  {meaning}\n");
        }
    }
    for metric in described {
        if let Some(above) = metric.above_bound(&evaluation.metrics) {
            text += &format!("the model is {above:.1}% above the best possible\n");
        }
    }
    if args.worst > 0 && evaluation.worst.is_empty() {
        say("note: there are no wrong utterances to show");
    }
    for own in &evaluation.worst {
        text += &beside(own);
    }
    if !evaluation.confusions.is_empty() {
        text += &table(&evaluation.confusions);
    }
    terminal::print(&text)?;
    Ok(Ending::Done)
}

/// Characters that are taken for others, the most frequent first.
fn table(confusions: &[Confusion]) -> String {
    let shown = |c: Option<char>| match c {
        None => "nothing".to_string(),
        Some(' ') => "space".to_string(),
        Some(c) => c.to_string(),
    };
    let row = |own: &Confusion| {
        let [right, read] = [own.reference, own.hypothesis].map(shown);
        format!("{:>7}  {right:10} {read}\n", own.count)
    };
    let rows: String = confusions.iter().map(row).collect();
    format!("\n  times  right      written\n{rows}")
}

/// The reference above the hypothesis; wrong words in capitals, missing ones as stars.
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
