//! A recurrent layer over whole sequences: arguments, checks, and the way to the fast or the reference path.

use crate::error::expect;
use crate::gru::Gru;
use crate::lstm::Lstm;
use crate::number::{Bf16, F32, Int8, Precision};
use crate::pool;
use crate::recurrence::{self, Kept, WeightCache};
use crate::rnn::{Relu, Rnn, Tanh};
use crate::{Cell, Direction, KernelError, Level, reference};

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
    /// What the products multiply; the reference path of [`Cell::GruResetBefore`] takes `f32` in any case.
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

/// What goes in.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a, F = f32> {
    /// `[B,T,C]`; what stands past the end of a sequence is not read.
    pub x: &'a [F],
    /// One entry per direction.
    pub weights: &'a [Weights<'a, F>],
    /// `[D,B,H]`; zeros if absent.
    pub h0: Option<&'a [F]>,
    /// `[D,B,H]`; zeros if absent. Only for a cell with memory.
    pub c0: Option<&'a [F]>,
}

/// What comes out.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs<F = f32> {
    /// `[B,T,D·H]`, zeros past the end of a sequence.
    pub y: Vec<F>,
    /// `[D,B,H]`: after the last real step; the initial state for a sequence without steps.
    pub h_n: Vec<F>,
    /// `[D,B,H]`; empty without memory.
    pub c_n: Vec<F>,
}

/// What the backward pass needs beside inputs and outputs: activated gates and cells, once each.
#[derive(Clone, Debug)]
pub struct Reserve(Vec<Kept>);

impl Reserve {
    /// Memory held.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(Kept::bytes).sum()
    }
}

/// Gradients of the outputs; absent means zero.
#[derive(Clone, Copy, Debug)]
pub struct OutputGradients<'a, F = f32> {
    /// `[B,T,D·H]`; what stands past the end of a sequence is not read.
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

type ForwardDriver =
    fn(Level, usize, &Plan, &Inputs, bool, Option<&WeightCache>) -> (Outputs, Option<Vec<Kept>>);
type BackwardDriver = fn(
    Level,
    usize,
    &Plan,
    &Inputs,
    &[f32],
    Vec<Kept>,
    &OutputGradients,
    &Wanted,
) -> Result<Gradients, KernelError>;

/// The instance of a driver for the plan's cell and precision, if the cell has a fast path and the driver the number.
macro_rules! fast_path {
    ($driver:path, $plan:expr $(, $other:ident: $number:ty)?) => {{
        use $driver as driver;
        macro_rules! run {
            ($cell:ty) => {
                match $plan.precision {
                    Precision::F32 => Some(driver::<$cell, F32> as _),
                    Precision::Bf16 => Some(driver::<$cell, Bf16> as _),
                    $(Precision::$other => Some(driver::<$cell, $number> as _),)?
                    #[allow(unreachable_patterns)]
                    _ => None,
                }
            };
        }
        match $plan.cell {
            Cell::RnnTanh => run!(Rnn<Tanh>),
            Cell::RnnRelu => run!(Rnn<Relu>),
            Cell::Lstm => run!(Lstm),
            Cell::Gru => run!(Gru),
            Cell::GruResetBefore => None,
        }
    }};
}

/// Runs a layer: outputs, and the reserve for [`backward`] where `train`.
///
/// # Errors
/// A size that does not fit the plan.
pub fn forward(
    plan: &Plan,
    inputs: &Inputs,
    train: bool,
) -> Result<(Outputs, Option<Reserve>), KernelError> {
    forward_at(Level::best(), pool::threads(), plan, inputs, train)
}

/// [`forward`] for inference with weights that are packed at the first call and kept in `cache`: worth it for short sequences and few of
/// them.
///
/// # Errors
/// A size that does not fit the plan.
pub fn infer(plan: &Plan, inputs: &Inputs, cache: &WeightCache) -> Result<Outputs, KernelError> {
    let (level, threads) = (Level::best(), pool::threads());
    run_forward(level, threads, plan, inputs, false, Some(cache)).map(|(out, _)| out)
}

/// [`forward`] with instruction set and number of threads (at least one) named.
///
/// # Errors
/// A size that does not fit the plan.
pub fn forward_at(
    level: Level,
    threads: usize,
    plan: &Plan,
    inputs: &Inputs,
    train: bool,
) -> Result<(Outputs, Option<Reserve>), KernelError> {
    run_forward(level, threads, plan, inputs, train, None)
}

fn run_forward(
    level: Level,
    threads: usize,
    plan: &Plan,
    inputs: &Inputs,
    train: bool,
    cache: Option<&WeightCache>,
) -> Result<(Outputs, Option<Reserve>), KernelError> {
    check_inputs("recurrent forward", plan, inputs)?;
    if train && plan.precision == Precision::Int8 {
        return Err(KernelError::InferenceOnly {
            op: "recurrent forward",
        });
    }
    let run: ForwardDriver = match fast_path!(recurrence::forward, plan, Int8: Int8) {
        Some(run) => run,
        None => {
            return Ok((
                reference::forward(plan, inputs),
                train.then(|| Reserve(Vec::new())),
            ));
        }
    };
    let (out, kept) = run(level, threads.max(1), plan, inputs, train, cache);
    Ok((out, kept.map(Reserve)))
}

