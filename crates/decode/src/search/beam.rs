//! Beam search of one sentence.

use super::config::Stop;
use super::hypothesis::{Kept, Pool};
use super::step::{Live, Step};
use super::tree::Tree;
use crate::top_k::TopK;

/// Values that are compared at once before any of them is looked at.
const BLOCK: usize = 64;

/// A hypothesis of the last step with a next token.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    parent: u32,
    token: u32,
}

/// The hypotheses of a beam search that grow no more, and its settings.
pub(super) struct Beam {
    width: usize,
    n_best: usize,
    stop: Stop,
    /// With the end mark.
    ended: Pool,
    /// Without.
    rest: Pool,
}

impl Beam {
    pub fn new(width: usize, n_best: usize, stop: Stop) -> Self {
        Self {
            width,
            n_best,
            stop: if width == 1 { Stop::Full } else { stop },
            ended: Pool::new(width),
            rest: Pool::new(width),
        }
    }

    /// The hypotheses that go on.
    pub fn step(&mut self, mut step: Step<'_>, text: &dyn Fn(&[u32]) -> String) -> Vec<Live> {
        // Each hypothesis has one end mark, so that `K` others are among the best 2·`K`.
        let room = self.width.saturating_mul(2);
        let banks = step.plan.words.tokens() + 1;
        let mut banks: Vec<_> = (0..banks).map(|_| TopK::new(room)).collect();
        for parent in 0..step.parents.len() {
            match step.restrict(parent) {
                true => fill(&mut step, parent, &mut banks),
                false => self.keep(step.stuck(parent), step.tree, text),
            }
        }
        let mut live = Vec::new();
        for bank in &mut banks {
            let full = live.len() + self.width;
            for (rank, (_, candidate)) in bank.take(f64::INFINITY).into_iter().enumerate() {
                let (parent, token) = (candidate.parent as usize, candidate.token);
                match step.config.end == Some(token) {
                    true if rank < self.width => {
                        let kept = step.end(parent, token);
                        self.ended.offer(kept, step.tree, text);
                    }
                    false if live.len() < full => live.push(step.grow(parent, token)),
                    _ => {}
                }
            }
        }
        live
    }

    /// Takes a hypothesis without end mark that grows no more.
    pub fn keep(&mut self, kept: Kept, tree: &Tree, text: &dyn Fn(&[u32]) -> String) {
        self.rest.offer(kept, tree, text);
    }

    /// Whether the search ends: `K` have ended, and no live hypothesis counts any more by the stop rule. The scores are
    /// those of the best live one: as it is, and the highest that it may reach.
    pub fn over(&self, present: f64, bound: f64) -> bool {
        let worst = self.ended.worst();
        self.ended.full()
            && match self.stop {
                Stop::Full => true,
                Stop::Present => present <= worst,
                Stop::Bound => bound <= worst,
            }
    }

    pub fn results(&self) -> Vec<&Kept> {
        self.ended.results(&self.rest, self.n_best)
    }
}

/// Offers a hypothesis with each token to the bank where it then belongs.
fn fill(step: &mut Step<'_>, parent: usize, banks: &mut [TopK<Candidate>]) {
    let (plan, parents) = (step.plan, step.parents);
    let (words, live) = (&plan.words, &parents[parent]);
    let candidate = |token| Candidate {
        parent: parent as u32,
        token,
    };
    let mut apart = std::mem::take(&mut step.scratch.apart);
    let row = step.row(parent);
    apart.clear();
    for &token in words.alphabet() {
        apart.push((token, row[token as usize]));
        row[token as usize] = f32::NEG_INFINITY;
    }
    // Any other token breaks off the words on their way.
    let bank = &mut banks[words.settled(&live.progress)];
    scan(row, live.sum, bank, candidate);
    for &(token, value) in &apart {
        row[token as usize] = value;
        let bank = words.bank(&live.progress, token);
        banks[bank].push(live.sum + f64::from(value), candidate(token));
    }
    step.scratch.apart = apart;
}

/// Offers each token of a row that can still be among the best.
fn scan<T>(row: &[f32], sum: f64, best: &mut TopK<T>, candidate: impl Fn(u32) -> T) {
    let mut least = threshold(best.floor(), sum);
    for (start, block) in (0..).step_by(BLOCK).zip(row.chunks(BLOCK)) {
        if !block
            .iter()
            .fold(false, |any, &value| any | (value >= least))
        {
            continue;
        }
        for (token, &value) in (start..).zip(block) {
            if value >= least {
                best.push(sum + f64::from(value), candidate(token));
            }
        }
        least = threshold(best.floor(), sum);
    }
}

/// A log-probability below this does not lift the sum above the floor.
fn threshold(floor: Option<f64>, sum: f64) -> f32 {
    // One step down makes up for the rounding to f32.
    floor.map_or(f32::NEG_INFINITY, |floor| {
        ((floor - sum) as f32).next_down()
    })
}
