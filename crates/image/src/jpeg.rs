//! JPEG in memory, as a degradation of text lines needs it.

use std::io::Cursor;

use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::{DynamicImage, ExtendedColorType};

use crate::{Gray, ImageError};

impl Gray {
    /// The image as a JPEG file of `quality` 1 to 100; a JPEG has 1 to 65,535 pixels in each direction.
    pub fn to_jpeg(&self, quality: u8) -> Result<Vec<u8>, ImageError> {
        let (Ok(width @ 1..), Ok(height @ 1..)) =
            (u16::try_from(self.width()), u16::try_from(self.height()))
        else {
            return Err(ImageError::JpegSize {
                width: self.width(),
                height: self.height(),
            });
        };
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100))
            .encode(
                self.pixels(),
                width.into(),
                height.into(),
                ExtendedColorType::L8,
            )
            .map_err(ImageError::Encode)?;
        Ok(bytes)
    }

    /// The image of a JPEG file in memory. Its orientation by EXIF stays as it is.
    pub fn from_jpeg(bytes: &[u8]) -> Result<Self, ImageError> {
        let decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(ImageError::Decode)?;
        let image = DynamicImage::from_decoder(decoder).map_err(ImageError::Decode)?;
        let (width, height) = (image.width() as usize, image.height() as usize);
        Self::new(width, height, image.into_luma8().into_raw())
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
