//! One step at a time for streams and for writing text: weights packed once and shared, states owned by their sessions.

use crate::call::{Cell, Precision, Weights};
use crate::cells::{CellKernel, ForwardAt, Visitor, for_cell_and_number};
use crate::error::{KernelError, expect, size};
use crate::number::{Number, Side, row_stride};
use crate::pool::{self, SharedPtr, share, unless_miri};
use crate::recurrence::{OwnPanel, Packed, beyond, fill, own_panels, own_weights, there_and_back};
use crate::reference::dot;
use crate::scratch::Lines;
use crate::simd::{Kernel, Level, Simd, dispatch};
use crate::tile::{Ahead, LINE, ROWS, Sums, Table, cover};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of weights, times rows, that are worth a thread: below it, handing out the work costs more than it brings.
pub(crate) const WORTH_A_THREAD: usize = unless_miri(512 << 10, 256);
/// Rows from which on a panel takes long enough to fetch the next one meanwhile.
pub(crate) const WORTH_FETCHING: usize = 3;

/// The weights of one direction of a layer, packed once for any number of sessions (in an [`Arc`](std::sync::Arc), for
/// instance).
///
/// **A session's output has the same bits alone, in any batch and at any place in it, and for any number of threads**,
/// in every [`Precision`] on every [`Level`]. These are the bits of [`crate::forward`] over the whole sequence, but for
/// bf16 on [`Level::Amx`]: AMX sums in an order of its own, so steps use AVX512_BF16 there.
///
/// ```
/// use refrain_kernels::{Cell, Precision, StepScratch, StepState, StepWeights, Weights};
/// let (w_ih, w_hh) = (vec![0.1; 8 * 4 * 3], vec![0.1; 8 * 4 * 8]);
/// let weights = Weights { w_ih: &w_ih, w_hh: &w_hh, b_ih: None, b_hh: None };
/// let weights = StepWeights::new(Cell::Lstm, Precision::F32, 3, 8, &weights)?;
/// let mut scratch = StepScratch::default();
/// let x = [1.0, 2.0, 3.0];
/// let mut sessions = vec![weights.zeros(); 5];
/// let mut rows: Vec<(&[f32], &mut StepState)> = sessions.iter_mut().map(|state| (&x[..], state)).collect();
/// weights.step_many(&mut rows, &mut scratch)?;
/// let mut alone = weights.zeros();
/// weights.step(&x, &mut alone, &mut scratch)?;
/// assert_eq!(alone, sessions[4]);
/// # Ok::<(), refrain_kernels::KernelError>(())
/// ```
#[derive(Debug)]
pub struct StepWeights {
    cell: Cell,
    level: Level,
    precision: Precision,
    input: usize,
    hidden: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Fast(Fast),
    /// For the cell without a fast path.
    ResetBefore(ResetBefore),
}

/// The state of a session in one layer between two steps: plain data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepState {
    /// `[H]`: the output of the last step.
    pub h: Vec<f32>,
    /// `[H]`; empty for a cell without memory.
    pub c: Vec<f32>,
}

impl StepState {
    /// The state before the first step.
    pub fn zeros(cell: Cell, hidden: usize) -> Self {
        Self {
            h: vec![0.0; hidden],
            c: vec![0.0; if cell.has_memory() { hidden } else { 0 }],
        }
    }
}

/// Buffers of a step, for [`StepWeights`] of any sizes. They grow with the largest step so far; a step that is no
/// larger allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct StepScratch {
    /// `[K,C]` and its words, which are unused where a word is a float.
    x: Rows,
    x_words: Rows,
    /// `[K,H]` before the step and its words.
    before: Rows,
    h_words: Rows,
    /// `[K,H]` after the step.
    after: Rows,
    /// `[K,H]`: the memory, in and out; for a cell without one, the step's own.
    memory: Rows,
    /// Scales of x and of h, row by row, for numbers that have any.
    scales: [Vec<f32>; 2],
}

