//! `refrain generate`

use super::{Precision, Threads};
use crate::Ending;
use crate::terminal;
use anyhow::{Context, Result};
use refrain::recipe::GenerateConfig;
use refrain::tasks::language::{Generated, Loaded, load_language_model};
use refrain::train::Control;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Let a language model write
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
What is not given is taken from the recipe that the model was trained with. The same seed gives the same text.
The text that it goes on from is printed first. What the model's vocabulary lacks is read as its unknown token, and
counted on standard error.

Examples:
  refrain generate runs/stories
  refrain generate runs/stories --prime \"Once a quiet\" --length 200 --temperature 0.7
  refrain generate runs/stories --prime-file start.txt --top-p 0.9 --seed 7
  echo \"Once a\" | refrain generate runs/stories --prime-file -")]
pub struct Args {
    /// Model folder, or the name of a model that ships with the program
    #[arg(value_name = "MODEL", value_parser = super::model())]
    model: PathBuf,

    /// Text to go on from; of any length
    #[arg(long, value_name = "TEXT")]
    prime: Option<String>,

    /// File with the text to go on from; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "prime")]
    prime_file: Option<PathBuf>,

    /// Tokens to write: characters, words or pieces of words, as the model knows them
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

    #[command(flatten)]
    precision: Precision,
}

/// Runs the command.
///
/// # Errors
/// A model or a prime that cannot be read, or settings out of range.
pub fn run(args: &Args) -> Result<Ending> {
    args.threads.apply();
    let mut model = load_language_model(&args.model)?;
    if let Some(precision) = args.precision.get() {
        model = model.with_precision(precision);
    }
    let mut options = model.about.recipe.language()?.generate.clone();
    match (&args.prime, &args.prime_file) {
        (Some(prime), _) => options.prime.clone_from(prime),
        (None, Some(file)) => options.prime = read_prime(file)?,
        (None, None) => {}
    }
    options.length = args.length.unwrap_or(options.length);
    options.temperature = args.temperature.unwrap_or(options.temperature);
    options.top_k = args.top_k.or(options.top_k);
    options.top_p = args.top_p.or(options.top_p);
    options.seed = args.seed.unwrap_or(options.seed);

    let generated = write(&model, &options, &|| false)?;
    if generated.unknown > 0 {
        eprintln!(
            "note: {} tokens of the prime are not in the vocabulary and were read as unknown",
            generated.unknown
        );
    }
    Ok(Ending::Done)
}

/// Writes the prime and what follows, piece by piece, until it is long enough or `stop` says so.
pub fn write(
    model: &Loaded,
    options: &GenerateConfig,
    stop: &dyn Fn() -> bool,
) -> Result<Generated> {
    let mut outcome = Ok(());
    let mut begun = false;
    let generated = model.generate(options, &mut |piece| {
        // Settings that cannot be are found before the first piece: then nothing is printed, not even the prime.
        let prime = if begun { "" } else { options.prime.as_str() };
        begun = true;
        outcome = terminal::print(&[prime, piece].concat());
        match outcome.is_err() || stop() {
            true => Control::Stop,
            false => Control::Continue,
        }
    })?;
    outcome?;
    let prime = if begun { "" } else { options.prime.as_str() };
    terminal::print(&format!("{prime}\n"))?;
    Ok(generated)
}

fn read_prime(file: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    let read = match file == Path::new("-") {
        true => std::io::stdin().read_to_end(&mut bytes),
        false => std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut bytes)),
    };
    read.with_context(|| format!("cannot read the prime from {}", file.display()))?;
    String::from_utf8(bytes).with_context(|| {
        format!(
            "the prime in {} is not UTF-8 text; convert the file to UTF-8",
            file.display()
        )
    })
}
