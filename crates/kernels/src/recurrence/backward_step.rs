//! The steps of the backward pass, as one thread runs them.

use super::backward::Backward;
use super::division::Division;
use super::{Member, row_of_gates, there_and_back};
use crate::cells::{BackwardAt, CellKernel};
use crate::number::Float;
use crate::pack::{self, Column};
use crate::pool::{Barrier, share};
use crate::scratch::Lines;
use crate::simd::{Kernel, Simd, load_edge};
use crate::tile::{Ahead, PANEL, ROWS, Sums, cover};
use std::marker::PhantomData;
use std::ops::Range;

/// One thread of a direction.
pub(super) struct BackwardThread<'a, C, N> {
    pub pass: &'a Backward<'a>,
    /// Packs one part of the weights: there are as many parts as threads.
    pub member: Member,
    pub barrier: &'a Barrier,
    pub kind: PhantomData<(C, N)>,
}

/// Vectors of units with their weights.
#[derive(Clone, Copy)]
struct UnitPanel {
    /// First unit block.
    block: usize,
    vectors: usize,
    weights: *const f32,
}

impl<C: CellKernel, N: Float> Kernel for BackwardThread<'_, C, N> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (pass, layout) = (self.pass, self.pass.layout);
        let Member { id, of, .. } = self.member;
        let _ = pass.packed[id].set(pack_units::<S, C, N>(pass, self.blocks::<S>(id)));
        let bytes = 4 * pass.hp * N::count(C::GATES * pass.hp);
        let division = Division::new(pass.plan, of, pass.table, bytes, C::GATES);
        if division.by_sequences {
            self.barrier.wait();
        }
        let part = division.part(pass.plan.batch, self.member);
        let Some(panels) = self.panels::<S>(part.weights.clone()) else {
            return;
        };
        // Step `steps` has no rows: everything that ends at the last step starts from the gradient of the final state.
        for step in (0..=layout.steps()).rev() {
            let running = part.active(layout.active(step));
            let active = part.active(match step {
                0 => layout.order.len(),
                _ => layout.active(step - 1),
            });
            for (panel, next) in there_and_back(panels.len(), step) {
                let next = next
                    .filter(|_| division.prefetch)
                    .map(|next| panels[next].weights);
                let back = StepBack::<C, N> {
                    pass,
                    thread: id,
                    panel: panels[panel],
                    step,
                    next: next.unwrap_or(std::ptr::null()),
                    kind: PhantomData,
                };
                // SAFETY: the caller has the instruction set. The gradients of the gates of `step` are complete: this
                // thread wrote the rows of its own sequences, or all threads have met after the step before.
                unsafe {
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

impl<C: CellKernel, N: Float> BackwardThread<'_, C, N> {
    /// Unit blocks whose weights a thread packs.
    #[inline(always)]
    fn blocks<S: Simd>(&self, thread: usize) -> Range<usize> {
        share(self.pass.hp / S::LANES, thread, self.member.of)
    }

    /// The panels over the units that `threads` have packed; `None` if one of them has not.
    #[inline(always)]
    fn panels<S: Simd>(&self, threads: Range<usize>) -> Option<Vec<UnitPanel>> {
        let pass = self.pass;
        let k = N::count(C::GATES * pass.hp);
        let mut panels = Vec::new();
        for thread in threads {
            let packed = pass.packed[thread].get()?.as_ptr();
            let blocks = self.blocks::<S>(thread);
            let start = blocks.start;
            let panel = |(block, vectors)| UnitPanel {
                block,
                vectors,
                weights: packed.wrapping_add((block - start) * S::LANES * k),
            };
            panels.extend(pass.table.panels(blocks, PANEL).map(panel));
        }
        Some(panels)
    }
}

/// Packs columns of W_hh, rows in the order of the slots with zeros for padded units.
#[inline(always)]
fn pack_units<S: Simd, C: CellKernel, N: Float>(pass: &Backward, blocks: Range<usize>) -> Lines {
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
                    // SAFETY: `row` gives at least `width` elements: those of a row of W_hh from column `first` on, or
                    // sixteen zeros. Word `(slot·hp + unit)/PACK` of the panel has `vectors` vectors inside `packed`.
                    // The caller runs with the instruction set of `S`.
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

/// One panel of units of one step: from d_h of step `step` (with its product) to the gate gradients of step `step − 1`,
/// or to d_h0.
struct StepBack<'a, C, N> {
    pass: &'a Backward<'a>,
    thread: usize,
    panel: UnitPanel,
    step: usize,
    /// The weights of the panel that follows, to be prefetched; null for none.
    next: *const f32,
    kind: PhantomData<(C, N)>,
}

impl<C: CellKernel, N: Float> StepBack<'_, C, N> {
    /// Rows that run at `step` (`product`), or that end before it.
    ///
    /// # Safety
    /// As [`Simd`]; the ranks belong to this thread, and, with `product`, the gate gradients of `step` are complete for
    /// them.
    #[inline(always)]
    unsafe fn rows<S: Simd>(&self, ranks: Range<usize>, product: bool) {
        let (pass, hp, vectors) = (self.pass, self.pass.hp, self.panel.vectors);
        let unit = self.panel.block * S::LANES;
        let blocks = self.panel.block..self.panel.block + vectors;
        pass.owners.claim(self.thread, ranks.clone(), blocks);
        let mut sums = Sums::new();
        let sums = sums.as_mut_ptr();
        for (i, (rank, count)) in cover(ranks, pass.table.most_rows[vectors - 1]).enumerate() {
            // SAFETY: `rank..rank + count` are ranks of the caller's. Each has `vectors` vectors of sums, or of d_h_n,
            // at the panel's units, which lie below hp; ranks that do not run at step 0 are rows of step `step − 1`.
            unsafe {
                if product {
                    self.multiply::<S>(i, rank, count, sums);
                }
                for r in 0..count {
                    let d_h = match product {
                        true => sums.add(r * vectors * S::LANES).cast_const(),
                        false => pass.d_h_n.as_ptr().add((rank + r) * hp + unit),
                    };
                    if self.step == 0 {
                        self.initial::<S>(d_h, (rank + r) * hp + unit);
                        continue;
                    }
                    let row = self.row(rank + r);
                    for v in 0..vectors {
                        let d_h = S::load(d_h.add(v * S::LANES));
                        self.gates::<S>(d_h, &row, unit + v * S::LANES);
                    }
                }
            }
        }
    }

    /// Tile `i`: the gate gradients of `count` rows from `rank` on, times the panel's weights.
    ///
    /// # Safety
    /// As [`Self::rows`] with `product`; `sums` is that of a [`Sums`].
    #[inline(always)]
    unsafe fn multiply<S: Simd>(&self, i: usize, rank: usize, count: usize, sums: *mut f32) {
        let (pass, hp, panel) = (self.pass, self.pass.hp, &self.panel);
        let row = pass.layout.first[self.step] + rank;
        let (k, words) = (N::count(C::GATES * hp), N::row(C::GATES * hp));
        let mut a = [pass.gates.get().cast_const(); ROWS];
        // SAFETY: rows `row..row + count` are in the gates buffer, where GATES slots follow slot `H_FIRST`; or the
        // ranks have `words` words each. A panel holds `k·vectors` vectors, and the sums have room for the largest
        // tile.
        unsafe {
            for r in 0..count {
                a[r] = match N::PACK {
                    1 => {
                        let at = (row + r) * row_of_gates::<C>(hp) + C::H_FIRST * hp;
                        pass.gates.get().add(at)
                    }
                    _ => pass.words[self.step % 2].get().add((rank + r) * words),
                };
            }
            let tile = pass.table.tile(panel.vectors, count);
            let ahead = Ahead::panel(self.next, i, k, panel.vectors);
            tile(count, k, a.as_ptr(), panel.weights, sums, ahead);
        }
    }

    /// Before the first step: d_h (and the carry of a cell without memory) is the gradient of the initial state.
    ///
    /// # Safety
    /// As [`Simd`]; `d_h` is valid for the panel's vectors, and the state at `state` in `[B,hp]` for as many, which
    /// belong to this thread.
    #[inline(always)]
    unsafe fn initial<S: Simd>(&self, d_h: *const f32, state: usize) {
        for v in 0..self.panel.vectors {
            let state = state + v * S::LANES;
            // SAFETY: as the caller promises.
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
        let words = pass.words[step % 2].get();
        let mut at = Row {
            gates: pass.gates.get().wrapping_add(row * row_of_gates::<C>(hp)),
            words: words.wrapping_add(rank * N::row(C::GATES * hp)),
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

    /// One vector of units of a row: its gates become their gradients.
    ///
    /// # Safety
    /// As [`Simd`]; `row` is from [`Self::row`], `unit` a vector of the panel, and both belong to this thread.
    #[inline(always)]
    unsafe fn gates<S: Simd>(&self, d_h: S::V, row: &Row, unit: usize) {
        let hp = self.pass.hp;
        let left = self.pass.plan.hidden - unit;
        // SAFETY: rows of gates have SLOTS times hp values and rows of states hp, of which `unit` starts a vector. Rows
        // of y and d_y have `hidden` values for the direction, so `left` of them from `unit` on. c and c_prev are read
        // only by cells with memory, which have them.
        unsafe {
            let mut d_h = d_h;
            if let Some(d_y) = row.d_y {
                d_h = S::add(d_h, load_edge::<S>(d_y.add(unit), left));
            }
            if let Some(d_y) = row.d_y_before {
                // Rows of neighbouring sequences are far apart in memory, where no hardware prefetcher looks.
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
    /// Only of a cell with memory.
    c: *const f32,
    c_prev: *const f32,
    h_prev: *const f32,
    carry: *mut f32,
    d_y: Option<*const f32>,
    /// At the step before.
    d_y_before: Option<*const f32>,
}
