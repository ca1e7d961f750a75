//! The operators: one table lists their opsets, attributes, inputs and outputs; one function runs each.

mod cast;
mod elementwise;
mod product;
mod reduce;
mod select;
mod shape;
mod softmax;

use crate::attributes::{Attr, attr, since, until};
use crate::call::Call;
use crate::error::OpError;
use crate::recurrent;
use refrain_data::array::Array;

/// Any number of inputs or outputs.
const MANY: usize = usize::MAX;

/// An operator.
pub(crate) struct Operator {
    pub name: &'static str,
    /// First opset that has it.
    since: i64,
    pub attributes: &'static [Attr],
    /// Fewest and most.
    pub inputs: (usize, usize),
    /// Fewest and most.
    pub outputs: (usize, usize),
    pub run: Run,
}

impl Operator {
    pub fn find(name: &str, opset: i64) -> Option<&'static Self> {
        OPERATORS
            .iter()
            .find(|operator| operator.name == name && operator.since <= opset)
    }
}

type Run = fn(&Call) -> Result<Vec<Array>, OpError>;

/// An operator without attributes.
const fn plain(name: &'static str, inputs: usize, run: Run) -> Operator {
    with(name, 1, &[], (inputs, inputs), run)
}

/// An operator with one output.
const fn with(
    name: &'static str,
    since: i64,
    attributes: &'static [Attr],
    inputs: (usize, usize),
    run: Run,
) -> Operator {
    Operator {
        name,
        since,
        attributes,
        inputs,
        outputs: (1, 1),
        run,
    }
}

const RECURRENT: &[Attr] = &[
    attr("activation_alpha"),
    attr("activation_beta"),
    attr("activations"),
    attr("clip"),
    attr("direction"),
    attr("hidden_size"),
    since("layout", 14),
];

const GRU: &[Attr] = &[
    attr("activation_alpha"),
    attr("activation_beta"),
    attr("activations"),
    attr("clip"),
    attr("direction"),
    attr("hidden_size"),
    since("layout", 14),
    attr("linear_before_reset"),
];

const LSTM: &[Attr] = &[
    attr("activation_alpha"),
    attr("activation_beta"),
    attr("activations"),
    attr("clip"),
    attr("direction"),
    attr("hidden_size"),
    attr("input_forget"),
    since("layout", 14),
];

const CONSTANT: &[Attr] = &[
    attr("value"),
    since("value_float", 12),
    since("value_floats", 12),
    since("value_int", 12),
    since("value_ints", 12),
];

const REDUCE: &[Attr] = &[
    until("axes", 17),
    attr("keepdims"),
    since("noop_with_empty_axes", 18),
];
const REDUCE_SUM: &[Attr] = &[
    until("axes", 12),
    attr("keepdims"),
    since("noop_with_empty_axes", 13),
];
const ARG: &[Attr] = &[
    attr("axis"),
    attr("keepdims"),
    since("select_last_index", 12),
];
const GEMM: &[Attr] = &[attr("alpha"), attr("beta"), attr("transA"), attr("transB")];
const SLICE: &[Attr] = &[until("starts", 9), until("ends", 9), until("axes", 9)];
const SPLIT: &[Attr] = &[attr("axis"), until("split", 12), since("num_outputs", 18)];
const DROPOUT: &[Attr] = &[until("ratio", 11), since("seed", 12)];
const AXES_UNTIL_12: &[Attr] = &[until("axes", 12)];
const CAST: &[Attr] = &[attr("to"), since("saturate", 19)];

/// Every operator that Refrain runs.
static OPERATORS: &[Operator] = &[
    Operator {
        outputs: (1, 2),
        ..with("RNN", 7, RECURRENT, (3, 6), recurrent::rnn)
    },
    Operator {
        outputs: (1, 2),
        ..with("GRU", 7, GRU, (3, 6), recurrent::gru)
    },
    Operator {
        outputs: (1, 3),
        ..with("LSTM", 7, LSTM, (3, 8), recurrent::lstm)
    },
    plain("Add", 2, elementwise::add),
    plain("Sub", 2, elementwise::sub),
    plain("Mul", 2, elementwise::mul),
    plain("Div", 2, elementwise::div),
    plain("Relu", 1, elementwise::relu),
    plain("Tanh", 1, elementwise::tanh),
    plain("Sigmoid", 1, elementwise::sigmoid),
    plain("Softplus", 1, elementwise::softplus),
    plain("Softsign", 1, elementwise::softsign),
    with(
        "LeakyRelu",
        1,
        &[attr("alpha")],
        (1, 1),
        elementwise::leaky_relu,
    ),
    with("Elu", 1, &[attr("alpha")], (1, 1), elementwise::elu),
    with(
        "HardSigmoid",
        1,
        &[attr("alpha"), attr("beta")],
        (1, 1),
        elementwise::hard_sigmoid,
    ),
    with("Softmax", 1, &[attr("axis")], (1, 1), softmax::softmax),
    with(
        "LogSoftmax",
        1,
        &[attr("axis")],
        (1, 1),
        softmax::log_softmax,
    ),
    with("Cast", 6, CAST, (1, 1), cast::cast),
    Operator {
        outputs: (1, 2),
        ..with("Dropout", 7, DROPOUT, (1, 3), elementwise::dropout)
    },
    plain("MatMul", 2, product::matmul),
    with("Gemm", 7, GEMM, (2, 3), product::gemm),
    with("ReduceSum", 1, REDUCE_SUM, (1, 2), reduce::sum),
    with("ReduceMean", 1, REDUCE, (1, 2), reduce::mean),
    with("ReduceMax", 1, REDUCE, (1, 2), reduce::max),
    with("ArgMax", 1, ARG, (1, 1), reduce::arg_max),
    with("Concat", 4, &[attr("axis")], (1, MANY), select::concat),
    with("Slice", 1, SLICE, (1, 5), select::slice),
    with("Gather", 1, &[attr("axis")], (2, 2), select::gather),
    Operator {
        outputs: (1, MANY),
        ..with("Split", 2, SPLIT, (1, 2), select::split)
    },
    with("Squeeze", 1, AXES_UNTIL_12, (1, 2), shape::squeeze),
    with("Unsqueeze", 1, AXES_UNTIL_12, (1, 2), shape::unsqueeze),
    with("Transpose", 1, &[attr("perm")], (1, 1), shape::transpose),
    with(
        "Reshape",
        5,
        &[since("allowzero", 14)],
        (2, 2),
        shape::reshape,
    ),
    with("Flatten", 1, &[attr("axis")], (1, 1), shape::flatten),
    with("Expand", 8, &[], (2, 2), shape::expand),
    with(
        "Shape",
        1,
        &[since("start", 15), since("end", 15)],
        (1, 1),
        shape::shape,
    ),
    with("Identity", 1, &[], (1, 1), shape::identity),
    with("Constant", 1, CONSTANT, (0, 0), shape::constant),
    with(
        "ConstantOfShape",
        9,
        &[attr("value")],
        (1, 1),
        shape::constant_of_shape,
    ),
];
