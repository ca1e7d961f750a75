//! What can be wrong with a call.

/// A call that the kernels refuse, with the operation and the sizes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// A slice or tensor of the wrong size.
    #[error("{op}: {what} has {got:?} where {expected:?} is needed")]
    Shape {
        /// The operation.
        op: &'static str,
        /// The argument.
        what: &'static str,
        /// Sizes that fit the other arguments.
        expected: Vec<usize>,
        /// Sizes given.
        got: Vec<usize>,
    },
    /// A sequence longer than the array that holds it.
    #[error("{op}: sequence {index} has length {length}, over the {time} steps that there are")]
    Length {
        /// The operation.
        op: &'static str,
        /// Which sequence.
        index: usize,
        /// Its length.
        length: usize,
        /// `T`
        time: usize,
    },
    /// Training with numbers that have no gradients.
    #[error("{op}: int8 is for inference; train in f32 or bf16")]
    InferenceOnly {
        /// The operation.
        op: &'static str,
    },
    /// An index outside a table.
    #[error("{op}: {what} {got} at position {position} is not below {bound}")]
    Index {
        /// The operation.
        op: &'static str,
        /// What is counted.
        what: &'static str,
        /// Where it stands.
        position: usize,
        /// The index.
        got: usize,
        /// Size of the table.
        bound: usize,
    },
    /// A setting that this cell, or any, cannot have.
    #[error("{op}: {what}: {problem}")]
    Option {
        /// The operation.
        op: &'static str,
        /// The setting.
        what: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Checks one size.
pub(crate) fn expect(
    op: &'static str,
    what: &'static str,
    expected: usize,
    got: usize,
) -> Result<(), KernelError> {
    if expected == got {
        return Ok(());
    }
    Err(KernelError::Shape {
        op,
        what,
        expected: vec![expected],
        got: vec![got],
    })
}
