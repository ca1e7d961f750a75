//! Views of Flex tensors as slices, and tensors from vectors, without a copy.

use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{Bytes, DType, Shape, Tensor};

/// The tensor itself when it is contiguous `f32`, else a contiguous copy.
pub(super) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.is_contiguous() {
        tensor
    } else {
        tensor.to_contiguous()
    }
}

/// The elements of a tensor made by [`contiguous`].
pub(super) fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor
        .as_slice::<f32>()
        .expect("fused operations take contiguous f32 tensors")
}

/// A tensor that takes over the vector.
pub(super) fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::new(
        Bytes::from_elems(values),
        Layout::contiguous(shape.into()),
        DType::F32,
    )
}

/// Sizes of the dimensions.
pub(super) fn dims<const D: usize>(tensor: &impl TensorMetadata) -> [usize; D] {
    let shape = tensor.shape();
    std::array::from_fn(|axis| shape[axis])
}

fn primitive<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    let plain = if tensor.is_autodiff() {
        tensor.inner()
    } else {
        tensor
    };
    match plain.clone().try_into_primitive::<Flex>() {
        Ok(tensor) => {
            drop(plain);
            contiguous(tensor)
        }
        Err(_) => FlexTensor::from_data(plain.into_data().convert::<f32>()),
    }
}

/// A copy of the elements of a tensor of any backend, in row-major order.
pub fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    slice(&primitive(tensor)).to_vec()
}

/// Changes the elements of a plain (not autodiff) tensor; in place when nothing else holds it.
pub fn floats_mut<const D: usize>(tensor: Tensor<D>, f: impl FnOnce(&mut [f32])) -> Tensor<D> {
    let device = tensor.device();
    let shape = tensor.shape();
    let (mut values, on_flex) = match tensor.clone().try_into_primitive::<Flex>() {
        Ok(primitive) => {
            drop(tensor);
            (contiguous(primitive), true)
        }
        Err(_) => (
            FlexTensor::from_data(tensor.into_data().convert::<f32>()),
            false,
        ),
    };
    if values.layout().start_offset() != 0 || values.storage::<f32>().len() != shape.num_elements()
    {
        values = self::tensor(slice(&values).to_vec(), shape);
    }
    f(values.storage_mut::<f32>());
    if on_flex {
        Tensor::from_primitive::<Flex>(values)
    } else {
        Tensor::from_data(values.into_data(), &device)
    }
}

/// The elements of a tensor in row-major order, without a copy on Flex. Consumes the tensor.
pub struct Values(FlexTensor);

impl Values {
    /// Takes a tensor out of Burn.
    pub fn new<const D: usize>(tensor: Tensor<D>) -> Self {
        Self(primitive(tensor))
    }

    /// Row-major.
    pub fn as_slice(&self) -> &[f32] {
        slice(&self.0)
    }
}
