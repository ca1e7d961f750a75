//! Convolution and pooling of images of one height and many widths, each as one operation, and both as one.

use super::composed;
use super::flex::{contiguous, dims, slice, tensor};
use super::recurrent::fits;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use refrain_kernels::conv::{self as kernels, Conv, ConvGradients, Images, Pool, Wanted};
use refrain_kernels::{KernelError, Precision};
use std::sync::Arc;

pub use refrain_kernels::conv::{Pooling, Window};

/// Images of one height and many widths, one after the other without padding: `P` = H·ΣW_b pixels, row by row, with the
/// channels of a pixel side by side.
#[derive(Clone, Debug)]
pub struct ImageBatch {
    /// `[P,C]`
    pub pixels: Tensor<2>,
    /// `H`
    pub height: usize,
    /// `[B]`: the width of each image.
    pub widths: Arc<[usize]>,
}

/// Settings of [`conv`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions {
    /// Kernel, stride, dilation and padding.
    pub window: Window,
    /// `G`, which divides `C` and `D`.
    pub groups: usize,
    /// Whether the result is max(0, ·) of the sums.
    pub relu: bool,
    /// [`Precision::F32`] or [`Precision::Bf16`].
    pub precision: Precision,
}

impl ConvOptions {
    /// One group, ReLU, `f32`.
    pub fn new(window: Window) -> Self {
        Self {
            window,
            groups: 1,
            relu: true,
            precision: Precision::F32,
        }
    }
}

/// Sizes of the images of a call.
#[derive(Clone, Debug)]
pub struct ImageSizes {
    height: usize,
    widths: Arc<[usize]>,
}

impl ImageSizes {
    fn images(&self, channels: usize) -> Images<'_> {
        Images {
            height: self.height,
            widths: &self.widths,
            channels,
        }
    }

    /// Pixels of the results.
    fn results(&self, window: &Window) -> usize {
        let (height, widths) = self.images(1).windows(window);
        height * widths.iter().sum::<usize>()
    }

    /// Sizes of the results.
    fn behind(&self, window: &Window) -> Self {
        let (height, widths) = self.images(1).windows(window);
        Self {
            height,
            widths: widths.into(),
        }
    }
}

/// The settings of one [`conv_max`].
#[derive(Clone, Debug)]
pub struct ConvMaxSpec {
    sizes: ImageSizes,
    options: ConvOptions,
    window: Window,
}

impl ConvMaxSpec {
    /// Pixels of the results.
    fn results(&self) -> usize {
        let between = self.sizes.behind(&self.options.window);
        between.results(&self.window)
    }
}

/// The largest of each window and channel, and its place in the window.
pub type Maxima<T> = (T, Arc<Vec<u8>>);

const CHECKED: &str = "`conv`, `conv_max` and `pool` have checked the shapes";

/// Runs `f` with the kernel's view of host memory. `shapes` are those of `x` and `w`.
fn with<R>(
    [x, w, b]: [&[f32]; 3],
    [_, channels]: [usize; 2],
    w_shape: [usize; 4],
    sizes: &ImageSizes,
    options: &ConvOptions,
    f: impl FnOnce(&Conv) -> Result<R, KernelError>,
) -> R {
    f(&Conv {
        images: sizes.images(channels),
        window: options.window,
        groups: options.groups,
        outputs: w_shape[0],
        relu: options.relu,
        precision: options.precision,
        x,
        w,
        b: Some(b),
    })
    .expect(CHECKED)
}

/// The kernels of a backend for [`conv`] and [`pool`]. By default the tensors are read back from their device, and the
/// kernel runs on the CPU.
pub trait ConvKernels: Backend {
    /// `[Q,D]` from x `[P,C]`, w `[D,C/G,I,J]` and b `[D]`.
    fn conv_forward(
        inputs: [FloatTensor<Self>; 3],
        sizes: &ImageSizes,
        options: &ConvOptions,
    ) -> FloatTensor<Self> {
        let (x, w) = (dims::<2>(&inputs[0]), dims::<4>(&inputs[1]));
        let like = inputs[0].clone();
        let host = inputs.map(composed::values::<Self>);
        let slices = host.each_ref().map(Vec::as_slice);
        let y = with(slices, x, w, sizes, options, kernels::forward);
        composed::constant::<Self>(y, [sizes.results(&options.window), w[0]], &like)
    }

