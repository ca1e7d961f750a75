//! A recurrent layer over whole sequences: the way from a checked call to the fast or the reference path.

use crate::call::{
    Gradients, Inputs, OutputGradients, Outputs, Plan, Precision, Wanted, check_inputs,
};
use crate::cells::{CellKernel, CellVisitor, Visitor, for_cell, for_cell_and_number};
use crate::error::{KernelError, expect};
use crate::number::{Bf16, F32, Number};
use crate::pool;
use crate::recurrence::{self, Kept, WeightCache};
use crate::reference;
use crate::simd::Level;

const BACKWARD: &str = "recurrent backward";

/// What the backward pass needs beside inputs and outputs: activated gates and cells, once each.
#[derive(Clone, Debug)]
pub struct Reserve(Vec<Kept>);

impl Reserve {
    /// Memory held.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(Kept::bytes).sum()
    }
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
    let run = Forward {
        level,
        threads: threads.max(1),
        plan,
        inputs,
        train,
        cache,
    };
    match for_cell_and_number(plan.cell, plan.precision, run) {
        Some((out, kept)) => Ok((out, kept.map(Reserve))),
        None => Ok((
            reference::forward(plan, inputs),
            train.then(|| Reserve(Vec::new())),
        )),
    }
}

/// A call of the forward pass.
struct Forward<'a> {
    level: Level,
    threads: usize,
    plan: &'a Plan<'a>,
    inputs: &'a Inputs<'a>,
    train: bool,
    cache: Option<&'a WeightCache>,
}

impl Visitor for Forward<'_> {
    type Output = (Outputs, Option<Vec<Kept>>);

    fn visit<C: CellKernel, N: Number>(self) -> Self::Output {
        let Self {
            level,
            threads,
            plan,
            inputs,
            train,
            cache,
        } = self;
        recurrence::forward::<C, N>(level, threads, plan, inputs, train, cache)
    }
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
    check_inputs(BACKWARD, plan, inputs)?;
    if plan.precision == Precision::Int8 {
        return Err(KernelError::InferenceOnly { op: BACKWARD });
    }
    let sequences = plan.batch * plan.time * plan.directions.len() * plan.hidden;
    let states = plan.directions.len() * plan.batch * plan.hidden;
    expect(BACKWARD, "y", sequences, y.len())?;
    expect(
        BACKWARD,
        "d_y",
        sequences,
        d_out.d_y.map_or(sequences, <[f32]>::len),
    )?;
    expect(
        BACKWARD,
        "d_h_n",
        states,
        d_out.d_h_n.map_or(states, <[f32]>::len),
    )?;
    let memory = if plan.cell.has_memory() { states } else { 0 };
    expect(
        BACKWARD,
        "d_c_n",
        memory,
        d_out.d_c_n.map_or(memory, <[f32]>::len),
    )?;
    let run = Backward {
        level,
        threads: threads.max(1),
        plan,
        inputs,
        y,
        kept: reserve.0,
        d_out,
        wanted,
    };
    let mut gradients = match for_cell(plan.cell, run) {
        Some(gradients) => gradients?,
        None => reference::backward(plan, inputs, d_out),
    };
    gradients.d_x = gradients.d_x.filter(|_| wanted.x);
    gradients.weights = gradients.weights.filter(|_| wanted.weights);
    gradients.d_h0 = gradients.d_h0.filter(|_| wanted.h0);
    gradients.d_c0 = gradients.d_c0.filter(|_| wanted.c0);
    Ok(gradients)
}

/// A call of the backward pass.
struct Backward<'a> {
    level: Level,
    threads: usize,
    plan: &'a Plan<'a>,
    inputs: &'a Inputs<'a>,
    y: &'a [f32],
    kept: Vec<Kept>,
    d_out: &'a OutputGradients<'a>,
    wanted: &'a Wanted,
}

impl CellVisitor for Backward<'_> {
    type Output = Result<Gradients, KernelError>;

    fn visit<C: CellKernel>(self) -> Self::Output {
        let Self {
            level,
            threads,
            plan,
            inputs,
            y,
            kept,
            d_out,
            wanted,
        } = self;
        let directions = plan.directions.len();
        expect(
            BACKWARD,
            "directions of the reserve",
            directions,
            kept.len(),
        )?;
        let run = match plan.precision {
            Precision::F32 => recurrence::backward::<C, F32>,
            Precision::Bf16 => recurrence::backward::<C, Bf16>,
            Precision::Int8 => return Err(KernelError::InferenceOnly { op: BACKWARD }),
        };
        run(level, threads, plan, inputs, y, kept, d_out, wanted)
    }
}
