//! From floats to integers of 8 bits and back, and products of them.

use super::Results;
use super::window::{Sizes, Windows};
use crate::call::{Call, wrong_dtype};
use crate::error::{OpError, problem};
use crate::quantised::{bytes, product, quantised, range, zeros};
use crate::tensor;
use crate::walk::{Walk, axis, broadcast};
use refrain_data::array::{Array, Data, Dtype};

/// For every element of a tensor, the place of its scale: one for all, one for each place on an axis, or one for each
/// block along it.
fn scale_places(call: &Call, shape: &[usize], scale: &Array) -> Result<Vec<usize>, OpError> {
    let count: usize = shape.iter().product();
    if scale.len() == 1 && scale.shape().len() <= 1 {
        return Ok(vec![0; count]);
    }
    let along = axis(call.attributes.int("axis")?.unwrap_or(1), shape.len())?;
    let block = call.attributes.int("block_size")?.unwrap_or(0);
    let wrong = || OpError::Shapes {
        left: shape.to_vec(),
        right: scale.shape().to_vec(),
        why: ", the scale must be one number, or one for each place or block on the axis",
    };
    let own = crate::walk::strides(shape);
    let place = |at: usize| at / own[along] as usize % shape[along];
    if scale.shape() == [shape[along]] && block == 0 {
        return Ok((0..count).map(place).collect());
    }
    let block = usize::try_from(block).ok().filter(|&block| block > 0);
    let block = block.ok_or_else(wrong)?;
    let mut expected = shape.to_vec();
    expected[along] = shape[along].div_ceil(block);
    if scale.shape() != expected {
        return Err(wrong());
    }
    let [_, size, inner] = crate::walk::around(shape, along);
    let blocks = expected[along];
    let of = |at: usize| {
        let outer = at / (size * inner);
        (outer * blocks + place(at) / block) * inner + at % inner
    };
    Ok((0..count).map(of).collect())
}

/// A scale of any float as float32.
fn scales(call: &Call, index: usize, what: &'static str) -> Result<Array, OpError> {
    let scale = call.input(index, what)?;
    match scale.dtype() {
        Dtype::F32 | Dtype::F16 | Dtype::F64 => crate::cast::to(scale, Dtype::F32, call.limit),
        _ => Err(wrong_dtype(what, "a float", scale)),
    }
}

/// `QuantizeLinear`: x/scale rounded to even, with the zero point added, cut to the range of the type.
pub(super) fn quantize(call: &Call) -> Results {
    call.attributes.switch("saturate", true)?;
    call.attributes.int("precision")?;
    let x = call.input(0, "x")?;
    let scale = scales(call, 1, "y_scale")?;
    let places = scale_places(call, x.shape(), &scale)?;
    let asked = call.attributes.int("output_dtype")?.unwrap_or(0);
    let dtype = match (call.optional(2), asked) {
        (Some(zero), _) => zero.dtype(),
        (None, 0) => Dtype::U8,
        (None, code) => tensor::from_code(code)
            .map_err(|name| problem("output_dtype", &format!("names {name}")))?,
    };
    let [low, high] = match dtype {
        Dtype::U8 => [0.0, 255.0],
        Dtype::I8 => [-128.0, 127.0],
        Dtype::U16 => [0.0, 65535.0],
        Dtype::I16 => [-32768.0, 32767.0],
        other => return Err(OpError::Unsupported(format!("quantisation to {other}"))),
    };
    let zero = zero_points(call, 2, &scale)?;
    let wide = crate::cast::to(x, Dtype::F32, call.limit)?;
    let (_, v) = crate::call::floats(&wide, "x")?;
    let (_, scale) = crate::call::floats(&scale, "y_scale")?;
    let one = |(&x, &at): (&f32, &usize)| {
        ((x / scale[at]).round_ties_even() + zero[at] as f32).clamp(low, high)
    };
    let y = Data::F32(v.iter().zip(&places).map(one).collect());
    call.check(dtype, x.shape())?;
    Ok(vec![Array::new(
        x.shape().to_vec(),
        crate::cast::data(&y, dtype),
    )?])
}

