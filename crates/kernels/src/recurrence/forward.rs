//! The forward pass: buffers, the threads, and the results. [`ForwardThread`] runs the steps.

use super::forward_step::{ForwardThread, Stretches};
use super::weights::{Kit, KitKey, Packed, WeightCache};
use super::words::Words;
use super::{Kept, layouts, on_threads, padded, part, ranked, room, row_of_gates, useful};
use crate::call::{Inputs, Outputs, Plan, Weights};
use crate::cells::CellKernel;
use crate::error::KernelError;
use crate::layout::Layout;
use crate::number::Number;
use crate::parts::Owners;
use crate::pool::SharedPtr;
use crate::product::rows;
use crate::scratch::{Lines, unwritten, written};
use crate::simd::{Level, dispatch};
use crate::tile::Table;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

/// A call of [`forward`], whose sizes are checked.
pub(crate) struct ForwardCall<'a> {
    /// Its name in errors.
    pub op: &'static str,
    pub level: Level,
    /// At least one.
    pub threads: usize,
    pub plan: &'a Plan<'a>,
    pub inputs: &'a Inputs<'a>,
    /// Whether the reserve of the backward pass is kept.
    pub train: bool,
    pub cache: Option<&'a WeightCache>,
}

/// One direction of a forward pass. Its threads share the pointers; each writes the blocks that it owns.
pub(super) struct Forward<'a> {
    pub plan: &'a Plan<'a>,
    pub layout: &'a Layout,
    pub weights: &'a Weights<'a>,
    /// Packed weights in [`Member::parts`](super::Member) parts.
    pub packed: &'a [OnceLock<[Packed; 2]>],
    pub table: &'static Table,
    pub x: &'a WordsOfX,
    pub hp: usize,
    /// h before even and odd steps, `[B,hp]` each, by rank.
    pub h: [SharedPtr<f32>; 2],
    /// The words of `h`, `[B,N::row(hp)]`. The same memory as `h` where a word is a float; unused where numbers have
    /// scales, as each thread then makes the words for itself.
    pub h_words: [SharedPtr<f32>; 2],
    /// `[B,hp]`
    pub c: SharedPtr<f32>,
    /// Laid out like [`Kept`]: all rows with `keep`, else the rows of one stretch of steps.
    pub gates: SharedPtr<f32>,
    pub cells: SharedPtr<f32>,
    pub keep: bool,
    pub stretches: &'a Stretches,
    /// Output at the direction's first feature; rows are `y_stride` apart.
    pub y: SharedPtr<f32>,
    pub y_stride: usize,
    /// Of blocks by rank and vector of units.
    pub owners: Owners,
}

// SAFETY: the raw pointers are valid for the whole call, as `forward` keeps their buffers alive and untouched while the
// threads run. Threads write only at the ranks and units that they own, which are disjoint (`owners` checks it with
// debug assertions). They read blocks of others only of h before a step, and the barrier at the end of each step orders
// that after the writes; h of even and odd steps are different buffers, so nobody writes what others still read.
unsafe impl Sync for Forward<'_> {}

/// Rows of x in the order of the layout, as left operands.
pub(super) struct WordsOfX {
    /// Words of each row.
    pub rows: Vec<*const f32>,
    /// Owns the words and scales of numbers that are not floats.
    words: Words,
}

impl WordsOfX {
    fn new<N: Number>(call: &ForwardCall, layout: &Layout) -> Self {
        let (x, width, order) = (call.inputs.x, call.plan.input, &layout.external);
        let words = Words::of::<N>(call.level, call.threads, x, width, order);
        let row_of_x = |row: &usize| x.as_ptr().wrapping_add(row * width);
        let rows = match N::PACK {
            1 => order.iter().map(row_of_x).collect(),
            _ => rows(words.values.as_ptr(), N::row(width), order.len()),
        };
        Self { rows, words }
    }

    /// Scale of a row; 1 for numbers without scales.
    #[inline(always)]
    pub fn scale<N: Number>(&self, row: usize) -> f32 {
        match N::SCALED {
            true => self.words.scales[row],
            false => 1.0,
        }
    }
}

/// Memory of a direction while it runs; see [`Forward`].
struct Buffers {
    h: [Vec<f32>; 2],
    h_words: [Lines; 2],
    c: Vec<f32>,
    gates: Vec<MaybeUninit<f32>>,
    cells: Vec<MaybeUninit<f32>>,
}

impl Buffers {
    /// For direction `d`, with the initial states and room for the gates of `steps` rows.
    fn new<C: CellKernel, N: Number>(
        call: &ForwardCall,
        layout: &Layout,
        d: usize,
        steps: usize,
    ) -> Result<Self, KernelError> {
        let (batch, hidden) = (call.plan.batch, call.plan.hidden);
        let hp = padded(call.level, hidden);
        let state = |state| ranked(part(state, d, batch * hidden), layout, hidden, hp);
        let h0 = state(call.inputs.h0);
        let ranks: Vec<usize> = (0..batch).collect();
        let words = Words::of::<N>(call.level, 1, &h0, hp, &ranks).values;
        let cells = if call.train && C::MEMORY { steps } else { 0 };
        Ok(Self {
            h: [h0.clone(), h0],
            h_words: [words.clone(), words],
            c: state(call.inputs.c0.filter(|_| C::MEMORY)),
            gates: unwritten(call.op, "gates", &[steps, row_of_gates::<C>(hp)])?,
            cells: unwritten(call.op, "cells", &[cells, hp])?,
        })
    }

