//! The language of a text, recognised by its runs of one to three characters.
//!
//! Per language, the model is a character trigram model with interpolation: with `c(·)` the counts of the training text
//! and `h` the one or two characters before `x`,
//!
//! ```text
//! P(x | h) = (c(hx) + κ P(x | h′)) / (c(h) + κ)      h′ = h without its first character
//! P(x)     = (c(x)  + κ P₀(x))     / (c()  + κ)
//! P₀(x)    = (letters of the script of x + ½) / (letters + ½ · scripts) / size of the script
//! ```
//!
//! `P₀` lets a rare kanji count for Japanese and a rare syllable for Korean, even if no training text had it. Languages
//! are equally likely beforehand; their probabilities are the normalised likelihoods of the text's words in lower case.
//! Everything that is no letter separates words and says nothing else.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use thiserror::Error;

/// Weight of the shorter history, in observations.
const KAPPA: f64 = 4.0;

/// Stands for the ends of words.
const EDGE: char = ' ';

/// Bits of a character in a packed run.
const BITS: u32 = 21;

/// The most letters of a text that are looked at.
const MOST_LETTERS: usize = 2000;

/// The most languages and the longest code of a language, in bytes, that a stored recogniser may have.
const MOST_LANGUAGES: usize = 1000;
const LONGEST_CODE: usize = 64;

/// Version of the stored form.
const VERSION: u32 = 1;

/// Error of training and of reading a recogniser.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LanguageError {
    /// A language of the training text has no letters, or there is none.
    #[error(
        "language: the training text of `{0}` has no letters; give each language a few hundred lines"
    )]
    NoLetters(String),
    /// A code cannot be stored.
    #[error("language: a code has {0} bytes; it must have 1 to {LONGEST_CODE}, such as `en`")]
    Code(usize),
    /// There are too few or too many languages.
    #[error("language: {0} languages; a recogniser tells 2 to {MOST_LANGUAGES} apart")]
    Languages(usize),
    /// The bytes are no stored recogniser.
    #[error(
        "language: the {bytes} bytes are no recogniser of this version: {reason}; train it again"
    )]
    Stored {
        /// Number of bytes that were given.
        bytes: usize,
        /// The first thing that is wrong.
        reason: String,
    },
}

/// A language and its probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Guess {
    /// The code that the language had in training, such as `en`.
    pub code: String,
    /// Its probability among the languages that were trained, 0 to 1.
    pub probability: f64,
}

/// An answer of [`Recognizer::detect`].
#[derive(Debug, Clone, PartialEq)]
pub enum Detection {
    /// All languages, the likeliest one first.
    Ranked(Vec<Guess>),
    /// The text has no letters.
    NoLetters,
    /// Most letters belong to scripts that no language was trained with.
    UnknownScript,
}

impl Detection {
    /// The likeliest language; none if the language is unknown.
    pub fn best(&self) -> Option<&Guess> {
        match self {
            Self::Ranked(guesses) => guesses.first(),
            Self::NoLetters | Self::UnknownScript => None,
        }
    }
}

/// Tells the languages apart that it was trained with.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognizer {
    languages: Vec<Model>,
}

