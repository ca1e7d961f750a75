//! Skew of a page, and pages turned upright.

use refrain_image::{Gray, Point, Quad};

use crate::{Ink, Threshold};

/// Steps of an angle in degrees.
const STEP: f32 = 0.1;
/// Largest skew that is looked for, in steps.
const MOST: i32 = 150;
/// Coarse steps, in fine ones.
const COARSE: i32 = 5;
/// Pixels on the longer side of the reduced page.
const REDUCED: usize = 1000;
/// The variance at the best angle over that at the median angle: below it, a page has no lines to go by.
const CLEAR: f64 = 1.15;

/// Skew of the text lines in degrees, from -15 to 15 in steps of 0.1; positive where lines go down to the right. It is
/// 0 if no angle is clearly best.
///
/// The lower ends of ink are projected along each angle, and the angle whose profile changes most from row to row wins:
/// Postl, "Detection of linear oblique structures and skew scan in digitized documents", ICPR 1986.
pub fn skew(page: &Gray) -> f32 {
    let longer = page.width().max(page.height());
    let reduced;
    let page = match longer > REDUCED {
        false => page,
        true => {
            let size = |length: usize| (length * REDUCED / longer).max(1);
            reduced = page.resize(size(page.width()), size(page.height()));
            &reduced
        }
    };
    let window = (page.width().max(page.height()) / 25).clamp(15, 41);
    skew_of_ink(&Ink::of(page, Threshold::Mean { window, offset: 14 }), 1.0)
}

/// The same of a page of any size, with profiles in steps of `row` pixels.
pub(crate) fn skew_of_ink(ink: &Ink, row: f32) -> f32 {
    let row = row.max(1.0);
    let ends = lower_ends(ink);
    if ends.len() < 8 {
        return 0.0;
    }
    let score = |step: i32| (energy(ink, &ends, step as f32 * STEP, row), step);
    let best = |scores: &[(f64, i32)]| {
        let better = |a: &(f64, i32), b: &(f64, i32)| {
            let nearer = (-a.1.abs()).cmp(&-b.1.abs());
            a.0.total_cmp(&b.0).then(nearer)
        };
        scores.iter().copied().max_by(better).unwrap_or_default()
    };
    let mut coarse: Vec<_> = (-MOST..=MOST).step_by(COARSE as usize).map(score).collect();
    let (_, near) = best(&coarse);
    let fine: Vec<_> = (near - COARSE..=near + COARSE)
        .filter(|step| step.abs() <= MOST)
        .map(score)
        .collect();
    let (highest, step) = best(&fine);
    let middle = coarse.len() / 2;
    let (_, median, _) = coarse.select_nth_unstable_by(middle, |a, b| a.0.total_cmp(&b.0));
    match highest > CLEAR * median.0 {
        true => step as f32 * STEP,
        false => 0.0,
    }
}

/// Pixels of ink above paper, at most 50,000 of them, evenly chosen.
fn lower_ends(ink: &Ink) -> Vec<(f32, f32)> {
    const MOST: usize = 50_000;
    let mut ends = Vec::new();
    for y in 0..ink.height().saturating_sub(1) {
        let below = ink.row(y + 1);
        for (x, (pixel, below)) in ink.row(y).iter().zip(below).enumerate() {
            if *pixel != 0 && *below == 0 {
                ends.push((x as f32, y as f32));
            }
        }
    }
    let every = ends.len().div_ceil(MOST).max(1);
    ends.into_iter().step_by(every).collect()
}

/// Sum of the squared differences of neighbouring rows of the profile along `degrees`.
fn energy(ink: &Ink, ends: &[(f32, f32)], degrees: f32, row: f32) -> f64 {
    let slope = degrees.to_radians().tan();
    let rise = slope * ink.width() as f32;
    let first = rise.max(0.0);
    let mut profile = vec![0i32; ((ink.height() as f32 + rise.abs()) / row) as usize + 2];
    let last = profile.len() - 1;
    for (x, y) in ends {
        let at = ((y - slope * x + first) / row) as usize;
        profile[at.min(last)] += 1;
    }
    let pairs = profile.windows(2);
    pairs.map(|pair| f64::from(pair[1] - pair[0]).powi(2)).sum()
}

