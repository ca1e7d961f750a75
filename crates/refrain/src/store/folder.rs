//! A folder that holds one model.

use crate::error::Error;
use crate::files::{self, tensors};
use crate::metrics::Metrics;
use crate::params::NamedTensor;
use crate::recipe::Recipe;
use crate::train::checkpoint;
use crate::train::fit::Files;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Name of the file with the parameters.
pub const MODEL: &str = "model.safetensors";
const ABOUT: &str = "model.toml";
const LOG: &str = "train.jsonl";

/// The content of `model.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Version of Refrain that wrote it.
    pub version: String,
    /// Size and quality of the model.
    pub figures: Figures,
    /// The recipe of the training, defaults and overrides included.
    pub recipe: Recipe,
}

/// Figures of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Figures {
    /// Trainable numbers.
    pub parameters: usize,
    /// Epochs trained.
    pub epochs: u64,
    /// Updates made.
    pub steps: u64,
    /// Wall time of training.
    pub seconds: f64,
    /// Whether training ended by itself.
    pub finished: bool,
    /// Figures of the best epoch.
    pub validation: Metrics,
    /// Figures of the best model on the test set, after training.
    pub test: Metrics,
}

/// An opened model folder.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    path: PathBuf,
    about: About,
}

impl ModelFolder {
    /// Whether `path` holds a run, finished or not.
    pub fn is_run(path: &Path) -> bool {
        Self::common_files()
            .iter()
            .any(|name| *name != LOG && path.join(name).exists())
    }

    /// Files of every model folder, independent of the task.
    pub(super) fn common_files() -> [&'static str; 4] {
        [MODEL, ABOUT, checkpoint::FILE, LOG]
    }

