//! Text drawn with the DejaVu fonts, with the places of its ink.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use refrain_image::{Gray, Point, Quad};

/// X-height of DejaVu Sans over its size in pixels per line.
pub const X_HEIGHT: f32 = 1120.0 / 2384.0;

/// A drawn line.
#[derive(Clone, Debug)]
pub struct Drawn {
    pub baseline: f32,
    pub x_height: f32,
    /// Boxes of ink of its words.
    pub words: Vec<Quad>,
    /// Box of its ink.
    pub ink: Quad,
}

fn upright(left: f32, top: f32, right: f32, bottom: f32) -> Quad {
    Quad([(left, top), (right, top), (right, bottom), (left, bottom)].map(|(x, y)| Point { x, y }))
}

fn joined(quads: &[Quad]) -> Quad {
    let fold = |axis: fn(&Point) -> f32, pick: fn(f32, f32) -> f32| {
        quads
            .iter()
            .flat_map(|q| &q.0)
            .map(axis)
            .reduce(pick)
            .unwrap()
    };
    upright(
        fold(|p| p.x, f32::min),
        fold(|p| p.y, f32::min),
        fold(|p| p.x, f32::max),
        fold(|p| p.y, f32::max),
    )
}

/// Draws `text` from `x` with its baseline at `y`, with letters of `x_height` pixels, in the grey level `ink`.
pub fn draw(page: &mut Gray, text: &str, x: f32, y: f32, x_height: f32, ink: u8) -> Drawn {
    let font = FontRef::try_from_slice(dejavu::sans::regular()).unwrap();
    let scale = PxScale::from(x_height / X_HEIGHT);
    let scaled = font.as_scaled(scale);
    let (mut pen, mut before) = (x, None);
    let (mut words, mut word): (Vec<Quad>, Vec<Quad>) = (Vec::new(), Vec::new());
    for letter in text.chars() {
        let id = font.glyph_id(letter);
        pen += before.map_or(0.0, |before| scaled.kern(before, id));
        before = Some(id);
        if letter == ' ' && !word.is_empty() {
            words.push(joined(&word));
            word.clear();
        }
        if let Some(outline) = font.outline_glyph(id.with_scale_and_position(scale, point(pen, y)))
        {
            let bounds = outline.px_bounds();
            word.push(upright(
                bounds.min.x,
                bounds.min.y,
                bounds.max.x,
                bounds.max.y,
            ));
            let (width, height) = (page.width(), page.height());
            outline.draw(|dx, dy, share| {
                let (px, py) = (
                    bounds.min.x as i64 + i64::from(dx),
                    bounds.min.y as i64 + i64::from(dy),
                );
                if px >= 0 && py >= 0 && (px as usize) < width && (py as usize) < height {
                    let pixel = &mut page.pixels_mut()[py as usize * width + px as usize];
                    let paper = f32::from(*pixel);
                    *pixel = (paper + share.min(1.0) * (f32::from(ink) - paper)).round() as u8;
                }
            });
        }
        pen += scaled.h_advance(id);
    }
    words.push(joined(&word));
    Drawn {
        baseline: y,
        x_height,
        ink: joined(&words),
        words,
    }
}

/// Draws lines of text one below the other, and returns them.
pub fn paragraph(
    page: &mut Gray,
    lines: &[&str],
    x: f32,
    y: f32,
    x_height: f32,
    ink: u8,
) -> Vec<Drawn> {
    let step = 3.2 * x_height;
    let each = lines.iter().enumerate();
    each.map(|(k, text)| draw(page, text, x, y + k as f32 * step, x_height, ink))
        .collect()
}

pub const PROSE: [&str; 6] = [
    "The harbour was quiet before the first",
    "boats came home with nets and lanterns",
    "and a dog ran along the stones to meet",
    "its master, who had been away for days",
    "in wind and fog; nobody spoke of it at",
    "supper, though every plate stayed full",
];
