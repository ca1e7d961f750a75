//! Ink and paper: adaptive thresholds.

use refrain_image::Gray;

/// A rule that tells ink from paper by the window around a pixel. Windows are cut off at the edges of the image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// Ink is darker than the mean of the window by more than `offset`.
    Mean {
        /// Side of the window in pixels; it is made odd.
        window: usize,
        /// Grey levels.
        offset: u8,
    },
    /// Sauvola and Pietikäinen, "Adaptive document image binarization", Pattern Recognition 33, 2000, equation 5 with
    /// R = 128: ink is at most `mean * (1 + k * (deviation / R - 1))`.
    Sauvola {
        /// Side of the window in pixels; it is made odd.
        window: usize,
        /// Weight of the deviation, 0.2 to 0.5.
        k: f32,
    },
}

/// Widest window; sums of it fit into 32 bits.
const WIDEST: usize = 255;

/// The ink of a page: how much darker than the mean around it a pixel is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ink {
    width: usize,
    height: usize,
    /// `[height,width]`: 0 is paper; ink is 1 or more, in grey levels below the mean of its window.
    pixels: Vec<u8>,
}

impl Ink {
    /// The dark pixels of `page`. Windows are at most 255 pixels wide.
    pub fn of(page: &Gray, threshold: Threshold) -> Self {
        let mut pixels = vec![0; page.pixels().len()];
        match threshold {
            Threshold::Mean { window, offset } => {
                darker_than_mean(page, window, u32::from(offset), &mut pixels)
            }
            Threshold::Sauvola { window, k } => sauvola(page, window, k, &mut pixels),
        }
        Self {
            width: page.width(),
            height: page.height(),
            pixels,
        }
    }

    /// Ink as given, `[height,width]`.
    #[cfg(test)]
    pub(crate) fn from_levels(width: usize, height: usize, pixels: Vec<u8>) -> Self {
        assert_eq!(pixels.len(), width * height);
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

    /// Row y, `[width]`: 0 is paper; ink is 1 or more, in grey levels below the mean of its window.
    pub fn row(&self, y: usize) -> &[u8] {
        &self.pixels[y * self.width..][..self.width]
    }

    /// Row y, `[width]`: 0 is paper; ink is 1 or more, in grey levels below the mean of its window.
    pub(crate) fn row_mut(&mut self, y: usize) -> &mut [u8] {
        &mut self.pixels[y * self.width..][..self.width]
    }

    /// The image with ink black and paper white.
    pub fn to_gray(&self) -> Gray {
        Gray::from_fn(self.width, self.height, |x, y| {
            255 * u8::from(self.row(y)[x] == 0)
        })
    }

    /// Every pixel by the majority of its 3 by 3 neighbours: single specks and holes vanish.
    pub(crate) fn despeckled(&self) -> Self {
        let mut out = self.clone();
        let mut columns = vec![0; self.width + 2];
        for y in 0..self.height {
            columns.fill(0);
            for row in y.saturating_sub(1)..(y + 2).min(self.height) {
                for (sum, pixel) in columns[1..].iter_mut().zip(self.row(row)) {
                    *sum += u8::from(*pixel != 0);
                }
            }
            for (pixel, near) in out.row_mut(y).iter_mut().zip(columns.windows(3)) {
                let before = *pixel;
                *pixel = match near[0] + near[1] + near[2] >= 5 {
                    true => before.max(1),
                    false => 0,
                };
            }
        }
        out
    }
}

/// Sums of `value(pixel)` over each column of the window around row y, and from them over each window of the row.
struct Sums<F> {
    /// `[width]`
    columns: Vec<u32>,
    /// `[width+1]`: sums of the columns before each; they wrap, their differences do not.
    before: Vec<u32>,
    value: F,
}

impl<F: Fn(u8) -> u32> Sums<F> {
    fn new(page: &Gray, half: usize, value: F) -> Self {
        let mut sums = Self {
            columns: vec![0; page.width()],
            before: vec![0; page.width() + 1],
            value,
        };
        for y in 0..half.min(page.height()) {
            sums.add(page.row(y));
        }
        sums
    }

    fn add(&mut self, row: &[u8]) {
        for (sum, &pixel) in self.columns.iter_mut().zip(row) {
            *sum += (self.value)(pixel);
        }
    }

    /// Moves the window down to row y.
    fn advance(&mut self, page: &Gray, half: usize, y: usize) {
        if y + half < page.height() {
            self.add(page.row(y + half));
        }
        if y > half {
            for (sum, &pixel) in self.columns.iter_mut().zip(page.row(y - half - 1)) {
                *sum -= (self.value)(pixel);
            }
        }
        let mut total = 0u32;
        for (before, &sum) in self.before[1..].iter_mut().zip(&self.columns) {
            total = total.wrapping_add(sum);
            *before = total;
        }
    }

