//! Text as line segments in pixels, and segments as coverage.

use ab_glyph_rasterizer::{Rasterizer, point};
use ttf_parser::OutlineBuilder;

use crate::Face;

/// Closed outlines as line segments (x0, y0, x1, y1) in pixels, y downwards.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outline(Vec<[f32; 4]>);

/// Least and largest coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Extent {
    pub(crate) left: f32,
    pub(crate) top: f32,
    pub(crate) right: f32,
    pub(crate) bottom: f32,
}

impl Extent {
    pub(crate) const NOTHING: Self = Self {
        left: f32::MAX,
        top: f32::MAX,
        right: f32::MIN,
        bottom: f32::MIN,
    };

    pub(crate) fn with(self, (x, y): (f32, f32)) -> Self {
        Self {
            left: self.left.min(x),
            top: self.top.min(y),
            right: self.right.max(x),
            bottom: self.bottom.max(y),
        }
    }

    pub(crate) fn height(&self) -> f32 {
        (self.bottom - self.top).max(0.0)
    }

    pub(crate) fn width(&self) -> f32 {
        (self.right - self.left).max(0.0)
    }
}

impl Outline {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Extent of all segments.
    pub(crate) fn extent(&self) -> Extent {
        self.0
            .iter()
            .fold(Extent::NOTHING, |extent, &[a, b, c, d]| {
                extent.with((a, b)).with((c, d))
            })
    }

    /// The same outlines under a map of positions.
    pub(crate) fn mapped(mut self, map: impl Fn(f32, f32) -> (f32, f32)) -> Self {
        for [a, b, c, d] in &mut self.0 {
            (*a, *b) = map(*a, *b);
            (*c, *d) = map(*c, *d);
        }
        self
    }

    /// Adds the segments of another.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// A bar from (x0, y0) to (x1, y1) around which half the thickness lies on each side; its long edges are parted
    /// every `step` pixels, so that it can be bent.
    pub(crate) fn bar(&mut self, from: (f32, f32), to: (f32, f32), thick: f32, step: f32) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = (dx * dx + dy * dy).sqrt().max(1e-3);
        let (nx, ny) = (-dy / length * 0.5 * thick, dx / length * 0.5 * thick);
        let parts = (length / step.max(1.0)).ceil().clamp(1.0, 10_000.0) as usize;
        let at = |k: usize, side: f32| {
            let t = k as f32 / parts as f32;
            (from.0 + t * dx + side * nx, from.1 + t * dy + side * ny)
        };
        let there = (0..=parts).map(|k| at(k, 1.0));
        let back = (0..=parts).rev().map(|k| at(k, -1.0));
        let corners: Vec<(f32, f32)> = there.chain(back).collect();
        for (k, &(x0, y0)) in corners.iter().enumerate() {
            let (x1, y1) = corners[(k + 1) % corners.len()];
            self.0.push([x0, y0, x1, y1]);
        }
    }

    /// Coverage of a window, 0 to 255 per pixel, `[height,width]`, whose top left corner is at (left, top).
    pub(crate) fn cover(&self, left: f32, top: f32, width: usize, height: usize) -> Vec<u8> {
        // Two more columns: all that is on the right of the window goes there.
        let mut raster = Rasterizer::new(width + 2, height);
        let mut draw =
            |x0: f32, y0: f32, x1: f32, y1: f32| raster.draw_line(point(x0, y0), point(x1, y1));
        let (right, bottom) = (width as f32 + 1.0, height as f32);
        for &[x0, y0, x1, y1] in &self.0 {
            clip(
                [x0 - left, y0 - top, x1 - left, y1 - top],
                right,
                bottom,
                &mut draw,
            );
        }
        let mut pixels = vec![0; width * height];
        raster.for_each_pixel_2d(|x, y, covered| {
            if (x as usize) < width {
                pixels[y as usize * width + x as usize] = (covered.min(1.0) * 255.0 + 0.5) as u8;
            }
        });
        pixels
    }
}

/// Draws the part of a segment in rows 0 to bottom. Columns outside of 0 to right are moved to these edges: a segment
/// on the left covers all of its rows, and one on the right nothing.
fn clip(
    [x0, y0, x1, y1]: [f32; 4],
    right: f32,
    bottom: f32,
    draw: &mut impl FnMut(f32, f32, f32, f32),
) {
    let low = (0.0 - y0) / (y1 - y0);
    let high = (bottom - y0) / (y1 - y0);
    let (from, to) = (low.min(high).max(0.0), low.max(high).min(1.0));
    // Level segments, and numbers that are not finite, end here as well.
    if from.partial_cmp(&to) != Some(std::cmp::Ordering::Less) {
        return;
    }
    let at = |t: f32| (x0 + t * (x1 - x0), (y0 + t * (y1 - y0)).clamp(0.0, bottom));
    let mut cuts = [from, to, to, to];
    let mut count = 1;
    for edge in [0.0, right] {
        let t = (edge - x0) / (x1 - x0);
        if t > from && t < to {
            cuts[count] = t;
            count += 1;
        }
    }
    if count == 3 && cuts[1] > cuts[2] {
        cuts.swap(1, 2);
    }
    cuts[count] = to;
    for pair in cuts[..=count].windows(2) {
        let ((ax, ay), (bx, by)) = (at(pair[0]), at(pair[1]));
        draw(ax.clamp(0.0, right), ay, bx.clamp(0.0, right), by);
    }
}

