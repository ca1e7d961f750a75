//! The one driver of the recurrences.
//!
//! Each thread owns a slice of the hidden units with all their gates and packs its own columns of the weights. It projects its own
//! columns of the input for a stretch of steps, then runs those steps; activation and state update happen while the tile of the
//! product is in registers, and the threads meet once a step. Two directions run side by side on separate threads.
//!
//! The backward pass is the same loop in reverse: the gradients of the gates overwrite the gates, and one product each gives
//! the gradients of the weights and of the input at the end.
//!
//! Buffers inside are padded to whole vectors of units (`hp`); padded units stay zero throughout.

use crate::KernelError;
use crate::error::expect;
use crate::layer::{
    Gradients, Inputs, OutputGradients, Outputs, Plan, Wanted, WeightGradients, Weights,
};
use crate::layout::Layout;
use crate::memory::{unwritten, written};
use crate::pack::{self, Column};
use crate::pool::{self, Barrier, SharedPtr, share};
use crate::product::{Left, Product, Right, load_edge, rows, rows_mut, store_edge};
use crate::simd::{Kernel, Level, Simd, dispatch};
use crate::tile::{OUT, PANEL, ROWS, cover, max_rows};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// Rows projected before their steps run: enough to use the packed input weights well, few enough to stay in cache.
const PROJECTED_ROWS: usize = 192;

/// Where a tile's row stands, at its first unit, in the forward pass.
pub(crate) struct ForwardAt {
    /// Slot 0 of the row; slot k is `k·hp` behind. Holds the projected input; takes what the backward pass needs.
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
    /// A gate whose recurrent part is kept apart from its projected input.
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

    /// Activation and state update of one vector of units: `acc` are pre-activations, gate by gate; gives h.
    ///
    /// # Safety
    /// `at` is valid for one vector.
    unsafe fn finish<S: Simd>(acc: &[S::V; 4], at: &ForwardAt) -> S::V;

    /// Gradients of the slots from that of h.
    ///
    /// # Safety
    /// `at` is valid for one vector.
    unsafe fn backward<S: Simd>(d_h: S::V, at: &BackwardAt<S>) -> [S::V; 4];
}

/// Gates and cells of one direction.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    gates: Vec<f32>,
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

/// Gives each direction its share of the threads, and each thread `f(direction, id, threads of the direction, barrier)`.
fn on_threads(
    directions: usize,
    threads: usize,
    units: usize,
    f: impl Fn(usize, usize, usize, &Barrier) + Sync,
) {
    let threads = threads.clamp(1, directions * units.max(1));
    if directions == 1 || threads == 1 {
        for d in 0..directions {
            let barrier = Barrier::new(threads);
            pool::run(threads, |id| f(d, id, threads, &barrier));
        }
        return;
    }
    let first = threads.div_ceil(2);
    let sizes = [first, threads - first];
    let barriers = sizes.map(Barrier::new);
    pool::run(threads, |id| {
        let d = usize::from(id >= first);
        f(d, id - d * first, sizes[d], &barriers[d]);
    });
}

// ------------------------------------------------------------------------------------------------ forward

/// One direction of a forward pass. Pointers are shared by the threads of the direction, each writing its own units.
struct Forward<'a> {
    plan: &'a Plan<'a>,
    layout: &'a Layout,
    weights: &'a Weights<'a>,
    x: *const f32,
    hp: usize,
    /// h before even and odd steps, `[B,hp]` each, by rank.
    h: [SharedPtr<f32>; 2],
    /// `[B,hp]`
    c: SharedPtr<f32>,
    /// `[rows,SLOTS,hp]`: all rows where `keep`, else those of one stretch of steps.
    gates: SharedPtr<f32>,
    cells: SharedPtr<f32>,
    keep: bool,
    /// Output at the direction's first feature; rows `y_stride` apart.
    y: SharedPtr<f32>,
    y_stride: usize,
}

// SAFETY: threads write disjoint units and meet at the barrier before they read what others wrote.
unsafe impl Sync for Forward<'_> {}

