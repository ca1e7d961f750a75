//! Layers as plain data, and whether they fit together.

use super::Activation;
use crate::error::TesseractError;
use serde::{Deserialize, Serialize};

/// Largest size of a layer, and largest height.
const MOST: usize = 1 << 16;

/// A network without its weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Rows of a line's image.
    pub height: usize,
    /// Whether pixels are cut off at −1 and 1, as networks of bytes have it.
    pub clip: bool,
    /// From the pixels on; the last one is the only softmax.
    pub layers: Vec<Layer>,
}

/// A layer. Images have `height` rows and `C` channels; a layer that sees columns turns them into sequences along x.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs)]
pub enum Layer {
    /// A convolution with the size of its image; pixels past an edge count as zeros, the mean of Tesseract's noise.
    Conv {
        inputs: usize,
        outputs: usize,
        /// Odd numbers of taps, `[height, width]`.
        kernel: [usize; 2],
        activation: Activation,
    },
    /// The largest of each window; windows lie side by side, and pixels that fill none are left out.
    Maxpool {
        /// `[height, width]`
        kernel: [usize; 2],
    },
    /// An LSTM down each column of the image, or up with `reverse`; its last output is the step of a sequence along x.
    ColumnLstm {
        inputs: usize,
        hidden: usize,
        reverse: bool,
    },
    /// An LSTM along x, or against it with `reverse`.
    Lstm {
        inputs: usize,
        hidden: usize,
        reverse: bool,
    },
    /// A dense layer for each step.
    Linear {
        inputs: usize,
        outputs: usize,
        activation: Activation,
    },
    /// A dense layer and the logarithm of its softmax.
    Softmax { inputs: usize, outputs: usize },
}

impl Layer {
    /// Names and shapes of its tensors.
    pub(crate) fn tensors(&self) -> Vec<(&'static str, Vec<usize>)> {
        match *self {
            Self::Conv {
                inputs,
                outputs,
                kernel: [height, width],
                ..
            } => vec![
                ("weight", vec![outputs, inputs, height, width]),
                ("bias", vec![outputs]),
            ],
            Self::Maxpool { .. } => Vec::new(),
            Self::ColumnLstm { inputs, hidden, .. } | Self::Lstm { inputs, hidden, .. } => vec![
                ("weight_ih", vec![4 * hidden, inputs]),
                ("weight_hh", vec![4 * hidden, hidden]),
                ("bias", vec![4 * hidden]),
            ],
            Self::Linear {
                inputs, outputs, ..
            }
            | Self::Softmax { inputs, outputs } => {
                vec![("weight", vec![outputs, inputs]), ("bias", vec![outputs])]
            }
        }
    }

    /// Channels that go in and come out; none for a layer that takes any.
    fn channels(&self) -> Option<[usize; 2]> {
        match *self {
            Self::Maxpool { .. } => None,
            Self::ColumnLstm { inputs, hidden, .. } | Self::Lstm { inputs, hidden, .. } => {
                Some([inputs, hidden])
            }
            Self::Conv {
                inputs, outputs, ..
            }
            | Self::Linear {
                inputs, outputs, ..
            }
            | Self::Softmax { inputs, outputs } => Some([inputs, outputs]),
        }
    }

    /// Whether it works on images, before a layer of columns has turned them into sequences.
    pub(crate) fn is_of_images(&self) -> bool {
        matches!(
            self,
            Self::Conv { .. } | Self::Maxpool { .. } | Self::ColumnLstm { .. }
        )
    }
}

impl Architecture {
    /// `V`: labels of the softmax, the blank included.
    pub fn labels(&self) -> usize {
        match self.layers.last() {
            Some(Layer::Softmax { outputs, .. }) => *outputs,
            _ => 0,
        }
    }

    /// Frames of a line of so many pixels.
    pub fn frames(&self, width: usize) -> usize {
        self.layers.iter().fold(width, |width, layer| match layer {
            Layer::Maxpool { kernel } => width / kernel[1].max(1),
            _ => width,
        })
    }

    /// Checks that the layers fit together and that sizes are possible.
    pub(crate) fn check(&self) -> Result<(), TesseractError> {
        let (mut height, mut channels, mut flat) = (self.height, 1, false);
        let softmax = self
            .layers
            .iter()
            .position(|layer| matches!(layer, Layer::Softmax { .. }));
        if !(1..=MOST).contains(&height) {
            let problem = format!("the image has {height} rows where 1 to {MOST} are possible");
            return Err(TesseractError::Layer { layer: 0, problem });
        }
        for (index, layer) in self.layers.iter().enumerate() {
            let wrong = |problem: String| TesseractError::Layer {
                layer: index,
                problem,
            };
            if layer.is_of_images() == flat {
                return Err(wrong(match flat {
                    true => "a layer of images follows one that makes sequences".to_owned(),
                    false => format!(
                        "a layer of sequences meets an image of {height} rows; a ColumnLstm goes before"
                    ),
                }));
            }
            if let Some([inputs, outputs]) = layer.channels() {
                if inputs != channels {
                    return Err(wrong(format!(
                        "it takes {inputs} channels where {channels} come in"
                    )));
                }
                if !(1..=MOST).contains(&outputs) {
                    return Err(wrong(format!(
                        "{outputs} outputs where 1 to {MOST} are possible"
                    )));
                }
                channels = outputs;
            }
            match *layer {
                Layer::Conv { kernel, .. }
                    if kernel.iter().any(|taps| taps % 2 == 0 || *taps > 31) =>
                {
                    return Err(wrong(format!(
                        "a kernel of {kernel:?}; odd sizes up to 31 are possible"
                    )));
                }
                Layer::Maxpool { kernel } => {
                    let rows = height.checked_div(kernel[0]).unwrap_or(0);
                    if rows == 0 || !(1..=64).contains(&kernel[1]) {
                        return Err(wrong(format!("a window of {kernel:?} over {height} rows")));
                    }
                    height = rows;
                }
                Layer::ColumnLstm { .. } => flat = true,
                _ => {}
            }
        }
        match softmax {
            Some(at) if at + 1 == self.layers.len() => Ok(()),
            at => Err(TesseractError::Layer {
                layer: at.unwrap_or(self.layers.len()),
                problem: "the last layer, and no other, must be a softmax".to_owned(),
            }),
        }
    }
}
