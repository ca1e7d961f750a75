//! Named tensors in a `.safetensors` file.

use super::{atomic, open, read};
use crate::error::Error;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, View};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;

/// A tensor as stored in a model folder or a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// `rnn.weight_ih_l0`
    pub name: String,
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Row-major.
    pub data: Vec<f32>,
}

/// Texts stored beside the tensors, by name.
pub type Metadata = HashMap<String, String>;

/// Longest header that is accepted, bytes.
const MAX_HEADER: u64 = 100_000_000;

/// Number format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// 32-bit floats, exact.
    F32,
    /// 16-bit floats (IEEE 754): half the size, eleven significant bits.
    F16,
    /// Matrices as bytes with a scale per row, other tensors as 16-bit floats: a quarter of the size, seven significant
    /// bits.
    Int8,
}

/// Name of the scales of a tensor that is stored as bytes.
const SCALES: &str = ".row_scales";

/// One tensor of a file.
struct Stored {
    shape: Vec<usize>,
    dtype: Dtype,
    bytes: Vec<u8>,
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Stored {
    fn f32(shape: Vec<usize>, data: &[f32]) -> Self {
        Self {
            shape,
            dtype: Dtype::F32,
            bytes: data.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    fn f16(shape: Vec<usize>, data: &[f32]) -> Self {
        let half = |x: &f32| f16::from_f32(*x).to_le_bytes();
        Self {
            shape,
            dtype: Dtype::F16,
            bytes: data.iter().flat_map(half).collect(),
        }
    }

    /// A matrix as bytes, and the scale of each row.
    fn int8(shape: Vec<usize>, data: &[f32]) -> [Self; 2] {
        let rows = shape[0];
        let width = (data.len() / rows.max(1)).max(1);
        let (mut bytes, mut scales) = (Vec::with_capacity(data.len()), Vec::with_capacity(rows));
        for row in data.chunks(width) {
            let largest = row.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let scale = largest / f32::from(i8::MAX);
            let quantised = |x: &f32| match scale > 0.0 {
                true => (x / scale).round() as i8,
                false => 0,
            };
            bytes.extend(row.iter().map(|x| quantised(x).to_le_bytes()[0]));
            scales.push(scale);
        }
        let matrix = Self {
            shape,
            dtype: Dtype::I8,
            bytes,
        };
        [matrix, Self::f32(vec![rows], &scales)]
    }
}

/// The reason why a storage cannot hold a tensor, and the remedy.
fn unfit(tensor: &NamedTensor, storage: Storage) -> Option<String> {
    let is_bytes = storage == Storage::Int8 && tensor.shape.len() >= 2;
    let is_half = storage != Storage::F32 && !is_bytes;
    let mut numbers = tensor.data.iter();
    if is_bytes && numbers.any(|x| !x.is_finite()) {
        return Some("holds a value that is not a finite number; train anew".into());
    }
    let beyond = |x: &f32| !x.is_finite() || x.abs() > f16::MAX.to_f32();
    if !is_half || !numbers.any(beyond) {
        return None;
    }
    let (most, note) = (
        f16::MAX,
        match storage {
            Storage::Int8 => ", in which int8 keeps vectors",
            _ => "",
        },
    );
    Some(format!(
        "has a number beyond the {most} of half precision{note}; use the model as it is"
    ))
}

/// Writes the tensors with one entry of metadata (several would have no fixed order); returns the size in bytes.
///
/// # Errors
/// A write that fails; the previous file is then unchanged.
pub fn save(
    path: &Path,
    tensors: Vec<NamedTensor>,
    metadata: (&str, String),
) -> Result<u64, Error> {
    save_as(path, tensors, Storage::F32, metadata)
}

/// As [`save`], with the given storage of the numbers.
///
/// # Errors
/// As [`save`], or a number that the storage cannot hold.
pub fn save_as(
    path: &Path,
    tensors: Vec<NamedTensor>,
    storage: Storage,
    (key, text): (&str, String),
) -> Result<u64, Error> {
    let metadata = Metadata::from([(key.to_string(), text)]);
    for tensor in &tensors {
        if let Some(problem) = unfit(tensor, storage) {
            let problem = format!("tensor \"{}\" {problem}", tensor.name);
            return Err(Error::folder(path, problem));
        }
    }
    let mut named = Vec::new();
    for NamedTensor { name, shape, data } in tensors {
        match storage {
            Storage::F32 => named.push((name, Stored::f32(shape, &data))),
            Storage::Int8 if shape.len() >= 2 => {
                let [matrix, scales] = Stored::int8(shape, &data);
                named.push((format!("{name}{SCALES}"), scales));
                named.push((name, matrix));
            }
            Storage::F16 | Storage::Int8 => named.push((name, Stored::f16(shape, &data))),
        }
    }
    let bytes = safetensors::serialize(named, Some(metadata))
        .map_err(|e| Error::folder(path, format!("its tensors cannot be written: {e}")))?;
    atomic::write(path, &bytes)?;
    Ok(bytes.len() as u64)
}

/// Reads a file.
///
/// # Errors
/// A file that is missing, truncated or forged: every size is checked against the size of the file before memory is
/// taken. A file with other numbers than floats of 32 or 16 bits, or bytes with scales.
pub fn load(path: &Path) -> Result<(BTreeMap<String, NamedTensor>, Metadata), Error> {
    let bytes = read(path)?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged(path))?;
    let file = SafeTensors::deserialize(&bytes).map_err(damaged(path))?;
    let (mut tensors, mut bytewise) = (BTreeMap::new(), Vec::new());
    for (name, view) in file.iter() {
        let single = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        let half = |b: &[u8]| f16::from_le_bytes([b[0], b[1]]).to_f32();
        let brain = |b: &[u8]| bf16::from_le_bytes([b[0], b[1]]).to_f32();
        let bytes = view.data();
        let data = match view.dtype() {
            Dtype::F32 => bytes.chunks_exact(4).map(single).collect(),
            Dtype::F16 => bytes.chunks_exact(2).map(half).collect(),
            Dtype::BF16 => bytes.chunks_exact(2).map(brain).collect(),
            Dtype::I8 => bytes.iter().map(|&b| f32::from(b as i8)).collect(),
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
        if view.dtype() == Dtype::I8 {
            bytewise.push(name.to_string());
        }
    }
    for name in bytewise {
        scale(path, &mut tensors, &name)?;
    }
    Ok((tensors, header.metadata().clone().unwrap_or_default()))
}

/// Multiplies the rows of a tensor that was stored as bytes by their scales.
fn scale(
    path: &Path,
    tensors: &mut BTreeMap<String, NamedTensor>,
    name: &str,
) -> Result<(), Error> {
    let scales = tensors.remove(&format!("{name}{SCALES}"));
    let fits = |tensor: &&mut NamedTensor| {
        let rows = tensor.shape.first().copied();
        rows == scales.as_ref().map(|scales| scales.data.len()) && rows != Some(0)
    };
    let (Some(tensor), Some(scales)) = (tensors.get_mut(name).filter(fits), &scales) else {
        let problem = format!(
            "tensor \"{name}\" holds bytes without a scale for each row; the file is incomplete or foreign"
        );
        return Err(Error::folder(path, problem));
    };
    let width = tensor.data.len() / scales.data.len();
    for (row, scale) in tensor.data.chunks_mut(width.max(1)).zip(&scales.data) {
        row.iter_mut().for_each(|x| *x *= scale);
    }
    Ok(())
}

/// Reads a file's metadata only.
///
/// # Errors
/// As [`load`], as far as the header shows.
pub fn load_metadata(path: &Path) -> Result<Metadata, Error> {
    let mut file = open(path)?;
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
