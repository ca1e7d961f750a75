//! Streaming: one sequence, one step at a time, without allocation.

use crate::error::{KernelError, expect};
use crate::shape::{Cell, Weights, check_weights};

/// A cell with its weights packed for steps of batch 1.
#[derive(Clone, Debug)]
pub struct Stepper {
    cell: Cell,
    input: usize,
    hidden: usize,
    /// `[C + H][G·H]`: W_ihᵀ above W_hhᵀ, so that a step streams rows.
    w: Vec<f32>,
    b_ih: Vec<f32>,
    b_hh: Vec<f32>,
    gx: Vec<f32>,
    gh: Vec<f32>,
    rh: Vec<f32>,
}

/// out += Σ_k a_k · w_k, rows w_k of `[K][stride]`, columns from `first`.
fn accumulate(a: &[f32], w: &[f32], stride: usize, first: usize, out: &mut [f32]) {
    for (&a, row) in a.iter().zip(w.chunks_exact(stride)) {
        for (out, &w) in out.iter_mut().zip(&row[first..]) {
            *out += a * w;
        }
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

impl Stepper {
    /// Packs the weights (copied).
    ///
    /// # Errors
    /// If a weight does not have the size that C and H ask for.
    pub fn new(
        cell: Cell,
        input: usize,
        hidden: usize,
        weights: &Weights<'_>,
    ) -> Result<Self, KernelError> {
        check_weights("stepper", cell, input, hidden, weights)?;
        let rows = cell.gates() * hidden;
        let mut w = vec![0.0; (input + hidden) * rows];
        for r in 0..rows {
            for k in 0..input {
                w[k * rows + r] = weights.w_ih[r * input + k];
            }
            for k in 0..hidden {
                w[(input + k) * rows + r] = weights.w_hh[r * hidden + k];
            }
        }
        let bias = |b: Option<&[f32]>| b.map_or_else(|| vec![0.0; rows], <[f32]>::to_vec);
        Ok(Stepper {
            cell,
            input,
            hidden,
            w,
            b_ih: bias(weights.b_ih),
            b_hh: bias(weights.b_hh),
            gx: vec![0.0; rows],
            gh: vec![0.0; rows],
            rh: vec![0.0; hidden],
        })
    }

    /// One step: reads x `[C]`, turns h `[H]` and c `[H]` (empty without memory) into the next state.
    ///
    /// # Errors
    /// If a slice does not have its size; the state is then unchanged.
    pub fn step(&mut self, x: &[f32], h: &mut [f32], c: &mut [f32]) -> Result<(), KernelError> {
        let (n, rows) = (self.hidden, self.gx.len());
        expect("step", "x [C]", self.input, x.len())?;
        expect("step", "h [H]", n, h.len())?;
        let memory = if self.cell.has_memory() { n } else { 0 };
        expect("step", "c [H] (LSTM only)", memory, c.len())?;
        if n == 0 {
            return Ok(());
        }
        let (w_ih, w_hh) = self.w.split_at(self.input * rows);
        self.gx.copy_from_slice(&self.b_ih);
        self.gh.copy_from_slice(&self.b_hh);
        accumulate(x, w_ih, rows, 0, &mut self.gx);
        let first = match self.cell {
            Cell::GruResetBefore => 2 * n,
            _ => rows,
        };
        accumulate(h, w_hh, rows, 0, &mut self.gh[..first]);
        if self.cell == Cell::GruResetBefore {
            for u in 0..n {
                self.rh[u] = sigmoid(self.gx[u] + self.gh[u]) * h[u];
            }
            accumulate(&self.rh, w_hh, rows, first, &mut self.gh[first..]);
        }
        self.update(h, c);
        Ok(())
    }

    fn update(&self, h: &mut [f32], c: &mut [f32]) {
        let (n, gx, gh) = (self.hidden, &self.gx, &self.gh);
        for u in 0..n {
            let sum = |gate: usize| gx[gate * n + u] + gh[gate * n + u];
            h[u] = match self.cell {
                Cell::RnnTanh => sum(0).tanh(),
                Cell::RnnRelu => sum(0).max(0.0),
                Cell::Lstm => {
                    c[u] = sigmoid(sum(1)) * c[u] + sigmoid(sum(0)) * sum(2).tanh();
                    sigmoid(sum(3)) * c[u].tanh()
                }
                Cell::Gru | Cell::GruResetBefore => {
                    let (r, z) = (sigmoid(sum(0)), sigmoid(sum(1)));
                    let scale = if self.cell == Cell::Gru { r } else { 1.0 };
                    let new = (gx[2 * n + u] + scale * gh[2 * n + u]).tanh();
                    (1.0 - z) * new + z * h[u]
                }
            };
        }
    }
}
