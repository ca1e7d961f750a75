//! The backward pass, sentence by sentence.

use super::forward::add_scaled;
use super::products::{Scores, Squares, Weighted};
use super::{AttendedGradients, AttentionGradients, Queries, Score, Source, useful};
use crate::act::tanh;
use crate::error::KernelError;
use crate::parts::Parts;
use crate::pool;
use crate::scratch::{unwritten, written, zeros};
use crate::simd::{Kernel, Level, Simd, dispatch, load_edge, store_edge};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

const OP: &str = "attention backward";

/// Gradients of the inputs of [`super::forward`], from its probabilities `[B,T,S]` and the gradients of its results.
///
/// # Errors
/// [`KernelError::Shape`]: a slice of the wrong size. [`KernelError::Length`]: a length over `T` or `S`.
/// [`KernelError::TooLarge`]: gradients that do not fit into memory.
pub fn backward(
    source: &Source,
    queries: &Queries,
    probabilities: &[f32],
    d_out: &AttendedGradients,
) -> Result<AttentionGradients, KernelError> {
    let rows = source.batch.saturating_mul(queries.time);
    let threads = useful(source, rows, pool::threads());
    backward_at(
        Level::best(),
        threads,
        source,
        queries,
        probabilities,
        d_out,
    )
}

/// [`backward`] with instruction set and threads named.
///
/// # Errors
/// As [`backward`].
pub fn backward_at(
    level: Level,
    threads: usize,
    source: &Source,
    queries: &Queries,
    probabilities: &[f32],
    d_out: &AttendedGradients,
) -> Result<AttentionGradients, KernelError> {
    queries.check(OP, source)?;
    d_out.check(OP, source, queries, probabilities)?;
    let (batch, d, c) = (source.batch, source.key_size, source.value_size);
    let additive = matches!(source.score, Score::Additive { .. });
    if probabilities.is_empty() {
        return Ok(AttentionGradients {
            d_queries: zeros(OP, "d_queries", &[batch, queries.time, d])?,
            d_keys: zeros(OP, "d_keys", &[batch, source.time, d])?,
            d_values: zeros(OP, "d_values", &[batch, source.time, c])?,
            d_u: additive.then(|| vec![0.0; d]),
            d_coverage: source.coverage.map(|_| 0.0),
        });
    }
    let mut d_queries = unwritten(OP, "d_queries", &[batch, queries.time, d])?;
    let mut d_keys = unwritten(OP, "d_keys", &[batch, source.time, d])?;
    let mut d_values = unwritten(OP, "d_values", &[batch, source.time, c])?;
    // By sentence, to be summed in order.
    let mut d_u = unwritten(OP, "d_u", &[if additive { batch } else { 0 }, d])?;
    let mut d_coverage = vec![0.0; batch];
    {
        let [all_queries, all_keys, all_values, all_u] =
            [&mut d_queries, &mut d_keys, &mut d_values, &mut d_u].map(|d| Parts::new(d));
        let all_coverage = Parts::new(&mut d_coverage);
        let next = AtomicUsize::new(0);
        pool::run(threads.clamp(1, batch.max(1)), |_, _| {
            let mut room = Room::default();
            loop {
                let b = next.fetch_add(1, Ordering::Relaxed);
                if b >= batch {
                    break;
                }
                let of = |size: usize| b * size..(b + 1) * size;
                // SAFETY: `next` gives every sentence to one thread.
                let (sentence, d_coverage) = unsafe {
                    let sentence = Sentence {
                        source,
                        queries,
                        probabilities,
                        d_out,
                        b,
                        d_queries: all_queries.take(of(queries.time * d)),
                        d_keys: all_keys.take(of(source.time * d)),
                        d_values: all_values.take(of(source.time * c)),
                        d_u: all_u.take(if additive { of(d) } else { 0..0 }),
                        room: &mut room,
                    };
                    (sentence, all_coverage.take(of(1)))
                };
                d_coverage[0] = dispatch(level, sentence);
            }
        });
    }
    // SAFETY: every sentence has been computed, and writes all of its gradients.
    let [d_queries, d_keys, d_values, d_u] =
        [d_queries, d_keys, d_values, d_u].map(|values| unsafe { written(values) });
    Ok(AttentionGradients {
        d_queries,
        d_keys,
        d_values,
        d_u: additive.then(|| sum_rows(&d_u, d)),
        d_coverage: source
            .coverage
            .map(|_| d_coverage.iter().sum::<f64>() as f32),
    })
}

