//! From frames of sound to scores of characters: convolutions that shorten, a recurrent stack, a linear layer over the
//! characters and the blank (Graves et al. 2006; the shape of Amodei et al. 2016).

use super::chunks::{Chunked, Chunks};
use super::config::{CellKind, PrecisionName};
use super::ctc::{self, Scores};
use super::linear::Linear;
use super::{check_probabilities, check_sizes};
use crate::error::Error;
use crate::init::{param, uniform};
use crate::layers::{Options, Recurrent, RecurrentConfig, Variant};
use crate::ops::{ConvOptions, DropoutMask, ImageBatch, Window, conv, dropout};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use refrain_kernels::random::Key;
use refrain_kernels::{KernelError, Precision};
use serde::{Deserialize, Serialize};

/// A convolution over time, with a rectifier behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Convolution {
    /// Features that come out.
    pub channels: usize,
    /// Frames that one output sees, at least `stride`.
    pub kernel: usize,
    /// Frames from one output to the next.
    #[serde(default = "one")]
    pub stride: usize,
}

fn one() -> usize {
    1
}

impl Convolution {
    /// Frames that come out of `length`.
    pub(super) fn shorten(&self, length: usize) -> usize {
        length.div_ceil(self.stride)
    }

    /// The frames of `width` features that a stream has before its first one: zeros.
    pub(super) fn silence(&self, width: usize) -> Vec<f32> {
        vec![0.0; (self.kernel - self.stride) * width]
    }

    /// Zeros before and behind a sequence of `time` frames.
    fn padding(&self, time: usize, causal: bool) -> (usize, usize) {
        let before = match causal {
            true => self.kernel - self.stride,
            false => (self.kernel - self.stride).div_ceil(2),
        };
        let seen = (self.shorten(time).max(1) - 1) * self.stride + self.kernel;
        (before, seen.saturating_sub(time + before))
    }
}

/// Configuration of an [`AcousticModel`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AcousticModelConfig {
    /// First to last; none: the stack reads the frames themselves.
    pub convolutions: Vec<Convolution>,
    /// The recurrence.
    pub cell: CellKind,
    /// Hidden units of a layer and direction.
    pub hidden: usize,
    /// Recurrent layers.
    pub layers: usize,
    /// Both directions; a stream needs one that goes forward, or chunks. Convolutions then see no frame ahead.
    pub bidirectional: bool,
    /// Reads an utterance in chunks, so that both directions can follow a stream; absent: in one piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunks: Option<Chunks>,
    /// Dropout before every recurrent layer and before the scores, a probability.
    pub dropout: f64,
    /// Precision of the products of the layers, as for a language model.
    #[serde(with = "PrecisionName")]
    pub precision: Precision,
    /// Additions to the cell.
    pub variant: Variant,
}

impl Default for AcousticModelConfig {
    fn default() -> Self {
        Self {
            convolutions: vec![Convolution {
                channels: 128,
                kernel: 4,
                stride: 2,
            }],
            cell: CellKind::Lstm,
            hidden: 128,
            layers: 2,
            bidirectional: true,
            chunks: None,
            dropout: 0.1,
            precision: Precision::F32,
            variant: Variant::default(),
        }
    }
}

impl AcousticModelConfig {
    /// A model of `features` a frame and `classes`, the blank among them, with weights that follow from `seed`.
    ///
    /// # Errors
    /// A size of zero, a kernel shorter than its stride, or a dropout that is no probability below one.
    pub fn init(
        &self,
        [features, classes]: [usize; 2],
        seed: u64,
        device: &Device,
    ) -> Result<AcousticModel, Error> {
        self.check()?;
        let key = Key::new(seed);
        let mut inputs = features;
        let mut convolutions = Vec::new();
        for (index, own) in self.convolutions.iter().enumerate() {
            let key = key.fold(100 + index as u64);
            let shape = [own.channels, inputs, own.kernel];
            let bound = 1.0 / ((inputs * own.kernel) as f32).sqrt();
            convolutions.push(ConvolutionWeights {
                weight: param(uniform(shape, bound, key.fold(0)), shape, device),
                bias: param(
                    uniform([own.channels], bound, key.fold(1)),
                    [own.channels],
                    device,
                ),
            });
            inputs = own.channels;
        }
        Ok(AcousticModel {
            convolutions,
            rnn: self.stack(inputs).with_seed(seed).init(device),
            output: Linear::init([classes, self.answers_from()], key, device),
            config: self.clone(),
        })
    }

