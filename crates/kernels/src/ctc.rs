//! Connectionist temporal classification (Graves et al. 2006): the loss of label sequences shorter than their inputs,
//! and its gradient.
//!
//! p(target | x) sums over all paths of one class a step that become the target when repeats are merged and blanks
//! removed. With the states blank, l₁, blank, l₂, …, blank (S = 2L + 1), α_t(s) is the log-probability of all
//! beginnings of paths that end in s at step t, and β_t(s) that of all ends from there (eqs. 5–11). ∂nll/∂logits =
//! softmax − γ, where γ_t(s) is α_t(s) + β_t(s), normalised over s and summed by class (eq. 15).
//!
//! All is in log space, whole vectors of states at once, and each step is shifted by the maximum of the one before. So
//! no step underflows, however long or unlikely the path. One thread computes an utterance, so results do not depend on
//! the number of threads.

use crate::act::exp;
use crate::error::{KernelError, check_lengths, expect, expect_some};
use crate::parts::Parts;
use crate::pool;
use crate::simd::{Kernel, Level, Simd, dispatch};
use crate::simd::{load_edge, store_edge};
use std::sync::atomic::{AtomicUsize, Ordering};

const OP: &str = "ctc_loss";
/// The logarithm of probability zero; finite, so that differences are numbers.
const NEVER: f32 = -1e30;
/// Room before the first and behind the last state.
const EDGE: usize = 16;

/// Inputs of [`ctc_loss`].
#[derive(Clone, Copy, Debug)]
pub struct CtcBatch<'a> {
    /// `[B,T,V]`: scores before the softmax.
    pub logits: &'a [f32],
    /// `T`
    pub time: usize,
    /// `V`
    pub vocabulary: usize,
    /// `[B]`: real steps of each utterance; all `T` if absent. Steps past the end do not count.
    pub lengths: Option<&'a [usize]>,
    /// `B` sequences of classes, each below `V` and none the blank.
    pub targets: &'a [&'a [u32]],
    /// The class of no label.
    pub blank: u32,
}

/// Result of [`ctc_loss`].
#[derive(Clone, Debug, PartialEq)]
pub struct CtcLoss {
    /// `[B]`: −ln p(target | x), nats; infinite where no path is short enough (a target with more labels and repeats
    /// than steps).
    pub nll: Vec<f32>,
    /// `[B,T,V]`: gradient of Σ scale·nll for the logits, where asked for; zero past the end of an utterance and where
    /// `nll` is infinite.
    pub d_logits: Option<Vec<f32>>,
}

/// The loss of each utterance, and the gradient of Σ `scale`·nll if scales `[B]` are given.
///
/// # Errors
/// [`KernelError::Shape`], [`KernelError::TooLarge`]: a slice of the wrong size. [`KernelError::Length`]: a length over
/// `T`. [`KernelError::Index`]: a class that is not below `V`. [`KernelError::Option`]: a label that is the blank.
pub fn ctc_loss(batch: &CtcBatch, scale: Option<&[f32]>) -> Result<CtcLoss, KernelError> {
    ctc_loss_at(Level::best(), pool::threads(), batch, scale)
}

/// [`ctc_loss`] with instruction set and threads named.
///
/// # Errors
/// As [`ctc_loss`].
pub fn ctc_loss_at(
    level: Level,
    threads: usize,
    batch: &CtcBatch,
    scale: Option<&[f32]>,
) -> Result<CtcLoss, KernelError> {
    check(batch, scale)?;
    let utterances = batch.targets.len();
    let frames = batch.time * batch.vocabulary;
    let mut nll = vec![0.0; utterances];
    let mut d_logits = scale.map(|_| vec![0.0; utterances * frames]);
    {
        let nll = Parts::new(&mut nll);
        let d_logits = d_logits.as_deref_mut().map(Parts::new);
        let next = AtomicUsize::new(0);
        pool::run(threads.clamp(1, utterances.max(1)), |_, _| {
            let mut room = Room::default();
            loop {
                let b = next.fetch_add(1, Ordering::Relaxed);
                if b >= utterances {
                    break;
                }
                let length = batch.lengths.map_or(batch.time, |lengths| lengths[b]);
                let utterance = Utterance {
                    logits: &batch.logits[b * frames..][..length * batch.vocabulary],
                    vocabulary: batch.vocabulary,
                    target: batch.targets[b],
                    blank: batch.blank,
                    scale: scale.map_or(0.0, |scale| scale[b]),
                    // SAFETY: `next` gives every utterance to one thread, and an utterance has `frames` elements.
                    d_logits: d_logits.as_ref().map(|d| unsafe {
                        d.take(b * frames..b * frames + length * batch.vocabulary)
                    }),
                    room: &mut room,
                };
                let loss = dispatch(level, utterance);
                // SAFETY: `next` gives every utterance to one thread.
                unsafe { nll.take(b..b + 1)[0] = loss }
            }
        });
    }
    Ok(CtcLoss { nll, d_logits })
}

