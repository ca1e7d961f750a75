//! `refrain import`: models of other programs as model folders.

use crate::Ending;
use crate::terminal::{say, typed};
use anyhow::{Result, bail};
use refrain::store::Existing;
use refrain::tasks::{Out, ocr};
use std::path::PathBuf;

/// Bring a model of another program: Tesseract's `.traineddata`
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Models of Tesseract come with the packages tesseract-ocr-* of Debian and Ubuntu
(Apache-2.0). Their network, characters and words are read; the folder is then a
model like any other. `refrain ocr --model FILE.traineddata` uses such a file
directly.

Examples:
  refrain import /usr/share/tesseract-ocr/5/tessdata/deu.traineddata deu
  refrain ocr --model deu seite.png")]
pub struct Args {
    /// The model to bring
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Folder to write
    #[arg(value_name = "OUT")]
    out: PathBuf,

    /// Replace a model that the folder holds
    #[arg(long)]
    force: bool,
}

/// Runs the command.
///
/// # Errors
/// A file that is no such model, or a folder that cannot be written.
pub fn run(args: &Args) -> Result<Ending> {
    let ending = args.file.extension().map(|own| own.to_ascii_lowercase());
    if ending != Some("traineddata".into()) {
        bail!(
            "{} does not end in .traineddata; models of Tesseract can be brought, and ONNX files are run with `refrain \
             onnx`",
            typed(&args.file)
        );
    }
    let existing = match args.force {
        true => Existing::Replace,
        false => Existing::Refuse,
    };
    let out = Out {
        folder: args.out.clone(),
        existing,
    };
    let (parameters, words) = ocr::import(&args.file, &out)?;
    say(&format!(
        "{parameters} parameters and {words} words are in {}; use it with: refrain ocr --model {} PAGE",
        typed(&args.out),
        typed(&args.out)
    ));
    Ok(Ending::Done)
}
