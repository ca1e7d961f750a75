//! Rows of a matrix by number, and the sums that flow back into them.

use crate::error::{KernelError, expect, room};
use crate::parts::Parts;
use crate::pool::{self, share, unless_miri};
use crate::scratch::{unwritten, written};
use std::mem::MaybeUninit;

/// Elements of a gradient that pay for one thread more.
const WORTH_A_THREAD: usize = unless_miri(64 * 1024, 4);

fn check(op: &'static str, ids: &[u32], vocabulary: usize) -> Result<(), KernelError> {
    match ids.iter().position(|&id| id as usize >= vocabulary) {
        None => Ok(()),
        Some(position) => Err(KernelError::Index {
            op,
            what: "id",
            position,
            got: ids[position] as usize,
            bound: vocabulary,
        }),
    }
}

/// y`[n,:]` = w`[ids[n],:]`; `w` `[V,C]`, gives `[N,C]`.
///
/// # Errors
/// [`KernelError::Index`]: an id that is not below `V`. [`KernelError::Shape`]: a matrix of another size.
/// [`KernelError::TooLarge`]: a result that does not fit into memory.
pub fn embedding(
    ids: &[u32],
    w: &[f32],
    vocabulary: usize,
    features: usize,
) -> Result<Vec<f32>, KernelError> {
    const OP: &str = "embedding";
    expect(OP, "w", &[vocabulary, features], w.len())?;
    check(OP, ids, vocabulary)?;
    let mut y = room(OP, "y", &[ids.len(), features])?;
    for &id in ids {
        y.extend_from_slice(&w[id as usize * features..][..features]);
    }
    Ok(y)
}

/// d_w`[v,:]` = Σ d_y`[n,:]` over the n with ids`[n]` = v, in order of n; `d_y` `[N,C]`, gives `[V,C]`.
///
/// # Errors
/// [`KernelError::Index`]: an id that is not below `V`. [`KernelError::Shape`]: a gradient of another size.
/// [`KernelError::TooLarge`]: a result that does not fit into memory.
pub fn embedding_backward(
    ids: &[u32],
    d_y: &[f32],
    vocabulary: usize,
    features: usize,
) -> Result<Vec<f32>, KernelError> {
    const OP: &str = "embedding backward";
    expect(OP, "d_y", &[ids.len(), features], d_y.len())?;
    check(OP, ids, vocabulary)?;
    let mut d_w = unwritten(OP, "d_w", &[vocabulary, features])?;
    // Filling a large gradient with zeros takes most of the time, which threads share.
    let threads = pool::threads().clamp(1, (d_w.len() / WORTH_A_THREAD).max(1));
    let parts = Parts::new(&mut d_w);
    pool::run(threads, |id, threads| {
        let own = share(vocabulary, id, threads);
        // SAFETY: the shares of two threads do not overlap.
        let d_w = unsafe { parts.take(own.start * features..own.end * features) };
        let d_w = zeros(d_w);
        for (n, &id) in ids.iter().enumerate() {
            if own.contains(&(id as usize)) {
                let row = &mut d_w[(id as usize - own.start) * features..][..features];
                let d_y = &d_y[n * features..][..features];
                row.iter_mut().zip(d_y).for_each(|(d_w, d_y)| *d_w += d_y);
            }
        }
    });
    // SAFETY: the shares of the threads cover all rows, and each thread has filled its own.
    Ok(unsafe { written(d_w) })
}

/// `values`, filled with zeros.
fn zeros(values: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    let start: *mut f32 = values.as_mut_ptr().cast();
    // SAFETY: the same memory, whose bytes are all zero and so floats.
    unsafe {
        start.write_bytes(0, values.len());
        std::slice::from_raw_parts_mut(start, values.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_gathered_and_their_gradients_added() {
        let w = [0.0, 1.0, 10.0, 11.0, 20.0, 21.0];
        let ids = [2, 0, 2];
        assert_eq!(
            embedding(&ids, &w, 3, 2).unwrap(),
            [20.0, 21.0, 0.0, 1.0, 20.0, 21.0]
        );
        let d_w = embedding_backward(&ids, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, 2).unwrap();
        assert_eq!(d_w, [3.0, 4.0, 0.0, 0.0, 6.0, 8.0]);
        let error = embedding(&[1, 3], &w, 3, 2).unwrap_err();
        assert!(matches!(
            error,
            KernelError::Index {
                position: 1,
                got: 3,
                bound: 3,
                ..
            }
        ));
    }
}
