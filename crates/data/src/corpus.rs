//! Training, validation and test text, from the grammar of stories or from files.

use crate::error::DataError;
use crate::file;
use crate::fingerprint::hex;
use crate::stories::Stories;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::Path;

/// The origin of the text; file names are relative to the data folder, and files may be gzip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "lowercase", deny_unknown_fields)]
pub enum Source {
    /// Stories of the project's own [grammar](Stories). Validation and test text have a twentieth of the training text
    /// each.
    Generated {
        /// The seed of the training text; the other two have seeds of their own, derived from it.
        seed: u64,
        /// Characters of training text, at least.
        characters: usize,
    },
    /// One file for each part.
    Files {
        /// Training text.
        train: String,
        /// Validation text.
        valid: String,
        /// Test text.
        test: String,
    },
    /// One file, split in order at the ends of lines where possible: `{ from = "file", file = "book.txt" }`.
    File {
        /// The file.
        file: String,
        /// Fractions of its characters for training, validation and test, in this order; the rest is not used. 0.9,
        /// 0.05 and 0.05 by default.
        #[serde(default = "default_fractions")]
        fractions: [f64; 3],
    },
    /// One file, split in order at exact fractions of its characters, within a line or not.
    Split {
        /// The file.
        file: String,
        /// Fractions of its characters for training, validation and test, in this order; the rest is not used.
        #[serde(default = "default_fractions")]
        fractions: [f64; 3],
    },
}

fn default_fractions() -> [f64; 3] {
    [0.9, 0.05, 0.05]
}

/// The three texts, and the exact bits of the latter two where they are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Corpus {
    /// Training text.
    pub train: String,
    /// Validation text.
    pub valid: String,
    /// Test text.
    pub test: String,
    /// The true bits of a generated corpus.
    pub truth: Option<Truth>,
}

/// The true bits per character of generated text, from its grammar: no model can use fewer on average.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Entropy of the grammar.
    pub entropy: f64,
    /// -log2 probability of the validation text, per character.
    pub valid: f64,
    /// -log2 probability of the test text, per character.
    pub test: f64,
}

impl Corpus {
    /// Reads or generates the three texts. `data` is the data folder; `source_hint` tells where missing files come
    /// from.
    ///
    /// # Errors
    /// A missing, unreadable, empty or non-UTF-8 file; fractions that are none; a part that comes out empty; a training
    /// text of one character.
    pub fn load(
        source: &Source,
        data: &Path,
        source_hint: Option<&str>,
    ) -> Result<Self, DataError> {
        let corpus = match source {
            Source::Generated { seed, characters } => generated(*seed, *characters)?,
            Source::Files { train, valid, test } => Self {
                train: read_text(data, train, source_hint)?,
                valid: read_text(data, valid, source_hint)?,
                test: read_text(data, test, source_hint)?,
                truth: None,
            },
            Source::File { file, fractions } => {
                let text = read_text(data, file, source_hint)?;
                let cuts = line_cuts(&text, *fractions)?;
                Self::cut(text, cuts)
            }
            Source::Split { file, fractions } => {
                let text = read_text(data, file, source_hint)?;
                let cuts = cuts(&text, *fractions)?;
                Self::cut(text, cuts)
            }
        };
        for (what, text) in [
            ("training", &corpus.train),
            ("validation", &corpus.valid),
            ("test", &corpus.test),
        ] {
            if text.is_empty() {
                return Err(DataError::Empty {
                    what: format!("the {what} text"),
                });
            }
        }
        let first = corpus.train.chars().next();
        match first.filter(|first| corpus.train.chars().all(|c| c == *first)) {
            Some(only) => Err(DataError::OneCharacter(only)),
            None => Ok(corpus),
        }
    }

    /// Cuts the text at these offsets; the training text, the longest as a rule, stays in its memory.
    fn cut(mut text: String, [train, valid, test]: [usize; 3]) -> Self {
        text.truncate(test);
        let test = text.split_off(valid);
        let valid = text.split_off(train);
        Self {
            train: text,
            valid,
            test,
            truth: None,
        }
    }
}

fn generated(seed: u64, characters: usize) -> Result<Corpus, DataError> {
    let stories = Stories::new();
    let part = |k: u64| seed.wrapping_mul(3).wrapping_add(k);
    let train = stories.generate(part(0), characters);
    let valid = stories.generate(part(1), characters / 20);
    let test = stories.generate(part(2), characters / 20);
    // An empty text has no bits per character; `load` refuses it.
    let per_character =
        |text: &str| Ok(stories.true_bits(text)? / text.chars().count().max(1) as f64);
    let truth = Truth {
        entropy: stories.entropy_per_character(),
        valid: per_character(&valid)?,
        test: per_character(&test)?,
    };
    Ok(Corpus {
        train,
        valid,
        test,
        truth: Some(truth),
    })
}

