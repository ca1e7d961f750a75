//! Initial values of parameters; the same seed gives the same values on every machine.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use refrain_kernels::random::Key;

/// Uniform in ±`bound`.
pub(crate) fn uniform<const D: usize>(shape: [usize; D], bound: f32, key: Key) -> Vec<f32> {
    let mut values = vec![0.0; shape.iter().product()];
    key.fill_uniform(-bound, bound, &mut values);
    values
}

/// Standard normal, as PyTorch starts its embeddings.
pub(crate) fn normal<const D: usize>(shape: [usize; D], key: Key) -> Vec<f32> {
    (0..shape.iter().product::<usize>())
        .map(|index| key.normal_f32(index as u64))
        .collect()
}

/// A trainable parameter.
pub(crate) fn param<const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &Device,
) -> Param<Tensor<D>> {
    Param::from_data(TensorData::new(values, shape), device)
}
