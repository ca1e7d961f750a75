//! The model that marks text lines on pages.

use burn::tensor::{Device, Tensor, TensorData};
use refrain::models::{PageModel, PageModelConfig};
use refrain::ops::{ImageBatch, floats};
use refrain::params;
use refrain::train::{Optimizer, OptimizerConfig};
use refrain_kernels::random::Key;

fn config() -> PageModelConfig {
    PageModelConfig {
        channels: vec![4, 6, 8],
        blocks: 1,
    }
}

fn pages(height: usize, widths: &[usize], device: &Device) -> ImageBatch {
    let pixels = height * widths.iter().sum::<usize>();
    let values: Vec<f32> = (0..pixels)
        .map(|k| Key::new(1).normal_f32(k as u64))
        .collect();
    ImageBatch {
        pixels: Tensor::from_data(TensorData::new(values, [pixels, 1]), device),
        height,
        widths: widths.into(),
    }
}

fn model(device: &Device) -> PageModel {
    config().init(1, device).unwrap()
}

#[test]
fn every_size_of_page_has_a_map_of_half_its_size() {
    let device = Device::flex();
    let model = model(&device);
    assert_eq!(
        config().parameters(),
        params::export(&model)
            .iter()
            .map(|own| own.data.len())
            .sum::<usize>()
    );
    for (height, widths) in [
        (1, vec![1]),
        (17, vec![30, 5]),
        (32, vec![16]),
        (3, vec![100, 1, 2]),
    ] {
        let map = model.scores(pages(height, &widths, &device)).unwrap();
        let half: Vec<usize> = widths.iter().map(|width| width.div_ceil(2)).collect();
        assert_eq!((map.height, &*map.widths), (height.div_ceil(2), &*half));
        assert!(floats(map.pixels).iter().all(|score| score.is_finite()));
    }
}

#[test]
fn a_page_has_the_same_map_alone_and_among_others() {
    let device = Device::flex();
    let model = model(&device);
    let [both, first] = [&[19, 8][..], &[19]].map(|widths| {
        let map = model.scores(pages(21, widths, &device)).unwrap();
        floats(map.pixels)
    });
    assert_eq!(both[..first.len()], first);
}

#[test]
fn it_learns_where_ink_is() {
    let device = Device::flex().autodiff();
    let mut model = model(&device);
    let (height, widths) = (16, [24, 10]);
    // Dark rectangles; the pixels of the map are those whose four pixels are dark.
    let dark = |y: usize, x: usize| (4..10).contains(&y) && (2..9).contains(&x);
    let mut values = Vec::new();
    let mut marks = Vec::new();
    for width in widths {
        values.extend((0..height * width).map(|k| f32::from(dark(k / width, k % width))));
        let half = width.div_ceil(2);
        let mark = |k: usize| f32::from(dark(k / half * 2 + 1, k % half * 2 + 1));
        marks.extend((0..height / 2 * half).map(mark));
    }
    let shape = [values.len(), 1];
    let page = ImageBatch {
        pixels: Tensor::from_data(TensorData::new(values, shape), &device),
        height,
        widths: widths.into(),
    };
    let shape = [marks.len(), 1];
    let marks = Tensor::<2>::from_data(TensorData::new(marks, shape), &device);
    let mut optimizer = Optimizer::new(OptimizerConfig::default());
    let mut losses = Vec::new();
    for _ in 0..150 {
        let out = model.loss(page.clone(), marks.clone()).unwrap();
        losses.push(floats(out.loss.clone())[0]);
        let gradients = params::gradients(&model, &out.loss);
        assert_eq!(gradients.len(), params::export(&model).len());
        optimizer.begin();
        model = params::update(model, gradients, |name, p, g| {
            optimizer.update(name, p, g, 0.01, 1.0)
        })
        .unwrap();
    }
    assert!(
        losses[149] < 0.1 * losses[0],
        "{} {}",
        losses[0],
        losses[149]
    );
}
