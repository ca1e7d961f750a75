//! Lines, their order and their confidence on a page.

use crate::commands::outputs;
use crate::terminal::typed;
use anyhow::{Context, Result};
use refrain_image::{Canvas, Colour, Gray, Point};
use refrain_page::{Band, Page};
use std::io::Write;
use std::path::Path;

/// Draws a page: words in the colour of their confidence, lines with their number in reading order.
///
/// # Errors
/// A file that cannot be written.
pub fn draw(page: &Page, image: &Gray, out: &Path, force: bool) -> Result<()> {
    let mut canvas = Canvas::from(image);
    let mut number = 0;
    for line in page.blocks.iter().flat_map(|block| &block.lines) {
        number += 1;
        for word in &line.words {
            canvas.fill(&word.quad, colour(word.band, 60));
        }
        canvas.outline(&line.quad, 1.5, [40, 90, 220, 200]);
        let [top_left, _, _, bottom_left] = line.quad.0;
        let size = (0.6 * (bottom_left.y - top_left.y).abs()).clamp(9.0, 28.0);
        let at = Point {
            x: (top_left.x - 1.6 * size).max(0.0),
            y: top_left.y,
        };
        canvas.text(at, size, &number.to_string(), [200, 30, 120, 255]);
    }
    let png = canvas.to_png()?;
    let mut file = outputs::create(out, force)?;
    file.write_all(&png)
        .with_context(|| format!("cannot write {}", typed(out)))
}

fn colour(band: Band, alpha: u8) -> Colour {
    let [red, green, blue] = match band {
        Band::Green => [30, 160, 60],
        Band::Amber => [230, 160, 0],
        Band::Red => [220, 30, 30],
    };
    [red, green, blue, alpha]
}
