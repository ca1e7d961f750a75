//! Batches, losses and figures of the long-memory tasks for the training loop.

use crate::error::Error;
use crate::metrics::Metrics;
use crate::models::SequenceModel;
use crate::tasks::Split;
use crate::train::{BatchLoss, LossUnit, Place, Trainee, Unit};
use refrain_data::long_memory::{Part, Sequences, Source, Targets};
use refrain_kernels::random::Key;

/// Sequences per measured batch.
const MEASURED: usize = 100;
/// Mean squared error of always answering 1: twice the variance of a uniform number.
const GUESSING: f64 = 1.0 / 6.0;

/// Batches and figures of a long-memory task.
pub struct MemoryTrainee {
    pub(super) task: &'static str,
    pub(super) source: Source,
    pub(super) batch: usize,
}

impl Trainee for MemoryTrainee {
    type Model = SequenceModel;

    fn name(&self) -> &'static str {
        self.task
    }

    fn batches(&mut self, epoch: u64) -> usize {
        self.source.len(Part::Train(epoch)).div_ceil(self.batch)
    }

    fn loss(&mut self, model: &SequenceModel, place: Place, key: Key) -> Result<BatchLoss, Error> {
        let part = Part::Train(place.epoch);
        let sequences = self.source.batch(part, place.batch, self.batch);
        let out = model.loss(&sequences, Some(key))?;
        Ok(BatchLoss {
            loss: out.loss,
            nats: out.each.iter().map(|&x| f64::from(x)).sum(),
            tokens: out.each.len(),
            rate: 1.0,
        })
    }

    fn validate(&mut self, model: &SequenceModel) -> Result<Metrics, Error> {
        measure(model, &self.source, Split::Validation)
    }

    fn criterion(&self) -> &'static str {
        match self.source.outputs() {
            1 => "mse",
            _ => "loss",
        }
    }

    fn unit(&self) -> Unit {
        Unit::new(LossUnit::Error, "answers")
    }

    fn test(&mut self, model: &SequenceModel) -> Result<Metrics, Error> {
        measure(model, &self.source, Split::Test)
    }

    fn reference(&self) -> Metrics {
        match self.source.outputs() {
            1 => Metrics::from([("mse_of_guessing".into(), GUESSING)]),
            _ => Metrics::new(),
        }
    }

    fn fingerprint(&self) -> String {
        self.source.fingerprint()
    }
}

/// Figures of a model on one part of the data.
pub(super) fn measure(
    model: &SequenceModel,
    source: &Source,
    split: Split,
) -> Result<Metrics, Error> {
    let part = match split {
        Split::Train => Part::Train(0),
        Split::Validation => Part::Validation,
        Split::Test => Part::Test,
    };
    let (mut sum, mut answers, mut right, mut asked) = (0.0, 0, 0, 0);
    for batch in 0..source.len(part).div_ceil(MEASURED) {
        let sequences = source.batch(part, batch, MEASURED);
        let each = model.loss(&sequences, None)?.each;
        sum += each.iter().map(|&x| f64::from(x)).sum::<f64>();
        answers += each.len();
        if let Some((of, hits)) = hits(&sequences, &model.scores(&sequences)?) {
            (asked, right) = (asked + of, right + hits);
        }
    }
    let mean = sum / answers.max(1) as f64;
    Ok(match source.outputs() {
        1 => Metrics::from([("mse".into(), mean)]),
        _ => Metrics::from([
            ("loss".into(), mean),
            (
                "accuracy".into(),
                100.0 * right as f64 / asked.max(1) as f64,
            ),
        ]),
    })
}

/// Number of answers, and of the correct ones among them. Answers are classes, or the symbols to remember.
fn hits(sequences: &Sequences, scores: &[f32]) -> Option<(usize, usize)> {
    let (wanted, silence) = match &sequences.targets {
        Targets::Number(_) => return None,
        Targets::Class(classes) => (classes, None),
        Targets::Symbols(symbols) => (symbols, Some(0)),
    };
    let outputs = scores.len() / wanted.len().max(1);
    let best = |scores: &[f32]| {
        let largest = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        largest.map_or(0, |(index, _)| index as u32)
    };
    let asked = wanted.iter().zip(scores.chunks(outputs.max(1)));
    let asked = asked.filter(|(wanted, _)| Some(**wanted) != silence);
    let hits: Vec<bool> = asked
        .map(|(wanted, scores)| best(scores) == *wanted)
        .collect();
    Some((hits.len(), hits.iter().filter(|hit| **hit).count()))
}