    /// Gradients of x, w and b from the result and its gradient, both `[Q,D]`; those not wanted are absent.
    fn conv_backward(
        inputs: [FloatTensor<Self>; 3],
        y: FloatTensor<Self>,
        d_y: FloatTensor<Self>,
        (sizes, options, wanted): (&ImageSizes, &ConvOptions, Wanted),
    ) -> [Option<FloatTensor<Self>>; 3] {
        let (x, w) = (dims::<2>(&inputs[0]), dims::<4>(&inputs[1]));
        let like = inputs[0].clone();
        let host = inputs.map(composed::values::<Self>);
        let [y, d_y] = [y, d_y].map(composed::values::<Self>);
        let slices = host.each_ref().map(Vec::as_slice);
        let d = with(slices, x, w, sizes, options, |conv| {
            kernels::backward(conv, &y, &d_y, wanted)
        });
        let back = |values, shape: &[usize]| {
            Option::map(values, |values| {
                composed::constant::<Self>(values, shape.to_vec(), &like)
            })
        };
        [back(d.d_x, &x), back(d.d_w, &w), back(d.d_b, &w[..1])]
    }

    /// `[R,D]` and the places of the maxima, from x `[P,C]`, w `[D,C/G,I,J]` and b `[D]`.
    fn conv_max_forward(
        inputs: [FloatTensor<Self>; 3],
        spec: &ConvMaxSpec,
    ) -> Maxima<FloatTensor<Self>> {
        let (x, w) = (dims::<2>(&inputs[0]), dims::<4>(&inputs[1]));
        let like = inputs[0].clone();
        let host = inputs.map(composed::values::<Self>);
        let slices = host.each_ref().map(Vec::as_slice);
        let own = with(slices, x, w, &spec.sizes, &spec.options, |conv| {
            kernels::forward_max(conv, &spec.window)
        });
        let y = composed::constant::<Self>(own.y, [spec.results(), w[0]], &like);
        (y, Arc::new(own.places))
    }

    /// Gradients of x, w and b from the maxima and their gradient, both `[R,D]`; those not wanted are absent.
    fn conv_max_backward(
        inputs: [FloatTensor<Self>; 3],
        (y, places): Maxima<FloatTensor<Self>>,
        d_y: FloatTensor<Self>,
        (spec, wanted): (&ConvMaxSpec, Wanted),
    ) -> [Option<FloatTensor<Self>>; 3] {
        let (x, w) = (dims::<2>(&inputs[0]), dims::<4>(&inputs[1]));
        let like = inputs[0].clone();
        let host = inputs.map(composed::values::<Self>);
        let [y, d_y] = [y, d_y].map(composed::values::<Self>);
        let slices = host.each_ref().map(Vec::as_slice);
        let d = with(slices, x, w, &spec.sizes, &spec.options, |conv| {
            kernels::backward_max(conv, &spec.window, (&y, &places), &d_y, wanted)
        });
        let back = |values, shape: &[usize]| {
            Option::map(values, |values| {
                composed::constant::<Self>(values, shape.to_vec(), &like)
            })
        };
        [back(d.d_x, &x), back(d.d_w, &w), back(d.d_b, &w[..1])]
    }

    /// `[Q,C]` from x `[P,C]`.
    fn pool_forward(x: FloatTensor<Self>, spec: &PoolSpec) -> FloatTensor<Self> {
        let ([_, channels], like) = (dims::<2>(&x), x.clone());
        let x = composed::values::<Self>(x);
        let y = kernels::pool(&spec.pool(&x, channels)).expect(CHECKED);
        composed::constant::<Self>(y, [spec.sizes.results(&spec.window), channels], &like)
    }

    /// The gradient of x from that of the result, `[Q,C]`.
    fn pool_backward(
        x: FloatTensor<Self>,
        d_y: FloatTensor<Self>,
        spec: &PoolSpec,
    ) -> FloatTensor<Self> {
        let (shape, like) = (dims::<2>(&x), x.clone());
        let [x, d_y] = [x, d_y].map(composed::values::<Self>);
        let d_x = kernels::pool_backward(&spec.pool(&x, shape[1]), &d_y).expect(CHECKED);
        composed::constant::<Self>(d_x, shape, &like)
    }
}

/// The settings of one [`pool`].
#[derive(Clone, Debug)]
pub struct PoolSpec {
    sizes: ImageSizes,
    window: Window,
    pooling: Pooling,
}

