//! Both directions with a limited view ahead: an utterance is read in overlapping chunks, each by itself. A stream
//! waits for the end of a chunk and not of the utterance (context-sensitive chunks, Chen and Huo 2016, "Training deep
//! bidirectional LSTM acoustic model for LVCSR by a context-sensitive-chunk BPTT approach").

use burn::tensor::{Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Sizes of a chunk, in steps of the recurrent layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunks {
    /// Steps before, which are read and not answered.
    pub left: usize,
    /// Steps that are answered, at least 1.
    pub length: usize,
    /// Steps behind, which are read and not answered.
    pub right: usize,
}

/// One chunk of an utterance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// First step that is read.
    pub begin: usize,
    /// First step that is answered.
    pub first: usize,
    /// Behind the last step that is read.
    pub end: usize,
}

impl Chunks {
    /// The chunk whose answers begin at `first`, of an utterance of `steps`.
    pub(super) fn cut(&self, first: usize, steps: usize) -> Cut {
        Cut {
            begin: first.saturating_sub(self.left),
            first,
            end: steps.min(first.saturating_add(self.length).saturating_add(self.right)),
        }
    }
}

/// A batch of utterances as the chunks of all of them.
pub(super) struct Chunked {
    shape: Chunks,
    cuts: Vec<Cut>,
    /// The utterance of each.
    owners: Vec<usize>,
    /// First chunk of each utterance.
    starts: Vec<usize>,
}

impl Chunked {
    pub fn new(shape: Chunks, lengths: &[usize]) -> Self {
        let (mut cuts, mut owners, mut starts) = (Vec::new(), Vec::new(), Vec::new());
        for (owner, &steps) in lengths.iter().enumerate() {
            starts.push(cuts.len());
            let firsts = (0..steps).step_by(shape.length.max(1));
            cuts.extend(firsts.map(|first| shape.cut(first, steps)));
            owners.resize(cuts.len(), owner);
        }
        Self {
            shape,
            cuts,
            owners,
            starts,
        }
    }

    /// Real steps of each chunk.
    pub fn lengths(&self) -> Vec<usize> {
        self.cuts.iter().map(|cut| cut.end - cut.begin).collect()
    }

    fn width(&self) -> usize {
        self.lengths().into_iter().max().unwrap_or(0)
    }

    /// `[B,T,C]` → `[chunks,width,C]`
    pub fn split(&self, x: Tensor<3>) -> Tensor<3> {
        let ([_, time, _], width) = (x.dims(), self.width());
        let rows = self.cuts.iter().zip(&self.owners).flat_map(|(cut, owner)| {
            (cut.begin..cut.begin + width).map(move |t| owner * time + t.min(time - 1))
        });
        pick(x, rows.collect(), [self.cuts.len(), width])
    }

    /// `[chunks,width,C]` → `[B,T,C]`; the steps behind an utterance are any of the rows.
    pub fn join(&self, y: Tensor<3>, lengths: &[usize], time: usize) -> Tensor<3> {
        let width = self.width();
        let mut rows = Vec::with_capacity(lengths.len() * time);
        for (&start, &steps) in self.starts.iter().zip(lengths) {
            rows.extend((0..time).map(|t| match t < steps {
                true => {
                    let chunk = start + t / self.shape.length.max(1);
                    chunk * width + t - self.cuts[chunk].begin
                }
                false => 0,
            }));
        }
        pick(y, rows, [lengths.len(), time])
    }
}

/// Rows of `[A,B,C]`, counted as though it were `[A·B,C]`, as `[sizes,C]`.
fn pick(x: Tensor<3>, rows: Vec<usize>, [a, b]: [usize; 2]) -> Tensor<3> {
    let [n, time, features] = x.dims();
    let rows: Vec<i64> = rows.into_iter().map(|row| row as i64).collect();
    let data = TensorData::new(rows, [a * b]);
    let rows = Tensor::<1, Int>::from_data(data, &x.device());
    x.reshape([n * time, features])
        .select(0, rows)
        .reshape([a, b, features])
}
