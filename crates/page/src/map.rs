//! Maps of text cores: the target of a learned pixel classifier, and lines from its answer.

use refrain_image::{Gray, Point, Quad, Rect};

use crate::{
    Found, Ink, Limits, PageError, Threshold, components,
    fit::{fit, settle},
    group::{Group, Part},
    skew::quantile,
};

/// Pixels of the page along each side of a cell of the map.
pub const MAP_SCALE: usize = 2;
/// Share of the height of a line that its core loses on each of its four sides.
pub const SHRINK: f32 = 0.22;
/// Height of a line with its margins over the x-height.
const LINE_OVER_X: f32 = 2.2;
/// Least height of a core, in cells.
const LOWEST: f32 = 1.0;

/// Cells along a page of so many pixels.
pub fn map_size(pixels: usize) -> usize {
    pixels.div_ceil(MAP_SCALE)
}

/// Whether a convex quadrilateral holds a position.
pub(crate) fn contains(quad: &Quad, point: Point) -> bool {
    let sides = (0..4).map(|k| {
        let (a, b) = (quad.0[k], quad.0[(k + 1) % 4]);
        (b.x - a.x) * (point.y - a.y) - (b.y - a.y) * (point.x - a.x)
    });
    let (mut left, mut right) = (false, false);
    for side in sides {
        left |= side < 0.0;
        right |= side > 0.0;
    }
    !(left && right)
}

/// Centre, and the vectors from it to the middles of the right and the lower edge.
fn axes(quad: &Quad) -> (Point, Point, Point) {
    let [a, b, c, d] = quad.0;
    let mean = |f: fn(Point) -> f32| (f(a) + f(b) + f(c) + f(d)) / 4.0;
    let centre = Point {
        x: mean(|p| p.x),
        y: mean(|p| p.y),
    };
    let half = |p: Point, q: Point, r: Point, s: Point| Point {
        x: (p.x + q.x - r.x - s.x) / 4.0,
        y: (p.y + q.y - r.y - s.y) / 4.0,
    };
    (centre, half(b, c, a, d), half(c, d, a, b))
}

/// The quadrilateral with each side moved inwards by `margin` (outwards if negative).
fn inset(quad: &Quad, margin: f32) -> Quad {
    let (centre, along, across) = axes(quad);
    let less = |axis: Point| {
        let length = axis.x.hypot(axis.y).max(1e-6);
        (1.0 - margin / length).max(0.0)
    };
    let (a, b) = (less(along), less(across));
    let moved = |corner: Point| {
        let (x, y) = (corner.x - centre.x, corner.y - centre.y);
        let determinant = along.x * across.y - along.y * across.x;
        if determinant.abs() < 1e-9 {
            return centre;
        }
        let u = a * (x * across.y - y * across.x) / determinant;
        let v = b * (along.x * y - along.y * x) / determinant;
        Point {
            x: centre.x + u * along.x + v * across.x,
            y: centre.y + u * along.y + v * across.y,
        }
    };
    Quad(quad.0.map(moved))
}

/// Length of the shorter of the two directions of a quadrilateral.
fn thickness(quad: &Quad) -> f32 {
    let (_, along, across) = axes(quad);
    2.0 * along.x.hypot(along.y).min(across.x.hypot(across.y))
}

/// The target map of a page `[width,height]` with these lines: `[map_size(height),map_size(width)]`, 1 in the cores and
/// 0 elsewhere. A core is a line without `SHRINK` of its height on each side, so that lines that touch stay apart.
pub fn draw_map(quads: &[Quad], width: usize, height: usize) -> Vec<f32> {
    let (columns, rows) = (map_size(width), map_size(height));
    let mut map = vec![0.0; columns * rows];
    for quad in quads {
        let core = inset(quad, SHRINK * thickness(quad));
        if core.0.iter().any(|p| !p.x.is_finite() || !p.y.is_finite()) {
            continue;
        }
        let bounds = core.bounds(columns * MAP_SCALE, rows * MAP_SCALE);
        for row in bounds.y / MAP_SCALE..bounds.bottom().div_ceil(MAP_SCALE) {
            for column in bounds.x / MAP_SCALE..bounds.right().div_ceil(MAP_SCALE) {
                let centre = Point {
                    x: (column as f32 + 0.5) * MAP_SCALE as f32,
                    y: (row as f32 + 0.5) * MAP_SCALE as f32,
                };
                if contains(&core, centre) {
                    map[row * columns + column] = 1.0;
                }
            }
        }
    }
    map
}

