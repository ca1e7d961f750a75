//! Pages with the corners of their lines, and cuts of them.

use super::recipe::{DetectionData, RenderPages};
use crate::error::Error;
use crate::tasks::run::check_sums;
use crate::tasks::truth::{decode, load_all, samples};
use crate::tasks::{Site, Split};
use rayon::prelude::*;
use refrain_image::{Gray, Point, Quad, Rect};
use refrain_kernels::random::Key;
use refrain_page::{Found, Limits, draw_map, find_lines};
use refrain_render::{
    Degradation, DegradeConfig, FontOptions, Fonts, Part, RenderConfig, TextSource, changed,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Height of a line, with ascenders and descenders, at the scale of the model, pixels.
const LINE: f32 = 24.0;

/// A page at the scale of the model.
#[derive(Clone, Debug)]
pub(super) struct PageItem {
    pub name: String,
    pub image: Gray,
    pub lines: Vec<Quad>,
}

/// Factor that brings lines of this median height to the scale of the model.
pub(super) fn factor(lines: &[Quad]) -> f32 {
    let mut heights: Vec<f32> = lines.iter().map(height).filter(|own| *own > 0.0).collect();
    if heights.is_empty() {
        return 1.0;
    }
    heights.sort_by(f32::total_cmp);
    (LINE / heights[heights.len() / 2]).clamp(0.1, 6.0)
}

/// The shorter side.
fn height(quad: &Quad) -> f32 {
    let length = |a: usize, b: usize| (quad.0[a].x - quad.0[b].x).hypot(quad.0[a].y - quad.0[b].y);
    length(0, 3)
        .max(length(1, 2))
        .min(length(0, 1).max(length(3, 2)))
}

/// Corners under a map of positions.
pub(super) fn mapped(quad: &Quad, map: impl Fn(Point) -> Point) -> Quad {
    Quad(quad.0.map(map))
}

impl PageItem {
    fn new(name: String, image: &Gray, lines: &[Quad]) -> Self {
        let factor = factor(lines);
        Self {
            name,
            image: scaled(image, factor),
            lines: lines.iter().map(|quad| times(quad, factor)).collect(),
        }
    }
}

pub(super) fn times(quad: &Quad, factor: f32) -> Quad {
    mapped(quad, |point| Point {
        x: point.x * factor,
        y: point.y * factor,
    })
}

/// The image with its sizes multiplied, of at least one pixel.
pub(super) fn scaled(image: &Gray, factor: f32) -> Gray {
    let size = |pixels: usize| ((pixels as f32 * factor).round() as usize).max(1);
    match image.pixels().is_empty() {
        true => Gray::filled(1, 1, 255),
        false => image.resize(size(image.width()), size(image.height())),
    }
}

/// A page for the search of the scale: the lines of the classical finder.
pub(super) fn rough(image: &Gray, limits: &Limits) -> Result<refrain_page::Lines, Error> {
    Ok(find_lines(image, limits)?)
}

/// The corners of lines.
pub(super) fn corners(lines: &[Found]) -> Vec<Quad> {
    lines.iter().map(|line| line.quad).collect()
}

/// The pages of a part.
///
/// # Errors
/// Files that are missing or damaged.
pub(super) fn part(
    config: &DetectionData,
    data: &Path,
    split: Split,
) -> Result<Vec<PageItem>, Error> {
    let names = match split {
        Split::Train => &config.train,
        Split::Validation => &config.valid,
        Split::Test => &config.test,
    };
    load_all(data, names, config.source.as_deref(), pages_of)
}

/// The pages of a file or folder.
///
/// # Errors
/// Files that are missing or damaged, or without any line.
pub(super) fn pages_of(path: &Path) -> Result<Vec<PageItem>, Error> {
    let pages = samples(path)?.into_par_iter().map(|page| {
        let lines = page?;
        let quads: Vec<Quad> = lines.iter().filter_map(|line| line.quad).collect();
        match lines.first() {
            Some(first) if !quads.is_empty() => {
                let name = match &first.image {
                    refrain_page::formats::truth::Source::File(path) => path.display().to_string(),
                    refrain_page::formats::truth::Source::Bytes { name, .. } => name.clone(),
                };
                Ok(Some(PageItem::new(name, &decode(first)?, &quads)))
            }
            _ => Ok(None),
        }
    });
    let pages = pages.collect::<Result<Vec<Option<PageItem>>, Error>>()?;
    let pages: Vec<PageItem> = pages.into_iter().flatten().collect();
    match pages.is_empty() {
        true => Err(Error::Config(format!(
            "{} has no page with the corners of its lines; give a folder of pages with PAGE or ALTO files, or with tables \
             of corners (NAME.csv)",
            path.display()
        ))),
        false => Ok(pages),
    }
}

/// All pages of a training from files.
///
/// # Errors
/// As [`part`].
pub(super) fn all(config: &DetectionData, data: &Path) -> Result<[Vec<PageItem>; 3], Error> {
    let load = |split| part(config, data, split);
    let parts = [
        load(Split::Train)?,
        load(Split::Validation)?,
        load(Split::Test)?,
    ];
    check_sums(&config.sha256, data)?;
    Ok(parts)
}

/// Draws pages.
pub(super) struct Renderer {
    own: refrain_render::Renderer,
    seed: u64,
    pub identity: String,
}

impl Renderer {
    /// # Errors
    /// Folders without a usable font, texts that cannot be read, or invalid settings.
    pub fn new(config: &RenderPages, site: &Site) -> Result<Self, Error> {
        let inside = |path: &PathBuf| site.data.join(path);
        let folders: Vec<PathBuf> = config.fonts.iter().map(inside).collect();
        let options = FontOptions {
            alphabet: config.text.alphabet.clone(),
            ..FontOptions::default()
        };
        let fonts = Arc::new(Fonts::load(&folders, &options)?);
        let texts: Vec<PathBuf> = config.texts.iter().map(inside).collect();
        let source = TextSource::new(config.text.clone(), &texts)?;
        let settings = RenderConfig {
            text: config.text.clone(),
            style: config.style.clone(),
            degrade: config.degrade.clone(),
            page: config.page.clone(),
        };
        Ok(Self {
            own: refrain_render::Renderer::new(&fonts, Part::All, source, settings)?,
            seed: site.seed,
            identity: serde_json::to_string(config).unwrap_or_default(),
        })
    }

    /// Page number `number`; those for validation have other random numbers.
    pub fn page(&self, number: u64, validation: bool) -> PageItem {
        let seed = self.seed ^ if validation { 0x5641_4C49_4400_0000 } else { 0 };
        let page = self.own.page(seed, number);
        let lines: Vec<Quad> = page.lines.iter().map(|line| line.quad).collect();
        PageItem::new(format!("rendered {number}"), &page.image, &lines)
    }
}

/// A square part of a page, and the marks of its lines.
pub(super) struct Cut {
    /// `[S,S]`: 0 for paper, about 1 for ink.
    pub values: Vec<f32>,
    /// `[S/2,S/2]`: 1 in the cores of lines.
    pub marks: Vec<f32>,
}

/// Changes that leave every letter in its place.
pub(super) fn in_place(config: &DegradeConfig) -> DegradeConfig {
    let mut own = config.clone();
    for moving in [
        Degradation::Shear,
        Degradation::Rotation,
        Degradation::Crop,
        Degradation::Resample,
    ] {
        own.chance.insert(moving, 0.0);
    }
    own
}

/// A random part of a page: around one of its lines, in a random size.
pub(super) fn cut(
    page: &PageItem,
    config: &DetectionData,
    vary: Option<&DegradeConfig>,
    key: Key,
) -> Cut {
    let side = config.side;
    let [low, high] = config.scales;
    let scale = low * (high / low).powf(key.uniform_f32(0));
    // Three of four cuts are around a line; the others are anywhere.
    let centre = match page.lines.len() {
        count if count > 0 && key.uniform_f32(1) < 0.75 => {
            let line = &page.lines[(key.uniform_f32(2) * count as f32) as usize % count];
            let along = key.uniform_f32(3);
            Point {
                x: line.0[0].x + along * (line.0[2].x - line.0[0].x),
                y: line.0[0].y + along * (line.0[2].y - line.0[0].y),
            }
        }
        _ => Point {
            x: key.uniform_f32(4) * page.image.width() as f32,
            y: key.uniform_f32(5) * page.image.height() as f32,
        },
    };
    let reach = side as f32 / scale;
    let place = |centre: f32, size: usize, index: u64| {
        let first = centre - reach * key.uniform_f32(index);
        first.clamp(0.0, (size as f32 - reach).max(0.0)).floor()
    };
    let (left, top) = (
        place(centre.x, page.image.width(), 6),
        place(centre.y, page.image.height(), 7),
    );
    let taken = page.image.crop(Rect {
        x: left as usize,
        y: top as usize,
        width: reach.ceil() as usize,
        height: reach.ceil() as usize,
    });
    let part = scaled(&taken, scale);
    let part = match vary {
        Some(config) => changed(&part, config, key.uniform_f32(8).to_bits().into(), 0),
        None => part,
    };
    let mut values = vec![0.0; side * side];
    let inner = inks(&part);
    for y in 0..part.height().min(side) {
        let width = part.width().min(side);
        values[y * side..][..width].copy_from_slice(&inner[y * part.width()..][..width]);
    }
    let lines: Vec<Quad> = page
        .lines
        .iter()
        .map(|quad| {
            mapped(quad, |point| Point {
                x: (point.x - left) * scale,
                y: (point.y - top) * scale,
            })
        })
        .collect();
    Cut {
        values,
        marks: draw_map(&lines, side, side),
    }
}

/// Pixels as the model reads them: 0 for paper, about 1 for the darkest ink of a page.
pub(super) fn inks(image: &Gray) -> Vec<f32> {
    /// Least difference of paper and ink.
    const LEAST: i32 = 48;
    let mut counts = [0usize; 256];
    for &pixel in image.pixels() {
        counts[usize::from(pixel)] += 1;
    }
    let quantile = |share: f32| {
        let wanted = (image.pixels().len() as f32 * share) as usize;
        let mut sum = 0;
        let reached = counts.iter().position(|count| {
            sum += count;
            sum > wanted
        });
        reached.unwrap_or(255) as i32
    };
    let (ink, paper) = (quantile(0.02), quantile(0.8));
    let span = (paper - ink).max(LEAST) as f32;
    let value = |pixel: u8| ((paper - i32::from(pixel)) as f32 / span).clamp(-0.5, 1.5);
    let table: Vec<f32> = (0..=u8::MAX).map(value).collect();
    image
        .pixels()
        .iter()
        .map(|&pixel| table[usize::from(pixel)])
        .collect()
}
