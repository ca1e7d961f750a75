//! Learning rate over time.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Rules for the learning rate. Each gives a factor of the optimizer's `lr`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ScheduleConfig {
    /// Always 1.
    Constant {},
    /// 1 for `hold` epochs, then multiplied by `factor` at the start of each one (Zaremba et al. 2014).
    Step {
        /// Epochs at the full rate.
        hold: u64,
        /// Per epoch afterwards.
        factor: f64,
    },
    /// Linear from 0 to 1 during `warmup`, then half a cosine down to `last` (Loshchilov & Hutter 2017).
    Cosine {
        /// Fraction of all steps, 0 to 1.
        #[serde(default)]
        warmup: f64,
        /// Factor at the end.
        #[serde(default)]
        last: f64,
    },
    /// Half a cosine up from `1/start` to 1 during `warmup`, then half a cosine down to `1/(start·end)` (Smith & Topin
    /// 2018, as PyTorch's `OneCycleLR` with cosine annealing).
    OneCycle {
        /// Fraction of all steps.
        #[serde(default = "third")]
        warmup: f64,
        /// Divisor at the start.
        #[serde(default = "twenty_five")]
        start: f64,
        /// Further divisor at the end.
        #[serde(default = "ten_thousand")]
        end: f64,
    },
    /// Multiplied by `factor` whenever validation has not improved for more than `patience` epochs.
    Plateau {
        /// Factor of each reduction.
        factor: f64,
        /// Epochs without improvement that are tolerated.
        #[serde(default)]
        patience: u64,
        /// Smallest relative improvement that counts.
        #[serde(default)]
        threshold: f64,
    },
}

fn third() -> f64 {
    0.3
}

fn twenty_five() -> f64 {
    25.0
}

fn ten_thousand() -> f64 {
    1e4
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self::Constant {}
    }
}

impl ScheduleConfig {
    /// # Errors
    /// A fraction outside `[0,1]`, or a factor or divisor that is not positive.
    pub fn check(&self) -> Result<(), Error> {
        let positive = |name: &str, x: f64| match x.is_finite() && x > 0.0 {
            true => Ok(()),
            false => Err(Error::Config(format!(
                "train.schedule.{name} is {x}; it must be a positive number"
            ))),
        };
        let fraction = |name: &str, x: f64| match (0.0..=1.0).contains(&x) {
            true => Ok(()),
            false => Err(Error::Config(format!(
                "train.schedule.{name} is {x}; it must lie between 0 and 1"
            ))),
        };
        match *self {
            Self::Constant {} => Ok(()),
            Self::Step { factor, .. } => positive("factor", factor),
            Self::Cosine { warmup, last } => {
                fraction("warmup", warmup).and_then(|()| fraction("last", last))
            }
            Self::OneCycle { warmup, start, end } => fraction("warmup", warmup)
                .and_then(|()| positive("start", start))
                .and_then(|()| positive("end", end)),
            Self::Plateau {
                factor, threshold, ..
            } => positive("factor", factor).and_then(|()| fraction("threshold", threshold)),
        }
    }
}

/// State of a plateau schedule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Memory {
    factor: f64,
    best: Option<f64>,
    waited: u64,
}

/// A schedule at work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    config: ScheduleConfig,
    memory: Memory,
}

impl Schedule {
    /// A schedule at the start of training.
    pub fn new(config: ScheduleConfig) -> Self {
        let memory = Memory {
            factor: 1.0,
            best: None,
            waited: 0,
        };
        Self { config, memory }
    }

    /// Factor of the learning rate at `step` of `steps` (from 0), in `epoch` (from 0).
    pub fn factor(&self, epoch: u64, step: u64, steps: u64) -> f64 {
        let last_step = steps.saturating_sub(1).max(1) as f64;
        let done = (step as f64 / last_step).min(1.0);
        match self.config {
            ScheduleConfig::Constant {} => 1.0,
            ScheduleConfig::Step { hold, factor } => {
                factor.powi((epoch + 1).saturating_sub(hold) as i32)
            }
            ScheduleConfig::Cosine { warmup, last } => {
                let rising = warmup * steps as f64;
                match (step as f64) < rising {
                    true => (step + 1) as f64 / rising.max(1.0),
                    false => anneal(1.0, last, phase(done, warmup)),
                }
                .min(1.0)
            }
            ScheduleConfig::OneCycle { warmup, start, end } => {
                // PyTorch: the peak lies at step `warmup·steps − 1`.
                let peak = ((warmup * steps as f64 - 1.0) / last_step).clamp(0.0, 1.0);
                match done <= peak && peak > 0.0 {
                    true => anneal(1.0 / start, 1.0, done / peak),
                    false => anneal(1.0, 1.0 / (start * end), phase(done, peak)),
                }
            }
            ScheduleConfig::Plateau { .. } => self.memory.factor,
        }
    }

    /// Tells the schedule the validation metric of an epoch; lower is better.
    pub fn observe(&mut self, metric: f64) {
        let ScheduleConfig::Plateau {
            factor,
            patience,
            threshold,
        } = self.config
        else {
            return;
        };
        let memory = &mut self.memory;
        if memory
            .best
            .is_none_or(|best| metric < best - best.abs() * threshold)
        {
            memory.best = metric.is_finite().then_some(metric);
            memory.waited = 0;
            return;
        }
        memory.waited += 1;
        if memory.waited > patience {
            memory.factor *= factor;
            memory.waited = 0;
        }
    }
}

/// Position of `done` between `from` and 1, as a fraction.
fn phase(done: f64, from: f64) -> f64 {
    match from < 1.0 {
        true => ((done - from) / (1.0 - from)).clamp(0.0, 1.0),
        false => 1.0,
    }
}

/// Half a cosine from `a` to `b`.
fn anneal(a: f64, b: f64, phase: f64) -> f64 {
    b + (a - b) / 2.0 * (1.0 + (PI * phase).cos())
}
