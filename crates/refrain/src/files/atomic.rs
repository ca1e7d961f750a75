//! Atomic writes: a file is complete or absent.

use crate::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Writes `bytes` under a temporary name beside `path`, flushes them to the disk, renames, and flushes the folder.
///
/// A link stays, and its target is written.
///
/// # Errors
/// Any of these steps fails: the previous content of `path` is then unchanged. A folder, a pipe or a device at `path`,
/// which a file must not replace.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let target = path.canonicalize();
    let path = target.as_deref().unwrap_or(path);
    if fs::metadata(path).is_ok_and(|about| !about.is_file()) {
        return Err(Error::NotAFile { path: path.into() });
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    let aside = folder.join(name);
    if let Err(error) = fill(&aside, bytes) {
        // Frees the space on a full disk. A failed removal changes nothing for the caller.
        let _ = fs::remove_file(&aside);
        return Err(Error::io("write", path)(error));
    }
    if let Err(error) = fs::rename(&aside, path) {
        let _ = fs::remove_file(&aside);
        return Err(Error::io("rename to", path)(error));
    }
    flush_folder(folder)
}

fn fill(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(unix)]
fn flush_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::io("flush", folder))
}

#[cfg(not(unix))]
fn flush_folder(_: &Path) -> Result<(), Error> {
    Ok(())
}
