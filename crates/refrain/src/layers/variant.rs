//! Layers that the fused kernels do not support, composed of Burn's operations step by step: projection, layer
//! normalisation, zoneout and recurrent dropout.

use super::state::LayerState;
use crate::ops::{DirectionWeights, fits};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Bool, Device, Tensor, TensorData};
use refrain_kernels::random::Key;
use refrain_kernels::{Cell, Direction, KernelError};
use serde::{Deserialize, Serialize};

const OP: &str = "recurrent layer, step by step";

/// Additions to the cell of a layer. Without any, the fused kernels run the layer. With one, the steps are composed of
/// Burn's operations in `f32`, which is much slower. Recurrent dropout needs this only in training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Variant {
    /// LSTM only: the output and the recurrent input are W_hr·h, of `P` features (Sak et al. 2014; PyTorch's
    /// `proj_size`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projection: Option<usize>,
    /// LSTM only: normalises both products, and c on its way to the output, over their features, with a gain each (Ba
    /// et al. 2016, eq. 20–22). The biases are added after the normalisation.
    pub layer_norm: bool,
    /// Probability that a unit of h keeps its previous value (Krueger et al. 2017). Inference takes the expected value.
    pub zoneout_h: f64,
    /// The same for the c of an LSTM.
    pub zoneout_c: f64,
    /// Dropout on the new value: g of an LSTM, n of a GRU, and h before the recurrent product of a vanilla RNN
    /// (Semeniuta et al. 2016). One mask per step, or one per sequence if dropout is variational.
    pub recurrent_dropout: f64,
}

impl Variant {
    /// # Errors
    /// A setting that this cell does not support, a probability outside `[0,1)`, or a projection of 0.
    pub fn check(&self, cell: Cell) -> Result<(), KernelError> {
        let lstm_only = [
            ("projection", self.projection.is_some()),
            ("layer_norm", self.layer_norm),
            ("zoneout_c", self.zoneout_c != 0.0),
        ];
        let probabilities = [
            ("zoneout_h", self.zoneout_h),
            ("zoneout_c", self.zoneout_c),
            ("recurrent_dropout", self.recurrent_dropout),
        ];
        if let Some((what, _)) = lstm_only.iter().find(|(_, on)| *on && cell != Cell::Lstm) {
            return Err(KernelError::Option {
                op: OP,
                what,
                problem: "only an LSTM has it",
            });
        }
        let outside = |p: f64| !(0.0..1.0).contains(&p);
        if let Some((what, _)) = probabilities.iter().find(|(_, p)| outside(*p)) {
            return Err(KernelError::Option {
                op: OP,
                what,
                problem: "a probability from 0 to below 1 is needed",
            });
        }
        match self.projection {
            Some(0) => Err(KernelError::Option {
                op: OP,
                what: "projection",
                problem: "it must be at least 1",
            }),
            _ => Ok(()),
        }
    }

    /// Whether a pass has to be composed step by step.
    pub(super) fn step_by_step(&self, training: bool) -> bool {
        self.changes_inference() || (training && self.recurrent_dropout > 0.0)
    }

    /// Whether the variant changes the computation of a trained model.
    pub(crate) fn changes_inference(&self) -> bool {
        let zoneout = self.zoneout_h > 0.0 || self.zoneout_c > 0.0;
        self.projection.is_some() || self.layer_norm || zoneout
    }
}

/// Parameters of a layer normalisation.
#[derive(Clone, Debug)]
pub(super) struct NormWeights {
    /// `[G·H]`: gain of W_ih·x.
    pub ih: Tensor<1>,
    /// `[G·H]`: gain of W_hh·h.
    pub hh: Tensor<1>,
    /// `[H]`: gain of c on its way to the output.
    pub c: Tensor<1>,
    /// `[H]`: its bias.
    pub c_bias: Tensor<1>,
}

/// Parameters of one direction.
pub(super) struct VariantWeights {
    pub direction: DirectionWeights,
    /// `[P,H]`
    pub w_hr: Option<Tensor<2>>,
    pub norm: Option<NormWeights>,
}

/// A layer with the settings of one pass.
pub(super) struct VariantLayer<'a> {
    pub cell: Cell,
    pub variant: Variant,
    pub directions: &'a [Direction],
    pub lengths: Option<&'a [usize]>,
    /// Key of the random numbers of a training pass.
    pub key: Option<Key>,
    /// One mask a sequence instead of one a step.
    pub variational: bool,
}

