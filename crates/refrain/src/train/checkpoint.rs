//! Checkpoints: everything that a run needs to continue, in one file that is complete or absent.

use super::Progress;
use crate::error::Error;
use crate::files::tensors::{self, Metadata};
use crate::params::NamedTensor;
use refrain_data::fingerprint::Fingerprint;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Name of the file in a run's folder.
pub const FILE: &str = "checkpoint.safetensors";
const KEY: &str = "refrain_progress";

/// The state of a run.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Everything that is not a tensor.
    pub progress: Progress,
    /// Parameters.
    pub model: Vec<NamedTensor>,
    /// Optimizer state.
    pub optimizer: Vec<NamedTensor>,
    /// Average of the weights.
    pub average: Vec<NamedTensor>,
    /// State carried from batch to batch.
    pub carried: Vec<NamedTensor>,
    /// Parameters of the best epochs, as far as the recipe averages them.
    pub best: BTreeMap<u64, Vec<NamedTensor>>,
}

impl Checkpoint {
    /// Writes a temporary file, then renames it; returns its size in bytes.
    ///
    /// # Errors
    /// A write that fails; the previous file is then unchanged.
    pub fn save(self, path: &Path) -> Result<u64, Error> {
        let parts = [
            ("model", self.model),
            ("optimizer", self.optimizer),
            ("average", self.average),
            ("carried", self.carried),
        ];
        let prefixed = |(part, tensors): (&'static str, Vec<NamedTensor>)| {
            tensors.into_iter().enumerate().map(move |(i, mut tensor)| {
                // The order of carried tensors matters, and a file sorts its names.
                tensor.name = match part {
                    "carried" => format!("{part}/{i:06}/{}", tensor.name),
                    _ => format!("{part}/{}", tensor.name),
                };
                tensor
            })
        };
        let mut tensors: Vec<_> = parts.into_iter().flat_map(prefixed).collect();
        tensors.extend(self.best.into_iter().flat_map(|(epoch, own)| {
            own.into_iter().map(move |mut tensor| {
                tensor.name = format!("best/{epoch}/{}", tensor.name);
                tensor
            })
        }));
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        let progress = serde_json::to_string(&self.progress)
            .map_err(|e| Error::checkpoint(path, format!("cannot be written: {e}")))?;
        let state = State {
            sha256: checksum(&progress, tensors.iter()),
            progress,
        };
        let state = serde_json::to_string(&state)
            .map_err(|e| Error::checkpoint(path, format!("cannot be written: {e}")))?;
        tensors::save(path, tensors, (KEY, state))
    }

    /// Reads the file.
    ///
    /// # Errors
    /// A file that is missing, damaged, or not a checkpoint.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let broken = |problem: String| Error::checkpoint(path, problem);
        let (tensors, metadata) = tensors::load(path)?;
        let state = read_state(&metadata).map_err(broken)?;
        if checksum(&state.progress, tensors.values()) != state.sha256 {
            return Err(broken(
                "it is damaged: its checksum does not fit its tensors; \
                 take an older copy, or train anew"
                    .into(),
            ));
        }
        let mut checkpoint = Self {
            progress: state.progress().map_err(broken)?,
            model: Vec::new(),
            optimizer: Vec::new(),
            average: Vec::new(),
            carried: Vec::new(),
            best: BTreeMap::new(),
        };
        for (name, mut tensor) in tensors {
            let foreign = || {
                broken(format!(
                    "tensor \"{name}\" has no place in it; this is another kind of file"
                ))
            };
            let (part, rest) = name.split_once('/').ok_or_else(foreign)?;
            let (list, rest) = match part {
                "model" => (&mut checkpoint.model, rest),
                "optimizer" => (&mut checkpoint.optimizer, rest),
                "average" => (&mut checkpoint.average, rest),
                "carried" => (
                    &mut checkpoint.carried,
                    rest.split_once('/').map_or(rest, |(_, name)| name),
                ),
                "best" => {
                    let (epoch, rest) = rest.split_once('/').ok_or_else(foreign)?;
                    let epoch = epoch.parse().map_err(|_| foreign())?;
                    (checkpoint.best.entry(epoch).or_default(), rest)
                }
                _ => return Err(foreign()),
            };
            tensor.name = rest.to_string();
            list.push(tensor);
        }
        Ok(checkpoint)
    }

    /// Reads the progress of a run without its tensors.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn progress(path: &Path) -> Result<Progress, Error> {
        let metadata = tensors::load_metadata(path)?;
        let progress = read_state(&metadata).and_then(|state| state.progress());
        progress.map_err(|problem| Error::checkpoint(path, problem))
    }
}

/// The metadata of a checkpoint.
#[derive(Serialize, Deserialize)]
struct State {
    /// Fingerprint of the progress and of the names, shapes and values of all tensors.
    sha256: String,
    /// The [`Progress`] as JSON text, so that the fingerprint covers its bytes.
    progress: String,
}

impl State {
    fn progress(&self) -> Result<Progress, String> {
        serde_json::from_str(&self.progress).map_err(unreadable)
    }
}

/// Fingerprint of the progress, and of tensors in the order of their names.
fn checksum<'a>(progress: &str, tensors: impl Iterator<Item = &'a NamedTensor>) -> String {
    let mut hash = Fingerprint::new();
    hash.text(progress);
    for tensor in tensors {
        let shape = format!("{} {:?}", tensor.name, tensor.shape);
        hash.text(&shape).floats(&tensor.data);
    }
    hash.finish()
}

fn read_state(metadata: &Metadata) -> Result<State, String> {
    let text = metadata
        .get(KEY)
        .ok_or("holds no training state; it was not written by `refrain train`")?;
    serde_json::from_str(text).map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> String {
    format!(
        "its training state cannot be read ({error}); it was written by another version, or is damaged"
    )
}
