//! Files that claim to be large take no memory. A test binary of its own, as the peak is that of the process.

#![cfg(target_os = "linux")]

use refrain_image::{Gray, Limits, Pages};

/// The most memory that this process has had, in MiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024
}

/// A TIFF with one strip of `data`.
fn tiff(entries: &[(u16, u16, u32, u32)], data: &[u8]) -> Vec<u8> {
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend((entries.len() as u16 + 2).to_le_bytes());
    let start = 8 + 2 + 12 * (entries.len() as u32 + 2) + 4;
    let all = entries
        .iter()
        .copied()
        .chain([(273, 4, 1, start), (279, 4, 1, data.len() as u32)]);
    for (tag, kind, count, value) in all {
        file.extend(tag.to_le_bytes().into_iter().chain(kind.to_le_bytes()));
        file.extend(count.to_le_bytes().into_iter().chain(value.to_le_bytes()));
    }
    file.extend([0; 4]);
    file.extend(data);
    file
}

#[test]
fn files_that_claim_to_be_large_take_no_memory() {
    let limits = Limits {
        pixels: 2_000_000,
        bytes: 1 << 24,
    };
    let read = |file: Vec<u8>| {
        let pages = Pages::of(file, &limits);
        pages.map_or(0, |pages| pages.filter(Result::is_ok).count())
    };
    // The renderer and the decoders have run once.
    assert_eq!(read(Gray::filled(1000, 1000, 3).to_png().unwrap()), 1);
    let before = peak();

    // A page within the cap is read, and one pixel more is not.
    assert_eq!(read(Gray::filled(2000, 1000, 3).to_png().unwrap()), 1);
    assert_eq!(read(Gray::filled(2001, 1000, 3).to_png().unwrap()), 0);
    for size in ["40000 40000", "4294967295 4294967295", "99999999 1"] {
        assert_eq!(read(format!("P6\n{size}\n255\n\0\0\0").into_bytes()), 0);
    }
    let mut jpeg = Gray::filled(64, 64, 9).to_jpeg(50).unwrap();
    let frame = jpeg
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .unwrap();
    jpeg[frame + 5..frame + 9].fill(0xff);
    assert_eq!(read(jpeg), 0);

    // Deflate that never ends, a strip of all rows, samples and tags without number.
    let zeros = {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..400 {
            std::io::Write::write_all(&mut encoder, &[0; 1 << 20]).unwrap();
        }
        encoder.finish().unwrap()
    };
    let page = |samples: u32, width: u32, height: u32, compression: u32| {
        [
            (256, 4, 1, width),
            (257, 4, 1, height),
            (258, 3, 1, 8),
            (259, 3, 1, compression),
            (262, 3, 1, 1),
            (277, 3, 1, samples),
        ]
    };
    assert_eq!(read(tiff(&page(1, 1000, 1000, 8), &zeros)), 1);
    for (samples, width, height) in [
        (60_000, 1000, 1000),
        (1, 60_000, 60_000),
        (1, u32::MAX, u32::MAX),
    ] {
        for compression in [1, 2, 3, 4, 5, 8, 32_773] {
            assert_eq!(
                read(tiff(&page(samples, width, height, compression), &zeros)),
                0
            );
        }
    }
    // A tile that is larger than any page, and a palette that is longer than the file.
    let tile = [
        (256, 4, 1, 9),
        (257, 4, 1, 9),
        (258, 3, 1, 8),
        (262, 3, 1, 1),
        (322, 4, 1, 70_000),
        (323, 4, 1, 70_000),
    ];
    assert_eq!(read(tiff(&tile, &zeros)), 0);
    let palette = [
        (256, 4, 1, 9),
        (257, 4, 1, 9),
        (258, 3, 1, 8),
        (262, 3, 1, 3),
        (320, 3, u32::MAX, 8),
    ];
    assert_eq!(read(tiff(&palette, &zeros)), 0);

    let grown = peak() - before;
    assert!(grown < 64, "{grown} MiB for pages of at most 2 megapixels");
}
