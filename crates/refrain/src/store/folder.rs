//! A folder with one model in it.

use super::{atomic, tensors};
use crate::error::Error;
use crate::params::NamedTensor;
use crate::recipe::Recipe;
use crate::train::{Metrics, checkpoint};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Name of the file with the parameters.
pub const MODEL: &str = "model.safetensors";
const ABOUT: &str = "model.toml";
const LOG: &str = "train.jsonl";

/// What `model.toml` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Version of Refrain that wrote it.
    pub version: String,
    /// How large and how good the model is.
    pub figures: Figures,
    /// What it was trained with, defaults and overrides included.
    pub recipe: Recipe,
}

/// Figures of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Figures {
    /// Trainable numbers.
    pub parameters: usize,
    /// Tokens `V`.
    pub vocabulary: usize,
    /// Epochs trained.
    pub epochs: u64,
    /// Updates made.
    pub steps: u64,
    /// Wall time of training.
    pub seconds: f64,
    /// Whether training ended by itself.
    pub finished: bool,
    /// Of the best epoch.
    pub validation: Metrics,
    /// Of the best model, after training.
    pub test: Metrics,
}

/// An opened model folder.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    path: PathBuf,
    about: About,
}

impl ModelFolder {
    /// Whether a run was begun in `path`.
    pub fn is_run(path: &Path) -> bool {
        path.join(ABOUT).exists()
            || path.join(checkpoint::FILE).exists()
            || path.join(MODEL).exists()
    }

    /// Reads `model.toml`; the parameters are read by [`Self::tensors`].
    ///
    /// # Errors
    /// A folder that is missing, or has no readable `model.toml`.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if !path.is_dir() {
            let problem = "there is no such folder; `refrain train` makes one";
            return Err(Error::folder(path, problem));
        }
        let file = path.join(ABOUT);
        if !file.exists() {
            let problem = format!("it has no {ABOUT}; give the folder that `refrain train` wrote");
            return Err(Error::folder(path, problem));
        }
        let about = read(path, ABOUT)?;
        Ok(Self {
            path: path.to_path_buf(),
            about,
        })
    }

    /// Makes the folder (and those above it) and writes `model.toml`.
    ///
    /// # Errors
    /// A folder or file that cannot be written.
    pub fn create(path: &Path, about: About) -> Result<Self, Error> {
        std::fs::create_dir_all(path).map_err(Error::io("make the folder", path))?;
        let mut folder = Self {
            path: path.to_path_buf(),
            about,
        };
        folder.set_figures(folder.about.figures.clone())?;
        Ok(folder)
    }

    /// Rewrites `model.toml` with new figures.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn set_figures(&mut self, figures: Figures) -> Result<(), Error> {
        self.about.figures = figures;
        self.write(ABOUT, &self.about)
    }

    /// Writes a TOML file of the folder.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write<T: Serialize>(&self, name: &str, what: &T) -> Result<(), Error> {
        let text = toml::to_string(what)
            .map_err(|e| Error::folder(&self.path, format!("{name} cannot be written: {e}")))?;
        atomic::write(&self.path.join(name), text.as_bytes())
    }

    /// What a TOML file of the folder holds; nothing if there is no such file.
    ///
    /// # Errors
    /// A file that cannot be read, or holds something else.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        read_if_there(&self.path, name)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The recipe and the figures.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Path of the training log.
    pub fn log(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// Path of the checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join(checkpoint::FILE)
    }

    /// Copies all that using the model needs into another folder, its parameters in half precision; gives the bytes of the copy.
    ///
    /// The checkpoint and the log stay behind.
    ///
    /// # Errors
    /// A folder that already holds a run, or files that cannot be read or written.
    pub fn pack(&self, out: &Path) -> Result<u64, Error> {
        if Self::is_run(out) {
            return Err(Error::folder(out, "it already holds a run; choose another"));
        }
        let tensors: Vec<NamedTensor> = self.tensors()?.into_values().collect();
        std::fs::create_dir_all(out).map_err(Error::io("make the folder", out))?;
        let note = ("format", "pt".to_string());
        let mut bytes = tensors::save_half(&out.join(MODEL), tensors, note)?;
        let entries = std::fs::read_dir(&self.path).map_err(Error::io("read", &self.path))?;
        for entry in entries {
            let entry = entry.map_err(Error::io("read", &self.path))?;
            let name = entry.file_name();
            let left = [MODEL, ABOUT, LOG, checkpoint::FILE];
            let hidden = name.as_encoded_bytes().starts_with(b".");
            if hidden || left.iter().any(|left| name == *left) || !entry.path().is_file() {
                continue;
            }
            let copied = std::fs::copy(entry.path(), out.join(&name));
            bytes += copied.map_err(Error::io("copy", &entry.path()))?;
        }
        // Where the training began is of no use elsewhere.
        let mut about = self.about.clone();
        about.recipe.train.init = None;
        let packed = Self {
            path: out.to_path_buf(),
            about,
        };
        packed.write(ABOUT, &packed.about)?;
        let about = out.join(ABOUT);
        let size = std::fs::metadata(&about).map_err(Error::io("read", &about))?;
        Ok(bytes + size.len())
    }

    /// The best parameters.
    ///
    /// # Errors
    /// A file that is missing, damaged or foreign.
    pub fn tensors(&self) -> Result<BTreeMap<String, NamedTensor>, Error> {
        let file = self.path.join(MODEL);
        if !file.exists() {
            let problem =
                format!("it has no {MODEL} yet; it is written at the end of the first epoch");
            return Err(Error::folder(&self.path, problem));
        }
        Ok(tensors::load(&file)?.0)
    }
}

/// What a TOML file of a folder holds; nothing if there is no such file.
///
/// # Errors
/// A file that cannot be read, or holds something else.
pub(crate) fn read_if_there<T: DeserializeOwned>(
    folder: &Path,
    name: &str,
) -> Result<Option<T>, Error> {
    match folder.join(name).exists() {
        true => read(folder, name).map(Some),
        false => Ok(None),
    }
}

fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<T, Error> {
    let file = folder.join(name);
    let bytes = std::fs::read(&file).map_err(Error::io("read", &file))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::folder(folder, format!("{name} is not UTF-8 text; it is damaged")))?;
    toml::from_str(&text).map_err(|e| {
        let problem = format!(
            "{name} cannot be read ({}); it is damaged, or of another version",
            one_line(&e)
        );
        Error::folder(folder, problem)
    })
}

/// The first lines of a TOML error as one.
fn one_line(error: &toml::de::Error) -> String {
    error.message().replace('\n', ", ")
}
