//! The forward pass.

use super::weights::{KitKey, OwnPanel, Packed, PackedPanel, WeightCache, own_panels, own_weights};
use super::{
    Division, Kept, Member, ToWords, Words, lanes, on_threads, padded, part, ranked, room,
    row_of_gates, there_and_back, useful,
};
use crate::cache;
use crate::call::{Inputs, Outputs, Plan, Weights};
use crate::cells::{CellKernel, ForwardAt};
use crate::layout::Layout;
use crate::number::Number;
use crate::pool::{Barrier, SharedPtr, share};
use crate::product::rows;
use crate::scratch::{Lines, unwritten, written};
use crate::simd::store_edge;
use crate::simd::{Kernel, Level, Simd, dispatch};
use crate::tile::{Ahead, ROWS, Sums, Table, cover};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::OnceLock;

/// Rows projected before their steps run: enough to use the packed input weights well, few enough to stay in cache.
const PROJECTED_ROWS: usize = 192;

/// One direction of a forward pass. Pointers are shared by the threads of the direction, each writing its own units or sequences.
struct Forward<'a> {
    plan: &'a Plan<'a>,
    layout: &'a Layout,
    weights: &'a Weights<'a>,
    /// Packed weights in [`Member::parts`] parts.
    packed: &'a [OnceLock<[Packed; 2]>],
    table: &'static Table,
    /// Words of x, row by row of the layout, and their scales for numbers that have any.
    x: Vec<*const f32>,
    x_scales: &'a [f32],
    hp: usize,
    /// h before even and odd steps, `[B,hp]` each, by rank.
    h: [SharedPtr<f32>; 2],
    /// The words of `h`; the same where a word is a float, and unused where each thread makes them for itself, with their scales.
    h_words: [SharedPtr<f32>; 2],
    /// `[B,hp]`
    c: SharedPtr<f32>,
    /// As [`Kept`] has them: all rows where `keep`, else those of one stretch of steps.
    gates: SharedPtr<f32>,
    cells: SharedPtr<f32>,
    keep: bool,
    stretches: &'a Stretches,
    /// Output at the direction's first feature; rows `y_stride` apart.
    y: SharedPtr<f32>,
    y_stride: usize,
}

// SAFETY: threads write disjoint units or sequences and meet at the barrier before they read what others wrote.
unsafe impl Sync for Forward<'_> {}

/// What a direction owns while it runs; see [`Forward`].
struct Buffers {
    h: [Vec<f32>; 2],
    h_words: [Lines; 2],
    c: Vec<f32>,
    gates: Vec<MaybeUninit<f32>>,
    cells: Vec<MaybeUninit<f32>>,
}

