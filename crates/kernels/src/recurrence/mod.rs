//! The one driver of the recurrences.
//!
//! Threads usually divide the hidden units. Each packs its own columns of the weights, projects its columns of the
//! input for a stretch of steps, and runs those steps; activation and state update happen while the product's tile is
//! in registers. The threads meet once a step. Where the weights fit into each core's second cache and the batch is
//! large, threads divide the sequences instead, with all units, and need not meet. Two directions run side by side.
//!
//! The backward pass is the same loop in reverse. The gradients of the gates overwrite the gates; afterwards one
//! product each gives the gradients of the weights and of the input.
//!
//! Buffers are padded to whole vectors of units (`hp`); padded units are zero throughout.
//!
//! Threads write disjoint blocks of (sequence, vector of units): a thread's blocks are the product of its ranks and its
//! units (see [`division`]), and every write of a step goes to a row of one rank at the units of one of its panels.
//! With debug assertions, [`Owners`](crate::parts::Owners) checks that no two threads write the same block.

mod backward;
mod backward_step;
mod division;
mod forward;
mod forward_step;
mod products;
mod weights;
mod words;

pub(crate) use backward::{BackwardCall, backward};
pub(crate) use division::{beyond, fill};
pub(crate) use forward::{ForwardCall, forward};
pub use weights::WeightCache;
pub(crate) use weights::{OwnPanel, Packed, own_panels, own_weights};

use crate::call::Plan;
use crate::cells::CellKernel;
use crate::error::KernelError;
use crate::layout::Layout;
use crate::number::row_stride;
use crate::pool::{Barrier, Team, unless_miri};
use crate::scratch::unwritten;
use crate::simd::Level;
use std::mem::MaybeUninit;

/// Activated gates and cells of one direction.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// `[rows,SLOTS,hp]`; rows are [`row_of_gates`] apart, and the gaps between them are not written.
    gates: Vec<MaybeUninit<f32>>,
    /// `[rows,hp]` of a cell with memory.
    cells: Vec<f32>,
}

impl Kept {
    pub(crate) fn bytes(&self) -> usize {
        4 * (self.gates.len() + self.cells.len())
    }
}

/// Units with the padding to whole vectors.
fn padded(level: Level, hidden: usize) -> usize {
    hidden.next_multiple_of(level.lanes())
}

/// Values from a row of gates to the next: never a multiple of 1 KiB, as rows that far apart share few cache sets.
fn row_of_gates<C: CellKernel>(hp: usize) -> usize {
    let row = C::SLOTS * hp;
    match row.is_multiple_of(256) {
        true => row_stride(row),
        false => row,
    }
}

/// The layout of each direction.
fn layouts(op: &'static str, plan: &Plan) -> Result<Vec<Layout>, KernelError> {
    let each = plan.directions.iter();
    each.map(|&d| Layout::new(op, plan, d)).collect()
}

/// States `[B,H]` of one direction in the order of the layout, padded to `[B,hp]`.
fn ranked(state: Option<&[f32]>, layout: &Layout, hidden: usize, hp: usize) -> Vec<f32> {
    let mut out = vec![0.0; layout.order.len() * hp];
    if let Some(state) = state {
        for (rank, &b) in layout.order.iter().enumerate() {
            out[rank * hp..rank * hp + hidden]
                .copy_from_slice(&state[b * hidden..(b + 1) * hidden]);
        }
    }
    out
}

/// Direction `d` of `[D,B,H]`.
fn part(state: Option<&[f32]>, d: usize, size: usize) -> Option<&[f32]> {
    state.map(|state| &state[d * size..(d + 1) * size])
}

/// Multiply-adds of a step that pay for one thread more: with fewer, meeting once a step costs more than it saves.
const WORTH_A_THREAD: usize = unless_miri(32 * 1024, 64);

/// Threads for `plan` out of `threads`; results do not depend on it.
fn useful(threads: usize, plan: &Plan, gates: usize) -> usize {
    let sizes = [plan.batch, gates, plan.hidden, plan.hidden];
    let step = sizes
        .into_iter()
        .fold(plan.directions.len(), usize::saturating_mul);
    threads.min(1 + step / WORTH_A_THREAD)
}

/// One of the threads of a direction.
#[derive(Clone, Copy)]
struct Member {
    id: usize,
    /// Threads of the direction that the call got.
    of: usize,
    /// Threads of the direction that the call asked for. Packed weights have so many parts, however few threads it got.
    parts: usize,
}

/// `threads` by direction; of one thread each direction has it in turn.
fn by_direction(directions: usize, threads: usize) -> [usize; 2] {
    match directions == 1 || threads == 1 {
        true => [threads; 2],
        false => [threads.div_ceil(2), threads / 2],
    }
}

/// Gives each direction its share of the threads, and each thread `f(direction, member, barrier of the direction)`.
fn on_threads(
    directions: usize,
    threads: usize,
    units: usize,
    f: impl Fn(usize, Member, &Barrier) + Sync,
) {
    let threads = threads.clamp(1, directions * units.max(1));
    let parts = by_direction(directions, threads);
    let team = Team::of(threads);
    let sizes = by_direction(directions, team.size());
    let barriers = sizes.map(Barrier::new);
    let part = |d: usize, id: usize| {
        let (of, parts) = (sizes[d], parts[d]);
        barriers[d].attend(|| f(d, Member { id, of, parts }, &barriers[d]));
    };
    team.run_together(|id| match directions == 1 || team.size() == 1 {
        true => (0..directions).for_each(|d| part(d, id)),
        false if id < sizes[0] => part(0, id),
        false => part(1, id - sizes[0]),
    });
}

/// `0..count`, upwards in even steps and downwards in odd ones, each with its successor.
///
/// Where the weights exceed the cache, a step thus begins with the panels that the step before has left there.
pub(crate) fn there_and_back(
    count: usize,
    step: usize,
) -> impl Iterator<Item = (usize, Option<usize>)> {
    let upwards = step.is_multiple_of(2);
    let at = move |i: usize| if upwards { i } else { count - 1 - i };
    (0..count).map(move |i| (at(i), (i + 1 < count).then(|| at(i + 1))))
}

/// An unwritten result `[B,T,width]`, filled with zeros where some steps may lie past the end of a sequence.
fn room(
    op: &'static str,
    what: &'static str,
    plan: &Plan,
    width: usize,
) -> Result<Vec<MaybeUninit<f32>>, KernelError> {
    let mut values = unwritten(op, what, &[plan.batch, plan.time, width])?;
    if plan.lengths.is_some() || plan.hidden == 0 {
        values.fill(MaybeUninit::new(0.0));
    }
    Ok(values)
}
