//! The arguments of a search for text in the scores of a model with CTC.

use anyhow::Result;
use refrain::tasks::SearchOptions;
use std::path::PathBuf;

/// How text is found; settings that are absent are those of the model's folder.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Search")]
pub struct Search {
    /// Take the best path, whatever the settings of the model's folder
    #[arg(long, conflicts_with_all = ["beam", "words", "characters", "lexicon", "hot_words"])]
    greedy: bool,

    /// Prefixes that a search keeps; 0 takes the best path [default: that of the model, or 50 with a language model]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    beam: Option<u32>,

    /// An n-gram model of words (ARPA; `refrain speech ngram` makes one)
    #[arg(long, value_name = "FILE", visible_alias = "lm")]
    words: Option<PathBuf>,

    /// An n-gram model of characters (ARPA)
    #[arg(long, value_name = "FILE")]
    characters: Option<PathBuf>,

    /// A text file with the only words that may be written
    #[arg(long, value_name = "FILE")]
    lexicon: Option<PathBuf>,

    /// Weight of the model of words
    #[arg(long, value_name = "ALPHA", allow_negative_numbers = true)]
    word_weight: Option<f64>,

    /// Added for each word, nats
    #[arg(long, value_name = "BETA", allow_negative_numbers = true)]
    word_bonus: Option<f64>,

    /// Weight of the model of characters
    #[arg(long, value_name = "ALPHA", allow_negative_numbers = true)]
    character_weight: Option<f64>,

    /// Added for each character, nats
    #[arg(long, value_name = "BETA", allow_negative_numbers = true)]
    character_bonus: Option<f64>,

    /// A word or phrase to prefer; may be given again
    #[arg(long = "hot-word", value_name = "PHRASE")]
    hot_words: Vec<String>,

    /// Added for each hot word, nats
    #[arg(long, value_name = "NATS", allow_negative_numbers = true)]
    hot_bonus: Option<f64>,

    /// The only characters that may be written, beside the space, e.g. 0123456789.
    #[arg(long, value_name = "CHARACTERS")]
    allow: Option<String>,
}

impl Search {
    /// The settings that were given; paths are relative to the current folder.
    ///
    /// # Errors
    /// A current folder that has gone.
    pub fn options(&self) -> Result<SearchOptions> {
        let full = |path: &Option<PathBuf>| path.as_ref().map(std::path::absolute).transpose();
        Ok(SearchOptions {
            greedy: self.greedy,
            beam: self.beam.map(|beam| beam as usize),
            words: full(&self.words)?,
            characters: full(&self.characters)?,
            lexicon: full(&self.lexicon)?,
            word_weight: self.word_weight,
            word_bonus: self.word_bonus,
            character_weight: self.character_weight,
            character_bonus: self.character_bonus,
            unknown_bonus: None,
            hot_words: self.hot_words.clone(),
            hot_bonus: self.hot_bonus,
            allow: self.allow.clone(),
        })
    }
}
