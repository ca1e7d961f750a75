//! `refrain translation detect`: the language of each line.

use crate::Ending;
use crate::lines::Lines;
use crate::terminal::print;
use anyhow::{Context, Result};
use refrain_text::language::{Detection, Recognizer};
use std::path::PathBuf;

/// Recognise the language of each line
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Prints the code of the likeliest language and its probability among the known
ones, or - for a line without letters or in an unknown script.

Examples:
  echo \"今日はいい天気です。\" | refrain translation detect
  refrain translation detect mail.txt --json")]
pub struct Args {
    /// Text; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,

    /// A recogniser from `refrain translation languages` [default: the built-in one]
    #[arg(long, value_name = "FILE")]
    recognizer: Option<PathBuf>,

    /// Print a JSON object for each line, with the probabilities of all languages
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// A file that cannot be read.
pub fn run(args: &Args) -> Result<Ending> {
    let own = match &args.recognizer {
        None => None,
        Some(file) => {
            let bytes = std::fs::read(file)
                .with_context(|| format!("cannot read {}", crate::terminal::typed(file)))?;
            Some(Recognizer::from_bytes(&bytes)?)
        }
    };
    let recognizer = own.as_ref().unwrap_or_else(|| Recognizer::built_in());
    let mut lines = Lines::open(&args.file)?;
    while let Some(line) = lines.read()? {
        let detection = recognizer.detect(&line);
        if args.json {
            let all = match &detection {
                Detection::Ranked(all) => all.as_slice(),
                Detection::NoLetters | Detection::UnknownScript => &[],
            };
            let all: serde_json::Map<String, serde_json::Value> = all
                .iter()
                .map(|own| (own.code.clone(), own.probability.into()))
                .collect();
            let best = detection.best().map(|best| &best.code);
            let object = serde_json::json!({ "line": lines.number(), "language": best, "probabilities": all });
            print(&format!("{object}\n"))?;
        } else {
            print(&match detection.best() {
                Some(best) => format!("{}\t{:.3}\n", best.code, best.probability),
                None => "-\n".to_string(),
            })?;
        }
    }
    Ok(Ending::Done)
}
