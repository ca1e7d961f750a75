//! Batches of sequences that are about as long as each other.

use refrain_data::speech::shuffled;

/// Batches' worth of sequences that are sorted together: more random than all, less padding than none.
const SORTED: usize = 16;

/// Numbers of the sequences of each batch, from their lengths, in an order that follows from `seed`.
pub(super) fn batches(lengths: &[usize], size: usize, seed: u64) -> Vec<Vec<usize>> {
    let size = size.max(1);
    let mut order = shuffled(lengths.len(), seed);
    let mut batches = Vec::new();
    for group in order.chunks_mut(size.saturating_mul(SORTED)) {
        group.sort_by_key(|&number| lengths[number]);
        batches.extend(group.chunks(size).map(<[usize]>::to_vec));
    }
    let order = shuffled(batches.len(), seed ^ 1);
    order
        .into_iter()
        .map(|number| std::mem::take(&mut batches[number]))
        .collect()
}
