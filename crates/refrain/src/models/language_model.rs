//! A recurrent language model: embedding, recurrent stack, projection onto the vocabulary (Mikolov et al. 2010;
//! Zaremba et al. 2014; regularised as in AWD-LSTM, Merity et al. 2017).

use super::config::{CellKind, Dropout, Init, PrecisionName};
use super::{check_probabilities, check_sizes};
use crate::error::Error;
use crate::init::{normal, param, uniform};
use crate::layers::{
    LayerState, Options, Recurrent, RecurrentConfig, State as StackState, Variant,
};
use crate::ops::{DropoutMask, dropout, embedding, floats, linear_cross_entropy};
use crate::params::NamedTensor;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use refrain_kernels::random::Key;
use refrain_kernels::{KernelError, Precision};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Configuration of a [`LanguageModel`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LanguageModelConfig {
    /// The recurrence.
    pub cell: CellKind,
    /// Features of an embedded token.
    pub embedding: usize,
    /// Hidden units of a layer.
    pub hidden: usize,
    /// Recurrent layers.
    pub layers: usize,
    /// Share the embedding with the output projection (Press & Wolf 2017); the last layer then has `embedding` units.
    pub tied: bool,
    /// Regularisation.
    pub dropout: Dropout,
    /// Precision of the products of layers and loss: `f32`, `bf16` (parameters, states and sums stay `f32`) or `int8`
    /// (layers only, and not in training; other products use `f32`).
    #[serde(with = "PrecisionName")]
    pub precision: Precision,
    /// Initial values.
    pub init: Init,
    /// Added to an LSTM's forget gate bias at the start.
    pub forget_bias: f64,
    /// Options of the layers beside their cell.
    pub variant: Variant,
}

impl Default for LanguageModelConfig {
    fn default() -> Self {
        Self {
            cell: CellKind::Lstm,
            embedding: 128,
            hidden: 128,
            layers: 1,
            tied: false,
            dropout: Dropout::default(),
            precision: Precision::F32,
            init: Init::default(),
            forget_bias: 0.0,
            variant: Variant::default(),
        }
    }
}

impl LanguageModelConfig {
    fn stack(&self) -> RecurrentConfig {
        let last_hidden = match self.variant.projection {
            Some(_) => self.hidden,
            None => self.predicts_from(),
        };
        RecurrentConfig::new(self.cell.into(), self.embedding, self.hidden)
            .with_layers(self.layers)
            .with_last_hidden(last_hidden)
            .with_dropout(self.dropout.hidden)
            .with_weight_dropout(self.dropout.weights)
            .with_variational(self.dropout.variational)
            .with_forget_bias(self.forget_bias)
            .with_variant(self.variant)
            .with_precision(self.precision)
    }

    /// Features that the projection onto the vocabulary sees.
    fn predicts_from(&self) -> usize {
        match self.tied {
            true => self.embedding,
            false => self.variant.projection.unwrap_or(self.hidden),
        }
    }

    /// How many numbers a model for `vocabulary` tokens has; the largest `usize` if there are more.
    pub fn parameters(&self, vocabulary: usize) -> usize {
        let projection = if self.tied { 0 } else { self.predicts_from() };
        let token = self.embedding.saturating_add(projection).saturating_add(1);
        let stack = self.stack().parameters();
        stack.saturating_add(vocabulary.saturating_mul(token))
    }

    /// A model for `vocabulary` tokens with weights that follow from `seed`.
    ///
    /// # Errors
    /// A size of zero, or a dropout probability outside `[0,1)`.
    pub fn init(
        &self,
        vocabulary: usize,
        seed: u64,
        device: &Device,
    ) -> Result<LanguageModel, Error> {
        self.check(vocabulary)?;
        let key = Key::new(seed);
        let last = self.predicts_from();
        let bound = 1.0 / (last as f32).sqrt();
        let rnn = self.stack().with_seed(seed).init(device);
        let embedded = match self.tied {
            true => uniform([vocabulary, self.embedding], bound, key.fold(1)),
            false => normal([vocabulary, self.embedding], key.fold(1)),
        };
        let projection = uniform([vocabulary, last], bound, key.fold(2));
        let bias = uniform([vocabulary], bound, key.fold(3));
        let model = LanguageModel {
            embedding: Embedding {
                weight: param(embedded, [vocabulary, self.embedding], device),
            },
            rnn,
            output: Projection {
                weight: (!self.tied).then(|| param(projection, [vocabulary, last], device)),
                bias: param(bias, [vocabulary], device),
            },
            dropout: self.dropout,
        };
        Ok(match self.init {
            Init::Pytorch => model,
            Init::Uniform(bound) => model.map(&mut Uniform(bound as f32, key.fold(4), 0)),
        })
    }

    fn check(&self, vocabulary: usize) -> Result<(), Error> {
        let sizes = [
            ("vocabulary", vocabulary),
            ("model.embedding", self.embedding),
            ("model.hidden", self.hidden),
            ("model.layers", self.layers),
        ];
        check_sizes(&sizes)?;
        let d = &self.dropout;
        let probabilities = [
            ("model.dropout.embedding", d.embedding),
            ("model.dropout.hidden", d.hidden),
            ("model.dropout.output", d.output),
            ("model.dropout.weights", d.weights),
            ("model.dropout.words", d.words),
        ];
        self.variant.check(self.cell.into())?;
        match self.variant.projection {
            Some(features) if self.tied && features != self.embedding => {
                return Err(Error::Config(format!(
                    "model.variant.projection is {features} and model.embedding {}; tied weights need them equal",
                    self.embedding
                )));
            }
            _ => {}
        }
        check_probabilities(&probabilities)
    }
}

/// Sets every parameter uniform in ±bound.
struct Uniform(f32, Key, u64);

impl ModuleMapper for Uniform {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.2 += 1;
        let values = uniform(param.dims(), self.0, self.1.fold(self.2));
        param.map(|old| {
            let new = Tensor::from_data(TensorData::new(values, old.shape()), &old.device());
            new.set_require_grad(old.is_require_grad())
        })
    }
}

