//! A dense layer with weights packed once, for steps of many sessions: logits of a language model, for instance.

use crate::error::{KernelError, expect, expect_some, size};
use crate::number::F32;
use crate::pack::{self, Column};
use crate::pool::{self, SharedPtr, share};
use crate::product::block_words;
use crate::recurrence::{beyond, fill};
use crate::scratch::Lines;
use crate::simd::{Kernel, Level, Simd, dispatch, load_edge, store_edge};
use crate::stepper::{WORTH_A_THREAD, WORTH_FETCHING};
use crate::tile::{Ahead, PANEL, ROWS, Sums, Table, cover};

const OP: &str = "linear";

/// Weights `[V,C]` and bias `[V]` of a dense layer, packed once for any number of sessions.
///
/// **A row's result has the same bits alone, in any batch and at any place in it, and for any number of threads.** They
/// are those of [`crate::softmax::linear`].
#[derive(Debug)]
pub struct LinearWeights {
    level: Level,
    input: usize,
    output: usize,
    bias: Option<Vec<f32>>,
    /// Panel by panel, `[C][vectors·LANES]` each.
    values: Lines,
    /// First vector of columns of each panel, and how many it has.
    panels: Vec<(usize, usize)>,
}

impl LinearWeights {
    /// Packs `w` `[V,C]` and `b` `[V]`, zeros if absent, for inputs of `C` = `input` and results of `V` = `output`
    /// values.
    ///
    /// # Errors
    /// A slice of the wrong size.
    pub fn new(
        w: &[f32],
        b: Option<&[f32]>,
        input: usize,
        output: usize,
    ) -> Result<Self, KernelError> {
        Self::at(Level::best(), w, b, input, output)
    }

    /// [`Self::new`] with the instruction set named.
    ///
    /// # Errors
    /// A slice of the wrong size.
    pub fn at(
        level: Level,
        w: &[f32],
        b: Option<&[f32]>,
        input: usize,
        output: usize,
    ) -> Result<Self, KernelError> {
        expect(OP, "w", &[output, input], w.len())?;
        expect_some(OP, "b", &[output], b)?;
        // Columns are filled up to whole vectors.
        size(OP, "packed weights", &[output.div_ceil(16), 16, input])?;
        let pack = Pack {
            level,
            w,
            sizes: [input, output],
        };
        let (values, panels) = dispatch(level, pack);
        Ok(Self {
            level,
            input,
            output,
            bias: b.map(<[f32]>::to_vec),
            values,
            panels,
        })
    }

    /// `C`
    pub fn input(&self) -> usize {
        self.input
    }

    /// `V`
    pub fn output(&self) -> usize {
        self.output
    }

    /// x·wᵀ + b for each of the `rows` `[C]`, into `out` `[K,V]`.
    ///
    /// # Errors
    /// A slice of the wrong size; `out` is unchanged then.
    pub fn apply(&self, rows: &[&[f32]], out: &mut [f32]) -> Result<(), KernelError> {
        for x in rows {
            expect(OP, "x", &[self.input], x.len())?;
        }
        expect(OP, "out", &[rows.len(), self.output], out.len())?;
        let bytes = self.values.bytes();
        let useful = (bytes.saturating_mul(rows.len()) / WORTH_A_THREAD).max(1);
        let out = SharedPtr(out.as_mut_ptr());
        pool::run(pool::threads().min(useful), |id, threads| {
            let part = Part {
                weights: self,
                panels: &self.panels[share(self.panels.len(), id, threads)],
                bytes: bytes / threads,
                rows,
                out,
            };
            dispatch(self.level, part);
        });
        Ok(())
    }
}

/// Packs the weights.
struct Pack<'a> {
    level: Level,
    w: &'a [f32],
    sizes: [usize; 2],
}

