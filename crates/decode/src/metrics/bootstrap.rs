//! Paired bootstrap resampling (Koehn 2004): whether the difference of two systems may be chance.
//!
//! The form of `sacrebleu --paired-bs` (2.6.0). Each resample draws as many lines as there are, with replacement, the
//! same lines for both systems. With d the difference over all lines and d_i that of resample i of n,
//!
//! p = (1 + the number of i with |d_i| − mean |d_i| > |d|) / (n + 1).
//!
//! Half of the width of the middle 95% of a system's resamples stands behind its mean. There is one departure: if all
//! d_i are 0, p is 1, where sacreBLEU prints its smallest value, 1 / (n + 1).

use super::measure::Measure;
use super::score::{Kind, Metric, ScoreError};
use refrain_random::SplitMix64;
use serde::Serialize;

/// Most numbers that the statistics of all lines may have: 1 GiB, and as much again as room to grow.
const MOST_NUMBERS: usize = 1 << 27;
/// Most resamples.
const MOST_RESAMPLES: usize = 1_000_000;

/// How lines are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bootstrap {
    /// Number of resamples, 1 to 1,000,000.
    pub resamples: usize,
    /// The same seed draws the same lines.
    pub seed: u64,
}

impl Default for Bootstrap {
    /// sacreBLEU's numbers.
    fn default() -> Self {
        Self {
            resamples: 1000,
            seed: 12345,
        }
    }
}

/// A system in a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Resampled {
    /// The figure of all lines.
    pub value: f64,
    /// Mean of the resamples.
    pub mean: f64,
    /// Half of the width of the 95% interval of the resamples.
    pub half_width: f64,
}

/// The difference of two systems by one metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Name of the metric.
    pub metric: &'static str,
    /// `None` where there are no lines, or a figure of all lines or of every resample has nothing to divide by.
    pub difference: Option<Difference>,
    /// All that the figures depend on but the texts: see [`Metric::signature`].
    pub signature: String,
}

/// A difference, and how far chance may have made it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// The hypothesis.
    pub system: Resampled,
    /// The other hypothesis.
    pub other: Resampled,
    /// Figure of the hypothesis minus that of the other.
    pub value: f64,
    /// The 95% interval of the difference in the resamples.
    pub interval: [f64; 2],
    /// The probability of a difference as large as this one if the systems were equal.
    pub p: f64,
    /// Number of resamples with a figure of both systems.
    pub resamples: usize,
}

