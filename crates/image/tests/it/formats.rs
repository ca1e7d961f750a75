//! Files with one page.

use std::io::Cursor;

use image::{DynamicImage, ExtendedColorType, ImageBuffer, ImageEncoder, ImageFormat, Luma, Rgb};
use refrain_image::{Gray, ImageError, Limits, Pages};

use crate::{bilevel, distance, golden, golden_page, page, smooth, smooth_rgb};

/// A PNG of packed samples.
fn png(
    (width, height): (usize, usize),
    colour: png::ColorType,
    depth: png::BitDepth,
    palette: Option<&[u8]>,
    data: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if let Some(palette) = palette {
        encoder.set_palette(palette);
    }
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: 11811,
        yppu: 11811,
        unit: png::Unit::Meter,
    }));
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    bytes
}

/// Rows of samples of `bits` bits, each row of whole bytes.
fn packed(image: &Gray, bits: usize, sample: impl Fn(u8) -> u8) -> Vec<u8> {
    let mut out = Vec::new();
    for y in 0..image.height() {
        let mut row = vec![0u8; (image.width() * bits).div_ceil(8)];
        for (x, &pixel) in image.row(y).iter().enumerate() {
            row[x * bits / 8] |= sample(pixel) << (8 - bits - x * bits % 8);
        }
        out.extend(row);
    }
    out
}

/// Row 8 of the reports: the same pixels by any depth and palette are the same page.
#[test]
fn depths_and_palettes_of_the_same_pixels_give_the_same_page() {
    use png::BitDepth::{Eight, Four, One, Two};
    let image = bilevel();
    let size = (61, 37);
    let wide: Vec<u8> = image.pixels().iter().flat_map(|&v| [v, v]).collect();
    let rgb: Vec<u8> = image.pixels().iter().flat_map(|&v| [v; 3]).collect();
    let palette = [255, 255, 255, 0, 0, 0, 9, 9, 9, 7, 7, 7];
    let index = |v: u8| u8::from(v == 0);
    let mut files = vec![
        png(
            size,
            png::ColorType::Grayscale,
            png::BitDepth::Sixteen,
            None,
            &wide,
        ),
        png(size, png::ColorType::Rgb, Eight, None, &rgb),
    ];
    for (depth, bits) in [(One, 1), (Two, 2), (Four, 4), (Eight, 8)] {
        let gray = packed(&image, bits, |v| v >> (8 - bits));
        files.push(png(size, png::ColorType::Grayscale, depth, None, &gray));
        let indexed = packed(&image, bits, index);
        let palette = &palette[..6.max(3 * (1 << bits)).min(12)];
        files.push(png(
            size,
            png::ColorType::Indexed,
            depth,
            Some(palette),
            &indexed,
        ));
    }
    for (i, file) in files.iter().enumerate() {
        let page = page(file).unwrap();
        assert_eq!(page.image, image, "file {i}");
        assert!((page.dpi.unwrap() - 300.0).abs() < 0.01);
        assert_eq!((page.number, page.turned), (1, 0));
        assert!(page.warnings.is_empty());
    }
    assert_eq!(
        image.to_png().and_then(|png| page(&png)).unwrap().image,
        image
    );
}

#[test]
fn grey_levels_of_2_and_4_bits_take_the_full_range() {
    for (depth, bits) in [(png::BitDepth::Two, 2), (png::BitDepth::Four, 4)] {
        let most = (1usize << bits) - 1;
        let image = Gray::from_fn(most + 1, 1, |x, _| (255 * x / most) as u8);
        let data = packed(&image, bits, |v| v >> (8 - bits));
        let file = png((most + 1, 1), png::ColorType::Grayscale, depth, None, &data);
        assert_eq!(page(&file).unwrap().image, image);
    }
}

/// Row 3: 16 bits of the same picture are the same page.
#[test]
fn sixteen_bits_scale_by_the_full_range() {
    let wide: Vec<u8> = smooth_rgb().iter().flat_map(|&v| [v, v]).collect();
    let file = png(
        (64, 48),
        png::ColorType::Rgb,
        png::BitDepth::Sixteen,
        None,
        &wide,
    );
    assert_eq!(page(&file).unwrap().image, smooth());
    let levels = Gray::from_fn(256, 1, |x, _| x as u8);
    let samples: Vec<u16> = (0..256).map(|v| 257 * v).collect();
    let buffer = ImageBuffer::<Luma<u16>, _>::from_raw(256, 1, samples).unwrap();
    for format in [ImageFormat::Png, ImageFormat::Pnm] {
        let mut file = Cursor::new(Vec::new());
        buffer.write_to(&mut file, format).unwrap();
        assert_eq!(page(file.get_ref()).unwrap().image, levels, "{format:?}");
    }
}

