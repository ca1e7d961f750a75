//! A language model that writes: one token in, scores for the next one out, for one session or for many at once.

use super::language_model::{LanguageModel, State};
use crate::error::Error;
use crate::layers::Recurrent;
use crate::ops::floats;
use crate::params::NamedTensor;
use burn::tensor::Device;
use refrain_kernels::{LinearWeights, StepScratch, StepState, StepWeights};
use serde::{Deserialize, Serialize};

/// The weights of a language model, packed once for any number of sessions. A session's scores have the same bits alone
/// and in any batch (`f32`).
pub struct Generator {
    engine: Engine,
    vocabulary: usize,
}

enum Engine {
    Packed(Packed),
    /// Layers that the step kernels do not know, run on the model itself.
    Composed(Box<LanguageModel>),
}

/// Weights packed for steps.
struct Packed {
    layers: Vec<StepWeights>,
    /// `[V,C]`
    embedding: Vec<f32>,
    features: usize,
    output: LinearWeights,
}

/// The recurrent state of one session: plain data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorState {
    /// h and c of each layer, by name, as PyTorch's shapes have them; empty before the first token of a composed model.
    tensors: Vec<StoredTensor>,
}

/// A tensor of a state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredTensor {
    name: String,
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl From<NamedTensor> for StoredTensor {
    fn from(NamedTensor { name, shape, data }: NamedTensor) -> Self {
        Self { name, shape, data }
    }
}

/// Buffers of a step; they grow with the largest batch so far.
#[derive(Clone, Debug, Default)]
pub struct GeneratorScratch(StepScratch);

impl LanguageModel {
    /// A copy for writing text, token by token.
    ///
    /// # Errors
    /// A cell that cannot run one step at a time.
    pub fn generator(&self) -> Result<Generator, Error> {
        let weight = self.embedding.weight.val();
        let [vocabulary, features] = weight.dims();
        if self.rnn.variant().changes_inference() {
            return Ok(Generator::composed(self.clone()));
        }
        let embedding = floats(weight);
        let output = self.output.weight.as_ref().map(|w| floats(w.val()));
        let bias = floats(self.output.bias.val());
        Generator::new(&self.rnn, embedding, output, &bias, [vocabulary, features])
    }
}

impl Generator {
    fn new(
        rnn: &Recurrent,
        embedding: Vec<f32>,
        output: Option<Vec<f32>>,
        bias: &[f32],
        [vocabulary, features]: [usize; 2],
    ) -> Result<Self, Error> {
        let layers = rnn.step_weights()?;
        let last = layers.last().map_or(features, StepWeights::hidden);
        let weight = output.as_ref().unwrap_or(&embedding);
        Ok(Self {
            engine: Engine::Packed(Packed {
                output: LinearWeights::new(weight, Some(bias), last, vocabulary)?,
                layers,
                embedding,
                features,
            }),
            vocabulary,
        })
    }

    fn composed(model: LanguageModel) -> Self {
        Self {
            vocabulary: model.vocabulary(),
            engine: Engine::Composed(Box::new(model)),
        }
    }

    /// Tokens `V`.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// The state before the first token.
    pub fn start(&self) -> GeneratorState {
        let tensors = match &self.engine {
            Engine::Composed(..) => Vec::new(),
            Engine::Packed(packed) => {
                let layers = packed.layers.iter().enumerate();
                let zeros = layers.flat_map(|(l, layer)| {
                    let StepState { h, c } = layer.zeros();
                    [stored("h", l, h), stored("c", l, c)]
                });
                zeros.collect()
            }
        };
        GeneratorState { tensors }
    }

    /// Whether a state, e.g. one that was read from bytes, belongs to this model.
    ///
    /// # Errors
    /// A state of other sizes, or with values that are not numbers.
    pub fn check(&self, state: &GeneratorState) -> Result<(), Error> {
        let own = match &self.engine {
            Engine::Packed(_) => self.start().tensors,
            Engine::Composed(_) if state.tensors.is_empty() => Vec::new(),
            Engine::Composed(model) => {
                // The state after a token has the sizes of all later ones.
                let (_, after) = model.read(0, None)?;
                after.export().into_iter().map(StoredTensor::from).collect()
            }
        };
        let sizes = |tensors: &[StoredTensor]| -> Vec<(String, Vec<usize>, usize)> {
            let size = |own: &StoredTensor| (own.name.clone(), own.shape.clone(), own.data.len());
            tensors.iter().map(size).collect()
        };
        if sizes(&own) != sizes(&state.tensors) {
            return Err(Error::State("it belongs to a model of other sizes".into()));
        }
        let broken = state.tensors.iter().flat_map(|own| &own.data);
        match broken.clone().all(|x| x.is_finite()) {
            true => Ok(()),
            false => Err(Error::State("it holds values that are not numbers".into())),
        }
    }

