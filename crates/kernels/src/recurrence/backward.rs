//! The backward pass: the loop over the steps; [`Products`] does the rest.

use super::products::Products;
use super::{
    Division, Kept, Member, lanes, on_threads, padded, part, ranked, row_of_gates, there_and_back,
    useful,
};
use crate::call::{Gradients, Inputs, OutputGradients, Plan, Wanted};
use crate::cells::{BackwardAt, CellKernel};
use crate::error::{KernelError, expect};
use crate::layout::Layout;
use crate::number::Float;
use crate::pack::{self, Column};
use crate::pool::{Barrier, SharedPtr, share};
use crate::scratch::Lines;
use crate::simd::load_edge;
use crate::simd::{Kernel, Level, Simd, dispatch};
use crate::tile::{Ahead, PANEL, ROWS, Sums, Table, cover};
use std::marker::PhantomData;
use std::sync::OnceLock;

/// One direction of a backward pass.
struct Backward<'a> {
    plan: &'a Plan<'a>,
    layout: &'a Layout,
    w_hh: &'a [f32],
    table: &'static Table,
    hp: usize,
    /// Activated gates as [`Kept`] has them, overwritten by their gradients.
    gates: SharedPtr<f32>,
    /// The words of the gates' gradients for the recurrent weights, of even and odd steps, `[B,GATES·hp]` values; unused where a word is a
    /// float.
    words: [SharedPtr<f32>; 2],
    /// `[rows,hp]`
    cells: *const f32,
    /// Initial states by rank, `[B,hp]`.
    h0: &'a [f32],
    c0: &'a [f32],
    /// Output and its gradient at the direction's first feature; rows `y_stride` apart.
    y: *const f32,
    d_y: Option<*const f32>,
    y_stride: usize,
    /// Gradient of the final h by rank, `[B,hp]`.
    d_h_n: &'a [f32],
    /// By rank, `[B,hp]`; see [`BackwardAt`].
    carry: SharedPtr<f32>,
    /// Takes the gradient of the initial h by rank, `[B,hp]`.
    d_h0: SharedPtr<f32>,
    /// Packed weights by the thread that packs them.
    packed: Vec<OnceLock<Lines>>,
}

// SAFETY: threads write disjoint units or sequences and meet at the barrier before they read what others wrote.
unsafe impl Sync for Backward<'_> {}