/// The lines of a map `[height,width]` of probabilities of text cores, in pixels of the page: components above `level`,
/// as rectangles along their principal axes, grown back to whole lines. A component is split where the map is thin for
/// more than 1.5 x-heights.
///
/// At most as many lines as [`Limits`] allow components are given.
///
/// Errors: the number of values is not width times height; more cells than the limit of pixels.
pub fn lines_from_map(
    map: &[f32],
    width: usize,
    height: usize,
    level: f32,
    limits: &Limits,
) -> Result<Vec<Quad>, PageError> {
    if width.checked_mul(height) != Some(map.len()) {
        return Err(PageError::Map {
            width,
            height,
            values: map.len(),
        });
    }
    if map.len() > limits.pixels {
        return Err(PageError::Pixels {
            width,
            height,
            limit: limits.pixels,
        });
    }
    let mut lines = Vec::new();
    let mut free: Vec<bool> = map.iter().map(|&value| value > level).collect();
    for start in 0..free.len() {
        if free[start] {
            let cells = flood(&mut free, start, width);
            split(&cells, 0, &mut lines);
        }
        if lines.len() >= limits.components {
            break;
        }
    }
    Ok(lines)
}

/// The cells that hang together with `start`, without diagonals; they are free no more.
fn flood(free: &mut [bool], start: usize, width: usize) -> Vec<(f32, f32)> {
    let mut cells = Vec::new();
    let mut stack = vec![start];
    free[start] = false;
    while let Some(at) = stack.pop() {
        let (x, y) = (at % width, at / width);
        cells.push((x as f32 + 0.5, y as f32 + 0.5));
        let near = [
            (x > 0).then(|| at - 1),
            (x + 1 < width).then_some(at + 1),
            (y > 0).then(|| at - width),
            Some(at + width),
        ];
        for next in near.into_iter().flatten() {
            if free.get(next) == Some(&true) {
                free[next] = false;
                stack.push(next);
            }
        }
    }
    cells
}

/// Adds the lines of a component.
fn split(cells: &[(f32, f32)], depth: usize, lines: &mut Vec<Quad>) {
    let count = cells.len() as f32;
    let (x, y) = (
        cells.iter().map(|c| c.0).sum::<f32>() / count,
        cells.iter().map(|c| c.1).sum::<f32>() / count,
    );
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for cell in cells {
        let (dx, dy) = (cell.0 - x, cell.1 - y);
        (xx, xy, yy) = (xx + dx * dx, xy + dx * dy, yy + dy * dy);
    }
    // The principal axis, if the component is long enough to have one.
    let spread = ((xx - yy).powi(2) + 4.0 * xy * xy).sqrt();
    let long = xx + yy + spread > 6.0 * (xx + yy - spread) && count >= 6.0;
    let angle = if long {
        0.5 * (2.0 * xy).atan2(xx - yy)
    } else {
        0.0
    };
    let (sin, cos) = angle.sin_cos();
    let turned: Vec<(f32, f32)> = cells
        .iter()
        .map(|cell| {
            (
                (cell.0 - x) * cos + (cell.1 - y) * sin,
                (cell.1 - y) * cos - (cell.0 - x) * sin,
            )
        })
        .collect();
    let span = |axis: fn(&(f32, f32)) -> f32| {
        let values = turned.iter().map(axis);
        values.fold((f32::MAX, f32::MIN), |(low, high), v| {
            (low.min(v), high.max(v))
        })
    };
    let (left, right) = span(|c| c.0);
    let mut columns = vec![0usize; (right - left) as usize + 1];
    turned
        .iter()
        .for_each(|cell| columns[(cell.0 - left) as usize] += 1);
    let mut sorted = columns.clone();
    sorted.sort_unstable();
    let usual = sorted[sorted.len() / 2] as f32;
    let x_height = usual / (1.0 - 2.0 * SHRINK) / LINE_OVER_X;
    if depth < 64
        && let Some(cut) = thin(&columns, usual, 1.5 * x_height)
    {
        let side = |left_side: bool| {
            let of = turned.iter().zip(cells);
            let side = of.filter(|(t, _)| (t.0 - left < cut) == left_side);
            side.map(|(_, cell)| *cell).collect::<Vec<_>>()
        };
        for part in [side(true), side(false)] {
            if !part.is_empty() {
                split(&part, depth + 1, lines);
            }
        }
        return;
    }
    // Across the line the usual thickness counts; single cells above or below do not.
    let middle = trimmed(turned.iter().map(|c| c.1).collect());
    let (low, high) = (middle.0 - 0.5, middle.1 + 0.5);
    if high - low < LOWEST {
        return;
    }
    let margin = SHRINK / (1.0 - 2.0 * SHRINK) * (high - low).min(right - left + 1.0);
    let corners = [
        (left - 0.5 - margin, low - margin),
        (right + 0.5 + margin, low - margin),
        (right + 0.5 + margin, high + margin),
        (left - 0.5 - margin, high + margin),
    ];
    let scale = MAP_SCALE as f32;
    lines.push(Quad(corners.map(|(along, below)| Point {
        x: scale * (x + along * cos - below * sin),
        y: scale * (y + along * sin + below * cos),
    })));
}

/// First and last value without the outermost hundredth.
fn trimmed(mut values: Vec<f32>) -> (f32, f32) {
    values.sort_by(f32::total_cmp);
    let out = values.len() / 100;
    (values[out], values[values.len() - 1 - out])
}

