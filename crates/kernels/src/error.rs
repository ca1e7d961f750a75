//! What can be wrong with a call.

use thiserror::Error;

/// Why a kernel refused its arguments. Nothing has been computed when one is returned.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KernelError {
    /// A slice has the wrong number of elements.
    #[error(
        "{op}: {what} has {got} elements, the shapes ask for {expected}; hint: check B, T, C, H and D of the plan"
    )]
    Shape {
        /// The operation.
        op: &'static str,
        /// The argument.
        what: &'static str,
        /// Elements that the plan asks for.
        expected: usize,
        /// Elements that were given.
        got: usize,
    },
    /// A sequence is longer than the batch.
    #[error(
        "{op}: sequence {index} has length {length}, but T is {time}; hint: a length may be at most T"
    )]
    Length {
        /// The operation.
        op: &'static str,
        /// Which sequence of the batch.
        index: usize,
        /// Its length.
        length: usize,
        /// T.
        time: usize,
    },
    /// A number that must lie below a bound does not (a class, a token, a count of directions).
    #[error("{op}: {what} is {got}, it must be below {bound}; hint: check the vocabulary size")]
    Range {
        /// The operation.
        op: &'static str,
        /// The argument.
        what: &'static str,
        /// First value that is too large.
        bound: usize,
        /// The value given.
        got: usize,
    },
    /// The reserve belongs to another plan.
    #[error(
        "{op}: the reserve was made by a forward pass of another plan; hint: keep plan, inputs and reserve together"
    )]
    Reserve {
        /// The operation.
        op: &'static str,
    },
}

/// `Ok` if `got == expected`.
pub(crate) fn expect(
    op: &'static str,
    what: &'static str,
    expected: usize,
    got: usize,
) -> Result<(), KernelError> {
    if expected == got {
        Ok(())
    } else {
        Err(KernelError::Shape {
            op,
            what,
            expected,
            got,
        })
    }
}
