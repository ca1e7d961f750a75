//! Baseline and x-height of a line from its components.

use refrain_image::Point;

use crate::{
    Baseline, Ink,
    group::{Group, Part},
};

/// Height of capitals and digits over the x-height, in common fonts 1.33 to 1.5.
const CAPITALS: f32 = 1.38;

/// A fitted line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fit {
    pub baseline: Baseline,
    pub x_height: f32,
    /// All letters are of one height: this one, so that `x_height` supposes capitals or digits.
    pub even: Option<f32>,
}

/// Curve y = a + b x + c x^2, with x from `origin`.
#[derive(Clone, Copy)]
struct Curve {
    origin: f32,
    a: f32,
    b: f32,
    c: f32,
}

impl Curve {
    fn at(&self, x: f32) -> f32 {
        let x = x - self.origin;
        self.a + x * (self.b + x * self.c)
    }
}

/// Lower end of a letter: its middle column, its rows and its width.
#[derive(Clone, Copy)]
struct Foot {
    x: f32,
    top: f32,
    bottom: f32,
    width: f32,
}

/// Baseline and x-height of a group of parts of `ink`. Most letters stand on the baseline: the densest band of lower
/// ends is taken, others (descenders, commas) are left out.
pub(crate) fn fit(ink: &Ink, group: &Group) -> Fit {
    let feet = feet(ink, group);
    let bounds = &group.bounds;
    let origin = (bounds.left + bounds.right) / 2.0;
    let length = bounds.width();
    let slope = match feet.len() >= 4 && length > 3.0 * group.scale {
        true => median_slope(&feet, length / 4.0),
        false => 0.0,
    };
    let level = Curve {
        origin,
        a: 0.0,
        b: slope,
        c: 0.0,
    };
    let straight = Curve {
        a: densest(&feet, &level, 0.16 * group.scale),
        ..level
    };
    let mut curve = long_curve(&feet, straight, group).unwrap_or(straight);
    for parabola in [false, true] {
        let standing: Vec<Foot> = standing(&feet, &curve, 0.12 * group.scale);
        let spread = standing
            .last()
            .zip(standing.first())
            .map_or(0.0, |(l, f)| l.x - f.x);
        if standing.len() < 3 || spread < 0.5 * length || length < 3.0 * group.scale {
            break;
        }
        if curve.c != 0.0 {
            curve = least_squares(&standing, origin, true).unwrap_or(curve);
            continue;
        }
        let straight = least_squares(&standing, origin, false).unwrap_or(curve);
        curve = match parabola && standing.len() >= 8 && length > 8.0 * group.scale {
            true => bent(&standing, straight, group.scale),
            false => straight,
        };
    }
    let (x_height, even) = x_height(
        &standing(&feet, &curve, 0.15 * group.scale),
        &curve,
        group,
        &feet,
    );
    let point = |x: f32, curve: &Curve| Point { x, y: curve.at(x) };
    let (start, end) = (point(bounds.left, &curve), point(bounds.right, &curve));
    let sag = curve.at(origin) - (start.y + end.y) / 2.0;
    Fit {
        baseline: Baseline { start, end, sag },
        x_height,
        even,
    }
}

/// A first curve of a long line: through the densest rows of its stretches, where these are not in one row.
fn long_curve(feet: &[Foot], straight: Curve, group: &Group) -> Option<Curve> {
    const STRETCH: f32 = 5.0;
    const MOST: f32 = 24.0;
    let length = group.bounds.width();
    let count = (length / (STRETCH * group.scale)).floor().min(MOST);
    if count < 4.0 {
        return None;
    }
    let stretch = length / count;
    let rows = (0..count as usize).filter_map(|k| {
        let left = group.bounds.left + k as f32 * stretch;
        let here: Vec<Foot> = feet
            .iter()
            .filter(|f| (left..left + stretch).contains(&f.x))
            .copied()
            .collect();
        let x = left + stretch / 2.0;
        let row = densest(&here, &straight, 0.16 * group.scale);
        (here.len() > 1).then(|| Foot {
            x,
            top: 0.0,
            bottom: straight.at(x) + row,
            width: stretch,
        })
    });
    let rows: Vec<Foot> = rows.collect();
    let middle = rows.iter().map(|r| r.bottom - straight.at(r.x));
    let spread = middle.clone().fold(f32::MIN, f32::max) - middle.fold(f32::MAX, f32::min);
    if rows.len() < 4 || spread < 0.12 * group.scale {
        return None;
    }
    let line = least_squares(&rows, straight.origin, false)?;
    Some(bent(&rows, line, group.scale))
}

