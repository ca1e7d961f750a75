//! A recurrent stack that reads sequences of numbers and answers: after the last step, or at each step.

use super::config::{CellKind, PrecisionName};
use super::linear::Linear;
use super::{check_probabilities, check_sizes};
use crate::error::Error;
use crate::layers::{Options, Recurrent, RecurrentConfig, Variant};
use crate::ops::{DirectionWeights, floats, linear_cross_entropy};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use refrain_data::long_memory::{Sequences, Targets};
use refrain_kernels::random::Key;
use refrain_kernels::{Cell, Precision};
use serde::{Deserialize, Serialize};

/// Configuration of a [`SequenceModel`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SequenceModelConfig {
    /// The recurrence.
    pub cell: CellKind,
    /// Hidden units of a layer.
    pub hidden: usize,
    /// Recurrent layers.
    pub layers: usize,
    /// Dropout between layers, a probability.
    pub dropout: f64,
    /// Added to an LSTM's forget gate bias at the start: a larger value makes an untrained model remember longer.
    pub forget_bias: f64,
    /// Longest dependency of chrono initialisation (Tallec & Ollivier 2018); missing: biases as in PyTorch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chrono: Option<usize>,
    /// Additions to the cell.
    pub variant: Variant,
    /// Precision of the products of the layers.
    #[serde(with = "PrecisionName")]
    pub precision: Precision,
}

impl Default for SequenceModelConfig {
    fn default() -> Self {
        Self {
            cell: CellKind::Lstm,
            hidden: 128,
            layers: 1,
            dropout: 0.0,
            forget_bias: 0.0,
            chrono: None,
            variant: Variant::default(),
            precision: Precision::F32,
        }
    }
}

impl SequenceModelConfig {
    fn stack(&self, features: usize) -> RecurrentConfig {
        let stack = RecurrentConfig::new(self.cell.into(), features, self.hidden)
            .with_layers(self.layers)
            .with_dropout(self.dropout)
            .with_forget_bias(self.forget_bias)
            .with_variant(self.variant)
            .with_precision(self.precision);
        match self.chrono {
            Some(longest) => stack.with_chrono(longest),
            None => stack,
        }
    }

    /// Features of the linear layer's input.
    fn answers_from(&self) -> usize {
        self.variant.projection.unwrap_or(self.hidden)
    }

    /// Number of parameters of a model; `usize::MAX` if the number overflows.
    pub fn parameters(&self, [features, outputs]: [usize; 2]) -> usize {
        let output = outputs.saturating_mul(self.answers_from().saturating_add(1));
        self.stack(features).parameters().saturating_add(output)
    }

    /// A model with fresh parameters.
    ///
    /// # Errors
    /// A size of zero, or a dropout that is not a probability below one.
    pub fn init(
        &self,
        [features, outputs]: [usize; 2],
        seed: u64,
        device: &Device,
    ) -> Result<SequenceModel, Error> {
        check_sizes(&[("model.hidden", self.hidden), ("model.layers", self.layers)])?;
        check_probabilities(&[("model.dropout", self.dropout)])?;
        self.variant.check(self.cell.into())?;
        let output = [outputs, self.answers_from()];
        Ok(SequenceModel {
            rnn: self.stack(features).with_seed(seed).init(device),
            output: Linear::init(output, Key::new(seed), device),
        })
    }
}

/// A recurrent stack with a linear layer on top; [`SequenceModelConfig`] makes it.
#[derive(Module, Debug)]
pub struct SequenceModel {
    rnn: Recurrent,
    output: Linear,
}

/// Result of [`SequenceModel::loss`].
pub struct SequenceLoss {
    /// `[1]`: mean over the answers.
    pub loss: Tensor<1>,
    /// Squared error or nats of each answer.
    pub each: Vec<f32>,
}

impl SequenceModel {
    /// The same model with products of another precision.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.rnn = self.rnn.with_precision(precision);
        self
    }

    /// The recurrence.
    pub fn cell(&self) -> Cell {
        self.rnn.cell()
    }

    /// Additions to the cell.
    pub fn variant(&self) -> Variant {
        self.rnn.variant()
    }

    /// Weights of the layers, and those of the linear layer: `[V,H]`, `[V]`.
    pub fn weights(&self) -> (Vec<DirectionWeights>, [Vec<f32>; 2]) {
        let layers = self.rnn.weights().into_iter().flatten().collect();
        let output = [
            floats(self.output.weight.val()),
            floats(self.output.bias.val()),
        ];
        (layers, output)
    }

    /// `[N,H]`: input of the linear layer, after the last step or at each one.
    fn states(&self, sequences: &Sequences, key: Option<Key>) -> Result<Tensor<2>, Error> {
        let Sequences {
            batch,
            time,
            features,
            x,
            targets,
        } = sequences;
        let device = self.output.weight.val().device();
        let data = TensorData::new(x.clone(), [*batch, *time, *features]);
        let options = Options {
            dropout: key,
            ..Options::default()
        };
        let (y, state) = self
            .rnn
            .forward_with(Tensor::from_data(data, &device), options)?;
        let [.., hidden] = y.dims();
        Ok(match (targets, state.layers.into_iter().next_back()) {
            (Targets::Number(_) | Targets::Class(_), Some(last)) => {
                last.h.reshape([*batch, hidden])
            }
            _ => y.reshape([batch * time, hidden]),
        })
    }

    /// Mean squared error of numbers, or cross-entropy of classes and symbols. With `key`, dropout is on.
    ///
    /// # Errors
    /// A shape or a target that does not fit.
    pub fn loss(&self, sequences: &Sequences, key: Option<Key>) -> Result<SequenceLoss, Error> {
        let h = self.states(sequences, key)?;
        match &sequences.targets {
            Targets::Number(numbers) => {
                let device = h.device();
                let got = self.output.forward(h)?;
                let data = TensorData::new(numbers.clone(), [numbers.len(), 1]);
                let squares = (got - Tensor::<2>::from_data(data, &device)).powi_scalar(2);
                Ok(SequenceLoss {
                    each: floats(squares.clone()),
                    loss: squares.mean(),
                })
            }
            Targets::Class(classes) | Targets::Symbols(classes) => {
                let (weight, bias) = (self.output.weight.val(), self.output.bias.val());
                let targets = classes.as_slice().into();
                let out = linear_cross_entropy(h, weight, bias, targets, Precision::F32)?;
                Ok(SequenceLoss {
                    loss: out.loss,
                    each: out.nll,
                })
            }
        }
    }

    /// `[N,V]`: scores of each class or symbol, or the number itself.
    ///
    /// # Errors
    /// A shape that does not fit.
    pub fn scores(&self, sequences: &Sequences) -> Result<Vec<f32>, Error> {
        let h = self.states(sequences, None)?;
        let [n, hidden] = h.dims();
        let (_, [weight, bias]) = self.weights();
        let outputs = bias.len();
        Ok(refrain_kernels::softmax::linear(
            &floats(h),
            &weight,
            Some(&bias),
            n,
            hidden,
            outputs,
        )?)
    }
}
