//! Linear projection, softmax and cross-entropy as one operation, for large vocabularies; softmax of scores by itself.
//!
//! logits = h·wᵀ + b, p = softmax(logits), nll = −ln p`[target]`; d_logits = (p − one-hot)/count, d_h = d_logits·w, d_w
//! = d_logitsᵀ·h. The forward pass computes the gradients, too, chunk by chunk of rows; d_logits overwrites the logits
//! (as Liger Kernel does on GPUs, Hsu et al. 2024). Thus at most `CHUNK_BYTES` of either exist.
//!
//! With label smoothing ε (Szegedy et al. 2016), the one-hot target becomes q = (1−ε)·one-hot + ε/V. The loss of a row
//! is then −Σ q·ln p = (1−ε)·nll + ε·mean(−ln p), and d_logits = (p − q)/count.

use crate::act::exp;
use crate::call::Precision;
use crate::error::{KernelError, expect, expect_some};
use crate::number::{Bf16, F32};
use crate::parts::Parts;
use crate::pool::{self, SharedPtr, share, unless_miri};
use crate::product::{Columns, Left, Product, Right, block_words, rows, rows_mut};
use crate::scratch::{unwritten, written};
use crate::simd::{Kernel, Level, Simd, dispatch, load_edge, store_edge};
use crate::tile::LINE;
use std::mem::MaybeUninit;
use std::ops::Range;

/// A target that does not count.
pub const IGNORE: u32 = u32::MAX;

/// Memory for a chunk of logits.
const CHUNK_BYTES: usize = 32 << 20;

/// Inputs of [`linear_cross_entropy`].
#[derive(Clone, Copy, Debug)]
pub struct LceBatch<'a> {
    /// `[N,H]`
    pub h: &'a [f32],
    /// `[V,H]`
    pub w: &'a [f32],
    /// `[V]`; zeros if absent.
    pub b: Option<&'a [f32]>,
    /// `[N]`: classes below `V`, or [`IGNORE`].
    pub targets: &'a [u32],
    /// `H`
    pub hidden: usize,
    /// `V`
    pub vocabulary: usize,
    /// Of the three products; [`Precision::Int8`] computes in `f32` here.
    pub precision: Precision,
    /// Label smoothing ε, in [0, 1): the share of the target that is spread evenly over all classes.
    pub smoothing: f32,
    /// `[N]`, finite: the weight of each row's loss; ones if absent. A row of weight 0 adds nothing to the loss or its
    /// gradients, whatever its logits are.
    pub weights: Option<&'a [f32]>,
}

/// Result of [`linear_cross_entropy`].
#[derive(Clone, Debug, PartialEq)]
pub struct LinearCrossEntropy {
    /// `[N]`, nats, without smoothing and weights; 0 where the target does not count.
    pub nll: Vec<f32>,
    /// Targets that count, whatever their weights.
    pub count: usize,
    /// Sum over those of weight times smoothed nll, divided by `count`; summed in `f64`; 0 if there are none.
    pub loss: f32,
    /// Gradients of `loss`, where asked for.
    pub gradients: Option<LceGradients>,
}

/// Gradients of the mean loss.
#[derive(Clone, Debug, PartialEq)]
pub struct LceGradients {
    /// `[N,H]`
    pub d_h: Vec<f32>,
    /// `[V,H]`
    pub d_w: Vec<f32>,
    /// `[V]`, if there is a bias.
    pub d_b: Option<Vec<f32>>,
}

impl<'a> LceBatch<'a> {
    pub(crate) fn check(&self, op: &'static str) -> Result<(), KernelError> {
        let (n, vocabulary) = (self.targets.len(), self.vocabulary);
        expect(op, "h", &[n, self.hidden], self.h.len())?;
        expect(op, "w", &[vocabulary, self.hidden], self.w.len())?;
        expect_some(op, "b", &[vocabulary], self.b)?;
        expect_some(op, "weights", &[n], self.weights)?;
        if !(0.0..1.0).contains(&self.smoothing) {
            return Err(KernelError::Option {
                op,
                what: "smoothing",
                problem: "it is a share of the target; give a number from 0 up to, but below, 1",
            });
        }
        if let Some(position) = self
            .weights
            .and_then(|w| w.iter().position(|w| !w.is_finite()))
        {
            return Err(KernelError::NotFinite {
                op,
                what: "weight",
                position,
            });
        }
        let outside = |&target: &u32| target != IGNORE && target as usize >= vocabulary;
        match self.targets.iter().position(outside) {
            None => Ok(()),
            Some(position) => Err(KernelError::Index {
                op,
                what: "target",
                position,
                got: self.targets[position] as usize,
                bound: vocabulary,
            }),
        }
    }

