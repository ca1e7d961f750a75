//! The smallest trainable model: a vector that is pulled towards points.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use refrain::Error;
use refrain::files::tensors;
use refrain::metrics::{Better, Metrics};
use refrain::params::NamedTensor;
use refrain::train::fit::Files;
use refrain::train::{
    BatchLoss, Checkpoint, Event, LossUnit, Observer, Outcome, Place, TrainConfig, Trainee, Unit,
    fit,
};
use refrain_kernels::random::Key;
use std::path::Path;

#[derive(Module, Debug)]
pub struct Point {
    weight: Param<Tensor<1>>,
}

pub const SIZE: usize = 5;

pub fn point() -> Point {
    let start: Vec<f32> = (0..SIZE).map(|i| i as f32).collect();
    let device = Device::flex().autodiff();
    Point {
        weight: Param::from_data(TensorData::new(start, [SIZE]), &device),
    }
}

/// The loss is half the squared distance to a point that depends on the batch, on noise and on carried state.
pub struct Toy {
    pub batches: usize,
    pub noise: f32,
    /// Successive results of the validation; after the last one, the distance to the origin.
    pub script: Vec<f64>,
    pub validated: usize,
    /// Whether the loss of this step is NaN.
    pub broken: fn(Place) -> bool,
    pub state: f32,
    /// Direction in which the results of the validation improve.
    pub better: Better,
}

impl Toy {
    pub fn new(batches: usize) -> Self {
        Self {
            batches,
            noise: 0.0,
            script: Vec::new(),
            validated: 0,
            broken: |_| false,
            state: 0.0,
            better: Better::Lower,
        }
    }
}

impl Trainee for Toy {
    type Model = Point;

    fn name(&self) -> &'static str {
        "toy"
    }

    fn batches(&mut self, _: u64) -> usize {
        self.batches
    }

    fn loss(&mut self, model: &Point, place: Place, key: Key) -> Result<BatchLoss, Error> {
        let noise = |i: usize| self.noise * key.uniform_f32(i as u64);
        let target: Vec<f32> = (0..SIZE)
            .map(|i| (place.batch * i) as f32 * 0.1 + self.state + noise(i))
            .collect();
        self.state = 0.5 * self.state + 0.1 + noise(SIZE);
        let weight = model.weight.val();
        let target = Tensor::<1>::from_data(TensorData::new(target, [SIZE]), &weight.device());
        let away = weight - target;
        let loss = (away.clone() * away).sum() * 0.5;
        let nats = f64::from(loss.clone().into_scalar::<f32>());
        Ok(BatchLoss {
            nats: if (self.broken)(place) { f64::NAN } else { nats },
            loss,
            tokens: 1,
            rate: 1.0,
        })
    }

    fn validate(&mut self, model: &Point) -> Result<Metrics, Error> {
        let weight = model.weight.val();
        let distance = f64::from((weight.clone() * weight).sum().into_scalar::<f32>());
        let metric = self.script.get(self.validated).copied().unwrap_or(distance);
        self.validated += 1;
        Ok(Metrics::from([("distance".to_string(), metric)]))
    }

    fn better(&self) -> Better {
        self.better
    }

    fn unit(&self) -> Unit {
        Unit::new(LossUnit::Nats, "tokens")
    }

    fn criterion(&self) -> &'static str {
        "distance"
    }

    fn forget(&mut self) {
        self.state = 0.0;
    }

    fn carried(&self) -> Vec<NamedTensor> {
        vec![NamedTensor {
            name: "state".into(),
            shape: vec![1],
            data: vec![self.state],
        }]
    }

    fn restore(&mut self, carried: Vec<NamedTensor>) -> Result<(), Error> {
        self.state = carried[0].data[0];
        Ok(())
    }
}

pub fn files(folder: &Path) -> Files {
    Files {
        model: folder.join("model.safetensors"),
        checkpoint: folder.join("checkpoint.safetensors"),
        log: folder.join("train.jsonl"),
    }
}

/// Starts or resumes a run, depending on the folder.
pub fn run(
    toy: &mut Toy,
    config: &TrainConfig,
    folder: &Path,
    observe: Observer,
) -> Result<Outcome, Error> {
    let files = files(folder);
    let checkpoint = match files.checkpoint.exists() {
        true => Some(Checkpoint::load(&files.checkpoint)?),
        false => None,
    };
    fit(toy, point(), config, &files, None, checkpoint, observe)
}

pub fn weight(file: &Path) -> Vec<f32> {
    tensors::load(file).unwrap().0["weight"].data.clone()
}

/// The events of the log, without those that depend on interruptions or the clock.
pub fn events(folder: &Path) -> Vec<Event> {
    let text = std::fs::read_to_string(folder.join("train.jsonl")).unwrap();
    let timeless = |line: &str| match serde_json::from_str(line).unwrap() {
        Event::Started { .. } => None,
        Event::Step {
            seconds: _,
            epoch,
            step,
            batch,
            batches,
            loss,
            tokens,
            gradient_norm,
            learning_rate,
        } => Some(Event::Step {
            seconds: 0.0,
            epoch,
            step,
            batch,
            batches,
            loss,
            tokens,
            gradient_norm,
            learning_rate,
        }),
        Event::Validated {
            seconds: _,
            epoch,
            step,
            train_loss,
            metrics,
            best,
        } => Some(Event::Validated {
            seconds: 0.0,
            epoch,
            step,
            train_loss,
            metrics,
            best,
        }),
        Event::Finished {
            seconds: _,
            step,
            stopped,
        } => Some(Event::Finished {
            seconds: 0.0,
            step,
            stopped,
        }),
        event => Some(event),
    };
    text.lines().filter_map(timeless).collect()
}
