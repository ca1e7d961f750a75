//! An encoder and a decoder with attention (Sutskever et al. 2014; Bahdanau et al. 2015; Luong et al. 2015): one
//! sequence in, another one out.
//!
//! ```text
//! source ids → embedding → recurrent stack, both directions → memory M [B,S,C], keys M·Wᵀ [B,S,H]
//! target ids → embedding → recurrent layer h₁ [B,T,H], which begins with tanh(W·mean(M))
//! attention:   softmax(h₁·keysᵀ)·M → context [B,T,C]
//! [h₁; context] → recurrent layers h₂ [B,T,H] → tanh(W·[h₂; context]) → projection onto the vocabulary
//! ```
//!
//! No step waits for the attention of the step before it, so all recurrences run over whole sequences (as in the bottom
//! layer of Wu et al. 2016, section 3). The upper layers read the context, and so know where attention was. With
//! [`Seq2SeqConfig::feeding`], the last readout is fed to the next step instead (input feeding, Luong et al. 2015,
//! section 3.3); that form runs step by step.

mod forward;
mod steps;

pub use forward::{Pairs, Seq2SeqLoss};
pub use steps::{Memory, Seq2SeqScratch, Seq2SeqState, Seq2SeqSteps, StepRow};

use super::config::{CellKind, Dropout, PrecisionName};
use super::linear::Linear;
use super::{check_probabilities, check_sizes};
use crate::error::Error;
use crate::init::{param, uniform};
use crate::layers::{Recurrent, RecurrentConfig};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use refrain_kernels::random::Key;
use refrain_kernels::{Cell, Precision};
use serde::{Deserialize, Serialize};

/// The score of a decoder state against a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttentionKind {
    /// h·W·m (Luong et al. 2015).
    #[default]
    General,
    /// u·tanh(W·h + V·m) (Bahdanau et al. 2015).
    Additive,
}

/// Configuration of a [`Seq2Seq`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seq2SeqConfig {
    /// The recurrence of encoder and decoder.
    pub cell: CellKind,
    /// Features of an embedded token, on both sides.
    pub embedding: usize,
    /// Hidden units of the encoder, per direction.
    pub encoder: usize,
    /// Layers of the encoder; each runs in both directions.
    pub encoder_layers: usize,
    /// Hidden units of the decoder, `H`.
    pub decoder: usize,
    /// Layers of the decoder. The first comes before the attention, the others come after it.
    pub decoder_layers: usize,
    /// The score of a decoder state against a key.
    pub attention: AttentionKind,
    /// Adds the attention of earlier steps to the score, with a learned factor (Tu et al. 2016, linguistic coverage).
    pub coverage: bool,
    /// Mixes in the source tokens, as attention weighs them (pointer, See et al. 2017). Both sides need one vocabulary.
    pub copy: bool,
    /// Feed the last readout to the next step (input feeding). Training is several times slower.
    pub feeding: bool,
    /// Share the target embedding with the output projection (Press & Wolf 2017).
    pub tied: bool,
    /// Regularisation of both sides. `output` is for the readout. `words` drops single source tokens, without a factor.
    pub dropout: Dropout,
    /// Dropout of the encoder's output.
    pub memory_dropout: f64,
    /// Precision of the products of the layers and the loss, as for a language model.
    #[serde(with = "PrecisionName")]
    pub precision: Precision,
}

impl Default for Seq2SeqConfig {
    fn default() -> Self {
        Self {
            cell: CellKind::Lstm,
            embedding: 256,
            encoder: 256,
            encoder_layers: 1,
            decoder: 512,
            decoder_layers: 2,
            attention: AttentionKind::General,
            coverage: false,
            copy: false,
            feeding: false,
            tied: true,
            dropout: Dropout::default(),
            memory_dropout: 0.0,
            precision: Precision::F32,
        }
    }
}

/// Sizes of the vocabularies, marks included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vocabularies {
    /// Source tokens.
    pub source: usize,
    /// Target tokens, `V`.
    pub target: usize,
    /// Whether both sides use one vocabulary, and so one embedding.
    pub joint: bool,
}

impl Seq2SeqConfig {
    /// Features of the memory, `C`.
    fn memory(&self) -> usize {
        self.encoder.saturating_mul(2)
    }

    fn encoder_stack(&self) -> RecurrentConfig {
        self.stack(self.embedding, self.encoder, self.encoder_layers)
            .with_bidirectional(true)
    }

