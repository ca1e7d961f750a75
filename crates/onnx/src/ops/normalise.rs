//! Normalisations. Means and variances are in double precision.

use super::Results;
use crate::call::Call;
use crate::error::{OpError, problem};
use crate::walk::{around, axes, axis};
use refrain_data::array::{Array, Dtype};

/// Mean and 1/√(variance + ε) of some numbers.
fn moments(x: &[f32], epsilon: f64) -> [f64; 2] {
    let count = x.len().max(1) as f64;
    let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let square = |&x: &f32| (f64::from(x) - mean) * (f64::from(x) - mean);
    let variance = x.iter().map(square).sum::<f64>() / count;
    [mean, (variance + epsilon).sqrt().recip()]
}

fn epsilon(call: &Call) -> Result<f64, OpError> {
    Ok(call.attributes.float("epsilon")?.unwrap_or(1e-5).into())
}

/// A parameter of exactly `count` numbers.
fn parameter<'a>(
    call: &Call<'a>,
    index: usize,
    what: &'static str,
    count: usize,
) -> Result<&'a [f32], OpError> {
    match call.floats(index, what)? {
        (shape, x) if shape == [count] => Ok(x),
        (shape, _) => Err(OpError::Shape {
            what,
            expected: vec![count],
            got: shape.to_vec(),
        }),
    }
}

/// `[N,C,…]`, as sizes `[N,C,rest]`.
fn channels(shape: &[usize]) -> Result<[usize; 3], OpError> {
    match shape {
        [n] => Ok([*n, 1, 1]),
        [n, c, rest @ ..] => Ok([*n, *c, rest.iter().product()]),
        [] => Err(OpError::Other(
            "X has shape [] where [N,C,…] is needed".into(),
        )),
    }
}

/// `BatchNormalization` with the means and variances of the file.
pub(super) fn batch(call: &Call) -> Results {
    if call.attributes.switch("training_mode", false)?
        || !call.attributes.switch("spatial", true)?
    {
        return Err(OpError::Unsupported(
            "training mode, or spatial = 0,".into(),
        ));
    }
    call.attributes.float("momentum")?;
    let epsilon = epsilon(call)?;
    let (shape, x) = call.floats(0, "X")?;
    let [n, c, rest] = channels(shape)?;
    let [scale, bias, mean, variance] = [
        parameter(call, 1, "scale", c)?,
        parameter(call, 2, "B", c)?,
        parameter(call, 3, "input_mean", c)?,
        parameter(call, 4, "input_var", c)?,
    ];
    // y = factor·x + offset
    let line = |c: usize| {
        let factor = f64::from(scale[c]) / (f64::from(variance[c]) + epsilon).sqrt();
        [factor, f64::from(bias[c]) - factor * f64::from(mean[c])]
    };
    let lines: Vec<[f64; 2]> = (0..c).map(line).collect();
    let mut y = Vec::with_capacity(x.len());
    for place in 0..n * c {
        let [factor, offset] = lines[place % c];
        let part = &x[place * rest..(place + 1) * rest];
        y.extend(
            part.iter()
                .map(|&x| (factor * f64::from(x) + offset) as f32),
        );
    }
    Ok(vec![Array::floats(shape.to_vec(), y)?])
}

/// `InstanceNormalization`: each channel of each instance by itself.
pub(super) fn instance(call: &Call) -> Results {
    let epsilon = epsilon(call)?;
    let (shape, x) = call.floats(0, "input")?;
    let [n, c, rest] = channels(shape)?;
    let (scale, bias) = (parameter(call, 1, "scale", c)?, parameter(call, 2, "B", c)?);
    let mut y = Vec::with_capacity(x.len());
    for place in 0..n * c {
        let part = &x[place * rest..(place + 1) * rest];
        let [mean, inverse] = moments(part, epsilon);
        let (scale, bias) = (f64::from(scale[place % c]), f64::from(bias[place % c]));
        let one = |&x: &f32| ((f64::from(x) - mean) * inverse * scale + bias) as f32;
        y.extend(part.iter().map(one));
    }
    Ok(vec![Array::floats(shape.to_vec(), y)?])
}

