//! The grey image.

use crate::{ImageError, Rect};

/// A grey image, row by row; 0 is black, 255 white.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gray {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Gray {
    /// An image of `[height,width]` pixels.
    pub fn new(width: usize, height: usize, pixels: Vec<u8>) -> Result<Self, ImageError> {
        match width.checked_mul(height) == Some(pixels.len()) {
            true => Ok(Self {
                width,
                height,
                pixels,
            }),
            false => Err(ImageError::Size {
                width,
                height,
                pixels: pixels.len(),
            }),
        }
    }

    /// An image of one colour.
    pub fn filled(width: usize, height: usize, value: u8) -> Self {
        Self {
            width,
            height,
            pixels: vec![value; width * height],
        }
    }

    /// An image whose pixel in column x of row y is `value(x, y)`.
    pub fn from_fn(width: usize, height: usize, mut value: impl FnMut(usize, usize) -> u8) -> Self {
        let pixels = (0..width * height)
            .map(|i| value(i % width, i / width))
            .collect();
        Self {
            width,
            height,
            pixels,
        }
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// `[height,width]`
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// `[height,width]`
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// The pixels, without a copy.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// Row y, `[width]`.
    pub fn row(&self, y: usize) -> &[u8] {
        &self.pixels[y * self.width..][..self.width]
    }

    /// The pixel in column x of row y.
    pub fn get(&self, x: usize, y: usize) -> u8 {
        self.row(y)[x]
    }

    /// The part of the image in `rect`, cut off at the edges.
    pub fn crop(&self, rect: Rect) -> Self {
        let (x, y) = (rect.x.min(self.width), rect.y.min(self.height));
        let width = rect.width.min(self.width - x);
        let height = rect.height.min(self.height - y);
        let rows = (y..y + height).flat_map(|row| &self.row(row)[x..x + width]);
        Self {
            width,
            height,
            pixels: rows.copied().collect(),
        }
    }

    /// Black and white exchanged.
    pub fn inverted(mut self) -> Self {
        self.pixels
            .iter_mut()
            .for_each(|pixel| *pixel = 255 - *pixel);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_is_cut_off_at_the_edges() {
        let image = Gray::from_fn(4, 3, |x, y| (10 * y + x) as u8);
        let part = image.crop(Rect {
            x: 2,
            y: 1,
            width: 9,
            height: 1,
        });
        assert_eq!(
            (part.width(), part.height(), part.pixels()),
            (2, 1, &[12, 13][..])
        );
        assert_eq!(
            image
                .crop(Rect {
                    x: 9,
                    y: 9,
                    width: 1,
                    height: 1
                })
                .pixels()
                .len(),
            0
        );
        assert_eq!(image.inverted().get(3, 2), 255 - 23);
        assert!(Gray::new(3, usize::MAX, vec![0; 3]).is_err());
    }
}
