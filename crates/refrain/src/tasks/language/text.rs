//! The text of a recipe and its vocabulary.

use crate::error::Error;
use crate::recipe::LanguageRecipe;
use crate::tasks::Split;
use crate::tasks::run::check_sums;
use crate::train::Metrics;
use refrain_data::corpus::{self, Corpus, Source};
use refrain_data::vocab::Vocabulary;
use std::path::Path;

pub(super) struct Text {
    pub(super) corpus: Corpus,
    pub(super) vocabulary: Vocabulary,
}

impl Text {
    pub(super) fn load(recipe: &LanguageRecipe, data: Option<&Path>) -> Result<Self, Error> {
        let folder = data.unwrap_or(Path::new("."));
        let place = "--data DIR or REFRAIN_DATA names another data folder";
        let hint = match &recipe.data.source {
            Some(source) => format!("{source}; {place}"),
            None => format!("wherever the recipe's author had it; {place}"),
        };
        let corpus = Corpus::load(&recipe.data.text, folder, Some(&hint))?;
        if !matches!(recipe.data.text, Source::Generated { .. }) {
            check_sums(&recipe.data.sha256, folder)?;
        }
        let vocabulary = Vocabulary::build(recipe.data.vocabulary, &corpus.train)?;
        Ok(Self { corpus, vocabulary })
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

/// A text file that is not part of a recipe.
pub(super) fn read(file: &Path) -> Result<String, Error> {
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    Ok(corpus::read_text(folder, &name, None)?)
}
