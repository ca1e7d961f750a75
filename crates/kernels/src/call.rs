//! Types of a call: the cell, the sizes, the slices that go in and come out, and the checks that they fit.

use crate::error::{KernelError, check_lengths, expect, expect_some, size};

/// A recurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cell {
    /// h' = tanh(W_ih x + b_ih + W_hh h + b_hh) (Elman 1990).
    RnnTanh,
    /// The same with max(0, ·).
    RnnRelu,
    /// i,f,o = σ(·), g = tanh(·), c' = f⊙c + i⊙g, h' = o⊙tanh(c') (Hochreiter & Schmidhuber 1997; Gers et al. 2000).
    Lstm,
    /// r,z = σ(·), n = tanh(W x + b + r⊙(U h + b')), h' = z⊙h + (1−z)⊙n (Cho et al. 2014 as PyTorch and cuDNN compute
    /// it).
    Gru,
    /// The same with n = tanh(W x + b + U(r⊙h) + b') (Cho et al. 2014). Runs on the reference path.
    GruResetBefore,
}

impl Cell {
    /// Gate rows per hidden unit in `w_ih`, `w_hh` and the biases.
    pub const fn gates(self) -> usize {
        match self {
            Self::RnnTanh | Self::RnnRelu => 1,
            Self::Lstm => 4,
            Self::Gru | Self::GruResetBefore => 3,
        }
    }

    /// Whether there is a memory `c` beside `h`.
    pub const fn has_memory(self) -> bool {
        matches!(self, Self::Lstm)
    }
}

/// The order in which a layer reads a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the first step to the last.
    Forward,
    /// From the last real step to the first.
    Reverse,
}

/// The numbers that the products of a layer multiply. Sums, activations and states are `f32` in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 24 bits of fraction.
    #[default]
    F32,
    /// bfloat16: 8 bits of fraction, half the memory, and at least twice the speed where the machine multiplies it
    /// (AVX512_BF16, AMX).
    Bf16,
    /// Bytes, with a scale for each row of the weights and for each vector that they multiply (at every step): a
    /// quarter of the memory. For inference only.
    Int8,
}

/// Sizes and options of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The recurrence.
    pub cell: Cell,
    /// `B`
    pub batch: usize,
    /// `T`
    pub time: usize,
    /// `C`
    pub input: usize,
    /// `H`
    pub hidden: usize,
    /// One or two directions.
    pub directions: &'a [Direction],
    /// `[B]`: real steps of each sequence, at most `T`; all `T` if absent. Steps past the end cost nothing.
    pub lengths: Option<&'a [usize]>,
    /// The numbers of the products; [`Cell::GruResetBefore`] computes in `f32` in any case.
    pub precision: Precision,
}

/// Weights of one direction, PyTorch's shapes and gate order.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, F = f32> {
    /// `[G·H,C]`
    pub w_ih: &'a [F],
    /// `[G·H,H]`
    pub w_hh: &'a [F],
    /// `[G·H]`; zeros if absent.
    pub b_ih: Option<&'a [F]>,
    /// `[G·H]`; zeros if absent.
    pub b_hh: Option<&'a [F]>,
}

/// Inputs of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a, F = f32> {
    /// `[B,T,C]`; steps past the end of a sequence are not read.
    pub x: &'a [F],
    /// One entry per direction.
    pub weights: &'a [Weights<'a, F>],
    /// `[D,B,H]`; zeros if absent.
    pub h0: Option<&'a [F]>,
    /// `[D,B,H]`; zeros if absent. Only for a cell with memory.
    pub c0: Option<&'a [F]>,
}

/// Outputs of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs<F = f32> {
    /// `[B,T,D·H]`, zeros past the end of a sequence.
    pub y: Vec<F>,
    /// `[D,B,H]`: after the last real step; the initial state for a sequence without steps.
    pub h_n: Vec<F>,
    /// `[D,B,H]`; empty without memory.
    pub c_n: Vec<F>,
}

