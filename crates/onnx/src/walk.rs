//! Shapes: broadcasting, axes, and walks over the elements of a tensor in another order.

use crate::error::OpError;

/// Offsets of a tensor's elements, in the row-major order of `shape`, each dimension stepping by its stride.
pub(crate) struct Walk {
    shape: Vec<usize>,
    strides: Vec<isize>,
    index: Vec<usize>,
    at: isize,
    left: usize,
}

impl Walk {
    /// Begins at offset `start`; `shape` is within the limit and every offset inside the tensor.
    pub fn new(shape: &[usize], strides: Vec<isize>, start: usize) -> Self {
        Self {
            left: elements(shape),
            index: vec![0; shape.len()],
            shape: shape.to_vec(),
            strides,
            at: start as isize,
        }
    }

    /// A tensor of shape `from` seen as the larger shape `to`, by broadcasting.
    pub fn broadcast(from: &[usize], to: &[usize]) -> Self {
        let own = strides(from);
        let new = to.len() - from.len();
        let stride = |d: usize| match d.checked_sub(new) {
            Some(d) if from[d] != 1 => own[d],
            _ => 0,
        };
        Self::new(to, (0..to.len()).map(stride).collect(), 0)
    }
}

impl Iterator for Walk {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let at = self.at;
        for d in (0..self.shape.len()).rev() {
            self.index[d] += 1;
            self.at = self.at.wrapping_add(self.strides[d]);
            if self.index[d] < self.shape[d] {
                break;
            }
            let back = self.strides[d].wrapping_mul(self.shape[d] as isize);
            self.at = self.at.wrapping_sub(back);
            self.index[d] = 0;
        }
        Some(at as usize)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

/// `f` of all pairs of elements of two tensors broadcast to `shape`, which both fit. Runs of the innermost dimensions
/// in which each side either steps or stands still are loops without a walk.
pub(crate) fn pairs<A: Copy, B: Copy, R>(
    (left, a): (&[usize], &[A]),
    (right, b): (&[usize], &[B]),
    shape: &[usize],
    f: impl Fn(A, B) -> R,
) -> Vec<R> {
    if left == right && left == shape {
        return a.iter().zip(b).map(|(&x, &y)| f(x, y)).collect();
    }
    let steps = |own: &[usize], d: usize| match (d + own.len()).checked_sub(shape.len()) {
        Some(d) => own[d] != 1,
        None => false,
    };
    let (mut inner, mut first, mut kind) = (1, shape.len(), None);
    while first > 0 {
        let d = first - 1;
        if shape[d] != 1 {
            let own = [steps(left, d), steps(right, d)];
            if kind.is_some_and(|kind| kind != own) {
                break;
            }
            kind = Some(own);
            inner *= shape[d];
        }
        first = d;
    }
    let [a_steps, b_steps] = kind.unwrap_or([false; 2]);
    let outer = &shape[..first];
    let starts = |own: &[usize]| {
        let all = strides(own);
        let new = shape.len() - own.len();
        let stride = |d: usize| match d.checked_sub(new) {
            Some(d) if own[d] != 1 => all[d],
            _ => 0,
        };
        Walk::new(outer, (0..first).map(stride).collect(), 0)
    };
    let mut all = Vec::with_capacity(elements(shape));
    if inner == 0 {
        return all;
    }
    for (i, j) in starts(left).zip(starts(right)) {
        match (a_steps, b_steps) {
            (true, true) => {
                let both = a[i..i + inner].iter().zip(&b[j..j + inner]);
                all.extend(both.map(|(&x, &y)| f(x, y)));
            }
            (true, false) => all.extend(a[i..i + inner].iter().map(|&x| f(x, b[j]))),
            (false, true) => all.extend(b[j..j + inner].iter().map(|&y| f(a[i], y))),
            (false, false) => all.extend((0..inner).map(|_| f(a[i], b[j]))),
        }
    }
    all
}

/// Number of elements of a shape; none if they cannot be counted.
fn elements(shape: &[usize]) -> usize {
    let count = shape
        .iter()
        .try_fold(1usize, |n, &size| n.checked_mul(size));
    count.unwrap_or(0)
}

/// Steps between neighbours in each dimension of a row-major tensor.
pub(crate) fn strides(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1isize; shape.len()];
    for d in (1..shape.len()).rev() {
        strides[d - 1] = strides[d].saturating_mul(shape[d] as isize);
    }
    strides
}

/// The shape that two shapes are stretched to: sizes of 1 repeat, missing outer sizes count as 1.
pub(crate) fn broadcast(left: &[usize], right: &[usize]) -> Result<Vec<usize>, OpError> {
    let rank = left.len().max(right.len());
    let size =
        |shape: &[usize], d: usize| (d + shape.len()).checked_sub(rank).map_or(1, |d| shape[d]);
    let both = |d: usize| match (size(left, d), size(right, d)) {
        (l, r) if l == r || r == 1 => Ok(l),
        (1, r) => Ok(r),
        _ => Err(OpError::Shapes {
            left: left.to_vec(),
            right: right.to_vec(),
            why: ", broadcasting needs sizes that are equal or 1",
        }),
    };
    (0..rank).map(both).collect()
}

/// An axis from `-rank` to `rank - 1`, counted from the front.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, OpError> {
    in_range("axis", axis, rank)
}

/// An index from `-size` to `size - 1`, counted from the front.
pub(crate) fn in_range(what: &'static str, index: i64, size: usize) -> Result<usize, OpError> {
    let high = size as i64;
    let from_front = if index < 0 {
        index.saturating_add(high)
    } else {
        index
    };
    match (0..high).contains(&from_front) {
        true => Ok(from_front as usize),
        false => Err(OpError::Index {
            what,
            got: index,
            low: -high,
            high,
        }),
    }
}

/// Several axes, none twice; all of them marked in a list as long as the rank.
pub(crate) fn axes(given: &[i64], rank: usize) -> Result<Vec<bool>, OpError> {
    let mut marked = vec![false; rank];
    for &given in given {
        let mark = &mut marked[axis(given, rank)?];
        if *mark {
            return Err(OpError::Other(format!("axis {given} is given twice")));
        }
        *mark = true;
    }
    Ok(marked)
}

/// Sizes before, at and after an axis.
pub(crate) fn around(shape: &[usize], axis: usize) -> [usize; 3] {
    [
        shape[..axis].iter().product(),
        shape[axis],
        shape[axis + 1..].iter().product(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_as_in_numpy() {
        assert_eq!(broadcast(&[3, 1], &[2, 1, 4]).unwrap(), [2, 3, 4]);
        assert_eq!(broadcast(&[], &[0]).unwrap(), [0]);
        assert!(broadcast(&[2], &[3]).is_err());
        let walk: Vec<_> = Walk::broadcast(&[2, 1], &[2, 3]).collect();
        assert_eq!(walk, [0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn a_walk_may_go_backwards() {
        let walk: Vec<_> = Walk::new(&[3], vec![-2], 5).collect();
        assert_eq!(walk, [5, 3, 1]);
        assert_eq!(Walk::new(&[], vec![], 0).count(), 1);
        assert_eq!(Walk::new(&[2, 0], vec![1, 1], 0).count(), 0);
    }
}
