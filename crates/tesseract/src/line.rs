//! The image of a line as the network wants it: its height, its contrast (`networkio.cpp`).
//!
//! Tesseract scales by Leptonica's rules: areas below a factor of 0.7, interpolation above it, and sharpening. Means
//! over areas without sharpening gave as few errors on the lines of `examples/lines.rs`.

use crate::error::TesseractError;
use refrain_image::Gray;

/// Most pixels in a row of a line: 1,800 times its height.
const WIDEST: usize = 1 << 16;

/// A line of text as the network sees it: `[H,W]`, near −1 for ink and 1 for paper.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    width: usize,
    height: usize,
    pixels: Vec<f32>,
}

impl Line {
    /// The line in a grey image, scaled to `height` rows, with the contrast of its middle row; with `clip`, values end
    /// at −1 and 1.
    ///
    /// The image should hold one line from its ascenders to its descenders, with a few pixels around it: a white margin
    /// makes the letters smaller, and the network reads letters of the size that it has learnt.
    ///
    /// # Errors
    /// An image without pixels; a line that is longer than 65,536 pixels at that height.
    pub fn new(image: &Gray, height: usize, clip: bool) -> Result<Self, TesseractError> {
        let wrong = |problem: &str| {
            Err(TesseractError::Line {
                width: image.width(),
                height: image.height(),
                problem: problem.to_owned(),
            })
        };
        if image.width() == 0 || image.height() == 0 {
            return wrong("has no pixels");
        }
        if height == 0 || height > WIDEST || image.height() > WIDEST {
            return wrong("is too high, or the height asked for is not between 1 and 65,536");
        }
        let factor = height as f32 / image.height() as f32;
        if image.width() as f32 * factor > WIDEST as f32 {
            return wrong("is too long for a line; cut it at a space");
        }
        let width = ((image.width() as f32 * factor + 0.5) as usize).max(1);
        let scaled = image.resize(width, height);
        let (black, white) = black_and_white(scaled.row(scaled.height() / 2));
        let contrast = match (white - black) / 2.0 {
            contrast if contrast > 0.0 => contrast,
            _ => 1.0,
        };
        // Where bytes stand for values, 127 is 1, and pixels were multiplied by 128.
        let value = |&pixel: &u8| match (f32::from(pixel) - black) / contrast - 1.0 {
            value if clip => (value * (128.0 / 127.0)).clamp(-1.0, 1.0),
            value => value,
        };
        Ok(Self {
            width: scaled.width(),
            height: scaled.height(),
            pixels: scaled.pixels().iter().map(value).collect(),
        })
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// `[H,W]`
    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }
}

/// Grey values of ink and paper: quartiles of the local minima and maxima in a row through the middle of the text.
fn black_and_white(row: &[u8]) -> (f32, f32) {
    let (mut minima, mut maxima) = ([0u32; 256], [0u32; 256]);
    for window in row.windows(3) {
        let [before, here, after] = [window[0], window[1], window[2]];
        if (here < before && here <= after) || (here <= before && here < after) {
            minima[usize::from(here)] += 1;
        }
        if (here > before && here >= after) || (here >= before && here > after) {
            maxima[usize::from(here)] += 1;
        }
    }
    let black = quantile(&minima, 0.25).unwrap_or_else(|| quantile_of_one(0));
    let white = quantile(&maxima, 0.75).unwrap_or_else(|| quantile_of_one(255));
    (black, white)
}

/// A quantile of a histogram, with a value spread evenly from itself to the next; none without values.
fn quantile(histogram: &[u32; 256], fraction: f64) -> Option<f32> {
    let total: u32 = histogram.iter().sum();
    let target = (fraction * f64::from(total)).max(1.0);
    let mut sum = 0;
    for (value, &count) in histogram.iter().enumerate() {
        sum += count;
        if count > 0 && f64::from(sum) >= target {
            let above = (f64::from(sum) - target) / f64::from(count);
            return Some((value as f64 + 1.0 - above) as f32);
        }
    }
    None
}

/// As [`quantile`] of a single value: its upper end.
fn quantile_of_one(value: u8) -> f32 {
    f32::from(value) + 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ink_and_paper_are_quartiles_of_the_extrema() {
        // Minima 10 and 30, maxima 200 and 240.
        let row = [250, 10, 200, 30, 240, 0];
        let (black, white) = black_and_white(&row);
        assert_eq!((black, white), (11.0, 240.5));
        assert_eq!(black_and_white(&[7, 7, 7, 7]), (1.0, 256.0));
        assert_eq!(black_and_white(&[]), (1.0, 256.0));
    }

    #[test]
    fn a_line_has_the_height_of_the_network_and_its_contrast() {
        let image = Gray::from_fn(100, 72, |x, _| if x / 10 % 2 == 0 { 220 } else { 40 });
        let line = Line::new(&image, 36, true).unwrap();
        assert_eq!((line.width(), line.height()), (50, 36));
        let ink = line.pixels()[18 * 50 + 7];
        let paper = line.pixels()[18 * 50 + 22];
        assert!(ink < -0.97 && paper > 0.97, "{ink} {paper}");
    }

    #[test]
    fn images_that_are_no_lines_are_refused() {
        for image in [
            Gray::filled(0, 5, 0),
            Gray::filled(5, 0, 0),
            Gray::filled(70_000, 2, 255),
        ] {
            assert!(matches!(
                Line::new(&image, 36, true),
                Err(TesseractError::Line { .. })
            ));
        }
    }
}
