//! One index out of `V` logits.

use crate::math::argmax;
use crate::top_k::TopK;
use refrain_random::Rng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A setting or logits that a sampler cannot take.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SampleError {
    /// The temperature is negative, infinite or not a number.
    #[error(
        "sample: temperature {0} is not a finite number of at least 0 \
         (0 takes the most likely token, 1 the model's own odds)"
    )]
    Temperature(f64),
    /// `top_k` is 0.
    #[error("sample: top-k 0 leaves no token to choose from (leave it out to keep them all)")]
    TopK,
    /// `top_p` lies outside (0, 1].
    #[error(
        "sample: top-p {0} is not above 0 and at most 1 (temperature 0 takes the most likely token alone)"
    )]
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

/// An index with its log-probability under the model itself: softmax(logits), whatever the sampler's temperature and
/// filters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Position among the logits.
    pub index: usize,
    /// ln p, nats; at most 0 but for rounding.
    pub log_prob: f64,
}

/// An index that was drawn, and the ones that the model finds likeliest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The index drawn.
    pub drawn: Scored,
    /// The number that was asked for, likeliest first, equal ones in the order of their indices. The index drawn may be
    /// among them.
    pub best: Vec<Scored>,
}

/// Chooses an index from softmax(logits / temperature), kept to the `top_k` most likely, then to the smallest set of
/// most likely ones whose probability reaches `top_p` (nucleus sampling, Holtzman et al. 2020). Equal logits rank by
/// index.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    temperature: f64,
    top_k: Option<usize>,
    top_p: Option<f64>,
}

impl Sampler {
    /// A sampler with checked settings. Temperature 0 takes the most likely index; `top_k` larger than `V` keeps all,
    /// and so does `top_p` 1.
    ///
    /// # Errors
    /// A temperature that is negative or not finite, a `top_k` of 0, a `top_p` that is not above 0 and at most 1.
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
            Some(p) if !(p > 0.0 && p <= 1.0) => Err(SampleError::TopP(p)),
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
    ///
    /// # Errors
    /// Logits that are empty, infinite or not a number.
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

    /// [`sample`](Self::sample) with the log-probability of the index and the `best` likeliest alternatives.
    ///
    /// # Errors
    /// The errors of [`sample`](Self::sample).
    pub fn choose(
        &self,
        logits: &[f32],
        best: usize,
        rng: &mut Rng,
    ) -> Result<Choice, SampleError> {
        let index = self.sample(logits, rng)?;
        let normaliser = log_sum_exp(logits);
        let scored = |index: usize| Scored {
            index,
            log_prob: f64::from(logits[index]) - normaliser,
        };
        let mut likeliest = TopK::new(best.min(logits.len()));
        for (index, &logit) in logits.iter().enumerate() {
            likeliest.push(f64::from(logit), index);
        }
        let best = likeliest.take(f64::INFINITY).into_iter();
        Ok(Choice {
            drawn: scored(index),
            best: best.map(|(_, index)| scored(index)).collect(),
        })
    }

    /// The probability of each index `[V]` with which [`sample`](Self::sample) draws it.
    ///
    /// # Errors
    /// The errors of [`sample`](Self::sample).
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

    /// The indices that pass the filters, as (index, weight relative to the most likely); ranked if a filter is set.
    fn candidates(&self, logits: &[f32]) -> Vec<(usize, f64)> {
        let max = f64::from(logits[argmax(logits)]);
        let weight = |l: f32| libm::exp((f64::from(l) - max) / self.temperature);
        if self.top_k.is_none() && self.top_p.is_none() {
            return logits.iter().map(|&l| weight(l)).enumerate().collect();
        }
        // By logit, not by weight: weights of different logits can round to the same number.
        let most = self.top_k.unwrap_or(logits.len()).min(logits.len());
        let mut best = TopK::new(most);
        for (index, &logit) in logits.iter().enumerate() {
            best.push(f64::from(logit), index);
        }
        let best = best.take(f64::INFINITY).into_iter();
        let mut kept: Vec<_> = best.map(|(_, i)| (i, weight(logits[i]))).collect();
        if let Some(p) = self.top_p {
            let goal = p * kept.iter().map(|c| c.1).sum::<f64>();
            kept.truncate(nucleus(&kept, goal));
        }
        kept
    }
}

/// ln Σ exp(logits), nats.
fn log_sum_exp(logits: &[f32]) -> f64 {
    let max = f64::from(logits[argmax(logits)]);
    let sum: f64 = logits.iter().map(|&l| libm::exp(f64::from(l) - max)).sum();
    max + libm::log(sum)
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
