//! Functions of one element.

use super::Results;
use crate::activation;
use crate::call::{Call, floats, wrong_dtype};
use crate::error::{OpError, problem};
use refrain_data::array::{Array, Data};

/// A function of every float.
fn each_float(call: &Call, f: impl Fn(f32) -> f32) -> Results {
    let (shape, x) = floats(call.input(0, "X")?, "X")?;
    let y = x.iter().map(|&x| f(x)).collect();
    Ok(vec![Array::floats(shape.to_vec(), y)?])
}

macro_rules! functions {
    ($($name:ident = $f:expr;)+) => {
        $(pub(super) fn $name(call: &Call) -> Results {
            each_float(call, $f)
        })+
    };
}
functions! {
    relu_float = activation::relu;
    tanh = f32::tanh;
    sigmoid = activation::sigmoid;
    softplus = activation::softplus;
    softsign = activation::softsign;
    sqrt = f32::sqrt;
    exp = f32::exp;
    log = f32::ln;
    reciprocal = f32::recip;
    ceil = f32::ceil;
    floor = f32::floor;
    round = f32::round_ties_even;
    sin = f32::sin;
    cos = f32::cos;
    tan = f32::tan;
    asin = f32::asin;
    acos = f32::acos;
    atan = f32::atan;
    sinh = f32::sinh;
    cosh = f32::cosh;
    asinh = |x| f64::from(x).asinh() as f32;
    acosh = |x| f64::from(x).acosh() as f32;
    atanh = |x| f64::from(x).atanh() as f32;
    erf = |x| activation::erf(x.into()) as f32;
    mish = |x| x * activation::softplus(x).tanh();
    hard_swish = |x| x * activation::hard_sigmoid(x, 1.0 / 6.0, 0.5);
}

/// `Relu`, of integers too.
pub(super) fn relu(call: &Call) -> Results {
    let x = call.input(0, "X")?;
    let data = match x.data() {
        Data::I64(v) => Data::I64(v.iter().map(|&x| x.max(0)).collect()),
        Data::I32(v) => Data::I32(v.iter().map(|&x| x.max(0)).collect()),
        Data::I16(v) => Data::I16(v.iter().map(|&x| x.max(0)).collect()),
        Data::I8(v) => Data::I8(v.iter().map(|&x| x.max(0)).collect()),
        _ => return relu_float(call),
    };
    Ok(vec![Array::new(x.shape().to_vec(), data)?])
}

/// A function of every float with parameters from attributes, each with its default.
fn with_parameters<const N: usize>(
    call: &Call,
    parameters: [(&str, f32); N],
    f: impl Fn(f32, [f32; N]) -> f32,
) -> Results {
    let mut values = [0.0; N];
    for (value, (name, default)) in values.iter_mut().zip(parameters) {
        *value = call.attributes.float(name)?.unwrap_or(default);
    }
    each_float(call, |x| f(x, values))
}

pub(super) fn leaky_relu(call: &Call) -> Results {
    with_parameters(call, [("alpha", 0.01)], |x, [alpha]| {
        activation::leaky_relu(x, alpha)
    })
}

pub(super) fn elu(call: &Call) -> Results {
    with_parameters(call, [("alpha", 1.0)], |x, [alpha]| {
        activation::elu(x, alpha)
    })
}

pub(super) fn hard_sigmoid(call: &Call) -> Results {
    let parameters = [("alpha", 0.2), ("beta", 0.5)];
    with_parameters(call, parameters, |x, [alpha, beta]| {
        activation::hard_sigmoid(x, alpha, beta)
    })
}

/// gamma·x above 0, gamma·alpha·(exp(x) − 1) below.
pub(super) fn selu(call: &Call) -> Results {
    // The defaults of ONNX, to the last digit that a float holds.
    let parameters = [("alpha", 1.673_263_2), ("gamma", 1.050_701)];
    with_parameters(call, parameters, |x, [alpha, gamma]| {
        gamma * activation::elu(x, alpha)
    })
}

/// max(0, x) + min(0, alpha·(exp(x/alpha) − 1))
pub(super) fn celu(call: &Call) -> Results {
    with_parameters(call, [("alpha", 1.0)], |x, [alpha]| {
        let below = alpha * (x / alpha).exp_m1();
        activation::relu(x) + if below < 0.0 { below } else { 0.0 }
    })
}

pub(super) fn thresholded_relu(call: &Call) -> Results {
    with_parameters(
        call,
        [("alpha", 1.0)],
        |x, [alpha]| {
            if x > alpha { x } else { 0.0 }
        },
    )
}

