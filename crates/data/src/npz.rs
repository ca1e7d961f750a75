//! Archives of named arrays, as `numpy.savez` writes them.

use crate::array::{Array, MAX_BYTES};
use crate::npy;
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use thiserror::Error;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// An archive of arrays that cannot be read or written.
#[derive(Debug, Error)]
pub enum NpzError {
    /// The bytes are no .npz archive.
    #[error("the file is no .npz archive, or it is damaged ({0}); numpy.savez writes one")]
    Archive(#[from] zip::result::ZipError),
    /// An array that cannot be read.
    #[error("array \"{name}\": {problem}")]
    Array {
        /// The array.
        name: String,
        /// The reason, and a remedy.
        problem: String,
    },
    /// The arrays take more memory than the limit.
    #[error("array \"{name}\": the archive unpacks to more than {limit} bytes; split it")]
    TooLarge {
        /// The array at which the limit is passed.
        name: String,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The system's reason.
    #[error("the archive cannot be read or written ({0})")]
    Io(#[from] std::io::Error),
}

/// Reads an archive's bytes, packed or not: arrays of floats, integers and bool by name. float16 is widened to
/// float32.
///
/// # Errors
/// Bytes that are no archive; an array that is damaged or of another type (it is named); more than 2 GiB of arrays.
pub fn read(bytes: &[u8]) -> Result<BTreeMap<String, Array>, NpzError> {
    read_within(bytes, MAX_BYTES)
}

/// [`read`] with another limit for the bytes of all arrays together, both packed in files of the archive and as they
/// are in memory.
///
/// # Errors
/// The errors of [`read`].
pub fn read_within(bytes: &[u8], limit: usize) -> Result<BTreeMap<String, Array>, NpzError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes))?;
    let mut arrays = BTreeMap::new();
    let mut left = limit;
    for index in 0..archive.len() {
        let file = archive.by_index(index)?;
        let name = file.name()?;
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_string();
        let failed = |problem: String| NpzError::Array {
            name: name.clone(),
            problem,
        };
        let too_large = || NpzError::TooLarge {
            name: name.clone(),
            limit,
        };
        let mut bytes = Vec::new();
        // The limit holds for the bytes that come out, whatever the archive says of their number. A header is small.
        let most = left.saturating_add(npy::MAX_HEADER);
        file.take(most as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| {
                failed(format!(
                    "it cannot be unpacked ({error}); write the archive again"
                ))
            })?;
        if bytes.len() > most {
            return Err(too_large());
        }
        let npy = npy::Npy::read(&bytes).map_err(&failed)?;
        left = npy
            .bytes()
            .and_then(|bytes| left.checked_sub(bytes))
            .ok_or_else(too_large)?;
        let array = npy.array().map_err(&failed)?;
        arrays.insert(name, array);
    }
    Ok(arrays)
}

/// The bytes of an archive with these arrays, in this order.
///
/// # Errors
/// Two arrays of one name.
pub fn write(arrays: &[(String, Array)]) -> Result<Vec<u8>, NpzError> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, array) in arrays {
        archive.start_file(format!("{name}.npy"), options)?;
        archive.write_all(&npy::write(array))?;
    }
    Ok(archive.finish()?.into_inner())
}
