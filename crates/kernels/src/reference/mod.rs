//! The specification: every recurrence as plain loops, over `f32` or `f64`, forward and backward.
//!
//! Tests compare the fast path with it, and it is the path of [`Cell::GruResetBefore`].

use crate::call::{
    Cell, Direction, Gradients, Inputs, OutputGradients, Outputs, Plan, WeightGradients, Weights,
};
use crate::ctc::CtcBatch;
use crate::error::KernelError;
use crate::scratch::zeros;

mod attention;
mod conv;
mod loss;

pub use attention::{attention, attention_backward};
pub use conv::{conv, conv_backward, pool, pool_backward};
pub use loss::{ReferenceLoss, linear_cross_entropy};

/// `f32` or `f64`.
#[allow(missing_docs)]
pub trait Float:
    Copy
    + Default
    + std::iter::Sum
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + PartialOrd
{
    const ONE: Self;
    fn exp(self) -> Self;
    fn tanh(self) -> Self;

    fn sigmoid(self) -> Self {
        Self::ONE / (Self::ONE + (-self).exp())
    }
}

impl Float for f32 {
    const ONE: Self = 1.0;
    fn exp(self) -> Self {
        f32::exp(self)
    }
    fn tanh(self) -> Self {
        f32::tanh(self)
    }
}

impl Float for f64 {
    const ONE: Self = 1.0;
    fn exp(self) -> Self {
        f64::exp(self)
    }
    fn tanh(self) -> Self {
        f64::tanh(self)
    }
}

pub(crate) fn dot<F: Float>(a: &[F], b: &[F]) -> F {
    a.iter().zip(b).map(|(&a, &b)| a * b).sum()
}

/// Row `r` of a matrix of `columns` columns.
fn row<F>(m: &[F], r: usize, columns: usize) -> &[F] {
    &m[r * columns..(r + 1) * columns]
}

fn bias<F: Float>(b: Option<&[F]>, r: usize) -> F {
    b.map_or(F::default(), |b| b[r])
}

/// y += a·x
fn axpy<F: Float>(a: F, x: &[F], y: &mut [F]) {
    y.iter_mut().zip(x).for_each(|(y, &x)| *y += a * x);
}

/// Values of one step of one sequence that the backward pass needs, all `[H]` or `[G·H]`.
struct Step<F> {
    /// Index into the rows of x and y.
    at: usize,
    h_prev: Vec<F>,
    c_prev: Vec<F>,
    /// Activated gates, PyTorch order.
    gates: Vec<F>,
    /// GRU: U h + b' of the candidate (reset after), else empty.
    inner: Vec<F>,
    h: Vec<F>,
    c: Vec<F>,
}

fn step<F: Float>(plan: &Plan, w: &Weights<F>, x: &[F], at: usize, h: &[F], c: &[F]) -> Step<F> {
    let (n, input) = (plan.hidden, plan.input);
    let from_x = |r: usize| dot(row(w.w_ih, r, input), x) + bias(w.b_ih, r);
    let from_h = |r: usize, h: &[F]| dot(row(w.w_hh, r, n), h) + bias(w.b_hh, r);
    let both = |r: usize| from_x(r) + from_h(r, h);
    let (mut gates, mut inner, mut c_next) = (Vec::new(), Vec::new(), Vec::new());
    let h_next: Vec<F> = match plan.cell {
        Cell::RnnTanh => (0..n).map(|j| both(j).tanh()).collect(),
        Cell::RnnRelu => (0..n)
            .map(&both)
            .map(|a| if a > F::default() { a } else { F::default() })
            .collect(),
        Cell::Lstm => {
            gates = (0..4 * n)
                .map(|r| {
                    if r / n == 2 {
                        both(r).tanh()
                    } else {
                        both(r).sigmoid()
                    }
                })
                .collect();
            let (i, f, g, o) = (
                row(&gates, 0, n),
                row(&gates, 1, n),
                row(&gates, 2, n),
                row(&gates, 3, n),
            );
            c_next = (0..n).map(|j| f[j] * c[j] + i[j] * g[j]).collect();
            (0..n).map(|j| o[j] * c_next[j].tanh()).collect()
        }
        Cell::Gru | Cell::GruResetBefore => {
            gates = (0..2 * n).map(|r| both(r).sigmoid()).collect();
            if plan.cell == Cell::Gru {
                inner = (0..n).map(|j| from_h(2 * n + j, h)).collect();
                gates.extend(
                    (0..n)
                        .map(|j| (from_x(2 * n + j) + gates[j] * inner[j]).tanh())
                        .collect::<Vec<F>>(),
                );
            } else {
                let reset: Vec<F> = (0..n).map(|j| gates[j] * h[j]).collect();
                gates.extend((2 * n..3 * n).map(|r| (from_x(r) + from_h(r, &reset)).tanh()));
            }
            (0..n)
                .map(|j| gates[n + j] * h[j] + (F::ONE - gates[n + j]) * gates[2 * n + j])
                .collect()
        }
    };
    Step {
        at,
        h_prev: h.to_vec(),
        c_prev: c.to_vec(),
        gates,
        inner,
        h: h_next,
        c: c_next,
    }
}

