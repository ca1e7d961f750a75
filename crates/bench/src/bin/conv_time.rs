//! Times convolutions of text lines, forward and backward: for each line on standard input, one run of these stages.
//! `scripts/peers/conv.py` lets PyTorch do the same work in turn.
//!
//!     cargo run --release -p refrain-bench --bin conv_time -- WIDTHS THREADS f32|bf16
//!
//! WIDTHS are the widths of the images of a batch, with commas. A line names a stage of the recogniser, 0 to 4, or all.

use refrain_kernels::conv::{
    Conv, Images, Wanted, Window, backward, backward_max, forward, forward_max,
};
use refrain_kernels::random::Key;
use refrain_kernels::{Precision, Threads};
use std::error::Error;
use std::io::Write;
use std::time::Instant;

#[global_allocator]
static MEMORY: refrain_kernels::allocator::Recycler = refrain_kernels::allocator::Recycler;

/// Channels in and out, kernel, and the windows of the maximum behind it.
struct Stage {
    channels: [usize; 2],
    kernel: [usize; 2],
    pool: [usize; 2],
}

/// The default model of `models/line_model.rs`, for lines 36 pixels high; the last one makes a row of columns.
const STAGES: [Stage; 5] = [
    stage([1, 16], [3, 3], [3, 3]),
    stage([16, 32], [3, 3], [1, 1]),
    stage([32, 64], [3, 3], [2, 1]),
    stage([64, 96], [3, 3], [2, 1]),
    stage([96, 160], [3, 1], [1, 1]),
];

const fn stage(channels: [usize; 2], kernel: [usize; 2], pool: [usize; 2]) -> Stage {
    Stage {
        channels,
        kernel,
        pool,
    }
}

/// A stage with its sizes and values.
struct Work {
    stage: &'static Stage,
    height: usize,
    widths: Vec<usize>,
    window: Window,
    pooling: Window,
    x: Vec<f32>,
    w: Vec<f32>,
    b: Vec<f32>,
    precision: Precision,
}

impl Work {
    fn images(&self) -> Images<'_> {
        Images {
            height: self.height,
            widths: &self.widths,
            channels: self.stage.channels[0],
        }
    }

    /// Forward and backward; gives the gradients' sums so that no work is left out.
    fn run(&self, first: bool) -> Result<f32, Box<dyn Error>> {
        let images = self.images();
        let [_, outputs] = self.stage.channels;
        let conv = Conv {
            images,
            window: self.window,
            groups: 1,
            outputs,
            relu: true,
            precision: self.precision,
            x: &self.x,
            w: &self.w,
            b: Some(&self.b),
        };
        let wanted = Wanted {
            x: !first,
            weights: true,
        };
        let d = if self.stage.pool == [1, 1] {
            let y = forward(&conv)?;
            backward(&conv, &y, &y, wanted)?
        } else {
            let behind = forward_max(&conv, &self.pooling)?;
            let maxima = (&behind.y[..], &behind.places[..]);
            backward_max(&conv, &self.pooling, maxima, &behind.y, wanted)?
        };
        let last = |values: Option<Vec<f32>>| values.and_then(|own| own.last().copied());
        Ok(last(d.d_w).unwrap_or(0.0) + last(d.d_x).unwrap_or(0.0))
    }
}

fn works(widths: &[usize], precision: Precision) -> Vec<Work> {
    let (mut height, mut widths) = (36, widths.to_vec());
    let mut all = Vec::new();
    for (number, stage) in STAGES.iter().enumerate() {
        let mut window = Window::new(stage.kernel);
        if number + 1 < STAGES.len() {
            window.padding = stage.kernel.map(|taps| [taps / 2; 2]);
        }
        let mut pooling = Window::new(stage.pool);
        pooling.stride = stage.pool;
        let [inputs, outputs] = stage.channels;
        let values = |count: usize, key: u64, bound: f32| {
            let mut values = vec![0.0; count];
            Key::new(key).fill_uniform(-bound, bound, &mut values);
            values
        };
        let pixels = height * widths.iter().sum::<usize>();
        let taps = stage.kernel.iter().product::<usize>();
        let own = Work {
            stage,
            height,
            x: values(pixels * inputs, 1, 1.0),
            w: values(outputs * inputs * taps, 2, 0.2),
            b: values(outputs, 3, 0.1),
            widths: widths.clone(),
            window,
            pooling,
            precision,
        };
        let (rows, columns) = own.images().windows(&window);
        height = pooling.height(rows);
        widths = columns.iter().map(|&own| pooling.width(own)).collect();
        all.push(own);
    }
    all
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [widths, threads, precision] = &args[..] else {
        return Err("three arguments are needed: WIDTHS THREADS f32|bf16".into());
    };
    let widths = widths.split(',').map(str::parse);
    let widths = widths.collect::<Result<Vec<usize>, _>>()?;
    let precision = match precision.as_str() {
        "bf16" => Precision::Bf16,
        _ => Precision::F32,
    };
    let works = works(&widths, precision);
    Threads::new(threads.parse()?).install(|| {
        for line in std::io::stdin().lines() {
            let line = line?;
            let chosen = match line.trim() {
                "all" => 0..works.len(),
                number => {
                    let number: usize = number.parse()?;
                    number..number + 1
                }
            };
            let began = Instant::now();
            let mut sum = 0.0;
            for number in chosen {
                sum += works[number].run(number == 0)?;
            }
            println!("{} {sum}", began.elapsed().as_secs_f64());
            std::io::stdout().flush()?;
        }
        Ok(())
    })
}