/// Most bytes of a text.
const MOST: u64 = 1 << 32;

/// Reads the UTF-8 text file `name` of the data folder, plain or gzip, without its byte-order mark.
///
/// # Errors
/// [`DataError::Missing`], [`DataError::Io`], [`DataError::TooLarge`] (4 GiB), [`DataError::NotUtf8`],
/// [`DataError::Empty`].
pub fn read_text(data: &Path, name: &str, source_hint: Option<&str>) -> Result<String, DataError> {
    let path = data.join(name);
    let text = file::text("corpus", &path, MOST).map_err(|error| match error {
        DataError::Io { error, .. } if error.kind() == io::ErrorKind::NotFound => {
            DataError::Missing {
                path: path.clone(),
                name: name.to_owned(),
                folder: data.to_path_buf(),
                source_hint: source_hint.map(str::to_owned),
            }
        }
        other => other,
    })?;
    match text.is_empty() {
        true => Err(DataError::Empty {
            what: path.display().to_string(),
        }),
        false => Ok(text),
    }
}

/// The first, next and next fraction of the characters of `text`.
///
/// # Errors
/// Fractions below 0, or with a sum above 1.
pub fn split(text: &str, fractions: [f64; 3]) -> Result<[&str; 3], DataError> {
    Ok(parts(text, cuts(text, fractions)?))
}

/// [`split`] with each cut moved to the next end of a line, or to the last one before it, where such a one leaves no
/// part empty.
///
/// # Errors
/// The errors of [`split`].
pub fn split_lines(text: &str, fractions: [f64; 3]) -> Result<[&str; 3], DataError> {
    Ok(parts(text, line_cuts(text, fractions)?))
}

fn line_cuts(text: &str, fractions: [f64; 3]) -> Result<[usize; 3], DataError> {
    let mut cuts = cuts(text, fractions)?;
    for part in 0..cuts.len() {
        let low = if part == 0 { 0 } else { cuts[part - 1] };
        let high = cuts.get(part + 1).copied().unwrap_or(text.len());
        let (before, after) = (&text[low..cuts[part]], &text[cuts[part]..high]);
        // A cut at a line end, or at the end of the text, is right as it is.
        let next = match before.ends_with('\n') || cuts[part] == text.len() {
            true => Some(0),
            false => after.find('\n').map(|at| at + 1),
        };
        let inside = next.filter(|&next| next < after.len() || part + 1 == cuts.len());
        let last = before.rfind('\n').filter(|_| !before.is_empty());
        cuts[part] = match (inside, last) {
            (Some(next), _) => cuts[part] + next,
            (None, Some(last)) => low + last + 1,
            (None, None) => cuts[part],
        };
    }
    Ok(cuts)
}

/// Offsets at which the parts end, in bytes.
fn cuts(text: &str, fractions: [f64; 3]) -> Result<[usize; 3], DataError> {
    let sum: f64 = fractions.iter().sum();
    // Negated, so that not-a-number is refused too.
    if !(fractions.iter().all(|&f| f >= 0.0) && sum <= 1.0 + 1e-9) {
        return Err(DataError::Fractions(fractions));
    }
    let n = text.chars().count();
    let (mut at, mut used, mut reached) = (0, 0, 0.0);
    Ok(fractions.map(|fraction| {
        reached += fraction;
        let end = ((reached * n as f64).round() as usize).clamp(used, n);
        let left = &text[at..];
        let cut = left.char_indices().nth(end - used);
        at += cut.map_or(left.len(), |(cut, _)| cut);
        used = end;
        at
    }))
}

fn parts(text: &str, [train, valid, test]: [usize; 3]) -> [&str; 3] {
    [&text[..train], &text[train..valid], &text[valid..test]]
}

/// SHA-256 of a file, in hexadecimal: a recipe names it to tell its data from others.
///
/// # Errors
/// A file that cannot be read.
pub fn sha256(path: &Path) -> Result<String, DataError> {
    let mut file = fs::File::open(path).map_err(|e| DataError::io("checksum", path, e))?;
    let mut hash = Sha256::new();
    io::copy(&mut file, &mut hash).map_err(|e| DataError::io("checksum", path, e))?;
    Ok(hex(hash))
}
