//! The specification: every recurrence as plain loops, over `f32` or `f64`, forward and backward.
//!
//! The test oracle of the fast path, and the path of [`Cell::GruResetBefore`].

use crate::call::{
    Cell, Direction, Gradients, Inputs, OutputGradients, Outputs, Plan, WeightGradients, Weights,
};

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

/// What one step of one sequence leaves for the backward pass, all `[H]` or `[G·H]`.
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

/// As [`crate::forward`].
pub fn forward<F: Float>(plan: &Plan, inputs: &Inputs<F>) -> Outputs<F> {
    let (batch, n, directions) = (plan.batch, plan.hidden, plan.directions.len());
    let memory = if plan.cell.has_memory() { n } else { 0 };
    let mut y = vec![F::default(); batch * plan.time * directions * n];
    let mut h_n = inputs
        .h0
        .map_or(vec![F::default(); directions * batch * n], <[F]>::to_vec);
    let mut c_n = inputs.c0.map_or(
        vec![F::default(); directions * batch * memory],
        <[F]>::to_vec,
    );
    c_n.truncate(directions * batch * memory);
    for d in 0..directions {
        for b in 0..batch {
            let last = d * batch + b;
            for step in sequence(plan, inputs, d, b) {
                let start = (step.at * directions + d) * n;
                y[start..start + n].copy_from_slice(&step.h);
                h_n[last * n..(last + 1) * n].copy_from_slice(&step.h);
                c_n[last * memory..(last + 1) * memory].copy_from_slice(&step.c[..memory]);
            }
        }
    }
    Outputs { y, h_n, c_n }
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
    let one = F::ONE;
    let gate = |k: usize| row(&s.gates, k, n);
    match plan.cell {
        Cell::RnnTanh | Cell::RnnRelu => {
            let slope = |h: F| match plan.cell {
                Cell::RnnTanh => one - h * h,
                _ if h > F::default() => one,
                _ => F::default(),
            };
            let d: Vec<F> = (0..n).map(|j| d_h[j] * slope(s.h[j])).collect();
            (d.clone(), d, vec![F::default(); n])
        }
        Cell::Lstm => {
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
            (d.clone(), d, vec![F::default(); n])
        }
        Cell::Gru | Cell::GruResetBefore => {
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
                carry
                    .iter_mut()
                    .enumerate()
                    .for_each(|(j, c)| *c += d_reset[j] * r[j]);
                let d_r = (0..n)
                    .map(|j| d_reset[j] * s.h_prev[j] * r[j] * (one - r[j]))
                    .collect();
                (d_r, d_n.clone())
            };
            let x_side = [&d_r[..], &d_z, &d_n].concat();
            let h_side = [&d_r[..], &d_z, &d_inner].concat();
            (x_side, h_side, carry)
        }
    }
}

/// As [`crate::backward`], with every gradient and its own forward pass.
pub fn backward<F: Float>(
    plan: &Plan,
    inputs: &Inputs<F>,
    d_out: &OutputGradients<F>,
) -> Gradients<F> {
    let (batch, n, input, directions) =
        (plan.batch, plan.hidden, plan.input, plan.directions.len());
    let rows = plan.cell.gates() * n;
    let zeros = |size: usize| vec![F::default(); size];
    let mut d_x = zeros(batch * plan.time * input);
    let mut d_h0 = d_out
        .d_h_n
        .map_or(zeros(directions * batch * n), <[F]>::to_vec);
    let mut d_c0 = match plan.cell.has_memory() {
        true => d_out
            .d_c_n
            .map_or(zeros(directions * batch * n), <[F]>::to_vec),
        false => zeros(directions * batch * n),
    };
    let mut weights = Vec::new();
    for d in 0..directions {
        let w = &inputs.weights[d];
        let mut d_w = WeightGradients {
            d_w_ih: zeros(rows * input),
            d_w_hh: zeros(rows * n),
            d_b_ih: zeros(rows),
            d_b_hh: zeros(rows),
        };
        for b in 0..batch {
            let state = (d * batch + b) * n..(d * batch + b + 1) * n;
            let mut d_h = d_h0[state.clone()].to_vec();
            let d_c = &mut d_c0[state.clone()];
            for s in sequence(plan, inputs, d, b).iter().rev() {
                if let Some(d_y) = d_out.d_y {
                    let start = (s.at * directions + d) * n;
                    axpy(F::ONE, &d_y[start..start + n], &mut d_h);
                }
                let (x_side, h_side, carry) = step_backward(plan, w, s, &d_h, d_c);
                let x = row(inputs.x, s.at, input);
                d_h = carry;
                for r in 0..rows {
                    axpy(x_side[r], x, &mut d_w.d_w_ih[r * input..(r + 1) * input]);
                    axpy(
                        x_side[r],
                        row(w.w_ih, r, input),
                        &mut d_x[s.at * input..(s.at + 1) * input],
                    );
                    d_w.d_b_ih[r] += x_side[r];
                    d_w.d_b_hh[r] += h_side[r];
                    let d_row = &mut d_w.d_w_hh[r * n..(r + 1) * n];
                    if plan.cell == Cell::GruResetBefore && r >= 2 * n {
                        let reset: Vec<F> = (0..n).map(|j| s.gates[j] * s.h_prev[j]).collect();
                        axpy(h_side[r], &reset, d_row);
                    } else {
                        axpy(h_side[r], &s.h_prev, d_row);
                        axpy(h_side[r], row(w.w_hh, r, n), &mut d_h);
                    }
                }
            }
            d_h0[state].copy_from_slice(&d_h);
        }
        weights.push(d_w);
    }
    if !plan.cell.has_memory() {
        d_c0.clear();
    }
    Gradients {
        d_x: Some(d_x),
        weights: Some(weights),
        d_h0: Some(d_h0),
        d_c0: Some(d_c0),
    }
}

