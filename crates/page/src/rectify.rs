//! Lines as upright images for a recogniser.

use refrain_image::{Gray, Point};

use crate::{Baseline, Component, Found, Ink, Threshold, components, remove_rules, skew::quantile};

/// Where a line sits in the image that a recogniser reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Rows of the image.
    pub height: usize,
    /// Pixels of the x-height.
    pub x_height: f32,
    /// Row of the baseline, from the top.
    pub baseline: f32,
}

impl Frame {
    /// The usual frame of a height: an x-height of 0.42 of it, the baseline at 0.74. Ascenders and accents have 1.76
    /// x-heights above the baseline, descenders 0.62 below.
    pub fn of(height: usize) -> Self {
        Self {
            height,
            x_height: 0.42 * height as f32,
            baseline: 0.74 * height as f32,
        }
    }
}

/// A line as an upright image, dark on light, and its place on the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Rectified {
    /// `[frame.height, width]`; the width follows from the length of the line, without a cap.
    pub image: Gray,
    /// Its frame.
    pub frame: Frame,
    baseline: Baseline,
    /// Pixels of the page along the baseline before the first column.
    first: f32,
    /// Pixels of the page per pixel of the image.
    scale: f32,
}

/// Most columns of a rectified line: a bound on memory for lines with impossible numbers.
const WIDEST: f32 = 4_000_000.0;
/// Margin before and after the line in x-heights.
const MARGIN: f32 = 0.6;

/// The image of a line along its baseline. Light lines are inverted, outside of the page is ground, and rules, frames
/// and the ends of letters of the lines above and below are painted over with the ground. The image is empty if the
/// line is (no length, no height, or coordinates that are not finite).
pub fn rectify(page: &Gray, line: &Found, frame: Frame) -> Rectified {
    let ends: Vec<f32> = line
        .quad
        .0
        .iter()
        .map(|&corner| line.baseline.of(corner).0)
        .collect();
    let low = ends.iter().copied().fold(f32::INFINITY, f32::min);
    let high = ends.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let scale = line.x_height / frame.x_height;
    let (first, last) = (low - MARGIN * line.x_height, high + MARGIN * line.x_height);
    let width = ((last - first) / scale).round();
    let sound = scale > 0.0
        && scale.is_finite()
        && (1.0..=WIDEST).contains(&width)
        && !page.pixels().is_empty();
    let mut rectified = Rectified {
        image: Gray::filled(0, frame.height, 255),
        frame,
        baseline: line.baseline,
        first,
        scale,
    };
    if !sound || frame.height == 0 || !line.baseline.sag.is_finite() {
        return rectified;
    }
    let ground = quantile(
        &page.crop(line.quad.bounds(page.width(), page.height())),
        0.5,
    );
    let width = width as usize;
    // Where the line becomes half as high or less, more samples are taken and averaged.
    let samples = (scale as usize).clamp(1, 8);
    let per = samples as f32;
    // Positions on the baseline under each column; the rows lie along its normal.
    let along = |column: usize| first + (column as f32 + 0.5) / per * scale;
    let baseline: Vec<Point> = (0..width * samples)
        .map(|column| line.baseline.at(along(column), 0.0))
        .collect();
    let unit = line.baseline.along();
    let image = page.warp(width * samples, frame.height * samples, ground, |x, y| {
        let (on, below) = (
            baseline[x as u32 as usize],
            (y / per - frame.baseline) * scale,
        );
        (on.x - below * unit.y, on.y + below * unit.x)
    });
    let image = if samples > 1 {
        image.resize(width, frame.height)
    } else {
        image
    };
    rectified.image = if line.light_on_dark {
        image.inverted()
    } else {
        image
    };
    let ground = if line.light_on_dark {
        255 - ground
    } else {
        ground
    };
    paint_over(&mut rectified.image, &frame, ground);
    rectified
}

impl Rectified {
    /// The position on the page of a position on the image.
    pub fn to_page(&self, point: Point) -> Point {
        let along = self.first + point.x * self.scale;
        self.baseline
            .at(along, (point.y - self.frame.baseline) * self.scale)
    }

    /// The position on the image of a position on the page.
    pub fn from_page(&self, point: Point) -> Point {
        let (along, below) = self.baseline.of(point);
        Point {
            x: (along - self.first) / self.scale,
            y: below / self.scale + self.frame.baseline,
        }
    }
}

/// Paints `ground` over rules, and over ink that reaches in from above or below without touching the x-height band.
fn paint_over(image: &mut Gray, frame: &Frame, ground: u8) {
    let threshold = Threshold::Mean {
        window: (2 * frame.height).min(61),
        offset: 15,
    };
    let mut ink = Ink::of(image, threshold);
    let before = ink.clone();
    let thickness = (0.3 * frame.x_height).max(2.0) as usize;
    // No stroke of a letter is that long; in a short image, a frame around one word is.
    let long = (3 * frame.height)
        .min(ink.width() * 4 / 5)
        .max(frame.height);
    let rules = remove_rules(&mut ink, long, thickness);
    let core = frame.baseline - 0.8 * frame.x_height..frame.baseline - 0.1 * frame.x_height;
    let reaching = |c: &&Component| {
        let (top, bottom) = (c.bounds.y as f32, c.bounds.bottom() as f32);
        let at_edge = c.bounds.y == 0 || c.bounds.bottom() == frame.height;
        at_edge && (bottom <= core.start || top >= core.end)
    };
    let all = components(&ink, 100_000).unwrap_or_default();
    let mut gone: Vec<(usize, usize)> = Vec::new();
    for intruder in all.iter().filter(reaching) {
        for y in intruder.bounds.y..intruder.bounds.bottom() {
            let columns = intruder.bounds.x..intruder.bounds.right();
            gone.extend(columns.filter(|&x| ink.row(y)[x] != 0).map(|x| (x, y)));
        }
    }
    if rules > 0 {
        for y in 0..ink.height() {
            let changed = before.row(y).iter().zip(ink.row(y)).enumerate();
            gone.extend(
                changed
                    .filter(|(_, (was, is))| was != is)
                    .map(|(x, _)| (x, y)),
            );
        }
    }
    // The soft edges go too, except beside ink that stays.
    let (width, height) = (image.width(), image.height());
    let mut painted = vec![false; width * height];
    gone.iter()
        .for_each(|&(x, y)| painted[y * width + x] = true);
    for &(x, y) in &gone {
        for row in y.saturating_sub(1)..(y + 2).min(height) {
            for column in x.saturating_sub(1)..(x + 2).min(width) {
                if painted[row * width + column] || ink.row(row)[column] == 0 {
                    image.pixels_mut()[row * width + column] = ground;
                }
            }
        }
    }
}
