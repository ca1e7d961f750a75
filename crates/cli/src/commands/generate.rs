//! `refrain generate`

use super::{Compute, Model, Precision, count, temperature, top_k, top_p, whole};
use crate::Ending;
use crate::interrupt::Interrupt;
use crate::terminal::{self, say, typed};
use anyhow::{Context, Result, bail};
use refrain::tasks::language::{
    Drawn, GenerateConfig, GenerateOptions, Language, Loaded, Writer, Written,
};
use refrain::tasks::{Site, open};
use refrain::train::Control;
use serde_json::json;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Texts that are written at once.
const TOGETHER: usize = 32;

/// Let a language model write
#[derive(Debug, clap::Parser)]
#[command(allow_negative_numbers = true)]
#[command(after_help = "\
Settings that are absent are those of the model's recipe. The same seed gives the same text. The prime is printed first.
Characters or words outside of the model's vocabulary are read as its unknown token, and counted on standard error.
Log-probabilities are nats under the model itself, whatever the temperature and filters.

Examples:
  refrain generate runs/stories
  refrain generate runs/stories --prime \"Once a quiet\" --length 200 --temperature 0.7
  refrain generate runs/stories --prime-file start.txt --top-p 0.9 --seed 7
  refrain generate runs/stories --primes starts.txt --count 3 --json --top 5 > texts.jsonl
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
    #[arg(long, short = 'n', value_name = "N", value_parser = count)]
    length: Option<usize>,

    /// 0 always takes the likeliest token, 1 samples from the model, above 1 is wilder
    #[arg(long, short, value_name = "X", value_parser = temperature)]
    temperature: Option<f64>,

    /// Sample from the K likeliest tokens
    #[arg(long, value_name = "K", value_parser = top_k)]
    top_k: Option<usize>,

    /// Sample from the likeliest tokens that together reach probability P
    #[arg(long, value_name = "P", value_parser = top_p)]
    top_p: Option<f64>,

    /// Seed of the random numbers
    #[arg(long, value_name = "N", value_parser = whole)]
    seed: Option<u64>,

    /// End before this text; may be given more than once
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,

    /// Write so many texts of each prime, each with the next seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,

    /// File with a text to go on from in each line; all are written, in this order
    #[arg(long, value_name = "FILE", conflicts_with_all = ["prime", "prime_file"])]
    primes: Option<PathBuf>,

    /// Print a JSON object for each text, with the log-probabilities of its tokens
    #[arg(long)]
    json: bool,

    /// Tell the N likeliest tokens beside each one
    #[arg(long, value_name = "N", requires = "json", value_parser = top_k)]
    top: Option<usize>,

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
        alternatives: args.top,
    };
    let model = open::<Language>(&args.model.folder()?, options, &site)?;
    let model = Arc::new(model);
    site.compute(|| match &args.primes {
        Some(file) => each_line(args, &model, file, &interrupt),
        None if args.count == 1 && !args.json => one(args, &model, &interrupt),
        None => many(args, &model, &interrupt),
    })?;
    Ok(match interrupt.signal() {
        Some(signal) => Ending::Interrupted(signal),
        None => Ending::Done,
    })
}