/// Middle of the longest stretch, longer than `length`, of columns below 0.4 of the usual number of cells.
fn thin(columns: &[usize], usual: f32, length: f32) -> Option<f32> {
    let (mut best, mut cut) = (length.max(1.0), None);
    let mut from = None;
    for (at, &cells) in columns.iter().enumerate() {
        match (cells as f32) < 0.4 * usual {
            true => from = from.or(Some(at)),
            false => {
                if let Some(from) = from.take()
                    && from > 0
                    && (at - from) as f32 > best
                {
                    best = (at - from) as f32;
                    cut = Some((at + from) as f32 / 2.0);
                }
            }
        }
    }
    cut
}

/// Baseline, x-height and polarity of lines whose corners are known, on their page; the corners stay as they are.
pub fn measure(page: &Gray, quads: &[Quad]) -> Vec<Found> {
    let measured: Vec<_> = quads.iter().map(|quad| measure_one(page, quad)).collect();
    let mut fits: Vec<_> = measured.iter().map(|(fit, ..)| *fit).collect();
    settle(&mut fits);
    let found = quads.iter().zip(&fits).zip(&measured);
    found
        .map(|((quad, fit), (_, light_on_dark, place))| {
            let line = Found {
                quad: *quad,
                baseline: fit.baseline,
                x_height: fit.x_height,
                light_on_dark: *light_on_dark,
            };
            Found {
                quad: *quad,
                ..line.map(place.scale, |point| place.to_page(point))
            }
        })
        .collect()
}

/// The place of an upright cut on its page.
struct Place {
    quad: Quad,
    width: f32,
    height: f32,
    scale: f32,
}

impl Place {
    fn to_page(&self, point: Point) -> Point {
        let (u, v) = (point.x / self.width, point.y / self.height);
        let [a, b, c, d] = self.quad.0;
        let mix = |f: fn(Point) -> f32| {
            (1.0 - v) * ((1.0 - u) * f(a) + u * f(b)) + v * ((1.0 - u) * f(d) + u * f(c))
        };
        Point {
            x: mix(|p| p.x),
            y: mix(|p| p.y),
        }
    }
}

/// Rows of a cut for measuring, at most.
const CUT_HEIGHT: f32 = 48.0;
/// Columns of a cut for measuring, at most.
const CUT_WIDTH: f32 = 16_384.0;

fn measure_one(page: &Gray, quad: &Quad) -> (crate::fit::Fit, bool, Place) {
    let (_, along, across) = axes(quad);
    let (length, height) = (2.0 * along.x.hypot(along.y), 2.0 * across.x.hypot(across.y));
    let finite = length.is_finite() && height.is_finite() && length > 0.0 && height > 0.0;
    let (length, height) = if finite { (length, height) } else { (1.0, 1.0) };
    let factor = (CUT_HEIGHT / height).min(CUT_WIDTH / length).min(2.0);
    let rows = (height * factor).round().max(1.0);
    let columns = (length * factor).round().max(1.0);
    let place = Place {
        quad: *quad,
        width: columns,
        height: rows,
        scale: height / rows,
    };
    let cut = page.cut(quad, columns as usize, rows as usize, 255);
    let light = is_light_on_dark(&cut);
    let cut = if light { cut.inverted() } else { cut };
    let ink = Ink::of(
        &cut,
        Threshold::Mean {
            window: 41,
            offset: 15,
        },
    );
    let fits = |rect: &Rect| {
        rect.height as f32 >= 0.2 * rows && (rect.width as f32) < 0.9 * columns.max(4.0 * rows)
    };
    let inside = |rect: &Rect| {
        (0.1 * rows..0.9 * rows).contains(&(rect.y as f32 + rect.height as f32 / 2.0))
    };
    let all = components(&ink, 100_000).unwrap_or_default();
    let mut parts: Vec<Part> = all
        .iter()
        .filter(|c| fits(&c.bounds) && inside(&c.bounds))
        .map(Part::from)
        .collect();
    if parts.is_empty() {
        parts.push(Part {
            left: 0.0,
            right: columns,
            top: 0.2 * rows,
            bottom: 0.75 * rows,
            level: 0,
        });
    }
    let mut fit = fit(&ink, &Group::new(parts));
    fit.baseline = fit.baseline.over(0.0, columns);
    (fit, light, place)
}

/// Polarity of the cut of one line: its border is ground, and its ink differs most from the ground.
fn is_light_on_dark(cut: &Gray) -> bool {
    let (width, height) = (cut.width(), cut.height());
    if width == 0 || height == 0 {
        return false;
    }
    let mut border: Vec<u8> = [0, height - 1]
        .into_iter()
        .flat_map(|y| cut.row(y).iter().copied())
        .collect();
    border.sort_unstable();
    let ground = i32::from(border[border.len() / 2]);
    let (dark, light) = (
        i32::from(quantile(cut, 0.02)),
        i32::from(quantile(cut, 0.98)),
    );
    light - ground > ground - dark
}
