//! The course of a run, from its `train.jsonl`.

use crate::lines::Lines;
use crate::terminal::typed;
use anyhow::{Context, Result, bail};
use refrain::metrics::Metric;
use refrain::train::{LossUnit, Unit};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The part of an event that is drawn. JSON has no infinity: such a figure is `null` in the log.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Started {
        epochs: u64,
        reference: BTreeMap<String, Option<f64>>,
        unit: Unit,
    },
    Step(Step),
    Validated(Validated),
    Finished {
        seconds: f64,
    },
    #[serde(other)]
    Other,
}

/// An update that was logged.
#[derive(Deserialize)]
pub struct Step {
    epoch: u64,
    /// From 1, over all epochs.
    pub step: u64,
    batch: u64,
    batches: u64,
    /// Nats.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
}

impl Step {
    /// Its place, in epochs or in steps.
    pub fn at(&self, epochs: bool) -> f64 {
        match epochs {
            true => {
                let whole = self.epoch.saturating_sub(1) as f64;
                whole + self.batch as f64 / self.batches.max(1) as f64
            }
            false => self.step as f64,
        }
    }
}

/// The end of an epoch.
#[derive(Deserialize)]
pub struct Validated {
    /// From 1.
    pub epoch: u64,
    /// Updates so far.
    pub step: u64,
    /// The task's figures; `None` for one that is not a finite number.
    pub metrics: BTreeMap<String, Option<f64>>,
    best: bool,
}

fn number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(from)?.unwrap_or(f64::NAN))
}

/// The course of a run.
#[derive(Default)]
pub struct History {
    /// Epochs that were asked for.
    pub epochs: u64,
    /// The form of its loss; `None` before its start.
    pub unit: Option<LossUnit>,
    /// Updates that were logged.
    pub steps: Vec<Step>,
    /// Ends of epochs.
    pub validated: Vec<Validated>,
    /// Wall time, once it stopped.
    pub seconds: Option<f64>,
    reference: BTreeMap<String, Option<f64>>,
}

impl History {
    /// Reads a log. A last line that is being written is left out.
    ///
    /// # Errors
    /// A log that is missing or damaged.
    pub fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            bail!(
                "{} is missing: a packed model has no log; give the folder that `refrain train` wrote",
                typed(path)
            );
        }
        let mut history = Self::default();
        let mut lines = Lines::open(path)?;
        while let Some(line) = lines.read()? {
            if !lines.ended() {
                break;
            }
            let event = serde_json::from_str(&line);
            history.add(event.with_context(|| {
                let number = lines.number();
                format!(
                    "{}: line {number} is not an event; the file is damaged",
                    typed(path)
                )
            })?);
        }
        Ok(history)
    }

    fn add(&mut self, event: Event) {
        match event {
            Event::Started {
                epochs,
                reference,
                unit,
            } => {
                self.epochs = epochs;
                self.reference = reference;
                self.unit = Some(unit.loss);
                self.seconds = None;
            }
            Event::Step(step) => self.steps.push(step),
            Event::Validated(validated) => self.validated.push(validated),
            Event::Finished { seconds } => self.seconds = Some(seconds),
            Event::Other => {}
        }
    }

    /// The best epoch so far.
    pub fn best(&self) -> Option<&Validated> {
        self.validated.iter().rev().find(|own| own.best)
    }

    /// The last update that is known.
    pub fn last_step(&self) -> u64 {
        let step = self.steps.last().map_or(0, |own| own.step);
        step.max(self.validated.last().map_or(0, |own| own.step))
    }

    /// The value that the best possible model would have, where it is known.
    pub fn bound(&self, metric: &Metric) -> Option<f64> {
        self.reference.get(metric.bound?).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<History> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("train.jsonl");
        std::fs::write(&path, text)?;
        History::read(&path)
    }

    const STARTED: &str = r#"{"event":"started","task":"t","parameters":3,"epochs":2,"steps":4,"resumed":null,"reference":{"least":0.5},"unit":{"loss":"bits","items":"tokens"}}"#;
    const STEP: &str = r#"{"event":"step","epoch":2,"step":3,"batch":1,"batches":2,"loss":null,"tokens":1,"gradient_norm":1.0,"learning_rate":0.1,"seconds":0.1}"#;
    const VALIDATED: &str = r#"{"event":"validated","epoch":1,"step":2,"train_loss":1.0,"metrics":{"bits":null},"best":true,"seconds":0.1}"#;

    #[test]
    fn a_log_is_read_up_to_the_line_that_is_being_written() {
        let history = read(&format!("{STARTED}\n{VALIDATED}\n{STEP}\n{STEP}")).unwrap();
        assert_eq!((history.epochs, history.steps.len()), (2, 1));
        assert_eq!(history.unit, Some(LossUnit::Bits));
        assert!(history.steps[0].loss.is_nan());
        assert_eq!(history.steps[0].at(true), 1.5);
        assert_eq!(history.steps[0].at(false), 3.0);
        assert_eq!(history.best().unwrap().metrics["bits"], None);
        assert_eq!(history.last_step(), 3);
        let metric = Metric::new("bits", "").bound("least");
        assert_eq!(history.bound(&metric), Some(0.5));
    }

    #[test]
    fn a_damaged_line_is_named() {
        let error = read(&format!("{STARTED}\nnonsense\n")).err().unwrap();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