    fn check(&self) -> Result<(), Error> {
        let mut sizes = vec![("model.hidden", self.hidden), ("model.layers", self.layers)];
        for own in &self.convolutions {
            sizes.push(("model.convolutions.channels", own.channels));
            sizes.push(("model.convolutions.stride", own.stride));
            if own.kernel < own.stride {
                return Err(Error::Config(format!(
                    "a convolution with a kernel of {} and a stride of {} leaves frames out; \
                     the kernel must be at least the stride",
                    own.kernel, own.stride
                )));
            }
        }
        if let Some(chunks) = self.chunks {
            sizes.push(("model.chunks.length", chunks.length));
        }
        check_sizes(&sizes)?;
        self.variant.check(self.cell.into())?;
        check_probabilities(&[("model.dropout", self.dropout)])
    }

    fn stack(&self, inputs: usize) -> RecurrentConfig {
        RecurrentConfig::new(self.cell.into(), inputs, self.hidden)
            .with_layers(self.layers)
            .with_bidirectional(self.bidirectional)
            .with_dropout(self.dropout)
            .with_variant(self.variant)
            .with_precision(self.precision)
    }

    /// Features that the scores are made of.
    fn answers_from(&self) -> usize {
        let own = self.variant.projection.unwrap_or(self.hidden);
        own.saturating_mul(1 + usize::from(self.bidirectional))
    }

    /// How many numbers a model has; the largest `usize` if there are more.
    pub fn parameters(&self, [features, classes]: [usize; 2]) -> usize {
        let mut inputs = features;
        let mut all = 0usize;
        for own in &self.convolutions {
            let each = inputs.saturating_mul(own.kernel).saturating_add(1);
            all = all.saturating_add(own.channels.saturating_mul(each));
            inputs = own.channels;
        }
        let output = classes.saturating_mul(self.answers_from().saturating_add(1));
        let stack = self.stack(inputs).parameters();
        all.saturating_add(stack).saturating_add(output)
    }

    /// Whether it can hear an utterance as it is spoken.
    pub fn streams(&self) -> bool {
        !self.bidirectional || self.chunks.is_some()
    }

    /// Frames that a stream hears before it answers the oldest of them, at most; none if it needs the whole utterance.
    pub fn latency(&self) -> Option<usize> {
        let waits = match (self.bidirectional, self.chunks) {
            (_, Some(chunks)) => chunks.length.saturating_add(chunks.right),
            (false, None) => 1,
            (true, None) => return None,
        };
        Some(waits.saturating_mul(self.frames_a_step()))
    }

    /// Frames from one step to the next.
    pub fn frames_a_step(&self) -> usize {
        self.convolutions.iter().map(|own| own.stride).product()
    }

    /// Steps that come out of `frames`.
    pub fn steps(&self, frames: usize) -> usize {
        self.convolutions
            .iter()
            .fold(frames, |length, own| own.shorten(length))
    }
}

#[derive(Module, Debug)]
pub(super) struct ConvolutionWeights {
    /// `[channels, features, kernel]`
    pub(super) weight: Param<Tensor<3>>,
    /// `[channels]`
    pub(super) bias: Param<Tensor<1>>,
}

