//! The linear layer on top of a stack.

use crate::init::{param, uniform};
use crate::ops::linear;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use refrain_kernels::KernelError;
use refrain_kernels::random::Key;

/// x·Wᵀ + b with PyTorch's names.
#[derive(Module, Debug)]
pub(super) struct Linear {
    /// `[V,H]`
    pub weight: Param<Tensor<2>>,
    /// `[V]`
    pub bias: Param<Tensor<1>>,
}

impl Linear {
    /// Uniform in ±1/√H, as PyTorch initialises it.
    pub fn init([outputs, inputs]: [usize; 2], key: Key, device: &Device) -> Self {
        let bound = 1.0 / (inputs as f32).sqrt();
        let weight = uniform([outputs, inputs], bound, key.fold(1));
        let bias = uniform([outputs], bound, key.fold(2));
        Self {
            weight: param(weight, [outputs, inputs], device),
            bias: param(bias, [outputs], device),
        }
    }

    /// `[N,H]` → `[N,V]`
    ///
    /// # Errors
    /// A shape that does not fit.
    pub fn forward(&self, x: Tensor<2>) -> Result<Tensor<2>, KernelError> {
        linear(x, self.weight.val(), self.bias.val())
    }
}
