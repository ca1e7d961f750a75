//! JPEG.

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::samples::{Alpha, Ink, Sheet};
use crate::{Gray, ImageError, Limits, Page};

impl Gray {
    /// The image as a JPEG file of `quality` 1 to 100; a JPEG has 1 to 65,535 pixels in each direction.
    pub fn to_jpeg(&self, quality: u8) -> Result<Vec<u8>, ImageError> {
        let (width, height) = (self.width(), self.height());
        let (Ok(columns @ 1..), Ok(rows @ 1..)) = (u16::try_from(width), u16::try_from(height))
        else {
            return Err(ImageError::JpegSize { width, height });
        };
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100))
            .encode(
                self.pixels(),
                columns.into(),
                rows.into(),
                ExtendedColorType::L8,
            )
            .map_err(|error| ImageError::Encode {
                format: "a JPEG",
                width,
                height,
                reason: error.to_string(),
            })?;
        Ok(bytes)
    }

    /// The image of a JPEG file in memory, within the default [`Limits`], turned by its orientation.
    pub fn from_jpeg(bytes: &[u8]) -> Result<Self, ImageError> {
        Ok(read(bytes, &Limits::default())?.image)
    }
}

/// The samples of a JPEG, as asked for.
pub(crate) struct Samples {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Samples of a pixel.
    pub(crate) step: usize,
    /// `[height,width,step]`
    pub(crate) values: Vec<u8>,
}

/// The decoder after it has read the header, and the size, which is within the limits.
fn header<'a>(
    bytes: &'a [u8],
    format: &'static str,
    page: usize,
    limits: &Limits,
) -> Result<(JpegDecoder<ZCursor<&'a [u8]>>, usize, usize), ImageError> {
    let damaged = |reason: String| ImageError::Damaged {
        format,
        page,
        reason,
    };
    // The size that a JPEG can have; `limits` is what bounds it.
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(65_535)
        .set_max_height(65_535);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder
        .decode_headers()
        .map_err(|error| damaged(error.to_string()))?;
    let info = decoder
        .info()
        .ok_or_else(|| damaged("it has no header".to_owned()))?;
    let (width, height) = limits.check(format, page, info.width.into(), info.height.into())?;
    if !is_whole(bytes) {
        return Err(damaged("it ends before its image does".to_owned()));
    }
    Ok((decoder, width, height))
}

/// Decodes to `out`, or to the colours of the file if `out` is none.
fn samples(
    mut decoder: JpegDecoder<ZCursor<&[u8]>>,
    out: Option<ColorSpace>,
    (width, height): (usize, usize),
) -> Result<Samples, String> {
    let stored = decoder.input_colorspace().unwrap_or(ColorSpace::Luma);
    let out = out.unwrap_or(stored);
    decoder.set_options(decoder_options(&decoder, out));
    let values = decoder.decode().map_err(|error| error.to_string())?;
    let step = out.num_components();
    match values.len() == width * height * step && step > 0 {
        true => Ok(Samples {
            width,
            height,
            step,
            values,
        }),
        false => Err(format!(
            "{} samples came for {width} by {height} pixels",
            values.len()
        )),
    }
}

fn decoder_options(decoder: &JpegDecoder<ZCursor<&[u8]>>, out: ColorSpace) -> DecoderOptions {
    decoder.options().jpeg_set_out_colorspace(out)
}

/// The samples of a JPEG inside of a TIFF, without a change of colours.
pub(crate) fn raw(bytes: &[u8], page: usize, limits: &Limits) -> Result<Samples, ImageError> {
    let (decoder, width, height) = header(bytes, "TIFF", page, limits)?;
    samples(decoder, None, (width, height)).map_err(|reason| ImageError::Damaged {
        format: "TIFF",
        page,
        reason,
    })
}

/// The page of a JPEG file.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Page, ImageError> {
    let (decoder, width, height) = header(bytes, "JPEG", 1, limits)?;
    // Y of JPEG is the luma of Rec. 601, over the full range.
    let (out, ink) = match decoder.input_colorspace() {
        Some(ColorSpace::YCbCr | ColorSpace::Luma) => (ColorSpace::Luma, Ink::Gray),
        _ => (ColorSpace::RGB, Ink::Rgb),
    };
    let orientation = decoder
        .exif()
        .and_then(|exif| Orientation::from_exif_chunk(exif))
        .unwrap_or(Orientation::NoTransforms);
    let dpi = density(bytes);
    let image =
        samples(decoder, Some(out), (width, height)).map_err(|reason| ImageError::Damaged {
            format: "JPEG",
            page: 1,
            reason,
        })?;
    let mut sheet = Sheet::new(width, height, ink, Alpha::None);
    for (y, row) in image.values.chunks_exact(width * image.step).enumerate() {
        sheet.write(0, y, row);
    }
    Ok(Page::new(sheet, 1).with_dpi(dpi).upright(orientation))
}

/// The segments of a JPEG up to the first scan: their marker, their content, and the bytes after them.
fn segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8], &[u8])> {
    let mut rest = bytes.get(2..).unwrap_or(&[]);
    let mut scan = false;
    std::iter::from_fn(move || {
        while !scan && let [byte, tail @ ..] = rest {
            if *byte != 0xff || matches!(tail.first(), None | Some(0 | 0xff)) {
                rest = tail;
                continue;
            }
            let [marker, high, low, ..] = *tail else {
                return None;
            };
            let length = usize::from(u16::from_be_bytes([high, low]));
            let content = tail.get(3..1 + length.max(2))?;
            rest = &tail[1 + length.max(2)..];
            scan = marker == 0xda;
            return Some((marker, content, rest));
        }
        None
    })
}

/// An end of image after the first scan. A decoder would fill up an image that is cut off.
fn is_whole(bytes: &[u8]) -> bool {
    segments(bytes)
        .find(|(marker, _, _)| *marker == 0xda)
        .is_some_and(|(_, _, rest)| rest.windows(2).any(|pair| pair == [0xff, 0xd9]))
}

/// Pixels per inch by the JFIF header.
fn density(bytes: &[u8]) -> Option<f32> {
    let (_, header, _) = segments(bytes).find(|(marker, _, _)| *marker == 0xe0)?;
    let [b'J', b'F', b'I', b'F', 0, _, _, unit, high, low, ..] = *header else {
        return None;
    };
    let density = f32::from(u16::from_be_bytes([high, low]));
    match unit {
        1 => Some(density),
        2 => Some(density * 2.54),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jpeg_comes_back_nearly_the_same() {
        let image = Gray::from_fn(67, 41, |x, y| (2 * x + 3 * y) as u8);
        let error = |quality: u8| {
            let back = Gray::from_jpeg(&image.to_jpeg(quality).unwrap()).unwrap();
            assert_eq!((back.width(), back.height()), (67, 41));
            let pairs = back.pixels().iter().zip(image.pixels());
            pairs.map(|(a, b)| f32::from(a.abs_diff(*b))).sum::<f32>() / (67.0 * 41.0)
        };
        assert!(error(95) < 2.0);
        assert!(error(5) > error(95));
        assert!(Gray::filled(0, 3, 0).to_jpeg(50).is_err());
        assert!(Gray::filled(65_536, 1, 0).to_jpeg(50).is_err());
        assert!(Gray::from_jpeg(b"no picture").is_err());
    }
}
