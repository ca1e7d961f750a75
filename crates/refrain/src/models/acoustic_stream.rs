//! A model of speech that reads an utterance while it is spoken: one stream, or many streams in one step.

use super::AcousticModel;
use super::acoustic_model::AcousticModelConfig;
use super::chunks::{Chunks, Cut};
use crate::error::Error;
use crate::layers::{LayerState, State, Variant};
use crate::ops::floats;
use burn::tensor::{Tensor, TensorData};
use refrain_kernels::{Cell, KernelError, LinearWeights};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// One utterance that is read while it is spoken.
///
/// The scores of a step never change later. They are those of the whole utterance, up to rounding. They have the same
/// bits for frames in pieces of any size, alone and beside any other streams, and after [`state`](Self::state) and
/// [`from_state`](Self::from_state). Clones share the weights.
#[derive(Clone)]
pub struct AcousticStream {
    weights: Arc<StreamWeights>,
    state: AcousticState,
    /// Steps of the last answer, for [`Self::restart`].
    answered: Vec<f32>,
}

/// The state of an [`AcousticStream`], as plain data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcousticState {
    /// For each convolution, the frames `[T,C]` that later outputs still see.
    heard: Vec<Vec<f32>>,
    /// h `[H]` and c `[H]` of each recurrent layer; empty before the first step, and for a model with chunks.
    layers: Vec<[Vec<f32>; 2]>,
    /// Outputs of the convolutions that the recurrent layers have not answered, or that later chunks still read.
    waiting: Vec<f32>,
    /// For a model with chunks: number of the first waiting step in the utterance.
    begin: u64,
    /// For a model with chunks: number of the next step to be answered.
    next: u64,
}

/// Weights packed once for any number of streams.
struct StreamWeights {
    model: AcousticModel,
    convolutions: Vec<StreamConvolution>,
    output: LinearWeights,
    classes: usize,
}

/// A convolution as a product: one output is a product with `kernel` frames that lie one behind the other.
struct StreamConvolution {
    weights: LinearWeights,
    width: usize,
    kernel: usize,
    stride: usize,
    channels: usize,
}

/// A stretch of steps that a stream has ready for the recurrent layers.
struct Turn {
    stream: usize,
    /// Steps that are read.
    time: usize,
    /// Those of them that are answered.
    answered: Range<usize>,
}

impl AcousticModelConfig {
    /// Values of h and of c that a layer of a stream keeps.
    fn state_sizes(&self) -> [usize; 2] {
        let memory = Cell::from(self.cell).has_memory();
        [
            self.variant.projection.unwrap_or(self.hidden),
            if memory { self.hidden } else { 0 },
        ]
    }
}

impl AcousticModel {
    /// The model at the beginning of an utterance, to be read frame by frame.
    ///
    /// # Errors
    /// A model that reads backwards too.
    pub fn stream(&self) -> Result<AcousticStream, Error> {
        if !self.config.streams() {
            return Err(Error::Config(
                "the model reads utterances backwards too and needs the whole of one; \
                 train with model.bidirectional = false or with model.chunks for streams"
                    .into(),
            ));
        }
        let weights = StreamWeights::new(self)?;
        Ok(AcousticStream {
            state: weights.start(),
            weights: Arc::new(weights),
            answered: Vec::new(),
        })
    }
}

impl StreamWeights {
    fn new(model: &AcousticModel) -> Result<Self, Error> {
        let all = model.config.convolutions.iter().zip(&model.convolutions);
        let convolutions = all.map(|(own, weights)| {
            let [channels, width, kernel] = weights.weight.dims();
            // [channels, features, kernel] → [channels, kernel, features], as frames lie in memory.
            let w = floats(weights.weight.val().swap_dims(1, 2));
            let bias = floats(weights.bias.val());
            Ok(StreamConvolution {
                weights: LinearWeights::new(&w, Some(&bias), kernel * width, channels)?,
                width,
                kernel,
                stride: own.stride,
                channels,
            })
        });
        let convolutions = convolutions.collect::<Result<_, KernelError>>()?;
        let [classes, inputs] = model.output.weight.dims();
        let (w, bias) = (
            floats(model.output.weight.val()),
            floats(model.output.bias.val()),
        );
        Ok(Self {
            convolutions,
            output: LinearWeights::new(&w, Some(&bias), inputs, classes)?,
            classes,
            model: model.clone(),
        })
    }

