//! The steps of the forward pass, as one thread runs them.

use super::division::Division;
use super::forward::Forward;
use super::weights::{OwnPanel, Packed, PackedPanel, own_panels, own_weights};
use super::words::{ToWords, Words};
use super::{Member, row_of_gates, there_and_back};
use crate::cache;
use crate::call::Plan;
use crate::cells::{CellKernel, ForwardAt};
use crate::layout::Layout;
use crate::number::Number;
use crate::pool::{Barrier, share};
use crate::simd::{Kernel, Simd, store_edge};
use crate::tile::{Ahead, ROWS, Sums, Table, cover};
use std::marker::PhantomData;
use std::ops::Range;

/// Rows projected before their steps run: enough to use the packed input weights well, few enough to stay in cache.
const PROJECTED_ROWS: usize = 192;

/// Which steps go together.
pub(super) struct Stretches {
    division: Division,
    /// Rows of a step from which on its input is multiplied in the step itself, so that the product never goes through
    /// memory.
    at_once: usize,
    /// Rows that are projected before their steps run, where a step has fewer than `at_once`.
    rows: usize,
}

impl Stretches {
    pub fn new<C: CellKernel, N: Number>(
        plan: &Plan,
        table: &Table,
        threads: usize,
        hp: usize,
    ) -> Self {
        let threads = threads.div_ceil(plan.directions.len().max(1));
        let bytes = |columns: usize| 4 * C::GATES * hp * N::count(columns);
        let recurrent = bytes(plan.hidden);
        let all = recurrent + bytes(plan.input);
        let at_once = match N::PACK {
            1 => 32,
            // If a thread's weights exceed its L2, project several steps at once to reuse each packed panel.
            _ if all / threads > cache::second() => 48,
            _ => 16,
        };
        let read = match plan.batch >= threads * at_once {
            true => all,
            false => recurrent,
        };
        let division = Division::new(plan, threads, table, read, 1);
        // Rows count by thread: divided by sequences, each has only its share of them.
        let share = if division.by_sequences { threads } else { 1 };
        Self {
            division,
            at_once: at_once * share,
            rows: PROJECTED_ROWS * share,
        }
    }

    /// End of the stretch of steps that starts at `start`.
    fn end(&self, layout: &Layout, start: usize) -> usize {
        let mut end = start + 1;
        if layout.active(start) >= self.at_once {
            return end;
        }
        while end < layout.steps() && layout.first[end] - layout.first[start] < self.rows {
            end += 1;
        }
        end
    }

    /// Rows of the largest stretch.
    pub fn most_rows(&self, layout: &Layout) -> usize {
        let (mut start, mut most) = (0, 0);
        while start < layout.steps() {
            let end = self.end(layout, start);
            most = most.max(layout.first[end] - layout.first[start]);
            start = end;
        }
        most
    }
}

/// One thread of a direction.
pub(super) struct ForwardThread<'a, C, N> {
    pub pass: &'a Forward<'a>,
    pub member: Member,
    pub barrier: &'a Barrier,
    pub kind: PhantomData<(C, N)>,
}

impl<C: CellKernel, N: Number> Kernel for ForwardThread<'_, C, N> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (pass, layout) = (self.pass, self.pass.layout);
        let division = pass.stretches.division;
        self.pack::<S>();
        if division.by_sequences {
            self.barrier.wait();
        }
        let part = division.part(pass.plan.batch, self.member);
        let Some(panels) = self.panels::<S>(part.weights.clone()) else {
            return;
        };
        let mut words = Words::room::<N>(if N::SCALED { pass.plan.batch } else { 0 }, pass.hp);
        let mut start = 0;
        while start < layout.steps() {
            let end = pass.stretches.end(layout, start);
            let base = if pass.keep { 0 } else { layout.first[start] };
            let at_once = layout.active(start) >= pass.stretches.at_once;
            if !at_once {
                // SAFETY: the caller has the instruction set; the panels are this thread's.
                unsafe { self.project_stretch::<S>(&panels, &part.ranks, base, start..end) }
            }
            for step in start..end {
                let ranks = part.active(layout.active(step));
                // SAFETY: the caller has the instruction set. h before the step is complete: this thread wrote the rows
                // of its own sequences, or all threads have met after the step before.
                unsafe {
                    let step = Step {
                        pass,
                        thread: self.member.id,
                        step,
                        h: operand::<S, N>(pass, step, ranks.clone(), &mut words),
                        ranks,
                        base,
                        at_once,
                        beyond: division.beyond,
                    };
                    for (panel, next) in there_and_back(panels.len(), step.step) {
                        let next = next.filter(|_| division.prefetch).map(|next| &panels[next]);
                        step.panel::<S, C, N>(&panels[panel], next);
                    }
                }
                if !division.by_sequences {
                    self.barrier.wait();
                }
            }
            start = end;
        }
    }
}