/// The prime of the command, or that of the recipe, in parts that fit into memory.
fn prime(
    args: &Args,
    config: &GenerateConfig,
    part: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<()> {
    match (&args.prime, &args.prime_file) {
        (Some(prime), _) => part(prime),
        (None, Some(file)) => read_prime(file, part),
        (None, None) => part(&config.prime),
    }
}

/// One text as it is written, its prime first.
fn one(args: &Args, model: &Arc<Loaded>, interrupt: &Interrupt) -> Result<()> {
    let mut writer = Writer::new(model, &model.generate)?;
    prime(args, &model.generate, &mut |part| {
        writer.read(part);
        writer.catch_up()?;
        terminal::print(&terminal::foreign(part))?;
        match interrupt.asked() {
            true => bail!("interrupted while the prime was read"),
            false => Ok(()),
        }
    })?;
    let mut outcome = Ok(());
    writer.write(&mut |written| {
        outcome = terminal::print(&terminal::foreign(&written.text));
        match outcome.is_err() || interrupt.asked() {
            true => Control::Stop,
            false => Control::Continue,
        }
    })?;
    outcome?;
    tell_unknown(writer.counts().unknown);
    terminal::print("\n")
}

/// Some texts of one prime.
fn many(args: &Args, model: &Arc<Loaded>, interrupt: &Interrupt) -> Result<()> {
    let mut writer = Writer::new(model, &model.generate)?;
    let mut begin = String::new();
    prime(args, &model.generate, &mut |part| {
        writer.read(part);
        writer.catch_up()?;
        if !args.json {
            begin.push_str(part);
        }
        Ok(())
    })?;
    writer.end();
    tell_unknown(writer.counts().unknown);
    let mut texts = Vec::new();
    for seed in seeds(args, model) {
        texts.push(Text::new(writer.clone().with_seed(seed), &begin));
        if texts.len() == TOGETHER {
            write(args, &mut texts, interrupt)?;
        }
        if interrupt.asked() {
            return Ok(());
        }
    }
    write(args, &mut texts, interrupt)
}

/// Texts of the primes in the lines of a file.
fn each_line(args: &Args, model: &Arc<Loaded>, file: &Path, interrupt: &Interrupt) -> Result<()> {
    let (mut texts, mut unknown) = (Vec::new(), 0);
    for (number, line) in BufReader::new(open_file(file)?).lines().enumerate() {
        let line =
            line.with_context(|| format!("cannot read line {} of {}", number + 1, typed(file)))?;
        let mut writer = Writer::new(model, &model.generate)?;
        writer.read(&line);
        writer.end();
        unknown += writer.counts().unknown;
        for seed in seeds(args, model) {
            texts.push(Text::new(writer.clone().with_seed(seed), &line));
            if texts.len() == TOGETHER {
                write(args, &mut texts, interrupt)?;
            }
            if interrupt.asked() {
                return Ok(());
            }
        }
    }
    write(args, &mut texts, interrupt)?;
    tell_unknown(unknown);
    Ok(())
}

fn seeds(args: &Args, model: &Loaded) -> impl Iterator<Item = u64> {
    let first = model.generate.seed;
    (0..u64::from(args.count)).map(move |number| first.wrapping_add(number))
}

fn tell_unknown(tokens: usize) {
    if tokens > 0 {
        say(&format!(
            "note: {} of the prime are not in the vocabulary and were read as unknown",
            terminal::counted(tokens as u64, "token")
        ));
    }
}

/// A text that is being written.
struct Text {
    writer: Writer,
    prime: String,
    text: String,
    drawn: Vec<Drawn>,
}

impl Text {
    fn new(writer: Writer, prime: &str) -> Self {
        Self {
            writer,
            prime: prime.to_string(),
            text: String::new(),
            drawn: Vec::new(),
        }
    }

    fn show(&self, args: &Args) -> String {
        if !args.json {
            let text = format!("{}{}\n", self.prime, self.text);
            return terminal::foreign(&text);
        }
        let mut object = json!({
            "text": self.text,
            "tokens": self.drawn,
            "seed": self.writer.seed(),
            "finished": self.writer.finished(),
        });
        if args.primes.is_some() {
            object["prime"] = json!(self.prime);
        }
        format!("{object}\n")
    }
}

/// Writes all texts together and prints them in their order; none is left.
fn write(args: &Args, texts: &mut Vec<Text>, interrupt: &Interrupt) -> Result<()> {
    loop {
        let open = texts.iter_mut();
        let mut open: Vec<&mut Text> = open
            .filter(|text| text.writer.finished().is_none())
            .collect();
        if open.is_empty() {
            break;
        }
        if interrupt.asked() {
            return Ok(());
        }
        let mut writers: Vec<&mut Writer> = open.iter_mut().map(|own| &mut own.writer).collect();
        let steps = Writer::step_many(&mut writers)?;
        for (own, Written { text, drawn, .. }) in open.into_iter().zip(steps) {
            own.text.push_str(&text);
            own.drawn.extend(drawn.filter(|_| args.json));
        }
    }
    texts
        .drain(..)
        .try_for_each(|text| terminal::print(&text.show(args)))
}

/// A file, or standard input for `-`.
fn open_file(file: &Path) -> Result<Box<dyn Read>> {
    if file == Path::new("-") {
        return Ok(Box::new(stdin()));
    }
    let opened = File::open(file).with_context(|| cannot_read(file))?;
    Ok(Box::new(opened))
}

fn cannot_read(file: &Path) -> String {
    format!("cannot read the prime from {}", typed(file))
}

/// Bytes of a prime that are read at a time.
const PART: u64 = 1 << 16;

/// Gives the text of a file part by part.
fn read_prime(file: &Path, part: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    let mut reader = open_file(file)?;
    let (mut bytes, mut offset) = (Vec::new(), 0);
    loop {
        let read = (&mut reader).take(PART).read_to_end(&mut bytes);
        let read = read.with_context(|| cannot_read(file))?;
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => text,
            // A character goes on in the next part.
            Err(e) if e.error_len().is_none() && read > 0 => {
                std::str::from_utf8(&bytes[..e.valid_up_to()])?
            }
            Err(e) => bail!(
                "the prime in {} is not UTF-8 text: invalid byte at offset {}; convert the file to UTF-8",
                typed(file),
                offset + e.valid_up_to()
            ),
        };
        // The line end of `echo` is not part of the text.
        let line_end = file == Path::new("-") && text.ends_with('\n');
        let end = text.len() - usize::from(line_end);
        part(&text[..end])?;
        if read == 0 {
            return Ok(());
        }
        bytes.drain(..end);
        offset += end;
    }
}