    fn config(&self) -> &AcousticModelConfig {
        &self.model.config
    }

    /// Features that the recurrent layers read.
    fn width(&self) -> usize {
        match self.convolutions.last() {
            Some(last) => last.channels,
            None => self.model.rnn.input(),
        }
    }

    /// The state before the first frame.
    fn start(&self) -> AcousticState {
        let all = self.config().convolutions.iter().zip(&self.convolutions);
        AcousticState {
            heard: all
                .map(|(own, own_weights)| own.silence(own_weights.width))
                .collect(),
            ..AcousticState::default()
        }
    }

    /// Refuses a state that no stream of this model can have.
    fn check(&self, state: &AcousticState) -> Result<(), String> {
        let that = |good: bool, problem: &str| match good {
            true => Ok(()),
            false => Err(format!("{problem} do not fit the model")),
        };
        that(
            state.heard.len() == self.convolutions.len(),
            "its convolutions",
        )?;
        for (heard, own) in state.heard.iter().zip(&self.convolutions) {
            let frames = heard.len() / own.width.max(1);
            let whole = heard.len() == frames * own.width;
            let most = own.kernel.max(1);
            that(
                whole && (own.kernel - own.stride..most).contains(&frames),
                "the frames before its convolutions",
            )?;
        }
        let (sizes, chunks) = (self.config().state_sizes(), self.config().chunks);
        let fit = |[h, c]: &[Vec<f32>; 2]| [h.len(), c.len()] == sizes;
        let full = chunks.is_none() && state.layers.len() == self.config().layers;
        that(
            state.layers.is_empty() || full && state.layers.iter().all(fit),
            "its recurrent states",
        )?;
        let steps = state.waiting.len() / self.width().max(1);
        let whole = state.waiting.len() == steps * self.width();
        let placed = match chunks {
            None => steps == 0 && state.begin == 0 && state.next == 0,
            Some(shape) => shape.holds(state.begin, state.next, steps as u64),
        };
        that(whole && placed, "its waiting steps")?;
        let mut values = state.heard.iter().flatten();
        let mut rest = state
            .layers
            .iter()
            .flatten()
            .flatten()
            .chain(&state.waiting);
        that(
            values.all(|x| x.is_finite()) && rest.all(|x| x.is_finite()),
            "its values, some of them NaN or infinite,",
        )
    }
}

impl StreamConvolution {
    /// The outputs `[T',channels]` that more frames `[T,width]` complete, for each stream.
    fn forward(
        &self,
        streams: &mut [(&mut Vec<f32>, Vec<f32>)],
        end: bool,
    ) -> Result<Vec<Vec<f32>>, KernelError> {
        let row = self.kernel * self.width;
        for (heard, frames) in streams.iter_mut() {
            heard.append(frames);
            let count = heard.len() / self.width;
            // Behind the end, zeros fill the last stride if it was begun.
            let begun = (count + self.stride - self.kernel) % self.stride;
            if end && begun > 0 {
                heard.resize((count + self.stride - begun) * self.width, 0.0);
            }
        }
        let outputs = |heard: &[f32]| match (heard.len() / self.width).checked_sub(self.kernel) {
            Some(more) => more / self.stride + 1,
            None => 0,
        };
        let rows: Vec<&[f32]> = streams
            .iter()
            .flat_map(|(heard, _)| {
                let at = |n: usize| n * self.stride * self.width;
                (0..outputs(heard)).map(move |n| &heard[at(n)..][..row])
            })
            .collect();
        let mut out = vec![0.0; rows.len() * self.channels];
        self.weights.apply(&rows, &mut out)?;
        out.iter_mut().for_each(|x| *x = x.max(0.0));
        let mut rest = out.as_slice();
        let mut all = Vec::with_capacity(streams.len());
        for (heard, _) in streams.iter_mut() {
            let count = outputs(heard);
            let (own, others) = rest.split_at(count * self.channels);
            all.push(own.to_vec());
            rest = others;
            heard.drain(..count * self.stride * self.width);
        }
        Ok(all)
    }
}

