//! The fused operations composed of Burn's own, for backends without kernels of this project and as a reference in
//! tests.

use super::ctc::CtcTargets;
use super::dropout::DropoutSpec;
use super::flex::dims;
use super::loss::{LossOptions, LossParts, LossPrimitives};
use super::recurrent::RecurrentSpec;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{DType, Shape, Slice, TensorData};
use refrain_kernels::softmax::IGNORE;
use refrain_kernels::{Cell, Direction};

pub(super) fn constant<B: Backend>(
    values: Vec<f32>,
    shape: impl Into<Shape>,
    like: &FloatTensor<B>,
) -> FloatTensor<B> {
    B::float_from_data(TensorData::new(values, shape.into()), &like.device())
}

fn indices<B: Backend>(ids: &[u32], like: &FloatTensor<B>) -> IntTensor<B> {
    let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
    let shape = [ids.len()];
    B::int_from_data(TensorData::new(ids, shape), &like.device())
}

/// Elements `start..start + len` of dimension `dim`.
fn narrow<B: Backend>(x: FloatTensor<B>, dim: usize, start: usize, len: usize) -> FloatTensor<B> {
    let mut slices = vec![Slice::full(); x.rank()];
    slices[dim] = Slice::from(start..start + len);
    B::float_slice(x, &slices)
}

fn reshape<B: Backend>(x: FloatTensor<B>, shape: impl Into<Shape>) -> FloatTensor<B> {
    B::float_reshape(x, shape.into())
}

fn one_minus<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_add_scalar(B::float_neg(x), 1.0f32.into())
}

/// `x·wᵀ + b`
pub fn linear<B: Backend>(
    x: FloatTensor<B>,
    w: FloatTensor<B>,
    b: FloatTensor<B>,
) -> FloatTensor<B> {
    let [rows] = dims(&b);
    let y = B::float_matmul(x, B::float_swap_dims(w, 0, 1));
    B::float_add(y, reshape::<B>(b, [1, rows]))
}

/// Gradients of [`linear`] for x, w and b.
pub fn linear_backward<B: Backend>(
    [x, w]: [FloatTensor<B>; 2],
    d_y: FloatTensor<B>,
) -> [FloatTensor<B>; 3] {
    let [_, outputs] = dims(&d_y);
    let d_w = B::float_matmul(B::float_swap_dims(d_y.clone(), 0, 1), x);
    let d_b = reshape::<B>(B::float_sum_dim(d_y.clone(), 0), [outputs]);
    [B::float_matmul(d_y, w), d_w, d_b]
}

/// Gate `index` of `[B,G·H]`.
fn gate<B: Backend>(gates: &FloatTensor<B>, index: usize, hidden: usize) -> FloatTensor<B> {
    narrow::<B>(gates.clone(), 1, index * hidden, hidden)
}

/// One step: `x` `[B,G·H]` holds W_ih x + b_ih; state in and out `[B,H]`.
fn step<B: Backend>(
    cell: Cell,
    x: FloatTensor<B>,
    h: FloatTensor<B>,
    c: FloatTensor<B>,
    [w_hh, b_hh]: [FloatTensor<B>; 2],
) -> [FloatTensor<B>; 2] {
    let [_, hidden] = dims(&h);
    let (add, mul) = (B::float_add, B::float_mul);
    match cell {
        Cell::RnnTanh => [B::float_tanh(add(x, linear::<B>(h, w_hh, b_hh))), c],
        Cell::RnnRelu => [B::relu(add(x, linear::<B>(h, w_hh, b_hh))), c],
        Cell::Lstm => {
            let gates = add(x, linear::<B>(h, w_hh, b_hh));
            let [i, f, o] = [0, 1, 3].map(|k| B::sigmoid(gate::<B>(&gates, k, hidden)));
            let g = B::float_tanh(gate::<B>(&gates, 2, hidden));
            let c = add(mul(f, c), mul(i, g));
            [mul(o, B::float_tanh(c.clone())), c]
        }
        Cell::Gru => {
            let u = linear::<B>(h.clone(), w_hh, b_hh);
            let [r, z] =
                [0, 1].map(|k| B::sigmoid(add(gate::<B>(&x, k, hidden), gate::<B>(&u, k, hidden))));
            let u = mul(r, gate::<B>(&u, 2, hidden));
            let n = B::float_tanh(add(gate::<B>(&x, 2, hidden), u));
            [add(mul(z.clone(), h), mul(one_minus::<B>(z), n)), c]
        }
        Cell::GruResetBefore => {
            let [w_n, w_rz] =
                [(2, 1), (0, 2)].map(|(k, n)| narrow::<B>(w_hh.clone(), 0, k * hidden, n * hidden));
            let [b_n, b_rz] =
                [(2, 1), (0, 2)].map(|(k, n)| narrow::<B>(b_hh.clone(), 0, k * hidden, n * hidden));
            let u = linear::<B>(h.clone(), w_rz, b_rz);
            let [r, z] =
                [0, 1].map(|k| B::sigmoid(add(gate::<B>(&x, k, hidden), gate::<B>(&u, k, hidden))));
            let u = linear::<B>(mul(r, h.clone()), w_n, b_n);
            let n = B::float_tanh(add(gate::<B>(&x, 2, hidden), u));
            [add(mul(z.clone(), h), mul(one_minus::<B>(z), n)), c]
        }
    }
}

