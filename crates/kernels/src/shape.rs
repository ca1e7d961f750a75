//! The arguments and results of the recurrences, and the check that they fit together.
//!
//! Generic over the number type `F` (default `f32`), because the references also run in `f64`.

use crate::error::{KernelError, expect};

/// Which recurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cell {
    /// Elman network with tanh.
    RnnTanh,
    /// Elman network with max(0, ·).
    RnnRelu,
    /// Long short-term memory with a forget gate, no peepholes (Gers et al. 2000).
    Lstm,
    /// Gated recurrent unit, reset after the product, as PyTorch and cuDNN (Cho et al. 2014, v1 of the paper).
    Gru,
    /// Gated recurrent unit, reset before the product (Cho et al. 2014, v3 of the paper).
    GruResetBefore,
}

impl Cell {
    /// G: rows of the weight matrices for each hidden unit.
    pub const fn gates(self) -> usize {
        match self {
            Cell::RnnTanh | Cell::RnnRelu => 1,
            Cell::Lstm => 4,
            Cell::Gru | Cell::GruResetBefore => 3,
        }
    }

    /// Whether the cell carries a memory `c` beside `h`.
    pub const fn has_memory(self) -> bool {
        matches!(self, Cell::Lstm)
    }
}

/// Which way in time. A reverse direction starts at each sequence's own last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the first step to the last.
    Forward,
    /// From the last step to the first.
    Reverse,
}

/// What to compute: the cell and the shapes.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The recurrence.
    pub cell: Cell,
    /// B.
    pub batch: usize,
    /// T.
    pub time: usize,
    /// C.
    pub input: usize,
    /// H.
    pub hidden: usize,
    /// One or two entries; D is their number.
    pub directions: &'a [Direction],
    /// B lengths, each at most T; `None`: all T.
    pub lengths: Option<&'a [usize]>,
}

impl Plan<'_> {
    /// Steps of sequence `b`.
    pub fn length(&self, b: usize) -> usize {
        self.lengths.map_or(self.time, |lengths| lengths[b])
    }

    /// G·H: rows of the weight matrices.
    pub(crate) fn rows(&self) -> usize {
        self.cell.gates() * self.hidden
    }
}

/// Parameters of one direction, in PyTorch's layout and gate order (LSTM i,f,g,o; GRU r,z,n).
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, F = f32> {
    /// `[G·H, C]`
    pub w_ih: &'a [F],
    /// `[G·H, H]`
    pub w_hh: &'a [F],
    /// `[G·H]`; none is zero.
    pub b_ih: Option<&'a [F]>,
    /// `[G·H]`; none is zero.
    pub b_hh: Option<&'a [F]>,
}

/// What a sequence pass reads.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a, F = f32> {
    /// `[B, T, C]`
    pub x: &'a [F],
    /// One per direction.
    pub weights: &'a [Weights<'a, F>],
    /// `[D, B, H]`; none is zero.
    pub h0: Option<&'a [F]>,
    /// `[D, B, H]`; none is zero. Must be none for a cell without memory.
    pub c0: Option<&'a [F]>,
}

/// What a forward pass gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs<F = f32> {
    /// `[B, T, D·H]`, zeros past a sequence's end.
    pub y: Vec<F>,
    /// `[D, B, H]`: the state after each sequence's last step (the initial state where the length is 0).
    pub h_n: Vec<F>,
    /// `[D, B, H]`; empty without memory.
    pub c_n: Vec<F>,
}

/// Which gradients to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Of `x`.
    pub x: bool,
    /// Of all weights and biases.
    pub weights: bool,
    /// Of the initial state.
    pub h0: bool,
    /// Of the initial memory.
    pub c0: bool,
}

impl Wanted {
    /// Everything.
    pub const ALL: Wanted = Wanted {
        x: true,
        weights: true,
        h0: true,
        c0: true,
    };
}

/// Gradients of the loss that come in; none is zero. Values past a sequence's end are ignored.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutputGradients<'a, F = f32> {
    /// `[B, T, D·H]`
    pub d_y: Option<&'a [F]>,
    /// `[D, B, H]`
    pub d_h_n: Option<&'a [F]>,
    /// `[D, B, H]`; must be none for a cell without memory.
    pub d_c_n: Option<&'a [F]>,
}

