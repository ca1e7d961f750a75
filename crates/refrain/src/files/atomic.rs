//! Files that are there whole or not at all.

use crate::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Writes `bytes` under a temporary name beside `path`, flushes them to the disk, renames, and flushes the folder.
///
/// # Errors
/// Any of these fails: what `path` held before is then untouched.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    let aside = folder.join(name);
    if let Err(error) = fill(&aside, bytes) {
        // A full disk gets its space back; that the removal may fail too changes nothing.
        let _ = fs::remove_file(&aside);
        return Err(Error::io("write", path)(error));
    }
    fs::rename(&aside, path).map_err(Error::io("rename to", path))?;
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
