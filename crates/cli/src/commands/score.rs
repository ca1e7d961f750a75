//! `refrain score`

use crate::Ending;
use crate::terminal::{self, typed};
use anyhow::{Context, Result, anyhow, bail};
use refrain_decode::metrics::score::{METRICS, Metric, Score, metric, score};
use serde_json::json;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Longest line that is compared, bytes.
const LONGEST: u64 = 1 << 20;

/// Compare a text with its reference, line by line, with the metrics of its field
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Line 1 of HYP answers line 1 of REF, and so on; both need the same number of lines. Texts are compared as they are: take out case
and punctuation first if they do not matter.

Metrics:
  wer       word error rate: replaced, missing and added words, divided by the words of the reference
  cer       character error rate: the same for characters, spaces included
  ser       sentence error rate: share of lines with a wrong word
  accuracy  share of lines that are equal, character by character

Examples:
  refrain score written.txt spoken.txt
  refrain score --metric wer --metric cer written.txt spoken.txt --json
  refrain transcribe talk.wav | refrain score --metric wer - spoken.txt")]
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

fn named(name: &str) -> Result<&'static Metric, String> {
    metric(name).map_err(|error| error.to_string())
}

/// Runs the command.
///
/// # Errors
/// A file that cannot be read or is not text, or files of different numbers of lines.
pub fn run(args: &Args) -> Result<Ending> {
    if args.hypothesis == args.reference && is_standard(&args.reference) {
        bail!("both texts come from standard input; give a file for one of them");
    }
    let metrics: Vec<&'static Metric> = match args.metrics.is_empty() {
        true => METRICS.iter().collect(),
        false => args.metrics.clone(),
    };
    let mut problems = [None, None];
    let [first, second] = &mut problems;
    let reference = Lines::open(&args.reference, first)?;
    let hypothesis = Lines::open(&args.hypothesis, second)?;
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

fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
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
struct Lines<'a> {
    reader: Box<dyn BufRead>,
    name: String,
    number: u64,
    problem: &'a mut Option<anyhow::Error>,
}

impl<'a> Lines<'a> {
    fn open(path: &Path, problem: &'a mut Option<anyhow::Error>) -> Result<Self> {
        let reader: Box<dyn BufRead> = match is_standard(path) {
            true => Box::new(BufReader::new(std::io::stdin())),
            false => {
                let file = File::open(path);
                Box::new(BufReader::new(
                    file.with_context(|| format!("cannot read {}", typed(path)))?,
                ))
            }
        };
        Ok(Self {
            reader,
            name: typed(path),
            number: 0,
            problem,
        })
    }

    fn read(&mut self) -> Result<Option<String>> {
        let mut bytes = Vec::new();
        let mut part = self.reader.by_ref().take(LONGEST + 1);
        let read = part.read_until(b'\n', &mut bytes);
        read.with_context(|| format!("cannot read {}", self.name))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let (name, number) = (&self.name, self.number);
        if bytes.len() as u64 > LONGEST {
            bail!(
                "{name}: line {number} is longer than {LONGEST} bytes; write one sentence a line"
            );
        }
        if bytes.ends_with(b"\n") {
            bytes.pop();
        }
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
        let line = String::from_utf8(bytes).map_err(|error| {
            let place = error.utf8_error().valid_up_to() + 1;
            anyhow!("{name}: line {number} is not UTF-8 text (byte {place} of the line); convert the file to UTF-8")
        })?;
        Ok(Some(line))
    }
}

impl Iterator for Lines<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if self.problem.is_some() {
            return None;
        }
        self.read().unwrap_or_else(|problem| {
            *self.problem = Some(problem);
            None
        })
    }
}
