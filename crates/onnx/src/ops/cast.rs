//! `Cast` and its relatives.

use crate::call::Call;
use crate::error::{OpError, problem};
use crate::{cast, tensor};
use refrain_data::array::Array;

/// `Cast`: see [`cast::to`] for numbers outside of the range of a type.
pub(super) fn cast(call: &Call) -> Result<Vec<Array>, OpError> {
    let code = call
        .attributes
        .int("to")?
        .ok_or_else(|| problem("to", "is missing"))?;
    // `saturate` and `round_mode` concern types of 8 bits only.
    call.attributes.switch("saturate", true)?;
    let to = tensor::from_code(code)
        .map_err(|name| problem("to", &format!("names {name}, which is not supported")))?;
    Ok(vec![cast::to(call.input(0, "input")?, to, call.limit)?])
}

/// `CastLike`: to the type of another tensor.
pub(super) fn cast_like(call: &Call) -> Result<Vec<Array>, OpError> {
    call.attributes.switch("saturate", true)?;
    let to = call.input(1, "target_type")?.dtype();
    Ok(vec![cast::to(call.input(0, "input")?, to, call.limit)?])
}