/// The sum of rows of `n` elements, from the first to the last.
fn sum_rows(rows: &[f32], n: usize) -> Vec<f32> {
    let mut sums = vec![0.0; n];
    for row in rows.chunks_exact(n.max(1)) {
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    sums
}

/// Buffers of a thread, used for one sentence after the other.
#[derive(Default)]
struct Room {
    squares: Squares,
    /// `[T,S]`: gradients of the probabilities, then of the scores.
    d_scores: Vec<f32>,
    /// `[T,S]`, with coverage.
    coverage: Vec<f32>,
    /// `[S]`: w times the gradients of the scores of later steps.
    later: Vec<f32>,
}

/// One sentence; gives the gradient of the weight of the coverage.
struct Sentence<'a> {
    source: &'a Source<'a>,
    queries: &'a Queries<'a>,
    /// `[B,T,S]`
    probabilities: &'a [f32],
    d_out: &'a AttendedGradients<'a>,
    b: usize,
    /// `[T,D]`
    d_queries: &'a mut [MaybeUninit<f32>],
    /// `[S,D]`
    d_keys: &'a mut [MaybeUninit<f32>],
    /// `[S,C]`
    d_values: &'a mut [MaybeUninit<f32>],
    /// `[D]`, empty if the score is not additive.
    d_u: &'a mut [MaybeUninit<f32>],
    room: &'a mut Room,
}

impl Kernel for Sentence<'_> {
    type Output = f64;

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) -> f64 {
        let (d, c) = (self.source.key_size, self.source.value_size);
        let (rows, length) = (self.queries.rows(self.b), self.source.length(self.b));
        let time = rows.len();
        for (gradient, real) in [
            (&mut *self.d_queries, time * d),
            (&mut *self.d_keys, length * d),
            (&mut *self.d_values, length * c),
        ] {
            gradient[real..].fill(MaybeUninit::new(0.0));
        }
        let d_context = &self.d_out.d_context[rows.start * c..rows.end * c];
        let queries = &self.queries.queries[rows.start * d..rows.end * d];
        let keys = self.source.keys_of(self.b);
        // SAFETY: the probabilities of the sentence are `time` rows, `source.time` apart, of at least `length`
        // elements; the gradients of scores are `time` rows of `length`. The gradients that are written have room for
        // as many rows, and are borrowed mutably. The caller has the instruction set.
        unsafe {
            let d_coverage = self.scores::<S>(d_context);
            let d_values = Weighted {
                a: self
                    .probabilities
                    .as_ptr()
                    .add(rows.start * self.source.time),
                row: 1,
                step: self.source.time,
                rows: length,
                b: d_context,
                k: time,
                n: c,
            };
            d_values.run::<S>(self.d_values.as_mut_ptr().cast());
            let d_scores = self.room.d_scores.as_ptr();
            if let Score::Additive { u } = self.source.score {
                self.additive::<S>(u, queries, keys);
                return d_coverage;
            }
            let d_queries = Weighted {
                a: d_scores,
                row: length,
                step: 1,
                rows: time,
                b: keys,
                k: length,
                n: d,
            };
            d_queries.run::<S>(self.d_queries.as_mut_ptr().cast());
            let d_keys = Weighted {
                a: d_scores,
                row: 1,
                step: length,
                rows: length,
                b: queries,
                k: time,
                n: d,
            };
            d_keys.run::<S>(self.d_keys.as_mut_ptr().cast());
            d_coverage
        }
    }
}