pub(crate) fn check(batch: &CtcBatch, scale: Option<&[f32]>) -> Result<(), KernelError> {
    let shape = [batch.targets.len(), batch.time, batch.vocabulary];
    expect(OP, "logits", &shape, batch.logits.len())?;
    expect_some(OP, "scale", &shape[..1], scale)?;
    check_targets(shape, batch.lengths, batch.targets, batch.blank)
}

/// Whether targets and lengths fit logits of the shape `[B,T,V]`, as [`ctc_loss`] checks it.
///
/// # Errors
/// The wrong number of either, a length over `T`, or a class that is not below `V` or is the blank.
pub fn check_targets(
    [utterances, time, vocabulary]: [usize; 3],
    lengths: Option<&[usize]>,
    targets: &[&[u32]],
    blank: u32,
) -> Result<(), KernelError> {
    expect(OP, "targets", &[utterances], targets.len())?;
    check_lengths(OP, "lengths", lengths, [utterances, time])?;
    let below = |what: &'static str, position: usize, class: u32| {
        if (class as usize) < vocabulary {
            return Ok(());
        }
        Err(KernelError::Index {
            op: OP,
            what,
            position,
            got: class as usize,
            bound: vocabulary,
        })
    };
    below("blank", 0, blank)?;
    for target in targets {
        for (position, &label) in target.iter().enumerate() {
            below("label", position, label)?;
            if label == blank {
                return Err(KernelError::Option {
                    op: OP,
                    what: "target",
                    problem: "a label is the blank",
                });
            }
        }
    }
    Ok(())
}

/// Buffers of a thread, used for one utterance after the other.
#[derive(Default)]
struct Room {
    /// α of all steps.
    alpha: Vec<f32>,
    /// Log-softmax of the states' classes at all steps.
    emission: Vec<f32>,
    /// ln Σ exp of each step's scores.
    total: Vec<f32>,
    /// 0 where a state may be reached from two before it, else [`NEVER`].
    skip: Vec<f32>,
    beta: [Vec<f32>; 2],
    gamma: Vec<f32>,
}

struct Utterance<'a> {
    /// `[T,V]`, only the real steps.
    logits: &'a [f32],
    vocabulary: usize,
    target: &'a [u32],
    blank: u32,
    scale: f32,
    d_logits: Option<&'a mut [f32]>,
    room: &'a mut Room,
}

impl Utterance<'_> {
    /// Class of a state.
    fn class(&self, state: usize) -> usize {
        match state % 2 {
            0 => self.blank as usize,
            _ => self.target[state / 2] as usize,
        }
    }
}

impl Kernel for Utterance<'_> {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) -> f32 {
        let time = self.logits.len() / self.vocabulary.max(1);
        let states = 2 * self.target.len() + 1;
        // Whole vectors of states between the edges, [`NEVER`] in every cell that is none.
        let stride = states.next_multiple_of(EDGE) + 2 * EDGE;
        if time == 0 {
            return if self.target.is_empty() {
                0.0
            } else {
                f32::INFINITY
            };
        }
        // SAFETY: the caller has the instruction set of `S`; the arrays hold `stride` cells a step.
        unsafe {
            self.emissions::<S>(time, states, stride);
            let nll = self.forward::<S>(time, states, stride);
            let impossible = nll > -0.1 * NEVER;
            if let Some(d_logits) = self.d_logits.take().filter(|_| !impossible) {
                self.backward::<S>(d_logits, states, stride);
            }
            if impossible { f32::INFINITY } else { nll }
        }
    }
}

