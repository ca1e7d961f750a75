//! A language model that writes: one token in, scores for the next one out.

use super::language_model::{LanguageModel, State};
use crate::error::Error;
use crate::layers::Recurrent;
use crate::ops::{DirectionWeights, floats};
use refrain_kernels::{Stepper, Weights, softmax};

struct Layer {
    stepper: Stepper,
    h: Vec<f32>,
    c: Vec<f32>,
}

/// Runs a language model one token at a time; memory does not grow with the text.
pub struct Generator {
    engine: Engine,
    logits: Vec<f32>,
}

enum Engine {
    Packed(Packed),
    /// Layers that the steppers do not know.
    StepByStep(Box<LanguageModel>, Option<State>),
}

/// Weights packed once.
struct Packed {
    layers: Vec<Layer>,
    embedding: Vec<f32>,
    /// Absent where tied to the embedding.
    output: Option<Vec<f32>>,
    bias: Vec<f32>,
    features: usize,
}

impl Generator {
    pub(super) fn new(
        rnn: &Recurrent,
        embedding: Vec<f32>,
        output: Option<Vec<f32>>,
        bias: Vec<f32>,
        [vocabulary, features]: [usize; 2],
    ) -> Result<Self, Error> {
        let layers = rnn.weights().into_iter().map(|mut directions| {
            let DirectionWeights {
                w_ih,
                w_hh,
                b_ih,
                b_hh,
            } = directions.swap_remove(0);
            let [_, input] = w_ih.dims();
            let [_, hidden] = w_hh.dims();
            let (w_ih, w_hh) = (floats(w_ih), floats(w_hh));
            let (b_ih, b_hh) = (floats(b_ih), floats(b_hh));
            let weights = Weights {
                w_ih: &w_ih,
                w_hh: &w_hh,
                b_ih: Some(&b_ih),
                b_hh: Some(&b_hh),
            };
            let memory = if rnn.cell().has_memory() { hidden } else { 0 };
            Ok(Layer {
                stepper: Stepper::new(rnn.cell(), rnn.precision(), input, hidden, &weights)?,
                h: vec![0.0; hidden],
                c: vec![0.0; memory],
            })
        });
        Ok(Self {
            engine: Engine::Packed(Packed {
                layers: layers.collect::<Result<_, Error>>()?,
                embedding,
                output,
                bias,
                features,
            }),
            logits: vec![0.0; vocabulary],
        })
    }

    pub(super) fn step_by_step(model: LanguageModel) -> Self {
        Self {
            logits: vec![0.0; model.vocabulary()],
            engine: Engine::StepByStep(Box::new(model), None),
        }
    }

    /// Tokens `V`.
    pub fn vocabulary(&self) -> usize {
        self.logits.len()
    }

    /// Reads token `id`; gives the logits `[V]` of the next one.
    ///
    /// # Errors
    /// An id that is not below `V`.
    pub fn step(&mut self, id: u32) -> Result<&[f32], Error> {
        let vocabulary = self.vocabulary();
        if id as usize >= vocabulary {
            return Err(Error::Config(format!(
                "token {id} is outside the vocabulary of {vocabulary}"
            )));
        }
        self.logits = match &mut self.engine {
            Engine::Packed(packed) => packed.step(id as usize, vocabulary)?,
            Engine::StepByStep(model, state) => {
                let (logits, after) = model.read(id, state.take())?;
                *state = Some(after);
                logits
            }
        };
        Ok(&self.logits)
    }

    /// Back to the state before the first token.
    pub fn reset(&mut self) {
        match &mut self.engine {
            Engine::Packed(packed) => packed.layers.iter_mut().for_each(|layer| {
                layer.h.fill(0.0);
                layer.c.fill(0.0);
            }),
            Engine::StepByStep(_, state) => *state = None,
        }
    }
}

impl Packed {
    fn step(&mut self, id: usize, vocabulary: usize) -> Result<Vec<f32>, Error> {
        let start = id * self.features;
        let mut x = &self.embedding[start..start + self.features];
        for layer in &mut self.layers {
            layer.stepper.step(x, &mut layer.h, &mut layer.c)?;
            x = &layer.h;
        }
        let hidden = x.len();
        let weight = self.output.as_ref().unwrap_or(&self.embedding);
        let bias = Some(&self.bias[..]);
        Ok(softmax::linear(x, weight, bias, 1, hidden, vocabulary)?)
    }
}