    /// Reads token `id`; gives the logits `[V]` of the next one.
    ///
    /// # Errors
    /// An id that is not below `V`, or a state of another model.
    pub fn step(
        &self,
        id: u32,
        state: &mut GeneratorState,
        scratch: &mut GeneratorScratch,
    ) -> Result<Vec<f32>, Error> {
        self.step_many(&[id], &mut [state], scratch)
    }

    /// Reads one token in each of `K` sessions; gives the logits `[K,V]` of the next ones.
    ///
    /// # Errors
    /// An id that is not below `V`, a state of another model, or another number of ids than states.
    pub fn step_many(
        &self,
        ids: &[u32],
        states: &mut [&mut GeneratorState],
        scratch: &mut GeneratorScratch,
    ) -> Result<Vec<f32>, Error> {
        if ids.len() != states.len() {
            return Err(Error::Config(format!(
                "{} tokens for {} sessions",
                ids.len(),
                states.len()
            )));
        }
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.vocabulary) {
            return Err(Error::Config(format!(
                "token {id} is outside the vocabulary of {}",
                self.vocabulary
            )));
        }
        match &self.engine {
            Engine::Packed(packed) => packed.step(ids, states, scratch, self.vocabulary),
            Engine::Composed(model) => {
                let mut logits = Vec::with_capacity(ids.len() * self.vocabulary);
                for (id, state) in ids.iter().zip(states) {
                    let before = match state.tensors.is_empty() {
                        true => None,
                        false => Some(self.lift(state)?),
                    };
                    let (own, after) = model.read(*id, before)?;
                    logits.extend(own);
                    let after = after.export().into_iter();
                    state.tensors = after.map(StoredTensor::from).collect();
                }
                Ok(logits)
            }
        }
    }

    /// The state of a composed model as tensors.
    fn lift(&self, state: &GeneratorState) -> Result<State, Error> {
        let tensors = state.tensors.iter().cloned();
        let tensors: Vec<NamedTensor> = tensors
            .map(|StoredTensor { name, shape, data }| NamedTensor { name, shape, data })
            .collect();
        State::import(&tensors, &Device::flex())
    }
}

fn stored(name: &str, layer: usize, data: Vec<f32>) -> StoredTensor {
    StoredTensor {
        name: format!("{name}_l{layer}"),
        shape: vec![1, 1, data.len()],
        data,
    }
}

impl Packed {
    fn step(
        &self,
        ids: &[u32],
        states: &mut [&mut GeneratorState],
        scratch: &mut GeneratorScratch,
        vocabulary: usize,
    ) -> Result<Vec<f32>, Error> {
        let layers = self.layers.len();
        if states.iter().any(|state| state.tensors.len() != 2 * layers) {
            return Err(Error::State("it belongs to a model of other sizes".into()));
        }
        let mut xs: Vec<Vec<f32>> = ids
            .iter()
            .map(|&id| self.embedding[id as usize * self.features..][..self.features].to_vec())
            .collect();
        for (l, layer) in self.layers.iter().enumerate() {
            let mut own: Vec<StepState> = states
                .iter_mut()
                .map(|state| StepState {
                    h: std::mem::take(&mut state.tensors[2 * l].data),
                    c: std::mem::take(&mut state.tensors[2 * l + 1].data),
                })
                .collect();
            let mut rows: Vec<_> = xs.iter().map(Vec::as_slice).zip(&mut own).collect();
            let stepped = layer.step_many(&mut rows, &mut scratch.0);
            for ((state, own), x) in states.iter_mut().zip(own).zip(&mut xs) {
                x.clone_from(&own.h);
                state.tensors[2 * l].data = own.h;
                state.tensors[2 * l + 1].data = own.c;
            }
            stepped?;
        }
        let rows: Vec<&[f32]> = xs.iter().map(Vec::as_slice).collect();
        let mut logits = vec![0.0; ids.len() * vocabulary];
        self.output.apply(&rows, &mut logits)?;
        Ok(logits)
    }
}