/// As [`crate::backward`] for the cells of the fast path.
#[allow(clippy::too_many_arguments)]
pub(crate) fn backward<C: CellKernel, N: Float>(
    level: Level,
    threads: usize,
    plan: &Plan,
    inputs: &Inputs,
    y: &[f32],
    mut kept: Vec<Kept>,
    d_out: &OutputGradients,
    wanted: &Wanted,
) -> Result<Gradients, KernelError> {
    let (batch, hidden, directions) = (plan.batch, plan.hidden, plan.directions.len());
    let (hp, y_stride) = (padded(level, hidden), directions * hidden);
    let layouts: Vec<Layout> = plan
        .directions
        .iter()
        .map(|&d| Layout::new(plan, d))
        .collect();
    for (layout, kept) in layouts.iter().zip(&kept) {
        let rows = layout.external.len();
        expect(
            "recurrent backward",
            "gates of the reserve",
            rows * row_of_gates::<C>(hp),
            kept.gates.len(),
        )?;
        let cells = if C::MEMORY { rows * hp } else { 0 };
        expect(
            "recurrent backward",
            "cells of the reserve",
            cells,
            kept.cells.len(),
        )?;
    }
    let state = |state: Option<&[f32]>, d: usize| {
        ranked(part(state, d, batch * hidden), &layouts[d], hidden, hp)
    };
    let initial: Vec<[Vec<f32>; 3]> = (0..directions)
        .map(|d| {
            [
                state(inputs.h0, d),
                state(inputs.c0, d),
                state(d_out.d_h_n, d),
            ]
        })
        .collect();
    let words = match N::PACK {
        1 => 0,
        _ => batch * N::row(C::GATES * hp),
    };
    let threads_of_loop = useful(threads, plan, C::GATES);
    let mut made: Vec<([Vec<f32>; 2], [Lines; 2])> = (0..directions)
        .map(|d| {
            let carry = if C::MEMORY {
                state(d_out.d_c_n, d)
            } else {
                vec![0.0; batch * hp]
            };
            let d_h0 = vec![0.0; batch * hp];
            ([carry, d_h0], [(); 2].map(|()| Lines::zeros(words)))
        })
        .collect();
    let passes: Vec<Backward> = (0..directions)
        .zip(kept.iter_mut().zip(&mut made))
        .map(|(d, (kept, ([carry, d_h0], words)))| Backward {
            plan,
            layout: &layouts[d],
            w_hh: inputs.weights[d].w_hh,
            table: Table::of::<N>(level),
            hp,
            gates: SharedPtr(kept.gates.as_mut_ptr().cast()),
            words: words.each_mut().map(|words| SharedPtr(words.as_mut_ptr())),
            cells: kept.cells.as_ptr(),
            h0: &initial[d][0],
            c0: &initial[d][1],
            y: y.as_ptr().wrapping_add(d * hidden),
            d_y: d_out.d_y.map(|d_y| d_y.as_ptr().wrapping_add(d * hidden)),
            y_stride,
            d_h_n: &initial[d][2],
            carry: SharedPtr(carry.as_mut_ptr()),
            d_h0: SharedPtr(d_h0.as_mut_ptr()),
            packed: (0..threads_of_loop).map(|_| OnceLock::new()).collect(),
        })
        .collect();
    if hidden > 0 {
        on_threads(
            directions,
            threads_of_loop,
            hp / lanes(level),
            |d, member, barrier| {
                let thread = BackwardThread::<C, N> {
                    pass: &passes[d],
                    member: Member {
                        parts: member.of,
                        ..member
                    },
                    barrier,
                    kind: PhantomData,
                };
                dispatch(level, thread);
            },
        );
    }
    drop(passes);
    let unranked = |index: usize| {
        let mut out = vec![0.0; directions * batch * hidden];
        for (d, layout) in layouts.iter().enumerate() {
            for (rank, &b) in layout.order.iter().enumerate() {
                let to = (d * batch + b) * hidden;
                out[to..to + hidden]
                    .copy_from_slice(&made[d].0[index][rank * hp..rank * hp + hidden]);
            }
        }
        out
    };
    let products = Products {
        level,
        threads,
        plan,
        inputs,
        hp,
        y,
        layouts: &layouts,
        kept: &kept,
    };
    Ok(Gradients {
        d_x: wanted.x.then(|| products.d_x::<C, N>()),
        weights: wanted.weights.then(|| {
            (0..directions)
                .map(|d| products.weights::<C, N>(d, &initial[d][0]))
                .collect()
        }),
        d_h0: wanted.h0.then(|| unranked(1)),
        d_c0: wanted
            .c0
            .then(|| if C::MEMORY { unranked(0) } else { Vec::new() }),
    })
}

struct BackwardThread<'a, C, N> {
    pass: &'a Backward<'a>,
    /// Packs its own part of the weights: there are as many parts as threads.
    member: Member,
    barrier: &'a Barrier,
    kind: PhantomData<(C, N)>,
}

impl<C: CellKernel, N: Float> Kernel for BackwardThread<'_, C, N> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (pass, kind) = (self.pass, self.kind);
        let Member { id, of, .. } = self.member;
        let blocks = |thread| share(pass.hp / S::LANES, thread, of);
        let k = N::count(C::GATES * pass.hp);
        let _ = pass.packed[id].set(own_units::<S, C, N>(pass, blocks(id)));
        let bytes = 4 * pass.hp * k;
        let division = Division::new(pass.plan, of, pass.table, bytes, C::GATES);
        if division.by_sequences {
            self.barrier.wait();
        }
        let part = division.part(pass.plan.batch, self.member);
        // Vectors of units with their weights.
        let mut panels = Vec::new();
        for thread in part.weights.clone() {
            let Some(packed) = pass.packed[thread].get() else {
                return;
            };
            let blocks = blocks(thread);
            for (block, vectors) in pass.table.panels(blocks.clone(), PANEL) {
                let first = (block - blocks.start) * S::LANES * k;
                panels.push((block, vectors, packed.as_ptr().wrapping_add(first)));
            }
        }
        // Step `steps` has no rows: everything that ends at the last step starts from the gradient of the final state.
        for step in (0..=pass.layout.steps()).rev() {
            let (running, active) = (
                pass.layout.active(step),
                match step {
                    0 => pass.layout.order.len(),
                    _ => pass.layout.active(step - 1),
                },
            );
            for (panel, next) in there_and_back(panels.len(), step) {
                let (block, vectors, weights) = panels[panel];
                let next = next.filter(|_| division.far).map(|next| panels[next].2);
                let back = StepBack::<C, N> {
                    pass,
                    block,
                    vectors,
                    step,
                    weights,
                    next: next.unwrap_or(std::ptr::null()),
                    kind,
                };
                // SAFETY: own units or sequences of rows inside the layout; the barrier orders the gates between the threads.
                unsafe {
                    let (running, active) = (part.active(running), part.active(active));
                    back.rows::<S>(running.clone(), true);
                    back.rows::<S>(running.end.max(active.start)..active.end, false);
                }
            }
            if !division.by_sequences {
                self.barrier.wait();
            }
        }
    }
}