impl<C: CellKernel, N: Number> ForwardThread<'_, C, N> {
    /// Unit blocks of a part of the packed weights.
    #[inline(always)]
    fn blocks<S: Simd>(&self, part: usize) -> Range<usize> {
        share(self.pass.hp / S::LANES, part, self.member.parts)
    }

    /// Packs the thread's parts of the weights, unless an earlier call has left them.
    #[inline(always)]
    fn pack<S: Simd>(&self) {
        let (pass, Member { id, of, parts }) = (self.pass, self.member);
        for part in share(parts, id, of) {
            let slot = &pass.packed[part];
            if slot.get().is_none() {
                let sizes = [pass.plan.input, pass.plan.hidden];
                let blocks = self.blocks::<S>(part);
                let packed = own_weights::<S, C, N>(pass.weights, sizes, blocks, pass.table);
                // A call at the same time may have been faster; its weights are the same.
                let _ = slot.set(packed);
            }
        }
    }

    /// The panels over some parts of the packed weights; `None` if one of them is missing.
    #[inline(always)]
    fn panels<S: Simd>(&self, parts: Range<usize>) -> Option<Vec<PackedPanel<'_>>> {
        let mut panels = Vec::new();
        for part in parts {
            let [x, h] = self.pass.packed[part].get()?;
            let of_part = own_panels::<C>(self.pass.table, self.blocks::<S>(part));
            panels.extend(of_part.into_iter().map(|panel| PackedPanel { x, h, panel }));
        }
        Some(panels)
    }

    /// Projects the inputs of some steps; `base` is the first row in the gates buffer.
    ///
    /// # Safety
    /// As [`Simd`]; `panels` and `ranks` belong to this thread.
    #[inline(always)]
    unsafe fn project_stretch<S: Simd>(
        &self,
        panels: &[PackedPanel],
        ranks: &Range<usize>,
        base: usize,
        steps: Range<usize>,
    ) {
        let (pass, first) = (self.pass, &self.pass.layout.first);
        for panel in panels {
            let blocks = panel.panel.block..panel.panel.block + panel.panel.blocks;
            pass.owners.claim(self.member.id, ranks.clone(), blocks);
            // SAFETY: as the caller promises. Divided by units, the rows are those of whole steps; divided by sequences
            // there are no lengths, so that each step has the rows of all ranks.
            unsafe {
                if !pass.stretches.division.by_sequences {
                    let rows = first[steps.start]..first[steps.end];
                    project::<S, C, N>(pass, panel, base, rows);
                    continue;
                }
                for step in steps.clone() {
                    let rows = first[step] + ranks.start..first[step] + ranks.end;
                    project::<S, C, N>(pass, panel, base, rows);
                }
            }
        }
    }
}

