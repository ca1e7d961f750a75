//! Whole sequences: the public forward and backward passes.

use crate::error::{KernelError, expect};
use crate::reference;
use crate::shape::{
    Gradients, Inputs, OutputGradients, Outputs, Plan, Wanted, check, check_gradients,
};

/// What a forward pass keeps for its backward pass: activated gates and memories of the real steps.
#[derive(Clone, Debug, Default)]
pub struct Reserve {
    pub(crate) gates: Vec<f32>,
    pub(crate) cells: Vec<f32>,
    pub(crate) shape: (usize, usize, usize, usize),
}

impl Reserve {
    /// Memory held, in bytes.
    pub fn bytes(&self) -> usize {
        (self.gates.len() + self.cells.len()) * size_of::<f32>()
    }
}

fn shape_of(plan: &Plan<'_>) -> (usize, usize, usize, usize) {
    (plan.batch, plan.time, plan.hidden, plan.directions.len())
}

/// Runs a layer over whole sequences, in one direction or two. With `train` the second result is `Some`.
///
/// Any size may be 0. The result has the same bits for any number of threads.
///
/// # Errors
/// If a slice does not have the size that the plan asks for, or a length exceeds T.
pub fn forward(
    plan: &Plan<'_>,
    inputs: &Inputs<'_>,
    train: bool,
) -> Result<(Outputs, Option<Reserve>), KernelError> {
    check("forward", plan, inputs)?;
    let out = reference::forward(plan, inputs)?;
    let reserve = train.then(|| Reserve {
        shape: shape_of(plan),
        ..Reserve::default()
    });
    Ok((out, reserve))
}

/// The backward pass of [`forward`]: `inputs` and `y` as there, `reserve` from there (consumed: its memory is
/// reused for the gradients of the gates).
///
/// # Errors
/// If a slice does not have the size that the plan asks for, or the reserve is another plan's.
pub fn backward(
    plan: &Plan<'_>,
    inputs: &Inputs<'_>,
    y: &[f32],
    reserve: Reserve,
    d_out: &OutputGradients<'_>,
    wanted: &Wanted,
) -> Result<Gradients, KernelError> {
    const OP: &str = "backward";
    check(OP, plan, inputs)?;
    check_gradients(OP, plan, d_out)?;
    let width = plan.directions.len() * plan.hidden;
    expect(OP, "y [B,T,D*H]", plan.batch * plan.time * width, y.len())?;
    if reserve.shape != shape_of(plan) {
        return Err(KernelError::Reserve { op: OP });
    }
    reference::backward(plan, inputs, d_out, wanted)
}
