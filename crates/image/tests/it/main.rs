//! Pages of every kind of file, made here by the encoders of other crates, or by
//! `scripts/golden/make_image_goldens.py`.

mod damage;
mod formats;
mod pdf;
mod tiffs;

use std::path::{Path, PathBuf};

use refrain_image::{Gray, ImageError, Limits, Page, Pages};

/// The text-like picture of the goldens, black and white.
fn bilevel() -> Gray {
    Gray::from_fn(61, 37, |x, y| {
        let black = (x / 3 + y / 5) % 4 == 0 || x * y % 17 == 3;
        if black { 0 } else { 255 }
    })
}

/// The colours of the goldens that JPEG keeps well, 64 by 48.
fn colours(x: usize, y: usize) -> [u8; 3] {
    [4 * x, 5 * y, 255 - 2 * x - 2 * y].map(|value| value as u8)
}

/// Rec. 601 in integers, by its definition.
fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b) + 500) / 1000) as u8
}

fn smooth() -> Gray {
    Gray::from_fn(64, 48, |x, y| luma(colours(x, y)))
}

/// The colours as RGB.
fn smooth_rgb() -> Vec<u8> {
    let pixels = (0..48).flat_map(|y| (0..64).flat_map(move |x| colours(x, y)));
    pixels.collect()
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn golden_pages(name: &str) -> Vec<Result<Page, ImageError>> {
    let pages = Pages::open(&golden(name), &Limits::default());
    pages
        .unwrap_or_else(|error| panic!("{name}: {error}"))
        .collect()
}

/// The only page of a file.
fn golden_page(name: &str) -> Page {
    let mut pages = golden_pages(name);
    assert_eq!(pages.len(), 1, "{name}");
    pages
        .remove(0)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The only page of a file in memory.
fn page(bytes: &[u8]) -> Result<Page, ImageError> {
    let mut pages = Pages::of(bytes.to_vec(), &Limits::default())?;
    let page = pages.next().expect("a page or an error");
    assert!(pages.next().is_none());
    page
}

/// Mean of the absolute differences.
fn distance(a: &Gray, b: &Gray) -> f32 {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    let pairs = a.pixels().iter().zip(b.pixels());
    let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f32 / a.pixels().len() as f32
}
