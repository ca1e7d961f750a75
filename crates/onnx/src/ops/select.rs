//! Parts of tensors, and tensors put together.

use super::Results;
use crate::call::Call;
use crate::error::{OpError, problem};
use crate::walk::{Walk, around, axis, in_range, strides};
use refrain_data::array::{Array, Data, Dtype};
use refrain_data::each;

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
        ($($kind:ident),+) => {
            match first.data() {
                $(Data::$kind(_) => {
                    let typed = parts.iter().filter_map(|part| match part.data() {
                        Data::$kind(v) => Some((&v[..], block(part))),
                        _ => None,
                    });
                    Data::$kind(joined(&typed.collect::<Vec<_>>(), outer, count))
                })+
            }
        };
    }
    let data = join!(F32, F64, F16, I64, I32, I16, I8, U64, U32, U16, U8, Bool);
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

/// `GatherElements`: along one axis, the element at the index that stands in the same place.
pub(super) fn gather_elements(call: &Call) -> Results {
    let x = call.input(0, "data")?;
    let shape = call.input(1, "indices")?.shape();
    let indices = call.ints(1, "indices")?;
    let along = axis(call.attributes.int("axis")?.unwrap_or(0), x.shape().len())?;
    let offsets = element_offsets(x.shape(), shape, &indices, along)?;
    call.check(x.dtype(), shape)?;
    Ok(vec![x.taken(shape.to_vec(), offsets.into_iter())?])
}

/// For every index, the offset in a tensor of shape `whole` of the element that has the index's place, but the index
/// itself on one axis.
pub(super) fn element_offsets(
    whole: &[usize],
    shape: &[usize],
    indices: &[i64],
    along: usize,
) -> Result<Vec<usize>, OpError> {
    let fits = |d: usize| d == along || shape[d] <= whole[d];
    if shape.len() != whole.len() || !(0..shape.len()).all(fits) {
        return Err(OpError::Shapes {
            left: whole.to_vec(),
            right: shape.to_vec(),
            why: ", the indices may not be larger than the data beside the axis",
        });
    }
    let own = strides(whole);
    let mut steps = own.clone();
    steps[along] = 0;
    let places = indices.iter().zip(Walk::new(shape, steps, 0));
    let offset = |(&index, at): (&i64, usize)| {
        Ok(at + in_range("index", index, whole[along])? * own[along] as usize)
    };
    places.map(offset).collect()
}

/// `GatherND`: slices at indices of several axes; the first `batch_dims` axes go together.
pub(super) fn gather_nd(call: &Call) -> Results {
    let x = call.input(0, "data")?;
    let shape = call.input(1, "indices")?.shape();
    let indices = call.ints(1, "indices")?;
    let given = call.attributes.int("batch_dims")?.unwrap_or(0);
    let Some((&depth, outer)) = shape.split_last() else {
        return Err(OpError::Other("the indices have no axis".into()));
    };
    let batch = usize::try_from(given).ok().filter(|&batch| {
        batch <= outer.len()
            && batch + depth <= x.shape().len()
            && outer[..batch] == x.shape()[..batch]
    });
    let Some(batch) = batch else {
        return Err(OpError::Shapes {
            left: x.shape().to_vec(),
            right: shape.to_vec(),
            why: ", the axes of the batch and of the indices must be in the data",
        });
    };
    let inner = &x.shape()[batch + depth..];
    let result = [outer, inner].concat();
    let count = call.check(x.dtype(), &result)?;
    let own = strides(x.shape());
    let block: usize = inner.iter().product();
    let slices: usize = outer.iter().product();
    let in_batch: usize = outer[batch..].iter().product();
    let mut offsets = Vec::with_capacity(count);
    let each: usize = x.shape()[batch..].iter().product();
    for slice in 0..slices {
        let mut at = slice / in_batch.max(1) * each;
        for (j, &index) in indices[slice * depth..(slice + 1) * depth]
            .iter()
            .enumerate()
        {
            let d = batch + j;
            at += in_range("index", index, x.shape()[d])? * own[d] as usize;
        }
        offsets.extend(at..at + block);
    }
    Ok(vec![x.taken(result, offsets.into_iter())?])
}

