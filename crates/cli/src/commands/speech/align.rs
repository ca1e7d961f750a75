//! `refrain speech align`

use super::{files, load};
use crate::Ending;
use crate::commands::{Compute, Precision};
use crate::terminal;
use anyhow::{Context, Result, bail};
use refrain::tasks::Site;
use refrain::tasks::speech::SearchOptions;
use std::path::PathBuf;

/// Find when each word of a known text is said in a sound file
#[derive(Debug, clap::Parser)]
#[command(group = clap::ArgGroup::new("words").required(true))]
#[command(after_help = "\
Prints begin and end in seconds, the model's confidence (0 to 1) and the word, a
word a line. The text is read as the training transcripts of the model were:
mostly in lower case and without punctuation.

Examples:
  refrain speech align models/sample.wav --text \"the young captain\"
  refrain speech align --model runs/kerstin-de satz.ogg --text-file satz.txt --json")]
pub struct Args {
    /// Sound file; - is a file on standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The words that are said in it
    #[arg(long, value_name = "TEXT", group = "words")]
    text: Option<String>,

    /// A file with the words that are said in it
    #[arg(long, value_name = "FILE", group = "words")]
    text_file: Option<PathBuf>,

    /// Model folder, or a model that ships: english, english-stream, digits [default: english]
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,

    /// Print one JSON object, with the times of characters too
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    compute: Compute,

    #[command(flatten)]
    precision: Precision,
}

/// Runs the command.
///
/// # Errors
/// A model, sound or text that cannot be used.
pub fn run(args: &Args) -> Result<Ending> {
    let site = Site {
        precision: args.precision.get(),
        ..args.compute.site()?
    };
    let text = match (&args.text, &args.text_file) {
        (Some(text), _) => text.clone(),
        (None, Some(file)) => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", terminal::typed(file)))?,
        (None, None) => String::new(),
    };
    if text.trim().is_empty() {
        bail!("the text is empty; give the words that are said");
    }
    // No search happens here, so no language model is needed.
    let loaded = load(
        args.model.as_deref(),
        "english",
        SearchOptions::greedy(),
        &site,
    )?;
    let sound = files::open(&args.file)?.into_sound()?;
    files::warn(&args.file, &sound.warnings);
    let found = site.compute(|| loaded.align(&sound.samples, sound.rate, &text))?;
    let found = found.with_warnings(&sound.warnings);
    if args.json {
        terminal::print(&format!("{}\n", serde_json::to_string(&found)?))?;
        return Ok(Ending::Done);
    }
    let lines = found.words.iter().map(|word| {
        format!(
            "{:8.2} {:8.2}  {:.2}  {}\n",
            word.begin, word.end, word.confidence, word.word
        )
    });
    terminal::print(&lines.collect::<String>())?;
    Ok(Ending::Done)
}
