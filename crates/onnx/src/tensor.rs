//! Constants of a file: from [`TensorProto`] to [`Array`] and back.

use crate::error::{OnnxError, OpError};
use crate::proto::TensorProto;
use refrain_data::array::{Array, Data, Dtype, MAX_BYTES};

/// Reads a constant. Its size must agree with the bytes that are there.
///
/// # Errors
/// Data in another file, in segments or of an unsupported type, or a number of elements that does not fit the shape.
pub(crate) fn read(tensor: TensorProto, name: &str) -> Result<Array, OnnxError> {
    let checked = read_checked(tensor);
    checked.map_err(|problem| OnnxError::Tensor {
        name: name.into(),
        problem: Box::new(problem),
    })
}

fn read_checked(tensor: TensorProto) -> Result<Array, OpError> {
    let refuse = |what: &str| {
        Err(OpError::Other(format!(
            "{what} is not supported; save the model in one file \
             (torch.onnx.export with external_data=False, or onnx.save of the loaded model)"
        )))
    };
    if tensor.data_location.unwrap_or(0) != 0 || !tensor.external_data.is_empty() {
        return refuse("data in another file");
    }
    if tensor.segment.is_some() {
        return refuse("data in segments");
    }
    let dtype = dtype(tensor.data_type)?;
    let shape = shape(&tensor.dims, dtype)?;
    only_one_field(&tensor, dtype)?;
    let data = match tensor.raw_data {
        Some(bytes) => Data::from_le_bytes(dtype, &bytes)?,
        None => match dtype {
            Dtype::F32 => Data::F32(tensor.float_data),
            Dtype::I64 => Data::I64(tensor.int64_data),
            Dtype::I32 => Data::I32(tensor.int32_data),
            Dtype::Bool => Data::Bool(tensor.int32_data.iter().map(|&i| i != 0).collect()),
        },
    };
    Ok(Array::new(shape, data)?)
}

/// ONNX's numbers of the types that Refrain knows.
const CODES: [(i32, Dtype); 4] = [
    (1, Dtype::F32),
    (6, Dtype::I32),
    (7, Dtype::I64),
    (9, Dtype::Bool),
];

/// ONNX's names of all types, by number.
const NAMES: [&str; 17] = [
    "undefined",
    "float",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "int32",
    "int64",
    "string",
    "bool",
    "float16",
    "double",
    "uint32",
    "uint64",
    "complex64",
    "complex128",
    "bfloat16",
];

/// The type of an ONNX number; the error is the name of a type that is not supported.
pub(crate) fn from_code(code: i64) -> Result<Dtype, String> {
    match CODES.iter().find(|(known, _)| i64::from(*known) == code) {
        Some((_, dtype)) => Ok(*dtype),
        None => Err(usize::try_from(code)
            .ok()
            .and_then(|code| NAMES.get(code))
            .map_or_else(|| format!("type {code}"), ToString::to_string)),
    }
}

/// ONNX's number of a type.
pub(crate) fn code(dtype: Dtype) -> i32 {
    let own = CODES.iter().find(|(_, known)| *known == dtype);
    own.map_or(0, |(code, _)| *code)
}

/// The type that a field of the file names.
pub(crate) fn dtype(code: Option<i32>) -> Result<Dtype, OpError> {
    from_code(code.unwrap_or(0).into()).map_err(|got| OpError::Dtype {
        what: "it",
        expected: "float, int32, int64 or bool",
        got,
    })
}

fn shape(dims: &[i64], dtype: Dtype) -> Result<Vec<usize>, OpError> {
    let size = |&dim: &i64| {
        usize::try_from(dim).map_err(|_| OpError::Other(format!("its size {dim} is negative")))
    };
    let shape: Vec<usize> = dims.iter().map(size).collect::<Result<_, _>>()?;
    dtype.check(&shape, MAX_BYTES)?;
    Ok(shape)
}

/// Refuses numbers in a field of another type, which would be skipped otherwise.
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

/// A constant as files hold it.
pub(crate) fn write(name: &str, value: &Array) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        dims: value.shape().iter().map(|&size| size as i64).collect(),
        data_type: Some(code(value.dtype())),
        raw_data: Some(value.data().to_le_bytes()),
        ..TensorProto::default()
    }
}
