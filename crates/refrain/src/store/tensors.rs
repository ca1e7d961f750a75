//! Named tensors in a `.safetensors` file.

use super::atomic;
use crate::error::Error;
use crate::params::NamedTensor;
use safetensors::tensor::{Dtype, SafeTensors, View};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Text beside the tensors.
pub type Metadata = HashMap<String, String>;

/// Longest header that is believed, bytes.
const MAX_HEADER: u64 = 100_000_000;

impl View for NamedTensor {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = vec![0; self.data.len() * 4];
        for (to, x) in bytes.chunks_exact_mut(4).zip(&self.data) {
            to.copy_from_slice(&x.to_le_bytes());
        }
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.data.len() * 4
    }
}

/// Writes the tensors with one line of metadata (more than one would have no fixed order); gives the size in bytes.
///
/// # Errors
/// A write that fails; the file from before is then still whole.
pub fn save(
    path: &Path,
    tensors: Vec<NamedTensor>,
    (key, text): (&str, String),
) -> Result<u64, Error> {
    let metadata = Metadata::from([(key.to_string(), text)]);
    let named: Vec<_> = tensors
        .into_iter()
        .map(|tensor| (tensor.name.clone(), tensor))
        .collect();
    let bytes = safetensors::serialize(named, Some(metadata))
        .map_err(|e| Error::folder(path, format!("its tensors cannot be written: {e}")))?;
    atomic::write(path, &bytes)?;
    Ok(bytes.len() as u64)
}

/// Reads a file.
///
/// # Errors
/// A file that is missing, truncated or forged (every size is checked against the file's before memory is taken), or that holds
/// another type of numbers than 32-bit floats.
pub fn load(path: &Path) -> Result<(BTreeMap<String, NamedTensor>, Metadata), Error> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged(path))?;
    let file = SafeTensors::deserialize(&bytes).map_err(damaged(path))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        if view.dtype() != Dtype::F32 {
            let problem = format!(
                "tensor \"{name}\" holds {:?}; 32-bit floats (F32) are needed",
                view.dtype()
            );
            return Err(Error::folder(path, problem));
        }
        let float = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        let tensor = NamedTensor {
            name: name.to_string(),
            shape: view.shape().to_vec(),
            data: view.data().chunks_exact(4).map(float).collect(),
        };
        tensors.insert(name.to_string(), tensor);
    }
    Ok((tensors, header.metadata().clone().unwrap_or_default()))
}

/// Reads a file's metadata only.
///
/// # Errors
/// As [`load`], as far as the header shows.
pub fn load_metadata(path: &Path) -> Result<Metadata, Error> {
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let size = file.metadata().map_err(Error::io("read", path))?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|e| damaged(path)(e))?;
    let header = u64::from_le_bytes(length);
    if header > MAX_HEADER || header.saturating_add(8) > size {
        return Err(damaged(path)(format!(
            "a header of {header} bytes in a file of {size}"
        )));
    }
    let mut bytes = length.to_vec();
    file.take(header)
        .read_to_end(&mut bytes)
        .map_err(Error::io("read", path))?;
    let text = &bytes[8..];
    let json: serde_json::Value = serde_json::from_slice(text).map_err(|e| damaged(path)(e))?;
    let metadata = json.get("__metadata__").cloned().unwrap_or_default();
    match metadata {
        serde_json::Value::Null => Ok(Metadata::new()),
        metadata => serde_json::from_value(metadata).map_err(|e| damaged(path)(e)),
    }
}

fn damaged<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> Error {
    let path = path.to_path_buf();
    move |e| {
        Error::folder(
            &path,
            format!(
                "the file is damaged, truncated or no safetensors file ({e}); copy it again or train anew"
            ),
        )
    }
}