/// Sequences to compute: none without hidden units, whatever the sizes.
fn sequences(plan: &Plan) -> usize {
    match plan.hidden {
        0 => 0,
        _ => plan.batch,
    }
}

/// One sequence in one direction: its steps in the order in which they run.
fn sequence<F: Float>(plan: &Plan, inputs: &Inputs<F>, d: usize, b: usize) -> Vec<Step<F>> {
    let length = plan.lengths.map_or(plan.time, |lengths| lengths[b]);
    let initial = |state: Option<&[F]>| match state {
        Some(state) => row(state, d * plan.batch + b, plan.hidden).to_vec(),
        None => vec![F::default(); plan.hidden],
    };
    let (mut h, mut c) = (initial(inputs.h0), initial(inputs.c0));
    (0..length)
        .map(|s| {
            let t = match plan.directions[d] {
                Direction::Forward => s,
                Direction::Reverse => length - 1 - s,
            };
            let at = b * plan.time + t;
            let step = step(
                plan,
                &inputs.weights[d],
                row(inputs.x, at, plan.input),
                at,
                &h,
                &c,
            );
            (h, c) = (step.h.clone(), step.c.clone());
            step
        })
        .collect()
}

/// States `[D,B,H]` from those given, or zeros.
fn states<F: Float>(
    op: &'static str,
    what: &'static str,
    dims: &[usize],
    given: Option<&[F]>,
) -> Result<Vec<F>, KernelError> {
    match given {
        Some(given) => Ok(given.to_vec()),
        None => zeros(op, what, dims),
    }
}

/// [`crate::forward`] from the equations.
///
/// # Errors
/// As [`crate::forward`], at any precision.
pub fn forward<F: Float>(plan: &Plan, inputs: &Inputs<F>) -> Result<Outputs<F>, KernelError> {
    const OP: &str = "reference forward";
    plan.check(OP, inputs)?;
    let (batch, n, directions) = (plan.batch, plan.hidden, plan.directions.len());
    let memory = if plan.cell.has_memory() { n } else { 0 };
    let mut y = zeros(OP, "y", &plan.output())?;
    let mut h_n = states(OP, "h_n", &plan.states(), inputs.h0)?;
    let mut c_n = states(OP, "c_n", &plan.memory(), inputs.c0)?;
    for d in 0..directions {
        for b in 0..sequences(plan) {
            let last = d * batch + b;
            for step in sequence(plan, inputs, d, b) {
                let start = (step.at * directions + d) * n;
                y[start..start + n].copy_from_slice(&step.h);
                h_n[last * n..(last + 1) * n].copy_from_slice(&step.h);
                c_n[last * memory..(last + 1) * memory].copy_from_slice(&step.c[..memory]);
            }
        }
    }
    Ok(Outputs { y, h_n, c_n })
}

/// Gradients of the gates before their activation: for the x side, for the h side, and of h_prev past the weights.
fn step_backward<F: Float>(
    plan: &Plan,
    w: &Weights<F>,
    s: &Step<F>,
    d_h: &[F],
    d_c: &mut [F],
) -> (Vec<F>, Vec<F>, Vec<F>) {
    let n = plan.hidden;
    let (one, zero) = (F::ONE, F::default());
    let d = match plan.cell {
        Cell::RnnTanh => (0..n).map(|j| d_h[j] * (one - s.h[j] * s.h[j])).collect(),
        Cell::RnnRelu => (0..n)
            .map(|j| d_h[j] * if s.h[j] > zero { one } else { zero })
            .collect(),
        Cell::Lstm => lstm_backward(n, s, d_h, d_c),
        Cell::Gru | Cell::GruResetBefore => return gru_backward(plan, w, s, d_h),
    };
    (d.clone(), d, vec![zero; n])
}

