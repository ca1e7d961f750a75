//! Operators that change or make shapes, and constants.

use super::Results;
use crate::call::{Call, wrong_dtype};
use crate::error::{OpError, problem};
use crate::tensor;
use crate::walk::{Walk, axes, axis, broadcast, strides};
use refrain_data::array::{Array, Data, Dtype, MAX_BYTES};
use refrain_data::each;

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

/// Number of elements.
pub(super) fn size(call: &Call) -> Results {
    let count = call.input(0, "data")?.len() as i64;
    Ok(vec![Array::new(vec![], Data::I64(vec![count]))?])
}

/// `Tile`: each axis repeated.
pub(super) fn tile(call: &Call) -> Results {
    let x = call.input(0, "input")?;
    let repeats = sizes(&call.ints(1, "repeats")?)?;
    if repeats.len() != x.shape().len() {
        return Err(OpError::Other(format!(
            "repeats {repeats:?} are not one for each size of shape {:?}",
            x.shape()
        )));
    }
    let pairs = || x.shape().iter().zip(&repeats);
    let shape: Vec<usize> = pairs().map(|(&size, &n)| size.saturating_mul(n)).collect();
    call.check(x.dtype(), &shape)?;
    // Each axis becomes two, of which the first repeats.
    let own = strides(x.shape());
    let doubled: Vec<usize> = pairs().flat_map(|(&size, &n)| [n, size]).collect();
    let steps = own.iter().flat_map(|&step| [0, step]).collect();
    Ok(vec![x.taken(shape, Walk::new(&doubled, steps, 0))?])
}

/// `Range`: from start by delta, before limit.
pub(super) fn range(call: &Call) -> Results {
    let [start, limit, delta] = [
        call.input(0, "start")?,
        call.input(1, "limit")?,
        call.input(2, "delta")?,
    ];
    if [start, limit, delta].iter().any(|x| x.len() != 1) {
        return Err(OpError::Other(
            "start, limit or delta is not one number".into(),
        ));
    }
    macro_rules! range {
        ($kind:ident, $a:expr, $b:expr, $d:expr, $wide:ty, $of:ty, $count:expr) => {{
            let (a, b, d) = (
                <$wide>::from($a[0]),
                <$wide>::from($b[0]),
                <$wide>::from($d[0]),
            );
            let count: f64 = $count(a, b, d);
            if count.is_nan() || count.is_infinite() {
                return Err(OpError::Other(
                    "delta is 0, or a number is not finite".into(),
                ));
            }
            let count = call.check(start.dtype(), &[count.max(0.0) as usize])?;
            Data::$kind((0..count).map(|i| (a + i as $wide * d) as $of).collect())
        }};
    }
    let floats = |a: f64, b: f64, d: f64| ((b - a) / d).ceil();
    let ints = |a: i128, b: i128, d: i128| match d {
        0 => f64::NAN,
        d => ((b - a + d - d.signum()) / d) as f64,
    };
    let data = match (start.data(), limit.data(), delta.data()) {
        (Data::F32(a), Data::F32(b), Data::F32(d)) => range!(F32, a, b, d, f64, f32, floats),
        (Data::F64(a), Data::F64(b), Data::F64(d)) => range!(F64, a, b, d, f64, f64, floats),
        (Data::I64(a), Data::I64(b), Data::I64(d)) => range!(I64, a, b, d, i128, i64, ints),
        (Data::I32(a), Data::I32(b), Data::I32(d)) => range!(I32, a, b, d, i128, i32, ints),
        (Data::I16(a), Data::I16(b), Data::I16(d)) => range!(I16, a, b, d, i128, i16, ints),
        _ => {
            return Err(wrong_dtype(
                "start",
                "a number of the type of limit and delta",
                start,
            ));
        }
    };
    let shape = vec![data.len()];
    Ok(vec![Array::new(shape, data)?])
}

/// `Trilu`: zeros below or above a diagonal of the two innermost axes.
pub(super) fn trilu(call: &Call) -> Results {
    let x = call.input(0, "input")?;
    let upper = call.attributes.switch("upper", true)?;
    let k = match call.optional_ints(1, "k")? {
        None => 0,
        Some(k) if k.len() == 1 => k[0],
        Some(_) => return Err(OpError::Other("k is not one number".into())),
    };
    let &[.., rows, columns] = x.shape() else {
        let text = format!("shape {:?} has no two axes", x.shape());
        return Err(OpError::Other(text));
    };
    let kept = |at: usize| {
        let (row, column) = (at / columns % rows, at % columns);
        let along = column as i64 - row as i64;
        if upper { along >= k } else { along <= k }
    };
    let data = each!(x.data(), v => {
        let one = |(at, &x)| if kept(at) { x } else { Default::default() };
        v.iter().enumerate().map(one).collect::<Vec<_>>()
    });
    Ok(vec![Array::new(x.shape().to_vec(), data)?])
}

