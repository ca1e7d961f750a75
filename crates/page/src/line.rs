//! A found text line.

use refrain_image::{Point, Quad};

/// A text line on a page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Corners around the letters, their ascenders, descenders and a margin.
    pub quad: Quad,
    /// The line on which the letters stand.
    pub baseline: Baseline,
    /// Height of a small letter without ascender, in pixels.
    pub x_height: f32,
    /// Light letters on a dark ground.
    pub light_on_dark: bool,
}

/// A parabola from `start` to `end`, in pixels of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Baseline {
    /// Below the first letter.
    pub start: Point,
    /// Below the last letter.
    pub end: Point,
    /// Pixels by which the middle lies below the straight line from start to end, as the letters stand.
    pub sag: f32,
}

impl Baseline {
    /// Unit vector along the text.
    pub fn along(&self) -> Point {
        let (x, y) = (self.end.x - self.start.x, self.end.y - self.start.y);
        let length = x.hypot(y);
        match length > 1e-6 {
            true => Point {
                x: x / length,
                y: y / length,
            },
            false => Point { x: 1.0, y: 0.0 },
        }
    }

    /// Pixels from start to end.
    pub fn length(&self) -> f32 {
        (self.end.x - self.start.x).hypot(self.end.y - self.start.y)
    }

    /// The position `along` pixels from the start in the direction of the text, and `below` pixels from the parabola.
    pub fn at(&self, along: f32, below: f32) -> Point {
        let unit = self.along();
        let below = below + self.sag_at(along);
        Point {
            x: self.start.x + along * unit.x - below * unit.y,
            y: self.start.y + along * unit.y + below * unit.x,
        }
    }

    /// The parabola below the straight line; it stays level beyond its ends.
    fn sag_at(&self, along: f32) -> f32 {
        let t = (along / self.length().max(1e-6)).clamp(0.0, 1.0);
        4.0 * self.sag * t * (1.0 - t)
    }

    /// The inverse of [`Baseline::at`]: pixels along the text and below the parabola.
    pub fn of(&self, point: Point) -> (f32, f32) {
        let unit = self.along();
        let (x, y) = (point.x - self.start.x, point.y - self.start.y);
        let along = x * unit.x + y * unit.y;
        (along, y * unit.x - x * unit.y - self.sag_at(along))
    }

    /// The parabola between other columns, for one that runs from left to right; beyond its ends it goes on straight.
    pub(crate) fn over(&self, left: f32, right: f32) -> Self {
        let slope = (self.end.y - self.start.y) / (self.end.x - self.start.x).max(1e-6);
        let point = |x: f32| Point {
            x,
            y: self.start.y + slope * (x - self.start.x),
        };
        Self {
            start: point(left),
            end: point(right),
            sag: self.sag,
        }
    }

    /// The same parabola under a map that keeps angles and multiplies lengths by `scale`.
    pub(crate) fn map(&self, scale: f32, map: impl Fn(Point) -> Point) -> Self {
        Self {
            start: map(self.start),
            end: map(self.end),
            sag: self.sag * scale,
        }
    }
}

impl Found {
    /// The same line under a map that keeps angles and multiplies lengths by `scale`.
    pub(crate) fn map(&self, scale: f32, map: impl Fn(Point) -> Point) -> Self {
        Self {
            quad: Quad(self.quad.0.map(&map)),
            baseline: self.baseline.map(scale, &map),
            x_height: self.x_height * scale,
            light_on_dark: self.light_on_dark,
        }
    }

    /// The same line on the page after a clockwise turn by quarters, see [`refrain_image::Gray::turned`]; the page had
    /// the given size before.
    pub fn turned(&self, quarters: i32, width: usize, height: usize) -> Self {
        self.map(1.0, |point| point.turned(quarters, width, height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_along_a_baseline_and_back() {
        let baseline = Baseline {
            start: Point { x: 10.0, y: 50.0 },
            end: Point { x: 110.0, y: 60.0 },
            sag: -4.0,
        };
        for (along, below) in [
            (0.0, 0.0),
            (50.0, -8.0),
            (100.0, 3.0),
            (-20.0, 5.0),
            (140.0, 1.0),
        ] {
            let (a, b) = baseline.of(baseline.at(along, below));
            assert!((a - along).abs() < 1e-3 && (b - below).abs() < 1e-3);
        }
        let middle = baseline.at(baseline.length() / 2.0, 0.0);
        assert!(middle.y < 52.0 && middle.y > 50.5);
        assert_eq!(Baseline::default().along(), Point { x: 1.0, y: 0.0 });
    }
}