/// As [`crate::forward`] for the cells of the fast path.
pub(crate) fn forward<C: CellKernel>(
    level: Level,
    threads: usize,
    plan: &Plan,
    inputs: &Inputs,
    train: bool,
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
    let mut buffers: Vec<([Vec<f32>; 3], [Vec<MaybeUninit<f32>>; 2])> = layouts
        .iter()
        .enumerate()
        .map(|(d, layout)| {
            let rows = if train {
                layout.external.len()
            } else {
                stretch_rows(layout)
            };
            let cells = if train && C::MEMORY { rows * hp } else { 0 };
            let h0 = ranked(part(inputs.h0, d, batch * hidden), layout, hidden, hp);
            let c0 = ranked(part(inputs.c0, d, batch * hidden), layout, hidden, hp);
            let kept = [rows * C::SLOTS * hp, cells].map(unwritten);
            ([h0.clone(), h0, c0], kept)
        })
        .collect();
    let y_base: *mut f32 = y.as_mut_ptr().cast();
    let passes: Vec<Forward> = buffers
        .iter_mut()
        .enumerate()
        .map(|(d, ([h, h2, c], [gates, cells]))| Forward {
            plan,
            layout: &layouts[d],
            weights: &inputs.weights[d],
            x: inputs.x.as_ptr(),
            hp,
            h: [SharedPtr(h.as_mut_ptr()), SharedPtr(h2.as_mut_ptr())],
            c: SharedPtr(c.as_mut_ptr()),
            gates: SharedPtr(gates.as_mut_ptr().cast()),
            cells: SharedPtr(cells.as_mut_ptr().cast()),
            keep: train,
            y: SharedPtr(y_base.wrapping_add(d * hidden)),
            y_stride,
        })
        .collect();
    if hidden > 0 {
        on_threads(
            directions,
            useful(threads, plan, C::GATES),
            hp / lanes(level),
            |d, id, of, barrier| {
                let thread = ForwardThread::<C> {
                    pass: &passes[d],
                    id,
                    of,
                    barrier,
                    cell: PhantomData,
                };
                dispatch(level, thread);
            },
        );
    }
    drop(passes);
    let mut h_n = vec![0.0; directions * batch * hidden];
    let mut c_n = vec![0.0; if C::MEMORY { h_n.len() } else { 0 }];
    for (d, (layout, ([h, h2, c], _))) in layouts.iter().zip(&buffers).enumerate() {
        for (rank, &b) in layout.order.iter().enumerate() {
            let length = plan.lengths.map_or(plan.time, |lengths| lengths[b]);
            let (from, to) = (rank * hp, (d * batch + b) * hidden);
            let last = if length.is_multiple_of(2) { h } else { h2 };
            h_n[to..to + hidden].copy_from_slice(&last[from..from + hidden]);
            if C::MEMORY {
                c_n[to..to + hidden].copy_from_slice(&c[from..from + hidden]);
            }
        }
    }
    let kept = train.then(|| {
        buffers
            .into_iter()
            .map(|(_, [gates, cells])| {
                // SAFETY: every row of the layout has run, and a step writes all slots and the memory of all units.
                let [gates, cells] = [gates, cells].map(|values| unsafe { written(values) });
                Kept { gates, cells }
            })
            .collect()
    });
    // SAFETY: every step of every sequence has been written, or the room was zeros.
    let y = unsafe { written(y) };
    (Outputs { y, h_n, c_n }, kept)
}

/// Room for `[B,T,width]`, zeros where some steps may lie past the end of a sequence.
fn room(plan: &Plan, width: usize) -> Vec<MaybeUninit<f32>> {
    let mut values = unwritten(plan.batch * plan.time * width);
    if plan.lengths.is_some() || plan.hidden == 0 {
        values.fill(MaybeUninit::new(0.0));
    }
    values
}

/// End of the stretch of steps that starts at `start`.
fn stretch_end(layout: &Layout, start: usize) -> usize {
    let mut end = start + 1;
    while end < layout.steps() && layout.first[end] - layout.first[start] < PROJECTED_ROWS {
        end += 1;
    }
    end
}