    /// Some of its rows.
    fn rows(&self, rows: Range<usize>) -> Self {
        Self {
            h: &self.h[rows.start * self.hidden..rows.end * self.hidden],
            targets: &self.targets[rows.clone()],
            weights: self.weights.map(|weights| &weights[rows]),
            ..*self
        }
    }

    /// `[N,V]`, into `out`; gives `out`, all written.
    fn logits<'o>(&self, out: &'o mut [MaybeUninit<f32>]) -> &'o mut [f32] {
        let sizes = [self.targets.len(), self.hidden, self.vocabulary];
        linear_into(self.h, self.w, self.b, sizes, self.precision, out)
    }
}

/// Gradients before they are written: some rows of d_h, all of d_w and d_b.
struct Unwritten<'a> {
    d_h: &'a mut [MaybeUninit<f32>],
    d_w: &'a mut [MaybeUninit<f32>],
    d_b: Option<&'a mut [f32]>,
}

/// The gradients from `d_logits`, `[N,V]`: writes d_h, and writes or increases (`accumulate`) those of the weights.
fn gradients(
    d_logits: &[f32],
    [h, w]: [&[f32]; 2],
    [n, hidden, vocabulary]: [usize; 3],
    precision: Precision,
    accumulate: bool,
    d: &mut Unwritten,
) {
    assert_eq!(d_logits.len(), n * vocabulary, "[N,V]");
    assert!(
        h.len() == n * hidden && w.len() == vocabulary * hidden,
        "[N,H], [V,H]"
    );
    assert!(
        d.d_h.len() == n * hidden && d.d_w.len() == vocabulary * hidden,
        "[N,H], [V,H]"
    );
    let logit_rows = rows(d_logits.as_ptr(), vocabulary, n);
    let w_rows = rows(w.as_ptr(), hidden, vocabulary);
    let h_rows = rows(h.as_ptr(), hidden, n);
    let to_h = Product {
        k: vocabulary,
        a: Left::Rows(&logit_rows),
        columns: &[Columns {
            n: hidden,
            b: Right::Rows(&w_rows),
            c: &rows_mut(d.d_h.as_mut_ptr().cast(), hidden, n),
            bias: None,
        }],
        accumulate: false,
        sums: None,
    };
    let d_b = d.d_b.as_deref_mut();
    let to_w = Product {
        k: n,
        a: Left::Transposed(&logit_rows),
        columns: &[Columns {
            n: hidden,
            b: Right::Rows(&h_rows),
            c: &rows_mut(d.d_w.as_mut_ptr().cast(), hidden, vocabulary),
            bias: None,
        }],
        accumulate,
        sums: d_b.map(|d_b| SharedPtr(d_b.as_mut_ptr())),
    };
    // SAFETY: rows of d_logits have V elements, those of w, h, d_w and d_h have H (the assertions above); d_b has V.
    // The results are borrowed mutably, so they overlap nothing. With `accumulate`, d_w was written before.
    unsafe {
        run(&to_h, precision);
        run(&to_w, precision);
    }
}

