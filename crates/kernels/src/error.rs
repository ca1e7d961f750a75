//! Errors of a call, and the one way to check a size.

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
    /// An array of more elements than memory holds.
    #[error(
        "{op}: {what} of {dims:?} elements does not fit into memory; make the batch or the layer smaller"
    )]
    TooLarge {
        /// The operation.
        op: &'static str,
        /// The argument or result.
        what: &'static str,
        /// Its sizes.
        dims: Vec<usize>,
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
    /// Training with a precision that has no gradients.
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
        /// The kind of index.
        what: &'static str,
        /// Where it stands.
        position: usize,
        /// The index.
        got: usize,
        /// Size of the table.
        bound: usize,
    },
    /// A number that is infinite or NaN where it may not be.
    #[error("{op}: {what} at position {position} is infinite or NaN; give a finite number")]
    NotFinite {
        /// The operation.
        op: &'static str,
        /// The kind of number.
        what: &'static str,
        /// Where it stands.
        position: usize,
    },
    /// An instruction set that is unknown, or that this machine lacks.
    #[error("REFRAIN_SIMD is {name:?}; on this machine it is one of {available:?}")]
    Level {
        /// The name given.
        name: String,
        /// Names of the levels that run here, slowest first.
        available: Vec<&'static str>,
    },
    /// An argument that this cell, or any, cannot have.
    #[error("{op}: {what}: {problem}")]
    Option {
        /// The operation.
        op: &'static str,
        /// The setting.
        what: &'static str,
        /// The problem, and a way out of it.
        problem: &'static str,
    },
}

/// Elements of an array of sizes `dims`, or [`KernelError::TooLarge`].
///
/// The product of all sizes is at most `isize::MAX / 4`, zeros counted as ones: no product of some of them wraps, and
/// every offset in bytes of an array of `f32` fits an `isize`.
pub(crate) fn size(
    op: &'static str,
    what: &'static str,
    dims: &[usize],
) -> Result<usize, KernelError> {
    const MOST: usize = isize::MAX as usize / size_of::<f32>();
    dims.iter()
        .try_fold(1usize, |n, &dim| n.checked_mul(dim.max(1)))
        .filter(|&most| most <= MOST)
        .map(|_| dims.iter().product())
        .ok_or_else(|| KernelError::TooLarge {
            op,
            what,
            dims: dims.to_vec(),
        })
}

/// Checks that a slice of `got` elements has the sizes `dims`.
pub(crate) fn expect(
    op: &'static str,
    what: &'static str,
    dims: &[usize],
    got: usize,
) -> Result<(), KernelError> {
    if size(op, what, dims)? == got {
        return Ok(());
    }
    Err(KernelError::Shape {
        op,
        what,
        expected: dims.to_vec(),
        got: vec![got],
    })
}

/// As [`expect`], where `slice` is given.
pub(crate) fn expect_some<F>(
    op: &'static str,
    what: &'static str,
    dims: &[usize],
    slice: Option<&[F]>,
) -> Result<(), KernelError> {
    match slice {
        Some(slice) => expect(op, what, dims, slice.len()),
        None => size(op, what, dims).map(|_| ()),
    }
}

/// Checks that lengths, if given, are one for each sequence and at most `time`.
pub(crate) fn check_lengths(
    op: &'static str,
    what: &'static str,
    lengths: Option<&[usize]>,
    [batch, time]: [usize; 2],
) -> Result<(), KernelError> {
    let Some(lengths) = lengths else {
        return Ok(());
    };
    expect(op, what, &[batch], lengths.len())?;
    match lengths.iter().position(|&length| length > time) {
        Some(index) => Err(KernelError::Length {
            op,
            index,
            length: lengths[index],
            time,
        }),
        None => Ok(()),
    }
}

/// An empty vector with room for an array of sizes `dims`.
///
/// # Errors
/// [`KernelError::TooLarge`] where the sizes overflow or the allocator has no such block.
pub(crate) fn room<F>(
    op: &'static str,
    what: &'static str,
    dims: &[usize],
) -> Result<Vec<F>, KernelError> {
    let mut values = Vec::new();
    let elements = size(op, what, dims)?;
    match values.try_reserve_exact(elements) {
        Ok(()) => Ok(values),
        Err(_) => Err(KernelError::TooLarge {
            op,
            what,
            dims: dims.to_vec(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "Miri ends where the system refuses memory")]
    fn sizes_whose_product_or_bytes_overflow_are_refused() {
        let ok = |dims: &[usize]| size("op", "x", dims).ok();
        assert_eq!(ok(&[]), Some(1));
        assert_eq!(ok(&[2, 3, 4]), Some(24));
        assert_eq!(ok(&[5, 0]), Some(0));
        assert_eq!(
            ok(&[isize::MAX as usize / 4]),
            Some(isize::MAX as usize / 4)
        );
        for dims in [
            &[usize::MAX][..],
            &[isize::MAX as usize / 4 + 1],
            &[2, 1 << 63],
            &[1 << 32, 1 << 32],
            &[8, 1 << 61, 1],
            &[0, 1 << 63],
            &[1 << 63, 1 << 63, 0],
        ] {
            assert_eq!(ok(dims), None, "{dims:?}");
        }
        let error = room::<f32>("op", "x", &[1 << 50]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("op: x of [1125899906842624] elements")
        );
    }
}
