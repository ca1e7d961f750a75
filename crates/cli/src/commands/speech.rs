//! What the commands for speech have in common: which model, and how it finds text.

use super::{Precision, model, model_folder};
use anyhow::{Result, bail};
use refrain::tasks::speech::{DecoderConfig, Loaded, load_with_decoder};
use std::path::PathBuf;

/// Prefixes of a search that is asked for by its models.
const USUAL_BEAM: usize = 50;

/// Which model of speech.
#[derive(Clone, Debug, clap::Args)]
pub struct Model {
    /// Model folder, or the name of a model that ships with the program: english, english-stream, digits [default: english, or english-stream with --stream]
    #[arg(long = "model", value_name = "MODEL", value_parser = model())]
    path: Option<PathBuf>,
}

impl Model {
    /// Opens it; `shipped` is the name of the one to take if none was given. Without a search it takes the best path.
    ///
    /// # Errors
    /// A model that is missing or damaged, or settings that cannot be.
    pub fn load(
        &self,
        shipped: &str,
        search: Option<&Search>,
        precision: &Precision,
    ) -> Result<Loaded> {
        let folder = match &self.path {
            Some(folder) => folder.clone(),
            None => model_folder(shipped.into()),
        };
        let config = match search {
            Some(search) => {
                let own = DecoderConfig::of(&folder)?;
                search.over(&own)?.unwrap_or(own)
            }
            // Whoever does not search needs no language model.
            None => DecoderConfig::default(),
        };
        let mut loaded = load_with_decoder(&folder, &config)?;
        if let Some(precision) = precision.get() {
            loaded = loaded.with_precision(precision);
        }
        Ok(loaded)
    }
}

/// How text is found, over what the model's folder says.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Search")]
pub struct Search {
    /// Take the best path, whatever the model's folder says
    #[arg(long, conflicts_with_all = ["beam", "words", "characters", "lexicon", "hot_words"])]
    greedy: bool,

    /// Prefixes that a search keeps; 0 takes the best path [default: that of the model, or 50 with a language model]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    beam: Option<u32>,

    /// An n-gram model of words (ARPA; `refrain ngram` makes one)
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

    /// What each hot word adds, nats
    #[arg(long, value_name = "NATS", allow_negative_numbers = true)]
    hot_bonus: Option<f64>,
}

impl Search {
    /// `own` with what was given put over it; nothing if nothing was given.
    ///
    /// # Errors
    /// A folder that has gone.
    pub fn over(&self, own: &DecoderConfig) -> Result<Option<DecoderConfig>> {
        if self.greedy {
            return Ok(Some(DecoderConfig::default()));
        }
        let mut config = own.clone();
        let files = [
            (&mut config.words, &self.words),
            (&mut config.characters, &self.characters),
            (&mut config.lexicon, &self.lexicon),
        ];
        for (to, from) in files {
            if let Some(from) = from {
                // Relative to here, not to the model's folder.
                *to = Some(std::path::absolute(from)?);
            }
        }
        let numbers = [
            (&mut config.word_weight, self.word_weight),
            (&mut config.word_bonus, self.word_bonus),
            (&mut config.character_weight, self.character_weight),
            (&mut config.character_bonus, self.character_bonus),
            (&mut config.hot_bonus, self.hot_bonus),
        ];
        for (to, from) in numbers {
            *to = from.unwrap_or(*to);
        }
        config.hot_words.extend(self.hot_words.iter().cloned());
        config.beam = match self.beam {
            Some(beam) => beam as usize,
            None if config != *own && config.beam == 0 => USUAL_BEAM,
            None => config.beam,
        };
        Ok((config != *own).then_some(config))
    }

    /// As [`Self::over`], of a model that a search is to be tuned for.
    ///
    /// # Errors
    /// No search to tune.
    pub fn to_tune(&self, own: &DecoderConfig) -> Result<DecoderConfig> {
        let mut config = self.over(own)?.unwrap_or_else(|| own.clone());
        if config.words.is_none() && config.characters.is_none() && config.lexicon.is_none() {
            bail!(
                "there is no language model to weigh; make one with `refrain ngram MODEL` and give it with --words"
            );
        }
        if config.beam == 0 {
            config.beam = USUAL_BEAM;
        }
        Ok(config)
    }
}