/// Mean cross-entropy of softmax(h·wᵀ + b) against the targets, with its gradients where `train`.
///
/// # Errors
/// [`KernelError::Shape`]: a slice of the wrong size. [`KernelError::Index`]: a target outside the vocabulary.
/// [`KernelError::Option`]: a smoothing outside [0, 1). [`KernelError::NotFinite`]: a weight that is infinite or NaN.
/// [`KernelError::TooLarge`]: gradients that do not fit into memory.
pub fn linear_cross_entropy(
    batch: &LceBatch,
    train: bool,
) -> Result<LinearCrossEntropy, KernelError> {
    const OP: &str = "linear_cross_entropy";
    batch.check(OP)?;
    let (n, hidden, vocabulary) = (batch.targets.len(), batch.hidden, batch.vocabulary);
    let count = batch.targets.iter().filter(|&&t| t != IGNORE).count();
    let scale = train.then_some(1.0 / count.max(1) as f32);
    let of = |rows| if train { rows } else { 0 };
    let mut nll = vec![0.0; n];
    let mut uniform = vec![0.0; if batch.smoothing > 0.0 { n } else { 0 }];
    let mut d_h = unwritten(OP, "d_h", &[of(n), hidden])?;
    let mut d_w = unwritten(OP, "d_w", &[of(vocabulary), hidden])?;
    let mut d_b = batch.b.filter(|_| train).map(|_| vec![0.0; vocabulary]);
    if n == 0 {
        d_w.fill(MaybeUninit::new(0.0));
    }
    let most = (CHUNK_BYTES / 4 / vocabulary.max(1)).clamp(1, n.max(1));
    // Chunks of nearly equal size: a small last one would be slow.
    let chunk = n.div_ceil(n.div_ceil(most).max(1)).max(1);
    let mut logits = unwritten(OP, "logits", &[if n == 0 { 0 } else { chunk }, vocabulary])?;
    for start in (0..n).step_by(chunk) {
        let rows = start..(start + chunk).min(n);
        let part = batch.rows(rows.clone());
        let logits = part.logits(&mut logits[..rows.len() * vocabulary]);
        let losses = RowLosses {
            nll: &mut nll[rows.clone()],
            uniform: uniform.get_mut(rows.clone()),
        };
        softmax_rows(&part, logits, losses, scale);
        if train {
            let mut d = Unwritten {
                d_h: &mut d_h[rows.start * hidden..rows.end * hidden],
                d_w: &mut d_w,
                d_b: d_b.as_deref_mut(),
            };
            let sizes = [rows.len(), hidden, vocabulary];
            gradients(
                logits,
                [part.h, part.w],
                sizes,
                part.precision,
                start > 0,
                &mut d,
            );
        }
    }
    let total = total_loss(batch, &nll, &uniform);
    Ok(LinearCrossEntropy {
        nll,
        count,
        loss: (total / count.max(1) as f64) as f32,
        gradients: train.then(|| {
            // SAFETY: each chunk has written its own rows of d_h, and the first chunk all of d_w; with n = 0, d_h is
            // empty and d_w was filled with zeros above.
            let [d_h, d_w] = [d_h, d_w].map(|values| unsafe { written(values) });
            LceGradients { d_h, d_w, d_b }
        }),
    })
}

/// The sum of all rows' losses, from the nll `[N]` and, with smoothing, the means over V of −ln p, `[N]`.
fn total_loss(batch: &LceBatch, nll: &[f32], uniform: &[f32]) -> f64 {
    let smoothing = f64::from(batch.smoothing);
    let loss = |row: usize| {
        let nll = f64::from(nll[row]);
        match uniform.get(row) {
            Some(&uniform) => (1.0 - smoothing) * nll + smoothing * f64::from(uniform),
            None => nll,
        }
    };
    let weighted = |row: usize| match batch.weights {
        Some(weights) if weights[row] == 0.0 => 0.0,
        Some(weights) => f64::from(weights[row]) * loss(row),
        None => loss(row),
    };
    (0..nll.len()).map(weighted).sum()
}

/// Computes a product on all threads.
///
/// # Safety
/// As [`Product::run`].
unsafe fn run(product: &Product, precision: Precision) {
    let (level, threads) = (Level::best(), pool::threads());
    // SAFETY: as the caller promises.
    unsafe {
        match precision {
            // Int8 is for the recurrences only.
            Precision::F32 | Precision::Int8 => product.run::<F32>(level, threads),
            Precision::Bf16 => product.run::<Bf16>(level, threads),
        }
    }
}

/// h·wᵀ + b: `h` `[N,H]`, `w` `[V,H]`, `b` `[V]`; gives `[N,V]`.
///
/// # Errors
/// [`KernelError::Shape`]: a slice of the wrong size. [`KernelError::TooLarge`]: a result that does not fit into
/// memory.
pub fn linear(
    h: &[f32],
    w: &[f32],
    b: Option<&[f32]>,
    n: usize,
    hidden: usize,
    vocabulary: usize,
) -> Result<Vec<f32>, KernelError> {
    const OP: &str = "linear";
    expect(OP, "h", &[n, hidden], h.len())?;
    expect(OP, "w", &[vocabulary, hidden], w.len())?;
    expect_some(OP, "b", &[vocabulary], b)?;
    let mut out = unwritten(OP, "y", &[n, vocabulary])?;
    linear_into(h, w, b, [n, hidden, vocabulary], Precision::F32, &mut out);
    // SAFETY: `linear_into` writes all of it.
    Ok(unsafe { written(out) })
}

