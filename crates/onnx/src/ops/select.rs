//! Parts of tensors, and tensors put together.

use crate::call::Call;
use crate::error::{OpError, problem};
use crate::walk::{Walk, around, axis, in_range, strides};
use refrain_data::array::{Array, Data};
use refrain_data::each;

type Results = Result<Vec<Array>, OpError>;

/// Tensors one after the other along an axis; all other sizes are equal.
pub(super) fn concat(call: &Call) -> Results {
    let given = call
        .attributes
        .int("axis")?
        .ok_or_else(|| problem("axis", "is missing"))?;
    let parts: Vec<&Array> = (0..call.inputs.len())
        .map(|i| call.input(i, "inputs"))
        .collect::<Result<_, _>>()?;
    let first = parts[0];
    let along = axis(given, first.shape().len())?;
    let mut shape = first.shape().to_vec();
    shape[along] = 0;
    for part in &parts {
        let mut others = part.shape().to_vec();
        let size = others.get_mut(along).map_or(0, std::mem::take);
        let mut expected = shape.clone();
        expected[along] = 0;
        if others != expected || part.dtype() != first.dtype() {
            return Err(OpError::Shapes {
                left: first.shape().to_vec(),
                right: part.shape().to_vec(),
                why: ", all sizes but the axis's and the types must be equal",
            });
        }
        shape[along] = shape[along].saturating_add(size);
    }
    let count = call.check(first.dtype(), &shape)?;
    let [outer, ..] = around(&shape, along);
    fn joined<T: Clone>(parts: &[(&[T], usize)], outer: usize, count: usize) -> Vec<T> {
        let mut all = Vec::with_capacity(count);
        for o in 0..outer {
            for (part, block) in parts {
                all.extend_from_slice(&part[o * block..(o + 1) * block]);
            }
        }
        all
    }
    let block = |part: &Array| part.shape()[along..].iter().product::<usize>();
    macro_rules! join {
        ($kind:ident) => {{
            let typed = parts.iter().filter_map(|part| match part.data() {
                Data::$kind(v) => Some((&v[..], block(part))),
                _ => None,
            });
            Data::$kind(joined(&typed.collect::<Vec<_>>(), outer, count))
        }};
    }
    let data = match first.data() {
        Data::F32(_) => join!(F32),
        Data::I64(_) => join!(I64),
        Data::I32(_) => join!(I32),
        Data::Bool(_) => join!(Bool),
    };
    Ok(vec![Array::new(shape, data)?])
}

/// From `starts` to `ends` by `steps` along `axes`; ends past the edge are cut to it.
pub(super) fn slice(call: &Call) -> Results {
    let x = call.input(0, "data")?;
    let rank = x.shape().len();
    let needed = |list: Option<Vec<i64>>, what| list.ok_or(OpError::Missing(what));
    let starts = needed(call.moved_ints("starts", 1, 10)?, "starts")?;
    let ends = needed(call.moved_ints("ends", 2, 10)?, "ends")?;
    let over = call.moved_ints("axes", 3, 10)?;
    let over = over.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = call
        .optional_ints(4, "steps")?
        .unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), over.len(), steps.len()] != [starts.len(); 3] {
        let lengths = [starts.len(), ends.len(), over.len(), steps.len()];
        return Err(OpError::Other(format!(
            "starts, ends, axes and steps have different lengths {lengths:?}"
        )));
    }
    crate::walk::axes(&over, rank)?;
    let (mut shape, mut walk, mut first) = (x.shape().to_vec(), strides(x.shape()), 0);
    for (i, &given) in over.iter().enumerate() {
        let d = axis(given, rank)?;
        let (from, count) = span(starts[i], ends[i], steps[i], shape[d])?;
        first += from * walk[d] as usize;
        walk[d] = walk[d].saturating_mul(steps[i] as isize);
        shape[d] = count;
    }
    Ok(vec![
        x.taken(shape.clone(), Walk::new(&shape, walk, first))?,
    ])
}

/// First index and number of elements of `start..end` by `step` in a dimension of `size`.
fn span(start: i64, end: i64, step: i64, size: usize) -> Result<(usize, usize), OpError> {
    let size = size as i64;
    let front = |index: i64| {
        if index < 0 {
            index.saturating_add(size)
        } else {
            index
        }
    };
    let (low, high) = match step {
        0 => return Err(OpError::Other("a step is 0".into())),
        1.. => (0, size),
        _ => (-1, size - 1),
    };
    let (from, to) = match step > 0 {
        true => (front(start).clamp(low, high), front(end).clamp(low, high)),
        // Backwards, the start must be an element, and an end before the first one is -1.
        false => (
            front(start).clamp(low, high.max(low)),
            front(end).clamp(low, high.max(low)),
        ),
    };
    let distance = if step > 0 { to - from } else { from - to };
    let count = match distance > 0 {
        true => (distance as u64).div_ceil(step.unsigned_abs()) as usize,
        false => 0,
    };
    Ok((if count > 0 { from as usize } else { 0 }, count))
}