    fn lower(&self) -> RecurrentConfig {
        let fed = if self.feeding { self.embedding } else { 0 };
        self.stack(self.embedding.saturating_add(fed), self.decoder, 1)
    }

    /// The decoder's layers above the attention; `None` if there are none.
    fn upper(&self) -> Option<RecurrentConfig> {
        let layers = self.decoder_layers.saturating_sub(1);
        let input = self.decoder.saturating_add(self.memory());
        (layers > 0).then(|| self.stack(input, self.decoder, layers))
    }

    fn stack(&self, input: usize, hidden: usize, layers: usize) -> RecurrentConfig {
        RecurrentConfig::new(self.cell.into(), input, hidden)
            .with_layers(layers)
            .with_dropout(self.dropout.hidden)
            .with_weight_dropout(self.dropout.weights)
            .with_variational(self.dropout.variational)
            .with_precision(self.precision)
    }

    /// The number of parameters; the largest `usize` if there are more.
    pub fn parameters(&self, of: Vocabularies) -> usize {
        let (e, h, c) = (self.embedding, self.decoder, self.memory());
        let source = if of.joint { 0 } else { of.source };
        let rows = [source, of.target, if self.tied { 0 } else { of.target }];
        let embedded = rows
            .iter()
            .fold(0usize, |n, own| n.saturating_add(*own))
            .saturating_mul(e);
        let upper = self.upper().map_or(0, |stack| stack.parameters());
        let attention = match self.attention {
            AttentionKind::General => h.saturating_mul(c),
            AttentionKind::Additive => h.saturating_mul(h.saturating_add(c).saturating_add(1)),
        };
        let start = self
            .decoder_layers
            .saturating_mul(h)
            .saturating_mul(c.saturating_add(1));
        let readout = e.saturating_mul(h.saturating_add(c).saturating_add(1));
        let copy = if self.copy {
            h.saturating_add(c).saturating_add(1)
        } else {
            0
        };
        [
            embedded,
            of.target,
            self.encoder_stack().parameters(),
            self.lower().parameters(),
            upper,
            attention,
            start,
            readout,
            copy,
            usize::from(self.coverage),
        ]
        .iter()
        .fold(0, |n, own| n.saturating_add(*own))
    }

    /// A model with weights that follow from `seed`.
    ///
    /// # Errors
    /// A size of zero, a dropout probability outside `[0,1)`, or copying between two vocabularies.
    pub fn init(&self, of: Vocabularies, seed: u64, device: &Device) -> Result<Seq2Seq, Error> {
        self.check(of)?;
        let key = Key::new(seed);
        let (e, h, c) = (self.embedding, self.decoder, self.memory());
        let bound = 1.0 / (e as f32).sqrt();
        let table = |rows: usize, number: u64| {
            let values = uniform([rows, e], bound, key.fold(number));
            param(values, [rows, e], device)
        };
        let linear = |outputs: usize, inputs: usize, number: u64| {
            Linear::init([outputs, inputs], key.fold(number), device)
        };
        let matrix = |outputs: usize, inputs: usize, number: u64| {
            let bound = 1.0 / (inputs as f32).sqrt();
            let values = uniform([outputs, inputs], bound, key.fold(number));
            param(values, [outputs, inputs], device)
        };
        let additive = self.attention == AttentionKind::Additive;
        Ok(Seq2Seq {
            source: (!of.joint).then(|| Table {
                weight: table(of.source, 10),
            }),
            target: Table {
                weight: table(of.target, 11),
            },
            encoder: self
                .encoder_stack()
                .with_seed(seed.wrapping_add(1 << 32))
                .init(device),
            start: linear(self.decoder_layers * h, c, 13),
            attention: Attention {
                key: matrix(h, c, 14),
                query: additive.then(|| matrix(h, h, 15)),
                energy: additive.then(|| {
                    let bound = 1.0 / (h as f32).sqrt();
                    param(uniform([h], bound, key.fold(16)), [h], device)
                }),
                coverage: self.coverage.then(|| param(vec![0.0], [1], device)),
            },
            lower: self
                .lower()
                .with_seed(seed.wrapping_add(2 << 32))
                .init(device),
            upper: self
                .upper()
                .map(|stack| stack.with_seed(seed.wrapping_add(3 << 32)).init(device)),
            readout: linear(e, h + c, 19),
            copy: self.copy.then(|| linear(1, h + c, 20)),
            output: Output {
                weight: (!self.tied).then(|| table(of.target, 21)),
                bias: param(vec![0.0; of.target], [of.target], device),
            },
            config: self.clone(),
        })
    }