impl VariantLayer<'_> {
    /// `x` `[B,T,C]` → (`[B,T,D·P]`, state after the last valid step).
    pub fn forward(
        &self,
        x: &Tensor<3>,
        state: &LayerState,
        weights: &[VariantWeights],
    ) -> Result<(Tensor<3>, LayerState), KernelError> {
        self.check(x, state, weights)?;
        let (mut ys, mut hs, mut cs) = (Vec::new(), Vec::new(), Vec::new());
        for (d, (&way, weights)) in self.directions.iter().zip(weights).enumerate() {
            let part = |whole: &Tensor<3>| whole.clone().narrow(0, d, 1).squeeze_dim(0);
            let begin = [part(&state.h), part(&state.c)];
            let key = self.key.map(|key| key.fold(d as u64));
            let (y, [h, c]) = self.direction(x, begin, weights, way, key);
            ys.push(y);
            hs.push(h);
            cs.push(c);
        }
        let state = LayerState {
            h: stacked(hs, 0),
            c: stacked(cs, 0),
        };
        Ok((Tensor::cat(ys, 2), state))
    }

    fn check(
        &self,
        x: &Tensor<3>,
        state: &LayerState,
        weights: &[VariantWeights],
    ) -> Result<(), KernelError> {
        self.variant.check(self.cell)?;
        let [batch, time, input] = x.dims();
        for w in weights {
            let [rows, features] = w.direction.w_ih.dims();
            let [_, around] = w.direction.w_hh.dims();
            let memory = match self.cell.has_memory() {
                true => rows / self.cell.gates(),
                false => 0,
            };
            let directions = self.directions.len();
            fits(OP, "x", &[input], &[features])?;
            fits(OP, "h0", &state.h.dims(), &[directions, batch, around])?;
            fits(OP, "c0", &state.c.dims(), &[directions, batch, memory])?;
        }
        if let Some(lengths) = self.lengths {
            fits(OP, "lengths", &[lengths.len()], &[batch])?;
            if let Some(&longest) = lengths.iter().find(|&&length| length > time) {
                fits(OP, "length of a sequence", &[longest], &[time])?;
            }
        }
        Ok(())
    }

    /// One direction: y `[B,T,P]`, and the state after its last step.
    fn direction(
        &self,
        x: &Tensor<3>,
        [mut h, mut c]: [Tensor<2>; 2],
        weights: &VariantWeights,
        way: Direction,
        key: Option<Key>,
    ) -> (Tensor<3>, [Tensor<2>; 2]) {
        let [batch, time, _] = x.dims();
        let [_, around] = h.dims();
        let w = &weights.direction;
        let [rows, _] = w.w_ih.dims();
        if batch == 0 || time == 0 || rows == 0 {
            return (Tensor::zeros([batch, time, around], &x.device()), [h, c]);
        }
        let flat = x.clone().flatten(0, 1);
        let gain = weights.norm.as_ref().map(|norm| &norm.ih);
        let projected = biased(normed(product(flat, &w.w_ih), gain), &w.b_ih);
        let projected = projected.reshape([batch, time, rows]);
        let mut y = Vec::with_capacity(time);
        for step in 0..time {
            let t = match way {
                Direction::Forward => step,
                Direction::Reverse => time - 1 - step,
            };
            let gates = projected.clone().narrow(1, t, 1).squeeze_dim(1);
            let before = [h.clone(), c.clone()];
            let [h_next, c_next] = self.step(gates, before, weights, key, t);
            match self.lengths {
                None => (h, c) = (h_next, c_next),
                Some(lengths) => {
                    let on: Vec<bool> = lengths.iter().map(|&length| t < length).collect();
                    let on = TensorData::new(on, [batch, 1]);
                    let on = Tensor::<2, Bool>::from_data(on, &x.device());
                    h = chosen(&on, h_next, h);
                    c = chosen(&on, c_next, c);
                }
            }
            y.push(h.clone());
        }
        if way == Direction::Reverse {
            y.reverse();
        }
        let mut y = stacked(y, 1);
        if let Some(lengths) = self.lengths {
            let on = lengths
                .iter()
                .flat_map(|&n| (0..time).map(move |t| f32::from(t < n)));
            let on = TensorData::new(on.collect::<Vec<f32>>(), [batch, time, 1]);
            y = y * Tensor::<3>::from_data(on, &x.device());
        }
        (y, [h, c])
    }

    /// One step; `x` `[B,G·H]` holds the contribution of the input to the gates.
    fn step(
        &self,
        x: Tensor<2>,
        [h, c]: [Tensor<2>; 2],
        weights: &VariantWeights,
        key: Option<Key>,
        t: usize,
    ) -> [Tensor<2>; 2] {
        let w = &weights.direction;
        let key = |what: u64, once: bool| {
            let key = key?.fold(what);
            Some(if once { key } else { key.fold(t as u64) })
        };
        let thin = |values: Tensor<2>| {
            let p = self.variant.recurrent_dropout;
            match key(0, self.variational).filter(|_| p > 0.0) {
                Some(key) => {
                    let kept = ones(1.0 - p, key, values.dims(), &values.device());
                    values * kept.div_scalar(1.0 - p)
                }
                None => values,
            }
        };
        let zone = |what: u64, p: f64, new: Tensor<2>, old: Tensor<2>| match key(what, false) {
            _ if p == 0.0 => new,
            None => new.mul_scalar(1.0 - p) + old.mul_scalar(p),
            Some(key) => mix(&ones(1.0 - p, key, old.dims(), &old.device()), new, old),
        };
        let [_, around] = h.dims();
        let recurrent = |h: Tensor<2>, first: usize, gates: usize| {
            let (first, count) = (first * around, gates * around);
            let product = product(h, &w.w_hh.clone().narrow(0, first, count));
            biased(product, &w.b_hh.clone().narrow(0, first, count))
        };
        let h_next = match self.cell {
            Cell::RnnTanh => (x + recurrent(thin(h.clone()), 0, 1)).tanh(),
            Cell::RnnRelu => relu(x + recurrent(thin(h.clone()), 0, 1)),
            Cell::Lstm => {
                let gain = weights.norm.as_ref().map(|norm| &norm.hh);
                let gates = x + biased(normed(product(h.clone(), &w.w_hh), gain), &w.b_hh);
                let [i, f, g, o] = split(gates);
                let memory = sigmoid(f) * c.clone() + sigmoid(i) * thin(g.tanh());
                let shown = match &weights.norm {
                    Some(norm) => biased(normed(memory.clone(), Some(&norm.c)), &norm.c_bias),
                    None => memory.clone(),
                };
                let out = sigmoid(o) * shown.tanh();
                let out = match &weights.w_hr {
                    Some(w_hr) => product(out, w_hr),
                    None => out,
                };
                let c = zone(2, self.variant.zoneout_c, memory, c);
                return [zone(1, self.variant.zoneout_h, out, h), c];
            }
            Cell::Gru | Cell::GruResetBefore => {
                let [x_r, x_z, x_n] = split(x);
                let (z, n) = if self.cell == Cell::Gru {
                    let [h_r, h_z, h_n] = split(recurrent(h.clone(), 0, 3));
                    let r = sigmoid(x_r + h_r);
                    (sigmoid(x_z + h_z), x_n + r * h_n)
                } else {
                    let [h_r, h_z] = split(recurrent(h.clone(), 0, 2));
                    let r = sigmoid(x_r + h_r);
                    let reset = recurrent(r * h.clone(), 2, 1);
                    (sigmoid(x_z + h_z), x_n + reset)
                };
                mix(&z, h.clone(), thin(n.tanh()))
            }
        };
        [zone(1, self.variant.zoneout_h, h_next, h), c]
    }
}

