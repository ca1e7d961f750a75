//! From frames of sound to scores of characters: convolutions that shorten, a recurrent stack, a linear layer over the characters and
//! the blank (Graves et al. 2006; the shape of Amodei et al. 2016).

use super::CellKind;
use super::language_model::PrecisionName;
use super::linear::Linear;
use super::{check_probabilities, check_sizes};
use crate::error::Error;
use crate::init::{param, uniform};
use crate::layers::{Options, Recurrent, RecurrentConfig, State, Variant};
use crate::ops::{CtcOutput, CtcTargets, DropoutMask, ctc_loss, dropout, floats};
use burn::module::{Module, Param};
use burn::tensor::activation::{log_softmax, relu};
use burn::tensor::module::conv1d;
use burn::tensor::ops::ConvOptions;
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
    fn shorten(&self, length: usize) -> usize {
        length.div_ceil(self.stride)
    }

    /// What a stream has heard of `width` features before it begins.
    fn silence(&self, width: usize) -> Vec<f32> {
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
    /// Both directions; a stream needs one that goes forward, and convolutions then see no frame ahead.
    pub bidirectional: bool,
    /// Dropout before every recurrent layer and before the scores, a probability.
    pub dropout: f64,
    /// What the products of the layers multiply, as for a language model.
    #[serde(with = "PrecisionName")]
    pub precision: Precision,
    /// What the layers do beside their cell.
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
                    "a convolution with a kernel of {} and a stride of {} leaves frames out; the kernel must be at least the stride",
                    own.kernel, own.stride
                )));
            }
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
struct ConvolutionWeights {
    /// `[channels, features, kernel]`
    weight: Param<Tensor<3>>,
    /// `[channels]`
    bias: Param<Tensor<1>>,
}

impl ConvolutionWeights {
    /// `[B,T,features]` → `[B,T',channels]`
    fn forward(&self, x: Tensor<3>, stride: usize, padding: (usize, usize)) -> Tensor<3> {
        let options = ConvOptions {
            stride: [stride],
            padding: [padding],
            dilation: [1],
            groups: 1,
        };
        let (weight, bias) = (self.weight.val(), Some(self.bias.val()));
        relu(conv1d(x.swap_dims(1, 2), weight, bias, options)).swap_dims(1, 2)
    }
}

/// A model of speech; [`AcousticModelConfig`] makes it.
#[derive(Module, Debug)]
pub struct AcousticModel {
    convolutions: Vec<ConvolutionWeights>,
    rnn: Recurrent,
    output: Linear,
    #[module(skip)]
    config: AcousticModelConfig,
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
    /// The same model with products of another precision.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.rnn = self.rnn.with_precision(precision);
        self
    }

    /// Scores `[B,T',V]` before the softmax, and how many steps of each utterance are real; with a key, dropout is on.
    ///
    /// # Errors
    /// A shape that does not fit.
    pub fn scores(
        &self,
        frames: Frames,
        key: Option<Key>,
    ) -> Result<(Tensor<3>, Vec<usize>), KernelError> {
        let Frames { mut x, mut lengths } = frames;
        for (own, weights) in self.config.convolutions.iter().zip(&self.convolutions) {
            let [_, time, _] = x.dims();
            let padding = own.padding(time, !self.config.bidirectional);
            x = weights.forward(x, own.stride, padding);
            for length in &mut lengths {
                *length = own.shorten(*length);
            }
            // What the bias puts behind the end of an utterance is not part of it.
            x = masked(x, &lengths);
        }
        x = self.thin(x, key.map(|key| key.fold(0)));
        let options = Options {
            lengths: Some(lengths.clone()),
            dropout: key.map(|key| key.fold(1)),
            ..Options::default()
        };
        let (y, _) = self.rnn.forward_with(x, options)?;
        let y = self.thin(y, key.map(|key| key.fold(2)));
        Ok((self.score(y), lengths))
    }

    /// `[B,T,D·H]` → `[B,T,V]`
    fn score(&self, y: Tensor<3>) -> Tensor<3> {
        let [batch, time, hidden] = y.dims();
        let scores = self.output.forward(y.reshape([batch * time, hidden]));
        let [_, classes] = scores.dims();
        scores.reshape([batch, time, classes])
    }

    fn thin(&self, x: Tensor<3>, key: Option<Key>) -> Tensor<3> {
        match key {
            Some(key) => dropout(x, self.config.dropout, key, DropoutMask::Elementwise),
            None => x,
        }
    }

    /// The loss of transcripts as classes; the blank is the last class.
    ///
    /// # Errors
    /// A shape or a label that does not fit.
    pub fn loss(
        &self,
        frames: Frames,
        labels: Vec<Vec<u32>>,
        key: Option<Key>,
    ) -> Result<CtcOutput, KernelError> {
        let (scores, lengths) = self.scores(frames, key)?;
        let [_, _, classes] = scores.dims();
        let targets = CtcTargets {
            labels,
            lengths,
            blank: classes.saturating_sub(1) as u32,
        };
        ctc_loss(scores, targets.into())
    }

    /// Log-probabilities `[B,T',V]` and real steps.
    ///
    /// # Errors
    /// A shape that does not fit.
    pub fn log_probabilities(
        &self,
        frames: Frames,
    ) -> Result<(Tensor<3>, Vec<usize>), KernelError> {
        let (scores, lengths) = self.scores(frames, None)?;
        Ok((log_softmax(scores, 2), lengths))
    }
}

