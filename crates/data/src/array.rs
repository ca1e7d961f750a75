//! Dense arrays of numbers and truth values, as archives of NumPy and graphs of ONNX hold them.

pub use half::f16;
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
    /// 64-bit floating point.
    F64,
    /// 16-bit floating point of IEEE 754.
    F16,
    /// 64-bit signed integer.
    I64,
    /// 32-bit signed integer.
    I32,
    /// 16-bit signed integer.
    I16,
    /// 8-bit signed integer.
    I8,
    /// 64-bit unsigned integer.
    U64,
    /// 32-bit unsigned integer.
    U32,
    /// 16-bit unsigned integer.
    U16,
    /// 8-bit unsigned integer.
    U8,
    /// Truth value.
    Bool,
}

impl Dtype {
    /// Bytes of an element, in memory and in files.
    pub fn bytes(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// NumPy's name.
    pub fn numpy(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::F16 => "float16",
            Self::I64 => "int64",
            Self::I32 => "int32",
            Self::I16 => "int16",
            Self::I8 => "int8",
            Self::U64 => "uint64",
            Self::U32 => "uint32",
            Self::U16 => "uint16",
            Self::U8 => "uint8",
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
    /// 64-bit floating point.
    F64(Vec<f64>),
    /// 16-bit floating point.
    F16(Vec<f16>),
    /// 64-bit signed integers.
    I64(Vec<i64>),
    /// 32-bit signed integers.
    I32(Vec<i32>),
    /// 16-bit signed integers.
    I16(Vec<i16>),
    /// 8-bit signed integers.
    I8(Vec<i8>),
    /// 64-bit unsigned integers.
    U64(Vec<u64>),
    /// 32-bit unsigned integers.
    U32(Vec<u32>),
    /// 16-bit unsigned integers.
    U16(Vec<u16>),
    /// 8-bit unsigned integers.
    U8(Vec<u8>),
    /// Truth values.
    Bool(Vec<bool>),
}

/// The same expression for the elements of any type: `each_type!(data, v => expression of v)` gives its value, which
/// must have one type.
#[macro_export]
macro_rules! each_type {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            $crate::array::Data::F32($v) => $body,
            $crate::array::Data::F64($v) => $body,
            $crate::array::Data::F16($v) => $body,
            $crate::array::Data::I64($v) => $body,
            $crate::array::Data::I32($v) => $body,
            $crate::array::Data::I16($v) => $body,
            $crate::array::Data::I8($v) => $body,
            $crate::array::Data::U64($v) => $body,
            $crate::array::Data::U32($v) => $body,
            $crate::array::Data::U16($v) => $body,
            $crate::array::Data::U8($v) => $body,
            $crate::array::Data::Bool($v) => $body,
        }
    };
}

/// Does the same with the elements of any type: `each!(data, v => expression of v)` gives [`Data`] of that type.
#[macro_export]
macro_rules! each {
    ($data:expr, $v:ident => $body:expr) => {
        $crate::each_type!($data, $v => $crate::array::Data::from($body))
    };
}

macro_rules! element {
    ($($type:ty => $kind:ident),+) => {
        $(impl From<Vec<$type>> for Data {
            fn from(elements: Vec<$type>) -> Self {
                Self::$kind(elements)
            }
        })+
    };
}
element!(f32 => F32, f64 => F64, f16 => F16, i64 => I64, i32 => I32, i16 => I16, i8 => I8, u64 => U64, u32 => U32);
element!(u16 => U16, u8 => U8, bool => Bool);

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
            Dtype::F64 => Self::F64(parts(bytes, f64::from_le_bytes)),
            Dtype::F16 => Self::F16(parts(bytes, f16::from_le_bytes)),
            Dtype::I64 => Self::I64(parts(bytes, i64::from_le_bytes)),
            Dtype::I32 => Self::I32(parts(bytes, i32::from_le_bytes)),
            Dtype::I16 => Self::I16(parts(bytes, i16::from_le_bytes)),
            Dtype::I8 => Self::I8(parts(bytes, i8::from_le_bytes)),
            Dtype::U64 => Self::U64(parts(bytes, u64::from_le_bytes)),
            Dtype::U32 => Self::U32(parts(bytes, u32::from_le_bytes)),
            Dtype::U16 => Self::U16(parts(bytes, u16::from_le_bytes)),
            Dtype::U8 => Self::U8(bytes.to_vec()),
            Dtype::Bool => Self::Bool(bytes.iter().map(|&b| b != 0).collect()),
        })
    }

    /// Elements as little-endian bytes.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        match self {
            Self::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::F64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::F16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::I64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::I32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::I16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::I8(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::U64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::U32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::U16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::U8(v) => v.clone(),
            Self::Bool(v) => v.iter().map(|&x| u8::from(x)).collect(),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        each_type!(self, v => v.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Type of an element.
    pub fn dtype(&self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::F64(_) => Dtype::F64,
            Self::F16(_) => Dtype::F16,
            Self::I64(_) => Dtype::I64,
            Self::I32(_) => Dtype::I32,
            Self::I16(_) => Dtype::I16,
            Self::I8(_) => Dtype::I8,
            Self::U64(_) => Dtype::U64,
            Self::U32(_) => Dtype::U32,
            Self::U16(_) => Dtype::U16,
            Self::U8(_) => Dtype::U8,
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
        let data = each!(&self.data, v => offsets.map(|at| v[at]).collect::<Vec<_>>());
        Self::new(shape, data)
    }
}
