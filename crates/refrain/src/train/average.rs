//! Averages of the weights over the last part of training (Polyak & Juditsky 1992), started as in AWD-LSTM (Merity et
//! al. 2017).

use crate::error::Error;
use crate::params::NamedTensor;
use refrain_kernels::{KernelError, update};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Kind and start of the averaging.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum AverageConfig {
    /// Never.
    None {},
    /// The plain mean of all weights after the start.
    Asgd {
        /// Start after this many epochs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from_epoch: Option<u64>,
        /// Start once validation is worse than its best of more than this many epochs ago (AWD-LSTM's non-monotone
        /// trigger, n).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nonmonotone: Option<usize>,
    },
    /// At the end, the mean of the weights of the epochs with the best validation, if it validates better than the best
    /// of them.
    Best {
        /// Number of these epochs; at least 2.
        epochs: usize,
    },
}

impl Default for AverageConfig {
    fn default() -> Self {
        Self::None {}
    }
}

impl AverageConfig {
    /// # Errors
    /// An average that never starts.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Self::Asgd {
                from_epoch: None,
                nonmonotone: None,
            } => Err(Error::Config(
                "train.average.kind = \"asgd\" needs from_epoch or nonmonotone, to know when to begin"
                    .into(),
            )),
            Self::Best { epochs: 0 | 1 } => Err(Error::Config(
                "train.average.epochs must be at least 2, for a mean of several epochs".into(),
            )),
            _ => Ok(()),
        }
    }

    /// How many of the best epochs are kept for their mean.
    pub fn kept(&self) -> usize {
        match self {
            Self::Best { epochs } => *epochs,
            Self::None {} | Self::Asgd { .. } => 0,
        }
    }

    /// Whether to start now; `history` holds the validation metric of each epoch so far.
    pub fn begins(&self, history: &[f64]) -> bool {
        let Self::Asgd {
            from_epoch,
            nonmonotone,
        } = self
        else {
            return false;
        };
        let by_epoch = from_epoch.is_some_and(|epoch| history.len() as u64 >= epoch);
        let by_metric = nonmonotone.is_some_and(|n| match history {
            [earlier @ .., last] if earlier.len() > n => {
                let best = earlier[..earlier.len() - n]
                    .iter()
                    .copied()
                    .fold(f64::INFINITY, f64::min);
                *last > best
            }
            _ => false,
        });
        by_epoch || by_metric
    }
}

/// Epochs, from 1, and the mean of their weights.
pub type Mean = (Vec<u64>, Vec<NamedTensor>);

/// The weights of the best epochs.
#[derive(Clone, Debug, Default)]
pub struct BestEpochs(BTreeMap<u64, Vec<NamedTensor>>);

impl BestEpochs {
    /// Continues from the values of [`Self::export`].
    pub fn import(epochs: BTreeMap<u64, Vec<NamedTensor>>) -> Self {
        Self(epochs)
    }

    /// The weights by epoch, from 1.
    pub fn export(&self) -> BTreeMap<u64, Vec<NamedTensor>> {
        self.0.clone()
    }

    /// Keeps the weights of the last epoch of `history` if it is among the best `most`, and drops the others.
    pub fn offer(
        &mut self,
        history: &[f64],
        most: usize,
        weights: impl FnOnce() -> Vec<NamedTensor>,
    ) {
        let mut order: Vec<usize> = (0..history.len()).collect();
        order.sort_by(|&a, &b| history[a].total_cmp(&history[b]));
        order.truncate(most);
        let best = |epoch: u64| order.iter().any(|&place| place as u64 + 1 == epoch);
        self.0.retain(|&epoch, _| best(epoch));
        let last = history.len() as u64;
        if best(last) {
            self.0.insert(last, weights());
        }
    }

    /// The epochs, and the mean of their weights; `None` if there are fewer than two.
    ///
    /// # Errors
    /// Epochs of different sizes.
    pub fn mean(&self) -> Result<Option<Mean>, KernelError> {
        let mut all = self.0.values();
        let (Some(first), true) = (all.next(), self.0.len() > 1) else {
            return Ok(None);
        };
        let mut averager = Averager::default();
        for tensors in self.0.values() {
            averager.begin();
            for tensor in tensors {
                averager.add(&tensor.name, &tensor.data)?;
            }
        }
        let epochs = self.0.keys().copied().collect();
        Ok(Some((epochs, averager.apply(first.clone()))))
    }
}

/// A running average of all parameters.
#[derive(Clone, Debug, Default)]
pub struct Averager {
    count: u64,
    means: BTreeMap<String, Vec<f32>>,
}

impl Averager {
    /// Starts the next point of the average; one point per update.
    pub fn begin(&mut self) {
        self.count += 1;
    }

    /// Adds one parameter to the current point.
    ///
    /// # Errors
    /// Another size than in the previous points.
    pub fn add(&mut self, name: &str, parameter: &[f32]) -> Result<(), KernelError> {
        match self.means.get_mut(name) {
            Some(mean) => update::average(mean, parameter, 1.0 / self.count as f32),
            None => {
                self.means.insert(name.to_string(), parameter.to_vec());
                Ok(())
            }
        }
    }

    /// Number of points so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// `tensors` with every averaged parameter replaced by its mean.
    pub fn apply(&self, tensors: Vec<NamedTensor>) -> Vec<NamedTensor> {
        let average = |mut tensor: NamedTensor| {
            if let Some(mean) = self.means.get(&tensor.name) {
                tensor.data.clone_from(mean);
            }
            tensor
        };
        tensors.into_iter().map(average).collect()
    }

    /// The means.
    pub fn export(&self) -> Vec<NamedTensor> {
        let named = |(name, data): (&String, &Vec<f32>)| NamedTensor {
            name: name.clone(),
            shape: vec![data.len()],
            data: data.clone(),
        };
        self.means.iter().map(named).collect()
    }

    /// Continues from the values of [`Self::export`] and [`Self::count`]. `sizes` are those of the parameters.
    ///
    /// # Errors
    /// A mean without its parameter, or of another size.
    pub fn import(
        count: u64,
        tensors: Vec<NamedTensor>,
        sizes: &BTreeMap<String, usize>,
    ) -> Result<Self, Error> {
        let mut means = BTreeMap::new();
        for tensor in tensors {
            match sizes.get(&tensor.name) {
                None => return Err(Error::ForeignTensor { name: tensor.name }),
                Some(&size) if size != tensor.data.len() => {
                    return Err(Error::TensorShape {
                        name: tensor.name,
                        expected: vec![size],
                        got: tensor.shape,
                    });
                }
                Some(_) => means.insert(tensor.name, tensor.data),
            };
        }
        Ok(Self { count, means })
    }
}
