//! Products of one sentence, with operands as they lie in memory. Each element is summed in one order, whatever the
//! tile that computes it.

use crate::act::tanh;
use crate::simd::{Simd, load_edge, store_edge};
use crate::tile::cover;

/// Rows of the largest tile of [`Scores`].
const TALL: usize = 4;
/// Floats of a square of the longest vectors.
const SQUARE: usize = 16 * 16;

/// Room for the sums of a tile by lane: a square for each row, and one to turn them.
#[repr(C, align(64))]
pub(super) struct Squares([f32; (TALL + 1) * SQUARE]);

impl Default for Squares {
    fn default() -> Self {
        Self([0.0; (TALL + 1) * SQUARE])
    }
}

/// out`[r][s]` = row_r·key_s, or u·tanh(row_r + key_s).
///
/// Lane l of a vector sums the features l, l + LANES, …; then the lanes are summed in order.
pub(super) struct Scores<'a> {
    /// Rows of `n` features.
    pub rows: &'a [&'a [f32]],
    /// `count` keys of `n` features, one behind the other.
    pub keys: &'a [f32],
    pub count: usize,
    pub n: usize,
    /// `[n]`, for the additive score.
    pub u: Option<&'a [f32]>,
}

impl Scores<'_> {
    /// Writes the scores of each row with all keys, rows of `out` being `stride` apart.
    ///
    /// # Safety
    /// As [`Simd`]: the instruction set of `S` is present. `out` is valid for `count` floats in each row.
    #[inline(always)]
    pub unsafe fn run<S: Simd>(&self, squares: &mut Squares, out: *mut f32, stride: usize) {
        assert!(self.keys.len() == self.count * self.n, "[S,D]");
        assert!(self.rows.iter().all(|row| row.len() == self.n), "[D]");
        assert!(self.u.is_none_or(|u| u.len() == self.n), "[D]");
        for (first, rows) in cover(0..self.rows.len(), TALL) {
            for key in (0..self.count).step_by(S::LANES) {
                let keys = S::LANES.min(self.count - key);
                let to = squares.0.as_mut_ptr();
                // SAFETY: `rows` rows from `first` on and `keys` keys from `key` on are there; there is a square for
                // each of at most TALL rows. `out` is valid for them, as the caller promises.
                unsafe {
                    match (self.u, rows) {
                        (Some(u), _) => self.additive::<S>(u, first..first + rows, key, keys, to),
                        (None, 1) => self.general::<S, 1>(first, key, keys, to),
                        (None, 2) => self.general::<S, 2>(first, key, keys, to),
                        (None, 3) => self.general::<S, 3>(first, key, keys, to),
                        (None, _) => self.general::<S, TALL>(first, key, keys, to),
                    }
                    for r in 0..rows {
                        let sums = sum_lanes::<S>(to.add(r * SQUARE), to.add(TALL * SQUARE));
                        store_edge::<S>(out.add((first + r) * stride + key), sums, keys);
                    }
                }
            }
        }
    }

    /// Sums by lane of `R` rows from `first` on with some keys, into squares.
    ///
    /// # Safety
    /// As [`Self::run`]; rows and keys are there, and `to` has a square for each row.
    #[inline(always)]
    unsafe fn general<S: Simd, const R: usize>(
        &self,
        first: usize,
        key: usize,
        keys: usize,
        to: *mut f32,
    ) {
        let mut done = 0;
        // SAFETY: as the caller promises; each tile has at most as many keys as are left.
        unsafe {
            // Vectors of sixteen floats come with 32 registers, others with 16.
            while S::LANES == 16 && keys - done >= 4 {
                self.tile::<S, R, 4>(first, key + done, to.add(done * S::LANES));
                done += 4;
            }
            while keys - done >= 2 {
                self.tile::<S, R, 2>(first, key + done, to.add(done * S::LANES));
                done += 2;
            }
            if done < keys {
                self.tile::<S, R, 1>(first, key + done, to.add(done * S::LANES));
            }
        }
    }

    /// Sums by lane of `R` rows with `K` keys.
    ///
    /// # Safety
    /// As [`Self::general`].
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const K: usize>(
        &self,
        first: usize,
        key: usize,
        to: *mut f32,
    ) {
        let n = self.n;
        // SAFETY: rows and keys have n features, of which an edge reads only those that are left; a row of sums has its
        // place in its square.
        unsafe {
            let keys = self.keys.as_ptr().add(key * n);
            let mut rows = [std::ptr::null(); R];
            for r in 0..R {
                rows[r] = self.rows.get_unchecked(first + r).as_ptr();
            }
            let mut sums = [[S::splat(0.0); K]; R];
            let whole = n / S::LANES * S::LANES;
            let mut d = 0;
            while d < whole {
                let mut k = [S::splat(0.0); K];
                for i in 0..K {
                    k[i] = S::load(keys.add(i * n + d));
                }
                for r in 0..R {
                    let q = S::load(rows[r].add(d));
                    for i in 0..K {
                        sums[r][i] = S::fma(q, k[i], sums[r][i]);
                    }
                }
                d += S::LANES;
            }
            if d < n {
                for r in 0..R {
                    let q = S::load_partial(rows[r].add(d), n - d);
                    for i in 0..K {
                        let k = S::load_partial(keys.add(i * n + d), n - d);
                        sums[r][i] = S::fma(q, k, sums[r][i]);
                    }
                }
            }
            for r in 0..R {
                for i in 0..K {
                    S::store(to.add(r * SQUARE + i * S::LANES), sums[r][i]);
                }
            }
        }
    }

    /// [`Self::general`] for the additive score.
    ///
    /// # Safety
    /// As [`Self::general`]; `u` has n features.
    #[inline(always)]
    unsafe fn additive<S: Simd>(
        &self,
        u: &[f32],
        rows: std::ops::Range<usize>,
        key: usize,
        keys: usize,
        to: *mut f32,
    ) {
        let n = self.n;
        for (r, row) in self.rows[rows].iter().enumerate() {
            for i in 0..keys {
                // SAFETY: rows, keys and u have n features, of which an edge reads only those that are left; a row of
                // sums has its place in its square.
                unsafe {
                    let k = self.keys.as_ptr().add((key + i) * n);
                    let mut sum = S::splat(0.0);
                    for d in (0..n).step_by(S::LANES) {
                        let q = load_edge::<S>(row.as_ptr().add(d), n - d);
                        let k = load_edge::<S>(k.add(d), n - d);
                        let u = load_edge::<S>(u.as_ptr().add(d), n - d);
                        sum = S::fma(u, tanh::<S>(S::add(q, k)), sum);
                    }
                    S::store(to.add(r * SQUARE + i * S::LANES), sum);
                }
            }
        }
    }
}