impl PoolSpec {
    fn pool<'a>(&'a self, x: &'a [f32], channels: usize) -> Pool<'a> {
        Pool {
            images: self.sizes.images(channels),
            window: self.window,
            pooling: self.pooling,
            x,
        }
    }
}

#[backend_extension(
    Flex,
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "vulkan"),
    Autodiff
)]
/// Dispatch of [`conv`], [`conv_max`] and [`pool`].
pub trait ConvBackend: Backend {
    /// x `[P,C]`, w `[D,C/G,I,J]`, b `[D]`.
    fn conv_op(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        b: FloatTensor<Self>,
        sizes: ImageSizes,
        options: ConvOptions,
    ) -> FloatTensor<Self>;

    /// x `[P,C]`, w `[D,C/G,I,J]`, b `[D]`.
    fn conv_max_op(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        b: FloatTensor<Self>,
        spec: ConvMaxSpec,
    ) -> FloatTensor<Self>;

    /// x `[P,C]`.
    fn pool_op(x: FloatTensor<Self>, spec: PoolSpec) -> FloatTensor<Self>;
}

/// Convolution (as PyTorch's: cross-correlation), bias and ReLU: w `[D,C/G,I,J]`, b `[D]`; pixels past an edge are
/// zeros. Differentiable in every tensor. An image has the same bits alone and in any batch.
///
/// # Errors
/// A shape that does not fit, groups that do not divide the channels, int8, or a result that does not fit into memory.
pub fn conv(
    x: ImageBatch,
    w: Tensor<4>,
    b: Tensor<1>,
    options: ConvOptions,
) -> Result<ImageBatch, KernelError> {
    let [_, channels] = x.pixels.dims();
    let sizes = checked(&x, &w, &b, &options)?;
    let (height, widths) = sizes.images(channels).windows(&options.window);
    let y = Dispatch::conv_op(
        x.pixels.into_dispatch(),
        w.into_dispatch(),
        b.into_dispatch(),
        sizes,
        options,
    );
    Ok(ImageBatch {
        pixels: Tensor::from_dispatch(y),
        height,
        widths: widths.into(),
    })
}

/// [`conv`], then the maximum of each window, as [`pool`]. Where windows are apart ([`Window::is_apart`]), it is one
/// operation, which keeps the places of the maxima for the gradient instead of the results of the convolution.
///
/// # Errors
/// As [`conv`] and [`pool`].
pub fn conv_max(
    x: ImageBatch,
    w: Tensor<4>,
    b: Tensor<1>,
    options: ConvOptions,
    window: Window,
) -> Result<ImageBatch, KernelError> {
    if !window.is_apart() {
        return pool(conv(x, w, b, options)?, window, Pooling::Max);
    }
    let sizes = checked(&x, &w, &b, &options)?;
    let between = sizes.behind(&options.window);
    let [outputs, ..] = w.dims();
    kernels::check(&between.images(outputs), &window, 1, outputs)?;
    let ImageSizes { height, widths } = between.behind(&window);
    let spec = ConvMaxSpec {
        sizes,
        options,
        window,
    };
    let y = Dispatch::conv_max_op(
        x.pixels.into_dispatch(),
        w.into_dispatch(),
        b.into_dispatch(),
        spec,
    );
    Ok(ImageBatch {
        pixels: Tensor::from_dispatch(y),
        height,
        widths,
    })
}

/// The sizes of the images of a convolution that can be.
fn checked(
    x: &ImageBatch,
    w: &Tensor<4>,
    b: &Tensor<1>,
    options: &ConvOptions,
) -> Result<ImageSizes, KernelError> {
    let ([_, channels], shape) = (x.pixels.dims(), w.dims());
    let sizes = sizes_of("convolution", x)?;
    let [outputs, in_group, ..] = shape;
    let groups = options.groups.max(1);
    fits(
        "convolution",
        "channels of w",
        &[in_group * groups],
        &[channels],
    )?;
    fits("convolution", "kernel", &shape[2..], &options.window.kernel)?;
    fits("convolution", "b", &b.dims(), &[outputs])?;
    kernels::check(
        &sizes.images(channels),
        &options.window,
        options.groups,
        outputs,
    )?;
    if options.precision == Precision::Int8 {
        return Err(KernelError::Option {
            op: "convolution",
            what: "precision",
            problem: "int8 is for recurrences; use f32 or bf16",
        });
    }
    Ok(sizes)
}

