//! Reductions over axes, and what runs along one axis.

use super::Results;
use crate::call::{Call, wrong_dtype};
use crate::error::{OpError, problem};
use crate::order::Ordered;
use crate::walk::{Walk, around, axes, axis, strides};
use refrain_data::array::{Array, Data};
use refrain_data::each_type;
use std::cmp::Ordering;

/// How several numbers become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reduction {
    Sum,
    Mean,
    Max,
    Min,
    Product,
    /// Σ|x|
    L1,
    /// √Σx²
    L2,
    /// log Σx
    LogSum,
    /// log Σ exp(x)
    LogSumExp,
    /// Σx²
    SumSquare,
}

impl Reduction {
    /// In double precision.
    fn of_floats<T: Copy + Into<f64>>(self, all: &[T]) -> f64 {
        let x = || all.iter().map(|&x| x.into());
        // Unlike those of the standard library, NaN stays.
        let larger = |y: f64, x: f64| if x > y || x.is_nan() { x } else { y };
        let smaller = |y: f64, x: f64| if x < y || x.is_nan() { x } else { y };
        let sum = || x().sum::<f64>();
        match self {
            Self::Sum => sum(),
            Self::Mean => sum() / all.len() as f64,
            Self::Max => x().fold(f64::NEG_INFINITY, larger),
            Self::Min => x().fold(f64::INFINITY, smaller),
            Self::Product => x().product(),
            Self::L1 => x().map(f64::abs).sum(),
            Self::L2 => x().map(|x| x * x).sum::<f64>().sqrt(),
            Self::LogSum => sum().ln(),
            Self::LogSumExp => {
                let max = x().fold(f64::NEG_INFINITY, larger);
                match max.is_finite() {
                    true => max + x().map(|x| (x - max).exp()).sum::<f64>().ln(),
                    false => max,
                }
            }
            Self::SumSquare => x().map(|x| x * x).sum(),
        }
    }

    /// Sums and products wrap, as integers of the type do.
    fn of_integers<T: Copy + Into<i128>>(self, all: &[T], [least, most]: [i128; 2]) -> i128 {
        let x = || all.iter().map(|&x| x.into());
        let sum = || x().fold(0i128, i128::wrapping_add);
        let squares = || x().fold(0i128, |sum, x| sum.wrapping_add(x.wrapping_mul(x)));
        match self {
            Self::Sum => sum(),
            Self::Mean => sum() / (all.len() as i128).max(1),
            Self::Max => x().max().unwrap_or(least),
            Self::Min => x().min().unwrap_or(most),
            Self::Product => x().fold(1i128, i128::wrapping_mul),
            Self::L1 => x().fold(0i128, |sum, x| sum.wrapping_add(x.abs())),
            Self::L2 => (squares() as f64).sqrt() as i128,
            Self::LogSum => (sum() as f64).ln() as i128,
            Self::LogSumExp => x().map(|x| (x as f64).exp()).sum::<f64>().ln() as i128,
            Self::SumSquare => squares(),
        }
    }
}

macro_rules! reductions {
    ($($name:ident = $kind:ident, $moved:expr;)+) => {
        $(pub(super) fn $name(call: &Call) -> Results {
            reduced(call, $moved, Reduction::$kind)
        })+
    };
}
reductions! {
    sum = Sum, 13;
    mean = Mean, 18;
    max = Max, 18;
    min = Min, 18;
    product = Product, 18;
    l1 = L1, 18;
    l2 = L2, 18;
    log_sum = LogSum, 18;
    log_sum_exp = LogSumExp, 18;
    sum_square = SumSquare, 18;
}

