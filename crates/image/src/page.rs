//! Pages of files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use image::metadata::Orientation;

use crate::pdf::Pdf;
use crate::samples::Sheet;
use crate::tiff::Tiff;
use crate::{Gray, ImageError, kind, picture};

/// Bounds on the input, checked before memory is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pixels of a page, at most.
    pub pixels: usize,
    /// Bytes of a file, at most.
    pub bytes: usize,
}

impl Default for Limits {
    /// 120 megapixels, which is A1 at 300 dpi with room to spare, and 1 GiB.
    fn default() -> Self {
        Self {
            pixels: 120_000_000,
            bytes: 1 << 30,
        }
    }
}

impl Limits {
    /// The size of page `page` as two numbers of this machine, if it is within the limit and has an area.
    pub(crate) fn check(
        &self,
        format: &'static str,
        page: usize,
        width: u64,
        height: u64,
    ) -> Result<(usize, usize), ImageError> {
        if width == 0 || height == 0 {
            return Err(ImageError::Damaged {
                format,
                page,
                reason: format!("its size is {width} by {height}"),
            });
        }
        match width.checked_mul(height) {
            Some(pixels) if pixels <= self.pixels as u64 => Ok((width as usize, height as usize)),
            _ => Err(ImageError::Large {
                page,
                width,
                height,
                limit: self.pixels,
            }),
        }
    }
}

/// A page of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The page as people see it: upright by the orientation that the file gives.
    pub image: Gray,
    /// Pixels per inch, if the file tells.
    pub dpi: Option<f32>,
    /// Quarter turns, 0 to 3, by which the pixels of the file were turned clockwise to make [`Page::image`].
    pub turned: i32,
    /// Number of the page in its file, from 1.
    pub number: usize,
    /// What a reader of the text should know about the page, one sentence each.
    pub warnings: Vec<String>,
}

impl Page {
    pub(crate) fn new(sheet: Sheet, number: usize) -> Self {
        let (image, black) = sheet.finish();
        let warning = "The page is blank on white paper, so it was put on black.";
        Self {
            image,
            dpi: None,
            turned: 0,
            number,
            warnings: black.then(|| warning.to_owned()).into_iter().collect(),
        }
    }

    /// With a resolution, if it is a possible one.
    pub(crate) fn with_dpi(mut self, dpi: Option<f32>) -> Self {
        self.dpi = dpi.filter(|dpi| (10.0..10_000.0).contains(dpi));
        self
    }

    /// Upright by an orientation of EXIF.
    pub(crate) fn upright(mut self, orientation: Orientation) -> Self {
        let (turned, mirrored) = match orientation {
            Orientation::NoTransforms => (0, false),
            Orientation::FlipHorizontal => (0, true),
            Orientation::Rotate180 => (2, false),
            Orientation::FlipVertical => (2, true),
            Orientation::Rotate90FlipH => (1, true),
            Orientation::Rotate90 => (1, false),
            Orientation::Rotate270FlipH => (3, true),
            Orientation::Rotate270 => (3, false),
        };
        if turned != 0 {
            self.image = self.image.turned(turned);
            self.turned = turned;
        }
        if mirrored {
            self.image = self.image.mirrored();
            let warning = "The file says that its pixels are mirrored, so they were mirrored back.";
            self.warnings.push(warning.to_owned());
        }
        self
    }
}

/// The pages of a file, one after another; only one is in memory at a time. A page that cannot be read is an error, and
/// the pages after it still come.
pub struct Pages(Source);

enum Source {
    Picture(Option<Vec<u8>>, kind::Picture, Limits),
    Tiff(Box<Tiff>),
    Pdf(Box<Pdf>),
}

impl Pages {
    /// The pages of a file on disk. The format follows from the first bytes, not from the name.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, ImageError> {
        let io = |source| ImageError::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        let mut bytes = Vec::new();
        let most = u64::try_from(limits.bytes).unwrap_or(u64::MAX);
        file.take(most.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(io)?;
        Self::of(bytes, limits)
    }

    /// The pages of a file in memory.
    pub fn of(bytes: Vec<u8>, limits: &Limits) -> Result<Self, ImageError> {
        if bytes.len() > limits.bytes {
            return Err(ImageError::LongFile {
                limit: limits.bytes,
            });
        }
        Ok(Self(match kind::of(&bytes)? {
            kind::Kind::Picture(picture) => Source::Picture(Some(bytes), picture, *limits),
            kind::Kind::Tiff => Source::Tiff(Box::new(Tiff::new(bytes, *limits)?)),
            kind::Kind::Pdf => Source::Pdf(Box::new(Pdf::new(bytes, *limits)?)),
        }))
    }
}

impl Iterator for Pages {
    type Item = Result<Page, ImageError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Source::Picture(bytes, kind, limits) => {
                let bytes = bytes.take()?;
                Some(picture::read(&bytes, *kind, limits))
            }
            Source::Tiff(tiff) => tiff.next(),
            Source::Pdf(pdf) => pdf.next(),
        }
    }
}

impl std::iter::FusedIterator for Pages {}
