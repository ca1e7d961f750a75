//! Archives of named arrays, as `numpy.savez` writes them.

use crate::error::NpzError;
use crate::npy;
use crate::value::{DEFAULT_LIMIT, Value};
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Most bytes that an archive unpacks to.
const MAX_BYTES: u64 = 4 * DEFAULT_LIMIT as u64;

/// Reads an archive's bytes, packed or not: arrays of float32, int32, int64 and bool by name.
///
/// # Errors
/// Bytes that are no archive, or an array that is damaged or of another type; it is named.
pub fn read(bytes: &[u8]) -> Result<BTreeMap<String, Value>, NpzError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes))?;
    let mut arrays = BTreeMap::new();
    let mut left = MAX_BYTES;
    for index in 0..archive.len() {
        let file = archive.by_index(index)?;
        let name = file.name()?;
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_string();
        let failed = |problem: String| NpzError::Array {
            name: name.clone(),
            problem,
        };
        let damaged = |error: std::io::Error| {
            failed(format!(
                "it cannot be unpacked ({error}); write the archive again"
            ))
        };
        let mut bytes = Vec::new();
        // What is unpacked is limited in all, whatever the archive says of it.
        file.take(left + 1)
            .read_to_end(&mut bytes)
            .map_err(damaged)?;
        left = left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| failed("the archive unpacks to more than 2 GiB; split it".into()))?;
        let array = npy::read(&bytes).map_err(&failed)?;
        arrays.insert(name, array);
    }
    Ok(arrays)
}

/// The bytes of an archive with these arrays, in this order.
///
/// # Errors
/// Two arrays of one name.
pub fn write(arrays: &[(String, Value)]) -> Result<Vec<u8>, NpzError> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, array) in arrays {
        archive.start_file(format!("{name}.npy"), options)?;
        archive.write_all(&npy::write(array))?;
    }
    Ok(archive.finish()?.into_inner())
}
