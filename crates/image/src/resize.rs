//! Images of another size.

use crate::Gray;

/// The weights of one axis: output i is the sum of `weights[k] * input[first + k]`.
struct Axis {
    /// Per output, the first input and the number of inputs.
    spans: Vec<(usize, usize)>,
    /// The weights of all outputs one after another; those of one output add up to 1.
    weights: Vec<f32>,
}

impl Axis {
    /// Area average where `to <= from`, else Catmull-Rom. Inputs beyond the edges repeat the edge.
    fn new(from: usize, to: usize) -> Self {
        let mut axis = Self {
            spans: Vec::with_capacity(to),
            weights: Vec::new(),
        };
        let scale = from as f64 / to as f64;
        for i in 0..to {
            match to <= from {
                true => axis.push_area(i as f64 * scale, (i + 1) as f64 * scale, from),
                false => axis.push_cubic((i as f64 + 0.5) * scale - 0.5, from),
            }
        }
        axis
    }

    /// Inputs by the length of them between `low` and `high`.
    fn push_area(&mut self, low: f64, high: f64, from: usize) {
        let first = (low as usize).min(from - 1);
        let last = (high.ceil() as usize).clamp(first + 1, from);
        self.spans.push((first, last - first));
        self.push_normalised(
            (first..last).map(|at| (high.min((at + 1) as f64) - low.max(at as f64)).max(0.0)),
        );
    }

    /// Four inputs around `centre`, in which the centre of input k is k.
    fn push_cubic(&mut self, centre: f64, from: usize) {
        let left = centre.floor();
        let t = centre - left;
        let four = [
            ((-0.5 * t + 1.0) * t - 0.5) * t,
            (1.5 * t - 2.5) * t * t + 1.0,
            ((-1.5 * t + 2.0) * t + 0.5) * t,
            (0.5 * t - 0.5) * t * t,
        ];
        let inside = |k: usize| (left as i64 - 1 + k as i64).clamp(0, from as i64 - 1) as usize;
        let (first, last) = (inside(0), inside(3));
        let mut sums = [0.0; 4];
        for (k, weight) in four.into_iter().enumerate() {
            sums[inside(k) - first] += weight;
        }
        self.spans.push((first, last - first + 1));
        self.push_normalised(sums.into_iter().take(last - first + 1));
    }

    fn push_normalised(&mut self, weights: impl Iterator<Item = f64> + Clone) {
        let sum: f64 = weights.clone().sum();
        self.weights
            .extend(weights.map(|weight| (weight / sum) as f32));
    }

    /// Per output: the first input, and the weights from there.
    fn outputs(&self) -> impl Iterator<Item = (usize, &[f32])> {
        let mut rest = &self.weights[..];
        self.spans.iter().map(move |&(first, len)| {
            let (weights, tail) = rest.split_at(len);
            rest = tail;
            (first, weights)
        })
    }
}

impl Gray {
    /// The image in another size: an area average along each axis that shrinks, Catmull-Rom along each that grows. The
    /// result is white where the image has no pixels.
    pub fn resize(&self, width: usize, height: usize) -> Self {
        if (width, height) == (self.width(), self.height()) {
            return self.clone();
        }
        let mut result = Self::filled(width, height, 255);
        if result.pixels().is_empty() || self.pixels().is_empty() {
            return result;
        }
        let columns = Axis::new(self.width(), width);
        let rows = Axis::new(self.height(), height);
        let mut sums = vec![0.0f32; self.width()];
        for ((top, weights), out) in rows
            .outputs()
            .zip(result.pixels_mut().chunks_exact_mut(width))
        {
            sums.fill(0.0);
            for (k, &weight) in weights.iter().enumerate() {
                for (sum, &pixel) in sums.iter_mut().zip(self.row(top + k)) {
                    *sum += weight * f32::from(pixel);
                }
            }
            for ((left, weights), out) in columns.outputs().zip(out) {
                let window = &sums[left..left + weights.len()];
                let value: f32 = window.iter().zip(weights).map(|(x, w)| x * w).sum();
                *out = (value + 0.5) as u8;
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shrinking_is_the_mean_of_the_area() {
        let image = Gray::from_fn(6, 4, |x, y| (10 * x + y) as u8);
        let half = image.resize(3, 2);
        assert_eq!(half.pixels(), [6, 26, 46, 8, 28, 48]);
        // One and a half pixels each: (2 * 0 + 90) / 3 and (90 + 2 * 240) / 3.
        let image = Gray::new(3, 1, vec![0, 90, 240]).unwrap();
        assert_eq!(image.resize(2, 1).pixels(), [30, 190]);
    }

    #[test]
    fn enlarging_is_smooth_and_keeps_lines_straight() {
        let ramp = Gray::from_fn(16, 3, |x, _| 50 + 8 * x as u8);
        let large = ramp.resize(64, 9);
        for x in 8..56 {
            let right = 50.0 + 8.0 * ((x as f32 + 0.5) / 4.0 - 0.5);
            assert!((f32::from(large.get(x, 4)) - right).abs() <= 0.5, "{x}");
        }
    }

    #[test]
    fn one_colour_stays_exact_and_sizes_may_be_anything() {
        for value in [0, 1, 127, 254, 255] {
            let image = Gray::filled(17, 5, value);
            for (width, height) in [(1, 1), (16, 4), (17, 5), (18, 6), (400, 1), (3, 211)] {
                assert_eq!(
                    image.resize(width, height),
                    Gray::filled(width, height, value)
                );
            }
        }
        assert_eq!(Gray::filled(3, 3, 0).resize(0, 9).pixels().len(), 0);
        assert_eq!(Gray::filled(0, 3, 0).resize(2, 2), Gray::filled(2, 2, 255));
    }
}
