//! The image of a text line as a model reads it.

use crate::ops::ImageBatch;
use burn::tensor::{Device, Tensor, TensorData};
use refrain_image::{Gray, Rect};

/// Paper on the left and right of a line, in heights of the line: a first or last character needs context, too.
const MARGIN: f32 = 0.25;

/// Widest image of a line at the height of the model, pixels: some 10,000 characters. A wider one is narrowed.
const WIDEST: usize = 1 << 17;

/// Whether an image of a line may stand on its side: it is much higher than wide, as few characters are.
pub(super) fn is_tall(image: &Gray) -> bool {
    image.width() > 0 && image.height() >= 3 * image.width()
}

/// A line at the height of the model: ink about 1 and paper about 0, so that everything outside of the image is paper.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LineImage {
    /// `[H,W]`
    values: Vec<f32>,
    width: usize,
    /// Pixels of the given image in a pixel of this one.
    scale: f32,
    /// Column of the scaled image at which this one begins, before it if there is paper on the left.
    first: f32,
}

/// An image of the height of a model, grey: a twentieth of the memory of its numbers, for the lines of a data set.
#[derive(Clone, Debug)]
pub(super) struct Scaled {
    image: Gray,
    scale: f32,
}

impl Scaled {
    pub fn new(image: &Gray, height: usize) -> Self {
        if image.pixels().is_empty() {
            return Self {
                image: Gray::filled(0, height, 255),
                scale: 1.0,
            };
        }
        let scale = image.height() as f32 / height as f32;
        let width = ((image.width() as f32 / scale).round() as usize).clamp(1, WIDEST);
        let image = match (width, height) == (image.width(), image.height()) {
            true => image.clone(),
            false => image.resize(width, height),
        };
        Self { image, scale }
    }

    pub fn width(&self) -> usize {
        self.image.width()
    }

    pub fn image(&self) -> &Gray {
        &self.image
    }
}

impl LineImage {
    /// Contrast and polarity of a line become those of the training: dark ink on light paper.
    pub fn new(scaled: &Scaled) -> Self {
        let (left, image) = trimmed(&scaled.image);
        let (height, inner) = (image.height(), image.width());
        let margin = (height as f32 * MARGIN).round() as usize;
        let width = inner + 2 * margin;
        let (paper, ink) = tones(&image);
        let contrast = 1.0 / (f32::from(ink) - f32::from(paper));
        // Beyond the tones are stains and reflections.
        let value = |pixel: u8| ((f32::from(pixel) - f32::from(paper)) * contrast).clamp(-0.5, 1.5);
        let table: Vec<f32> = (0..=u8::MAX).map(value).collect();
        let mut values = vec![0.0; height * width];
        for (row, to) in values.chunks_exact_mut(width.max(1)).enumerate() {
            let to = to[margin..].iter_mut().zip(image.row(row));
            to.for_each(|(to, &pixel)| *to = table[usize::from(pixel)]);
        }
        Self {
            values,
            width,
            scale: scaled.scale,
            first: left as f32 - margin as f32,
        }
    }

    /// Pixels of a row, margins included.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The column of the given image at a column of this one.
    pub fn column(&self, x: f32) -> f32 {
        (x + self.first) * self.scale
    }
}

/// The image without most of the paper on the left and right of its ink, and the number of columns that were cut off on
/// the left. Models double the first character behind more paper than they learned with.
fn trimmed(image: &Gray) -> (usize, Gray) {
    /// Paper that stays on each side, in heights of the image.
    const MARGIN: f32 = 0.1;
    let inked = inked(image);
    let first = inked.iter().position(|ink| *ink);
    let last = inked.iter().rposition(|ink| *ink);
    let (Some(first), Some(last)) = (first, last) else {
        return (0, image.clone());
    };
    let margin = (MARGIN * image.height() as f32).ceil() as usize;
    let x = first.saturating_sub(margin);
    let rect = Rect {
        x,
        y: 0,
        width: (last + 1 + margin).min(image.width()) - x,
        height: image.height(),
    };
    (x, image.crop(rect))
}

