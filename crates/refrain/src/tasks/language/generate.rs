//! Text, token by token, for one writer or for many at once.

use super::NAME;
use super::loaded::Loaded;
use super::prime::{Prime, Turn};
use super::recipe::GenerateConfig;
use super::stop::StopFilter;
use crate::error::Error;
use crate::models::{GeneratorScratch, GeneratorState};
use crate::tasks::stored;
use crate::train::Control;
use refrain_data::vocab::{DecodeState, Vocabulary};
use refrain_decode::{Rng, Sampler, Scored};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Counts of a generated text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Tokens.
    pub tokens: usize,
    /// Tokens of the prime that the vocabulary lacks.
    pub unknown: usize,
}

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finished {
    /// It has as many tokens as were asked for.
    Length,
    /// A stop text came.
    Stop,
}

/// A token with its probability.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Token {
    /// As the vocabulary writes it; part of a character is shown with U+FFFD.
    pub text: String,
    /// ln p under the model itself, nats, whatever the temperature and filters.
    pub log_probability: f64,
}

/// A token that the model drew.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drawn {
    /// The token.
    #[serde(flatten)]
    pub token: Token,
    /// The likeliest tokens at its place, as many as [`GenerateConfig::alternatives`] asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Token>,
}

/// The result of a step of a [`Writer`]: nothing where it read a token of its prime.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// Text that goes on where the last one ended. Text that may be the beginning of a stop text is held back.
    pub text: String,
    /// The token that was drawn.
    pub drawn: Option<Drawn>,
    /// Set on the last step.
    pub finished: Option<Finished>,
}

/// Writes one text with a shared model. A clone goes on by itself from the same place.
///
/// Its text has the same bits alone, in any batch of [`Writer::step_many`], and after [`Writer::store`] and
/// [`Writer::restore`] (`f32` and `bf16`; see the precision of a model for `int8`).
#[derive(Clone)]
pub struct Writer {
    loaded: Arc<Loaded>,
    sampler: Sampler,
    state: WriterState,
    scratch: GeneratorScratch,
}

/// All that a writer knows beside its model: plain data.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WriterState {
    settings: Settings,
    prime: Prime,
    recurrent: GeneratorState,
    rng: Rng,
    text: DecodeState,
    filter: StopFilter,
    tokens: u64,
    finished: Option<Finished>,
}

impl WriterState {
    fn new(settings: Settings, seed: u64, recurrent: GeneratorState) -> Self {
        Self {
            settings,
            prime: Prime::default(),
            recurrent,
            rng: Rng::new(seed),
            text: DecodeState::default(),
            filter: StopFilter::default(),
            tokens: 0,
            finished: None,
        }
    }
}

/// [`GenerateConfig`] in a form of fixed fields.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    length: u64,
    temperature: f64,
    top_k: Option<u64>,
    top_p: Option<f64>,
    stop: Vec<String>,
    alternatives: u64,
}

impl Settings {
    fn sampler(&self) -> Result<Sampler, Error> {
        let top_k = self.top_k.map(size);
        Ok(Sampler::new(self.temperature, top_k, self.top_p)?)
    }
}

impl From<&GenerateConfig> for Settings {
    fn from(config: &GenerateConfig) -> Self {
        Self {
            length: config.length as u64,
            temperature: config.temperature,
            top_k: config.top_k.map(|k| k as u64),
            top_p: config.top_p,
            stop: config.stop.clone(),
            alternatives: config.alternatives as u64,
        }
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl Writer {
    /// A writer with these settings that has read nothing yet; `config.prime` is left to [`Self::read`].
    ///
    /// # Errors
    /// A temperature, top-k or top-p out of range.
    pub fn new(loaded: &Arc<Loaded>, config: &GenerateConfig) -> Result<Self, Error> {
        Ok(Self {
            sampler: config.sampler()?,
            state: WriterState::new(config.into(), config.seed, loaded.generator()?.start()),
            scratch: GeneratorScratch::default(),
            loaded: loaded.clone(),
        })
    }

    /// Adds text that the model reads before it writes. Nothing is computed yet. Text after [`Self::end`] is not read.
    pub fn read(&mut self, text: &str) {
        if !self.state.prime.ended() {
            self.state.prime.push(&self.loaded.vocabulary, text);
        }
    }

    /// Ends the text to read; steps then write.
    pub fn end(&mut self) {
        if self.state.prime.ended() {
            return;
        }
        self.state.prime.end(&self.loaded.vocabulary);
        if self.state.settings.length == 0 {
            self.state.finished = Some(Finished::Length);
        }
    }

    /// Whether the text to read has ended.
    pub fn ended(&self) -> bool {
        self.state.prime.ended()
    }

    /// Takes the steps that only read, so that no text waits in memory.
    ///
    /// # Errors
    /// None on the models of this library.
    pub fn catch_up(&mut self) -> Result<(), Error> {
        while !self.ended() && self.state.prime.waits() {
            self.step()?;
        }
        Ok(())
    }

    /// Another seed for the tokens that are drawn from now on.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.state.rng = Rng::new(seed);
        self
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.state.rng.seed
    }

    /// A writer of the same settings and seed at the beginning of a text.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn anew(&self) -> Result<Self, Error> {
        let (settings, start) = (
            self.state.settings.clone(),
            self.loaded.generator()?.start(),
        );
        Ok(Self {
            state: WriterState::new(settings, self.seed(), start),
            ..self.clone()
        })
    }

