//! `refrain transcribe`

mod file;
mod formats;
mod outputs;
mod plot;
mod stream;

use super::outputs::{about, is_standard_input};
use super::search::Search;
use super::speech::Model;
use super::{Compute, Precision, positive};
use crate::Ending;
use crate::interrupt::Interrupt;
use crate::terminal::{self, typed};
use anyhow::{Context, Result, bail};
use file::Job;
use formats::Format;
use refrain::tasks::Site;
use std::path::PathBuf;

/// Write down speech in sound files, or in a stream while it is spoken
#[derive(Debug, clap::Parser)]
#[command(allow_negative_numbers = true)]
#[command(after_help = "\
Reads WAV, FLAC, Ogg Vorbis and MP3 of any sample rate, number of channels and
length; - is a file on standard input. Text is written as it is found: a line
for each utterance, or for each stretch of 30 s at most. Ctrl-C ends with the
text so far. A file that cannot be read is reported, and the others are still
transcribed; the exit code then is 1. With --stream, signed 16-bit little-endian
mono samples come from standard input.

Sound that was lost or changed is reported on standard error, and in JSON as
`warnings`. So is a low mean confidence of the words: such words are mostly
wrong. The models that ship learned from synthetic voices (english,
english-stream) and from six speakers' digits (digits); docs/speech.md says what
they can do.

Examples:
  refrain transcribe models/sample.wav
  refrain transcribe --format srt talk.mp3 > talk.srt
  refrain transcribe --json --best 5 --beam 50 *.ogg > transcripts.jsonl
  curl -L https://example.org/talk.mp3 | refrain transcribe -
  arecord -q -f S16_LE -r 16000 | refrain transcribe --stream
  refrain transcribe --plot spikes.png one.wav")]
pub struct Args {
    /// Sound files; - is a file on standard input
    #[arg(value_name = "FILE", required_unless_present = "stream")]
    files: Vec<PathBuf>,

    /// Read samples from standard input and write as they are spoken
    #[arg(long, conflicts_with = "files")]
    stream: bool,

    /// Samples a second of the stream
    #[arg(
        long,
        value_name = "HZ",
        default_value_t = 16_000,
        conflicts_with = "files"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1000..=384_000))]
    rate: u32,

    #[command(flatten)]
    model: Model,

    /// How to write
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,

    /// Write a file for each sound into this folder instead of standard output
    #[arg(long, value_name = "DIR", conflicts_with = "stream")]
    out: Option<PathBuf>,

    /// Replace output files that exist already
    #[arg(long, conflicts_with = "stream")]
    force: bool,

    /// Begin so many seconds after the beginning of the sound
    #[arg(long, value_name = "SECONDS", value_parser = positive, conflicts_with = "stream")]
    offset: Option<f64>,

    /// Hear no more than so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = positive, conflicts_with = "stream")]
    duration: Option<f64>,

    /// Readings of each stretch of sound, in JSON only; more than 1 needs a search
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    best: u16,

    /// Draw the frames of the first 30 s and the scores of the characters, as PNG
    #[arg(long, value_name = "OUT.png", conflicts_with = "stream")]
    plot: Option<PathBuf>,

    /// Say how long it took, as a share of the sound's length, and how soon a stream was answered
    #[arg(long)]
    stats: bool,

    #[command(flatten)]
    search: Search,

    #[command(flatten)]
    compute: Compute,

    #[command(flatten)]
    precision: Precision,
}

impl Args {
    fn format(&self) -> Format {
        match self.json {
            true => Format::Json,
            false => self.format,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// A model that cannot be read, or a file that could not be transcribed.
pub fn run(args: &Args) -> Result<Ending> {
    let site = Site {
        precision: args.precision.get(),
        ..args.compute.site()?
    };
    site.compute(|| transcribe(args, &site))
}

fn transcribe(args: &Args, site: &Site) -> Result<Ending> {
    check(args)?;
    let outputs = outputs::plan(args)?;
    let ending = |out: &PathBuf| out.extension().map(|own| own.to_ascii_lowercase());
    if let Some(out) = args
        .plot
        .as_ref()
        .filter(|out| ending(out) != Some("png".into()))
    {
        bail!("--plot writes PNG; {} does not end in .png", typed(out));
    }
    let shipped = if args.stream {
        "english-stream"
    } else {
        "english"
    };
    let loaded = args.model.load(shipped, args.search.options()?, site)?;
    if args.stream {
        return stream::run(args, &loaded);
    }
    if let Some(out) = &args.out {
        std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", typed(out)))?;
    }
    let interrupt = Interrupt::listen().context("waiting for Ctrl-C")?;
    let mut totals = Totals::default();
    let mut failed = 0;
    for (file, out) in args.files.iter().zip(&outputs) {
        let job = Job {
            args,
            loaded: &loaded,
            interrupt: &interrupt,
            file,
            out: out.as_deref(),
        };
        if let Err(error) = file::transcribe(&job, &mut totals) {
            if terminal::is_broken_pipe(&error) {
                return Err(error);
            }
            terminal::say(&about(file, &error));
            failed += 1;
        }
        if let Some(signal) = interrupt.signal() {
            return Ok(Ending::Interrupted(signal));
        }
    }
    if args.stats && args.files.len() > 1 {
        terminal::say(&format!("all: {}", totals.say()));
    }
    match failed {
        0 => Ok(Ending::Done),
        _ => bail!(
            "{failed} of {} could not be transcribed",
            terminal::counted(args.files.len() as u64, "file")
        ),
    }
}

/// Refuses arguments that do not go together.
fn check(args: &Args) -> Result<()> {
    let format = args.format();
    let subtitles = matches!(format, Format::Srt | Format::Vtt);
    if subtitles && args.out.is_none() && args.files.len() > 1 {
        bail!("subtitles of several files need a folder to be written to; give one with --out");
    }
    if args.plot.is_some() && args.files.len() > 1 {
        bail!("--plot draws one file; give one");
    }
    if args.best > 1 && format != Format::Json {
        bail!("--best gives further readings in JSON only; add --json");
    }
    let inputs = args.files.iter();
    if inputs.filter(|own| is_standard_input(own)).count() > 1 {
        bail!("standard input can be read once; give - once");
    }
    Ok(())
}

/// Sound and time.
#[derive(Clone, Copy, Default)]
struct Totals {
    sound: f64,
    took: f64,
}

impl Totals {
    fn add(&mut self, other: Self) {
        self.sound += other.sound;
        self.took += other.took;
    }

    fn factor(self) -> f64 {
        self.took / self.sound.max(f64::MIN_POSITIVE)
    }

    fn say(self) -> String {
        format!(
            "{:.2} s of sound in {:.2} s, real-time factor {:.4}",
            self.sound,
            self.took,
            self.factor()
        )
    }
}