/// One panel of X·W_ihᵀ + b for a range of rows; `base` is the first row in the gates buffer.
///
/// # Safety
/// As [`Simd`]; rows lie inside the layout and the gates buffer, and no other thread writes them at the panel's units.
#[inline(always)]
unsafe fn project<S: Simd, C: CellKernel, N: Number>(
    pass: &Forward,
    PackedPanel {
        x: packed, panel, ..
    }: &PackedPanel,
    base: usize,
    rows: Range<usize>,
) {
    let mut sums = Sums::new();
    let sums = sums.as_mut_ptr();
    for (first, count) in cover(rows, pass.table.most_rows[panel.vectors - 1]) {
        // SAFETY: rows `first..first + count` of x have `packed.k` words each, and the tile writes `count·vectors`
        // vectors of sums, as many as `Sums` holds at most. A slot of a row of gates has hp units, of which the panel's
        // are some.
        unsafe {
            let a = pass.x.rows.as_ptr().add(first);
            let tile = pass.table.tile(panel.vectors, count);
            let b = packed.at::<S>(panel);
            tile(count, packed.k, a, b, sums, Ahead::NOTHING);
            for r in 0..count {
                let row = (first + r - base) * row_of_gates::<C>(pass.hp);
                let gates = pass.gates.get().add(row);
                for v in 0..panel.vectors {
                    let (slot, block) = match C::GATES {
                        1 => (0, panel.block + v),
                        _ => (C::x_slot(v), panel.block),
                    };
                    let sum = S::load(sums.add((r * panel.vectors + v) * S::LANES));
                    let sum = packed.value::<S, N>(panel, v, sum, pass.x.scale::<N>(first + r));
                    let value = S::add(sum, packed.bias::<S>(panel, v));
                    S::store(gates.add(slot * pass.hp + block * S::LANES), value);
                }
            }
        }
    }
}

/// The left operand of a step: h in words `[B,N::row(hp)]`, with the scales `[B]` of numbers that have any.
#[derive(Clone, Copy)]
struct Operand {
    words: *const f32,
    scales: *const f32,
}

/// The operand of a step for some `ranks`, made in `words` for numbers whose words need the whole row of h.
///
/// # Safety
/// As [`Simd`]; h before the step is complete, and `words` has room for every sequence of a number with scales.
#[inline(always)]
unsafe fn operand<S: Simd, N: Number>(
    pass: &Forward,
    step: usize,
    ranks: Range<usize>,
    words: &mut Words,
) -> Operand {
    if N::SCALED {
        // SAFETY: as the caller promises; the words are this thread's own.
        unsafe {
            ToWords::<N> {
                values: pass.h[step % 2].get(),
                width: pass.hp,
                rows: ranks,
                to: None,
                words: words.values.as_mut_ptr(),
                scales: words.scales.as_mut_ptr(),
                number: PhantomData,
            }
            .run::<S>();
        }
    }
    Operand {
        words: match N::SCALED {
            true => words.values.as_ptr(),
            false => pass.h_words[step % 2].get(),
        },
        scales: words.scales.as_ptr(),
    }
}

/// One step of a thread's sequences.
struct Step<'a> {
    pass: &'a Forward<'a>,
    thread: usize,
    step: usize,
    ranks: Range<usize>,
    h: Operand,
    /// The first row in the gates buffer.
    base: usize,
    /// Whether the input is multiplied here.
    at_once: bool,
    /// Whether most of the weights lie outside the second cache.
    beyond: bool,
}

impl Step<'_> {
    /// One panel of the step; weights of the `next` one are prefetched.
    ///
    /// # Safety
    /// As [`Simd`]; h before the step is complete for all `ranks`, their input is projected unless `at_once`, and no
    /// other thread writes these ranks at the panel's units.
    #[inline(always)]
    unsafe fn panel<S: Simd, C: CellKernel, N: Number>(
        &self,
        packed: &PackedPanel,
        next: Option<&PackedPanel>,
    ) {
        let panel = &packed.panel;
        let blocks = panel.block..panel.block + panel.blocks;
        self.pass
            .owners
            .claim(self.thread, self.ranks.clone(), blocks);
        let next = next.map_or([std::ptr::null(); 2], |next| {
            // SAFETY: the panel is one of its weights.
            [next.x, next.h].map(|weights| unsafe { weights.at::<S>(&next.panel) })
        });
        let (mut sums, mut x_sums) = (Sums::new(), Sums::new());
        let run = StepPanel::<C, N>::new(self, packed, [&mut sums, &mut x_sums]);
        let tiles = cover(
            self.ranks.clone(),
            self.pass.table.most_rows[panel.vectors - 1],
        );
        for (i, (rank, count)) in tiles.enumerate() {
            // SAFETY: `rank..rank + count` are some of the caller's ranks, and each function uses the sums that the one
            // before it has written.
            unsafe {
                run.multiply::<S>(i, rank, count, next);
                for r in 0..count {
                    run.activate::<S>(rank, r);
                }
                for r in 0..count {
                    run.output::<S>(rank, r);
                }
            }
        }
    }
}