/// Lower ends of letters; wide parts, where letters touch, are cut into slices.
fn feet(ink: &Ink, group: &Group) -> Vec<Foot> {
    let mut feet = Vec::new();
    for part in &group.parts {
        if part.height() < 0.4 * group.scale {
            continue;
        }
        if part.width() < 1.6 * group.scale {
            feet.push(Foot {
                x: (part.left + part.right) / 2.0,
                top: part.top,
                bottom: part.bottom,
                width: part.width(),
            });
            continue;
        }
        let slices = (part.width() / (0.6 * group.scale)).ceil().max(1.0);
        let step = part.width() / slices;
        for k in 0..slices as usize {
            let left = part.left + k as f32 * step;
            feet.extend(slice(ink, part, left, left + step));
        }
    }
    if feet.is_empty() {
        let foot = |part: &Part| Foot {
            x: (part.left + part.right) / 2.0,
            top: part.top,
            bottom: part.bottom,
            width: part.width(),
        };
        feet.extend(group.parts.iter().map(foot));
    }
    feet.sort_by(|a, b| a.x.total_cmp(&b.x));
    feet
}

/// Rows of the ink of `part` in the columns from `left` to `right`.
fn slice(ink: &Ink, part: &Part, left: f32, right: f32) -> Option<Foot> {
    let (from, to) = (left as usize, (right as usize).min(ink.width()));
    let rows = part.top as usize..(part.bottom as usize).min(ink.height());
    let inked = |&y: &usize| {
        ink.row(y)
            .get(from..to)
            .is_some_and(|row| row.iter().any(|&p| p != 0))
    };
    let top = rows.clone().find(inked)?;
    let bottom = rows.rev().find(inked)? + 1;
    Some(Foot {
        x: (left + right) / 2.0,
        top: top as f32,
        bottom: bottom as f32,
        width: right - left,
    })
}

/// Median of the slopes between lower ends at least `apart` columns apart (Theil, 1950; Sen, 1968), at most 0.15.
fn median_slope(feet: &[Foot], apart: f32) -> f32 {
    let every = feet.len().div_ceil(60).max(1);
    let some: Vec<&Foot> = feet.iter().step_by(every).collect();
    let mut slopes = Vec::new();
    for (i, a) in some.iter().enumerate() {
        for b in &some[i + 1..] {
            if b.x - a.x >= apart.max(1.0) {
                slopes.push((b.bottom - a.bottom) / (b.x - a.x));
            }
        }
    }
    if slopes.is_empty() {
        return 0.0;
    }
    let middle = slopes.len() / 2;
    let slope = *slopes.select_nth_unstable_by(middle, f32::total_cmp).1;
    match slope.abs() <= 0.15 {
        true => slope,
        false => 0.0,
    }
}

/// Middle of the band of `height` rows along `curve` with the widest lower ends in it.
fn densest(feet: &[Foot], curve: &Curve, height: f32) -> f32 {
    let mut rows: Vec<(f32, f32)> = feet
        .iter()
        .map(|f| (f.bottom - curve.at(f.x), f.width))
        .collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut best, mut most) = (0.0, -1.0);
    for (i, (first, _)) in rows.iter().enumerate() {
        let band: Vec<_> = rows[i..]
            .iter()
            .take_while(|(row, _)| *row <= first + height)
            .collect();
        let weight: f32 = band.iter().map(|(_, width)| width).sum();
        if weight > most {
            (best, most) = (band[band.len() / 2].0, weight);
        }
    }
    best
}

/// The feet within `within` of the curve.
fn standing(feet: &[Foot], curve: &Curve, within: f32) -> Vec<Foot> {
    let on = |foot: &&Foot| (foot.bottom - curve.at(foot.x)).abs() <= within.max(0.75);
    feet.iter().filter(on).copied().collect()
}