impl ConvolutionWeights {
    /// `[B,T,features]` → `[B,T',channels]`
    pub(super) fn forward(
        &self,
        x: Tensor<3>,
        stride: usize,
        (before, behind): (usize, usize),
    ) -> Result<Tensor<3>, KernelError> {
        let [batch, time, features] = x.dims();
        let [channels, _, kernel] = self.weight.val().dims();
        let mut window = Window::new([1, kernel]);
        window.stride = [1, stride];
        window.padding = [[0, 0], [before, behind]];
        let x = ImageBatch {
            pixels: x.flatten::<2>(0, 1),
            height: 1,
            widths: vec![time; batch].into(),
        };
        let weight = self.weight.val().reshape([channels, features, 1, kernel]);
        let y = conv(x, weight, self.bias.val(), ConvOptions::new(window))?;
        Ok(y.pixels.reshape([batch, window.width(time), channels]))
    }
}

/// A model of speech; [`AcousticModelConfig`] makes it.
#[derive(Module, Debug)]
pub struct AcousticModel {
    pub(super) convolutions: Vec<ConvolutionWeights>,
    pub(super) rnn: Recurrent,
    pub(super) output: Linear,
    #[module(skip)]
    pub(super) config: AcousticModelConfig,
}

/// Utterances side by side.
#[derive(Clone, Debug)]
pub struct Frames {
    /// `[B,T,C]`, zeros past the end of each.
    pub x: Tensor<3>,
    /// Real frames of each, at most `T`.
    pub lengths: Vec<usize>,
}

impl AcousticModel {
    /// Its configuration.
    pub fn config(&self) -> &AcousticModelConfig {
        &self.config
    }

    pub(crate) fn device(&self) -> Device {
        self.output.weight.val().device()
    }

    /// Precision of the products of the recurrent layers.
    pub fn precision(&self) -> Precision {
        self.rnn.precision()
    }

    /// The same model with products of another precision.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.rnn = self.rnn.with_precision(precision);
        self
    }

    /// Scores of each step; with a key, dropout is on.
    ///
    /// # Errors
    /// A shape that does not fit.
    pub fn scores(&self, frames: Frames, key: Option<Key>) -> Result<Scores, KernelError> {
        let Frames { mut x, mut lengths } = frames;
        for (own, weights) in self.config.convolutions.iter().zip(&self.convolutions) {
            let [_, time, _] = x.dims();
            let padding = own.padding(time, self.config.streams());
            x = weights.forward(x, own.stride, padding)?;
            for length in &mut lengths {
                *length = own.shorten(*length);
            }
            // Behind the end of an utterance the bias leaves values that are not part of it.
            x = masked(x, &lengths);
        }
        x = self.thin(x, key.map(|key| key.fold(0)))?;
        let key_of_stack = key.map(|key| key.fold(1));
        let read = |x: Tensor<3>, lengths: Vec<usize>| {
            let options = Options {
                lengths: Some(lengths),
                dropout: key_of_stack,
                ..Options::default()
            };
            Ok(self.rnn.forward_with(x, options)?.0)
        };
        let [_, time, _] = x.dims();
        let y = match self.config.chunks {
            Some(shape) if lengths.iter().any(|&length| length > 0) => {
                let chunked = Chunked::new(shape, &lengths);
                let y = read(chunked.split(x), chunked.lengths())?;
                chunked.join(y, &lengths, time)
            }
            _ => read(x, lengths.clone())?,
        };
        let y = self.thin(y, key.map(|key| key.fold(2)))?;
        Ok(Scores {
            scores: ctc::score(&self.output, y)?,
            lengths,
        })
    }

    fn thin(&self, x: Tensor<3>, key: Option<Key>) -> Result<Tensor<3>, KernelError> {
        match key {
            Some(key) => dropout(x, self.config.dropout, key, DropoutMask::Elementwise),
            None => Ok(x),
        }
    }
}

/// `[B,T,C]` with zeros past the end of each sequence.
fn masked(x: Tensor<3>, lengths: &[usize]) -> Tensor<3> {
    let [batch, time, _] = x.dims();
    if lengths.iter().all(|&length| length == time) {
        return x;
    }
    let on = lengths
        .iter()
        .flat_map(|&length| (0..time).map(move |t| f32::from(t < length)));
    let on = TensorData::new(on.collect::<Vec<f32>>(), [batch, time, 1]);
    let on = Tensor::<3>::from_data(on, &x.device());
    x * on
}