/// A zero point for each scale; 0 if it is left out.
fn zero_points(call: &Call, index: usize, scale: &Array) -> Result<Vec<f64>, OpError> {
    match call.optional(index) {
        None => Ok(vec![0.0; scale.len()]),
        Some(zero) if zero.len() == scale.len() => match crate::cast::data(zero.data(), Dtype::F64)
        {
            Data::F64(zero) => Ok(zero),
            _ => Err(wrong_dtype("the zero point", "an integer", zero)),
        },
        Some(zero) => Err(OpError::Shape {
            what: "the zero point",
            expected: scale.shape().to_vec(),
            got: zero.shape().to_vec(),
        }),
    }
}

/// `DequantizeLinear`: (x − zero point)·scale, in the type of the scale.
pub(super) fn dequantize(call: &Call) -> Results {
    let x = call.input(0, "x")?;
    let to = call.input(1, "x_scale")?.dtype();
    let scale = scales(call, 1, "x_scale")?;
    let places = scale_places(call, x.shape(), &scale)?;
    let asked = call.attributes.int("output_dtype")?.unwrap_or(0);
    let to = match asked {
        0 => to,
        code => tensor::from_code(code)
            .map_err(|name| problem("output_dtype", &format!("names {name}")))?,
    };
    if !matches!(
        x.dtype(),
        Dtype::U8 | Dtype::I8 | Dtype::U16 | Dtype::I16 | Dtype::I32
    ) {
        return Err(wrong_dtype("x", "an integer of 8, 16 or 32 bits", x));
    }
    call.check(Dtype::F64, x.shape())?;
    // Differences of integers are exact in double precision.
    let Data::F64(v) = crate::cast::data(x.data(), Dtype::F64) else {
        return Err(wrong_dtype("x", "an integer", x));
    };
    let zero = zero_points(call, 2, &scale)?;
    let (_, scale) = crate::call::floats(&scale, "x_scale")?;
    let one = |(&x, &at): (&f64, &usize)| (x - zero[at]) as f32 * scale[at];
    let y = Data::F32(v.iter().zip(&places).map(one).collect());
    Ok(vec![Array::new(
        x.shape().to_vec(),
        crate::cast::data(&y, to),
    )?])
}

/// `DynamicQuantizeLinear`: bytes with the scale and zero point of their own range.
pub(super) fn dynamic(call: &Call) -> Results {
    let (shape, x) = call.floats(0, "x")?;
    let (scale, zero) = range(x);
    Ok(vec![
        Array::new(shape.to_vec(), Data::U8(quantised(x, scale, zero)))?,
        Array::floats(vec![], vec![scale])?,
        Array::new(vec![], Data::U8(vec![zero]))?,
    ])
}

/// Sizes of a product of matrices, and the pairs of matrices in it.
struct Matrices {
    shape: Vec<usize>,
    sizes: [usize; 3],
    pairs: Vec<(usize, usize)>,
}

impl Matrices {
    fn read(call: &Call, a: &Array, b: &Array) -> Result<Self, OpError> {
        let wrong = || OpError::Shapes {
            left: a.shape().to_vec(),
            right: b.shape().to_vec(),
            why: ", matrices with equal inner sizes are needed",
        };
        let ([outer_a @ .., m, k], [outer_b @ .., k_b, n]) = (a.shape(), b.shape()) else {
            return Err(wrong());
        };
        if k != k_b {
            return Err(wrong());
        }
        let outer = broadcast(outer_a, outer_b)?;
        let shape = [&outer[..], &[*m, *n]].concat();
        call.check(Dtype::I32, &shape)?;
        let pairs = Walk::broadcast(outer_a, &outer).zip(Walk::broadcast(outer_b, &outer));
        Ok(Self {
            pairs: pairs.collect(),
            shape,
            sizes: [*m, *k, *n],
        })
    }

    /// The sums of products; zero points are numbers, or lists over rows of A and columns of B.
    fn multiply(
        &self,
        call: &Call,
        [(a, a_zero), (b, b_zero)]: [(usize, usize); 2],
    ) -> Result<Vec<i32>, OpError> {
        let (left, right) = (call.input(a, "A")?, call.input(b, "B")?);
        let (x, y) = (bytes(left, "A")?, bytes(right, "B")?);
        let za = zeros(call, a_zero, "the zero point of A", left.dtype())?;
        let zb = zeros(call, b_zero, "the zero point of B", right.dtype())?;
        let [m, k, n] = self.sizes;
        if ![1, m].contains(&za.len())
            || ![1, n].contains(&zb.len())
            || za.is_empty()
            || zb.is_empty()
        {
            return Err(OpError::Unsupported(format!(
                "{} zero points for {m} rows and {} for {n} columns",
                za.len(),
                zb.len()
            )));
        }
        let mut all = Vec::with_capacity(self.pairs.len() * m * n);
        for &(i, j) in &self.pairs {
            let (a, b) = (
                &x[i * m * k..(i + 1) * m * k],
                &y[j * k * n..(j + 1) * k * n],
            );
            all.extend(product((a, &za), (b, &zb), self.sizes));
        }
        Ok(all)
    }
}