/// As [`crate::forward`] for the cells of the fast path.
pub(crate) fn forward<C: CellKernel, N: Number>(
    level: Level,
    threads: usize,
    plan: &Plan,
    inputs: &Inputs,
    train: bool,
    cache: Option<&WeightCache>,
) -> (Outputs, Option<Vec<Kept>>) {
    let (batch, hidden, directions) = (plan.batch, plan.hidden, plan.directions.len());
    let hp = padded(level, hidden);
    let y_stride = directions * hidden;
    let mut y = room(plan, y_stride);
    let layouts: Vec<Layout> = plan
        .directions
        .iter()
        .map(|&d| Layout::new(plan, d))
        .collect();
    let x: Vec<(Vec<*const f32>, Words)> = layouts
        .iter()
        .map(|layout| {
            let external = &layout.external;
            let words = Words::of::<N>(level, threads, inputs.x, plan.input, external);
            let of_x = |row: &usize| inputs.x.as_ptr().wrapping_add(row * plan.input);
            let x = match N::PACK {
                1 => external.iter().map(of_x).collect(),
                _ => rows(words.values.as_ptr(), N::row(plan.input), external.len()),
            };
            (x, words)
        })
        .collect();
    let threads = useful(threads, plan, C::GATES);
    let stretches = Stretches::new::<C, N>(plan, Table::of::<N>(level), threads, hp);
    let mut buffers: Vec<Buffers> = layouts
        .iter()
        .enumerate()
        .map(|(d, layout)| {
            let steps = if train {
                layout.external.len()
            } else {
                stretches.most_rows(layout)
            };
            let h0 = ranked(part(inputs.h0, d, batch * hidden), layout, hidden, hp);
            let ranks: Vec<usize> = (0..batch).collect();
            let words = Words::of::<N>(level, 1, &h0, hp, &ranks).values;
            Buffers {
                h: [h0.clone(), h0],
                h_words: [words.clone(), words],
                c: ranked(part(inputs.c0, d, batch * hidden), layout, hidden, hp),
                gates: unwritten(steps * row_of_gates::<C>(hp)),
                cells: unwritten(if train && C::MEMORY { steps * hp } else { 0 }),
            }
        })
        .collect();
    let kit = cache.unwrap_or(&WeightCache::default()).kit(KitKey {
        level,
        cell: plan.cell,
        precision: plan.precision,
        sizes: [plan.input, hidden],
        directions,
        threads,
    });
    let y_base: *mut f32 = y.as_mut_ptr().cast();
    let passes: Vec<Forward> = buffers
        .iter_mut()
        .enumerate()
        .map(|(d, own)| Forward {
            plan,
            layout: &layouts[d],
            weights: &inputs.weights[d],
            packed: &kit.sides[d],
            table: Table::of::<N>(level),
            x: x[d].0.clone(),
            x_scales: &x[d].1.scales,
            hp,
            h: own.h.each_mut().map(|h| SharedPtr(h.as_mut_ptr())),
            h_words: match N::PACK {
                1 => own.h.each_mut().map(|h| h.as_mut_ptr()),
                _ => own.h_words.each_mut().map(|h| h.as_mut_ptr()),
            }
            .map(SharedPtr),
            c: SharedPtr(own.c.as_mut_ptr()),
            gates: SharedPtr(own.gates.as_mut_ptr().cast()),
            cells: SharedPtr(own.cells.as_mut_ptr().cast()),
            keep: train,
            stretches: &stretches,
            y: SharedPtr(y_base.wrapping_add(d * hidden)),
            y_stride,
        })
        .collect();
    if hidden > 0 {
        on_threads(
            directions,
            threads,
            hp / lanes(level),
            |d, member, barrier| {
                let thread = ForwardThread::<C, N> {
                    pass: &passes[d],
                    member,
                    barrier,
                    kind: PhantomData,
                };
                dispatch(level, thread);
            },
        );
    }
    drop(passes);
    let mut h_n = vec![0.0; directions * batch * hidden];
    let mut c_n = vec![0.0; if C::MEMORY { h_n.len() } else { 0 }];
    for (d, (layout, own)) in layouts.iter().zip(&buffers).enumerate() {
        for (rank, &b) in layout.order.iter().enumerate() {
            let length = plan.lengths.map_or(plan.time, |lengths| lengths[b]);
            let (from, to) = (rank * hp, (d * batch + b) * hidden);
            h_n[to..to + hidden].copy_from_slice(&own.h[length % 2][from..from + hidden]);
            if C::MEMORY {
                c_n[to..to + hidden].copy_from_slice(&own.c[from..from + hidden]);
            }
        }
    }
    let kept = train.then(|| {
        buffers
            .into_iter()
            .map(|own| Kept {
                gates: own.gates,
                // SAFETY: every row of the layout has run, and a step writes the memory of all units.
                cells: unsafe { written(own.cells) },
            })
            .collect()
    });
    // SAFETY: every step of every sequence has been written, or the room was zeros.
    let y = unsafe { written(y) };
    (Outputs { y, h_n, c_n }, kept)
}

/// How the threads of a direction divide its work, and which steps go together.
struct Stretches {
    division: Division,
    /// Rows of a step from which on its input is multiplied in the step itself, which saves the way of its product through memory.
    at_once: usize,
    /// Rows that are projected before their steps run, where a step has fewer than `at_once`.
    rows: usize,
}

