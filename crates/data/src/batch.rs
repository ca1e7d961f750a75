//! Language-model batches for truncated backpropagation through time.

use crate::error::DataError;
use refrain_random::SplitMix64;

/// One batch: entry `[b, t]` of a `[B,T]` matrix lies at `b * T + t`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LmBatch {
    /// `B`, the number of parallel streams.
    pub batch: usize,
    /// `T`, the number of steps of this batch; the last one is often shorter.
    pub time: usize,
    /// Token ids `[B,T]`.
    pub inputs: Vec<u32>,
    /// The token that follows each input, `[B,T]`.
    pub targets: Vec<u32>,
    /// Real steps of each stream, `[B]`, each at most `T`. All are `T` unless the batches [cover](Continuous::covering)
    /// a text that does not divide by `B`; ids past a length are 0 and must not be counted.
    pub lengths: Vec<usize>,
    /// Whether the streams start here, so that carried state is reset before this batch.
    pub first: bool,
}

impl LmBatch {
    /// Number of predictions that count: the sum of the lengths.
    pub fn counted(&self) -> usize {
        self.lengths.iter().sum()
    }
}

/// A token sequence read as `B` parallel streams (Zaremba et al. 2014): stream `b` is the `b`-th piece of the sequence,
/// and batch `i + 1` goes on in each stream where batch `i` stopped, so that state can be carried.
///
/// A stream's last target is the first token of the next stream: every token is predicted exactly once, except the very
/// first and, in [`new`](Self::new), up to `B - 1` last ones ([`dropped`](Self::dropped)). A position is just the index
/// of a batch.
#[derive(Debug, Clone)]
pub struct Continuous {
    ids: Vec<u32>,
    batch: usize,
    /// Steps per stream (of the longest).
    steps: usize,
    /// Where the batches start in a stream, and `steps` at the end.
    starts: Vec<usize>,
}

impl Continuous {
    /// `batch` streams of equal length, cut into batches of `time` steps: for training.
    pub fn new(ids: Vec<u32>, batch: usize, time: usize) -> Result<Self, DataError> {
        check_shape(batch, time)?;
        let steps = ids.len().saturating_sub(1) / batch;
        Self::with_steps(ids, batch, time, steps)
    }

    /// Like [`new`](Self::new), but the last streams may be shorter, so that every token but the very first is
    /// predicted: for evaluation.
    pub fn covering(ids: Vec<u32>, batch: usize, time: usize) -> Result<Self, DataError> {
        check_shape(batch, time)?;
        let steps = ids.len().saturating_sub(1).div_ceil(batch);
        Self::with_steps(ids, batch, time, steps)
    }

    fn with_steps(
        ids: Vec<u32>,
        batch: usize,
        time: usize,
        steps: usize,
    ) -> Result<Self, DataError> {
        if steps == 0 {
            return Err(DataError::TooFewTokens {
                tokens: ids.len(),
                batch,
            });
        }
        let starts = (0..steps).step_by(time).chain([steps]).collect();
        Ok(Self {
            ids,
            batch,
            steps,
            starts,
        })
    }

    /// Cuts the streams anew into batches of random lengths around `time`, as AWD-LSTM does (Merity et al. 2018): with
    /// probability 0.95 around `time`, else around `time / 2`; standard deviation 5, at least 5 and at most `time + 20`
    /// steps. The same `(seed, epoch)` gives the same cuts. The paper scales the learning rate by `batch.time / time`.
    pub fn cut_randomly(&mut self, time: usize, seed: u64, epoch: u64) {
        let mut rng = SplitMix64::new(seed ^ SplitMix64::new(epoch).next_u64());
        self.starts = vec![0];
        let mut at = 0;
        while at < self.steps {
            at = (at + random_length(time, &mut rng)).min(self.steps);
            self.starts.push(at);
        }
    }

    /// Number of batches in one pass.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Never: a sequence too short for one batch is refused.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `B`.
    pub fn batch_size(&self) -> usize {
        self.batch
    }

    /// Predictions in one pass.
    pub fn targets(&self) -> usize {
        (0..self.batch).map(|b| self.stream_length(b)).sum()
    }

    /// Tokens at the end that no stream holds: 0 to `B - 1`.
    pub fn dropped(&self) -> usize {
        self.ids.len() - 1 - self.targets()
    }

    /// Batch `index`, or `None` past the end.
    pub fn get(&self, index: usize) -> Option<LmBatch> {
        let (&start, &end) = (self.starts.get(index)?, self.starts.get(index + 1)?);
        let (batch, time) = (self.batch, end - start);
        let mut inputs = vec![0; batch * time];
        let mut targets = vec![0; batch * time];
        let mut lengths = vec![0; batch];
        for b in 0..batch {
            let n = self.stream_length(b).saturating_sub(start).min(time);
            let from = b * self.steps + start;
            if n > 0 {
                inputs[b * time..][..n].copy_from_slice(&self.ids[from..from + n]);
                targets[b * time..][..n].copy_from_slice(&self.ids[from + 1..from + 1 + n]);
            }
            lengths[b] = n;
        }
        Some(LmBatch {
            batch,
            time,
            inputs,
            targets,
            lengths,
            first: index == 0,
        })
    }

    /// All batches of one pass, in order.
    pub fn iter(&self) -> impl Iterator<Item = LmBatch> + '_ {
        (0..self.len()).filter_map(|i| self.get(i))
    }

    fn stream_length(&self, b: usize) -> usize {
        (self.ids.len() - 1)
            .saturating_sub(b * self.steps)
            .min(self.steps)
    }
}

fn check_shape(batch: usize, time: usize) -> Result<(), DataError> {
    if batch == 0 || time == 0 {
        return Err(DataError::BatchShape { batch, time });
    }
    Ok(())
}

fn random_length(time: usize, rng: &mut SplitMix64) -> usize {
    let centre = if rng.below(100) < 95 { time } else { time / 2 };
    // Twelve uniforms: mean 6, variance 1, and integers only, unlike Box and Muller's logarithm. Scaled to a deviation
    // of 5.
    let sum: u64 = (0..12).map(|_| rng.below(1 << 20)).sum();
    let noise = (5 * sum as i64 - 5 * 6 * (1 << 20)) >> 20;
    (centre as i64 + noise).clamp(5, time as i64 + 20) as usize
}
