//! The operators: one table lists their domains, opsets, types, attributes, inputs and outputs; one function runs each.
//!
//! A function checks the shape of its results, and that they fit into the limit, before it takes memory for them.

mod cast;
mod einsum;
mod elementwise;
mod normalise;
mod pad;
mod product;
mod quantise;
mod reduce;
mod resize;
mod scatter;
mod select;
mod shape;
mod signal;
mod softmax;
mod unary;
mod window;

use crate::attributes::{Attr, attr, since, until};
use crate::call::Call;
use crate::control::Control;
use crate::error::OpError;
use crate::recurrent;
use refrain_data::array::{Array, Dtype};

/// Any number of inputs or outputs.
const MANY: usize = usize::MAX;

/// The domain of operators that ONNX Runtime adds.
const MICROSOFT: &str = "com.microsoft";

type Results = Result<Vec<Array>, OpError>;

/// The function of an operator.
pub(crate) type Plain = fn(&Call) -> Results;

/// How an operator runs.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// By a function of its inputs.
    Plain(Plain),
    /// By running graphs.
    Control(Control),
}

/// The treatment of inputs of other floats than float32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Types {
    /// All types as they are.
    Any,
    /// float16 is computed as float32, and rounded; other numbers are as they are.
    Numbers,
    /// float16 and double are computed as float32.
    Floats,
}

impl Types {
    /// The type that is computed as float32 and given back, if there is one among the inputs.
    pub fn widened(self, mut inputs: impl Iterator<Item = Dtype>) -> Option<Dtype> {
        let wide = |dtype: &Dtype| match self {
            Self::Any => false,
            Self::Numbers => *dtype == Dtype::F16,
            Self::Floats => matches!(dtype, Dtype::F16 | Dtype::F64),
        };
        inputs.find(wide)
    }

    fn text(self) -> &'static str {
        match self {
            Self::Any => "all",
            Self::Numbers => "numbers; float16 through float32",
            Self::Floats => "floats; float16 and double through float32",
        }
    }
}

/// An operator.
pub(crate) struct Operator {
    /// ONNX's own is empty.
    pub domain: &'static str,
    pub name: &'static str,
    /// First and last opset that has it.
    opsets: (i64, i64),
    pub types: Types,
    pub attributes: &'static [Attr],
    /// Attributes that are graphs.
    pub bodies: &'static [&'static str],
    /// Fewest and most.
    pub inputs: (usize, usize),
    /// Fewest and most.
    pub outputs: (usize, usize),
    pub run: Run,
}

impl Operator {
    pub fn find(domain: &str, name: &str, opset: i64) -> Option<&'static Self> {
        OPERATORS.iter().find(|operator| {
            operator.name == name
                && operator.domain == domain
                && (operator.opsets.0..=operator.opsets.1).contains(&opset)
        })
    }

    const fn from(mut self, first: i64) -> Self {
        self.opsets.0 = first;
        self
    }

    const fn to(mut self, last: i64) -> Self {
        self.opsets.1 = last;
        self
    }

    const fn with(mut self, attributes: &'static [Attr]) -> Self {
        self.attributes = attributes;
        self
    }

    /// With up to this many outputs.
    const fn outputs(mut self, most: usize) -> Self {
        self.outputs = (1, most);
        self
    }

    const fn of(mut self, domain: &'static str) -> Self {
        self.domain = domain;
        self
    }
}

/// An operator that Refrain runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// ONNX's own is empty.
    pub domain: &'static str,
    /// Its name.
    pub name: &'static str,
    /// First opset that has it; 7 is the first that is read.
    pub since: i64,
    /// Last opset that has it, where a later one took it out.
    pub until: Option<i64>,
    /// Types of its inputs, in words.
    pub types: &'static str,
}

/// All operators that Refrain runs.
pub fn operators() -> impl Iterator<Item = Entry> {
    OPERATORS.iter().map(|operator| Entry {
        domain: operator.domain,
        name: operator.name,
        since: operator.opsets.0,
        until: (operator.opsets.1 < i64::MAX).then_some(operator.opsets.1),
        types: operator.types.text(),
    })
}

/// An operator of every opset with one output.
const fn op(name: &'static str, types: Types, inputs: (usize, usize), run: Plain) -> Operator {
    Operator {
        domain: "",
        name,
        opsets: (1, i64::MAX),
        types,
        attributes: &[],
        bodies: &[],
        inputs,
        outputs: (1, 1),
        run: Run::Plain(run),
    }
}

/// An operator of any type.
const fn any(name: &'static str, inputs: (usize, usize), run: Plain) -> Operator {
    op(name, Types::Any, inputs, run)
}