/// Gradients of the outputs; absent means zero.
#[derive(Clone, Copy, Debug)]
pub struct OutputGradients<'a, F = f32> {
    /// `[B,T,D·H]`; steps past the end of a sequence are not read.
    pub d_y: Option<&'a [F]>,
    /// `[D,B,H]`
    pub d_h_n: Option<&'a [F]>,
    /// `[D,B,H]`; only for a cell with memory.
    pub d_c_n: Option<&'a [F]>,
}

/// Which gradients are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Wanted {
    pub x: bool,
    pub weights: bool,
    pub h0: bool,
    pub c0: bool,
}

impl Wanted {
    /// Everything.
    pub const ALL: Self = Self {
        x: true,
        weights: true,
        h0: true,
        c0: true,
    };
}

/// Gradients of one direction's weights, shaped as [`Weights`].
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct WeightGradients<F = f32> {
    pub d_w_ih: Vec<F>,
    pub d_w_hh: Vec<F>,
    pub d_b_ih: Vec<F>,
    pub d_b_hh: Vec<F>,
}

/// The gradients that were wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients<F = f32> {
    /// `[B,T,C]`, zeros past the end of a sequence.
    pub d_x: Option<Vec<F>>,
    /// One entry per direction.
    pub weights: Option<Vec<WeightGradients<F>>>,
    /// `[D,B,H]`
    pub d_h0: Option<Vec<F>>,
    /// `[D,B,H]`; empty without memory.
    pub d_c0: Option<Vec<F>>,
}

impl Plan<'_> {
    /// Sizes of the states, `[D,B,H]`.
    pub(crate) fn states(&self) -> [usize; 3] {
        [self.directions.len(), self.batch, self.hidden]
    }

    /// Sizes of the memory, `[D,B,H]`, or of none.
    pub(crate) fn memory(&self) -> [usize; 3] {
        let [directions, batch, hidden] = self.states();
        let hidden = if self.cell.has_memory() { hidden } else { 0 };
        [directions, batch, hidden]
    }

    /// Sizes of the output, `[B,T,D,H]`.
    pub(crate) fn output(&self) -> [usize; 4] {
        [self.batch, self.time, self.directions.len(), self.hidden]
    }

    /// Checks the plan against itself and the inputs. Products of its sizes do not wrap afterwards.
    pub(crate) fn check<F>(&self, op: &'static str, inputs: &Inputs<F>) -> Result<(), KernelError> {
        let directions = self.directions.len();
        expect(op, "directions", &[directions.clamp(1, 2)], directions)?;
        expect(op, "weights", &[directions], inputs.weights.len())?;
        let x = [self.batch, self.time, self.input];
        expect(op, "x", &x, inputs.x.len())?;
        size(op, "y", &self.output())?;
        expect_some(op, "h0", &self.states(), inputs.h0)?;
        expect_some(op, "c0", &self.memory(), inputs.c0)?;
        for weights in inputs.weights {
            weights.check(op, self.cell, self.input, self.hidden)?;
        }
        check_lengths(op, "lengths", self.lengths, [self.batch, self.time])
    }
}

impl<F> Weights<'_, F> {
    /// Checks the sizes of one direction's weights.
    pub(crate) fn check(
        &self,
        op: &'static str,
        cell: Cell,
        input: usize,
        hidden: usize,
    ) -> Result<(), KernelError> {
        let gates = cell.gates();
        expect(op, "w_ih", &[gates, hidden, input], self.w_ih.len())?;
        expect(op, "w_hh", &[gates, hidden, hidden], self.w_hh.len())?;
        expect_some(op, "b_ih", &[gates, hidden], self.b_ih)?;
        expect_some(op, "b_hh", &[gates, hidden], self.b_hh)
    }
}

impl<F> OutputGradients<'_, F> {
    /// Checks the sizes against those of a plan.
    pub(crate) fn check(&self, op: &'static str, plan: &Plan) -> Result<(), KernelError> {
        expect_some(op, "d_y", &plan.output(), self.d_y)?;
        expect_some(op, "d_h_n", &plan.states(), self.d_h_n)?;
        expect_some(op, "d_c_n", &plan.memory(), self.d_c_n)
    }
}
