//! Linear projection, softmax and cross-entropy as one operation, for large vocabularies.
//!
//! logits = h·wᵀ + b, p = softmax(logits), nll = −ln p`[target]`; d_logits = (p − one-hot)/count, d_h = d_logits·w,
//! d_w = d_logitsᵀ·h. The gradients are made in the forward pass, chunk by chunk of rows, and d_logits overwrites the logits (as Liger
//! Kernel does on GPUs, Hsu et al. 2024), so at most `CHUNK_BYTES` of either exist.

use crate::act::exp;
use crate::call::Precision;
use crate::error::{KernelError, expect};
use crate::number::{Bf16, F32};
use crate::pool::{self, SharedPtr, share};
use crate::product::{Columns, Left, Product, Right, rows, rows_mut};
use crate::scratch::{unwritten, written};
use crate::simd::{Kernel, Level, Simd, dispatch, load_edge, store_edge};
use crate::tile;
use std::mem::MaybeUninit;

/// A target that does not count.
pub const IGNORE: u32 = u32::MAX;

/// Memory for a chunk of logits.
const CHUNK_BYTES: usize = 32 << 20;

/// What [`linear_cross_entropy`] gives.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearCrossEntropy {
    /// `[N]`, nats; 0 where the target does not count.
    pub nll: Vec<f32>,
    /// Targets that count.
    pub count: usize,
    /// Mean over those, summed in `f64`; 0 if there are none.
    pub loss: f32,
    /// Of the loss, where asked for.
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

/// Mean cross-entropy of softmax(h·wᵀ + b) against `targets`, with its gradients where `train`.
///
/// `h` `[N,H]`, `w` `[V,H]`, `b` `[V]`, `targets` `[N]`, each below `V` or [`IGNORE`]; `precision` is that of the three products.
///
/// # Errors
/// A slice of the wrong size, or a target outside the vocabulary.
#[allow(clippy::too_many_arguments)]
pub fn linear_cross_entropy(
    h: &[f32],
    w: &[f32],
    b: Option<&[f32]>,
    targets: &[u32],
    n: usize,
    hidden: usize,
    vocabulary: usize,
    precision: Precision,
    train: bool,
) -> Result<LinearCrossEntropy, KernelError> {
    const OP: &str = "linear_cross_entropy";
    expect(OP, "h", n * hidden, h.len())?;
    expect(OP, "w", vocabulary * hidden, w.len())?;
    expect(OP, "b", vocabulary, b.map_or(vocabulary, <[f32]>::len))?;
    expect(OP, "targets", n, targets.len())?;
    if let Some(position) = targets
        .iter()
        .position(|&t| t != IGNORE && t as usize >= vocabulary)
    {
        let got = targets[position] as usize;
        return Err(KernelError::Index {
            op: OP,
            what: "target",
            position,
            got,
            bound: vocabulary,
        });
    }
    let count = targets.iter().filter(|&&t| t != IGNORE).count();
    let share = 1.0 / count.max(1) as f32;
    let mut nll = vec![0.0; n];
    let mut d_h = unwritten(if train { n * hidden } else { 0 });
    let mut d_w = unwritten(if train { vocabulary * hidden } else { 0 });
    let mut d_b = b.filter(|_| train).map(|_| vec![0.0; vocabulary]);
    if n == 0 {
        d_w.fill(MaybeUninit::new(0.0));
    }
    let most = (CHUNK_BYTES / 4 / vocabulary.max(1)).clamp(1, n.max(1));
    // Chunks of equal size: the last would otherwise be small and slow.
    let chunk = n.div_ceil(n.div_ceil(most).max(1)).max(1);
    let mut logits = unwritten(chunk * vocabulary);
    for start in (0..n).step_by(chunk) {
        let rows = start..(start + chunk).min(n);
        let logits = &mut logits[..rows.len() * vocabulary];
        let h = &h[rows.start * hidden..rows.end * hidden];
        let logits = linear_into(h, w, b, [rows.len(), hidden, vocabulary], precision, logits);
        let scale = train.then_some(share);
        softmax_rows(
            logits,
            &targets[rows.clone()],
            &mut nll[rows.clone()],
            vocabulary,
            scale,
        );
        if train {
            products(
                [&*logits, h, w],
                [rows.len(), hidden, vocabulary],
                precision,
                start > 0,
                &mut d_h[rows.start * hidden..rows.end * hidden],
                &mut d_w,
                d_b.as_deref_mut(),
            );
        }
    }
    let total: f64 = nll.iter().map(|&x| f64::from(x)).sum();
    Ok(LinearCrossEntropy {
        nll,
        count,
        loss: (total / count.max(1) as f64) as f32,
        gradients: train.then(|| {
            // SAFETY: the products of the chunks have written all rows of d_h, those of the first all of d_w, unless it is zeros.
            let [d_h, d_w] = [d_h, d_w].map(|values| unsafe { written(values) });
            LceGradients { d_h, d_w, d_b }
        }),
    })
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
            // Bytes are for the recurrences: the layer over the vocabulary stays as it is.
            Precision::F32 | Precision::Int8 => product.run::<F32>(level, threads),
            Precision::Bf16 => product.run::<Bf16>(level, threads),
        }
    }
}