/// Packs own columns of W_hh, rows in the order of the slots with zeros for padded units.
#[inline(always)]
fn own_units<S: Simd, C: CellKernel, N: Float>(
    pass: &Backward,
    blocks: std::ops::Range<usize>,
) -> Lines {
    let (hidden, hp) = (pass.plan.hidden, pass.hp);
    let k = N::count(C::GATES * hp);
    let mut packed = Lines::unwritten(blocks.len() * S::LANES * k);
    let zeros = [0.0; 16];
    for (start, vectors) in pass.table.panels(blocks.clone(), PANEL) {
        let panel = (start - blocks.start) * S::LANES * k;
        for gate in 0..C::GATES {
            let slot = C::h_slot(gate) - C::H_FIRST;
            for unit in (0..hp).step_by(N::PACK) {
                let dst = panel + (slot * hp + unit) / N::PACK * vectors * S::LANES;
                for vector in 0..vectors {
                    let first = (start + vector) * S::LANES;
                    let at = Column {
                        vector,
                        vectors,
                        width: S::LANES.min(hidden - first),
                    };
                    let row = |unit: usize| match unit < hidden {
                        true => pass.w_hh[(gate * hidden + unit) * hidden + first..].as_ptr(),
                        false => zeros.as_ptr(),
                    };
                    let second = match N::PACK > 1 {
                        true => row(unit + 1),
                        false => std::ptr::null(),
                    };
                    // SAFETY: `width` elements of the rows, and a row of the panel.
                    unsafe {
                        let dst = packed.as_mut_ptr().add(dst);
                        pack::straight::<S, N>(row(unit), second, at, dst);
                    }
                }
            }
        }
    }
    packed
}

/// One panel of units of one step: d_h from step `step` (with its product) to the gate gradients of step `step − 1`, or to d_h0.
struct StepBack<'a, C, N> {
    pass: &'a Backward<'a>,
    /// First unit block, and how many.
    block: usize,
    vectors: usize,
    step: usize,
    weights: *const f32,
    /// The weights of the panel that follows, if they are far; else null.
    next: *const f32,
    kind: PhantomData<(C, N)>,
}

