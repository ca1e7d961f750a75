//! The loss of pairs, over whole sequences or step by step.

use super::Seq2Seq;
use crate::error::Error;
use crate::layers::{LayerState, Options, Recurrent, State};
use crate::ops::{
    AttentionInputs, AttentionLengths, DropoutMask, LossOptions, attention, dropout, embedding,
    floats, linear, linear_cross_entropy, linear_cross_entropy_with,
};
use burn::tensor::activation::{sigmoid, tanh};
use burn::tensor::{Tensor, TensorData};
use refrain_kernels::KernelError;
use refrain_kernels::random::Key;
use refrain_kernels::softmax::IGNORE;
use std::sync::Arc;

/// Sequences to learn from, side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairs {
    /// `B` source sequences, each with its end mark.
    pub source: Vec<Vec<u32>>,
    /// `B` target sequences without marks.
    pub target: Vec<Vec<u32>>,
    /// The token that begins a target sequence.
    pub begin: u32,
    /// The token that ends a sequence.
    pub end: u32,
}

/// Result of [`Seq2Seq::loss`].
#[derive(Clone, Debug)]
pub struct Seq2SeqLoss {
    /// `[1]`: mean loss of a target token in nats, smoothed. With copying only its gradient has a meaning.
    pub loss: Tensor<1>,
    /// Negative log-likelihood of all target tokens and end marks in nats, not smoothed.
    pub nats: f64,
    /// Target tokens and end marks.
    pub tokens: usize,
}

/// The encoded source and everything that the decoder needs of it.
struct Encoded {
    /// `[B,S,C]`
    memory: Tensor<3>,
    /// `[B,S,H]`
    keys: Tensor<3>,
    /// First h of each decoder layer, `[1,B,H]`.
    first: Vec<Tensor<3>>,
    lengths: Arc<[usize]>,
}

/// Decoder outputs of all steps.
struct Decoded {
    /// `[B,T,E]`
    readout: Tensor<3>,
    /// `[B,T,H+C]`
    joined: Tensor<3>,
    /// `[B,T,S]`
    weights: Tensor<3>,
}

impl Seq2Seq {
    /// Cross-entropy of the target sequences, given the source sequences. With a key, regularisation is on and follows
    /// from the key.
    ///
    /// # Errors
    /// A token that is not in its vocabulary, or no pair.
    pub fn loss(
        &self,
        pairs: &Pairs,
        smoothing: f32,
        key: Option<Key>,
    ) -> Result<Seq2SeqLoss, Error> {
        let batch = pairs.source.len();
        if batch == 0 || batch != pairs.target.len() || pairs.source.iter().any(Vec::is_empty) {
            return Err(Error::Config(format!(
                "{batch} source and {} target sequences; pairs are needed, and an end mark in each source",
                pairs.target.len()
            )));
        }
        let encoded = self.encode(&pairs.source, pairs.end, key)?;
        let (inputs, targets, lengths) = shifted(pairs);
        let decoded = match self.config.feeding {
            false => self.decode(&encoded, &inputs, &lengths, key)?,
            true => self.decode_feeding(&encoded, &inputs, batch, key)?,
        };
        let [_, time, features] = decoded.readout.dims();
        let rows = decoded.readout.reshape([batch * time, features]);
        let (table, bias) = (self.output_table(), self.output.bias.val());
        let precision = self.lower.precision();
        let mut loss = Seq2SeqLoss {
            loss: Tensor::zeros([1], &rows.device()),
            nats: 0.0,
            tokens: lengths.iter().sum(),
        };
        let mut options = LossOptions {
            precision,
            smoothing,
            weights: None,
        };
        let nll = |options: LossOptions| {
            let (rows, table, bias) = (rows.clone(), table.clone(), bias.clone());
            linear_cross_entropy_with(rows, table, bias, targets.clone(), options)
        };
        match &self.copy {
            None => {
                let out = nll(options)?;
                loss.loss = out.loss;
                loss.nats = out.nll.iter().map(|&x| f64::from(x)).sum();
            }
            Some(gate) => {
                // The gradient of −ln(g·p + (1−g)·q) for the logits behind p is that of −ln p, times g·p/(g·p +
                // (1−g)·q).
                let written = linear_cross_entropy(
                    rows.clone().detach(),
                    table.clone().detach(),
                    bias.clone().detach(),
                    targets.clone(),
                    precision,
                )?
                .nll;
                let copied = copied(decoded.weights, &pairs.source, &targets);
                let mixed = Mixed::new(gate, decoded.joined, copied, &written, &targets)?;
                options.weights = Some(mixed.share);
                loss.nats = mixed.nats;
                loss.loss = nll(options)?.loss + mixed.loss;
            }
        }
        Ok(loss)
    }