impl AcousticStream {
    /// Log-probabilities `[T',V]` of the steps that more frames `[T,C]` complete.
    ///
    /// # Errors
    /// Frames of another width.
    pub fn push(&mut self, frames: &[f32]) -> Result<Vec<f32>, KernelError> {
        let mut all = Self::push_many(&mut [(self, frames)])?;
        Ok(all.pop().unwrap_or_default())
    }

    /// [`Self::push`] for many streams in one step: `[T',V]` of each. Streams of one model whose frames complete the
    /// same number of steps are computed together; the others alone. Streams of layers with a variant are always
    /// computed alone.
    ///
    /// # Errors
    /// Frames of another width; no stream has taken any then.
    pub fn push_many(streams: &mut [(&mut Self, &[f32])]) -> Result<Vec<Vec<f32>>, KernelError> {
        Self::take_frames(streams)?;
        let mut streams: Vec<&mut Self> = streams.iter_mut().map(|(own, _)| &mut **own).collect();
        let mut all = vec![Vec::new(); streams.len()];
        loop {
            let answers = Self::answer_many(&mut streams, false)?;
            if answers.iter().all(Vec::is_empty) {
                return Ok(all);
            }
            for (all, own) in all.iter_mut().zip(answers) {
                all.extend(own);
            }
        }
    }

    /// Log-probabilities of the steps that the end completes. The stream is then at the beginning of another utterance.
    ///
    /// # Errors
    /// None, on a model that has been heard before.
    pub fn finish(&mut self) -> Result<Vec<f32>, KernelError> {
        let mut all = Vec::new();
        self.end_frames()?;
        loop {
            let own = self.answer_last()?;
            if own.is_empty() {
                self.reset();
                return Ok(all);
            }
            all.extend(own);
        }
    }

    /// The state between two pieces.
    pub fn state(&self) -> &AcousticState {
        &self.state
    }

    /// A stream of the model of `like` that goes on from a state, to the same bits.
    ///
    /// # Errors
    /// A state that no stream of this model can have.
    pub fn from_state(like: &Self, state: AcousticState) -> Result<Self, Error> {
        let weights = like.weights.clone();
        weights.check(&state).map_err(Error::State)?;
        Ok(Self {
            weights,
            state,
            answered: Vec::new(),
        })
    }

    /// Runs the convolutions on more frames; the steps then wait for [`Self::answer_many`].
    pub(crate) fn take_frames(streams: &mut [(&mut Self, &[f32])]) -> Result<(), KernelError> {
        for (own, frames) in streams.iter() {
            let width = match own.weights.convolutions.first() {
                Some(first) => first.width,
                None => own.weights.width(),
            };
            if !frames.len().is_multiple_of(width) {
                return Err(KernelError::Shape {
                    op: "acoustic stream",
                    what: "frames",
                    expected: vec![width],
                    got: vec![frames.len()],
                });
            }
        }
        let frames = streams.iter().map(|(_, frames)| frames.to_vec()).collect();
        let mut own: Vec<&mut Self> = streams.iter_mut().map(|(own, _)| &mut **own).collect();
        Self::convolve(&mut own, frames, false)
    }

    /// Ends the frames; the steps that this completes wait for [`Self::answer_last`].
    pub(crate) fn end_frames(&mut self) -> Result<(), KernelError> {
        Self::convolve(&mut [self], vec![Vec::new()], true)
    }

    fn convolve(
        streams: &mut [&mut Self],
        mut frames: Vec<Vec<f32>>,
        end: bool,
    ) -> Result<(), KernelError> {
        for group in groups(streams.iter().map(|own| Arc::as_ptr(&own.weights) as usize)) {
            let weights = streams[group[0]].weights.clone();
            for (layer, own) in weights.convolutions.iter().enumerate() {
                let mut inputs: Vec<(&mut Vec<f32>, Vec<f32>)> = Vec::new();
                for (index, stream) in streams.iter_mut().enumerate() {
                    if group.binary_search(&index).is_ok() {
                        let given = std::mem::take(&mut frames[index]);
                        inputs.push((&mut stream.state.heard[layer], given));
                    }
                }
                let outputs = own.forward(&mut inputs, end)?;
                for (&index, output) in group.iter().zip(outputs) {
                    frames[index] = output;
                }
            }
        }
        for (stream, steps) in streams.iter_mut().zip(frames) {
            stream.state.waiting.extend(steps);
        }
        Ok(())
    }

