//! PDF, drawn page by page.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use hayro::hayro_interpret::InterpreterSettings;
use hayro::hayro_syntax::object::dict::keys::{HEIGHT, RESOURCES, SUBTYPE, WIDTH, XOBJECT};
use hayro::hayro_syntax::object::{Dict, Name, Stream};
use hayro::hayro_syntax::{LoadPdfError, Pdf as Document};
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings, render};

use crate::samples::{Alpha, Ink, Sheet};
use crate::{ImageError, Limits, Page};

const FORMAT: &str = "PDF";

/// Pixels per inch of a page that is within the limits.
const DPI: f32 = 300.0;

/// The least resolution at which a large page is still drawn.
const LEAST_DPI: f32 = 100.0;

/// Points per inch: PDF 2.0, section 8.3.2.3.
const POINTS: f32 = 72.0;

/// Pixels of a side, at most: the renderer counts in 16 bits.
const LONGEST: f32 = 65_000.0;

/// Part of a pixel that keeps the renderer, which rounds sizes down, from losing a row.
const ROUNDING: f32 = 0.02;

/// Forms within forms that are searched for images.
const DEPTH: usize = 16;

/// The pages of a file.
pub(crate) struct Pdf {
    document: Document,
    /// Pages given.
    given: usize,
    limits: Limits,
}

impl Pdf {
    pub(crate) fn new(bytes: Vec<u8>, limits: Limits) -> Result<Self, ImageError> {
        let damaged = |reason: &str| ImageError::Damaged {
            format: FORMAT,
            page: 1,
            reason: reason.to_owned(),
        };
        let document = contained(|| Document::new(bytes))
            .ok_or_else(|| damaged("its reader failed"))?
            .map_err(|error| match error {
                LoadPdfError::Decryption(_) => ImageError::Kind {
                    kind: "a PDF with a password",
                    hint: "save it without a password",
                },
                LoadPdfError::Invalid => damaged("it has no table of objects"),
            })?;
        match contained(|| document.pages().is_empty()) {
            Some(false) => Ok(Self {
                document,
                given: 0,
                limits,
            }),
            _ => Err(damaged("it has no pages")),
        }
    }

    /// The next page.
    pub(crate) fn next(&mut self) -> Option<Result<Page, ImageError>> {
        self.document.pages().get(self.given)?;
        self.given += 1;
        let number = self.given;
        let failed = || ImageError::Damaged {
            format: FORMAT,
            page: number,
            reason: "its drawing failed".to_owned(),
        };
        Some(contained(|| self.draw(number)).unwrap_or_else(|| Err(failed())))
    }

    fn draw(&self, number: usize) -> Result<Page, ImageError> {
        let page = &self.document.pages()[number - 1];
        self.check_images(&page.resources().x_objects, number, 0, &mut HashSet::new())?;
        let (width, height) = page.render_dimensions();
        let dpi = self.resolution(width, height);
        let pixels = |points: f32| {
            let pixels = points * dpi / POINTS;
            // Up to the limit where that decides.
            if dpi < DPI {
                pixels as u64
            } else {
                pixels.round() as u64
            }
        };
        let (columns, rows) = (pixels(width), pixels(height));
        let (columns, rows) = self.limits.check(FORMAT, number, columns, rows)?;
        if dpi < LEAST_DPI || columns.max(rows) > usize::from(u16::MAX) {
            return Err(ImageError::Large {
                page: number,
                width: (width * DPI / POINTS) as u64,
                height: (height * DPI / POINTS) as u64,
                limit: self.limits.pixels,
            });
        }
        let pixels = render(
            page,
            &RenderCache::new(),
            &InterpreterSettings::default(),
            &RenderSettings::default(),
            &PixmapSettings {
                x_scale: (columns as f32 + ROUNDING) / width,
                y_scale: (rows as f32 + ROUNDING) / height,
                bg_color: WHITE,
            },
        );
        let (columns, rows) = (usize::from(pixels.width()), usize::from(pixels.height()));
        let mut sheet = Sheet::new(columns, rows, Ink::Rgb, Alpha::None);
        let mut opaque = Vec::with_capacity(3 * columns);
        for (y, row) in pixels.data().chunks_exact(columns.max(1)).enumerate() {
            opaque.clear();
            opaque.extend(row.iter().flat_map(|pixel| [pixel.r, pixel.g, pixel.b]));
            sheet.write(0, y, &opaque);
        }
        let mut page = Page::new(sheet, number).with_dpi(Some(dpi));
        if dpi < DPI {
            page.warnings.push(format!(
                "The page is so large that it was drawn at {dpi:.0} dpi instead of {DPI:.0}."
            ));
        }
        Ok(page)
    }

    /// 300 dpi, or as much as the limits allow for a page of `width` by `height` points.
    fn resolution(&self, width: f32, height: f32) -> f32 {
        let area = POINTS * (self.limits.pixels as f32 / (width * height)).sqrt();
        let side = POINTS * LONGEST / width.max(height);
        DPI.min(area).min(side)
    }

    /// No image of a page, and of the forms that it draws, is above the limit: the renderer has none of its own.
    fn check_images(
        &self,
        objects: &Dict<'_>,
        page: usize,
        depth: usize,
        seen: &mut HashSet<Vec<u8>>,
    ) -> Result<(), ImageError> {
        for name in objects.keys() {
            let Some(stream) = objects.get::<Stream<'_>>(&name) else {
                continue;
            };
            let dict = stream.dict();
            match dict.get::<Name<'_>>(SUBTYPE).as_deref() {
                Some(b"Image") => {
                    let size = |key: &[u8]| dict.get::<u32>(key).unwrap_or(0).max(1).into();
                    self.limits.check(FORMAT, page, size(WIDTH), size(HEIGHT))?;
                }
                Some(b"Form") if depth < DEPTH => {
                    let inner = dict.get::<Dict<'_>>(RESOURCES);
                    let inner = inner.and_then(|resources| resources.get::<Dict<'_>>(XOBJECT));
                    if let Some(inner) = inner
                        && seen.insert(inner.data().to_vec())
                    {
                        self.check_images(&inner, page, depth + 1, seen)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A call into the renderer, which is young: if it panics, that ends the page and not the program.
fn contained<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}