/// `EyeLike`: ones on a diagonal of a matrix.
pub(super) fn eye_like(call: &Call) -> Results {
    let x = call.input(0, "input")?;
    let &[rows, columns] = x.shape() else {
        let text = format!("shape {:?} is that of no matrix", x.shape());
        return Err(OpError::Other(text));
    };
    let dtype = match call.attributes.int("dtype")? {
        None => x.dtype(),
        Some(code) => tensor::from_code(code)
            .map_err(|name| problem("dtype", &format!("names {name}, which is not supported")))?,
    };
    let k = call.attributes.int("k")?.unwrap_or(0);
    call.check(dtype, x.shape())?;
    let one = |at: usize| (at % columns) as i64 - (at / columns) as i64 == k;
    let ones = Data::Bool((0..rows * columns).map(one).collect());
    Ok(vec![Array::new(
        x.shape().to_vec(),
        crate::cast::data(&ones, dtype),
    )?])
}

/// `OneHot`: a new axis of `depth` places, with the second value at the index and the first elsewhere.
pub(super) fn one_hot(call: &Call) -> Results {
    let indices = call.input(0, "indices")?;
    let one = |index: usize, what: &'static str| {
        let value = call.input(index, what)?;
        match crate::cast::data(value.data(), Dtype::I64) {
            Data::I64(v) if v.len() == 1 => Ok(v[0]),
            _ => Err(OpError::Other(format!("{what} is not one number"))),
        }
    };
    let depth = one(1, "depth")?;
    let size =
        usize::try_from(depth).map_err(|_| OpError::Other(format!("depth {depth} is negative")))?;
    let values = call.input(2, "values")?;
    if values.shape() != [2] {
        return Err(OpError::Shape {
            what: "values",
            expected: vec![2],
            got: values.shape().to_vec(),
        });
    }
    let given = call.attributes.int("axis")?.unwrap_or(-1);
    let along = axis(given, indices.shape().len() + 1)?;
    let mut shape = indices.shape().to_vec();
    shape.insert(along, size);
    call.check(values.dtype(), &shape)?;
    let Data::I64(places) = crate::cast::data(indices.data(), Dtype::I64) else {
        return Err(wrong_dtype("indices", "a number", indices));
    };
    let [outer, size, inner] = crate::walk::around(&shape, along);
    let mut chosen = Vec::with_capacity(outer * size * inner);
    for o in 0..outer {
        for s in 0..size {
            chosen.extend((0..inner).map(|i| {
                let place = places[o * inner + i];
                let place = if place < 0 {
                    place.saturating_add(depth)
                } else {
                    place
                };
                usize::from(place == s as i64)
            }));
        }
    }
    Ok(vec![values.taken(shape, chosen.into_iter())?])
}

/// `DepthToSpace`: channels become blocks of pixels.
pub(super) fn depth_to_space(call: &Call) -> Results {
    let x = call.input(0, "input")?;
    let ([n, c, h, w], b) = blocks(call, x)?;
    if !c.is_multiple_of(b * b) {
        let text = format!("{c} channels are no whole blocks of {b}·{b}");
        return Err(OpError::Other(text));
    }
    let (deep, order) = match call.attributes.text("mode")?.unwrap_or("DCR") {
        "DCR" => ([n, b, b, c / (b * b), h, w], [0, 3, 4, 1, 5, 2]),
        "CRD" => ([n, c / (b * b), b, b, h, w], [0, 1, 4, 2, 5, 3]),
        other => return Err(problem("mode", &format!("is \"{other}\""))),
    };
    let shape = vec![n, c / (b * b), h * b, w * b];
    moved(x, &deep, &order, shape)
}

/// `SpaceToDepth`: blocks of pixels become channels.
pub(super) fn space_to_depth(call: &Call) -> Results {
    let x = call.input(0, "input")?;
    let ([n, c, h, w], b) = blocks(call, x)?;
    if !h.is_multiple_of(b) || !w.is_multiple_of(b) {
        return Err(OpError::Other(format!(
            "{h}·{w} pixels are no whole blocks of {b}·{b}"
        )));
    }
    let shape = vec![n, c * b * b, h / b, w / b];
    let order = match call.attributes.text("mode")?.unwrap_or("DCR") {
        "DCR" => [0, 3, 5, 1, 2, 4],
        "CRD" => [0, 1, 3, 5, 2, 4],
        other => return Err(problem("mode", &format!("is \"{other}\""))),
    };
    moved(x, &[n, c, h / b, b, w / b, b], &order, shape)
}

fn blocks(call: &Call, x: &Array) -> Result<([usize; 4], usize), OpError> {
    let given = call.attributes.int("blocksize")?.unwrap_or(0);
    let block = usize::try_from(given)
        .ok()
        .filter(|b| (1..1 << 16).contains(b));
    match (x.shape(), block) {
        (&[n, c, h, w], Some(b)) => Ok(([n, c, h, w], b)),
        (shape, _) => Err(OpError::Other(format!(
            "shape {shape:?} with blocks of {given} where 4 sizes and a block of 1 or more are needed"
        ))),
    }
}

/// The elements seen in shape `deep`, with its axes in another order, in the final shape.
fn moved(x: &Array, deep: &[usize], order: &[usize], shape: Vec<usize>) -> Results {
    let own = strides(deep);
    let seen: Vec<usize> = order.iter().map(|&d| deep[d]).collect();
    let steps = order.iter().map(|&d| own[d]).collect();
    Ok(vec![x.taken(shape, Walk::new(&seen, steps, 0))?])
}

fn sizes(shape: &[i64]) -> Result<Vec<usize>, OpError> {
    let size = |&size: &i64| {
        usize::try_from(size)
            .map_err(|_| OpError::Other(format!("shape {shape:?} has a negative size")))
    };
    shape.iter().map(size).collect()
}