    /// Reads `model.toml`; the parameters are read by [`Self::tensors`].
    ///
    /// # Errors
    /// A folder that is missing, or has no readable `model.toml`.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if path.is_file() {
            let problem = "it is a file; give the folder that it is in";
            return Err(Error::folder(path, problem));
        }
        if !path.is_dir() {
            let problem = "there is no such folder; `refrain train` makes one";
            return Err(Error::folder(path, problem));
        }
        let about = files::read_toml(path, ABOUT)?.ok_or_else(|| {
            let problem = format!("it has no {ABOUT}; give the folder that `refrain train` wrote");
            Error::folder(path, problem)
        })?;
        Ok(Self {
            path: path.to_path_buf(),
            about,
        })
    }

    /// Writes `model.toml` into an existing folder.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn create(path: &Path, about: About) -> Result<Self, Error> {
        let folder = Self {
            path: path.to_path_buf(),
            about,
        };
        folder.write_about()?;
        Ok(folder)
    }

    /// Rewrites `model.toml` with new figures.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn set_figures(&mut self, figures: Figures) -> Result<(), Error> {
        self.about.figures = figures;
        self.write_about()
    }

    /// Rewrites `model.toml` for a run that goes on with this recipe: it is not finished.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn reopen(&mut self, recipe: Recipe) -> Result<(), Error> {
        self.about.recipe = recipe;
        self.about.figures.finished = false;
        self.write_about()
    }

    /// Whether the best parameters of an epoch are there.
    pub fn has_model(&self) -> bool {
        self.path.join(MODEL).exists()
    }

    fn write_about(&self) -> Result<(), Error> {
        files::write_toml(&self.path, ABOUT, &self.about)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The recipe and the figures.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// The recipe of the training.
    pub fn recipe(&self) -> &Recipe {
        &self.about.recipe
    }

    /// Path of the checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join(checkpoint::FILE)
    }

    /// Path of the training log.
    pub fn log(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// The files that the training loop writes.
    pub fn files(&self) -> Files {
        Files {
            model: self.path.join(MODEL),
            checkpoint: self.checkpoint(),
            log: self.log(),
        }
    }

    /// Path of a file that the model refers to, e.g. in a setting.
    ///
    /// # Errors
    /// A name that leads out of the folder, directly or through a link. A folder from elsewhere must not read other
    /// files.
    pub fn inside(&self, name: &Path) -> Result<PathBuf, Error> {
        inside(&self.path, name).ok_or_else(|| {
            let problem = format!(
                "it names the file {}, which lies outside of it; copy the file into the folder and give its name alone",
                name.display()
            );
            Error::folder(&self.path, problem)
        })
    }

    /// Copies the files that are needed to use the model into another folder, with its parameters in `storage`. `own`
    /// lists the names of the files of the task. Checkpoint and log are not copied. Returns the bytes of the copy.
    ///
    /// # Errors
    /// A folder that already holds a run, or files that cannot be read or written; what was written is then removed.
    pub fn pack(
        &self,
        out: &Path,
        own: &[PathBuf],
        storage: tensors::Storage,
    ) -> Result<u64, Error> {
        if Self::is_run(out) {
            return Err(Error::folder(out, "it already holds a run; choose another"));
        }
        let tensors: Vec<NamedTensor> = self.tensors()?.into_values().collect();
        let own = own.iter().map(|name| Ok((name, self.inside(name)?)));
        let own = own.collect::<Result<Vec<_>, Error>>()?;
        let is_new = !out.exists();
        std::fs::create_dir_all(out).map_err(Error::io("make the folder", out))?;
        let mut written = Vec::new();
        let packed = self.write_copy(out, tensors, &own, storage, &mut written);
        if packed.is_err() {
            // The error of the copy is the one to tell.
            for file in &written {
                let _ = std::fs::remove_file(file);
            }
            if is_new {
                let _ = std::fs::remove_dir_all(out);
            }
        }
        packed
    }

    /// Writes the files of a copy; `written` gets their paths.
    fn write_copy(
        &self,
        out: &Path,
        tensors: Vec<NamedTensor>,
        own: &[(&PathBuf, PathBuf)],
        storage: tensors::Storage,
        written: &mut Vec<PathBuf>,
    ) -> Result<u64, Error> {
        let (note, model) = (("format", "pt".to_string()), out.join(MODEL));
        let mut bytes = tensors::save_as(&model, tensors, storage, note)?;
        written.push(model);
        for (name, from) in own.iter().filter(|(_, from)| from.is_file()) {
            let to = out.join(name);
            if let Some(above) = to.parent() {
                std::fs::create_dir_all(above).map_err(Error::io("make the folder", above))?;
            }
            written.push(to.clone());
            bytes += std::fs::copy(from, &to).map_err(Error::io("copy", from))?;
        }
        // The model of `train.init` may be missing on another machine.
        let mut about = self.about.clone();
        about.recipe.train.init = None;
        Self::create(out, about)?;
        let about = out.join(ABOUT);
        let size = std::fs::metadata(&about).map_err(Error::io("read", &about))?;
        Ok(bytes + size.len())
    }

    /// The best parameters.
    ///
    /// # Errors
    /// A file that is missing, damaged or foreign, or holds a value that is not a finite number.
    pub fn tensors(&self) -> Result<BTreeMap<String, NamedTensor>, Error> {
        let file = self.path.join(MODEL);
        if !file.exists() {
            let problem =
                format!("it has no {MODEL} yet; it is written at the end of the first epoch");
            return Err(Error::folder(&self.path, problem));
        }
        let (tensors, _) = tensors::load(&file)?;
        let broken = |tensor: &&NamedTensor| tensor.data.iter().any(|x| !x.is_finite());
        match tensors.values().find(broken) {
            Some(tensor) => {
                let problem = format!(
                    "tensor \"{}\" of {MODEL} holds values that are not numbers; \
                     copy the file again or train anew",
                    tensor.name
                );
                Err(Error::folder(&self.path, problem))
            }
            None => Ok(tensors),
        }
    }
}

/// Path of a file that a folder names; `None` for a name that leads out of the folder, by itself or by a link.
pub(super) fn inside(folder: &Path, name: &Path) -> Option<PathBuf> {
    let plain = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
    if !name.components().all(plain) {
        return None;
    }
    let path = folder.join(name);
    // A file that is missing is the reader's concern.
    let real = path.canonicalize().ok().zip(folder.canonicalize().ok());
    let leads_out = real.is_some_and(|(file, folder)| !file.starts_with(folder));
    (!leads_out).then_some(path)
}
