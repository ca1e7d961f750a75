//! Lines through the network, by the kernels.

use super::{Activation, Layer, Network, Weights};
use crate::error::TesseractError;
use crate::line::Line;
use refrain_kernels::conv::{self, Conv, Images, Pool, Pooling, Window};
use refrain_kernels::{
    Cell, Direction, Inputs, LinearWeights, Outputs, Plan, Precision, WeightCache, infer, softmax,
};

/// Most lines that run together.
const LINES: usize = 16;

/// Most pixels in a row of all lines that run together, padding included; a longer line runs alone.
const WIDTH: usize = 1 << 14;

/// Columns whose LSTM runs at once: with all their steps they fit into a second cache.
const COLUMNS: usize = 256;

/// Log-probabilities of a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// `T`
    pub frames: usize,
    /// `V`, the blank included.
    pub labels: usize,
    /// `[T,V]`, nats.
    pub log_probs: Vec<f32>,
}

impl Network {
    /// The log-probabilities of each line, in the order of the lines.
    ///
    /// Lines of similar width run together, whatever their order. The scores of a line do not depend on the others.
    ///
    /// # Errors
    /// A line of another height; sizes that the kernels refuse.
    pub fn forward(&self, lines: &[&Line]) -> Result<Vec<Scores>, TesseractError> {
        let height = self.architecture.height;
        if let Some(line) = lines.iter().find(|line| line.height() != height) {
            return Err(TesseractError::Line {
                width: line.width(),
                height: line.height(),
                problem: format!("meets a network of height {height}; normalise it to that height"),
            });
        }
        let mut order: Vec<usize> = (0..lines.len()).collect();
        order.sort_by_key(|&line| lines[line].width());
        let mut scores = vec![None; lines.len()];
        let mut rest = &order[..];
        while !rest.is_empty() {
            // Widths rise, so the last line of a group says how wide all of them are with their padding.
            let fits = |count: &usize| count * lines[rest[count - 1]].width() <= WIDTH;
            let count = (1..=rest.len().min(LINES))
                .take_while(fits)
                .last()
                .unwrap_or(1);
            let (group, after) = rest.split_at(count);
            let members: Vec<&Line> = group.iter().map(|&line| lines[line]).collect();
            for (&line, own) in group.iter().zip(self.group(&members)?) {
                scores[line] = Some(own);
            }
            rest = after;
        }
        Ok(scores.into_iter().flatten().collect())
    }

    /// Lines that run together: their images one after the other, which keeps them in the cache, and their sequences
    /// side by side.
    fn group(&self, lines: &[&Line]) -> Result<Vec<Scores>, TesseractError> {
        let layers = || self.architecture.layers.iter().zip(&self.weights);
        let is_of_columns = |layer: &Layer| matches!(layer, Layer::ColumnLstm { .. });
        let (mut columns, mut width) = (Vec::with_capacity(lines.len()), 0);
        for line in lines {
            let mut picture = Picture::new(line);
            for (layer, weights) in layers() {
                match *layer {
                    Layer::ColumnLstm {
                        hidden, reverse, ..
                    } => {
                        columns.push((picture.width, picture.columns(weights, hidden, reverse)?));
                        width = hidden;
                    }
                    _ if layer.is_of_images() => picture.apply(layer, weights)?,
                    _ => break,
                }
            }
        }
        let mut sequences = Sequences::new(&columns, width);
        for (layer, weights) in layers().skip_while(|layer| !is_of_columns(layer.0)).skip(1) {
            sequences.apply(layer, weights)?;
        }
        Ok(sequences.scores())
    }
}

/// An image, `[H,W,C]`.
struct Picture {
    height: usize,
    width: usize,
    channels: usize,
    values: Vec<f32>,
    /// An activation that is still to be applied. It never falls, so it may follow the maximum of pooling, where there
    /// are fewer values.
    waiting: Activation,
}

impl Picture {
    fn new(line: &Line) -> Self {
        Self {
            height: line.height(),
            width: line.width(),
            channels: 1,
            values: line.pixels().to_vec(),
            waiting: Activation::Linear,
        }
    }