    /// `[B,S]` ids with padding, and their lengths.
    fn encode(
        &self,
        source: &[Vec<u32>],
        padding: u32,
        key: Option<Key>,
    ) -> Result<Encoded, Error> {
        let (batch, time) = (source.len(), longest(source));
        let ids = padded(source.iter().map(Vec::as_slice), time, padding);
        let lengths: Vec<usize> = source.iter().map(Vec::len).collect();
        let table = self.source_table();
        let [_, features] = table.dims();
        let mut x = embedding(table, ids.into())?;
        let dropped = self.config.dropout.words as f32;
        if let Some(key) = key.map(|key| key.fold(0)).filter(|_| dropped > 0.0) {
            let keep = |row: usize| f32::from(key.uniform_f32(row as u64) >= dropped);
            let mask: Vec<f32> = (0..batch * time).map(keep).collect();
            let mask = TensorData::new(mask, [batch * time, 1]);
            let mask = Tensor::<2>::from_data(mask, &x.device());
            x = x * mask;
        }
        let x = x.reshape([batch, time, features]);
        let x = self.thin(x, self.config.dropout.embedding, key.map(|key| key.fold(1)))?;
        let options = Options {
            lengths: Some(lengths.clone()),
            dropout: key.map(|key| key.fold(2)),
            ..Options::default()
        };
        let (memory, _) = self.encoder.forward_with(x, options)?;
        let memory = self.thin(
            memory,
            self.config.memory_dropout,
            key.map(|key| key.fold(3)),
        )?;
        let [_, _, width] = memory.dims();
        let keys = product(memory.clone(), self.attention.key.val())?;
        let shares: Vec<f32> = lengths.iter().map(|&len| 1.0 / len as f32).collect();
        let shares = TensorData::new(shares, [batch, 1]);
        let shares = Tensor::<2>::from_data(shares, &memory.device());
        let mean = memory.clone().sum_dim(1).reshape([batch, width]) * shares;
        let first = tanh(self.start.forward(mean)?);
        let [_, all] = first.dims();
        let units = self.config.decoder;
        let first = (0..all / units)
            .map(|layer| {
                let own = first.clone().narrow(1, layer * units, units);
                own.reshape([1, batch, units])
            })
            .collect();
        Ok(Encoded {
            memory,
            keys,
            first,
            lengths: lengths.into(),
        })
    }

    /// The decoder over whole sequences. `inputs` `[B,T]`.
    fn decode(
        &self,
        encoded: &Encoded,
        inputs: &[u32],
        lengths: &[usize],
        key: Option<Key>,
    ) -> Result<Decoded, Error> {
        let batch = lengths.len();
        let y = self.embed_target(inputs, batch, key)?;
        let options = |first: &[Tensor<3>], number| Options {
            state: Some(self.state(first)),
            lengths: Some(lengths.to_vec()),
            dropout: key.map(|key: Key| key.fold(number)),
        };
        let (h, _) = self
            .lower
            .forward_with(y, options(&encoded.first[..1], 5))?;
        let (context, weights) = self.attend(h.clone(), encoded, lengths.into())?;
        let h = match &self.upper {
            None => h,
            Some(upper) => {
                let x = Tensor::cat(vec![h, context.clone()], 2);
                let x = self.thin(x, self.config.dropout.hidden, key.map(|key| key.fold(6)))?;
                upper.forward_with(x, options(&encoded.first[1..], 7))?.0
            }
        };
        let joined = Tensor::cat(vec![h, context], 2);
        let readout = self.read_out(joined.clone(), key.map(|key| key.fold(8)))?;
        Ok(Decoded {
            readout,
            joined,
            weights,
        })
    }

