//! Rows of a left operand turned into words of a [`Number`].

use crate::number::{Number, Side};
use crate::pool::{self, SharedPtr, share};
use crate::scratch::Lines;
use crate::simd::{Kernel, Level, Simd, dispatch};
use std::marker::PhantomData;
use std::ops::Range;

/// Rows of a left operand in words, and the scale of each row.
pub(crate) struct Words {
    /// Empty where a word is a float: the rows are read where they stand.
    pub values: Lines,
    /// Empty for numbers without scales.
    pub scales: Vec<f32>,
}

/// Turns rows of `width` values into words.
pub(super) struct ToWords<'a, N> {
    pub values: *const f32,
    pub width: usize,
    pub rows: Range<usize>,
    /// The place of each row's words, `usize::MAX` for none. Without it, the words of row `i` are at place `i`.
    pub to: Option<&'a [usize]>,
    pub words: *mut f32,
    pub scales: *mut f32,
    pub number: PhantomData<N>,
}

impl<N: Number> Kernel for ToWords<'_, N> {
    type Output = ();

    /// # Safety
    /// As [`Simd`]. `values` is valid for all `rows`, `words` and (for numbers with scales) `scales` for the places of
    /// all `rows`, and no other thread uses those places.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for row in self.rows {
            let to = self.to.map_or(row, |to| to[row]);
            if to == usize::MAX {
                continue;
            }
            // SAFETY: `row` is one of `rows`, so its values can be read and its words and scale written; a row takes
            // `N::row(width)` words, of which `store_row` writes the first `N::count(width)`.
            unsafe {
                let src = self.values.add(row * self.width);
                let dst = self.words.add(to * N::row(self.width));
                let scale = N::scale::<S>(src, self.width);
                N::store_row::<S>(Side::Left, src, self.width, scale, dst);
                if N::SCALED {
                    *self.scales.add(to) = scale;
                }
            }
        }
    }
}

impl Words {
    /// Unwritten words and scales for `rows` rows of `width` values.
    pub fn room<N: Number>(rows: usize, width: usize) -> Self {
        let words = match N::PACK {
            1 => 0,
            _ => rows * N::row(width),
        };
        Self {
            values: Lines::unwritten(words),
            scales: vec![0.0; if N::SCALED { rows } else { 0 }],
        }
    }

    /// The words of rows of `width` values: row `order[i]` of `values` becomes row `i`. No row occurs twice in `order`.
    ///
    /// The rows are read in the order of memory.
    pub fn of<N: Number>(
        level: Level,
        threads: usize,
        values: &[f32],
        width: usize,
        order: &[usize],
    ) -> Self {
        let mut out = Self::room::<N>(order.len(), width);
        if N::PACK == 1 {
            return out;
        }
        let rows = values.len().checked_div(width).unwrap_or(0);
        let mut to = vec![usize::MAX; rows];
        for (place, &row) in order.iter().enumerate().filter(|_| width > 0) {
            debug_assert_eq!(to[row], usize::MAX, "a row occurs once");
            to[row] = place;
        }
        let threads = threads.clamp(1, rows.max(1));
        let words = SharedPtr(out.values.as_mut_ptr());
        let values = SharedPtr(values.as_ptr().cast_mut());
        let scales = SharedPtr(out.scales.as_mut_ptr());
        pool::run(threads, |id, threads| {
            let part = ToWords::<N> {
                values: values.get(),
                width,
                rows: share(rows, id, threads),
                to: Some(&to),
                words: words.get(),
                scales: scales.get(),
                number: PhantomData,
            };
            dispatch(level, part);
        });
        out
    }
}
