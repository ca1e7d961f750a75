//! One step at a time, batch 1, weights packed once, no allocation: for streams and for writing text.

use crate::call::{Cell, Precision, Weights};
use crate::cells::{CellKernel, ForwardAt, Gru, Lstm, Relu, Rnn, Tanh};
use crate::error::{KernelError, expect};
use crate::number::{Bf16, F32, Int8, Number, Side};
use crate::pool::{self, SharedPtr, share};
use crate::recurrence::{OwnPanel, Packed, beyond, own_panels, own_weights, there_and_back};
use crate::simd::{Kernel, Level, Simd, dispatch};
use crate::tile::{Ahead, PANEL, Table};
use std::marker::PhantomData;

/// Weights that are worth a thread: below it, handing out the work costs more than it brings.
const WORTH_A_THREAD: usize = 512 << 10;

/// A cell that carries on from step to step; the caller holds the state.
#[derive(Clone, Debug)]
pub struct Stepper {
    cell: Cell,
    level: Level,
    precision: Precision,
    input: usize,
    hidden: usize,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Fast(Box<Fast>),
    /// For the cell without a fast path.
    ResetBefore(ResetBefore),
}

#[derive(Clone, Debug)]
struct Fast {
    sides: [Packed; 2],
    panels: Vec<OwnPanel>,
    /// Words of x and of h before the step; unused where a word is a float.
    words: [Vec<f32>; 2],
    /// The scales of both, for numbers that have any.
    scales: [f32; 2],
    /// Steps so far: their panels are taken there and back.
    steps: usize,
    /// h before and after the step, and c, padded.
    state: [Vec<f32>; 3],
}

/// Runs `$kernel::<Cell, Number>` for instruction set, cell and precision; `None` for a cell without a fast path.
macro_rules! fast_path {
    ($kind:expr, $kernel:ident { $($field:ident: $value:expr),* }) => {{
        let (level, cell, precision): (Level, Cell, Precision) = $kind;
        macro_rules! run {
            ($cell:ty, $number:ty) => {
                Some(dispatch(
                    level,
                    $kernel::<$cell, $number> {
                        $($field: $value,)*
                        table: Table::of::<$number>(level),
                        kind: PhantomData,
                    },
                ))
            };
        }
        match (cell, precision) {
            (Cell::RnnTanh, Precision::F32) => run!(Rnn<Tanh>, F32),
            (Cell::RnnTanh, Precision::Bf16) => run!(Rnn<Tanh>, Bf16),
            (Cell::RnnTanh, Precision::Int8) => run!(Rnn<Tanh>, Int8),
            (Cell::RnnRelu, Precision::F32) => run!(Rnn<Relu>, F32),
            (Cell::RnnRelu, Precision::Bf16) => run!(Rnn<Relu>, Bf16),
            (Cell::RnnRelu, Precision::Int8) => run!(Rnn<Relu>, Int8),
            (Cell::Lstm, Precision::F32) => run!(Lstm, F32),
            (Cell::Lstm, Precision::Bf16) => run!(Lstm, Bf16),
            (Cell::Lstm, Precision::Int8) => run!(Lstm, Int8),
            (Cell::Gru, Precision::F32) => run!(Gru, F32),
            (Cell::Gru, Precision::Bf16) => run!(Gru, Bf16),
            (Cell::Gru, Precision::Int8) => run!(Gru, Int8),
            (Cell::GruResetBefore, _) => None,
        }
    }};
}