    /// Sum of the columns `from..to`.
    fn between(&self, from: usize, to: usize) -> u32 {
        self.before[to].wrapping_sub(self.before[from])
    }
}

/// Half a window without its centre.
fn half(window: usize) -> usize {
    window.min(WIDEST) / 2
}

/// First and end of the window of `half` around `at` in `0..size`.
fn clipped(at: usize, half: usize, size: usize) -> (usize, usize) {
    (at.saturating_sub(half), (at + half + 1).min(size))
}

fn darker_than_mean(page: &Gray, window: usize, offset: u32, out: &mut [u8]) {
    let (width, height, half) = (page.width(), page.height(), half(window));
    if width == 0 {
        return;
    }
    let level = |pixel: u8, sum: u32, count: u32| match (u32::from(pixel) + offset) * count < sum {
        true => (sum / count - u32::from(pixel)).max(1) as u8,
        false => 0,
    };
    let mut sums = Sums::new(page, half, u32::from);
    for (y, out) in out.chunks_exact_mut(width).enumerate() {
        sums.advance(page, half, y);
        let (top, bottom) = clipped(y, half, height);
        let row = page.row(y);
        let decide = |x: usize, out: &mut u8| {
            let (left, right) = clipped(x, half, width);
            let count = ((right - left) * (bottom - top)) as u32;
            *out = level(row[x], sums.between(left, right), count);
        };
        if width <= 2 * half {
            out.iter_mut()
                .enumerate()
                .for_each(|(x, out)| decide(x, out));
            continue;
        }
        let (inner, count) = (half..width - half, ((2 * half + 1) * (bottom - top)) as u32);
        (0..half)
            .chain(inner.end..width)
            .for_each(|x| decide(x, &mut out[x]));
        let ends = sums.before.iter().zip(&sums.before[2 * half + 1..]);
        for ((out, &pixel), (left, right)) in
            out[inner.clone()].iter_mut().zip(&row[inner]).zip(ends)
        {
            *out = level(pixel, right.wrapping_sub(*left), count);
        }
    }
}

fn sauvola(page: &Gray, window: usize, k: f32, out: &mut [u8]) {
    let (width, height, half) = (page.width(), page.height(), half(window));
    if width == 0 {
        return;
    }
    let mut sums = Sums::new(page, half, u32::from);
    let mut squares = Sums::new(page, half, |pixel| u32::from(pixel) * u32::from(pixel));
    for (y, out) in out.chunks_exact_mut(width).enumerate() {
        sums.advance(page, half, y);
        squares.advance(page, half, y);
        let (top, bottom) = clipped(y, half, height);
        for (x, (out, &pixel)) in out.iter_mut().zip(page.row(y)).enumerate() {
            let (left, right) = clipped(x, half, width);
            let count = ((right - left) * (bottom - top)) as f64;
            let mean = f64::from(sums.between(left, right)) / count;
            let square = f64::from(squares.between(left, right)) / count;
            let deviation = (square - mean * mean).max(0.0).sqrt();
            let level = mean * (1.0 + f64::from(k) * (deviation / 128.0 - 1.0));
            *out = match f64::from(pixel) <= level {
                true => (mean - f64::from(pixel)).max(1.0) as u8,
                false => 0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, pixel by pixel.
    fn reference(page: &Gray, threshold: Threshold) -> Vec<u8> {
        let window = match threshold {
            Threshold::Mean { window, .. } | Threshold::Sauvola { window, .. } => window,
        };
        let mut out = Vec::new();
        for y in 0..page.height() {
            for x in 0..page.width() {
                let (left, right) = clipped(x, window / 2, page.width());
                let (top, bottom) = clipped(y, window / 2, page.height());
                let window: Vec<f64> = (top..bottom)
                    .flat_map(|y| &page.row(y)[left..right])
                    .map(|&pixel| f64::from(pixel))
                    .collect();
                let mean = window.iter().sum::<f64>() / window.len() as f64;
                let pixel = f64::from(page.get(x, y));
                out.push(u8::from(match threshold {
                    Threshold::Mean { offset, .. } => pixel + f64::from(offset) < mean - 1e-9,
                    Threshold::Sauvola { k, .. } => {
                        let squares = window.iter().map(|value| (value - mean).powi(2));
                        let deviation = (squares.sum::<f64>() / window.len() as f64).sqrt();
                        pixel <= mean * (1.0 + f64::from(k) * (deviation / 128.0 - 1.0))
                    }
                }));
            }
        }
        out
    }

    #[test]
    fn thresholds_are_as_defined_at_all_sizes() {
        for (width, height) in [(0, 0), (1, 1), (1, 9), (9, 1), (5, 6), (17, 23), (40, 12)] {
            let page = Gray::from_fn(width, height, |x, y| (x * 37 + y * 91 + x * y * 7) as u8);
            for window in [1, 3, 5, 11, 41] {
                for threshold in [
                    Threshold::Mean { window, offset: 6 },
                    Threshold::Sauvola { window, k: 0.3 },
                ] {
                    let ink = Ink::of(&page, threshold);
                    let marks: Vec<u8> = ink
                        .pixels
                        .iter()
                        .map(|&level| u8::from(level != 0))
                        .collect();
                    assert_eq!(
                        marks,
                        reference(&page, threshold),
                        "{width} {height} {threshold:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn specks_and_holes_vanish_and_strokes_stay() {
        let page = Gray::from_fn(20, 20, |x, y| match (x, y) {
            (3, 3) | (10, 12) => 255 * u8::from(x == 10),
            (8..14, 5..18) => 0,
            _ => 255,
        });
        let ink = Ink::of(
            &page,
            Threshold::Mean {
                window: 41,
                offset: 18,
            },
        )
        .despeckled();
        assert_eq!((ink.row(3)[3], ink.row(12)[10]), (0, 1));
        assert!(ink.row(10)[9] > 100);
    }
}
