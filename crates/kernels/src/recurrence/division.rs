//! How the threads of a direction divide its work.

use super::Member;
use crate::cache;
use crate::call::Plan;
use crate::pool::share;
use crate::tile::Table;
use std::ops::Range;

/// Whether most of `bytes` of weights, which a thread reads once a step, lie outside its second cache.
pub(crate) fn beyond(bytes: usize) -> bool {
    !fill(bytes, 16)
}

/// Whether `bytes` fill at most `eighths` of a core's second cache.
pub(crate) fn fill(bytes: usize, eighths: usize) -> bool {
    bytes <= cache::second() / 8 * eighths
}

/// Whether `bytes` of weights stay in a core's second cache from one step to the next, with the other traffic of a
/// step.
fn stay_cached(bytes: usize) -> bool {
    fill(bytes, 7)
}

/// How the threads of a direction divide its work.
#[derive(Clone, Copy)]
pub(super) struct Division {
    /// Whether each thread takes some of the sequences with all units. Otherwise it takes some of the units of all
    /// sequences, and the threads meet once a step. By sequences they need not meet, but each reads all of the weights
    /// and has fewer rows for its tiles.
    pub by_sequences: bool,
    /// Whether a thread's weights exceed its second cache, so that the next panel is prefetched.
    pub prefetch: bool,
    /// Whether most of a thread's weights lie outside its second cache.
    pub beyond: bool,
}

impl Division {
    /// For `threads` threads and `bytes` of weights. Divided by units, the threads would hand each other `handed`
    /// values of each unit.
    pub fn new(plan: &Plan, threads: usize, table: &Table, bytes: usize, handed: usize) -> Self {
        let [usual, lower] = table.efficient_rows;
        // With few rows a thread reads weights faster than the second cache delivers them, unless most are in the
        // first.
        let rows = match handed > 1 || stay_cached(2 * bytes) {
            true => lower,
            false => usual,
        };
        let even = plan.lengths.is_none();
        let by_sequences =
            threads > 1 && even && stay_cached(bytes) && plan.batch >= threads * rows;
        let read = if by_sequences { bytes } else { bytes / threads };
        Self {
            by_sequences,
            prefetch: !fill(read, table.prefetch_eighths),
            beyond: beyond(read),
        }
    }

    /// The part of a thread.
    pub fn part(self, batch: usize, Member { id, of, parts }: Member) -> Part {
        match self.by_sequences {
            true => Part {
                weights: 0..parts,
                ranks: share(batch, id, of),
            },
            false => Part {
                weights: share(parts, id, of),
                ranks: 0..batch,
            },
        }
    }
}

/// The part of a direction that belongs to one of its threads.
pub(super) struct Part {
    /// The parts of the packed weights that it reads.
    pub weights: Range<usize>,
    /// Its sequences, by rank.
    pub ranks: Range<usize>,
}

impl Part {
    /// Its ranks among the first `active`.
    pub fn active(&self, active: usize) -> Range<usize> {
        self.ranks.start.min(active)..self.ranks.end.min(active)
    }
}