    /// Log-probabilities of the next stretch of waiting steps of each stream: of all, or of the next chunk. Empty
    /// where no more can be answered yet. Every call answers more, until all are empty.
    pub(crate) fn answer_many(
        streams: &mut [&mut Self],
        end: bool,
    ) -> Result<Vec<Vec<f32>>, KernelError> {
        let mut answers = vec![Vec::new(); streams.len()];
        let turns = (0..streams.len()).filter_map(|stream| {
            let (time, answered) = streams[stream].turn(end)?;
            Some(Turn {
                stream,
                time,
                answered,
            })
        });
        let turns: Vec<Turn> = turns.collect();
        let keys = turns.iter().map(|turn| {
            let weights = &streams[turn.stream].weights;
            // Only the fused layers promise a row the same bits in every batch.
            let alone = weights.config().variant != Variant::default();
            let alone = alone.then_some(turn.stream);
            (Arc::as_ptr(weights) as usize, turn.time, alone)
        });
        for group in groups(keys) {
            let group: Vec<&Turn> = group.iter().map(|&turn| &turns[turn]).collect();
            for (turn, own) in group.iter().zip(Self::read(streams, &group)?) {
                answers[turn.stream] = own;
            }
        }
        for turn in &turns {
            streams[turn.stream].advance(&turn.answered);
        }
        Ok(answers)
    }

    /// [`Self::answer_many`] of one stream behind its last frame.
    pub(crate) fn answer_last(&mut self) -> Result<Vec<f32>, KernelError> {
        let mut all = Self::answer_many(&mut [self], true)?;
        Ok(all.pop().unwrap_or_default())
    }

    /// Forgets the steps before the last `rest` ones of the last answer, as between utterances. `true` if those wait
    /// again, for the recurrent layers to read anew; the answers of a model with chunks stand.
    pub(crate) fn restart(&mut self, rest: usize) -> bool {
        if self.weights.config().chunks.is_some() {
            return false;
        }
        self.state.layers.clear();
        let answered = std::mem::take(&mut self.answered);
        let rest = answered.len().saturating_sub(rest * self.weights.width());
        self.state.waiting = answered[rest..].to_vec();
        true
    }

    /// Goes to the beginning of the next utterance.
    pub(crate) fn reset(&mut self) {
        self.state = self.weights.start();
        self.answered.clear();
    }

    /// The next steps to be read, and those of them that are answered.
    fn turn(&self, end: bool) -> Option<(usize, Range<usize>)> {
        let (weights, state) = (&self.weights, &self.state);
        let steps = state.waiting.len() / weights.width();
        let Some(shape) = weights.config().chunks else {
            return (steps > 0).then_some((steps, 0..steps));
        };
        let (begin, next) = (state.begin as usize, state.next as usize);
        let heard = begin + steps;
        let Cut {
            begin: from,
            first,
            end: to,
        } = shape.cut(next, heard);
        let complete = heard.saturating_sub(next) >= shape.length.saturating_add(shape.right);
        if first >= heard || !(complete || end) {
            return None;
        }
        let answered = shape.length.min(heard - first);
        Some((to - from, first - from..first - from + answered))
    }

    /// The recurrent layers and the scores on turns of the same length, of streams of the same model.
    fn read(streams: &mut [&mut Self], turns: &[&Turn]) -> Result<Vec<Vec<f32>>, KernelError> {
        let weights = streams[turns[0].stream].weights.clone();
        let (width, time, device) = (weights.width(), turns[0].time, weights.model.device());
        // A turn reads the waiting steps from the first on.
        let steps = turns.iter().flat_map(|turn| {
            let waiting = &streams[turn.stream].state.waiting;
            &waiting[..time * width]
        });
        let x = TensorData::new(steps.copied().collect(), [turns.len(), time, width]);
        let x = Tensor::<3>::from_data(x, &device);
        let carried = weights.config().chunks.is_none();
        let before = carried.then(|| gather(streams, turns, &weights));
        let (y, after) = weights.model.rnn.forward(x, before)?;
        if carried {
            scatter(streams, turns, after);
        }
        let [_, _, features] = y.dims();
        let y = floats(y);
        let rows = turns.iter().enumerate().flat_map(|(n, turn)| {
            let own = &y[n * time * features..][..time * features];
            own.chunks_exact(features.max(1))
                .skip(turn.answered.start)
                .take(turn.answered.len())
        });
        let rows: Vec<&[f32]> = rows.collect();
        let mut scores = vec![0.0; rows.len() * weights.classes];
        weights.output.apply(&rows, &mut scores)?;
        scores
            .chunks_exact_mut(weights.classes)
            .for_each(log_softmax);
        let mut rest = scores.as_slice();
        let own = turns.iter().map(|turn| {
            let (own, others) = rest.split_at(turn.answered.len() * weights.classes);
            rest = others;
            own.to_vec()
        });
        Ok(own.collect())
    }

