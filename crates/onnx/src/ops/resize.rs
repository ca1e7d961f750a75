//! `Resize` and its forerunner `Upsample`: other sizes by the nearest element, or by linear or cubic interpolation.

use super::Results;
use crate::call::{Call, floats};
use crate::error::{OpError, problem};
use crate::walk::{around, axis};
use refrain_data::array::{Array, Dtype};

/// How a new element follows from its neighbours.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// The neighbour that this function of the place gives.
    Nearest(fn(f64) -> f64),
    Linear,
    /// With its coefficient, and whether elements beyond the edge are left out.
    Cubic(f64, bool),
}

/// Where the new elements of an axis stand among the old ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Places {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
}

/// An axis before and after.
#[derive(Clone, Copy, Debug)]
struct Axis {
    old: usize,
    new: usize,
    scale: f64,
}

impl Places {
    fn read(call: &Call) -> Result<Self, OpError> {
        if call.opset < 11 {
            return Ok(Self::Asymmetric);
        }
        let name = "coordinate_transformation_mode";
        match call.attributes.text(name)?.unwrap_or("half_pixel") {
            "half_pixel" => Ok(Self::HalfPixel),
            "half_pixel_symmetric" => Ok(Self::HalfPixelSymmetric),
            "pytorch_half_pixel" => Ok(Self::PytorchHalfPixel),
            "align_corners" => Ok(Self::AlignCorners),
            "asymmetric" => Ok(Self::Asymmetric),
            other => Err(problem(
                name,
                &format!("is \"{other}\", which is not supported"),
            )),
        }
    }

    fn of(self, i: usize, Axis { old, new, scale }: Axis) -> f64 {
        let (i, old, wide) = (i as f64, old as f64, new as f64);
        match self {
            Self::PytorchHalfPixel | Self::AlignCorners if new <= 1 => 0.0,
            Self::HalfPixel | Self::PytorchHalfPixel => (i + 0.5) / scale - 0.5,
            Self::HalfPixelSymmetric => {
                let offset = old / 2.0 * (1.0 - wide / (scale * old));
                offset + (i + 0.5) / scale - 0.5
            }
            Self::AlignCorners => i * (old - 1.0) / (wide - 1.0),
            Self::Asymmetric => i / scale,
        }
    }
}

impl Mode {
    fn read(call: &Call) -> Result<Self, OpError> {
        let attributes = call.attributes;
        match attributes.text("mode")?.unwrap_or("nearest") {
            "nearest" if call.opset < 11 => Ok(Self::Nearest(f64::floor)),
            "nearest" => Ok(Self::Nearest(
                match attributes
                    .text("nearest_mode")?
                    .unwrap_or("round_prefer_floor")
                {
                    "round_prefer_floor" => |x| (x - 0.5).ceil(),
                    "round_prefer_ceil" => |x| (x + 0.5).floor(),
                    "floor" => f64::floor,
                    "ceil" => f64::ceil,
                    other => return Err(problem("nearest_mode", &format!("is \"{other}\""))),
                },
            )),
            "linear" => Ok(Self::Linear),
            "cubic" => Ok(Self::Cubic(
                attributes.float("cubic_coeff_a")?.unwrap_or(-0.75).into(),
                attributes.switch("exclude_outside", false)?,
            )),
            other => Err(problem("mode", &format!("is \"{other}\""))),
        }
    }

    /// Old elements with their weights for the place `x`.
    fn taps(self, x: f64, old: usize) -> Vec<(usize, f64)> {
        let last = old as f64 - 1.0;
        let inside = |x: f64| x.clamp(0.0, last) as usize;
        let (whole, part) = (x.floor(), x - x.floor());
        match self {
            Self::Nearest(round) => vec![(inside(round(x)), 1.0)],
            Self::Linear => vec![(inside(whole), 1.0 - part), (inside(whole + 1.0), part)],
            Self::Cubic(a, only_inside) => {
                let weight = |d: f64| match d {
                    d if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
                    d => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
                };
                let distances = [1.0 + part, part, 1.0 - part, 2.0 - part];
                let mut taps = Vec::with_capacity(4);
                for (k, d) in distances.into_iter().enumerate() {
                    let at = whole + k as f64 - 1.0;
                    if !only_inside || (0.0..=last).contains(&at) {
                        taps.push((inside(at), weight(d)));
                    }
                }
                let sum: f64 = taps.iter().map(|(_, weight)| weight).sum();
                if only_inside && sum != 0.0 {
                    taps.iter_mut().for_each(|(_, weight)| *weight /= sum);
                }
                taps
            }
        }
    }
}

