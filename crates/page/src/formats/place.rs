//! Places on a page as the formats want them.

use crate::result::Page;
use refrain_image::{Point, Quad, Rect};

/// Upright box of a quad, inside of the page.
pub(super) fn bounds(quad: &Quad, page: &Page) -> Rect {
    quad.bounds(page.width as usize, page.height as usize)
}

/// Least box of corners, without a page.
pub(super) fn extent(points: impl IntoIterator<Item = Point>) -> Option<(Point, Point)> {
    points.into_iter().fold(None, |extent, point| {
        let (low, high) = extent.unwrap_or((point, point));
        let low = Point {
            x: low.x.min(point.x),
            y: low.y.min(point.y),
        };
        let high = Point {
            x: high.x.max(point.x),
            y: high.y.max(point.y),
        };
        Some((low, high))
    })
}

/// Points as `x,y x,y`, in whole pixels inside of the page.
pub(super) fn list(points: &[Point], page: &Page) -> String {
    let whole = |value: f32, most: u32| value.round().max(0.0).min(most as f32) as u32;
    let pairs = points
        .iter()
        .map(|p| format!("{},{}", whole(p.x, page.width), whole(p.y, page.height)));
    pairs.collect::<Vec<_>>().join(" ")
}

/// The edges of the quad run along the rows and columns of the page, and the text reads from left to right.
pub(super) fn upright(quad: &Quad) -> bool {
    let [a, b, c, d] = quad.0.map(|p| (p.x.round(), p.y.round()));
    a.1 == b.1 && c.1 == d.1 && a.0 == d.0 && b.0 == c.0 && a.0 <= b.0 && a.1 <= d.1
}

/// Angle of the text, in degrees counter-clockwise, above -180 and at most 180.
pub(super) fn angle(quad: &Quad) -> f32 {
    let (from, to) = (quad.0[0], quad.0[1]);
    let angle = (from.y - to.y).atan2(to.x - from.x).to_degrees();
    if angle.is_finite() { angle } else { 0.0 }
}

/// Confidence, 0 to 1; a number that is none is 0.
pub(super) fn confidence(value: f32) -> f32 {
    if value.is_nan() {
        return 0.0;
    }
    value.clamp(0.0, 1.0)
}

/// Slope and height at x = 0 of the least-squares line through the points; none without two different x.
pub(super) fn fit(points: &[Point]) -> Option<(f32, f32)> {
    let n = points.len() as f64;
    let mean =
        |value: fn(&Point) -> f32| points.iter().map(|p| f64::from(value(p))).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.x), mean(|p| p.y));
    let (mut xx, mut xy) = (0.0, 0.0);
    for point in points {
        let dx = f64::from(point.x) - x;
        xx += dx * dx;
        xy += dx * (f64::from(point.y) - y);
    }
    let slope = xy / xx;
    let line = (slope as f32, (y - slope * x) as f32);
    (line.0.is_finite() && line.1.is_finite()).then_some(line)
}

/// Least and greatest coordinates of the points along the unit vector and across it.
fn span(points: &[Point], unit: Point) -> [(f32, f32); 2] {
    let none = (f32::INFINITY, f32::NEG_INFINITY);
    let wider = |(low, high): (f32, f32), value: f32| (low.min(value), high.max(value));
    points.iter().fold([none; 2], |[along, across], point| {
        let (a, b) = (
            point.x * unit.x + point.y * unit.y,
            point.y * unit.x - point.x * unit.y,
        );
        [wider(along, a), wider(across, b)]
    })
}

/// The rectangle of this span.
fn spanned([along, across]: [(f32, f32); 2], unit: Point) -> Quad {
    let (low, high) = ((along.0, across.0), (along.1, across.1));
    let corner = |a: f32, b: f32| Point {
        x: a * unit.x - b * unit.y,
        y: a * unit.y + b * unit.x,
    };
    Quad([
        corner(low.0, low.1),
        corner(high.0, low.1),
        corner(high.0, high.1),
        corner(low.0, high.1),
    ])
}

/// The rectangle around the points whose first edge runs along the unit vector.
fn along(points: &[Point], unit: Point) -> Quad {
    spanned(span(points, unit), unit)
}

/// Quads of words with one height: as they are if their heights differ by less than 4 %, else from the top of the
/// highest to the bottom of the lowest, along the first edge of the line.
pub(super) fn level(words: &[Quad], line: &Quad) -> Vec<Quad> {
    let heights = words.iter().map(|quad| {
        let [a, b, c, d] = quad.0;
        (d.x - a.x + c.x - b.x).hypot(d.y - a.y + c.y - b.y)
    });
    let (low, high) = heights.fold((f32::INFINITY, 0.0_f32), |(low, high), height| {
        (low.min(height), high.max(height))
    });
    let Some(unit) = unit(line.0[0], line.0[1]).filter(|_| high > 1.04 * low) else {
        return words.to_vec();
    };
    let all: Vec<Point> = words.iter().flat_map(|quad| quad.0).collect();
    let [_, across] = span(&all, unit);
    let level = |quad: &Quad| spanned([span(&quad.0, unit)[0], across], unit);
    words.iter().map(level).collect()
}

