//! From one type to another.

use crate::call::Call;
use crate::error::{OpError, problem};
use crate::tensor;
use refrain_data::array::{Array, Data, Dtype};

/// `Cast` between the four types. Floats are truncated towards zero; one outside the range of an integer becomes the
/// nearest integer in it, and NaN becomes 0 (the specification leaves both open). An int64 becomes an int32 by dropping
/// its upper half.
pub(super) fn cast(call: &Call) -> Result<Vec<Array>, OpError> {
    let code = call
        .attributes
        .int("to")?
        .ok_or_else(|| problem("to", "is missing"))?;
    // `saturate` concerns types of 8 bits only.
    call.attributes.switch("saturate", true)?;
    let to = tensor::from_code(code)
        .map_err(|name| problem("to", &format!("names {name}, which is not supported")))?;
    let x = call.input(0, "input")?;
    call.check(to, x.shape())?;
    Ok(vec![Array::new(
        x.shape().to_vec(),
        converted(x.data(), to),
    )?])
}

fn converted(data: &Data, to: Dtype) -> Data {
    match (data, to) {
        (data, to) if data.dtype() == to => data.clone(),
        (Data::F32(v), Dtype::I64) => Data::I64(v.iter().map(|&x| x as i64).collect()),
        (Data::F32(v), Dtype::I32) => Data::I32(v.iter().map(|&x| x as i32).collect()),
        (Data::F32(v), _) => Data::Bool(v.iter().map(|&x| x != 0.0).collect()),
        (Data::I64(v), Dtype::F32) => Data::F32(v.iter().map(|&x| x as f32).collect()),
        (Data::I64(v), Dtype::I32) => Data::I32(v.iter().map(|&x| x as i32).collect()),
        (Data::I64(v), _) => Data::Bool(v.iter().map(|&x| x != 0).collect()),
        (Data::I32(v), Dtype::F32) => Data::F32(v.iter().map(|&x| x as f32).collect()),
        (Data::I32(v), Dtype::I64) => Data::I64(v.iter().map(|&x| x.into()).collect()),
        (Data::I32(v), _) => Data::Bool(v.iter().map(|&x| x != 0).collect()),
        (Data::Bool(v), Dtype::F32) => {
            Data::F32(v.iter().map(|&x| f32::from(u8::from(x))).collect())
        }
        (Data::Bool(v), Dtype::I32) => Data::I32(v.iter().map(|&x| x.into()).collect()),
        (Data::Bool(v), _) => Data::I64(v.iter().map(|&x| x.into()).collect()),
    }
}
