//! Fourier transforms and windows, in double precision.

use super::Results;
use crate::call::Call;
use crate::error::{OpError, problem};
use crate::tensor;
use crate::walk::{around, axis};
use refrain_data::array::{Array, Data, Dtype};
use std::f64::consts::TAU;

type Complex = [f64; 2];

/// A discrete Fourier transform of any size: factors of the size one after the other, prime ones by their definition.
struct Transform {
    /// exp(∓2πi·k/n)
    roots: Vec<Complex>,
}

impl Transform {
    fn new(size: usize, inverse: bool) -> Self {
        let sign = if inverse { 1.0 } else { -1.0 };
        let root = |k: usize| {
            let angle = sign * TAU * k as f64 / size as f64;
            [angle.cos(), angle.sin()]
        };
        Self {
            roots: (0..size).map(root).collect(),
        }
    }

    /// The transform of x, whose length divides the size of `self`.
    fn of(&self, x: &[Complex]) -> Vec<Complex> {
        let n = x.len();
        let Some(step) = self.roots.len().checked_div(n) else {
            return Vec::new();
        };
        let factor = (2..)
            .take_while(|p| p * p <= n)
            .find(|&p| n.is_multiple_of(p));
        let root = |k: usize| self.roots[k % n * step];
        let parts: Vec<Vec<Complex>> = match factor {
            None => x.iter().map(|&x| vec![x]).collect(),
            Some(p) => (0..p)
                .map(|r| self.of(&x.iter().skip(r).step_by(p).copied().collect::<Vec<_>>()))
                .collect(),
        };
        let each = parts[0].len();
        let value = |k: usize| {
            let mut sum = [0.0; 2];
            for (r, part) in parts.iter().enumerate() {
                let ([a, b], [c, d]) = (part[k % each], root(r * k));
                sum = [sum[0] + a * c - b * d, sum[1] + a * d + b * c];
            }
            sum
        };
        (0..n).map(value).collect()
    }
}

/// One number of an input that may be left out.
fn scalar(call: &Call, index: usize, what: &'static str) -> Result<Option<usize>, OpError> {
    match call.optional_ints(index, what)? {
        None => Ok(None),
        Some(list) => match list[..] {
            [one] if one > 0 => Ok(Some(one as usize)),
            _ => Err(OpError::Other(format!(
                "{what} is not one number of 1 or more"
            ))),
        },
    }
}

/// `DFT`: along one axis of real `[…,1]` or complex `[…,2]` numbers.
pub(super) fn dft(call: &Call) -> Results {
    let (shape, x) = call.floats(0, "input")?;
    let rank = shape.len();
    let Some(&parts @ (1 | 2)) = shape.last().filter(|_| rank >= 2) else {
        return Err(OpError::Other(format!(
            "input has shape {shape:?} where […,1] or […,2] is needed"
        )));
    };
    let given = match call.opset < 20 {
        true => call.attributes.int("axis")?.unwrap_or(1),
        false => match call.optional_ints(2, "axis")? {
            None => -2,
            Some(axis) if axis.len() == 1 => axis[0],
            Some(_) => return Err(OpError::Other("axis is not one number".into())),
        },
    };
    let along = axis(given, rank)?;
    if along == rank - 1 {
        return Err(OpError::Other(
            "the last axis holds the parts of numbers".into(),
        ));
    }
    let inverse = call.attributes.switch("inverse", false)?;
    let one_sided = call.attributes.switch("onesided", false)?;
    // One side of a spectrum becomes real numbers.
    let back = inverse && one_sided;
    let whole = match back {
        true => shape[along].saturating_sub(1).saturating_mul(2),
        false => shape[along],
    };
    let size = scalar(call, 1, "dft_length")?.unwrap_or(whole);
    let kept = if one_sided && !back {
        size / 2 + 1
    } else {
        size
    };
    let wide = if back { 1 } else { 2 };
    let mut result = shape.to_vec();
    (result[along], result[rank - 1]) = (kept, wide);
    let count = call.check(Dtype::F32, &result)?;
    call.check(Dtype::F64, &[size, 4])?;
    let [outer, own, inner] = around(&shape[..rank - 1], along);
    let transform = Transform::new(size, inverse);
    let scale = if inverse {
        1.0 / size.max(1) as f64
    } else {
        1.0
    };
    let mut y = vec![0.0; count];
    for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
        let given = |s: usize| match s < own {
            false => [0.0; 2],
            true => {
                let at = ((o * own + s) * inner + i) * parts;
                let imaginary = if parts == 2 { x[at + 1] } else { 0.0 };
                [x[at].into(), imaginary.into()]
            }
        };
        let value = |s: usize| match back && s > size / 2 {
            false => given(s),
            // The other side is the conjugate of the one that is there.
            true => {
                let [a, b] = given(size - s);
                [a, -b]
            }
        };
        let line: Vec<Complex> = (0..size).map(value).collect();
        for (s, value) in transform.of(&line).into_iter().take(kept).enumerate() {
            let at = ((o * kept + s) * inner + i) * wide;
            for (y, value) in y[at..at + wide].iter_mut().zip(value) {
                *y = (value * scale) as f32;
            }
        }
    }
    Ok(vec![Array::floats(result, y)?])
}