impl<C: CellKernel, N: Float> StepBack<'_, C, N> {
    /// Rows that run at `step` (`product`), or that end before it.
    #[inline(always)]
    unsafe fn rows<S: Simd>(&self, ranks: std::ops::Range<usize>, product: bool) {
        let (pass, hp) = (self.pass, self.pass.hp);
        let unit = self.block * S::LANES;
        let mut a = [pass.gates.get().cast_const(); ROWS];
        let mut sums = Sums::new();
        let sums = sums.as_mut_ptr();
        for (i, (rank, count)) in cover(ranks, pass.table.most[self.vectors - 1]).enumerate() {
            // SAFETY: rows lie inside the layout, the panel inside the packed weights; this thread owns the units.
            unsafe {
                if product {
                    let row = pass.layout.first[self.step] + rank;
                    let k = N::count(C::GATES * hp);
                    let words = N::row(C::GATES * hp);
                    for r in 0..count {
                        a[r] = match N::PACK {
                            1 => {
                                let at = (row + r) * row_of_gates::<C>(hp) + C::H_FIRST * hp;
                                pass.gates.get().add(at)
                            }
                            _ => pass.words[self.step % 2].get().add((rank + r) * words),
                        };
                    }
                    let tile = pass.table.tile(self.vectors, count);
                    let ahead = Ahead::panel(self.next, i, k, self.vectors);
                    tile(count, k, a.as_ptr(), self.weights, sums, ahead);
                }
                for r in 0..count {
                    let d_h = match product {
                        true => sums.add(r * self.vectors * S::LANES).cast_const(),
                        false => pass.d_h_n.as_ptr().add((rank + r) * hp + unit),
                    };
                    if self.step == 0 {
                        self.initial::<S>(d_h, (rank + r) * hp + unit);
                        continue;
                    }
                    let row = self.row(rank + r);
                    for v in 0..self.vectors {
                        let d_h = S::load(d_h.add(v * S::LANES));
                        self.gates::<S>(d_h, &row, unit + v * S::LANES);
                    }
                }
            }
        }
    }

    /// Before the first step: what is left is the gradient of the initial state.
    #[inline(always)]
    unsafe fn initial<S: Simd>(&self, d_h: *const f32, state: usize) {
        for v in 0..self.vectors {
            let state = state + v * S::LANES;
            // SAFETY: the state lies inside `[B,hp]`.
            unsafe {
                let d_h = S::load(d_h.add(v * S::LANES));
                let carry = S::load(self.pass.carry.get().add(state));
                let d_h = if C::MEMORY { d_h } else { S::add(d_h, carry) };
                S::store(self.pass.d_h0.get().add(state), d_h);
            }
        }
    }

    /// The row of the step before this one.
    #[inline(always)]
    fn row(&self, rank: usize) -> Row {
        let (pass, hp, step) = (self.pass, self.pass.hp, self.step - 1);
        let (row, state) = (pass.layout.first[step] + rank, rank * hp);
        let external = |row: usize| pass.layout.external[row] * pass.y_stride;
        let d_y = |row| pass.d_y.map(|d_y| d_y.wrapping_add(external(row)));
        let mut at = Row {
            gates: pass.gates.get().wrapping_add(row * row_of_gates::<C>(hp)),
            words: pass.words[step % 2]
                .get()
                .wrapping_add(rank * N::row(C::GATES * hp)),
            c: pass.cells.wrapping_add(row * hp),
            c_prev: pass.c0.as_ptr().wrapping_add(state),
            h_prev: pass.h0.as_ptr().wrapping_add(state),
            carry: pass.carry.get().wrapping_add(state),
            d_y: d_y(row),
            d_y_before: None,
        };
        if step > 0 {
            let before = pass.layout.first[step - 1] + rank;
            at.c_prev = pass.cells.wrapping_add(before * hp);
            at.h_prev = pass.y.wrapping_add(external(before));
            at.d_y_before = d_y(before);
        }
        at
    }

    #[inline(always)]
    unsafe fn gates<S: Simd>(&self, d_h: S::V, row: &Row, unit: usize) {
        let hp = self.pass.hp;
        let left = self.pass.plan.hidden - unit;
        // SAFETY: the units lie inside the row.
        unsafe {
            let mut d_h = d_h;
            if let Some(d_y) = row.d_y {
                d_h = S::add(d_h, load_edge::<S>(d_y.add(unit), left));
            }
            if let Some(d_y) = row.d_y_before {
                // Rows of neighbouring sequences lie far apart: no processor foresees them.
                S::prefetch_far(d_y.wrapping_add(unit));
            }
            let h_prev = match C::H_PREV {
                false => S::splat(0.0),
                true => load_edge::<S>(row.h_prev.add(unit), left),
            };
            let gates = row.gates.add(unit);
            let here = BackwardAt::<S> {
                gates,
                hp,
                c: row.c.wrapping_add(unit),
                c_prev: row.c_prev.wrapping_add(unit),
                h_prev,
                carry: row.carry.add(unit),
            };
            let d = C::backward::<S>(d_h, &here);
            if N::PACK > 1 {
                for slot in 0..C::GATES {
                    N::store::<S>(row.words, slot * hp + unit, d[C::H_FIRST + slot]);
                }
            }
            for slot in 0..C::SLOTS {
                S::store(gates.add(slot * hp), d[slot]);
            }
        }
    }
}

/// Where the values of a sequence stand at a step, each at the first unit.
struct Row {
    gates: *mut f32,
    words: *mut f32,
    /// Only where there is a memory.
    c: *const f32,
    c_prev: *const f32,
    h_prev: *const f32,
    carry: *mut f32,
    d_y: Option<*const f32>,
    /// At the step before.
    d_y_before: Option<*const f32>,
}
