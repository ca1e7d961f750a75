//! What differs between the cells, and the choice of one at run time.

mod gru;
mod lstm;
mod rnn;

use crate::call::{Cell, Precision};
use crate::number::{Bf16, F32, Int8, Number};
use crate::simd::Simd;
pub(crate) use gru::Gru;
pub(crate) use lstm::Lstm;
pub(crate) use rnn::{Relu, Rnn, Tanh};

/// Where a tile's row stands, at its first unit, in the forward pass.
pub(crate) struct ForwardAt {
    /// Slot 0 of the row; slot k is `k·hp` behind. Takes what the backward pass needs, where `keep`.
    pub gates: *mut f32,
    pub hp: usize,
    pub h_prev: *const f32,
    /// The memory, in and out.
    pub c: *mut f32,
    /// Takes the memory where `keep`.
    pub cells: *mut f32,
    pub keep: bool,
}

/// Where a row stands, at a vector of units, in the backward pass.
pub(crate) struct BackwardAt<S: Simd> {
    /// Slot 0 of the row; slot k is `k·hp` behind.
    pub gates: *const f32,
    pub hp: usize,
    pub c: *const f32,
    pub c_prev: *const f32,
    pub h_prev: S::V,
    /// What flows to the step before past the recurrent weights: d_c of an LSTM, z⊙d_h of a GRU. In and out.
    pub carry: *mut f32,
}

/// Gradients through time below this count as zero.
const VANISHED: f32 = 1e-30;

/// `d`, or zero where it has vanished: over many steps gradients shrink without end, and arithmetic on denormal numbers takes many
/// times as long. NaN stays NaN.
#[inline(always)]
pub(crate) unsafe fn flushed<S: Simd>(d: S::V) -> S::V {
    // SAFETY: the caller has the instruction set of `S`.
    unsafe {
        let room = S::sub(S::splat(VANISHED), S::abs(d));
        S::sub(d, S::where_positive(room, d))
    }
}

/// What differs between the cells.
pub(crate) trait CellKernel: Copy + Send + Sync + 'static {
    /// Gate rows per unit, PyTorch order.
    const GATES: usize;
    /// Values a row keeps per unit.
    const SLOTS: usize;
    /// Whether there is a memory beside h.
    const MEMORY: bool = false;
    /// First of the `GATES` slots that hold the gradients for the recurrent weights; those for the input start at 0.
    const H_FIRST: usize = 0;
    /// A gate whose recurrent part is kept apart from its projected input, which stands behind the gates.
    const INNER: Option<usize> = None;
    /// Whether the backward pass reads h_prev.
    const H_PREV: bool = false;

    /// Slot of a gate on the input's side.
    fn x_slot(gate: usize) -> usize {
        gate
    }

    /// Slot of a gate on the recurrent side.
    fn h_slot(gate: usize) -> usize {
        gate
    }

    /// Activation of one vector of units, as far as it goes without waiting: `acc` are pre-activations, gate by gate; gives what
    /// [`Self::output`] needs, no more vectors than there are gates. What waits for it is done for some rows together, so that they wait at
    /// the same time.
    ///
    /// # Safety
    /// `at` is valid for one vector.
    unsafe fn activate<S: Simd>(acc: &[S::V; 4], at: &ForwardAt) -> [S::V; 2];

    /// Gives h.
    ///
    /// # Safety
    /// `at` is valid for one vector.
    unsafe fn output<S: Simd>(activated: [S::V; 2], at: &ForwardAt) -> S::V;

    /// Gradients of the slots from that of h.
    ///
    /// # Safety
    /// `at` is valid for one vector.
    unsafe fn backward<S: Simd>(d_h: S::V, at: &BackwardAt<S>) -> [S::V; 4];
}

/// Code that is generic over a cell of the fast path.
pub(crate) trait CellVisitor {
    type Output;
    fn visit<C: CellKernel>(self) -> Self::Output;
}

/// Runs `visitor` for `cell`; `None` for a cell without a fast path.
#[inline(always)]
pub(crate) fn for_cell<V: CellVisitor>(cell: Cell, visitor: V) -> Option<V::Output> {
    match cell {
        Cell::RnnTanh => Some(visitor.visit::<Rnn<Tanh>>()),
        Cell::RnnRelu => Some(visitor.visit::<Rnn<Relu>>()),
        Cell::Lstm => Some(visitor.visit::<Lstm>()),
        Cell::Gru => Some(visitor.visit::<Gru>()),
        Cell::GruResetBefore => None,
    }
}

/// Code that is generic over a cell of the fast path and the number of its products.
pub(crate) trait Visitor {
    type Output;
    fn visit<C: CellKernel, N: Number>(self) -> Self::Output;
}

/// Runs `visitor` for `cell` and `precision`; `None` for a cell without a fast path.
#[inline(always)]
pub(crate) fn for_cell_and_number<V: Visitor>(
    cell: Cell,
    precision: Precision,
    visitor: V,
) -> Option<V::Output> {
    struct OverNumbers<V>(Precision, V);
    impl<V: Visitor> CellVisitor for OverNumbers<V> {
        type Output = V::Output;
        #[inline(always)]
        fn visit<C: CellKernel>(self) -> V::Output {
            match self.0 {
                Precision::F32 => self.1.visit::<C, F32>(),
                Precision::Bf16 => self.1.visit::<C, Bf16>(),
                Precision::Int8 => self.1.visit::<C, Int8>(),
            }
        }
    }
    for_cell(cell, OverNumbers(precision, visitor))
}
