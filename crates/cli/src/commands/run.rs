//! `refrain run`: any model, by the media that it takes and gives.

use super::speech::files;
use super::{Compute, Model, Options, Precision};
use crate::Ending;
use crate::bar::Bar;
use crate::interrupt::Interrupt;
use crate::lines::{Lines, is_standard_input, open};
use crate::terminal::{self, say, typed};
use anyhow::{Context, Result, bail};
use refrain::tasks::{Medium, Numbers, Piece, Session, Site, Sound, Tasks, Use};
use refrain::train::Control;
use refrain_image::{Limits, Pages};
use refrain_sound::Pcm;
use std::cell::Cell;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest text that is read, bytes.
const LONGEST_TEXT: u64 = 1 << 28;

/// Use a trained model of any task: text, sound, numbers or images in, its answer out
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
`refrain info MODEL` shows the task of a model, `refrain list TASK` its
settings. Without a file, or for -, the input comes from standard input: text,
signed 16-bit samples (--rate), rows of numbers, or an image file. A row is a line
with commas or spaces; an empty line ends a sequence.

Examples:
  echo \"Once a\" | refrain run runs/stories --set temperature=0.7
  refrain run english models/sample.wav
  arecord -q -f S16_LE -r 16000 | refrain run english-stream -
  refrain run runs/adding-gru numbers.csv --json
  refrain run runs/numbers-en-ko pairs.tsv --score")]
pub struct Args {
    #[command(flatten)]
    model: Model,

    /// Input files; - is standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Print one JSON object for each piece of an answer, with its details
    #[arg(long)]
    json: bool,

    /// Read pairs instead, an input and an answer on each line with a tab between, and print ln p of each answer
    #[arg(long, conflicts_with = "json")]
    score: bool,

    /// Samples per second of sound from standard input
    #[arg(
        long,
        value_name = "HZ",
        default_value_t = 16_000,
        value_parser = clap::value_parser!(u32).range(1000..=384_000)
    )]
    rate: u32,

    #[command(flatten)]
    options: Options,

    #[command(flatten)]
    compute: Compute,

    #[command(flatten)]
    precision: Precision,
}

/// Runs the command.
///
/// # Errors
/// A model that cannot be used, or an input that cannot be read.
pub fn run(args: &Args, tasks: Tasks) -> Result<Ending> {
    let site = Site {
        precision: args.precision.get(),
        ..args.compute.site()?
    };
    let interrupt = Interrupt::listen().context("waiting for Ctrl-C")?;
    let model = tasks.load(&args.model.folder()?, args.options.table()?, &site)?;
    let files = match args.files.is_empty() {
        true => vec![PathBuf::from("-")],
        false => args.files.clone(),
    };
    let bar = Bar::new(files.len(), "files");
    let mut failed = 0;
    for (number, file) in files.iter().enumerate() {
        let result = site.compute(|| match args.score {
            true => score(&model, file, &interrupt),
            false => one(args, &model, file, &interrupt, &bar),
        });
        if let Err(error) = result {
            if terminal::is_broken_pipe(&error) {
                return Err(error);
            }
            let (name, text) = (typed(file), terminal::one_line(&error));
            let named = text.contains(&name);
            bar.aside(|| {
                say(&if named {
                    text
                } else {
                    format!("{name}: {text}")
                })
            });
            failed += 1;
        }
        if let Some(signal) = interrupt.signal() {
            return Ok(Ending::Interrupted(signal));
        }
        bar.set(number + 1);
    }
    drop(bar);
    match failed {
        0 => Ok(Ending::Done),
        _ => bail!(
            "{failed} of {} could not be used",
            terminal::counted(files.len() as u64, "input")
        ),
    }
}

/// Pairs whose answers are scored together.
const PAIRS: usize = 256;