#[test]
fn pnm_scales_by_its_greatest_sample() {
    let text = |kind: &str, most: u32, samples: &[u32]| {
        let samples: Vec<String> = samples.iter().map(u32::to_string).collect();
        page(format!("{kind}\n# scanned\n4 1\n{most}\n{}\n", samples.join(" ")).as_bytes())
            .unwrap()
            .image
    };
    assert_eq!(text("P2", 15, &[0, 5, 10, 15]).pixels(), [0, 85, 170, 255]);
    assert_eq!(text("P2", 255, &[0, 5, 10, 255]).pixels(), [0, 5, 10, 255]);
    assert_eq!(
        text("P2", 4095, &[0, 1365, 2730, 4095]).pixels(),
        [0, 85, 170, 255]
    );
    assert_eq!(text("P2", 1, &[0, 1, 1, 0]).pixels(), [0, 255, 255, 0]);
    let bits = page(b"P4\n10 2\n\x00\x00\xff\xff").unwrap();
    assert_eq!(
        bits.image,
        Gray::from_fn(10, 2, |_, y| if y == 0 { 255 } else { 0 })
    );
    let bits = page(b"P1\n3 1\n1 0 1\n").unwrap();
    assert_eq!(bits.image.pixels(), [0, 255, 0]);
}

/// Row 2: black text on nothing is on white paper, white text on nothing on black.
#[test]
fn transparent_pages_lie_on_white_or_else_on_black() {
    let letters = bilevel();
    let file = |ink: u8, rgba: bool, wide: bool| {
        let samples = letters.pixels().iter().flat_map(|&pixel| {
            let colour = if rgba { vec![ink; 3] } else { vec![ink] };
            colour.into_iter().chain([255 - pixel])
        });
        let samples: Vec<u8> = match wide {
            true => samples.flat_map(|v| [v, v]).collect(),
            false => samples.collect(),
        };
        let colour = match rgba {
            true => png::ColorType::Rgba,
            false => png::ColorType::GrayscaleAlpha,
        };
        let depth = if wide {
            png::BitDepth::Sixteen
        } else {
            png::BitDepth::Eight
        };
        png((61, 37), colour, depth, None, &samples)
    };
    for (rgba, wide) in [(false, false), (false, true), (true, false), (true, true)] {
        let black = page(&file(0, rgba, wide)).unwrap();
        assert_eq!(black.image, letters);
        assert!(black.warnings.is_empty());
        let white = page(&file(255, rgba, wide)).unwrap();
        assert_eq!(white.image, letters.clone().inverted());
        assert_eq!(white.warnings.len(), 1);
    }
    let nothing = png(
        (9, 9),
        png::ColorType::GrayscaleAlpha,
        png::BitDepth::Eight,
        None,
        &[0; 162],
    );
    // Nothing on nothing: a blank page on both papers.
    assert_eq!(page(&nothing).unwrap().image, Gray::filled(9, 9, 255));
    let half = png(
        (2, 1),
        png::ColorType::GrayscaleAlpha,
        png::BitDepth::Eight,
        None,
        &[0, 128, 0, 0],
    );
    assert_eq!(page(&half).unwrap().image.pixels(), [127, 255]);
}

/// Row 1: blank pages are pages.
#[test]
fn a_blank_page_is_a_page() {
    for size in [1, 20, 500] {
        let white = Gray::filled(size, size, 255);
        assert_eq!(page(&white.to_png().unwrap()).unwrap().image, white);
    }
}

#[test]
fn a_page_that_was_written_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.dat");
    smooth().write_png(&path).unwrap();
    let pages = Pages::open(&path, &Limits::default()).unwrap();
    let images: Vec<Gray> = pages.map(|page| page.unwrap().image).collect();
    assert_eq!(images, [smooth()]);
    let nowhere = smooth().write_png(&path.join("page.png"));
    assert!(matches!(nowhere, Err(ImageError::Io { .. })));
    assert!(matches!(
        Gray::filled(0, 5, 1).to_png(),
        Err(ImageError::Encode { .. })
    ));
}