/// One panel of a [`Step`]. It holds copies of all pointers, so that stores do not make the compiler load them again.
struct StepPanel<'a, C, N> {
    step: &'a Step<'a>,
    panel: &'a OwnPanel,
    w_hh: &'a Packed,
    /// Only where the input is multiplied here.
    w_ih: Option<&'a Packed>,
    /// Sums of a tile: of the recurrent product, then the activated vectors; of the input's product.
    sums: *mut f32,
    x_sums: *mut f32,
    /// The first row of the step.
    first_row: usize,
    hp: usize,
    h_prev: *const f32,
    h_next: *mut f32,
    words_next: *mut f32,
    gates: *mut f32,
    cells: *mut f32,
    keep: bool,
    memory: *mut f32,
    y: *mut f32,
    y_stride: usize,
    hidden: usize,
    kind: PhantomData<(C, N)>,
}

impl<'a, C: CellKernel, N: Number> StepPanel<'a, C, N> {
    #[inline(always)]
    fn new(step: &'a Step, packed: &'a PackedPanel, [sums, x_sums]: [&mut Sums; 2]) -> Self {
        let pass = step.pass;
        let now = step.step % 2;
        Self {
            step,
            panel: &packed.panel,
            w_hh: packed.h,
            w_ih: step.at_once.then_some(packed.x),
            sums: sums.as_mut_ptr(),
            x_sums: x_sums.as_mut_ptr(),
            first_row: pass.layout.first[step.step],
            hp: pass.hp,
            h_prev: pass.h[now].get(),
            h_next: pass.h[1 - now].get(),
            words_next: pass.h_words[1 - now].get(),
            gates: pass.gates.get(),
            cells: pass.cells.get(),
            keep: pass.keep,
            memory: pass.c.get(),
            y: pass.y.get(),
            y_stride: pass.y_stride,
            hidden: pass.plan.hidden,
            kind: PhantomData,
        }
    }

    /// The products of tile `i`: `count` rows from `rank` on.
    ///
    /// # Safety
    /// As [`Step::panel`]; the ranks are some of the step's.
    #[inline(always)]
    unsafe fn multiply<S: Simd>(&self, i: usize, rank: usize, count: usize, next: [*const f32; 2]) {
        let (step, panel) = (self.step, self.panel);
        let table = step.pass.table;
        let words = N::row(self.hp);
        let mut a = [step.h.words; ROWS];
        // SAFETY: h has a row of `words` words for every rank, and x one for every row of the layout; a panel holds
        // `k·vectors` vectors, and the sums have room for the largest tile.
        unsafe {
            for r in 0..count {
                a[r] = step.h.words.add((rank + r) * words);
            }
            let tile = table.tile_from(step.beyond, panel.vectors, count);
            let multiply = |weights: &Packed, a: *const *const f32, next, sums| {
                let ahead = Ahead::panel(next, i, weights.k, panel.vectors);
                tile(count, weights.k, a, weights.at::<S>(panel), sums, ahead);
            };
            multiply(self.w_hh, a.as_ptr(), next[1], self.sums);
            if let Some(w_ih) = self.w_ih {
                let x = step.pass.x.rows.as_ptr().add(self.first_row + rank);
                multiply(w_ih, x, next[0], self.x_sums);
            }
        }
    }

    /// Where row `r` of a tile from `rank` on stands at a block of units.
    ///
    /// # Safety
    /// The rank runs at this step, and the block is one of the panel's.
    #[inline(always)]
    unsafe fn at<S: Simd>(&self, rank: usize, r: usize, block: usize) -> ForwardAt {
        let row = self.first_row + rank + r;
        let unit = (self.panel.block + block) * S::LANES;
        let state = (rank + r) * self.hp + unit;
        let cells = match C::MEMORY && self.keep {
            true => row * self.hp + unit,
            false => 0,
        };
        // SAFETY: the row is one of the gates buffer, the rank one of `[B,hp]`, and unit < hp.
        unsafe {
            let gates = (row - self.step.base) * row_of_gates::<C>(self.hp) + unit;
            ForwardAt {
                gates: self.gates.add(gates),
                hp: self.hp,
                h_prev: self.h_prev.add(state),
                c: self.memory.add(state),
                cells: self.cells.add(cells),
                keep: self.keep,
            }
        }
    }

