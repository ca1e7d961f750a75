//! Images under a map of positions: quarter turns, projective maps, and any other.

use crate::{Gray, Point, Quad};

/// A projective map of the plane: (x, y) goes to (u/w, v/w), where (u, v, w) is a 3x3 matrix times (x, y, 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Projective([f64; 9]);

impl Projective {
    /// The map that takes the corners of `quad` to those of the upright rectangle from (0, 0) to (width, height). There
    /// is none if three corners lie on one line, if a coordinate is not finite, or if the rectangle has no area.
    /// Heckbert, "Fundamentals of Texture Mapping and Image Warping", 1989, section 2.2.3.
    pub fn onto(quad: &Quad, width: f32, height: f32) -> Option<Self> {
        let from_square = Self::from_square(quad)?;
        let (width, height) = (f64::from(width), f64::from(height));
        let scaled = Self([width, 0.0, 0.0, 0.0, height, 0.0, 0.0, 0.0, 1.0]);
        let to_square = from_square.inverse();
        let map = Self(std::array::from_fn(|i| {
            (0..3)
                .map(|k| scaled.0[i / 3 * 3 + k] * to_square.0[3 * k + i % 3])
                .sum()
        }));
        let whole = map.0.iter().all(|value| value.is_finite());
        (whole && width > 0.0 && height > 0.0).then_some(map)
    }

    /// The map from the square (0, 0) to (1, 1) to the corners of `quad`.
    fn from_square(quad: &Quad) -> Option<Self> {
        let [a, b, c, d] = quad.0.map(|p| (f64::from(p.x), f64::from(p.y)));
        let cross = |p: (f64, f64), q: (f64, f64)| p.0 * q.1 - p.1 * q.0;
        let minus = |p: (f64, f64), q: (f64, f64)| (p.0 - q.0, p.1 - q.1);
        let corners = [(d, a, b), (a, b, c), (b, c, d), (c, d, a)];
        let turns = corners.map(|(p, q, r)| cross(minus(q, p), minus(r, q)));
        if !turns
            .iter()
            .all(|turn| turn.is_finite() && turn.abs() > 1e-9)
        {
            return None;
        }
        let sum = minus(minus(a, b), minus(d, c));
        let (right, below) = (minus(b, c), minus(d, c));
        let determinant = cross(right, below);
        let g = cross(sum, below) / determinant;
        let h = cross(right, sum) / determinant;
        Some(Self([
            b.0 - a.0 + g * b.0,
            d.0 - a.0 + h * d.0,
            a.0,
            b.1 - a.1 + g * b.1,
            d.1 - a.1 + h * d.1,
            a.1,
            g,
            h,
            1.0,
        ]))
    }

    /// The map back.
    pub fn inverse(&self) -> Self {
        let [a, b, c, d, e, f, g, h, i] = self.0;
        let adjugate = [
            e * i - f * h,
            c * h - b * i,
            b * f - c * e,
            f * g - d * i,
            a * i - c * g,
            c * d - a * f,
            d * h - e * g,
            b * g - a * h,
            a * e - b * d,
        ];
        let determinant = a * adjugate[0] + b * adjugate[3] + c * adjugate[6];
        Self(adjugate.map(|value| value / determinant))
    }

    /// The position to which `point` goes. Its coordinates are not finite on the horizon of the map.
    pub fn apply(&self, point: Point) -> Point {
        let (x, y) = (f64::from(point.x), f64::from(point.y));
        let [a, b, c, d, e, f, g, h, i] = self.0;
        let w = g * x + h * y + i;
        Point {
            x: ((a * x + b * y + c) / w) as f32,
            y: ((d * x + e * y + f) / w) as f32,
        }
    }
}

impl Point {
    /// The same place after the image `[width,height]` around it has been turned clockwise, see [`Gray::turned`].
    pub fn turned(self, quarters: i32, width: usize, height: usize) -> Self {
        let (width, height) = (width as f32, height as f32);
        let (x, y) = match quarters.rem_euclid(4) {
            0 => (self.x, self.y),
            1 => (height - self.y, self.x),
            2 => (width - self.x, height - self.y),
            _ => (self.y, width - self.x),
        };
        Self { x, y }
    }
}

