//! Numbers of 8 bits with a scale and a zero point, and sums of their products.

use crate::call::{Call, wrong_dtype};
use crate::error::OpError;
use refrain_data::array::{Array, Data, Dtype};

/// Integers of 8 bits as wider ones.
pub(crate) fn bytes(value: &Array, what: &'static str) -> Result<Vec<i32>, OpError> {
    match value.data() {
        Data::U8(v) => Ok(v.iter().map(|&x| x.into()).collect()),
        Data::I8(v) => Ok(v.iter().map(|&x| x.into()).collect()),
        _ => Err(wrong_dtype(what, "int8 or uint8", value)),
    }
}

/// A zero point or a list of them; 0 if it is left out. It has the type of its tensor.
pub(crate) fn zeros(
    call: &Call,
    index: usize,
    what: &'static str,
    of: Dtype,
) -> Result<Vec<i32>, OpError> {
    match call.optional(index) {
        None => Ok(vec![0]),
        Some(zeros) if zeros.dtype() == of => bytes(zeros, what),
        Some(zeros) => Err(OpError::Dtype {
            what,
            expected: "the type of its tensor",
            got: zeros.dtype().to_string(),
        }),
    }
}

/// Scale and zero point of numbers that are quantised to bytes as they come (ONNX, `DynamicQuantizeLinear`).
pub(crate) fn range(x: &[f32]) -> (f32, u8) {
    let low = x.iter().copied().fold(0.0, f32::min);
    let high = x.iter().copied().fold(0.0, f32::max);
    let scale = (high - low) / 255.0;
    match scale > 0.0 && scale.is_finite() {
        true => (
            scale,
            (-low / scale).round_ties_even().clamp(0.0, 255.0) as u8,
        ),
        false => (if scale == 0.0 { 1.0 } else { scale }, 0),
    }
}

/// The bytes of numbers: rounded to even, with the zero point added, and cut.
pub(crate) fn quantised(x: &[f32], scale: f32, zero: u8) -> Vec<u8> {
    let one = |&x: &f32| ((x / scale).round_ties_even() + f32::from(zero)).clamp(0.0, 255.0) as u8;
    x.iter().map(one).collect()
}

/// (a − za)·(b − zb) for `[M,K]` and `[K,N]`: `[M,N]`. `za` is one number or one for each row, `zb` one or one for each
/// column. Sums wrap, as 32 bits do.
pub(crate) fn product(
    (a, za): (&[i32], &[i32]),
    (b, zb): (&[i32], &[i32]),
    [m, k, n]: [usize; 3],
) -> Vec<i32> {
    let mut y = vec![0i32; m * n];
    for i in 0..m {
        let row = &mut y[i * n..(i + 1) * n];
        let zero = za[if za.len() == 1 { 0 } else { i }];
        let mut sum = 0i32;
        for (j, &a) in a[i * k..(i + 1) * k].iter().enumerate() {
            let a = a.wrapping_sub(zero);
            sum = sum.wrapping_add(a);
            for (y, &b) in row.iter_mut().zip(&b[j * n..(j + 1) * n]) {
                *y = y.wrapping_add(a.wrapping_mul(b));
            }
        }
        for (j, y) in row.iter_mut().enumerate() {
            let zero = zb[if zb.len() == 1 { 0 } else { j }];
            *y = y.wrapping_sub(sum.wrapping_mul(zero));
        }
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_take_zero_points_off() {
        let (a, b) = ([1, 2, 3, 4], [5, 6, 7, 8]);
        // [[0,1],[1,2]]·[[5−1,6−2],[7−1,8−2]] with za = (1, 2) for the rows and zb = (1, 2) for the columns.
        let y = product((&a, &[1, 2]), (&b, &[1, 2]), [2, 2, 2]);
        assert_eq!(y, [6, 6, 16, 16]);
    }

    #[test]
    fn ranges_hold_zero() {
        assert_eq!(range(&[]), (1.0, 0));
        assert_eq!(range(&[-255.0]), (1.0, 255));
        let (scale, zero) = range(&[-1.0, 2.0]);
        assert_eq!(quantised(&[-1.0, 0.0, 2.0], scale, zero), [0, 85, 255]);
    }
}
