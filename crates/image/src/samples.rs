//! From samples of any depth and colour to a grey page.

use crate::Gray;

/// The meaning of the samples of a pixel, in their order in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Gray,
    Rgb,
    /// Amounts of ink, 255 the most.
    Cmyk,
}

/// Alpha after the samples of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alpha {
    None,
    /// The colour is as if it were opaque.
    Straight,
    /// The colour has been multiplied by alpha.
    Multiplied,
}

impl Ink {
    /// Samples of a pixel, without alpha.
    pub(crate) fn samples(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
            Self::Cmyk => 4,
        }
    }
}

/// Rec. 601 luma; equal channels give themselves.
pub(crate) fn luma(r: u8, g: u8, b: u8) -> u8 {
    ((299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b) + 500) / 1000) as u8
}

/// 16 bits to 8 by the full range: 257 v gives v.
pub(crate) fn narrow(sample: u16) -> u8 {
    ((u32::from(sample) * 255 + 32_767) / 65_535) as u8
}

/// `a * b / 255`, rounded.
fn scale(a: u8, b: u8) -> u8 {
    ((u32::from(a) * u32::from(b) + 127) / 255) as u8
}

/// A page that is being filled with samples of 8 bits.
pub(crate) struct Sheet {
    gray: Gray,
    /// `[height,width]`, or empty for an opaque page.
    alpha: Vec<u8>,
    ink: Ink,
    kind: Alpha,
}

impl Sheet {
    /// A white page of `[height,width]`; the caller has checked the sizes.
    pub(crate) fn new(width: usize, height: usize, ink: Ink, kind: Alpha) -> Self {
        let pixels = if kind == Alpha::None {
            0
        } else {
            width * height
        };
        Self {
            gray: Gray::filled(width, height, 255),
            alpha: vec![255; pixels],
            ink,
            kind,
        }
    }

    /// Samples of a pixel, with alpha.
    pub(crate) fn samples(&self) -> usize {
        self.ink.samples() + usize::from(self.kind != Alpha::None)
    }

    /// Writes pixels into row y from column x on; those beyond the edges are left out.
    pub(crate) fn write(&mut self, x: usize, y: usize, samples: &[u8]) {
        if x >= self.gray.width() || y >= self.gray.height() {
            return;
        }
        let (step, ink) = (self.samples(), self.ink);
        let start = y * self.gray.width() + x;
        let room = self.gray.width() - x;
        let out = &mut self.gray.pixels_mut()[start..start + room];
        for (out, pixel) in out.iter_mut().zip(samples.chunks_exact(step)) {
            *out = match ink {
                Ink::Gray => pixel[0],
                Ink::Rgb => luma(pixel[0], pixel[1], pixel[2]),
                Ink::Cmyk => {
                    let [r, g, b] = [0, 1, 2].map(|i| scale(255 - pixel[i], 255 - pixel[3]));
                    luma(r, g, b)
                }
            };
        }
        if self.kind != Alpha::None {
            let out = &mut self.alpha[start..start + room];
            for (out, pixel) in out.iter_mut().zip(samples.chunks_exact(step)) {
                *out = pixel[step - 1];
            }
        }
    }

    /// The page on white paper, or on black where it would be blank on white but is not on black; true if on black.
    pub(crate) fn finish(self) -> (Gray, bool) {
        if self.kind == Alpha::None {
            return (self.gray, false);
        }
        let white = self.on(255);
        if is_blank(&white) {
            let black = self.on(0);
            if !is_blank(&black) {
                return (black, true);
            }
        }
        (white, false)
    }

    fn on(&self, paper: u8) -> Gray {
        let mut result = self.gray.clone();
        for (pixel, &alpha) in result.pixels_mut().iter_mut().zip(&self.alpha) {
            let (ink, paper) = match self.kind {
                Alpha::Multiplied => (255 * u32::from(*pixel), u32::from(paper)),
                _ => (u32::from(*pixel) * u32::from(alpha), u32::from(paper)),
            };
            *pixel = ((ink + paper * u32::from(255 - alpha) + 127) / 255).min(255) as u8;
        }
        result
    }
}

/// One colour all over.
fn is_blank(image: &Gray) -> bool {
    let pixels = image.pixels();
    pixels.windows(2).all(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_ranges_map_to_full_ranges() {
        for value in 0..=255u8 {
            assert_eq!(narrow(257 * u16::from(value)), value);
            assert_eq!(luma(value, value, value), value);
        }
        assert_eq!(luma(255, 0, 0), 76);
        assert_eq!(luma(0, 255, 0), 150);
        assert_eq!(luma(0, 0, 255), 29);
    }

    #[test]
    fn ink_on_ink_is_dark() {
        let mut sheet = Sheet::new(4, 1, Ink::Cmyk, Alpha::None);
        let pixels = [0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 255, 0, 0, 0];
        sheet.write(0, 0, &pixels);
        assert_eq!(sheet.finish().0.pixels(), [255, 0, 0, luma(0, 255, 255)]);
    }

    #[test]
    fn pixels_beyond_the_edges_are_left_out() {
        let mut sheet = Sheet::new(2, 2, Ink::Gray, Alpha::Straight);
        sheet.write(1, 1, &[0, 255, 9, 9]);
        sheet.write(0, 2, &[0, 255]);
        sheet.write(2, 0, &[0, 255]);
        assert_eq!(sheet.finish().0.pixels(), [255, 255, 255, 0]);
    }

    #[test]
    fn multiplied_colours_are_not_multiplied_again() {
        for (kind, colour) in [(Alpha::Straight, 100), (Alpha::Multiplied, 20)] {
            let mut sheet = Sheet::new(2, 1, Ink::Gray, kind);
            sheet.write(0, 0, &[colour, 51, 0, 255]);
            assert_eq!(sheet.finish().0.pixels(), [20 + 204, 0]);
        }
    }
}
