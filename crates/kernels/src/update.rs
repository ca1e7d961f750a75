//! Updates of all parameters, once a batch: one pass over memory each, on all threads, with the same bits for any
//! number of them.

use crate::error::{KernelError, expect};
use crate::parts::Parts;
use crate::pool::{self, share, unless_miri};

/// Elements in a piece of work; sums are formed piece by piece in order.
const PIECE: usize = unless_miri(16 * 1024, 64);

/// Calls `f(piece, start)` for every piece of `0..len`, on all threads.
fn pieces(len: usize, f: impl Fn(usize, std::ops::Range<usize>) + Sync) {
    let count = len.div_ceil(PIECE);
    let threads = pool::threads().clamp(1, count.max(1));
    pool::run(threads, |id, threads| {
        for piece in share(count, id, threads) {
            f(piece, piece * PIECE..((piece + 1) * PIECE).min(len));
        }
    });
}

/// Σ g², summed in `f64`.
pub fn sum_of_squares(g: &[f32]) -> f64 {
    let mut sums = vec![0.0f64; g.len().div_ceil(PIECE)];
    let out = Parts::new(&mut sums);
    pieces(g.len(), |piece, range| {
        let mut lanes = [0.0f64; 8];
        let chunks = g[range.clone()].chunks_exact(8);
        let rest: f64 = chunks
            .remainder()
            .iter()
            .map(|&g| f64::from(g) * f64::from(g))
            .sum();
        for chunk in chunks {
            for (lane, &g) in lanes.iter_mut().zip(chunk) {
                *lane += f64::from(g) * f64::from(g);
            }
        }
        // SAFETY: one slot per piece, and each piece is called for once.
        unsafe { out.take(piece..piece + 1)[0] = lanes.iter().sum::<f64>() + rest }
    });
    sums.iter().sum()
}

/// Stochastic gradient descent: p −= lr·(scale·g + weight_decay·p).
///
/// # Errors
/// `p` and `g` that differ in length.
pub fn sgd(
    p: &mut [f32],
    g: &[f32],
    lr: f32,
    scale: f32,
    weight_decay: f32,
) -> Result<(), KernelError> {
    expect("sgd", "g", &[p.len()], g.len())?;
    let (step, keep) = (lr * scale, 1.0 - lr * weight_decay);
    let parts = Parts::new(p);
    pieces(g.len(), |_, range| {
        // SAFETY: pieces are disjoint parts of p.
        let p = unsafe { parts.take(range.clone()) };
        for (p, g) in p.iter_mut().zip(&g[range]) {
            *p = *p * keep - step * g;
        }
    });
    Ok(())
}

/// The rule of [`adam`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Learning rate.
    pub lr: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the denominator.
    pub eps: f32,
    /// Weight decay.
    pub weight_decay: f32,
    /// Number of this update, from 1.
    pub step: u64,
    /// Whether weight decay bypasses the moments (Loshchilov & Hutter 2019) or is added to the gradient.
    pub decoupled: bool,
}

/// Adam (Kingma & Ba 2015) or AdamW, PyTorch's formula; `m` and `v` start at zero.
///
/// # Errors
/// Slices that differ in length.
pub fn adam(
    p: &mut [f32],
    g: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    scale: f32,
    rule: &AdamW,
) -> Result<(), KernelError> {
    for (what, got) in [("g", g.len()), ("m", m.len()), ("v", v.len())] {
        expect("adam", what, &[p.len()], got)?;
    }
    let AdamW {
        lr,
        beta1,
        beta2,
        eps,
        weight_decay,
        step,
        decoupled,
    } = *rule;
    let correction = |beta: f32| 1.0 - f64::from(beta).powi(step.min(i32::MAX as u64) as i32);
    let size = (f64::from(lr) / correction(beta1)) as f32;
    let root = (1.0 / correction(beta2).sqrt()) as f32;
    let keep = if decoupled {
        1.0 - lr * weight_decay
    } else {
        1.0
    };
    let coupled = if decoupled { 0.0 } else { weight_decay };
    let parts = [p, m, v].map(Parts::new);
    pieces(g.len(), |_, range| {
        // SAFETY: pieces are disjoint parts of each slice.
        let [p, m, v] = unsafe { parts.each_ref().map(|part| part.take(range.clone())) };
        for (((p, m), v), g) in p.iter_mut().zip(m).zip(v).zip(&g[range]) {
            let g = g * scale + coupled * *p;
            *m += (1.0 - beta1) * (g - *m);
            *v = beta2 * *v + (1.0 - beta2) * g * g;
            *p = *p * keep - size * *m / (v.sqrt() * root + eps);
        }
    });
    Ok(())
}