/// A JPEG with an orientation after its first marker.
fn with_orientation(jpeg: &[u8], orientation: u8, big_endian: bool) -> Vec<u8> {
    let mut exif = b"Exif\0\0".to_vec();
    exif.extend(match big_endian {
        true => [
            b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec(),
            vec![orientation, 0, 0, 0, 0, 0, 0],
        ]
        .concat(),
        false => [
            b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec(),
            vec![orientation, 0, 0, 0, 0, 0, 0, 0],
        ]
        .concat(),
    });
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

/// Row 4: the page is upright for every orientation of EXIF.
#[test]
fn orientations_of_exif_are_applied() {
    let upright = smooth();
    // Per orientation: is the stored picture mirrored, and then turned clockwise by how many quarters.
    let stored = [
        (false, 0),
        (true, 0),
        (false, 2),
        (true, 2),
        (true, 3),
        (false, 3),
        (true, 1),
        (false, 1),
    ];
    for (orientation, (mirrored, quarters)) in (1..).zip(stored) {
        let image = if mirrored {
            upright.clone().mirrored()
        } else {
            upright.clone()
        };
        let jpeg = image.turned(quarters).to_jpeg(100).unwrap();
        for big_endian in [false, true] {
            let page = page(&with_orientation(&jpeg, orientation, big_endian)).unwrap();
            assert!(
                distance(&page.image, &upright) < 1.0,
                "orientation {orientation}"
            );
            assert_eq!((page.turned + quarters) % 4, 0, "orientation {orientation}");
            assert_eq!(page.warnings.len(), usize::from(mirrored));
        }
    }
    let wrong = with_orientation(&upright.to_jpeg(100).unwrap(), 9, true);
    assert_eq!(page(&wrong).unwrap().turned, 0);
}

/// Row 7: ink is dark, however Adobe stores it.
#[test]
fn jpegs_of_all_colours_are_like_the_picture() {
    let picture = smooth();
    for name in ["cmyk.jpg", "ycck.jpg", "rgb.jpg", "progressive.jpg"] {
        let page = golden_page(name);
        assert!(
            distance(&page.image, &picture) < 3.0,
            "{name}: {}",
            distance(&page.image, &picture)
        );
    }
    assert_eq!(golden_page("progressive.jpg").dpi, Some(200.0));
    assert!(
        distance(
            &page(&picture.to_jpeg(95).unwrap()).unwrap().image,
            &picture
        ) < 1.0
    );
}

#[test]
fn an_interlaced_png_is_the_same_page() {
    assert_eq!(golden_page("interlaced.png").image, smooth());
}

#[test]
fn bmp_gif_and_webp_give_the_same_page() {
    let rgb = ImageBuffer::<Rgb<u8>, _>::from_raw(64, 48, smooth_rgb()).unwrap();
    let rgb = DynamicImage::ImageRgb8(rgb);
    for format in [
        ImageFormat::Bmp,
        ImageFormat::WebP,
        ImageFormat::Png,
        ImageFormat::Pnm,
    ] {
        let mut file = Cursor::new(Vec::new());
        rgb.write_to(&mut file, format).unwrap();
        assert_eq!(page(file.get_ref()).unwrap().image, smooth(), "{format:?}");
    }
    let letters = bilevel();
    let rgba: Vec<u8> = letters
        .pixels()
        .iter()
        .flat_map(|&v| [v, v, v, 255])
        .collect();
    let mut file = Vec::new();
    image::codecs::gif::GifEncoder::new(&mut file)
        .encode(&rgba, 61, 37, ExtendedColorType::Rgba8)
        .unwrap();
    assert_eq!(page(&file).unwrap().image, letters);
}

#[test]
fn a_webp_turned_by_exif_is_upright() {
    let mut file = Vec::new();
    let mut encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut file);
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    encoder.set_exif_metadata(exif.to_vec()).unwrap();
    let stored = bilevel().turned(3);
    let rgb: Vec<u8> = stored.pixels().iter().flat_map(|&v| [v; 3]).collect();
    encoder
        .write_image(&rgb, 37, 61, ExtendedColorType::Rgb8)
        .unwrap();
    let page = page(&file).unwrap();
    assert_eq!((page.turned, page.image), (1, bilevel()));
}