/// `STFT`: transforms of frames of a signal `[B,L,1]` or `[B,L,2]`, each times a window: `[B,frames,bins,2]`.
pub(super) fn stft(call: &Call) -> Results {
    let (shape, x) = call.floats(0, "signal")?;
    let (batch, length, parts) = match *shape {
        [batch, length] => (batch, length, 1),
        [batch, length, parts @ (1 | 2)] => (batch, length, parts),
        _ => {
            return Err(OpError::Other(format!(
                "signal has shape {shape:?} where [B,L,1] or [B,L,2] is needed"
            )));
        }
    };
    let step = scalar(call, 1, "frame_step")?.ok_or(OpError::Missing("frame_step"))?;
    let window = call
        .optional(2)
        .map(|_| call.floats(2, "window"))
        .transpose()?;
    let size = match (scalar(call, 3, "frame_length")?, window) {
        (Some(size), _) => size,
        (None, Some((_, window))) => window.len(),
        (None, None) => return Err(OpError::Missing("window or frame_length")),
    };
    if size == 0 || window.is_some_and(|(_, window)| window.len() != size) {
        return Err(OpError::Other(format!(
            "a window is not of the frame's {size} samples, or there are none"
        )));
    }
    let one_sided = call.attributes.switch("onesided", true)? && parts == 1;
    let bins = if one_sided { size / 2 + 1 } else { size };
    let frames = length.checked_sub(size).map_or(0, |left| left / step + 1);
    let result = vec![batch, frames, bins, 2];
    let count = call.check(Dtype::F32, &result)?;
    call.check(Dtype::F64, &[size, 4])?;
    let transform = Transform::new(size, false);
    let mut y = Vec::with_capacity(count);
    for (b, frame) in (0..batch).flat_map(|b| (0..frames).map(move |frame| (b, frame))) {
        let value = |s: usize| {
            let at = (b * length + frame * step + s) * parts;
            let weight = window.map_or(1.0, |(_, window)| f64::from(window[s]));
            let imaginary = if parts == 2 { x[at + 1] } else { 0.0 };
            [f64::from(x[at]) * weight, f64::from(imaginary) * weight]
        };
        let line: Vec<Complex> = (0..size).map(value).collect();
        let all = transform.of(&line);
        y.extend(all[..bins].iter().flatten().map(|&x| x as f32));
    }
    Ok(vec![Array::floats(result, y)?])
}

/// a₀ − a₁·cos(2πn/N) + a₂·cos(4πn/N); N is the size, or one less if not periodic.
fn window(call: &Call, a: [f64; 3]) -> Results {
    let size = call.ints(0, "size")?;
    let (&[size], periodic) = (&size[..], call.attributes.switch("periodic", true)?) else {
        return Err(OpError::Other("size is not one number".into()));
    };
    let code = call.attributes.int("output_datatype")?.unwrap_or(1);
    let dtype = tensor::from_code(code)
        .map_err(|name| problem("output_datatype", &format!("names {name}")))?;
    let size = usize::try_from(size).map_err(|_| OpError::Other("size is negative".into()))?;
    call.check(Dtype::F64, &[size])?;
    let period = if periodic {
        size
    } else {
        size.saturating_sub(1)
    }
    .max(1) as f64;
    let value = |n: usize| {
        let angle = TAU * n as f64 / period;
        a[0] - a[1] * angle.cos() + a[2] * (2.0 * angle).cos()
    };
    let data = Data::F64((0..size).map(value).collect());
    Ok(vec![Array::new(
        vec![size],
        crate::cast::data(&data, dtype),
    )?])
}

pub(super) fn hann(call: &Call) -> Results {
    window(call, [0.5, 0.5, 0.0])
}

pub(super) fn hamming(call: &Call) -> Results {
    window(call, [25.0 / 46.0, 21.0 / 46.0, 0.0])
}

pub(super) fn blackman(call: &Call) -> Results {
    window(call, [0.42, 0.5, 0.08])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_of_all_sizes_are_their_definition() {
        for n in [1usize, 2, 3, 4, 6, 7, 12, 30, 49] {
            let x: Vec<Complex> = (0..n)
                .map(|i| [(i as f64 * 1.7).sin(), (i * i % 5) as f64])
                .collect();
            let transform = Transform::new(n, false);
            for (k, got) in transform.of(&x).into_iter().enumerate() {
                let mut sum = [0.0; 2];
                for (j, &[a, b]) in x.iter().enumerate() {
                    let angle = -TAU * (j * k) as f64 / n as f64;
                    let (c, d) = (angle.cos(), angle.sin());
                    sum = [sum[0] + a * c - b * d, sum[1] + a * d + b * c];
                }
                assert!(
                    (got[0] - sum[0]).abs() + (got[1] - sum[1]).abs() < 1e-9,
                    "{n}, {k}"
                );
            }
        }
    }
}