/// The turn between a skewed page and the page with level lines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turn {
    sin: f32,
    cos: f32,
    /// Centre of the skewed page.
    from: Point,
    /// Centre of the level page.
    to: Point,
}

impl Turn {
    /// The turn of a page `[width,height]` that levels lines of a skew of `degrees`, and the size of the level page,
    /// which holds all of the skewed one.
    pub fn new(width: usize, height: usize, degrees: f32) -> (Self, usize, usize) {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (w, h) = (width as f32, height as f32);
        let level = |along: f32, across: f32| match along * across > 0.0 {
            true => (along * cos.abs() + across * sin.abs() - 0.01).ceil() as usize,
            false => 0,
        };
        let (level_width, level_height) = (level(w, h), level(h, w));
        let centre = |w: f32, h: f32| Point {
            x: w / 2.0,
            y: h / 2.0,
        };
        let turn = Self {
            sin,
            cos,
            from: centre(w, h),
            to: centre(level_width as f32, level_height as f32),
        };
        (turn, level_width, level_height)
    }

    /// A position of the skewed page on the level page.
    pub fn level(&self, point: Point) -> Point {
        let (x, y) = (point.x - self.from.x, point.y - self.from.y);
        Point {
            x: self.to.x + self.cos * x + self.sin * y,
            y: self.to.y - self.sin * x + self.cos * y,
        }
    }

    /// A position of the level page on the skewed page.
    pub fn back(&self, point: Point) -> Point {
        let (x, y) = (point.x - self.to.x, point.y - self.to.y);
        Point {
            x: self.from.x + self.cos * x - self.sin * y,
            y: self.from.y + self.sin * x + self.cos * y,
        }
    }

    /// Corners on the level page.
    pub fn level_quad(&self, quad: &Quad) -> Quad {
        Quad(quad.0.map(|point| self.level(point)))
    }
}

/// The page turned so that lines of a skew of `degrees` are level; new corners get the grey level of its paper.
pub fn deskew(page: &Gray, degrees: f32) -> (Gray, Turn) {
    let (turn, width, height) = Turn::new(page.width(), page.height(), degrees);
    let level = page.warp(width, height, paper(page), |x, y| {
        let point = turn.back(Point { x, y });
        (point.x, point.y)
    });
    (level, turn)
}

/// Grey level of the paper: the median of a sample of the page.
pub(crate) fn paper(page: &Gray) -> u8 {
    quantile(page, 0.5)
}

/// Quantile `share` of a sample of the grey levels; white if there are none.
pub(crate) fn quantile(page: &Gray, share: f32) -> u8 {
    let every = (page.pixels().len() / 20_000).max(1) | 1;
    let mut counts = [0usize; 256];
    for &pixel in page.pixels().iter().step_by(every) {
        counts[usize::from(pixel)] += 1;
    }
    let wanted = (counts.iter().sum::<usize>() as f32 * share) as usize;
    let mut below = 0;
    let level = counts.iter().position(|count| {
        below += count;
        below > wanted
    });
    level.unwrap_or(255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_and_back_is_where_it_began() {
        let (turn, width, height) = Turn::new(300, 200, 10.0);
        assert!(width > 320 && height > 240);
        let point = Point { x: 17.0, y: 180.0 };
        let there = turn.level(point);
        let back = turn.back(there);
        assert!((back.x - point.x).abs() < 1e-3 && (back.y - point.y).abs() < 1e-3);
        // A line that goes down to the right by 10 degrees is level.
        let end = turn.level(Point {
            x: point.x + 100.0 * 10f32.to_radians().cos(),
            y: point.y + 100.0 * 10f32.to_radians().sin(),
        });
        assert!((end.y - there.y).abs() < 1e-3 && (end.x - there.x - 100.0).abs() < 1e-3);
        assert_eq!(Turn::new(0, 7, 3.0).1, 0);
        assert_eq!(
            (Turn::new(300, 200, 0.0).1, Turn::new(300, 200, 0.0).2),
            (300, 200)
        );
    }
}
