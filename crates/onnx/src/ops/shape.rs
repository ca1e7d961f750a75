//! Operators that change or make shapes, and constants.

use crate::call::Call;
use crate::error::{OpError, problem};
use crate::walk::{Walk, axes, axis, broadcast, strides};
use refrain_data::array::{Array, Data, Dtype, MAX_BYTES};
use refrain_data::each;

type Results = Result<Vec<Array>, OpError>;

/// Takes out the given axes, or all of size 1.
pub(super) fn squeeze(call: &Call) -> Results {
    let x = call.input(0, "data")?;
    let out = match call.moved_ints("axes", 1, 13)? {
        Some(list) => axes(&list, x.shape().len())?,
        None => x.shape().iter().map(|&size| size == 1).collect(),
    };
    let sizes = || x.shape().iter().zip(&out);
    if sizes().any(|(&size, &out)| out && size != 1) {
        let marked: Vec<usize> = (0..out.len()).filter(|&d| out[d]).collect();
        return Err(OpError::Other(format!(
            "axes {marked:?} of shape {:?} cannot be taken out, only those of size 1 can",
            x.shape()
        )));
    }
    let kept = sizes().filter(|(_, out)| !**out).map(|(&size, _)| size);
    Ok(vec![x.reshaped(kept.collect())?])
}

/// Adds axes of size 1 at the given places of the result.
pub(super) fn unsqueeze(call: &Call) -> Results {
    let x = call.input(0, "data")?;
    let list = call
        .moved_ints("axes", 1, 13)?
        .ok_or(OpError::Missing("axes"))?;
    let new = axes(&list, x.shape().len() + list.len())?;
    let mut old = x.shape().iter().copied();
    let size = |&new: &bool| if new { 1 } else { old.next().unwrap_or(1) };
    Ok(vec![x.reshaped(new.iter().map(size).collect())?])
}

/// Axes in another order; reversed if none is given.
pub(super) fn transpose(call: &Call) -> Results {
    let x = call.input(0, "data")?;
    let rank = x.shape().len();
    let order: Vec<usize> = match call.attributes.ints("perm")? {
        None => (0..rank).rev().collect(),
        Some(perm) if perm.len() == rank && perm.iter().all(|&d| d >= 0) => {
            axes(perm, rank)?;
            perm.iter().map(|&d| d as usize).collect()
        }
        Some(perm) => {
            return Err(problem(
                "perm",
                &format!("is {perm:?} for a shape of {rank} sizes"),
            ));
        }
    };
    let own = strides(x.shape());
    let shape: Vec<usize> = order.iter().map(|&d| x.shape()[d]).collect();
    let walk = Walk::new(&shape, order.iter().map(|&d| own[d]).collect(), 0);
    Ok(vec![x.taken(shape, walk)?])
}

/// Another shape for the same elements: 0 keeps a size (unless `allowzero`), -1 is the rest.
pub(super) fn reshape(call: &Call) -> Results {
    let x = call.input(0, "data")?;
    let wanted = call.ints(1, "shape")?;
    let zero_is_zero = call.attributes.switch("allowzero", false)?;
    let cannot = |why: &str| {
        OpError::Other(format!(
            "shape {:?} cannot become {wanted:?}{why}",
            x.shape()
        ))
    };
    let mut shape = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (d, &size) in wanted.iter().enumerate() {
        shape.push(match (size, usize::try_from(size)) {
            (-1, _) if open.is_none() => {
                open = Some(d);
                1
            }
            (0, _) if !zero_is_zero => *x
                .shape()
                .get(d)
                .ok_or_else(|| cannot(", there is no size to keep"))?,
            (_, Ok(size)) => size,
            (-1, _) => return Err(cannot(", one size can be -1 only")),
            _ => return Err(cannot(", a size is negative")),
        });
    }
    if let Some(d) = open {
        shape[d] = match x.dtype().elements_within(&shape, MAX_BYTES) {
            Some(rest) if rest > 0 && x.len().is_multiple_of(rest) => x.len() / rest,
            _ => return Err(cannot("")),
        };
    }
    Ok(vec![x.reshaped(shape)?])
}

