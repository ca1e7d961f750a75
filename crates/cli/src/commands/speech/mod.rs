//! `refrain speech`, and the arguments that all commands for speech share.

mod align;
pub mod files;
mod ngram;
mod tune;

use crate::Ending;
use anyhow::Result;
use refrain::store;
use refrain::tasks::Site;
use refrain::tasks::speech::{Loaded, SearchOptions, open};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Tools for models of speech: align a known text, learn n-grams, tune a search
#[derive(Debug, clap::Parser)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Align(align::Args),
    Ngram(ngram::Args),
    Tune(tune::Args),
}

/// Runs the command.
///
/// # Errors
/// As the command.
pub fn run(args: &Args) -> Result<Ending> {
    match &args.action {
        Action::Align(args) => align::run(args),
        Action::Ngram(args) => ngram::run(args),
        Action::Tune(args) => tune::run(args),
    }
}

/// Which model of speech.
#[derive(Clone, Debug, clap::Args)]
pub struct Model {
    /// Model folder, or a model that ships: english, english-stream, digits
    /// [default: english, or english-stream with --stream]
    #[arg(long = "model", value_name = "MODEL")]
    path: Option<PathBuf>,
}

impl Model {
    /// The model, or the shipped one of this name.
    ///
    /// # Errors
    /// A folder that cannot be used.
    pub fn load(&self, shipped: &str, options: SearchOptions, site: &Site) -> Result<Arc<Loaded>> {
        load(self.path.as_deref(), shipped, options, site)
    }
}

/// The model of this folder or name, or the shipped one of the name `shipped`.
///
/// # Errors
/// A folder that cannot be used.
fn load(
    path: Option<&Path>,
    shipped: &str,
    options: SearchOptions,
    site: &Site,
) -> Result<Arc<Loaded>> {
    let folder = match path {
        Some(folder) => store::find(folder)?,
        None => store::shipped(shipped).map_or_else(|| store::find(Path::new(shipped)), Ok)?,
    };
    Ok(site.compute(|| open(&folder, options, site))?)
}

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
        })
    }
}