/// `GroupNormalization`: groups of channels; scale and bias are those of groups before opset 21, of channels since.
pub(super) fn group(call: &Call) -> Results {
    let epsilon = epsilon(call)?;
    call.attributes.int("stash_type")?;
    let (shape, x) = call.floats(0, "X")?;
    let [n, c, rest] = channels(shape)?;
    let groups = call.attributes.int("num_groups")?.unwrap_or(0);
    let groups = usize::try_from(groups).ok();
    let groups = groups.filter(|&groups| groups > 0 && c.is_multiple_of(groups));
    let groups = groups.ok_or_else(|| problem("num_groups", "does not divide the channels"))?;
    let own = if call.opset < 21 { groups } else { c };
    let (scale, bias) = (
        parameter(call, 1, "scale", own)?,
        parameter(call, 2, "bias", own)?,
    );
    let in_group = c / groups;
    let mut y = Vec::with_capacity(x.len());
    for place in 0..n * groups {
        let part = &x[place * in_group * rest..(place + 1) * in_group * rest];
        let [mean, inverse] = moments(part, epsilon);
        for (i, &x) in part.iter().enumerate() {
            let at = match call.opset < 21 {
                true => place % groups,
                false => place % groups * in_group + i / rest,
            };
            let normal = (f64::from(x) - mean) * inverse;
            y.push((normal * f64::from(scale[at]) + f64::from(bias[at])) as f32);
        }
    }
    Ok(vec![Array::floats(shape.to_vec(), y)?])
}

/// A scale or bias of the axes from `from` on, as one number for each element of them.
fn of_line<'a>(
    call: &Call<'a>,
    index: usize,
    what: &'static str,
    line: &[usize],
) -> Result<std::borrow::Cow<'a, [f32]>, OpError> {
    let (shape, x) = call.floats(index, what)?;
    if shape == line {
        return Ok(x.into());
    }
    match crate::walk::broadcast(shape, line) {
        Ok(both) if both == line => Ok(crate::walk::Walk::broadcast(shape, line)
            .map(|at| x[at])
            .collect()),
        _ => Err(OpError::Shape {
            what,
            expected: line.to_vec(),
            got: shape.to_vec(),
        }),
    }
}

/// `LayerNormalization`: over the axes from `axis` on; also the means and 1/√(variance + ε).
pub(super) fn layer(call: &Call) -> Results {
    let epsilon = epsilon(call)?;
    call.attributes.int("stash_type")?;
    let (shape, x) = call.floats(0, "X")?;
    let from = axis(call.attributes.int("axis")?.unwrap_or(-1), shape.len())?;
    let (outer, line) = shape.split_at(from);
    let scale = of_line(call, 1, "Scale", line)?;
    let bias = match call.optional(2) {
        Some(_) => Some(of_line(call, 2, "B", line)?),
        None => None,
    };
    let size = scale.len();
    let lines: usize = outer.iter().product();
    let mut y = Vec::with_capacity(x.len());
    let (mut means, mut inverses) = (Vec::with_capacity(lines), Vec::with_capacity(lines));
    for part in (0..lines).map(|i| &x[i * size..(i + 1) * size]) {
        let [mean, inverse] = moments(part, epsilon);
        means.push(mean as f32);
        inverses.push(inverse as f32);
        for (i, &x) in part.iter().enumerate() {
            let bias = bias.as_ref().map_or(0.0, |bias| f64::from(bias[i]));
            y.push(((f64::from(x) - mean) * inverse * f64::from(scale[i]) + bias) as f32);
        }
    }
    let reduced: Vec<usize> = outer
        .iter()
        .copied()
        .chain(line.iter().map(|_| 1))
        .collect();
    Ok(vec![
        Array::floats(shape.to_vec(), y)?,
        Array::floats(reduced.clone(), means)?,
        Array::floats(reduced, inverses)?,
    ])
}

/// `RMSNormalization`: x / √(mean of x² + ε) · scale over the axes from `axis` on.
pub(super) fn rms(call: &Call) -> Results {
    let epsilon = epsilon(call)?;
    call.attributes.int("stash_type")?;
    let (shape, x) = call.floats(0, "X")?;
    let from = axis(call.attributes.int("axis")?.unwrap_or(-1), shape.len())?;
    let scale = of_line(call, 1, "scale", &shape[from..])?;
    let mut y = Vec::with_capacity(x.len());
    for part in x.chunks_exact(scale.len().max(1)) {
        let square = part
            .iter()
            .map(|&x| f64::from(x) * f64::from(x))
            .sum::<f64>();
        let inverse = (square / part.len() as f64 + epsilon).sqrt().recip();
        let each = part.iter().zip(&*scale);
        y.extend(each.map(|(&x, &scale)| (f64::from(x) * inverse * f64::from(scale)) as f32));
    }
    Ok(vec![Array::floats(shape.to_vec(), y)?])
}