impl Quad {
    /// The same corners after the image `[width,height]` around them has been turned clockwise, see [`Gray::turned`].
    pub fn turned(self, quarters: i32, width: usize, height: usize) -> Self {
        Self(self.0.map(|point| point.turned(quarters, width, height)))
    }

    /// Lengths of the longer of two opposite edges: along the text, across the text.
    fn extent(&self) -> (f32, f32) {
        let edge = |from: usize, to: usize| {
            let (from, to) = (self.0[from], self.0[to]);
            (to.x - from.x).hypot(to.y - from.y)
        };
        (edge(0, 1).max(edge(3, 2)), edge(0, 3).max(edge(1, 2)))
    }
}

/// Pixels in one direction that a pixel of a cut averages, at most.
const MOST_SAMPLES: f32 = 8.0;

impl Gray {
    /// An image of `[height,width]` whose pixel in column x of row y is the value of this image at
    /// `map(x + 0.5, y + 0.5)`, interpolated linearly between the centres of the four nearest pixels. Up to its edges
    /// the outermost pixels count alone; outside of it is `paper`.
    pub fn warp(
        &self,
        width: usize,
        height: usize,
        paper: u8,
        map: impl Fn(f32, f32) -> (f32, f32),
    ) -> Self {
        let mut result = Self::filled(width, height, paper);
        if result.pixels().is_empty() || self.pixels().is_empty() {
            return result;
        }
        for (y, row) in result.pixels_mut().chunks_exact_mut(width).enumerate() {
            for (x, out) in row.iter_mut().enumerate() {
                let (x, y) = map(x as f32 + 0.5, y as f32 + 0.5);
                if let Some(value) = self.sample(x, y) {
                    *out = value;
                }
            }
        }
        result
    }

    /// The value at (x, y), or nothing outside of the image, which is not empty.
    #[inline]
    fn sample(&self, x: f32, y: f32) -> Option<u8> {
        self.inner_sample(x - 0.5, y - 0.5)
            .or_else(|| self.outer_sample(x, y))
    }

    /// The value between four centres of pixels, from that of the first pixel; nothing at the edges and outside.
    #[inline(always)]
    fn inner_sample(&self, x: f32, y: f32) -> Option<u8> {
        let (right, bottom) = (self.width() as f32 - 1.0, self.height() as f32 - 1.0);
        if !(x >= 0.0 && y >= 0.0 && x < right && y < bottom) {
            return None;
        }
        let (left, top) = (x as u32, y as u32);
        let (dx, dy) = (x - left as f32, y - top as f32);
        let at = top as usize * self.width() + left as usize;
        let mix = |at: usize| {
            let &[a, b] = self.pixels().get(at..)?.first_chunk()?;
            Some(f32::from(a) + dx * (f32::from(b) - f32::from(a)))
        };
        let (above, under) = (mix(at)?, mix(at + self.width())?);
        Some((above + dy * (under - above) + 0.5) as u8)
    }

    /// The value at (x, y), also at the edges.
    fn outer_sample(&self, x: f32, y: f32) -> Option<u8> {
        let (right, bottom) = (self.width() as f32, self.height() as f32);
        if !(x >= 0.0 && y >= 0.0 && x <= right && y <= bottom) {
            return None;
        }
        let (x, y) = (
            (x - 0.5).clamp(0.0, right - 1.0),
            (y - 0.5).clamp(0.0, bottom - 1.0),
        );
        let (left, top) = (x as usize, y as usize);
        let next = usize::from(left + 1 < self.width());
        let below = if top + 1 < self.height() {
            self.width()
        } else {
            0
        };
        let (dx, dy) = (x - left as f32, y - top as f32);
        let at = top * self.width() + left;
        let pixels = self.pixels();
        let mix = |at: usize| {
            let (a, b) = (f32::from(pixels[at]), f32::from(pixels[at + next]));
            a + dx * (b - a)
        };
        let (above, under) = (mix(at), mix(at + below));
        Some((above + dy * (under - above) + 0.5) as u8)
    }