/// Gradients of an LSTM's gates; `d_c` goes from after the step to before it.
fn lstm_backward<F: Float>(n: usize, s: &Step<F>, d_h: &[F], d_c: &mut [F]) -> Vec<F> {
    let one = F::ONE;
    let gate = |k: usize| row(&s.gates, k, n);
    let (i, f, g, o) = (gate(0), gate(1), gate(2), gate(3));
    let mut d = vec![F::default(); 4 * n];
    for j in 0..n {
        let tc = s.c[j].tanh();
        let d_cell = d_c[j] + d_h[j] * o[j] * (one - tc * tc);
        d[j] = d_cell * g[j] * i[j] * (one - i[j]);
        d[n + j] = d_cell * s.c_prev[j] * f[j] * (one - f[j]);
        d[2 * n + j] = d_cell * i[j] * (one - g[j] * g[j]);
        d[3 * n + j] = d_h[j] * tc * o[j] * (one - o[j]);
        d_c[j] = d_cell * f[j];
    }
    d
}

/// [`step_backward`] of both kinds of GRU.
fn gru_backward<F: Float>(
    plan: &Plan,
    w: &Weights<F>,
    s: &Step<F>,
    d_h: &[F],
) -> (Vec<F>, Vec<F>, Vec<F>) {
    let (n, one) = (plan.hidden, F::ONE);
    let gate = |k: usize| row(&s.gates, k, n);
    let (r, z, cand) = (gate(0), gate(1), gate(2));
    let d_n: Vec<F> = (0..n)
        .map(|j| d_h[j] * (one - z[j]) * (one - cand[j] * cand[j]))
        .collect();
    let d_z: Vec<F> = (0..n)
        .map(|j| d_h[j] * (s.h_prev[j] - cand[j]) * z[j] * (one - z[j]))
        .collect();
    let mut carry: Vec<F> = (0..n).map(|j| d_h[j] * z[j]).collect();
    let (d_r, d_inner): (Vec<F>, Vec<F>) = if plan.cell == Cell::Gru {
        let d_r = (0..n)
            .map(|j| d_n[j] * s.inner[j] * r[j] * (one - r[j]))
            .collect();
        (d_r, (0..n).map(|j| d_n[j] * r[j]).collect())
    } else {
        let mut d_reset = vec![F::default(); n];
        for (j, &d) in d_n.iter().enumerate() {
            axpy(d, row(w.w_hh, 2 * n + j, n), &mut d_reset);
        }
        for (carry, (&d, &r)) in carry.iter_mut().zip(d_reset.iter().zip(r)) {
            *carry += d * r;
        }
        let d_r = (0..n)
            .map(|j| d_reset[j] * s.h_prev[j] * r[j] * (one - r[j]))
            .collect();
        (d_r, d_n.clone())
    };
    let x_side = [&d_r[..], &d_z, &d_n].concat();
    let h_side = [&d_r[..], &d_z, &d_inner].concat();
    (x_side, h_side, carry)
}