/// Gradients of [`linear`] from `d_y` `[N,V]`: those of h `[N,H]`, w `[V,H]` and, if `bias`, b `[V]`.
///
/// # Errors
/// [`KernelError::Shape`]: a slice of the wrong size. [`KernelError::TooLarge`]: gradients that do not fit into memory.
pub fn linear_backward(
    d_y: &[f32],
    h: &[f32],
    w: &[f32],
    bias: bool,
    [n, hidden, vocabulary]: [usize; 3],
) -> Result<LceGradients, KernelError> {
    const OP: &str = "linear_backward";
    expect(OP, "d_y", &[n, vocabulary], d_y.len())?;
    expect(OP, "h", &[n, hidden], h.len())?;
    expect(OP, "w", &[vocabulary, hidden], w.len())?;
    let mut d_h = unwritten(OP, "d_h", &[n, hidden])?;
    let mut d_w = unwritten(OP, "d_w", &[vocabulary, hidden])?;
    let mut d_b = bias.then(|| vec![0.0; vocabulary]);
    if n == 0 || vocabulary == 0 {
        d_h.fill(MaybeUninit::new(0.0));
        d_w.fill(MaybeUninit::new(0.0));
    } else {
        let mut d = Unwritten {
            d_h: &mut d_h,
            d_w: &mut d_w,
            d_b: d_b.as_deref_mut(),
        };
        gradients(
            d_y,
            [h, w],
            [n, hidden, vocabulary],
            Precision::F32,
            false,
            &mut d,
        );
    }
    // SAFETY: `gradients` writes all of both, as does the branch for no rows or no columns.
    let [d_h, d_w] = [d_h, d_w].map(|values| unsafe { written(values) });
    Ok(LceGradients { d_h, d_w, d_b })
}

/// [`linear`] of sizes that fit; gives `out`, all written.
fn linear_into<'a>(
    h: &[f32],
    w: &[f32],
    b: Option<&[f32]>,
    [n, hidden, vocabulary]: [usize; 3],
    precision: Precision,
    out: &'a mut [MaybeUninit<f32>],
) -> &'a mut [f32] {
    assert!(
        h.len() == n * hidden && w.len() == vocabulary * hidden && out.len() == n * vocabulary,
        "[N,H]·[V,H]ᵀ"
    );
    assert!(
        b.is_none_or(|b| b.len() == vocabulary),
        "one bias per column"
    );
    if out.is_empty() {
        return &mut [];
    }
    if n == 1 && precision != Precision::Bf16 {
        matrix_vector(h, w, b, out);
        let base: *mut f32 = out.as_mut_ptr().cast();
        // SAFETY: `matrix_vector` has written every element of `out`, which is borrowed for 'a.
        return unsafe { std::slice::from_raw_parts_mut(base, out.len()) };
    }
    let base: *mut f32 = out.as_mut_ptr().cast();
    let (a, c) = (rows(h.as_ptr(), hidden, n), rows_mut(base, vocabulary, n));
    let columns = Columns {
        n: vocabulary,
        b: Right::Transposed {
            base: w.as_ptr(),
            stride: hidden,
        },
        c: &c,
        bias: b,
    };
    let product = Product {
        k: hidden,
        a: Left::Rows(&a),
        columns: &[columns],
        accumulate: false,
        sums: None,
    };
    // SAFETY: rows of h and w have H elements and rows of `out` V (asserted above), a bias has V, and `out` is borrowed
    // mutably. A product that does not accumulate writes every element, also with H = 0.
    unsafe {
        run(&product, precision);
        std::slice::from_raw_parts_mut(base, out.len())
    }
}

/// One row against every row of w, into `out`. Memory is the limit, so w is turned in registers rather than packed.
/// Each sum has the order of [`Product`], and so the bits.
fn matrix_vector(h: &[f32], w: &[f32], b: Option<&[f32]>, out: &mut [MaybeUninit<f32>]) {
    let columns = out.len();
    let threads = match w.len() < 64 * 1024 {
        true => 1,
        false => pool::threads(),
    };
    let parts = Parts::new(out);
    pool::run(threads, |id, threads| {
        // Whole vectors of any instruction set.
        let own = share(columns.div_ceil(LINE), id, threads);
        let own = own.start * LINE..(own.end * LINE).min(columns);
        let product = RowProduct {
            h,
            w: &w[own.start * h.len()..own.end * h.len()],
            b: b.map(|b| &b[own.clone()]),
            // SAFETY: the shares of two threads do not overlap.
            out: unsafe { parts.take(own.clone()) },
        };
        dispatch(Level::best(), product);
    });
}