#[derive(Module, Debug)]
pub(super) struct Embedding {
    /// `[V,C]`
    pub(super) weight: Param<Tensor<2>>,
}

#[derive(Module, Debug)]
pub(super) struct Projection {
    /// `[V,H]`; absent where tied to the embedding.
    pub(super) weight: Option<Param<Tensor<2>>>,
    /// `[V]`
    pub(super) bias: Param<Tensor<1>>,
}

/// A recurrent language model; [`LanguageModelConfig`] makes it.
#[derive(Module, Debug)]
pub struct LanguageModel {
    pub(super) embedding: Embedding,
    pub(super) rnn: Recurrent,
    pub(super) output: Projection,
    #[module(skip)]
    dropout: Dropout,
}

/// The recurrent state between two batches, cut off from the graph.
#[derive(Clone, Debug)]
pub struct State(StackState);

impl State {
    /// As named tensors, for a checkpoint.
    pub fn export(&self) -> Vec<NamedTensor> {
        let named = |name: String, tensor: &Tensor<3>| NamedTensor {
            name,
            shape: tensor.dims().to_vec(),
            data: floats(tensor.clone()),
        };
        self.0
            .layers
            .iter()
            .enumerate()
            .flat_map(|(l, state)| {
                [
                    named(format!("h_l{l}"), &state.h),
                    named(format!("c_l{l}"), &state.c),
                ]
            })
            .collect()
    }

    /// From what [`Self::export`] gave.
    ///
    /// # Errors
    /// Tensors that are not pairs of three dimensions, or that have another number of values than their shape says.
    pub fn import(tensors: &[NamedTensor], device: &Device) -> Result<Self, Error> {
        let full = |t: &NamedTensor| {
            let values = t
                .shape
                .iter()
                .try_fold(1usize, |n, size| n.checked_mul(*size));
            t.shape.len() == 3 && values == Some(t.data.len())
        };
        let tensor = |t: &NamedTensor| match full(t) {
            true => Ok(Tensor::<3>::from_data(
                TensorData::new(t.data.clone(), t.shape.clone()),
                device,
            )),
            false => Err(Error::Config(format!(
                "tensor \"{}\" of a recurrent state has {} values for the shape {:?}; it is damaged",
                t.name,
                t.data.len(),
                t.shape
            ))),
        };
        let layers = tensors.chunks(2).map(|pair| match pair {
            [h, c] => Ok(LayerState {
                h: tensor(h)?,
                c: tensor(c)?,
            }),
            _ => Err(Error::MissingTensor {
                name: "c of the last layer".into(),
            }),
        });
        Ok(Self(StackState {
            layers: layers.collect::<Result<_, Error>>()?,
        }))
    }

    /// On the model's side of autodiff, without a history.
    fn lifted(self, device: &Device) -> StackState {
        let lift = |tensor: Tensor<3>| match device.is_autodiff() && !tensor.is_autodiff() {
            true => Tensor::from_inner(tensor),
            false => tensor,
        };
        let layers = self.0.layers.into_iter();
        StackState {
            layers: layers
                .map(|s| LayerState {
                    h: lift(s.h),
                    c: lift(s.c),
                })
                .collect(),
        }
    }

    fn detached(state: StackState) -> Self {
        let cut = |tensor: Tensor<3>| match tensor.is_autodiff() {
            true => tensor.inner(),
            false => tensor,
        };
        let layers = state.layers.into_iter();
        Self(StackState {
            layers: layers
                .map(|s| LayerState {
                    h: cut(s.h),
                    c: cut(s.c),
                })
                .collect(),
        })
    }
}

