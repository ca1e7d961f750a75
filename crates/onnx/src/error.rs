//! Errors of models and nodes; each message is one sentence.

use refrain_data::array::{ArrayError, Dtype};
use refrain_kernels::KernelError;

/// A model that cannot be read or run.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// The bytes are no ONNX file.
    #[error("the file is no ONNX model, or it is damaged ({0}); export it again")]
    Decode(#[from] prost::DecodeError),
    /// A file that cannot be read.
    #[error("cannot read {}: {error}", .path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// A file that contradicts itself.
    #[error("the model is not well-formed: {0}; onnx.checker of the onnx package says more")]
    Malformed(String),
    /// A part of ONNX that Refrain does not support.
    #[error(
        "{0} is not supported; Refrain runs recurrent operators and the usual ones around them"
    )]
    Unsupported(String),
    /// Operators that Refrain does not have, all of them.
    #[error(
        "{} not supported at opset {opset}; Refrain runs recurrent operators and the usual ones around them",
        list_of("operator", .missing)
    )]
    Operators {
        /// Their names, each with its first node, and with the domain before a foreign one.
        missing: Vec<String>,
        /// The model's opset.
        opset: i64,
    },
    /// Nodes in an order in which they cannot run.
    #[error(
        "the model is not sorted: node \"{node}\" uses \"{value}\", which node \"{maker}\" makes only later; \
         ONNX wants every node behind the ones whose results it uses: export the model again, or sort it \
         (onnxruntime writes a sorted copy to SessionOptions.optimized_model_filepath)"
    )]
    Unsorted {
        /// The node that comes too early.
        node: String,
        /// The value that it uses.
        value: String,
        /// The node that makes the value.
        maker: String,
    },
    /// A name that the model does not have.
    #[error("the model has no {kind} \"{name}\"")]
    UnknownPort {
        /// "input" or "output".
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// An output that cannot be carried to an input.
    #[error("output \"{output}\" cannot be carried to input \"{input}\": {problem}")]
    Carry {
        /// The output.
        output: String,
        /// The input.
        input: String,
        /// The reason.
        problem: String,
    },
    /// An invalid constant.
    #[error("tensor \"{name}\": {problem}")]
    Tensor {
        /// The initializer, or the attribute that holds it.
        name: String,
        /// The problem.
        problem: Box<OpError>,
    },
    /// A node that cannot run.
    #[error("{op} \"{node}\": {problem}{}", of_inputs(.inputs))]
    Node {
        /// The operator.
        op: String,
        /// The node's name, or that of its first output where it has none.
        node: String,
        /// The problem.
        problem: Box<OpError>,
        /// Types and shapes of its inputs, where the error is one of a run.
        inputs: Vec<String>,
    },
    /// Inputs that were not given.
    #[error("the model needs {}; the archive has {}", list("input", .missing), list("array", .given))]
    MissingInput {
        /// Names with types and shapes.
        missing: Vec<String>,
        /// Names that were given.
        given: Vec<String>,
    },
    /// Inputs that the model does not have.
    #[error("the model has no {}; it takes {}", list("input", .extra), list("input", .known))]
    ExtraInput {
        /// Names that were given.
        extra: Vec<String>,
        /// The model's names with types and shapes.
        known: Vec<String>,
    },
    /// An input of another type.
    #[error(
        "input \"{name}\" holds {got} where the model takes {expected}; convert it with .astype(numpy.{})",
        .expected.numpy()
    )]
    InputType {
        /// The input.
        name: String,
        /// The model's type.
        expected: Dtype,
        /// The type given.
        got: Dtype,
    },
    /// An input of another shape.
    #[error("input \"{name}\" has shape {got:?} where the model takes {expected}")]
    InputShape {
        /// The input.
        name: String,
        /// The model's shape.
        expected: String,
        /// The shape given.
        got: Vec<usize>,
    },
}