/// Rows of the largest stretch.
fn stretch_rows(layout: &Layout) -> usize {
    let (mut start, mut most) = (0, 0);
    while start < layout.steps() {
        let end = stretch_end(layout, start);
        most = most.max(layout.first[end] - layout.first[start]);
        start = end;
    }
    most
}

struct ForwardThread<'a, C> {
    pass: &'a Forward<'a>,
    id: usize,
    of: usize,
    barrier: &'a Barrier,
    cell: PhantomData<C>,
}

/// A thread's own columns of one side's weights, panel by panel.
struct Packed {
    values: Vec<f32>,
    /// Bias in the same order.
    bias: Vec<f32>,
    k: usize,
}

impl<C: CellKernel> Kernel for ForwardThread<'_, C> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let pass = self.pass;
        let blocks = share(pass.hp / S::LANES, self.id, self.of);
        let [w_ih, w_hh] = own_weights::<S, C>(pass, blocks.clone());
        let layout = pass.layout;
        let panels = own_panels::<C>(blocks);
        let mut start = 0;
        while start < layout.steps() {
            let end = stretch_end(layout, start);
            let base = if pass.keep { 0 } else { layout.first[start] };
            let rows = layout.first[start]..layout.first[end];
            // SAFETY: own columns of rows inside the layout; the barrier orders h between the threads.
            unsafe {
                for panel in &panels {
                    project::<S, C>(pass, &w_ih, panel, base, rows.clone());
                }
                for step in start..end {
                    for panel in &panels {
                        run_step::<S, C>(pass, &w_hh, panel, base, step);
                    }
                    self.barrier.wait();
                }
            }
            start = end;
        }
    }
}

/// A few unit blocks whose columns stand together.
struct OwnPanel {
    /// First unit block.
    block: usize,
    blocks: usize,
    vectors: usize,
    /// First vector in the thread's packed columns.
    vector: usize,
}

/// Panels that cover `blocks`: all gates of one block, or as many blocks as fit where there is one gate.
fn own_panels<C: CellKernel>(blocks: std::ops::Range<usize>) -> Vec<OwnPanel> {
    let most = PANEL / C::GATES;
    let start = blocks.start;
    blocks
        .clone()
        .step_by(most)
        .map(|block| {
            let count = most.min(blocks.end - block);
            OwnPanel {
                block,
                blocks: count,
                vectors: count * C::GATES,
                vector: (block - start) * C::GATES,
            }
        })
        .collect()
}

/// Packs own columns of W_ih and W_hh with their biases.
#[inline(always)]
fn own_weights<S: Simd, C: CellKernel>(
    pass: &Forward,
    blocks: std::ops::Range<usize>,
) -> [Packed; 2] {
    let (hidden, input) = (pass.plan.hidden, pass.plan.input);
    let vectors = blocks.len() * C::GATES;
    let sides = [(pass.weights.w_ih, input), (pass.weights.w_hh, hidden)];
    let mut out = sides.map(|(_, k)| Packed {
        values: vec![0.0; vectors * S::LANES * k],
        bias: vec![0.0; vectors * S::LANES],
        k,
    });
    for OwnPanel {
        block,
        vectors: count,
        vector,
        ..
    } in own_panels::<C>(blocks)
    {
        for v in 0..count {
            let (gate, first) = match C::GATES {
                1 => (0, (block + v) * S::LANES),
                _ => (v, block * S::LANES),
            };
            let width = S::LANES.min(hidden - first);
            let at = Column {
                vector: v,
                vectors: count,
                width,
            };
            let row = gate * hidden + first;
            for (packed, (w, k)) in out.iter_mut().zip(sides) {
                // SAFETY: `width` rows of the weights from `row`, and the panel inside `values`.
                unsafe {
                    let dst = packed.values.as_mut_ptr().add(vector * S::LANES * k);
                    pack::transposed::<S>(w.as_ptr().add(row * k), k, k, at, dst);
                }
            }
            for lane in 0..width {
                let of = |b: Option<&[f32]>| b.map_or(0.0, |b| b[row + lane]);
                let (b_ih, b_hh) = (of(pass.weights.b_ih), of(pass.weights.b_hh));
                let apart = C::INNER == Some(gate);
                let to = (vector + v) * S::LANES + lane;
                out[0].bias[to] = if apart { b_ih } else { b_ih + b_hh };
                out[1].bias[to] = if apart { b_hh } else { 0.0 };
            }
        }
    }
    out
}