/// The parabola if it is clearly nearer to the feet than the straight line.
fn bent(feet: &[Foot], straight: Curve, scale: f32) -> Curve {
    let error = |curve: &Curve| {
        let squares = feet.iter().map(|f| (f.bottom - curve.at(f.x)).powi(2));
        (squares.sum::<f32>() / feet.len() as f32).sqrt()
    };
    match least_squares(feet, straight.origin, true) {
        Some(parabola)
            if error(&straight) > 0.03 * scale && error(&parabola) < 0.75 * error(&straight) =>
        {
            parabola
        }
        _ => straight,
    }
}

/// The curve of the least squared distances, by the normal equations.
fn least_squares(feet: &[Foot], origin: f32, parabola: bool) -> Option<Curve> {
    let unknowns = if parabola { 3 } else { 2 };
    let reach = feet
        .iter()
        .map(|f| (f.x - origin).abs())
        .fold(1.0, f32::max);
    let mut m = [[0f64; 4]; 3];
    for foot in feet {
        let x = f64::from((foot.x - origin) / reach);
        let powers = [1.0, x, x * x];
        for i in 0..unknowns {
            for j in 0..unknowns {
                m[i][j] += powers[i] * powers[j];
            }
            m[i][3] += powers[i] * f64::from(foot.bottom);
        }
    }
    for k in 0..unknowns {
        let pivot = (k..unknowns).max_by(|&a, &b| m[a][k].abs().total_cmp(&m[b][k].abs()))?;
        m.swap(k, pivot);
        if m[k][k].abs() < 1e-9 {
            return None;
        }
        for i in 0..unknowns {
            if i != k {
                let factor = m[i][k] / m[k][k];
                let pivot = m[k];
                m[i].iter_mut()
                    .zip(pivot)
                    .for_each(|(value, pivot)| *value -= factor * pivot);
            }
        }
    }
    let solved = |k: usize| {
        if k < unknowns {
            (m[k][3] / m[k][k]) as f32
        } else {
            0.0
        }
    };
    Some(Curve {
        origin,
        a: solved(0),
        b: solved(1) / reach,
        c: solved(2) / (reach * reach),
    })
}

/// The x-height, and the one height of all letters if there is only one.
fn x_height(standing: &[Foot], curve: &Curve, group: &Group, feet: &[Foot]) -> (f32, Option<f32>) {
    let mut heights: Vec<f32> = standing
        .iter()
        .map(|f| curve.at(f.x) - f.top)
        .filter(|&h| h > 0.35 * group.scale)
        .collect();
    if heights.is_empty() {
        let height = group.bounds.height().max(1.0);
        return (height / CAPITALS, Some(height));
    }
    heights.sort_by(f32::total_cmp);
    let count = heights.len();
    let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len() as f32;
    let spread = |part: &[f32]| {
        let mean = mean(part);
        part.iter().map(|h| (h - mean).powi(2)).sum::<f32>()
    };
    let middle = heights[count / 2];
    let split = (1..count).min_by(|&a, &b| {
        let cost = |at: usize| spread(&heights[..at]) + spread(&heights[at..]);
        cost(a).total_cmp(&cost(b))
    });
    if let Some(at) = split {
        let (low, high) = (mean(&heights[..at]), mean(&heights[at..]));
        let few = (count / 8).max(1);
        if (1.18..1.9).contains(&(high / low)) && at >= few && count - at >= few {
            return (heights[at / 2], None);
        }
    }
    // Descenders without ascenders: small letters.
    let hanging = feet.iter().filter(|f| {
        f.bottom - curve.at(f.x) > 0.2 * middle && f.top > curve.at(f.x) - 1.15 * middle
    });
    match hanging.count() * 8 > count && count >= 3 {
        true => (middle, None),
        false => (middle / CAPITALS, Some(middle)),
    }
}

/// Lines of even letters may be all small letters: they are, where another line of the page has that x-height, and none
/// the x-height that capitals would have.
pub(crate) fn settle(fits: &mut [Fit]) {
    let known: Vec<f32> = fits
        .iter()
        .filter(|fit| fit.even.is_none())
        .map(|fit| fit.x_height)
        .collect();
    let near = |height: f32| known.iter().any(|x| (x / height).ln().abs() < 0.08);
    for fit in fits {
        if let Some(height) = fit.even
            && near(height)
            && !near(fit.x_height)
        {
            fit.x_height = height;
        }
    }
}
