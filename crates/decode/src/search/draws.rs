//! Random hypotheses of one sentence.

use super::hypothesis::Kept;
use super::step::{Live, Scratch, Step};
use crate::sample::{SampleError, Sampler};
use refrain_random::Rng;

/// The draws of a sentence: their random numbers, and the ones that grow no more.
pub(super) struct Draws {
    sampler: Sampler,
    rngs: Vec<Rng>,
    ended: Vec<Option<Kept>>,
    begun: bool,
}

impl Draws {
    pub fn new(sampler: Sampler, samples: usize, seed: u64, number: u64) -> Self {
        Self {
            sampler,
            rngs: (0..samples).map(|n| numbers(seed, number, n)).collect(),
            ended: vec![None; samples],
            begun: false,
        }
    }

    /// The hypotheses that go on. In the first step, all draws come from one row.
    pub fn step(&mut self, mut step: Step<'_>) -> Result<Vec<Live>, SampleError> {
        let mut live = Vec::new();
        for (parent, hypothesis) in step.parents.iter().enumerate() {
            let draws = match self.begun {
                true => hypothesis.sample..hypothesis.sample + 1,
                false => 0..self.rngs.len(),
            };
            if !step.restrict(parent) {
                let stuck = step.stuck(parent);
                draws.for_each(|draw| self.ended[draw] = Some(stuck.clone()));
                continue;
            }
            possible(&mut step, parent);
            for draw in draws {
                let Scratch { tokens, logits, .. } = &*step.scratch;
                let token = tokens[self.sampler.sample(logits, &mut self.rngs[draw])?];
                if Some(token) == step.config.end {
                    self.ended[draw] = Some(step.end(parent, token));
                    continue;
                }
                let mut grown = step.grow(parent, token);
                grown.sample = draw;
                live.push(grown);
            }
        }
        self.begun = true;
        Ok(live)
    }

    /// Takes a draw that grows no more.
    pub fn keep(&mut self, draw: usize, kept: Kept) {
        self.ended[draw] = Some(kept);
    }

    pub fn results(&self) -> Vec<&Kept> {
        self.ended.iter().flatten().collect()
    }
}

/// Gathers the tokens of a row that have a probability above 0.
fn possible(step: &mut Step<'_>, parent: usize) {
    let row = &step.log_probs[parent * step.vocabulary..][..step.vocabulary];
    let Scratch { tokens, logits, .. } = &mut *step.scratch;
    tokens.clear();
    logits.clear();
    for (token, &value) in (0..).zip(row) {
        if value > f32::NEG_INFINITY {
            tokens.push(token);
            logits.push(value);
        }
    }
}

/// The random numbers of a draw.
fn numbers(seed: u64, sentence: u64, draw: usize) -> Rng {
    let sentence = Rng::new(seed).next_u64() ^ sentence;
    let draw = Rng::new(sentence).next_u64() ^ draw as u64;
    Rng::new(Rng::new(draw).next_u64())
}