/// `MatMulInteger`
pub(super) fn matmul_integer(call: &Call) -> Results {
    let (a, b) = (call.input(0, "A")?, call.input(1, "B")?);
    // A vector is a row on the left, and a column on the right.
    if a.shape().len() < 2 || b.shape().len() < 2 {
        return Err(OpError::Unsupported("a product of vectors".into()));
    }
    let matrices = Matrices::read(call, a, b)?;
    let y = matrices.multiply(call, [(0, 2), (1, 3)])?;
    Ok(vec![Array::new(matrices.shape, Data::I32(y))?])
}

/// Integers with the scale of a product, as bytes with another scale.
fn requantised(y: &[i32], factor: impl Fn(usize) -> f64, zero: &Array) -> Result<Data, OpError> {
    let offset = bytes(zero, "the zero point of y")?;
    let &[offset] = &offset[..] else {
        return Err(OpError::Unsupported("several zero points of y".into()));
    };
    let [low, high] = match zero.dtype() {
        Dtype::U8 => [0.0, 255.0],
        _ => [-128.0, 127.0],
    };
    let one = |(at, &y): (usize, &i32)| {
        ((f64::from(y) * factor(at)).round_ties_even() + f64::from(offset)).clamp(low, high)
    };
    let wide = Data::F64(y.iter().enumerate().map(one).collect());
    Ok(crate::cast::data(&wide, zero.dtype()))
}

/// `QLinearMatMul`
pub(super) fn qlinear_matmul(call: &Call) -> Results {
    let (a, b) = (call.input(0, "a")?, call.input(3, "b")?);
    if a.shape().len() < 2 || b.shape().len() < 2 {
        return Err(OpError::Unsupported("a product of vectors".into()));
    }
    let matrices = Matrices::read(call, a, b)?;
    let y = matrices.multiply(call, [(0, 2), (3, 5)])?;
    let one = |index, what| match scales(call, index, what)?.as_f32() {
        Some(&[scale]) => Ok(f64::from(scale)),
        _ => Err(OpError::Unsupported(format!("{what} of several numbers"))),
    };
    let factor = one(1, "a_scale")? * one(4, "b_scale")? / one(6, "y_scale")?;
    let data = requantised(&y, |_| factor, call.input(7, "y_zero_point")?)?;
    Ok(vec![Array::new(matrices.shape, data)?])
}

