//! The inputs and outputs of a model: names, types and shapes.

use crate::error::OnnxError;
use crate::proto::{TensorShapeProto, ValueInfoProto};
use crate::tensor;
use refrain_data::array::{Array, Dtype};
use std::collections::BTreeMap;
use std::fmt;

/// A size of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// Always this.
    Fixed(usize),
    /// Any, but the same wherever the name stands.
    Named(String),
    /// Any.
    Any,
}

/// An input or output of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Type of an element.
    pub dtype: Dtype,
    /// Sizes, outermost first; absent where the model does not say.
    pub shape: Option<Vec<Dim>>,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} ({} {})", self.name, self.dtype, self.shape_text())
    }
}

impl Port {
    pub(crate) fn read(info: ValueInfoProto) -> Result<Self, OnnxError> {
        let name = info.name.unwrap_or_default();
        if name.is_empty() {
            return Err(OnnxError::Malformed(
                "an input or output has no name".into(),
            ));
        }
        let of = info.r#type.unwrap_or_default();
        let others = [
            ("a sequence", of.sequence_type.is_some()),
            ("a map", of.map_type.is_some()),
            ("an opaque type", of.opaque_type.is_some()),
            ("a sparse tensor", of.sparse_tensor_type.is_some()),
            ("an optional type", of.optional_type.is_some()),
        ];
        if let Some((what, _)) = others.iter().find(|(_, there)| *there) {
            return Err(OnnxError::Unsupported(format!(
                "{what} (\"{name}\") as input or output"
            )));
        }
        let Some(of) = of.tensor_type else {
            return Err(OnnxError::Malformed(format!(
                "input or output \"{name}\" has no type"
            )));
        };
        let dtype = tensor::dtype(of.elem_type).map_err(|problem| OnnxError::Tensor {
            name: name.clone(),
            problem: Box::new(problem),
        })?;
        let shape = of.shape.map(|shape| dims(shape, &name)).transpose()?;
        Ok(Self { name, dtype, shape })
    }

    /// `[T,B,3]`, with `?` for a size that may be any.
    pub fn shape_text(&self) -> String {
        let dim = |dim: &Dim| match dim {
            Dim::Fixed(size) => size.to_string(),
            Dim::Named(name) => name.clone(),
            Dim::Any => "?".into(),
        };
        match &self.shape {
            Some(shape) => format!("[{}]", shape.iter().map(dim).collect::<Vec<_>>().join(",")),
            None => "of any shape".into(),
        }
    }

    /// Checks a value for this input; `bound` holds the sizes that names have so far.
    pub(crate) fn check(
        &self,
        value: &Array,
        bound: &mut BTreeMap<String, usize>,
    ) -> Result<(), OnnxError> {
        if value.dtype() != self.dtype {
            return Err(OnnxError::InputType {
                name: self.name.clone(),
                expected: self.dtype,
                got: value.dtype(),
            });
        }
        let Some(shape) = &self.shape else {
            return Ok(());
        };
        let mut fits = |(dim, &size): (&Dim, &usize)| match dim {
            Dim::Fixed(fixed) => *fixed == size,
            Dim::Named(name) => *bound.entry(name.clone()).or_insert(size) == size,
            Dim::Any => true,
        };
        if shape.len() == value.shape().len() && shape.iter().zip(value.shape()).all(&mut fits) {
            return Ok(());
        }
        let sizes: Vec<_> = bound
            .iter()
            .map(|(name, size)| format!("{name} = {size}"))
            .collect();
        let sizes = if sizes.is_empty() {
            String::new()
        } else {
            format!(" with {}", sizes.join(", "))
        };
        Err(OnnxError::InputShape {
            name: self.name.clone(),
            expected: self.shape_text() + &sizes,
            got: value.shape().to_vec(),
        })
    }
}

fn dims(shape: TensorShapeProto, name: &str) -> Result<Vec<Dim>, OnnxError> {
    let dim = |dim: crate::proto::DimensionProto| match (dim.dim_value, dim.dim_param) {
        (Some(size), _) => match usize::try_from(size) {
            Ok(size) => Ok(Dim::Fixed(size)),
            Err(_) => Err(OnnxError::Malformed(format!(
                "\"{name}\" has the size {size}"
            ))),
        },
        (None, Some(name)) if !name.is_empty() => Ok(Dim::Named(name)),
        _ => Ok(Dim::Any),
    };
    shape.dim.into_iter().map(dim).collect()
}
