//! A recurrent node with everything checked, batch-major, and its results in the node's layout.

use crate::activation::{self, Activation};
use crate::call::{Call, floats};
use crate::error::{OpError, problem};
use crate::walk::Walk;
use refrain_data::array::{Array, Dtype};
use refrain_kernels::{Cell, Direction, Outputs};
use std::borrow::Cow;

/// The operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rnn,
    Gru,
    Lstm,
}

impl Kind {
    /// `G`
    pub fn gates(self) -> usize {
        self.cell().gates()
    }

    /// A cell with the same number and order of gates.
    fn cell(self) -> Cell {
        match self {
            Self::Rnn => Cell::RnnTanh,
            Self::Gru => Cell::Gru,
            Self::Lstm => Cell::Lstm,
        }
    }

    /// Functions of one direction unless told otherwise.
    pub fn functions(self) -> &'static [Activation] {
        match self {
            Self::Rnn => &[Activation::Tanh],
            Self::Gru => &[Activation::Sigmoid, Activation::Tanh],
            Self::Lstm => &[Activation::Sigmoid, Activation::Tanh, Activation::Tanh],
        }
    }
}

/// All that a recurrent node computes from.
pub(super) struct Layer<'a> {
    pub kind: Kind,
    /// `D` of them.
    pub directions: &'static [Direction],
    /// `B`
    pub batch: usize,
    /// `T`
    pub time: usize,
    /// `C`
    pub input: usize,
    /// `H`
    pub hidden: usize,
    /// `[B]`
    pub lengths: Option<Vec<usize>>,
    /// `[B,T,C]`
    pub x: Cow<'a, [f32]>,
    /// `[D,G·H,C]`, ONNX's order of gates.
    pub w: &'a [f32],
    /// `[D,G·H,H]`
    pub r: &'a [f32],
    /// `[D,2·G·H]`: of the input, then of the state.
    pub bias: Option<&'a [f32]>,
    /// `[D,B,H]`
    pub h0: Option<Cow<'a, [f32]>>,
    /// `[D,B,H]`
    pub c0: Option<Cow<'a, [f32]>>,
    /// `[D,3·H]`: input, output and forget gate.
    pub peepholes: Option<&'a [f32]>,
    /// The same number for each direction: that of the kind.
    pub functions: Vec<Activation>,
    /// The arguments of functions are clamped to ± this.
    pub clip: Option<f32>,
    /// LSTM: the forget gate is 1 − the input gate.
    pub coupled: bool,
    /// GRU: the reset gate multiplies R·h + b, not h.
    pub linear_before_reset: bool,
}

impl<'a> Layer<'a> {
    pub fn read(kind: Kind, call: &Call<'a>) -> Result<Self, OpError> {
        let batch_first = call.attributes.switch("layout", false)?;
        let directions = directions(call)?;
        let (x_shape, x) = call.floats(0, "X")?;
        let &[first, second, input] = x_shape else {
            return Err(OpError::Other(format!(
                "X has shape {x_shape:?} where [T,B,C] is needed"
            )));
        };
        let [time, batch] = if batch_first {
            [second, first]
        } else {
            [first, second]
        };
        let hidden = hidden(call)?;
        let d = directions.len();
        call.check(Dtype::F32, &[time, d, batch, hidden])?;
        let rows = kind.gates() * hidden;
        let fixed = |index, what, shape: &[usize]| match call.optional(index) {
            Some(value) => exactly(value, what, shape).map(Some),
            None => Ok(None),
        };
        let state = |index, what| -> Result<Option<Cow<'a, [f32]>>, OpError> {
            Ok(match batch_first {
                false => fixed(index, what, &[d, batch, hidden])?.map(Cow::Borrowed),
                true => fixed(index, what, &[batch, d, hidden])?
                    .map(|state| Cow::Owned(swapped(state, [batch, d], hidden))),
            })
        };
        let needed =
            |index, what, shape: &[usize]| fixed(index, what, shape)?.ok_or(OpError::Missing(what));
        Ok(Self {
            kind,
            directions,
            batch,
            time,
            input,
            hidden,
            lengths: lengths(call, batch, time)?,
            x: match batch_first {
                true => Cow::Borrowed(x),
                false => Cow::Owned(swapped(x, [time, batch], input)),
            },
            w: needed(1, "W", &[d, rows, input])?,
            r: needed(2, "R", &[d, rows, hidden])?,
            bias: fixed(3, "B", &[d, 2 * rows])?,
            h0: state(5, "initial_h")?,
            c0: state(6, "initial_c")?,
            peepholes: fixed(7, "P", &[d, 3 * hidden])?,
            functions: functions(kind, call, d)?,
            clip: clip(call)?,
            coupled: call.attributes.switch("input_forget", false)?,
            linear_before_reset: call.attributes.switch("linear_before_reset", false)?,
        })
    }

    /// Steps of sequence `b`.
    pub fn length(&self, b: usize) -> usize {
        self.lengths
            .as_ref()
            .map_or(self.time, |lengths| lengths[b])
    }

    /// From `[B,T,D·H]` and `[D,B,H]` to the layout of the node.
    pub fn results(&self, out: Outputs, batch_first: bool) -> Result<Vec<Array>, OpError> {
        let (d, batch, time, hidden) = (self.directions.len(), self.batch, self.time, self.hidden);
        let state = |state: Vec<f32>| match batch_first {
            true => Array::floats(vec![batch, d, hidden], swapped(&state, [d, batch], hidden)),
            false => Array::floats(vec![d, batch, hidden], state),
        };
        let y = Array::floats(vec![batch, time, d, hidden], out.y)?;
        let y = match batch_first {
            true => y,
            false => {
                let shape = vec![time, d, batch, hidden];
                let steps = [d * hidden, hidden, time * d * hidden, 1].map(|step| step as isize);
                let walk = Walk::new(&shape, steps.to_vec(), 0);
                y.taken(shape, walk)?
            }
        };
        let mut results = vec![y, state(out.h_n)?];
        if self.kind == Kind::Lstm {
            results.push(state(out.c_n)?);
        }
        Ok(results)
    }
}

