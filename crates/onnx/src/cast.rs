//! From one type of elements to another.

use crate::error::OpError;
use refrain_data::array::{Array, Data, Dtype, f16};

/// The same numbers in another type. Floats are truncated towards zero; one outside the range of an integer becomes the
/// nearest integer in it, and NaN becomes 0 (ONNX leaves both open). Integers lose their upper bits.
pub(crate) fn to(value: &Array, dtype: Dtype, limit: usize) -> Result<Array, OpError> {
    dtype.check(value.shape(), limit)?;
    Ok(Array::new(
        value.shape().to_vec(),
        data(value.data(), dtype),
    )?)
}

/// Elements of another type.
pub(crate) fn data(data: &Data, to: Dtype) -> Data {
    macro_rules! from_numbers {
        ($v:expr) => {{
            let v = $v;
            match to {
                Dtype::F32 => Data::F32(v.map(|x| x as f32).collect()),
                Dtype::F64 => Data::F64(v.map(|x| x as f64).collect()),
                Dtype::F16 => Data::F16(v.map(|x| f16::from_f64(x as f64)).collect()),
                Dtype::I64 => Data::I64(v.map(|x| x as i64).collect()),
                Dtype::I32 => Data::I32(v.map(|x| x as i32).collect()),
                Dtype::I16 => Data::I16(v.map(|x| x as i16).collect()),
                Dtype::I8 => Data::I8(v.map(|x| x as i8).collect()),
                Dtype::U64 => Data::U64(v.map(|x| x as u64).collect()),
                Dtype::U32 => Data::U32(v.map(|x| x as u32).collect()),
                Dtype::U16 => Data::U16(v.map(|x| x as u16).collect()),
                Dtype::U8 => Data::U8(v.map(|x| x as u8).collect()),
                Dtype::Bool => Data::Bool(v.map(|x| x as f64 != 0.0).collect()),
            }
        }};
    }
    if data.dtype() == to {
        return data.clone();
    }
    match data {
        Data::F32(v) => from_numbers!(v.iter().copied()),
        Data::F64(v) => from_numbers!(v.iter().copied()),
        Data::F16(v) => from_numbers!(v.iter().map(|x| x.to_f32())),
        Data::I64(v) => from_numbers!(v.iter().copied()),
        Data::I32(v) => from_numbers!(v.iter().copied()),
        Data::I16(v) => from_numbers!(v.iter().copied()),
        Data::I8(v) => from_numbers!(v.iter().copied()),
        Data::U64(v) => from_numbers!(v.iter().copied()),
        Data::U32(v) => from_numbers!(v.iter().copied()),
        Data::U16(v) => from_numbers!(v.iter().copied()),
        Data::U8(v) => from_numbers!(v.iter().copied()),
        Data::Bool(v) => from_numbers!(v.iter().map(|&x| u8::from(x))),
    }
}
