//! A model of speech in the training loop, and its error rates.

use super::corpus::{Corpus, Item, Sound, batches};
use super::features::Features;
use super::recipe::AugmentConfig;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::models::{AcousticModel, Frames};
use crate::tasks::ctc::{Decoder, labels};
use crate::tasks::{Begin, Site};
use crate::train::{BatchLoss, LossUnit, Place, Trainee, Unit};
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use refrain_data::Fingerprint;
use refrain_data::vocab::Vocabulary;
use refrain_decode::metrics::edit::ErrorRate;
use refrain_decode::text::Labels;
use refrain_kernels::random::Key;
use std::path::Path;

/// Utterances that are learned from at once.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The sounds.
    pub frames: Frames,
    /// The transcript of each, as classes.
    pub labels: Vec<Vec<u32>>,
}

/// Batches and figures of a model of speech.
pub struct SpeechTrainee {
    corpus: Corpus,
    vocabulary: Vocabulary,
    /// The texts of the classes.
    labels: Labels,
    site: Site,
    augment: AugmentConfig,
    batch: usize,
    seed: u64,
    /// The training transcripts as classes.
    transcripts: Vec<Vec<u32>>,
    /// Batches of an epoch.
    order: Option<(u64, Vec<Vec<usize>>)>,
}

impl SpeechTrainee {
    /// # Errors
    /// As [`labels`].
    pub(super) fn new(
        corpus: Corpus,
        vocabulary: Vocabulary,
        augment: AugmentConfig,
        begin: Begin,
    ) -> Result<Self, Error> {
        let transcripts = corpus.train.iter();
        Ok(Self {
            transcripts: transcripts
                .map(|item| vocabulary.encode(&item.transcript))
                .collect(),
            labels: labels(&vocabulary)?,
            batch: begin.train.batch,
            seed: begin.site.seed,
            site: begin.site.clone(),
            vocabulary,
            order: None,
            corpus,
            augment,
        })
    }

    fn batches_of(&mut self, epoch: u64) -> &[Vec<usize>] {
        if self.order.as_ref().is_none_or(|(of, _)| *of != epoch) {
            let seed = self.seed ^ (epoch + 1) << 20;
            self.order = Some((epoch, batches(&self.corpus.train, self.batch, seed)));
        }
        self.order.as_ref().map_or(&[], |(_, batches)| batches)
    }

    /// The frames of a batch, changed at random, and its labels.
    ///
    /// # Errors
    /// A change that cannot be.
    pub fn batch(&mut self, place: Place, key: Key) -> Result<Batch, Error> {
        let batch = self.batches_of(place.epoch).get(place.batch);
        let numbers = batch.cloned().unwrap_or_default();
        let train = &self.corpus.train;
        let sounds = numbers.iter().map(|&number| &train[number].sound);
        let (augment, device) = (Some((&self.augment, key)), self.site.training_device());
        let frames = frames(&self.corpus.features, sounds, augment, &device)?;
        let labels = numbers.iter().map(|&number| &self.transcripts[number]);
        Ok(Batch {
            frames,
            labels: labels.cloned().collect(),
        })
    }
}

impl Trainee for SpeechTrainee {
    type Model = AcousticModel;

    fn name(&self) -> &'static str {
        super::NAME
    }

    fn batches(&mut self, epoch: u64) -> usize {
        self.batches_of(epoch).len()
    }

    fn loss(&mut self, model: &AcousticModel, place: Place, key: Key) -> Result<BatchLoss, Error> {
        let Batch { frames, labels } = self.batch(place, key.fold(0))?;
        let tokens = labels.iter().map(Vec::len).sum();
        let out = model.scores(frames, Some(key.fold(1)))?.loss(labels)?;
        // An utterance that is too short for its transcript teaches nothing.
        let finite = out.nll.iter().filter(|nll| **nll != f32::INFINITY);
        Ok(BatchLoss {
            nats: finite.map(|&nll| f64::from(nll)).sum(),
            tokens,
            loss: out.loss,
            rate: 1.0,
        })
    }

    fn validate(&mut self, model: &AcousticModel) -> Result<Metrics, Error> {
        let decoder = Decoder::greedy(&self.labels);
        let features = &self.corpus.features;
        measure(model, features, &decoder, &self.corpus.valid, |_| {})
    }

    fn criterion(&self) -> &'static str {
        "cer"
    }

    fn unit(&self) -> Unit {
        Unit::new(LossUnit::Nats, "labels")
    }

    fn save(&self, folder: &Path) -> Result<(), Error> {
        self.vocabulary.save(folder)?;
        self.corpus.features.save(folder)
    }

    fn test(&mut self, model: &AcousticModel) -> Result<Metrics, Error> {
        let decoder = Decoder::greedy(&self.labels);
        let features = &self.corpus.features;
        measure(model, features, &decoder, &self.corpus.test, |_| {})
    }

    fn fingerprint(&self) -> String {
        let mut print = Fingerprint::new();
        for item in &self.corpus.train {
            print.floats(item.sound.values()).text(&item.transcript);
        }
        print.finish()
    }
}

