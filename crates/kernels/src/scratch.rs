//! Buffers that a kernel writes before it reads them.

use crate::error::{KernelError, room};
use std::mem::MaybeUninit;

/// An array of sizes `dims`, to be written before it is read.
///
/// # Errors
/// [`KernelError::TooLarge`] where it does not fit into memory.
pub(crate) fn unwritten(
    op: &'static str,
    what: &'static str,
    dims: &[usize],
) -> Result<Vec<MaybeUninit<f32>>, KernelError> {
    let mut values: Vec<MaybeUninit<f32>> = room(op, what, dims)?;
    // SAFETY: `room` has reserved the product of `dims`, and a `MaybeUninit` needs no value.
    unsafe { values.set_len(dims.iter().product()) }
    Ok(values)
}

/// An array of sizes `dims`, all zero.
///
/// # Errors
/// [`KernelError::TooLarge`] where it does not fit into memory.
pub(crate) fn zeros<F: Clone + Default>(
    op: &'static str,
    what: &'static str,
    dims: &[usize],
) -> Result<Vec<F>, KernelError> {
    let mut values = room(op, what, dims)?;
    values.resize(dims.iter().product(), F::default());
    Ok(values)
}

/// The floats in their room.
///
/// # Safety
/// Every element has been written.
pub(crate) unsafe fn written(values: Vec<MaybeUninit<f32>>) -> Vec<f32> {
    let mut values = std::mem::ManuallyDrop::new(values);
    // SAFETY: the same allocation with the same length, of elements that the caller has written.
    unsafe { Vec::from_raw_parts(values.as_mut_ptr().cast(), values.len(), values.capacity()) }
}

/// A line of the cache.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([MaybeUninit<f32>; 16]);

/// Floats from the start of a line on, with any allocator: vectors among them cross no line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Vec<Line>);

impl Lines {
    /// Room for `n` floats, to be written before they are read.
    pub fn unwritten(n: usize) -> Self {
        let mut lines = Self::default();
        lines.grow(n);
        lines
    }

    /// `n` zeros.
    pub fn zeros(n: usize) -> Self {
        Self(vec![Line([MaybeUninit::new(0.0); 16]); n.div_ceil(16)])
    }

    /// Makes room for `n` floats; what was there may be lost.
    pub fn grow(&mut self, n: usize) {
        let lines = n.div_ceil(16);
        if lines > self.0.len() {
            *self = Self(Vec::with_capacity(lines));
            // SAFETY: the capacity is there, and what may be uninitialised needs no value.
            unsafe { self.0.set_len(lines) }
        }
    }

    pub fn as_ptr(&self) -> *const f32 {
        self.0.as_ptr().cast()
    }

    pub fn as_mut_ptr(&mut self) -> *mut f32 {
        self.0.as_mut_ptr().cast()
    }

    pub fn bytes(&self) -> usize {
        size_of::<Line>() * self.0.len()
    }
}