impl Utterance<'_> {
    /// Log-probabilities of every state's class at every step.
    ///
    /// # Safety
    /// As [`Simd`]: the instruction set of `S` is present.
    #[inline(always)]
    unsafe fn emissions<S: Simd>(&mut self, time: usize, states: usize, stride: usize) {
        let mut emission = std::mem::take(&mut self.room.emission);
        emission.clear();
        emission.resize(time * stride, NEVER);
        self.room.total.clear();
        for (t, scores) in self.logits.chunks_exact(self.vocabulary).enumerate() {
            // SAFETY: the caller has the instruction set.
            let total = unsafe { log_sum_exp::<S>(scores) };
            self.room.total.push(total);
            let row = &mut emission[t * stride + EDGE..][..states];
            for (state, e) in row.iter_mut().enumerate() {
                let log_p = scores[self.class(state)] - total;
                // NaN stays.
                *e = if log_p < NEVER { NEVER } else { log_p };
            }
        }
        self.room.emission = emission;
        self.room.skip.clear();
        self.room.skip.resize(stride, NEVER);
        for state in (3..states).step_by(2) {
            if self.class(state) != self.class(state - 2) {
                self.room.skip[EDGE + state] = 0.0;
            }
        }
    }

    /// Fills α; gives the loss.
    ///
    /// # Safety
    /// As [`Simd`]: the instruction set of `S` is present. [`Self::emissions`] has run for the same sizes.
    #[inline(always)]
    unsafe fn forward<S: Simd>(&mut self, time: usize, states: usize, stride: usize) -> f32 {
        let Room {
            alpha,
            emission,
            skip,
            ..
        } = &mut *self.room;
        alpha.clear();
        alpha.resize(time * stride, NEVER);
        let begin = states.min(2);
        alpha[EDGE..EDGE + begin].copy_from_slice(&emission[EDGE..EDGE + begin]);
        let mut shifted = 0.0f64;
        for t in 1..time {
            let (before, now) = alpha.split_at_mut(t * stride);
            let before = &before[(t - 1) * stride..];
            // SAFETY: rows have EDGE cells before and behind their states, rounded up to whole vectors, and no vector
            // is longer than an edge: vectors from a state on, or from one or two before it, lie inside their row.
            unsafe {
                let most = most::<S>(&before[EDGE..stride - EDGE]);
                shifted += f64::from(most);
                let shift = S::splat(-most);
                for s in (EDGE..EDGE + states).step_by(S::LANES) {
                    let from = before.as_ptr().add(s);
                    let skipped = S::add(S::load(from.sub(2)), S::load(skip.as_ptr().add(s)));
                    let sum = log_add::<S>(S::load(from), S::load(from.sub(1)), skipped);
                    let e = S::add(S::load(emission.as_ptr().add(t * stride + s)), shift);
                    S::store(now.as_mut_ptr().add(s), S::add(sum, e));
                }
                // A whole vector may reach into the edge.
                now[EDGE + states..stride].fill(NEVER);
            }
        }
        let last = &alpha[(time - 1) * stride + EDGE..][..states];
        let [a, b] =
            [states.wrapping_sub(2), states - 1].map(|s| last.get(s).copied().unwrap_or(NEVER));
        let largest = if a > b { a } else { b };
        let sum = (a - largest).exp() + (b - largest).exp();
        (-(f64::from(largest + sum.ln()) + shifted)) as f32
    }

    /// From the last step to the first: β, and the gradient of each step's scores.
    ///
    /// # Safety
    /// As [`Simd`]: the instruction set of `S` is present. [`Self::emissions`] and [`Self::forward`] have run for the
    /// same sizes.
    #[inline(always)]
    unsafe fn backward<S: Simd>(&mut self, d_logits: &mut [f32], states: usize, stride: usize) {
        let time = self.room.total.len();
        self.room.gamma.clear();
        self.room.gamma.resize(stride, 0.0);
        for beta in &mut self.room.beta {
            beta.clear();
            beta.resize(stride, NEVER);
        }
        // A path may end in the last label or in the blank behind it.
        self.room.beta[0][EDGE + states.saturating_sub(2)..EDGE + states].fill(0.0);
        for t in (0..time).rev() {
            let row = t * self.vocabulary..(t + 1) * self.vocabulary;
            // SAFETY: as the caller promises.
            unsafe {
                let highest = self.shares::<S>(t, states, stride);
                self.gradient::<S>(t, states, &mut d_logits[row]);
                self.beta_before::<S>(states, highest);
            }
        }
    }

    /// γ of step `t` before its division by their sum, and β plus emission for the step before. Gives the largest β.
    ///
    /// # Safety
    /// As [`Self::backward`].
    #[inline(always)]
    unsafe fn shares<S: Simd>(&mut self, t: usize, states: usize, stride: usize) -> f32 {
        let Room {
            alpha,
            emission,
            gamma,
            beta: [now, ahead],
            ..
        } = &mut *self.room;
        let steps = EDGE..EDGE + states;
        let (alpha, emission) = (
            &alpha[t * stride..][..stride],
            &emission[t * stride..][..stride],
        );
        // SAFETY: all rows have `stride` cells, of which EDGE stand before and at least as many behind the states; no
        // vector is longer than an edge. The caller has the instruction set.
        unsafe {
            let mut most = S::splat(NEVER);
            let mut highest = S::splat(NEVER);
            for s in steps.clone().step_by(S::LANES) {
                let beta = S::load(now.as_ptr().add(s));
                let both = S::add(S::load(alpha.as_ptr().add(s)), beta);
                S::store(gamma.as_mut_ptr().add(s), both);
                most = S::max(most, both);
                let e = S::load(emission.as_ptr().add(s));
                S::store(ahead.as_mut_ptr().add(s), S::add(beta, e));
                highest = S::max(highest, beta);
            }
            gamma[steps.end..].fill(NEVER);
            ahead[steps.end..].fill(NEVER);
            let shift = S::splat(-S::largest(most));
            for s in steps.clone().step_by(S::LANES) {
                let e = exp::<S>(S::add(S::load(gamma.as_ptr().add(s)), shift));
                S::store(gamma.as_mut_ptr().add(s), S::first(e, steps.end - s));
            }
            S::largest(highest)
        }
    }

    /// The gradient `d` of the scores of step `t`, from γ.
    ///
    /// # Safety
    /// As [`Self::backward`], after [`Self::shares`] of the step.
    #[inline(always)]
    unsafe fn gradient<S: Simd>(&self, t: usize, states: usize, d: &mut [f32]) {
        let gamma = &self.room.gamma;
        let steps = EDGE..EDGE + states;
        let scores = &self.logits[t * self.vocabulary..][..self.vocabulary];
        let n = scores.len();
        assert_eq!(d.len(), n, "a gradient for each score");
        // SAFETY: vectors from a state on lie inside γ, which has an edge behind the states; `load_edge` and
        // `store_edge` touch at most the n − i elements from i on. The caller has the instruction set.
        let factor = unsafe {
            let mut sum = S::splat(0.0);
            for s in steps.clone().step_by(S::LANES) {
                sum = S::add(sum, S::load(gamma.as_ptr().add(s)));
            }
            let total = S::splat(-self.room.total[t]);
            for i in (0..n).step_by(S::LANES) {
                let p = exp::<S>(S::add(load_edge::<S>(scores.as_ptr().add(i), n - i), total));
                let p = S::mul(p, S::splat(self.scale));
                store_edge::<S>(d.as_mut_ptr().add(i), p, n - i);
            }
            self.scale / S::sum(sum)
        };
        let mut blank = 0.0;
        for (state, share) in gamma[steps].iter().enumerate() {
            match state % 2 {
                0 => blank += share,
                _ => d[self.target[state / 2] as usize] -= share * factor,
            }
        }
        d[self.blank as usize] -= blank * factor;
    }

    /// β of the step before, from β plus emission, shifted by the largest β.
    ///
    /// # Safety
    /// As [`Self::backward`], after [`Self::shares`] of the step.
    #[inline(always)]
    unsafe fn beta_before<S: Simd>(&mut self, states: usize, highest: f32) {
        let Room {
            skip,
            beta: [now, ahead],
            ..
        } = &mut *self.room;
        let steps = EDGE..EDGE + states;
        // SAFETY: vectors from a state on, or from one or two behind it, lie inside their row, which has an edge behind
        // the states rounded up to whole vectors. The caller has the instruction set.
        unsafe {
            let shift = S::splat(-highest);
            for s in steps.clone().step_by(S::LANES) {
                let from = ahead.as_ptr().add(s);
                let skipped = S::add(S::load(from.add(2)), S::load(skip.as_ptr().add(s + 2)));
                let sum = log_add::<S>(S::load(from), S::load(from.add(1)), skipped);
                S::store(now.as_mut_ptr().add(s), S::add(sum, shift));
            }
        }
        now[steps.end..].fill(NEVER);
    }
}

