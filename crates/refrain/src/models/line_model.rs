//! From images of text lines to scores of characters: convolutions over the image, a recurrent stack over its columns,
//! a linear layer over the characters and the blank (Shi et al. 2015; Breuel 2017).

use super::config::{CellKind, PrecisionName};
use super::ctc::{self, Scores};
use super::linear::Linear;
use super::{check_probabilities, check_sizes};
use crate::error::Error;
use crate::init::{param, uniform};
use crate::layers::{Options, Recurrent, RecurrentConfig};
use crate::ops::{
    ConvOptions, DropoutMask, ImageBatch, Window, conv, conv_max, dropout, embedding,
};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use refrain_kernels::random::Key;
use refrain_kernels::{KernelError, Precision};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A convolution with a rectifier, and the largest of each window behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Channels that come out.
    pub channels: usize,
    /// Height and width of the kernel; odd, so that the image keeps its size.
    #[serde(default = "three")]
    pub kernel: [usize; 2],
    /// Height and width of the windows of the maximum, which do not overlap; `[1, 1]`: none.
    #[serde(default = "one")]
    pub pool: [usize; 2],
}

fn three() -> [usize; 2] {
    [3, 3]
}

fn one() -> [usize; 2] {
    [1, 1]
}

impl Stage {
    fn window(&self) -> Window {
        let mut window = Window::new(self.kernel);
        window.padding = self.kernel.map(|taps| [taps / 2; 2]);
        window
    }

    fn pooling(&self) -> Window {
        let mut window = Window::new(self.pool);
        window.stride = self.pool;
        window
    }
}

/// Configuration of a [`LineModel`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LineModelConfig {
    /// Height of the images, pixels.
    pub height: usize,
    /// Convolutions, first to last.
    pub stages: Vec<Stage>,
    /// Features of a column: a convolution as high as the image is by then.
    pub columns: usize,
    /// The recurrence.
    pub cell: CellKind,
    /// Hidden units of a layer and direction.
    pub hidden: usize,
    /// Recurrent layers, each in both directions.
    pub layers: usize,
    /// Dropout before every recurrent layer and before the scores, a probability.
    pub dropout: f64,
    /// Precision of the products.
    #[serde(with = "PrecisionName")]
    pub precision: Precision,
}

impl Default for LineModelConfig {
    fn default() -> Self {
        let stage = |channels, pool| Stage {
            channels,
            kernel: three(),
            pool,
        };
        Self {
            height: 36,
            stages: vec![
                stage(16, [3, 3]),
                stage(32, [1, 1]),
                stage(64, [2, 1]),
                stage(96, [2, 1]),
            ],
            columns: 160,
            cell: CellKind::Lstm,
            hidden: 160,
            layers: 2,
            dropout: 0.1,
            precision: Precision::F32,
        }
    }
}

/// Largest number of rows of an image, which bounds the memory of a model folder that was edited by hand.
const HIGHEST: usize = 512;

impl LineModelConfig {
    /// A model of `classes`, the blank among them, with weights that follow from `seed`.
    ///
    /// # Errors
    /// An invalid size or a dropout that is no probability below one.
    pub fn init(&self, classes: usize, seed: u64, device: &Device) -> Result<LineModel, Error> {
        self.check()?;
        let key = Key::new(seed);
        let mut convolutions = Vec::new();
        for (index, shape) in self.kernels().into_iter().enumerate() {
            let key = key.fold(100 + index as u64);
            // Keeps the variance of rectified values (He et al. 2015).
            let bound = (6.0 / (shape[1] * shape[2] * shape[3]) as f32).sqrt();
            convolutions.push(Kernel {
                weight: param(uniform(shape, bound, key), shape, device),
                bias: param(vec![0.0; shape[0]], [shape[0]], device),
            });
        }
        Ok(LineModel {
            convolutions,
            rnn: self.stack().with_seed(seed).init(device),
            output: Linear::init([classes, self.answers_from()], key, device),
            config: self.clone(),
        })
    }

    /// # Errors
    /// As [`Self::init`].
    pub fn check(&self) -> Result<(), Error> {
        let mut sizes = vec![
            ("model.height", self.height),
            ("model.columns", self.columns),
            ("model.hidden", self.hidden),
            ("model.layers", self.layers),
        ];
        for own in &self.stages {
            sizes.push(("model.stages.channels", own.channels));
            sizes.extend(own.kernel.map(|size| ("model.stages.kernel", size)));
            sizes.extend(own.pool.map(|size| ("model.stages.pool", size)));
        }
        check_sizes(&sizes)?;
        check_probabilities(&[("model.dropout", self.dropout)])?;
        let even = |own: &Stage| own.kernel.iter().any(|size| size % 2 == 0);
        if let Some(own) = self.stages.iter().find(|own| even(own)) {
            return Err(Error::Config(format!(
                "model.stages has a kernel of {:?}; both sizes must be odd, so that the image keeps its size",
                own.kernel
            )));
        }
        if self.height > HIGHEST || self.rows() == 0 {
            return Err(Error::Config(format!(
                "model.height is {}; it must be at most {HIGHEST}, and at least the product of the heights of all pool \
                 windows",
                self.height
            )));
        }
        if self.precision == Precision::Int8 {
            return Err(Error::Config(
                "model.precision is int8; a model of text lines computes in f32 or bf16".into(),
            ));
        }
        Ok(())
    }

