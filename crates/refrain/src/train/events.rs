//! What happens while a model trains. The library never prints: a terminal, a log file and a page each show these.

use crate::metrics::Metrics;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What an observer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Save a checkpoint and stop.
    Stop,
}

/// Told of each event as it happens.
pub type Observer<'a> = &'a mut dyn FnMut(&Event) -> Control;

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// All epochs are done.
    Done,
    /// Validation has not improved for as long as the recipe allows.
    EarlyStopping,
    /// An observer asked for it; the run can be resumed.
    Asked,
}

/// How the loss of a training reads, and how its speed is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// The form in which the loss is shown.
    pub loss: LossUnit,
    /// The items that speed counts, e.g. "tokens".
    pub items: String,
}

/// Forms of a loss in nats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossUnit {
    /// Bits: log2.
    Bits,
    /// exp of the loss.
    Perplexity,
    /// Nats as they are.
    Nats,
    /// An error over many orders of magnitude.
    Error,
}

impl Unit {
    /// A form of the loss, and items such as "tokens".
    pub fn new(loss: LossUnit, items: &str) -> Self {
        Self {
            loss,
            items: items.to_string(),
        }
    }
}

/// One thing that happened; a line of `train.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Training begins, or goes on.
    Started {
        /// The task's name.
        task: String,
        /// Trainable numbers in the model.
        parameters: usize,
        /// Epochs that the recipe asks for.
        epochs: u64,
        /// Updates in all of them.
        steps: u64,
        /// The step that a resumed run goes on after.
        resumed: Option<u64>,
        /// Known bounds, e.g. `true_bits_per_character`.
        reference: Metrics,
        /// How loss and speed are shown.
        unit: Unit,
    },
    /// Parameters were taken from another model.
    Inherited {
        /// Its folder.
        from: PathBuf,
        /// Tensors that fit.
        tensors: usize,
        /// Tensors of the model.
        of: usize,
        /// The reason why the others did not fit, where the task knows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// One update. The log holds every n-th.
    Step {
        /// From 1.
        epoch: u64,
        /// From 1, over all epochs.
        step: u64,
        /// From 1, in this epoch.
        batch: usize,
        /// In this epoch.
        batches: usize,
        /// Mean over the batch, nats per token.
        loss: f64,
        /// Tokens (or frames) in the batch.
        tokens: usize,
        /// Global norm before clipping.
        gradient_norm: f64,
        /// What this update used.
        learning_rate: f64,
        /// Wall time of this step.
        seconds: f64,
    },
    /// An update was left out.
    Skipped {
        /// From 1.
        epoch: u64,
        /// From 1.
        step: u64,
        /// What was not a number.
        reason: String,
        /// How many were left out one after the other.
        in_a_row: u32,
    },
    /// An epoch ended with a look at the validation set.
    Validated {
        /// From 1.
        epoch: u64,
        /// Updates so far.
        step: u64,
        /// Mean over the epoch, nats per token.
        train_loss: f64,
        /// The task's figures.
        metrics: Metrics,
        /// Whether this is the best so far: then the model was saved.
        best: bool,
        /// Wall time of the validation.
        seconds: f64,
    },
    /// The average of the weights begins here.
    AveragingStarted {
        /// From 1.
        epoch: u64,
        /// Updates so far.
        step: u64,
    },
    /// Everything was saved.
    Checkpointed {
        /// From 1.
        epoch: u64,
        /// Updates so far.
        step: u64,
        /// Size of the file.
        bytes: u64,
    },
    /// Training ended.
    Finished {
        /// Updates in all.
        step: u64,
        /// Why.
        stopped: Stopped,
        /// Wall time of training, over all sittings.
        seconds: f64,
    },
    /// The best model met the test set.
    Tested {
        /// The task's figures.
        metrics: Metrics,
    },
}