impl Sentence<'_> {
    /// Fills `d_scores`; gives the gradient of the weight of the coverage.
    ///
    /// # Safety
    /// As [`Simd`]: the instruction set of `S` is present.
    #[inline(always)]
    unsafe fn scores<S: Simd>(&mut self, d_context: &[f32]) -> f64 {
        let (source, rows) = (self.source, self.queries.rows(self.b));
        let (time, length, c) = (rows.len(), source.length(self.b), source.value_size);
        let Room {
            squares,
            d_scores,
            coverage,
            later,
        } = &mut *self.room;
        for (values, n) in [
            (&mut *d_scores, time * length),
            (
                &mut *coverage,
                if source.coverage.is_some() {
                    time * length
                } else {
                    0
                },
            ),
            (&mut *later, length),
        ] {
            values.clear();
            values.resize(n, 0.0);
        }
        let of_row = |values: &'_ [f32], t: usize| -> *const f32 {
            let start = (rows.start + t) * source.time;
            values[start..start + length].as_ptr()
        };
        let d_contexts: Vec<&[f32]> = match c {
            0 => vec![&[]; time],
            _ => d_context.chunks_exact(c).collect(),
        };
        let products = Scores {
            rows: &d_contexts,
            keys: source.values_of(self.b),
            count: length,
            n: c,
            u: None,
        };
        // SAFETY: `d_scores` has `length` elements for each row. The caller has the instruction set.
        unsafe { products.run::<S>(squares, d_scores.as_mut_ptr(), length) }
        if source.coverage.is_some() {
            for t in 1..time {
                let (before, now) = coverage.split_at_mut(t * length);
                let start = (rows.start + t - 1) * source.time;
                let sums = before[(t - 1) * length..]
                    .iter()
                    .zip(&self.probabilities[start..]);
                now.iter_mut()
                    .zip(sums)
                    .for_each(|(now, (sum, a))| *now = sum + a);
            }
        }
        let mut d_coverage = 0.0;
        for t in (0..time).rev() {
            let a = of_row(self.probabilities, t);
            let d = &mut d_scores[t * length..(t + 1) * length];
            // SAFETY: all rows have `length` elements. The caller has the instruction set.
            unsafe {
                if let Some(d_probabilities) = self.d_out.d_probabilities {
                    let more = std::slice::from_raw_parts(of_row(d_probabilities, t), length);
                    add_scaled::<S>(1.0, more, d.as_mut_ptr());
                }
                if source.coverage.is_some() {
                    add_scaled::<S>(1.0, later, d.as_mut_ptr());
                }
                softmax_backward::<S>(a, d);
                if let Some(weight) = source.coverage {
                    d_coverage += f64::from(dot::<S>(d, coverage.as_ptr().add(t * length)));
                    add_scaled::<S>(weight, d, later.as_mut_ptr());
                }
            }
        }
        d_coverage
    }

    /// The gradients of queries, keys and u of the additive score.
    ///
    /// # Safety
    /// As [`Simd`]: the instruction set of `S` is present. `d_scores` is filled.
    #[inline(always)]
    unsafe fn additive<S: Simd>(&mut self, u: &[f32], queries: &[f32], keys: &[f32]) {
        let n = u.len();
        let (time, length) = (self.queries.rows(self.b).len(), self.source.length(self.b));
        let d_scores = &self.room.d_scores;
        assert!(d_scores.len() == time * length, "[T,S]");
        assert!(queries.len() == time * n && keys.len() == length * n, "[D]");
        assert!(
            self.d_queries.len() >= time * n && self.d_keys.len() >= length * n,
            "[D]"
        );
        assert!(self.d_u.len() == n, "[D]");
        let d_queries: *mut f32 = self.d_queries.as_mut_ptr().cast();
        let d_keys: *mut f32 = self.d_keys.as_mut_ptr().cast();
        let d_u: *mut f32 = self.d_u.as_mut_ptr().cast();
        for d in (0..n).step_by(S::LANES) {
            let left = n - d;
            // SAFETY: all rows have n features (asserted above), of which an edge touches only those that are left;
            // gradients of keys are set to zero before they are read. The caller has the instruction set.
            unsafe {
                let one = S::splat(1.0);
                let u = load_edge::<S>(u.as_ptr().add(d), left);
                let mut sum_u = S::splat(0.0);
                for s in 0..length {
                    store_edge::<S>(d_keys.add(s * n + d), S::splat(0.0), left);
                }
                for t in 0..time {
                    let q = load_edge::<S>(queries.as_ptr().add(t * n + d), left);
                    let mut sum_q = S::splat(0.0);
                    for s in 0..length {
                        let k = load_edge::<S>(keys.as_ptr().add(s * n + d), left);
                        let m = tanh::<S>(S::add(q, k));
                        let d_score = S::splat(*d_scores.as_ptr().add(t * length + s));
                        sum_u = S::fma(d_score, m, sum_u);
                        let slope = S::mul(u, S::sub(one, S::mul(m, m)));
                        let d_sum = S::mul(d_score, slope);
                        sum_q = S::add(sum_q, d_sum);
                        let d_key = d_keys.add(s * n + d);
                        store_edge::<S>(d_key, S::add(load_edge::<S>(d_key, left), d_sum), left);
                    }
                    store_edge::<S>(d_queries.add(t * n + d), sum_q, left);
                }
                store_edge::<S>(d_u.add(d), sum_u, left);
            }
        }
    }
}

/// d becomes a⊙(d − Σ a·d).
///
/// # Safety
/// As [`Simd`]: the instruction set of `S` is present. `a` is valid for as many floats as `d` has.
#[inline(always)]
unsafe fn softmax_backward<S: Simd>(a: *const f32, d: &mut [f32]) {
    let n = d.len();
    // SAFETY: as the caller promises; an edge touches only the n − i elements that are left.
    unsafe {
        let mean = S::splat(dot::<S>(d, a));
        for i in (0..n).step_by(S::LANES) {
            let to = d.as_mut_ptr().add(i);
            let below = S::sub(load_edge::<S>(to, n - i), mean);
            store_edge::<S>(to, S::mul(load_edge::<S>(a.add(i), n - i), below), n - i);
        }
    }
}

/// Σ x·y
///
/// # Safety
/// As [`Simd`]: the instruction set of `S` is present. `y` is valid for as many floats as `x` has.
#[inline(always)]
unsafe fn dot<S: Simd>(x: &[f32], y: *const f32) -> f32 {
    let n = x.len();
    // SAFETY: as the caller promises; an edge touches only the n − i elements that are left.
    unsafe {
        let mut sum = S::splat(0.0);
        for i in (0..n).step_by(S::LANES) {
            let x = load_edge::<S>(x.as_ptr().add(i), n - i);
            sum = S::fma(x, load_edge::<S>(y.add(i), n - i), sum);
        }
        S::sum(sum)
    }
}
