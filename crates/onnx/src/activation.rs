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