    /// Lets go of the steps that no later turn reads.
    fn advance(&mut self, answered: &Range<usize>) {
        let width = self.weights.width();
        let Some(shape) = self.weights.config().chunks else {
            self.answered = std::mem::take(&mut self.state.waiting);
            return;
        };
        let heard = self.state.begin as usize + self.state.waiting.len() / width;
        self.state.next += answered.len() as u64;
        let begin = shape.cut(self.state.next as usize, heard).begin.min(heard);
        let read = begin - self.state.begin as usize;
        self.state.waiting.drain(..read * width);
        self.state.begin = begin as u64;
    }
}

impl Chunks {
    /// Whether a stream between two pieces can hold `steps` steps from step `begin` on, with `next` as the next step to
    /// be answered.
    fn holds(&self, begin: u64, next: u64, steps: u64) -> bool {
        /// Steps of an utterance of thousands of years.
        const MOST: u64 = 1 << 48;
        let size = |steps: usize| steps as u64;
        let heard = begin.saturating_add(steps);
        next <= MOST
            && begin == next.saturating_sub(size(self.left))
            && heard >= next
            && heard - next < size(self.length).saturating_add(size(self.right))
            && next.is_multiple_of(size(self.length).max(1))
    }
}

/// Numbers of the items with equal keys, in rising order.
fn groups<K: Ord>(keys: impl Iterator<Item = K>) -> Vec<Vec<usize>> {
    let mut groups = BTreeMap::<K, Vec<usize>>::new();
    for (index, key) in keys.enumerate() {
        groups.entry(key).or_default().push(index);
    }
    groups.into_values().collect()
}

/// The recurrent states of some streams as one batch; zeros before the first step.
fn gather(streams: &[&mut AcousticStream], turns: &[&Turn], weights: &StreamWeights) -> State {
    let sizes = weights.config().state_sizes();
    let layers = (0..weights.config().layers).map(|layer| {
        let [h, c] = [0, 1].map(|part| {
            let mut values = Vec::with_capacity(turns.len() * sizes[part]);
            for turn in turns {
                match streams[turn.stream].state.layers.get(layer) {
                    Some(own) => values.extend_from_slice(&own[part]),
                    None => values.resize(values.len() + sizes[part], 0.0),
                }
            }
            let values = TensorData::new(values, [1, turns.len(), sizes[part]]);
            Tensor::from_data(values, &weights.model.device())
        });
        LayerState { h, c }
    });
    State {
        layers: layers.collect(),
    }
}

/// Gives each stream its rows of the states of a batch.
fn scatter(streams: &mut [&mut AcousticStream], turns: &[&Turn], after: State) {
    for turn in turns {
        streams[turn.stream].state.layers.clear();
    }
    for LayerState { h, c } in after.layers {
        let [_, _, hidden] = h.dims();
        let [_, _, memory] = c.dims();
        let (h, c) = (floats(h), floats(c));
        for (n, turn) in turns.iter().enumerate() {
            let own = [
                h[n * hidden..][..hidden].to_vec(),
                c[n * memory..][..memory].to_vec(),
            ];
            streams[turn.stream].state.layers.push(own);
        }
    }
}

/// ln softmax of one row, in place.
fn log_softmax(row: &mut [f32]) {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|x| f64::from(x - most).exp()).sum();
    let shift = f64::from(most) + sum.ln();
    row.iter_mut()
        .for_each(|x| *x = (f64::from(*x) - shift) as f32);
}
