//! RNN, GRU and LSTM with all options of ONNX.
//!
//! The fast path is `refrain_kernels::infer`; it takes nodes with the default functions (or Relu for an RNN), no
//! `clip`, no peepholes, no `input_forget`, and for a GRU `linear_before_reset = 1`. Directions, lengths, initial
//! states and `layout` are open to both. All other nodes take the loop in `reference.rs`.
//!
//! `Y` is zero past the end of a sequence. Where the specification is silent: a sequence of length 0 ends in its
//! initial state (ONNX Runtime gives zeros), and `clip` does not apply to the argument of an LSTM's last function, the
//! memory (as in ONNX Runtime).

mod fast;
mod layer;
mod quantised;
mod reference;

use crate::call::Call;
use crate::error::OpError;
use layer::{Kind, Layer};
use refrain_data::array::Array;

pub(crate) fn rnn(call: &Call) -> Result<Vec<Array>, OpError> {
    run(Kind::Rnn, call)
}

pub(crate) fn gru(call: &Call) -> Result<Vec<Array>, OpError> {
    run(Kind::Gru, call)
}

pub(crate) fn lstm(call: &Call) -> Result<Vec<Array>, OpError> {
    run(Kind::Lstm, call)
}

pub(crate) fn dynamic_quantize_lstm(call: &Call) -> Result<Vec<Array>, OpError> {
    quantised::run(call)
}

fn run(kind: Kind, call: &Call) -> Result<Vec<Array>, OpError> {
    let layer = Layer::read(kind, call)?;
    let outputs = match fast::forward(&layer, call)? {
        Some(outputs) => outputs,
        None => reference::forward(&layer),
    };
    layer.results(outputs, call.attributes.switch("layout", false)?)
}
