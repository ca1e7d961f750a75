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

/// `f(x, largest, Σ exp(x − largest))`: over one axis since opset 13, over everything from an axis on before.
fn normalised(call: &Call, f: impl Fn(f32, f32, f32) -> f32) -> Result<Vec<Array>, OpError> {
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
    for line in (0..outer).flat_map(|o| (0..inner).map(move |i| o * size * inner + i)) {
        let along = || (0..size).map(|s| line + s * inner);
        let max = along().map(|at| x[at]).fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = along().map(|at| (x[at] - max).exp()).sum();
        along().for_each(|at| y[at] = f(x[at], max, sum));
    }
    Ok(vec![Array::floats(shape.to_vec(), y)?])
}