/// A running average: average += weight·(p − average). With weight 1/k at the k-th call, the mean of all (Polyak &
/// Juditsky 1992).
///
/// # Errors
/// Slices that differ in length.
pub fn average(average: &mut [f32], p: &[f32], weight: f32) -> Result<(), KernelError> {
    expect("average", "p", &[average.len()], p.len())?;
    let parts = Parts::new(average);
    pieces(p.len(), |_, range| {
        // SAFETY: pieces are disjoint parts of the average.
        let average = unsafe { parts.take(range.clone()) };
        for (a, p) in average.iter_mut().zip(&p[range]) {
            *a += weight * (p - *a);
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(n: usize, seed: u64) -> Vec<f32> {
        let mut values = vec![0.0; n];
        crate::random::Key::new(seed).fill_uniform(-1.0, 1.0, &mut values);
        values
    }

    const SIZES: [usize; 6] = [0, 1, 7, 64, PIECE, 3 * PIECE + 5];

    #[test]
    fn sum_of_squares_is_the_sum_of_squares() {
        for n in SIZES {
            let g = values(n, 1);
            let plain: f64 = g.iter().map(|&g| f64::from(g).powi(2)).sum();
            assert!(
                (sum_of_squares(&g) - plain).abs() <= 1e-9 * plain.max(1.0),
                "{n}"
            );
        }
    }

    #[test]
    fn sgd_is_its_formula() {
        for n in SIZES {
            let (start, g) = (values(n, 1), values(n, 2));
            let mut p = start.clone();
            sgd(&mut p, &g, 0.1, 0.5, 0.01).unwrap();
            for i in 0..n {
                let expected = start[i] - 0.1 * (0.5 * g[i] + 0.01 * start[i]);
                assert!((p[i] - expected).abs() < 1e-6);
            }
        }
    }

    /// The formula of torch.optim.Adam and AdamW in f64.
    fn exact(p: f64, g: &[f64], rule: &AdamW) -> f64 {
        let [lr, b1, b2, eps, decay] =
            [rule.lr, rule.beta1, rule.beta2, rule.eps, rule.weight_decay].map(f64::from);
        let (mut p, mut m, mut v) = (p, 0.0, 0.0);
        for (t, &g) in (1..).zip(g) {
            let g = if rule.decoupled { g } else { g + decay * p };
            p *= if rule.decoupled {
                1.0 - lr * decay
            } else {
                1.0
            };
            m = b1 * m + (1.0 - b1) * g;
            v = b2 * v + (1.0 - b2) * g * g;
            p -= lr * (m / (1.0 - b1.powi(t))) / ((v / (1.0 - b2.powi(t))).sqrt() + eps);
        }
        p
    }

    #[test]
    fn adam_is_its_formula() {
        for decoupled in [false, true] {
            let n = PIECE + 3;
            let start = values(n, 3);
            let gradients: Vec<Vec<f32>> = (0..3).map(|t| values(n, 4 + t)).collect();
            let (mut p, mut m, mut v) = (start.clone(), vec![0.0; n], vec![0.0; n]);
            let mut rule = AdamW {
                lr: 0.01,
                beta1: 0.9,
                beta2: 0.999,
                eps: 1e-8,
                weight_decay: 0.1,
                step: 0,
                decoupled,
            };
            for g in &gradients {
                rule.step += 1;
                adam(&mut p, g, &mut m, &mut v, 1.0, &rule).unwrap();
            }
            for i in (0..n).step_by(97) {
                let g: Vec<f64> = gradients.iter().map(|g| f64::from(g[i])).collect();
                let expected = exact(f64::from(start[i]), &g, &rule);
                assert!(
                    (f64::from(p[i]) - expected).abs() < 1e-5,
                    "{} {expected}",
                    p[i]
                );
            }
        }
    }

    #[test]
    fn slices_that_do_not_fit_are_refused() {
        let (mut p, mut m, mut v) = ([1.0; 3], [0.0; 3], [0.0; 2]);
        let wrong = |op, what, expected, got| {
            Err(KernelError::Shape {
                op,
                what,
                expected: vec![expected],
                got: vec![got],
            })
        };
        let rule = AdamW {
            lr: 0.1,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            step: 1,
            decoupled: true,
        };
        assert_eq!(
            sgd(&mut p, &[0.0; 4], 0.1, 1.0, 0.0),
            wrong("sgd", "g", 3, 4)
        );
        let got = adam(&mut p, &[0.0; 3], &mut m, &mut v, 1.0, &rule);
        assert_eq!(got, wrong("adam", "v", 3, 2));
        assert_eq!(average(&mut p, &[0.0; 2], 0.5), wrong("average", "p", 3, 2));
        assert_eq!(p, [1.0; 3], "nothing was changed");
    }

    #[test]
    fn the_average_of_all_is_their_mean() {
        let (a, b, c) = (values(100, 1), values(100, 2), values(100, 3));
        let mut mean = a.clone();
        average(&mut mean, &b, 1.0 / 2.0).unwrap();
        average(&mut mean, &c, 1.0 / 3.0).unwrap();
        for i in 0..100 {
            assert!((mean[i] - (a[i] + b[i] + c[i]) / 3.0).abs() < 1e-6);
        }
    }
}
