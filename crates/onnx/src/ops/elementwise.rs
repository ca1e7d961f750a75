//! Arithmetic and comparisons with broadcasting.

use super::Results;
use crate::call::{Call, wrong_dtype};
use crate::error::{OpError, problem};
use crate::walk::{self, broadcast};
use refrain_data::array::{Array, Data, Dtype};
use std::cmp::Ordering;

/// Arithmetic that every number has.
trait Number: Copy + PartialOrd {
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    /// None where an integer is divided by zero, here and below.
    fn div(self, other: Self) -> Option<Self>;
    /// With the sign of the divisor, as Python has it.
    fn modulo(self, other: Self) -> Option<Self>;
    /// With the sign of the dividend, as C has it.
    fn remainder(self, other: Self) -> Option<Self>;
    fn largest(self, other: Self) -> Self;
    fn smallest(self, other: Self) -> Self;
}

macro_rules! integers {
    ($($of:ty),+) => {
        $(impl Number for $of {
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
            #[allow(unused_comparisons)]
            fn modulo(self, other: Self) -> Option<Self> {
                let rest = self.remainder(other)?;
                let turned = rest != 0 && (rest < 0) != (other < 0);
                Some(if turned { rest.wrapping_add(other) } else { rest })
            }
            fn remainder(self, other: Self) -> Option<Self> {
                (other != 0).then(|| self.wrapping_rem(other))
            }
            fn largest(self, other: Self) -> Self {
                self.max(other)
            }
            fn smallest(self, other: Self) -> Self {
                self.min(other)
            }
        })+
    };
}
integers!(i64, i32, i16, i8, u64, u32, u16, u8);

macro_rules! floats {
    ($($of:ty),+) => {
        $(impl Number for $of {
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
            fn modulo(self, other: Self) -> Option<Self> {
                let rest = self % other;
                Some(match rest {
                    0.0 => rest.copysign(other),
                    rest if (rest < 0.0) != (other < 0.0) => rest + other,
                    rest => rest,
                })
            }
            fn remainder(self, other: Self) -> Option<Self> {
                Some(self % other)
            }
            // Unlike those of the standard library, NaN stays.
            fn largest(self, other: Self) -> Self {
                if self > other || self.is_nan() { self } else { other }
            }
            fn smallest(self, other: Self) -> Self {
                if self < other || self.is_nan() { self } else { other }
            }
        })+
    };
}
floats!(f32, f64);

/// Two tensors of one type of number: an expression of their elements `$x` and `$y` that gives a vector.
macro_rules! same_numbers {
    ($a:expr, $b:expr, ($x:ident, $y:ident) => $body:expr) => {
        match ($a.data(), $b.data()) {
            (Data::F32($x), Data::F32($y)) => Data::from($body),
            (Data::F64($x), Data::F64($y)) => Data::from($body),
            (Data::I64($x), Data::I64($y)) => Data::from($body),
            (Data::I32($x), Data::I32($y)) => Data::from($body),
            (Data::I16($x), Data::I16($y)) => Data::from($body),
            (Data::I8($x), Data::I8($y)) => Data::from($body),
            (Data::U64($x), Data::U64($y)) => Data::from($body),
            (Data::U32($x), Data::U32($y)) => Data::from($body),
            (Data::U16($x), Data::U16($y)) => Data::from($body),
            (Data::U8($x), Data::U8($y)) => Data::from($body),
            _ => return Err(unlike($a, $b)),
        }
    };
}

/// The error of two tensors that an operator does not take together.
fn unlike(a: &Array, b: &Array) -> OpError {
    match a.dtype() == b.dtype() {
        true => wrong_dtype("A", "a number", a),
        false => OpError::Dtype {
            what: "B",
            expected: "the type of A",
            got: format!("{} (A holds {})", b.dtype(), a.dtype()),
        },
    }
}

#[derive(Clone, Copy)]
enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Modulo,
    Remainder,
    Largest,
    Smallest,
}

