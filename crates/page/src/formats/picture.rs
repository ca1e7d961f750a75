//! Page images for a PDF.

use super::FormatError;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use refrain_image::{Gray, ImageError};
use std::io::Write;

/// The displayed page.
#[derive(Clone, Copy, Debug)]
pub enum PageImage<'a> {
    /// Grey. An image of black and white only is written with one bit a pixel.
    Gray(&'a Gray),
    /// Colour: three bytes a pixel, red, green, blue, row by row.
    Rgb {
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
        /// `[height,width,3]`
        pixels: &'a [u8],
    },
    /// A JPEG file whose pixels lie as the page is displayed. It is written as it is.
    Jpeg(&'a [u8]),
}

/// Image data as a PDF holds them.
pub(super) struct Picture {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) bits: u8,
    /// Numbers of a pixel: 1 grey, 3 colour, 4 cyan, magenta, yellow and black.
    pub(super) colours: u8,
    /// The four colours are stored as their complements.
    pub(super) inverted: bool,
    /// JPEG; otherwise Flate.
    pub(super) jpeg: bool,
    /// The PNG predictor is in use.
    pub(super) predicted: bool,
    pub(super) bytes: Vec<u8>,
}

impl PageImage<'_> {
    /// Compresses the image; `jpeg` is the quality for grey and colour, without it every pixel is kept.
    pub(super) fn compress(&self, jpeg: Option<u8>) -> Result<Picture, FormatError> {
        match *self {
            Self::Jpeg(bytes) => as_it_is(bytes),
            Self::Gray(image) => {
                let pixels = image.pixels();
                let (width, height) = (image.width(), image.height());
                if pixels.iter().all(|p| matches!(p, 0 | 255)) {
                    return Ok(bilevel(width, height, pixels));
                }
                compress(width, height, 1, pixels, jpeg)
            }
            Self::Rgb {
                width,
                height,
                pixels,
            } => {
                let count = width.checked_mul(height).and_then(|n| n.checked_mul(3));
                if count != Some(pixels.len()) {
                    return Err(FormatError::Image(ImageError::Size {
                        width,
                        height,
                        pixels: pixels.len() / 3,
                    }));
                }
                compress(width, height, 3, pixels, jpeg)
            }
        }
    }
}

/// Grey or colour as a JPEG, or without loss where that is wanted or JPEG cannot hold the size.
fn compress(
    width: usize,
    height: usize,
    colours: u8,
    pixels: &[u8],
    jpeg: Option<u8>,
) -> Result<Picture, FormatError> {
    let picture = |jpeg: bool, bytes: Vec<u8>| Picture {
        width,
        height,
        bits: 8,
        colours,
        inverted: false,
        jpeg,
        predicted: !jpeg,
        bytes,
    };
    if let (Some(quality), Ok(w @ 1..), Ok(h @ 1..)) =
        (jpeg, u16::try_from(width), u16::try_from(height))
    {
        let kind = match colours {
            1 => ExtendedColorType::L8,
            _ => ExtendedColorType::Rgb8,
        };
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100))
            .encode(pixels, w.into(), h.into(), kind)
            .map_err(|error| ImageError::Encode {
                format: "JPEG",
                width,
                height,
                reason: error.to_string(),
            })?;
        return Ok(picture(true, bytes));
    }
    // Each row is stored as its difference to the row above ("Up" of PNG).
    let row = width * usize::from(colours);
    let above = std::iter::once(vec![0; row]).chain(pixels.chunks(row.max(1)).map(<[u8]>::to_vec));
    let rows = pixels.chunks(row.max(1)).zip(above).map(|(now, above)| {
        let differences = now.iter().zip(above).map(|(a, b)| a.wrapping_sub(b));
        std::iter::once(2).chain(differences).collect()
    });
    Ok(picture(false, flate(rows)))
}

/// One bit a pixel, 1 for white, rows filled to whole bytes.
fn bilevel(width: usize, height: usize, pixels: &[u8]) -> Picture {
    let rows = pixels.chunks(width.max(1)).map(|row| {
        let bytes = row.chunks(8).map(|pixels| {
            let bits = pixels.iter().enumerate();
            bits.fold(0, |byte, (i, pixel)| byte | ((pixel & 0x80) >> i))
        });
        bytes.collect()
    });
    Picture {
        width,
        height,
        bits: 1,
        colours: 1,
        inverted: false,
        jpeg: false,
        predicted: false,
        bytes: flate(rows),
    }
}

/// Rows compressed one after the other.
fn flate(rows: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    for row in rows {
        // A vector takes every write.
        let _ = encoder.write_all(&row);
    }
    encoder.finish().unwrap_or_default()
}

/// Bytes compressed.
pub(super) fn deflate(bytes: &[u8]) -> Vec<u8> {
    flate(std::iter::once(bytes.to_vec()))
}

/// A JPEG file with the size and colours that its frame header states (ITU T.81, B.2.2).
fn as_it_is(bytes: &[u8]) -> Result<Picture, FormatError> {
    let fault = |reason| FormatError::Jpeg { reason };
    if !bytes.starts_with(&[0xff, 0xd8]) {
        return Err(fault("it does not begin as one"));
    }
    let mut rest = &bytes[2..];
    let mut adobe = false;
    loop {
        // Markers may be preceded by fill bytes.
        let fill = rest.iter().take_while(|b| **b == 0xff).count();
        let (&marker, after) = rest[fill..]
            .split_first()
            .filter(|_| fill > 0)
            .ok_or_else(|| fault("it has no frame header"))?;
        if matches!(marker, 0x01 | 0xd0..=0xd8) {
            rest = after;
            continue;
        }
        let length = after
            .first_chunk::<2>()
            .map(|b| usize::from(u16::from_be_bytes(*b)));
        let segment = length.filter(|n| *n >= 2).and_then(|n| after.get(2..n));
        let (length, segment) = length
            .zip(segment)
            .ok_or_else(|| fault("it ends within its headers"))?;
        match (marker, segment) {
            (0xee, [b'A', b'd', b'o', b'b', b'e', ..]) => adobe = true,
            (0xda | 0xd9, _) => return Err(fault("it has no frame header")),
            // Baseline, extended and progressive frames, by Huffman codes.
            (0xc0..=0xc2, &[bits, h1, h0, w1, w0, colours, ..]) => {
                let (height, width) = (u16::from_be_bytes([h1, h0]), u16::from_be_bytes([w1, w0]));
                return match (bits, colours) {
                    (8, 1 | 3 | 4) => Ok(Picture {
                        width: width.into(),
                        height: height.into(),
                        bits,
                        colours,
                        inverted: adobe && colours == 4,
                        jpeg: true,
                        predicted: false,
                        bytes: bytes.to_vec(),
                    }),
                    _ => Err(fault("it has not 8 bits in 1, 3 or 4 colours")),
                };
            }
            (0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf, _) => {
                return Err(fault("its kind of compression is not that of a PDF"));
            }
            _ => {}
        }
        rest = &after[length..];
    }
}