/// `[M,N,size]` with the first two dimensions swapped.
fn swapped(x: &[f32], [m, n]: [usize; 2], size: usize) -> Vec<f32> {
    let mut y = Vec::with_capacity(x.len());
    for (j, i) in (0..n).flat_map(|j| (0..m).map(move |i| (j, i))) {
        y.extend_from_slice(&x[(i * n + j) * size..][..size]);
    }
    y
}

pub(super) fn exactly<'a>(
    value: &'a Array,
    what: &'static str,
    expected: &[usize],
) -> Result<&'a [f32], OpError> {
    let (shape, data) = floats(value, what)?;
    match shape == expected {
        true => Ok(data),
        false => Err(OpError::Shape {
            what,
            expected: expected.to_vec(),
            got: shape.to_vec(),
        }),
    }
}

pub(super) fn directions(call: &Call) -> Result<&'static [Direction], OpError> {
    match call.attributes.text("direction")?.unwrap_or("forward") {
        "forward" => Ok(&[Direction::Forward]),
        "reverse" => Ok(&[Direction::Reverse]),
        "bidirectional" => Ok(&[Direction::Forward, Direction::Reverse]),
        other => Err(problem(
            "direction",
            &format!("is \"{other}\" where forward, reverse or bidirectional is needed"),
        )),
    }
}

/// `H` from R, and the attribute must agree.
fn hidden(call: &Call) -> Result<usize, OpError> {
    let (shape, _) = call.floats(2, "R")?;
    let &[_, _, hidden] = shape else {
        return Err(OpError::Other(format!(
            "R has shape {shape:?} where [D,G·H,H] is needed"
        )));
    };
    match call.attributes.int("hidden_size")? {
        Some(said) if usize::try_from(said).ok() != Some(hidden) => Err(problem(
            "hidden_size",
            &format!("is {said} where R has {hidden} units"),
        )),
        _ => Ok(hidden),
    }
}

pub(super) fn lengths(
    call: &Call,
    batch: usize,
    time: usize,
) -> Result<Option<Vec<usize>>, OpError> {
    let Some(given) = call.optional_ints(4, "sequence_lens")? else {
        return Ok(None);
    };
    let shape = call.input(4, "sequence_lens")?.shape();
    if shape != [batch] {
        return Err(OpError::Shape {
            what: "sequence_lens",
            expected: vec![batch],
            got: shape.to_vec(),
        });
    }
    let length = |&length: &i64| match usize::try_from(length) {
        Ok(length) if length <= time => Ok(length),
        _ => Err(OpError::Index {
            what: "a length in sequence_lens",
            got: length,
            low: 0,
            high: time as i64 + 1,
        }),
    };
    given.iter().map(length).collect::<Result<_, _>>().map(Some)
}

pub(super) fn clip(call: &Call) -> Result<Option<f32>, OpError> {
    match call.attributes.float("clip")? {
        Some(clip) if clip.is_nan() || clip < 0.0 => Err(problem(
            "clip",
            &format!("is {clip} where 0 or more is needed"),
        )),
        clip => Ok(clip),
    }
}

pub(super) fn functions(
    kind: Kind,
    call: &Call,
    directions: usize,
) -> Result<Vec<Activation>, OpError> {
    let alpha = call
        .attributes
        .floats("activation_alpha")?
        .unwrap_or_default();
    let beta = call
        .attributes
        .floats("activation_beta")?
        .unwrap_or_default();
    let Some(names) = call.attributes.texts("activations")? else {
        // The default functions take no parameters.
        activation::parse(&[], alpha, beta)?;
        return Ok(kind.functions().repeat(directions));
    };
    let mut functions = activation::parse(names, alpha, beta)?;
    // The specification's default for an RNN of one direction is, by oversight, two functions; some files have it
    // written out.
    if kind == Kind::Rnn && directions == 1 && functions.len() == 2 && functions[0] == functions[1]
    {
        functions.pop();
    }
    let needed = kind.functions().len() * directions;
    match functions.len() == needed {
        true => Ok(functions),
        false => Err(problem(
            "activations",
            &format!(
                "has {} functions where {needed} are needed",
                functions.len()
            ),
        )),
    }
}
