//! Text lines with their images, for training and for scores.
//!
//! | function | files |
//! | --- | --- |
//! | [`pairs`] | a folder of `NAME.png`, `.jpg` or `.tif`, each with `NAME.gt.txt` |
//! | [`archive`] | a tar archive of images, and a table with file and text between tabs |
//! | [`sroie`] | an image, and a table of eight coordinates and a text between commas |
//! | [`page_xml`], [`alto`], [`hocr`] | a page with lines, and the name of its image |
//! | [`tesseract`] | an image, and the table that Tesseract or [`Format::Tsv`](super::Format::Tsv) writes |
//!
//! Lines without a text are left out: they are lines that nobody has typed.

mod files;
mod pages;

pub use files::{archive, pairs, sroie, tesseract};
pub use pages::{alto, hocr, page_xml};

use super::FormatError;
use refrain_image::Quad;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Largest file that is read into memory, bytes.
const LARGEST: u64 = 1 << 28;

/// An image of a page or of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// The content of a file in an archive.
    Bytes {
        /// Its name in the archive.
        name: String,
        /// An encoded image, such as a PNG file.
        bytes: Vec<u8>,
    },
}

/// A text line.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The image that shows it.
    pub image: Source,
    /// Number of the page in the image file, from 1.
    pub page: u32,
    /// Its corners on the page, in pixels; none if it is the whole image.
    pub quad: Option<Quad>,
    /// Its text.
    pub text: String,
}

/// Lines, one after the other. A fault does not end them: the lines behind it may still be read.
pub struct Samples(Box<dyn Iterator<Item = Result<Sample, FormatError>> + Send>);

impl Iterator for Samples {
    type Item = Result<Sample, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl Samples {
    fn new<I>(lines: I) -> Self
    where
        I: IntoIterator<Item = Result<Sample, FormatError>>,
        I::IntoIter: Send + 'static,
    {
        Self(Box::new(lines.into_iter()))
    }

    fn all(lines: Vec<Sample>) -> Self {
        Self::new(lines.into_iter().map(Ok))
    }
}

/// The content of a file, at most [`LARGEST`] bytes.
fn bytes(path: &Path) -> Result<Vec<u8>, FormatError> {
    let read = |error| FormatError::Read {
        path: path.to_path_buf(),
        error,
    };
    let file = std::fs::File::open(path).map_err(read)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(read)?;
    match bytes.len() as u64 > LARGEST {
        true => Err(FormatError::TooLarge {
            path: path.to_path_buf(),
            most: LARGEST,
        }),
        false => Ok(bytes),
    }
}

/// A text file in UTF-8, without its byte order mark.
fn text(path: &Path) -> Result<String, FormatError> {
    let text = String::from_utf8(bytes(path)?).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        FormatError::Syntax {
            path: path.to_path_buf(),
            line: 1 + valid.iter().filter(|b| **b == b'\n').count(),
            reason: "the text is not UTF-8; convert the file".into(),
        }
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_string(),
        None => text,
    })
}

/// The image that a file names: beside the file, by its path or else by its last part.
fn beside(path: &Path, name: &str) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new(""));
    let named = folder.join(name);
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    match named.exists() {
        true => named,
        false => Some(folder.join(last))
            .filter(|p| p.exists())
            .unwrap_or(named),
    }
}
