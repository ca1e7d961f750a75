//! Progress of a training run: all of its state that is not a tensor.

use super::{Schedule, ScheduleConfig, Stopped};
use crate::metrics::Metrics;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Position, history and figures of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Epochs done.
    pub epoch: u64,
    /// Batches of the current epoch done.
    pub batch: usize,
    /// Batches done in all epochs, skipped updates included.
    pub step: u64,
    /// Updates that the optimizer made.
    pub updates: u64,
    /// Points in the average of the weights.
    pub averaged: u64,
    /// Whether the average has begun.
    pub averaging: bool,
    /// State of the learning rate schedule.
    pub schedule: Schedule,
    /// The validation metric of each epoch, negated if it is better the higher it is.
    pub history: Vec<f64>,
    /// The lowest entry of the history.
    pub best: Option<f64>,
    /// All figures of that epoch.
    pub best_metrics: Metrics,
    /// Epochs since the best one.
    pub waited: u64,
    /// Loss of this epoch so far, summed over tokens, nats.
    pub nats: f64,
    /// Tokens of this epoch so far.
    pub tokens: u64,
    /// Updates skipped in a row.
    pub skipped: u32,
    /// Length of `train.jsonl`.
    pub log_bytes: u64,
    /// Wall time of training so far.
    pub seconds: f64,
    /// Reason for the end, once training has ended.
    pub stopped: Option<Stopped>,
    /// Fingerprint of the training data: a run continues only with the same data.
    pub fingerprint: String,
    /// The folder of the data, for a resumed run.
    pub data: Option<PathBuf>,
}

impl Progress {
    /// Progress at the start.
    pub fn new(schedule: ScheduleConfig, fingerprint: String, data: Option<PathBuf>) -> Self {
        Self {
            epoch: 0,
            batch: 0,
            step: 0,
            updates: 0,
            averaged: 0,
            averaging: false,
            schedule: Schedule::new(schedule),
            history: Vec::new(),
            best: None,
            best_metrics: Metrics::new(),
            waited: 0,
            nats: 0.0,
            tokens: 0,
            skipped: 0,
            log_bytes: 0,
            seconds: 0.0,
            stopped: None,
            fingerprint,
            data,
        }
    }

    /// Whether the validation of any epoch gave a finite number.
    pub fn has_number(&self) -> bool {
        self.best.is_some_and(|best| best < f64::MAX)
    }

    /// Records the end of an epoch; returns whether it was the best so far.
    pub fn end_epoch(&mut self, criterion: f64, metrics: &Metrics) -> bool {
        // JSON cannot represent infinity.
        let criterion = if criterion.is_finite() {
            criterion
        } else {
            f64::MAX
        };
        self.epoch += 1;
        self.batch = 0;
        self.nats = 0.0;
        self.tokens = 0;
        self.history.push(criterion);
        self.schedule.observe(criterion);
        let best = self.improves(criterion, metrics);
        self.waited = if best { 0 } else { self.waited + 1 };
        best
    }

    /// Takes figures over if their criterion is better than the best so far; returns whether it is.
    pub fn improves(&mut self, criterion: f64, metrics: &Metrics) -> bool {
        let best = criterion.is_finite() && self.best.is_none_or(|best| criterion < best);
        if best {
            self.best = Some(criterion);
            let finite = metrics.iter().filter(|(_, x)| x.is_finite());
            self.best_metrics = finite.map(|(k, x)| (k.clone(), *x)).collect();
        }
        best
    }
}
