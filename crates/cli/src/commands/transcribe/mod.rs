//! `refrain transcribe`

mod formats;
mod plot;
mod stream;

use super::speech::{Model, Search};
use super::{Compute, Precision};
use crate::Ending;
use crate::bar::Bar;
use crate::terminal::{self, typed};
use anyhow::{Context, Result, bail};
use formats::Format;
use refrain::tasks::Site;
use refrain::tasks::speech::{Loaded, Transcript};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Write down what is said in sound files, or in a stream while it is said
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Reads WAV, FLAC, Ogg Vorbis and MP3 of any sample rate, number of channels and length. A file that cannot be read is reported, and the others
are still transcribed; the exit code then is 1. With --stream, signed 16-bit little-endian mono samples come from standard input.

The models that ship learned from synthetic voices (english, english-stream) and from six speakers' digits (digits): see docs/speech.md for
what they can and cannot do.

Examples:
  refrain transcribe models/sample.wav
  refrain transcribe --format srt talk.mp3 > talk.srt
  refrain transcribe --json --best 5 --beam 50 *.ogg > transcripts.jsonl
  arecord -q -f S16_LE -r 16000 | refrain transcribe --stream
  refrain transcribe --plot spikes.png one.wav")]
pub struct Args {
    /// Sound files
    #[arg(value_name = "FILE", required_unless_present = "stream")]
    files: Vec<PathBuf>,

    /// Read samples from standard input and write as they are spoken
    #[arg(long, conflicts_with = "files")]
    stream: bool,

    /// Samples a second of the stream
    #[arg(long, value_name = "HZ", default_value_t = 16_000, requires = "stream", value_parser = clap::value_parser!(u32).range(1000..=384_000))]
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

    /// Readings of each stretch of sound, in JSON; more than 1 needs a search
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    best: u16,

    /// Draw what the model heard of the first 30 s and where its characters spike, as PNG
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
    let subtitles = matches!(args.format(), Format::Srt | Format::Vtt);
    if subtitles && args.out.is_none() && args.files.len() > 1 {
        bail!("subtitles of several files need a folder to be written to; give one with --out");
    }
    if args.plot.is_some() && args.files.len() > 1 {
        bail!("--plot draws one file; give one");
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
    let bar = Bar::new(args.files.len(), "files");
    let say = |text: String| bar.aside(|| terminal::say(&text));
    let mut totals = Totals::default();
    let mut failed = 0;
    for (number, file) in args.files.iter().enumerate() {
        let text = one(args, &loaded, file, &mut totals, &say);
        let result = text.and_then(|text| bar.aside(|| terminal::print(&text)));
        if let Err(error) = result {
            if terminal::is_broken_pipe(&error) {
                return Err(error);
            }
            say(format!("{}: {}", typed(file), terminal::one_line(&error)));
            failed += 1;
        }
        bar.set(number + 1);
    }
    drop(bar);
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

/// Sound and time.
#[derive(Clone, Copy, Default)]
struct Totals {
    sound: f64,
    took: f64,
}

impl Totals {
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

/// What is to be printed of a file.
fn one(
    args: &Args,
    loaded: &Arc<Loaded>,
    file: &Path,
    totals: &mut Totals,
    say: &dyn Fn(String),
) -> Result<String> {
    let began = Instant::now();
    let transcript: Transcript = loaded.transcribe_file(file, usize::from(args.best))?;
    let own = Totals {
        sound: transcript.seconds,
        took: began.elapsed().as_secs_f64(),
    };
    totals.sound += own.sound;
    totals.took += own.took;
    if transcript.truncated {
        let what = "the file is cut off; this is what there is of it";
        say(format!("{}: {what}", typed(file)));
    }
    if let Some(out) = &args.plot {
        plot::write(loaded, file, out)?;
    }
    let factor = args.stats.then(|| own.factor());
    let text = args.format().write(file, &transcript, factor)?;
    if args.stats && !args.json {
        say(own.say());
    }
    let Some(folder) = &args.out else {
        return Ok(
            match args.format() == Format::Text && args.files.len() > 1 {
                true => format!("{}: {text}", typed(file)),
                false => text,
            },
        );
    };
    let mut path = folder.join(file.file_name().context("a file without a name")?);
    path.set_extension(args.format().ending());
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", typed(&path)))?;
    Ok(String::new())
}