/// [`crate::backward`] from the equations: every gradient, with a forward pass of its own.
///
/// # Errors
/// As [`crate::backward`], at any precision.
pub fn backward<F: Float>(
    plan: &Plan,
    inputs: &Inputs<F>,
    d_out: &OutputGradients<F>,
) -> Result<Gradients<F>, KernelError> {
    const OP: &str = "reference backward";
    plan.check(OP, inputs)?;
    d_out.check(OP, plan)?;
    let (n, input, directions) = (plan.hidden, plan.input, plan.directions.len());
    let gates = plan.cell.gates();
    let mut d_x = zeros(OP, "d_x", &[plan.batch, plan.time, input])?;
    let mut d_h0 = states(OP, "d_h0", &plan.states(), d_out.d_h_n)?;
    let d_c_n = d_out.d_c_n.filter(|_| plan.cell.has_memory());
    let mut d_c0 = states(OP, "d_c0", &plan.states(), d_c_n)?;
    let mut weights = Vec::new();
    for d in 0..directions {
        let mut d_w = WeightGradients {
            d_w_ih: zeros(OP, "d_w_ih", &[gates, n, input])?,
            d_w_hh: zeros(OP, "d_w_hh", &[gates, n, n])?,
            d_b_ih: zeros(OP, "d_b_ih", &[gates, n])?,
            d_b_hh: zeros(OP, "d_b_hh", &[gates, n])?,
        };
        for b in 0..sequences(plan) {
            let state = (d * plan.batch + b) * n..(d * plan.batch + b + 1) * n;
            let mut d_h = d_h0[state.clone()].to_vec();
            let d_c = &mut d_c0[state.clone()];
            for s in sequence(plan, inputs, d, b).iter().rev() {
                if let Some(d_y) = d_out.d_y {
                    let start = (s.at * directions + d) * n;
                    axpy(F::ONE, &d_y[start..start + n], &mut d_h);
                }
                let w = &inputs.weights[d];
                let (x_side, h_side, carry) = step_backward(plan, w, s, &d_h, d_c);
                d_h = carry;
                let d_x = &mut d_x[s.at * input..(s.at + 1) * input];
                products_of_x(plan, inputs, d, s, &x_side, d_x, &mut d_w);
                products_of_h(plan, w, s, &h_side, &mut d_h, &mut d_w);
            }
            d_h0[state].copy_from_slice(&d_h);
        }
        weights.push(d_w);
    }
    if !plan.cell.has_memory() {
        d_c0.clear();
    }
    Ok(Gradients {
        d_x: Some(d_x),
        weights: Some(weights),
        d_h0: Some(d_h0),
        d_c0: Some(d_c0),
    })
}

/// Adds a step's share of d_x, d_W_ih and d_b_ih, from the gates' gradients on the input's side.
fn products_of_x<F: Float>(
    plan: &Plan,
    inputs: &Inputs<F>,
    d: usize,
    s: &Step<F>,
    d_gates: &[F],
    d_x: &mut [F],
    d_w: &mut WeightGradients<F>,
) {
    let input = plan.input;
    let x = row(inputs.x, s.at, input);
    for (r, &d_gate) in d_gates.iter().enumerate() {
        axpy(d_gate, x, &mut d_w.d_w_ih[r * input..(r + 1) * input]);
        axpy(d_gate, row(inputs.weights[d].w_ih, r, input), d_x);
        d_w.d_b_ih[r] += d_gate;
    }
}

/// Adds a step's share of d_h_prev, d_W_hh and d_b_hh, from the gates' gradients on the recurrent side.
fn products_of_h<F: Float>(
    plan: &Plan,
    w: &Weights<F>,
    s: &Step<F>,
    d_gates: &[F],
    d_h: &mut [F],
    d_w: &mut WeightGradients<F>,
) {
    let n = plan.hidden;
    let reset_before = plan.cell == Cell::GruResetBefore;
    for (r, &d_gate) in d_gates.iter().enumerate() {
        d_w.d_b_hh[r] += d_gate;
        let d_row = &mut d_w.d_w_hh[r * n..(r + 1) * n];
        if reset_before && r >= 2 * n {
            // `step_backward` has led this gate's gradient through the reset gate.
            let reset: Vec<F> = (0..n).map(|j| s.gates[j] * s.h_prev[j]).collect();
            axpy(d_gate, &reset, d_row);
        } else {
            axpy(d_gate, &s.h_prev, d_row);
            axpy(d_gate, row(w.w_hh, r, n), d_h);
        }
    }
}