/// Reduces the axes given by the attribute, or by the input since opset `moved`; all axes if none is given.
fn reduced(call: &Call, moved: i64, what: Reduction) -> Results {
    let x = call.input(0, "data")?;
    let shape = x.shape();
    let keep = call.attributes.switch("keepdims", true)?;
    let nothing = call.attributes.switch("noop_with_empty_axes", false)?;
    let over = match call.moved_ints("axes", 1, moved)? {
        Some(list) if !list.is_empty() => axes(&list, shape.len())?,
        _ if nothing => {
            // Each number is reduced alone: only some reductions change it.
            return Ok(vec![each_alone(x, what)?]);
        }
        _ => vec![true; shape.len()],
    };
    let over = &over;
    let sizes = |wanted: bool| (0..shape.len()).filter(move |&d| over[d] == wanted);
    let (outer, inner): (Vec<usize>, Vec<usize>) = (sizes(false).collect(), sizes(true).collect());
    let kept: Vec<usize> = (0..shape.len())
        .map(|d| if inner.contains(&d) { 1 } else { shape[d] })
        .collect();
    let count = call.check(x.dtype(), &kept)?;
    let terms: usize = inner.iter().map(|&d| shape[d]).product();
    // The reduced axes innermost: nothing moves if they are already.
    let order: Vec<usize> = outer.iter().chain(&inner).copied().collect();
    let sorted = order.is_sorted();
    let moved = match sorted {
        true => None,
        false => {
            let own = strides(shape);
            let shape: Vec<usize> = order.iter().map(|&d| shape[d]).collect();
            let steps = order.iter().map(|&d| own[d]).collect();
            Some(x.taken(shape.clone(), Walk::new(&shape, steps, 0))?)
        }
    };
    let data = each_line(moved.as_ref().unwrap_or(x), count, terms, what)?;
    let shape = match keep {
        true => kept,
        false => outer.iter().map(|&d| shape[d]).collect(),
    };
    Ok(vec![Array::new(shape, data)?])
}

fn each_alone(x: &Array, what: Reduction) -> Result<Array, OpError> {
    let data = each_line(x, x.len(), 1, what)?;
    Ok(Array::new(x.shape().to_vec(), data)?)
}

/// Reduces `count` lines of `terms` numbers each.
fn each_line(x: &Array, count: usize, terms: usize, what: Reduction) -> Result<Data, OpError> {
    macro_rules! integers {
        ($v:expr, $of:ty) => {{
            let range = [<$of>::MIN.into(), <$of>::MAX.into()];
            let line = |i: usize| what.of_integers(&$v[i * terms..(i + 1) * terms], range) as $of;
            Data::from((0..count).map(line).collect::<Vec<_>>())
        }};
    }
    Ok(match x.data() {
        Data::F32(v) => {
            let line = |i: usize| what.of_floats(&v[i * terms..(i + 1) * terms]) as f32;
            Data::F32((0..count).map(line).collect())
        }
        Data::F64(v) => {
            let line = |i: usize| what.of_floats(&v[i * terms..(i + 1) * terms]);
            Data::F64((0..count).map(line).collect())
        }
        Data::I64(v) => integers!(v, i64),
        Data::I32(v) => integers!(v, i32),
        Data::I8(v) => integers!(v, i8),
        Data::U64(v) => integers!(v, u64),
        Data::U32(v) => integers!(v, u32),
        Data::U8(v) => integers!(v, u8),
        Data::Bool(v) if matches!(what, Reduction::Max | Reduction::Min) => {
            let line = |i: usize| {
                let line = &v[i * terms..(i + 1) * terms];
                match what {
                    Reduction::Max => line.contains(&true),
                    _ => !line.contains(&false),
                }
            };
            Data::Bool((0..count).map(line).collect())
        }
        _ => return Err(wrong_dtype("data", "a float or integer", x)),
    })
}

/// Where the largest element along an axis stands: the first of several, or the last where asked.
pub(super) fn arg_max(call: &Call) -> Results {
    arg(call, true)
}

/// Where the smallest element along an axis stands.
pub(super) fn arg_min(call: &Call) -> Results {
    arg(call, false)
}

fn arg(call: &Call, largest: bool) -> Results {
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
    fn best<N: PartialOrd + Copy>(
        x: &[N],
        at: impl Fn(usize) -> usize,
        size: usize,
        better: Ordering,
        last: bool,
    ) -> i64 {
        let wins = |s: usize, best: usize| match x[at(s)].partial_cmp(&x[at(best)]) {
            Some(Ordering::Equal) => last,
            order => order == Some(better),
        };
        (1..size).fold(0, |best, s| if wins(s, best) { s } else { best }) as i64
    }
    let better = match largest {
        true => Ordering::Greater,
        false => Ordering::Less,
    };
    let lines = (0..outer).flat_map(|o| (0..inner).map(move |i| o * size * inner + i));
    let y: Vec<i64> = lines
        .map(|line| {
            let at = |s: usize| line + s * inner;
            each_type!(x.data(), v => best(v, at, size, better, last))
        })
        .collect();
    let mut shape = x.shape().to_vec();
    if keep {
        shape[along] = 1;
    } else {
        shape.remove(along);
    }
    Ok(vec![Array::new(shape, Data::I64(y))?])
}