/// Row 12: long lines have no cap of their own.
#[test]
fn pages_of_any_shape_are_allowed_below_the_cap() {
    for (width, height) in [(2559, 37_192), (100, 30_000), (30_000, 100), (70_000, 1)] {
        let image = Gray::from_fn(width, height, |x, y| ((x ^ y) & 1) as u8 * 255);
        let back = page(&image.to_png().unwrap()).unwrap();
        assert_eq!(back.image, image);
    }
}

/// Row 5: a bomb is refused by its header.
#[test]
fn sizes_above_the_cap_are_refused_before_decoding() {
    let mut bomb = png(
        (1, 1),
        png::ColorType::Grayscale,
        png::BitDepth::Eight,
        None,
        &[0],
    );
    bomb[16..20].copy_from_slice(&60_000u32.to_be_bytes());
    bomb[20..24].copy_from_slice(&60_000u32.to_be_bytes());
    let sum = {
        let mut hash = flate2::Crc::new();
        hash.update(&bomb[12..29]);
        hash.sum()
    };
    bomb[29..33].copy_from_slice(&sum.to_be_bytes());
    let bmp = |width: u32, height: u32| {
        let mut file = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
        file.extend(width.to_le_bytes().into_iter().chain(height.to_le_bytes()));
        file.extend(b"\x01\0\x18\0".iter().chain(&[0; 24]));
        file
    };
    let mut jpeg = bilevel().to_jpeg(50).unwrap();
    let frame = jpeg
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    for (name, file) in [
        ("png", bomb),
        ("pnm", b"P5\n60000 60000\n255\n".to_vec()),
        ("bmp", bmp(50_000, 50_000)),
        ("jpeg", jpeg),
    ] {
        match page(&file) {
            Err(error @ ImageError::Large { .. }) => {
                let message = error.to_string();
                assert!(
                    message.contains("120000000") && message.contains("0 by "),
                    "{message}"
                );
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    let limits = Limits {
        pixels: 61 * 37 - 1,
        bytes: 1 << 20,
    };
    let png = bilevel().to_png().unwrap();
    let refused = Pages::of(png.clone(), &limits).unwrap().next().unwrap();
    assert!(matches!(
        refused,
        Err(ImageError::Large {
            width: 61,
            height: 37,
            page: 1,
            limit: 2256
        })
    ));
    let limits = Limits {
        bytes: png.len() - 1,
        ..Limits::default()
    };
    assert!(matches!(
        Pages::of(png, &limits),
        Err(ImageError::LongFile { .. })
    ));
    let opened = Pages::open(&golden("cmyk.jpg"), &limits);
    assert!(matches!(opened, Err(ImageError::LongFile { .. })));
}

#[test]
fn other_files_are_refused_by_name() {
    let refused = |bytes: &[u8]| match Pages::of(bytes.to_vec(), &Limits::default()) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{bytes:?} was taken"),
    };
    assert!(refused(b"").contains("empty"));
    assert!(refused(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").contains("HEIC"));
    assert!(refused(b"\0\0\0\x18ftypavif\0\0\0\0").contains("AVIF"));
    assert!(
        refused(b"<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>")
            .contains("SVG")
    );
    assert!(refused("Just a note, in words: schön.\n".as_bytes()).contains("text file"));
    assert!(refused(b"PK\x03\x04rest").contains("zip"));
    assert!(refused(b"%!PS-Adobe-3.0\n").contains("PostScript"));
    assert!(refused(&[7, 1, 255, 254, 3]).contains("unknown"));
    let none = Pages::open(std::path::Path::new("no/such/file.png"), &Limits::default());
    assert!(matches!(none, Err(ImageError::Io { .. })));
}

#[test]
fn a_page_with_a_palette_is_the_luma_of_its_colours() {
    let file = golden_page("palette.png");
    let tiff = golden_page("palette.tif");
    assert_eq!(file.image, tiff.image);
    assert!(distance(&file.image, &smooth()) < 20.0);
    assert!(
        file.image
            .pixels()
            .iter()
            .any(|&v| v != file.image.get(0, 0))
    );
}
