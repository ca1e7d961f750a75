//! Models by name: a folder, or one of the models that ship with the program.

use super::ModelFolder;
use crate::error::Error;
use std::path::{Path, PathBuf};

/// Environment variable with the folder of the shipped models.
const VARIABLE: &str = "REFRAIN_MODELS";

/// Folders that may hold shipped models, the most specific first: `REFRAIN_MODELS`, `refrain/models` in the user's data
/// folder (`XDG_DATA_HOME`, else `~/.local/share`), and `models` and `share/refrain/models` beside or above the
/// program, as in a checkout or below `/usr`.
pub fn places() -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let mut places: Vec<PathBuf> = variable(VARIABLE).map(PathBuf::from).into_iter().collect();
    let home = variable("HOME")
        .or_else(|| variable("USERPROFILE"))
        .map(PathBuf::from);
    let user = variable("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| home.map(|home| home.join(".local/share")));
    places.extend(user.map(|user| user.join("refrain/models")));
    let program = std::env::current_exe().unwrap_or_default();
    for above in program.ancestors().skip(1) {
        places.push(above.join("models"));
        places.push(above.join("share/refrain/models"));
    }
    places
}

/// The folder of the shipped model of this name.
pub fn shipped(name: &str) -> Option<PathBuf> {
    let folders = places().into_iter().map(|place| place.join(name));
    folders
        .into_iter()
        .find(|folder| ModelFolder::is_run(folder))
}

/// Names and folders of all shipped models that can be found, sorted by name.
pub fn models() -> Vec<(String, PathBuf)> {
    let mut found = std::collections::BTreeMap::new();
    for place in places() {
        for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
            let path = entry.path();
            if ModelFolder::is_run(&path) {
                let name = entry.file_name().to_string_lossy().into_owned();
                found.entry(name).or_insert(path);
            }
        }
    }
    found.into_iter().collect()
}

/// The folder of a model that a user names: a model folder, or else the shipped model of that name.
///
/// # Errors
/// Neither exists.
pub fn find(name: &Path) -> Result<PathBuf, Error> {
    let plain = name.components().count() == 1;
    if ModelFolder::is_run(name) || !plain {
        return Ok(name.to_path_buf());
    }
    match shipped(&name.to_string_lossy()) {
        Some(folder) => Ok(folder),
        // A file, or a folder without a model. Opening it gives a more exact message.
        None if name.exists() => Ok(name.to_path_buf()),
        None => Err(Error::NoModel {
            name: name.to_string_lossy().into_owned(),
            places: places(),
        }),
    }
}