/// Maximum or mean of windows, each channel by itself. Differentiable.
///
/// # Errors
/// A shape that does not fit, or a result that does not fit into memory.
pub fn pool(x: ImageBatch, window: Window, pooling: Pooling) -> Result<ImageBatch, KernelError> {
    let [_, channels] = x.pixels.dims();
    let sizes = sizes_of("pooling", &x)?;
    kernels::check(&sizes.images(channels), &window, 1, channels)?;
    let (height, widths) = sizes.images(channels).windows(&window);
    let spec = PoolSpec {
        sizes,
        window,
        pooling,
    };
    let y = Dispatch::pool_op(x.pixels.into_dispatch(), spec);
    Ok(ImageBatch {
        pixels: Tensor::from_dispatch(y),
        height,
        widths: widths.into(),
    })
}

/// The sizes of a batch whose pixels are all there.
fn sizes_of(op: &'static str, x: &ImageBatch) -> Result<ImageSizes, KernelError> {
    let [pixels, _] = x.pixels.dims();
    let columns = x
        .widths
        .iter()
        .fold(0usize, |sum, &w| sum.saturating_add(w));
    let expected = columns.saturating_mul(x.height);
    fits(op, "pixels of x", &[pixels], &[expected])?;
    Ok(ImageSizes {
        height: x.height,
        widths: x.widths.clone(),
    })
}

impl ConvKernels for Flex {
    fn conv_forward(
        inputs: [FlexTensor; 3],
        sizes: &ImageSizes,
        options: &ConvOptions,
    ) -> FlexTensor {
        let (x, w) = (dims::<2>(&inputs[0]), dims::<4>(&inputs[1]));
        let inputs = inputs.map(contiguous);
        let slices = inputs.each_ref().map(slice);
        let y = with(slices, x, w, sizes, options, kernels::forward);
        tensor(y, [sizes.results(&options.window), w[0]])
    }

    fn conv_backward(
        inputs: [FlexTensor; 3],
        y: FlexTensor,
        d_y: FlexTensor,
        (sizes, options, wanted): (&ImageSizes, &ConvOptions, Wanted),
    ) -> [Option<FlexTensor>; 3] {
        let (x, w) = (dims::<2>(&inputs[0]), dims::<4>(&inputs[1]));
        let inputs = inputs.map(contiguous);
        let [y, d_y] = [y, d_y].map(contiguous);
        let slices = inputs.each_ref().map(slice);
        let ConvGradients { d_x, d_w, d_b } = with(slices, x, w, sizes, options, |conv| {
            kernels::backward(conv, slice(&y), slice(&d_y), wanted)
        });
        [
            d_x.map(|values| tensor(values, x)),
            d_w.map(|values| tensor(values, w)),
            d_b.map(|values| tensor(values, [w[0]])),
        ]
    }

    fn conv_max_forward(inputs: [FlexTensor; 3], spec: &ConvMaxSpec) -> Maxima<FlexTensor> {
        let (x, w) = (dims::<2>(&inputs[0]), dims::<4>(&inputs[1]));
        let inputs = inputs.map(contiguous);
        let slices = inputs.each_ref().map(slice);
        let own = with(slices, x, w, &spec.sizes, &spec.options, |conv| {
            kernels::forward_max(conv, &spec.window)
        });
        (tensor(own.y, [spec.results(), w[0]]), Arc::new(own.places))
    }

    fn conv_max_backward(
        inputs: [FlexTensor; 3],
        (y, places): Maxima<FlexTensor>,
        d_y: FlexTensor,
        (spec, wanted): (&ConvMaxSpec, Wanted),
    ) -> [Option<FlexTensor>; 3] {
        let (x, w) = (dims::<2>(&inputs[0]), dims::<4>(&inputs[1]));
        let inputs = inputs.map(contiguous);
        let [y, d_y] = [y, d_y].map(contiguous);
        let slices = inputs.each_ref().map(slice);
        let maxima = (slice(&y), &places[..]);
        let ConvGradients { d_x, d_w, d_b } =
            with(slices, x, w, &spec.sizes, &spec.options, |conv| {
                kernels::backward_max(conv, &spec.window, maxima, slice(&d_y), wanted)
            });
        [
            d_x.map(|values| tensor(values, x)),
            d_w.map(|values| tensor(values, w)),
            d_b.map(|values| tensor(values, [w[0]])),
        ]
    }

    fn pool_forward(x: FlexTensor, spec: &PoolSpec) -> FlexTensor {
        let ([_, channels], x) = (dims::<2>(&x), contiguous(x));
        let y = kernels::pool(&spec.pool(slice(&x), channels)).expect(CHECKED);
        tensor(y, [spec.sizes.results(&spec.window), channels])
    }

