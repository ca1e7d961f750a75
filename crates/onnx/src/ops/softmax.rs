//! Softmax and its logarithm.

use crate::call::Call;
use crate::error::OpError;
use crate::walk::{around, axis};
use refrain_data::array::Array;

/// exp(x) / Σ exp(x)
pub(super) fn softmax(call: &Call) -> Result<Vec<Array>, OpError> {
    normalised(call, |x, max, sum| (x - max).exp() / sum)
}

/// x − log Σ exp(x)
pub(super) fn log_softmax(call: &Call) -> Result<Vec<Array>, OpError> {
    normalised(call, |x, max, sum| x - max - sum.ln())
}

/// `f(x, largest, Σ exp(x − largest))` of each element of its line.
fn normalised(call: &Call, f: impl Fn(f32, f32, f32) -> f32) -> Result<Vec<Array>, OpError> {
    by_line(call, |line, y| {
        let max = line
            .clone()
            .fold(f32::NEG_INFINITY, |max, (_, x)| f32::max(max, x));
        let sum: f32 = line.clone().map(|(_, x)| (x - max).exp()).sum();
        line.for_each(|(at, x)| y[at] = f(x, max, sum));
    })
}

/// 1 at the first largest element of each line, 0 elsewhere.
pub(super) fn hardmax(call: &Call) -> Result<Vec<Array>, OpError> {
    by_line(call, |mut line, y| {
        let first = line.next();
        let best = line.fold(first, |best, (at, x)| match best {
            Some((_, most)) if x > most => Some((at, x)),
            best => best,
        });
        if let Some((at, _)) = best {
            y[at] = 1.0;
        }
    })
}

/// Lines over one axis since opset 13, over everything from an axis on before, as places and elements.
fn by_line(call: &Call, mut f: impl FnMut(Line, &mut [f32])) -> Result<Vec<Array>, OpError> {
    let (shape, x) = call.floats(0, "input")?;
    let along_one = call.opset >= 13;
    let given = call
        .attributes
        .int("axis")?
        .unwrap_or(if along_one { -1 } else { 1 });
    let [outer, size, inner] = match along_one {
        true => around(shape, axis(given, shape.len())?),
        false => {
            let from = axis(given, shape.len() + 1)?;
            [
                shape[..from].iter().product(),
                shape[from..].iter().product(),
                1,
            ]
        }
    };
    let mut y = vec![0.0; x.len()];
    for first in (0..outer).flat_map(|o| (0..inner).map(move |i| o * size * inner + i)) {
        let line = Line {
            x,
            at: first,
            step: inner,
            left: size,
        };
        f(line, &mut y);
    }
    Ok(vec![Array::floats(shape.to_vec(), y)?])
}

/// The elements along an axis, with their places.
#[derive(Clone)]
struct Line<'a> {
    x: &'a [f32],
    at: usize,
    step: usize,
    left: usize,
}

impl Iterator for Line<'_> {
    type Item = (usize, f32);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let at = self.at;
        self.at += self.step;
        Some((at, self.x[at]))
    }
}
