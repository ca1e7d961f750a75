//! The one driver of the recurrences.
//!
//! Each thread owns a slice of the hidden units with all their gates and packs its own columns of the weights. It projects its own
//! columns of the input for a stretch of steps, then runs those steps; activation and state update happen while the tile of the
//! product is in registers, and the threads meet once a step. Where the weights are small and the sequences many, each thread owns
//! some of the sequences instead, with all units, and they need not meet at all. Two directions run side by side on separate threads.
//!
//! The backward pass is the same loop in reverse: the gradients of the gates overwrite the gates, and one product each gives
//! the gradients of the weights and of the input at the end.
//!
//! Buffers inside are padded to whole vectors of units (`hp`); padded units stay zero throughout.

mod backward;
mod forward;
mod products;
mod weights;

pub(crate) use backward::backward;
pub(crate) use forward::forward;
pub use weights::WeightCache;
pub(crate) use weights::{OwnPanel, Packed, own_panels, own_weights};

use crate::cache;
use crate::call::Plan;
use crate::cells::CellKernel;
use crate::layout::Layout;
use crate::number::{Number, Side, row_stride};
use crate::pool::{self, Barrier, SharedPtr, Team, share};
use crate::scratch::{Lines, unwritten};
use crate::simd::{Kernel, Level, Simd, dispatch};
use crate::tile::Table;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Gates and cells of one direction.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// `[rows,SLOTS,hp]`, rows [`row_of_gates`] apart, with nothing in between.
    gates: Vec<MaybeUninit<f32>>,
    cells: Vec<f32>,
}

impl Kept {
    pub(crate) fn bytes(&self) -> usize {
        4 * (self.gates.len() + self.cells.len())
    }
}

fn padded(level: Level, hidden: usize) -> usize {
    hidden.next_multiple_of(lanes(level))
}

/// Values from a row of gates to the next. Not a multiple of 1 KiB: such rows would share a few sets of every cache, and drive each other out.
fn row_of_gates<C: CellKernel>(hp: usize) -> usize {
    let row = C::SLOTS * hp;
    match row.is_multiple_of(256) {
        true => row_stride(row),
        false => row,
    }
}

fn lanes(level: Level) -> usize {
    struct Lanes;
    impl Kernel for Lanes {
        type Output = usize;
        #[inline(always)]
        unsafe fn run<S: Simd>(self) -> usize {
            S::LANES
        }
    }
    dispatch(level, Lanes)
}

/// States `[B,H]` of one direction in the order of the layout, padded.
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

/// Multiply-adds of a step that are worth a thread: below it, meeting once a step costs more than it brings.
const WORTH_A_THREAD: usize = 32 * 1024;

/// Threads for `plan` out of `threads`; results do not depend on it.
fn useful(threads: usize, plan: &Plan, gates: usize) -> usize {
    let step = plan.directions.len() * plan.batch * gates * plan.hidden * plan.hidden;
    threads.min(1 + step / WORTH_A_THREAD)
}

/// One of the threads of a direction.
#[derive(Clone, Copy)]
struct Member {
    id: usize,
    /// Threads of the direction that the call got.
    of: usize,
    /// Threads of the direction that the call asked for: so many parts its packed weights have, whoever else computes at the same time.
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
    team.run(|id| match directions == 1 || team.size() == 1 {
        true => (0..directions).for_each(|d| part(d, id)),
        false if id < sizes[0] => part(0, id),
        false => part(1, id - sizes[0]),
    });
}

/// `0..count`, upwards in even steps and downwards in odd ones: where the weights do not fit into a cache, a step begins with those that the
/// step before has left there. Each with the one that follows.
pub(crate) fn there_and_back(
    count: usize,
    step: usize,
) -> impl Iterator<Item = (usize, Option<usize>)> {
    let upwards = step.is_multiple_of(2);
    let at = move |i: usize| if upwards { i } else { count - 1 - i };
    (0..count).map(move |i| (at(i), (i + 1 < count).then(|| at(i + 1))))
}

/// Whether most of so many bytes of weights, which a thread reads in a step, lie beyond its second cache.
pub(crate) fn beyond(bytes: usize) -> bool {
    !fill(bytes, 16)
}

/// Whether so many bytes of weights fill no more than some `eighths` of a thread's second cache.
pub(crate) fn fill(bytes: usize, eighths: usize) -> bool {
    bytes <= cache::second() / 8 * eighths
}

/// Whether a thread's second cache keeps so many bytes of weights from one step to the next, beside what else passes through it.
fn near(bytes: usize) -> bool {
    fill(bytes, 7)
}

/// How the threads of a direction divide its work.
#[derive(Clone, Copy)]
struct Division {
    /// Whether each thread takes some of the sequences with all units, rather than some of the units of all sequences. Then they need not meet
    /// once a step; but each reads all of the weights, and has fewer rows for its tiles.
    by_sequences: bool,
    /// Whether a thread's weights are too many for its second cache, and fetched ahead.
    far: bool,
    /// Whether most of them lie beyond it.
    beyond: bool,
}

