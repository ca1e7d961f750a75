//! The network of a line recogniser: layers as plain data, named tensors, and their use.

mod activation;
mod architecture;
mod forward;

pub use activation::Activation;
pub use architecture::{Architecture, Layer};
pub use forward::Scores;

use crate::error::TesseractError;
use refrain_kernels::{LinearWeights, WeightCache};
use std::sync::{Arc, OnceLock};

/// A tensor with its name and shape.
pub type Tensor = (String, Vec<usize>, Vec<f32>);

/// A network of convolution, pooling, LSTMs and a softmax: from the pixels of a line to log-probabilities of labels.
///
/// Weights have PyTorch's shapes and gate order. Clones share them.
#[derive(Clone, Debug)]
pub struct Network {
    architecture: Architecture,
    /// One entry per layer.
    weights: Vec<Arc<Weights>>,
}

/// Weights of a layer, in the order of [`Layer::tensors`], and their packed form.
#[derive(Debug, Default)]
struct Weights {
    tensors: Vec<Vec<f32>>,
    /// Of an LSTM.
    cache: WeightCache,
    /// Of a dense layer.
    dense: OnceLock<LinearWeights>,
}

impl Network {
    /// A network of its parts: the tensors are those that [`Self::tensors`] gives, in any order.
    ///
    /// # Errors
    /// Layers that do not fit together; a tensor that is missing, superfluous, or of another shape.
    pub fn from_parts(
        architecture: Architecture,
        mut tensors: Vec<Tensor>,
    ) -> Result<Self, TesseractError> {
        architecture.check()?;
        let mut all = Vec::new();
        for (index, layer) in architecture.layers.iter().enumerate() {
            for (part, shape) in layer.tensors() {
                let name = name(index, part);
                let problem = |problem: String| TesseractError::Tensor {
                    name: name.clone(),
                    problem,
                };
                let Some(at) = tensors.iter().position(|tensor| tensor.0 == name) else {
                    return Err(problem(format!(
                        "it is missing; it has the shape {shape:?}"
                    )));
                };
                let (_, got, values) = tensors.swap_remove(at);
                if got != shape || values.len() != shape.iter().product::<usize>() {
                    let count = values.len();
                    return Err(problem(format!(
                        "{count} values of shape {got:?} where {shape:?} is needed"
                    )));
                }
                all.push(values);
            }
        }
        match tensors.pop() {
            None => Self::of_weights(architecture, all),
            Some((name, ..)) => Err(TesseractError::Tensor {
                name,
                problem: "no layer has it".to_owned(),
            }),
        }
    }

    /// A network of the values of all tensors, layer by layer.
    pub(crate) fn of_weights(
        architecture: Architecture,
        values: Vec<Vec<f32>>,
    ) -> Result<Self, TesseractError> {
        architecture.check()?;
        let mut values = values.into_iter();
        let mut weights = Vec::with_capacity(architecture.layers.len());
        for layer in &architecture.layers {
            weights.push(Arc::new(Weights {
                tensors: values.by_ref().take(layer.tensors().len()).collect(),
                ..Weights::default()
            }));
        }
        Ok(Self {
            architecture,
            weights,
        })
    }

    /// The layers.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// All tensors: `layers.N.weight` and `layers.N.bias`, and for LSTMs `weight_ih` `[4·H,C]`, `weight_hh` `[4·H,H]`
    /// and `bias` `[4·H]` (the sum of PyTorch's two).
    pub fn tensors(&self) -> Vec<Tensor> {
        let layers = self
            .architecture
            .layers
            .iter()
            .zip(&self.weights)
            .enumerate();
        let tensors = layers.flat_map(|(index, (layer, weights))| {
            let parts = layer.tensors().into_iter().zip(&weights.tensors);
            parts.map(move |((part, shape), values)| (name(index, part), shape, values.clone()))
        });
        tensors.collect()
    }

    /// Number of weights.
    pub fn parameters(&self) -> usize {
        let tensors = self.weights.iter().flat_map(|weights| &weights.tensors);
        tensors.map(Vec::len).sum()
    }
}

fn name(layer: usize, part: &str) -> String {
    format!("layers.{layer}.{part}")
}