/// `f(a, b)` for all pairs of a broadcast.
fn pairs<A: Copy, B: Copy, R>(
    call: &Call,
    dtype: Dtype,
    [a, b]: [&Array; 2],
    (x, y): (&[A], &[B]),
    f: impl Fn(A, B) -> R,
) -> Result<(Vec<usize>, Vec<R>), OpError> {
    let shape = broadcast(a.shape(), b.shape())?;
    call.check(dtype, &shape)?;
    let values = walk::pairs((a.shape(), x), (b.shape(), y), &shape, f);
    Ok((shape, values))
}

fn arithmetic(call: &Call, a: &Array, b: &Array, what: Arithmetic) -> Result<Array, OpError> {
    let shape = broadcast(a.shape(), b.shape())?;
    call.check(a.dtype(), &shape)?;
    fn each<N: Number>(
        (a, x): (&[usize], &[N]),
        (b, y): (&[usize], &[N]),
        shape: &[usize],
        what: Arithmetic,
    ) -> Result<Vec<N>, OpError> {
        let plain = |f: fn(N, N) -> N| Ok(walk::pairs((a, x), (b, y), shape, f));
        let checked = |f: fn(N, N) -> Option<N>| {
            let all = walk::pairs((a, x), (b, y), shape, f);
            let all: Option<Vec<N>> = all.into_iter().collect();
            all.ok_or_else(|| OpError::Other("an integer is divided by zero".into()))
        };
        match what {
            Arithmetic::Add => Ok(walk::pairs((a, x), (b, y), shape, N::add)),
            Arithmetic::Sub => Ok(walk::pairs((a, x), (b, y), shape, N::sub)),
            Arithmetic::Mul => Ok(walk::pairs((a, x), (b, y), shape, N::mul)),
            Arithmetic::Div => checked(N::div),
            Arithmetic::Modulo => checked(N::modulo),
            Arithmetic::Remainder => checked(N::remainder),
            Arithmetic::Largest => plain(N::largest),
            Arithmetic::Smallest => plain(N::smallest),
        }
    }
    let (left, right) = (a.shape(), b.shape());
    let data = same_numbers!(a, b, (x, y) => each((left, x), (right, y), &shape, what)?);
    Ok(Array::new(shape, data)?)
}

fn two(call: &Call, what: Arithmetic) -> Results {
    let (a, b) = (call.input(0, "A")?, call.input(1, "B")?);
    Ok(vec![arithmetic(call, a, b, what)?])
}

pub(super) fn add(call: &Call) -> Results {
    two(call, Arithmetic::Add)
}

pub(super) fn sub(call: &Call) -> Results {
    two(call, Arithmetic::Sub)
}

pub(super) fn mul(call: &Call) -> Results {
    two(call, Arithmetic::Mul)
}

pub(super) fn div(call: &Call) -> Results {
    two(call, Arithmetic::Div)
}

/// `Mod`: with the sign of the divisor, or of the dividend with `fmod`.
pub(super) fn modulo(call: &Call) -> Results {
    match call.attributes.switch("fmod", false)? {
        true => two(call, Arithmetic::Remainder),
        false => two(call, Arithmetic::Modulo),
    }
}

/// An operation over any number of tensors.
fn many(call: &Call, what: Arithmetic) -> Result<Array, OpError> {
    let mut all = call.input(0, "data_0")?.clone();
    if matches!(all.data(), Data::Bool(_)) {
        return Err(wrong_dtype("data_0", "a number", &all));
    }
    for index in 1..call.inputs.len() {
        all = arithmetic(call, &all, call.input(index, "data")?, what)?;
    }
    Ok(all)
}

pub(super) fn max(call: &Call) -> Results {
    Ok(vec![many(call, Arithmetic::Largest)?])
}

pub(super) fn min(call: &Call) -> Results {
    Ok(vec![many(call, Arithmetic::Smallest)?])
}

pub(super) fn sum(call: &Call) -> Results {
    Ok(vec![many(call, Arithmetic::Add)?])
}

