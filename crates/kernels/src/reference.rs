//! The recurrences in plain loops, over `f32` or `f64`: the specification, the fallback and the test oracle.
//!
//! One sequence at a time, one step at a time. The equations of a step are in
//! [`rnn`](crate::rnn), [`lstm`](crate::lstm) and [`gru`](crate::gru); here are the loops and the products.

use std::ops::{Add, AddAssign, Mul, Neg, Sub};

use crate::error::KernelError;
use crate::shape::{
    Cell, Direction, Gradients, Inputs, OutputGradients, Outputs, Plan, Wanted, WeightGradients,
    Weights, check, check_gradients,
};
use crate::{gru, lstm, rnn};

/// What the references ask of a number.
pub trait Float:
    Copy
    + PartialOrd
    + Default
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + AddAssign
{
    /// 1.
    const ONE: Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// 1 / (1 + e^-x).
    fn sigmoid(self) -> Self;
}

impl Float for f32 {
    const ONE: f32 = 1.0;
    fn tanh(self) -> f32 {
        f32::tanh(self)
    }
    fn sigmoid(self) -> f32 {
        1.0 / (1.0 + (-self).exp())
    }
}

impl Float for f64 {
    const ONE: f64 = 1.0;
    fn tanh(self) -> f64 {
        f64::tanh(self)
    }
    fn sigmoid(self) -> f64 {
        1.0 / (1.0 + (-self).exp())
    }
}

/// One step of one sequence, and what its backward needs.
#[derive(Clone)]
struct Step<F> {
    /// `b·T + t`: the row of x and y.
    row: usize,
    h_prev: Vec<F>,
    c_prev: Vec<F>,
    /// Activated gates `[G][H]`; GRU has a fourth, W_hn·h + b_hn.
    gates: Vec<F>,
    h: Vec<F>,
    c: Vec<F>,
}

/// y = w·x + b, `w` of `[rows, x.len()]`.
fn affine<F: Float>(w: &[F], x: &[F], b: Option<&[F]>, rows: usize) -> Vec<F> {
    let n = x.len();
    (0..rows)
        .map(|r| {
            let start = b.map_or(F::default(), |b| b[r]);
            let row = &w[r * n..(r + 1) * n];
            row.iter().zip(x).fold(start, |sum, (&w, &x)| sum + w * x)
        })
        .collect()
}

/// d_x += wᵀ·d_y
fn affine_backward_input<F: Float>(w: &[F], d_y: &[F], d_x: &mut [F]) {
    let n = d_x.len();
    for (r, &d) in d_y.iter().enumerate() {
        for (d_x, &w) in d_x.iter_mut().zip(&w[r * n..(r + 1) * n]) {
            *d_x += w * d;
        }
    }
}

/// d_w += d_y·xᵀ, d_b += d_y
fn affine_backward_weights<F: Float>(d_y: &[F], x: &[F], d_w: &mut [F], d_b: &mut [F]) {
    let n = x.len();
    for (r, &d) in d_y.iter().enumerate() {
        d_b[r] += d;
        for (d_w, &x) in d_w[r * n..(r + 1) * n].iter_mut().zip(x) {
            *d_w += d * x;
        }
    }
}

/// The state before the first step of direction `d`, sequence `b`.
fn initial<F: Float>(plan: &Plan<'_>, state: Option<&[F]>, d: usize, b: usize) -> Vec<F> {
    let (h, start) = (plan.hidden, (d * plan.batch + b) * plan.hidden);
    state.map_or_else(|| vec![F::default(); h], |s| s[start..start + h].to_vec())
}

/// `W_hh·h + b_hh` for the gates `range` of `[G]`.
fn recurrent<F: Float>(w: &Weights<'_, F>, h: &[F], gates: std::ops::Range<usize>) -> Vec<F> {
    let n = h.len();
    let rows = gates.start * n..gates.end * n;
    let b = w.b_hh.map(|b| &b[rows.clone()]);
    affine(&w.w_hh[rows.start * n..rows.end * n], h, b, rows.len())
}

