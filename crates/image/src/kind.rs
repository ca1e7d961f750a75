//! The kind of a file by its first bytes.

use image::ImageFormat;

use crate::ImageError;

/// A file that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Picture(Picture),
    Tiff,
    Pdf,
}

/// A file with one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Picture {
    Png,
    Jpeg,
    /// A format that the crate `image` decodes as a whole, and its name.
    Other(ImageFormat, &'static str),
}

/// The first bytes of the files that can be read.
const READ: &[(&[u8], Kind)] = &[
    (b"\x89PNG\r\n\x1a\n", Kind::Picture(Picture::Png)),
    (b"\xff\xd8\xff", Kind::Picture(Picture::Jpeg)),
    (b"II*\0", Kind::Tiff),
    (b"MM\0*", Kind::Tiff),
    (b"II+\0", Kind::Tiff),
    (b"MM\0+", Kind::Tiff),
    (
        b"GIF8",
        Kind::Picture(Picture::Other(ImageFormat::Gif, "GIF")),
    ),
    (
        b"BM",
        Kind::Picture(Picture::Other(ImageFormat::Bmp, "BMP")),
    ),
    (b"%PDF-", Kind::Pdf),
];

const CONVERT: &str = "convert it to PNG, JPEG, TIFF or PDF";

/// The first bytes of files that are refused by name, where they begin, and the hint.
const REFUSED: &[(&[u8], usize, &str, &str)] = &[
    (b"ftypavif", 4, "AVIF", CONVERT),
    (b"ftyp", 4, "HEIC, or another ISO media file", CONVERT),
    (b"\0\0\0\x0cjP  ", 0, "JPEG 2000", CONVERT),
    (b"\xff\x4f\xff\x51", 0, "JPEG 2000", CONVERT),
    (b"\0\0\0\x0cJXL ", 0, "JPEG XL", CONVERT),
    (b"\xff\x0a", 0, "JPEG XL", CONVERT),
    (b"AT&TFORM", 0, "DjVu", "convert it to PDF or TIFF"),
    (b"8BPS", 0, "Photoshop", CONVERT),
    (b"\x97JB2", 0, "JBIG2", CONVERT),
    (b"%!PS", 0, "PostScript", "convert it to PDF"),
    (b"\x1f\x8b", 0, "a gzip file", "unpack it"),
    (
        b"PK\x03\x04",
        0,
        "a zip or office file",
        "unpack it, or print it to PDF",
    ),
];

/// The kind of a file, or a refusal with a hint.
pub(crate) fn of(bytes: &[u8]) -> Result<Kind, ImageError> {
    if bytes.is_empty() {
        return Err(ImageError::Empty);
    }
    if let Some((_, kind)) = READ.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Ok(*kind);
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        let webp = Picture::Other(ImageFormat::WebP, "WebP");
        return Ok(Kind::Picture(webp));
    }
    if let [b'P', b'1'..=b'7', space, ..] = bytes
        && (space.is_ascii_whitespace() || *space == b'#')
    {
        let pnm = Picture::Other(ImageFormat::Pnm, "PNM");
        return Ok(Kind::Picture(pnm));
    }
    let refused = REFUSED
        .iter()
        .find(|(magic, at, _, _)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    if let Some((_, _, kind, hint)) = refused {
        return Err(ImageError::Kind { kind, hint });
    }
    let head = &bytes[..bytes.len().min(1024)];
    if contains(head, b"%PDF-") {
        return Ok(Kind::Pdf);
    }
    Err(match is_text(head) {
        true if contains(head, b"<svg") => ImageError::Kind {
            kind: "SVG",
            hint: "draw it into a PNG of 300 dpi",
        },
        true => ImageError::Kind {
            kind: "a text file",
            hint: "give an image or a PDF",
        },
        false => ImageError::Kind {
            kind: "a file of an unknown kind",
            hint: CONVERT,
        },
    })
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// No control characters but white space, and UTF-8 up to a last character that may be cut.
fn is_text(head: &[u8]) -> bool {
    let controls = head
        .iter()
        .any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace());
    let valid = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    valid && !controls
}
