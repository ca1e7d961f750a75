//! Constants of a file: from [`TensorProto`] to [`Array`] and back.

use crate::error::{OnnxError, OpError};
use crate::external::{self, Fetch};
use crate::proto::TensorProto;
use refrain_data::array::{Array, Data, Dtype, MAX_BYTES, f16};

/// Reads a constant. Its size must agree with the bytes that are there.
///
/// # Errors
/// Data in another file that cannot be had, in segments or of an unsupported type, or a number of elements that does
/// not fit the shape.
pub(crate) fn read(tensor: TensorProto, name: &str, fetch: &Fetch) -> Result<Array, OnnxError> {
    let checked = read_checked(tensor, fetch);
    checked.map_err(|problem| OnnxError::Tensor {
        name: name.into(),
        problem: Box::new(problem),
    })
}

fn read_checked(tensor: TensorProto, fetch: &Fetch) -> Result<Array, OpError> {
    if tensor.segment.is_some() {
        let text = "data in segments is not supported; save the model again with onnx.save";
        return Err(OpError::Other(text.into()));
    }
    let dtype = dtype(tensor.data_type)?;
    let shape = shape(&tensor.dims, dtype)?;
    let elements = dtype.check(&shape, MAX_BYTES)?;
    only_one_field(&tensor, dtype)?;
    if tensor.data_location.unwrap_or(0) != 0 || !tensor.external_data.is_empty() {
        let bytes = external::read(&tensor, elements * dtype.bytes(), fetch)?;
        return Ok(Array::new(shape, Data::from_le_bytes(dtype, &bytes)?)?);
    }
    let data = match tensor.raw_data {
        Some(bytes) => Data::from_le_bytes(dtype, &bytes)?,
        None => from_fields(dtype, tensor),
    };
    Ok(Array::new(shape, data)?)
}

/// Numbers from the field of their type. Narrow integers and halves lie in wider ones.
fn from_fields(dtype: Dtype, tensor: TensorProto) -> Data {
    let ints = || tensor.int32_data.iter();
    match dtype {
        Dtype::F32 => Data::F32(tensor.float_data),
        Dtype::F64 => Data::F64(tensor.double_data),
        Dtype::F16 => Data::F16(ints().map(|&i| f16::from_bits(i as u16)).collect()),
        Dtype::I64 => Data::I64(tensor.int64_data),
        Dtype::I32 => Data::I32(tensor.int32_data),
        Dtype::I16 => Data::I16(ints().map(|&i| i as i16).collect()),
        Dtype::I8 => Data::I8(ints().map(|&i| i as i8).collect()),
        Dtype::U64 => Data::U64(tensor.uint64_data),
        Dtype::U32 => Data::U32(tensor.uint64_data.iter().map(|&i| i as u32).collect()),
        Dtype::U16 => Data::U16(ints().map(|&i| i as u16).collect()),
        Dtype::U8 => Data::U8(ints().map(|&i| i as u8).collect()),
        Dtype::Bool => Data::Bool(ints().map(|&i| i != 0).collect()),
    }
}

/// ONNX's numbers of the types that Refrain knows.
const CODES: [(i32, Dtype); 12] = [
    (1, Dtype::F32),
    (2, Dtype::U8),
    (3, Dtype::I8),
    (4, Dtype::U16),
    (5, Dtype::I16),
    (6, Dtype::I32),
    (7, Dtype::I64),
    (9, Dtype::Bool),
    (10, Dtype::F16),
    (11, Dtype::F64),
    (12, Dtype::U32),
    (13, Dtype::U64),
];

/// ONNX's names of all types, by number.
const NAMES: [&str; 23] = [
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
    "float8e4m3fn",
    "float8e4m3fnuz",
    "float8e5m2",
    "float8e5m2fnuz",
    "uint4",
    "int4",
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
        expected: "float, double, float16, an integer of 8 bits or more, or bool",
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
    let elsewhere = tensor.raw_data.is_some() || tensor.data_location.unwrap_or(0) != 0;
    let in_words = matches!(
        dtype,
        Dtype::I32 | Dtype::I16 | Dtype::I8 | Dtype::U16 | Dtype::U8 | Dtype::Bool | Dtype::F16
    );
    let fields = [
        ("float_data", tensor.float_data.len(), dtype == Dtype::F32),
        ("int64_data", tensor.int64_data.len(), dtype == Dtype::I64),
        ("int32_data", tensor.int32_data.len(), in_words),
        ("double_data", tensor.double_data.len(), dtype == Dtype::F64),
        (
            "uint64_data",
            tensor.uint64_data.len(),
            matches!(dtype, Dtype::U64 | Dtype::U32),
        ),
        ("string_data", tensor.string_data.len(), false),
    ];
    match fields
        .iter()
        .find(|(_, count, own)| *count > 0 && (elsewhere || !own))
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