fn step_forward<F: Float>(
    cell: Cell,
    w: &Weights<'_, F>,
    x: &[F],
    h_prev: Vec<F>,
    c_prev: Vec<F>,
    row: usize,
) -> Step<F> {
    let n = h_prev.len();
    let gx = affine(w.w_ih, x, w.b_ih, cell.gates() * n);
    let (gates, h, c) = match cell {
        Cell::RnnTanh | Cell::RnnRelu => {
            let gh = recurrent(w, &h_prev, 0..1);
            let h = rnn::reference::step_forward(cell, &gx, &gh);
            (Vec::new(), h, Vec::new())
        }
        Cell::Lstm => {
            let gh = recurrent(w, &h_prev, 0..4);
            lstm::reference::step_forward(&gx, &gh, &c_prev)
        }
        Cell::Gru => {
            let gh = recurrent(w, &h_prev, 0..3);
            let (gates, h) = gru::reference::step_forward(&gx, &gh, &h_prev);
            (gates, h, Vec::new())
        }
        Cell::GruResetBefore => {
            let gh = recurrent(w, &h_prev, 0..2);
            let rh = gru::reference::reset(&gx, &gh, &h_prev);
            let ghn = recurrent(w, &rh, 2..3);
            let (gates, h) = gru::reference::step_forward_reset_before(&gx, &gh, &ghn, &h_prev);
            (gates, h, Vec::new())
        }
    };
    Step {
        row,
        h_prev,
        c_prev,
        gates,
        h,
        c,
    }
}

/// All steps of direction `d`, sequence `b`, in the order they run.
fn sequence_forward<F: Float>(
    plan: &Plan<'_>,
    inputs: &Inputs<'_, F>,
    d: usize,
    b: usize,
) -> Vec<Step<F>> {
    let mut h = initial(plan, inputs.h0, d, b);
    let mut c = match plan.cell.has_memory() {
        true => initial(plan, inputs.c0, d, b),
        false => Vec::new(),
    };
    let length = plan.length(b);
    (0..length)
        .map(|s| {
            let t = match plan.directions[d] {
                Direction::Forward => s,
                Direction::Reverse => length - 1 - s,
            };
            let row = b * plan.time + t;
            let x = &inputs.x[row * plan.input..(row + 1) * plan.input];
            let (h_prev, c_prev) = (std::mem::take(&mut h), std::mem::take(&mut c));
            let step = step_forward(plan.cell, &inputs.weights[d], x, h_prev, c_prev, row);
            (h, c) = (step.h.clone(), step.c.clone());
            step
        })
        .collect()
}

/// As [`crate::forward`], in plain loops.
///
/// # Errors
/// If a slice does not have the size that the plan asks for.
pub fn forward<F: Float>(
    plan: &Plan<'_>,
    inputs: &Inputs<'_, F>,
) -> Result<Outputs<F>, KernelError> {
    check("reference forward", plan, inputs)?;
    let (h, width) = (plan.hidden, plan.directions.len() * plan.hidden);
    let mut out = Outputs {
        y: vec![F::default(); plan.batch * plan.time * width],
        h_n: Vec::new(),
        c_n: Vec::new(),
    };
    for d in 0..plan.directions.len() {
        for b in 0..plan.batch {
            let steps = sequence_forward(plan, inputs, d, b);
            for step in &steps {
                let start = step.row * width + d * h;
                out.y[start..start + h].copy_from_slice(&step.h);
            }
            let last = steps.last();
            let h_n = last.map_or_else(|| initial(plan, inputs.h0, d, b), |s| s.h.clone());
            out.h_n.extend(h_n);
            if plan.cell.has_memory() {
                let c_n = last.map_or_else(|| initial(plan, inputs.c0, d, b), |s| s.c.clone());
                out.c_n.extend(c_n);
            }
        }
    }
    Ok(out)
}

