//! The timed work: calls that a user of the library would make.

use super::config::{Config, Mode, Task};
use anyhow::{Result, bail};
use burn::tensor::{Device, Tensor, TensorData};
use refrain::layers::{Recurrent, RecurrentConfig};
use refrain::models::{Dropout, LanguageModel, LanguageModelConfig, State};
use refrain::params;
use refrain_kernels::random::Key;
use refrain_kernels::{Precision, StepScratch, StepWeights, Threads, Weights, update};
use std::time::Instant;

/// A timed unit of work. One call is one iteration of `inner` units.
pub struct Work {
    iteration: Box<dyn FnMut()>,
    threads: Threads,
    inner: usize,
}

impl Work {
    /// Seconds per unit of one iteration.
    pub fn run(&mut self) -> f64 {
        let start = Instant::now();
        self.threads.install(&mut self.iteration);
        start.elapsed().as_secs_f64() / self.inner as f64
    }
}

/// Sets up a configuration.
pub fn prepare(config: &Config) -> Result<Work> {
    config.check()?;
    let precision = match (config.dtype.as_str(), config.task) {
        ("f32", _) => Precision::F32,
        ("bf16", _) => Precision::Bf16,
        ("int8", _) if config.mode == Mode::Train => bail!("n/a: int8 is for inference"),
        ("int8", _) => Precision::Int8,
        (other, _) => bail!("n/a: {other} is not supported here"),
    };
    let iteration: Box<dyn FnMut()> = match config.task {
        Task::Layer => layer(config, precision)?,
        Task::Stream => stream(config, precision)?,
        Task::Lm => language_model(config, precision)?,
    };
    Ok(Work {
        iteration,
        inner: config.inner.max(1),
        threads: Threads::new(config.threads.max(1)),
    })
}

fn values(count: usize, key: u64) -> Vec<f32> {
    let mut values = vec![0.0; count];
    Key::new(key).fill_uniform(-1.0, 1.0, &mut values);
    values
}

fn layer(config: &Config, precision: Precision) -> Result<Box<dyn FnMut()>> {
    let device = match config.mode {
        Mode::Fwd => Device::flex(),
        Mode::Train => Device::flex().autodiff(),
    };
    let model: Recurrent = RecurrentConfig::new(config.cell()?, config.input, config.hidden)
        .with_layers(config.layers)
        .with_bidirectional(config.bidirectional)
        .with_precision(precision)
        .init(&device);
    let shape = [config.batch, config.time, config.input];
    let data = TensorData::new(values(shape.iter().product(), 2), shape);
    let x = Tensor::<3>::from_data(data, &device);
    if config.mode == Mode::Fwd {
        return Ok(Box::new(move || {
            let output = model.forward(x.clone(), None).expect("shapes fit");
            std::hint::black_box(output);
        }));
    }
    let x = x.require_grad();
    Ok(Box::new(move || {
        let (y, _) = model.forward(x.clone(), None).expect("shapes fit");
        // The sum has a gradient of ones. Burn starts a backward pass with ones for a tensor of any shape.
        std::hint::black_box(y.clone().inner().sum());
        std::hint::black_box(params::gradients(&model, &y));
    }))
}

fn stream(config: &Config, precision: Precision) -> Result<Box<dyn FnMut()>> {
    let (cell, input, hidden) = (config.cell()?, config.input, config.hidden);
    let bound = 1.0 / (hidden as f32).sqrt();
    let rows = cell.gates() * hidden;
    let weights = |count: usize, key: u64| -> Vec<f32> {
        values(count, key).into_iter().map(|w| w * bound).collect()
    };
    let (w_ih, w_hh) = (weights(rows * input, 3), weights(rows * hidden, 4));
    let (b_ih, b_hh) = (weights(rows, 5), weights(rows, 6));
    let weights = Weights {
        w_ih: &w_ih,
        w_hh: &w_hh,
        b_ih: Some(&b_ih),
        b_hh: Some(&b_hh),
    };
    let weights = StepWeights::new(cell, precision, input, hidden, &weights)?;
    let x = values(input, 7);
    let (mut state, mut scratch) = (weights.zeros(), StepScratch::default());
    let inner = config.inner;
    Ok(Box::new(move || {
        for _ in 0..inner {
            weights
                .step(&x, &mut state, &mut scratch)
                .expect("shapes fit");
        }
    }))
}

fn language_model(config: &Config, precision: Precision) -> Result<Box<dyn FnMut()>> {
    let device = Device::flex().autodiff();
    let dropout = config.dropout;
    let model = LanguageModelConfig {
        embedding: config.input,
        hidden: config.hidden,
        layers: config.layers,
        dropout: Dropout {
            embedding: dropout,
            hidden: dropout,
            output: dropout,
            ..Dropout::default()
        },
        precision,
        ..LanguageModelConfig::default()
    }
    .init(config.vocabulary, 0, &device)?;
    let ids = |key: u64| -> Vec<u32> {
        let ids = values(config.batch * config.time, key).into_iter();
        ids.map(|u| ((u + 1.0) / 2.0 * (config.vocabulary - 1) as f32) as u32)
            .collect()
    };
    let (inputs, targets) = (ids(8), ids(9));
    let batch = config.batch;
    let mut step = 0;
    let mut current = Some(model);
    Ok(Box::new(move || {
        step += 1;
        let model = current.take().expect("put back at the end of every step");
        current = Some(train_step(model, &inputs, &targets, batch, Key::new(step)));
    }))
}

/// One step of stochastic gradient descent from a zero state.
fn train_step(
    model: LanguageModel,
    inputs: &[u32],
    targets: &[u32],
    batch: usize,
    key: Key,
) -> LanguageModel {
    let state: Option<State> = None;
    let out = model
        .loss(inputs, targets, batch, state, Some(key))
        .expect("shapes fit");
    let gradients = params::gradients(&model, &out.loss);
    params::update(model, gradients, |_, p, g| update::sgd(p, g, 0.1, 1.0, 0.0))
        .expect("a gradient fits its parameter")
}