impl Stepper {
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
        weights.check("stepper", cell, input, hidden)?;
        let sizes = [input, hidden];
        let fast = fast_path!(
            (level, cell, precision),
            Pack {
                weights: weights,
                sizes: sizes
            }
        );
        let kind = match fast {
            Some(fast) => Kind::Fast(Box::new(fast)),
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

    /// Reads `x` `[C]`; `h` `[H]` and, for a cell with memory, `c` `[H]` go from before the step to after it.
    ///
    /// # Errors
    /// A slice of the wrong size.
    pub fn step(&mut self, x: &[f32], h: &mut [f32], c: &mut [f32]) -> Result<(), KernelError> {
        expect("step", "x", &[self.input], x.len())?;
        expect("step", "h", &[self.hidden], h.len())?;
        let memory = self.cell.has_memory();
        expect(
            "step",
            "c",
            &[if memory { self.hidden } else { 0 }],
            c.len(),
        )?;
        let fast = match &mut self.kind {
            Kind::Fast(fast) => fast,
            Kind::ResetBefore(gru) => {
                gru.step(x, h);
                return Ok(());
            }
        };
        let [before, after, cells] = &mut fast.state;
        before[..h.len()].copy_from_slice(h);
        cells[..c.len()].copy_from_slice(c);
        let state = [before, after, cells].map(|values| SharedPtr(values.as_mut_ptr()));
        let words = fast
            .words
            .each_mut()
            .map(|words| SharedPtr(words.as_mut_ptr()));
        let kind = (self.level, self.cell, self.precision);
        let scales = fast_path!(
            kind,
            ToWords {
                x: x,
                h: h,
                words: words
            }
        );
        fast.scales = scales.unwrap_or(fast.scales);
        fast.steps = fast.steps.wrapping_add(1);
        let fast = &**fast;
        let bytes: usize = fast.sides.iter().map(Packed::bytes).sum();
        let threads = pool::threads().clamp(1, (bytes / WORTH_A_THREAD).max(1));
        let beyond = beyond(bytes / threads);
        pool::run(threads, |id| {
            let panels = &fast.panels[share(fast.panels.len(), id, threads)];
            fast_path!(
                kind,
                Run {
                    fast: fast,
                    panels: panels,
                    beyond: beyond,
                    x: x,
                    words: words,
                    state: state
                }
            );
        });
        h.copy_from_slice(&fast.state[1][..h.len()]);
        c.copy_from_slice(&fast.state[2][..c.len()]);
        Ok(())
    }
}

/// A GRU with the reset gate before the product, equation by equation.
#[derive(Clone, Debug)]
struct ResetBefore {
    w_ih: Vec<f32>,
    w_hh: Vec<f32>,
    b_ih: Vec<f32>,
    b_hh: Vec<f32>,
    /// r⊙h, then z.
    scratch: [Vec<f32>; 2],
}

impl ResetBefore {
    fn new(hidden: usize, weights: &Weights) -> Self {
        let bias = |b: Option<&[f32]>| b.map_or_else(|| vec![0.0; 3 * hidden], <[f32]>::to_vec);
        Self {
            w_ih: weights.w_ih.to_vec(),
            w_hh: weights.w_hh.to_vec(),
            b_ih: bias(weights.b_ih),
            b_hh: bias(weights.b_hh),
            scratch: [vec![0.0; hidden], vec![0.0; hidden]],
        }
    }

    fn step(&mut self, x: &[f32], h: &mut [f32]) {
        let (hidden, input) = (h.len(), x.len());
        let [reset, update] = &mut self.scratch;
        let dot = |w: &[f32], v: &[f32]| -> f32 { w.iter().zip(v).map(|(w, v)| w * v).sum() };
        // W x + b + U v + b' of a row.
        let sum = |row: usize, v: &[f32]| {
            dot(&self.w_ih[row * input..][..input], x)
                + self.b_ih[row]
                + dot(&self.w_hh[row * hidden..][..hidden], v)
                + self.b_hh[row]
        };
        let sigmoid = |a: f32| 1.0 / (1.0 + (-a).exp());
        for unit in 0..hidden {
            reset[unit] = sigmoid(sum(unit, h)) * h[unit];
            update[unit] = sigmoid(sum(hidden + unit, h));
        }
        for unit in 0..hidden {
            let n = sum(2 * hidden + unit, reset).tanh();
            h[unit] = update[unit] * h[unit] + (1.0 - update[unit]) * n;
        }
    }
}

/// Packs the weights.
struct Pack<'a, C, N> {
    weights: &'a Weights<'a>,
    sizes: [usize; 2],
    table: &'static Table,
    kind: PhantomData<(C, N)>,
}

impl<C: CellKernel, N: Number> Kernel for Pack<'_, C, N> {
    type Output = Fast;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Fast {
        let [input, hidden] = self.sizes;
        let blocks = hidden.div_ceil(S::LANES);
        let words = |values| vec![0.0; if N::PACK > 1 { N::count(values) } else { 0 }];
        Fast {
            sides: own_weights::<S, C, N>(self.weights, self.sizes, 0..blocks, self.table),
            panels: own_panels::<C>(self.table, 0..blocks),
            words: [words(input), words(hidden)],
            scales: [1.0; 2],
            steps: 0,
            state: [(); 3].map(|()| vec![0.0; blocks * S::LANES]),
        }
    }
}

