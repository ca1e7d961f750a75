//! Matrix products.

use crate::call::Call;
use crate::error::OpError;
use crate::walk::{Walk, broadcast};
use refrain_data::array::{Array, Dtype};

/// `MatMul`: `[..,M,K]` times `[..,K,N]`, outer dimensions broadcast, a vector taken for a row on the left and a column on the right.
pub(super) fn matmul(call: &Call) -> Result<Vec<Array>, OpError> {
    let (left, a) = call.floats(0, "A")?;
    let (right, b) = call.floats(1, "B")?;
    let mismatch = |why| OpError::Shapes {
        left: left.to_vec(),
        right: right.to_vec(),
        why,
    };
    let (outer_a, m, k) = match left {
        [] => return Err(mismatch(", a number has no product of matrices")),
        [k] => (&left[..0], 1, *k),
        [outer @ .., m, k] => (outer, *m, *k),
    };
    let (outer_b, k_b, n) = match right {
        [] => return Err(mismatch(", a number has no product of matrices")),
        [k] => (&right[..0], *k, 1),
        [outer @ .., k, n] => (outer, *k, *n),
    };
    if k != k_b {
        return Err(mismatch(", the inner sizes differ"));
    }
    let outer = broadcast(outer_a, outer_b)?;
    let full = [&outer[..], &[m, n]].concat();
    let mut y = vec![0.0; call.check(Dtype::F32, &full)?];
    let pairs = Walk::broadcast(outer_a, &outer).zip(Walk::broadcast(outer_b, &outer));
    if m * n > 0 {
        for ((i, j), y) in pairs.zip(y.chunks_exact_mut(m * n)) {
            add_product(
                &a[i * m * k..][..m * k],
                &b[j * k * n..][..k * n],
                y,
                [m, k, n],
            );
        }
    }
    let mut shape = outer;
    shape.extend((left.len() > 1).then_some(m));
    shape.extend((right.len() > 1).then_some(n));
    Ok(vec![Array::floats(shape, y)?])
}

/// y += a·b, `[M,K]` times `[K,N]`.
fn add_product(a: &[f32], b: &[f32], y: &mut [f32], [m, k, n]: [usize; 3]) {
    if k == 0 || n == 0 {
        return;
    }
    for (a, y) in a.chunks_exact(k).zip(y.chunks_exact_mut(n)).take(m) {
        for (&a, b) in a.iter().zip(b.chunks_exact(n)) {
            y.iter_mut().zip(b).for_each(|(y, &b)| *y += a * b);
        }
    }
}

/// `Gemm`: alpha·A·B + beta·C for matrices, A and B transposed if asked, C broadcast.
pub(super) fn gemm(call: &Call) -> Result<Vec<Array>, OpError> {
    let alpha = call.attributes.float("alpha")?.unwrap_or(1.0);
    let beta = call.attributes.float("beta")?.unwrap_or(1.0);
    let (left, a) = matrix(call, 0, "A", "transA")?;
    let (right, b) = matrix(call, 1, "B", "transB")?;
    let ([m, k], [k_b, n]) = (left, right);
    if k != k_b {
        return Err(OpError::Shapes {
            left: left.to_vec(),
            right: right.to_vec(),
            why: ", the inner sizes differ",
        });
    }
    let mut y = vec![0.0; call.check(Dtype::F32, &[m, n])?];
    add_product(&a, &b, &mut y, [m, k, n]);
    y.iter_mut().for_each(|y| *y *= alpha);
    match call.optional(2) {
        Some(_) => {
            let (shape, c) = call.floats(2, "C")?;
            if broadcast(shape, &[m, n])? != [m, n] {
                return Err(OpError::Shape {
                    what: "C",
                    expected: vec![m, n],
                    got: shape.to_vec(),
                });
            }
            let offsets = Walk::broadcast(shape, &[m, n]);
            y.iter_mut()
                .zip(offsets)
                .for_each(|(y, at)| *y += beta * c[at]);
        }
        None if call.opset < 11 => return Err(OpError::Missing("C")),
        None => {}
    }
    Ok(vec![Array::floats(vec![m, n], y)?])
}

/// A matrix, transposed where the attribute says so.
fn matrix(
    call: &Call,
    index: usize,
    what: &'static str,
    turn: &str,
) -> Result<([usize; 2], Vec<f32>), OpError> {
    let (shape, x) = call.floats(index, what)?;
    let &[rows, columns] = shape else {
        return Err(OpError::Other(format!(
            "{what} has shape {shape:?} where a matrix is needed"
        )));
    };
    Ok(match call.attributes.switch(turn, false)? {
        false => ([rows, columns], x.to_vec()),
        true => {
            let turned = Walk::new(&[columns, rows], vec![1, columns as isize], 0);
            ([columns, rows], turned.map(|at| x[at]).collect())
        }
    })
}