/// Which columns of the image of a line have ink, in either polarity.
pub(super) fn inked(image: &Gray) -> Vec<bool> {
    let ends = |(low, high): (u8, u8), &pixel: &u8| (low.min(pixel), high.max(pixel));
    let (low, high) = image.pixels().iter().fold((255, 0), ends);
    let middle = ((u16::from(low) + u16::from(high)) / 2) as u8;
    let dark = image.pixels().iter().filter(|pixel| **pixel <= middle);
    let on_dark = 2 * dark.count() > image.pixels().len();
    let mut inked = vec![false; image.width()];
    for y in 0..image.height() {
        for (ink, &pixel) in inked.iter_mut().zip(image.row(y)) {
            *ink |= (pixel <= middle) != on_dark;
        }
    }
    inked
}

/// Grey values of paper and ink: the extremes without the outermost pixels. Paper is the commoner one.
fn tones(image: &Gray) -> (u8, u8) {
    /// Share of the pixels beyond each of the two.
    const OUTER: f32 = 0.03;
    /// Least difference: a blank line stays blank instead of becoming noise.
    const LEAST: i32 = 24;
    let mut counts = [0usize; 256];
    for &pixel in image.pixels() {
        counts[usize::from(pixel)] += 1;
    }
    let all = image.pixels().len();
    let quantile = |share: f32| {
        let wanted = (all as f32 * share) as usize;
        let mut sum = 0;
        let reached = counts.iter().position(|count| {
            sum += count;
            sum > wanted
        });
        reached.unwrap_or(255) as i32
    };
    let [low, middle, high] = [OUTER, 0.5, 1.0 - OUTER].map(quantile);
    if high - middle <= middle - low {
        (high as u8, (high - (high - low).max(LEAST)).max(0) as u8)
    } else {
        (low as u8, (low + (high - low).max(LEAST)).min(255) as u8)
    }
}

/// Images one behind the other, `[P,1]`.
pub(super) fn batch(lines: &[LineImage], height: usize, device: &Device) -> ImageBatch {
    let mut values = Vec::with_capacity(lines.iter().map(|own| own.values.len()).sum());
    for own in lines {
        values.extend_from_slice(&own.values);
    }
    let shape = [values.len(), 1];
    ImageBatch {
        pixels: Tensor::from_data(TensorData::new(values, shape), device),
        height,
        widths: lines.iter().map(LineImage::width).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dark strokes on light paper.
    fn strokes() -> Gray {
        Gray::from_fn(90, 18, |x, y| match x % 9 < 2 && (4..14).contains(&y) {
            true => 40,
            false => 215,
        })
    }

    #[test]
    fn polarity_and_contrast_do_not_matter() {
        let image = LineImage::new(&Scaled::new(&strokes(), 36));
        // Strokes begin at the first column and end at the 83rd of 90; a tenth of the height stays behind them.
        assert_eq!(image.width(), 166 + 4 + 2 * 9);
        let inverted = strokes().inverted();
        let weak = Gray::from_fn(90, 18, |x, y| 100 + strokes().get(x, y) / 4);
        for other in [inverted, weak] {
            let other = LineImage::new(&Scaled::new(&other, 36));
            let close = |(a, b): (&f32, &f32)| (a - b).abs() < 0.05;
            assert!(image.values.iter().zip(&other.values).all(close));
        }
        let (least, most) = (0.0, 1.0);
        assert!(image.values.iter().any(|v| (v - most).abs() < 0.1));
        assert!(
            image
                .values
                .iter()
                .filter(|v| (**v - least).abs() < 0.1)
                .count()
                > 3000
        );
        // The first stroke begins at the first column.
        assert_eq!(image.column(9.0), 0.0);
        assert_eq!(image.column(175.0), 83.0);
    }

    #[test]
    fn lines_on_their_side_are_told_by_their_shape() {
        for (width, height, tall) in [
            (35, 916, true),
            (23, 35, false),
            (1, 3, true),
            (0, 9, false),
        ] {
            assert_eq!(
                is_tall(&Gray::filled(width, height, 255)),
                tall,
                "{width} {height}"
            );
        }
    }

    #[test]
    fn a_blank_line_stays_blank_and_any_size_is_an_image() {
        let noise = Gray::from_fn(60, 20, |x, y| 250 + ((x * 7 + y * 3) % 5) as u8);
        let image = LineImage::new(&Scaled::new(&noise, 36));
        assert!(image.values.iter().all(|v| v.abs() < 0.25));
        for (width, height) in [(0, 0), (0, 9), (9, 0), (1, 1), (1, 500), (3000, 1)] {
            let image = LineImage::new(&Scaled::new(&Gray::filled(width, height, 0), 36));
            assert_eq!(image.values.len(), 36 * image.width());
            assert!(image.width() <= WIDEST + 18);
        }
    }
}
