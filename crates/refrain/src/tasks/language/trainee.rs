//! The language model in the training loop.

use super::measure::{self, characters, measure, metrics};
use super::recipe::LanguageRecipe;
use super::text::Text;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::models::{LanguageModel, State};
use crate::params::NamedTensor;
use crate::tasks::{Site, Split};
use crate::train::{BatchLoss, LossUnit, Place, TrainConfig, Trainee, Unit};
use burn::tensor::Device;
use refrain_data::Fingerprint;
use refrain_data::batch::Continuous;
use refrain_kernels::random::Key;
use std::path::Path;

/// A language model's batches and figures.
pub struct LanguageTrainee {
    text: Text,
    device: Device,
    train: Continuous,
    /// Steps of a batch of common length.
    time: usize,
    /// Seed of random lengths, where these are asked for, and the epoch that they are cut for.
    lengths: Option<(u64, Option<u64>)>,
    valid: Continuous,
    valid_characters: u64,
    reference: Metrics,
    fingerprint: String,
    state: Option<State>,
}

impl LanguageTrainee {
    pub(super) fn new(
        recipe: &LanguageRecipe,
        config: &TrainConfig,
        mut text: Text,
        site: &Site,
    ) -> Result<Self, Error> {
        let time = recipe.data.time;
        // The ids are all that training needs, and four times as large as the text.
        let train = text
            .vocabulary
            .encode(&std::mem::take(&mut text.corpus.train));
        let valid = text.vocabulary.encode(&text.corpus.valid);
        // Streams of a few tokens would be all beginning; a short text has fewer of them.
        let streams = (valid.len() / (4 * time)).clamp(1, config.batch);
        Ok(Self {
            fingerprint: fingerprint(&[&train, &valid]),
            valid_characters: characters(&text.vocabulary, &text.corpus.valid, &valid),
            train: Continuous::new(train, config.batch, time)?,
            valid: Continuous::covering(valid, streams, time)?,
            time,
            lengths: recipe.data.random_lengths.then_some((config.seed, None)),
            reference: text.with_truth(Metrics::new(), Split::Validation),
            state: None,
            device: site.device(),
            text,
        })
    }

    /// The reason why the run does not keep the vocabulary of the model that it begins with.
    pub(super) fn own_vocabulary(&self) -> Option<&str> {
        self.text.own_vocabulary.as_deref()
    }

    fn cut(&mut self, epoch: u64) {
        if let Some((seed, cut)) = &mut self.lengths
            && *cut != Some(epoch)
        {
            self.train.cut_randomly(self.time, *seed, epoch);
            *cut = Some(epoch);
        }
    }
}

fn fingerprint(parts: &[&[u32]]) -> String {
    let mut hash = Fingerprint::new();
    for part in parts {
        hash.ids(part);
    }
    hash.finish()
}

impl Trainee for LanguageTrainee {
    type Model = LanguageModel;

    fn name(&self) -> &'static str {
        super::NAME
    }

    fn batches(&mut self, epoch: u64) -> usize {
        self.cut(epoch);
        self.train.len()
    }

    fn loss(&mut self, model: &LanguageModel, place: Place, key: Key) -> Result<BatchLoss, Error> {
        self.cut(place.epoch);
        let batch = self.train.get(place.batch).ok_or_else(|| {
            Error::Config(format!(
                "there is no batch {} in the training data",
                place.batch
            ))
        })?;
        let out = model.loss(
            &batch.inputs,
            &batch.targets,
            batch.batch,
            self.state.take(),
            Some(key),
        )?;
        self.state = Some(out.state);
        let rate = match self.lengths {
            Some(_) => batch.time as f64 / self.time as f64,
            None => 1.0,
        };
        Ok(BatchLoss {
            nats: out.nll.iter().map(|&x| f64::from(x)).sum(),
            tokens: batch.counted(),
            loss: out.loss,
            rate,
        })
    }

    fn validate(&mut self, model: &LanguageModel) -> Result<Metrics, Error> {
        let mut metrics = metrics(&measure(model, &self.valid, self.valid_characters)?);
        metrics.extend(self.reference.clone());
        Ok(metrics)
    }

    fn criterion(&self) -> &'static str {
        "perplexity"
    }

    fn unit(&self) -> Unit {
        let loss = match self.text.vocabulary.kind() {
            "characters" => LossUnit::Bits,
            _ => LossUnit::Perplexity,
        };
        Unit::new(loss, "tokens")
    }

    fn save(&self, folder: &Path) -> Result<(), Error> {
        Ok(self.text.vocabulary.save(folder)?)
    }

    fn test(&mut self, model: &LanguageModel) -> Result<Metrics, Error> {
        let test = &self.text.corpus.test;
        let (metrics, _) = measure::exactly(model, &self.text.vocabulary, test)?;
        Ok(self.text.with_truth(metrics, Split::Test))
    }

    fn forget(&mut self) {
        self.state = None;
    }

    fn carried(&self) -> Vec<NamedTensor> {
        self.state.as_ref().map(State::export).unwrap_or_default()
    }

    fn restore(&mut self, carried: Vec<NamedTensor>) -> Result<(), Error> {
        self.state = match carried.is_empty() {
            true => None,
            false => Some(State::import(&carried, &self.device)?),
        };
        Ok(())
    }

    fn reference(&self) -> Metrics {
        self.reference.clone()
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}