/// An error about one node or tensor.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OpError {
    /// An attribute that the operator does not have at the model's opset.
    #[error("attribute \"{name}\" is not supported at opset {opset}")]
    UnknownAttribute {
        /// The attribute.
        name: String,
        /// The model's opset.
        opset: i64,
    },
    /// An attribute of another type, or with an invalid value.
    #[error("attribute \"{name}\" {problem}")]
    Attribute {
        /// The attribute.
        name: String,
        /// The problem, as the rest of a sentence that begins with the name.
        problem: String,
    },
    /// Too few or too many inputs or outputs.
    #[error("it has {got} {what}s where {least} to {most} are possible")]
    Count {
        /// "input" or "output".
        what: &'static str,
        /// Fewest.
        least: usize,
        /// Most.
        most: usize,
        /// The node's.
        got: usize,
    },
    /// A required input that was left out.
    #[error("input {0} is missing")]
    Missing(&'static str),
    /// A type that the operator does not take here.
    #[error("{what} holds {got} where {expected} is needed")]
    Dtype {
        /// The input.
        what: &'static str,
        /// Types that would do.
        expected: &'static str,
        /// Its type.
        got: String,
    },
    /// Two shapes that do not fit each other.
    #[error("{what} has shape {got:?} where {expected:?} is needed")]
    Shape {
        /// The input.
        what: &'static str,
        /// The shape that the rest of the node needs.
        expected: Vec<usize>,
        /// Its shape.
        got: Vec<usize>,
    },
    /// Two shapes that an operation cannot combine.
    #[error("shapes {left:?} and {right:?} do not fit together{why}")]
    Shapes {
        /// Of the first input.
        left: Vec<usize>,
        /// Of the second input.
        right: Vec<usize>,
        /// A reason, with its comma; may be empty.
        why: &'static str,
    },
    /// An invalid tensor, or one over the limit.
    #[error(transparent)]
    Array(#[from] ArrayError),
    /// Numbers of a constant in a file beside the model.
    #[error("its data in file \"{location}\" cannot be had: {problem}")]
    External {
        /// The file, as the model names it.
        location: String,
        /// The problem.
        problem: String,
    },
    /// The loops of a run have too many iterations.
    #[error("the loops of the run take over {limit} iterations")]
    TooManyIterations {
        /// The limit.
        limit: u64,
    },
    /// An operator or option that is not supported for these inputs.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// The tensors of a run are over the limit.
    #[error("the run holds over {limit} bytes with its result")]
    RunTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// An index or axis outside its range.
    #[error("{what} is {got}{}", range(*.low, *.high))]
    Index {
        /// The kind of index.
        what: &'static str,
        /// The number.
        got: i64,
        /// Smallest that is possible.
        low: i64,
        /// One above the largest.
        high: i64,
    },
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
    /// The kernels refuse.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

/// An error about an attribute.
pub(crate) fn problem(name: &str, problem: &str) -> OpError {
    OpError::Attribute {
        name: name.into(),
        problem: problem.into(),
    }
}

/// ` (inputs float32 [2,3], int64 [4])`
fn of_inputs(inputs: &[String]) -> String {
    match inputs {
        [] => String::new(),
        inputs => format!(" ({})", list("input", inputs)),
    }
}

/// `, outside 0 to 5`
fn range(low: i64, high: i64) -> String {
    match low < high {
        true => format!(", outside {low} to {}", high - 1),
        false => ", and none is possible".into(),
    }
}

impl OnnxError {
    pub(crate) fn nothing_makes(output: &str) -> Self {
        Self::Malformed(format!("nothing makes output \"{output}\""))
    }
}

/// `operator A is`, `operators A and B are`
fn list_of(thing: &str, names: &[String]) -> String {
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", list(thing, names))
}

/// `input a`, `inputs a, b and c`, `no inputs`
fn list(thing: &str, names: &[String]) -> String {
    match names {
        [] => format!("no {thing}s"),
        [name] => format!("{thing} {name}"),
        [most @ .., last] => format!("{thing}s {} and {last}", most.join(", ")),
    }
}