pub(super) fn mean(call: &Call) -> Results {
    let sum = many(call, Arithmetic::Add)?;
    let count = call.inputs.len();
    let (shape, data) = sum.into_parts();
    let data = match data {
        Data::F32(v) => Data::F32(v.iter().map(|x| x / count as f32).collect()),
        Data::F64(v) => Data::F64(v.iter().map(|x| x / count as f64).collect()),
        _ => {
            return Err(OpError::Unsupported("a mean of integers".into()));
        }
    };
    Ok(vec![Array::new(shape, data)?])
}

/// `Pow`: the result has the type of the base.
pub(super) fn pow(call: &Call) -> Results {
    let (a, b) = (call.input(0, "X")?, call.input(1, "Y")?);
    let power = match (a.data(), b.data()) {
        (Data::F32(x), Data::F32(y)) => {
            // A square root and a square are common, and exact.
            let f = |x: f32, y: f32| match y {
                2.0 => x * x,
                0.5 if x >= 0.0 => x.sqrt(),
                _ => x.powf(y),
            };
            let (shape, z) = pairs(call, a.dtype(), [a, b], (x, y), f)?;
            return Ok(vec![Array::floats(shape, z)?]);
        }
        (_, Data::Bool(_)) => return Err(wrong_dtype("Y", "a number", b)),
        _ => crate::cast::to(b, Dtype::F64, call.limit)?,
    };
    let Data::F64(y) = power.data() else {
        return Err(wrong_dtype("Y", "a number", b));
    };
    macro_rules! float {
        ($kind:ident, $x:expr, $of:ty) => {{
            let f = |x: $of, y: f64| f64::from(x).powf(y) as $of;
            let (shape, z) = pairs(call, a.dtype(), [a, b], ($x, y), f)?;
            (shape, Data::$kind(z))
        }};
    }
    // A number outside of the range of an integer becomes the nearest one.
    macro_rules! integer {
        ($kind:ident, $x:expr, $of:ty) => {{
            let f = |x: $of, y: f64| match u32::try_from(y as i64) {
                Ok(whole) if f64::from(whole) == y => x.wrapping_pow(whole),
                _ => (x as f64).powf(y) as $of,
            };
            let (shape, z) = pairs(call, a.dtype(), [a, b], ($x, y), f)?;
            (shape, Data::$kind(z))
        }};
    }
    let (shape, data) = match a.data() {
        Data::F32(x) => float!(F32, x, f32),
        Data::F64(x) => float!(F64, x, f64),
        Data::I64(x) => integer!(I64, x, i64),
        Data::I32(x) => integer!(I32, x, i32),
        _ => return Err(wrong_dtype("X", "float, double, int32 or int64", a)),
    };
    Ok(vec![Array::new(shape, data)?])
}

/// A comparison; NaN compares to nothing.
fn compared(call: &Call, holds: fn(Option<Ordering>) -> bool) -> Results {
    let (a, b) = (call.input(0, "A")?, call.input(1, "B")?);
    if let (Data::Bool(x), Data::Bool(y)) = (a.data(), b.data()) {
        let f = |x: bool, y: bool| holds(Some(x.cmp(&y)));
        let (shape, z) = pairs(call, Dtype::Bool, [a, b], (x, y), f)?;
        return Ok(vec![Array::new(shape, Data::Bool(z))?]);
    }
    let shape = broadcast(a.shape(), b.shape())?;
    call.check(Dtype::Bool, &shape)?;
    let sides = (a.shape(), b.shape());
    let data = same_numbers!(a, b, (x, y) => walk::pairs(
        (sides.0, x), (sides.1, y), &shape, |x, y| holds(x.partial_cmp(&y))
    ));
    Ok(vec![Array::new(shape, data)?])
}

pub(super) fn equal(call: &Call) -> Results {
    compared(call, |order| order == Some(Ordering::Equal))
}

pub(super) fn less(call: &Call) -> Results {
    compared(call, |order| order == Some(Ordering::Less))
}

pub(super) fn greater(call: &Call) -> Results {
    compared(call, |order| order == Some(Ordering::Greater))
}

pub(super) fn less_or_equal(call: &Call) -> Results {
    compared(call, |order| order.is_some_and(Ordering::is_le))
}

