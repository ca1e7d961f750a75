//! Attention from its equations.

use super::{Float, axpy, dot, row};
use crate::attention::{Attended, AttendedGradients, AttentionGradients, Queries, Score, Source};
use crate::error::KernelError;
use crate::scratch::zeros;

/// [`crate::attention::forward`] from the equations.
///
/// # Errors
/// As [`crate::attention::forward`].
pub fn attention<F: Float>(
    source: &Source<F>,
    queries: &Queries<F>,
) -> Result<Attended<F>, KernelError> {
    const OP: &str = "reference attention";
    queries.check(OP, source)?;
    let (batch, keys, c) = (source.batch, source.time, source.value_size);
    let mut context = zeros(OP, "context", &[batch, queries.time, c])?;
    let mut probabilities = zeros(OP, "probabilities", &[batch, queries.time, keys])?;
    for b in 0..batch {
        let mut coverage = vec![F::default(); source.length(b)];
        for at in queries.rows(b) {
            let q = row(queries.queries, at, source.key_size);
            let a = softmax(&scores(source, b, q, &coverage));
            for (s, &p) in a.iter().enumerate() {
                coverage[s] += p;
                probabilities[at * keys + s] = p;
                let value = row(source.values, b * keys + s, c);
                axpy(p, value, &mut context[at * c..(at + 1) * c]);
            }
        }
    }
    Ok(Attended {
        context,
        probabilities,
    })
}

/// The scores of a query with the keys of a sentence.
fn scores<F: Float>(source: &Source<F>, b: usize, q: &[F], coverage: &[F]) -> Vec<F> {
    let score = |(s, &coverage): (usize, &F)| {
        let k = row(source.keys, b * source.time + s, source.key_size);
        let score = match source.score {
            Score::General => dot(q, k),
            Score::Additive { u } => {
                let m: Vec<F> = q.iter().zip(k).map(|(&q, &k)| (q + k).tanh()).collect();
                dot(u, &m)
            }
        };
        score
            + source
                .coverage
                .map_or(F::default(), |weight| weight * coverage)
    };
    coverage.iter().enumerate().map(score).collect()
}

fn softmax<F: Float>(scores: &[F]) -> Vec<F> {
    let greater = |m: F, x: F| if x > m { x } else { m };
    let Some(largest) = scores.iter().copied().reduce(greater) else {
        return Vec::new();
    };
    let e: Vec<F> = scores.iter().map(|&x| (x - largest).exp()).collect();
    let sum: F = e.iter().copied().sum();
    e.iter().map(|&e| e / sum).collect()
}

/// [`crate::attention::backward`] from the equations.
///
/// # Errors
/// As [`crate::attention::backward`].
pub fn attention_backward<F: Float>(
    source: &Source<F>,
    queries: &Queries<F>,
    probabilities: &[F],
    d_out: &AttendedGradients<F>,
) -> Result<AttentionGradients<F>, KernelError> {
    const OP: &str = "reference attention backward";
    queries.check(OP, source)?;
    d_out.check(OP, source, queries, probabilities)?;
    let (batch, keys) = (source.batch, source.time);
    let (d, c) = (source.key_size, source.value_size);
    let mut out = AttentionGradients {
        d_queries: zeros(OP, "d_queries", &[batch, queries.time, d])?,
        d_keys: zeros(OP, "d_keys", &[batch, keys, d])?,
        d_values: zeros(OP, "d_values", &[batch, keys, c])?,
        d_u: match source.score {
            Score::General => None,
            Score::Additive { .. } => Some(zeros(OP, "d_u", &[d])?),
        },
        d_coverage: source.coverage.map(|_| F::default()),
    };
    for b in 0..batch {
        let length = source.length(b);
        let mut later = vec![F::default(); length];
        for at in queries.rows(b).rev() {
            let d_context = row(d_out.d_context, at, c);
            let a = &row(probabilities, at, keys)[..length];
            let mut d_a = later.clone();
            for s in 0..length {
                let value = (b * keys + s) * c..(b * keys + s + 1) * c;
                d_a[s] += dot(d_context, &source.values[value.clone()]);
                axpy(a[s], d_context, &mut out.d_values[value]);
                if let Some(d) = d_out.d_probabilities {
                    d_a[s] += d[at * keys + s];
                }
            }
            let mean = dot(a, &d_a);
            for s in 0..length {
                let d_score = a[s] * (d_a[s] - mean);
                let earlier = (b * queries.time..at).map(|at| probabilities[at * keys + s]);
                if let (Some(d_weight), Some(weight)) = (&mut out.d_coverage, source.coverage) {
                    *d_weight += d_score * earlier.sum();
                    later[s] += weight * d_score;
                }
                score_backward(source, queries, [at, b * keys + s], d_score, &mut out);
            }
        }
    }
    Ok(out)
}

/// Adds the gradients of one score to those of its query and key (rows `at` of all) and of u.
fn score_backward<F: Float>(
    source: &Source<F>,
    queries: &Queries<F>,
    at: [usize; 2],
    d_score: F,
    out: &mut AttentionGradients<F>,
) {
    let n = source.key_size;
    let (q, k) = (row(queries.queries, at[0], n), row(source.keys, at[1], n));
    let [q_row, k_row] = at.map(|at| at * n..(at + 1) * n);
    let (d_q, d_k) = (&mut out.d_queries[q_row], &mut out.d_keys[k_row]);
    match (source.score, &mut out.d_u) {
        (Score::Additive { u }, Some(d_u)) => {
            for i in 0..n {
                let m = (q[i] + k[i]).tanh();
                let d = d_score * u[i] * (F::ONE - m * m);
                d_q[i] += d;
                d_k[i] += d;
                d_u[i] += d_score * m;
            }
        }
        _ => {
            axpy(d_score, k, d_q);
            axpy(d_score, q, d_k);
        }
    }
}