/// The sums of the rows of a square, lane by lane from the first on; `turned` is room for another square.
///
/// # Safety
/// As [`Simd`]; both are valid for LANES vectors, and `square` is initialised.
#[inline(always)]
unsafe fn sum_lanes<S: Simd>(square: *const f32, turned: *mut f32) -> S::V {
    // SAFETY: as the caller promises.
    unsafe {
        S::transpose(square, S::LANES, turned, S::LANES);
        let mut sum = S::load(turned);
        for lane in 1..S::LANES {
            sum = S::add(sum, S::load(turned.add(lane * S::LANES)));
        }
        sum
    }
}

/// out`[r]` = Σ_p a`[r][p]`·b`[p]` for rows of `n` floats, summed in order of p.
pub(super) struct Weighted<'a> {
    /// Element (r, p) lies `r·row + p·step` behind it.
    pub a: *const f32,
    pub row: usize,
    pub step: usize,
    pub rows: usize,
    /// `[k,n]`
    pub b: &'a [f32],
    pub k: usize,
    pub n: usize,
}

impl Weighted<'_> {
    /// Writes all rows of `out`, one behind the other.
    ///
    /// # Safety
    /// As [`Simd`]: the instruction set of `S` is present. `a` is valid for its elements, `out` for `rows·n`, and it
    /// overlaps neither operand.
    #[inline(always)]
    pub unsafe fn run<S: Simd>(&self, out: *mut f32) {
        assert!(self.b.len() == self.k * self.n, "[K,N]");
        let mut column = 0;
        // SAFETY: as the caller promises; all vectors of a panel but those of an edge are whole.
        unsafe {
            // Vectors of sixteen floats come with 32 registers, others with 16.
            while S::LANES == 16 && self.n - column >= 4 * S::LANES {
                self.panel::<S, 4>(column, out);
                column += 4 * S::LANES;
            }
            while self.n - column >= 2 * S::LANES {
                self.panel::<S, 2>(column, out);
                column += 2 * S::LANES;
            }
            while column < self.n {
                self.panel::<S, 1>(column, out);
                column += S::LANES.min(self.n - column);
            }
        }
    }

    /// `NV` vectors of all rows from `column` on; only a single one may be cut off.
    ///
    /// # Safety
    /// As [`Self::run`].
    #[inline(always)]
    unsafe fn panel<S: Simd, const NV: usize>(&self, column: usize, out: *mut f32) {
        for (first, rows) in cover(0..self.rows, 6) {
            // SAFETY: as the caller promises, for `rows` rows from `first` on.
            unsafe {
                match rows {
                    1 => self.tile::<S, NV, 1>(first, column, out),
                    2 => self.tile::<S, NV, 2>(first, column, out),
                    3 => self.tile::<S, NV, 3>(first, column, out),
                    4 => self.tile::<S, NV, 4>(first, column, out),
                    5 => self.tile::<S, NV, 5>(first, column, out),
                    _ => self.tile::<S, NV, 6>(first, column, out),
                }
            }
        }
    }

    /// `R` rows of a panel.
    ///
    /// # Safety
    /// As [`Self::panel`].
    #[inline(always)]
    unsafe fn tile<S: Simd, const NV: usize, const R: usize>(
        &self,
        first: usize,
        column: usize,
        out: *mut f32,
    ) {
        let (n, left) = (self.n, self.n - column);
        // SAFETY: `a` has the elements (first + r, p), and rows of b and out have `left` floats from `column` on: at
        // least NV vectors, or one that an edge cuts off.
        unsafe {
            let a = self.a.add(first * self.row);
            let b = self.b.as_ptr().wrapping_add(column);
            let mut sums = [[S::splat(0.0); NV]; R];
            for p in 0..self.k {
                let mut w = [S::splat(0.0); NV];
                for v in 0..NV {
                    let b = b.add(p * n + v * S::LANES);
                    w[v] = match NV {
                        1 => load_edge::<S>(b, left),
                        _ => S::load(b),
                    };
                }
                for r in 0..R {
                    let x = S::splat(*a.add(r * self.row + p * self.step));
                    for v in 0..NV {
                        sums[r][v] = S::fma(x, w[v], sums[r][v]);
                    }
                }
            }
            for r in 0..R {
                for v in 0..NV {
                    let out = out.add((first + r) * n + column + v * S::LANES);
                    match NV {
                        1 => store_edge::<S>(out, sums[r][v], left),
                        _ => S::store(out, sums[r][v]),
                    }
                }
            }
        }
    }
}
