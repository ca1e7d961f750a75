//! TIFF, page by page.

mod codec;
mod directory;

use hayro_ccitt::EncodingMode;
use image::metadata::Orientation;

use self::codec::Codec;
use self::directory::{Chain, Directory, Numbers, tag};
use crate::samples::{Alpha, Ink, Sheet, luma, narrow};
use crate::{ImageError, Limits, Page, jpeg};

const FORMAT: &str = "TIFF";

/// The pages of a file.
pub(crate) struct Tiff {
    bytes: Vec<u8>,
    chain: Chain,
    number: usize,
    limits: Limits,
}

impl Tiff {
    pub(crate) fn new(bytes: Vec<u8>, limits: Limits) -> Result<Self, ImageError> {
        let first = Numbers::new(&bytes).first().filter(|&first| first > 0);
        let first = first.ok_or_else(|| ImageError::Damaged {
            format: FORMAT,
            page: 1,
            reason: "it has no directory".to_owned(),
        })?;
        Ok(Self {
            bytes,
            chain: Chain::new(first),
            number: 0,
            limits,
        })
    }

    /// The next page; small copies and masks of pages are not pages.
    pub(crate) fn next(&mut self) -> Option<Result<Page, ImageError>> {
        let numbers = Numbers::new(&self.bytes);
        let directory = loop {
            let directory = self.chain.next(&numbers)?;
            let copy = directory
                .as_ref()
                .ok()
                .and_then(|directory| numbers.one(directory, tag::SUBFILE))
                .is_some_and(|kind| kind & 5 != 0);
            if !copy {
                break directory;
            }
        };
        self.number += 1;
        let page = self.number;
        Some(match directory {
            Ok(directory) => Layout::new(&numbers, &directory, page, &self.limits)
                .and_then(|layout| layout.read()),
            Err(reason) => Err(ImageError::Damaged {
                format: FORMAT,
                page,
                reason,
            }),
        })
    }
}

/// What the samples of a page stand for.
enum Colour {
    /// Of a greatest sample, and whether 0 is white.
    Gray {
        white_is_zero: bool,
    },
    /// Grey levels of the entries.
    Palette(Vec<u8>),
    Rgb,
    Cmyk,
    /// The first sample is luma.
    Luma,
}

/// A page: its size, and where its samples are.
struct Layout<'a> {
    numbers: &'a Numbers<'a>,
    directory: &'a Directory,
    page: usize,
    limits: &'a Limits,
    width: usize,
    height: usize,
    bits: usize,
    /// Samples of a pixel in the file.
    samples: usize,
    /// Samples of all pixels one after another, a colour at a time.
    planar: bool,
    colour: Colour,
    alpha: Alpha,
    /// None for JPEG.
    codec: Option<Codec>,
    /// Columns and rows of a strip or tile.
    chunk: (usize, usize),
    tiled: bool,
}

impl<'a> Layout<'a> {
    fn new(
        numbers: &'a Numbers<'a>,
        directory: &'a Directory,
        page: usize,
        limits: &'a Limits,
    ) -> Result<Self, ImageError> {
        let one = |tag: u16| numbers.one(directory, tag);
        let feature = |feature: String| ImageError::Feature {
            format: FORMAT,
            page,
            feature,
        };
        let (width, height) = limits.check(
            FORMAT,
            page,
            one(tag::WIDTH).unwrap_or(0),
            one(tag::HEIGHT).unwrap_or(0),
        )?;
        let samples = one(tag::SAMPLES).unwrap_or(1);
        let depths = numbers.all(directory, tag::BITS).unwrap_or_else(|| vec![1]);
        let (Some(&bits @ (1 | 2 | 4 | 8 | 16)), true) = (
            depths.first(),
            depths.windows(2).all(|pair| pair[0] == pair[1]),
        ) else {
            return Err(feature(format!("samples of {depths:?} bits")));
        };
        // CMYK with alpha has the most.
        if !(1..=5).contains(&samples) {
            return Err(feature(format!("{samples} samples a pixel")));
        }
        if let Some(kind @ (2 | 3 | 5..)) = one(tag::SAMPLE_FORMAT) {
            return Err(feature(format!(
                "samples of kind {kind}, which are no whole numbers from 0 on"
            )));
        }
        let codec = codec(
            one(tag::COMPRESSION).unwrap_or(1),
            one(tag::T4_OPTIONS).unwrap_or(0),
        )
        .map_err(feature)?;
        let samples = samples as usize;
        let colour = colour(numbers, directory, bits as u32, codec).map_err(feature)?;
        let needed = match colour {
            Colour::Gray { .. } | Colour::Palette(_) | Colour::Luma => 1,
            Colour::Rgb => 3,
            Colour::Cmyk => 4,
        };
        if samples < needed {
            return Err(feature(format!(
                "{samples} samples a pixel, but {needed} are a colour"
            )));
        }
        let alpha = match one(tag::EXTRA_SAMPLES) {
            Some(1) if samples > needed => Alpha::Multiplied,
            Some(2) if samples > needed => Alpha::Straight,
            _ => Alpha::None,
        };
        let tile = one(tag::TILE_WIDTH).zip(one(tag::TILE_HEIGHT));
        let chunk = match tile {
            Some((width, height)) => limits.check(FORMAT, page, width, height)?,
            None => {
                let rows = one(tag::ROWS_PER_STRIP).unwrap_or(u64::MAX);
                (width, rows.clamp(1, height as u64) as usize)
            }
        };
        Ok(Self {
            numbers,
            directory,
            page,
            limits,
            width,
            height,
            bits: bits as usize,
            samples,
            planar: samples > 1 && one(tag::PLANAR) == Some(2),
            colour,
            alpha,
            codec,
            chunk,
            tiled: tile.is_some(),
        })
    }