fn unit(from: Point, to: Point) -> Option<Point> {
    let (x, y) = (to.x - from.x, to.y - from.y);
    let length = x.hypot(y);
    (length > 1e-3 && length.is_finite()).then(|| Point {
        x: x / length,
        y: y / length,
    })
}

/// Corners of the text inside of a polygon: the rectangle along the baseline, or without one the rectangle of least
/// area, its first edge within 45 degrees of the rows. None without a point.
pub(super) fn rectangle(polygon: &[Point], baseline: &[Point]) -> Option<Quad> {
    polygon.first()?;
    if let (Some(from), Some(to)) = (baseline.first(), baseline.last())
        && let Some(unit) = unit(*from, *to)
    {
        return Some(along(polygon, unit));
    }
    let hull = hull(polygon);
    let level = Point { x: 1.0, y: 0.0 };
    let edges = (0..hull.len()).filter_map(|i| unit(hull[i], hull[(i + 1) % hull.len()]));
    let area = |quad: &Quad| {
        let side = |a: Point, b: Point| (b.x - a.x).hypot(b.y - a.y);
        side(quad.0[0], quad.0[1]) * side(quad.0[1], quad.0[2])
    };
    let mut best = along(&hull, level);
    for edge in edges {
        let quad = along(&hull, to_the_right(edge));
        // Rounding must not make an upright rectangle lean.
        if area(&quad) < 0.999 * area(&best) {
            best = quad;
        }
    }
    Some(best)
}

/// The unit vector turned by quarters until it points to the right.
fn to_the_right(unit: Point) -> Point {
    let Point { x, y } = unit;
    match x.abs() >= y.abs() {
        true if x >= 0.0 => unit,
        true => Point { x: -x, y: -y },
        false if y > 0.0 => Point { x: y, y: -x },
        false => Point { x: -y, y: x },
    }
}

/// Convex hull by Andrew's monotone chain (1979), without three points on one line.
fn hull(points: &[Point]) -> Vec<Point> {
    let mut points = points.to_vec();
    points.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
    let chain = |points: &mut dyn Iterator<Item = Point>| {
        let mut chain: Vec<Point> = Vec::new();
        for p in points {
            while let [.., a, b] = chain[..]
                && (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x) <= 0.0
            {
                chain.pop();
            }
            chain.push(p);
        }
        chain.pop();
        chain
    };
    let mut hull = chain(&mut points.iter().copied());
    hull.extend(chain(&mut points.iter().rev().copied()));
    if hull.is_empty() {
        hull.extend(points.first());
    }
    hull
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: &Quad, b: &[(f32, f32); 4]) -> bool {
        let pairs = a.0.iter().zip(b);
        pairs
            .into_iter()
            .all(|(p, q)| (p.x - q.0).abs() < 0.01 && (p.y - q.1).abs() < 0.01)
    }

    fn points(pairs: &[(f32, f32)]) -> Vec<Point> {
        pairs.iter().map(|&(x, y)| Point { x, y }).collect()
    }

    #[test]
    fn rectangles_of_polygons() {
        let upright = [(2.0, 3.0), (12.0, 3.0), (12.0, 7.0), (2.0, 7.0)];
        let polygon = points(&[(12.0, 7.0), (2.0, 7.0), (2.0, 3.0), (7.0, 3.0), (12.0, 3.0)]);
        assert!(near(&rectangle(&polygon, &[]).unwrap(), &upright));
        // The same polygon, of text that runs upwards.
        let baseline = points(&[(11.0, 7.0), (11.0, 3.0)]);
        let turned = [(2.0, 7.0), (2.0, 3.0), (12.0, 3.0), (12.0, 7.0)];
        assert!(near(&rectangle(&polygon, &baseline).unwrap(), &turned));
        // A slope of 3 in 4.
        let leaning = points(&[(0.0, 0.0), (40.0, 30.0), (37.0, 34.0), (-3.0, 4.0)]);
        let expected = [(0.0, 0.0), (40.0, 30.0), (37.0, 34.0), (-3.0, 4.0)];
        assert!(near(&rectangle(&leaning, &[]).unwrap(), &expected));
        assert!(near(
            &rectangle(&points(&[(5.0, 5.0)]), &[]).unwrap(),
            &[(5.0, 5.0); 4]
        ));
        assert!(rectangle(&[], &[]).is_none());
    }

    #[test]
    fn a_line_through_points() {
        let (slope, at_zero) = fit(&points(&[(10.0, 5.0), (20.0, 6.0), (30.0, 7.0)])).unwrap();
        assert!((slope - 0.1).abs() < 1e-6 && (at_zero - 4.0).abs() < 1e-5);
        assert!(fit(&points(&[(1.0, 1.0)])).is_none() && fit(&[]).is_none());
    }
}