impl Stretches {
    fn new<C: CellKernel, N: Number>(
        plan: &Plan,
        table: &Table,
        threads: usize,
        hp: usize,
    ) -> Self {
        let threads = threads.div_ceil(plan.directions.len().max(1));
        let bytes = |columns: usize| 4 * C::GATES * hp * N::count(columns);
        let [one, both] = [bytes(plan.hidden), bytes(plan.hidden) + bytes(plan.input)];
        let at_once = match N::PACK {
            1 => 32,
            // Some steps together use packed weights better, when they are more than a cache of its own holds.
            _ if both / threads > cache::second() => 48,
            _ => 16,
        };
        let read = if plan.batch >= threads * at_once {
            both
        } else {
            one
        };
        let division = Division::new(plan, threads, table, read, 1);
        // Rows count by thread: with all sequences, each has all rows.
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
    fn most_rows(&self, layout: &Layout) -> usize {
        let (mut start, mut most) = (0, 0);
        while start < layout.steps() {
            let end = self.end(layout, start);
            most = most.max(layout.first[end] - layout.first[start]);
            start = end;
        }
        most
    }
}

struct ForwardThread<'a, C, N> {
    pass: &'a Forward<'a>,
    member: Member,
    barrier: &'a Barrier,
    kind: PhantomData<(C, N)>,
}

impl<C: CellKernel, N: Number> Kernel for ForwardThread<'_, C, N> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (pass, layout) = (self.pass, self.pass.layout);
        let (hidden, input) = (pass.plan.hidden, pass.plan.input);
        let Member { id, of, parts } = self.member;
        let blocks = |part| share(pass.hp / S::LANES, part, parts);
        for part in share(parts, id, of) {
            let own = &pass.packed[part];
            if own.get().is_none() {
                let (sizes, blocks) = ([input, hidden], blocks(part));
                // Another call beside this one may have been faster, with the same.
                let _ = own.set(own_weights::<S, C, N>(
                    pass.weights,
                    sizes,
                    blocks,
                    pass.table,
                ));
            }
        }
        let division = pass.stretches.division;
        let Division {
            by_sequences,
            far,
            beyond,
        } = division;
        if by_sequences {
            self.barrier.wait();
        }
        let part = division.part(pass.plan.batch, self.member);
        let mut panels = Vec::new();
        for part in part.weights.clone() {
            let Some([x, h]) = pass.packed[part].get() else {
                return;
            };
            let own = own_panels::<C>(pass.table, blocks(part));
            panels.extend(own.into_iter().map(|panel| PackedPanel { x, h, panel }));
        }
        let mut own = Words::room::<N>(if N::SCALED { pass.plan.batch } else { 0 }, pass.hp);
        let mut start = 0;
        while start < layout.steps() {
            let end = pass.stretches.end(layout, start);
            let base = if pass.keep { 0 } else { layout.first[start] };
            // A step with as many rows has its input multiplied where it is needed, and nothing is written in between.
            let at_once = layout.active(start) >= pass.stretches.at_once;
            // SAFETY: own units or sequences of rows inside the layout; the barrier orders h between the threads.
            unsafe {
                for panel in panels.iter().filter(|_| !at_once) {
                    if !by_sequences {
                        let rows = layout.first[start]..layout.first[end];
                        project::<S, C, N>(pass, panel, base, rows);
                        continue;
                    }
                    for step in start..end {
                        let (first, ranks) = (layout.first[step], &part.ranks);
                        let rows = first + ranks.start..first + ranks.end;
                        project::<S, C, N>(pass, panel, base, rows);
                    }
                }
                for step in start..end {
                    let ranks = part.active(layout.active(step));
                    let step = Step {
                        pass,
                        step,
                        h: own_operand::<S, N>(pass, step, ranks.clone(), &mut own),
                        ranks,
                        base,
                        at_once,
                        beyond,
                    };
                    for (panel, next) in there_and_back(panels.len(), step.step) {
                        let next = next.filter(|_| far).map(|next| &panels[next]);
                        step.panel::<S, C, N>(&panels[panel], next);
                    }
                    if !by_sequences {
                        self.barrier.wait();
                    }
                }
            }
            start = end;
        }
    }
}