/// `LpNormalization`: divided by the norm along an axis; zeros stay.
pub(super) fn lp(call: &Call) -> Results {
    let (shape, x) = call.floats(0, "input")?;
    let [outer, size, inner] = around(
        shape,
        axis(call.attributes.int("axis")?.unwrap_or(-1), shape.len())?,
    );
    let p = call.attributes.int("p")?.unwrap_or(2);
    if !(1..=2).contains(&p) {
        return Err(problem("p", &format!("is {p} where 1 or 2 is needed")));
    }
    let mut y = vec![0.0; x.len()];
    for line in (0..outer).flat_map(|o| (0..inner).map(move |i| o * size * inner + i)) {
        let along = || (0..size).map(|s| line + s * inner);
        let values = || along().map(|at| f64::from(x[at]));
        let norm = match p {
            1 => values().map(f64::abs).sum::<f64>(),
            _ => values().map(|x| x * x).sum::<f64>().sqrt(),
        };
        for at in along() {
            y[at] = if norm == 0.0 {
                0.0
            } else {
                (f64::from(x[at]) / norm) as f32
            };
        }
    }
    Ok(vec![Array::floats(shape.to_vec(), y)?])
}

/// `MeanVarianceNormalization`: (x − mean) / (standard deviation + 1e-9) over axes.
pub(super) fn mean_variance(call: &Call) -> Results {
    let (shape, x) = call.floats(0, "X")?;
    let over = axes(
        call.attributes.ints("axes")?.unwrap_or(&[0, 2, 3]),
        shape.len(),
    )?;
    let kept: Vec<usize> = (0..shape.len())
        .map(|d| if over[d] { 1 } else { shape[d] })
        .collect();
    let mut steps = crate::walk::strides(&kept);
    for (step, over) in steps.iter_mut().zip(&over) {
        *step *= isize::from(!over);
    }
    let places = || crate::walk::Walk::new(shape, steps.clone(), 0);
    let lines = call.check(Dtype::F64, &kept)?;
    let count = (x.len() / lines.max(1)).max(1) as f64;
    let mut means = vec![0.0f64; lines];
    places()
        .zip(x)
        .for_each(|(at, &x)| means[at] += f64::from(x) / count);
    let mut variances = vec![0.0f64; lines];
    places()
        .zip(x)
        .for_each(|(at, &x)| variances[at] += (f64::from(x) - means[at]).powi(2) / count);
    let one = |(at, &x): (usize, &f32)| {
        ((f64::from(x) - means[at]) / (variances[at].sqrt() + 1e-9)) as f32
    };
    let y = places().zip(x).map(one).collect();
    Ok(vec![Array::floats(shape.to_vec(), y)?])
}

/// `LRN`: divided by (bias + alpha/size·Σx²)^beta over neighbouring channels.
pub(super) fn local_response(call: &Call) -> Results {
    let number = |name: &str, default: f32| {
        Ok::<f64, OpError>(call.attributes.float(name)?.unwrap_or(default).into())
    };
    let (alpha, beta, bias) = (
        number("alpha", 1e-4)?,
        number("beta", 0.75)?,
        number("bias", 1.0)?,
    );
    let given = call.attributes.int("size")?.unwrap_or(0);
    let size = usize::try_from(given).ok().filter(|&size| size > 0);
    let size = size.ok_or_else(|| problem("size", "is not 1 or more"))?;
    let (shape, x) = call.floats(0, "X")?;
    let [_, c, rest] = channels(shape)?;
    let (before, behind) = ((size - 1) / 2, size / 2);
    let one = |at: usize| {
        let (channel, first) = (at / rest % c, at / rest / c * c);
        let near = channel.saturating_sub(before)..channel.saturating_add(behind + 1).min(c);
        let square = |i: usize| f64::from(x[(first + i) * rest + at % rest]).powi(2);
        let sum: f64 = near.map(square).sum();
        (f64::from(x[at]) / (bias + alpha / size as f64 * sum).powf(beta)) as f32
    };
    let y = (0..x.len()).map(one).collect();
    Ok(vec![Array::floats(shape.to_vec(), y)?])
}