/// Rows of floats, each from the start of a line of the cache on. All floats are initialised.
#[derive(Clone, Debug, Default)]
struct Rows {
    values: Lines,
    stride: usize,
}

impl Rows {
    /// Makes room for `count` rows of `width` floats, of any value. The caller has checked the sizes.
    fn shape(&mut self, count: usize, width: usize) {
        self.stride = row_stride(width);
        if self.values.bytes() / size_of::<f32>() < count * self.stride {
            self.values = Lines::zeros(count * self.stride);
        }
    }

    fn row_mut(&mut self, row: usize) -> &mut [f32] {
        let end = (row + 1) * self.stride;
        assert!(end <= self.values.bytes() / size_of::<f32>(), "row {row}");
        // SAFETY: the row lies inside the values, which were zeros at first, and is borrowed as they are.
        unsafe {
            let start = self.values.as_mut_ptr().add(row * self.stride);
            std::slice::from_raw_parts_mut(start, self.stride)
        }
    }

    /// Copies `values` to a row, with zeros behind up to the end of a vector.
    fn fill_row(&mut self, row: usize, values: &[f32]) {
        let (front, behind) = self.row_mut(row).split_at_mut(values.len());
        front.copy_from_slice(values);
        behind[..values.len().next_multiple_of(LINE) - values.len()].fill(0.0);
    }

    fn view(&mut self) -> View {
        View {
            start: SharedPtr(self.values.as_mut_ptr()),
            stride: self.stride,
        }
    }
}

/// [`Rows`] as the threads of a step see them.
#[derive(Clone, Copy)]
struct View {
    start: SharedPtr<f32>,
    stride: usize,
}

impl View {
    /// # Safety
    /// There is such a row.
    #[inline(always)]
    unsafe fn row(self, row: usize) -> *mut f32 {
        // SAFETY: the row lies inside the values.
        unsafe { self.start.get().add(row * self.stride) }
    }
}

const OP: &str = "step";

impl StepWeights {
    /// Packs the weights.
    ///
    /// # Errors
    /// A weight of the wrong size.
    pub fn new(
        cell: Cell,
        precision: Precision,
        input: usize,
        hidden: usize,
        weights: &Weights,
    ) -> Result<Self, KernelError> {
        Self::at(Level::best(), cell, precision, input, hidden, weights)
    }

    /// [`Self::new`] with the instruction set named.
    ///
    /// # Errors
    /// A weight of the wrong size.
    pub fn at(
        level: Level,
        cell: Cell,
        precision: Precision,
        input: usize,
        hidden: usize,
        weights: &Weights,
    ) -> Result<Self, KernelError> {
        weights.check("step weights", cell, input, hidden)?;
        // One unit for one row and for many, so that all have the same bits.
        let level = match level {
            Level::Amx => Level::Avx512Bf16,
            level => level,
        };
        let sizes = [input, hidden];
        let pack = Pack {
            level,
            weights,
            sizes,
        };
        let kind = match for_cell_and_number(cell, precision, pack) {
            Some(fast) => Kind::Fast(fast),
            None => Kind::ResetBefore(ResetBefore::new(hidden, weights)),
        };
        Ok(Self {
            cell,
            level,
            precision,
            input,
            hidden,
            kind,
        })
    }

    /// The recurrence.
    pub fn cell(&self) -> Cell {
        self.cell
    }

    /// `C`
    pub fn input(&self) -> usize {
        self.input
    }

    /// `H`
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// Bytes of packed weights that a step reads.
    pub fn bytes(&self) -> usize {
        match &self.kind {
            Kind::Fast(fast) => fast.bytes(),
            Kind::ResetBefore(gru) => size_of_val(&*gru.w_ih) + size_of_val(&*gru.w_hh),
        }
    }

    /// The state of a new session.
    pub fn zeros(&self) -> StepState {
        StepState::zeros(self.cell, self.hidden)
    }

