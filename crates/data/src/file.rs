//! Files of the data folder, read within a limit; gzip is unpacked on the way.

use crate::error::DataError;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

const GZIP: [u8; 2] = [0x1F, 0x8B];

/// First bytes of formats that people take for text, and their names.
const FOREIGN: [(&[u8], &str); 7] = [
    (b"PK\x03\x04", "a zip archive"),
    (b"\x28\xB5\x2F\xFD", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xFD7zXZ", "xz"),
    (b"%PDF", "a PDF document"),
    (b"\xFF\xFE", "UTF-16 text"),
    (b"\xFE\xFF", "UTF-16 text"),
];

/// The bytes of a file, unpacked if they are gzip (told by its first two bytes, not by its name).
///
/// # Errors
/// A file that cannot be opened.
pub fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    Ok(open_as(path)?.0)
}

/// [`open`], and whether the file is gzip.
fn open_as(path: &Path) -> io::Result<(Box<dyn Read>, bool)> {
    let mut file = BufReader::new(File::open(path)?);
    let mut start = Vec::new();
    (&mut file)
        .take(GZIP.len() as u64)
        .read_to_end(&mut start)?;
    let packed = start == GZIP;
    let whole = Cursor::new(start).chain(file);
    let reader: Box<dyn Read> = match packed {
        true => Box::new(MultiGzDecoder::new(BufReader::new(whole))),
        false => Box::new(whole),
    };
    Ok((reader, packed))
}

/// All bytes of a file, at most `most`.
pub(crate) fn read(operation: &'static str, path: &Path, most: u64) -> Result<Vec<u8>, DataError> {
    let failed = |error| DataError::io(operation, path, error);
    let (file, packed) = open_as(path).map_err(failed)?;
    // Room for the whole file at once: a large text that grows leaves as much memory behind as it takes.
    let size = std::fs::metadata(path).map_or(0, |about| about.len());
    let mut bytes = Vec::new();
    if !packed && size <= most {
        let room = usize::try_from(size).unwrap_or(usize::MAX);
        let short = |_| failed(io::Error::from(io::ErrorKind::OutOfMemory));
        bytes
            .try_reserve_exact(room.saturating_add(1))
            .map_err(short)?;
    }
    let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| {
        failed(match packed {
            true => io::Error::new(error.kind(), format!("gzip, cannot be unpacked ({error})")),
            false => error,
        })
    })?;
    match bytes.len() as u64 > most {
        true => Err(DataError::TooLarge {
            operation,
            path: path.to_path_buf(),
            most,
        }),
        false => Ok(bytes),
    }
}

/// The format that bytes which are no text begin like, as a remark in an error.
pub(crate) fn remark(bytes: &[u8]) -> String {
    let known = FOREIGN.iter().find(|(start, _)| bytes.starts_with(start));
    known.map_or_else(String::new, |(_, name)| format!(" (it looks like {name})"))
}

/// The text of a file, without its byte-order mark.
pub(crate) fn text(operation: &'static str, path: &Path, most: u64) -> Result<String, DataError> {
    let bytes = read(operation, path, most)?;
    let mut text = String::from_utf8(bytes).map_err(|error| DataError::NotUtf8 {
        operation,
        path: path.to_path_buf(),
        offset: error.utf8_error().valid_up_to(),
        remark: remark(error.as_bytes()),
    })?;
    if text.starts_with('\u{FEFF}') {
        text.drain(..'\u{FEFF}'.len_utf8());
    }
    Ok(text)
}