    fn check(&self, of: Vocabularies) -> Result<(), Error> {
        check_sizes(&[
            ("source vocabulary", of.source),
            ("target vocabulary", of.target),
        ])?;
        self.check_settings(of.joint)
    }

    /// Refuses settings that cannot work, for one vocabulary of both sides or for two.
    ///
    /// # Errors
    /// The first invalid setting.
    pub fn check_settings(&self, joint: bool) -> Result<(), Error> {
        check_sizes(&[
            ("model.embedding", self.embedding),
            ("model.encoder", self.encoder),
            ("model.encoder_layers", self.encoder_layers),
            ("model.decoder", self.decoder),
            ("model.decoder_layers", self.decoder_layers),
        ])?;
        let problem = match self {
            _ if self.copy && !joint => {
                "model.copy needs one vocabulary for both sides; set data.joint = true"
            }
            _ if self.feeding && self.coverage => {
                "model.coverage does not work with model.feeding; leave one out"
            }
            _ if self.feeding && (self.dropout.variational || self.dropout.weights > 0.0) => {
                "model.feeding draws its dropout step by step; leave out dropout.variational and dropout.weights"
            }
            _ => "",
        };
        if !problem.is_empty() {
            return Err(Error::Config(problem.into()));
        }
        let d = &self.dropout;
        check_probabilities(&[
            ("model.dropout.embedding", d.embedding),
            ("model.dropout.hidden", d.hidden),
            ("model.dropout.output", d.output),
            ("model.dropout.weights", d.weights),
            ("model.dropout.words", d.words),
            ("model.memory_dropout", self.memory_dropout),
        ])
    }

    /// The model in words.
    pub fn describe(&self) -> String {
        let cell = |layers, hidden| self.cell.stack(layers, hidden);
        let attention = match self.attention {
            AttentionKind::General => "general",
            AttentionKind::Additive => "additive",
        };
        format!(
            "encoder: {}, both directions; {attention} attention; decoder: {}; embedding of {}",
            cell(self.encoder_layers, self.encoder),
            cell(self.decoder_layers, self.decoder),
            self.embedding
        )
    }
}

#[derive(Module, Debug)]
struct Table {
    /// `[V,E]`
    weight: Param<Tensor<2>>,
}

#[derive(Module, Debug)]
struct Attention {
    /// `[H,C]`
    key: Param<Tensor<2>>,
    /// `[H,H]`, of additive attention.
    query: Option<Param<Tensor<2>>>,
    /// `[H]`, of additive attention.
    energy: Option<Param<Tensor<1>>>,
    /// `[1]`, with coverage.
    coverage: Option<Param<Tensor<1>>>,
}

#[derive(Module, Debug)]
struct Output {
    /// `[V,E]`; absent where tied to the target embedding.
    weight: Option<Param<Tensor<2>>>,
    /// `[V]`
    bias: Param<Tensor<1>>,
}

/// An encoder and a decoder with attention; [`Seq2SeqConfig`] makes it.
#[derive(Module, Debug)]
pub struct Seq2Seq {
    /// Absent where both sides share one embedding.
    source: Option<Table>,
    target: Table,
    encoder: Recurrent,
    /// From the mean of the memory to the first states of all decoder layers.
    start: Linear,
    attention: Attention,
    lower: Recurrent,
    upper: Option<Recurrent>,
    readout: Linear,
    copy: Option<Linear>,
    output: Output,
    #[module(skip)]
    config: Seq2SeqConfig,
}

impl Seq2Seq {
    /// Its configuration.
    pub fn config(&self) -> &Seq2SeqConfig {
        &self.config
    }

    /// Target tokens `V`.
    pub fn vocabulary(&self) -> usize {
        self.target.weight.dims()[0]
    }

    /// The same model with products of another precision.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.encoder = self.encoder.with_precision(precision);
        self.lower = self.lower.with_precision(precision);
        self.upper = self.upper.map(|own| own.with_precision(precision));
        self
    }

    fn cell(&self) -> Cell {
        self.lower.cell()
    }

    /// `[V,E]` of the source side.
    fn source_table(&self) -> Tensor<2> {
        self.source.as_ref().unwrap_or(&self.target).weight.val()
    }

    /// `[V,E]` of the output projection.
    fn output_table(&self) -> Tensor<2> {
        let own = self.output.weight.as_ref();
        own.unwrap_or(&self.target.weight).val()
    }
}
