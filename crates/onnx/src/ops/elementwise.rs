//! Arithmetic with broadcasting, and activations.

use crate::activation;
use crate::call::{Call, floats, wrong_dtype};
use crate::error::OpError;
use crate::walk::{Walk, broadcast};
use refrain_data::array::{Array, Data};

type Results = Result<Vec<Array>, OpError>;

/// Arithmetic that every number has.
trait Number: Copy {
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    /// None where an integer is divided by zero.
    fn div(self, other: Self) -> Option<Self>;
}

macro_rules! integer {
    ($of:ty) => {
        impl Number for $of {
            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            fn sub(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            fn mul(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            fn div(self, other: Self) -> Option<Self> {
                (other != 0).then(|| self.wrapping_div(other))
            }
        }
    };
}
integer!(i32);
integer!(i64);

impl Number for f32 {
    fn add(self, other: Self) -> Self {
        self + other
    }
    fn sub(self, other: Self) -> Self {
        self - other
    }
    fn mul(self, other: Self) -> Self {
        self * other
    }
    fn div(self, other: Self) -> Option<Self> {
        Some(self / other)
    }
}

#[derive(Clone, Copy)]
enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
}

impl Arithmetic {
    fn of<N: Number>(self, a: N, b: N) -> Option<N> {
        match self {
            Self::Add => Some(a.add(b)),
            Self::Sub => Some(a.sub(b)),
            Self::Mul => Some(a.mul(b)),
            Self::Div => a.div(b),
        }
    }
}

fn arithmetic(call: &Call, what: Arithmetic) -> Results {
    let (a, b) = (call.input(0, "A")?, call.input(1, "B")?);
    let shape = broadcast(a.shape(), b.shape())?;
    call.check(a.dtype(), &shape)?;
    let pairs = Walk::broadcast(a.shape(), &shape).zip(Walk::broadcast(b.shape(), &shape));
    fn each<N: Number>(
        a: &[N],
        b: &[N],
        what: Arithmetic,
        mut pairs: impl Iterator<Item = (usize, usize)>,
    ) -> Result<Vec<N>, OpError> {
        let value = |(i, j): (usize, usize)| what.of(a[i], b[j]);
        let all: Option<Vec<N>> = pairs.by_ref().map(value).collect();
        all.ok_or_else(|| OpError::Other("an integer is divided by zero".into()))
    }
    let data = match (a.data(), b.data()) {
        (Data::F32(a), Data::F32(b)) => Data::F32(each(a, b, what, pairs)?),
        (Data::I64(a), Data::I64(b)) => Data::I64(each(a, b, what, pairs)?),
        (Data::I32(a), Data::I32(b)) => Data::I32(each(a, b, what, pairs)?),
        (Data::F32(_), _) => return Err(wrong_dtype("B", "float32, as A does,", b)),
        (Data::I64(_), _) => return Err(wrong_dtype("B", "int64, as A does,", b)),
        (Data::I32(_), _) => return Err(wrong_dtype("B", "int32, as A does,", b)),
        (Data::Bool(_), _) => return Err(wrong_dtype("A", "a number", a)),
    };
    Ok(vec![Array::new(shape, data)?])
}

pub(super) fn add(call: &Call) -> Results {
    arithmetic(call, Arithmetic::Add)
}

pub(super) fn sub(call: &Call) -> Results {
    arithmetic(call, Arithmetic::Sub)
}

pub(super) fn mul(call: &Call) -> Results {
    arithmetic(call, Arithmetic::Mul)
}

pub(super) fn div(call: &Call) -> Results {
    arithmetic(call, Arithmetic::Div)
}

/// A function of every float.
fn each_float(call: &Call, f: impl Fn(f32) -> f32) -> Results {
    let (shape, x) = floats(call.input(0, "X")?, "X")?;
    let y = x.iter().map(|&x| f(x)).collect();
    Ok(vec![Array::floats(shape.to_vec(), y)?])
}

pub(super) fn relu(call: &Call) -> Results {
    each_float(call, activation::relu)
}

pub(super) fn tanh(call: &Call) -> Results {
    each_float(call, f32::tanh)
}

pub(super) fn sigmoid(call: &Call) -> Results {
    each_float(call, activation::sigmoid)
}

pub(super) fn softplus(call: &Call) -> Results {
    each_float(call, activation::softplus)
}

pub(super) fn softsign(call: &Call) -> Results {
    each_float(call, activation::softsign)
}

pub(super) fn leaky_relu(call: &Call) -> Results {
    let alpha = call.attributes.float("alpha")?.unwrap_or(0.01);
    each_float(call, |x| activation::leaky_relu(x, alpha))
}

pub(super) fn elu(call: &Call) -> Results {
    let alpha = call.attributes.float("alpha")?.unwrap_or(1.0);
    each_float(call, |x| activation::elu(x, alpha))
}

pub(super) fn hard_sigmoid(call: &Call) -> Results {
    let alpha = call.attributes.float("alpha")?.unwrap_or(0.2);
    let beta = call.attributes.float("beta")?.unwrap_or(0.5);
    each_float(call, |x| activation::hard_sigmoid(x, alpha, beta))
}

/// Outside training, dropout gives its input and a mask that keeps everything.
pub(super) fn dropout(call: &Call) -> Results {
    // Ratio and seed have no effect outside training; only their types are checked.
    call.attributes.float("ratio")?;
    call.attributes.int("seed")?;
    if let Some(mode) = call.optional(2) {
        match mode.data() {
            Data::Bool(mode) if mode.iter().all(|train| !train) => {}
            Data::Bool(_) => return Err(OpError::Other("training mode is not supported".into())),
            _ => return Err(wrong_dtype("training_mode", "bool", mode)),
        }
    }
    let x = call.input(0, "data")?;
    let mask = match (call.opset >= 10, x.as_f32()) {
        (false, Some(x)) => Data::F32(vec![1.0; x.len()]),
        _ => Data::Bool(vec![true; x.len()]),
    };
    Ok(vec![x.clone(), Array::new(x.shape().to_vec(), mask)?])
}
