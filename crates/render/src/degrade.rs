//! What happens to print between ink and file: every step works on pixels and has random numbers of its own.

use refrain_image::Gray;

use crate::config::{Degradation, DegradeConfig};
use crate::dice::Dice;

/// Degradations of one image, in their order from ink to file.
pub(crate) struct Degrader<'a> {
    pub(crate) config: &'a DegradeConfig,
    pub(crate) seed: u64,
    pub(crate) index: u64,
    /// Height of the letter x in pixels: the measure for spots and strokes.
    pub(crate) x_height: f32,
}

/// Names of the streams, in the order of [`Degradation`].
fn purpose(degradation: Degradation) -> &'static str {
    use Degradation::*;
    match degradation {
        Shear => "shear",
        Rotation => "rotation",
        Sine => "sine",
        Perspective => "perspective",
        Crop => "crop",
        Neighbours => "neighbours",
        Underline => "underline",
        Frame => "frame",
        Bars => "bars",
        Spread => "spread",
        Holes => "holes",
        InkGradient => "ink gradient",
        Fading => "fading",
        Texture => "texture",
        Shade => "shade",
        Contrast => "contrast",
        Inversion => "inversion",
        Blur => "blur",
        Motion => "motion",
        Resample => "resample",
        Noise => "noise",
        Speckle => "speckle",
        Gamma => "gamma",
        Threshold => "threshold",
        Jpeg => "jpeg",
    }
}