impl Packed {
    /// The panel's weights.
    #[inline(always)]
    unsafe fn at<S: Simd>(&self, panel: &OwnPanel) -> *const f32 {
        // SAFETY: the panel lies inside the packed columns.
        unsafe { self.values.as_ptr().add(panel.vector * S::LANES * self.k) }
    }

    #[inline(always)]
    unsafe fn bias<S: Simd>(&self, panel: &OwnPanel, v: usize) -> S::V {
        // SAFETY: as above.
        unsafe { S::load(self.bias.as_ptr().add((panel.vector + v) * S::LANES)) }
    }
}

/// One panel of X·W_ihᵀ + b for a range of rows; `base` is the first row in the gates buffer.
///
/// # Safety
/// Rows lie inside the layout, the panel belongs to this thread.
#[inline(always)]
unsafe fn project<S: Simd, C: CellKernel>(
    pass: &Forward,
    packed: &Packed,
    panel: &OwnPanel,
    base: usize,
    rows: std::ops::Range<usize>,
) {
    let mut a = [pass.x; ROWS];
    let mut out = [0.0f32; OUT];
    for (first, count) in cover(rows, max_rows::<S>(panel.vectors)) {
        // SAFETY: as the caller promises.
        unsafe {
            for r in 0..count {
                a[r] = pass
                    .x
                    .add(pass.layout.external.get_unchecked(first + r) * packed.k);
            }
            let tile = S::TILES.rows[panel.vectors - 1][count - 1];
            tile(
                packed.k,
                a.as_ptr(),
                packed.at::<S>(panel),
                out.as_mut_ptr(),
            );
            for r in 0..count {
                let gates = pass
                    .gates
                    .get()
                    .add((first + r - base) * C::SLOTS * pass.hp);
                for v in 0..panel.vectors {
                    let (slot, block) = match C::GATES {
                        1 => (0, panel.block + v),
                        _ => (C::x_slot(v), panel.block),
                    };
                    let sum = S::load(out.as_ptr().add((r * panel.vectors + v) * S::LANES));
                    let value = S::add(sum, packed.bias::<S>(panel, v));
                    S::store(gates.add(slot * pass.hp + block * S::LANES), value);
                }
            }
        }
    }
}

/// One panel of one step.
///
/// # Safety
/// As [`project`].
#[inline(always)]
unsafe fn run_step<S: Simd, C: CellKernel>(
    pass: &Forward,
    packed: &Packed,
    panel: &OwnPanel,
    base: usize,
    step: usize,
) {
    let (hp, first_row) = (pass.hp, pass.layout.first[step]);
    let h_prev = pass.h[step % 2].get();
    let h_next = pass.h[(step + 1) % 2].get();
    let mut a = [h_prev.cast_const(); ROWS];
    let mut out = [0.0f32; OUT];
    for (rank, count) in cover(0..pass.layout.active(step), max_rows::<S>(panel.vectors)) {
        // SAFETY: as the caller promises.
        unsafe {
            for r in 0..count {
                a[r] = h_prev.add((rank + r) * hp);
            }
            let tile = S::TILES.rows[panel.vectors - 1][count - 1];
            tile(
                packed.k,
                a.as_ptr(),
                packed.at::<S>(panel),
                out.as_mut_ptr(),
            );
            for r in 0..count {
                let row = first_row + rank + r;
                for block in 0..panel.blocks {
                    let unit = (panel.block + block) * S::LANES;
                    let (state, vector) = ((rank + r) * hp + unit, block * C::GATES);
                    let gates = pass.gates.get().add((row - base) * C::SLOTS * hp + unit);
                    let mut acc = [S::splat(0.0); 4];
                    for gate in 0..C::GATES {
                        let sum = S::load(
                            out.as_ptr()
                                .add((r * panel.vectors + vector + gate) * S::LANES),
                        );
                        let rest = match C::INNER == Some(gate) {
                            true => packed.bias::<S>(panel, vector + gate),
                            false => S::load(gates.add(C::x_slot(gate) * hp)),
                        };
                        acc[gate] = S::add(sum, rest);
                    }
                    let cells = if C::MEMORY && pass.keep {
                        row * hp + unit
                    } else {
                        0
                    };
                    let here = ForwardAt {
                        gates,
                        hp,
                        h_prev: h_prev.add(state),
                        c: pass.c.get().add(state),
                        cells: pass.cells.get().add(cells),
                        keep: pass.keep,
                    };
                    let h = C::finish::<S>(&acc, &here);
                    S::store(h_next.add(state), h);
                    let y = pass.layout.external.get_unchecked(row) * pass.y_stride + unit;
                    store_edge::<S>(pass.y.get().add(y), h, pass.plan.hidden - unit);
                }
            }
        }
    }
}