impl Division {
    /// For `threads` threads and `bytes` of weights; divided by units, the threads would hand each other `handed` values of each unit.
    fn new(plan: &Plan, threads: usize, table: &Table, bytes: usize, handed: usize) -> Self {
        let [some, few] = table.enough;
        // Few rows read the weights faster than the second cache gives them, unless most are in the first.
        let rows = match handed > 1 || near(2 * bytes) {
            true => few,
            false => some,
        };
        let even = plan.lengths.is_none();
        let by_sequences = threads > 1 && even && near(bytes) && plan.batch >= threads * rows;
        let read = if by_sequences { bytes } else { bytes / threads };
        Self {
            by_sequences,
            far: !fill(read, table.far),
            beyond: beyond(read),
        }
    }

    /// What belongs to a thread.
    fn part(self, batch: usize, Member { id, of, parts }: Member) -> Part {
        match self.by_sequences {
            true => Part {
                weights: 0..parts,
                ranks: share(batch, id, of),
            },
            false => Part {
                weights: share(parts, id, of),
                ranks: 0..batch,
            },
        }
    }
}

/// The part of a direction that belongs to one of its threads.
struct Part {
    /// The parts of the packed weights that it reads.
    weights: Range<usize>,
    ranks: Range<usize>,
}

impl Part {
    /// Its ranks among the first `active`.
    fn active(&self, active: usize) -> Range<usize> {
        self.ranks.start.min(active)..self.ranks.end.min(active)
    }
}

/// Room for `[B,T,width]`, zeros where some steps may lie past the end of a sequence.
fn room(plan: &Plan, width: usize) -> Vec<MaybeUninit<f32>> {
    let mut values = unwritten(plan.batch * plan.time * width);
    if plan.lengths.is_some() || plan.hidden == 0 {
        values.fill(MaybeUninit::new(0.0));
    }
    values
}

/// Rows of a left operand in words, and the scale of each row; as they stand in memory where a word is a float.
pub(crate) struct Words {
    /// Empty where a word is a float.
    values: Lines,
    /// Empty for numbers without scales.
    scales: Vec<f32>,
}

/// Rows of `width` values turned into words.
struct ToWords<'a, N> {
    values: *const f32,
    width: usize,
    rows: Range<usize>,
    /// The place of each row's words, none for `usize::MAX`; or all rows stay in place.
    to: Option<&'a [usize]>,
    words: *mut f32,
    scales: *mut f32,
    number: PhantomData<N>,
}

impl<N: Number> Kernel for ToWords<'_, N> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for row in self.rows {
            let to = self.to.map_or(row, |to| to[row]);
            if to == usize::MAX {
                continue;
            }
            // SAFETY: the row's values, and its own words and scale.
            unsafe {
                let src = self.values.add(row * self.width);
                let dst = self.words.add(to * N::row(self.width));
                let scale = N::scale::<S>(src, self.width);
                N::store_row::<S>(Side::Left, src, self.width, scale, dst);
                if N::SCALED {
                    *self.scales.add(to) = scale;
                }
            }
        }
    }
}

impl Words {
    /// Room for `rows` rows of `width` values.
    fn room<N: Number>(rows: usize, width: usize) -> Self {
        let words = if N::PACK == 1 {
            0
        } else {
            rows * N::row(width)
        };
        Self {
            values: Lines::unwritten(words),
            scales: vec![0.0; if N::SCALED { rows } else { 0 }],
        }
    }

    /// The words of rows of `width` values; row `external[i]` of them is the one at `i`. They are read in the order of memory.
    fn of<N: Number>(
        level: Level,
        threads: usize,
        values: &[f32],
        width: usize,
        external: &[usize],
    ) -> Self {
        let mut own = Self::room::<N>(external.len(), width);
        if N::PACK == 1 {
            return own;
        }
        let rows = values.len().checked_div(width).unwrap_or(0);
        let mut to = vec![usize::MAX; rows];
        for (place, &row) in external.iter().enumerate().filter(|_| width > 0) {
            to[row] = place;
        }
        let threads = threads.clamp(1, rows.max(1));
        let words = SharedPtr(own.values.as_mut_ptr());
        let values = SharedPtr(values.as_ptr().cast_mut());
        let scales = SharedPtr(own.scales.as_mut_ptr());
        pool::run(threads, |id, threads| {
            let some = ToWords::<N> {
                values: values.get(),
                width,
                rows: share(rows, id, threads),
                to: Some(&to),
                words: words.get(),
                scales: scales.get(),
                number: PhantomData,
            };
            dispatch(level, some);
        });
        own
    }
}