    /// One step of one session: reads `x` `[C]` and takes `state` from before the step to after it.
    ///
    /// # Errors
    /// A slice of the wrong size; the state is unchanged then.
    pub fn step(
        &self,
        x: &[f32],
        state: &mut StepState,
        scratch: &mut StepScratch,
    ) -> Result<(), KernelError> {
        self.step_many(&mut [(x, state)], scratch)
    }

    /// One step of `K` sessions, which reads the weights once for all of them.
    ///
    /// A row is a session's input `[C]` and its state in this layer. The output is the state's `h`, which the layer
    /// above reads as its input.
    ///
    /// # Errors
    /// A slice of the wrong size; all states are unchanged then.
    pub fn step_many(
        &self,
        rows: &mut [(&[f32], &mut StepState)],
        scratch: &mut StepScratch,
    ) -> Result<(), KernelError> {
        self.shape(rows.len(), scratch)?;
        for (row, (x, state)) in rows.iter().enumerate() {
            self.check(x, state)?;
            scratch.x.fill_row(row, x);
            scratch.before.fill_row(row, &state.h);
            scratch.memory.fill_row(row, &state.c);
        }
        match &self.kind {
            Kind::Fast(fast) => self.run(fast, rows.len(), scratch),
            Kind::ResetBefore(gru) => {
                (0..rows.len()).for_each(|row| gru.step(self.input, self.hidden, row, scratch));
            }
        }
        for (row, (_, StepState { h, c })) in rows.iter_mut().enumerate() {
            let [units, memory] = [h.len(), c.len()];
            h.copy_from_slice(&scratch.after.row_mut(row)[..units]);
            c.copy_from_slice(&scratch.memory.row_mut(row)[..memory]);
        }
        Ok(())
    }

    fn check(&self, x: &[f32], state: &StepState) -> Result<(), KernelError> {
        expect(OP, "x", &[self.input], x.len())?;
        expect(OP, "h", &[self.hidden], state.h.len())?;
        let memory = match self.cell.has_memory() {
            true => self.hidden,
            false => 0,
        };
        expect(OP, "c", &[memory], state.c.len())
    }

    /// Makes room for a step of so many rows.
    fn shape(&self, rows: usize, scratch: &mut StepScratch) -> Result<(), KernelError> {
        let widest = row_stride(self.input.max(self.hidden));
        size(OP, "scratch", &[rows, widest])?;
        scratch.x.shape(rows, self.input);
        scratch.before.shape(rows, self.hidden);
        scratch.after.shape(rows, self.hidden);
        scratch.memory.shape(rows, self.hidden);
        let values_of_a_word = match self.precision {
            Precision::F32 => return Ok(()),
            Precision::Bf16 => 2,
            Precision::Int8 => 4,
        };
        scratch
            .x_words
            .shape(rows, self.input.div_ceil(values_of_a_word));
        scratch
            .h_words
            .shape(rows, self.hidden.div_ceil(values_of_a_word));
        for scales in &mut scratch.scales {
            scales.resize(scales.len().max(rows), 1.0);
        }
        Ok(())
    }

