//! Ragged batches without padding: which rows of x a recurrence visits, step by step.

use crate::call::{Direction, Plan};

/// Sequences by falling length, so that those still running at a step are the first ones.
///
/// *Row* `j` is one real step of one sequence; step `s` has rows `first[s]..first[s + 1]`, one for each of the longest sequences.
pub(crate) struct Layout {
    /// Sequence at each rank.
    pub order: Vec<usize>,
    /// First row of each step, and the number of rows at the end.
    pub first: Vec<usize>,
    /// Index `b·T + t` of each row in x and y.
    pub external: Vec<usize>,
}

impl Layout {
    pub(crate) fn new(plan: &Plan, direction: Direction) -> Self {
        let length = |b: usize| plan.lengths.map_or(plan.time, |lengths| lengths[b]);
        let mut order: Vec<usize> = (0..plan.batch).collect();
        order.sort_by_key(|&b| std::cmp::Reverse(length(b)));
        let steps = order.first().map_or(0, |&b| length(b));
        let mut first = vec![0];
        let mut external = Vec::new();
        for s in 0..steps {
            for &b in order.iter().take_while(|&&b| length(b) > s) {
                let t = match direction {
                    Direction::Forward => s,
                    Direction::Reverse => length(b) - 1 - s,
                };
                external.push(b * plan.time + t);
            }
            first.push(external.len());
        }
        Self {
            order,
            first,
            external,
        }
    }

    /// Steps of the longest sequence.
    pub(crate) fn steps(&self) -> usize {
        self.first.len() - 1
    }

    /// Sequences still running at step `s`; none past the end.
    pub(crate) fn active(&self, s: usize) -> usize {
        match s < self.steps() {
            true => self.first[s + 1] - self.first[s],
            false => 0,
        }
    }
}