/// Result of [`LanguageModel::loss`].
#[derive(Clone, Debug)]
pub struct LossOutput {
    /// `[1]`: mean negative log-likelihood, nats per token.
    pub loss: Tensor<1>,
    /// `[B·T]`, nats.
    pub nll: Vec<f32>,
    /// After the last step.
    pub state: State,
}

impl LanguageModel {
    /// Tokens `V`.
    pub fn vocabulary(&self) -> usize {
        self.embedding.weight.dims()[0]
    }

    /// The same model with products of another precision.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.rnn = self.rnn.with_precision(precision);
        self
    }

    /// Precision of its products.
    pub fn precision(&self) -> Precision {
        self.rnn.precision()
    }

    /// Cross-entropy of the next tokens.
    ///
    /// `inputs`, `targets`: `[B,T]`, row-major; `state` is what the batch before gave; with `dropout`, regularisation
    /// is on and follows from the key.
    ///
    /// # Errors
    /// A token that is not below `V`, or a shape that does not fit.
    pub fn loss(
        &self,
        inputs: &[u32],
        targets: &[u32],
        batch: usize,
        state: Option<State>,
        key: Option<Key>,
    ) -> Result<LossOutput, Error> {
        if batch == 0 || !inputs.len().is_multiple_of(batch) {
            return Err(Error::Config(format!(
                "{} inputs do not make {batch} sequences of equal length",
                inputs.len()
            )));
        }
        let time = inputs.len() / batch;
        let weight = self.embedding.weight.val();
        let x = self.embed(inputs, [batch, time], weight.clone(), key)?;
        let options = Options {
            state: state.map(|state| state.lifted(&x.device())),
            dropout: key.map(|key| key.fold(2)),
            lengths: None,
        };
        let (y, state) = self.rnn.forward_with(x, options)?;
        let y = self.thin(y, self.dropout.output, key.map(|key| key.fold(3)))?;
        let [_, _, hidden] = y.dims();
        let out = linear_cross_entropy(
            y.reshape([batch * time, hidden]),
            self.output.weight.as_ref().map_or(weight, Param::val),
            self.output.bias.val(),
            targets.into(),
            self.rnn.precision(),
        )?;
        Ok(LossOutput {
            loss: out.loss,
            nll: out.nll,
            state: State::detached(state),
        })
    }

    fn embed(
        &self,
        inputs: &[u32],
        [batch, time]: [usize; 2],
        weight: Tensor<2>,
        key: Option<Key>,
    ) -> Result<Tensor<3>, Error> {
        let ids: Arc<[u32]> = inputs.into();
        let [_, features] = weight.dims();
        let mut x = embedding(weight, ids.clone())?;
        let p = self.dropout.words as f32;
        if let Some(key) = key.map(|key| key.fold(0)).filter(|_| p > 0.0) {
            let keep = |&id: &u32| f32::from(key.uniform_f32(u64::from(id)) >= p) / (1.0 - p);
            let mask: Vec<f32> = ids.iter().map(keep).collect();
            let mask = Tensor::<2>::from_data(TensorData::new(mask, [ids.len(), 1]), &x.device());
            x = x * mask;
        }
        let x = x.reshape([batch, time, features]);
        Ok(self.thin(x, self.dropout.embedding, key.map(|key| key.fold(1)))?)
    }

    fn thin(&self, x: Tensor<3>, p: f64, key: Option<Key>) -> Result<Tensor<3>, KernelError> {
        let [batch, time, features] = x.dims();
        let mask = match self.dropout.variational {
            true => DropoutMask::Variational {
                batch,
                time,
                features,
            },
            false => DropoutMask::Elementwise,
        };
        match key {
            Some(key) => dropout(x, p, key, mask),
            None => Ok(x),
        }
    }

    /// Options of its layers beside the cell.
    pub fn variant(&self) -> Variant {
        self.rnn.variant()
    }

    /// Reads one token: its scores `[V]` for the next one, and the state after it.
    pub(super) fn read(&self, id: u32, state: Option<State>) -> Result<(Vec<f32>, State), Error> {
        let table = self.embedding.weight.val();
        let x = self.embed(&[id], [1, 1], table.clone(), None)?;
        let options = Options {
            state: state.map(|state| state.lifted(&x.device())),
            ..Options::default()
        };
        let (y, state) = self.rnn.forward_with(x, options)?;
        let [_, _, hidden] = y.dims();
        let weight = self.output.weight.as_ref().map_or(table, Param::val);
        let scores = y.reshape([1, hidden]).matmul(weight.transpose());
        let scores = scores + self.output.bias.val().unsqueeze();
        Ok((floats(scores), State::detached(state)))
    }
}
