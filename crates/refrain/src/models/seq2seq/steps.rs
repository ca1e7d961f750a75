//! A model that writes: source sequences are encoded once, then one token in and scores for the next one out, for any
//! number of hypotheses at once.

use super::Seq2Seq;
use super::forward::{TINY, longest, padded};
use crate::error::Error;
use crate::layers::{Options, Recurrent};
use crate::ops::{embedding, floats};
use burn::tensor::Tensor;
use refrain_kernels::attention::{Row, Score, Source, attend_rows};
use refrain_kernels::softmax::log_softmax_rows;
use refrain_kernels::{LinearWeights, StepScratch, StepState, StepWeights};

/// The weights of a [`Seq2Seq`], packed once for any number of hypotheses. The scores of a hypothesis have the same
/// bits alone, in any batch and for any number of threads.
pub struct Seq2SeqSteps {
    encoder: Recurrent,
    source: Tensor<2>,
    start: LinearWeights,
    key: LinearWeights,
    query: Option<LinearWeights>,
    energy: Option<Vec<f32>>,
    coverage: Option<f32>,
    lower: StepWeights,
    upper: Vec<StepWeights>,
    /// `[V,E]`
    target: Vec<f32>,
    features: usize,
    readout: LinearWeights,
    copy: Option<LinearWeights>,
    output: LinearWeights,
    feeding: bool,
}

/// An encoded source sequence: plain data.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// Source tokens, the end mark among them.
    source: Vec<u32>,
    /// `[S,C]`
    values: Vec<f32>,
    /// `[S,H]`
    keys: Vec<f32>,
    /// The state before the first token.
    start: Seq2SeqState,
}

impl Memory {
    /// `S`, the end mark included.
    pub fn len(&self) -> usize {
        self.source.len()
    }

    /// Never: a source has its end mark at least.
    pub fn is_empty(&self) -> bool {
        self.source.is_empty()
    }

    /// The state before the first token.
    pub fn start(&self) -> &Seq2SeqState {
        &self.start
    }
}

/// The state of a hypothesis: plain data.
#[derive(Clone, Debug, PartialEq)]
pub struct Seq2SeqState {
    layers: Vec<StepState>,
    /// The last readout `[E]`, with input feeding.
    fed: Vec<f32>,
    /// `[S]`: the sum of the attention of all steps, with coverage.
    covered: Vec<f32>,
    /// `[S]`: the attention of the last step.
    attention: Vec<f32>,
}

impl Seq2SeqState {
    /// `[S]`: the attention of the last step; empty before the first one.
    pub fn attention(&self) -> &[f32] {
        &self.attention
    }
}

/// One hypothesis of a step.
pub struct StepRow<'a> {
    /// The token that the hypothesis ends in.
    pub token: u32,
    /// Its source.
    pub memory: &'a Memory,
    /// Its state, before and after the step.
    pub state: &'a mut Seq2SeqState,
}

/// Buffers of a step; they grow with the largest step so far.
#[derive(Clone, Debug, Default)]
pub struct Seq2SeqScratch(StepScratch);

impl Seq2Seq {
    /// A copy for writing, token by token.
    ///
    /// # Errors
    /// Weights that do not fit each other.
    pub fn steps(&self) -> Result<Seq2SeqSteps, Error> {
        let linear = |own: &super::Linear| packed(own.weight.val(), Some(own.bias.val()));
        let mut lower = self.lower.step_weights()?;
        let upper = self.upper.as_ref().map(Recurrent::step_weights);
        let target = self.target.weight.val();
        let [_, features] = target.dims();
        Ok(Seq2SeqSteps {
            encoder: self.encoder.clone(),
            source: self.source_table(),
            start: linear(&self.start)?,
            key: packed(self.attention.key.val(), None)?,
            query: match &self.attention.query {
                Some(weight) => Some(packed(weight.val(), None)?),
                None => None,
            },
            energy: self.attention.energy.as_ref().map(|own| floats(own.val())),
            coverage: self
                .attention
                .coverage
                .as_ref()
                .and_then(|own| floats(own.val()).first().copied()),
            lower: lower.swap_remove(0),
            upper: upper.transpose()?.unwrap_or_default(),
            target: floats(target),
            features,
            readout: linear(&self.readout)?,
            copy: self.copy.as_ref().map(linear).transpose()?,
            output: packed(self.output_table(), Some(self.output.bias.val()))?,
            feeding: self.config.feeding,
        })
    }
}

fn packed(weight: Tensor<2>, bias: Option<Tensor<1>>) -> Result<LinearWeights, Error> {
    let [outputs, inputs] = weight.dims();
    let (weight, bias) = (floats(weight), bias.map(floats));
    Ok(LinearWeights::new(
        &weight,
        bias.as_deref(),
        inputs,
        outputs,
    )?)
}