/// Gradients of one direction's parameters, always of full size.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WeightGradients<F = f32> {
    /// `[G·H, C]`
    pub d_w_ih: Vec<F>,
    /// `[G·H, H]`
    pub d_w_hh: Vec<F>,
    /// `[G·H]`
    pub d_b_ih: Vec<F>,
    /// `[G·H]`
    pub d_b_hh: Vec<F>,
}

/// What a backward pass gives: `Some` where wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradients<F = f32> {
    /// `[B, T, C]`, zeros past a sequence's end.
    pub d_x: Option<Vec<F>>,
    /// One per direction.
    pub weights: Option<Vec<WeightGradients<F>>>,
    /// `[D, B, H]`
    pub d_h0: Option<Vec<F>>,
    /// `[D, B, H]`; none for a cell without memory.
    pub d_c0: Option<Vec<F>>,
}

/// Checks one direction's parameters.
pub(crate) fn check_weights<F>(
    op: &'static str,
    cell: Cell,
    input: usize,
    hidden: usize,
    w: &Weights<'_, F>,
) -> Result<(), KernelError> {
    let rows = cell.gates() * hidden;
    expect(op, "w_ih [G*H,C]", rows * input, w.w_ih.len())?;
    expect(op, "w_hh [G*H,H]", rows * hidden, w.w_hh.len())?;
    expect(op, "b_ih [G*H]", rows, w.b_ih.map_or(rows, <[F]>::len))?;
    expect(op, "b_hh [G*H]", rows, w.b_hh.map_or(rows, <[F]>::len))
}

/// Checks all that a forward pass reads.
pub(crate) fn check<F>(
    op: &'static str,
    plan: &Plan<'_>,
    inputs: &Inputs<'_, F>,
) -> Result<(), KernelError> {
    let directions = plan.directions.len();
    if !(1..=2).contains(&directions) {
        return expect(op, "directions (1 or 2)", 1, directions);
    }
    expect(op, "weights (one per direction)", directions, inputs.weights.len())?;
    if let Some(lengths) = plan.lengths {
        expect(op, "lengths [B]", plan.batch, lengths.len())?;
        for (index, &length) in lengths.iter().enumerate() {
            if length > plan.time {
                return Err(KernelError::Length {
                    op,
                    index,
                    length,
                    time: plan.time,
                });
            }
        }
    }
    expect(op, "x [B,T,C]", plan.batch * plan.time * plan.input, inputs.x.len())?;
    for w in inputs.weights {
        check_weights(op, plan.cell, plan.input, plan.hidden, w)?;
    }
    let state = directions * plan.batch * plan.hidden;
    expect(op, "h0 [D,B,H]", state, inputs.h0.map_or(state, <[F]>::len))?;
    check_memory(op, "c0 [D,B,H] (LSTM only)", plan, inputs.c0)
}

/// Checks the gradients that come in.
pub(crate) fn check_gradients<F>(
    op: &'static str,
    plan: &Plan<'_>,
    d_out: &OutputGradients<'_, F>,
) -> Result<(), KernelError> {
    let state = plan.directions.len() * plan.batch * plan.hidden;
    let d_y = d_out.d_y.map_or(state * plan.time, <[F]>::len);
    expect(op, "d_y [B,T,D*H]", state * plan.time, d_y)?;
    let d_h_n = d_out.d_h_n.map_or(state, <[F]>::len);
    expect(op, "d_h_n [D,B,H]", state, d_h_n)?;
    check_memory(op, "d_c_n [D,B,H] (LSTM only)", plan, d_out.d_c_n)
}

fn check_memory<F>(
    op: &'static str,
    what: &'static str,
    plan: &Plan<'_>,
    c: Option<&[F]>,
) -> Result<(), KernelError> {
    let state = plan.directions.len() * plan.batch * plan.hidden;
    match c {
        Some(c) if plan.cell.has_memory() => expect(op, what, state, c.len()),
        Some(c) => expect(op, what, 0, c.len()),
        None => Ok(()),
    }
}