// ----------------------------------------------------------------------------------------------- backward

/// One direction of a backward pass.
struct Backward<'a> {
    plan: &'a Plan<'a>,
    layout: &'a Layout,
    w_hh: &'a [f32],
    hp: usize,
    /// `[rows,SLOTS,hp]`: activated gates, overwritten by their gradients.
    gates: SharedPtr<f32>,
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
    /// `[SLOTS,hp]`: sums of the gate gradients over all rows.
    sums: SharedPtr<f32>,
}

// SAFETY: threads write disjoint units and meet at the barrier before they read what others wrote.
unsafe impl Sync for Backward<'_> {}

/// As [`crate::backward`] for the cells of the fast path.
#[allow(clippy::too_many_arguments)]
pub(crate) fn backward<C: CellKernel>(
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
            rows * C::SLOTS * hp,
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
    let mut made: Vec<[Vec<f32>; 3]> = (0..directions)
        .map(|d| {
            let carry = if C::MEMORY {
                state(d_out.d_c_n, d)
            } else {
                vec![0.0; batch * hp]
            };
            [carry, vec![0.0; batch * hp], vec![0.0; C::SLOTS * hp]]
        })
        .collect();
    let passes: Vec<Backward> = (0..directions)
        .zip(kept.iter_mut().zip(&mut made))
        .map(|(d, (kept, [carry, d_h0, sums]))| Backward {
            plan,
            layout: &layouts[d],
            w_hh: inputs.weights[d].w_hh,
            hp,
            gates: SharedPtr(kept.gates.as_mut_ptr()),
            cells: kept.cells.as_ptr(),
            h0: &initial[d][0],
            c0: &initial[d][1],
            y: y.as_ptr().wrapping_add(d * hidden),
            d_y: d_out.d_y.map(|d_y| d_y.as_ptr().wrapping_add(d * hidden)),
            y_stride,
            d_h_n: &initial[d][2],
            carry: SharedPtr(carry.as_mut_ptr()),
            d_h0: SharedPtr(d_h0.as_mut_ptr()),
            sums: SharedPtr(sums.as_mut_ptr()),
        })
        .collect();
    if hidden > 0 {
        on_threads(
            directions,
            useful(threads, plan, C::GATES),
            hp / lanes(level),
            |d, id, of, barrier| {
                let thread = BackwardThread::<C> {
                    pass: &passes[d],
                    id,
                    of,
                    barrier,
                    cell: PhantomData,
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
                    .copy_from_slice(&made[d][index][rank * hp..rank * hp + hidden]);
            }
        }
        out
    };
    let sums = |d: usize| made[d][2].as_slice();
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
        d_x: wanted.x.then(|| products.d_x::<C>()),
        weights: wanted.weights.then(|| {
            (0..directions)
                .map(|d| products.weights::<C>(d, &initial[d][0], sums(d)))
                .collect()
        }),
        d_h0: wanted.h0.then(|| unranked(1)),
        d_c0: wanted
            .c0
            .then(|| if C::MEMORY { unranked(0) } else { Vec::new() }),
    })
}