    fn run(&self, fast: &Fast, rows: usize, scratch: &mut StepScratch) {
        let (cell, precision) = (self.cell, self.precision);
        let [x_scales, h_scales] = scratch.scales.each_mut().map(|scales| scales.as_mut_ptr());
        let sides = [
            (&mut scratch.x, &mut scratch.x_words, x_scales, self.input),
            (
                &mut scratch.before,
                &mut scratch.h_words,
                h_scales,
                self.hidden,
            ),
        ];
        let operands = sides.map(|(values, words, scales, width)| Operand {
            values: values.view(),
            words: match precision {
                Precision::F32 => values.view(),
                _ => words.view(),
            },
            scales: SharedPtr(scales),
            width,
        });
        let words = ToWords {
            level: self.level,
            operands,
            rows,
        };
        for_cell_and_number(cell, precision, words);
        let bytes = fast.bytes();
        let useful = (bytes.saturating_mul(rows) / WORTH_A_THREAD).max(1);
        let threads = pool::threads().min(useful);
        let turn = fast.turn.load(Ordering::Relaxed);
        fast.turn.store(turn.wrapping_add(1), Ordering::Relaxed);
        let (after, memory) = (scratch.after.view(), scratch.memory.view());
        pool::run(threads, |id, threads| {
            let step = Step {
                level: self.level,
                fast,
                panels: &fast.panels[share(fast.panels.len(), id, threads)],
                rows,
                operands,
                after,
                memory,
                turn,
                bytes: bytes / threads,
            };
            for_cell_and_number(cell, precision, step);
        });
    }
}

/// Packed weights of a cell with a fast path.
#[derive(Debug)]
struct Fast {
    sides: [Packed; 2],
    panels: Vec<OwnPanel>,
    /// Counts steps, whose panels are taken there and back: a step begins with the panels that the one before has left
    /// in the cache. Only speed depends on it.
    turn: AtomicUsize,
}

impl Fast {
    fn bytes(&self) -> usize {
        self.sides.iter().map(Packed::bytes).sum()
    }
}

/// A GRU with the reset gate before the product, equation by equation as in [`mod@crate::reference`].
#[derive(Debug)]
struct ResetBefore {
    w_ih: Vec<f32>,
    w_hh: Vec<f32>,
    b_ih: Vec<f32>,
    b_hh: Vec<f32>,
}

impl ResetBefore {
    fn new(hidden: usize, weights: &Weights) -> Self {
        let bias = |b: Option<&[f32]>| b.map_or_else(|| vec![0.0; 3 * hidden], <[f32]>::to_vec);
        Self {
            w_ih: weights.w_ih.to_vec(),
            w_hh: weights.w_hh.to_vec(),
            b_ih: bias(weights.b_ih),
            b_hh: bias(weights.b_hh),
        }
    }

    /// One row of a step.
    fn step(&self, input: usize, hidden: usize, row: usize, scratch: &mut StepScratch) {
        let x = &scratch.x.row_mut(row)[..input];
        let h = &scratch.before.row_mut(row)[..hidden];
        // z, then h after the step.
        let update = &mut scratch.after.row_mut(row)[..hidden];
        // r⊙h
        let reset = &mut scratch.memory.row_mut(row)[..hidden];
        // W x + b + U v + b' of a row of weights.
        let sum = |row: usize, v: &[f32]| {
            let from_x = dot(&self.w_ih[row * input..][..input], x) + self.b_ih[row];
            from_x + (dot(&self.w_hh[row * hidden..][..hidden], v) + self.b_hh[row])
        };
        let sigmoid = |a: f32| 1.0 / (1.0 + (-a).exp());
        for unit in 0..hidden {
            reset[unit] = sigmoid(sum(unit, h)) * h[unit];
            update[unit] = sigmoid(sum(hidden + unit, h));
        }
        for unit in 0..hidden {
            let n = sum(2 * hidden + unit, reset).tanh();
            update[unit] = update[unit] * h[unit] + (1.0 - update[unit]) * n;
        }
    }
}

/// Packs the weights.
struct Pack<'a> {
    level: Level,
    weights: &'a Weights<'a>,
    sizes: [usize; 2],
}

struct PackAs<'a, C, N>(Pack<'a>, PhantomData<(C, N)>);

impl Visitor for Pack<'_> {
    type Output = Fast;

    fn visit<C: CellKernel, N: Number>(self) -> Fast {
        dispatch(self.level, PackAs::<C, N>(self, PhantomData))
    }
}