/// The largest of whole vectors.
///
/// # Safety
/// As [`Simd`]; `values` is a multiple of LANES long.
#[inline(always)]
unsafe fn most<S: Simd>(values: &[f32]) -> f32 {
    // SAFETY: each vector lies inside `values`, whose length is a multiple of LANES.
    unsafe {
        let mut most = S::splat(NEVER);
        for i in (0..values.len()).step_by(S::LANES) {
            most = S::max(most, S::load(values.as_ptr().add(i)));
        }
        S::largest(most)
    }
}

/// ln Σ exp of a row.
///
/// # Safety
/// As [`Simd`]: the instruction set of `S` is present.
#[inline(always)]
unsafe fn log_sum_exp<S: Simd>(row: &[f32]) -> f32 {
    let n = row.len();
    let greater = |m: f32, &x: &f32| if x > m { x } else { m };
    let largest = row.iter().fold(f32::NEG_INFINITY, greater);
    // SAFETY: `load_edge` reads at most the n − i elements from i on; the caller has the instruction set.
    unsafe {
        let shift = S::splat(-largest);
        let mut sum = S::splat(0.0);
        for i in (0..n).step_by(S::LANES) {
            let e = exp::<S>(S::add(load_edge::<S>(row.as_ptr().add(i), n - i), shift));
            sum = S::add(sum, S::first(e, n - i));
        }
        largest + S::sum(sum).ln()
    }
}

