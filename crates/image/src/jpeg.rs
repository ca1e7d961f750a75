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

/// A JPEG whose header has been read; its size is within the limits, and its data have an end.
struct Opened<'a> {
    decoder: JpegDecoder<ZCursor<&'a [u8]>>,
    width: usize,
    height: usize,
    format: &'static str,
    page: usize,
}

impl<'a> Opened<'a> {
    fn new(
        bytes: &'a [u8],
        format: &'static str,
        page: usize,
        limits: &Limits,
    ) -> Result<Self, ImageError> {
        // The size that a JPEG can have; `limits` is the bound.
        let options = DecoderOptions::default()
            .set_strict_mode(false)
            .set_max_width(65_535)
            .set_max_height(65_535);
        let mut opened = Self {
            decoder: JpegDecoder::new_with_options(ZCursor::new(bytes), options),
            width: 0,
            height: 0,
            format,
            page,
        };
        let read = opened.decoder.decode_headers();
        read.map_err(|error| opened.damaged(error.to_string()))?;
        let info = opened.decoder.info();
        let info = info.ok_or_else(|| opened.damaged("it has no header".to_owned()))?;
        (opened.width, opened.height) =
            limits.check(format, page, info.width.into(), info.height.into())?;
        match is_whole(bytes) {
            true => Ok(opened),
            false => Err(opened.damaged("it ends before its image does".to_owned())),
        }
    }

    fn damaged(&self, reason: String) -> ImageError {
        ImageError::Damaged {
            format: self.format,
            page: self.page,
            reason,
        }
    }

    /// Decodes to the colours `out`.
    fn samples(mut self, out: ColorSpace) -> Result<Samples, ImageError> {
        let options = self.decoder.options().jpeg_set_out_colorspace(out);
        self.decoder.set_options(options);
        let decoded = self.decoder.decode();
        let values = decoded.map_err(|error| self.damaged(error.to_string()))?;
        let (width, height, step) = (self.width, self.height, out.num_components());
        if step == 0 || values.len() != width * height * step {
            let count = values.len();
            return Err(self.damaged(format!(
                "{count} samples came for {width} by {height} pixels"
            )));
        }
        Ok(Samples {
            width,
            height,
            step,
            values,
        })
    }
}

/// The samples of a JPEG inside of a TIFF, without a change of colours.
pub(crate) fn raw(bytes: &[u8], page: usize, limits: &Limits) -> Result<Samples, ImageError> {
    let opened = Opened::new(bytes, "TIFF", page, limits)?;
    let stored = opened.decoder.input_colorspace();
    opened.samples(stored.unwrap_or(ColorSpace::Luma))
}

/// The page of a JPEG file.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Page, ImageError> {
    let opened = Opened::new(bytes, "JPEG", 1, limits)?;
    // Y of JPEG is the luma of Rec. 601, over the full range.
    let (out, ink) = match opened.decoder.input_colorspace() {
        Some(ColorSpace::YCbCr | ColorSpace::Luma) => (ColorSpace::Luma, Ink::Gray),
        _ => (ColorSpace::RGB, Ink::Rgb),
    };
    let orientation = opened
        .decoder
        .exif()
        .and_then(|exif| Orientation::from_exif_chunk(exif))
        .unwrap_or(Orientation::NoTransforms);
    let image = opened.samples(out)?;
    let mut sheet = Sheet::new(image.width, image.height, ink, Alpha::None);
    for (y, row) in image
        .values
        .chunks_exact(image.width * image.step)
        .enumerate()
    {
        sheet.write(0, y, row);
    }
    let page = Page::new(sheet, 1).with_dpi(density(bytes));
    Ok(page.upright(orientation))
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