/// `CumSum`: of all elements up to each one along an axis; without itself if `exclusive`, from the end if `reverse`.
pub(super) fn cum_sum(call: &Call) -> Results {
    let x = call.input(0, "x")?;
    let given = call.ints(1, "axis")?;
    let &[given] = &given[..] else {
        return Err(OpError::Other("axis is not one number".into()));
    };
    let sizes = around(x.shape(), axis(given, x.shape().len())?);
    let exclusive = call.attributes.switch("exclusive", false)?;
    let reverse = call.attributes.switch("reverse", false)?;
    fn sums<T: Copy>(
        v: &[T],
        [outer, size, inner]: [usize; 3],
        [exclusive, reverse]: [bool; 2],
        zero: T,
        add: impl Fn(T, T) -> T,
    ) -> Vec<T> {
        let mut y = vec![zero; v.len()];
        for line in (0..outer).flat_map(|o| (0..inner).map(move |i| o * size * inner + i)) {
            let mut sum = zero;
            for s in 0..size {
                let at = line + if reverse { size - 1 - s } else { s } * inner;
                let next = add(sum, v[at]);
                y[at] = if exclusive { sum } else { next };
                sum = next;
            }
        }
        y
    }
    let flags = [exclusive, reverse];
    let data = match x.data() {
        Data::F32(v) => Data::F32(sums(v, sizes, flags, 0.0, |a, b| a + b)),
        Data::F64(v) => Data::F64(sums(v, sizes, flags, 0.0, |a, b| a + b)),
        Data::I64(v) => Data::I64(sums(v, sizes, flags, 0, i64::wrapping_add)),
        Data::I32(v) => Data::I32(sums(v, sizes, flags, 0, i32::wrapping_add)),
        Data::U64(v) => Data::U64(sums(v, sizes, flags, 0, u64::wrapping_add)),
        Data::U32(v) => Data::U32(sums(v, sizes, flags, 0, u32::wrapping_add)),
        _ => {
            return Err(wrong_dtype(
                "x",
                "a float or an integer of 32 bits or more",
                x,
            ));
        }
    };
    Ok(vec![Array::new(x.shape().to_vec(), data)?])
}

/// `TopK`: the K largest or smallest elements along an axis, in order, and where they stand. Of equal elements, the
/// first ones.
pub(super) fn top_k(call: &Call) -> Results {
    let x = call.input(0, "X")?;
    let shape = x.shape();
    let along = axis(call.attributes.int("axis")?.unwrap_or(-1), shape.len())?;
    let [outer, size, inner] = around(shape, along);
    let k = match call.opset < 10 {
        true => call
            .attributes
            .int("k")?
            .ok_or_else(|| problem("k", "is missing"))?,
        false => match call.ints(1, "K")?[..] {
            [k] => k,
            _ => return Err(OpError::Other("K is not one number".into())),
        },
    };
    let Some(k) = usize::try_from(k).ok().filter(|&k| k <= size) else {
        return Err(OpError::Index {
            what: "K",
            got: k,
            low: 0,
            high: size as i64 + 1,
        });
    };
    let largest = call.attributes.switch("largest", true)?;
    // Sorted results are correct where any order is allowed.
    call.attributes.switch("sorted", true)?;
    let mut result = shape.to_vec();
    result[along] = k;
    let count = call.check(x.dtype(), &result)?;
    call.check(refrain_data::array::Dtype::I64, &result)?;
    fn best<T: Ordered>(
        v: &[T],
        [outer, size, inner]: [usize; 3],
        k: usize,
        largest: bool,
        count: usize,
    ) -> (Vec<usize>, Vec<i64>) {
        let (mut from, mut places) = (vec![0; count], vec![0i64; count]);
        let mut order: Vec<usize> = Vec::with_capacity(size);
        for o in 0..outer {
            for i in 0..inner {
                let at = |s: usize| o * size * inner + s * inner + i;
                order.clear();
                order.extend(0..size);
                order.sort_by(|&a, &b| {
                    let (a, b) = (v[at(a)], v[at(b)]);
                    if largest { b.order(a) } else { a.order(b) }
                });
                for (s, &place) in order[..k].iter().enumerate() {
                    let to = o * k * inner + s * inner + i;
                    from[to] = at(place);
                    places[to] = place as i64;
                }
            }
        }
        (from, places)
    }
    let sizes = [outer, size, inner];
    let (from, places) = each_type!(x.data(), v => best(v, sizes, k, largest, count));
    let values = x.taken(result.clone(), from.into_iter())?;
    Ok(vec![values, Array::new(result, Data::I64(places))?])
}
