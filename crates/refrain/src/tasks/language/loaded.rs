//! A trained language model in use.

use super::generate::{Drawn, Generated, Writer};
use super::measure;
use super::recipe::{GenerateConfig, GenerateOptions, LanguageRecipe};
use super::text::{self, Text};
use crate::error::Error;
use crate::metrics::Metrics;
use crate::models::{Generator, LanguageModel};
use crate::params;
use crate::store::ModelFolder;
use crate::tasks::media::{self, wrong_medium};
use crate::tasks::run::load_model;
use crate::tasks::{EvaluateData, Medium, Piece, Ports, Receiver, Session, Site, Use};
use crate::train::Control;
use refrain_data::fingerprint::Fingerprint;
use refrain_data::vocab::Vocabulary;
use refrain_kernels::Precision;
use std::sync::{Arc, OnceLock};

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
    /// Of `model`, made for the first session.
    generator: OnceLock<Generator>,
    /// Of all that a stored session depends on.
    fingerprint: OnceLock<String>,
}

impl Loaded {
    /// A model in use, of its parts; sessions write as the recipe says.
    pub fn new(model: LanguageModel, vocabulary: Vocabulary, recipe: LanguageRecipe) -> Self {
        Self {
            model,
            vocabulary,
            generate: recipe.generate.clone(),
            recipe,
            generator: OnceLock::new(),
            fingerprint: OnceLock::new(),
        }
    }

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
        let mut loaded = Self::new(model, vocabulary, recipe);
        loaded.generate = generate;
        Ok(match site.precision {
            Some(precision) => loaded.with_precision(precision),
            None => loaded,
        })
    }

    /// The same model with products of another precision than the one of its training.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.model = self.model.with_precision(precision);
        (self.generator, self.fingerprint) = (OnceLock::new(), OnceLock::new());
        self
    }

    /// The weights as all sessions share them.
    pub(super) fn generator(&self) -> Result<&Generator, Error> {
        if let Some(generator) = self.generator.get() {
            return Ok(generator);
        }
        let generator = self.model.generator()?;
        Ok(self.generator.get_or_init(|| generator))
    }

    /// Equal for models with the same parameters, vocabulary, settings and precision.
    pub(super) fn fingerprint(&self) -> &str {
        self.fingerprint.get_or_init(|| {
            let mut print = Fingerprint::new();
            print.text(&format!(
                "{:?} {:?} {}",
                self.recipe.model,
                self.model.precision(),
                self.vocabulary.kind()
            ));
            for tensor in params::export(&self.model) {
                print.text(&tensor.name).floats(&tensor.data);
            }
            for id in 0..self.vocabulary.len() as u32 {
                print.text(&self.vocabulary.token(id).unwrap_or_default());
            }
            print.finish()
        })
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
    /// piece. Characters that the vocabulary lacks are read as its unknown token and counted. The same seed gives the
    /// same
    /// text.
    ///
    /// # Errors
    /// A temperature, top-k or top-p out of range.
    pub fn generate(
        self: &Arc<Self>,
        options: &GenerateConfig,
        write: &mut dyn FnMut(&str) -> Control,
    ) -> Result<Generated, Error> {
        let mut writer = Writer::new(self, options)?;
        writer.read(&options.prime);
        writer.write(&mut |written| match written.text.is_empty() {
            true => Control::Continue,
            false => write(&written.text),
        })?;
        Ok(writer.counts())
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
        let writer = Writer::new(&self, &self.generate)?;
        Ok(Box::new(WritingSession {
            fresh: writer.clone(),
            writer,
        }))
    }

    fn restore(self: Arc<Self>, state: &[u8]) -> Result<Box<dyn Session>, Error> {
        let writer = Writer::restore(&self, state)?;
        Ok(Box::new(WritingSession {
            fresh: writer.anew()?,
            writer,
        }))
    }
}

/// A text that is read and then continued. A receiver that asks to stop pauses [`Session::finish`], and the next call
/// goes
/// on; the next piece of input begins a new text.
struct WritingSession {
    /// At the beginning of a text.
    fresh: Writer,
    writer: Writer,
}

/// Bytes of text that are read at a time.
const PART: usize = 1 << 16;

impl Session for WritingSession {
    fn push(&mut self, piece: Piece, _: Receiver) -> Result<(), Error> {
        let Piece::Text(text) = piece else {
            return Err(wrong_medium(Medium::Text, &piece));
        };
        if self.writer.ended() {
            self.writer = self.fresh.clone();
        }
        let mut rest = text.text.as_str();
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.floor_char_boundary(PART));
            rest = after;
            self.writer.read(part);
            self.writer.catch_up()?;
        }
        Ok(())
    }

    fn finish(&mut self, give: Receiver) -> Result<(), Error> {
        let mut paused = false;
        let mut tokens: Vec<Drawn> = Vec::new();
        self.writer.write(&mut |written| {
            tokens.extend(written.drawn);
            if written.text.is_empty() && written.finished.is_none() {
                return Control::Continue;
            }
            let detail = serde_json::json!({
                "tokens": std::mem::take(&mut tokens),
                "finished": written.finished,
            });
            let control = give(Piece::Text(media::Text {
                text: written.text,
                detail: Some(detail),
            }));
            paused = control == Control::Stop;
            control
        })?;
        if !paused {
            self.writer = self.fresh.clone();
        }
        Ok(())
    }

    fn store(&self) -> Result<Vec<u8>, Error> {
        self.writer.store()
    }
}
