//! TIFF: compressions, depths, colours, several pages.

use std::io::Cursor;

use refrain_image::{Gray, ImageError, Limits, Pages};
use tiff::encoder::{TiffEncoder, colortype};

use crate::{bilevel, distance, golden, golden_page, smooth};

#[test]
fn fax_and_raw_bits_give_the_same_page() {
    let names = [
        "rle",
        "g3",
        "g3-2d",
        "g4",
        "g4-lowest-first",
        "white-is-zero",
    ];
    for name in names {
        let page = golden_page(&format!("{name}.tif"));
        assert_eq!(page.image, bilevel(), "{name}");
        assert!(page.warnings.is_empty(), "{name}");
    }
}

#[test]
fn colours_depths_tiles_and_planes_give_the_same_page() {
    for name in ["predictor", "tiles-16", "planar-big"] {
        assert_eq!(
            golden_page(&format!("{name}.tif")).image,
            smooth(),
            "{name}"
        );
    }
    for name in ["jpeg", "cmyk"] {
        let page = golden_page(&format!("{name}.tif"));
        assert!(distance(&page.image, &smooth()) < 2.0, "{name}");
    }
}

/// A TIFF of grey pages.
fn file(pages: &[Gray]) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    for page in pages {
        let (width, height) = (page.width() as u32, page.height() as u32);
        encoder
            .write_image::<colortype::Gray8>(width, height, page.pixels())
            .unwrap();
    }
    file.into_inner()
}

/// Overwrites the value of `tag` in directory `nth`.
fn set(file: &mut [u8], tag: u16, nth: usize, value: u32) {
    let mut at = u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize;
    for page in 0.. {
        let count = usize::from(u16::from_le_bytes([file[at], file[at + 1]]));
        for entry in (0..count).map(|i| at + 2 + 12 * i) {
            if page == nth && u16::from_le_bytes([file[entry], file[entry + 1]]) == tag {
                let short = file[entry + 2] == 3;
                let value = value.to_le_bytes();
                let size = if short { 2 } else { 4 };
                file[entry + 8..entry + 8 + size].copy_from_slice(&value[..size]);
                return;
            }
        }
        at = u32::from_le_bytes(file[at + 2 + 12 * count..][..4].try_into().unwrap()) as usize;
        assert!(at > 0, "page {nth} has no tag {tag}");
    }
}

/// Row 6: a bad page is an error, and the pages after it come.
#[test]
fn a_bad_page_does_not_end_the_file() {
    let pages = [bilevel(), Gray::filled(61, 37, 255), smooth()];
    let whole = file(&pages);
    // Samples of 7 bits, an unknown compression, a strip outside of the file, no width, an enormous height.
    for (tag, value) in [
        (258, 7),
        (259, 50_000),
        (273, u32::MAX - 9),
        (256, 0),
        (257, u32::MAX),
    ] {
        let mut bytes = whole.clone();
        set(&mut bytes, tag, 1, value);
        let read: Vec<_> = Pages::of(bytes, &Limits::default()).unwrap().collect();
        assert_eq!(read.len(), 3, "tag {tag}");
        let first = read[0].as_ref().unwrap();
        let last = read[2].as_ref().unwrap();
        assert_eq!((first.number, &first.image), (1, &pages[0]));
        assert_eq!((last.number, &last.image), (3, &pages[2]));
        let error = read[1].as_ref().unwrap_err();
        assert!(error.to_string().contains("page 2"), "{error}");
        if tag == 257 {
            assert!(matches!(error, ImageError::Large { .. }), "{error}");
        }
    }
    // A bad first page, too.
    let mut bytes = whole.clone();
    set(&mut bytes, 262, 0, 99);
    let read: Vec<_> = Pages::of(bytes, &Limits::default()).unwrap().collect();
    assert!(read[0].is_err() && read[1].is_ok() && read[2].is_ok());
}

#[test]
fn pages_in_a_circle_end() {
    let mut bytes = file(&[bilevel(), bilevel()]);
    let first: [u8; 4] = bytes[4..8].try_into().unwrap();
    // The second directory names the first one as the next.
    let at = u32::from_le_bytes(first) as usize;
    let next = |at: usize, bytes: &[u8]| {
        at + 2 + 12 * usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
    };
    let second = next(at, &bytes);
    let second = u32::from_le_bytes(bytes[second..second + 4].try_into().unwrap()) as usize;
    let end = next(second, &bytes);
    bytes[end..end + 4].copy_from_slice(&first);
    let read: Vec<_> = Pages::of(bytes, &Limits::default()).unwrap().collect();
    assert_eq!(read.len(), 3);
    assert!(read[0].is_ok() && read[1].is_ok() && read[2].is_err());
}

#[test]
fn small_copies_of_pages_are_not_pages() {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    for (page, kind) in [(bilevel(), 0u32), (Gray::filled(4, 4, 9), 1), (smooth(), 2)] {
        let mut image = encoder
            .new_image::<colortype::Gray8>(page.width() as u32, page.height() as u32)
            .unwrap();
        let tag = tiff::tags::Tag::NewSubfileType;
        image.encoder().write_tag(tag, kind).unwrap();
        image.write_data(page.pixels()).unwrap();
    }
    let pages = Pages::of(file.into_inner(), &Limits::default()).unwrap();
    let pages: Vec<_> = pages.map(Result::unwrap).collect();
    assert_eq!(pages.len(), 2);
    assert_eq!((&pages[0].image, &pages[1].image), (&bilevel(), &smooth()));
}

#[test]
fn fax_of_half_the_rows_becomes_square() {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    let mut image = encoder.new_image::<colortype::Gray8>(64, 48).unwrap();
    image.x_resolution(tiff::encoder::Rational { n: 204, d: 1 });
    image.y_resolution(tiff::encoder::Rational { n: 102, d: 1 });
    image.resolution_unit(tiff::tags::ResolutionUnit::Inch);
    image.write_data(smooth().pixels()).unwrap();
    let mut pages = Pages::of(file.into_inner(), &Limits::default()).unwrap();
    let page = pages.next().unwrap().unwrap();
    assert_eq!((page.image.width(), page.image.height()), (64, 96));
    assert_eq!(page.dpi, Some(204.0));
    assert!(
        page.warnings[0].contains("204 by 102"),
        "{:?}",
        page.warnings
    );
    assert!(distance(&page.image.resize(64, 48), &smooth()) < 2.0);
}

#[test]
fn a_file_that_is_cut_off_is_an_error() {
    let whole = std::fs::read(golden("tiles-16.tif")).unwrap();
    for part in 1..8 {
        let bytes = whole[..whole.len() * part / 8].to_vec();
        if let Ok(mut pages) = Pages::of(bytes, &Limits::default()) {
            assert!(pages.any(|page| page.is_err()), "{part} of 8");
        }
    }
}