/// The product of `h` with some rows of w, plus their biases.
struct RowProduct<'a> {
    h: &'a [f32],
    w: &'a [f32],
    b: Option<&'a [f32]>,
    out: &'a mut [MaybeUninit<f32>],
}

impl Kernel for RowProduct<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let columns = self.out.len();
        for first in (0..columns).step_by(2 * S::LANES) {
            // SAFETY: the caller has the instruction set, and the last of the vectors begins before the end of `out`.
            unsafe {
                match columns - first > S::LANES {
                    true => self.vectors::<S, 2>(first),
                    false => self.vectors::<S, 1>(first),
                }
            }
        }
    }
}

impl RowProduct<'_> {
    /// Writes `NV` vectors of `out` from element `first` on; the last one may be cut off.
    ///
    /// # Safety
    /// The instruction set of `S` is there, and each vector begins before the end of `out`.
    #[inline(always)]
    unsafe fn vectors<S: Simd, const NV: usize>(&mut self, first: usize) {
        let (k, words) = (self.h.len(), block_words(self.h.len()));
        let end_of_out = self.out.len();
        let left = |v: usize| end_of_out - first - v * S::LANES;
        // SAFETY: `b` and `out` have `left` elements from the start of each vector on.
        unsafe {
            let mut total = self.b.map(|b| {
                let mut total = [S::splat(0.0); NV];
                for v in 0..NV {
                    total[v] = load_edge::<S>(b.as_ptr().add(first + v * S::LANES), left(v));
                }
                total
            });
            let mut start = 0;
            loop {
                let end = (start + words).min(k);
                let mut sums = self.block::<S, NV>(first, start..end);
                if let Some(total) = total {
                    for v in 0..NV {
                        sums[v] = S::add(total[v], sums[v]);
                    }
                }
                total = Some(sums);
                start = end;
                if start >= k {
                    break;
                }
            }
            for (v, total) in total.into_iter().flatten().enumerate() {
                let out = self.out.as_mut_ptr().cast::<f32>();
                store_edge::<S>(out.add(first + v * S::LANES), total, left(v));
            }
        }
    }

    /// The sums over some k of `NV` vectors from `first` on, each in order of k.
    ///
    /// # Safety
    /// As [`Self::vectors`]; k lies inside h.
    #[inline(always)]
    unsafe fn block<S: Simd, const NV: usize>(
        &self,
        first: usize,
        block: Range<usize>,
    ) -> [S::V; NV] {
        let k = self.h.len();
        let mut square = [0.0f32; 16 * 16];
        let turned = square.as_mut_ptr();
        // SAFETY: `width` rows of w from `first` on have `count` elements from `p` on, which lies inside h; a square
        // holds LANES rows of LANES floats.
        unsafe {
            let mut sums = [S::splat(0.0); NV];
            for p in block.clone().step_by(S::LANES) {
                let count = S::LANES.min(block.end - p);
                for v in 0..NV {
                    let first = first + v * S::LANES;
                    let width = S::LANES.min(self.out.len() - first);
                    let w = self.w.as_ptr().add(first * k + p);
                    if width == S::LANES && count == S::LANES {
                        S::transpose(w, k, turned, S::LANES);
                    } else {
                        for lane in 0..width {
                            for i in 0..count {
                                *turned.add(i * S::LANES + lane) = *w.add(lane * k + i);
                            }
                        }
                    }
                    for i in 0..count {
                        let x = S::splat(*self.h.as_ptr().add(p + i));
                        sums[v] = S::fma(x, S::load(turned.add(i * S::LANES)), sums[v]);
                    }
                }
            }
            sums
        }
    }
}

/// Losses of some rows, to be written; both are 0 where the target does not count.
struct RowLosses<'a> {
    /// `[N]`
    nll: &'a mut [f32],
    /// `[N]`: mean over V of −ln p, with smoothing.
    uniform: Option<&'a mut [f32]>,
}

