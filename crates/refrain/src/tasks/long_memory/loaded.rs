//! A trained model of a long-memory task: rows of numbers in, an answer out.

use super::MemoryRecipe;
use crate::error::Error;
use crate::models::SequenceModel;
use crate::store::ModelFolder;
use crate::tasks::media::wrong_medium;
use crate::tasks::run::load_model;
use crate::tasks::{Medium, Numbers, Piece, Ports, Receiver, Session, Site, Use};
use refrain_data::long_memory::{Problem, Sequences, Source, Targets};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Most rows of one sequence.
const LONGEST: usize = 1 << 20;

/// A trained sequence model.
pub struct Loaded {
    /// The model, on a device without autodiff.
    pub model: SequenceModel,
    /// The recipe of the training.
    pub recipe: MemoryRecipe,
    task: &'static str,
    /// Seed of the training; it determines the data.
    seed: u64,
}

impl Loaded {
    pub(super) fn open(
        folder: &ModelFolder,
        recipe: MemoryRecipe,
        task: &'static str,
        site: &Site,
    ) -> Result<Self, Error> {
        let sizes = [recipe.data.features(), recipe.data.outputs()];
        let config = &recipe.model;
        let model = load_model(folder, config.parameters(sizes), || {
            config.init(sizes, 0, &site.device())
        })?;
        Ok(Self {
            model: match site.precision {
                Some(precision) => model.with_precision(precision),
                None => model,
            },
            task,
            seed: folder.recipe().train.seed,
            recipe,
        })
    }

    /// The sequences of the recipe.
    ///
    /// # Errors
    /// Data that is missing.
    pub fn source(&self, site: &Site) -> Result<Source, Error> {
        Ok(Source::new(&self.recipe.data, self.seed, &site.data)?)
    }

    /// The answer `[N,V]` to a sequence `[T,C]`: the sum, the probabilities of the classes, or those of the symbols at
    /// each step.
    fn answer(&self, rows: Vec<f32>) -> Result<Numbers, Error> {
        let features = self.recipe.data.features();
        let time = rows.len() / features;
        let (x, targets) = match self.recipe.data {
            Problem::Adding { .. } => (rows, Targets::Number(vec![0.0])),
            Problem::Copy { .. } => (rows, Targets::Symbols(vec![0; time])),
            Problem::Mnist { .. } => {
                let order = self.recipe.data.pixel_order(self.seed);
                if rows.len() != order.len() {
                    return Err(Error::Config(format!(
                        "a picture has {} pixels, {} were given",
                        order.len(),
                        rows.len()
                    )));
                }
                let x = order.iter().map(|&pixel| rows[pixel]).collect();
                (x, Targets::Class(vec![0]))
            }
        };
        let sequences = Sequences {
            batch: 1,
            time,
            features,
            x,
            targets,
        };
        let mut values = self.model.scores(&sequences)?;
        let columns = self.recipe.data.outputs();
        if columns > 1 {
            values.chunks_mut(columns).for_each(softmax);
        }
        Ok(Numbers { values, columns })
    }
}

fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|x| *x = (*x - largest).exp());
    let sum: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|x| *x /= sum);
}

impl Use for Loaded {
    fn ports(&self) -> Ports {
        Ports {
            takes: Medium::Numbers,
            gives: Medium::Numbers,
            latency: None,
        }
    }

    fn begin(self: Arc<Self>) -> Result<Box<dyn Session>, Error> {
        Ok(Box::new(MemorySession {
            loaded: self,
            state: State::default(),
        }))
    }

    fn restore(self: Arc<Self>, state: &[u8]) -> Result<Box<dyn Session>, Error> {
        let state: State = serde_json::from_slice(state)
            .map_err(|e| Error::State(format!("it cannot be read ({e})")))?;
        let features = self.recipe.data.features();
        if !state.rows.len().is_multiple_of(features) || state.rows.len() / features > LONGEST {
            return Err(Error::State(format!(
                "{} numbers do not divide into rows of {features}",
                state.rows.len()
            )));
        }
        Ok(Box::new(MemorySession {
            loaded: self,
            state,
        }))
    }
}

/// A sequence in progress.
struct MemorySession {
    loaded: Arc<Loaded>,
    state: State,
}

/// The rows so far, `[T,C]`.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    rows: Vec<f32>,
}

impl Session for MemorySession {
    fn push(&mut self, piece: Piece, _: Receiver) -> Result<(), Error> {
        let Piece::Numbers(Numbers { values, columns }) = piece else {
            return Err(wrong_medium(Medium::Numbers, &piece));
        };
        let features = self.loaded.recipe.data.features();
        if columns != features {
            return Err(Error::Config(format!(
                "a row of {columns} numbers; this model of the task \"{}\" reads rows of {features}",
                self.loaded.task
            )));
        }
        if !values.len().is_multiple_of(features) {
            return Err(Error::Config(format!(
                "{} numbers are not whole rows of {features}",
                values.len()
            )));
        }
        if let Some(at) = values.iter().position(|x| !x.is_finite()) {
            return Err(Error::Config(format!(
                "number {} of the row is {}; finite numbers are needed",
                at % features + 1,
                values[at]
            )));
        }
        if (self.state.rows.len() + values.len()) / features > LONGEST {
            return Err(Error::Config(format!(
                "a sequence of more than {LONGEST} rows; cut it"
            )));
        }
        self.state.rows.extend(values);
        Ok(())
    }

    fn finish(&mut self, give: Receiver) -> Result<(), Error> {
        let rows = std::mem::take(&mut self.state.rows);
        if rows.is_empty() {
            return Err(Error::Config(
                "the sequence is empty; give rows of numbers".into(),
            ));
        }
        give(Piece::Numbers(self.loaded.answer(rows)?));
        Ok(())
    }

    fn store(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(&self.state).map_err(|e| Error::State(e.to_string()))
    }
}
