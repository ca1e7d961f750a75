//! Places on an image.

/// A position in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Point {
    pub x: f32,
    pub y: f32,
}

/// Corners of a text line, a word or a page, clockwise from the top left one *of the text*: the first edge is the top
/// of the letters, also where the text is turned.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quad(pub [Point; 4]);

/// An upright rectangle of whole pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Rect {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

impl Rect {
    /// First column on the right of it.
    pub fn right(&self) -> usize {
        self.x + self.width
    }

    /// First row below it.
    pub fn bottom(&self) -> usize {
        self.y + self.height
    }

    /// Its corners.
    pub fn quad(&self) -> Quad {
        let (left, top) = (self.x as f32, self.y as f32);
        let (right, bottom) = (self.right() as f32, self.bottom() as f32);
        Quad(
            [(left, top), (right, top), (right, bottom), (left, bottom)]
                .map(|(x, y)| Point { x, y }),
        )
    }
}

impl Quad {
    /// Least upright rectangle of the image `[width,height]` that holds the part of the corners inside of it. It is
    /// empty where nothing is inside.
    pub fn bounds(&self, width: usize, height: usize) -> Rect {
        let span = |values: [f32; 4], size: usize| {
            let low = values.into_iter().fold(f32::INFINITY, f32::min).floor();
            let high = values.into_iter().fold(f32::NEG_INFINITY, f32::max).ceil();
            let inside = |value: f32| (value.max(0.0) as usize).min(size);
            (inside(low), inside(high).saturating_sub(inside(low)))
        };
        let (x, width) = span(self.0.map(|point| point.x), width);
        let (y, height) = span(self.0.map(|point| point.y), height);
        Rect {
            x,
            y,
            width,
            height,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_stay_inside_of_the_image() {
        let rect = Rect {
            x: 3,
            y: 4,
            width: 5,
            height: 6,
        };
        assert_eq!(rect.quad().bounds(100, 100), rect);
        assert_eq!(rect.quad().bounds(5, 100), Rect { width: 2, ..rect });
        let outside = Quad([Point { x: -9.0, y: -9.0 }; 4]).bounds(5, 5);
        assert_eq!((outside.width, outside.height), (0, 0));
        let nothing = Quad(
            [Point {
                x: f32::NAN,
                y: f32::NAN,
            }; 4],
        )
        .bounds(5, 5);
        assert!(nothing.right() <= 5 && nothing.bottom() <= 5);
    }
}
