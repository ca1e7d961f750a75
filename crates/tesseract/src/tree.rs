//! The network as the file has it, a tree, and the way to a list of layers (`network.cpp` and the files of its kinds).

use crate::bytes::Bytes;
use crate::error::TesseractError;
use crate::matrix::{MOST, Matrix};
use crate::network::{Activation, Layer};

/// Networks inside of networks; models have three.
const DEEPEST: usize = 8;

/// Each network has its own rates of learning, behind its parts.
const RATES: i32 = 64;

/// Kinds of networks that this crate knows by name only.
const REFUSED: [&str; 10] = [
    "Parallel",
    "Replicated",
    "ParBidiLSTM",
    "DepParUDLSTM",
    "Par2dLSTM",
    "Reconfig",
    "TTBReversed",
    "LSTMSoftmax",
    "LSTMBinarySoftmax",
    "TensorFlow",
];

const ORDINARY: &str = "Refrain reads models built like those of tessdata_fast and tessdata_best";

/// A network in the file.
#[derive(Debug)]
enum Node {
    /// Rows of the image; 0 for any.
    Input {
        height: usize,
    },
    /// Taps, `[height, width]`.
    Convolve {
        kernel: [usize; 2],
    },
    /// Window, `[height, width]`.
    Maxpool {
        kernel: [usize; 2],
    },
    Series(Vec<Node>),
    /// Along x, backwards.
    Reversed(Box<Node>),
    /// With x and y exchanged.
    Transposed(Box<Node>),
    Lstm(Gates),
    /// Keeps its last output only.
    SummaryLstm(Gates),
    Full(Option<Activation>, Matrix),
}

/// Weights of an LSTM: g, i, f, o, each `[H, C + H + 1]`.
#[derive(Debug)]
struct Gates([Matrix; 4]);

/// The head of every network.
struct Head {
    kind: String,
    flags: i32,
    inputs: usize,
    outputs: usize,
    weights: usize,
}

impl Head {
    fn read(bytes: &mut Bytes) -> Result<Self, TesseractError> {
        if bytes.u8("the kind of a network")? != 0 {
            let hint =
                "it is of a version before 4.00: take the file of tessdata_fast or tessdata_best";
            return Err(bytes.unsupported("a network whose kind is a number", hint));
        }
        let kind = bytes.string(64, "the kind of a network")?;
        let training = bytes.u8("the state of training")?;
        if training == 1 {
            let hint = "finish it by lstmtraining --stop_training";
            return Err(bytes.unsupported("a checkpoint of a training", hint));
        }
        bytes.u8("the need of gradients")?;
        let flags = bytes.i32("the flags of a network")?;
        let inputs = bytes.signed_size(0, MOST, "the inputs of a network")?;
        let outputs = bytes.signed_size(0, MOST, "the outputs of a network")?;
        let weights = bytes.signed_size(0, i32::MAX as usize, "the number of weights")?;
        bytes.string(256, "the name of a network")?;
        Ok(Self {
            kind,
            flags,
            inputs,
            outputs,
            weights,
        })
    }
}

/// Reads a network and gives its layers and their weights: the height of the input first.
pub(crate) fn read(bytes: &mut Bytes) -> Result<Lowered, TesseractError> {
    let (node, _) = Node::read(bytes, 0)?;
    let mut lowered = Lowered::default();
    lowered.add(bytes, node)?;
    match lowered.window {
        None => Ok(lowered),
        Some(_) => Err(bytes.unsupported(
            "a Convolve without a fully connected network behind it",
            ORDINARY,
        )),
    }
}

impl Node {
    /// A network and its number of weights.
    fn read(bytes: &mut Bytes, depth: usize) -> Result<(Self, usize), TesseractError> {
        let head = Head::read(bytes)?;
        let (node, weights) = match head.kind.as_str() {
            "Input" => (Self::input(bytes)?, 0),
            "Convolve" => {
                let half = Self::pair(bytes, 0, 15, "half of a window")?;
                (
                    Self::Convolve {
                        kernel: half.map(|half| 2 * half + 1),
                    },
                    0,
                )
            }
            "Maxpool" => (
                Self::Maxpool {
                    kernel: Self::pair(bytes, 1, 64, "a window")?,
                },
                0,
            ),
            "Series" | "RTLReversed" | "XYTranspose" => Self::of_parts(bytes, &head, depth)?,
            "LSTM" | "SummLSTM" => {
                let gates = Gates::read(bytes, &head)?;
                let weights = gates.0.iter().map(|gate| gate.values.len()).sum();
                match head.kind.as_str() {
                    "LSTM" => (Self::Lstm(gates), weights),
                    _ => (Self::SummaryLstm(gates), weights),
                }
            }
            kind if REFUSED.contains(&kind) => {
                return Err(bytes.unsupported(format!("a network of kind {kind}"), ORDINARY));
            }
            kind => {
                let activation = activation(bytes, kind)?;
                let matrix = Matrix::read(bytes)?;
                let (rows, columns) = (matrix.rows, matrix.columns);
                if (head.outputs, head.inputs + 1) != (rows, columns) {
                    return Err(bytes.damaged(format!(
                        "{kind} of {} inputs and {} outputs has a matrix of {rows} by {columns}",
                        head.inputs, head.outputs
                    )));
                }
                (Self::Full(activation, matrix), rows * columns)
            }
        };
        match weights == head.weights {
            true => Ok((node, weights)),
            false => Err(bytes.damaged(format!(
                "{} has {weights} weights where its head says {}",
                head.kind, head.weights
            ))),
        }
    }