/// A convolution of bytes: sums of products, and the shape of the result `[N,M,…]`.
fn convolved(
    call: &Call,
    [(x, x_zero), (w, w_zero)]: [(usize, usize); 2],
) -> Result<(Vec<i32>, Vec<usize>), OpError> {
    let (images, weights) = (call.input(x, "x")?, call.input(w, "w")?);
    let sizes = Sizes::read(call, images.shape(), weights.shape())?;
    if sizes.in_group.saturating_mul(sizes.groups) != sizes.channels
        || !sizes.rows.is_multiple_of(sizes.groups)
    {
        return Err(OpError::Shapes {
            left: images.shape().to_vec(),
            right: weights.shape().to_vec(),
            why: ", the channels of x must be those of w times the groups",
        });
    }
    let windows = Windows::read(call, sizes.kernel, sizes.spatial)?;
    let counts: Vec<usize> = (0..sizes.spatial.len())
        .map(|d| windows.count(d, sizes.spatial[d], false))
        .collect();
    let shape = [&[sizes.n, sizes.rows], &counts[..]].concat();
    call.check(Dtype::I64, &shape)?;
    let xz = zeros(call, x_zero, "the zero point of x", images.dtype())?;
    let wz = zeros(call, w_zero, "the zero point of w", weights.dtype())?;
    let (&[xz], true) = (
        &xz[..],
        [1, sizes.rows].contains(&wz.len()) && !wz.is_empty(),
    ) else {
        return Err(OpError::Unsupported("this number of zero points".into()));
    };
    // Padding is the zero point, which is 0 once it is taken off.
    let values: Vec<i32> = bytes(images, "x")?.iter().map(|x| x - xz).collect();
    let taps: Vec<i32> = bytes(weights, "w")?;
    let line: usize = sizes.in_group.saturating_mul(sizes.kernel.iter().product());
    call.check(Dtype::I32, &[line.max(1)])?;
    let rows = sizes.rows / sizes.groups;
    let (size, each) = (
        sizes.spatial.iter().product::<usize>(),
        counts.iter().product::<usize>(),
    );
    let mut y = vec![0i32; shape.iter().product()];
    let mut window = vec![0i32; line];
    for place in 0..sizes.n * sizes.groups {
        let (image, group) = (place / sizes.groups, place % sizes.groups);
        for site in 0..each {
            let first = (image * sizes.channels + group * sizes.in_group) * size;
            windows.gather(
                &values[first..first + sizes.in_group * size],
                sizes.spatial,
                &counts,
                site,
                &mut window,
            );
            for row in group * rows..(group + 1) * rows {
                let zero = wz[if wz.len() == 1 { 0 } else { row }];
                let pairs = window.iter().zip(&taps[row * line..(row + 1) * line]);
                let sum = pairs.fold(0i32, |sum, (x, w)| sum.wrapping_add(x * (w - zero)));
                y[(image * sizes.rows + row) * each + site] = sum;
            }
        }
    }
    Ok((y, shape))
}

impl Windows {
    /// The elements of a window, channel by channel, with 0 for padding.
    fn gather(&self, x: &[i32], spatial: &[usize], counts: &[usize], site: usize, out: &mut [i32]) {
        let rank = spatial.len();
        let size: usize = spatial.iter().product();
        let taps: usize = self.kernel.iter().product();
        for tap in 0..taps {
            let (mut rest, mut left, mut at, mut step) = (tap, site, Some(0usize), 1);
            for d in (0..rank).rev() {
                let begin = (left % counts[d] * self.strides[d]) as i64 - self.pads[d][0] as i64;
                let place = begin + (rest % self.kernel[d]) as i64 * self.dilations[d] as i64;
                let inside = usize::try_from(place)
                    .ok()
                    .filter(|&place| place < spatial[d]);
                at = at.zip(inside).map(|(at, place)| at + place * step);
                step *= spatial[d];
                rest /= self.kernel[d];
                left /= counts[d];
            }
            for channel in 0..out.len() / taps {
                out[channel * taps + tap] = at.map_or(0, |at| x[channel * size + at]);
            }
        }
    }
}

/// `ConvInteger`
pub(super) fn conv_integer(call: &Call) -> Results {
    let (y, shape) = convolved(call, [(0, 2), (1, 3)])?;
    Ok(vec![Array::new(shape, Data::I32(y))?])
}

/// `QLinearConv`
pub(super) fn qlinear_conv(call: &Call) -> Results {
    let (mut y, shape) = convolved(call, [(0, 2), (3, 5)])?;
    let (channels, each) = (shape[1], shape[2..].iter().product::<usize>().max(1));
    if let Some(bias) = call.optional(8) {
        let Data::I32(bias) = bias.data() else {
            return Err(wrong_dtype("B", "int32", bias));
        };
        if bias.len() != channels {
            return Err(OpError::Shape {
                what: "B",
                expected: vec![channels],
                got: vec![bias.len()],
            });
        }
        for (at, y) in y.iter_mut().enumerate() {
            *y = y.wrapping_add(bias[at / each % channels]);
        }
    }
    let [x_scale, w_scale, y_scale] = [
        scales(call, 1, "x_scale")?,
        scales(call, 4, "w_scale")?,
        scales(call, 6, "y_scale")?,
    ];
    let (Some(&[x]), Some(w), Some(&[y_scale])) =
        (x_scale.as_f32(), w_scale.as_f32(), y_scale.as_f32())
    else {
        return Err(OpError::Unsupported("several scales of x or y".into()));
    };
    if ![1, channels].contains(&w.len()) || w.is_empty() {
        return Err(OpError::Unsupported(format!("{} scales of w", w.len())));
    }
    let factor = |at: usize| {
        let w = w[if w.len() == 1 {
            0
        } else {
            at / each % channels
        }];
        f64::from(x) * f64::from(w) / f64::from(y_scale)
    };
    let data = requantised(&y, factor, call.input(7, "y_zero_point")?)?;
    Ok(vec![Array::new(shape, data)?])
}

