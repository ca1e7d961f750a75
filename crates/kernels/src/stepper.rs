//! One step at a time, batch 1, weights packed once, no allocation: for streams and for writing text.

use crate::error::expect;
use crate::gru::Gru;
use crate::layer::{Inputs, Plan, Weights, check_weights};
use crate::lstm::Lstm;
use crate::number::F32;
use crate::pack::{self, Column};
use crate::recurrence::{CellKernel, ForwardAt};
use crate::rnn::{Relu, Rnn, Tanh};
use crate::simd::{Kernel, Simd, dispatch};
use crate::tile::PANEL;
use crate::{Cell, Direction, KernelError, Level, Precision, reference};

/// A cell that carries on from step to step; the caller holds the state.
#[derive(Clone, Debug)]
pub struct Stepper {
    cell: Cell,
    level: Level,
    input: usize,
    hidden: usize,
    hp: usize,
    /// `[block][C + H][G·LANES]`: both weights under each other, block of units by block.
    packed: Vec<f32>,
    /// `[block][2][G·LANES]`: the sum of both biases (the input's alone for a gate kept apart), then the recurrent one.
    bias: Vec<f32>,
    /// `[C]`, then h before and after the step and c, `[hp]` each, then one row's slots.
    scratch: Vec<f32>,
    /// Weights as given, for the reference path.
    plain: Option<[Vec<f32>; 4]>,
}

impl Stepper {
    /// Packs the weights.
    ///
    /// # Errors
    /// A weight of the wrong size.
    pub fn new(
        cell: Cell,
        input: usize,
        hidden: usize,
        weights: &Weights,
    ) -> Result<Self, KernelError> {
        Self::at(Level::best(), cell, input, hidden, weights)
    }

    /// [`Self::new`] with the instruction set named.
    ///
    /// # Errors
    /// A weight of the wrong size.
    pub fn at(
        level: Level,
        cell: Cell,
        input: usize,
        hidden: usize,
        weights: &Weights,
    ) -> Result<Self, KernelError> {
        check_weights("stepper", cell, input, hidden, weights)?;
        let mut stepper = Self {
            cell,
            level,
            input,
            hidden,
            hp: 0,
            packed: Vec::new(),
            bias: Vec::new(),
            scratch: Vec::new(),
            plain: None,
        };
        if cell == Cell::GruResetBefore {
            let zeros = vec![0.0; 3 * hidden];
            stepper.plain = Some([
                weights.w_ih.to_vec(),
                weights.w_hh.to_vec(),
                weights.b_ih.unwrap_or(&zeros).to_vec(),
                weights.b_hh.unwrap_or(&zeros).to_vec(),
            ]);
        } else {
            dispatch(
                level,
                Pack {
                    stepper: &mut stepper,
                    weights,
                },
            );
        }
        Ok(stepper)
    }

    /// Reads `x` `[C]`; `h` `[H]` and, for a cell with memory, `c` `[H]` go from before the step to after it.
    ///
    /// # Errors
    /// A slice of the wrong size.
    pub fn step(&mut self, x: &[f32], h: &mut [f32], c: &mut [f32]) -> Result<(), KernelError> {
        expect("step", "x", self.input, x.len())?;
        expect("step", "h", self.hidden, h.len())?;
        let memory = self.cell.has_memory();
        expect("step", "c", if memory { self.hidden } else { 0 }, c.len())?;
        if let Some(plain) = &self.plain {
            h.copy_from_slice(&reference_step(self.cell, plain, x, h));
            return Ok(());
        }
        let (hidden, at) = (self.hidden, self.input);
        self.scratch[..at].copy_from_slice(x);
        self.scratch[at..at + hidden].copy_from_slice(h);
        let (next, memory_at) = (at + self.hp, at + 2 * self.hp);
        self.scratch[memory_at..memory_at + c.len()].copy_from_slice(c);
        match self.cell {
            Cell::RnnTanh => dispatch(self.level, Run::<Rnn<Tanh>>::new(self)),
            Cell::RnnRelu => dispatch(self.level, Run::<Rnn<Relu>>::new(self)),
            Cell::Lstm => dispatch(self.level, Run::<Lstm>::new(self)),
            Cell::Gru | Cell::GruResetBefore => dispatch(self.level, Run::<Gru>::new(self)),
        }
        h.copy_from_slice(&self.scratch[next..next + hidden]);
        c.copy_from_slice(&self.scratch[memory_at..memory_at + c.len()]);
        Ok(())
    }
}

fn reference_step(
    cell: Cell,
    [w_ih, w_hh, b_ih, b_hh]: &[Vec<f32>; 4],
    x: &[f32],
    h: &[f32],
) -> Vec<f32> {
    let plan = Plan {
        cell,
        batch: 1,
        time: 1,
        input: x.len(),
        hidden: h.len(),
        directions: &[Direction::Forward],
        lengths: None,
        precision: Precision::F32,
    };
    let weights = [Weights {
        w_ih,
        w_hh,
        b_ih: Some(b_ih),
        b_hh: Some(b_hh),
    }];
    let inputs = Inputs {
        x,
        weights: &weights,
        h0: Some(h),
        c0: None,
    };
    reference::forward(&plan, &inputs).h_n
}

