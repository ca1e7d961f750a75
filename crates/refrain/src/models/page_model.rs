//! From a page to a map of its text lines: a small U-Net (Ronneberger et al. 2015) of depthwise separable convolutions
//! (Howard et al. 2017).

use super::check_sizes;
use crate::error::Error;
use crate::init::{param, uniform};
use crate::ops::{ConvOptions, ImageBatch, Window, conv, embedding};
use burn::module::{Module, Param};
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Device, Tensor};
use refrain_kernels::KernelError;
use refrain_kernels::random::Key;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Configuration of a [`PageModel`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageModelConfig {
    /// Channels of each level; each has half the height and width of the one before, the first has half those of the
    /// page.
    pub channels: Vec<usize>,
    /// Blocks of a level on the way down, and on the way up.
    pub blocks: usize,
}

impl Default for PageModelConfig {
    fn default() -> Self {
        Self {
            channels: vec![12, 24, 32, 48, 64],
            blocks: 2,
        }
    }
}

/// A convolution as a recipe of its weights: outputs, inputs of a group, kernel.
type Shape = [usize; 4];

impl PageModelConfig {
    /// A model with weights that follow from `seed`.
    ///
    /// # Errors
    /// A size of zero, or more levels than a page has.
    pub fn init(&self, seed: u64, device: &Device) -> Result<PageModel, Error> {
        self.check()?;
        let key = Key::new(seed);
        let mut number = 0;
        let mut kernel = |shape: Shape, gain: f32| {
            number += 1;
            // Keeps the variance of rectified values (He et al. 2015).
            let bound = gain * (6.0 / (shape[1] * shape[2] * shape[3]) as f32).sqrt();
            Kernel {
                weight: param(uniform(shape, bound, key.fold(number)), shape, device),
                bias: param(vec![0.0; shape[0]], [shape[0]], device),
            }
        };
        let mut block = |channels| Block {
            depthwise: kernel([channels, 1, 3, 3], 1.0),
            // A sum of many blocks stays as large as its first term.
            pointwise: kernel([channels, channels, 1, 1], 0.5),
        };
        let mut blocks = |channels| {
            (0..self.blocks)
                .map(|_| block(channels))
                .collect::<Vec<_>>()
        };
        let down_blocks: Vec<Vec<Block>> = self.channels.iter().map(|&own| blocks(own)).collect();
        let inner = &self.channels[..self.channels.len() - 1];
        let up_blocks: Vec<Vec<Block>> = inner.iter().map(|&own| blocks(own)).collect();
        let mut inputs = 1;
        let mut down = Vec::new();
        for (&channels, blocks) in self.channels.iter().zip(down_blocks) {
            let enter = kernel([channels, inputs, 3, 3], 1.0);
            down.push(Level { enter, blocks });
            inputs = channels;
        }
        let mut up = Vec::new();
        for (level, blocks) in up_blocks.into_iter().enumerate() {
            let shape = [self.channels[level], self.channels[level + 1], 1, 1];
            let enter = kernel(shape, 1.0);
            up.push(Level { enter, blocks });
        }
        let head = kernel([1, self.channels[0], 1, 1], 0.5);
        Ok(PageModel {
            down,
            up,
            head,
            config: self.clone(),
        })
    }

    /// # Errors
    /// As [`Self::init`].
    pub fn check(&self) -> Result<(), Error> {
        /// Levels of a page of 4096 pixels that comes down to one.
        const MOST: usize = 12;
        let mut sizes = vec![
            ("the length of model.channels", self.channels.len()),
            ("model.blocks", self.blocks),
        ];
        sizes.extend(self.channels.iter().map(|&own| ("model.channels", own)));
        check_sizes(&sizes)?;
        match self.channels.len() > MOST || self.blocks > MOST {
            true => Err(Error::Config(format!(
                "model.channels has {} levels of {} blocks; at most {MOST} of each are possible",
                self.channels.len(),
                self.blocks
            ))),
            false => Ok(()),
        }
    }

    /// How many numbers a model has; the largest `usize` if there are more.
    pub fn parameters(&self) -> usize {
        let kernel = |shape: Shape| {
            let product = |all: usize, size: usize| all.saturating_mul(size);
            shape.into_iter().fold(1, product).saturating_add(shape[0])
        };
        let blocks = |channels: usize| {
            let one =
                kernel([channels, 1, 3, 3]).saturating_add(kernel([channels, channels, 1, 1]));
            one.saturating_mul(self.blocks)
        };
        let mut all = 0usize;
        let mut inputs = 1;
        for (level, &channels) in self.channels.iter().enumerate() {
            all = all.saturating_add(kernel([channels, inputs, 3, 3]));
            all = all.saturating_add(blocks(channels));
            if level > 0 {
                all = all.saturating_add(kernel([inputs, channels, 1, 1]));
                all = all.saturating_add(blocks(inputs));
            }
            inputs = channels;
        }
        let first = self.channels.first().copied().unwrap_or(0);
        all.saturating_add(kernel([1, first, 1, 1]))
    }
}

#[derive(Module, Debug)]
struct Kernel {
    /// `[D,C/G,I,J]`
    weight: Param<Tensor<4>>,
    /// `[D]`
    bias: Param<Tensor<1>>,
}

impl Kernel {
    fn forward(
        &self,
        x: ImageBatch,
        stride: usize,
        groups: usize,
        relu: bool,
    ) -> Result<ImageBatch, KernelError> {
        let weight = self.weight.val();
        let [_, _, height, width] = weight.dims();
        let mut window = Window::new([height, width]);
        window.stride = [stride; 2];
        window.padding = [[height / 2; 2], [width / 2; 2]];
        let options = ConvOptions {
            groups,
            relu,
            ..ConvOptions::new(window)
        };
        conv(x, weight, self.bias.val(), options)
    }
}

/// x + P·max(0, D∗x + b) + c with a depthwise D and a pointwise P.
#[derive(Module, Debug)]
struct Block {
    depthwise: Kernel,
    pointwise: Kernel,
}

impl Block {
    fn forward(&self, x: ImageBatch) -> Result<ImageBatch, KernelError> {
        let [_, channels] = x.pixels.dims();
        let y = self.depthwise.forward(x.clone(), 1, channels, true)?;
        let y = self.pointwise.forward(y, 1, 1, false)?;
        Ok(ImageBatch {
            pixels: x.pixels + y.pixels,
            ..y
        })
    }
}

/// A change of channels and the blocks behind it.
#[derive(Module, Debug)]
struct Level {
    enter: Kernel,
    blocks: Vec<Block>,
}

impl Level {
    fn blocks(&self, x: ImageBatch) -> Result<ImageBatch, KernelError> {
        self.blocks.iter().try_fold(x, |x, own| own.forward(x))
    }
}

/// A model that marks text lines on pages; [`PageModelConfig`] makes it.
#[derive(Module, Debug)]
pub struct PageModel {
    /// From the page to the coarsest level.
    down: Vec<Level>,
    /// To the level of this number from the one below it.
    up: Vec<Level>,
    head: Kernel,
    #[module(skip)]
    config: PageModelConfig,
}

impl PageModel {
    /// Its configuration.
    pub fn config(&self) -> &PageModelConfig {
        &self.config
    }

    /// Where its parameters are.
    pub fn device(&self) -> Device {
        self.head.weight.val().device()
    }

    /// Scores of text, before the logistic function, of each pixel of pages `[P,1]` at half their height and width,
    /// rounded up.
    ///
    /// # Errors
    /// A shape that does not fit.
    pub fn scores(&self, pages: ImageBatch) -> Result<ImageBatch, KernelError> {
        let mut x = pages;
        let mut levels = Vec::new();
        for level in &self.down {
            x = level.blocks(level.enter.forward(x, 2, 1, true)?)?;
            levels.push(x.clone());
        }
        for (level, beside) in self.up.iter().zip(&levels).rev() {
            let wide = doubled(level.enter.forward(x, 1, 1, true)?, beside)?;
            x = level.blocks(ImageBatch {
                pixels: wide + beside.pixels.clone(),
                ..beside.clone()
            })?;
        }
        self.head.forward(x, 1, 1, false)
    }

    /// Mean binary cross-entropy of scores and marks (0 or 1), and 1 minus the Dice coefficient of the batch (Milletari
    /// et al. 2016), which weighs the few pixels of text as much as all others. Both are `[P,1]`.
    ///
    /// # Errors
    /// A shape that does not fit.
    pub fn loss(&self, pages: ImageBatch, marks: Tensor<2>) -> Result<PageLoss, KernelError> {
        let scores = self.scores(pages)?.pixels;
        crate::ops::fits("loss of a page", "marks", &marks.dims(), &scores.dims())?;
        let no = -marks.clone() + 1.0;
        let entropy =
            -(log_sigmoid(scores.clone()) * marks.clone() + log_sigmoid(-scores.clone()) * no);
        let text = log_sigmoid(scores).exp();
        let both = (text.clone() * marks.clone()).sum() * 2.0 + 1.0;
        let all = text.sum() + marks.sum() + 1.0;
        let entropy = entropy.mean();
        Ok(PageLoss {
            loss: entropy.clone() + 1.0 - both / all,
            entropy,
        })
    }
}

/// Loss of marked pages.
#[derive(Clone, Debug)]
pub struct PageLoss {
    /// The loss whose gradient is taken.
    pub loss: Tensor<1>,
    /// Mean cross-entropy of a pixel, nats.
    pub entropy: Tensor<1>,
}

/// The pixels of `x`, each four times, for images of the size of `like`.
fn doubled(x: ImageBatch, like: &ImageBatch) -> Result<Tensor<2>, KernelError> {
    let mut ids = Vec::with_capacity(like.height * like.widths.iter().sum::<usize>());
    let mut first = 0;
    for (&width, &wide) in x.widths.iter().zip(&*like.widths) {
        for row in 0..like.height {
            let row = first + row / 2 * width;
            ids.extend((0..wide).map(|column| (row + column / 2) as u32));
        }
        first += width * x.height;
    }
    let ids: Arc<[u32]> = ids.into();
    embedding(x.pixels, ids)
}