/// `com.microsoft.DynamicQuantizeMatMul`: A as bytes of its own range, times the bytes of B, as floats.
pub(super) fn dynamic_matmul(call: &Call) -> Results {
    let (a, b) = (call.input(0, "A")?, call.input(1, "B")?);
    let (shape, x) = call.floats(0, "A")?;
    let (Some(k), [k_b, n]) = (shape.last(), b.shape()) else {
        return Err(OpError::Unsupported("B that is no matrix".into()));
    };
    if k != k_b {
        return Err(OpError::Shapes {
            left: shape.to_vec(),
            right: b.shape().to_vec(),
            why: ", the inner sizes differ",
        });
    }
    let rows: usize = shape[..shape.len() - 1].iter().product();
    let result = [&shape[..shape.len() - 1], &[*n]].concat();
    call.check(Dtype::F64, &result)?;
    let (scale, zero) = range(x);
    let left: Vec<i32> = quantised(x, scale, zero)
        .iter()
        .map(|&x| x.into())
        .collect();
    let right = bytes(b, "B")?;
    let zb = zeros(call, 3, "the zero point of B", b.dtype())?;
    let y = product(
        (&left, &[zero.into()]),
        (&right, &fitting(&zb, *n)?),
        [rows, *k, *n],
    );
    let b_scale = scales(call, 2, "b_scale")?;
    let factors = fitting(b_scale.as_f32().unwrap_or_default(), *n)?;
    let bias = call
        .optional(4)
        .map(|_| call.floats(4, "bias"))
        .transpose()?;
    if bias.is_some_and(|(_, bias)| bias.len() != *n) {
        return Err(OpError::Unsupported("a bias of another size".into()));
    }
    let one = |(at, &y): (usize, &i32)| {
        let column = at % n;
        let factor = scale * factors[if factors.len() == 1 { 0 } else { column }];
        y as f32 * factor + bias.map_or(0.0, |(_, bias)| bias[column])
    };
    let y = y.iter().enumerate().map(one).collect();
    debug_assert_eq!(a.len(), rows * k);
    Ok(vec![Array::floats(result, y)?])
}

/// One number, or one for each column.
fn fitting<T: Copy>(list: &[T], columns: usize) -> Result<Vec<T>, OpError> {
    match list.len() == 1 || (list.len() == columns && columns > 0) {
        true => Ok(list.to_vec()),
        false => Err(OpError::Unsupported(format!(
            "{} scales or zero points for {columns} columns",
            list.len()
        ))),
    }
}

/// `com.microsoft.MatMulIntegerToFloat`
pub(super) fn matmul_integer_to_float(call: &Call) -> Results {
    let (a, b) = (call.input(0, "A")?, call.input(1, "B")?);
    if a.shape().len() < 2 || b.shape().len() < 2 {
        return Err(OpError::Unsupported("a product of vectors".into()));
    }
    let matrices = Matrices::read(call, a, b)?;
    let y = matrices.multiply(call, [(0, 4), (1, 5)])?;
    let n = matrices.sizes[2];
    let (left, right) = (scales(call, 2, "a_scale")?, scales(call, 3, "b_scale")?);
    let Some(&[left]) = left.as_f32() else {
        return Err(OpError::Unsupported("several scales of A".into()));
    };
    let factors = fitting(right.as_f32().unwrap_or_default(), n)?;
    let bias = call
        .optional(6)
        .map(|_| call.floats(6, "bias"))
        .transpose()?;
    if bias.is_some_and(|(_, bias)| bias.len() != n) {
        return Err(OpError::Unsupported("a bias of another size".into()));
    }
    let one = |(at, &y): (usize, &i32)| {
        let column = at % n;
        let factor = left * factors[if factors.len() == 1 { 0 } else { column }];
        y as f32 * factor + bias.map_or(0.0, |(_, bias)| bias[column])
    };
    let y = y.iter().enumerate().map(one).collect();
    Ok(vec![Array::floats(matrices.shape, y)?])
}