impl Degrader<'_> {
    /// The random numbers of a degradation, if it happens.
    pub(crate) fn dice(&self, degradation: Degradation) -> Option<Dice> {
        let mut dice = Dice::new(self.seed, self.index, purpose(degradation));
        let happens = dice.chance(self.config.chance(degradation)) && self.config.severity > 0.0;
        happens.then_some(dice)
    }

    fn severity(&self) -> f32 {
        self.config.severity
    }

    /// Height of the letter x relative to 16 pixels.
    fn size(&self) -> f32 {
        (self.x_height / 16.0).clamp(0.3, 4.0)
    }

    /// Prints ink, 0 to 255 per pixel, on paper, and makes a picture of it.
    pub(crate) fn picture(&self, mut ink: Gray) -> Gray {
        self.wear(&mut ink);
        let (image, span) = self.on_paper(&ink);
        self.shot(image, span)
    }

    /// Makes a picture of a page whose paper and ink are `span` grey levels apart.
    pub(crate) fn shot(&self, mut image: Gray, span: f32) -> Gray {
        if self.dice(Degradation::Inversion).is_some() {
            image = image.inverted();
        }
        // Two of these at full strength leave nothing to read.
        let optics = [
            Degradation::Blur,
            Degradation::Motion,
            Degradation::Resample,
        ];
        let optics = optics
            .iter()
            .filter(|&&one| self.dice(one).is_some())
            .count();
        let optics = self.severity() / optics.max(1) as f32;
        if let Some(mut dice) = self.dice(Degradation::Blur) {
            let sigma = (0.25 + 1.3 * optics * dice.uniform().powi(2)) * self.size();
            image = image.blur(sigma.max(0.45));
        }
        if let Some(mut dice) = self.dice(Degradation::Motion) {
            let length = (2.0 + 6.0 * optics * dice.uniform()) * self.size().min(1.5);
            image = motion(&image, length, &mut dice);
        }
        let mut x_height = self.x_height;
        if let Some(mut dice) = self.dice(Degradation::Resample) {
            (image, x_height) = self.resample(&image, optics, &mut dice);
        }
        if let Some(mut dice) = self.dice(Degradation::Noise) {
            let sigma = 2.0 + 24.0 * self.severity() * dice.uniform().powi(2) * (span / 255.0);
            dice.add_noise(image.pixels_mut(), sigma);
        }
        if let Some(mut dice) = self.dice(Degradation::Speckle) {
            speckle(&mut image, x_height, self.severity(), &mut dice);
        }
        if let Some(mut dice) = self.dice(Degradation::Gamma) {
            let power = (1.0 + self.severity() * dice.uniform()).powf(dice.sign());
            let power = if (0.95..1.05).contains(&power) {
                1.1
            } else {
                power
            };
            let table: Vec<u8> = (0..256)
                .map(|v| ((v as f32 / 255.0).powf(power) * 255.0 + 0.5) as u8)
                .collect();
            image
                .pixels_mut()
                .iter_mut()
                .for_each(|pixel| *pixel = table[usize::from(*pixel)]);
        }
        if let Some(mut dice) = self.dice(Degradation::Threshold) {
            image = threshold(image, self.severity(), &mut dice);
        }
        if let Some(mut dice) = self.dice(Degradation::Jpeg) {
            let quality = 90.0 - 60.0 * self.severity() * dice.uniform();
            // Images beyond the sizes of JPEG stay as they are.
            if let Ok(bytes) = image.to_jpeg(quality as u8) {
                image = Gray::from_jpeg(&bytes).unwrap_or(image);
            }
        }
        image
    }

    /// Faults of the ink.
    fn wear(&self, ink: &mut Gray) {
        if let Some(mut dice) = self.dice(Degradation::Spread) {
            let amount = dice.range(-0.6, 1.1) * self.severity() * self.size().min(1.6);
            // Thin strokes must not vanish.
            spread(ink, amount.max(-0.55));
        }
        if let Some(mut dice) = self.dice(Degradation::Holes) {
            let count = spots(ink, self.x_height, 3.0 * self.severity() * dice.uniform());
            for _ in 0..count.max(10) {
                let radius = dice.range(0.04, 0.13) * self.x_height;
                spot(ink, radius.max(0.5), 0, &mut dice);
            }
        }
        if let Some(mut dice) = self.dice(Degradation::InkGradient) {
            let (low, high) = (1.0 - 0.75 * self.severity() * dice.range(0.2, 1.0), 1.0);
            let down = dice.chance(0.3);
            let turned = dice.chance(0.5);
            let (width, height) = (ink.width() as f32, ink.height() as f32);
            scale(ink, |x, y| {
                let t = if down { y / height } else { x / width };
                low + (high - low) * if turned { 1.0 - t } else { t }
            });
        }
        if let Some(mut dice) = self.dice(Degradation::Fading) {
            self.fade(ink, &mut dice);
        }
    }

    /// Weak stripes: across the print where the head is dirty, and along it where the paper jerks.
    fn fade(&self, ink: &mut Gray, dice: &mut Dice) {
        let across = dice.chance(0.5);
        // Weak ink that a threshold then removes would leave nothing.
        let lost = self.dice(Degradation::Threshold).is_some();
        let severity = self.severity() * if lost { 0.5 } else { 1.0 };
        let size = if across { ink.width() } else { ink.height() };
        let mut strength = vec![1.0f32; size];
        let stripes = match across {
            true => 1 + size * dice.whole(1, 6) / (40.0 * self.x_height).max(60.0) as usize,
            false => dice.whole(1, 3),
        };
        for _ in 0..stripes.min(64) {
            let weak = 1.0 - severity * dice.range(0.3, 0.9);
            let wide = dice.range(0.06, if across { 0.25 } else { 0.5 }) * self.x_height;
            let centre = dice.uniform() * size as f32;
            let first = (centre - wide).max(0.0) as usize;
            for (at, value) in strength
                .iter_mut()
                .enumerate()
                .skip(first)
                .take((2.0 * wide) as usize + 2)
            {
                let distance = (at as f32 - centre).abs() / wide.max(0.7);
                *value = value.min(weak + (1.0 - weak) * (distance - 0.3).clamp(0.0, 1.0));
            }
        }
        // The whole line is weaker too.
        let all = 1.0 - 0.45 * severity * dice.uniform();
        strength.iter_mut().for_each(|value| *value *= all);
        match across {
            true => scale(ink, |x, _| strength[x as usize]),
            false => scale(ink, |_, y| strength[y as usize]),
        }
    }

    /// Ink on paper, and the difference of their brightness.
    fn on_paper(&self, ink: &Gray) -> (Gray, f32) {
        let (mut black, mut white) = (0.0, 255.0);
        if let Some(mut dice) = self.dice(Degradation::Contrast) {
            let severity = self.severity();
            white = 255.0 - 110.0 * severity * dice.uniform().powf(1.5);
            black = 150.0 * severity * dice.uniform();
            let least = 90.0 - 30.0 * severity;
            black = black.min(white - least).max(3.0);
        }
        let span = white - black;
        let texture = self.dice(Degradation::Texture).map(|mut dice| {
            let strength = self.severity() * dice.range(0.15, 1.0);
            let coarse = dice.log_range(0.3, 3.0) * self.x_height;
            let relief = Relief::new(ink.width(), ink.height(), coarse, &mut dice);
            (
                relief,
                (0.3 * span).min(50.0) * strength,
                0.04 * span * strength,
                dice,
            )
        });
        let mut image = Gray::from_fn(ink.width(), ink.height(), |x, y| {
            let covered = f32::from(ink.get(x, y)) / 255.0;
            let paper = match &texture {
                Some((relief, depth, ..)) => white - depth * relief.at(x, y),
                None => white,
            };
            (paper + (black - paper).min(0.0) * covered + 0.5) as u8
        });
        if let Some((_, _, grain, mut dice)) = texture {
            dice.add_noise(image.pixels_mut(), grain);
        }
        if let Some(mut dice) = self.dice(Degradation::Shade) {
            // One threshold for all would make the dark side black.
            let most = if self.dice(Degradation::Threshold).is_some() {
                0.25
            } else {
                0.6
            };
            let depth = self.severity() * dice.range(0.1, most);
            let (dx, dy) = (dice.range(-1.0, 1.0), dice.range(-0.5, 0.5));
            let (width, height) = (image.width() as f32, image.height() as f32);
            let reach = (dx.abs() + dy.abs()).max(0.1);
            scale(&mut image, |x, y| {
                let t = (dx * (x / width - 0.5) + dy * (y / height - 0.5)) / reach + 0.5;
                1.0 - depth * t.clamp(0.0, 1.0)
            });
        }
        (image, span)
    }

    /// Fewer pixels, and mostly up again. Also gives the new height of x.
    fn resample(&self, image: &Gray, strength: f32, dice: &mut Dice) -> (Gray, f32) {
        let (width, height) = (image.width(), image.height());
        let target = dice.range(5.2, 11.0).min(0.85 * self.x_height);
        let factor = (target / self.x_height)
            .clamp(0.1, 0.85)
            .powf(strength.max(0.2));
        let size = |value: usize, factor: f32| ((value as f32 * factor).round() as usize).max(1);
        // The two directions may differ, as in faxes.
        let across = if dice.chance(0.2) {
            dice.range(0.8, 1.25) * factor
        } else {
            factor
        };
        let small = image.resize(size(width, across.min(1.0)), size(height, factor));
        match dice.uniform() {
            x if x < 0.55 => (small.resize(width, height), self.x_height),
            x if x < 0.65 => {
                let blocks = Gray::from_fn(width, height, |x, y| {
                    small.get(x * small.width() / width, y * small.height() / height)
                });
                (blocks, self.x_height)
            }
            _ => (small, self.x_height * factor),
        }
    }
}

