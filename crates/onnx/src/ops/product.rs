//! Matrix products.

use crate::call::Call;
use crate::error::OpError;
use crate::walk::{Walk, broadcast};
use refrain_data::array::{Array, Dtype};
use refrain_kernels::softmax;
use std::borrow::Cow;

/// `MatMul`: `[..,M,K]` times `[..,K,N]`, outer dimensions broadcast, a vector taken for a row on the left and a column
/// on the right.
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
    let count = call.check(Dtype::F32, &full)?;
    let y = match outer_b.is_empty() {
        // One matrix for all rows of A.
        true => product(a, &columns(call, b, [k, n]), [count / n.max(1), k, n])?,
        false => {
            let mut y = Vec::with_capacity(count);
            let pairs = Walk::broadcast(outer_a, &outer).zip(Walk::broadcast(outer_b, &outer));
            for (i, j) in pairs {
                let columns = transposed(&b[j * k * n..][..k * n], [k, n]);
                y.extend(product(&a[i * m * k..][..m * k], &columns, [m, k, n])?);
            }
            y
        }
    };
    let mut shape = outer;
    shape.extend((left.len() > 1).then_some(m));
    shape.extend((right.len() > 1).then_some(n));
    Ok(vec![Array::floats(shape, y)?])
}

/// a·b, `[M,K]` times the columns of b, `[N,K]`: `[M,N]`.
fn product(a: &[f32], columns: &[f32], [m, k, n]: [usize; 3]) -> Result<Vec<f32>, OpError> {
    match [m, k, n].contains(&0) {
        true => Ok(vec![0.0; m * n]),
        false => Ok(softmax::linear(a, columns, None, m, k, n)?),
    }
}

/// The columns of B, `[K,N]` to `[N,K]`; kept for all runs if B is a constant.
fn columns<'a>(call: &Call<'a>, b: &[f32], shape: [usize; 2]) -> Cow<'a, [f32]> {
    match call.is_constant(1) {
        true => Cow::Borrowed(call.kept.columns.get_or_init(|| transposed(b, shape))),
        false => Cow::Owned(transposed(b, shape)),
    }
}

fn transposed(x: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    let turned = Walk::new(&[columns, rows], vec![1, columns as isize], 0);
    turned.map(|at| x[at]).collect()
}

/// `Gemm`: alpha·A·B + beta·C for matrices, A and B transposed if asked, C broadcast.
pub(super) fn gemm(call: &Call) -> Result<Vec<Array>, OpError> {
    let alpha = call.attributes.float("alpha")?.unwrap_or(1.0);
    let beta = call.attributes.float("beta")?.unwrap_or(1.0);
    let (left, a) = matrix(call, 0, "A")?;
    let (right, b) = matrix(call, 1, "B")?;
    let a_turned = call.attributes.switch("transA", false)?;
    let b_turned = call.attributes.switch("transB", false)?;
    let turn = |[rows, columns]: [usize; 2], turned| match turned {
        true => [columns, rows],
        false => [rows, columns],
    };
    let ([m, k], [k_b, n]) = (turn(left, a_turned), turn(right, b_turned));
    if k != k_b {
        return Err(OpError::Shapes {
            left: vec![m, k],
            right: vec![k_b, n],
            why: ", the inner sizes differ",
        });
    }
    call.check(Dtype::F32, &[m, n])?;
    let a = match a_turned {
        true => Cow::Owned(transposed(a, left)),
        false => Cow::Borrowed(a),
    };
    let b = match b_turned {
        true => Cow::Borrowed(b),
        false => columns(call, b, right),
    };
    let mut y = product(&a, &b, [m, k, n])?;
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

fn matrix<'a>(
    call: &Call<'a>,
    index: usize,
    what: &'static str,
) -> Result<([usize; 2], &'a [f32]), OpError> {
    match call.floats(index, what)? {
        (&[rows, columns], x) => Ok(([rows, columns], x)),
        (shape, _) => Err(OpError::Other(format!(
            "{what} has shape {shape:?} where a matrix is needed"
        ))),
    }
}