/// An operator of numbers.
const fn numbers(name: &'static str, inputs: (usize, usize), run: Plain) -> Operator {
    op(name, Types::Numbers, inputs, run)
}

/// An operator of floats.
const fn floats(name: &'static str, inputs: (usize, usize), run: Plain) -> Operator {
    op(name, Types::Floats, inputs, run)
}

const fn control(
    name: &'static str,
    bodies: &'static [&'static str],
    attributes: &'static [Attr],
    inputs: (usize, usize),
    kind: Control,
) -> Operator {
    Operator {
        domain: "",
        name,
        opsets: (1, i64::MAX),
        types: Types::Any,
        attributes,
        bodies,
        inputs,
        outputs: (1, MANY),
        run: Run::Control(kind),
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
const CAST: &[Attr] = &[attr("to"), since("saturate", 19), since("round_mode", 24)];
const CAST_LIKE: &[Attr] = &[since("saturate", 19), since("round_mode", 24)];

const ALPHA: &[Attr] = &[attr("alpha")];
const ALPHA_BETA: &[Attr] = &[attr("alpha"), attr("beta")];
const AXIS: &[Attr] = &[attr("axis")];
const PERIODIC: &[Attr] = &[attr("periodic"), attr("output_datatype")];
const SCATTER: &[Attr] = &[attr("axis"), since("reduction", 16)];
const SCAN: &[Attr] = &[
    attr("num_scan_inputs"),
    attr("scan_input_axes"),
    attr("scan_input_directions"),
    attr("scan_output_axes"),
    attr("scan_output_directions"),
];
const CONV: &[Attr] = &[
    attr("auto_pad"),
    attr("dilations"),
    attr("group"),
    attr("kernel_shape"),
    attr("pads"),
    attr("strides"),
];
const CONV_TRANSPOSE: &[Attr] = &[
    attr("auto_pad"),
    attr("dilations"),
    attr("group"),
    attr("kernel_shape"),
    attr("output_padding"),
    attr("output_shape"),
    attr("pads"),
    attr("strides"),
];
const MAX_POOL: &[Attr] = &[
    attr("auto_pad"),
    since("ceil_mode", 10),
    since("dilations", 10),
    attr("kernel_shape"),
    attr("pads"),
    since("storage_order", 8),
    attr("strides"),
];
const AVERAGE_POOL: &[Attr] = &[
    attr("auto_pad"),
    since("ceil_mode", 10),
    attr("count_include_pad"),
    since("dilations", 19),
    attr("kernel_shape"),
    attr("pads"),
    attr("strides"),
];
const BATCH: &[Attr] = &[
    attr("epsilon"),
    attr("momentum"),
    until("spatial", 8),
    since("training_mode", 14),
];
const LAYER: &[Attr] = &[attr("axis"), attr("epsilon"), attr("stash_type")];
const GROUP: &[Attr] = &[attr("epsilon"), attr("num_groups"), since("stash_type", 21)];
const RESIZE: &[Attr] = &[
    since("antialias", 18),
    since("axes", 18),
    since("coordinate_transformation_mode", 11),
    since("cubic_coeff_a", 11),
    since("exclude_outside", 11),
    since("extrapolation_value", 11),
    since("keep_aspect_ratio_policy", 18),
    attr("mode"),
    since("nearest_mode", 11),
];
const QUANTIZE: &[Attr] = &[
    since("axis", 13),
    since("saturate", 19),
    since("block_size", 21),
    since("output_dtype", 21),
    since("precision", 23),
];
const DEQUANTIZE: &[Attr] = &[
    since("axis", 13),
    since("block_size", 21),
    since("output_dtype", 23),
];

/// Every operator that Refrain runs.
static OPERATORS: &[Operator] = &[
    // Recurrent.
    floats("RNN", (3, 6), recurrent::rnn)
        .with(RECURRENT)
        .outputs(2),
    floats("GRU", (3, 6), recurrent::gru).with(GRU).outputs(2),
    floats("LSTM", (3, 8), recurrent::lstm)
        .with(LSTM)
        .outputs(3),
    // With graphs inside.
    control(
        "If",
        &["then_branch", "else_branch"],
        &[],
        (1, 1),
        Control::If,
    ),
    control("Loop", &["body"], &[], (2, MANY), Control::Loop),
    control("Scan", &["body"], SCAN, (1, MANY), Control::Scan).from(9),
    // Arithmetic and comparisons.
    numbers("Add", (2, 2), elementwise::add),
    numbers("Sub", (2, 2), elementwise::sub),
    numbers("Mul", (2, 2), elementwise::mul),
    numbers("Div", (2, 2), elementwise::div),
    numbers("Mod", (2, 2), elementwise::modulo)
        .with(&[attr("fmod")])
        .from(10),
    numbers("Pow", (2, 2), elementwise::pow),
    numbers("Max", (1, MANY), elementwise::max),
    numbers("Min", (1, MANY), elementwise::min),
    numbers("Sum", (1, MANY), elementwise::sum),
    numbers("Mean", (1, MANY), elementwise::mean),
    numbers("Clip", (1, 3), elementwise::clip).with(&[until("min", 10), until("max", 10)]),
    floats("PRelu", (2, 2), elementwise::prelu),
    numbers("Equal", (2, 2), elementwise::equal),
    numbers("Less", (2, 2), elementwise::less),
    numbers("Greater", (2, 2), elementwise::greater),
    numbers("LessOrEqual", (2, 2), elementwise::less_or_equal).from(12),
    numbers("GreaterOrEqual", (2, 2), elementwise::greater_or_equal).from(12),
    any("And", (2, 2), elementwise::and),
    any("Or", (2, 2), elementwise::or),
    any("Xor", (2, 2), elementwise::xor),
    any("Not", (1, 1), elementwise::not),
    any("BitwiseAnd", (2, 2), elementwise::bitwise_and).from(18),
    any("BitwiseOr", (2, 2), elementwise::bitwise_or).from(18),
    any("BitwiseXor", (2, 2), elementwise::bitwise_xor).from(18),
    any("BitwiseNot", (1, 1), unary::bitwise_not).from(18),
    any("BitShift", (2, 2), elementwise::bit_shift)
        .with(&[attr("direction")])
        .from(11),
    any("Where", (3, 3), elementwise::where_).from(9),
    // Functions of one element.
    numbers("Abs", (1, 1), unary::abs),
    numbers("Neg", (1, 1), unary::neg),
    numbers("Sign", (1, 1), unary::sign).from(9),
    numbers("Relu", (1, 1), unary::relu),
    floats("Tanh", (1, 1), unary::tanh),
    floats("Sigmoid", (1, 1), unary::sigmoid),
    floats("Softplus", (1, 1), unary::softplus),
    floats("Softsign", (1, 1), unary::softsign),
    floats("Sqrt", (1, 1), unary::sqrt),
    floats("Exp", (1, 1), unary::exp),
    floats("Log", (1, 1), unary::log),
    floats("Reciprocal", (1, 1), unary::reciprocal),
    floats("Ceil", (1, 1), unary::ceil),
    floats("Floor", (1, 1), unary::floor),
    floats("Round", (1, 1), unary::round).from(11),
    floats("Sin", (1, 1), unary::sin),
    floats("Cos", (1, 1), unary::cos),
    floats("Tan", (1, 1), unary::tan),
    floats("Asin", (1, 1), unary::asin),
    floats("Acos", (1, 1), unary::acos),
    floats("Atan", (1, 1), unary::atan),
    floats("Sinh", (1, 1), unary::sinh).from(9),
    floats("Cosh", (1, 1), unary::cosh).from(9),
    floats("Asinh", (1, 1), unary::asinh).from(9),
    floats("Acosh", (1, 1), unary::acosh).from(9),
    floats("Atanh", (1, 1), unary::atanh).from(9),
    floats("Erf", (1, 1), unary::erf).from(9),
    floats("Mish", (1, 1), unary::mish).from(18),
    floats("HardSwish", (1, 1), unary::hard_swish).from(14),
    floats("LeakyRelu", (1, 1), unary::leaky_relu).with(ALPHA),
    floats("Elu", (1, 1), unary::elu).with(ALPHA),
    floats("Celu", (1, 1), unary::celu).with(ALPHA).from(12),
    floats("Selu", (1, 1), unary::selu).with(&[attr("alpha"), attr("gamma")]),
    floats("ThresholdedRelu", (1, 1), unary::thresholded_relu)
        .with(ALPHA)
        .from(10),
    floats("HardSigmoid", (1, 1), unary::hard_sigmoid).with(ALPHA_BETA),
    floats("Gelu", (1, 1), unary::gelu)
        .with(&[attr("approximate")])
        .from(20),
    floats("Swish", (1, 1), unary::swish).with(ALPHA).from(24),
    floats("Shrink", (1, 1), unary::shrink)
        .with(&[attr("lambd"), attr("bias")])
        .from(9),
    numbers("IsNaN", (1, 1), unary::is_nan).from(9),
    numbers("IsInf", (1, 1), unary::is_inf)
        .with(&[attr("detect_negative"), attr("detect_positive")])
        .from(10),
    any("Dropout", (1, 3), unary::dropout)
        .with(DROPOUT)
        .outputs(2),
    any("Cast", (1, 1), cast::cast).with(CAST),
    any("CastLike", (2, 2), cast::cast_like)
        .with(CAST_LIKE)
        .from(15),
    // Products.
    floats("MatMul", (2, 2), product::matmul),
    floats("Gemm", (2, 3), product::gemm).with(GEMM),
    floats("Einsum", (1, MANY), einsum::einsum)
        .with(&[attr("equation")])
        .from(12),
    // Convolution and pooling.
    floats("Conv", (2, 3), window::conv).with(CONV),
    floats("ConvTranspose", (2, 3), window::conv_transpose).with(CONV_TRANSPOSE),
    floats("MaxPool", (1, 1), window::max_pool)
        .with(MAX_POOL)
        .outputs(2),
    floats("AveragePool", (1, 1), window::average_pool).with(AVERAGE_POOL),
    floats("GlobalMaxPool", (1, 1), window::global_max_pool),
    floats("GlobalAveragePool", (1, 1), window::global_average_pool),
    // Normalisation.
    floats("Softmax", (1, 1), softmax::softmax).with(AXIS),
    floats("LogSoftmax", (1, 1), softmax::log_softmax).with(AXIS),
    floats("Hardmax", (1, 1), softmax::hardmax).with(AXIS),
    floats("BatchNormalization", (5, 5), normalise::batch)
        .with(BATCH)
        .outputs(5),
    floats("InstanceNormalization", (3, 3), normalise::instance).with(&[attr("epsilon")]),
    floats("GroupNormalization", (3, 3), normalise::group)
        .with(GROUP)
        .from(18),
    floats("LayerNormalization", (2, 3), normalise::layer)
        .with(LAYER)
        .outputs(3)
        .from(17),
    floats("RMSNormalization", (2, 2), normalise::rms)
        .with(LAYER)
        .from(23),
    floats("LpNormalization", (1, 1), normalise::lp).with(&[attr("axis"), attr("p")]),
    floats(
        "MeanVarianceNormalization",
        (1, 1),
        normalise::mean_variance,
    )
    .with(&[attr("axes")])
    .from(9),
    floats("LRN", (1, 1), normalise::local_response).with(&[
        attr("alpha"),
        attr("beta"),
        attr("bias"),
        attr("size"),
    ]),
    // Reductions.
    numbers("ReduceSum", (1, 2), reduce::sum).with(REDUCE_SUM),
    numbers("ReduceMean", (1, 2), reduce::mean).with(REDUCE),
    numbers("ReduceMax", (1, 2), reduce::max).with(REDUCE),
    numbers("ReduceMin", (1, 2), reduce::min).with(REDUCE),
    numbers("ReduceProd", (1, 2), reduce::product).with(REDUCE),
    numbers("ReduceL1", (1, 2), reduce::l1).with(REDUCE),
    numbers("ReduceL2", (1, 2), reduce::l2).with(REDUCE),
    numbers("ReduceLogSum", (1, 2), reduce::log_sum).with(REDUCE),
    numbers("ReduceLogSumExp", (1, 2), reduce::log_sum_exp).with(REDUCE),
    numbers("ReduceSumSquare", (1, 2), reduce::sum_square).with(REDUCE),
    any("ArgMax", (1, 1), reduce::arg_max).with(ARG),
    any("ArgMin", (1, 1), reduce::arg_min).with(ARG),
    numbers("CumSum", (2, 2), reduce::cum_sum)
        .with(&[attr("exclusive"), attr("reverse")])
        .from(11),
    any("TopK", (1, 2), reduce::top_k)
        .with(&[
            attr("axis"),
            until("k", 9),
            since("largest", 11),
            since("sorted", 11),
        ])
        .outputs(2),
    // Parts of tensors.
    any("Concat", (1, MANY), select::concat).with(AXIS),
    any("Slice", (1, 5), select::slice).with(SLICE),
    any("Split", (1, 2), select::split)
        .with(SPLIT)
        .outputs(MANY),
    any("Gather", (2, 2), select::gather).with(AXIS),
    any("GatherElements", (2, 2), select::gather_elements)
        .with(AXIS)
        .from(11),
    any("GatherND", (2, 2), select::gather_nd)
        .with(&[since("batch_dims", 12)])
        .from(11),
    any("Scatter", (3, 3), scatter::scatter_elements)
        .with(AXIS)
        .from(9)
        .to(10),
    any("ScatterElements", (3, 3), scatter::scatter_elements)
        .with(SCATTER)
        .from(11),
    any("ScatterND", (3, 3), scatter::scatter_nd)
        .with(&[since("reduction", 16)])
        .from(11),
    any("Compress", (2, 2), select::compress).with(AXIS).from(9),
    any("NonZero", (1, 1), select::non_zero).from(9),
    any("ReverseSequence", (2, 2), select::reverse_sequence)
        .with(&[attr("batch_axis"), attr("time_axis")])
        .from(10),
    any("Pad", (1, 4), pad::pad).with(&[attr("mode"), until("pads", 10), until("value", 10)]),
    floats("Resize", (1, 4), resize::resize)
        .with(RESIZE)
        .from(10),
    floats("Upsample", (1, 2), resize::resize)
        .with(&[attr("mode"), until("scales", 8)])
        .to(9),
    // Shapes and constants.
    any("Squeeze", (1, 2), shape::squeeze).with(AXES_UNTIL_12),
    any("Unsqueeze", (1, 2), shape::unsqueeze).with(AXES_UNTIL_12),
    any("Transpose", (1, 1), shape::transpose).with(&[attr("perm")]),
    any("Reshape", (2, 2), shape::reshape).with(&[since("allowzero", 14)]),
    any("Flatten", (1, 1), shape::flatten).with(AXIS),
    any("Expand", (2, 2), shape::expand).from(8),
    any("Tile", (2, 2), shape::tile),
    any("Shape", (1, 1), shape::shape).with(&[since("start", 15), since("end", 15)]),
    any("Size", (1, 1), shape::size),
    any("Identity", (1, 1), shape::identity),
    any("Constant", (0, 0), shape::constant).with(CONSTANT),
    any("ConstantOfShape", (1, 1), shape::constant_of_shape)
        .with(&[attr("value")])
        .from(9),
    numbers("Range", (3, 3), shape::range)
        .with(&[since("stash_type", 27)])
        .from(11),
    any("OneHot", (3, 3), shape::one_hot).with(AXIS).from(9),
    any("EyeLike", (1, 1), shape::eye_like)
        .with(&[attr("dtype"), attr("k")])
        .from(9),
    any("Trilu", (1, 2), shape::trilu)
        .with(&[attr("upper")])
        .from(14),
    any("DepthToSpace", (1, 1), shape::depth_to_space)
        .with(&[attr("blocksize"), since("mode", 11)]),
    any("SpaceToDepth", (1, 1), shape::space_to_depth)
        .with(&[attr("blocksize"), since("mode", 28)]),
    // Integers of 8 bits.
    any("QuantizeLinear", (2, 3), quantise::quantize)
        .with(QUANTIZE)
        .from(10),
    any("DequantizeLinear", (2, 3), quantise::dequantize)
        .with(DEQUANTIZE)
        .from(10),
    any("DynamicQuantizeLinear", (1, 1), quantise::dynamic)
        .outputs(3)
        .from(11),
    any("MatMulInteger", (2, 4), quantise::matmul_integer).from(10),
    any("ConvInteger", (2, 4), quantise::conv_integer)
        .with(CONV)
        .from(10),
    any("QLinearMatMul", (8, 8), quantise::qlinear_matmul).from(10),
    any("QLinearConv", (8, 9), quantise::qlinear_conv)
        .with(CONV)
        .from(10),
    any("DynamicQuantizeMatMul", (3, 5), quantise::dynamic_matmul).of(MICROSOFT),
    any(
        "MatMulIntegerToFloat",
        (4, 7),
        quantise::matmul_integer_to_float,
    )
    .of(MICROSOFT),
    any(
        "DynamicQuantizeLSTM",
        (12, 12),
        recurrent::dynamic_quantize_lstm,
    )
    .with(LSTM)
    .outputs(3)
    .of(MICROSOFT),
    // Sound.
    floats("DFT", (1, 3), signal::dft)
        .with(&[until("axis", 19), attr("inverse"), attr("onesided")])
        .from(17),
    floats("STFT", (2, 4), signal::stft)
        .with(&[attr("onesided")])
        .from(17),
    any("HannWindow", (1, 1), signal::hann)
        .with(PERIODIC)
        .from(17),
    any("HammingWindow", (1, 1), signal::hamming)
        .with(PERIODIC)
        .from(17),
    any("BlackmanWindow", (1, 1), signal::blackman)
        .with(PERIODIC)
        .from(17),
];
