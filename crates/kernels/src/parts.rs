//! Memory that several threads write at the same time, each its own part.
//!
//! With debug assertions, every claim of a part is recorded and two threads that claim the same one end the call with a
//! panic. Without them the records are empty types.

#[cfg(debug_assertions)]
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::Range;
#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicUsize, Ordering};
#[cfg(debug_assertions)]
use std::sync::{Mutex, PoisonError};

/// A slice whose disjoint parts are lent to several threads.
pub(crate) struct Parts<'a, T> {
    start: *mut T,
    len: usize,
    /// Ends of the ranges taken, by start.
    #[cfg(debug_assertions)]
    taken: Mutex<BTreeMap<usize, usize>>,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: threads get disjoint parts of the slice, as the contract of `take` says; that hands elements from the thread
// that borrowed the slice to others, for which `T: Send` is enough.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    pub fn new(slice: &'a mut [T]) -> Self {
        Self {
            start: slice.as_mut_ptr(),
            len: slice.len(),
            #[cfg(debug_assertions)]
            taken: Mutex::default(),
            slice: PhantomData,
        }
    }

    /// The elements of `range`.
    ///
    /// # Safety
    /// Ranges that are taken from one slice do not overlap.
    #[inline]
    pub unsafe fn take(&self, range: Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "inside");
        #[cfg(debug_assertions)]
        self.record(&range);
        // SAFETY: the range lies inside the slice, which is borrowed mutably for 'a; no other reference to the same
        // elements exists, as ranges do not overlap.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }

    #[cfg(debug_assertions)]
    fn record(&self, range: &Range<usize>) {
        if range.is_empty() {
            return;
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let before = taken.range(..range.end).next_back();
        let free = before.is_none_or(|(_, &end)| end <= range.start);
        assert!(free, "{range:?} was taken before");
        taken.insert(range.start, range.end);
    }
}

/// Which thread writes which block of a result, from the first claim to the end of a call.
pub(crate) struct Owners {
    #[cfg(debug_assertions)]
    columns: usize,
    /// Number of the thread plus one; 0 for none.
    #[cfg(debug_assertions)]
    owners: Vec<AtomicUsize>,
}

impl Owners {
    /// For `rows` times `columns` blocks.
    #[inline(always)]
    pub fn new(rows: usize, columns: usize) -> Self {
        #[cfg(not(debug_assertions))]
        let _ = (rows, columns);
        Self {
            #[cfg(debug_assertions)]
            columns,
            #[cfg(debug_assertions)]
            owners: (0..rows * columns).map(|_| AtomicUsize::new(0)).collect(),
        }
    }

    /// Called by a thread before it writes some blocks: with debug assertions, panics where they are not its own.
    #[inline(always)]
    pub fn claim(&self, thread: usize, rows: Range<usize>, columns: Range<usize>) {
        #[cfg(debug_assertions)]
        for row in rows {
            for column in columns.clone() {
                let owner = &self.owners[row * self.columns + column];
                let claim =
                    owner.compare_exchange(0, thread + 1, Ordering::Relaxed, Ordering::Relaxed);
                let own = claim.is_ok() || claim == Err(thread + 1);
                assert!(
                    own,
                    "thread {thread} writes row {row}, block {column} of {claim:?}"
                );
            }
        }
        #[cfg(not(debug_assertions))]
        let _ = (thread, rows, columns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disjoint_parts_are_lent() {
        let mut values = [0; 10];
        let parts = Parts::new(&mut values);
        // SAFETY: the ranges do not overlap.
        let [a, b, none] = unsafe { [parts.take(6..10), parts.take(0..6), parts.take(6..6)] };
        a.fill(1);
        b.fill(2);
        assert!(none.is_empty());
        assert_eq!(values, [2, 2, 2, 2, 2, 2, 1, 1, 1, 1]);
    }

    #[test]
    #[should_panic(expected = "inside")]
    fn a_part_past_the_end_is_refused() {
        let mut values = [0; 10];
        // SAFETY: there is no other range.
        let _ = unsafe { Parts::new(&mut values).take(5..11) };
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "taken before")]
    fn overlapping_parts_are_found() {
        let mut values = [0; 10];
        let parts = Parts::new(&mut values);
        // SAFETY: `take` panics before it makes the second slice.
        let _ = unsafe { (parts.take(0..6), parts.take(5..7)) };
    }

    #[test]
    #[cfg(debug_assertions)]
    fn blocks_have_one_owner() {
        let owners = Owners::new(3, 4);
        owners.claim(0, 0..3, 0..2);
        owners.claim(1, 0..3, 2..4);
        owners.claim(0, 1..2, 1..2);
        let stolen = std::panic::catch_unwind(|| owners.claim(1, 2..3, 1..3));
        assert!(stolen.is_err());
    }
}