    fn damaged(&self, reason: String) -> ImageError {
        ImageError::Damaged {
            format: FORMAT,
            page: self.page,
            reason,
        }
    }

    fn read(&self) -> Result<Page, ImageError> {
        let ink = match self.colour {
            Colour::Gray { .. } | Colour::Palette(_) | Colour::Luma => Ink::Gray,
            Colour::Rgb => Ink::Rgb,
            Colour::Cmyk => Ink::Cmyk,
        };
        let places = self.places()?;
        let across = self.width.div_ceil(self.chunk.0);
        let down = self.height.div_ceil(self.chunk.1);
        let planes = if self.planar { self.samples } else { 1 };
        let chunks = across * down;
        if places.len() < chunks * planes {
            let reason = format!(
                "it has {} of {} strips or tiles",
                places.len(),
                chunks * planes
            );
            return Err(self.damaged(reason));
        }
        let mut sheet = Sheet::new(self.width, self.height, ink, self.alpha);
        for chunk in 0..chunks {
            let (left, top) = (chunk % across * self.chunk.0, chunk / across * self.chunk.1);
            let rows = match self.tiled {
                true => self.chunk.1,
                false => self.chunk.1.min(self.height - top),
            };
            let planes: Vec<Vec<u8>> = (0..planes)
                .map(|plane| {
                    let at = plane * chunks + chunk;
                    let (offset, length) = places[at];
                    self.decode(offset, length, rows)
                        .map_err(|error| match error {
                            ImageError::Damaged { reason, .. } => {
                                self.damaged(format!("strip or tile {at}: {reason}"))
                            }
                            other => other,
                        })
                })
                .collect::<Result<_, _>>()?;
            let mut samples = Vec::new();
            for y in 0..rows.min(self.height - top) {
                samples.clear();
                self.unpack(&planes, y, &mut samples);
                sheet.write(left, top + y, &samples);
            }
        }
        Ok(self.finish(Page::new(sheet, self.page)))
    }

    /// Where the strips or tiles begin, and their lengths, none where the file leaves them out.
    fn places(&self) -> Result<Vec<(u64, Option<u64>)>, ImageError> {
        let (offsets, lengths) = match self.tiled {
            true => (tag::TILE_OFFSETS, tag::TILE_BYTES),
            false => (tag::STRIP_OFFSETS, tag::STRIP_BYTES),
        };
        let offsets = self
            .numbers
            .all(self.directory, offsets)
            .ok_or_else(|| self.damaged("it has no image data".to_owned()))?;
        let lengths = self.numbers.all(self.directory, lengths);
        let lengths = lengths.unwrap_or_default();
        let places = offsets.into_iter().enumerate();
        Ok(places
            .map(|(i, offset)| (offset, lengths.get(i).copied()))
            .collect())
    }

    /// Samples of a pixel in one strip or tile.
    fn step(&self) -> usize {
        if self.planar { 1 } else { self.samples }
    }