/// [`crate::ctc::ctc_loss`] from the equations, in `f64`: nll `[B]`, and the gradient of Σ `scale`·nll for the logits `[B,T,V]`.
pub fn ctc_loss(batch: &crate::ctc::CtcBatch, scale: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let (time, vocabulary) = (batch.time, batch.vocabulary);
    let add = |a: f64, b: f64| match a.max(b) {
        most if most == f64::NEG_INFINITY => most,
        most => most + ((a - most).exp() + (b - most).exp()).ln(),
    };
    let mut nlls = Vec::new();
    let mut d_logits = vec![0.0; batch.logits.len()];
    for (b, target) in batch.targets.iter().enumerate() {
        let length = batch.lengths.map_or(time, |lengths| lengths[b]);
        let states = 2 * target.len() + 1;
        let class = |s: usize| match s % 2 {
            0 => batch.blank as usize,
            _ => target[s / 2] as usize,
        };
        let skips = |s: usize| s >= 2 && s % 2 == 1 && class(s) != class(s - 2);
        let log_p: Vec<Vec<f64>> = (0..length)
            .map(|t| {
                let row = &batch.logits[(b * time + t) * vocabulary..][..vocabulary];
                let total = row
                    .iter()
                    .map(|&x| f64::from(x))
                    .fold(f64::NEG_INFINITY, add);
                row.iter().map(|&x| f64::from(x) - total).collect()
            })
            .collect();
        let never = f64::NEG_INFINITY;
        // α with the emission of its step, β without; both start before the first and behind the last step.
        let mut alpha = vec![vec![never; states]; length];
        let mut beta = vec![vec![never; states]; length];
        for t in 0..length {
            for s in 0..states {
                let from = |s: usize| if t == 0 { never } else { alpha[t - 1][s] };
                let mut sum = if t == 0 && s < 2 { 0.0 } else { from(s) };
                if s > 0 {
                    sum = add(sum, from(s - 1));
                }
                if skips(s) {
                    sum = add(sum, from(s - 2));
                }
                alpha[t][s] = sum + log_p[t][class(s)];
            }
        }
        for t in (0..length).rev() {
            for s in 0..states {
                let to = |s: usize| match t + 1 == length {
                    true => never,
                    false => beta[t + 1][s] + log_p[t + 1][class(s)],
                };
                let ends = t + 1 == length && s + 2 >= states;
                let mut sum = if ends { 0.0 } else { to(s) };
                if s + 1 < states {
                    sum = add(sum, to(s + 1));
                }
                if s + 2 < states && skips(s + 2) {
                    sum = add(sum, to(s + 2));
                }
                beta[t][s] = sum;
            }
        }
        let total = match length {
            0 if states == 1 => 0.0,
            0 => never,
            _ => (0..states)
                .map(|s| alpha[0][s] + beta[0][s])
                .fold(never, add),
        };
        nlls.push(-total);
        if total == never {
            continue;
        }
        for t in 0..length {
            let row = &mut d_logits[(b * time + t) * vocabulary..][..vocabulary];
            for (d, log_p) in row.iter_mut().zip(&log_p[t]) {
                *d = log_p.exp() * f64::from(scale[b]);
            }
            for s in 0..states {
                row[class(s)] -= (alpha[t][s] + beta[t][s] - total).exp() * f64::from(scale[b]);
            }
        }
    }
    (nlls, d_logits)
}