impl Recognizer {
    /// Trains with lines and their languages' codes, and keeps the `keep` most frequent runs of each language.
    ///
    /// Runs that are not kept count as unseen. A stored run takes about three bytes.
    pub fn train<'a>(
        lines: impl IntoIterator<Item = (&'a str, &'a str)>,
        keep: usize,
    ) -> Result<Self, LanguageError> {
        let mut counts: BTreeMap<&str, BTreeMap<u64, u32>> = BTreeMap::new();
        for (code, line) in lines {
            let runs = counts.entry(code).or_default();
            for_each_run(line, usize::MAX, |history, x| {
                for shorter in 0..=history.len() {
                    let count = runs.entry(pack(&history[shorter..], x)).or_default();
                    *count = count.saturating_add(1);
                }
            });
        }
        if !(2..=MOST_LANGUAGES).contains(&counts.len()) {
            return Err(LanguageError::Languages(counts.len()));
        }
        let languages = counts
            .into_iter()
            .map(|(code, runs)| {
                if !(1..=LONGEST_CODE).contains(&code.len()) {
                    return Err(LanguageError::Code(code.len()));
                }
                let mut runs: Vec<(u64, u32)> = runs.into_iter().collect();
                runs.sort_by_key(|&(run, count)| (std::cmp::Reverse(count), run));
                runs.truncate(keep);
                runs.sort_unstable();
                Model::new(code.to_owned(), runs)
                    .ok_or_else(|| LanguageError::NoLetters(code.to_owned()))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { languages })
    }

    /// A recogniser of German, English, Japanese and Korean, made by `scripts/languages`.
    pub fn built_in() -> &'static Self {
        static BUILT_IN: LazyLock<Recognizer> = LazyLock::new(|| {
            Recognizer::from_bytes(include_bytes!("languages.bin"))
                .expect("the file was written by `to_bytes`, and a test reads it")
        });
        &BUILT_IN
    }

    /// The codes of the languages, in alphabetical order.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.languages.iter().map(|model| model.code.as_str())
    }

    /// The languages of `text`, by its first letters (2,000 at most).
    ///
    /// A language that was not trained is recognised by its script alone: Spanish is taken for the likeliest language
    /// in Latin letters, and a text of Chinese characters for Japanese if that is the only language with them.
    pub fn detect(&self, text: &str) -> Detection {
        let mut scores = vec![0.0_f64; self.languages.len()];
        let mut letters = 0_usize;
        let mut known = 0_usize;
        for_each_run(text, MOST_LETTERS, |history, x| {
            if x != EDGE {
                letters += 1;
                let script = script(x) as usize;
                known += usize::from(self.languages.iter().any(|model| model.has_script(script)));
            }
            for (score, model) in scores.iter_mut().zip(&self.languages) {
                *score += model.probability(history, x).ln();
            }
        });
        if letters == 0 {
            return Detection::NoLetters;
        }
        if 2 * known <= letters {
            return Detection::UnknownScript;
        }
        let best = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let likelihoods: Vec<f64> = scores.iter().map(|score| (score - best).exp()).collect();
        let sum: f64 = likelihoods.iter().sum();
        let mut guesses: Vec<Guess> = self
            .languages
            .iter()
            .zip(likelihoods)
            .map(|(model, likelihood)| Guess {
                code: model.code.clone(),
                probability: likelihood / sum,
            })
            .collect();
        guesses.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        Detection::Ranked(guesses)
    }

    /// The recogniser as bytes: postcard, the runs sorted and stored as differences.
    pub fn to_bytes(&self) -> Vec<u8> {
        let stored = Stored {
            version: VERSION,
            languages: self
                .languages
                .iter()
                .map(|model| StoredModel {
                    code: model.code.clone(),
                    runs: differences(&model.runs),
                })
                .collect(),
        };
        postcard::to_stdvec(&stored).expect("numbers and strings in memory")
    }

    /// Reads the bytes of [`Recognizer::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LanguageError> {
        let wrong = |reason: &str| LanguageError::Stored {
            bytes: bytes.len(),
            reason: reason.to_owned(),
        };
        let (stored, rest): (Stored, &[u8]) =
            postcard::take_from_bytes(bytes).map_err(|error| wrong(&error.to_string()))?;
        if stored.version != VERSION {
            return Err(wrong(&format!("its version is {}", stored.version)));
        }
        if !rest.is_empty() {
            return Err(wrong("bytes follow its end"));
        }
        if !(2..=MOST_LANGUAGES).contains(&stored.languages.len()) {
            return Err(wrong("it has too few or too many languages"));
        }
        if !stored.languages.is_sorted_by(|a, b| a.code < b.code) {
            return Err(wrong("its languages are not sorted"));
        }
        let languages = stored
            .languages
            .into_iter()
            .map(|model| {
                if !(1..=LONGEST_CODE).contains(&model.code.len()) {
                    return Err(wrong("a language has no code, or a long one"));
                }
                let runs = sums(&model.runs).ok_or_else(|| wrong("its runs are not sorted"))?;
                if !runs
                    .iter()
                    .all(|&(run, count)| count > 0 && unpack(run).is_some())
                {
                    return Err(wrong("a run holds no characters"));
                }
                Model::new(model.code, runs).ok_or_else(|| wrong("a language has no letters"))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { languages })
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    languages: Vec<StoredModel>,
}

#[derive(Serialize, Deserialize)]
struct StoredModel {
    code: String,
    /// Difference to the run before, and count.
    runs: Vec<(u64, u32)>,
}

fn differences(runs: &[(u64, u32)]) -> Vec<(u64, u32)> {
    let mut before = 0;
    runs.iter()
        .map(|&(run, count)| {
            let difference = run - before;
            before = run;
            (difference, count)
        })
        .collect()
}

/// The runs of their differences; none if they do not grow.
fn sums(differences: &[(u64, u32)]) -> Option<Vec<(u64, u32)>> {
    let mut run = 0_u64;
    differences
        .iter()
        .map(|&(difference, count)| {
            run = run.checked_add(difference)?;
            (difference > 0).then_some((run, count))
        })
        .collect()
}

/// Runs of one language.
#[derive(Debug, Clone, PartialEq)]
struct Model {
    code: String,
    /// Packed runs of one to three characters and their counts, sorted.
    runs: Vec<(u64, u32)>,
    /// Packed histories of one or two characters, and the sum of the counts of their runs, sorted.
    histories: Vec<(u64, u64)>,
    /// Sum of the counts of single characters.
    all: u64,
    /// Letters per script.
    scripts: [u64; SCRIPTS],
    letters: u64,
}

impl Model {
    /// None if there are no letters.
    fn new(code: String, runs: Vec<(u64, u32)>) -> Option<Self> {
        let mut histories: BTreeMap<u64, u64> = BTreeMap::new();
        let mut scripts = [0; SCRIPTS];
        let mut all = 0_u64;
        for &(run, count) in &runs {
            let history = run >> BITS;
            if history > 0 {
                *histories.entry(history).or_default() += u64::from(count);
            } else {
                all += u64::from(count);
                let x = char::from_u32(run as u32)?;
                if x != EDGE {
                    scripts[script(x) as usize] += u64::from(count);
                }
            }
        }
        let letters = scripts.iter().sum();
        (letters > 0).then(|| Self {
            code,
            runs,
            histories: histories.into_iter().collect(),
            all,
            scripts,
            letters,
        })
    }