/// One direction: y `[B,T,H]`, h_n and c_n `[B,H]`.
fn direction<B: Backend>(
    x: &FloatTensor<B>,
    [mut h, mut c]: [FloatTensor<B>; 2],
    weights: &[FloatTensor<B>],
    direction: Direction,
    spec: &RecurrentSpec,
) -> [FloatTensor<B>; 3] {
    let [batch, time, input] = dims(x);
    let [_, hidden] = dims(&h);
    let rows = spec.cell.gates() * hidden;
    let flat = reshape::<B>(x.clone(), [batch * time, input]);
    let projected = linear::<B>(flat, weights[0].clone(), weights[2].clone());
    let projected = reshape::<B>(projected, [batch, time, rows]);
    let mut y: Vec<Option<FloatTensor<B>>> = vec![None; time];
    for s in 0..time {
        let t = if direction == Direction::Reverse {
            time - 1 - s
        } else {
            s
        };
        let gates = reshape::<B>(narrow::<B>(projected.clone(), 1, t, 1), [batch, rows]);
        let recurrent = [weights[1].clone(), weights[3].clone()];
        let [h_next, c_next] = step::<B>(spec.cell, gates, h.clone(), c.clone(), recurrent);
        let output = match &spec.lengths {
            None => {
                (h, c) = (h_next.clone(), c_next);
                h_next
            }
            Some(lengths) => {
                let on: Vec<f32> = lengths.iter().map(|&len| f32::from(t < len)).collect();
                let on = constant::<B>(on, [batch, 1], x);
                let choose = |new: FloatTensor<B>, old: FloatTensor<B>| {
                    let old = B::float_mul(one_minus::<B>(on.clone()), old);
                    B::float_add(B::float_mul(on.clone(), new), old)
                };
                (h, c) = (choose(h_next.clone(), h), choose(c_next, c));
                B::float_mul(on.clone(), h_next)
            }
        };
        y[t] = Some(reshape::<B>(output, [batch, 1, hidden]));
    }
    let y: Vec<FloatTensor<B>> = y.into_iter().flatten().collect();
    let y = match y.is_empty() {
        true => constant::<B>(Vec::new(), [batch, 0, hidden], x),
        false => B::float_cat(y, 1),
    };
    [y, h, c]
}

/// [`super::recurrent`] over primitives: inputs x, h0, c0, then four weights per direction; outputs y, h_n, c_n.
pub fn recurrent<B: Backend>(
    inputs: Vec<FloatTensor<B>>,
    spec: &RecurrentSpec,
) -> [FloatTensor<B>; 3] {
    let x = &inputs[0];
    let [_, batch, hidden] = dims(&inputs[1]);
    let memory = spec.cell.has_memory();
    let outputs: Vec<[FloatTensor<B>; 3]> = spec
        .directions
        .iter()
        .zip(inputs[3..].chunks_exact(4))
        .enumerate()
        .map(|(d, (&way, weights))| {
            let h0 = reshape::<B>(narrow::<B>(inputs[1].clone(), 0, d, 1), [batch, hidden]);
            let c0 = match memory {
                true => reshape::<B>(narrow::<B>(inputs[2].clone(), 0, d, 1), [batch, hidden]),
                false => h0.clone(),
            };
            direction::<B>(x, [h0, c0], weights, way, spec)
        })
        .collect();
    let joined = |part: usize, dim: usize| {
        let parts = outputs.iter().map(|out| match part {
            0 => out[0].clone(),
            _ => reshape::<B>(out[part].clone(), [1, batch, hidden]),
        });
        B::float_cat(parts.collect(), dim)
    };
    let c_n = if memory {
        joined(2, 0)
    } else {
        inputs[2].clone()
    };
    [joined(0, 2), joined(1, 0), c_n]
}

