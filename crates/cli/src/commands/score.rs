//! `refrain score`

use crate::Ending;
use crate::lines::{Lines, is_standard_input};
use crate::terminal;
use anyhow::{Result, bail};
use refrain_decode::metrics::score::{METRICS, Metric, Score, metric, score};
use serde_json::json;
use std::path::PathBuf;

/// Compare a text with its reference, line by line, with the metrics of its field
#[derive(Debug, clap::Parser)]
#[command(after_help = help())]
pub struct Args {
    /// The text to judge; - is standard input
    #[arg(value_name = "HYP")]
    hypothesis: PathBuf,

    /// The correct text; - is standard input
    #[arg(value_name = "REF")]
    reference: PathBuf,

    /// A metric; may be given more than once [default: all]
    #[arg(long = "metric", value_name = "NAME", value_parser = named)]
    metrics: Vec<&'static Metric>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The help behind the options, with the list of metrics.
fn help() -> String {
    let rows = METRICS.iter().map(|own| {
        let meaning = terminal::fold(own.meaning, 12, 12);
        format!("  {:9} {meaning}\n", own.name)
    });
    let metrics: String = rows.collect();
    format!(
        "Line 1 of HYP answers line 1 of REF, and so on; both need the same number of
lines. Texts are compared as they are: take out case and punctuation first if
they do not matter.

Metrics:
{metrics}
Examples:
  refrain score written.txt spoken.txt
  refrain score --metric wer --metric cer written.txt spoken.txt --json
  refrain transcribe talk.wav | refrain score --metric wer - spoken.txt"
    )
}

fn named(name: &str) -> Result<&'static Metric, String> {
    metric(name).map_err(|error| error.to_string())
}

/// Runs the command.
///
/// # Errors
/// A file that cannot be read or is not text, or files of different numbers of lines.
pub fn run(args: &Args) -> Result<Ending> {
    if args.hypothesis == args.reference && is_standard_input(&args.reference) {
        bail!("both texts come from standard input; give a file for one of them");
    }
    let metrics: Vec<&'static Metric> = match args.metrics.is_empty() {
        true => METRICS.iter().collect(),
        false => args.metrics.clone(),
    };
    let mut problems = [None, None];
    let [first, second] = &mut problems;
    let reference = Text {
        lines: Lines::open(&args.reference)?,
        problem: first,
    };
    let hypothesis = Text {
        lines: Lines::open(&args.hypothesis)?,
        problem: second,
    };
    let scores = score(&metrics, reference, hypothesis);
    // A line that cannot be read ends its text early, so its error goes before that of the counts.
    if let Some(problem) = problems.into_iter().flatten().next() {
        return Err(problem);
    }
    let scores = scores?;
    let text = match args.json {
        true => format!("{}\n", as_json(&scores)),
        false => metrics.iter().zip(&scores).map(row).collect(),
    };
    terminal::print(&text)?;
    Ok(Ending::Done)
}

fn row((metric, score): (&&Metric, &Score)) -> String {
    let value = score
        .value
        .map_or("-".into(), |value| format!("{:.2}%", 100.0 * value));
    let counts = score.counts.iter();
    let counts = counts.map(|(name, count)| format!("{count} {name}"));
    format!(
        "{:10} {value:>8}  {} ({})\n",
        score.metric,
        metric.unit,
        counts.collect::<Vec<_>>().join(", ")
    )
}

fn as_json(scores: &[Score]) -> serde_json::Value {
    let one = |score: &Score| {
        let counts: serde_json::Map<_, _> = score
            .counts
            .iter()
            .map(|(name, count)| (name.to_string(), (*count).into()))
            .collect();
        let own = json!({ "value": score.value, "counts": counts });
        (score.metric.to_string(), own)
    };
    let scores: serde_json::Map<_, _> = scores.iter().map(one).collect();
    json!({ "metrics": scores })
}

/// The lines of a text. One that cannot be read ends them, and leaves its error behind.
struct Text<'a> {
    lines: Lines,
    problem: &'a mut Option<anyhow::Error>,
}

impl Iterator for Text<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if self.problem.is_some() {
            return None;
        }
        self.lines.read().unwrap_or_else(|problem| {
            *self.problem = Some(problem);
            None
        })
    }
}