    /// The bytes of a strip or tile, `rows` rows of whole bytes.
    fn decode(&self, offset: u64, length: Option<u64>, rows: usize) -> Result<Vec<u8>, ImageError> {
        let bytes = self.numbers.bytes;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = match length {
            Some(length) => start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)),
            None => bytes.len(),
        };
        let data = bytes.get(start..end).ok_or_else(|| {
            self.damaged(format!(
                "it goes from byte {start} to {end} of {}",
                bytes.len()
            ))
        })?;
        let Some(codec) = self.codec else {
            return self.decode_jpeg(data, rows);
        };
        let lowest_first = self.numbers.one(self.directory, tag::FILL_ORDER) == Some(2);
        let data = codec::reversed(data, lowest_first);
        let row = (self.chunk.0 * self.step() * self.bits).div_ceil(8);
        let mut out = codec::decode(codec, &data, row, rows, self.chunk.0)
            .map_err(|reason| self.damaged(reason))?;
        match self.numbers.one(self.directory, tag::PREDICTOR) {
            None | Some(1) => Ok(out),
            Some(2) if self.bits >= 8 => {
                for row in out.chunks_exact_mut(row) {
                    codec::add_up(row, self.step(), self.bits, self.numbers.big_endian);
                }
                Ok(out)
            }
            Some(predictor) => Err(ImageError::Feature {
                format: FORMAT,
                page: self.page,
                feature: format!("predictor {predictor} for samples of {} bits", self.bits),
            }),
        }
    }

    /// TIFF Technical Note 2: the tables of all strips are in the directory.
    fn decode_jpeg(&self, data: &[u8], rows: usize) -> Result<Vec<u8>, ImageError> {
        let tables = self.numbers.content(self.directory, tag::JPEG_TABLES);
        let joined;
        let data = match (tables, data) {
            (Some([0xff, 0xd8, tables @ .., 0xff, 0xd9]), [0xff, 0xd8, data @ ..]) => {
                joined = [&[0xff, 0xd8], tables, data].concat();
                &joined[..]
            }
            _ => data,
        };
        let image = jpeg::raw(data, self.page, self.limits)?;
        let (width, step) = (self.chunk.0, self.step());
        if image.width != width || image.height < rows || image.step != step || self.bits != 8 {
            return Err(self.damaged(format!(
                "its JPEG has {} by {} pixels of {} samples, not {width} by {rows} of {step}",
                image.width, image.height, image.step
            )));
        }
        Ok(image.values)
    }

    /// Row y of a strip or tile as samples of 8 bits, in the order of [`Sheet`].
    fn unpack(&self, planes: &[Vec<u8>], y: usize, out: &mut Vec<u8>) {
        let (columns, step) = (self.chunk.0, self.step());
        let row = (columns * step * self.bits).div_ceil(8);
        let rows: Vec<&[u8]> = planes
            .iter()
            .map(|plane| &plane[y * row..][..row])
            .collect();
        let sample = |x: usize, k: usize| -> u16 {
            let (row, at) = match self.planar {
                true => (rows[k], x),
                false => (rows[0], x * step + k),
            };
            match self.bits {
                8 => row[at].into(),
                16 => {
                    let pair = [row[2 * at], row[2 * at + 1]];
                    match self.numbers.big_endian {
                        true => u16::from_be_bytes(pair),
                        false => u16::from_le_bytes(pair),
                    }
                }
                bits => {
                    let shift = 8 - bits - at * bits % 8;
                    u16::from(row[at * bits / 8] >> shift) & ((1 << bits) - 1)
                }
            }
        };
        let full = |value: u16| match self.bits {
            8 => value as u8,
            16 => narrow(value),
            bits => (u32::from(value) * 255 / ((1 << bits) - 1)) as u8,
        };
        for x in 0..columns.min(self.width) {
            let colours = match &self.colour {
                Colour::Palette(levels) => {
                    out.push(levels[usize::from(sample(x, 0))]);
                    1
                }
                Colour::Gray { white_is_zero } => {
                    let value = full(sample(x, 0));
                    out.push(if *white_is_zero { 255 - value } else { value });
                    1
                }
                Colour::Luma => {
                    out.push(full(sample(x, 0)));
                    1
                }
                Colour::Rgb => {
                    out.extend((0..3).map(|k| full(sample(x, k))));
                    3
                }
                Colour::Cmyk => {
                    out.extend((0..4).map(|k| full(sample(x, k))));
                    4
                }
            };
            if self.alpha != Alpha::None {
                out.push(full(sample(x, colours)));
            }
        }
    }

    /// Resolution, square pixels, orientation.
    fn finish(&self, mut page: Page) -> Page {
        let unit = match self.numbers.one(self.directory, tag::RESOLUTION_UNIT) {
            None | Some(2) => Some(1.0),
            Some(3) => Some(2.54),
            _ => None,
        };
        let ratio = |tag: u16| self.numbers.ratio(self.directory, tag);
        let (x, y) = (ratio(tag::X_RESOLUTION), ratio(tag::Y_RESOLUTION));
        if let (Some(x), Some(y)) = (x, y) {
            page = self.square(page, x, y);
        }
        let most = x.map(|x| x.max(y.unwrap_or(0.0)));
        let dpi = most.zip(unit).map(|(value, unit)| value * unit);
        let orientation = self.numbers.one(self.directory, tag::ORIENTATION);
        let orientation = orientation
            .and_then(|value| Orientation::from_exif(value as u8))
            .unwrap_or(Orientation::NoTransforms);
        page.with_dpi(dpi).upright(orientation)
    }

    /// Fax has rows at half the resolution of columns: the lesser resolution is raised to the other.
    fn square(&self, mut page: Page, x: f32, y: f32) -> Page {
        let stretch = (x / y).max(y / x);
        if !(1.1..=4.0).contains(&stretch) {
            return page;
        }
        let (mut width, mut height) = (self.width, self.height);
        match x < y {
            true => width = (width as f32 * stretch).round() as usize,
            false => height = (height as f32 * stretch).round() as usize,
        }
        let fits = self
            .limits
            .check(FORMAT, self.page, width as u64, height as u64);
        if fits.is_ok() {
            page.image = page.image.resize(width, height);
            page.warnings.push(format!(
                "The file has {x} by {y} pixels per unit of length, so the page was stretched to square pixels."
            ));
        }
        page
    }
}