/// All axes of the tensor, from sizes or scales.
fn all_axes(call: &Call, shape: &[usize]) -> Result<Vec<Axis>, OpError> {
    let rank = shape.len();
    let over: Vec<usize> = match call.attributes.ints("axes")? {
        None => (0..rank).collect(),
        Some(given) => {
            crate::walk::axes(given, rank)?;
            given
                .iter()
                .map(|&d| axis(d, rank))
                .collect::<Result<_, _>>()?
        }
    };
    let (scales, sizes) = match call.opset < 11 {
        true => (1, None),
        false => (
            2,
            call.optional_ints(3, "sizes")?
                .filter(|sizes| !sizes.is_empty()),
        ),
    };
    let scales: Option<Vec<f32>> = match call.opset < 9 {
        true => call.attributes.floats("scales")?.map(<[f32]>::to_vec),
        false => call
            .optional(scales)
            .map(|scales| floats(scales, "scales").map(|(_, scales)| scales.to_vec()))
            .transpose()?
            .filter(|scales| !scales.is_empty()),
    };
    let count = sizes
        .as_ref()
        .map_or(0, Vec::len)
        .max(scales.as_ref().map_or(0, Vec::len));
    if count != over.len() || sizes.is_some() == scales.is_some() {
        return Err(OpError::Other(format!(
            "scales or sizes are not one number for each of {} axes",
            over.len()
        )));
    }
    let mut axes: Vec<Axis> = shape
        .iter()
        .map(|&size| Axis {
            old: size,
            new: size,
            scale: 1.0,
        })
        .collect();
    for (i, &d) in over.iter().enumerate() {
        let old = shape[d];
        let (new, scale) = match (&sizes, &scales) {
            (Some(sizes), _) => {
                let new = usize::try_from(sizes[i])
                    .map_err(|_| OpError::Other(format!("size {} is negative", sizes[i])))?;
                (new, new as f64 / old.max(1) as f64)
            }
            (_, Some(scales)) if scales[i] > 0.0 && scales[i].is_finite() => {
                let scale = f64::from(scales[i]);
                ((old as f64 * scale).floor() as usize, scale)
            }
            _ => return Err(OpError::Other("a scale is no number above 0".into())),
        };
        if old == 0 && new > 0 {
            return Err(OpError::Other(
                "an axis without elements cannot grow".into(),
            ));
        }
        axes[d] = Axis { old, new, scale };
    }
    Ok(axes)
}

pub(super) fn resize(call: &Call) -> Results {
    let policy = call
        .attributes
        .text("keep_aspect_ratio_policy")?
        .unwrap_or("stretch");
    if call.attributes.switch("antialias", false)? || policy != "stretch" {
        return Err(OpError::Unsupported(
            "antialias or a policy of aspect ratios".into(),
        ));
    }
    let (mode, places) = (Mode::read(call)?, Places::read(call)?);
    let given = call.input(0, "X")?;
    // Integers of 8 bits are exact as floats.
    let wide = match given.dtype() {
        Dtype::U8 | Dtype::I8 => Some(crate::cast::to(given, Dtype::F32, call.limit)?),
        _ => None,
    };
    let (shape, x) = floats(wide.as_ref().unwrap_or(given), "X")?;
    let axes = all_axes(call, shape)?;
    let mut shape = shape.to_vec();
    let mut y = x.to_vec();
    for (d, &own) in axes.iter().enumerate() {
        if own.old == own.new && own.scale == 1.0 {
            continue;
        }
        let [outer, old, inner] = around(&shape, d);
        shape[d] = own.new;
        let count = call.check(Dtype::F32, &shape)?;
        let mut next = Vec::with_capacity(count);
        for o in 0..outer {
            for i in 0..own.new {
                let taps = mode.taps(places.of(i, own), old);
                next.extend((0..inner).map(|k| {
                    let tap = |&(at, weight): &(usize, f64)| {
                        weight * f64::from(y[(o * old + at) * inner + k])
                    };
                    taps.iter().map(tap).sum::<f64>() as f32
                }));
            }
        }
        y = next;
    }
    let y = Array::floats(shape, y)?;
    Ok(vec![match wide {
        Some(_) => crate::cast::to(&y, given.dtype(), call.limit)?,
        None => y,
    }])
}