    /// The part of the image inside `quad` as an upright image of `[height,width]`. Where it becomes smaller, a pixel
    /// is the mean of several samples. It is all `paper` if the corners do not make a quadrilateral.
    pub fn cut(&self, quad: &Quad, width: usize, height: usize, paper: u8) -> Self {
        let samples = |length: f32, size: usize| {
            (length / size.max(1) as f32 - 0.01)
                .ceil()
                .clamp(1.0, MOST_SAMPLES) as usize
        };
        let (along, across) = quad.extent();
        let (columns, rows) = (
            width * samples(along, width),
            height * samples(across, height),
        );
        let Some(map) = Projective::onto(quad, columns as f32, rows as f32) else {
            return Self::filled(width, height, paper);
        };
        let back = map.inverse();
        let fine = self.warp(columns, rows, paper, |x, y| {
            let place = back.apply(Point { x, y });
            (place.x, place.y)
        });
        fine.resize(width, height)
    }

    /// The image turned clockwise by quarter turns; negative turns go the other way.
    pub fn turned(&self, quarters: i32) -> Self {
        let (width, height) = (self.width(), self.height());
        let pixels = self.pixels();
        match quarters.rem_euclid(4) {
            0 => self.clone(),
            1 => self.transposed(|x, y| pixels[(height - 1 - y) * width + x]),
            2 => {
                let mut result = self.clone();
                result.pixels_mut().reverse();
                result
            }
            _ => self.transposed(|x, y| pixels[y * width + (width - 1 - x)]),
        }
    }

    /// The image of `[width,height]` pixels whose column y of row x is `value(x, y)`; it is filled in blocks, so that
    /// reads of both directions stay in the cache.
    fn transposed(&self, value: impl Fn(usize, usize) -> u8) -> Self {
        const BLOCK: usize = 32;
        let (width, height) = (self.width(), self.height());
        let mut result = Self::filled(height, width, 0);
        let out = result.pixels_mut();
        for top in (0..width).step_by(BLOCK) {
            for left in (0..height).step_by(BLOCK) {
                for x in top..(top + BLOCK).min(width) {
                    for y in left..(left + BLOCK).min(height) {
                        out[x * height + y] = value(x, y);
                    }
                }
            }
        }
        result
    }