/// `NonZero`: the places of all elements that are not 0, `[rank,count]`.
pub(super) fn non_zero(call: &Call) -> Results {
    let x = call.input(0, "X")?;
    let Data::Bool(there) = crate::cast::data(x.data(), Dtype::Bool) else {
        return Err(OpError::Other("the elements are no numbers".into()));
    };
    let places: Vec<usize> = (0..there.len()).filter(|&at| there[at]).collect();
    // A number without axes counts as one of one element.
    let shape = if x.shape().is_empty() {
        &[1][..]
    } else {
        x.shape()
    };
    let result = vec![shape.len(), places.len()];
    call.check(Dtype::I64, &result)?;
    let own = strides(shape);
    let index = |(d, at): (usize, usize)| (at / own[d] as usize % shape[d]) as i64;
    let all = (0..shape.len()).flat_map(|d| places.iter().map(move |&at| (d, at)));
    Ok(vec![Array::new(
        result,
        Data::I64(all.map(index).collect()),
    )?])
}

/// `Compress`: the slices along an axis for which the condition holds; of all elements if there is no axis.
pub(super) fn compress(call: &Call) -> Results {
    let x = call.input(0, "input")?;
    let condition = call.input(1, "condition")?;
    let Data::Bool(there) = condition.data() else {
        return Err(crate::call::wrong_dtype("condition", "bool", condition));
    };
    let flat;
    let (x, along) = match call.attributes.int("axis")? {
        Some(given) => (x, axis(given, x.shape().len())?),
        None => {
            flat = x.reshaped(vec![x.len()])?;
            (&flat, 0)
        }
    };
    let [outer, size, inner] = around(x.shape(), along);
    if there.len() > size {
        return Err(OpError::Other(format!(
            "the condition has {} values for {size} slices",
            there.len()
        )));
    }
    let kept: Vec<usize> = (0..there.len()).filter(|&s| there[s]).collect();
    let mut shape = x.shape().to_vec();
    shape[along] = kept.len();
    let kept = &kept;
    let offsets = (0..outer).flat_map(|o| {
        kept.iter()
            .flat_map(move |&s| (0..inner).map(move |i| (o * size + s) * inner + i))
    });
    Ok(vec![x.taken(shape, offsets)?])
}

/// `ReverseSequence`: the first elements of each sequence, as many as its length says, from back to front.
pub(super) fn reverse_sequence(call: &Call) -> Results {
    let x = call.input(0, "input")?;
    let shape = x.shape();
    let lengths = call.ints(1, "sequence_lens")?;
    let time = axis(call.attributes.int("time_axis")?.unwrap_or(0), shape.len())?;
    let batch = axis(call.attributes.int("batch_axis")?.unwrap_or(1), shape.len())?;
    if time == batch || lengths.len() != shape[batch] {
        return Err(OpError::Other(format!(
            "{} lengths for shape {shape:?}, batch axis {batch} and time axis {time}",
            lengths.len()
        )));
    }
    let high = shape[time] as i64 + 1;
    if let Some(&got) = lengths.iter().find(|length| !(0..high).contains(*length)) {
        return Err(OpError::Index {
            what: "a length in sequence_lens",
            got,
            low: 0,
            high,
        });
    }
    let own = strides(shape);
    let offset = |at: usize| {
        let place = |d: usize| at / own[d] as usize % shape[d];
        let (t, length) = (place(time), lengths[place(batch)] as usize);
        match t < length {
            true => at - t * own[time] as usize + (length - 1 - t) * own[time] as usize,
            false => at,
        }
    };
    Ok(vec![x.taken(shape.to_vec(), (0..x.len()).map(offset))?])
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