/// Compares a hypothesis with another one of the same text, by several metrics.
///
/// Memory is that of the statistics of all lines, 16 to 192 bytes a line, system and metric, at most 2 GiB in all. Time
/// is the number of resamples times that of the statistics.
///
/// # Errors
/// A metric that is not made of sums over lines, resamples out of range, texts of different numbers of lines, too many
/// lines.
pub fn compare<R: AsRef<str>, H: AsRef<str>, O: AsRef<str>>(
    metrics: &[&'static Metric],
    reference: impl IntoIterator<Item = R>,
    hypothesis: impl IntoIterator<Item = H>,
    other: impl IntoIterator<Item = O>,
    bootstrap: Bootstrap,
) -> Result<Vec<Comparison>, ScoreError> {
    if !(1..=MOST_RESAMPLES).contains(&bootstrap.resamples) {
        return Err(ScoreError::Resamples {
            asked: bootstrap.resamples,
            most: MOST_RESAMPLES,
        });
    }
    let tables = metrics.iter().map(|metric| Tables::new(metric));
    let mut tables = tables.collect::<Result<Vec<_>, _>>()?;
    let width: usize = tables.iter().map(|table| 2 * table.measure.width()).sum();
    let (mut reference, mut hypothesis, mut other) = (
        reference.into_iter(),
        hypothesis.into_iter(),
        other.into_iter(),
    );
    let mut lines = 0;
    loop {
        let next = (reference.next(), hypothesis.next(), other.next());
        let (Some(reference_line), Some(own), Some(their)) = &next else {
            if matches!(next, (None, None, None)) {
                break;
            }
            let counts = [
                rest(next.0.is_some(), reference),
                rest(next.1.is_some(), hypothesis),
                rest(next.2.is_some(), other),
            ];
            return Err(unequal(counts.map(|more| lines as u64 + more)));
        };
        if width.saturating_mul(lines + 1) > MOST_NUMBERS {
            return Err(ScoreError::TooManyLines {
                line: lines as u64 + 1,
            });
        }
        for table in &mut tables {
            table.add(reference_line.as_ref(), own.as_ref(), their.as_ref());
        }
        lines += 1;
    }
    let compared = metrics.iter().zip(&tables).map(|(metric, table)| {
        let Bootstrap { resamples, seed } = bootstrap;
        Comparison {
            metric: metric.name,
            difference: table.difference(bootstrap),
            signature: metric.signature_with(&format!("nrefs:1|bs:{resamples}|seed:{seed}")),
        }
    });
    Ok(compared.collect())
}

/// Lines that are left, with one that was taken already.
fn rest(taken: bool, lines: impl Iterator) -> u64 {
    match taken {
        true => 1 + lines.count() as u64,
        false => 0,
    }
}

/// The error for texts of different numbers of lines: reference, hypothesis, other.
fn unequal([reference, hypothesis, other]: [u64; 3]) -> ScoreError {
    match hypothesis == reference {
        true => ScoreError::OtherLines { other, reference },
        false => ScoreError::Lines {
            hypothesis,
            reference,
        },
    }
}

/// The statistics of all lines of both systems, line by line.
struct Tables {
    measure: &'static dyn Measure,
    hypothesis: Vec<f64>,
    other: Vec<f64>,
}

impl Tables {
    fn new(metric: &'static Metric) -> Result<Self, ScoreError> {
        let Kind::Sums(measure) = metric.kind else {
            return Err(ScoreError::NotAdditive {
                metric: metric.name,
            });
        };
        Ok(Self {
            measure,
            hypothesis: Vec::new(),
            other: Vec::new(),
        })
    }

    fn add(&mut self, reference: &str, hypothesis: &str, other: &str) {
        let width = self.measure.width();
        let systems = [(&mut self.hypothesis, hypothesis), (&mut self.other, other)];
        for (table, line) in systems {
            let before = table.len();
            table.resize(before + width, 0.0);
            self.measure.add(&[reference], line, &mut table[before..]);
        }
    }

    fn lines(&self) -> usize {
        self.hypothesis.len() / self.measure.width()
    }

    /// The figures of the lines with these numbers.
    fn values(&self, lines: impl Iterator<Item = usize>) -> Option<[f64; 2]> {
        let width = self.measure.width();
        let mut sums = vec![0.0; 2 * width];
        let (own, their) = sums.split_at_mut(width);
        for line in lines {
            let at = line * width..(line + 1) * width;
            add(own, &self.hypothesis[at.clone()]);
            add(their, &self.other[at]);
        }
        Some([self.measure.value(own)?, self.measure.value(their)?])
    }

    fn difference(&self, bootstrap: Bootstrap) -> Option<Difference> {
        let lines = self.lines();
        if lines == 0 {
            return None;
        }
        let [own, their] = self.values(0..lines)?;
        let mut random = SplitMix64::new(bootstrap.seed);
        let mut draws: [Vec<f64>; 3] = Default::default();
        for _ in 0..bootstrap.resamples {
            // The number of lines is below 2^32: see `MOST_NUMBERS`.
            let drawn = (0..lines).map(|_| random.below(lines as u64) as usize);
            if let Some([own, their]) = self.values(drawn) {
                draws[0].push(own);
                draws[1].push(their);
                draws[2].push(own - their);
            }
        }
        let [system, other, differences] = &mut draws;
        let value = own - their;
        let p = p_value(value, differences)?;
        let resampled = |value, draws: &mut Vec<f64>| {
            let mean = mean(draws)?;
            let [low, high] = interval(draws)?;
            Some(Resampled {
                value,
                mean,
                half_width: 0.5 * (high - low),
            })
        };
        Some(Difference {
            system: resampled(own, system)?,
            other: resampled(their, other)?,
            value,
            interval: interval(differences)?,
            p,
            resamples: differences.len(),
        })
    }
}

fn add(sums: &mut [f64], line: &[f64]) {
    sums.iter_mut().zip(line).for_each(|(sum, own)| *sum += own);
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The middle 95% of the values, which are sorted.
fn interval(values: &mut [f64]) -> Option<[f64; 2]> {
    values.sort_by(f64::total_cmp);
    let low = values.len() / 40;
    let high = values.len().checked_sub(low + 1)?;
    Some([*values.get(low)?, *values.get(high)?])
}

fn p_value(difference: f64, drawn: &[f64]) -> Option<f64> {
    if drawn.iter().all(|&drawn| drawn == 0.0) {
        return (!drawn.is_empty()).then_some(1.0);
    }
    let sizes: Vec<f64> = drawn.iter().map(|drawn| drawn.abs()).collect();
    let mean = mean(&sizes)?;
    let larger = sizes
        .iter()
        .filter(|&&size| size - mean > difference.abs())
        .count();
    Some((larger + 1) as f64 / (sizes.len() + 1) as f64)
}