    /// True if at least one letter of a hundred belongs to the script.
    fn has_script(&self, script: usize) -> bool {
        self.scripts[script].saturating_mul(100) >= self.letters
    }

    fn probability(&self, history: &[char], x: char) -> f64 {
        let script = script(x);
        let base = (self.scripts[script as usize] as f64 + 0.5)
            / (self.letters as f64 + 0.5 * SCRIPTS as f64)
            / script.size();
        let mut probability =
            (f64::from(find(&self.runs, pack(&[], x))) + KAPPA * base) / (self.all as f64 + KAPPA);
        for start in (0..history.len()).rev() {
            let run = pack(&history[start..], x);
            let before = find(&self.histories, run >> BITS) as f64;
            let count = f64::from(find(&self.runs, run));
            probability = (count + KAPPA * probability) / (before + KAPPA);
        }
        probability
    }
}

fn find<T: Copy + Default>(sorted: &[(u64, T)], key: u64) -> T {
    sorted
        .binary_search_by_key(&key, |&(run, _)| run)
        .map_or_else(|_| T::default(), |at| sorted[at].1)
}

/// Calls `each` with every character of the words in `text` and the characters before it (two at most; the edge of the
/// word is one), and with the edge behind each word. Stops after `most` letters.
fn for_each_run(text: &str, most: usize, mut each: impl FnMut(&[char], char)) {
    let mut history = [EDGE; 2];
    // Length of the history that is filled.
    let mut filled = 1;
    let mut inside = false;
    let mut letters = 0;
    let mut put = |x: char, inside: &mut bool| {
        each(&history[2 - filled..], x);
        if x == EDGE {
            history = [EDGE; 2];
            filled = 1;
        } else {
            history = [history[1], x];
            filled = 2;
        }
        *inside = x != EDGE;
    };
    for c in text.chars() {
        if letters >= most {
            break;
        }
        if c.is_alphabetic() {
            for lower in c.to_lowercase().filter(|c| c.is_alphabetic()) {
                put(lower, &mut inside);
            }
            letters += 1;
        } else if inside {
            put(EDGE, &mut inside);
        }
    }
    if inside {
        put(EDGE, &mut inside);
    }
}

/// Up to three characters in one number; the last character is lowest.
fn pack(history: &[char], x: char) -> u64 {
    let before = history
        .iter()
        .fold(0, |run, &c| run << BITS | u64::from(u32::from(c)));
    before << BITS | u64::from(u32::from(x))
}

/// The characters of a packed run, the last one first; none if the number is no run.
fn unpack(mut run: u64) -> Option<Vec<char>> {
    let mut characters = Vec::with_capacity(3);
    while run > 0 {
        characters.push(char::from_u32((run & ((1 << BITS) - 1)) as u32).filter(|&c| c != '\0')?);
        run >>= BITS;
    }
    (1..=3).contains(&characters.len()).then_some(characters)
}

const SCRIPTS: usize = 12;

/// Scripts, as far as they tell languages apart.
#[derive(Clone, Copy, PartialEq)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
    Hebrew,
    Arabic,
    Indic,
    Thai,
    Kana,
    Han,
    Hangul,
    Georgian,
    Other,
}

impl Script {
    /// About the number of letters that its texts use.
    fn size(self) -> f64 {
        match self {
            Self::Han => 6000.0,
            Self::Hangul => 2500.0,
            Self::Other => 10_000.0,
            Self::Kana | Self::Latin | Self::Indic => 200.0,
            _ => 80.0,
        }
    }
}

fn script(c: char) -> Script {
    match c {
        'A'..='Z' | 'a'..='z' | '\u{AA}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => Script::Latin,
        '\u{FF21}'..='\u{FF3A}' | '\u{FF41}'..='\u{FF5A}' | EDGE => Script::Latin,
        '\u{370}'..='\u{3FF}' | '\u{1F00}'..='\u{1FFF}' => Script::Greek,
        '\u{400}'..='\u{52F}' => Script::Cyrillic,
        '\u{590}'..='\u{5FF}' => Script::Hebrew,
        '\u{600}'..='\u{6FF}' | '\u{750}'..='\u{77F}' => Script::Arabic,
        '\u{900}'..='\u{DFF}' => Script::Indic,
        '\u{E00}'..='\u{E7F}' => Script::Thai,
        '\u{3041}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}' | '\u{FF66}'..='\u{FF9F}' => Script::Kana,
        '\u{3005}'..='\u{3007}'
        | '\u{3400}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}' => Script::Han,
        '\u{1100}'..='\u{11FF}' | '\u{3130}'..='\u{318F}' | '\u{AC00}'..='\u{D7AF}' => {
            Script::Hangul
        }
        '\u{10A0}'..='\u{10FF}' => Script::Georgian,
        _ => Script::Other,
    }
}
