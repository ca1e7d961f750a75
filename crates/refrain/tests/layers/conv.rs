//! Convolution and pooling of images of many widths, compared with Burn's own on each image by itself.

use crate::second_opinion::{close, random};
use burn::tensor::activation::relu;
use burn::tensor::module::{avg_pool2d, conv2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions as BurnConv, MaxPoolOptions};
use burn::tensor::{Device, Tensor};
use refrain::ops::{ConvOptions, ImageBatch, Pooling, Window, conv, conv_max, pool};
use std::sync::Arc;

const HEIGHT: usize = 6;
const WIDTHS: [usize; 3] = [7, 4, 11];
const CHANNELS: usize = 4;
const OUTPUTS: usize = 6;

fn pixels(device: &Device) -> Tensor<2> {
    random([HEIGHT * WIDTHS.iter().sum::<usize>(), CHANNELS], 1, device)
}

/// Image after image, each `[1,C,H,W]`.
fn apart(pixels: Tensor<2>, height: usize, widths: &[usize]) -> Vec<Tensor<4>> {
    let [_, channels] = pixels.dims();
    let mut first = 0;
    let images = widths.iter().map(|&width| {
        let own = pixels.clone().narrow(0, first, height * width);
        first += height * width;
        own.reshape([1, height, width, channels])
            .permute([0, 3, 1, 2])
    });
    images.collect()
}

/// `[P,C]` of images `[1,C,H,W]`.
fn together(images: Vec<Tensor<4>>) -> Tensor<2> {
    let rows = images.into_iter().map(|image| {
        let [_, channels, height, width] = image.dims();
        image
            .permute([0, 2, 3, 1])
            .reshape([height * width, channels])
    });
    Tensor::cat(rows.collect(), 0)
}

/// The results of both and the gradients of their weighted sums.
fn compare(
    what: &str,
    weights: bool,
    groups: usize,
    ours: impl Fn(ImageBatch, Tensor<4>, Tensor<1>) -> ImageBatch,
    burns: impl Fn(Tensor<4>, Tensor<4>, Tensor<1>) -> Tensor<4>,
) {
    let device = Device::flex().autodiff();
    let leaves = || {
        let w = random([OUTPUTS, CHANNELS / groups, 3, 3], 2, &device);
        let b = random([OUTPUTS], 3, &device);
        (
            pixels(&device).require_grad(),
            w.require_grad(),
            b.require_grad(),
        )
    };
    let (x, w, b) = leaves();
    let (x_burn, w_burn, b_burn) = leaves();
    let images = ImageBatch {
        pixels: x.clone(),
        height: HEIGHT,
        widths: Arc::from(WIDTHS),
    };
    let y = ours(images, w.clone(), b.clone());
    let each = apart(x_burn.clone(), HEIGHT, &WIDTHS).into_iter();
    let each: Vec<Tensor<4>> = each
        .map(|image| burns(image, w_burn.clone(), b_burn.clone()))
        .collect();
    let [_, _, height, _] = each[0].dims();
    let widths: Vec<usize> = each.iter().map(|image| image.dims()[3]).collect();
    assert_eq!((y.height, &*y.widths), (height, &*widths), "{what}");
    let expected = together(each);
    close(y.pixels.clone(), expected.clone(), 1e-5, what);
    let factor = random(y.pixels.dims(), 4, &device);
    let mut d = (y.pixels * factor.clone()).sum().backward();
    let mut d_burn = (expected * factor).sum().backward();
    let grads = [
        x.grad_remove(&mut d).unwrap(),
        x_burn.grad_remove(&mut d_burn).unwrap(),
    ];
    let [got, expected] = grads;
    close(got, expected, 1e-4, what);
    if weights {
        let (got, expected) = (w.grad_remove(&mut d), w_burn.grad_remove(&mut d_burn));
        close(got.unwrap(), expected.unwrap(), 1e-4, what);
        let (got, expected) = (b.grad_remove(&mut d), b_burn.grad_remove(&mut d_burn));
        close(got.unwrap(), expected.unwrap(), 1e-4, what);
    }
}

