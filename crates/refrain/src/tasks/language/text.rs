//! The text of a recipe and its vocabulary.

use super::recipe::LanguageRecipe;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::tasks::run::check_sums;
use crate::tasks::{Begin, Site, Split};
use refrain_data::DataError;
use refrain_data::corpus::{self, Corpus, Source};
use refrain_data::vocab::Vocabulary;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

pub(super) struct Text {
    pub(super) corpus: Corpus,
    pub(super) vocabulary: Vocabulary,
    /// The reason why a run does not keep the vocabulary of the model that it begins with.
    pub(super) own_vocabulary: Option<String>,
}

impl Text {
    /// The text of a recipe, with a vocabulary of its own.
    pub(super) fn load(recipe: &LanguageRecipe, site: &Site) -> Result<Self, Error> {
        let folder = &site.data;
        let corpus = Corpus::load(&recipe.data.text, folder, recipe.data.source.as_deref())?;
        if !matches!(recipe.data.text, Source::Generated { .. }) {
            check_sums(&named(recipe), folder)?;
        }
        let vocabulary = Vocabulary::build(recipe.data.vocabulary, &corpus.train)?;
        Ok(Self {
            corpus,
            vocabulary,
            own_vocabulary: None,
        })
    }

    /// With the vocabulary of the run that goes on, or of the model that the run begins with where that fits the
    /// text: a
    /// new one would number its tokens in another way, and the trained embedding and output would be of no use.
    pub(super) fn with_vocabulary_of(mut self, begin: Begin) -> Result<Self, Error> {
        if let Some(folder) = begin.resumes {
            self.vocabulary = Vocabulary::load(folder.path())?;
        } else if let Some(folder) = begin.init {
            let known = Vocabulary::load(folder.path())?;
            match self.misfit(&known) {
                None => self.vocabulary = known,
                reason => self.own_vocabulary = reason,
            }
        }
        Ok(self)
    }

    /// The reason why a vocabulary does not fit the training text, if it does not. It fits where it leaves no more
    /// tokens
    /// unknown than a vocabulary of the text itself.
    fn misfit(&self, known: &Vocabulary) -> Option<String> {
        let [kind, own] = [known.kind(), self.vocabulary.kind()];
        if kind != own {
            return Some(format!(
                "its vocabulary is made of {kind} and the recipe asks for {own}"
            ));
        }
        let unknown = |vocabulary: &Vocabulary| match vocabulary.unknown_id() {
            Some(_) => vocabulary.encode_counting(&self.corpus.train).unknown,
            None => 0,
        };
        if unknown(known) <= unknown(&self.vocabulary) {
            return None;
        }
        let ids = 0..self.vocabulary.len() as u32;
        let tokens = ids
            .filter(|id| Some(*id) != self.vocabulary.unknown_id())
            .filter_map(|id| self.vocabulary.token(id));
        let has = |token: &String| known.encode(token).first() != known.unknown_id().as_ref();
        let missing: Vec<String> = tokens.filter(|token| !has(token)).collect();
        let shown: Vec<String> = missing
            .iter()
            .take(5)
            .map(|token| format!("{token:?}"))
            .collect();
        Some(format!(
            "its vocabulary lacks {} {kind} of the text, such as {}",
            missing.len(),
            shown.join(", ")
        ))
    }

    pub(super) fn part(&self, split: Split) -> &str {
        match split {
            Split::Train => &self.corpus.train,
            Split::Validation => &self.corpus.valid,
            Split::Test => &self.corpus.test,
        }
    }

    /// Adds what the best possible model would need.
    pub(super) fn with_truth(&self, mut metrics: Metrics, split: Split) -> Metrics {
        if let Some(truth) = self.corpus.truth {
            let bits = match split {
                Split::Train => truth.entropy,
                Split::Validation => truth.valid,
                Split::Test => truth.test,
            };
            metrics.insert("true_bits_per_character".into(), bits);
        }
        metrics
    }
}

/// The checksums of the files that a recipe names.
fn named(recipe: &LanguageRecipe) -> BTreeMap<String, String> {
    let names: Vec<&String> = match &recipe.data.text {
        Source::Generated { .. } => Vec::new(),
        Source::Files { train, valid, test } => vec![train, valid, test],
        Source::Split { file, .. } | Source::File { file, .. } => vec![file],
    };
    let mut sums = recipe.data.sha256.clone();
    sums.retain(|name, _| names.contains(&name));
    sums
}

/// A text file that is not part of a recipe.
pub(super) fn read(file: &Path) -> Result<String, Error> {
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    corpus::read_text(folder, &name, None).map_err(|error| match error {
        // The file is none of the data folder.
        DataError::Missing { .. } => Error::io("read", file)(io::ErrorKind::NotFound.into()),
        other => other.into(),
    })
}