/// Two dimensions: the sizes before the axis multiplied, and those from it on.
pub(super) fn flatten(call: &Call) -> Results {
    let x = call.input(0, "input")?;
    let at = axis(
        call.attributes.int("axis")?.unwrap_or(1),
        x.shape().len() + 1,
    )?;
    let at = match call.attributes.int("axis")? {
        // Negative axes count within the rank, not within the places between.
        Some(given) if given < 0 => axis(given, x.shape().len())?,
        _ => at,
    };
    let size = |sizes: &[usize]| call.check(x.dtype(), sizes);
    let shape = vec![size(&x.shape()[..at])?, size(&x.shape()[at..])?];
    Ok(vec![x.reshaped(shape)?])
}

/// Broadcasts to a shape.
pub(super) fn expand(call: &Call) -> Results {
    let x = call.input(0, "input")?;
    let shape = broadcast(x.shape(), &sizes(&call.ints(1, "shape")?)?)?;
    call.check(x.dtype(), &shape)?;
    let walk = Walk::broadcast(x.shape(), &shape);
    Ok(vec![x.taken(shape, walk)?])
}

/// The shape, or the part of it from `start` to `end`.
pub(super) fn shape(call: &Call) -> Results {
    let x = call.input(0, "data")?;
    let rank = x.shape().len() as i64;
    let place = |given: i64| {
        (if given < 0 {
            given.saturating_add(rank)
        } else {
            given
        })
        .clamp(0, rank) as usize
    };
    let start = place(call.attributes.int("start")?.unwrap_or(0));
    let end = place(call.attributes.int("end")?.unwrap_or(rank)).max(start);
    let sizes = x.shape()[start..end].iter().map(|&size| size as i64);
    Ok(vec![Array::ints(sizes.collect())])
}

pub(super) fn identity(call: &Call) -> Results {
    Ok(vec![call.input(0, "input")?.clone()])
}

pub(super) fn constant(call: &Call) -> Results {
    let attributes = call.attributes;
    let mut all = Vec::new();
    all.extend(attributes.tensor("value")?.cloned());
    if let Some(x) = attributes.float("value_float")? {
        all.push(Array::floats(vec![], vec![x])?);
    }
    if let Some(x) = attributes.floats("value_floats")? {
        all.push(Array::floats(vec![x.len()], x.to_vec())?);
    }
    if let Some(x) = attributes.int("value_int")? {
        all.push(Array::new(vec![], Data::I64(vec![x]))?);
    }
    all.extend(
        attributes
            .ints("value_ints")?
            .map(|x| Array::ints(x.to_vec())),
    );
    match all.len() {
        1 => Ok(all),
        count => Err(OpError::Other(format!(
            "it has {count} values where one is needed"
        ))),
    }
}

pub(super) fn constant_of_shape(call: &Call) -> Results {
    let shape = sizes(&call.ints(0, "input")?)?;
    let value = call.attributes.tensor("value")?;
    let count = call.check(value.map_or(Dtype::F32, Array::dtype), &shape)?;
    let data = match value {
        None => Data::F32(vec![0.0; count]),
        Some(value) if value.len() == 1 => each!(value.data(), v => vec![v[0]; count]),
        Some(value) => {
            let text = format!("has shape {:?} where one element is needed", value.shape());
            return Err(problem("value", &text));
        }
    };
    Ok(vec![Array::new(shape, data)?])
}

fn sizes(shape: &[i64]) -> Result<Vec<usize>, OpError> {
    let size = |&size: &i64| {
        usize::try_from(size)
            .map_err(|_| OpError::Other(format!("shape {shape:?} has a negative size")))
    };
    shape.iter().map(size).collect()
}
