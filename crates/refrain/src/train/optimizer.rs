//! Optimizers: state by parameter name, updates in one pass over memory (see `refrain_kernels::update`).

use crate::error::Error;
use crate::params::NamedTensor;
use refrain_kernels::KernelError;
use refrain_kernels::update::{self, AdamW};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An update rule and its constants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// p ← p − lr·(g + weight_decay·p).
    Sgd {
        /// Learning rate.
        lr: f64,
        /// L2 penalty.
        #[serde(default)]
        weight_decay: f64,
    },
    /// Kingma & Ba 2015; weight decay is added to the gradient.
    Adam(Moments),
    /// Loshchilov & Hutter 2019; weight decay shrinks the parameter directly.
    AdamW(Moments),
}

/// Constants of Adam and AdamW.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moments {
    /// Learning rate.
    pub lr: f64,
    /// Weight decay.
    #[serde(default)]
    pub weight_decay: f64,
    /// Decay of the first and second moment.
    #[serde(default = "betas")]
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    #[serde(default = "eps")]
    pub eps: f64,
}

fn betas() -> [f64; 2] {
    [0.9, 0.999]
}

fn eps() -> f64 {
    1e-8
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::AdamW(Moments {
            lr: 1e-3,
            weight_decay: 0.0,
            betas: betas(),
            eps: eps(),
        })
    }
}

impl OptimizerConfig {
    /// Learning rate before any schedule.
    pub fn lr(&self) -> f64 {
        match self {
            Self::Sgd { lr, .. }
            | Self::Adam(Moments { lr, .. })
            | Self::AdamW(Moments { lr, .. }) => *lr,
        }
    }

    /// # Errors
    /// A constant outside its range.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |name: &str, x: f64, range: &str| {
            Err(Error::Config(format!(
                "train.optimizer.{name} is {x}; it must be {range}"
            )))
        };
        let lr = self.lr();
        if !(lr.is_finite() && lr > 0.0) {
            return wrong("lr", lr, "a positive number");
        }
        let (Self::Sgd { weight_decay, .. }
        | Self::Adam(Moments { weight_decay, .. })
        | Self::AdamW(Moments { weight_decay, .. })) = *self;
        if !(weight_decay.is_finite() && weight_decay >= 0.0) {
            return wrong("weight_decay", weight_decay, "at least 0");
        }
        if let Self::Adam(m) | Self::AdamW(m) = self {
            if let Some(beta) = m.betas.iter().find(|b| !(0.0..1.0).contains(*b)) {
                return wrong("betas", *beta, "from 0 to below 1");
            }
            if !(m.eps.is_finite() && m.eps > 0.0) {
                return wrong("eps", m.eps, "a positive number");
            }
        }
        Ok(())
    }
}

struct State {
    m: Vec<f32>,
    v: Vec<f32>,
}

/// An optimizer at work.
pub struct Optimizer {
    config: OptimizerConfig,
    /// Updates so far, without skipped ones.
    step: u64,
    states: BTreeMap<String, State>,
}

impl Optimizer {
    /// An optimizer before its first update.
    pub fn new(config: OptimizerConfig) -> Self {
        Self {
            config,
            step: 0,
            states: BTreeMap::new(),
        }
    }

    /// Starts an update of all parameters.
    pub fn begin(&mut self) {
        self.step += 1;
    }

    /// Updates one parameter. `scale` multiplies the gradient before the update (clipping).
    ///
    /// # Errors
    /// A parameter and a gradient of different sizes, or a size other than in earlier updates.
    pub fn update(
        &mut self,
        name: &str,
        parameter: &mut [f32],
        gradient: &[f32],
        lr: f64,
        scale: f64,
    ) -> Result<(), KernelError> {
        let (moments, decoupled) = match &self.config {
            OptimizerConfig::Sgd { weight_decay, .. } => {
                return update::sgd(
                    parameter,
                    gradient,
                    lr as f32,
                    scale as f32,
                    *weight_decay as f32,
                );
            }
            OptimizerConfig::Adam(moments) => (moments, false),
            OptimizerConfig::AdamW(moments) => (moments, true),
        };
        let rule = AdamW {
            lr: lr as f32,
            beta1: moments.betas[0] as f32,
            beta2: moments.betas[1] as f32,
            eps: moments.eps as f32,
            weight_decay: moments.weight_decay as f32,
            step: self.step,
            decoupled,
        };
        if !self.states.contains_key(name) {
            let zeros = vec![0.0; parameter.len()];
            let state = State {
                m: zeros.clone(),
                v: zeros,
            };
            self.states.insert(name.to_string(), state);
        }
        match self.states.get_mut(name) {
            Some(State { m, v }) => update::adam(parameter, gradient, m, v, scale as f32, &rule),
            None => Ok(()),
        }
    }

    /// Updates so far.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The moments, as `m.NAME` and `v.NAME`.
    pub fn export(&self) -> Vec<NamedTensor> {
        let named = |prefix: &str, name: &str, data: &[f32]| NamedTensor {
            name: format!("{prefix}.{name}"),
            shape: vec![data.len()],
            data: data.to_vec(),
        };
        self.states
            .iter()
            .flat_map(|(name, state)| [named("m", name, &state.m), named("v", name, &state.v)])
            .collect()
    }

    /// Continues from the values of [`Self::export`] and [`Self::step`]. `sizes` are those of the parameters.
    ///
    /// # Errors
    /// A moment without its parameter or its partner, or of another size.
    pub fn import(
        config: OptimizerConfig,
        step: u64,
        tensors: Vec<NamedTensor>,
        sizes: &BTreeMap<String, usize>,
    ) -> Result<Self, Error> {
        let mut first = BTreeMap::new();
        let mut second = BTreeMap::new();
        for tensor in tensors {
            let split = tensor.name.split_once('.');
            let (moment, name) = match split {
                Some(("m", name)) => (&mut first, name.to_string()),
                Some(("v", name)) => (&mut second, name.to_string()),
                _ => return Err(Error::ForeignTensor { name: tensor.name }),
            };
            let Some(&size) = sizes.get(&name) else {
                return Err(Error::ForeignTensor { name: tensor.name });
            };
            if size != tensor.data.len() {
                return Err(Error::TensorShape {
                    name: tensor.name,
                    expected: vec![size],
                    got: tensor.shape,
                });
            }
            moment.insert(name, tensor.data);
        }
        let mut states = BTreeMap::new();
        for (name, m) in first {
            match second.remove(&name) {
                Some(v) => states.insert(name, State { m, v }),
                None => {
                    return Err(Error::MissingTensor {
                        name: format!("v.{name}"),
                    });
                }
            };
        }
        match second.into_keys().next() {
            Some(name) => Err(Error::MissingTensor {
                name: format!("m.{name}"),
            }),
            None => Ok(Self {
                config,
                step,
                states,
            }),
        }
    }
}
