//! A recurrent layer over whole sequences: the way from a checked call to the fast or the reference path.

use crate::call::{Gradients, Inputs, OutputGradients, Outputs, Plan, Precision, Wanted};
use crate::cells::{CellKernel, CellVisitor, Visitor, for_cell, for_cell_and_number};
use crate::error::{KernelError, expect};
use crate::number::{Bf16, F32, Number};
use crate::pool;
use crate::recurrence::{self, BackwardCall, ForwardCall, Kept, WeightCache};
use crate::reference;
use crate::simd::Level;

const FORWARD: &str = "recurrent forward";
const BACKWARD: &str = "recurrent backward";

/// More threads are never used, so that a call cannot ask the system for an absurd number of them.
const MOST_THREADS: usize = 1024;

/// Activated gates and cells of a forward pass, which the backward pass needs beside inputs and outputs.
#[derive(Clone, Debug)]
pub struct Reserve {
    /// One entry per direction; none for a cell without a fast path.
    kept: Vec<Kept>,
    layout: ReserveLayout,
}

/// How the values of a reserve are laid out: a backward pass of another layout would read past them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ReserveLayout {
    cell: crate::call::Cell,
    hidden: usize,
    /// Floats in a vector.
    lanes: usize,
}

impl ReserveLayout {
    fn new(level: Level, plan: &Plan) -> Self {
        Self {
            cell: plan.cell,
            hidden: plan.hidden,
            lanes: level.lanes(),
        }
    }
}

impl Reserve {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.kept.iter().map(Kept::bytes).sum()
    }
}

/// Runs a layer: the outputs and, with `train`, the reserve for [`backward`].
///
/// # Errors
/// - [`KernelError::Shape`] or [`KernelError::Length`]: a size that does not fit the plan.
/// - [`KernelError::TooLarge`]: sizes whose product overflows, or a result that does not fit into memory.
/// - [`KernelError::InferenceOnly`]: `train` with [`Precision::Int8`].
pub fn forward(
    plan: &Plan,
    inputs: &Inputs,
    train: bool,
) -> Result<(Outputs, Option<Reserve>), KernelError> {
    forward_at(Level::best(), pool::threads(), plan, inputs, train)
}

/// [`forward`] for inference, with the packed weights kept in `cache` from the first call on.
///
/// It pays off for short sequences and small batches, whose time would mostly be spent on packing.
///
/// # Errors
/// As [`forward`].
pub fn infer(plan: &Plan, inputs: &Inputs, cache: &WeightCache) -> Result<Outputs, KernelError> {
    let (level, threads) = (Level::best(), pool::threads());
    run_forward(level, threads, plan, inputs, false, Some(cache)).map(|(out, _)| out)
}

/// [`forward`] with the instruction set and the number of threads (at least one) named.
///
/// # Errors
/// As [`forward`].
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
    plan.check(FORWARD, inputs)?;
    if train && plan.precision == Precision::Int8 {
        return Err(KernelError::InferenceOnly { op: FORWARD });
    }
    let call = ForwardCall {
        op: FORWARD,
        level,
        threads: threads.clamp(1, MOST_THREADS),
        plan,
        inputs,
        train,
        cache,
    };
    let (out, kept) = match for_cell_and_number(plan.cell, plan.precision, call) {
        Some(result) => result?,
        None => (reference::forward(plan, inputs)?, train.then(Vec::new)),
    };
    let layout = ReserveLayout::new(level, plan);
    Ok((out, kept.map(|kept| Reserve { kept, layout })))
}

impl Visitor for ForwardCall<'_> {
    type Output = Result<(Outputs, Option<Vec<Kept>>), KernelError>;

    fn visit<C: CellKernel, N: Number>(self) -> Self::Output {
        recurrence::forward::<C, N>(self)
    }
}

/// Gradients of a layer from those of its outputs.
///
/// `y` and `reserve` are the results of [`forward`] for the same plan and inputs. The reserve is used up: the gradients
/// of the gates overwrite it.
///
/// # Errors
/// - [`KernelError::Shape`] or [`KernelError::Length`]: a size that does not fit the plan.
/// - [`KernelError::TooLarge`]: sizes whose product overflows, or a result that does not fit into memory.
/// - [`KernelError::Option`]: a reserve of another cell, size or instruction set.
/// - [`KernelError::InferenceOnly`]: a plan with [`Precision::Int8`].
pub fn backward(
    plan: &Plan,
    inputs: &Inputs,
    y: &[f32],
    reserve: Reserve,
    d_out: &OutputGradients,
    wanted: &Wanted,
) -> Result<Gradients, KernelError> {
    let (level, threads) = (Level::best(), pool::threads());
    backward_at(level, threads, plan, inputs, y, reserve, d_out, wanted)
}

/// [`backward`] with the instruction set (that of the forward pass) and the number of threads named.
///
/// # Errors
/// As [`backward`].
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
    plan.check(BACKWARD, inputs)?;
    if plan.precision == Precision::Int8 {
        return Err(KernelError::InferenceOnly { op: BACKWARD });
    }
    expect(BACKWARD, "y", &plan.output(), y.len())?;
    d_out.check(BACKWARD, plan)?;
    if reserve.layout != ReserveLayout::new(level, plan) {
        return Err(KernelError::Option {
            op: BACKWARD,
            what: "reserve",
            problem: "it is of another cell, size or instruction set; pass the one of this forward pass",
        });
    }
    let call = BackwardCall {
        op: BACKWARD,
        level,
        threads: threads.clamp(1, MOST_THREADS),
        plan,
        inputs,
        y,
        d_out,
        wanted,
    };
    let mut gradients = match for_cell(plan.cell, Backward(call, reserve.kept)) {
        Some(gradients) => gradients?,
        None => reference::backward(plan, inputs, d_out)?,
    };
    gradients.d_x = gradients.d_x.filter(|_| wanted.x);
    gradients.weights = gradients.weights.filter(|_| wanted.weights);
    gradients.d_h0 = gradients.d_h0.filter(|_| wanted.h0);
    gradients.d_c0 = gradients.d_c0.filter(|_| wanted.c0);
    Ok(gradients)
}

/// A backward pass and its reserve.
struct Backward<'a>(BackwardCall<'a>, Vec<Kept>);

impl CellVisitor for Backward<'_> {
    type Output = Result<Gradients, KernelError>;

    fn visit<C: CellKernel>(self) -> Self::Output {
        let Self(call, kept) = self;
        let directions = call.plan.directions.len();
        expect(
            call.op,
            "directions of the reserve",
            &[directions],
            kept.len(),
        )?;
        match call.plan.precision {
            Precision::F32 => recurrence::backward::<C, F32>(&call, kept),
            Precision::Bf16 => recurrence::backward::<C, Bf16>(&call, kept),
            Precision::Int8 => Err(KernelError::InferenceOnly { op: call.op }),
        }
    }
}
