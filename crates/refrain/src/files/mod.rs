//! Files: written atomically, and read only if they are ordinary files.

pub mod atomic;
pub mod tensors;

use crate::error::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::path::Path;

/// Opens an ordinary file. A pipe or a device would block, or never end.
///
/// # Errors
/// A file that is missing, or is not an ordinary file.
pub(crate) fn open(path: &Path) -> Result<File, Error> {
    let about = std::fs::metadata(path).map_err(Error::io("read", path))?;
    if !about.is_file() {
        return Err(Error::NotAFile { path: path.into() });
    }
    File::open(path).map_err(Error::io("read", path))
}

/// The bytes of an ordinary file.
///
/// # Errors
/// As [`open`], or a read that fails.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    open(path)?;
    std::fs::read(path).map_err(Error::io("read", path))
}

/// Writes a TOML file.
///
/// # Errors
/// A file that cannot be written.
pub fn write_toml<T: Serialize>(folder: &Path, name: &str, content: &T) -> Result<(), Error> {
    let text = toml::to_string(content)
        .map_err(|e| Error::folder(folder, format!("{name} cannot be written: {e}")))?;
    atomic::write(&folder.join(name), text.as_bytes())
}

/// The content of a TOML file; `None` if the file is missing.
///
/// # Errors
/// A file that cannot be read, or does not hold a `T`.
pub fn read_toml<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Option<T>, Error> {
    let path = folder.join(name);
    if !path.exists() {
        return Ok(None);
    }
    let text = String::from_utf8(read(&path)?)
        .map_err(|_| Error::folder(folder, format!("{name} is not UTF-8 text; it is damaged")))?;
    let content = toml::from_str(&text).map_err(|e| {
        let problem = format!(
            "{name} cannot be read ({}); it is damaged, or of another version",
            e.message().replace('\n', ", ")
        );
        Error::folder(folder, problem)
    })?;
    Ok(Some(content))
}