/// The compression of a page, none for JPEG, or its name if it is not supported.
fn codec(compression: u64, options: u64) -> Result<Option<Codec>, String> {
    Ok(Some(match compression {
        1 => Codec::None,
        2 => Codec::Fax {
            mode: EncodingMode::Group3_1D,
            aligned: true,
        },
        3 => Codec::Fax {
            mode: match options & 1 {
                0 => EncodingMode::Group3_1D,
                _ => EncodingMode::Group3_2D,
            },
            aligned: false,
        },
        4 => Codec::Fax {
            mode: EncodingMode::Group4,
            aligned: false,
        },
        5 => Codec::Lzw,
        7 => return Ok(None),
        8 | 32_946 => Codec::Deflate,
        32_773 => Codec::PackBits,
        6 => return Err("JPEG of the kind before 1995".to_owned()),
        other => return Err(format!("compression {other}")),
    }))
}

fn colour(
    numbers: &Numbers,
    directory: &Directory,
    bits: u32,
    codec: Option<Codec>,
) -> Result<Colour, String> {
    let gray = |white_is_zero| Ok(Colour::Gray { white_is_zero });
    match numbers.one(directory, tag::PHOTOMETRIC) {
        Some(0) => gray(true),
        Some(1) => gray(false),
        // Fax has black on white unless the file says otherwise.
        None => gray(matches!(codec, Some(Codec::Fax { .. }))),
        Some(2) => Ok(Colour::Rgb),
        Some(3) => {
            let map = numbers.all(directory, tag::COLOR_MAP).unwrap_or_default();
            let size = 1usize << bits;
            if map.len() < 3 * size {
                return Err(format!(
                    "a palette of {} numbers, not {}",
                    map.len(),
                    3 * size
                ));
            }
            // Writers give 8 bits as v, 256 v or 257 v.
            let short = map.iter().all(|&value| value < 256);
            let level = |at: usize| {
                if short {
                    map[at] as u8
                } else {
                    (map[at] >> 8) as u8
                }
            };
            let levels = (0..size).map(|i| luma(level(i), level(size + i), level(2 * size + i)));
            Ok(Colour::Palette(levels.collect()))
        }
        Some(5) => Ok(Colour::Cmyk),
        Some(6) => {
            let steps = numbers.all(directory, tag::SUBSAMPLING);
            let full = steps.is_some_and(|steps| steps.iter().all(|&step| step == 1));
            match codec.is_none() || full {
                true => Ok(Colour::Luma),
                false => Err("colours at a lesser resolution outside of JPEG".to_owned()),
            }
        }
        Some(other) => Err(format!("colours of kind {other}")),
    }
}