/// x·σ(alpha·x)
pub(super) fn swish(call: &Call) -> Results {
    with_parameters(call, [("alpha", 1.0)], |x, [alpha]| {
        x * activation::sigmoid(alpha * x)
    })
}

/// x + bias below −lambd, x − bias above lambd, 0 between.
pub(super) fn shrink(call: &Call) -> Results {
    let parameters = [("lambd", 0.5), ("bias", 0.0)];
    with_parameters(call, parameters, |x, [lambd, bias]| {
        if x < -lambd {
            x + bias
        } else if x > lambd {
            x - bias
        } else {
            0.0
        }
    })
}

/// `Gelu`: exact by erf, or by tanh.
pub(super) fn gelu(call: &Call) -> Results {
    let exact = |x: f32| {
        let x = f64::from(x);
        (0.5 * x * (1.0 + activation::erf(x * std::f64::consts::FRAC_1_SQRT_2))) as f32
    };
    let by_tanh = |x: f32| {
        let inner = (2.0 / std::f32::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
        0.5 * x * (1.0 + inner.tanh())
    };
    match call.attributes.text("approximate")?.unwrap_or("none") {
        "none" => each_float(call, exact),
        "tanh" => each_float(call, by_tanh),
        other => Err(problem("approximate", &format!("is \"{other}\""))),
    }
}

macro_rules! numbers {
    ($name:ident, $float:expr, $signed:expr, $unsigned:expr) => {
        pub(super) fn $name(call: &Call) -> Results {
            let x = call.input(0, "X")?;
            let data = match x.data() {
                Data::F32(v) => Data::F32(v.iter().map(|&x| $float(x.into()) as f32).collect()),
                Data::F64(v) => Data::F64(v.iter().map(|&x| $float(x)).collect()),
                Data::I64(v) => Data::I64(v.iter().map(|&x| $signed(x.into()) as i64).collect()),
                Data::I32(v) => Data::I32(v.iter().map(|&x| $signed(x.into()) as i32).collect()),
                Data::I16(v) => Data::I16(v.iter().map(|&x| $signed(x.into()) as i16).collect()),
                Data::I8(v) => Data::I8(v.iter().map(|&x| $signed(x.into()) as i8).collect()),
                Data::U64(v) => Data::U64(v.iter().map(|&x| $unsigned(x.into()) as u64).collect()),
                Data::U32(v) => Data::U32(v.iter().map(|&x| $unsigned(x.into()) as u32).collect()),
                Data::U16(v) => Data::U16(v.iter().map(|&x| $unsigned(x.into()) as u16).collect()),
                Data::U8(v) => Data::U8(v.iter().map(|&x| $unsigned(x.into()) as u8).collect()),
                _ => return Err(wrong_dtype("X", "a number", x)),
            };
            Ok(vec![Array::new(x.shape().to_vec(), data)?])
        }
    };
}
numbers!(abs, f64::abs, |x: i128| x.abs(), |x: u128| x);
numbers!(neg, |x: f64| -x, |x: i128| -x, |x: u128| x.wrapping_neg());
numbers!(
    sign,
    |x: f64| if x == 0.0 || x.is_nan() {
        x
    } else {
        x.signum()
    },
    i128::signum,
    |x: u128| x.min(1)
);
numbers!(
    bitwise_not_of_numbers,
    |x: f64| x,
    |x: i128| !x,
    |x: u128| !x
);

/// `BitwiseNot`
pub(super) fn bitwise_not(call: &Call) -> Results {
    let x = call.input(0, "X")?;
    match x.data() {
        Data::F32(_) | Data::F64(_) => Err(wrong_dtype("X", "an integer", x)),
        _ => bitwise_not_of_numbers(call),
    }
}

fn each_test(call: &Call, f: impl Fn(f64) -> bool) -> Results {
    let x = call.input(0, "X")?;
    let data = match x.data() {
        Data::F32(v) => v.iter().map(|&x| f(x.into())).collect(),
        Data::F64(v) => v.iter().map(|&x| f(x)).collect(),
        _ => return Err(wrong_dtype("X", "a float", x)),
    };
    Ok(vec![Array::new(x.shape().to_vec(), Data::Bool(data))?])
}

pub(super) fn is_nan(call: &Call) -> Results {
    each_test(call, f64::is_nan)
}

pub(super) fn is_inf(call: &Call) -> Results {
    let positive = call.attributes.switch("detect_positive", true)?;
    let negative = call.attributes.switch("detect_negative", true)?;
    each_test(call, |x| {
        x.is_infinite() && if x > 0.0 { positive } else { negative }
    })
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
