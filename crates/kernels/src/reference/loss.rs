//! The cross-entropy of a dense layer from its equations, in `f64`.

use super::log_softmax;
use crate::error::KernelError;
use crate::softmax::{IGNORE, LceBatch};

/// Loss and gradients, shaped as in [`crate::softmax::LinearCrossEntropy`].
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct ReferenceLoss {
    pub nll: Vec<f64>,
    pub loss: f64,
    pub d_h: Vec<f64>,
    pub d_w: Vec<f64>,
    pub d_b: Vec<f64>,
}

/// [`crate::softmax::linear_cross_entropy`] from the equations, with the gradient of a bias also where it is absent.
///
/// # Errors
/// As [`crate::softmax::linear_cross_entropy`].
pub fn linear_cross_entropy(batch: &LceBatch) -> Result<ReferenceLoss, KernelError> {
    batch.check("reference linear_cross_entropy")?;
    let (hidden, vocabulary) = (batch.hidden, batch.vocabulary);
    let smoothing = f64::from(batch.smoothing);
    let counts = |target: &&u32| **target != IGNORE;
    let count = batch.targets.iter().filter(counts).count().max(1) as f64;
    let mut out = ReferenceLoss {
        nll: vec![0.0; batch.targets.len()],
        loss: 0.0,
        d_h: vec![0.0; batch.h.len()],
        d_w: vec![0.0; batch.w.len()],
        d_b: vec![0.0; vocabulary],
    };
    for (row, &target) in batch.targets.iter().enumerate() {
        if target == IGNORE {
            continue;
        }
        let h = &batch.h[row * hidden..(row + 1) * hidden];
        let logits = (0..vocabulary).map(|class| {
            let w = &batch.w[class * hidden..(class + 1) * hidden];
            let products = h.iter().zip(w).map(|(&h, &w)| f64::from(h) * f64::from(w));
            products.sum::<f64>() + batch.b.map_or(0.0, |b| f64::from(b[class]))
        });
        let log_p = log_softmax(&logits.collect::<Vec<f64>>());
        let weight = batch.weights.map_or(1.0, |weights| f64::from(weights[row]));
        out.nll[row] = -log_p[target as usize];
        for (class, log_p) in log_p.into_iter().enumerate() {
            let hit = if class == target as usize { 1.0 } else { 0.0 };
            let q = (1.0 - smoothing) * hit + smoothing / vocabulary as f64;
            out.loss -= weight * q * log_p / count;
            let d = weight * (log_p.exp() - q) / count;
            out.d_b[class] += d;
            for i in 0..hidden {
                out.d_h[row * hidden + i] += d * f64::from(batch.w[class * hidden + i]);
                out.d_w[class * hidden + i] += d * f64::from(h[i]);
            }
        }
    }
    Ok(out)
}