    /// Why the text ended, once it has.
    pub fn finished(&self) -> Option<Finished> {
        self.state.finished
    }

    /// Counts so far.
    pub fn counts(&self) -> Generated {
        Generated {
            tokens: size(self.state.tokens),
            unknown: size(self.state.prime.unknown()),
        }
    }

    /// Reads a token of the prime, or writes one. Nothing happens before there is text to read, or after the end.
    ///
    /// # Errors
    /// A model that gives no numbers.
    pub fn step(&mut self) -> Result<Written, Error> {
        let mut written = Self::step_many(&mut [self])?;
        Ok(written.pop().unwrap_or_default())
    }

    /// A [`Self::step`] of many writers of one model at once; gives the result of each.
    ///
    /// # Errors
    /// Writers of different models, or a model that gives no numbers.
    pub fn step_many(writers: &mut [&mut Self]) -> Result<Vec<Written>, Error> {
        let Some(first) = writers.first_mut() else {
            return Ok(Vec::new());
        };
        let (loaded, mut scratch) = (first.loaded.clone(), std::mem::take(&mut first.scratch));
        if !writers.iter().all(|own| Arc::ptr_eq(&own.loaded, &loaded)) {
            return Err(Error::Config(
                "writers of different models cannot step together; step those of each model".into(),
            ));
        }
        let turns: Vec<Option<Turn>> = writers.iter_mut().map(|own| own.turn()).collect();
        let ids: Vec<u32> = turns.iter().flatten().map(|turn| turn.id).collect();
        let moving = writers.iter_mut().zip(&turns);
        let mut states: Vec<&mut GeneratorState> = moving
            .filter(|(_, turn)| turn.is_some())
            .map(|(own, _)| &mut own.state.recurrent)
            .collect();
        let generator = loaded.generator()?;
        let mut logits = generator.step_many(&ids, &mut states, &mut scratch)?;
        let mut rows = logits.chunks_exact_mut(generator.vocabulary());
        let stepped = writers.iter_mut().zip(&turns).map(|(own, turn)| {
            // Writers that rest have no row.
            let row = turn.and_then(|turn| Some((turn, rows.next()?)));
            row.map_or_else(|| Ok(Written::default()), |(turn, row)| own.take(turn, row))
        });
        let written = stepped.collect();
        if let Some(first) = writers.first_mut() {
            first.scratch = scratch;
        }
        written
    }

    /// The next token that the model reads.
    fn turn(&mut self) -> Option<Turn> {
        match self.state.finished {
            Some(_) => None,
            None => self.state.prime.next(),
        }
    }

    /// Goes on with the scores after a token.
    fn take(&mut self, turn: Turn, logits: &mut [f32]) -> Result<Written, Error> {
        let (loaded, state) = (self.loaded.clone(), &mut self.state);
        if state.tokens == 0 {
            // An unfinished word or character of the prime is finished by the text.
            state.text.push(&loaded.vocabulary, turn.id);
        }
        if !turn.last {
            return Ok(Written::default());
        }
        let mut most = loaded.vocabulary.len();
        if let Some(id) = never_written(&loaded.vocabulary) {
            logits[id] = f32::MIN;
            most -= 1;
        }
        let alternatives = size(state.settings.alternatives).min(most);
        let choice = self.sampler.choose(logits, alternatives, &mut state.rng)?;
        let id = choice.drawn.index as u32;
        state.tokens = state.tokens.saturating_add(1);
        let stop = &state.settings.stop;
        let piece = state.text.push(&loaded.vocabulary, id);
        let mut text = state.filter.push(stop, &piece);
        if !state.filter.stopped() && state.tokens >= state.settings.length {
            text += &state
                .filter
                .push(stop, &std::mem::take(&mut state.text).finish());
            text += &state.filter.finish();
            state.finished = Some(Finished::Length);
        }
        match (state.filter.stopped(), state.finished) {
            (true, _) => state.finished = Some(Finished::Stop),
            (false, None) => state.prime.follow(id),
            (false, Some(_)) => {}
        }
        let token = |scored: Scored| Token {
            text: loaded
                .vocabulary
                .token(scored.index as u32)
                .unwrap_or_default(),
            log_probability: scored.log_prob,
        };
        Ok(Written {
            text,
            drawn: Some(Drawn {
                token: token(choice.drawn),
                alternatives: choice.best.into_iter().map(token).collect(),
            }),
            finished: state.finished,
        })
    }

