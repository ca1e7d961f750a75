//! A trained language model in use.

use super::generate::{Generated, Writer};
use super::recipe::{GenerateConfig, GenerateOptions, LanguageRecipe};
use super::text::{self, Text};
use super::{NAME, measure};
use crate::error::Error;
use crate::metrics::Metrics;
use crate::models::LanguageModel;
use crate::store::ModelFolder;
use crate::tasks::media::wrong_medium;
use crate::tasks::run::load_model;
use crate::tasks::{EvaluateData, Medium, Piece, Ports, Receiver, Session, Site, Use};
use crate::train::Control;
use refrain_data::vocab::Vocabulary;
use refrain_kernels::Precision;
use std::sync::Arc;

/// A trained language model with its vocabulary and settings.
pub struct Loaded {
    /// Off autodiff.
    pub model: LanguageModel,
    /// Text to tokens and back.
    pub vocabulary: Vocabulary,
    /// The recipe of the training.
    pub recipe: LanguageRecipe,
    /// How a session writes.
    pub generate: GenerateConfig,
}

impl Loaded {
    pub(super) fn open(
        folder: &ModelFolder,
        recipe: LanguageRecipe,
        options: &GenerateOptions,
        site: &Site,
    ) -> Result<Self, Error> {
        let vocabulary = Vocabulary::load(folder.path())?;
        let config = &recipe.model;
        let parameters = config.parameters(vocabulary.len());
        let model = load_model(folder, parameters, || {
            config.init(vocabulary.len(), 0, &site.device())
        })?;
        let generate = options.over(&recipe.generate);
        generate.sampler()?;
        let loaded = Self {
            model,
            vocabulary,
            generate,
            recipe,
        };
        Ok(match site.precision {
            Some(precision) => loaded.with_precision(precision),
            None => loaded,
        })
    }

    /// The same model with products of another precision than the one of its training.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.model = self.model.with_precision(precision);
        self
    }

    /// Figures on a text. Characters (or words) that the vocabulary lacks count as `<unk>`.
    ///
    /// # Errors
    /// A text that is too short to predict anything in.
    pub fn evaluate_text(&self, text: &str) -> Result<Metrics, Error> {
        let (mut metrics, unknown) = measure::exactly(&self.model, &self.vocabulary, text)?;
        if unknown > 0 {
            metrics.insert("unknown_tokens".into(), unknown as f64);
        }
        Ok(metrics)
    }

    pub(super) fn evaluate(&self, on: &EvaluateData, site: &Site) -> Result<Metrics, Error> {
        match on {
            EvaluateData::File(file) => self.evaluate_text(&text::read(file)?),
            EvaluateData::Split(split) => {
                let text = Text::load(&self.recipe, site)?;
                let metrics = self.evaluate_text(text.part(*split))?;
                Ok(text.with_truth(metrics, *split))
            }
        }
    }

    /// Continues `options.prime` (or, where that is empty, begins after a line end); `write` gets the new text piece by
    /// piece. Characters that the vocabulary lacks are read as its unknown token and counted. The same seed gives the same
    /// text.
    ///
    /// # Errors
    /// A temperature, top-k or top-p out of range.
    pub fn generate(
        &self,
        options: &GenerateConfig,
        write: &mut dyn FnMut(&str) -> Control,
    ) -> Result<Generated, Error> {
        let mut writer = Writer::new(&self.model, &self.vocabulary, options)?;
        writer.write(&options.prime, write)
    }
}

impl Use for Loaded {
    fn ports(&self) -> Ports {
        Ports {
            takes: Medium::Text,
            gives: Medium::Text,
            latency: None,
        }
    }

    fn begin(self: Arc<Self>) -> Result<Box<dyn Session>, Error> {
        Ok(Box::new(WritingSession {
            loaded: self,
            prime: String::new(),
        }))
    }

    fn restore(self: Arc<Self>, _: &[u8]) -> Result<Box<dyn Session>, Error> {
        Err(Error::Unsupported {
            task: NAME,
            problem: "cannot restore a session yet",
        })
    }
}

/// A text that is read and then continued.
struct WritingSession {
    loaded: Arc<Loaded>,
    prime: String,
}

impl Session for WritingSession {
    fn push(&mut self, piece: Piece, _: Receiver) -> Result<(), Error> {
        match piece {
            Piece::Text(text) => self.prime.push_str(&text.text),
            other => return Err(wrong_medium(Medium::Text, &other)),
        }
        Ok(())
    }

    fn finish(&mut self, give: Receiver) -> Result<(), Error> {
        let options = GenerateConfig {
            prime: std::mem::take(&mut self.prime),
            ..self.loaded.generate.clone()
        };
        let mut write = |text: &str| give(Piece::text(text));
        self.loaded.generate(&options, &mut write).map(|_| ())
    }

    fn store(&self) -> Result<Vec<u8>, Error> {
        Err(Error::Unsupported {
            task: NAME,
            problem: "cannot store a session yet",
        })
    }
}