/// Every row through a dense layer.
fn apply(weights: &LinearWeights, rows: &[&[f32]]) -> Result<Vec<f32>, Error> {
    let mut out = vec![0.0; rows.len() * weights.output()];
    weights.apply(rows, &mut out)?;
    Ok(out)
}

impl Seq2SeqSteps {
    /// Target tokens `V`.
    pub fn vocabulary(&self) -> usize {
        self.output.output()
    }

    /// Encodes source sequences, each with its end mark. A memory has the same bits alone and in any batch.
    ///
    /// # Errors
    /// A token that is not in the vocabulary, or an empty sequence.
    pub fn encode(&self, source: &[Vec<u32>]) -> Result<Vec<Memory>, Error> {
        if source.iter().any(Vec::is_empty) {
            let problem = "a source sequence is empty; it needs its end mark at least";
            return Err(Error::Config(problem.into()));
        }
        let (batch, time) = (source.len(), longest(source));
        let ids = padded(source.iter().map(Vec::as_slice), time, 0);
        let [_, features] = self.source.dims();
        let x = embedding(self.source.clone(), ids.into())?;
        let options = Options {
            lengths: Some(source.iter().map(Vec::len).collect()),
            ..Options::default()
        };
        let x = x.reshape([batch, time, features]);
        let (memory, _) = self.encoder.forward_with(x, options)?;
        let [_, _, width] = memory.dims();
        let memory = floats(memory);
        let sentences = memory.chunks((time * width).max(1)).zip(source);
        sentences
            .map(|(values, ids)| self.memory(&values[..ids.len() * width], ids, width))
            .collect()
    }

    fn memory(&self, values: &[f32], source: &[u32], width: usize) -> Result<Memory, Error> {
        let rows: Vec<&[f32]> = values.chunks(width).collect();
        let share = 1.0 / rows.len() as f32;
        let mut mean = vec![0.0; width];
        for row in &rows {
            mean.iter_mut().zip(*row).for_each(|(sum, x)| *sum += x);
        }
        mean.iter_mut().for_each(|x| *x *= share);
        let first = apply(&self.start, &[&mean])?;
        let layers = std::iter::once(&self.lower).chain(&self.upper);
        let layers = layers.zip(first.chunks(self.lower.hidden()));
        let start = Seq2SeqState {
            layers: layers
                .map(|(layer, h)| StepState {
                    h: h.iter().map(|x| x.tanh()).collect(),
                    c: layer.zeros().c,
                })
                .collect(),
            fed: vec![0.0; if self.feeding { self.features } else { 0 }],
            covered: match self.coverage {
                Some(_) => vec![0.0; source.len()],
                None => Vec::new(),
            },
            attention: Vec::new(),
        };
        Ok(Memory {
            keys: apply(&self.key, &rows)?,
            values: values.to_vec(),
            source: source.to_vec(),
            start,
        })
    }

    /// One step of `K` hypotheses: gives ln p `[K,V]` of their next tokens. Rows of one source should stand together.
    ///
    /// # Errors
    /// A token that is not in the vocabulary, a state of another model, or a result of another size.
    pub fn step(
        &self,
        rows: &mut [StepRow],
        scratch: &mut Seq2SeqScratch,
        log_probs: &mut [f32],
    ) -> Result<(), Error> {
        let vocabulary = self.vocabulary();
        self.check(rows, log_probs.len())?;
        let mut xs: Vec<Vec<f32>> = rows
            .iter()
            .map(|row| {
                let start = row.token as usize * self.features;
                [&self.target[start..start + self.features], &row.state.fed].concat()
            })
            .collect();
        step_layer(&self.lower, 0, &mut xs, rows, scratch)?;
        let contexts = self.attend(&xs, rows)?;
        for (index, layer) in self.upper.iter().enumerate() {
            if index == 0 {
                append(&mut xs, &contexts);
            }
            step_layer(layer, index + 1, &mut xs, rows, scratch)?;
        }
        append(&mut xs, &contexts);
        let joined: Vec<&[f32]> = xs.iter().map(Vec::as_slice).collect();
        let mut readouts = apply(&self.readout, &joined)?;
        readouts.iter_mut().for_each(|x| *x = x.tanh());
        let readouts: Vec<&[f32]> = readouts.chunks(self.readout.output()).collect();
        self.output.apply(&readouts, log_probs)?;
        log_softmax_rows(log_probs, vocabulary)?;
        if let Some(gate) = &self.copy {
            let gates = apply(gate, &joined)?;
            for ((row, gate), own) in rows.iter().zip(gates).zip(log_probs.chunks_mut(vocabulary)) {
                mix(row, gate, own);
            }
        }
        if self.feeding {
            for (row, readout) in rows.iter_mut().zip(readouts) {
                row.state.fed.copy_from_slice(readout);
            }
        }
        Ok(())
    }