/// One panel of X·W_ihᵀ + b for a range of rows; `base` is the first row in the gates buffer.
///
/// # Safety
/// Rows lie inside the layout, the panel belongs to this thread.
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
    for (first, count) in cover(rows, pass.table.most[panel.vectors - 1]) {
        // SAFETY: as the caller promises; the tile writes all sums that are read.
        unsafe {
            let a = pass.x.as_ptr().add(first);
            let tile = pass.table.tile(panel.vectors, count);
            tile(
                count,
                packed.k,
                a,
                packed.at::<S>(panel),
                sums,
                Ahead::NOTHING,
            );
            for r in 0..count {
                let gates = pass
                    .gates
                    .get()
                    .add((first + r - base) * row_of_gates::<C>(pass.hp));
                for v in 0..panel.vectors {
                    let (slot, block) = match C::GATES {
                        1 => (0, panel.block + v),
                        _ => (C::x_slot(v), panel.block),
                    };
                    let sum = S::load(sums.add((r * panel.vectors + v) * S::LANES));
                    let scale = if N::SCALED {
                        pass.x_scales[first + r]
                    } else {
                        1.0
                    };
                    let sum = packed.value::<S, N>(panel, v, sum, scale);
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

/// The operand of a step for some `ranks`, in the thread's `own` room if its number needs the whole row of h for a word.
#[inline(always)]
unsafe fn own_operand<S: Simd, N: Number>(
    pass: &Forward,
    step: usize,
    ranks: Range<usize>,
    own: &mut Words,
) -> Operand {
    if N::SCALED {
        // SAFETY: h before the step is complete, and `own` has room for a row of every sequence.
        unsafe {
            ToWords::<N> {
                values: pass.h[step % 2].get(),
                width: pass.hp,
                rows: ranks,
                to: None,
                words: own.values.as_mut_ptr(),
                scales: own.scales.as_mut_ptr(),
                number: PhantomData,
            }
            .run::<S>();
        }
    }
    Operand {
        words: match N::SCALED {
            true => own.values.as_ptr(),
            false => pass.h_words[step % 2].get(),
        },
        scales: own.scales.as_ptr(),
    }
}

/// One vector of a row's projected input: from the gates buffer, or, with `w_ih`, from the `sums` of its own tile.
///
/// # Safety
/// As [`project`]; `gates` is slot 0 of the row at the panel's block.
#[inline(always)]
unsafe fn projected<S: Simd, N: Number>(
    w_ih: Option<&Packed>,
    (panel, v): (&OwnPanel, usize),
    sums: *const f32,
    scale: f32,
    gates: *const f32,
) -> S::V {
    // SAFETY: as the caller promises.
    unsafe {
        let Some(w_ih) = w_ih else {
            return S::load(gates);
        };
        let sum = w_ih.value::<S, N>(panel, v, S::load(sums), scale);
        S::add(sum, w_ih.bias::<S>(panel, v))
    }
}

/// One step of a thread's sequences.
struct Step<'a> {
    pass: &'a Forward<'a>,
    step: usize,
    ranks: Range<usize>,
    h: Operand,
    /// The first row in the gates buffer.
    base: usize,
    /// Whether the input is multiplied here.
    at_once: bool,
    /// Whether most of the weights lie beyond the second cache.
    beyond: bool,
}

impl Step<'_> {
    /// One panel of the step; weights of the `next` one are fetched.
    ///
    /// # Safety
    /// As [`project`].
    #[inline(always)]
    unsafe fn panel<S: Simd, C: CellKernel, N: Number>(
        &self,
        &PackedPanel {
            x: w_ih,
            h: w_hh,
            ref panel,
        }: &PackedPanel,
        next: Option<&PackedPanel>,
    ) {
        let (pass, step, base, operand) = (self.pass, self.step, self.base, self.h);
        let w_ih = self.at_once.then_some(w_ih);
        let next = next.map_or([std::ptr::null(); 2], |next| {
            // SAFETY: the panel lies in its weights.
            [next.x, next.h].map(|weights| unsafe { weights.at::<S>(&next.panel) })
        });
        let (hp, first_row) = (pass.hp, pass.layout.first[step]);
        let h_prev = pass.h[step % 2].get();
        let h_next = pass.h[(step + 1) % 2].get();
        let words = N::row(hp);
        let words_next = pass.h_words[(step + 1) % 2].get();
        let (keep, y_stride, hidden) = (pass.keep, pass.y_stride, pass.plan.hidden);
        let (all_gates, all_cells) = (pass.gates.get(), pass.cells.get());
        let (memory, all_y) = (pass.c.get(), pass.y.get());
        let mut a = [operand.words; ROWS];
        let (mut sums, mut x_sums) = (Sums::new(), Sums::new());
        let (sums, x_sums) = (sums.as_mut_ptr(), x_sums.as_mut_ptr());
        let tiles = cover(self.ranks.clone(), pass.table.most[panel.vectors - 1]);
        for (i, (rank, count)) in tiles.enumerate() {
            // SAFETY: as the caller promises; the tile writes all sums that are read.
            unsafe {
                for r in 0..count {
                    a[r] = operand.words.add((rank + r) * words);
                }
                let tile = pass.table.tile_from(self.beyond, panel.vectors, count);
                let multiply = |weights: &Packed, a: *const *const f32, next, sums| {
                    let ahead = Ahead::panel(next, i, weights.k, panel.vectors);
                    tile(count, weights.k, a, weights.at::<S>(panel), sums, ahead);
                };
                multiply(w_hh, a.as_ptr(), next[1], sums);
                if let Some(w_ih) = w_ih {
                    let x = pass.x.as_ptr().add(first_row + rank);
                    multiply(w_ih, x, next[0], x_sums);
                }
                // Where a row and a block of its units stand.
                let at = |r: usize, block: usize| {
                    let row = first_row + rank + r;
                    let unit = (panel.block + block) * S::LANES;
                    let state = (rank + r) * hp + unit;
                    let cells = match C::MEMORY && keep {
                        true => row * hp + unit,
                        false => 0,
                    };
                    ForwardAt {
                        gates: all_gates.add((row - base) * row_of_gates::<C>(hp) + unit),
                        hp,
                        h_prev: h_prev.add(state),
                        c: memory.add(state),
                        cells: all_cells.add(cells),
                        keep,
                    }
                };
                let vector =
                    |r: usize, block: usize| (r * panel.vectors + block * C::GATES) * S::LANES;
                for r in 0..count {
                    let [scale, x_scale] = match N::SCALED {
                        true => [
                            *operand.scales.add(rank + r),
                            pass.x_scales[first_row + rank + r],
                        ],
                        false => [1.0; 2],
                    };
                    for block in 0..panel.blocks {
                        let here = at(r, block);
                        let own = vector(r, block);
                        let mut acc = [S::splat(0.0); 4];
                        for gate in 0..C::GATES {
                            let v = block * C::GATES + gate;
                            let from = own + gate * S::LANES;
                            let sum = w_hh.value::<S, N>(panel, v, S::load(sums.add(from)), scale);
                            let slot = here.gates.add(C::x_slot(gate) * hp);
                            let x_sums = x_sums.add(from);
                            let x = projected::<S, N>(w_ih, (panel, v), x_sums, x_scale, slot);
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
                            S::store(sums.add(own + i * S::LANES), activated[i]);
                        }
                    }
                }
                for r in 0..count {
                    let y_row = pass.layout.external.get_unchecked(first_row + rank + r);
                    for block in 0..panel.blocks {
                        let own = vector(r, block);
                        let unit = (panel.block + block) * S::LANES;
                        let mut activated = [S::splat(0.0); 2];
                        for i in 0..C::GATES.min(2) {
                            activated[i] = S::load(sums.add(own + i * S::LANES));
                        }
                        let h = C::output::<S>(activated, &at(r, block));
                        S::store(h_next.add((rank + r) * hp + unit), h);
                        if N::PACK > 1 && !N::SCALED {
                            N::store::<S>(words_next.add((rank + r) * words), unit, h);
                        }
                        store_edge::<S>(all_y.add(y_row * y_stride + unit), h, hidden - unit);
                    }
                }
            }
        }
    }
}