    fn images(&self) -> Images<'_> {
        Images {
            height: self.height,
            widths: std::slice::from_ref(&self.width),
            channels: self.channels,
        }
    }

    fn activate(&mut self) {
        self.waiting.apply(&mut self.values);
        self.waiting = Activation::Linear;
    }

    fn apply(&mut self, layer: &Layer, weights: &Weights) -> Result<(), TesseractError> {
        match *layer {
            Layer::Conv {
                outputs,
                kernel,
                activation,
                ..
            } => {
                self.activate();
                let mut window = Window::new(kernel);
                window.padding = kernel.map(|taps| [taps / 2; 2]);
                let y = conv::forward(&Conv {
                    images: self.images(),
                    window,
                    groups: 1,
                    outputs,
                    relu: false,
                    precision: Precision::F32,
                    x: &self.values,
                    w: &weights.tensors[0],
                    b: Some(&weights.tensors[1]),
                })?;
                (self.channels, self.values, self.waiting) = (outputs, y, activation);
            }
            Layer::Maxpool { kernel } => {
                let mut window = Window::new(kernel);
                window.stride = kernel;
                self.values = conv::pool(&Pool {
                    images: self.images(),
                    window,
                    pooling: Pooling::Max,
                    x: &self.values,
                })?;
                (self.height, self.width) = (window.height(self.height), window.width(self.width));
            }
            // Other layers do not meet images.
            _ => {}
        }
        Ok(())
    }

    /// The last output of an LSTM along each column, `[W,H]`.
    fn columns(
        &mut self,
        weights: &Weights,
        hidden: usize,
        reverse: bool,
    ) -> Result<Vec<f32>, TesseractError> {
        self.activate();
        let (channels, height) = (self.channels, self.height);
        let mut outputs = Vec::with_capacity(self.width * hidden);
        let mut x = Vec::new();
        for first in (0..self.width).step_by(COLUMNS) {
            let count = COLUMNS.min(self.width - first);
            x.clear();
            for column in first..first + count {
                for row in 0..height {
                    let pixel = (row * self.width + column) * channels;
                    x.extend_from_slice(&self.values[pixel..][..channels]);
                }
            }
            let plan = plan([count, height, channels, hidden], reverse, None);
            outputs.extend_from_slice(&lstm(&plan, &x, weights)?.h_n);
        }
        Ok(outputs)
    }
}

/// `[B,T,C]`; steps past the end of a sequence are not read.
struct Sequences {
    time: usize,
    lengths: Vec<usize>,
    width: usize,
    values: Vec<f32>,
}

impl Sequences {
    /// Of the length and the values `[T,C]` of each, `C` = `width`.
    fn new(all: &[(usize, Vec<f32>)], width: usize) -> Self {
        let time = all.iter().map(|own| own.0).max().unwrap_or(0);
        let mut values = vec![0.0; all.len() * time * width];
        for (b, (_, own)) in all.iter().enumerate() {
            values[b * time * width..][..own.len()].copy_from_slice(own);
        }
        Self {
            time,
            lengths: all.iter().map(|own| own.0).collect(),
            width,
            values,
        }
    }

    fn apply(&mut self, layer: &Layer, weights: &Weights) -> Result<(), TesseractError> {
        match *layer {
            Layer::Lstm {
                hidden, reverse, ..
            } => {
                let sizes = [self.lengths.len(), self.time, self.width, hidden];
                let plan = plan(sizes, reverse, Some(&self.lengths));
                self.values = lstm(&plan, &self.values, weights)?.y;
                self.width = hidden;
            }
            Layer::Linear {
                outputs,
                activation,
                ..
            } => {
                self.dense(weights, outputs)?;
                activation.apply(&mut self.values);
            }
            Layer::Softmax { outputs, .. } => {
                self.dense(weights, outputs)?;
                softmax::log_softmax_rows(&mut self.values, outputs)?;
            }
            // The architecture was checked: no other layer meets sequences.
            _ => {}
        }
        Ok(())
    }

    fn dense(&mut self, weights: &Weights, outputs: usize) -> Result<(), TesseractError> {
        let packed = match weights.dense.get() {
            Some(packed) => packed,
            None => {
                let [w, b] = [0, 1].map(|part| &weights.tensors[part][..]);
                let packed = LinearWeights::new(w, Some(b), self.width, outputs)?;
                weights.dense.get_or_init(|| packed)
            }
        };
        let mut out = vec![0.0; self.lengths.len() * self.time * outputs];
        for (b, &length) in self.lengths.iter().enumerate() {
            let x = &self.values[b * self.time * self.width..][..length * self.width];
            let rows: Vec<&[f32]> = x.chunks_exact(self.width).collect();
            packed.apply(
                &rows,
                &mut out[b * self.time * outputs..][..length * outputs],
            )?;
        }
        (self.width, self.values) = (outputs, out);
        Ok(())
    }

    fn scores(self) -> Vec<Scores> {
        let own = |(b, &frames): (usize, &usize)| Scores {
            frames,
            labels: self.width,
            log_probs: self.values[b * self.time * self.width..][..frames * self.width].to_vec(),
        };
        self.lengths.iter().enumerate().map(own).collect()
    }
}

/// An LSTM of `[batch, time, input, hidden]`.
fn plan(
    [batch, time, input, hidden]: [usize; 4],
    reverse: bool,
    lengths: Option<&[usize]>,
) -> Plan<'_> {
    let directions: &[Direction] = match reverse {
        true => &[Direction::Reverse],
        false => &[Direction::Forward],
    };
    Plan {
        cell: Cell::Lstm,
        batch,
        time,
        input,
        hidden,
        directions,
        lengths,
        precision: Precision::F32,
    }
}

fn lstm(plan: &Plan, x: &[f32], weights: &Weights) -> Result<Outputs, TesseractError> {
    let cache: &WeightCache = &weights.cache;
    let weights = refrain_kernels::Weights {
        w_ih: &weights.tensors[0],
        w_hh: &weights.tensors[1],
        b_ih: Some(&weights.tensors[2]),
        b_hh: None,
    };
    let inputs = Inputs {
        x,
        weights: &[weights],
        h0: None,
        c0: None,
    };
    Ok(infer(plan, &inputs, cache)?)
}
