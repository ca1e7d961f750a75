//! The activation functions of ONNX, by name and with their parameters.

use crate::error::{OpError, problem};

/// A function with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Activation {
    Relu,
    Tanh,
    Sigmoid,
    Softsign,
    Softplus,
    /// alpha·x + beta
    Affine(f32, f32),
    /// x, or alpha·x below 0
    LeakyRelu(f32),
    /// x, or 0 below alpha
    ThresholdedRelu(f32),
    /// alpha·tanh(beta·x)
    ScaledTanh(f32, f32),
    /// alpha·x + beta, cut to 0 and 1
    HardSigmoid(f32, f32),
    /// x, or alpha·(exp(x) − 1) below 0
    Elu(f32),
}

impl Activation {
    pub fn of(self, x: f32) -> f32 {
        match self {
            Self::Relu => relu(x),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => sigmoid(x),
            Self::Softsign => softsign(x),
            Self::Softplus => softplus(x),
            Self::Affine(alpha, beta) => alpha * x + beta,
            Self::LeakyRelu(alpha) => leaky_relu(x, alpha),
            Self::ThresholdedRelu(alpha) => {
                if x < alpha {
                    0.0
                } else {
                    x
                }
            }
            Self::ScaledTanh(alpha, beta) => alpha * (beta * x).tanh(),
            Self::HardSigmoid(alpha, beta) => hard_sigmoid(x, alpha, beta),
            Self::Elu(alpha) => elu(x, alpha),
        }
    }
}

/// NaN stays NaN, here and below.
pub(crate) fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

pub(crate) fn softsign(x: f32) -> f32 {
    x / (1.0 + x.abs())
}

/// log(1 + exp(x)), without overflow.
pub(crate) fn softplus(x: f32) -> f32 {
    relu(x) + (-x.abs()).exp().ln_1p()
}

pub(crate) fn leaky_relu(x: f32, alpha: f32) -> f32 {
    if x < 0.0 { alpha * x } else { x }
}

pub(crate) fn elu(x: f32, alpha: f32) -> f32 {
    if x < 0.0 { alpha * x.exp_m1() } else { x }
}

pub(crate) fn hard_sigmoid(x: f32, alpha: f32, beta: f32) -> f32 {
    (alpha * x + beta).clamp(0.0, 1.0)
}

/// The error function: its series near 0, and the continued fraction of its complement further out.
pub(crate) fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a.is_nan() {
        return x;
    }
    if a < 2.5 {
        // erf(x) = 2/√π · exp(−x²) · Σ 2ⁿ·x^(2n+1) / (1·3·…·(2n+1)): all terms have one sign.
        let (mut term, mut sum, mut n) = (a, a, 1.0);
        while term > sum * 1e-17 {
            term *= 2.0 * a * a / (2.0 * n + 1.0);
            sum += term;
            n += 1.0;
        }
        return (std::f64::consts::FRAC_2_SQRT_PI * (-a * a).exp() * sum).copysign(x);
    }
    if a > 6.0 {
        return 1f64.copysign(x);
    }
    // erfc(x) = exp(−x²)/√π · 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + …)))), from the inside out.
    let fraction = (1..60)
        .rev()
        .fold(a, |below, n| a + f64::from(n) / 2.0 / below);
    let rest = (-a * a).exp() * std::f64::consts::FRAC_2_SQRT_PI / 2.0 / fraction;
    (1.0 - rest).copysign(x)
}

/// Parameters in the order in which functions take them.
struct Parameters<'a> {
    name: &'static str,
    left: std::slice::Iter<'a, f32>,
}

impl Parameters<'_> {
    fn next(&mut self, default: f32) -> f32 {
        self.left.next().copied().unwrap_or(default)
    }

    fn needed(&mut self, function: &str) -> Result<f32, OpError> {
        let missing = || {
            problem(
                self.name,
                &format!("has no value for {function}, which has no default"),
            )
        };
        self.left.next().copied().ok_or_else(missing)
    }

    fn finish(self) -> Result<(), OpError> {
        match self.left.len() {
            0 => Ok(()),
            more => Err(problem(
                self.name,
                &format!("has {more} values more than the activations take"),
            )),
        }
    }
}