/// h·wᵀ + b: `h` `[N,H]`, `w` `[V,H]`, `b` `[V]`; gives `[N,V]`.
///
/// # Errors
/// A slice of the wrong size.
pub fn linear(
    h: &[f32],
    w: &[f32],
    b: Option<&[f32]>,
    n: usize,
    hidden: usize,
    vocabulary: usize,
) -> Result<Vec<f32>, KernelError> {
    let op = "linear";
    let given = [
        ("h", [n, hidden], h.len()),
        ("w", [vocabulary, hidden], w.len()),
    ];
    for (what, [rows, columns], got) in given {
        if rows.checked_mul(columns) != Some(got) {
            return Err(KernelError::Shape {
                op,
                what,
                expected: vec![rows, columns],
                got: vec![got],
            });
        }
    }
    if let Some(b) = b {
        expect(op, "b", vocabulary, b.len())?;
    }
    let mut out = unwritten(n * vocabulary);
    linear_into(h, w, b, [n, hidden, vocabulary], Precision::F32, &mut out);
    // SAFETY: all of it has just been written.
    Ok(unsafe { written(out) })
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
    let base: *mut f32 = out.as_mut_ptr().cast();
    if n == 1 {
        matrix_vector(h, w, b, base, vocabulary);
        // SAFETY: every element has just been written.
        return unsafe { std::slice::from_raw_parts_mut(base, out.len()) };
    }
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
    // SAFETY: the sizes were checked above, and the product writes every element.
    unsafe {
        run(&product, precision);
        std::slice::from_raw_parts_mut(base, out.len())
    }
}

/// One row against every row of w, into the `rows` elements of `out`: memory-bound, so nothing is packed.
fn matrix_vector(h: &[f32], w: &[f32], b: Option<&[f32]>, out: *mut f32, rows: usize) {
    struct Dots<'a> {
        h: &'a [f32],
        w: &'a [f32],
        b: Option<&'a [f32]>,
        rows: std::ops::Range<usize>,
        out: SharedPtr<f32>,
    }
    impl Kernel for Dots<'_> {
        type Output = ();
        #[inline(always)]
        unsafe fn run<S: Simd>(self) {
            let k = self.h.len();
            for row in self.rows.clone() {
                // SAFETY: rows lie inside w, and each is written by one thread.
                unsafe {
                    let w = self.w.as_ptr().add(row * k);
                    let mut acc = [S::splat(0.0); tile::PANEL];
                    let mut p = 0;
                    while p < k {
                        for a in &mut acc {
                            if p < k {
                                let (x, y) = (
                                    load_edge::<S>(self.h.as_ptr().add(p), k - p),
                                    load_edge::<S>(w.add(p), k - p),
                                );
                                *a = S::fma(x, y, *a);
                                p += S::LANES;
                            }
                        }
                    }
                    let sum = S::add(S::add(acc[0], acc[1]), S::add(acc[2], acc[3]));
                    *self.out.get().add(row) = S::sum(sum) + self.b.map_or(0.0, |b| b[row]);
                }
            }
        }
    }
    let threads = if w.len() < 64 * 1024 {
        1
    } else {
        pool::threads()
    };
    let out = SharedPtr(out);
    pool::run(threads, |id, threads| {
        dispatch(
            Level::best(),
            Dots {
                h,
                w,
                b,
                rows: share(rows, id, threads),
                out,
            },
        );
    });
}

