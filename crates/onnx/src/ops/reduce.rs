//! Sums, means and largest elements over axes.

use crate::call::Call;
use crate::error::OpError;
use crate::walk::{Walk, around, axes, axis, strides};
use refrain_data::array::{Array, Data, Dtype};

type Results = Result<Vec<Array>, OpError>;

pub(super) fn sum(call: &Call) -> Results {
    reduced(call, 13, 0.0, |y, x| y + x, |sum, _| sum)
}

pub(super) fn mean(call: &Call) -> Results {
    reduced(call, 18, 0.0, |y, x| y + x, |sum, count| sum / count)
}

pub(super) fn max(call: &Call) -> Results {
    // Unlike f32::max, NaN stays.
    let larger = |y: f64, x: f64| if x > y || x.is_nan() { x } else { y };
    reduced(call, 18, f64::NEG_INFINITY, larger, |max, _| max)
}

/// Folds the axes given by the attribute, or by the input since opset `moved`; all axes if none is given. Sums are in
/// double precision.
fn reduced(
    call: &Call,
    moved: i64,
    start: f64,
    fold: impl Fn(f64, f64) -> f64,
    finish: impl Fn(f64, f64) -> f64,
) -> Results {
    let value = call.input(0, "data")?;
    let (shape, x) = call.floats(0, "data")?;
    let keep = call.attributes.switch("keepdims", true)?;
    let nothing = call.attributes.switch("noop_with_empty_axes", false)?;
    let over = match call.moved_ints("axes", 1, moved)? {
        Some(list) if !list.is_empty() => axes(&list, shape.len())?,
        _ if nothing => return Ok(vec![value.clone()]),
        _ => vec![true; shape.len()],
    };
    let sizes = |d: usize| if over[d] { 1 } else { shape[d] };
    let kept: Vec<usize> = (0..shape.len()).map(sizes).collect();
    let mut y = vec![start; call.check(Dtype::F32, &kept)?];
    let mut steps = strides(&kept);
    steps
        .iter_mut()
        .zip(&over)
        .for_each(|(step, &over)| *step *= isize::from(!over));
    for (&x, at) in x.iter().zip(Walk::new(shape, steps, 0)) {
        y[at] = fold(y[at], x.into());
    }
    let count: usize = (0..shape.len())
        .filter(|&d| over[d])
        .map(|d| shape[d])
        .product();
    let y = y
        .into_iter()
        .map(|y| finish(y, count as f64) as f32)
        .collect();
    let dropped = |d: &usize| keep || !over[*d];
    let shape = (0..shape.len()).filter(dropped).map(|d| kept[d]).collect();
    Ok(vec![Array::floats(shape, y)?])
}

/// Where the largest element along an axis stands: the first of several, or the last where asked.
pub(super) fn arg_max(call: &Call) -> Results {
    let x = call.input(0, "data")?;
    let last = call.attributes.switch("select_last_index", false)?;
    let keep = call.attributes.switch("keepdims", true)?;
    let along = axis(call.attributes.int("axis")?.unwrap_or(0), x.shape().len())?;
    let [outer, size, inner] = around(x.shape(), along);
    if size == 0 {
        return Err(OpError::Other(format!(
            "axis {along} of shape {:?} has no elements",
            x.shape()
        )));
    }
    fn largest<N: PartialOrd + Copy>(
        x: &[N],
        at: impl Fn(usize) -> usize,
        size: usize,
        last: bool,
    ) -> i64 {
        let better = |a: N, b: N| a > b || (last && a == b);
        (1..size).fold(0, |best, s| {
            if better(x[at(s)], x[at(best)]) {
                s
            } else {
                best
            }
        }) as i64
    }
    let lines = (0..outer).flat_map(|o| (0..inner).map(move |i| o * size * inner + i));
    let y = lines.map(|line| {
        let at = |s: usize| line + s * inner;
        match x.data() {
            Data::F32(v) => largest(v, at, size, last),
            Data::I64(v) => largest(v, at, size, last),
            Data::I32(v) => largest(v, at, size, last),
            Data::Bool(v) => largest(v, at, size, last),
        }
    });
    let y: Vec<i64> = y.collect();
    let mut shape = x.shape().to_vec();
    if keep {
        shape[along] = 1;
    } else {
        shape.remove(along);
    }
    Ok(vec![Array::new(shape, Data::I64(y))?])
}
