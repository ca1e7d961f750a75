//! One run of a node: its attributes, inputs and limits, and checked access to them.

use crate::attributes::Attributes;
use crate::error::OpError;
use crate::packed::Kept;
use refrain_data::array::{Array, Dtype};

/// All that an operator gets.
pub(crate) struct Call<'a> {
    pub attributes: &'a Attributes,
    pub inputs: Vec<Option<&'a Array>>,
    /// Which of the inputs are constants of the model: the same in every run.
    pub constant: Vec<bool>,
    /// Forms of the node's constants that are kept for all runs.
    pub kept: &'a Kept,
    /// Outputs that the node has.
    pub outputs: usize,
    pub opset: i64,
    /// Most bytes of a result.
    pub limit: usize,
}

impl<'a> Call<'a> {
    /// Number of elements of a result, if they fit into the limit.
    pub fn check(&self, dtype: Dtype, shape: &[usize]) -> Result<usize, OpError> {
        Ok(dtype.check(shape, self.limit)?)
    }

    /// Whether an input is the same in every run; one that is left out is.
    pub fn is_constant(&self, index: usize) -> bool {
        self.constant.get(index).copied().unwrap_or(true)
    }

    pub fn optional(&self, index: usize) -> Option<&'a Array> {
        self.inputs.get(index).copied().flatten()
    }

    pub fn input(&self, index: usize, what: &'static str) -> Result<&'a Array, OpError> {
        self.optional(index).ok_or(OpError::Missing(what))
    }

    /// An input that must hold floats, with its shape.
    pub fn floats(
        &self,
        index: usize,
        what: &'static str,
    ) -> Result<(&'a [usize], &'a [f32]), OpError> {
        floats(self.input(index, what)?, what)
    }

    /// An input that must hold integers.
    pub fn ints(&self, index: usize, what: &'static str) -> Result<Vec<i64>, OpError> {
        self.optional_ints(index, what)?
            .ok_or(OpError::Missing(what))
    }

    /// Integers from an input that may be left out.
    pub fn optional_ints(
        &self,
        index: usize,
        what: &'static str,
    ) -> Result<Option<Vec<i64>>, OpError> {
        let read = |value: &Array| {
            value
                .to_i64()
                .ok_or_else(|| wrong_dtype(what, "int32 or int64", value))
        };
        self.optional(index).map(read).transpose()
    }

    /// Integers that are an attribute before opset `moved`, and an input from then on.
    pub fn moved_ints(
        &self,
        name: &'static str,
        index: usize,
        moved: i64,
    ) -> Result<Option<Vec<i64>>, OpError> {
        match self.opset < moved {
            true if self.inputs.len() > index => Err(OpError::Count {
                what: "input",
                least: index,
                most: index,
                got: self.inputs.len(),
            }),
            true => Ok(self.attributes.ints(name)?.map(<[i64]>::to_vec)),
            false => self.optional_ints(index, name),
        }
    }
}

/// Shape and elements of a tensor that must hold floats.
pub(crate) fn floats<'a>(
    value: &'a Array,
    what: &'static str,
) -> Result<(&'a [usize], &'a [f32]), OpError> {
    let data = value
        .as_f32()
        .ok_or_else(|| wrong_dtype(what, "float32", value))?;
    Ok((value.shape(), data))
}

pub(crate) fn wrong_dtype(what: &'static str, expected: &'static str, value: &Array) -> OpError {
    OpError::Dtype {
        what,
        expected,
        got: value.dtype().to_string(),
    }
}
