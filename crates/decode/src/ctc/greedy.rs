//! The labels of the best path.

use super::{CtcError, LabelSpan, check, probability};
use crate::math::argmax;

/// What [`greedy`] gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Greedy {
    /// The labels of the path, with their frames.
    pub labels: Vec<LabelSpan>,
    /// ln p(path | x), nats: of this one path, a lower bound of its labels' probability. 0 with no frames.
    pub log_prob: f64,
}

/// Best-path decoding (Graves et al. 2006, section 3.2): the likeliest class of every frame (the first of equals), repeats merged, blanks
/// taken out. It finds the likeliest path, which need not belong to the likeliest labels.
///
/// `log_probs` is `[T,V]`, nats; `blank` the class of no label.
///
/// # Errors
/// A size that is no multiple of `V`, a blank that is not below `V`, NaN or +∞.
pub fn greedy(log_probs: &[f32], vocabulary: usize, blank: u32) -> Result<Greedy, CtcError> {
    check(log_probs, vocabulary, blank)?;
    let mut labels: Vec<LabelSpan> = Vec::new();
    let (mut log_prob, mut before) = (0.0, blank);
    for (frame, values) in log_probs.chunks_exact(vocabulary).enumerate() {
        let class = argmax(values);
        log_prob += f64::from(values[class]);
        let p = probability(values[class]);
        let class = class as u32;
        match labels.last_mut() {
            Some(span) if class == before && class != blank => {
                span.last = frame;
                // A sum until the run is over.
                span.confidence += p;
            }
            _ if class != blank => labels.push(LabelSpan {
                label: class,
                first: frame,
                last: frame,
                confidence: p,
            }),
            _ => {}
        }
        before = class;
    }
    for span in &mut labels {
        span.confidence /= (span.last - span.first + 1) as f64;
    }
    Ok(Greedy { labels, log_prob })
}