    fn check(&self, rows: &[StepRow], scores: usize) -> Result<(), Error> {
        let vocabulary = self.vocabulary();
        if let Some(row) = rows.iter().find(|row| row.token as usize >= vocabulary) {
            return Err(Error::Config(format!(
                "token {} is outside the vocabulary of {vocabulary}",
                row.token
            )));
        }
        let layers = 1 + self.upper.len();
        let fits = |row: &StepRow| {
            row.state.layers.len() == layers
                && row.state.fed.len() == if self.feeding { self.features } else { 0 }
                && row.state.covered.len() == self.coverage.map_or(0, |_| row.memory.len())
        };
        if scores != rows.len() * vocabulary || !rows.iter().all(fits) {
            return Err(Error::State("it belongs to a model of other sizes".into()));
        }
        Ok(())
    }

    /// Context `[C]` of each row; the states take the attention.
    fn attend(&self, hs: &[Vec<f32>], rows: &mut [StepRow]) -> Result<Vec<Vec<f32>>, Error> {
        let hs: Vec<&[f32]> = hs.iter().map(Vec::as_slice).collect();
        let projected = match &self.query {
            Some(query) => Some(apply(query, &hs)?),
            None => None,
        };
        let queries: Vec<&[f32]> = match &projected {
            Some(all) => all.chunks(self.lower.hidden()).collect(),
            None => hs,
        };
        let mut contexts = Vec::with_capacity(rows.len());
        let mut rest = (rows, queries.as_slice());
        while let Some(first) = rest.0.first() {
            // Rows of one source read it together.
            let memory = first.memory;
            let same = |row: &&StepRow| std::ptr::eq(row.memory, memory);
            let count = rest.0.iter().take_while(|row| same(row)).count();
            let (own, after) = rest.0.split_at_mut(count);
            let (queries, queries_after) = rest.1.split_at(count);
            self.attend_to(memory, queries, own, &mut contexts)?;
            rest = (after, queries_after);
        }
        Ok(contexts)
    }

    /// Contexts of rows of one source.
    fn attend_to(
        &self,
        memory: &Memory,
        queries: &[&[f32]],
        rows: &mut [StepRow],
        contexts: &mut Vec<Vec<f32>>,
    ) -> Result<(), Error> {
        let width = memory.values.len() / memory.len();
        let source = Source {
            batch: 1,
            time: memory.len(),
            key_size: memory.keys.len() / memory.len(),
            value_size: width,
            lengths: None,
            keys: &memory.keys,
            values: &memory.values,
            score: match &self.energy {
                Some(u) => Score::Additive { u },
                None => Score::General,
            },
            coverage: self.coverage,
        };
        let asked: Vec<Row> = rows
            .iter()
            .zip(queries)
            .map(|(row, query)| Row {
                sentence: 0,
                query,
                coverage: self.coverage.map(|_| row.state.covered.as_slice()),
            })
            .collect();
        let out = attend_rows(&source, &asked)?;
        contexts.extend(out.context.chunks(width).map(<[f32]>::to_vec));
        for (row, own) in rows.iter_mut().zip(out.probabilities.chunks(memory.len())) {
            row.state
                .covered
                .iter_mut()
                .zip(own)
                .for_each(|(sum, own)| *sum += own);
            row.state.attention = own.to_vec();
        }
        Ok(())
    }
}

/// Takes the inputs `xs` through a layer; `xs` then holds its outputs.
fn step_layer(
    layer: &StepWeights,
    index: usize,
    xs: &mut [Vec<f32>],
    rows: &mut [StepRow],
    scratch: &mut Seq2SeqScratch,
) -> Result<(), Error> {
    let states = rows.iter_mut().map(|row| &mut row.state.layers[index]);
    let mut steps: Vec<_> = xs.iter().map(Vec::as_slice).zip(states).collect();
    layer.step_many(&mut steps, &mut scratch.0)?;
    for (x, row) in xs.iter_mut().zip(rows) {
        x.clone_from(&row.state.layers[index].h);
    }
    Ok(())
}

fn append(xs: &mut [Vec<f32>], contexts: &[Vec<f32>]) {
    for (x, context) in xs.iter_mut().zip(contexts) {
        x.extend_from_slice(context);
    }
}

/// Mixes the source tokens into ln p `[V]`; `gate` is the logit of writing rather than copying.
fn mix(row: &StepRow, gate: f32, log_probs: &mut [f32]) {
    let write = 1.0 / (1.0 + (-gate).exp());
    let mut copied = std::collections::BTreeMap::<u32, f32>::new();
    for (id, weight) in row.memory.source.iter().zip(&row.state.attention) {
        *copied.entry(*id).or_default() += weight;
    }
    let log_write = write.max(TINY as f32).ln();
    for (id, own) in log_probs.iter_mut().enumerate() {
        *own = match copied.get(&(id as u32)) {
            None => *own + log_write,
            Some(copy) => (write * own.exp() + (1.0 - write) * copy)
                .max(TINY as f32)
                .ln(),
        };
    }
}
