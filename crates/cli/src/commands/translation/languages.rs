//! `refrain translation languages`: learns to recognise languages.

use crate::Ending;
use crate::lines::Lines;
use crate::terminal::{print, typed};
use anyhow::{Context, Result, bail};
use refrain_text::language::Recognizer;
use std::path::PathBuf;

/// Learn to recognise languages from plain text
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Example:
  refrain translation languages en=english.txt ja=japanese.txt --out languages.bin
  echo \"Good morning\" | refrain translation detect --recognizer languages.bin")]
pub struct Args {
    /// Plain text of each language
    #[arg(value_name = "CODE=FILE", required = true, num_args = 2.., value_parser = pair)]
    texts: Vec<(String, PathBuf)>,

    /// File to write
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,

    /// Runs of characters that are kept of each language; each takes about three bytes
    #[arg(long, value_name = "N", default_value_t = 3000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    keep: u32,
}

fn pair(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((code, file)) if !code.is_empty() && !file.is_empty() => {
            Ok((code.to_string(), PathBuf::from(file)))
        }
        _ => Err("a code and a file are needed, e.g. en=english.txt".into()),
    }
}

/// Runs the command.
///
/// # Errors
/// A file that cannot be read or written, or text without letters.
pub fn run(args: &Args) -> Result<Ending> {
    if args.texts.iter().any(|(_, file)| *file == args.out) {
        bail!(
            "{} is an input; choose another file with --out",
            typed(&args.out)
        );
    }
    let mut lines = Vec::new();
    for (code, file) in &args.texts {
        let mut text = Lines::open(file)?;
        while let Some(line) = text.read()? {
            lines.push((code.as_str(), line));
        }
    }
    let texts = lines.iter().map(|(code, line)| (*code, line.as_str()));
    let recognizer = Recognizer::train(texts, args.keep as usize)?;
    let bytes = recognizer.to_bytes();
    std::fs::write(&args.out, &bytes)
        .with_context(|| format!("cannot write {}", typed(&args.out)))?;
    let codes: Vec<&str> = recognizer.codes().collect();
    print(&format!("{} in {} bytes\n", codes.join(", "), bytes.len()))?;
    Ok(Ending::Done)
}