/// Adds one step's share to `d_w` and turns `d_h`, `d_c` from after the step to before it; returns the
/// gradient of `W_ih·x + b_ih`.
fn step_backward<F: Float>(
    cell: Cell,
    w: &Weights<'_, F>,
    step: &Step<F>,
    d_h: &mut Vec<F>,
    d_c: &mut [F],
    d_w: &mut WeightGradients<F>,
) -> Vec<F> {
    let (n, h_prev) = (d_h.len(), &step.h_prev);
    let (d_gx, d_gh, mut d_h_prev) = match cell {
        Cell::RnnTanh | Cell::RnnRelu => {
            let d_g = rnn::reference::step_backward(cell, &step.h, d_h);
            (d_g.clone(), d_g, vec![F::default(); n])
        }
        Cell::Lstm => {
            let d_g = lstm::reference::step_backward(&step.gates, &step.c_prev, &step.c, d_h, d_c);
            (d_g.clone(), d_g, vec![F::default(); n])
        }
        Cell::Gru => gru::reference::step_backward(&step.gates, h_prev, d_h),
        Cell::GruResetBefore => {
            let (d_zn, mut d_h_prev) =
                gru::reference::step_backward_update(&step.gates, h_prev, d_h);
            let mut d_rh = vec![F::default(); n];
            affine_backward_input(&w.w_hh[2 * n * n..], &d_zn[n..], &mut d_rh);
            let rh: Vec<F> = (0..n).map(|u| step.gates[u] * h_prev[u]).collect();
            let (d_w_hh, d_b_hh) = (&mut d_w.d_w_hh[2 * n * n..], &mut d_w.d_b_hh[2 * n..]);
            affine_backward_weights(&d_zn[n..], &rh, d_w_hh, d_b_hh);
            let mut d_gx = gru::reference::step_backward_reset(&step.gates, h_prev, &d_rh, &mut d_h_prev);
            d_gx.extend(&d_zn);
            (d_gx.clone(), d_gx[..2 * n].to_vec(), d_h_prev)
        }
    };
    affine_backward_input(&w.w_hh[..d_gh.len() * n], &d_gh, &mut d_h_prev);
    affine_backward_weights(&d_gh, h_prev, &mut d_w.d_w_hh, &mut d_w.d_b_hh);
    *d_h = d_h_prev;
    d_gx
}

/// As [`crate::backward`], in plain loops; runs the forward pass again, so it needs no reserve.
///
/// # Errors
/// If a slice does not have the size that the plan asks for.
pub fn backward<F: Float>(
    plan: &Plan<'_>,
    inputs: &Inputs<'_, F>,
    d_out: &OutputGradients<'_, F>,
    wanted: &Wanted,
) -> Result<Gradients<F>, KernelError> {
    check("reference backward", plan, inputs)?;
    check_gradients("reference backward", plan, d_out)?;
    let (n, c, rows) = (plan.hidden, plan.input, plan.rows());
    let width = plan.directions.len() * n;
    let mut d_x = vec![F::default(); inputs.x.len()];
    let (mut d_h0, mut d_c0, mut d_weights) = (Vec::new(), Vec::new(), Vec::new());
    for (d, w) in inputs.weights.iter().enumerate() {
        let mut d_w = WeightGradients {
            d_w_ih: vec![F::default(); rows * c],
            d_w_hh: vec![F::default(); rows * n],
            d_b_ih: vec![F::default(); rows],
            d_b_hh: vec![F::default(); rows],
        };
        for b in 0..plan.batch {
            let mut d_h = initial(plan, d_out.d_h_n, d, b);
            let mut d_c = initial(plan, d_out.d_c_n, d, b);
            for step in sequence_forward(plan, inputs, d, b).iter().rev() {
                if let Some(d_y) = d_out.d_y {
                    let start = step.row * width + d * n;
                    for (d_h, &d_y) in d_h.iter_mut().zip(&d_y[start..start + n]) {
                        *d_h += d_y;
                    }
                }
                let d_gx = step_backward(plan.cell, w, step, &mut d_h, &mut d_c, &mut d_w);
                let x = step.row * c..(step.row + 1) * c;
                affine_backward_weights(&d_gx, &inputs.x[x.clone()], &mut d_w.d_w_ih, &mut d_w.d_b_ih);
                affine_backward_input(w.w_ih, &d_gx, &mut d_x[x]);
            }
            d_h0.extend(d_h);
            d_c0.extend(d_c);
        }
        d_weights.push(d_w);
    }
    Ok(Gradients {
        d_x: wanted.x.then_some(d_x),
        weights: wanted.weights.then_some(d_weights),
        d_h0: wanted.h0.then_some(d_h0),
        d_c0: (wanted.c0 && plan.cell.has_memory()).then_some(d_c0),
    })
}
