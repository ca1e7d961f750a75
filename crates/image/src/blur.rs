//! Gaussian blur.

use crate::Gray;

/// The weights at the distances 0, 1, ... of a Gaussian that is cut off at 3 sigma; all of them, left and right, add
/// up to 1.
fn gaussian(sigma: f32) -> Vec<f32> {
    let radius = (3.0 * sigma).ceil() as usize;
    let mut weights: Vec<f32> = (0..=radius)
        .map(|k| (-0.5 * (k as f32 / sigma).powi(2)).exp())
        .collect();
    let sum = 2.0 * weights.iter().sum::<f32>() - weights[0];
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

impl Gray {
    /// The image under a Gaussian of `sigma` pixels, at most 100, cut off at 3 sigma; beyond the edges the edge
    /// repeats. A sigma that is not above 0 changes nothing. The work grows with sigma.
    pub fn blur(&self, sigma: f32) -> Self {
        if self.pixels().is_empty() || sigma.is_nan() || sigma <= 0.0 {
            return self.clone();
        }
        let weights = gaussian(sigma.clamp(0.01, 100.0));
        let (width, radius) = (self.width(), weights.len() - 1);
        let mut result = self.clone();
        // One row after the vertical pass, with the edges repeated on both sides.
        let mut padded = vec![0.0f32; width + 2 * radius];
        let mut sums = vec![0.0f32; width];
        for (y, out) in result.pixels_mut().chunks_exact_mut(width).enumerate() {
            let (left, rest) = padded.split_at_mut(radius);
            let (middle, right) = rest.split_at_mut(width);
            self.blur_column(y, &weights, middle);
            left.fill(middle[0]);
            right.fill(middle[width - 1]);
            sums.fill(0.0);
            for (k, &weight) in weights.iter().enumerate() {
                let scale = if k == 0 { 0.5 * weight } else { weight };
                let before = &padded[radius - k..][..width];
                let after = &padded[radius + k..][..width];
                for ((sum, a), b) in sums.iter_mut().zip(before).zip(after) {
                    *sum += scale * (a + b);
                }
            }
            for (out, sum) in out.iter_mut().zip(&sums) {
                *out = (sum + 0.5) as u8;
            }
        }
        result
    }

    /// Row y of the vertical pass, `[width]`.
    fn blur_column(&self, y: usize, weights: &[f32], out: &mut [f32]) {
        out.fill(0.0);
        let last = self.height() - 1;
        for (k, &weight) in weights.iter().enumerate() {
            let scale = if k == 0 { 0.5 * weight } else { weight };
            let above = self.row(y.saturating_sub(k));
            let below = self.row((y + k).min(last));
            for ((out, &a), &b) in out.iter_mut().zip(above).zip(below) {
                *out += scale * f32::from(u16::from(a) + u16::from(b));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_becomes_a_gaussian() {
        let sigma = 1.5f32;
        let mut image = Gray::filled(31, 31, 0);
        image.pixels_mut()[15 * 31 + 15] = 255;
        let blurred = image.blur(sigma);
        for (dx, dy) in [(0, 0), (1, 0), (0, 2), (2, 1), (3, 3), (9, 0)] {
            let squares = (dx * dx + dy * dy) as f32;
            let density = (-0.5 * squares / sigma.powi(2)).exp()
                / (2.0 * std::f32::consts::PI * sigma.powi(2));
            let pixel = f32::from(blurred.get(15 + dx, 15 - dy));
            assert!((pixel - 255.0 * density).abs() < 1.0, "{dx} {dy}: {pixel}");
        }
    }

    #[test]
    fn one_colour_stays_exact_for_any_sigma() {
        for value in [0, 7, 128, 255] {
            let image = Gray::filled(9, 4, value);
            for sigma in [-1.0, 0.0, 1e-9, 0.5, 3.0, 40.0, f32::INFINITY, f32::NAN] {
                assert_eq!(image.blur(sigma), image, "{sigma}");
            }
        }
        assert_eq!(Gray::filled(0, 4, 0).blur(2.0).height(), 4);
    }
}