/// The losses of every row of `batch`, from its logits `[N,V]`. Where `scale` is given, the logits become
/// (softmax − target)·scale·weight, zero at ignored targets.
fn softmax_rows(batch: &LceBatch, logits: &mut [f32], losses: RowLosses, scale: Option<f32>) {
    let (n, vocabulary) = (batch.targets.len(), batch.vocabulary);
    let threads = pool::threads().clamp(1, n.max(1));
    let (logits, nll) = (Parts::new(logits), Parts::new(losses.nll));
    let uniform = losses.uniform.map(Parts::new);
    pool::run(threads, |id, threads| {
        let own = share(n, id, threads);
        // SAFETY: the shares of two threads do not overlap.
        let (logits, nll, mut uniform) = unsafe {
            let logits = logits.take(own.start * vocabulary..own.end * vocabulary);
            let uniform = uniform.as_ref().map(|uniform| uniform.take(own.clone()));
            (logits, nll.take(own.clone()), uniform)
        };
        for (i, nll) in nll.iter_mut().enumerate() {
            let weight = batch.weights.map(|weights| weights[own.start + i]);
            let row = SoftmaxRow {
                logits: &mut logits[i * vocabulary..(i + 1) * vocabulary],
                target: batch.targets[own.start + i],
                smoothing: batch.smoothing,
                scale: scale.map(|scale| weight.map_or(scale, |weight| weight * scale)),
                uniform: uniform.as_deref_mut().map(|uniform| &mut uniform[i]),
            };
            *nll = dispatch(Level::best(), row);
        }
    });
}

struct SoftmaxRow<'a> {
    logits: &'a mut [f32],
    target: u32,
    smoothing: f32,
    scale: Option<f32>,
    /// Takes the mean of −ln p, with smoothing.
    uniform: Option<&'a mut f32>,
}

impl Kernel for SoftmaxRow<'_> {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> f32 {
        let Self {
            logits,
            target,
            smoothing,
            scale,
            uniform,
        } = self;
        if target == IGNORE {
            logits.fill(0.0);
            return 0.0;
        }
        let picked = logits[target as usize];
        let n = logits.len();
        // SAFETY: `load_edge` and `store_edge` touch at most the n − i elements from i on; the target is below V, as
        // `picked` has shown. The caller has the instruction set.
        unsafe {
            let largest = largest::<S>(logits);
            let mean = uniform.is_some().then(|| mean_below::<S>(logits, largest));
            let sum = exponentials::<S>(logits, largest);
            if let (Some(uniform), Some(mean)) = (uniform, mean) {
                *uniform = sum.ln() - mean;
            }
            let p = logits.as_mut_ptr();
            match scale {
                // Also where a probability is not a number.
                Some(0.0) => logits.fill(0.0),
                Some(scale) if smoothing > 0.0 => {
                    let (factor, share) = (S::splat(scale / sum), smoothing / n as f32);
                    let share = S::splat(-share * scale);
                    for i in (0..n).step_by(S::LANES) {
                        let d = S::fma(load_edge::<S>(p.add(i), n - i), factor, share);
                        store_edge::<S>(p.add(i), d, n - i);
                    }
                    *p.add(target as usize) -= (1.0 - smoothing) * scale;
                }
                Some(scale) => {
                    let factor = S::splat(scale / sum);
                    for i in (0..n).step_by(S::LANES) {
                        let e = S::mul(load_edge::<S>(p.add(i), n - i), factor);
                        store_edge::<S>(p.add(i), e, n - i);
                    }
                    *p.add(target as usize) -= scale;
                }
                None => {}
            }
            largest + sum.ln() - picked
        }
    }
}

/// The largest of a row, NaN aside; −∞ if there is none.
///
/// # Safety
/// As [`Simd`]: the instruction set of `S` is present.
#[inline(always)]
pub(crate) unsafe fn largest<S: Simd>(row: &[f32]) -> f32 {
    let whole = row.len() / S::LANES * S::LANES;
    let mut lanes = [f32::NEG_INFINITY; 16];
    // SAFETY: whole vectors inside the row, and no vector is longer than sixteen floats. The caller has the instruction
    // set.
    unsafe {
        let mut most = S::splat(f32::NEG_INFINITY);
        for i in (0..whole).step_by(S::LANES) {
            most = S::max(most, S::load(row.as_ptr().add(i)));
        }
        S::store(lanes.as_mut_ptr(), most);
    }
    let greater = |m: f32, &x: &f32| if x > m { x } else { m };
    lanes
        .iter()
        .chain(&row[whole..])
        .fold(f32::NEG_INFINITY, greater)
}

