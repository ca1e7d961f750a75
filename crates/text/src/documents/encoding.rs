//! Bytes to text and back: UTF-8 with or without a byte order mark, and UTF-16 with one.

use super::error::DocumentError;

/// Encoding of a document's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// UTF-8 without a byte order mark.
    Utf8,
    /// UTF-8 with a byte order mark.
    Utf8Mark,
    /// UTF-16, little-endian, with a byte order mark.
    Utf16Le,
    /// UTF-16, big-endian, with a byte order mark.
    Utf16Be,
}

/// The text of `bytes` without its byte order mark.
pub(super) fn decode(bytes: &[u8]) -> Result<(Encoding, String), DocumentError> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => Ok((Encoding::Utf8Mark, utf8(rest, 3)?)),
        [0xFF, 0xFE, rest @ ..] => Ok((Encoding::Utf16Le, utf16(rest, u16::from_le_bytes)?)),
        [0xFE, 0xFF, rest @ ..] => Ok((Encoding::Utf16Be, utf16(rest, u16::from_be_bytes)?)),
        [b'<', 0, ..] | [0, b'<', ..] => Err(DocumentError::Encoding {
            encoding: "UTF-8, nor UTF-16 with a byte order mark,",
            at: 0,
        }),
        _ => Ok((Encoding::Utf8, utf8(bytes, 0)?)),
    }
}

fn utf8(bytes: &[u8], skipped: usize) -> Result<String, DocumentError> {
    let text = std::str::from_utf8(bytes).map_err(|e| DocumentError::Encoding {
        encoding: "UTF-8",
        at: skipped + e.valid_up_to(),
    })?;
    Ok(text.to_owned())
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, DocumentError> {
    let broken = |at| DocumentError::Encoding {
        encoding: "UTF-16",
        at,
    };
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(broken(bytes.len() + 1));
    }
    let mut text = String::new();
    let mut at = 2;
    for c in char::decode_utf16(pairs.iter().map(|&p| unit(p))) {
        let c = c.map_err(|_| broken(at))?;
        at += 2 * c.len_utf16();
        text.push(c);
    }
    Ok(text)
}

/// The bytes of `text` in the encoding, with its byte order mark.
pub(super) fn encode(encoding: Encoding, text: String) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => text.into_bytes(),
        Encoding::Utf8Mark => [b"\xEF\xBB\xBF", text.as_bytes()].concat(),
        Encoding::Utf16Le => units(&text, u16::to_le_bytes),
        Encoding::Utf16Be => units(&text, u16::to_be_bytes),
    }
}

fn units(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let marked = std::iter::once(0xFEFF).chain(text.encode_utf16());
    marked.flat_map(bytes).collect()
}

/// The line of a byte of `text`, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    let before = &text.as_bytes()[..at.min(text.len())];
    1 + before.iter().filter(|&&b| b == b'\n').count()
}
