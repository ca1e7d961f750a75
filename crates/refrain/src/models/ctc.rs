//! Scores of characters on top of a recurrent stack, and their loss (Graves et al. 2006); the blank is the last class.

use super::linear::Linear;
use crate::ops::{CtcOutput, CtcTargets, ctc_loss, floats};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Tensor, TensorData};
use refrain_kernels::KernelError;

/// Scores before the softmax and the real steps of each sequence.
#[derive(Clone, Debug)]
pub struct Scores {
    /// `[B,T,V]`
    pub scores: Tensor<3>,
    /// `[B]`, at most `T`.
    pub lengths: Vec<usize>,
}

/// `[B,T,H]` → `[B,T,V]`
pub(super) fn score(output: &Linear, y: Tensor<3>) -> Result<Tensor<3>, KernelError> {
    let [batch, time, hidden] = y.dims();
    let scores = output.forward(y.reshape([batch * time, hidden]))?;
    let [_, classes] = scores.dims();
    Ok(scores.reshape([batch, time, classes]))
}

impl Scores {
    /// The loss of texts as classes.
    ///
    /// # Errors
    /// A shape or a label that does not fit.
    pub fn loss(self, labels: Vec<Vec<u32>>) -> Result<CtcOutput, KernelError> {
        let [_, _, classes] = self.scores.dims();
        let targets = CtcTargets {
            labels,
            lengths: self.lengths,
            blank: classes.saturating_sub(1) as u32,
        };
        ctc_loss(self.scores, targets.into())
    }

    /// Log-probabilities.
    pub fn log_probabilities(self) -> Self {
        Self {
            scores: log_softmax(self.scores, 2),
            ..self
        }
    }

    /// The values `[T,V]` of each sequence.
    pub fn rows(self) -> Vec<Vec<f32>> {
        let [_, time, classes] = self.scores.dims();
        let values = floats(self.scores);
        let rows = values.chunks((time * classes).max(1)).zip(self.lengths);
        rows.map(|(row, length)| row[..length * classes].to_vec())
            .collect()
    }

    /// Scores in which a class stands for itself and a second one, and the second one cannot be: each `[first, second]`
    /// becomes `[ln(e^first + e^second), −∞]`. A text whose labels do not tell the two apart then has the probability
    /// of all its spellings.
    pub fn folded(self, pairs: &[[u32; 2]]) -> Self {
        /// Stands for −∞ and has no gradient.
        const NEVER: f32 = -1e9;
        let [_, _, classes] = self.scores.dims();
        let device = self.scores.device();
        let mut partner: Vec<i32> = (0..classes as i32).collect();
        let [mut first, mut second] = [vec![false; classes], vec![false; classes]];
        for &[a, b] in pairs {
            partner[a as usize] = b as i32;
            (first[a as usize], second[b as usize]) = (true, true);
        }
        let mask = |values: Vec<bool>| {
            let data = TensorData::new(values, [1, 1, classes]);
            Tensor::<3, Bool>::from_data(data, &device).expand(self.scores.dims())
        };
        let partner = Tensor::from_data(TensorData::new(partner, [classes]), &device);
        let other = self.scores.clone().select(2, partner);
        let most = self.scores.clone().max_pair(other.clone());
        let apart = (self.scores.clone() - other).abs();
        let either = most + (-apart).exp().log1p();
        let scores = self.scores.clone().mask_where(mask(first), either);
        Self {
            scores: scores.mask_fill(mask(second), NEVER),
            lengths: self.lengths,
        }
    }
}