/// `x·wᵀ`
fn product(x: Tensor<2>, w: &Tensor<2>) -> Tensor<2> {
    x.matmul(w.clone().transpose())
}

fn biased(x: Tensor<2>, bias: &Tensor<1>) -> Tensor<2> {
    x + bias.clone().unsqueeze()
}

/// Normalises each row to mean 0 and variance 1, then multiplies it by the gain. Without a gain, returns `x` unchanged.
fn normed(x: Tensor<2>, gain: Option<&Tensor<1>>) -> Tensor<2> {
    let Some(gain) = gain else { return x };
    let centred = x.clone() - x.mean_dim(1);
    let variance = centred.clone().powi_scalar(2).mean_dim(1);
    centred / variance.add_scalar(1e-5).sqrt() * gain.clone().unsqueeze()
}

/// The gates of `[B,N·H]`.
fn split<const N: usize>(gates: Tensor<2>) -> [Tensor<2>; N] {
    let hidden = gates.dims()[1] / N;
    std::array::from_fn(|k| gates.clone().narrow(1, k * hidden, hidden))
}

/// `share·new + (1 − share)·old`
fn mix(share: &Tensor<2>, new: Tensor<2>, old: Tensor<2>) -> Tensor<2> {
    share.clone() * new + share.clone().neg().add_scalar(1.0) * old
}

/// `new` in the rows where `on` is true, `old` in the others. A NaN in the value that is not chosen has no effect.
fn chosen(on: &Tensor<2, Bool>, new: Tensor<2>, old: Tensor<2>) -> Tensor<2> {
    match old.dims() {
        // A cell without c. Burn cannot expand to a size of 0.
        [_, 0] => old,
        shape => old.mask_where(on.clone().expand(shape), new),
    }
}

/// Stacks at least one matrix along a new dimension. (Burn's reshape reads a size of 0 as "keep this size".)
fn stacked(parts: Vec<Tensor<2>>, dim: usize) -> Tensor<3> {
    let mut shape = parts[0].dims().to_vec();
    shape.insert(dim, parts.len());
    match shape.contains(&0) {
        true => Tensor::zeros(shape, &parts[0].device()),
        false => Tensor::stack(parts, dim),
    }
}

/// 1 with probability `p`, otherwise 0.
fn ones(p: f64, key: Key, shape: [usize; 2], device: &Device) -> Tensor<2> {
    let count = (shape[0] * shape[1]) as u64;
    let one = |index| f32::from(f64::from(key.uniform_f32(index)) < p);
    let values: Vec<f32> = (0..count).map(one).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}
