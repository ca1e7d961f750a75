//! A model of speech in the training loop, and its error rates.

use super::corpus::{Corpus, Part, Sound};
use super::features::Features;
use crate::error::Error;
use crate::models::{AcousticModel, Frames};
use crate::ops::floats;
use crate::recipe::AugmentConfig;
use crate::tasks::run::hex;
use crate::train::{BatchLoss, Metrics, Place, TrainConfig, Trainee};
use burn::tensor::{Device, Tensor, TensorData};
use refrain_data::vocab::Vocabulary;
use refrain_decode::ctc::LabelSpan;
use refrain_decode::ctc::greedy::greedy;
use refrain_decode::metrics::edit::ErrorRate;
use refrain_decode::text::Labels;
use refrain_kernels::random::Key;
use sha2::{Digest, Sha256};

pub(super) struct SpeechTrainee {
    pub corpus: Corpus,
    /// What the classes stand for.
    pub labels: Labels,
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
    pub fn new(
        corpus: Corpus,
        vocabulary: &Vocabulary,
        augment: AugmentConfig,
        config: &TrainConfig,
    ) -> Result<Self, Error> {
        let transcripts = corpus.train.transcripts.iter();
        Ok(Self {
            transcripts: transcripts.map(|text| vocabulary.encode(text)).collect(),
            labels: labels(vocabulary)?,
            batch: config.batch,
            seed: config.seed,
            order: None,
            corpus,
            augment,
        })
    }

    fn batches_of(&mut self, epoch: u64) -> &[Vec<usize>] {
        if self.order.as_ref().is_none_or(|(of, _)| *of != epoch) {
            let seed = self.seed ^ (epoch + 1) << 20;
            self.order = Some((epoch, self.corpus.train.batches(self.batch, seed)));
        }
        self.order.as_ref().map_or(&[], |(_, batches)| batches)
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
        let numbers = self
            .batches_of(place.epoch)
            .get(place.batch)
            .cloned()
            .unwrap_or_default();
        let sounds = numbers
            .iter()
            .map(|&number| &self.corpus.train.sounds[number]);
        let augment = Some((&self.augment, key.fold(0)));
        let frames = frames(
            &self.corpus.features,
            sounds,
            augment,
            &Device::flex().autodiff(),
        )?;
        let labels: Vec<Vec<u32>> = numbers
            .iter()
            .map(|&number| self.transcripts[number].clone())
            .collect();
        let tokens = labels.iter().map(Vec::len).sum();
        let out = model.loss(frames, labels, Some(key.fold(1)))?;
        // What is too short for its transcript teaches nothing.
        let finite = out.nll.iter().filter(|nll| **nll != f32::INFINITY);
        Ok(BatchLoss {
            nats: finite.map(|&nll| f64::from(nll)).sum(),
            tokens,
            loss: out.loss,
            rate: 1.0,
        })
    }

    fn validate(&mut self, model: &AcousticModel) -> Result<Metrics, Error> {
        measure(
            model,
            &self.corpus.features,
            &self.labels,
            &self.corpus.valid,
        )
    }

    fn criterion(&self) -> &'static str {
        "cer"
    }

    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for (sound, text) in self
            .corpus
            .train
            .sounds
            .iter()
            .zip(&self.corpus.train.transcripts)
        {
            let (Sound::Samples(values) | Sound::Frames(values)) = sound;
            hash.update((values.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        hex(hash)
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
    let all = sounds.enumerate().map(|(index, sound)| {
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
    let frames = frames(features, sounds, None, &Device::flex())?;
    let (scores, lengths) = model.log_probabilities(frames)?;
    let [_, time, classes] = scores.dims();
    let scores = floats(scores);
    let rows = scores.chunks((time * classes).max(1)).zip(lengths);
    Ok(rows
        .map(|(row, length)| row[..length * classes].to_vec())
        .collect())
}

/// What the classes stand for: the characters, and behind them the blank.
///
/// # Errors
/// A character that is white space but not the space.
pub(super) fn labels(vocabulary: &Vocabulary) -> Result<Labels, Error> {
    let blank = vocabulary.len() as u32;
    let mut texts: Vec<String> = (0..blank)
        .map(|id| vocabulary.token(id).unwrap_or_default())
        .collect();
    let space = texts.iter().position(|text| text == " ");
    texts.push(String::new());
    Ok(Labels::new(texts, blank, space.map(|id| id as u32))?)
}

/// The labels of the likeliest path.
pub(super) fn best_path(
    labels: &Labels,
    log_probabilities: &[f32],
) -> Result<Vec<LabelSpan>, Error> {
    let found = greedy(log_probabilities, labels.vocabulary(), labels.blank())?;
    Ok(found.labels)
}

/// Error rates of a part in percent.
pub(super) fn measure(
    model: &AcousticModel,
    features: &Features,
    labels: &Labels,
    part: &Part,
) -> Result<Metrics, Error> {
    /// Utterances that are read at once.
    const MEASURED: usize = 16;
    let (mut characters, mut words) = (ErrorRate::new(), ErrorRate::new());
    for batch in part.batches(MEASURED, 0) {
        let sounds = batch.iter().map(|&number| &part.sounds[number]);
        let scores = log_probabilities(model, features, sounds)?;
        for (number, scores) in batch.iter().zip(scores) {
            let path = best_path(labels, &scores)?;
            let got = labels.join(path.iter().map(|span| span.label));
            let reference = &part.transcripts[*number];
            characters.add_characters(reference, &got);
            words.add_words(reference, &got);
        }
    }
    let percent = |rate: Option<f64>| 100.0 * rate.unwrap_or(0.0);
    Ok(Metrics::from([
        ("cer".into(), percent(characters.rate())),
        ("wer".into(), percent(words.rate())),
        ("ser".into(), percent(words.sentence_rate())),
    ]))
}