/// Multiplies every pixel.
fn scale(image: &mut Gray, factor: impl Fn(f32, f32) -> f32) {
    let width = image.width().max(1);
    for (y, row) in image.pixels_mut().chunks_exact_mut(width).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            *pixel = (f32::from(*pixel) * factor(x as f32, y as f32) + 0.5) as u8;
        }
    }
}

/// Spots for an image: `density` per square of the height of x times 4.
fn spots(image: &Gray, x_height: f32, density: f32) -> usize {
    let area = image.width() as f32 * image.height() as f32 / (16.0 * x_height * x_height).max(1.0);
    (area * density) as usize
}

/// A round spot of one colour at a random place.
fn spot(image: &mut Gray, radius: f32, colour: u8, dice: &mut Dice) {
    let (width, height) = (image.width(), image.height());
    let (cx, cy) = (
        dice.uniform() * width as f32,
        dice.uniform() * height as f32,
    );
    let wide = radius * dice.range(0.7, 1.4);
    let (left, right) = (
        (cx - wide - 1.0).max(0.0) as usize,
        ((cx + wide + 2.0) as usize).min(width),
    );
    let (top, bottom) = (
        (cy - radius - 1.0).max(0.0) as usize,
        ((cy + radius + 2.0) as usize).min(height),
    );
    for y in top..bottom {
        for x in left..right {
            let (dx, dy) = ((x as f32 + 0.5 - cx) / wide, (y as f32 + 0.5 - cy) / radius);
            let inside = ((1.0 - (dx * dx + dy * dy).sqrt()) * radius + 0.5).clamp(0.0, 1.0);
            let pixel = &mut image.pixels_mut()[y * width + x];
            *pixel = (f32::from(*pixel) * (1.0 - inside) + f32::from(colour) * inside + 0.5) as u8;
        }
    }
}

fn speckle(image: &mut Gray, x_height: f32, severity: f32, dice: &mut Dice) {
    let count = spots(image, x_height, 4.0 * severity * dice.uniform().powi(2)).max(4);
    for _ in 0..count {
        let radius = dice.range(0.03, 0.09) * x_height;
        let colour = if dice.chance(0.7) { 0 } else { 255 };
        spot(image, radius.max(0.5), colour, dice);
    }
}