    /// Rows of the image behind all stages.
    fn rows(&self) -> usize {
        self.stages
            .iter()
            .fold(self.height, |height, own| height / own.pool[0])
    }

    /// Pixels of the image from one column to the next.
    pub fn pixels_a_step(&self) -> usize {
        self.stages.iter().map(|own| own.pool[1]).product()
    }

    /// Columns that an image of this width has.
    pub fn steps(&self, width: usize) -> usize {
        self.stages
            .iter()
            .fold(width, |width, own| width / own.pool[1])
    }

    /// Shapes `[D,C,I,J]` of the kernels, that of the columns last.
    fn kernels(&self) -> Vec<[usize; 4]> {
        let mut inputs = 1;
        let mut all = Vec::new();
        for own in &self.stages {
            all.push([own.channels, inputs, own.kernel[0], own.kernel[1]]);
            inputs = own.channels;
        }
        all.push([self.columns, inputs, self.rows(), 1]);
        all
    }

    fn stack(&self) -> RecurrentConfig {
        RecurrentConfig::new(self.cell.into(), self.columns, self.hidden)
            .with_layers(self.layers)
            .with_bidirectional(true)
            .with_dropout(self.dropout)
            .with_precision(self.precision)
    }

    fn answers_from(&self) -> usize {
        self.hidden.saturating_mul(2)
    }

    /// How many numbers a model has; the largest `usize` if there are more.
    pub fn parameters(&self, classes: usize) -> usize {
        let product = |all: usize, size: usize| all.saturating_mul(size);
        let kernels = self.kernels().into_iter().map(|shape| {
            let weights = shape.into_iter().fold(1, product);
            weights.saturating_add(shape[0])
        });
        let output = classes.saturating_mul(self.answers_from().saturating_add(1));
        kernels
            .chain([self.stack().parameters(), output])
            .fold(0, usize::saturating_add)
    }
}

#[derive(Module, Debug)]
struct Kernel {
    /// `[D,C,I,J]`
    weight: Param<Tensor<4>>,
    /// `[D]`
    bias: Param<Tensor<1>>,
}

/// A model of text lines; [`LineModelConfig`] makes it.
#[derive(Module, Debug)]
pub struct LineModel {
    /// Those of the stages, and that of the columns.
    convolutions: Vec<Kernel>,
    rnn: Recurrent,
    output: Linear,
    #[module(skip)]
    config: LineModelConfig,
}

impl LineModel {
    /// Its configuration.
    pub fn config(&self) -> &LineModelConfig {
        &self.config
    }

    /// Where its parameters are.
    pub fn device(&self) -> Device {
        self.output.weight.val().device()
    }

    /// The same model with products of another precision.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.rnn = self.rnn.with_precision(precision);
        if precision != Precision::Int8 {
            self.config.precision = precision;
        }
        self
    }

    /// Scores of images `[P,1]` of the model's height; with a key, dropout is on.
    ///
    /// # Errors
    /// A shape that does not fit.
    pub fn scores(&self, images: ImageBatch, key: Option<Key>) -> Result<Scores, KernelError> {
        let mut x = images;
        let options = |window| ConvOptions {
            precision: self.config.precision,
            ..ConvOptions::new(window)
        };
        for (own, kernel) in self.config.stages.iter().zip(&self.convolutions) {
            let (w, b) = (kernel.weight.val(), kernel.bias.val());
            x = match own.pool == one() {
                true => conv(x, w, b, options(own.window()))?,
                false => conv_max(x, w, b, options(own.window()), own.pooling())?,
            };
        }
        if let Some(columns) = self.convolutions.last() {
            let window = Window::new([x.height, 1]);
            x = conv(x, columns.weight.val(), columns.bias.val(), options(window))?;
        }
        let lengths = x.widths.to_vec();
        let x = self.thin(side_by_side(x)?, key.map(|key| key.fold(0)))?;
        let options = Options {
            lengths: Some(lengths.clone()),
            dropout: key.map(|key| key.fold(1)),
            ..Options::default()
        };
        let (y, _) = self.rnn.forward_with(x, options)?;
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

/// Images of one row `[ΣT,C]` as sequences `[B,T,C]` with zeros behind the shorter ones.
fn side_by_side(x: ImageBatch) -> Result<Tensor<3>, KernelError> {
    let [rows, channels] = x.pixels.dims();
    // A tensor without steps cannot be; those of images too narrow for one are padding.
    let time = x.widths.iter().copied().fold(1, usize::max);
    let batch = x.widths.len();
    let mut ids = Vec::with_capacity(batch * time);
    let mut first = 0;
    for &width in &*x.widths {
        ids.extend((first..first + width).map(|row| row as u32));
        ids.resize(ids.len() + time - width, rows as u32);
        first += width;
    }
    let zeros = TensorData::zeros::<f32, _>([1, channels]);
    let zeros = Tensor::from_data(zeros, &x.pixels.device());
    let all = Tensor::cat(vec![x.pixels, zeros], 0);
    let ids: Arc<[u32]> = ids.into();
    Ok(embedding(all, ids)?.reshape([batch, time, channels]))
}
