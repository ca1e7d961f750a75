//! Files that are damaged, cut off, or nothing at all: never a panic, never more memory than the cap allows.

use proptest::prelude::*;
use refrain_image::{Gray, ImageError, Limits, Pages};

use crate::{bilevel, golden, page, smooth};

const SMALL: Limits = Limits {
    pixels: 100_000,
    bytes: 1 << 20,
};

/// Reads all pages; those that come are within the cap.
fn read(bytes: Vec<u8>) -> usize {
    let Ok(pages) = Pages::of(bytes, &SMALL) else {
        return 0;
    };
    let pages: Vec<_> = pages.take(100).collect();
    for page in pages.iter().flatten() {
        assert!(page.image.pixels().len() <= 4 * SMALL.pixels);
    }
    pages.len()
}

/// A file of every kind.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(golden(""))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        // Drawing a PDF takes its time: see `pdf_damage`.
        .filter(|path| {
            path.extension()
                .is_some_and(|kind| kind != "pdf" && kind != "md")
        })
        .map(|path| (path.display().to_string(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files.push(("letters.png".to_owned(), bilevel().to_png().unwrap()));
    files.push(("letters.jpg".to_owned(), bilevel().to_jpeg(80).unwrap()));
    let gray = image::GrayImage::from_raw(64, 48, smooth().into_pixels()).unwrap();
    for kind in ["bmp", "gif", "webp", "pgm"] {
        let mut file = std::io::Cursor::new(Vec::new());
        let format = image::ImageFormat::from_extension(kind).unwrap();
        image::DynamicImage::from(gray.clone())
            .into_rgb8()
            .write_to(&mut file, format)
            .unwrap();
        files.push((format!("smooth.{kind}"), file.into_inner()));
    }
    files
}

#[test]
fn every_file_is_whole_before_it_is_damaged() {
    for (name, file) in files() {
        assert!(page(&file).is_ok(), "{name}");
    }
}

#[test]
fn a_file_that_is_cut_off_is_refused() {
    for (name, file) in files() {
        // GIF and WebP end with data that no page needs; the last bytes of TIFF may be those of a directory.
        for length in [file.len() / 3, file.len() / 2, file.len() * 3 / 4] {
            let part = file[..length].to_vec();
            let whole = match Pages::of(part, &Limits::default()) {
                Err(_) => false,
                Ok(mut pages) => pages.all(|page| page.is_ok()),
            };
            assert!(!whole, "{length} of {} bytes of {name}", file.len());
        }
    }
    let jpeg = Gray::filled(400, 400, 77).to_jpeg(90).unwrap();
    let error = page(&jpeg[..jpeg.len() - 2]).unwrap_err();
    assert!(matches!(error, ImageError::Damaged { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bytes_never_panic(
        kind in 0..10usize,
        rest in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let heads: [&[u8]; 10] = [
            b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0+", b"GIF89a", b"BM",
            b"P6\n", b"RIFF\x40\0\0\0WEBP", b"%PDF-1.4\n",
        ];
        read([heads[kind], &rest].concat());
    }

    #[test]
    fn mutated_files_never_panic(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let files = files();
        let mut bytes = files[file.index(files.len())].1.clone();
        for (at, value) in changes {
            // Headers are where the damage is.
            let at = if value % 2 == 0 { at.index(bytes.len()) } else { at.index(bytes.len().min(120)) };
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        read(bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pdf_damage(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let mut bytes = std::fs::read(golden("fax.pdf")).unwrap();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        read(bytes);
    }
}