/// Replaces each x of a row by e^(x − `largest`); gives their sum.
///
/// # Safety
/// As [`Simd`]: the instruction set of `S` is present.
#[inline(always)]
pub(crate) unsafe fn exponentials<S: Simd>(row: &mut [f32], largest: f32) -> f32 {
    let (p, n) = (row.as_mut_ptr(), row.len());
    // SAFETY: `load_edge` and `store_edge` touch at most the n − i elements from i on; the caller has the instruction
    // set.
    unsafe {
        let shift = S::splat(-largest);
        let mut sum = S::splat(0.0);
        for i in (0..n).step_by(S::LANES) {
            let e = exp::<S>(S::add(load_edge::<S>(p.add(i), n - i), shift));
            // Lanes past the edge are not part of the sum.
            let e = S::first(e, n - i);
            store_edge::<S>(p.add(i), e, n - i);
            sum = S::add(sum, e);
        }
        S::sum(sum)
    }
}

/// The mean of x − `largest` over a row, in blocks that are summed in `f64`.
///
/// # Safety
/// As [`Simd`]: the instruction set of `S` is present.
#[inline(always)]
unsafe fn mean_below<S: Simd>(row: &[f32], largest: f32) -> f32 {
    const BLOCK: usize = 1024;
    let mut total = 0.0;
    for block in row.chunks(BLOCK) {
        let n = block.len();
        // SAFETY: `load_edge` reads at most the n − i elements from i on; the caller has the instruction set.
        unsafe {
            let mut sum = S::splat(0.0);
            for i in (0..n).step_by(S::LANES) {
                let x = load_edge::<S>(block.as_ptr().add(i), n - i);
                let below = S::sub(x, S::splat(largest));
                sum = S::add(sum, S::first(below, n - i));
            }
            total += f64::from(S::sum(sum));
        }
    }
    (total / row.len() as f64) as f32
}

/// Values that are worth a thread of their own in [`log_softmax_rows`].
const WORTH_A_THREAD: usize = unless_miri(8 * 1024, 8);

/// Replaces each row of `V` = `vocabulary` scores by the natural logarithm of its softmax. `values` are `[N,V]`.
///
/// The bits of a row do not depend on the other rows or on the number of threads. A score of −∞ stays −∞. A row with
/// NaN or +∞, or of −∞ alone, becomes NaN.
///
/// # Errors
/// [`KernelError::Shape`]: values that are no whole number of rows.
pub fn log_softmax_rows(values: &mut [f32], vocabulary: usize) -> Result<(), KernelError> {
    let n = values.len().checked_div(vocabulary).unwrap_or(0);
    expect("log_softmax_rows", "values", &[n, vocabulary], values.len())?;
    let useful = (values.len() / WORTH_A_THREAD).clamp(1, n.max(1));
    let values = Parts::new(values);
    pool::run(pool::threads().min(useful), |id, threads| {
        let own = share(n, id, threads);
        // SAFETY: the shares of two threads do not overlap.
        let rows = unsafe { values.take(own.start * vocabulary..own.end * vocabulary) };
        dispatch(Level::best(), LogSoftmaxRows { rows, vocabulary });
    });
    Ok(())
}

/// The rows of one thread.
struct LogSoftmaxRows<'a> {
    rows: &'a mut [f32],
    vocabulary: usize,
}

impl Kernel for LogSoftmaxRows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // Without columns there are no values, and no chunk of them.
        for row in self.rows.chunks_exact_mut(self.vocabulary.max(1)) {
            let (p, n) = (row.as_mut_ptr(), row.len());
            // SAFETY: `load_edge` and `store_edge` touch at most the n − i elements from i on. The caller has the
            // instruction set.
            unsafe {
                let shift = S::splat(-largest::<S>(row));
                let mut sum = S::splat(0.0);
                for i in (0..n).step_by(S::LANES) {
                    let x = S::add(load_edge::<S>(p.add(i), n - i), shift);
                    sum = S::add(sum, S::first(exp::<S>(x), n - i));
                }
                let ln = S::splat(S::sum(sum).ln());
                for i in (0..n).step_by(S::LANES) {
                    let x = S::add(load_edge::<S>(p.add(i), n - i), shift);
                    store_edge::<S>(p.add(i), S::sub(x, ln), n - i);
                }
            }
        }
    }
}
