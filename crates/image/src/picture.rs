//! Files with one page: PNG, JPEG, PNM, BMP, GIF, WebP.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader};

use crate::kind::Picture;
use crate::samples::{Alpha, Ink, Sheet, narrow};
use crate::{ImageError, Limits, Page, jpeg};

/// Bytes that a decoder may take beside the pixels.
const BESIDE: usize = 1 << 26;

/// The page of a file.
pub(crate) fn read(bytes: &[u8], kind: Picture, limits: &Limits) -> Result<Page, ImageError> {
    match kind {
        Picture::Png => png(bytes, limits),
        Picture::Jpeg => jpeg::read(bytes, limits),
        Picture::Other(format, name) => {
            let damaged = |error: image::ImageError| damaged(name, error);
            let mut decoder = ImageReader::with_format(Cursor::new(bytes), format)
                .into_decoder()
                .map_err(damaged)?;
            let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
            let sheet = decode(decoder, name, limits)?;
            Ok(Page::new(sheet, 1).upright(orientation))
        }
    }
}

fn damaged(format: &'static str, error: impl std::fmt::Display) -> ImageError {
    ImageError::Damaged {
        format,
        page: 1,
        reason: error.to_string(),
    }
}

/// An image by the crate `image`, which gives samples over the full range of 8 or 16 bits.
fn decode(
    mut decoder: impl ImageDecoder,
    format: &'static str,
    limits: &Limits,
) -> Result<Sheet, ImageError> {
    let (width, height) = decoder.dimensions();
    let (width, height) = limits.check(format, 1, width.into(), height.into())?;
    let mut allowed = image::Limits::no_limits();
    // A decoder may hold a second copy of the pixels, 4 samples of 16 bits each.
    allowed.max_alloc = Some((16 * width as u64 * height as u64).saturating_add(BESIDE as u64));
    decoder
        .set_limits(allowed)
        .map_err(|error| damaged(format, error))?;
    let image = DynamicImage::from_decoder(decoder).map_err(|error| damaged(format, error))?;
    let (ink, alpha) = match (image.color().has_color(), image.color().has_alpha()) {
        (false, false) => (Ink::Gray, Alpha::None),
        (false, true) => (Ink::Gray, Alpha::Straight),
        (true, false) => (Ink::Rgb, Alpha::None),
        (true, true) => (Ink::Rgb, Alpha::Straight),
    };
    let mut sheet = Sheet::new(width, height, ink, alpha);
    let row = width * sheet.samples();
    let bytes = image.as_bytes();
    match usize::from(image.color().bytes_per_pixel()) / sheet.samples() {
        1 => {
            for (y, samples) in bytes.chunks_exact(row).enumerate() {
                sheet.write(0, y, samples);
            }
        }
        2 => {
            let scale = |pair: &[u8; 2]| narrow(u16::from_ne_bytes(*pair));
            for (y, samples) in bytes.chunks_exact(2 * row).enumerate() {
                let (pairs, _) = samples.as_chunks::<2>();
                sheet.write(0, y, &pairs.iter().map(scale).collect::<Vec<_>>());
            }
        }
        _ => {
            return Err(ImageError::Feature {
                format,
                page: 1,
                feature: "samples of floating point".to_owned(),
            });
        }
    }
    Ok(sheet)
}

/// PNG, row by row.
fn png(bytes: &[u8], limits: &Limits) -> Result<Page, ImageError> {
    let damaged = |error: png::DecodingError| damaged("PNG", error);
    let mut decoder =
        png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: BESIDE });
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(png::Transformations::EXPAND);
    let header = decoder.read_header_info().map_err(damaged)?;
    let (width, height) = limits.check("PNG", 1, header.width.into(), header.height.into())?;
    // The rows that a decoder holds.
    decoder.set_limits(png::Limits {
        bytes: 32 * width + BESIDE,
    });
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (colour, depth) = reader.output_color_type();
    let (ink, alpha) = match colour {
        png::ColorType::Grayscale => (Ink::Gray, Alpha::None),
        png::ColorType::GrayscaleAlpha => (Ink::Gray, Alpha::Straight),
        png::ColorType::Rgb | png::ColorType::Indexed => (Ink::Rgb, Alpha::None),
        png::ColorType::Rgba => (Ink::Rgb, Alpha::Straight),
    };
    let mut sheet = Sheet::new(width, height, ink, alpha);
    let mut write = |y: usize, row: &[u8]| match depth {
        png::BitDepth::Sixteen => {
            let (pairs, _) = row.as_chunks::<2>();
            let narrowed = pairs.iter().map(|pair| narrow(u16::from_be_bytes(*pair)));
            sheet.write(0, y, &narrowed.collect::<Vec<_>>());
        }
        _ => sheet.write(0, y, row),
    };
    if reader.info().interlaced {
        let row = reader.output_line_size(width as u32).unwrap_or(0);
        let mut frame = vec![0; row * height];
        reader.next_frame(&mut frame).map_err(damaged)?;
        for (y, row) in frame.chunks_exact(row.max(1)).enumerate() {
            write(y, row);
        }
    } else {
        for y in 0..height {
            match reader.next_row().map_err(damaged)? {
                Some(row) => write(y, row.data()),
                None => {
                    return Err(ImageError::Damaged {
                        format: "PNG",
                        page: 1,
                        reason: format!("it has {y} of {height} rows"),
                    });
                }
            }
        }
    }
    let dpi = reader
        .info()
        .pixel_dims
        .filter(|size| size.unit == png::Unit::Meter)
        .map(|size| size.xppu as f32 * 0.0254);
    let orientation = reader
        .info()
        .exif_metadata
        .as_deref()
        .and_then(Orientation::from_exif_chunk)
        .unwrap_or(Orientation::NoTransforms);
    Ok(Page::new(sheet, 1).with_dpi(dpi).upright(orientation))
}
