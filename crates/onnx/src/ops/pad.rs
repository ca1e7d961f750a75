//! `Pad`: more elements at the edges of axes, or fewer.

use super::Results;
use crate::call::Call;
use crate::error::{OpError, problem};
use crate::walk::{axis, strides};
use refrain_data::array::{Array, Data};

/// The values beyond an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Constant,
    /// The elements mirrored, without the edge itself.
    Reflect,
    /// The element at the edge.
    Edge,
    /// The elements from the other edge on.
    Wrap,
}

impl Mode {
    fn read(call: &Call) -> Result<Self, OpError> {
        match call.attributes.text("mode")?.unwrap_or("constant") {
            "constant" => Ok(Self::Constant),
            "reflect" => Ok(Self::Reflect),
            "edge" => Ok(Self::Edge),
            "wrap" if call.opset >= 19 => Ok(Self::Wrap),
            other => Err(problem("mode", &format!("is \"{other}\""))),
        }
    }

    /// The element that stands at `place`, counted from the first one; none for the constant.
    fn source(self, place: i64, size: usize) -> Option<usize> {
        let size = size as i64;
        if (0..size).contains(&place) {
            return Some(place as usize);
        }
        match self {
            Self::Constant => None,
            Self::Edge => Some(place.clamp(0, size - 1) as usize),
            Self::Wrap => Some(place.rem_euclid(size) as usize),
            Self::Reflect if size == 1 => Some(0),
            Self::Reflect => {
                let place = place.rem_euclid(2 * (size - 1));
                Some(place.min(2 * (size - 1) - place) as usize)
            }
        }
    }
}

/// Elements before and behind each axis.
fn amounts(call: &Call, rank: usize) -> Result<Vec<[i64; 2]>, OpError> {
    let pads = match call.opset < 11 {
        true => call
            .attributes
            .ints("pads")?
            .ok_or_else(|| problem("pads", "is missing"))?
            .to_vec(),
        false => call.ints(1, "pads")?,
    };
    let over: Vec<usize> = match call.optional_ints(3, "axes")? {
        None => (0..rank).collect(),
        Some(given) => {
            crate::walk::axes(&given, rank)?;
            given
                .iter()
                .map(|&given| axis(given, rank))
                .collect::<Result<_, _>>()?
        }
    };
    if pads.len() != 2 * over.len() {
        return Err(OpError::Other(format!(
            "{} pads are no two for each of {} axes",
            pads.len(),
            over.len()
        )));
    }
    let mut amounts = vec![[0; 2]; rank];
    for (i, &d) in over.iter().enumerate() {
        amounts[d] = [pads[i], pads[over.len() + i]];
    }
    Ok(amounts)
}

pub(super) fn pad(call: &Call) -> Results {
    let x = call.input(0, "data")?;
    let mode = Mode::read(call)?;
    let amounts = amounts(call, x.shape().len())?;
    let mut shape = Vec::with_capacity(amounts.len());
    for (&[before, behind], &size) in amounts.iter().zip(x.shape()) {
        let sum = i128::from(before) + i128::from(behind) + size as i128;
        let sum = usize::try_from(sum).map_err(|_| {
            OpError::Other(format!(
                "pads {before} and {behind} leave nothing of {size}"
            ))
        })?;
        if size == 0 && sum > 0 && mode != Mode::Constant {
            return Err(OpError::Other(
                "an axis without elements has no edge".into(),
            ));
        }
        shape.push(sum);
    }
    let count = call.check(x.dtype(), &shape)?;
    let own = strides(x.shape());
    // For every axis and place of the result, the offset of the element there.
    let offsets: Vec<Vec<Option<usize>>> = (0..shape.len())
        .map(|d| {
            let offset = |i: usize| {
                let place = (i as i64).saturating_sub(amounts[d][0]);
                let from = mode.source(place, x.shape()[d])?;
                Some(from * own[d] as usize)
            };
            (0..shape[d]).map(offset).collect()
        })
        .collect();
    let value = match call.opset < 11 {
        true => Some(Array::floats(
            vec![],
            vec![call.attributes.float("value")?.unwrap_or(0.0)],
        )?),
        false => call.optional(2).cloned(),
    };
    let value = value.filter(|value| !value.is_empty());
    if let Some(value) = value.as_ref()
        && (value.len() != 1 || value.dtype() != x.dtype())
    {
        return Err(OpError::Other(format!(
            "constant_value is {} {:?} where one {} is needed",
            value.dtype(),
            value.shape(),
            x.dtype()
        )));
    }
    macro_rules! fill {
        ($($kind:ident),+) => {
            match x.data() {
                $(Data::$kind(v) => {
                    let beyond = match value.as_ref().map(Array::data) {
                        Some(Data::$kind(value)) => value[0],
                        _ => Default::default(),
                    };
                    Data::$kind(filled(v, &offsets, count, beyond))
                })+
            }
        };
    }
    let data = fill!(F32, F64, F16, I64, I32, I16, I8, U64, U32, U16, U8, Bool);
    Ok(vec![Array::new(shape, data)?])
}

/// The elements whose offsets on all axes add up to each place.
fn filled<T: Copy>(v: &[T], offsets: &[Vec<Option<usize>>], count: usize, beyond: T) -> Vec<T> {
    let Some((last, outer)) = offsets.split_last() else {
        return v.to_vec();
    };
    let mut all = Vec::with_capacity(count);
    if last.is_empty() {
        return all;
    }
    let mut index = vec![0; outer.len()];
    while all.len() < count {
        let start = outer
            .iter()
            .zip(&index)
            .try_fold(0, |sum, (axis, &i)| Some(sum + axis[i]?));
        all.extend(last.iter().map(|&at| match (start, at) {
            (Some(start), Some(at)) => v[start + at],
            _ => beyond,
        }));
        for d in (0..outer.len()).rev() {
            index[d] += 1;
            if index[d] < outer[d].len() {
                break;
            }
            index[d] = 0;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::Mode;

    #[test]
    fn places_beyond_an_edge() {
        let all = |mode: Mode| -> Vec<_> { (-4..7).map(|i| mode.source(i, 3)).collect() };
        let some = |list: [usize; 11]| list.map(Some).to_vec();
        assert_eq!(all(Mode::Reflect), some([0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]));
        assert_eq!(all(Mode::Edge), some([0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2]));
        assert_eq!(all(Mode::Wrap), some([2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0]));
        assert_eq!(Mode::Constant.source(3, 3), None);
        assert_eq!(Mode::Reflect.source(5, 1), Some(0));
    }
}