/// Turns x and h into words, where those are not floats; gives their scales.
struct ToWords<'a, C, N> {
    x: &'a [f32],
    h: &'a [f32],
    words: [SharedPtr<f32>; 2],
    table: &'static Table,
    kind: PhantomData<(C, N)>,
}

impl<C: CellKernel, N: Number> Kernel for ToWords<'_, C, N> {
    type Output = [f32; 2];

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> [f32; 2] {
        let _ = self.table;
        let mut scales = [1.0; 2];
        if N::PACK > 1 {
            for (i, values) in [self.x, self.h].into_iter().enumerate() {
                let (src, count) = (values.as_ptr(), values.len());
                // SAFETY: `Pack` has made room for the words of both.
                unsafe {
                    scales[i] = N::scale::<S>(src, count);
                    N::store_row::<S>(Side::Left, src, count, scales[i], self.words[i].get());
                }
            }
        }
        scales
    }
}

/// The step itself, for some panels.
struct Run<'a, C, N> {
    fast: &'a Fast,
    panels: &'a [OwnPanel],
    /// Whether most of the weights lie beyond the second cache.
    beyond: bool,
    x: &'a [f32],
    words: [SharedPtr<f32>; 2],
    state: [SharedPtr<f32>; 3],
    table: &'static Table,
    kind: PhantomData<(C, N)>,
}

impl<C: CellKernel, N: Number> Kernel for Run<'_, C, N> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for (panel, _) in there_and_back(self.panels.len(), self.fast.steps) {
            // SAFETY: each panel is taken by one thread, which alone writes its units of h and c.
            unsafe { self.panel::<S>(&self.panels[panel]) }
        }
    }
}

impl<C: CellKernel, N: Number> Run<'_, C, N> {
    #[inline(always)]
    unsafe fn panel<S: Simd>(&self, panel: &OwnPanel) {
        let [w_ih, w_hh] = &self.fast.sides;
        let [before, after, cells] = self.state.map(SharedPtr::get);
        let operands = match N::PACK {
            1 => [self.x.as_ptr(), before.cast_const()],
            _ => self.words.map(|words| words.get().cast_const()),
        };
        let tile = match self.beyond {
            true => self.table.early[panel.vectors - 1][0],
            false => self.table.single[panel.vectors - 1],
        };
        let mut sums = [[0.0f32; PANEL * 16]; 2];
        // SAFETY: as the caller promises; panels lie inside the packed weights, units inside the padded state.
        unsafe {
            for ((side, operand), sums) in [w_ih, w_hh].into_iter().zip(&operands).zip(&mut sums) {
                tile(
                    1,
                    side.k,
                    operand,
                    side.at::<S>(panel),
                    sums.as_mut_ptr(),
                    Ahead::NOTHING,
                );
            }
            for block in 0..panel.blocks {
                let unit = (panel.block + block) * S::LANES;
                let mut acc = [S::splat(0.0); 4];
                for gate in 0..C::GATES {
                    let v = block * C::GATES + gate;
                    let [x, h] = sums
                        .each_ref()
                        .map(|sums| S::load(sums.as_ptr().add(v * S::LANES)));
                    let [x_scale, h_scale] = self.fast.scales;
                    let x = w_ih.value::<S, N>(panel, v, x, x_scale);
                    let h = w_hh.value::<S, N>(panel, v, h, h_scale);
                    let x = S::add(x, w_ih.bias::<S>(panel, v));
                    acc[gate] = if C::INNER == Some(gate) {
                        acc[C::GATES] = x;
                        S::add(h, w_hh.bias::<S>(panel, v))
                    } else {
                        S::add(x, h)
                    };
                }
                let here = ForwardAt {
                    gates: std::ptr::null_mut(),
                    hp: 0,
                    h_prev: before.add(unit),
                    c: cells.add(unit),
                    cells: std::ptr::null_mut(),
                    keep: false,
                };
                let activated = C::activate::<S>(&acc, &here);
                S::store(after.add(unit), C::output::<S>(activated, &here));
            }
        }
    }
}
