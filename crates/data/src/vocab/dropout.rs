//! Merges of byte-pair encoding with random ones left out.

use refrain_random::Rng;
use std::collections::HashMap;

/// The merges of a vocabulary: for each pair of ids its rank, lowest first, and the id of both together.
#[derive(Debug, Clone)]
pub struct Merges(HashMap<[u32; 2], (usize, u32)>);

impl Merges {
    /// Merges `[left, right, both]` in the order of their ranks.
    pub fn new(merges: impl Iterator<Item = [u32; 3]>) -> Self {
        let ranked = merges.enumerate();
        Self(
            ranked
                .map(|(rank, [left, right, both])| ([left, right], (rank, both)))
                .collect(),
        )
    }

    /// Merges the ids of a word. In each step every possible merge is dropped with probability `share`, and the one of
    /// lowest rank among the others is made; a step without any is the last one.
    pub fn merged(&self, mut ids: Vec<u32>, share: f64, rng: &mut Rng) -> Vec<u32> {
        loop {
            let possible = ids.windows(2).enumerate().filter_map(|(at, pair)| {
                let (rank, both) = self.0.get(&[pair[0], pair[1]])?;
                (share <= 0.0 || rng.uniform() >= share).then_some((*rank, at, *both))
            });
            let Some((_, at, both)) = possible.min() else {
                return ids;
            };
            ids[at] = both;
            ids.remove(at + 1);
        }
    }
}
