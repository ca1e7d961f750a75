//! The cells of the fast path, and the choice of one at run time.

mod gru;
mod lstm;
mod rnn;

use crate::call::{Cell, Precision};
use crate::number::{Bf16, F32, Int8, Number};
use crate::simd::Simd;
pub(crate) use gru::Gru;
pub(crate) use lstm::Lstm;
pub(crate) use rnn::{Relu, Rnn, Tanh};

/// Where a row of the forward pass stands, at a vector of units.
pub(crate) struct ForwardAt {
    /// Slot 0 of the row; slot k is `k·hp` behind. With `keep`, takes the values that the backward pass needs.
    pub gates: *mut f32,
    pub hp: usize,
    pub h_prev: *const f32,
    /// The memory, in and out.
    pub c: *mut f32,
    /// With `keep`, takes the memory.
    pub cells: *mut f32,
    pub keep: bool,
}

/// Where a row of the backward pass stands, at a vector of units.
pub(crate) struct BackwardAt<S: Simd> {
    /// Slot 0 of the row; slot k is `k·hp` behind.
    pub gates: *const f32,
    pub hp: usize,
    pub c: *const f32,
    pub c_prev: *const f32,
    pub h_prev: S::V,
    /// The gradient that reaches the step before without the recurrent weights: d_c of an LSTM, z⊙d_h of a GRU. In and
    /// out.
    pub carry: *mut f32,
}

/// Gradients through time below this count as zero.
const VANISHED: f32 = 1e-30;

/// `d`, or zero where it has vanished. NaN stays NaN.
///
/// Over many steps gradients become denormal numbers, with which arithmetic takes many times as long.
///
/// # Safety
/// As [`Simd`]: the instruction set of `S` is present.
#[inline(always)]
pub(crate) unsafe fn flushed<S: Simd>(d: S::V) -> S::V {
    // SAFETY: only vectors in registers, with the instruction set that the caller has.
    unsafe {
        let room = S::sub(S::splat(VANISHED), S::abs(d));
        S::sub(d, S::where_positive(room, d))
    }
}

/// A cell of the fast path.
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

    /// The first part of the activation of one vector of units: from `acc`, its pre-activations gate by gate, the
    /// vectors that [`Self::output`] needs (no more than there are gates).
    ///
    /// The second part waits for long operations; a tile's rows run it one after the other, so that they wait together.
    ///
    /// # Safety
    /// As [`Simd`]; pointers of `at` are valid for one vector each, those of slots for every slot, and only this thread
    /// uses them. `cells` and the memory only count for a cell with memory, `gates` and `cells` only with `keep`.
    unsafe fn activate<S: Simd>(acc: &[S::V; 4], at: &ForwardAt) -> [S::V; 2];

    /// h, from the result of [`Self::activate`].
    ///
    /// # Safety
    /// As [`Self::activate`].
    unsafe fn output<S: Simd>(activated: [S::V; 2], at: &ForwardAt) -> S::V;

    /// Gradients of the slots from that of h.
    ///
    /// # Safety
    /// As [`Simd`]; pointers of `at` are valid for one vector each, `gates` for one in every slot, `c` and `c_prev`
    /// only of a cell with memory, and only this thread uses them.
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