    fn pool_backward(x: FlexTensor, d_y: FlexTensor, spec: &PoolSpec) -> FlexTensor {
        let shape = dims::<2>(&x);
        let [x, d_y] = [x, d_y].map(contiguous);
        let d_x = kernels::pool_backward(&spec.pool(slice(&x), shape[1]), slice(&d_y));
        tensor(d_x.expect(CHECKED), shape)
    }
}

#[derive(Debug)]
struct ConvBackward;

#[derive(Clone, Debug)]
struct Saved<B: ConvKernels> {
    inputs: [FloatTensor<B>; 3],
    y: FloatTensor<B>,
    sizes: ImageSizes,
    options: ConvOptions,
}

impl<B: ConvKernels> Backward<B, 3> for ConvBackward {
    type State = Saved<B>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_y = grads.consume::<B>(&ops.node);
        let Saved {
            inputs,
            y,
            sizes,
            options,
        } = ops.state;
        let wanted = wanted(ops.parents.each_ref().map(Option::is_some));
        let d_inputs = B::conv_backward(inputs, y, d_y, (&sizes, &options, wanted));
        for (parent, gradient) in ops.parents.into_iter().zip(d_inputs) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}

/// The gradients that x, w and b want.
fn wanted([x, w, b]: [bool; 3]) -> Wanted {
    Wanted { x, weights: w || b }
}

#[derive(Debug)]
struct ConvMaxBackward;

#[derive(Clone, Debug)]
struct SavedMax<B: ConvKernels> {
    inputs: [FloatTensor<B>; 3],
    maxima: Maxima<FloatTensor<B>>,
    spec: ConvMaxSpec,
}

impl<B: ConvKernels> Backward<B, 3> for ConvMaxBackward {
    type State = SavedMax<B>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_y = grads.consume::<B>(&ops.node);
        let SavedMax {
            inputs,
            maxima,
            spec,
        } = ops.state;
        let wanted = wanted(ops.parents.each_ref().map(Option::is_some));
        let d_inputs = B::conv_max_backward(inputs, maxima, d_y, (&spec, wanted));
        for (parent, gradient) in ops.parents.into_iter().zip(d_inputs) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct PoolBackward;

impl<B: ConvKernels> Backward<B, 1> for PoolBackward {
    type State = (FloatTensor<B>, PoolSpec);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (x, spec) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |d_y| {
            B::pool_backward(x, d_y, &spec)
        });
    }
}

impl<B: ConvKernels, C: CheckpointStrategy> ConvBackend for Autodiff<B, C> {
    fn conv_op(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        b: FloatTensor<Self>,
        sizes: ImageSizes,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        let inputs = [x, w, b];
        let guards = inputs.each_ref().map(|input| input.node());
        let inputs = inputs.map(|input| input.into_primitive());
        let prepared = Backward::<B, 3>::prepare::<C>(ConvBackward, guards)
            .compute_bound()
            .stateful();
        let y = B::conv_forward(inputs.clone(), &sizes, &options);
        match prepared {
            OpsKind::Tracked(prepared) => {
                let saved = Saved::<B> {
                    inputs,
                    y: y.clone(),
                    sizes,
                    options,
                };
                prepared.finish(saved, y)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    fn conv_max_op(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        b: FloatTensor<Self>,
        spec: ConvMaxSpec,
    ) -> FloatTensor<Self> {
        let inputs = [x, w, b];
        let guards = inputs.each_ref().map(|input| input.node());
        let inputs = inputs.map(|input| input.into_primitive());
        let prepared = Backward::<B, 3>::prepare::<C>(ConvMaxBackward, guards)
            .compute_bound()
            .stateful();
        let maxima = B::conv_max_forward(inputs.clone(), &spec);
        let y = maxima.0.clone();
        match prepared {
            OpsKind::Tracked(prepared) => {
                let saved = SavedMax::<B> {
                    inputs,
                    maxima,
                    spec,
                };
                prepared.finish(saved, y)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    fn pool_op(x: FloatTensor<Self>, spec: PoolSpec) -> FloatTensor<Self> {
        let (x, guard) = x.into_parts();
        let prepared = Backward::<B, 1>::prepare::<C>(PoolBackward, [guard])
            .compute_bound()
            .stateful();
        let y = B::pool_forward(x.clone(), &spec);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish((x, spec), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