    /// Batch, height, width, depth, and the loss.
    fn input(bytes: &mut Bytes) -> Result<Self, TesseractError> {
        bytes.signed_size(0, MOST, "the size of a batch")?;
        let height = bytes.signed_size(0, MOST, "the height of the image")?;
        let width = bytes.signed_size(0, MOST, "the width of the image")?;
        let depth = bytes.signed_size(1, MOST, "the depth of the image")?;
        bytes.signed_size(0, 3, "the loss")?;
        match (height, width, depth) {
            (2.., 0, 1) => Ok(Self::Input { height }),
            _ => Err(bytes.unsupported(
                format!("an image of height {height}, width {width} (0: any) and {depth} channels"),
                ORDINARY,
            )),
        }
    }

    /// A size along x and one along y, as `[height, width]`.
    fn pair(
        bytes: &mut Bytes,
        least: usize,
        most: usize,
        what: &str,
    ) -> Result<[usize; 2], TesseractError> {
        let x = bytes.signed_size(least, most, what)?;
        let y = bytes.signed_size(least, most, what)?;
        Ok([y, x])
    }

    fn of_parts(
        bytes: &mut Bytes,
        head: &Head,
        depth: usize,
    ) -> Result<(Self, usize), TesseractError> {
        if depth == DEEPEST {
            return Err(bytes.damaged(format!(
                "networks lie more than {DEEPEST} deep in each other"
            )));
        }
        let count = bytes.size(1024, "the parts of a network")?;
        let (mut parts, mut weights) = (Vec::new(), 0usize);
        for _ in 0..count {
            let (part, own) = Self::read(bytes, depth + 1)?;
            parts.push(part);
            weights = weights.saturating_add(own);
        }
        if head.flags & RATES != 0 {
            let count = bytes.size(1024, "the number of learning rates")?;
            bytes.take(count, 4, "learning rates")?;
        }
        if head.kind == "Series" {
            return Ok((Self::Series(parts), weights));
        }
        let (Some(part), 1) = (parts.pop(), count) else {
            return Err(bytes.damaged(format!(
                "{} has {count} parts where it takes one",
                head.kind
            )));
        };
        let part = Box::new(part);
        match head.kind.as_str() {
            "RTLReversed" => Ok((Self::Reversed(part), weights)),
            _ => Ok((Self::Transposed(part), weights)),
        }
    }
}

/// The activation of a fully connected network; none for softmax.
fn activation(bytes: &Bytes, kind: &str) -> Result<Option<Activation>, TesseractError> {
    match kind {
        "Logistic" => Ok(Some(Activation::Logistic)),
        "LinLogistic" => Ok(Some(Activation::ClipPositive)),
        "LinTanh" => Ok(Some(Activation::Clip)),
        "Tanh" => Ok(Some(Activation::Tanh)),
        "Relu" => Ok(Some(Activation::Relu)),
        "Linear" => Ok(Some(Activation::Linear)),
        "Softmax" => Ok(None),
        "SoftmaxNoCTC" => Err(bytes.unsupported("a softmax without CTC", ORDINARY)),
        _ => Err(bytes.damaged(format!("a network of kind {kind:?} is unknown"))),
    }
}

impl Gates {
    fn read(bytes: &mut Bytes, head: &Head) -> Result<Self, TesseractError> {
        let width = bytes.signed_size(1, 2 * MOST, "the columns of an LSTM")?;
        let (inputs, hidden) = (head.inputs, head.outputs);
        if hidden > 0 && width == inputs + 2 * hidden {
            return Err(bytes.unsupported("an LSTM in two dimensions", ORDINARY));
        }
        if hidden == 0 || width != inputs + hidden {
            return Err(bytes.damaged(format!(
                "an LSTM of {inputs} inputs and {hidden} units has {width} columns"
            )));
        }
        let mut gate = || -> Result<Matrix, TesseractError> {
            let matrix = Matrix::read(bytes)?;
            match (matrix.rows, matrix.columns) == (hidden, width + 1) {
                true => Ok(matrix),
                false => Err(bytes.damaged(format!(
                    "a gate of {hidden} units and {width} inputs has a matrix of {} by {}",
                    matrix.rows, matrix.columns
                ))),
            }
        };
        Ok(Self([gate()?, gate()?, gate()?, gate()?]))
    }

    fn hidden(&self) -> usize {
        self.0[0].rows
    }

    fn inputs(&self) -> usize {
        self.0[0].columns - 1 - self.hidden()
    }

