//! Archives of named arrays, as `numpy.savez` writes them.

use crate::error::{NpzError, OpError};
use crate::tensor::from_bytes;
use crate::value::{DEFAULT_LIMIT, Data, Dtype, Value, elements};
use crate::walk::Walk;
use npyz::{DType, NpyFile, Order, TypeChar, WriterBuilder};
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Longest text before an array's numbers, bytes. NumPy writes 118 for what is read here.
const MAX_HEADER: usize = 4096;
/// Most brackets in it: NumPy writes a dictionary with a tuple.
const MAX_BRACKETS: usize = 64;

/// Reads an archive's bytes, packed or not: arrays of float32, int32, int64 and bool by name.
///
/// # Errors
/// Bytes that are no archive, or an array that is damaged or of another type; it is named.
pub fn read(bytes: &[u8]) -> Result<BTreeMap<String, Value>, NpzError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes))?;
    let mut arrays = BTreeMap::new();
    // What is unpacked is limited in all, whatever the archive says of it.
    let mut left = 4 * DEFAULT_LIMIT as u64;
    for index in 0..archive.len() {
        let mut file = archive.by_index(index)?;
        let name = file
            .name()
            .strip_suffix(".npy")
            .unwrap_or(file.name())
            .to_string();
        let failed = |problem: String| NpzError::Array {
            name: name.clone(),
            problem,
        };
        let mut npy = Vec::new();
        let damaged = |error: std::io::Error| {
            failed(format!(
                "it cannot be unpacked ({error}); write the archive again"
            ))
        };
        file.by_ref()
            .take(left + 1)
            .read_to_end(&mut npy)
            .map_err(damaged)?;
        left = left
            .checked_sub(npy.len() as u64)
            .ok_or_else(|| failed("the archive unpacks to more than 2 GiB; split it".into()))?;
        let array = read_npy(&npy).map_err(&failed)?;
        arrays.insert(name, array);
    }
    Ok(arrays)
}

/// One array.
fn read_npy(npy: &[u8]) -> Result<Value, String> {
    let damaged = "it is damaged, or no .npy array; numpy.savez writes them";
    if !plausible(npy) {
        return Err(damaged.into());
    }
    let file = NpyFile::new(npy).map_err(|error| format!("{damaged} ({error})"))?;
    let dtype = dtype(&file.dtype())?;
    let size = |&size: &u64| usize::try_from(size).ok();
    let shape: Option<Vec<usize>> = file.shape().iter().map(size).collect();
    let order = file.order();
    let data = from_bytes(dtype, file.into_inner()).map_err(|error| error.to_string())?;
    let shape = shape.filter(|shape| elements(shape) == Some(data.len()));
    let shape = shape.ok_or_else(|| {
        format!(
            "{damaged} (its shape does not fit its {} elements)",
            data.len()
        )
    })?;
    let array = match order {
        Order::C => Value::new(shape, data),
        Order::Fortran => from_fortran(shape, data),
    };
    array.map_err(|error: OpError| error.to_string())
}

/// Whether the text before the numbers is all there, short and flat: what parses it recurses.
fn plausible(npy: &[u8]) -> bool {
    let (size, start) = match npy {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => {
            (usize::from(u16::from_le_bytes([*a, *b])), 10)
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', _, _, a, b, 0, 0, ..] => {
            (usize::from(u16::from_le_bytes([*a, *b])), 12)
        }
        _ => return false,
    };
    let Some(text) = npy.get(start..start + size) else {
        return false;
    };
    let open = |c: &&u8| matches!(c, b'(' | b'[' | b'{');
    size <= MAX_HEADER && text.iter().filter(open).count() <= MAX_BRACKETS
}

fn dtype(of: &DType) -> Result<Dtype, String> {
    let text = of.descr();
    let DType::Plain(plain) = of else {
        return Err(format!(
            "it has records of {text}; save each field as an array of its own"
        ));
    };
    let big = plain.endianness() == npyz::Endianness::Big && plain.size_field() > 1;
    match (plain.type_char(), plain.size_field()) {
        (TypeChar::Float, 4) if !big => Ok(Dtype::F32),
        (TypeChar::Int, 4) if !big => Ok(Dtype::I32),
        (TypeChar::Int, 8) if !big => Ok(Dtype::I64),
        (TypeChar::Bool, 1) => Ok(Dtype::Bool),
        _ => Err(format!(
            "its type {text} is not supported; convert it to float32, int32, int64 or bool with .astype"
        )),
    }
}

/// The first index changes fastest.
fn from_fortran(shape: Vec<usize>, data: Data) -> Result<Value, OpError> {
    let mut steps = Vec::with_capacity(shape.len());
    let mut step = 1isize;
    for &size in &shape {
        steps.push(step);
        step = step.saturating_mul(size as isize);
    }
    let stored = Value::new(vec![data.len()], data)?;
    let walk = Walk::new(&shape, steps, 0);
    stored.taken(shape, walk)
}

/// The bytes of an archive with these arrays, in this order.
///
/// # Errors
/// Two arrays of one name.
pub fn write(arrays: &[(String, Value)]) -> Result<Vec<u8>, NpzError> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, array) in arrays {
        archive.start_file(format!("{name}.npy"), options)?;
        archive.write_all(&write_npy(array)?)?;
    }
    Ok(archive.finish()?.into_inner())
}

fn write_npy(array: &Value) -> std::io::Result<Vec<u8>> {
    fn fill<T: npyz::AutoSerialize + Copy>(shape: &[u64], data: &[T]) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let options = npyz::WriteOptions::new().default_dtype().shape(shape);
        let mut npy = options.writer(&mut bytes).begin_nd()?;
        npy.extend(data.iter().copied())?;
        npy.finish()?;
        Ok(bytes)
    }
    let shape: Vec<u64> = array.shape().iter().map(|&size| size as u64).collect();
    match array.data() {
        Data::F32(v) => fill(&shape, v),
        Data::I64(v) => fill(&shape, v),
        Data::I32(v) => fill(&shape, v),
        Data::Bool(v) => fill(&shape, v),
    }
}
