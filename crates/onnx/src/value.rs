//! Dense tensors of the types that recurrent graphs need.

use crate::error::OpError;
use std::fmt;

/// Most elements of a tensor, and, unless told otherwise, of all tensors that a run holds at a time: 2 GiB of floats.
pub const DEFAULT_LIMIT: usize = 1 << 29;

/// Most dimensions, as in NumPy.
const MAX_RANK: usize = 64;

/// Type of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Dtype {
    F32,
    I64,
    I32,
    Bool,
}

impl Dtype {
    /// From ONNX's number.
    ///
    /// # Errors
    /// A type that no value has, by name.
    pub fn from_onnx(code: i32) -> Result<Self, String> {
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
        match code {
            1 => Ok(Self::F32),
            6 => Ok(Self::I32),
            7 => Ok(Self::I64),
            9 => Ok(Self::Bool),
            _ => Err(
                match usize::try_from(code).ok().and_then(|code| NAMES.get(code)) {
                    Some(name) => (*name).into(),
                    None => format!("type {code}"),
                },
            ),
        }
    }

    /// ONNX's number.
    pub fn onnx(self) -> i32 {
        match self {
            Self::F32 => 1,
            Self::I32 => 6,
            Self::I64 => 7,
            Self::Bool => 9,
        }
    }

    /// NumPy's name.
    pub fn numpy(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::I64 => "int64",
            Self::I32 => "int32",
            Self::Bool => "bool_",
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            other => other.numpy(),
        })
    }
}

/// Elements, row-major.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Data {
    F32(Vec<f32>),
    I64(Vec<i64>),
    I32(Vec<i32>),
    Bool(Vec<bool>),
}

/// Does the same with the elements of any type: `each!(data, v => expression of v)` gives [`Data`] of that type.
macro_rules! each {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            $crate::value::Data::F32($v) => $crate::value::Data::F32($body),
            $crate::value::Data::I64($v) => $crate::value::Data::I64($body),
            $crate::value::Data::I32($v) => $crate::value::Data::I32($body),
            $crate::value::Data::Bool($v) => $crate::value::Data::Bool($body),
        }
    };
}
pub(crate) use each;

impl Data {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::Bool(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their type.
    pub fn dtype(&self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::I64(_) => Dtype::I64,
            Self::I32(_) => Dtype::I32,
            Self::Bool(_) => Dtype::Bool,
        }
    }
}

/// A tensor: as many elements as its shape says, always.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    shape: Vec<usize>,
    data: Data,
}

impl Value {
    /// From shape and elements.
    ///
    /// # Errors
    /// A shape that says another number of elements, or one over [`DEFAULT_LIMIT`].
    pub fn new(shape: Vec<usize>, data: Data) -> Result<Self, OpError> {
        match elements(&shape) {
            Some(count) if count == data.len() => Ok(Self { shape, data }),
            _ => Err(OpError::Shape {
                what: "the data",
                expected: shape,
                got: vec![data.len()],
            }),
        }
    }

    /// Of floats.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn floats(shape: Vec<usize>, data: Vec<f32>) -> Result<Self, OpError> {
        Self::new(shape, Data::F32(data))
    }

    /// One dimension of integers.
    pub fn ints(data: Vec<i64>) -> Self {
        Self {
            shape: vec![data.len()],
            data: Data::I64(data),
        }
    }

    /// Sizes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Elements, row-major.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Type of an element.
    pub fn dtype(&self) -> Dtype {
        self.data.dtype()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Shape and elements.
    pub fn into_parts(self) -> (Vec<usize>, Data) {
        (self.shape, self.data)
    }

    /// The floats, if it holds floats.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.data {
            Data::F32(v) => Some(v),
            _ => None,
        }
    }

    /// Integers of either width, if it holds integers.
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        match &self.data {
            Data::I64(v) => Some(v.clone()),
            Data::I32(v) => Some(v.iter().map(|&i| i.into()).collect()),
            _ => None,
        }
    }

    /// The same elements in another shape.
    pub(crate) fn reshaped(&self, shape: Vec<usize>) -> Result<Self, OpError> {
        if elements(&shape) == Some(self.len()) {
            return Ok(Self {
                shape,
                data: self.data.clone(),
            });
        }
        Err(OpError::Shapes {
            left: self.shape.clone(),
            right: shape,
            why: ", they have different numbers of elements",
        })
    }

    /// A tensor of the elements at `offsets`, of which there must be as many as `shape` says and none past the end.
    pub(crate) fn taken(
        &self,
        shape: Vec<usize>,
        offsets: impl Iterator<Item = usize>,
    ) -> Result<Self, OpError> {
        let data = each!(&self.data, v => offsets.map(|at| v[at]).collect());
        Self::new(shape, data)
    }
}

/// Number of elements of a shape, if it is at most [`DEFAULT_LIMIT`] in at most 64 dimensions; sizes of 0 count as 1 there, since loops run over sizes even where there
/// are no elements.
pub fn elements(shape: &[usize]) -> Option<usize> {
    let bound = shape
        .iter()
        .try_fold(1usize, |n, &size| n.checked_mul(size.max(1)));
    let count = if shape.contains(&0) { Some(0) } else { bound };
    bound
        .filter(|&bound| bound <= DEFAULT_LIMIT && shape.len() <= MAX_RANK)
        .and(count)
}

/// Refuses a shape with more elements than `limit`.
pub(crate) fn within(shape: &[usize], limit: usize) -> Result<usize, OpError> {
    match elements(shape) {
        Some(count) if count <= limit => Ok(count),
        _ => Err(OpError::TooLarge {
            shape: shape.to_vec(),
            limit,
        }),
    }
}