    /// Place of a row's first vector of a block among the sums.
    #[inline(always)]
    fn sums_at<S: Simd>(&self, r: usize, block: usize) -> usize {
        (r * self.panel.vectors + block * C::GATES) * S::LANES
    }

    /// Activates row `r` of a tile; vectors for [`Self::output`] replace its sums.
    ///
    /// # Safety
    /// As [`Self::multiply`], which has written the sums.
    #[inline(always)]
    unsafe fn activate<S: Simd>(&self, rank: usize, r: usize) {
        let (panel, w_hh) = (self.panel, self.w_hh);
        // SAFETY: as the caller promises. Vectors of the block's gates are in the sums of the row, and no more than
        // those are overwritten.
        unsafe {
            let [scale, x_scale] = match N::SCALED {
                true => [
                    *self.step.h.scales.add(rank + r),
                    self.step.pass.x.scale::<N>(self.first_row + rank + r),
                ],
                false => [1.0; 2],
            };
            for block in 0..panel.blocks {
                let here = self.at::<S>(rank, r, block);
                let start = self.sums_at::<S>(r, block);
                let mut acc = [S::splat(0.0); 4];
                for gate in 0..C::GATES {
                    let v = block * C::GATES + gate;
                    let from = start + gate * S::LANES;
                    let sum = w_hh.value::<S, N>(panel, v, S::load(self.sums.add(from)), scale);
                    let slot = here.gates.add(C::x_slot(gate) * self.hp);
                    let x = self.projected::<S>(v, self.x_sums.add(from), x_scale, slot);
                    let rest = match C::INNER == Some(gate) {
                        true => {
                            acc[C::GATES] = x;
                            w_hh.bias::<S>(panel, v)
                        }
                        false => x,
                    };
                    acc[gate] = S::add(sum, rest);
                }
                let activated = C::activate::<S>(&acc, &here);
                for i in 0..C::GATES.min(2) {
                    S::store(self.sums.add(start + i * S::LANES), activated[i]);
                }
            }
        }
    }

    /// Vector `v` of a row's projected input: from the sums of its own tile if the input is multiplied here, else from
    /// the gates buffer.
    ///
    /// # Safety
    /// As [`Self::activate`]; `x_sums` is the vector of the row, `gates` its slot at the panel's block.
    #[inline(always)]
    unsafe fn projected<S: Simd>(
        &self,
        v: usize,
        x_sums: *const f32,
        scale: f32,
        gates: *const f32,
    ) -> S::V {
        // SAFETY: as the caller promises; the gates buffer holds what `project` has written.
        unsafe {
            let Some(w_ih) = self.w_ih else {
                return S::load(gates);
            };
            let sum = w_ih.value::<S, N>(self.panel, v, S::load(x_sums), scale);
            S::add(sum, w_ih.bias::<S>(self.panel, v))
        }
    }

    /// Writes h of row `r` of a tile, its words and its row of y.
    ///
    /// # Safety
    /// As [`Self::activate`], which has left the activated vectors in the sums.
    #[inline(always)]
    unsafe fn output<S: Simd>(&self, rank: usize, r: usize) {
        let layout = self.step.pass.layout;
        // SAFETY: as the caller promises: the row is one of the layout, whose `external` rows lie inside y, and
        // `hidden − unit` of the block's units are real.
        unsafe {
            let y_row = layout.external.get_unchecked(self.first_row + rank + r);
            for block in 0..self.panel.blocks {
                let start = self.sums_at::<S>(r, block);
                let unit = (self.panel.block + block) * S::LANES;
                let mut activated = [S::splat(0.0); 2];
                for i in 0..C::GATES.min(2) {
                    activated[i] = S::load(self.sums.add(start + i * S::LANES));
                }
                let h = C::output::<S>(activated, &self.at::<S>(rank, r, block));
                S::store(self.h_next.add((rank + r) * self.hp + unit), h);
                if N::PACK > 1 && !N::SCALED {
                    let words = self.words_next.add((rank + r) * N::row(self.hp));
                    N::store::<S>(words, unit, h);
                }
                let y = self.y.add(y_row * self.y_stride + unit);
                store_edge::<S>(y, h, self.hidden - unit);
            }
        }
    }
}
