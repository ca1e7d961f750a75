//! Text lines by connected components: no model, no assumption about sizes.

use refrain_image::{Gray, Point, Quad};

use crate::{
    Baseline, Component, Found, Ink, Limits, PageError, Threshold, components,
    group::{Part, Rules, lines, words},
};

fn get(name: &str, default: f32) -> f32 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Lines of a page.
pub struct Lines {
    /// In the order of their components.
    pub lines: Vec<Found>,
    /// More components than the limit: the page is noise, or a picture.
    pub noisy: bool,
}

/// The page under the binomial filter 1 2 1 in both directions; the edges repeat.
fn smooth(page: &Gray) -> Gray {
    let (width, height) = (page.width(), page.height());
    if width == 0 || height == 0 {
        return page.clone();
    }
    let mut out = page.clone();
    let mut column = vec![0u16; width + 2];
    for y in 0..height {
        let (above, here, below) = (page.row(y.saturating_sub(1)), page.row(y), page.row((y + 1).min(height - 1)));
        for (sum, ((a, b), c)) in column[1..].iter_mut().zip(above.iter().zip(here).zip(below)) {
            *sum = u16::from(*a) + 2 * u16::from(*b) + u16::from(*c);
        }
        (column[0], column[width + 1]) = (column[1], column[width]);
        let row = &mut out.pixels_mut()[y * width..][..width];
        for (pixel, near) in row.iter_mut().zip(column.windows(3)) {
            *pixel = ((near[0] + 2 * near[1] + near[2] + 8) / 16) as u8;
        }
    }
    out
}

/// Median height of components that may be letters, weighted by their heights.
fn median_height(found: &[Component]) -> Option<f32> {
    let power = get("POWER", 1.0);
    let mut heights: Vec<usize> = found.iter().map(|c| c.bounds.height).filter(|&h| h >= 4 && h <= 70).collect();
    heights.sort_unstable();
    let total: f32 = heights.iter().map(|&h| (h as f32).powf(power)).sum();
    let mut below = 0.0;
    heights.into_iter().find(|&h| { below += (h as f32).powf(power); below >= total / 2.0 }).map(|h| h as f32)
}

/// Text lines of a page.
pub fn find_lines(page: &Gray, limits: &Limits) -> Result<Lines, PageError> {
    limits.check_size(page)?;
    let blurred;
    let page = if get("SMOOTH", 1.0) > 0.0 {
        blurred = smooth(page);
        &blurred
    } else {
        page
    };
    let ink = Ink::of(page, Threshold::Mean { window: get("WINDOW", 41.0) as usize, offset: get("OFFSET", 18.0) as u8 });
    limits.check_time("searching for components", page)?;
    let Some(found) = components(&ink, limits.components) else {
        return Ok(Lines { lines: Vec::new(), noisy: true });
    };
    let Some(median) = median_height(&found) else {
        return Ok(Lines { lines: Vec::new(), noisy: false });
    };
    let rules = Rules { letter_gap: get("LGAP", 0.6), word_gap: get("WGAP", 1.4), overlap: get("OVERLAP", 0.4) };
    let strong = strong_level(&found, median) * get("STRONG", 0.35);
    let parts: Vec<Part> = found.iter().filter(|c| c.area > 1 && f32::from(c.level) >= strong).map(Part::from).collect();
    let words = words(&parts, median, &rules);
    if std::env::var("DUMP").is_ok() {
        println!("page {median}");
        for w in &words {
            println!("word {} {} {} {} {} {}", w.bounds.left, w.bounds.right, w.bounds.top, w.bounds.bottom, w.scale, w.parts.len());
        }
    }
    let groups = lines(&words, median, &rules);
    let (px, pt, pb) = (get("PADX", 0.15), get("PADT", 0.15), get("PADB", 0.15));
    let lines = groups
        .iter()
        .filter(|g| g.bounds.width() > get("MINW", 0.4) * median && g.bounds.height() > get("MINH", 0.6) * median)
        .map(|group| {
            let line = group.bounds;
            let height = line.height();
            let (left, right) = (line.left - px * height, line.right + px * height);
            let (top, bottom) = (line.top - pt * height, line.bottom + pb * height);
            Found {
                quad: Quad([(left, top), (right, top), (right, bottom), (left, bottom)].map(|(x, y)| Point { x, y })),
                baseline: Baseline::default(),
                x_height: height,
                light_on_dark: false,
            }
        })
        .collect();
    Ok(Lines { lines, noisy: false })
}

/// Median level of the ink of components about as high as the median.
fn strong_level(found: &[Component], median: f32) -> f32 {
    let mut levels: Vec<u8> = found
        .iter()
        .filter(|c| c.bounds.height as f32 >= 0.6 * median && c.bounds.height as f32 <= 1.7 * median)
        .map(|c| c.level)
        .collect();
    levels.sort_unstable();
    levels.get(levels.len() / 2).map_or(0.0, |&level| f32::from(level))
}