/// Collects the outline of a glyph, scaled and moved, and curves parted into segments.
struct Pen<'a> {
    out: &'a mut Vec<[f32; 4]>,
    /// Pixels per font unit.
    scale: (f32, f32),
    origin: (f32, f32),
    start: (f32, f32),
    at: (f32, f32),
}

impl Pen<'_> {
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        (
            self.origin.0 + self.scale.0 * x,
            self.origin.1 - self.scale.1 * y,
        )
    }

    fn line(&mut self, to: (f32, f32)) {
        self.out.push([self.at.0, self.at.1, to.0, to.1]);
        self.at = to;
    }

    /// Parts for a curve whose control points are `bend` pixels away from the straight line: the error of a quadratic
    /// curve in n parts is bend / (4 n^2), here at most 0.04 pixels.
    fn parts(bend: f32) -> usize {
        ((bend * 6.0).sqrt().ceil()).clamp(1.0, 32.0) as usize
    }
}

impl OutlineBuilder for Pen<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        self.start = self.place(x, y);
        self.at = self.start;
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.line(self.place(x, y));
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (a, b, c) = (self.at, self.place(x1, y1), self.place(x, y));
        let bend = (a.0 - 2.0 * b.0 + c.0).abs() + (a.1 - 2.0 * b.1 + c.1).abs();
        let parts = Self::parts(bend);
        for k in 1..=parts {
            let t = k as f32 / parts as f32;
            let s = 1.0 - t;
            let mix = |a: f32, b: f32, c: f32| s * s * a + 2.0 * s * t * b + t * t * c;
            self.line((mix(a.0, b.0, c.0), mix(a.1, b.1, c.1)));
        }
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let (a, b, c, d) = (
            self.at,
            self.place(x1, y1),
            self.place(x2, y2),
            self.place(x, y),
        );
        let bend = |a: f32, b: f32, c: f32| (a - 2.0 * b + c).abs();
        let first = bend(a.0, b.0, c.0) + bend(a.1, b.1, c.1);
        let second = bend(b.0, c.0, d.0) + bend(b.1, c.1, d.1);
        let parts = Self::parts(1.5 * (first + second));
        for k in 1..=parts {
            let t = k as f32 / parts as f32;
            let s = 1.0 - t;
            let mix = |a: f32, b: f32, c: f32, d: f32| {
                s * s * s * a + 3.0 * s * s * t * b + 3.0 * s * t * t * c + t * t * t * d
            };
            self.line((mix(a.0, b.0, c.0, d.0), mix(a.1, b.1, c.1, d.1)));
        }
    }

    fn close(&mut self) {
        self.line(self.start);
    }
}

/// Measures of a line of print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Print {
    /// Pixels per em.
    pub(crate) em: f32,
    /// Factor of the width of letters.
    pub(crate) stretch: f32,
    /// Factor of the distances of letters.
    pub(crate) spacing: f32,
    /// Factor of the width of spaces.
    pub(crate) gaps: f32,
    /// The space with this number is so many times wider.
    pub(crate) wide: Option<(usize, f32)>,
    pub(crate) ligatures: bool,
}

/// A line of print with its baseline at y = 0 and its left end at x = 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) outline: Outline,
    /// The sum of all advances in pixels.
    pub(crate) width: f32,
    /// Centres and widths of the spaces in pixels.
    pub(crate) spaces: Vec<(f32, f32)>,
    /// Widths of the first and the last letter in pixels.
    pub(crate) ends: (f32, f32),
}

impl Print {
    /// Draws a text; characters that the face lacks are left out.
    pub(crate) fn row(&self, face: &Face, text: &str) -> Row {
        let mut row = Row::default();
        let Some(open) = face.open() else {
            return row;
        };
        let scale = (
            self.em / face.units() * self.stretch,
            self.em / face.units(),
        );
        let characters: Vec<char> = text.chars().collect();
        // Letters that stand apart are not joined.
        let join = self.ligatures && self.spacing < 1.05;
        let (mut at, mut before) = (0, None);
        while at < characters.len() {
            let single = face.glyph(characters[at]).map(|glyph| (glyph, 1));
            let joined = face.ligature(&characters[at..]).filter(|_| join);
            let Some((glyph, count)) = joined.or(single) else {
                at += 1;
                continue;
            };
            if let Some(before) = before {
                row.width += open.kerning(before, glyph) * scale.0;
            }
            let advance = open.advance(glyph) * scale.0;
            if characters[at] == ' ' {
                let gap = self.gap(advance, row.spaces.len());
                row.spaces.push((row.width + 0.5 * gap, gap));
                row.width += gap;
            } else {
                let mut pen = Pen {
                    out: &mut row.outline.0,
                    scale,
                    origin: (row.width, 0.0),
                    start: (0.0, 0.0),
                    at: (0.0, 0.0),
                };
                open.outline(glyph, &mut pen);
                row.ends.1 = advance;
                if row.ends.0 == 0.0 {
                    row.ends.0 = advance;
                }
                // Tight lines touch, but letters do not run into one another.
                row.width += (advance * self.spacing).max(advance - 0.07 * scale.0 * face.units());
            }
            before = Some(glyph);
            at += count;
        }
        row
    }

    /// Width of the space with number `index`: never so narrow that it looks like the distance of two letters.
    fn gap(&self, advance: f32, index: usize) -> f32 {
        let apart = (self.spacing - 1.0).max(0.0) * 0.9 * self.em * self.stretch;
        let gap = (advance * self.gaps).max(0.17 * self.em * self.stretch) + apart;
        match self.wide {
            Some((wide, factor)) if wide == index => gap * factor,
            _ => gap,
        }
    }
}
