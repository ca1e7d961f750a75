//! A checkpoint: everything that a run needs to go on, in one file, so that it is there whole or not at all.

use super::Progress;
use crate::error::Error;
use crate::params::NamedTensor;
use crate::store::tensors::{self, Metadata};
use std::path::Path;

/// Name of the file in a run's folder.
pub const FILE: &str = "checkpoint.safetensors";
const KEY: &str = "refrain_progress";

/// The state of a run.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// All that is not a tensor.
    pub progress: Progress,
    /// Parameters.
    pub model: Vec<NamedTensor>,
    /// Optimizer state.
    pub optimizer: Vec<NamedTensor>,
    /// Average of the weights.
    pub average: Vec<NamedTensor>,
    /// State carried from batch to batch.
    pub carried: Vec<NamedTensor>,
}

impl Checkpoint {
    /// Writes the file aside, then renames it; gives its size in bytes.
    ///
    /// # Errors
    /// A write that fails; the file from before is then still whole.
    pub fn save(self, path: &Path) -> Result<u64, Error> {
        let progress = serde_json::to_string(&self.progress)
            .map_err(|e| Error::checkpoint(path, format!("cannot be written: {e}")))?;
        let parts = [
            ("model", self.model),
            ("optimizer", self.optimizer),
            ("average", self.average),
            ("carried", self.carried),
        ];
        let prefixed = |(part, tensors): (&'static str, Vec<NamedTensor>)| {
            tensors.into_iter().enumerate().map(move |(i, mut tensor)| {
                // The order matters to carried state, and a file keeps names sorted.
                tensor.name = match part {
                    "carried" => format!("{part}/{i:06}/{}", tensor.name),
                    _ => format!("{part}/{}", tensor.name),
                };
                tensor
            })
        };
        let tensors: Vec<_> = parts.into_iter().flat_map(prefixed).collect();
        tensors::save(path, tensors, (KEY, progress))
    }

    /// Reads the file.
    ///
    /// # Errors
    /// A file that is missing, truncated or no checkpoint.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let broken = |problem: String| Error::checkpoint(path, problem);
        let (tensors, metadata) = tensors::load(path)?;
        let progress = read_progress(&metadata).map_err(broken)?;
        let mut checkpoint = Self {
            progress,
            model: Vec::new(),
            optimizer: Vec::new(),
            average: Vec::new(),
            carried: Vec::new(),
        };
        for (name, mut tensor) in tensors {
            let Some((part, rest)) = name.split_once('/') else {
                return Err(broken(format!(
                    "tensor \"{name}\" has no place in it; this is another kind of file"
                )));
            };
            let (list, rest) = match part {
                "model" => (&mut checkpoint.model, rest),
                "optimizer" => (&mut checkpoint.optimizer, rest),
                "average" => (&mut checkpoint.average, rest),
                "carried" => (
                    &mut checkpoint.carried,
                    rest.split_once('/').map_or(rest, |(_, name)| name),
                ),
                _ => {
                    return Err(broken(format!(
                        "tensor \"{name}\" has no place in it; this is another kind of file"
                    )));
                }
            };
            tensor.name = rest.to_string();
            list.push(tensor);
        }
        Ok(checkpoint)
    }

    /// Reads where a run is, without its tensors.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn progress(path: &Path) -> Result<Progress, Error> {
        let metadata = tensors::load_metadata(path)?;
        read_progress(&metadata).map_err(|problem| Error::checkpoint(path, problem))
    }
}

fn read_progress(metadata: &Metadata) -> Result<Progress, String> {
    let text = metadata
        .get(KEY)
        .ok_or("holds no training state; it was not written by `refrain train`")?;
    serde_json::from_str(text)
        .map_err(|e| format!("its training state cannot be read ({e}); it was written by another version, or is damaged"))
}