struct BackwardThread<'a, C> {
    pass: &'a Backward<'a>,
    id: usize,
    of: usize,
    barrier: &'a Barrier,
    cell: PhantomData<C>,
}

impl<C: CellKernel> Kernel for BackwardThread<'_, C> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (pass, cell) = (self.pass, self.cell);
        let blocks = share(pass.hp / S::LANES, self.id, self.of);
        let packed = own_units::<S, C>(pass, blocks.clone());
        let k = C::GATES * pass.hp;
        // Step `steps` has no rows: everything that ends at the last step starts from the gradient of the final state.
        for step in (0..=pass.layout.steps()).rev() {
            let (running, active) = (
                pass.layout.active(step),
                match step {
                    0 => pass.layout.order.len(),
                    _ => pass.layout.active(step - 1),
                },
            );
            for block in blocks.clone().step_by(PANEL) {
                let vectors = PANEL.min(blocks.end - block);
                let weights = packed[(block - blocks.start) * S::LANES * k..].as_ptr();
                let back = StepBack::<C> {
                    pass,
                    block,
                    vectors,
                    step,
                    weights,
                    cell,
                };
                // SAFETY: own units of rows inside the layout; the barrier orders the gates between the threads.
                unsafe {
                    back.rows::<S>(0..running, true);
                    back.rows::<S>(running..active, false);
                }
            }
            self.barrier.wait();
        }
    }
}

/// Packs own columns of W_hh, rows in the order of the slots with zeros for padded units.
#[inline(always)]
fn own_units<S: Simd, C: CellKernel>(pass: &Backward, blocks: std::ops::Range<usize>) -> Vec<f32> {
    let (hidden, hp) = (pass.plan.hidden, pass.hp);
    let k = C::GATES * hp;
    let mut packed = vec![0.0; blocks.len() * S::LANES * k];
    for start in blocks.clone().step_by(PANEL) {
        let vectors = PANEL.min(blocks.end - start);
        let panel = (start - blocks.start) * S::LANES * k;
        for gate in 0..C::GATES {
            let slot = C::h_slot(gate) - C::H_FIRST;
            for unit in 0..hidden {
                let dst = panel + (slot * hp + unit) * vectors * S::LANES;
                for vector in 0..vectors {
                    let first = (start + vector) * S::LANES;
                    let at = Column {
                        vector,
                        vectors,
                        width: S::LANES.min(hidden - first),
                    };
                    let row = &pass.w_hh[(gate * hidden + unit) * hidden + first..];
                    // SAFETY: `width` elements of the row, and a row of the panel.
                    unsafe { pack::straight::<S>(row.as_ptr(), at, packed.as_mut_ptr().add(dst)) }
                }
            }
        }
    }
    packed
}

/// One panel of units of one step: d_h from step `step` (with its product) to the gate gradients of step `step − 1`, or to d_h0.
struct StepBack<'a, C> {
    pass: &'a Backward<'a>,
    /// First unit block, and how many.
    block: usize,
    vectors: usize,
    step: usize,
    weights: *const f32,
    cell: PhantomData<C>,
}

