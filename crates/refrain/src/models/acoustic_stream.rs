//! A model of speech that hears an utterance as it is spoken.

use super::AcousticModel;
use super::chunks::Chunks;
use crate::error::Error;
use crate::layers::State;
use crate::ops::floats;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use refrain_kernels::KernelError;

/// A model that hears one utterance as it is spoken. What it says of a step never changes, and is what the model says of the whole utterance.
pub struct AcousticStream {
    model: AcousticModel,
    /// For each convolution, the frames that later outputs still see.
    heard: Vec<Vec<f32>>,
    /// Features of those.
    widths: Vec<usize>,
    state: Option<State>,
    /// Of a model with chunks: steps that later chunks still read.
    waiting: Vec<f32>,
    /// Number of the first of them in the utterance.
    begin: usize,
    /// Next step to be answered.
    next: usize,
}

impl AcousticModel {
    /// The model at the beginning of an utterance, to be heard frame by frame.
    ///
    /// # Errors
    /// A model that reads backwards too.
    pub fn stream(&self) -> Result<AcousticStream, Error> {
        if !self.config.streams() {
            return Err(Error::Config(
                "the model reads utterances backwards too and needs the whole of one; train with model.bidirectional = false or with model.chunks for streams".into(),
            ));
        }
        let widths: Vec<usize> = self
            .convolutions
            .iter()
            .map(|own| own.weight.dims()[1])
            .collect();
        let before = self.config.convolutions.iter().zip(&widths);
        Ok(AcousticStream {
            heard: before.map(|(own, width)| own.silence(*width)).collect(),
            widths,
            model: self.clone(),
            state: None,
            waiting: Vec::new(),
            begin: 0,
            next: 0,
        })
    }
}

impl AcousticStream {
    /// Log-probabilities `[T',V]` of the steps that more frames `[T,C]` complete.
    ///
    /// # Errors
    /// Frames of another width.
    pub fn push(&mut self, frames: &[f32]) -> Result<Vec<f32>, KernelError> {
        self.hear(frames.to_vec(), false)
    }

    /// Log-probabilities of what the end completes; the stream is at the beginning of the next utterance then.
    ///
    /// # Errors
    /// None, on a model that has been heard before.
    pub fn finish(&mut self) -> Result<Vec<f32>, KernelError> {
        let last = self.hear(Vec::new(), true)?;
        self.state = None;
        self.waiting.clear();
        (self.begin, self.next) = (0, 0);
        let all = self
            .heard
            .iter_mut()
            .zip(&self.model.config.convolutions)
            .zip(&self.widths);
        for ((heard, own), width) in all {
            *heard = own.silence(*width);
        }
        Ok(last)
    }

    /// Forgets what was said before, as between utterances; what the convolutions and chunks still hold goes on.
    pub fn forget(&mut self) {
        self.state = None;
    }

    fn hear(&mut self, mut frames: Vec<f32>, end: bool) -> Result<Vec<f32>, KernelError> {
        let device = self.model.device();
        let all = self.heard.iter_mut().zip(&self.widths);
        let own = self
            .model
            .config
            .convolutions
            .iter()
            .zip(&self.model.convolutions);
        for ((heard, &width), (own, weights)) in all.zip(own) {
            if !frames.len().is_multiple_of(width) {
                return Err(KernelError::Shape {
                    op: "acoustic stream",
                    what: "frames",
                    expected: vec![width],
                    got: vec![frames.len()],
                });
            }
            heard.append(&mut frames);
            let mut count = heard.len() / width;
            // Behind the end, zeros fill the last stride if it was begun.
            let waiting = count + own.stride - own.kernel;
            if end && !waiting.is_multiple_of(own.stride) {
                count += own.stride - waiting % own.stride;
                heard.resize(count * width, 0.0);
            }
            if count < own.kernel {
                continue;
            }
            let outputs = (count - own.kernel) / own.stride + 1;
            let seen = (outputs - 1) * own.stride + own.kernel;
            let x = TensorData::new(heard[..seen * width].to_vec(), [1, seen, width]);
            let x = Tensor::from_data(x, &device);
            frames = floats(weights.forward(x, own.stride, (0, 0)));
            heard.drain(..outputs * own.stride * width);
        }
        match self.model.config.chunks {
            Some(shape) => self.chunks(frames, shape, end, &device),
            None => self.steps(frames, &device),
        }
    }

    /// Features of what the recurrent layers read.
    fn width(&self) -> usize {
        match self.model.config.convolutions.last() {
            Some(last) => last.channels,
            None => self.model.rnn.input(),
        }
    }

    /// The recurrent layers on what the convolutions gave.
    fn steps(&mut self, steps: Vec<f32>, device: &Device) -> Result<Vec<f32>, KernelError> {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let (width, time) = (self.width(), steps.len() / self.width());
        let x = Tensor::<3>::from_data(TensorData::new(steps, [1, time, width]), device);
        let (y, state) = self.model.rnn.forward(x, self.state.take())?;
        self.state = Some(state);
        Ok(floats(log_softmax(self.model.score(y), 2)))
    }

    /// The chunks that more steps complete, or all that are left at the end.
    fn chunks(
        &mut self,
        steps: Vec<f32>,
        shape: Chunks,
        end: bool,
        device: &Device,
    ) -> Result<Vec<f32>, KernelError> {
        let width = self.width();
        self.waiting.extend(steps);
        let mut answers = Vec::new();
        loop {
            let heard = self.begin + self.waiting.len() / width;
            let cut = shape.cut(self.next, heard);
            let complete = heard - self.next.min(heard) >= shape.length.saturating_add(shape.right);
            if cut.first >= heard || !(complete || end) {
                return Ok(answers);
            }
            let answered = shape.length.min(heard - cut.first);
            let own = (cut.begin - self.begin) * width..(cut.end - self.begin) * width;
            let data = TensorData::new(self.waiting[own].to_vec(), [1, cut.end - cut.begin, width]);
            let (y, _) = self
                .model
                .rnn
                .forward(Tensor::<3>::from_data(data, device), None)?;
            let y = y.narrow(1, cut.first - cut.begin, answered);
            answers.extend(floats(log_softmax(self.model.score(y), 2)));
            self.next += answered;
            let begin = shape.cut(self.next, heard).begin.min(heard);
            self.waiting.drain(..(begin - self.begin) * width);
            self.begin = begin;
        }
    }
}
