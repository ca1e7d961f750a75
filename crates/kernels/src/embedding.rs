//! Rows of a matrix by number, and the sums that flow back into them.

use crate::error::{KernelError, expect};
use crate::pool::{self, SharedPtr, share};
use crate::scratch::{unwritten, written};

/// Elements of a gradient that are worth a thread.
const WORTH_A_THREAD: usize = 64 * 1024;

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
/// An id that is not below `V`, or a matrix of another size.
pub fn embedding(
    ids: &[u32],
    w: &[f32],
    vocabulary: usize,
    features: usize,
) -> Result<Vec<f32>, KernelError> {
    expect("embedding", "w", vocabulary * features, w.len())?;
    check("embedding", ids, vocabulary)?;
    let mut y = Vec::with_capacity(ids.len() * features);
    for &id in ids {
        y.extend_from_slice(&w[id as usize * features..][..features]);
    }
    Ok(y)
}

/// d_w`[v,:]` = Σ d_y`[n,:]` over the n with ids`[n]` = v, in order of n; `d_y` `[N,C]`, gives `[V,C]`.
///
/// # Errors
/// An id that is not below `V`, or a gradient of another size.
pub fn embedding_backward(
    ids: &[u32],
    d_y: &[f32],
    vocabulary: usize,
    features: usize,
) -> Result<Vec<f32>, KernelError> {
    expect("embedding backward", "d_y", ids.len() * features, d_y.len())?;
    check("embedding backward", ids, vocabulary)?;
    let mut d_w = unwritten(vocabulary * features);
    // Most of a large gradient is zeros, whose way to memory takes the time.
    let threads = pool::threads().clamp(1, (d_w.len() / WORTH_A_THREAD).max(1));
    let out = SharedPtr(d_w.as_mut_ptr());
    pool::run(threads, |id, threads| {
        let own = share(vocabulary, id, threads);
        // SAFETY: each thread has rows of its own.
        let d_w = unsafe {
            let d_w = out.get().add(own.start * features).cast::<f32>();
            d_w.write_bytes(0, own.len() * features);
            std::slice::from_raw_parts_mut(d_w, own.len() * features)
        };
        for (n, &id) in ids.iter().enumerate() {
            if own.contains(&(id as usize)) {
                let row = &mut d_w[(id as usize - own.start) * features..][..features];
                let d_y = &d_y[n * features..][..features];
                row.iter_mut().zip(d_y).for_each(|(d_w, d_y)| *d_w += d_y);
            }
        }
    });
    // SAFETY: the threads have written every row.
    Ok(unsafe { written(d_w) })
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