/// The functions that `names` says; letter case does not count.
///
/// Each takes the next of `alpha` and `beta` if it has such a parameter (so does ONNX Runtime; the specification says
/// only "in the order of activation functions"), or else the default of the operator of its name. Affine and ScaledTanh
/// are no operators any more and have none.
pub(super) fn parse(
    names: &[String],
    alpha: &[f32],
    beta: &[f32],
) -> Result<Vec<Activation>, OpError> {
    let mut alpha = Parameters {
        name: "activation_alpha",
        left: alpha.iter(),
    };
    let mut beta = Parameters {
        name: "activation_beta",
        left: beta.iter(),
    };
    let mut one = |name: &String| {
        Ok(match name.to_ascii_lowercase().as_str() {
            "relu" => Activation::Relu,
            "tanh" => Activation::Tanh,
            "sigmoid" => Activation::Sigmoid,
            "softsign" => Activation::Softsign,
            "softplus" => Activation::Softplus,
            "affine" => Activation::Affine(alpha.needed(name)?, beta.needed(name)?),
            "leakyrelu" => Activation::LeakyRelu(alpha.next(0.01)),
            "thresholdedrelu" => Activation::ThresholdedRelu(alpha.next(1.0)),
            "scaledtanh" => Activation::ScaledTanh(alpha.needed(name)?, beta.needed(name)?),
            "hardsigmoid" => Activation::HardSigmoid(alpha.next(0.2), beta.next(0.5)),
            "elu" => Activation::Elu(alpha.next(1.0)),
            _ => {
                return Err(problem(
                    "activations",
                    &format!("has \"{name}\", which is not supported"),
                ));
            }
        })
    };
    let all = names.iter().map(&mut one).collect::<Result<_, _>>()?;
    alpha.finish()?;
    beta.finish()?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn parameters_go_to_those_who_take_them() {
        let parsed = parse(&names(&["Sigmoid", "Affine", "elu"]), &[2.0], &[3.0]).unwrap();
        assert_eq!(
            parsed,
            [
                Activation::Sigmoid,
                Activation::Affine(2.0, 3.0),
                Activation::Elu(1.0)
            ]
        );
        assert!(parse(&names(&["Tanh"]), &[1.0], &[]).is_err());
        assert!(parse(&names(&["Affine"]), &[1.0], &[]).is_err());
        assert!(parse(&names(&["Gelu"]), &[], &[]).is_err());
    }

    #[test]
    fn the_error_function_has_known_values() {
        // From tables, to 15 digits.
        let known = [
            (0.0, 0.0),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.0, 0.995_322_265_018_952_7),
            (3.0, 0.999_977_909_503_001_4),
        ];
        for (x, y) in known {
            assert!((erf(x) - y).abs() < 1e-14, "{x}");
            assert!((erf(-x) + y).abs() < 1e-14, "{x}");
        }
        assert!((erf(2.499_999_9) - erf(2.500_000_1)).abs() < 1e-9);
        assert!(erf(f64::NAN).is_nan());
    }

    #[test]
    fn functions_have_the_values_of_their_formulas() {
        let cases = [
            (Activation::Relu, -2.0, 0.0),
            (Activation::Softsign, -1.0, -0.5),
            (Activation::Softplus, 0.0, std::f32::consts::LN_2),
            (Activation::Softplus, 200.0, 200.0),
            (Activation::LeakyRelu(0.1), -2.0, -0.2),
            (Activation::ThresholdedRelu(1.0), 0.9, 0.0),
            (Activation::ThresholdedRelu(1.0), 1.0, 1.0),
            (Activation::ScaledTanh(2.0, 0.5), 2.0, 2.0 * 1f32.tanh()),
            (Activation::HardSigmoid(0.2, 0.5), 4.0, 1.0),
            (Activation::Elu(2.0), -1.0, 2.0 * (-1f32).exp_m1()),
            (Activation::Affine(2.0, 1.0), 3.0, 7.0),
        ];
        for (function, x, y) in cases {
            assert!((function.of(x) - y).abs() < 1e-6, "{function:?}");
        }
        assert!(Activation::Relu.of(f32::NAN).is_nan());
    }
}
