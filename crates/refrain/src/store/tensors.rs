//! Named tensors in a `.safetensors` file.

use super::atomic;
use crate::error::Error;
use crate::params::NamedTensor;
use half::{bf16, f16};
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

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Storage {
    /// As they are.
    F32,
    /// In half the space, with eleven significant bits.
    F16,
}

struct Stored(NamedTensor, Storage);

impl View for Stored {
    fn dtype(&self) -> Dtype {
        match self.1 {
            Storage::F32 => Dtype::F32,
            Storage::F16 => Dtype::F16,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = Vec::with_capacity(self.data_len());
        for &x in &self.0.data {
            match self.1 {
                Storage::F32 => bytes.extend(x.to_le_bytes()),
                Storage::F16 => bytes.extend(f16::from_f32(x).to_le_bytes()),
            }
        }
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        let each = match self.1 {
            Storage::F32 => 4,
            Storage::F16 => 2,
        };
        self.0.data.len() * each
    }
}

/// Writes the tensors with one line of metadata (more than one would have no fixed order); gives the size in bytes.
///
/// # Errors
/// A write that fails; the file from before is then still whole.
pub fn save(
    path: &Path,
    tensors: Vec<NamedTensor>,
    metadata: (&str, String),
) -> Result<u64, Error> {
    write(path, tensors, Storage::F32, metadata)
}

/// As [`save`], in half precision (IEEE 754): half the size, eleven significant bits.
///
/// # Errors
/// As [`save`], or a number too large to be stored.
pub fn save_half(
    path: &Path,
    tensors: Vec<NamedTensor>,
    metadata: (&str, String),
) -> Result<u64, Error> {
    write(path, tensors, Storage::F16, metadata)
}

fn write(
    path: &Path,
    tensors: Vec<NamedTensor>,
    storage: Storage,
    (key, text): (&str, String),
) -> Result<u64, Error> {
    let metadata = Metadata::from([(key.to_string(), text)]);
    let large = |x: &f32| storage == Storage::F16 && x.abs() > f16::MAX.to_f32();
    if let Some(tensor) = tensors.iter().find(|own| own.data.iter().any(large)) {
        let problem = format!(
            "tensor \"{}\" has a number beyond the {} of half precision; keep it in single",
            tensor.name,
            f16::MAX
        );
        return Err(Error::folder(path, problem));
    }
    let named: Vec<_> = tensors
        .into_iter()
        .map(|tensor| (tensor.name.clone(), Stored(tensor, storage)))
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
/// another type of numbers than floats of 32 or 16 bits.
pub fn load(path: &Path) -> Result<(BTreeMap<String, NamedTensor>, Metadata), Error> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged(path))?;
    let file = SafeTensors::deserialize(&bytes).map_err(damaged(path))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        let single = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        let half = |b: &[u8]| f16::from_le_bytes([b[0], b[1]]).to_f32();
        let brain = |b: &[u8]| bf16::from_le_bytes([b[0], b[1]]).to_f32();
        let bytes = view.data();
        let data = match view.dtype() {
            Dtype::F32 => bytes.chunks_exact(4).map(single).collect(),
            Dtype::F16 => bytes.chunks_exact(2).map(half).collect(),
            Dtype::BF16 => bytes.chunks_exact(2).map(brain).collect(),
            other => {
                let problem = format!(
                    "tensor \"{name}\" holds {other:?}; floats (F32, F16 or BF16) are needed"
                );
                return Err(Error::folder(path, problem));
            }
        };
        let tensor = NamedTensor {
            name: name.to_string(),
            shape: view.shape().to_vec(),
            data,
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
