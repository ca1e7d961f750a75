//! `refrain generate`

use super::{Compute, Model, Precision};
use crate::Ending;
use crate::interrupt::Interrupt;
use crate::terminal::{self, say};
use anyhow::{Context, Result};
use refrain::tasks::language::{GenerateConfig, GenerateOptions, Generated, Language, Loaded};
use refrain::tasks::{Site, open};
use refrain::train::Control;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Let a language model write
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Settings that are absent are those of the model's recipe. The same seed gives the same text. The prime is printed first.
Characters or words outside of the model's vocabulary are read as its unknown token, and counted on standard error.

Examples:
  refrain generate runs/stories
  refrain generate runs/stories --prime \"Once a quiet\" --length 200 --temperature 0.7
  refrain generate runs/stories --prime-file start.txt --top-p 0.9 --seed 7
  echo \"Once a\" | refrain generate runs/stories --prime-file -")]
pub struct Args {
    #[command(flatten)]
    model: Model,

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
    #[arg(long, short, value_name = "X", allow_negative_numbers = true, value_parser = temperature)]
    temperature: Option<f64>,

    /// Sample from the K likeliest tokens
    #[arg(long, value_name = "K", value_parser = top_k)]
    top_k: Option<usize>,

    /// Sample from the likeliest tokens that together reach probability P
    #[arg(long, value_name = "P", allow_negative_numbers = true, value_parser = top_p)]
    top_p: Option<f64>,

    /// Seed of the random numbers
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// End before this text; may be given more than once
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,

    /// Write so many texts, each with the next seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,

    #[command(flatten)]
    compute: Compute,

    #[command(flatten)]
    precision: Precision,
}

/// Runs the command.
///
/// # Errors
/// A model or a prime that cannot be read, or settings out of range.
pub fn run(args: &Args) -> Result<Ending> {
    let site = Site {
        precision: args.precision.get(),
        ..args.compute.site()?
    };
    let interrupt = Interrupt::listen().context("waiting for Ctrl-C")?;
    let options = GenerateOptions {
        length: args.length,
        temperature: args.temperature,
        top_k: args.top_k,
        top_p: args.top_p,
        stop: args.stop.clone(),
        seed: args.seed,
    };
    let model = open::<Language>(&args.model.folder()?, options, &site)?;
    let mut config = model.generate.clone();
    match (&args.prime, &args.prime_file) {
        (Some(prime), _) => config.prime.clone_from(prime),
        (None, Some(file)) => config.prime = read_prime(file)?,
        (None, None) => {}
    }
    for number in 0..args.count {
        let config = GenerateConfig {
            seed: config.seed.wrapping_add(u64::from(number)),
            ..config.clone()
        };
        let generated = site.compute(|| write(&model, &config, &interrupt))?;
        if generated.unknown > 0 && number == 0 {
            say(&format!(
                "note: {} tokens of the prime are not in the vocabulary and were read as unknown",
                generated.unknown
            ));
        }
        if let Some(signal) = interrupt.signal() {
            return Ok(Ending::Interrupted(signal));
        }
    }
    Ok(Ending::Done)
}

/// Writes the prime and its continuation, piece by piece, until it is long enough or interrupted.
fn write(model: &Loaded, config: &GenerateConfig, interrupt: &Interrupt) -> Result<Generated> {
    let mut outcome = Ok(());
    let mut begun = false;
    let generated = model.generate(config, &mut |piece| {
        let prime = if begun { "" } else { config.prime.as_str() };
        begun = true;
        outcome = terminal::print(&[prime, piece].concat());
        match outcome.is_err() || interrupt.asked() {
            true => Control::Stop,
            false => Control::Continue,
        }
    })?;
    outcome?;
    let prime = if begun { "" } else { config.prime.as_str() };
    terminal::print(&format!("{prime}\n"))?;
    Ok(generated)
}

fn temperature(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("a temperature of 0 or more is needed".into()),
    }
}

fn top_k(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(value) if value > 0 => Ok(value),
        _ => Err("1 token or more is needed".into()),
    }
}

fn top_p(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 1.0 => Ok(value),
        _ => Err("a probability above 0 and up to 1 is needed".into()),
    }
}

fn read_prime(file: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    let read = match file == Path::new("-") {
        true => std::io::stdin().read_to_end(&mut bytes),
        false => std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut bytes)),
    };
    read.with_context(|| format!("cannot read the prime from {}", file.display()))?;
    // The line end of `echo` is not part of the text.
    if file == Path::new("-") && bytes.ends_with(b"\n") {
        bytes.pop();
    }
    String::from_utf8(bytes).with_context(|| {
        format!(
            "the prime in {} is not UTF-8 text; convert the file to UTF-8",
            file.display()
        )
    })
}
