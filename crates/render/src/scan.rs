//! Variations of the pictures of real lines.

use refrain_image::Gray;

use crate::config::{Degradation, DegradeConfig};
use crate::degrade::{Degrader, spread};
use crate::dice::Dice;

/// Another picture of a real line: cut, slanted, turned and stretched a little differently, with thicker or thinner
/// strokes, other contrast, and the faults of cameras and files. Degradations of ink and paper that a real line already
/// has are left out. The line is a function of the image, the settings, the seed and the index alone.
pub fn changed(image: &Gray, config: &DegradeConfig, seed: u64, index: u64) -> Gray {
    if image.pixels().is_empty() {
        return image.clone();
    }
    let degrader = Degrader {
        config,
        seed,
        index,
        // About half of a line is the letter x.
        x_height: 0.45 * image.height() as f32,
    };
    let mut image = moved(image, &degrader);
    if let Some(mut dice) = degrader.dice(Degradation::Spread) {
        let amount =
            dice.range(-0.5, 0.8) * config.severity * (degrader.x_height / 16.0).clamp(0.3, 1.5);
        let mut ink = image.inverted();
        spread(&mut ink, amount);
        image = ink.inverted();
    }
    let mut span = 180.0;
    if let Some(mut dice) = degrader.dice(Degradation::Contrast) {
        let (low, high) = (
            70.0 * config.severity * dice.uniform(),
            255.0 - 70.0 * config.severity * dice.uniform(),
        );
        let value = |pixel: u8| (low + (high - low) * f32::from(pixel) / 255.0 + 0.5) as u8;
        span *= (high - low) / 255.0;
        image
            .pixels_mut()
            .iter_mut()
            .for_each(|pixel| *pixel = value(*pixel));
    }
    degrader.shot(image, span)
}

/// The line in another cut.
fn moved(image: &Gray, degrader: &Degrader) -> Gray {
    let severity = degrader.config.severity;
    let draw = |degradation, low: f32, high: f32| {
        let drawn = |mut dice: Dice| severity * dice.range(low, high);
        degrader.dice(degradation).map_or(0.0, drawn)
    };
    let slant = draw(Degradation::Shear, -0.2, 0.2);
    let angle = draw(Degradation::Rotation, -1.5, 1.5).to_radians();
    let mut sides = [0.0; 4];
    let mut stretch = 1.0;
    if let Some(mut dice) = degrader.dice(Degradation::Crop) {
        for (side, least) in sides.iter_mut().zip([-0.05, -0.1, -0.05, -0.1]) {
            *side = severity * dice.range(least, 0.2);
        }
        stretch = 1.0 + severity * dice.range(-0.15, 0.2);
    }
    let (wide, high) = (image.width() as f32, image.height() as f32);
    let [left, top, right, bottom] = sides.map(|side| side * high);
    let width = (((wide + left + right) * stretch).round() as usize).max(2);
    let height = ((high + top + bottom).round() as usize).max(2);
    let (sine, cosine) = angle.sin_cos();
    let (middle, centre) = (0.5 * wide, 0.5 * high);
    image.warp(width, height, paper(image), |x, y| {
        let (x, y) = (x / stretch - left - middle, y - top - centre);
        (
            x * cosine - y * sine + slant * y + middle,
            x * sine + y * cosine + centre,
        )
    })
}

/// The middle value along the edges.
fn paper(image: &Gray) -> u8 {
    let last = image.height() - 1;
    let mut edge: Vec<u8> = [image.row(0), image.row(last)].concat();
    edge.extend(
        (0..image.height()).flat_map(|y| [image.get(0, y), image.get(image.width() - 1, y)]),
    );
    let middle = edge.len() / 2;
    *edge.select_nth_unstable(middle).1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Gray {
        Gray::from_fn(120, 30, |x, y| match x % 11 < 3 && (8..22).contains(&y) {
            true => 50,
            false => 210,
        })
    }

    #[test]
    fn a_real_line_changes_by_seed_and_index_alone() {
        let config = DegradeConfig::default();
        let one = changed(&line(), &config, 1, 2);
        assert_eq!(one, changed(&line(), &config, 1, 2));
        assert_ne!(one, changed(&line(), &config, 1, 3));
        assert_ne!(one, changed(&line(), &config, 2, 2));
        let none = DegradeConfig {
            severity: 0.0,
            ..config
        };
        assert_eq!(changed(&line(), &none, 1, 2), line());
    }

    #[test]
    fn ink_stays_and_any_size_has_a_picture() {
        let config = DegradeConfig::default();
        for index in 0..200 {
            let image = changed(&line(), &config, 7, index);
            let (low, high) = image
                .pixels()
                .iter()
                .fold((255, 0), |(low, high), &p| (p.min(low), p.max(high)));
            assert!(high - low > 40, "{index}: {low} to {high}");
        }
        for (width, height) in [(0, 0), (1, 1), (1, 40), (500, 1)] {
            changed(&Gray::filled(width, height, 200), &config, 1, 1);
        }
    }
}
