//! `refrain score`

use crate::Ending;
use crate::lines::{Lines, is_standard_input};
use crate::terminal;
use anyhow::{Result, bail};
use refrain_decode::metrics::bootstrap::{Bootstrap, Comparison, compare};
use refrain_decode::metrics::score::{METRICS, Metric, Score, metric, score};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

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

    /// Compare HYP with this text of another system, by paired bootstrap resampling
    #[arg(long, value_name = "OTHER_HYP")]
    against: Option<PathBuf>,

    /// Resamples of a comparison
    #[arg(long, value_name = "N", requires = "against", default_value_t = Bootstrap::default().resamples)]
    resamples: usize,

    /// Seed of a comparison
    #[arg(long, requires = "against", default_value_t = Bootstrap::default().seed)]
    seed: u64,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The help behind the options, with the list of metrics.
fn help() -> String {
    let rows = METRICS.iter().map(|own| {
        let meaning = terminal::fold(own.meaning, 18, 18);
        format!("  {:15} {meaning}\n", own.name)
    });
    let metrics: String = rows.collect();
    format!(
        "Line 1 of HYP answers line 1 of REF, and so on; both need the same number of
lines. Texts are compared as they are: take out case and punctuation first if
they do not matter. Below each figure stands its signature, which says what the
figure depends on, in the form of sacreBLEU. Quote both together.

With --against, lines are drawn at random with replacement, the same lines for
both systems. p is the probability of a difference as large as this one if the
systems were equal. Behind a mean of the resamples stands half of their 95%
interval. All metrics but distinct-1 and distinct-2 can be compared.

Metrics:
{metrics}
Examples:
  refrain score written.txt spoken.txt
  refrain score --metric wer --metric cer written.txt spoken.txt --json
  refrain score --metric bleu --metric chrf new.txt reference.txt --against old.txt
  refrain transcribe talk.wav | refrain score --metric wer - spoken.txt"
    )
}

fn named(name: &str) -> Result<&'static Metric, String> {
    metric(name).map_err(|error| error.to_string())
}

/// Runs the command.
///
/// # Errors
/// A file that cannot be read or is not text, files of different numbers of lines, or a comparison that is not
/// possible.
pub fn run(args: &Args) -> Result<Ending> {
    let files = [&args.hypothesis, &args.reference];
    let files = files.into_iter().chain(&args.against);
    if files.filter(|file| is_standard_input(file)).count() > 1 {
        bail!("two texts come from standard input; give a file for one of them");
    }
    let text = match &args.against {
        None => scored(args)?,
        Some(other) => compared(args, other)?,
    };
    terminal::print(&text)?;
    Ok(Ending::Done)
}

/// The metrics that were named, or all of those that fit.
fn chosen(args: &Args, fits: impl Fn(&Metric) -> bool) -> Vec<&'static Metric> {
    match args.metrics.is_empty() {
        true => METRICS.iter().filter(|metric| fits(metric)).collect(),
        false => args.metrics.clone(),
    }
}

fn scored(args: &Args) -> Result<String> {
    let metrics = chosen(args, |_| true);
    let mut problems = [None, None];
    let [first, second] = &mut problems;
    let reference = Text::open(&args.reference, first)?;
    let hypothesis = Text::open(&args.hypothesis, second)?;
    let scores = score(&metrics, reference, hypothesis);
    first_of(problems)?;
    let scores = scores?;
    Ok(match args.json {
        true => by_name("metrics", scores.iter().map(score_as_json)),
        false => metrics.iter().zip(&scores).map(score_as_text).collect(),
    })
}

fn compared(args: &Args, other: &Path) -> Result<String> {
    let metrics = chosen(args, Metric::is_additive);
    let bootstrap = Bootstrap {
        resamples: args.resamples,
        seed: args.seed,
    };
    let mut problems = [None, None, None];
    let [first, second, third] = &mut problems;
    let reference = Text::open(&args.reference, first)?;
    let hypothesis = Text::open(&args.hypothesis, second)?;
    let other = Text::open(other, third)?;
    let comparisons = compare(&metrics, reference, hypothesis, other, bootstrap);
    first_of(problems)?;
    let comparisons = comparisons?;
    Ok(match args.json {
        true => by_name("comparisons", comparisons.iter().map(comparison_as_json)),
        false => {
            let rows = metrics.iter().zip(&comparisons);
            rows.map(comparison_as_text).collect()
        }
    })
}

/// The first problem of the texts. A line that cannot be read ends its text early, so its error goes before that of the
/// counts.
fn first_of<const N: usize>(problems: [Option<anyhow::Error>; N]) -> Result<()> {
    problems.into_iter().flatten().next().map_or(Ok(()), Err)
}

fn score_as_text((metric, score): (&&Metric, &Score)) -> String {
    let value = score
        .value
        .map_or("-".into(), |value| metric.scale.text(value));
    let counts = score.counts.iter();
    let counts = counts.map(|(name, count)| format!("{count} {name}"));
    let details = score.details.iter();
    let details = details.map(|(name, value)| format!("{} {value:.3}", name.replace('_', " ")));
    let behind: Vec<String> = counts.chain(details).collect();
    format!(
        "{:15} {value:>8}  {} ({})\n{:26}{}\n",
        score.metric,
        metric.unit,
        behind.join(", "),
        "",
        score.signature
    )
}

fn comparison_as_text((metric, comparison): (&&Metric, &Comparison)) -> String {
    let signature = &comparison.signature;
    let Some(own) = &comparison.difference else {
        return format!(
            "{:15} {:>8}  {}\n{:26}{signature}\n",
            metric.name, "-", metric.unit, ""
        );
    };
    let text = |value| metric.scale.text(value);
    let (system, other, [low, high]) = (&own.system, &own.other, own.interval);
    format!(
        "{:15} {:>8}  against {}: difference {} (95%: {} to {}), p = {:.4}
{:26}{} resamples: {} ± {} against {} ± {}
{:26}{signature}\n",
        metric.name,
        text(system.value),
        text(other.value),
        text(own.value),
        text(low),
        text(high),
        own.p,
        "",
        own.resamples,
        text(system.mean),
        text(system.half_width),
        text(other.mean),
        text(other.half_width),
        "",
    )
}

/// One JSON object that holds others by the names of their metrics.
fn by_name(title: &str, own: impl Iterator<Item = (String, Value)>) -> String {
    let own: serde_json::Map<_, _> = own.collect();
    format!("{}\n", json!({ title: own }))
}

fn score_as_json(score: &Score) -> (String, Value) {
    let counts = score.counts.iter();
    let counts: serde_json::Map<_, _> = counts
        .map(|(name, count)| (name.to_string(), (*count).into()))
        .collect();
    let details = score.details.iter();
    let details: serde_json::Map<_, _> = details
        .map(|(name, value)| (name.to_string(), (*value).into()))
        .collect();
    let own = json!({
        "value": score.value,
        "counts": counts,
        "details": details,
        "signature": score.signature,
    });
    (score.metric.to_string(), own)
}

fn comparison_as_json(comparison: &Comparison) -> (String, Value) {
    let own = json!({
        "difference": comparison.difference,
        "signature": comparison.signature,
    });
    (comparison.metric.to_string(), own)
}

/// The lines of a text. One that cannot be read ends them, and leaves its error behind.
struct Text<'a> {
    lines: Lines,
    problem: &'a mut Option<anyhow::Error>,
}

impl<'a> Text<'a> {
    fn open(path: &Path, problem: &'a mut Option<anyhow::Error>) -> Result<Self> {
        let lines = Lines::open(path)?;
        Ok(Self { lines, problem })
    }
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
