//! `refrain transcribe`

use super::{Precision, Threads};
use crate::Ending;
use crate::terminal::{self, typed};
use anyhow::Result;
use refrain::tasks::speech::{Loaded, Transcript, load_acoustic_model};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Write down what is said in sound files
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Reads WAV, FLAC, Ogg Vorbis and MP3 of any sample rate and number of channels. A file that cannot be read is reported, and the others are
still transcribed; the exit code then is 1.

Examples:
  refrain transcribe --model runs/fsdd seven.wav
  refrain transcribe --model runs/kerstin-de --json *.ogg > transcripts.jsonl")]
pub struct Args {
    /// Sound files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Model folder
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,

    /// Print a JSON object a file, with the times of words
    #[arg(long)]
    json: bool,

    /// Say how long it took, as a share of the sound's length
    #[arg(long)]
    stats: bool,

    #[command(flatten)]
    threads: Threads,

    #[command(flatten)]
    precision: Precision,
}

/// Runs the command.
///
/// # Errors
/// A model that cannot be read, or that no file could be transcribed with.
pub fn run(args: &Args) -> Result<Ending> {
    args.threads.apply();
    let mut loaded = load_acoustic_model(&args.model)?;
    if let Some(precision) = args.precision.get() {
        loaded.model = loaded.model.with_precision(precision);
    }
    let mut failed = 0;
    for file in &args.files {
        if let Err(error) = one(args, &loaded, file) {
            if terminal::is_broken_pipe(&error) {
                return Err(error);
            }
            eprintln!("{}: {}", typed(file), terminal::one_line(&error));
            failed += 1;
        }
    }
    match failed {
        0 => Ok(Ending::Done),
        _ => anyhow::bail!(
            "{failed} of {} files could not be transcribed",
            args.files.len()
        ),
    }
}

fn one(args: &Args, loaded: &Loaded, file: &Path) -> Result<()> {
    let began = Instant::now();
    let Transcript {
        text,
        words,
        seconds,
        truncated,
    } = loaded.transcribe_file(file)?;
    if truncated {
        eprintln!(
            "{}: the file is cut off; this is what there is of it",
            typed(file)
        );
    }
    let factor = began.elapsed().as_secs_f64() / seconds.max(f64::MIN_POSITIVE);
    if args.json {
        let mut object = json!({
            "file": file.to_string_lossy(),
            "text": text,
            "seconds": seconds,
            "words": words,
        });
        if args.stats {
            object["real_time_factor"] = factor.into();
        }
        return terminal::print(&format!("{object}\n"));
    }
    let name = match args.files.len() {
        1 => String::new(),
        _ => format!("{}: ", typed(file)),
    };
    terminal::print(&format!("{name}{text}\n"))?;
    if args.stats {
        eprintln!("{seconds:.2} s of sound, real-time factor {factor:.4}");
    }
    Ok(())
}