/// A model that hears one utterance as it is spoken. What it says of a step never changes, and is what the model says of the whole utterance.
pub struct AcousticStream {
    model: AcousticModel,
    /// For each convolution, the frames that later outputs still see.
    heard: Vec<Vec<f32>>,
    /// Features of those.
    widths: Vec<usize>,
    state: Option<State>,
}

impl AcousticModel {
    /// The model at the beginning of an utterance, to be heard frame by frame.
    ///
    /// # Errors
    /// A model that reads backwards too.
    pub fn stream(&self) -> Result<AcousticStream, Error> {
        if self.config.bidirectional {
            return Err(Error::Config(
                "the model reads utterances backwards too and needs the whole of one; train with model.bidirectional = false for streams".into(),
            ));
        }
        let widths: Vec<usize> = self
            .convolutions
            .iter()
            .map(|own| own.weight.dims()[1])
            .collect();
        let before = self.config.convolutions.iter().zip(&widths);
        Ok(AcousticStream {
            heard: before.map(|(own, width)| own.silence(*width)).collect(),
            widths,
            model: self.clone(),
            state: None,
        })
    }
}

impl AcousticStream {
    /// Log-probabilities `[T',V]` of the steps that more frames `[T,C]` complete.
    ///
    /// # Errors
    /// Frames of another width.
    pub fn push(&mut self, frames: &[f32]) -> Result<Vec<f32>, KernelError> {
        self.hear(frames.to_vec(), false)
    }

    /// Log-probabilities of what the end completes; the stream is at the beginning of the next utterance then.
    ///
    /// # Errors
    /// None, on a model that has been heard before.
    pub fn finish(&mut self) -> Result<Vec<f32>, KernelError> {
        let last = self.hear(Vec::new(), true)?;
        self.state = None;
        let all = self
            .heard
            .iter_mut()
            .zip(&self.model.config.convolutions)
            .zip(&self.widths);
        for ((heard, own), width) in all {
            *heard = own.silence(*width);
        }
        Ok(last)
    }

    fn hear(&mut self, mut frames: Vec<f32>, end: bool) -> Result<Vec<f32>, KernelError> {
        let device = self.model.output.weight.val().device();
        let all = self.heard.iter_mut().zip(&self.widths);
        let own = self
            .model
            .config
            .convolutions
            .iter()
            .zip(&self.model.convolutions);
        for ((heard, &width), (own, weights)) in all.zip(own) {
            if !frames.len().is_multiple_of(width) {
                return Err(KernelError::Shape {
                    op: "acoustic stream",
                    what: "frames",
                    expected: vec![width],
                    got: vec![frames.len()],
                });
            }
            heard.append(&mut frames);
            let mut count = heard.len() / width;
            // Behind the end, zeros fill the last stride if it was begun.
            let waiting = count + own.stride - own.kernel;
            if end && !waiting.is_multiple_of(own.stride) {
                count += own.stride - waiting % own.stride;
                heard.resize(count * width, 0.0);
            }
            if count < own.kernel {
                return Ok(Vec::new());
            }
            let outputs = (count - own.kernel) / own.stride + 1;
            let seen = (outputs - 1) * own.stride + own.kernel;
            let x = TensorData::new(heard[..seen * width].to_vec(), [1, seen, width]);
            let x = Tensor::from_data(x, &device);
            frames = floats(weights.forward(x, own.stride, (0, 0)));
            heard.drain(..outputs * own.stride * width);
        }
        self.step(frames, &device)
    }

    /// The recurrent layers on what the convolutions gave.
    fn step(&mut self, frames: Vec<f32>, device: &Device) -> Result<Vec<f32>, KernelError> {
        if frames.is_empty() {
            return Ok(Vec::new());
        }
        let width = match self.model.config.convolutions.last() {
            Some(last) => last.channels,
            None => self.model.rnn.input(),
        };
        let time = frames.len() / width;
        let x = Tensor::<3>::from_data(TensorData::new(frames, [1, time, width]), device);
        let (y, state) = self.model.rnn.forward(x, self.state.take())?;
        self.state = Some(state);
        Ok(floats(log_softmax(self.model.score(y), 2)))
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