struct Pack<'a> {
    stepper: &'a mut Stepper,
    weights: &'a Weights<'a>,
}

impl Kernel for Pack<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { stepper, weights } = self;
        let (input, hidden, gates) = (stepper.input, stepper.hidden, stepper.cell.gates());
        let (k, step) = (input + hidden, gates * S::LANES);
        let blocks = hidden.div_ceil(S::LANES);
        stepper.hp = blocks * S::LANES;
        stepper.packed = vec![0.0; blocks * k * step];
        stepper.bias = vec![0.0; blocks * 2 * step];
        stepper.scratch = vec![0.0; input + 3 * stepper.hp + 4 * S::LANES];
        for block in 0..blocks {
            let first = block * S::LANES;
            let width = S::LANES.min(hidden - first);
            for gate in 0..gates {
                let (row, at) = (
                    gate * hidden + first,
                    Column {
                        vector: gate,
                        vectors: gates,
                        width,
                    },
                );
                // SAFETY: `width` rows of each weight, and the block's panel.
                unsafe {
                    let dst = stepper.packed.as_mut_ptr().add(block * k * step);
                    pack::transposed::<S, F32>(
                        weights.w_ih.as_ptr().add(row * input),
                        input,
                        input,
                        at,
                        dst,
                    );
                    let dst = dst.add(input * step);
                    pack::transposed::<S, F32>(
                        weights.w_hh.as_ptr().add(row * hidden),
                        hidden,
                        hidden,
                        at,
                        dst,
                    );
                }
                let apart = matches!(stepper.cell, Cell::Gru) && gate == 2;
                for lane in 0..width {
                    let of = |b: Option<&[f32]>| b.map_or(0.0, |b| b[row + lane]);
                    let (b_ih, b_hh) = (of(weights.b_ih), of(weights.b_hh));
                    let to = block * 2 * step + gate * S::LANES + lane;
                    stepper.bias[to] = if apart { b_ih } else { b_ih + b_hh };
                    stepper.bias[to + step] = b_hh;
                }
            }
        }
    }
}

struct Run<'a, C> {
    stepper: &'a mut Stepper,
    cell: std::marker::PhantomData<C>,
}

impl<'a, C> Run<'a, C> {
    fn new(stepper: &'a mut Stepper) -> Self {
        Self {
            stepper,
            cell: std::marker::PhantomData,
        }
    }
}

impl<C: CellKernel> Kernel for Run<'_, C> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let base = self.stepper.scratch.as_mut_ptr();
        for block in 0..self.stepper.hp / S::LANES {
            // SAFETY: the block lies inside the packed weights, and `base` is the scratch, which nothing else uses meanwhile.
            unsafe { self.block::<S>(block, base) }
        }
    }
}

impl<C: CellKernel> Run<'_, C> {
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, block: usize, base: *mut f32) {
        let s = &*self.stepper;
        let (input, hp, unit) = (s.input, s.hp, block * S::LANES);
        let step = C::GATES * S::LANES;
        // SAFETY: as the caller promises.
        unsafe {
            let packed = s.packed.as_ptr().add(block * (input + s.hidden) * step);
            let bias = s.bias.as_ptr().add(block * 2 * step);
            let tile = S::TILES.f32.rows[C::GATES - 1][0];
            let mut sums = [[0.0f32; PANEL * 16]; 2];
            let h_prev = base.add(input);
            tile(
                input,
                [base.cast_const()].as_ptr(),
                packed,
                sums[0].as_mut_ptr(),
            );
            tile(
                s.hidden,
                [h_prev.cast_const()].as_ptr(),
                packed.add(input * step),
                sums[1].as_mut_ptr(),
            );
            let slots = base.add(input + 3 * hp);
            let mut acc = [S::splat(0.0); 4];
            for gate in 0..C::GATES {
                let at = gate * S::LANES;
                let x = S::add(S::load(sums[0].as_ptr().add(at)), S::load(bias.add(at)));
                let h = S::load(sums[1].as_ptr().add(at));
                acc[gate] = if C::INNER == Some(gate) {
                    S::store(slots, x);
                    S::add(h, S::load(bias.add(step + at)))
                } else {
                    S::add(x, h)
                };
            }
            let here = ForwardAt {
                gates: slots,
                hp: S::LANES,
                h_prev: h_prev.add(unit),
                c: base.add(input + 2 * hp + unit),
                cells: slots,
                keep: false,
            };
            let h = C::finish::<S>(&acc, &here);
            S::store(base.add(input + hp + unit), h);
        }
    }
}