    /// The decoder step by step, each step with the readout of the last one beside its input.
    fn decode_feeding(
        &self,
        encoded: &Encoded,
        inputs: &[u32],
        batch: usize,
        key: Option<Key>,
    ) -> Result<Decoded, Error> {
        let y = self.embed_target(inputs, batch, key)?;
        let [_, time, features] = y.dims();
        let mut lower = self.state(&encoded.first[..1]);
        let mut upper = self.state(&encoded.first[1..]);
        let mut fed = Tensor::<3>::zeros([batch, 1, features], &y.device());
        let (mut readouts, mut all_joined, mut all_weights) = (Vec::new(), Vec::new(), Vec::new());
        let ones: Arc<[usize]> = vec![1; batch].into();
        let step = |stack: &Recurrent, x: Tensor<3>, state: State, number: u64| {
            let options = Options {
                state: Some(state),
                lengths: None,
                dropout: key.map(|key| key.fold(number)),
            };
            stack.forward_with(x, options)
        };
        for t in 0..time {
            let x = Tensor::cat(vec![y.clone().narrow(1, t, 1), fed], 2);
            let number = 100 + 4 * t as u64;
            let (mut h, after) = step(&self.lower, x, lower, number)?;
            lower = after;
            let (context, weights) = self.attend(h.clone(), encoded, ones.clone())?;
            if let Some(stack) = &self.upper {
                let x = Tensor::cat(vec![h, context.clone()], 2);
                let key = key.map(|key| key.fold(number + 1));
                let x = self.thin(x, self.config.dropout.hidden, key)?;
                (h, upper) = step(stack, x, upper, number + 2)?;
            }
            let joined = Tensor::cat(vec![h, context], 2);
            fed = self.read_out(joined.clone(), key.map(|key| key.fold(number + 3)))?;
            readouts.push(fed.clone());
            all_joined.push(joined);
            all_weights.push(weights);
        }
        Ok(Decoded {
            readout: Tensor::cat(readouts, 1),
            joined: Tensor::cat(all_joined, 1),
            weights: Tensor::cat(all_weights, 1),
        })
    }

    fn embed_target(
        &self,
        inputs: &[u32],
        batch: usize,
        key: Option<Key>,
    ) -> Result<Tensor<3>, Error> {
        let table = self.target.weight.val();
        let [_, features] = table.dims();
        let y = embedding(table, inputs.into())?;
        let y = y.reshape([batch, inputs.len() / batch, features]);
        let p = self.config.dropout.embedding;
        Ok(self.thin(y, p, key.map(|key| key.fold(4)))?)
    }

    /// Context `[B,T,C]` and weights `[B,T,S]` of decoder states `[B,T,H]`.
    fn attend(
        &self,
        h: Tensor<3>,
        encoded: &Encoded,
        lengths: Arc<[usize]>,
    ) -> Result<(Tensor<3>, Tensor<3>), KernelError> {
        let queries = match &self.attention.query {
            Some(weight) => product(h, weight.val())?,
            None => h,
        };
        let inputs = AttentionInputs {
            queries,
            keys: encoded.keys.clone(),
            values: encoded.memory.clone(),
            energy: self.attention.energy.as_ref().map(|own| own.val()),
            coverage: self.attention.coverage.as_ref().map(|own| own.val()),
        };
        let lengths = AttentionLengths {
            queries: lengths,
            keys: encoded.lengths.clone(),
        };
        let out = attention(inputs, lengths)?;
        Ok((out.context, out.weights))
    }

    /// `[B,T,H+C]` → `[B,T,E]`
    fn read_out(&self, joined: Tensor<3>, key: Option<Key>) -> Result<Tensor<3>, KernelError> {
        let [batch, time, width] = joined.dims();
        let readout = tanh(
            self.readout
                .forward(joined.reshape([batch * time, width]))?,
        );
        let [_, features] = readout.dims();
        let readout = readout.reshape([batch, time, features]);
        self.thin(readout, self.config.dropout.output, key)
    }

    /// A state of layers that begin with these h, and with c = 0.
    fn state(&self, first: &[Tensor<3>]) -> State {
        let memory = self.cell().has_memory();
        let layers = first.iter().map(|h| {
            let [_, batch, units] = h.dims();
            let size = if memory { units } else { 0 };
            LayerState {
                h: h.clone(),
                c: Tensor::zeros([1, batch, size], &h.device()),
            }
        });
        State {
            layers: layers.collect(),
        }
    }

    fn thin(&self, x: Tensor<3>, p: f64, key: Option<Key>) -> Result<Tensor<3>, KernelError> {
        let [batch, time, features] = x.dims();
        let mask = match self.config.dropout.variational {
            true => DropoutMask::Variational {
                batch,
                time,
                features,
            },
            false => DropoutMask::Elementwise,
        };
        match key.filter(|_| p > 0.0) {
            Some(key) => dropout(x, p, key, mask),
            None => Ok(x),
        }
    }
}

/// The part of a copying model's loss whose gradient reaches the gate and the attention.
struct Mixed {
    /// `[1]`; its value is 0, as that of the whole loss is told by `nats`.
    loss: Tensor<1>,
    /// `[B·T]`: share of each target's probability that the projection gives.
    share: Arc<[f32]>,
    nats: f64,
}