    fn pointers<N: Number>(&mut self) -> Pointers {
        let h = self.h.each_mut().map(|h| SharedPtr(h.as_mut_ptr()));
        Pointers {
            h,
            h_words: match N::PACK {
                1 => h,
                _ => self.h_words.each_mut().map(|h| SharedPtr(h.as_mut_ptr())),
            },
            c: SharedPtr(self.c.as_mut_ptr()),
            gates: SharedPtr(self.gates.as_mut_ptr().cast()),
            cells: SharedPtr(self.cells.as_mut_ptr().cast()),
        }
    }
}

/// Where the [`Buffers`] of a direction stand.
struct Pointers {
    h: [SharedPtr<f32>; 2],
    h_words: [SharedPtr<f32>; 2],
    c: SharedPtr<f32>,
    gates: SharedPtr<f32>,
    cells: SharedPtr<f32>,
}

/// [`crate::forward`] for the cells of the fast path.
pub(crate) fn forward<C: CellKernel, N: Number>(
    call: ForwardCall,
) -> Result<(Outputs, Option<Vec<Kept>>), KernelError> {
    let ForwardCall {
        op,
        level,
        plan,
        train,
        ..
    } = call;
    let (hidden, directions) = (plan.hidden, plan.directions.len());
    let (hp, y_stride) = (padded(level, hidden), directions * hidden);
    let mut y = room(op, "y", plan, y_stride)?;
    let layouts = layouts(op, plan)?;
    let new_x = |layout| WordsOfX::new::<N>(&call, layout);
    let x: Vec<WordsOfX> = layouts.iter().map(new_x).collect();
    let threads = useful(call.threads, plan, C::GATES);
    let stretches = Stretches::new::<C, N>(plan, Table::of::<N>(level), threads, hp);
    let new_buffers = |(d, layout): (usize, &Layout)| {
        let steps = match train {
            true => layout.external.len(),
            false => stretches.most_rows(layout),
        };
        Buffers::new::<C, N>(&call, layout, d, steps)
    };
    let buffers: Result<Vec<_>, _> = layouts.iter().enumerate().map(new_buffers).collect();
    let mut buffers = buffers?;
    let kit = kit_of(&call, threads);
    let y_base: *mut f32 = y.as_mut_ptr().cast();
    let mut passes: Vec<Forward> = Vec::new();
    for (d, buffers) in buffers.iter_mut().enumerate() {
        let Pointers {
            h,
            h_words,
            c,
            gates,
            cells,
        } = buffers.pointers::<N>();
        passes.push(Forward {
            plan,
            layout: &layouts[d],
            weights: &call.inputs.weights[d],
            packed: &kit.sides[d],
            table: Table::of::<N>(level),
            x: &x[d],
            hp,
            h,
            h_words,
            c,
            gates,
            cells,
            keep: train,
            stretches: &stretches,
            y: SharedPtr(y_base.wrapping_add(d * hidden)),
            y_stride,
            owners: Owners::new(plan.batch, hp / level.lanes()),
        });
    }
    if hidden > 0 {
        let units = hp / level.lanes();
        on_threads(directions, threads, units, |d, member, barrier| {
            let thread = ForwardThread::<C, N> {
                pass: &passes[d],
                member,
                barrier,
                kind: PhantomData,
            };
            dispatch(level, thread);
        });
    }
    drop(passes);
    let (h_n, c_n) = final_states::<C>(&call, &layouts, &buffers)?;
    let keep = |buffers: Buffers| Kept {
        gates: buffers.gates,
        // SAFETY: with `train`, the steps have written the memory of all units in every row of the layout. A call
        // without hidden units, or a cell without memory, has no cells.
        cells: unsafe { written(buffers.cells) },
    };
    let kept = train.then(|| buffers.into_iter().map(keep).collect());
    // SAFETY: the steps have written all units of every row of the layouts, which are all rows of y unless there are
    // lengths; with lengths, `room` has filled it with zeros.
    let y = unsafe { written(y) };
    Ok((Outputs { y, h_n, c_n }, kept))
}

/// The packed weights of a call, or room for them.
fn kit_of(call: &ForwardCall, threads: usize) -> std::sync::Arc<Kit> {
    let key = KitKey {
        level: call.level,
        cell: call.plan.cell,
        precision: call.plan.precision,
        sizes: [call.plan.input, call.plan.hidden],
        directions: call.plan.directions.len(),
        threads,
    };
    match call.cache {
        Some(cache) => cache.kit(key),
        None => WeightCache::default().kit(key),
    }
}

/// h and c after each sequence's last step, `[D,B,H]`; c only of a cell with memory.
fn final_states<C: CellKernel>(
    call: &ForwardCall,
    layouts: &[Layout],
    buffers: &[Buffers],
) -> Result<(Vec<f32>, Vec<f32>), KernelError> {
    let (plan, batch, hidden) = (call.plan, call.plan.batch, call.plan.hidden);
    let hp = padded(call.level, hidden);
    let zeros = |what, dims: [usize; 3]| -> Result<Vec<f32>, KernelError> {
        let mut values = crate::error::room(call.op, what, &dims)?;
        values.resize(dims.iter().product(), 0.0);
        Ok(values)
    };
    let (mut h_n, mut c_n) = (zeros("h_n", plan.states())?, zeros("c_n", plan.memory())?);
    for (d, (layout, buffers)) in layouts.iter().zip(buffers).enumerate() {
        for (rank, &b) in layout.order.iter().enumerate() {
            let length = plan.lengths.map_or(plan.time, |lengths| lengths[b]);
            let (from, to) = (rank * hp, (d * batch + b) * hidden);
            h_n[to..to + hidden].copy_from_slice(&buffers.h[length % 2][from..from + hidden]);
            if C::MEMORY {
                c_n[to..to + hidden].copy_from_slice(&buffers.c[from..from + hidden]);
            }
        }
    }
    Ok((h_n, c_n))
}
