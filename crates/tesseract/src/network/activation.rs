//! Activations of fully connected layers.

use serde::{Deserialize, Serialize};

/// An activation, each output by itself. All of them never fall as their input rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// x
    Linear,
    /// tanh x
    Tanh,
    /// 1/(1 + e⁻ˣ)
    Logistic,
    /// max(0, x)
    Relu,
    /// x between −1 and 1 (LinTanh).
    Clip,
    /// x between 0 and 1 (LinLogistic).
    ClipPositive,
}

impl Activation {
    pub(super) fn apply(self, values: &mut [f32]) {
        let each =
            |values: &mut [f32], f: fn(f32) -> f32| values.iter_mut().for_each(|x| *x = f(*x));
        match self {
            Self::Linear => {}
            Self::Tanh => each(values, f32::tanh),
            Self::Logistic => each(values, |x| 1.0 / (1.0 + (-x).exp())),
            Self::Relu => each(values, |x| x.max(0.0)),
            Self::Clip => each(values, |x| x.clamp(-1.0, 1.0)),
            Self::ClipPositive => each(values, |x| x.clamp(0.0, 1.0)),
        }
    }
}