pub(super) fn greater_or_equal(call: &Call) -> Results {
    compared(call, |order| order.is_some_and(Ordering::is_ge))
}

fn logical(call: &Call, f: fn(bool, bool) -> bool) -> Results {
    let (a, b) = (call.input(0, "A")?, call.input(1, "B")?);
    let (Data::Bool(x), Data::Bool(y)) = (a.data(), b.data()) else {
        let wrong = if a.dtype() == Dtype::Bool { b } else { a };
        return Err(wrong_dtype("A or B", "bool", wrong));
    };
    let (shape, z) = pairs(call, Dtype::Bool, [a, b], (x, y), f)?;
    Ok(vec![Array::new(shape, Data::Bool(z))?])
}

pub(super) fn and(call: &Call) -> Results {
    logical(call, |x, y| x && y)
}

pub(super) fn or(call: &Call) -> Results {
    logical(call, |x, y| x || y)
}

pub(super) fn xor(call: &Call) -> Results {
    logical(call, |x, y| x != y)
}

pub(super) fn not(call: &Call) -> Results {
    let x = call.input(0, "X")?;
    match x.data() {
        Data::Bool(v) => {
            let y = Data::Bool(v.iter().map(|x| !x).collect());
            Ok(vec![Array::new(x.shape().to_vec(), y)?])
        }
        _ => Err(wrong_dtype("X", "bool", x)),
    }
}

macro_rules! bitwise {
    ($name:ident, $f:expr) => {
        pub(super) fn $name(call: &Call) -> Results {
            let (a, b) = (call.input(0, "A")?, call.input(1, "B")?);
            let shape = broadcast(a.shape(), b.shape())?;
            call.check(a.dtype(), &shape)?;
            let (left, right) = (a.shape(), b.shape());
            macro_rules! of {
                ($x:expr, $y:expr) => {
                    Data::from(walk::pairs((left, $x), (right, $y), &shape, $f))
                };
            }
            let data = match (a.data(), b.data()) {
                (Data::I64(x), Data::I64(y)) => of!(x, y),
                (Data::I32(x), Data::I32(y)) => of!(x, y),
                (Data::I16(x), Data::I16(y)) => of!(x, y),
                (Data::I8(x), Data::I8(y)) => of!(x, y),
                (Data::U64(x), Data::U64(y)) => of!(x, y),
                (Data::U32(x), Data::U32(y)) => of!(x, y),
                (Data::U16(x), Data::U16(y)) => of!(x, y),
                (Data::U8(x), Data::U8(y)) => of!(x, y),
                _ => return Err(wrong_dtype("A and B", "integers of one type", b)),
            };
            Ok(vec![Array::new(shape, data)?])
        }
    };
}
bitwise!(bitwise_and, |x, y| x & y);
bitwise!(bitwise_or, |x, y| x | y);
bitwise!(bitwise_xor, |x, y| x ^ y);

/// `Where`: elements of X where the condition holds, of Y elsewhere.
pub(super) fn where_(call: &Call) -> Results {
    let (c, x, y) = (
        call.input(0, "condition")?,
        call.input(1, "X")?,
        call.input(2, "Y")?,
    );
    let Data::Bool(condition) = c.data() else {
        return Err(wrong_dtype("condition", "bool", c));
    };
    let shape = broadcast(&broadcast(x.shape(), y.shape())?, c.shape())?;
    call.check(x.dtype(), &shape)?;
    macro_rules! of {
        ($($kind:ident),+) => {
            match (x.data(), y.data()) {
                $((Data::$kind(a), Data::$kind(b)) => {
                    let both = broadcast(x.shape(), c.shape())?;
                    let sides = ((c.shape(), &condition[..]), (x.shape(), &a[..]));
                    let left = walk::pairs(sides.0, sides.1, &both, |c, x| (c, x));
                    let choose = |(c, x), y| if c { x } else { y };
                    Data::$kind(walk::pairs((&both, &left), (y.shape(), b), &shape, choose))
                })+
                _ => return Err(unlike(x, y)),
            }
        };
    }
    let data = of!(F32, F64, F16, I64, I32, I16, I8, U64, U32, U16, U8, Bool);
    Ok(vec![Array::new(shape, data)?])
}