    /// All steps that are left; `give` receives each, and can end the work. Another call then goes on.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn write(&mut self, give: &mut dyn FnMut(Written) -> Control) -> Result<(), Error> {
        self.end();
        while self.state.finished.is_none() {
            let written = self.step()?;
            if written.drawn.is_some() && give(written) == Control::Stop {
                break;
            }
        }
        Ok(())
    }

    /// The writer as bytes for [`Self::restore`].
    ///
    /// # Errors
    /// None on the states of this library.
    pub fn store(&self) -> Result<Vec<u8>, Error> {
        stored::seal(NAME, self.loaded.fingerprint(), &self.state)
    }

    /// The writer that [`Self::store`] wrote, here or in another process with the same build and model.
    ///
    /// # Errors
    /// A state of another model or build, or one that is damaged.
    pub fn restore(loaded: &Arc<Loaded>, bytes: &[u8]) -> Result<Self, Error> {
        Self::with(loaded, stored::open(NAME, loaded.fingerprint(), bytes)?)
    }

    /// A writer with a state from outside.
    fn with(loaded: &Arc<Loaded>, state: WriterState) -> Result<Self, Error> {
        let generator = loaded.generator()?;
        generator.check(&state.recurrent)?;
        if !state.prime.fits(generator.vocabulary()) {
            return Err(Error::State(
                "it holds tokens that the model does not have".into(),
            ));
        }
        if state.prime.ended() && state.finished.is_none() && !state.prime.waits() {
            return Err(Error::State("it neither ended nor can go on".into()));
        }
        let sampler = state.settings.sampler();
        Ok(Self {
            sampler: sampler.map_err(|error| Error::State(error.to_string()))?,
            state,
            scratch: GeneratorScratch::default(),
            loaded: loaded.clone(),
        })
    }
}

/// The unknown character never occurs in training text, so it is not written either; an unknown word is a word like
/// others.
fn never_written(vocabulary: &Vocabulary) -> Option<usize> {
    let unknown = vocabulary
        .unknown_id()
        .filter(|_| vocabulary.kind() == "characters");
    unknown
        .map(|id| id as usize)
        .filter(|_| vocabulary.len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::LanguageModelConfig;
    use proptest::prelude::*;
    use refrain_data::vocab::VocabularyKind;

    fn loaded(layer_norm: bool) -> Arc<Loaded> {
        let text = "task = \"language\"\n[data]\ntext = { from = \"generated\", seed = 1, characters = 9 }\n\
                    vocabulary = { kind = \"bpe\", size = 260 }";
        let recipe = crate::tasks::TASKS.read(text, &[], "test").unwrap();
        let vocabulary = Vocabulary::build(VocabularyKind::Bpe { size: 260 }, "a text").unwrap();
        let mut config = LanguageModelConfig {
            embedding: 3,
            hidden: 4,
            ..LanguageModelConfig::default()
        };
        config.variant.layer_norm = layer_norm;
        let model = config.init(vocabulary.len(), 1, &burn::tensor::Device::flex());
        Arc::new(Loaded::new(
            model.unwrap(),
            vocabulary,
            recipe.body().unwrap(),
        ))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// A forged state is refused, or goes on without a panic.
        #[test]
        fn forged_states_never_panic(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            end in any::<prop::sample::Index>(),
            whole in any::<bool>(),
            layer_norm in any::<bool>(),
            ended in any::<bool>(),
        ) {
            let loaded = loaded(layer_norm);
            let config = GenerateConfig {
                length: 9,
                stop: vec!["xy".into()],
                top_p: Some(0.9),
                ..GenerateConfig::default()
            };
            let mut writer = Writer::new(&loaded, &config).unwrap();
            writer.read("some text to read ");
            writer.catch_up().unwrap();
            if ended {
                writer.end();
            }
            let mut bytes = postcard::to_stdvec(&writer.state).unwrap();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if !whole {
                bytes.truncate(end.index(bytes.len()));
            }
            let Ok(state) = postcard::from_bytes(&bytes) else { return Ok(()) };
            let Ok(mut writer) = Writer::with(&loaded, state) else { return Ok(()) };
            writer.end();
            for _ in 0..20 {
                if writer.step().is_err() {
                    break;
                }
            }
            writer.store().unwrap();
        }
    }

    #[test]
    fn contradictions_of_a_state_are_refused() {
        let loaded = loaded(false);
        let good = Writer::new(&loaded, &GenerateConfig::default()).unwrap();
        let refused = |change: &dyn Fn(&mut WriterState)| {
            let mut state = good.state.clone();
            change(&mut state);
            let error = Writer::with(&loaded, state).err().expect("refused");
            assert!(matches!(error, Error::State(_)), "{error}");
        };
        refused(&|state| state.settings.temperature = f64::NAN);
        refused(&|state| state.settings.top_k = Some(0));
        refused(&|state| state.prime.follow(260));
        refused(&|state| {
            state.prime.end(&loaded.vocabulary);
            state.prime.next();
        });
        // A composed model begins without a state, a packed one with zeros.
        let composed = self::loaded(true);
        refused(&|state| state.recurrent = composed.generator().unwrap().start());
        Writer::with(&loaded, good.state.clone()).unwrap();
    }
}