impl<C: CellKernel> StepBack<'_, C> {
    /// Rows that run at `step` (`product`), or that end before it.
    #[inline(always)]
    unsafe fn rows<S: Simd>(&self, ranks: std::ops::Range<usize>, product: bool) {
        let (pass, hp) = (self.pass, self.pass.hp);
        let unit = self.block * S::LANES;
        let mut a = [pass.gates.get().cast_const(); ROWS];
        let mut out = [0.0f32; OUT];
        for (rank, count) in cover(ranks, max_rows::<S>(self.vectors)) {
            // SAFETY: rows lie inside the layout, the panel inside the packed weights; this thread owns the units.
            unsafe {
                if product {
                    let row = pass.layout.first[self.step] + rank;
                    for r in 0..count {
                        a[r] = pass
                            .gates
                            .get()
                            .add(((row + r) * C::SLOTS + C::H_FIRST) * hp);
                    }
                    let tile = S::TILES.rows[self.vectors - 1][count - 1];
                    tile(C::GATES * hp, a.as_ptr(), self.weights, out.as_mut_ptr());
                }
                for r in 0..count {
                    for v in 0..self.vectors {
                        let state = (rank + r) * hp + unit + v * S::LANES;
                        let d_h = match product {
                            true => S::load(out.as_ptr().add((r * self.vectors + v) * S::LANES)),
                            false => S::load(pass.d_h_n.as_ptr().add(state)),
                        };
                        match self.step {
                            0 => self.initial::<S>(d_h, state),
                            _ => self.gates::<S>(d_h, rank + r, unit + v * S::LANES),
                        }
                    }
                }
            }
        }
    }

    /// Before the first step: what is left is the gradient of the initial state.
    #[inline(always)]
    unsafe fn initial<S: Simd>(&self, d_h: S::V, state: usize) {
        // SAFETY: the state lies inside `[B,hp]`.
        unsafe {
            let carry = S::load(self.pass.carry.get().add(state));
            let d_h = if C::MEMORY { d_h } else { S::add(d_h, carry) };
            S::store(self.pass.d_h0.get().add(state), d_h);
        }
    }

    #[inline(always)]
    unsafe fn gates<S: Simd>(&self, d_h: S::V, rank: usize, unit: usize) {
        let (pass, hp, step) = (self.pass, self.pass.hp, self.step - 1);
        let left = pass.plan.hidden - unit;
        let row = pass.layout.first[step] + rank;
        // SAFETY: the row lies inside the layout, the units inside the row.
        unsafe {
            let external =
                |row: usize| pass.layout.external.get_unchecked(row) * pass.y_stride + unit;
            let mut d_h = d_h;
            if let Some(d_y) = pass.d_y {
                d_h = S::add(d_h, load_edge::<S>(d_y.add(external(row)), left));
            }
            let before = if step == 0 {
                0
            } else {
                pass.layout.first[step - 1] + rank
            };
            let (h0, c0) = (
                pass.h0.as_ptr().add(rank * hp + unit),
                pass.c0.as_ptr().add(rank * hp + unit),
            );
            let (c, c_prev) = match (C::MEMORY, step) {
                (false, _) => (c0, c0),
                (true, 0) => (pass.cells.add(row * hp + unit), c0),
                (true, _) => (
                    pass.cells.add(row * hp + unit),
                    pass.cells.add(before * hp + unit),
                ),
            };
            let h_prev = match (C::H_PREV, step) {
                (false, _) => S::splat(0.0),
                (true, 0) => S::load(h0),
                (true, _) => load_edge::<S>(pass.y.add(external(before)), left),
            };
            let gates = pass.gates.get().add(row * C::SLOTS * hp + unit);
            let carry = pass.carry.get().add(rank * hp + unit);
            let here = BackwardAt::<S> {
                gates,
                hp,
                c,
                c_prev,
                h_prev,
                carry,
            };
            let d = C::backward::<S>(d_h, &here);
            for slot in 0..C::SLOTS {
                S::store(gates.add(slot * hp), d[slot]);
                let sum = pass.sums.get().add(slot * hp + unit);
                S::store(sum, S::add(S::load(sum), d[slot]));
            }
        }
    }
}

/// The products over all rows that follow the loop.
struct Products<'a> {
    level: Level,
    threads: usize,
    plan: &'a Plan<'a>,
    inputs: &'a Inputs<'a>,
    hp: usize,
    y: &'a [f32],
    layouts: &'a [Layout],
    kept: &'a [Kept],
}

