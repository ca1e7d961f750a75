//! Operators that write into a copy of a tensor.

use super::Results;
use super::select::element_offsets;
use crate::call::Call;
use crate::error::{OpError, problem};
use crate::walk::{axis, in_range, strides};
use refrain_data::array::{Array, Data};

/// The change of an element that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reduction {
    None,
    Add,
    Mul,
    Max,
    Min,
}

fn reduction(call: &Call) -> Result<Reduction, OpError> {
    match call.attributes.text("reduction")?.unwrap_or("none") {
        "none" => Ok(Reduction::None),
        "add" => Ok(Reduction::Add),
        "mul" => Ok(Reduction::Mul),
        "max" => Ok(Reduction::Max),
        "min" => Ok(Reduction::Min),
        other => Err(problem("reduction", &format!("is \"{other}\""))),
    }
}

/// `x` with the updates at their offsets, one after the other.
fn written(
    x: &Array,
    updates: &Array,
    offsets: impl Iterator<Item = usize>,
    how: Reduction,
) -> Results {
    macro_rules! write {
        ($($kind:ident: $add:expr, $mul:expr, $max:expr, $min:expr;)+) => {
            match (x.data(), updates.data()) {
                $((Data::$kind(v), Data::$kind(new)) => {
                    let mut y = v.clone();
                    for (at, &new) in offsets.zip(new) {
                        let old = y[at];
                        y[at] = match how {
                            Reduction::None => new,
                            Reduction::Add => $add(old, new),
                            Reduction::Mul => $mul(old, new),
                            Reduction::Max => $max(old, new),
                            Reduction::Min => $min(old, new),
                        };
                    }
                    Data::$kind(y)
                })+
                _ => return Err(OpError::Dtype {
                    what: "updates",
                    expected: "the type of data",
                    got: updates.dtype().to_string(),
                }),
            }
        };
    }
    let data = write! {
        F32: |a, b| a + b, |a, b| a * b, f32::max, f32::min;
        F64: |a, b| a + b, |a, b| a * b, f64::max, f64::min;
        F16: |a, b| a + b, |a, b| a * b, half_max, half_min;
        I64: i64::wrapping_add, i64::wrapping_mul, Ord::max, Ord::min;
        I32: i32::wrapping_add, i32::wrapping_mul, Ord::max, Ord::min;
        I16: i16::wrapping_add, i16::wrapping_mul, Ord::max, Ord::min;
        I8: i8::wrapping_add, i8::wrapping_mul, Ord::max, Ord::min;
        U64: u64::wrapping_add, u64::wrapping_mul, Ord::max, Ord::min;
        U32: u32::wrapping_add, u32::wrapping_mul, Ord::max, Ord::min;
        U16: u16::wrapping_add, u16::wrapping_mul, Ord::max, Ord::min;
        U8: u8::wrapping_add, u8::wrapping_mul, Ord::max, Ord::min;
        Bool: |a, b| a || b, |a, b| a && b, |a, b| a || b, |a, b| a && b;
    };
    Ok(vec![Array::new(x.shape().to_vec(), data)?])
}

type Half = refrain_data::array::f16;

fn half_max(a: Half, b: Half) -> Half {
    if b > a { b } else { a }
}

fn half_min(a: Half, b: Half) -> Half {
    if b < a { b } else { a }
}

/// `ScatterElements`, which was `Scatter` before opset 11.
pub(super) fn scatter_elements(call: &Call) -> Results {
    let x = call.input(0, "data")?;
    let shape = call.input(1, "indices")?.shape();
    let indices = call.ints(1, "indices")?;
    let updates = call.input(2, "updates")?;
    if updates.shape() != shape {
        return Err(OpError::Shape {
            what: "updates",
            expected: shape.to_vec(),
            got: updates.shape().to_vec(),
        });
    }
    let along = axis(call.attributes.int("axis")?.unwrap_or(0), x.shape().len())?;
    let offsets = element_offsets(x.shape(), shape, &indices, along)?;
    written(x, updates, offsets.into_iter(), reduction(call)?)
}

/// `ScatterND`: slices at indices of the first axes.
pub(super) fn scatter_nd(call: &Call) -> Results {
    let x = call.input(0, "data")?;
    let shape = call.input(1, "indices")?.shape();
    let indices = call.ints(1, "indices")?;
    let updates = call.input(2, "updates")?;
    let (depth, outer) = match shape.split_last() {
        Some((&depth, outer)) if depth <= x.shape().len() => (depth, outer),
        _ => {
            return Err(OpError::Shapes {
                left: x.shape().to_vec(),
                right: shape.to_vec(),
                why: ", an index may not have more numbers than the data has axes",
            });
        }
    };
    let inner = &x.shape()[depth..];
    let expected = [outer, inner].concat();
    if updates.shape() != expected {
        return Err(OpError::Shape {
            what: "updates",
            expected,
            got: updates.shape().to_vec(),
        });
    }
    let own = strides(x.shape());
    let block: usize = inner.iter().product();
    let slices: usize = outer.iter().product();
    let mut offsets = Vec::with_capacity(updates.len());
    for slice in 0..slices {
        let mut at = 0;
        for (d, &index) in indices[slice * depth..(slice + 1) * depth]
            .iter()
            .enumerate()
        {
            at += in_range("index", index, x.shape()[d])? * own[d] as usize;
        }
        offsets.extend(at..at + block);
    }
    written(x, updates, offsets.into_iter(), reduction(call)?)
}