impl Mixed {
    /// `joined` `[B,T,H+C]`; `copied` `[B·T]`, the attention on source tokens that equal the target; `written` `[B·T]`,
    /// −ln p of the projection.
    fn new(
        gate: &super::Linear,
        joined: Tensor<3>,
        copied: Tensor<1>,
        written: &[f32],
        targets: &[u32],
    ) -> Result<Self, KernelError> {
        let [batch, time, width] = joined.dims();
        let rows = batch * time;
        let device = joined.device();
        let counts: Vec<f32> = targets.iter().map(|t| f32::from(*t != IGNORE)).collect();
        let counted = counts.iter().sum::<f32>().max(1.0);
        let vector =
            |values: Vec<f32>| Tensor::<1>::from_data(TensorData::new(values, [rows]), &device);
        let p = vector(written.iter().map(|nll| (-nll).exp()).collect());
        let g = sigmoid(gate.forward(joined.reshape([rows, width]))?).reshape([rows]);
        let from_projection = g.clone() * p;
        let mixture = from_projection.clone() + (g.neg() + 1.0) * copied + TINY;
        let share = floats((from_projection / mixture.clone()).detach());
        let nll = mixture.log().neg() * vector(counts.clone());
        let each = floats(nll.clone().detach());
        let loss = nll.sum() / counted;
        Ok(Self {
            loss: loss.clone() - loss.detach(),
            share: share
                .iter()
                .zip(&counts)
                .map(|(share, count)| share * count)
                .collect(),
            nats: each.iter().map(|&x| f64::from(x)).sum(),
        })
    }
}

/// Least probability of a mixture: its logarithm stays finite.
pub(super) const TINY: f64 = 1e-20;

/// `[B·T]`: the sum of the attention `[B,T,S]` on source tokens that equal the target.
fn copied(weights: Tensor<3>, source: &[Vec<u32>], targets: &[u32]) -> Tensor<1> {
    let [batch, time, length] = weights.dims();
    let mut equal = vec![0.0f32; batch * time * length];
    for (row, target) in targets.iter().enumerate() {
        for (s, id) in source[row / time].iter().enumerate() {
            equal[row * length + s] = f32::from(id == target);
        }
    }
    let equal = TensorData::new(equal, [batch, time, length]);
    let equal = Tensor::<3>::from_data(equal, &weights.device());
    (weights * equal).sum_dim(2).reshape([batch * time])
}

/// x·wᵀ for `x` `[B,T,C]` and `w` `[H,C]`.
fn product(x: Tensor<3>, w: Tensor<2>) -> Result<Tensor<3>, KernelError> {
    let [batch, time, features] = x.dims();
    let [units, _] = w.dims();
    let b = Tensor::zeros([units], &x.device());
    let y = linear(x.reshape([batch * time, features]), w, b)?;
    Ok(y.reshape([batch, time, units]))
}

pub(super) fn longest(sequences: &[Vec<u32>]) -> usize {
    sequences.iter().map(Vec::len).max().unwrap_or(0)
}

/// `[B,time]`
pub(super) fn padded<'a>(
    sequences: impl Iterator<Item = &'a [u32]>,
    time: usize,
    padding: u32,
) -> Vec<u32> {
    let mut ids = Vec::new();
    for own in sequences {
        let end = ids.len() + time;
        ids.extend_from_slice(own);
        ids.resize(end, padding);
    }
    ids
}

/// Decoder inputs `[B,T]` (the begin mark first), targets `[B·T]` (the end mark last) and the steps of each sequence.
fn shifted(pairs: &Pairs) -> (Vec<u32>, Arc<[u32]>, Vec<usize>) {
    let time = longest(&pairs.target) + 1;
    let lengths: Vec<usize> = pairs.target.iter().map(|own| own.len() + 1).collect();
    let with = |first: Option<u32>, own: &[u32], last: Option<u32>| -> Vec<u32> {
        first
            .into_iter()
            .chain(own.iter().copied())
            .chain(last)
            .collect()
    };
    let inputs: Vec<Vec<u32>> = pairs
        .target
        .iter()
        .map(|own| with(Some(pairs.begin), own, None))
        .collect();
    let targets: Vec<Vec<u32>> = pairs
        .target
        .iter()
        .map(|own| with(None, own, Some(pairs.end)))
        .collect();
    (
        padded(inputs.iter().map(Vec::as_slice), time, pairs.end),
        padded(targets.iter().map(Vec::as_slice), time, IGNORE).into(),
        lengths,
    )
}