impl Products<'_> {
    /// d_x = Σ over directions of d_gates·W_ih.
    fn d_x<C: CellKernel>(&self) -> Vec<f32> {
        let (input, hidden, hp) = (self.plan.input, self.plan.hidden, self.hp);
        let mut d_x = room(self.plan, input);
        let zeros = vec![0.0; input];
        for (d, (layout, kept)) in self.layouts.iter().zip(self.kept).enumerate() {
            let a = rows(kept.gates.as_ptr(), C::SLOTS * hp, layout.external.len());
            let w_ih = self.inputs.weights[d].w_ih.as_ptr();
            let mut b = vec![zeros.as_ptr(); C::GATES * hp];
            for gate in 0..C::GATES {
                for unit in 0..hidden {
                    b[C::x_slot(gate) * hp + unit] =
                        w_ih.wrapping_add((gate * hidden + unit) * input);
                }
            }
            let base: *mut f32 = d_x.as_mut_ptr().cast();
            let c: Vec<*mut f32> = layout
                .external
                .iter()
                .map(|row| base.wrapping_add(row * input))
                .collect();
            let product = Product {
                n: input,
                k: if hidden == 0 { 0 } else { C::GATES * hp },
                a: Left::Rows(&a),
                b: Right::Rows(&b),
                c: &c,
                accumulate: d > 0,
                bias: None,
            };
            // SAFETY: rows of d_gates, W_ih and d_x have the lengths of the plan.
            unsafe { product.run(self.level, self.threads) }
        }
        // SAFETY: the product of the first direction has written every real step; the rest is zeros.
        unsafe { written(d_x) }
    }

    /// d_W_ih = d_gatesᵀ·X, d_W_hh = d_gatesᵀ·H_prev, and the biases from the sums.
    fn weights<C: CellKernel>(&self, d: usize, h0: &[f32], sums: &[f32]) -> WeightGradients {
        let (input, hidden, hp) = (self.plan.input, self.plan.hidden, self.hp);
        let (layout, stride) = (&self.layouts[d], self.layouts.len() * hidden);
        let x: Vec<*const f32> = layout
            .external
            .iter()
            .map(|row| self.inputs.x.as_ptr().wrapping_add(row * input))
            .collect();
        let mut h_prev = rows(h0.as_ptr(), hp, layout.active(0));
        for step in 1..layout.steps() {
            let before = layout.first[step - 1];
            h_prev.extend((0..layout.active(step)).map(|rank| {
                let row = layout.external[before + rank];
                self.y.as_ptr().wrapping_add(row * stride + d * hidden)
            }));
        }
        let gathered = |slot: fn(usize) -> usize| -> Vec<f32> {
            (0..C::GATES)
                .flat_map(|gate| &sums[slot(gate) * hp..slot(gate) * hp + hidden])
                .copied()
                .collect()
        };
        WeightGradients {
            d_w_ih: self.over_rows::<C>(d, C::x_slot, &x, input),
            d_w_hh: self.over_rows::<C>(d, C::h_slot, &h_prev, hidden),
            d_b_ih: gathered(C::x_slot),
            d_b_hh: gathered(C::h_slot),
        }
    }

    /// d_gatesᵀ·B for `B` of `n` columns, `[G·H,n]`.
    fn over_rows<C: CellKernel>(
        &self,
        d: usize,
        slot: fn(usize) -> usize,
        b: &[*const f32],
        n: usize,
    ) -> Vec<f32> {
        let (hidden, hp) = (self.plan.hidden, self.hp);
        let a = rows(self.kept[d].gates.as_ptr(), C::SLOTS * hp, b.len());
        let offsets: Vec<usize> = (0..C::GATES * hidden)
            .map(|row| slot(row / hidden) * hp + row % hidden)
            .collect();
        let mut out = unwritten(C::GATES * hidden * n);
        let c = rows_mut(out.as_mut_ptr().cast(), n, C::GATES * hidden);
        let product = Product {
            n,
            k: b.len(),
            a: Left::Transposed {
                rows: &a,
                offsets: &offsets,
            },
            b: Right::Rows(b),
            c: &c,
            accumulate: false,
            bias: None,
        };
        // SAFETY: rows of d_gates and B have the lengths of the plan, the output its own, all of which the product writes.
        unsafe {
            product.run(self.level, self.threads);
            written(out)
        }
    }
}