/// Prints ln p of the answer of each pair.
fn score(model: &Arc<dyn Use>, file: &Path, interrupt: &Interrupt) -> Result<()> {
    let mut lines = Lines::open(file)?;
    let mut pairs = Vec::new();
    loop {
        let line = lines.read();
        let ended = !matches!(line, Ok(Some(_)));
        let pair = match line {
            Ok(Some(line)) => line
                .split_once('\t')
                .map(|(input, answer)| [Piece::text(input), Piece::text(answer)])
                .with_context(|| {
                    format!(
                        "{}: line {} has no tab; a line holds an input, a tab and an answer",
                        typed(file),
                        lines.number()
                    )
                })
                .map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        // The pairs before a line that cannot be read are scored.
        let failed = match pair {
            Ok(pair) => {
                pairs.extend(pair);
                None
            }
            Err(error) => Some(error),
        };
        if pairs.len() == PAIRS || ended || failed.is_some() {
            for score in model.score(&pairs)? {
                terminal::print(&format!("{score:.6}\n"))?;
            }
            pairs.clear();
        }
        match failed {
            Some(error) => return Err(error),
            None if ended || interrupt.asked() => return Ok(()),
            None => {}
        }
    }
}

/// Runs one input from beginning to end.
fn one(
    args: &Args,
    model: &Arc<dyn Use>,
    file: &Path,
    interrupt: &Interrupt,
    bar: &Bar,
) -> Result<()> {
    let mut outcome = Ok(());
    // A reader of our output that has gone, or a signal, ends the reading of the input.
    let stopped = Cell::new(false);
    let line_ended = Cell::new(None);
    let mut give = |piece: Piece| {
        if let Piece::Text(text) = &piece {
            line_ended.set(Some(text.text.ends_with('\n')));
        }
        if outcome.is_ok() {
            outcome = bar.aside(|| show(&piece, args.json, file));
        }
        stopped.set(outcome.is_err() || interrupt.asked());
        match stopped.get() {
            true => Control::Stop,
            false => Control::Continue,
        }
    };
    let stop = || stopped.get() || interrupt.asked();
    let mut session = model.clone().begin()?;
    let fed = match model.ports().takes {
        Medium::Text => text(session.as_mut(), file, &mut give),
        Medium::Sound => sound(session.as_mut(), file, args.rate, &stop, &mut give),
        Medium::Numbers => numbers(session.as_mut(), file, &stop, &mut give),
        Medium::Image => images(session.as_mut(), file, &stop, &mut give),
        other => bail!("{other:?} cannot be read from the command line"),
    };
    outcome?;
    fed?;
    // A text that goes on another one has no line end of its own.
    if model.ports().takes == Medium::Text && !args.json && line_ended.get() == Some(false) {
        terminal::print("\n")?;
    }
    Ok(())
}

type Give<'a> = &'a mut dyn FnMut(Piece) -> Control;

fn show(piece: &Piece, json: bool, file: &Path) -> Result<()> {
    let text = match (piece, json) {
        (Piece::Text(text), false) => terminal::foreign(&text.text),
        (Piece::Text(text), true) => {
            let object = serde_json::json!({
                "file": file, "text": text.text, "detail": text.detail,
            });
            format!("{object}\n")
        }
        (Piece::Numbers(numbers), false) => {
            let row = |row: &[f32]| row.iter().map(f32::to_string).collect::<Vec<_>>().join(",");
            let rows = numbers.values.chunks(numbers.columns.max(1));
            rows.map(|own| row(own) + "\n").collect()
        }
        (Piece::Numbers(numbers), true) => {
            let rows: Vec<_> = numbers.values.chunks(numbers.columns.max(1)).collect();
            format!("{}\n", serde_json::json!({ "file": file, "rows": rows }))
        }
        (other, _) => bail!("{:?} cannot be shown on the command line", other.medium()),
    };
    terminal::print(&text)
}

fn text(session: &mut dyn Session, file: &Path, give: Give) -> Result<()> {
    let mut bytes = Vec::new();
    let read = open(file)?.take(LONGEST_TEXT + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read {}", typed(file)))?;
    if bytes.len() as u64 > LONGEST_TEXT {
        bail!("the text is longer than {LONGEST_TEXT} bytes; cut it");
    }
    // The line end of `echo` is not part of the text.
    if is_standard_input(file) && bytes.ends_with(b"\n") {
        bytes.pop();
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        anyhow::anyhow!(
            "not UTF-8 text: invalid byte at offset {}",
            e.utf8_error().valid_up_to()
        )
    })?;
    session.push(Piece::text(text), give)?;
    Ok(session.finish(give)?)
}

fn sound(
    session: &mut dyn Session,
    file: &Path,
    rate: u32,
    stop: &dyn Fn() -> bool,
    give: Give,
) -> Result<()> {
    if is_standard_input(file) {
        let mut samples = Pcm::new(std::io::stdin(), rate);
        while let Some(samples) = samples.next_chunk()? {
            session.push(Piece::Sound(Sound { samples, rate }), give)?;
            if stop() {
                break;
            }
        }
    } else {
        let mut reader = files::open(file)?;
        let rate = reader.rate();
        while let Some(samples) = reader.next_chunk()? {
            session.push(Piece::Sound(Sound { samples, rate }), give)?;
            if stop() {
                break;
            }
        }
        files::warn(file, reader.warnings());
    }
    Ok(session.finish(give)?)
}

/// Each page of a file.
fn images(
    session: &mut dyn Session,
    file: &Path,
    stop: &dyn Fn() -> bool,
    give: Give,
) -> Result<()> {
    let limits = Limits::default();
    let pages = match is_standard_input(file) {
        true => {
            let mut bytes = Vec::new();
            let most = limits.bytes as u64 + 1;
            open(file)?.take(most).read_to_end(&mut bytes)?;
            Pages::of(bytes, &limits)?
        }
        false => Pages::open(file, &limits)?,
    };
    for page in pages {
        session.push(Piece::Image(page?.image), give)?;
        if stop() {
            break;
        }
    }
    Ok(session.finish(give)?)
}

fn numbers(
    session: &mut dyn Session,
    file: &Path,
    stop: &dyn Fn() -> bool,
    give: Give,
) -> Result<()> {
    let mut open_sequence = false;
    let mut lines = Lines::open(file)?;
    while let Some(line) = lines.read()? {
        if stop() {
            return Ok(());
        }
        let place = || format!("line {}", lines.number());
        if line.trim().is_empty() {
            if std::mem::take(&mut open_sequence) {
                session.finish(give)?;
            }
            continue;
        }
        let parts = line
            .split([',', ' ', '\t', ';'])
            .filter(|part| !part.is_empty());
        let values: Result<Vec<f32>, _> = parts.map(str::parse).collect();
        let values = values.with_context(|| format!("{} is not a row of numbers", place()))?;
        let columns = values.len();
        let row = Piece::Numbers(Numbers { values, columns });
        session.push(row, give).with_context(place)?;
        open_sequence = true;
    }
    if open_sequence {
        session.finish(give)?;
    }
    Ok(())
}