/// [`super::embedding`] over primitives.
pub fn embedding<B: Backend>(w: FloatTensor<B>, ids: &[u32]) -> FloatTensor<B> {
    let ids = indices::<B>(ids, &w);
    B::float_select(w, 0, ids)
}

/// Gradient of [`embedding`] for the matrix, `[V,C]`.
pub fn embedding_backward<B: Backend>(
    d_y: FloatTensor<B>,
    ids: &[u32],
    vocabulary: usize,
) -> FloatTensor<B> {
    let [_, features] = dims(&d_y);
    let zeros = constant::<B>(
        vec![0.0; vocabulary * features],
        [vocabulary, features],
        &d_y,
    );
    let ids = indices::<B>(ids, &d_y);
    B::float_select_assign(zeros, 0, ids, d_y, burn::tensor::IndexingUpdateOp::Add)
}

/// [`super::dropout`] over primitives.
pub fn dropout<B: Backend>(x: FloatTensor<B>, spec: &DropoutSpec) -> FloatTensor<B> {
    let shape = x.shape();
    let mask = spec.apply(&vec![1.0; shape.num_elements()]);
    let mask = constant::<B>(mask, shape, &x);
    B::float_mul(x, mask)
}

/// `gradient · scale`
pub fn scale<B: Backend>(gradient: FloatTensor<B>, scale: FloatTensor<B>) -> FloatTensor<B> {
    let ones: Vec<usize> = vec![1; gradient.rank()];
    B::float_mul(gradient, B::float_reshape(scale, Shape::from(ones)))
}

/// [`super::linear_cross_entropy_with`] over primitives, with gradients where `train`. The target of a row is its
/// one-hot vector, smoothed.
pub fn linear_cross_entropy<B: Backend>(
    [h, w, b]: [FloatTensor<B>; 3],
    targets: &[u32],
    options: &LossOptions,
    train: bool,
) -> LossParts<B> {
    let [n, vocabulary] = [targets.len(), dims::<2>(&w)[0]];
    let counted = targets.iter().filter(|&&t| t != IGNORE).count().max(1) as f32;
    let mut one_hot = vec![0.0f32; n * vocabulary];
    let mut wanted = vec![options.smoothing / vocabulary as f32; n * vocabulary];
    let mut share = vec![0.0f32; n];
    for (row, &target) in targets.iter().enumerate().filter(|(_, t)| **t != IGNORE) {
        one_hot[row * vocabulary + target as usize] = 1.0;
        wanted[row * vocabulary + target as usize] += 1.0 - options.smoothing;
        let weight = options.weights.as_ref().map_or(1.0, |weights| weights[row]);
        share[row] = weight / counted;
    }
    let one_hot = constant::<B>(one_hot, [n, vocabulary], &h);
    let wanted = constant::<B>(wanted, [n, vocabulary], &h);
    let share = constant::<B>(share, [n, 1], &h);

    let log_p = B::log_softmax(linear::<B>(h.clone(), w.clone(), b), 1);
    let of = |target: FloatTensor<B>| {
        B::float_neg(B::float_sum_dim(B::float_mul(log_p.clone(), target), 1))
    };
    let nll = of(one_hot);
    let loss = B::float_sum(B::float_mul(of(wanted.clone()), share.clone()));
    let gradients = train.then(|| {
        let d_logits = B::float_mul(B::float_sub(B::float_exp(log_p.clone()), wanted), share);
        linear_backward::<B>([h, w], d_logits)
    });
    LossParts {
        loss: reshape::<B>(loss, [1]),
        nll: values::<B>(nll),
        gradients,
    }
}

/// [`super::ctc_loss`] over primitives: reads the logits back from the device and runs the kernel on the CPU.
pub fn ctc_loss<B: Backend>(
    logits: FloatTensor<B>,
    targets: &CtcTargets,
    train: bool,
) -> (LossPrimitives<B>, Option<FloatTensor<B>>) {
    let shape @ [_, time, vocabulary] = dims(&logits);
    let (loss, nll, d_logits) =
        targets.loss(&values::<B>(logits.clone()), [time, vocabulary], train);
    let loss = constant::<B>(vec![loss], [1], &logits);
    let gradient = d_logits.map(|d| constant::<B>(d, shape, &logits));
    (LossPrimitives { loss, nll }, gradient)
}

pub(super) fn values<B: Backend>(x: FloatTensor<B>) -> Vec<f32> {
    let data = burn::tensor::try_read_sync(B::float_into_data(x))
        .and_then(Result::ok)
        .expect("a tensor can be read back from its device");
    data.convert_dtype(DType::F32)
        .try_into_vec::<f32>()
        .expect("converted to f32")
}