/// [`crate::ctc::ctc_loss`] from the equations, in `f64`: nll `[B]`, and the gradient of Σ `scale`·nll for the logits
/// `[B,T,V]`.
///
/// # Errors
/// As [`crate::ctc::ctc_loss`].
pub fn ctc_loss(batch: &CtcBatch, scale: &[f32]) -> Result<(Vec<f64>, Vec<f64>), KernelError> {
    crate::ctc::check(batch, Some(scale))?;
    let (time, vocabulary) = (batch.time, batch.vocabulary);
    let mut nlls = Vec::new();
    let mut d_logits = vec![0.0; batch.logits.len()];
    for (b, target) in batch.targets.iter().enumerate() {
        let first = b * time * vocabulary;
        let length = batch.lengths.map_or(time, |lengths| lengths[b]);
        let utterance = first..first + length * vocabulary;
        let log_p = log_softmax_rows(&batch.logits[utterance.clone()], vocabulary);
        let path = Path {
            target,
            blank: batch.blank,
            log_p: &log_p,
        };
        let (alpha, beta) = (path.alpha(), path.beta());
        let total = match length {
            0 if path.states() == 1 => 0.0,
            0 => NEVER,
            _ => (0..path.states())
                .map(|s| alpha[0][s] + beta[0][s])
                .fold(NEVER, log_add),
        };
        nlls.push(-total);
        if total == NEVER {
            continue;
        }
        let rows = d_logits[utterance].chunks_mut(vocabulary);
        for (t, row) in rows.enumerate() {
            for (d, log_p) in row.iter_mut().zip(&log_p[t]) {
                *d = log_p.exp() * f64::from(scale[b]);
            }
            for s in 0..path.states() {
                let share = (alpha[t][s] + beta[t][s] - total).exp();
                row[path.class(s)] -= share * f64::from(scale[b]);
            }
        }
    }
    Ok((nlls, d_logits))
}

/// The logarithm of no probability at all.
const NEVER: f64 = f64::NEG_INFINITY;

/// ln(eᵃ + eᵇ)
fn log_add(a: f64, b: f64) -> f64 {
    match a.max(b) {
        NEVER => NEVER,
        most => most + ((a - most).exp() + (b - most).exp()).ln(),
    }
}

/// The logarithm of the softmax of some scores.
fn log_softmax(scores: &[f64]) -> Vec<f64> {
    let total = scores.iter().copied().fold(NEVER, log_add);
    scores.iter().map(|x| x - total).collect()
}

/// [`log_softmax`] of each row of `vocabulary` scores.
fn log_softmax_rows(scores: &[f32], vocabulary: usize) -> Vec<Vec<f64>> {
    let of_row = |row: &[f32]| {
        let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
        log_softmax(&row)
    };
    scores.chunks(vocabulary).map(of_row).collect()
}

/// The states blank, l₁, blank, l₂, …, blank of a target, at the steps of an utterance.
struct Path<'a> {
    target: &'a [u32],
    blank: u32,
    /// By step and class.
    log_p: &'a [Vec<f64>],
}

impl Path<'_> {
    fn states(&self) -> usize {
        2 * self.target.len() + 1
    }

    fn class(&self, s: usize) -> usize {
        match s % 2 {
            0 => self.blank as usize,
            _ => self.target[s / 2] as usize,
        }
    }

    /// Whether a state may follow the one two before it.
    fn skips(&self, s: usize) -> bool {
        s >= 2 && s % 2 == 1 && self.class(s) != self.class(s - 2)
    }

    /// By step and state: beginnings of paths, with the emission of the step.
    fn alpha(&self) -> Vec<Vec<f64>> {
        let (length, states) = (self.log_p.len(), self.states());
        let mut alpha = vec![vec![NEVER; states]; length];
        for t in 0..length {
            for s in 0..states {
                let from = |s: usize| if t == 0 { NEVER } else { alpha[t - 1][s] };
                let mut sum = if t == 0 && s < 2 { 0.0 } else { from(s) };
                if s > 0 {
                    sum = log_add(sum, from(s - 1));
                }
                if self.skips(s) {
                    sum = log_add(sum, from(s - 2));
                }
                alpha[t][s] = sum + self.log_p[t][self.class(s)];
            }
        }
        alpha
    }

    /// By step and state: ends of paths, without the emission of the step.
    fn beta(&self) -> Vec<Vec<f64>> {
        let (length, states) = (self.log_p.len(), self.states());
        let mut beta = vec![vec![NEVER; states]; length];
        for t in (0..length).rev() {
            let last = t + 1 == length;
            for s in 0..states {
                let to = |s: usize| match last {
                    true => NEVER,
                    false => beta[t + 1][s] + self.log_p[t + 1][self.class(s)],
                };
                let mut sum = if last && s + 2 >= states { 0.0 } else { to(s) };
                if s + 1 < states {
                    sum = log_add(sum, to(s + 1));
                }
                if s + 2 < states && self.skips(s + 2) {
                    sum = log_add(sum, to(s + 2));
                }
                beta[t][s] = sum;
            }
        }
        beta
    }
}
