//! Drawing on a page.

use std::path::Path;

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::{Gray, ImageError, Point, Quad};

/// Red, green, blue, and opacity from 0 to 255.
pub type Colour = [u8; 4];

/// A page in colour, to draw on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canvas {
    width: usize,
    height: usize,
    /// `[height,width,3]`
    pixels: Vec<u8>,
}

impl From<&Gray> for Canvas {
    fn from(image: &Gray) -> Self {
        Self {
            width: image.width(),
            height: image.height(),
            pixels: image
                .pixels()
                .iter()
                .flat_map(|&pixel| [pixel; 3])
                .collect(),
        }
    }
}

impl Canvas {
    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// `[height,width,3]`, red, green and blue.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Mixes `colour` into the pixel in column x of row y, `cover` from 0 to 1 times its opacity.
    fn mix(&mut self, x: usize, y: usize, colour: Colour, cover: f32) {
        let at = 3 * (y * self.width + x);
        let weight = cover.clamp(0.0, 1.0) * f32::from(colour[3]) / 255.0;
        for (pixel, part) in self.pixels[at..at + 3].iter_mut().zip(colour) {
            let old = f32::from(*pixel);
            *pixel = (old + weight * (f32::from(part) - old) + 0.5) as u8;
        }
    }

    /// Fills the pixels whose centres are inside of `quad`.
    pub fn fill(&mut self, quad: &Quad, colour: Colour) {
        let bounds = quad.bounds(self.width, self.height);
        for y in bounds.y..bounds.bottom() {
            let centre = y as f32 + 0.5;
            let mut crossings: Vec<f32> = (0..4)
                .filter_map(|i| {
                    let (a, b) = (quad.0[i], quad.0[(i + 1) % 4]);
                    let crosses = (a.y <= centre) != (b.y <= centre);
                    crosses.then(|| a.x + (centre - a.y) / (b.y - a.y) * (b.x - a.x))
                })
                .collect();
            crossings.sort_by(f32::total_cmp);
            for pair in crossings.chunks_exact(2) {
                let first = ((pair[0] - 0.5).ceil().max(0.0) as usize).max(bounds.x);
                let end = ((pair[1] - 0.5).ceil().max(0.0) as usize).min(bounds.right());
                for x in first..end {
                    self.mix(x, y, colour, 1.0);
                }
            }
        }
    }

    /// A line of `thickness` pixels.
    pub fn line(&mut self, from: Point, to: Point, thickness: f32, colour: Colour) {
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        let length = dx.hypot(dy);
        if length > 0.0 {
            let (nx, ny) = (
                -dy / length * thickness / 2.0,
                dx / length * thickness / 2.0,
            );
            let corner = |p: Point, side: f32| Point {
                x: p.x + side * nx,
                y: p.y + side * ny,
            };
            let corners = [
                corner(from, -1.0),
                corner(to, -1.0),
                corner(to, 1.0),
                corner(from, 1.0),
            ];
            self.fill(&Quad(corners), colour);
        }
    }

    /// The four edges of `quad`, which may be a [`Rect`](crate::Rect)'s.
    pub fn outline(&mut self, quad: &Quad, thickness: f32, colour: Colour) {
        for i in 0..4 {
            self.line(quad.0[i], quad.0[(i + 1) % 4], thickness, colour);
        }
    }

    /// A line of text in DejaVu Sans, `size` pixels high from ascender to descender. Its top left corner is `at`.
    pub fn text(&mut self, at: Point, size: f32, text: &str, colour: Colour) {
        let Ok(font) = FontRef::try_from_slice(dejavu::sans::regular()) else {
            return;
        };
        let scale = PxScale::from(size.clamp(1.0, 1000.0));
        let scaled = font.as_scaled(scale);
        let (mut x, mut before) = (at.x, None);
        for letter in text.chars() {
            let id = scaled.glyph_id(letter);
            x += before.map_or(0.0, |before| scaled.kern(before, id));
            // Nothing more is on the page.
            if x.is_nan() || x >= self.width as f32 {
                break;
            }
            self.glyph(
                &font,
                id.with_scale_and_position(scale, point(x, at.y + scaled.ascent())),
                colour,
            );
            x += scaled.h_advance(id);
            before = Some(id);
        }
    }

    fn glyph(&mut self, font: &FontRef, glyph: Glyph, colour: Colour) {
        let Some(outline) = font.outline_glyph(glyph) else {
            return;
        };
        let corner = outline.px_bounds().min;
        outline.draw(|dx, dy, cover| {
            let (x, y) = (corner.x + dx as f32, corner.y + dy as f32);
            if x >= 0.0 && y >= 0.0 && x < self.width as f32 && y < self.height as f32 {
                self.mix(x as usize, y as usize, colour, cover);
            }
        });
    }

