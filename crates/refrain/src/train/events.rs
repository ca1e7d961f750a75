//! Events of a training run. The library never prints: terminals, log files and web pages show these events.

use crate::metrics::Metrics;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// An observer's answer to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Continue training.
    Continue,
    /// Save a checkpoint and stop.
    Stop,
}

/// Called with each event as it happens.
pub type Observer<'a> = &'a mut dyn FnMut(&Event) -> Control;

/// Reason for the end of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// All epochs are done.
    Done,
    /// Validation has not improved for as long as the recipe allows.
    EarlyStopping,
    /// An observer requested it; the run can be resumed.
    Asked,
}

/// Units of the loss and of the speed of a training.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// The form in which the loss is shown.
    pub loss: LossUnit,
    /// The items counted for speed, e.g. "tokens".
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
    /// Nats, unchanged.
    Nats,
    /// An error that spans many orders of magnitude.
    Error,
}

impl Unit {
    /// Combines a form of the loss with items such as "tokens".
    pub fn new(loss: LossUnit, items: &str) -> Self {
        Self {
            loss,
            items: items.to_string(),
        }
    }
}

/// One event; a line of `train.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Training starts or continues.
    Started {
        /// The task's name.
        task: String,
        /// Trainable numbers in the model.
        parameters: usize,
        /// Epochs of the recipe.
        epochs: u64,
        /// Updates in all epochs.
        steps: u64,
        /// The last step before a resumed run continues.
        resumed: Option<u64>,
        /// Known bounds, e.g. `true_bits_per_character`.
        reference: Metrics,
        /// Units of loss and speed.
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
        /// Epoch, from 1.
        epoch: u64,
        /// Step from 1, over all epochs.
        step: u64,
        /// Batch from 1, in this epoch.
        batch: usize,
        /// Number of batches in this epoch.
        batches: usize,
        /// Mean over the batch, nats per token.
        loss: f64,
        /// Tokens (or frames) in the batch.
        tokens: usize,
        /// Global norm before clipping.
        gradient_norm: f64,
        /// Learning rate of this update.
        learning_rate: f64,
        /// Wall time of this step.
        seconds: f64,
    },
    /// An update was skipped.
    Skipped {
        /// Epoch, from 1.
        epoch: u64,
        /// Step, from 1.
        step: u64,
        /// The value that was not finite.
        reason: String,
        /// Updates skipped in a row.
        in_a_row: u32,
    },
    /// An epoch ended, and the model was validated.
    Validated {
        /// Epoch, from 1.
        epoch: u64,
        /// Updates so far.
        step: u64,
        /// Mean over the epoch, nats per token.
        train_loss: f64,
        /// The task's figures.
        metrics: Metrics,
        /// Whether the metrics are the best so far; the model was then saved.
        best: bool,
        /// Wall time of the validation.
        seconds: f64,
    },
    /// Averaging of the weights starts here.
    AveragingStarted {
        /// Epoch, from 1.
        epoch: u64,
        /// Updates so far.
        step: u64,
    },
    /// The mean of the best epochs was validated at the end.
    BestAveraged {
        /// The epochs, from 1.
        epochs: Vec<u64>,
        /// The task's figures of the mean.
        metrics: Metrics,
        /// Whether it is better than the best of them; it was then saved.
        best: bool,
    },
    /// A checkpoint was written.
    Checkpointed {
        /// Epoch, from 1.
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
        /// Reason for the end.
        stopped: Stopped,
        /// Wall time of training, over all sessions.
        seconds: f64,
    },
    /// The best model was measured on the test set.
    Tested {
        /// The task's figures.
        metrics: Metrics,
    },
}