#[test]
fn a_convolution_is_that_of_burn() {
    for (stride, padding, dilation, groups, rectified) in [
        ([1, 1], [1, 1], [1, 1], 1, true),
        ([2, 1], [0, 1], [1, 1], 2, false),
        ([1, 2], [2, 0], [2, 1], 2, true),
    ] {
        let mut window = Window::new([3, 3]);
        window.stride = stride;
        window.dilation = dilation;
        window.padding = padding.map(|side| [side; 2]);
        let options = ConvOptions {
            groups,
            relu: rectified,
            ..ConvOptions::new(window)
        };
        compare(
            &format!("{options:?}"),
            true,
            groups,
            |x, w, b| conv(x, w, b, options).unwrap(),
            |x, w, b| {
                let y = conv2d(
                    x,
                    w,
                    Some(b),
                    BurnConv::new(stride, padding, dilation, groups),
                );
                if rectified { relu(y) } else { y }
            },
        );
    }
}

#[test]
fn pooling_is_that_of_burn() {
    let mut window = Window::new([2, 3]);
    window.stride = [2, 2];
    window.padding = [[0, 0], [1, 1]];
    compare(
        "maximum",
        false,
        1,
        |x, _, _| pool(x, window, Pooling::Max).unwrap(),
        |x, _, _| {
            let mut options = MaxPoolOptions::new([2, 3]);
            options.stride = [2, 2];
            options.padding = [(0, 0), (1, 1)];
            max_pool2d(x, options)
        },
    );
    compare(
        "mean",
        false,
        1,
        |x, _, _| pool(x, window, Pooling::Average { padding: true }).unwrap(),
        |x, _, _| {
            let mut options = AvgPoolOptions::new([2, 3]);
            options.stride = [2, 2];
            options.padding = [(0, 0), (1, 1)];
            avg_pool2d(x, options)
        },
    );
}

#[test]
fn a_convolution_with_maximum_is_that_of_burn() {
    let window = |stride| Window {
        stride,
        ..Window::new([2, 3])
    };
    // As one operation where windows do not overlap, else one after the other.
    for behind in [window([2, 3]), window([3, 4]), window([1, 2])] {
        let mut own = Window::new([3, 3]);
        own.padding = [[1, 1], [1, 1]];
        compare(
            &format!("{behind:?}"),
            true,
            1,
            |x, w, b| conv_max(x, w, b, ConvOptions::new(own), behind).unwrap(),
            |x, w, b| {
                let y = relu(conv2d(
                    x,
                    w,
                    Some(b),
                    BurnConv::new([1, 1], [1, 1], [1, 1], 1),
                ));
                let mut options = MaxPoolOptions::new([2, 3]);
                options.stride = behind.stride;
                max_pool2d(y, options)
            },
        );
    }
}

#[test]
fn no_gradient_is_computed_for_an_image_without_one() {
    let device = Device::flex().autodiff();
    let x = ImageBatch {
        pixels: pixels(&device),
        height: HEIGHT,
        widths: Arc::from(WIDTHS),
    };
    let w = random([OUTPUTS, CHANNELS, 3, 3], 2, &device).require_grad();
    let b = random([OUTPUTS], 3, &device).require_grad();
    let pixels = x.pixels.clone();
    let y = conv(x, w.clone(), b, ConvOptions::new(Window::new([3, 3]))).unwrap();
    let mut d = y.pixels.sum().backward();
    assert!(pixels.grad(&d).is_none());
    assert!(w.grad_remove(&mut d).is_some());
}

#[test]
fn sizes_that_do_not_fit_are_named() {
    let device = Device::flex();
    let batch = |widths: &[usize]| ImageBatch {
        pixels: pixels(&device),
        height: HEIGHT,
        widths: Arc::from(widths),
    };
    let w: Tensor<4> = random([OUTPUTS, CHANNELS, 3, 3], 2, &device);
    let b: Tensor<1> = random([OUTPUTS], 3, &device);
    let options = ConvOptions::new(Window::new([3, 3]));
    let wrong = |x: ImageBatch, w: &Tensor<4>, options| {
        let error = conv(x, w.clone(), b.clone(), options).unwrap_err();
        error.to_string()
    };
    assert!(wrong(batch(&[7, 4]), &w, options).contains("pixels of x"));
    assert!(wrong(batch(&[usize::MAX, 4]), &w, options).contains("pixels of x"));
    let narrow = w.clone().slice([0..OUTPUTS, 0..3]);
    assert!(wrong(batch(&WIDTHS), &narrow, options).contains("channels of w"));
    let other = ConvOptions::new(Window::new([3, 1]));
    assert!(wrong(batch(&WIDTHS), &w, other).contains("kernel"));
    let groups = ConvOptions {
        groups: 0,
        ..options
    };
    assert!(wrong(batch(&WIDTHS), &w, groups).contains("groups"));
    let mut still = Window::new([3, 3]);
    still.stride = [0, 1];
    assert!(pool(batch(&WIDTHS), still, Pooling::Max).is_err());
}