    /// The canvas as a PNG file.
    pub fn to_png(&self) -> Result<Vec<u8>, ImageError> {
        png(
            &self.pixels,
            self.width,
            self.height,
            ExtendedColorType::Rgb8,
        )
    }
}

impl Gray {
    /// The image as a PNG file of 8 bits.
    pub fn to_png(&self) -> Result<Vec<u8>, ImageError> {
        png(
            self.pixels(),
            self.width(),
            self.height(),
            ExtendedColorType::L8,
        )
    }

    /// Writes the image as a PNG file.
    pub fn write_png(&self, path: &Path) -> Result<(), ImageError> {
        std::fs::write(path, self.to_png()?).map_err(|source| ImageError::Io {
            path: path.to_owned(),
            source,
        })
    }
}

fn png(
    pixels: &[u8],
    width: usize,
    height: usize,
    colour: ExtendedColorType,
) -> Result<Vec<u8>, ImageError> {
    let failed = |reason: String| ImageError::Encode {
        format: "a PNG",
        width,
        height,
        reason,
    };
    let (Ok(columns @ 1..), Ok(rows @ 1..)) = (u32::try_from(width), u32::try_from(height)) else {
        return Err(failed("it needs an area".to_owned()));
    };
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(pixels, columns, rows, colour)
        .map_err(|error| failed(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rect;

    const RED: Colour = [255, 0, 0, 255];

    fn pixel(canvas: &Canvas, x: usize, y: usize) -> [u8; 3] {
        let at = 3 * (y * canvas.width() + x);
        canvas.pixels()[at..at + 3].try_into().unwrap()
    }

    #[test]
    fn a_filled_rectangle_covers_its_pixels_alone() {
        let rect = Rect {
            x: 2,
            y: 3,
            width: 4,
            height: 2,
        };
        let mut canvas = Canvas::from(&Gray::filled(10, 8, 200));
        canvas.fill(&rect.quad(), [0, 100, 0, 128]);
        for y in 0..8 {
            for x in 0..10 {
                let inside = (2..6).contains(&x) && (3..5).contains(&y);
                let colour = if inside { [100, 150, 100] } else { [200; 3] };
                assert_eq!(pixel(&canvas, x, y), colour, "{x} {y}");
            }
        }
    }

    #[test]
    fn an_outline_leaves_the_inside_and_stays_on_the_page() {
        let corners = [(5.0, 5.0), (25.0, 5.0), (25.0, 15.0), (5.0, 15.0)];
        let quad = Quad(corners.map(|(x, y)| Point { x, y }));
        let mut canvas = Canvas::from(&Gray::filled(30, 20, 255));
        canvas.outline(&quad, 2.0, RED);
        assert_eq!(pixel(&canvas, 15, 4), [255, 0, 0]);
        assert_eq!(pixel(&canvas, 15, 5), [255, 0, 0]);
        assert_eq!(pixel(&canvas, 15, 6), [255; 3]);
        assert_eq!(pixel(&canvas, 4, 10), [255, 0, 0]);
        for value in [f32::NAN, f32::INFINITY, -1e30, 1e30] {
            let corners = [(value, 0.0), (9.0, value), (value, value), (3.0, 3.0)];
            let wild = Quad(corners.map(|(x, y)| Point { x, y }));
            canvas.outline(&wild, 3.0, RED);
            canvas.fill(&wild, RED);
            canvas.text(Point { x: value, y: value }, value, "far", RED);
        }
    }

    #[test]
    fn text_leaves_ink_where_it_belongs() {
        let mut canvas = Canvas::from(&Gray::filled(120, 40, 255));
        canvas.text(Point { x: 10.0, y: 8.0 }, 20.0, "Ill", [0, 0, 0, 255]);
        let dark = |x: usize| (0..40).any(|y| pixel(&canvas, x, y)[0] < 100);
        assert!((0..10).all(|x| !dark(x)) && (10..30).any(dark) && (60..120).all(|x| !dark(x)));
        let png = canvas.to_png().unwrap();
        let back = image::load_from_memory(&png).unwrap().into_rgb8();
        assert_eq!(back.as_raw(), canvas.pixels());
        assert!(Canvas::from(&Gray::filled(0, 4, 0)).to_png().is_err());
    }
}