    /// W_ih, W_hh and the bias, gates i, f, g, o.
    fn tensors(&self) -> Vec<Vec<f32>> {
        let [g, i, f, o] = &self.0;
        let gates = [i, f, g, o];
        let part = |first, count| {
            gates
                .iter()
                .flat_map(|gate| gate.part(first, count))
                .collect()
        };
        let (inputs, hidden) = (self.inputs(), self.hidden());
        vec![
            part(0, inputs),
            part(inputs, hidden),
            part(inputs + hidden, 1),
        ]
    }
}

/// Layers with their weights, in the order of [`Layer::tensors`].
#[derive(Debug, Default)]
pub(crate) struct Lowered {
    /// Of the image, once the input was met.
    pub height: Option<usize>,
    pub layers: Vec<Layer>,
    pub weights: Vec<Vec<f32>>,
    /// Taps of a window that waits for its weights.
    window: Option<[usize; 2]>,
}

impl Lowered {
    fn add(&mut self, bytes: &Bytes, node: Node) -> Result<(), TesseractError> {
        let refused = |what: &str| Err(bytes.unsupported(what, ORDINARY));
        let is_full = matches!(node, Node::Full(Some(_), _) | Node::Series(_));
        if self.window.is_some() && !is_full {
            return refused("a Convolve without a fully connected network behind it");
        }
        match node {
            Node::Series(parts) => parts.into_iter().try_for_each(|part| self.add(bytes, part)),
            Node::Input { height } if self.height.is_none() && self.layers.is_empty() => {
                self.height = Some(height);
                Ok(())
            }
            Node::Input { .. } => refused("a second Input"),
            _ if self.height.is_none() => refused("a network that does not begin with an Input"),
            Node::Convolve { kernel } => {
                self.window = Some(kernel);
                Ok(())
            }
            Node::Maxpool { kernel } => {
                self.layers.push(Layer::Maxpool { kernel });
                Ok(())
            }
            Node::Lstm(gates) => self.recurrent(gates, false, false),
            Node::Reversed(part) => match *part {
                Node::Lstm(gates) => self.recurrent(gates, false, true),
                _ => refused("an RTLReversed of anything but an LSTM"),
            },
            Node::Transposed(part) => match *part {
                Node::SummaryLstm(gates) => self.recurrent(gates, true, false),
                Node::Reversed(part) => match *part {
                    Node::SummaryLstm(gates) => self.recurrent(gates, true, true),
                    _ => refused("an XYTranspose of anything but a SummLSTM"),
                },
                _ => refused("an XYTranspose of anything but a SummLSTM"),
            },
            Node::SummaryLstm(_) => refused("a SummLSTM along x"),
            Node::Full(activation, matrix) => self.full(bytes, activation, &matrix),
        }
    }

    fn recurrent(
        &mut self,
        gates: Gates,
        summary: bool,
        reverse: bool,
    ) -> Result<(), TesseractError> {
        let (inputs, hidden) = (gates.inputs(), gates.hidden());
        self.layers.push(match summary {
            true => Layer::ColumnLstm {
                inputs,
                hidden,
                reverse,
            },
            false => Layer::Lstm {
                inputs,
                hidden,
                reverse,
            },
        });
        self.weights.extend(gates.tensors());
        Ok(())
    }

    fn full(
        &mut self,
        bytes: &Bytes,
        activation: Option<Activation>,
        matrix: &Matrix,
    ) -> Result<(), TesseractError> {
        let (inputs, outputs) = (matrix.columns - 1, matrix.rows);
        let is_flat = self
            .layers
            .iter()
            .any(|layer| matches!(layer, Layer::ColumnLstm { .. }));
        let Some(activation) = activation else {
            self.layers.push(Layer::Softmax { inputs, outputs });
            self.weights
                .extend([matrix.part(0, inputs).collect(), matrix.bias().collect()]);
            return Ok(());
        };
        if is_flat && self.window.is_none() {
            self.layers.push(Layer::Linear {
                inputs,
                outputs,
                activation,
            });
            self.weights
                .extend([matrix.part(0, inputs).collect(), matrix.bias().collect()]);
            return Ok(());
        }
        let kernel = self.window.take().unwrap_or([1, 1]);
        let [height, width] = kernel;
        let taps = height * width;
        if !inputs.is_multiple_of(taps) {
            return Err(bytes.damaged(format!(
                "{inputs} inputs are no whole number of {taps} taps"
            )));
        }
        let channels = inputs / taps;
        // The file has columns of the window side by side, then rows, then channels.
        let mut w = Vec::with_capacity(outputs * inputs);
        for row in matrix.values.chunks_exact(matrix.columns) {
            for c in 0..channels {
                for y in 0..height {
                    w.extend((0..width).map(|x| row[(x * height + y) * channels + c]));
                }
            }
        }
        self.layers.push(Layer::Conv {
            inputs: channels,
            outputs,
            kernel,
            activation,
        });
        self.weights.extend([w, matrix.bias().collect()]);
        Ok(())
    }
}
