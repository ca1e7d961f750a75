//! Training, validation and test text, from the grammar of stories or from files.

use crate::error::DataError;
use crate::stories::Stories;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::Path;

/// Where the text comes from; file names are relative to the data folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "lowercase", deny_unknown_fields)]
pub enum Source {
    /// Stories of the project's own [grammar](Stories). Validation and test text have a twentieth of the training text each.
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
    /// One file, split in order.
    Split {
        /// The file.
        file: String,
        /// Fractions of its characters for training, validation and test, in this order; what is left over is not used.
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
    /// What is known of a generated corpus.
    pub truth: Option<Truth>,
}

/// What the grammar says about generated text, in bits per character: the least that any model can reach.
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
    /// Reads or generates the three texts. `data` is the data folder; `source_hint` tells where missing files come from.
    ///
    /// # Errors
    /// A missing, unreadable, empty or non-UTF-8 file; fractions that are none; a part that comes out empty.
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
            Source::Split { file, fractions } => {
                let text = read_text(data, file, source_hint)?;
                let [train, valid, test] = split(&text, *fractions)?.map(str::to_owned);
                Self {
                    train,
                    valid,
                    test,
                    truth: None,
                }
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
        Ok(corpus)
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

/// Reads the UTF-8 text file `name` of the data folder, without its byte-order mark.
///
/// # Errors
/// [`DataError::Missing`], [`DataError::Io`], [`DataError::NotUtf8`], [`DataError::Empty`].
pub fn read_text(data: &Path, name: &str, source_hint: Option<&str>) -> Result<String, DataError> {
    let path = data.join(name);
    let bytes = fs::read(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => DataError::Missing {
            path: path.clone(),
            name: name.to_owned(),
            folder: data.to_path_buf(),
            source_hint: source_hint.map(str::to_owned),
        },
        _ => DataError::io("corpus", &path, error),
    })?;
    let text = String::from_utf8(bytes).map_err(|e| DataError::NotUtf8 {
        path: path.clone(),
        offset: e.utf8_error().valid_up_to(),
    })?;
    let text = text
        .strip_prefix('\u{FEFF}')
        .map(str::to_owned)
        .unwrap_or(text);
    if text.is_empty() {
        return Err(DataError::Empty {
            what: path.display().to_string(),
        });
    }
    Ok(text)
}

/// The first, next and next fraction of the characters of `text`.
pub fn split(text: &str, fractions: [f64; 3]) -> Result<[&str; 3], DataError> {
    let sum: f64 = fractions.iter().sum();
    // Negated, so that not-a-number is refused too.
    if !(fractions.iter().all(|&f| f >= 0.0) && sum <= 1.0 + 1e-9) {
        return Err(DataError::Fractions(fractions));
    }
    let n = text.chars().count();
    let (mut rest, mut used, mut reached) = (text, 0, 0.0);
    Ok(fractions.map(|fraction| {
        reached += fraction;
        let end = ((reached * n as f64).round() as usize).clamp(used, n);
        let cut = rest
            .char_indices()
            .nth(end - used)
            .map_or(rest.len(), |(at, _)| at);
        let (part, left) = rest.split_at(cut);
        (rest, used) = (left, end);
        part
    }))
}

/// SHA-256 of a file, in hexadecimal: what a recipe names to tell its data from others.
pub fn sha256(path: &Path) -> Result<String, DataError> {
    let mut file = fs::File::open(path).map_err(|e| DataError::io("checksum", path, e))?;
    let mut hash = Sha256::new();
    io::copy(&mut file, &mut hash).map_err(|e| DataError::io("checksum", path, e))?;
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