/// Utterances side by side, zeros behind the shorter ones.
pub(super) fn frames<'a>(
    features: &Features,
    sounds: impl Iterator<Item = &'a Sound>,
    augment: Option<(&AugmentConfig, Key)>,
    device: &Device,
) -> Result<Frames, Error> {
    let width = features.width();
    let sounds: Vec<&Sound> = sounds.collect();
    let all = sounds.par_iter().enumerate().map(|(index, sound)| {
        let augment = augment.map(|(config, key)| (config, key.fold(index as u64)));
        features.frames(sound, augment)
    });
    let all = all.collect::<Result<Vec<Vec<f32>>, Error>>()?;
    let lengths: Vec<usize> = all.iter().map(|own| own.len() / width).collect();
    let time = lengths.iter().copied().max().unwrap_or(0);
    let mut x = vec![0.0; all.len() * time * width];
    for (row, own) in x.chunks_mut((time * width).max(1)).zip(&all) {
        row[..own.len()].copy_from_slice(own);
    }
    let x = TensorData::new(x, [all.len(), time, width]);
    Ok(Frames {
        x: Tensor::from_data(x, device),
        lengths,
    })
}

/// Log-probabilities `[T',V]` of each utterance.
pub(super) fn log_probabilities<'a>(
    model: &AcousticModel,
    features: &Features,
    sounds: impl Iterator<Item = &'a Sound>,
) -> Result<Vec<Vec<f32>>, Error> {
    let frames = frames(features, sounds, None, &model.device())?;
    Ok(model.scores(frames, None)?.log_probabilities().rows())
}

/// A transcript beside its reference.
#[derive(Clone, Debug)]
pub(super) struct Compared<'a> {
    pub item: &'a Item,
    pub text: String,
    /// Edits that turn the words of the transcript into those of the text.
    pub errors: usize,
}

/// Error rates of a part in percent; `compare` sees each utterance.
pub(super) fn measure<'a>(
    model: &AcousticModel,
    features: &Features,
    decoder: &Decoder,
    part: &'a [Item],
    mut compare: impl FnMut(Compared<'a>),
) -> Result<Metrics, Error> {
    let mut rates = Rates::default();
    each_scored(model, features, part, |items, scores| {
        for (&item, text) in items.iter().zip(decoder.texts(&scores)?) {
            let errors = rates.add(&item.transcript, &text);
            compare(Compared { item, text, errors });
        }
        Ok(())
    })?;
    Ok(rates.metrics())
}

/// Calls `f` with a few utterances at a time and the log-probabilities `[T',V]` of each.
pub(super) fn each_scored<'a>(
    model: &AcousticModel,
    features: &Features,
    part: &'a [Item],
    mut f: impl FnMut(&[&'a Item], Vec<Vec<f32>>) -> Result<(), Error>,
) -> Result<(), Error> {
    /// Utterances that are read at once.
    const TOGETHER: usize = 16;
    for batch in batches(part, TOGETHER, 0) {
        let items: Vec<&Item> = batch.iter().map(|&number| &part[number]).collect();
        let sounds = items.iter().map(|item| &item.sound);
        let scores = log_probabilities(model, features, sounds)?;
        f(&items, scores)?;
    }
    Ok(())
}

/// Error rates, counted utterance by utterance.
#[derive(Default)]
pub(super) struct Rates {
    characters: ErrorRate,
    words: ErrorRate,
}

impl Rates {
    /// Counts an utterance; gives the edits of its words.
    pub fn add(&mut self, reference: &str, text: &str) -> usize {
        self.characters.add_characters(reference, text);
        self.words.add_words(reference, text).edits() as usize
    }

    /// The figures of the task, percent.
    pub fn metrics(&self) -> Metrics {
        let percent = |rate: Option<f64>| 100.0 * rate.unwrap_or(0.0);
        Metrics::from([
            ("cer".into(), percent(self.characters.rate())),
            ("wer".into(), percent(self.words.rate())),
            ("ser".into(), percent(self.words.sentence_rate())),
        ])
    }
}