impl<C: CellKernel, N: Number> Kernel for PackAs<'_, C, N> {
    type Output = Fast;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Fast {
        let Pack {
            level,
            weights,
            sizes,
        } = self.0;
        let (table, blocks) = (Table::of::<N>(level), sizes[1].div_ceil(S::LANES));
        Fast {
            sides: own_weights::<S, C, N>(weights, sizes, 0..blocks, table),
            panels: own_panels::<C>(table, 0..blocks),
            turn: AtomicUsize::new(0),
        }
    }
}

/// A left operand: x or h.
#[derive(Clone, Copy)]
struct Operand {
    /// `[K,width]`
    values: View,
    /// The same as the tiles read it.
    words: View,
    /// `[K]`, for numbers that have any.
    scales: SharedPtr<f32>,
    width: usize,
}

/// Turns rows of both operands into words, where those are not floats.
struct ToWords {
    level: Level,
    operands: [Operand; 2],
    rows: usize,
}

struct ToWordsOf<N>(ToWords, PhantomData<N>);

impl Visitor for ToWords {
    type Output = ();

    fn visit<C: CellKernel, N: Number>(self) {
        if N::PACK > 1 {
            dispatch(self.level, ToWordsOf::<N>(self, PhantomData));
        }
    }
}

impl<N: Number> Kernel for ToWordsOf<N> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let ToWords { operands, rows, .. } = self.0;
        for operand in operands {
            for row in 0..rows {
                // SAFETY: `shape` has made room for the values, words and scales of all rows.
                unsafe {
                    let src = operand.values.row(row).cast_const();
                    let scale = N::scale::<S>(src, operand.width);
                    let dst = operand.words.row(row);
                    N::store_row::<S>(Side::Left, src, operand.width, scale, dst);
                    *operand.scales.get().add(row) = scale;
                }
            }
        }
    }
}

/// The step itself, for the panels of one thread.
struct Step<'a> {
    level: Level,
    fast: &'a Fast,
    panels: &'a [OwnPanel],
    rows: usize,
    operands: [Operand; 2],
    after: View,
    memory: View,
    turn: usize,
    /// Bytes of weights that a thread reads.
    bytes: usize,
}

struct StepOf<'a, C, N> {
    step: Step<'a>,
    table: &'static Table,
    /// Whether most of the weights lie beyond the second cache.
    beyond: bool,
    kind: PhantomData<(C, N)>,
}

impl Visitor for Step<'_> {
    type Output = ();

    fn visit<C: CellKernel, N: Number>(self) {
        let step = StepOf::<C, N> {
            table: Table::of::<N>(self.level),
            beyond: beyond(self.bytes),
            kind: PhantomData,
            step: self,
        };
        dispatch(step.step.level, step);
    }
}

impl<C: CellKernel, N: Number> Kernel for StepOf<'_, C, N> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Step {
            panels, rows, turn, ..
        } = self.step;
        let fetch = rows >= WORTH_FETCHING && !fill(self.step.bytes, self.table.prefetch_eighths);
        for (panel, next) in there_and_back(panels.len(), turn) {
            let next = next.filter(|_| fetch).map(|next| &panels[next]);
            // SAFETY: panels lie inside the packed weights. Each is taken by one thread, which alone writes its units
            // of h and c; x and h before the step are only read.
            unsafe { self.panel::<S>(&panels[panel], next) }
        }
    }
}

