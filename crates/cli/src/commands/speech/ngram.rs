//! `refrain speech ngram`

use crate::Ending;
use crate::commands::{Data, Model, outputs};
use crate::terminal::{self, typed};
use anyhow::{Context, Result};
use refrain::tasks::speech::transcripts_ngram;
use refrain_decode::ngram::arpa;
use std::io::BufWriter;
use std::path::PathBuf;

/// Learn an n-gram language model from the transcripts of a model of speech
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Learns from the training transcripts of the model, and from more text if there
is any, written as the model writes (modified Kneser-Ney smoothing). `refrain
speech tune` finds its weight, and `refrain transcribe --words FILE` uses it.

Examples:
  refrain speech ngram runs/kerstin-de
  refrain speech ngram runs/kerstin-de --text more.txt --order 4 --out words4.arpa
  refrain speech ngram runs/an4 --characters --order 6")]
pub struct Args {
    #[command(flatten)]
    model: Model,

    /// Longest n-grams [default: 3 of words, 6 of characters]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=12))]
    order: Option<u8>,

    /// Of characters instead of words
    #[arg(long)]
    characters: bool,

    /// A text file to learn from as well, a sentence a line; may be given again
    #[arg(long, value_name = "FILE")]
    text: Vec<PathBuf>,

    /// File to write [default: words.arpa or characters.arpa in the model folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Replace the file of --out if it exists already
    #[arg(long, requires = "out")]
    force: bool,

    #[command(flatten)]
    data: Data,
}

/// Runs the command.
///
/// # Errors
/// A model, data or text that cannot be used, or a file that cannot be written.
pub fn run(args: &Args) -> Result<Ending> {
    let (order, name) = match args.characters {
        true => (args.order.unwrap_or(6), "characters.arpa"),
        false => (args.order.unwrap_or(3), "words.arpa"),
    };
    let (data, folder) = (args.data.folder()?, args.model.folder()?);
    // The file in the model folder is one that this command made.
    let (out, replace) = match &args.out {
        Some(out) => (out.clone(), args.force),
        None => (folder.join(name), true),
    };
    outputs::check_output(&out, &args.text, replace)?;
    let mut more = Vec::new();
    for file in &args.text {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", typed(file)))?;
        more.extend(text.lines().map(str::to_string));
    }
    let order = usize::from(order);
    let model = transcripts_ngram(&folder, data.as_deref(), &more, order, args.characters)?;
    let file = outputs::create(&out, replace)?;
    arpa::write(&model, BufWriter::new(file))
        .with_context(|| format!("cannot write {}", typed(&out)))?;
    let counts: Vec<String> = model.counts().iter().map(usize::to_string).collect();
    terminal::print(&format!(
        "{}: {} n-grams of 1 to {order}\n",
        typed(&out),
        counts.join(", ")
    ))?;
    Ok(Ending::Done)
}
