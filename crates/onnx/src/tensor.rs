//! Constants of a file: from [`TensorProto`] to [`Value`] and back.

use crate::error::{OnnxError, OpError};
use crate::proto::TensorProto;
use crate::value::{Data, Dtype, Value, elements};

/// Reads a constant. Its bytes are all there before its size is believed.
///
/// # Errors
/// Data in another file, in segments or of a type that values do not have, or more or fewer elements than the shape says.
pub(crate) fn read(tensor: TensorProto, name: &str) -> Result<Value, OnnxError> {
    let checked = read_checked(tensor);
    checked.map_err(|problem| OnnxError::Tensor {
        name: name.into(),
        problem: Box::new(problem),
    })
}

fn read_checked(tensor: TensorProto) -> Result<Value, OpError> {
    let refuse = |what: &str| {
        Err(OpError::Other(format!(
            "{what} is not supported; save the model in one file"
        )))
    };
    if tensor.data_location.unwrap_or(0) != 0 || !tensor.external_data.is_empty() {
        return refuse("data in another file");
    }
    if tensor.segment.is_some() {
        return refuse("data in segments");
    }
    let dtype = dtype(tensor.data_type)?;
    let shape = shape(&tensor.dims)?;
    only_one_field(&tensor, dtype)?;
    let data = match tensor.raw_data {
        Some(bytes) => from_bytes(dtype, &bytes)?,
        None => match dtype {
            Dtype::F32 => Data::F32(tensor.float_data),
            Dtype::I64 => Data::I64(tensor.int64_data),
            Dtype::I32 => Data::I32(tensor.int32_data),
            Dtype::Bool => Data::Bool(tensor.int32_data.iter().map(|&i| i != 0).collect()),
        },
    };
    Value::new(shape, data)
}

/// ONNX's number of a type as a type that values have.
pub(crate) fn dtype(code: Option<i32>) -> Result<Dtype, OpError> {
    Dtype::from_onnx(code.unwrap_or(0)).map_err(|got| OpError::Dtype {
        what: "it",
        expected: "float, int32, int64 or bool",
        got,
    })
}

fn shape(dims: &[i64]) -> Result<Vec<usize>, OpError> {
    let size = |&dim: &i64| {
        usize::try_from(dim).map_err(|_| OpError::Other(format!("its size {dim} is negative")))
    };
    let shape: Vec<usize> = dims.iter().map(size).collect::<Result<_, _>>()?;
    match elements(&shape) {
        Some(_) => Ok(shape),
        None => Err(OpError::Other(format!(
            "its shape {shape:?} has more elements than can be counted"
        ))),
    }
}

/// Numbers in a field of another type would otherwise be passed over.
fn only_one_field(tensor: &TensorProto, dtype: Dtype) -> Result<(), OpError> {
    let raw = tensor.raw_data.is_some();
    let fields = [
        ("float_data", tensor.float_data.len(), dtype == Dtype::F32),
        ("int64_data", tensor.int64_data.len(), dtype == Dtype::I64),
        (
            "int32_data",
            tensor.int32_data.len(),
            matches!(dtype, Dtype::I32 | Dtype::Bool),
        ),
        ("double_data", tensor.double_data.len(), false),
        ("uint64_data", tensor.uint64_data.len(), false),
        ("string_data", tensor.string_data.len(), false),
    ];
    match fields
        .iter()
        .find(|(_, count, own)| *count > 0 && (raw || !own))
    {
        Some((field, ..)) => Err(OpError::Other(format!(
            "it holds {dtype} but has numbers in {field} too; a tensor has one field of numbers"
        ))),
        None => Ok(()),
    }
}

/// Elements from little-endian bytes.
pub(crate) fn from_bytes(dtype: Dtype, bytes: &[u8]) -> Result<Data, OpError> {
    fn parts<const N: usize, T>(
        bytes: &[u8],
        from: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, OpError> {
        let (parts, rest) = bytes.as_chunks::<N>();
        match rest {
            [] => Ok(parts.iter().map(|&part| from(part)).collect()),
            _ => Err(OpError::Other(format!(
                "{} bytes are no whole number of elements of {N}",
                bytes.len()
            ))),
        }
    }
    Ok(match dtype {
        Dtype::F32 => Data::F32(parts(bytes, f32::from_le_bytes)?),
        Dtype::I64 => Data::I64(parts(bytes, i64::from_le_bytes)?),
        Dtype::I32 => Data::I32(parts(bytes, i32::from_le_bytes)?),
        Dtype::Bool => Data::Bool(bytes.iter().map(|&b| b != 0).collect()),
    })
}

/// Elements as little-endian bytes.
pub(crate) fn to_bytes(data: &Data) -> Vec<u8> {
    match data {
        Data::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::I64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::I32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::Bool(v) => v.iter().map(|&x| u8::from(x)).collect(),
    }
}

/// A constant as files hold it.
pub(crate) fn write(name: &str, value: &Value) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        dims: value.shape().iter().map(|&size| size as i64).collect(),
        data_type: Some(value.dtype().onnx()),
        raw_data: Some(to_bytes(value.data())),
        ..TensorProto::default()
    }
}