/// Ink that runs by `amount` pixels, or shrinks if it is negative.
pub(crate) fn spread(ink: &mut Gray, amount: f32) {
    let mut rest = amount.abs().max(0.15);
    while rest > 0.0 {
        let part = rest.min(1.0);
        let next = grown(ink, amount > 0.0);
        for (pixel, &new) in ink.pixels_mut().iter_mut().zip(next.pixels()) {
            let old = f32::from(*pixel);
            *pixel = (old + part * (f32::from(new) - old) + 0.5) as u8;
        }
        rest -= 1.0;
    }
}

/// The largest (or smallest) of a pixel and its four neighbours.
fn grown(image: &Gray, largest: bool) -> Gray {
    let (width, height) = (image.width(), image.height());
    let better = |a: u8, b: u8| if largest { a.max(b) } else { a.min(b) };
    let mut result = image.clone();
    for (y, out) in result
        .pixels_mut()
        .chunks_exact_mut(width.max(1))
        .enumerate()
    {
        let row = image.row(y);
        let (above, below) = (
            image.row(y.saturating_sub(1)),
            image.row((y + 1).min(height - 1)),
        );
        for (x, out) in out.iter_mut().enumerate() {
            let sides = better(row[x.saturating_sub(1)], row[(x + 1).min(width - 1)]);
            *out = better(better(row[x], sides), better(above[x], below[x]));
        }
    }
    result
}

/// The mean of the image moved along a segment of `length` pixels.
fn motion(image: &Gray, length: f32, dice: &mut Dice) -> Gray {
    let angle = dice.range(0.0, std::f32::consts::PI);
    let (dx, dy) = (angle.cos() * length, angle.sin() * length);
    let count = (length.ceil() as usize).clamp(2, 24);
    let (width, height) = (image.width(), image.height());
    let mut sums = vec![0u32; width * height];
    for k in 0..count {
        let t = k as f32 / (count - 1) as f32 - 0.5;
        let (mx, my) = ((dx * t).round() as isize, (dy * t).round() as isize);
        for (y, sums) in sums.chunks_exact_mut(width.max(1)).enumerate() {
            let row = image.row(y.saturating_add_signed(my).min(height - 1));
            for (x, sum) in sums.iter_mut().enumerate() {
                *sum += u32::from(row[x.saturating_add_signed(mx).min(width - 1)]);
            }
        }
    }
    Gray::from_fn(width, height, |x, y| {
        (sums[y * width + x] / count as u32) as u8
    })
}

/// Black and white by a threshold between the darkest and the lightest parts, after noise.
fn threshold(image: Gray, severity: f32, dice: &mut Dice) -> Gray {
    let mut counts = [0usize; 256];
    image
        .pixels()
        .iter()
        .for_each(|&pixel| counts[usize::from(pixel)] += 1);
    let total = image.pixels().len();
    let level = |part: usize| {
        let mut sum = 0;
        let found = counts.iter().position(|&count| {
            sum += count;
            sum > part
        });
        found.unwrap_or(255) as f32
    };
    let (dark, light) = (level(total / 500), level(total - total / 4 - 1));
    let (dark, light) = match light - dark < 20.0 {
        true => (dark, level(total.saturating_sub(total / 500 + 1))),
        false => (dark, light),
    };
    let middle = dark + (light - dark) * (0.5 + 0.2 * severity * dice.range(-1.0, 1.0));
    let mut noisy = image;
    let sigma = 0.14 * (light - dark) * severity * dice.uniform().powi(2);
    dice.add_noise(noisy.pixels_mut(), sigma);
    noisy
        .pixels_mut()
        .iter_mut()
        .for_each(|pixel| *pixel = if f32::from(*pixel) < middle { 0 } else { 255 });
    noisy
}

/// Smooth random heights between 0 and 1.
struct Relief {
    cell: f32,
    columns: usize,
    values: Vec<f32>,
}

impl Relief {
    fn new(width: usize, height: usize, cell: f32, dice: &mut Dice) -> Self {
        let cell = cell.max(2.0);
        let columns = (width as f32 / cell) as usize + 2;
        let rows = (height as f32 / cell) as usize + 2;
        Self {
            cell,
            columns,
            values: (0..columns * rows).map(|_| dice.uniform()).collect(),
        }
    }

    fn at(&self, x: usize, y: usize) -> f32 {
        let (x, y) = (x as f32 / self.cell, y as f32 / self.cell);
        let (left, top) = (x as usize, y as usize);
        let (dx, dy) = (x - left as f32, y - top as f32);
        let row = |top: usize| {
            let at = top * self.columns + left;
            self.values[at] + dx * (self.values[at + 1] - self.values[at])
        };
        let (above, below) = (row(top), row(top + 1));
        above + dy * (below - above)
    }
}