/// Slices at `indices` along an axis; negative indices count from the end.
pub(super) fn gather(call: &Call) -> Results {
    let x = call.input(0, "data")?;
    let along = axis(call.attributes.int("axis")?.unwrap_or(0), x.shape().len())?;
    let indices = call.ints(1, "indices")?;
    let [outer, size, inner] = around(x.shape(), along);
    let at = |&index: &i64| in_range("index", index, size);
    let at: Vec<usize> = indices.iter().map(at).collect::<Result<_, _>>()?;
    let shape = [
        &x.shape()[..along],
        call.input(1, "indices")?.shape(),
        &x.shape()[along + 1..],
    ]
    .concat();
    let count = call.check(x.dtype(), &shape)?;
    fn picked<T: Clone>(
        v: &[T],
        at: &[usize],
        [outer, size, inner]: [usize; 3],
        count: usize,
    ) -> Vec<T> {
        let mut all = Vec::with_capacity(count);
        for o in (0..outer).filter(|_| inner > 0) {
            for i in at {
                let start = (o * size + i) * inner;
                all.extend_from_slice(&v[start..start + inner]);
            }
        }
        all
    }
    let data = each!(x.data(), v => picked(v, &at, [outer, size, inner], count));
    Ok(vec![Array::new(shape, data)?])
}

/// Parts along an axis: of the lengths that are given, else as equal as can be.
pub(super) fn split(call: &Call) -> Results {
    let x = call.input(0, "input")?;
    let along = axis(call.attributes.int("axis")?.unwrap_or(0), x.shape().len())?;
    let size = x.shape()[along];
    let lengths = match call.moved_ints("split", 1, 13)? {
        Some(lengths) => given_lengths(&lengths, call.outputs, size)?,
        None => equal_lengths(call, size)?,
    };
    let steps = strides(x.shape());
    let mut first = 0;
    let part = |length: usize| {
        let mut shape = x.shape().to_vec();
        shape[along] = length;
        let walk = Walk::new(&shape, steps.clone(), first * steps[along] as usize);
        first += length;
        Ok(x.taken(shape, walk)?)
    };
    lengths.into_iter().map(part).collect()
}

fn given_lengths(lengths: &[i64], outputs: usize, size: usize) -> Result<Vec<usize>, OpError> {
    let known: Option<Vec<usize>> = lengths.iter().map(|&n| usize::try_from(n).ok()).collect();
    let total = |lengths: &Vec<usize>| {
        lengths
            .iter()
            .try_fold(0usize, |sum, &n| sum.checked_add(n))
    };
    match known {
        Some(known) if known.len() == outputs && total(&known) == Some(size) => Ok(known),
        _ => Err(OpError::Other(format!(
            "lengths {lengths:?} do not split {size} into {outputs} parts"
        ))),
    }
}

fn equal_lengths(call: &Call, size: usize) -> Result<Vec<usize>, OpError> {
    let parts = match call.attributes.int("num_outputs")? {
        None => call.outputs,
        Some(parts) if usize::try_from(parts).ok() == Some(call.outputs) => call.outputs,
        Some(parts) => {
            let text = format!("is {parts} where the node has {} outputs", call.outputs);
            return Err(problem("num_outputs", &text));
        }
    };
    let uneven = !size.is_multiple_of(parts);
    if uneven && !call.attributes.has("num_outputs") {
        return Err(OpError::Other(format!(
            "{size} does not split into {parts} equal parts"
        )));
    }
    // The last part is smaller where it does not come out even.
    let length = size.div_ceil(parts);
    let lengths = (0..parts).map(|i| size.saturating_sub(i * length).min(length));
    Ok(lengths.collect())
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_are_numpys() {
        // start, end, step, size; first and count as numpy has them.
        assert_eq!(span(0, i64::MAX, 1, 5).unwrap(), (0, 5));
        assert_eq!(span(-3, -1, 1, 5).unwrap(), (2, 2));
        assert_eq!(span(-1, i64::MIN, -1, 5).unwrap(), (4, 5));
        assert_eq!(span(i64::MAX, 0, -2, 5).unwrap(), (4, 2));
        assert_eq!(span(3, 1, 1, 5).unwrap(), (0, 0));
        assert_eq!(span(0, 5, i64::MIN, 5).unwrap(), (0, 0));
        assert_eq!(span(-1, i64::MIN, -1, 0).unwrap(), (0, 0));
        assert!(span(0, 1, 0, 5).is_err());
    }
}