/// Gradients of a layer from those of its outputs.
///
/// `y` and `reserve` are what [`forward`] gave for the same plan and inputs; the gradients of the gates overwrite the reserve.
///
/// # Errors
/// A size that does not fit the plan.
pub fn backward(
    plan: &Plan,
    inputs: &Inputs,
    y: &[f32],
    reserve: Reserve,
    d_out: &OutputGradients,
    wanted: &Wanted,
) -> Result<Gradients, KernelError> {
    backward_at(
        Level::best(),
        pool::threads(),
        plan,
        inputs,
        y,
        reserve,
        d_out,
        wanted,
    )
}

/// [`backward`] with instruction set (the one of the forward pass) and number of threads named.
///
/// # Errors
/// A size that does not fit the plan.
#[allow(clippy::too_many_arguments)]
pub fn backward_at(
    level: Level,
    threads: usize,
    plan: &Plan,
    inputs: &Inputs,
    y: &[f32],
    reserve: Reserve,
    d_out: &OutputGradients,
    wanted: &Wanted,
) -> Result<Gradients, KernelError> {
    const OP: &str = "recurrent backward";
    check_inputs(OP, plan, inputs)?;
    if plan.precision == Precision::Int8 {
        return Err(KernelError::InferenceOnly { op: OP });
    }
    let sequences = plan.batch * plan.time * plan.directions.len() * plan.hidden;
    let states = plan.directions.len() * plan.batch * plan.hidden;
    expect(OP, "y", sequences, y.len())?;
    expect(
        OP,
        "d_y",
        sequences,
        d_out.d_y.map_or(sequences, <[f32]>::len),
    )?;
    expect(
        OP,
        "d_h_n",
        states,
        d_out.d_h_n.map_or(states, <[f32]>::len),
    )?;
    let memory = if plan.cell.has_memory() { states } else { 0 };
    expect(
        OP,
        "d_c_n",
        memory,
        d_out.d_c_n.map_or(memory, <[f32]>::len),
    )?;
    let kept = reserve.0;
    let mut gradients = match fast_path!(recurrence::backward, plan) {
        None => reference::backward(plan, inputs, d_out),
        Some(run) => {
            let directions = plan.directions.len();
            expect(OP, "directions of the reserve", directions, kept.len())?;
            let run: BackwardDriver = run;
            run(level, threads.max(1), plan, inputs, y, kept, d_out, wanted)?
        }
    };
    gradients.d_x = gradients.d_x.filter(|_| wanted.x);
    gradients.weights = gradients.weights.filter(|_| wanted.weights);
    gradients.d_h0 = gradients.d_h0.filter(|_| wanted.h0);
    gradients.d_c0 = gradients.d_c0.filter(|_| wanted.c0);
    Ok(gradients)
}

fn check_inputs(op: &'static str, plan: &Plan, inputs: &Inputs) -> Result<(), KernelError> {
    let directions = plan.directions.len();
    expect(op, "directions", directions.clamp(1, 2), directions)?;
    expect(op, "weights", directions, inputs.weights.len())?;
    expect(op, "x", plan.batch * plan.time * plan.input, inputs.x.len())?;
    let states = directions * plan.batch * plan.hidden;
    expect(op, "h0", states, inputs.h0.map_or(states, <[f32]>::len))?;
    let memory = if plan.cell.has_memory() { states } else { 0 };
    expect(op, "c0", memory, inputs.c0.map_or(memory, <[f32]>::len))?;
    for w in inputs.weights {
        check_weights(op, plan.cell, plan.input, plan.hidden, w)?;
    }
    let Some(lengths) = plan.lengths else {
        return Ok(());
    };
    expect(op, "lengths", plan.batch, lengths.len())?;
    match lengths
        .iter()
        .enumerate()
        .find(|(_, length)| **length > plan.time)
    {
        Some((index, &length)) => Err(KernelError::Length {
            op,
            index,
            length,
            time: plan.time,
        }),
        None => Ok(()),
    }
}

pub(crate) fn check_weights(
    op: &'static str,
    cell: Cell,
    input: usize,
    hidden: usize,
    w: &Weights,
) -> Result<(), KernelError> {
    let rows = cell.gates() * hidden;
    expect(op, "w_ih", rows * input, w.w_ih.len())?;
    expect(op, "w_hh", rows * hidden, w.w_hh.len())?;
    expect(op, "b_ih", rows, w.b_ih.map_or(rows, <[f32]>::len))?;
    expect(op, "b_hh", rows, w.b_hh.map_or(rows, <[f32]>::len))
}