    /// Left and right exchanged.
    pub fn mirrored(mut self) -> Self {
        let width = self.width().max(1);
        for row in self.pixels_mut().chunks_exact_mut(width) {
            row.reverse();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rect;

    fn picture(width: usize, height: usize) -> Gray {
        Gray::from_fn(width, height, |x, y| (37 * x + 101 * y) as u8)
    }

    fn close(a: Point, b: Point) -> bool {
        (a.x - b.x).abs() < 1e-3 && (a.y - b.y).abs() < 1e-3
    }

    #[test]
    fn a_projective_map_takes_the_corners_to_the_corners() {
        let quads = [
            [(10.0, 20.0), (110.0, 30.0), (105.0, 90.0), (4.0, 70.0)],
            [(4.0, 70.0), (10.0, 20.0), (110.0, 30.0), (105.0, 90.0)],
            [(0.0, 0.0), (7.0, 0.0), (7.0, 3.0), (0.0, 3.0)],
        ];
        for corners in quads {
            let quad = Quad(corners.map(|(x, y)| Point { x, y }));
            let map = Projective::onto(&quad, 200.0, 50.0).unwrap();
            let upright = [(0.0, 0.0), (200.0, 0.0), (200.0, 50.0), (0.0, 50.0)];
            for (corner, (x, y)) in quad.0.into_iter().zip(upright) {
                assert!(close(map.apply(corner), Point { x, y }));
                assert!(close(map.inverse().apply(Point { x, y }), corner));
            }
            // Lines stay lines: the crossing of the diagonals goes to the centre.
            let [a, b, c, d] = quad.0;
            let (p, q) = ((c.x - a.x, c.y - a.y), (d.x - b.x, d.y - b.y));
            let t = ((b.x - a.x) * q.1 - (b.y - a.y) * q.0) / (p.0 * q.1 - p.1 * q.0);
            let crossing = Point {
                x: a.x + t * p.0,
                y: a.y + t * p.1,
            };
            assert!(close(map.apply(crossing), Point { x: 100.0, y: 25.0 }));
        }
    }

    #[test]
    fn corners_without_area_have_no_map_and_cut_paper() {
        let line = Quad([0.0, 1.0, 2.0, 3.0].map(|x| Point { x, y: x }));
        let nan = Quad(
            [Point {
                x: f32::NAN,
                y: 0.0,
            }; 4],
        );
        for quad in [line, nan, Quad::default()] {
            assert_eq!(Projective::onto(&quad, 9.0, 9.0), None);
            let cut = picture(20, 20).cut(&quad, 6, 5, 200);
            assert_eq!(cut, Gray::filled(6, 5, 200));
        }
        let whole = Rect {
            x: 0,
            y: 0,
            width: 4,
            height: 4,
        };
        assert_eq!(Projective::onto(&whole.quad(), 0.0, 3.0), None);
        assert_eq!(picture(4, 4).cut(&whole.quad(), 0, 3, 9).pixels().len(), 0);
    }

    #[test]
    fn the_identity_is_exact_and_outside_is_paper() {
        let image = picture(23, 11);
        assert_eq!(image.warp(23, 11, 7, |x, y| (x, y)), image);
        let moved = image.warp(23, 11, 7, |x, y| (x - 3.0, y + 2.0));
        for (x, y) in [(0, 0), (2, 3), (3, 9), (22, 10)] {
            assert_eq!(moved.get(x, y), 7);
        }
        assert_eq!(moved.get(3, 0), image.get(0, 2));
        assert_eq!(moved.get(22, 8), image.get(19, 10));
        let half = Gray::new(2, 1, vec![0, 100]).unwrap();
        assert_eq!(
            half.warp(4, 1, 9, |x, _| (x / 2.0, 0.5)).pixels(),
            [0, 25, 75, 100]
        );
        let nowhere = image.warp(2, 2, 9, |_, _| (f32::NAN, 1.0));
        assert_eq!(nowhere, Gray::filled(2, 2, 9));
    }

    #[test]
    fn a_cut_of_an_upright_rectangle_is_a_crop() {
        let image = picture(60, 40);
        let rect = Rect {
            x: 7,
            y: 9,
            width: 31,
            height: 17,
        };
        assert_eq!(image.cut(&rect.quad(), 31, 17, 0), image.crop(rect));
        // At a third of the size each pixel is a mean of nine.
        let rect = Rect {
            width: 30,
            height: 18,
            ..rect
        };
        assert_eq!(
            image.cut(&rect.quad(), 10, 6, 0),
            image.crop(rect).resize(10, 6)
        );
    }

    #[test]
    fn a_turned_image_agrees_with_turned_corners() {
        let image = picture(70, 45);
        for quarters in -4..8 {
            let turned = image.turned(quarters);
            let rect = Rect {
                x: 5,
                y: 8,
                width: 40,
                height: 20,
            };
            // The quad names the corners of the text, so both cuts read the same way.
            let corners = rect.quad().turned(quarters, 70, 45);
            assert_eq!(turned.cut(&corners, 40, 20, 0), image.crop(rect));
            let back = corners.turned(-quarters, turned.width(), turned.height());
            assert_eq!(back, rect.quad());
            assert_eq!(turned.turned(-quarters), image);
        }
        let clockwise = Gray::new(2, 1, vec![1, 2]).unwrap().turned(1);
        assert_eq!((clockwise.width(), clockwise.pixels()), (1, &[1, 2][..]));
        let clockwise = Gray::new(1, 2, vec![1, 2]).unwrap().turned(1);
        assert_eq!((clockwise.width(), clockwise.pixels()), (2, &[2, 1][..]));
        assert_eq!(
            picture(3, 2).mirrored().pixels(),
            picture(3, 2)
                .pixels()
                .chunks(3)
                .flat_map(|row| row.iter().rev().copied())
                .collect::<Vec<_>>()
        );
    }
}
