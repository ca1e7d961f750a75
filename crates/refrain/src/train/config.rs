//! The `[train]` part of a recipe.

use super::{AverageConfig, OptimizerConfig, ScheduleConfig};
use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Most epochs of a run; each is counted before it begins.
const MOST_EPOCHS: u64 = 1_000_000;

/// Settings of the training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Sequences side by side, `B`.
    pub batch: usize,
    /// Passes over the training data.
    pub epochs: u64,
    /// Largest global norm of the gradient; 0 means no limit.
    pub clip: f64,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Number of threads; missing: all cores. The result has the same bits for any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// Model folder whose parameters this run starts from, as far as names and shapes fit; missing: random initial
    /// values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<PathBuf>,
    /// Wall time between checkpoints in seconds. The end of each epoch writes one in any case.
    pub checkpoint_every_seconds: f64,
    /// Updates between two `step` lines in `train.jsonl`.
    pub log_every: u64,
    /// The update rule.
    pub optimizer: OptimizerConfig,
    /// Learning rate over time.
    pub schedule: ScheduleConfig,
    /// Averages of the weights.
    pub average: AverageConfig,
    /// Stop when validation no longer improves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
}

/// Condition for an early stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// Training ends after this many epochs in a row without a better validation.
    pub patience: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            batch: 32,
            epochs: 10,
            clip: 1.0,
            seed: 1,
            threads: None,
            init: None,
            checkpoint_every_seconds: 30.0,
            log_every: 20,
            optimizer: OptimizerConfig::default(),
            schedule: ScheduleConfig::default(),
            average: AverageConfig::default(),
            early_stopping: None,
        }
    }
}

impl TrainConfig {
    /// # Errors
    /// The first invalid setting.
    pub fn check(&self) -> Result<(), Error> {
        let least_one = [
            ("batch", self.batch as u64),
            ("epochs", self.epochs),
            ("log_every", self.log_every),
            ("threads", self.threads.unwrap_or(1) as u64),
            (
                "early_stopping.patience",
                self.early_stopping.map_or(1, |e| e.patience),
            ),
        ];
        if let Some((name, _)) = least_one.iter().find(|(_, value)| *value == 0) {
            return Err(Error::Config(format!(
                "train.{name} is 0; it must be at least 1"
            )));
        }
        if self.epochs > MOST_EPOCHS {
            return Err(Error::Config(format!(
                "train.epochs is {}; at most {MOST_EPOCHS} are possible",
                self.epochs
            )));
        }
        let least_zero = [
            ("clip", self.clip),
            ("checkpoint_every_seconds", self.checkpoint_every_seconds),
        ];
        if let Some((name, value)) = least_zero.iter().find(|(_, x)| !x.is_finite() || *x < 0.0) {
            return Err(Error::Config(format!(
                "train.{name} is {value}; it must be at least 0"
            )));
        }
        self.optimizer.check()?;
        self.schedule.check()?;
        self.average.check()
    }
}