impl Kernel for Pack<'_> {
    type Output = (Lines, Vec<(usize, usize)>);

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Self::Output {
        let [input, output] = self.sizes;
        let vectors = output.div_ceil(S::LANES);
        let panels: Vec<_> = Table::of::<F32>(self.level)
            .panels(0..vectors, PANEL)
            .collect();
        let mut values = Lines::unwritten(vectors * S::LANES * input);
        for &(first, vectors) in &panels {
            for vector in 0..vectors {
                let column = (first + vector) * S::LANES;
                let at = Column {
                    vector,
                    vectors,
                    width: S::LANES.min(output - column),
                };
                // SAFETY: `width` rows of w follow `column`, and the panel lies inside `values`. The caller has the
                // instruction set.
                unsafe {
                    let src = self.w.as_ptr().add(column * input);
                    let dst = values.as_mut_ptr().add(first * S::LANES * input);
                    pack::transposed::<S, F32>(src, input, input, &[1.0; 16], at, dst);
                }
            }
        }
        (values, panels)
    }
}

/// The panels of one thread, for all rows.
struct Part<'a> {
    weights: &'a LinearWeights,
    panels: &'a [(usize, usize)],
    /// Bytes of weights that the thread reads.
    bytes: usize,
    rows: &'a [&'a [f32]],
    out: SharedPtr<f32>,
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let table = Table::of::<F32>(self.weights.level);
        let fetch = self.rows.len() >= WORTH_FETCHING && !fill(self.bytes, table.prefetch_eighths);
        for (i, &panel) in self.panels.iter().enumerate() {
            let next = self.panels.get(i + 1).filter(|_| fetch);
            let next = next.map_or(std::ptr::null(), |next| self.panel::<S>(next.0));
            let tiles = cover(0..self.rows.len(), table.most_rows[panel.1 - 1]);
            for (i, (first, count)) in tiles.enumerate() {
                let ahead = Ahead::panel(next, i, self.weights.input, panel.1);
                // SAFETY: the rows are there; the panel is this thread's own, and so are its columns of `out`.
                unsafe { self.tile::<S>(table, panel, first..first + count, ahead) }
            }
        }
    }
}

impl Part<'_> {
    /// The panel that begins at vector `first`.
    #[inline(always)]
    fn panel<S: Simd>(&self, first: usize) -> *const f32 {
        let before = first * S::LANES * self.weights.input;
        self.weights.values.as_ptr().wrapping_add(before)
    }

    /// Some rows, no more than the largest tile has, against a panel. Sums have the blocks of
    /// [`crate::product::Product`].
    ///
    /// # Safety
    /// The instruction set of `S` is there; the rows and the panel are, and no other thread touches the panel's columns
    /// of `out`.
    #[inline(always)]
    unsafe fn tile<S: Simd>(
        &self,
        table: &Table,
        (vector, vectors): (usize, usize),
        rows: std::ops::Range<usize>,
        mut ahead: Ahead,
    ) {
        let LinearWeights { input, output, .. } = *self.weights;
        let tile = table.tile_from(beyond(self.bytes), vectors, rows.len());
        let (mut sums, mut pointers) = (Sums::new(), [std::ptr::null(); ROWS]);
        let sums = sums.as_mut_ptr();
        let mut start = 0;
        loop {
            let k = block_words(input).min(input - start);
            for (pointer, row) in pointers.iter_mut().zip(&self.rows[rows.clone()]) {
                *pointer = row.as_ptr().wrapping_add(start);
            }
            let b = self
                .panel::<S>(vector)
                .wrapping_add(start * vectors * S::LANES);
            // SAFETY: each row has `k` floats from `start` on, the panel as many of its vectors, and `sums` takes the
            // largest tile.
            unsafe { tile(rows.len(), k, pointers.as_ptr(), b, sums, ahead) }
            for (r, row) in rows.clone().enumerate() {
                for v in 0..vectors {
                    let column = (vector + v) * S::LANES;
                    let left = output - column;
                    // SAFETY: `out` and the bias have `left` elements from `column` on, of which at most LANES are
                    // touched; the tile has written its sums.
                    unsafe {
                        let out = self.out.get().add(row * output + column);
                        let mut sum = S::load(sums.add((r * vectors + v) * S::LANES));
                        if start > 0 {
                            sum = S::add(load_edge::<S>(out, left), sum);
                        } else if let Some(bias) = &self.weights.bias {
                            sum = S::add(load_edge::<S>(bias.as_ptr().add(column), left), sum);
                        }
                        store_edge::<S>(out, sum, left);
                    }
                }
            }
            (start, ahead) = (start + k, Ahead::NOTHING);
            if start >= input {
                break;
            }
        }
    }
}
