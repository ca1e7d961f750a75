//! One index out of `V` logits.

use crate::math::argmax;
use crate::rng::Rng;
use thiserror::Error;

/// What can be wrong with a sampler's settings or with the logits it is given.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SampleError {
    /// The temperature is negative, infinite or not a number.
    #[error(
        "sample: temperature {0} is not a finite number of at least 0 (0 takes the most likely token, 1 the model's own odds)"
    )]
    Temperature(f64),
    /// `top_k` is 0.
    #[error("sample: top-k 0 leaves no token to choose from (leave it out to keep them all)")]
    TopK,
    /// `top_p` lies outside [0, 1].
    #[error("sample: top-p {0} is not a probability between 0 and 1")]
    TopP(f64),
    /// There are no logits.
    #[error("sample: no logits to choose from (V is 0)")]
    Empty,
    /// A logit is infinite or not a number.
    #[error("sample: logit {index} of {len} is {value}; the model's weights may be damaged")]
    NotFinite {
        /// Position of the first such logit.
        index: usize,
        /// `V`.
        len: usize,
        /// Its value.
        value: f32,
    },
}

/// Chooses an index from softmax(logits / temperature), kept to the `top_k` most likely, then to the smallest set of most likely ones
/// whose probability reaches `top_p` (nucleus sampling, Holtzman et al. 2020). Equal logits rank by index.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    temperature: f64,
    top_k: Option<usize>,
    top_p: Option<f64>,
}

impl Sampler {
    /// A sampler with checked settings. Temperature 0 takes the most likely index; `top_k` larger than `V` keeps all;
    /// `top_p` 0 keeps the most likely index only, 1 keeps all.
    pub fn new(
        temperature: f64,
        top_k: Option<usize>,
        top_p: Option<f64>,
    ) -> Result<Self, SampleError> {
        if !temperature.is_finite() || temperature < 0.0 {
            return Err(SampleError::Temperature(temperature));
        }
        if top_k == Some(0) {
            return Err(SampleError::TopK);
        }
        match top_p {
            Some(p) if !(0.0..=1.0).contains(&p) => Err(SampleError::TopP(p)),
            _ => Ok(Self {
                temperature,
                top_k,
                top_p,
            }),
        }
    }

    /// The most likely index, always.
    pub fn greedy() -> Self {
        Self {
            temperature: 0.0,
            top_k: None,
            top_p: None,
        }
    }

    /// An index into `logits` `[V]`. Draws exactly one number from `rng`, or none at temperature 0.
    pub fn sample(&self, logits: &[f32], rng: &mut Rng) -> Result<usize, SampleError> {
        check(logits)?;
        if self.temperature == 0.0 {
            return Ok(argmax(logits));
        }
        let kept = self.candidates(logits);
        let total: f64 = kept.iter().map(|&(_, weight)| weight).sum();
        let mut left = rng.uniform() * total;
        for &(index, weight) in &kept {
            if left < weight {
                return Ok(index);
            }
            left -= weight;
        }
        // Rounding can leave a remainder past the last candidate.
        Ok(kept
            .iter()
            .rev()
            .find(|c| c.1 > 0.0)
            .map_or_else(|| argmax(logits), |c| c.0))
    }

    /// The probability of each index `[V]` under this sampler: what [`sample`](Self::sample) draws from.
    pub fn probabilities(&self, logits: &[f32]) -> Result<Vec<f64>, SampleError> {
        check(logits)?;
        let mut p = vec![0.0; logits.len()];
        if self.temperature == 0.0 {
            p[argmax(logits)] = 1.0;
            return Ok(p);
        }
        let kept = self.candidates(logits);
        let total: f64 = kept.iter().map(|&(_, weight)| weight).sum();
        for (index, weight) in kept {
            p[index] = weight / total;
        }
        Ok(p)
    }

    /// What the filters leave, as (index, weight relative to the most likely); ranked if a filter is set.
    fn candidates(&self, logits: &[f32]) -> Vec<(usize, f64)> {
        let max = f64::from(logits[argmax(logits)]);
        let weight = |&l: &f32| libm::exp((f64::from(l) - max) / self.temperature);
        let mut kept: Vec<_> = logits.iter().map(weight).enumerate().collect();
        if self.top_k.is_none() && self.top_p.is_none() {
            return kept;
        }
        // By logit, not by weight: weights of different logits can round to the same number.
        kept.sort_by(|a, b| logits[b.0].total_cmp(&logits[a.0]).then(a.0.cmp(&b.0)));
        kept.truncate(self.top_k.unwrap_or(kept.len()));
        if let Some(p) = self.top_p {
            let goal = p * kept.iter().map(|c| c.1).sum::<f64>();
            kept.truncate(nucleus(&kept, goal));
        }
        kept
    }
}

/// How many of the ranked `kept` it takes to reach the weight `goal`; at least one.
fn nucleus(kept: &[(usize, f64)], goal: f64) -> usize {
    let mut reached = 0.0;
    for (n, &(_, weight)) in kept.iter().enumerate() {
        reached += weight;
        if reached >= goal {
            return n + 1;
        }
    }
    kept.len()
}

fn check(logits: &[f32]) -> Result<(), SampleError> {
    if logits.is_empty() {
        return Err(SampleError::Empty);
    }
    match logits.iter().position(|l| !l.is_finite()) {
        Some(index) => Err(SampleError::NotFinite {
            index,
            len: logits.len(),
            value: logits[index],
        }),
        None => Ok(()),
    }
}
