//! Dense arrays of four types of elements, as archives of NumPy and graphs of ONNX hold them.

use std::fmt;
use thiserror::Error;

/// Most bytes of an array's elements: 2 GiB.
pub const MAX_BYTES: usize = 1 << 31;

/// Most dimensions, as in NumPy 2.
const MAX_RANK: usize = 64;

/// Parts that make no array.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ArrayError {
    /// The shape needs another number of elements.
    #[error("an array of shape {shape:?} cannot have {elements} elements")]
    Count {
        /// The shape.
        shape: Vec<usize>,
        /// Number of elements given.
        elements: usize,
    },
    /// The shape has more than 64 dimensions, or its elements take more bytes than the limit.
    #[error(
        "a {dtype} array of shape {shape:?} is over the limit of {limit} bytes in 64 dimensions"
    )]
    TooLarge {
        /// Type of an element.
        dtype: Dtype,
        /// The shape.
        shape: Vec<usize>,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The bytes are no whole number of elements.
    #[error("{bytes} bytes are no whole number of {dtype} elements of {} bytes", .dtype.bytes())]
    Bytes {
        /// Type of an element.
        dtype: Dtype,
        /// Number of bytes given.
        bytes: usize,
    },
}

/// Type of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit floating point.
    F32,
    /// 64-bit signed integer.
    I64,
    /// 32-bit signed integer.
    I32,
    /// Truth value.
    Bool,
}

impl Dtype {
    /// Bytes of an element, in memory and in files.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 | Self::I32 => 4,
            Self::I64 => 8,
            Self::Bool => 1,
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

    /// Number of elements of a shape if they take at most `limit` bytes in at most 64 dimensions.
    ///
    /// Sizes of 0 count as 1 for the limit, because loops run over the other sizes even where there are no elements.
    pub fn elements_within(self, shape: &[usize], limit: usize) -> Option<usize> {
        let elements = |size: fn(usize) -> usize| {
            shape
                .iter()
                .try_fold(1usize, |n, &next| n.checked_mul(size(next)))
        };
        let bytes = elements(|size| size.max(1))?.checked_mul(self.bytes())?;
        match bytes <= limit && shape.len() <= MAX_RANK {
            true => elements(|size| size),
            false => None,
        }
    }

    /// [`elements_within`](Self::elements_within), or the error that says why not.
    ///
    /// # Errors
    /// [`ArrayError::TooLarge`].
    pub fn check(self, shape: &[usize], limit: usize) -> Result<usize, ArrayError> {
        self.elements_within(shape, limit)
            .ok_or_else(|| ArrayError::TooLarge {
                dtype: self,
                shape: shape.to_vec(),
                limit,
            })
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
pub enum Data {
    /// 32-bit floating point.
    F32(Vec<f32>),
    /// 64-bit signed integers.
    I64(Vec<i64>),
    /// 32-bit signed integers.
    I32(Vec<i32>),
    /// Truth values.
    Bool(Vec<bool>),
}

/// Does the same with the elements of any type: `each!(data, v => expression of v)` gives [`Data`] of that type.
#[macro_export]
macro_rules! each {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            $crate::array::Data::F32($v) => $crate::array::Data::F32($body),
            $crate::array::Data::I64($v) => $crate::array::Data::I64($body),
            $crate::array::Data::I32($v) => $crate::array::Data::I32($body),
            $crate::array::Data::Bool($v) => $crate::array::Data::Bool($body),
        }
    };
}

impl Data {
    /// Elements from little-endian bytes; a truth value is a byte that is not 0.
    ///
    /// # Errors
    /// Bytes that are no whole number of elements.
    pub fn from_le_bytes(dtype: Dtype, bytes: &[u8]) -> Result<Self, ArrayError> {
        if !bytes.len().is_multiple_of(dtype.bytes()) {
            let bytes = bytes.len();
            return Err(ArrayError::Bytes { dtype, bytes });
        }
        fn parts<const N: usize, T>(bytes: &[u8], from: impl Fn([u8; N]) -> T) -> Vec<T> {
            let (parts, _) = bytes.as_chunks::<N>();
            parts.iter().map(|&part| from(part)).collect()
        }
        Ok(match dtype {
            Dtype::F32 => Self::F32(parts(bytes, f32::from_le_bytes)),
            Dtype::I64 => Self::I64(parts(bytes, i64::from_le_bytes)),
            Dtype::I32 => Self::I32(parts(bytes, i32::from_le_bytes)),
            Dtype::Bool => Self::Bool(bytes.iter().map(|&b| b != 0).collect()),
        })
    }

    /// Elements as little-endian bytes.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        match self {
            Self::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::I64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::I32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::Bool(v) => v.iter().map(|&x| u8::from(x)).collect(),
        }
    }

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

    /// Type of an element.
    pub fn dtype(&self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::I64(_) => Dtype::I64,
            Self::I32(_) => Dtype::I32,
            Self::Bool(_) => Dtype::Bool,
        }
    }
}

/// A dense array: always as many elements as its shape says.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    data: Data,
}

impl Array {
    /// From shape and elements.
    ///
    /// # Errors
    /// A shape that needs another number of elements, or an array of more than [`MAX_BYTES`].
    pub fn new(shape: Vec<usize>, data: Data) -> Result<Self, ArrayError> {
        match data.dtype().check(&shape, MAX_BYTES)? == data.len() {
            true => Ok(Self { shape, data }),
            false => {
                let elements = data.len();
                Err(ArrayError::Count { shape, elements })
            }
        }
    }

    /// Of floats.
    ///
    /// # Errors
    /// The errors of [`Self::new`].
    pub fn floats(shape: Vec<usize>, data: Vec<f32>) -> Result<Self, ArrayError> {
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

    /// Bytes of its elements.
    pub fn bytes(&self) -> usize {
        self.len() * self.dtype().bytes()
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
    ///
    /// # Errors
    /// The errors of [`Self::new`].
    pub fn reshaped(&self, shape: Vec<usize>) -> Result<Self, ArrayError> {
        match self.dtype().check(&shape, MAX_BYTES)? == self.len() {
            true => Ok(Self {
                shape,
                data: self.data.clone(),
            }),
            false => {
                let elements = self.len();
                Err(ArrayError::Count { shape, elements })
            }
        }
    }

    /// The elements at `offsets`, which must all lie inside, in a shape that needs as many.
    ///
    /// # Errors
    /// The errors of [`Self::new`].
    pub fn taken(
        &self,
        shape: Vec<usize>,
        offsets: impl Iterator<Item = usize>,
    ) -> Result<Self, ArrayError> {
        let data = each!(&self.data, v => offsets.map(|at| v[at]).collect());
        Self::new(shape, data)
    }
}
