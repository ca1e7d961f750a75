//! `refrain generate`

use super::Threads;
use crate::Ending;
use crate::terminal;
use anyhow::{Context, Result};
use refrain::tasks::language::load_language_model;
use refrain::train::Control;
use std::path::PathBuf;

/// Let a language model write
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
What is not given is taken from the recipe that the model was trained with. The same seed gives the same text.
Characters (or words) that the model's vocabulary lacks are read as the unknown token, and counted on standard error.

Examples:
  refrain generate runs/stories
  refrain generate runs/stories --prime \"Once a quiet\" --length 200 --temperature 0.7
  refrain generate runs/stories --prime-file start.txt --top-p 0.9 --seed 7")]
pub struct Args {
    /// Model folder
    #[arg(value_name = "MODEL")]
    model: PathBuf,

    /// Text to go on from; of any length
    #[arg(long, value_name = "TEXT")]
    prime: Option<String>,

    /// File with the text to go on from
    #[arg(long, value_name = "FILE", conflicts_with = "prime")]
    prime_file: Option<PathBuf>,

    /// Tokens to write
    #[arg(long, short = 'n', value_name = "N")]
    length: Option<usize>,

    /// 0 always takes the likeliest token, 1 samples from the model, above 1 is wilder
    #[arg(long, short, value_name = "X")]
    temperature: Option<f64>,

    /// Sample from the K likeliest tokens
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,

    /// Sample from the likeliest tokens that together reach probability P
    #[arg(long, value_name = "P")]
    top_p: Option<f64>,

    /// Seed of the random numbers
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    #[command(flatten)]
    threads: Threads,
}

/// Runs the command.
///
/// # Errors
/// A model or a prime that cannot be read, or settings out of range.
pub fn run(args: &Args) -> Result<Ending> {
    args.threads.apply();
    let model = load_language_model(&args.model)?;
    let mut options = model.about.recipe.generate.clone();
    match (&args.prime, &args.prime_file) {
        (Some(prime), _) => options.prime.clone_from(prime),
        (None, Some(file)) => {
            options.prime = std::fs::read_to_string(file).with_context(|| {
                format!(
                    "reading the prime from {}; it must be UTF-8 text",
                    file.display()
                )
            })?;
        }
        (None, None) => {}
    }
    options.length = args.length.unwrap_or(options.length);
    options.temperature = args.temperature.unwrap_or(options.temperature);
    options.top_k = args.top_k.or(options.top_k);
    options.top_p = args.top_p.or(options.top_p);
    options.seed = args.seed.unwrap_or(options.seed);

    terminal::print(&options.prime)?;
    let mut gone = None;
    let generated = model.generate(&options, &mut |piece| match terminal::print(piece) {
        Ok(()) => Control::Continue,
        Err(error) => {
            gone = Some(error);
            Control::Stop
        }
    })?;
    if let Some(error) = gone {
        return Err(error);
    }
    terminal::print("\n")?;
    if generated.unknown > 0 {
        eprintln!(
            "{} tokens of the prime are not in the vocabulary and were read as unknown",
            generated.unknown
        );
    }
    Ok(Ending::Done)
}