impl<C: CellKernel, N: Number> StepOf<'_, C, N> {
    /// The units of a panel in all rows; weights of the `next` panel are fetched.
    ///
    /// # Safety
    /// The instruction set of `S` is there, both panels lie inside the packed weights, and no other thread touches the
    /// panel's units of `after` and `memory`.
    #[inline(always)]
    unsafe fn panel<S: Simd>(&self, panel: &OwnPanel, next: Option<&OwnPanel>) {
        let Step { fast, operands, .. } = self.step;
        let (mut sums, mut pointers) = ([Sums::new(), Sums::new()], [std::ptr::null(); ROWS]);
        let sums = sums.each_mut().map(Sums::as_mut_ptr);
        let tiles = cover(0..self.step.rows, self.table.most_rows[panel.vectors - 1]);
        for (i, (first, count)) in tiles.enumerate() {
            let tile = self.table.tile_from(self.beyond, panel.vectors, count);
            for ((weights, operand), sums) in fast.sides.iter().zip(operands).zip(sums) {
                // SAFETY: rows `first..first + count` of the operands hold `k` words each, the panel `k` words of its
                // vectors, and `sums` takes the largest tile.
                unsafe {
                    for r in 0..count {
                        pointers[r] = operand.words.row(first + r).cast_const();
                    }
                    let next = next.map_or(std::ptr::null(), |next| weights.at::<S>(next));
                    let ahead = Ahead::panel(next, i, weights.k, panel.vectors);
                    let (a, b) = (pointers.as_ptr(), weights.at::<S>(panel));
                    tile(count, weights.k, a, b, sums, ahead);
                }
            }
            // SAFETY: the tiles have just written the sums of these rows.
            unsafe { self.rows::<S>(panel, first, count, sums) }
        }
    }

    /// Activation of `count` rows from the `sums` of x and h.
    ///
    /// # Safety
    /// As [`Self::panel`]; `sums` hold the products of the rows from `first` on with the panel.
    #[inline(always)]
    unsafe fn rows<S: Simd>(
        &self,
        panel: &OwnPanel,
        first: usize,
        count: usize,
        [x_sums, h_sums]: [*mut f32; 2],
    ) {
        let [w_ih, w_hh] = &self.step.fast.sides;
        let [x, h] = self.step.operands;
        let place = |r: usize, block: usize| (r * panel.vectors + block * C::GATES) * S::LANES;
        // SAFETY: the units of the panel lie inside the padded rows, the vectors of a row inside its sums.
        unsafe {
            let at = |r: usize, block: usize| {
                let unit = (panel.block + block) * S::LANES;
                ForwardAt {
                    gates: std::ptr::null_mut(),
                    hp: 0,
                    h_prev: h.values.row(first + r).add(unit),
                    c: self.step.memory.row(first + r).add(unit),
                    cells: std::ptr::null_mut(),
                    keep: false,
                }
            };
            for r in 0..count {
                let [x_scale, h_scale] = match N::SCALED {
                    true => [x, h].map(|operand| *operand.scales.get().add(first + r)),
                    false => [1.0; 2],
                };
                for block in 0..panel.blocks {
                    let own = place(r, block);
                    let mut acc = [S::splat(0.0); 4];
                    for gate in 0..C::GATES {
                        let (v, from) = (block * C::GATES + gate, own + gate * S::LANES);
                        let x = w_ih.value::<S, N>(panel, v, S::load(x_sums.add(from)), x_scale);
                        let h = w_hh.value::<S, N>(panel, v, S::load(h_sums.add(from)), h_scale);
                        let x = S::add(x, w_ih.bias::<S>(panel, v));
                        acc[gate] = if C::INNER == Some(gate) {
                            acc[C::GATES] = x;
                            S::add(h, w_hh.bias::<S>(panel, v))
                        } else {
                            S::add(h, x)
                        };
                    }
                    let activated = C::activate::<S>(&acc, &at(r, block));
                    for i in 0..C::GATES.min(2) {
                        S::store(x_sums.add(own + i * S::LANES), activated[i]);
                    }
                }
            }
            for r in 0..count {
                for block in 0..panel.blocks {
                    let own = place(r, block);
                    let mut activated = [S::splat(0.0); 2];
                    for i in 0..C::GATES.min(2) {
                        activated[i] = S::load(x_sums.add(own + i * S::LANES));
                    }
                    let h = C::output::<S>(activated, &at(r, block));
                    let unit = (panel.block + block) * S::LANES;
                    S::store(self.step.after.row(first + r).add(unit), h);
                }
            }
        }
    }
}