/// `Clip`: from `min` to `max`, which are attributes before opset 11. Where they cross, everything is `max`.
pub(super) fn clip(call: &Call) -> Results {
    let x = call.input(0, "input")?;
    if call.opset < 11 {
        if call.inputs.len() > 1 {
            return Err(OpError::Count {
                what: "input",
                least: 1,
                most: 1,
                got: call.inputs.len(),
            });
        }
        let least = call.attributes.float("min")?.unwrap_or(f32::MIN);
        let most = call.attributes.float("max")?.unwrap_or(f32::MAX);
        let Data::F32(v) = x.data() else {
            return Err(wrong_dtype("input", "float32", x));
        };
        let y = v.iter().map(|x| x.largest(least).smallest(most)).collect();
        return Ok(vec![Array::floats(x.shape().to_vec(), y)?]);
    }
    let bound = |index: usize, what: &'static str| match call.optional(index) {
        Some(bound) if bound.len() != 1 => Err(OpError::Other(format!(
            "{what} has shape {:?} where one number is needed",
            bound.shape()
        ))),
        Some(bound) if bound.dtype() != x.dtype() => Err(unlike(x, bound)),
        bound => Ok(bound),
    };
    let (low, high) = (bound(1, "min")?, bound(2, "max")?);
    let mut y = x.clone();
    if let Some(low) = low {
        y = arithmetic(call, &y, &low.reshaped(vec![])?, Arithmetic::Largest)?;
    }
    if let Some(high) = high {
        y = arithmetic(call, &y, &high.reshaped(vec![])?, Arithmetic::Smallest)?;
    }
    Ok(vec![y])
}

/// `PRelu`: x, or slope·x below 0.
pub(super) fn prelu(call: &Call) -> Results {
    let (x, slope) = (call.input(0, "X")?, call.input(1, "slope")?);
    let (_, v) = call.floats(0, "X")?;
    let (_, s) = call.floats(1, "slope")?;
    if broadcast(slope.shape(), x.shape())? != x.shape() {
        return Err(OpError::Shapes {
            left: x.shape().to_vec(),
            right: slope.shape().to_vec(),
            why: ", the slope must broadcast to X",
        });
    }
    let f = |x: f32, slope: f32| if x < 0.0 { slope * x } else { x };
    let (shape, y) = pairs(call, Dtype::F32, [x, slope], (v, s), f)?;
    Ok(vec![Array::floats(shape, y)?])
}

/// `BitShift`: a shift by as many bits as there are, by more, or by a negative number fills all of them: with the sign
/// to the right, with 0 to the left.
pub(super) fn bit_shift(call: &Call) -> Results {
    let (a, b) = (call.input(0, "X")?, call.input(1, "Y")?);
    let left = match call.attributes.text("direction")? {
        Some("LEFT") => true,
        Some("RIGHT") => false,
        _ => return Err(problem("direction", "is neither LEFT nor RIGHT")),
    };
    macro_rules! of {
        ($($kind:ident, $of:ty);+) => {
            match (a.data(), b.data()) {
                $((Data::$kind(x), Data::$kind(y)) => {
                    let f = |x: $of, y: $of| {
                        let bits = u32::try_from(y).ok().filter(|&bits| bits < <$of>::BITS);
                        match (bits, left) {
                            (Some(bits), true) => x << bits,
                            (Some(bits), false) => x >> bits,
                            (None, true) => 0,
                            // In two steps: no single shift may take all bits.
                            (None, false) => x >> (<$of>::BITS - 1) >> 1,
                        }
                    };
                    let (shape, z) = pairs(call, a.dtype(), [a, b], (x, y), f)?;
                    (shape, Data::$kind(z))
                })+
                _ => return Err(wrong_dtype("X and Y", "integers of one type", a)),
            }
        };
    }
    let (shape, data) =
        of!(I64, i64; I32, i32; I16, i16; I8, i8; U64, u64; U32, u32; U16, u16; U8, u8);
    Ok(vec![Array::new(shape, data)?])
}
