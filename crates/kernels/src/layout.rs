//! Ragged batches without padding: which rows of x a recurrence visits, step by step.

use crate::call::{Direction, Plan};
use crate::error::{KernelError, room};

/// Sequences by falling length, so that the sequences which still run at a step come first.
///
/// *Row* `j` is one real step of one sequence. Step `s` has rows `first[s]..first[s + 1]`, one for each sequence that
/// still runs, in the order of ranks.
pub(crate) struct Layout {
    /// Sequence at each rank.
    pub order: Vec<usize>,
    /// First row of each step, and the number of rows at the end.
    pub first: Vec<usize>,
    /// Index `b·T + t` of each row in x and y. No index occurs twice.
    pub external: Vec<usize>,
}

impl Layout {
    /// For a plan whose lengths are checked.
    ///
    /// # Errors
    /// [`KernelError::TooLarge`] where so many steps do not fit into memory.
    pub(crate) fn new(
        op: &'static str,
        plan: &Plan,
        direction: Direction,
    ) -> Result<Self, KernelError> {
        let length = |b: usize| plan.lengths.map_or(plan.time, |lengths| lengths[b]);
        let mut order = room(op, "sequences", &[plan.batch])?;
        order.extend(0..plan.batch);
        order.sort_by_key(|&b| std::cmp::Reverse(length(b)));
        let steps = order.first().map_or(0, |&b| length(b));
        let mut first = room(op, "steps", &[steps + 1])?;
        first.push(0);
        let most = match plan.lengths {
            Some(lengths) => [1, lengths.iter().sum()],
            None => [plan.batch, plan.time],
        };
        let mut external = room(op, "steps of all sequences", &most)?;
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
        Ok(Self {
            order,
            first,
            external,
        })
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