/// nll of every row; where `scale` is given, the logits become (softmax − one-hot)·scale, zero at ignored targets.
fn softmax_rows(
    logits: &mut [f32],
    targets: &[u32],
    nll: &mut [f32],
    vocabulary: usize,
    scale: Option<f32>,
) {
    let n = targets.len();
    let threads = pool::threads().clamp(1, n.max(1));
    let (logits, nll) = (SharedPtr(logits.as_mut_ptr()), SharedPtr(nll.as_mut_ptr()));
    pool::run(threads, |id, threads| {
        for row in share(n, id, threads) {
            // SAFETY: each row is taken by one thread.
            let logits = unsafe {
                std::slice::from_raw_parts_mut(logits.get().add(row * vocabulary), vocabulary)
            };
            let loss = dispatch(
                Level::best(),
                SoftmaxRow {
                    logits,
                    target: targets[row],
                    scale,
                },
            );
            // SAFETY: as above.
            unsafe { *nll.get().add(row) = loss }
        }
    });
}

struct SoftmaxRow<'a> {
    logits: &'a mut [f32],
    target: u32,
    scale: Option<f32>,
}

impl Kernel for SoftmaxRow<'_> {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> f32 {
        let Self {
            logits,
            target,
            scale,
        } = self;
        if target == IGNORE {
            logits.fill(0.0);
            return 0.0;
        }
        let picked = logits[target as usize];
        let (p, n) = (logits.as_mut_ptr(), logits.len());
        let whole = n / S::LANES * S::LANES;
        let mut lanes = [f32::NEG_INFINITY; 16];
        // SAFETY: whole vectors inside the row; no vector is longer than sixteen floats.
        unsafe {
            let mut most = S::splat(f32::NEG_INFINITY);
            for i in (0..whole).step_by(S::LANES) {
                most = S::max(most, S::load(p.add(i)));
            }
            S::store(lanes.as_mut_ptr(), most);
        }
        let greater = |m: f32, &x: &f32| if x > m { x } else { m };
        let largest = lanes
            .iter()
            .chain(&logits[whole..])
            .fold(f32::NEG_INFINITY, greater);
        // SAFETY: `load_edge` and `store_edge` stay inside the row.
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
            let sum = S::sum(sum);
            if let Some(scale) = scale {
                let factor = S::splat(scale / sum);
                for i in (0..n).step_by(S::LANES) {
                    let e = S::mul(load_edge::<S>(p.add(i), n - i), factor);
                    store_edge::<S>(p.add(i), e, n - i);
                }
                *p.add(target as usize) -= scale;
            }
            largest + sum.ln() - picked
        }
    }
}

/// d_h = d_logits·w, d_w (+)= d_logitsᵀ·h, and d_b (+)= the sum of the rows of d_logits.
fn products(
    [d_logits, h, w]: [&[f32]; 3],
    [n, hidden, vocabulary]: [usize; 3],
    precision: Precision,
    accumulate: bool,
    d_h: &mut [MaybeUninit<f32>],
    d_w: &mut [MaybeUninit<f32>],
    d_b: Option<&mut [f32]>,
) {
    let logit_rows = rows(d_logits.as_ptr(), vocabulary, n);
    let (w_rows, h_rows) = (
        rows(w.as_ptr(), hidden, vocabulary),
        rows(h.as_ptr(), hidden, n),
    );
    let to_h = Product {
        k: vocabulary,
        a: Left::Rows(&logit_rows),
        columns: &[Columns {
            n: hidden,
            b: Right::Rows(&w_rows),
            c: &rows_mut(d_h.as_mut_ptr().cast(), hidden, n),
            bias: None,
        }],
        accumulate: false,
        sums: None,
    };
    let to_w = Product {
        k: n,
        a: Left::Transposed(&logit_rows),
        columns: &[Columns {
            n: hidden,
            b: Right::Rows(&h_rows),
            c: &rows_mut(d_w.as_mut_ptr().cast(), hidden, vocabulary),
            bias: None,
        }],
        accumulate,
        sums: d_b.map(|d_b| SharedPtr(d_b.as_mut_ptr())),
    };
    // SAFETY: the caller has checked the sizes.
    unsafe {
        run(&to_h, precision);
        run(&to_w, precision);
    }
}