/// ln(eᵃ + eᵇ + eᶜ)
///
/// # Safety
/// As [`Simd`]: the instruction set of `S` is present.
#[inline(always)]
unsafe fn log_add<S: Simd>(a: S::V, b: S::V, c: S::V) -> S::V {
    // SAFETY: only vectors in registers, with the instruction set that the caller has.
    unsafe {
        let most = S::max(S::max(a, b), c);
        let part = |x: S::V| exp::<S>(S::sub(x, most));
        let sum = S::add(S::add(part(a), part(b)), part(c));
        S::add(most, ln_1_to_3::<S>(sum))
    }
}

/// ln x = 2 artanh((x − 1)/(x + 1)) for x in 1..=3, where the argument is at most a half.
///
/// # Safety
/// As [`Simd`]: the instruction set of `S` is present.
#[inline(always)]
unsafe fn ln_1_to_3<S: Simd>(x: S::V) -> S::V {
    // SAFETY: only vectors in registers, with the instruction set that the caller has.
    unsafe {
        let one = S::splat(1.0);
        let z = S::div(S::sub(x, one), S::add(x, one));
        let w = S::mul(z, z);
        let mut p = S::splat(2.0 / 19.0);
        for k in (0..9).rev() {
            p = S::fma(p, w, S::splat(2.0 / (2 * k + 1) as f32));
        }
        S::mul(p, z)
    }
}
