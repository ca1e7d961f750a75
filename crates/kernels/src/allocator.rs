//! Large blocks of memory, kept for the next request of their size.
//!
//! A training step allocates the same large buffers as the step before. A system allocator returns such blocks and
//! fetches fresh pages for each, with a page fault and a clearing: up to a fifth of a step. [`Recycler`] keeps the
//! blocks instead, and asks for huge pages where the system gives them on request. A program opts in with
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: refrain_kernels::allocator::Recycler = refrain_kernels::allocator::Recycler;
//! # fn main() {}
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Smaller blocks are left to the system's allocator.
const LARGE: usize = 32 << 10;
/// Blocks from this size on start at a cache line: a vector that crosses two of them loads at half the speed.
const ALIGNED: usize = 1 << 10;
/// Bytes of a cache line.
const LINE: usize = 64;
/// Alignment of large blocks below [`HUGE`].
const PAGE: usize = 4 << 10;
/// Size and alignment of a huge page.
const HUGE: usize = 2 << 20;
/// Bytes kept beside those in use.
const MOST_KEPT: usize = 1 << 30;
/// Blocks kept.
const SLOTS: usize = 256;

/// A global allocator on top of the system's.
///
/// It keeps blocks of 32 KiB and more for reuse, 1 GiB of them at most, and aligns blocks of 1 KiB and more to cache
/// lines. Every block has at least the alignment of its layout.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recycler;

static HEAP: Heap<System> = Heap::new(System);

/// Restarts the count of [`most_in_use`].
pub fn restart_count() {
    let in_use = HEAP.in_use.load(Ordering::Relaxed);
    HEAP.most_in_use.store(in_use, Ordering::Relaxed);
}

/// The most bytes in use at once since [`restart_count`], in blocks of 32 KiB and more; 0 in a program without
/// [`Recycler`].
pub fn most_in_use() -> usize {
    HEAP.most_in_use.load(Ordering::Relaxed)
}

// SAFETY: `Heap` has the same contracts.
unsafe impl GlobalAlloc for Recycler {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those of `GlobalAlloc`.
        unsafe { HEAP.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those of `GlobalAlloc`.
        unsafe { HEAP.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are those of `GlobalAlloc`.
        unsafe { HEAP.dealloc(start, layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promises are those of `GlobalAlloc`.
        unsafe { HEAP.realloc(start, layout, size) }
    }
}

/// The block that serves `layout`, or `None` for one that is left to the system.
///
/// Its size is rounded up by an eighth at most, so that blocks of nearly the same size serve each other.
fn block_layout(layout: Layout) -> Option<Layout> {
    if layout.size() < LARGE || layout.align() > HUGE {
        return None;
    }
    let multiple = (layout.size().next_power_of_two() / 16).max(PAGE);
    let size = layout.size().checked_next_multiple_of(multiple)?;
    let align = if size >= HUGE { HUGE } else { PAGE };
    Layout::from_size_align(size, align.max(layout.align())).ok()
}

/// The system's layout for a block that it serves itself.
fn small_layout(layout: Layout) -> Layout {
    match layout.size() >= ALIGNED {
        true => layout.align_to(LINE).unwrap_or(layout),
        false => layout,
    }
}

/// A block that nobody uses.
#[derive(Clone, Copy)]
struct Block {
    /// Address; 0 in an empty slot.
    start: usize,
    layout: Layout,
    /// When it came back.
    stamp: u64,
}

/// Blocks that nobody uses.
struct Shelf {
    blocks: [Block; SLOTS],
    bytes: usize,
    stamp: u64,
}

impl Shelf {
    const EMPTY: Self = Self {
        blocks: [Block {
            start: 0,
            layout: Layout::new::<u8>(),
            stamp: 0,
        }; SLOTS],
        bytes: 0,
        stamp: 0,
    };

    /// The block of this layout that came back last.
    fn take(&mut self, layout: Layout) -> Option<*mut u8> {
        let block = self
            .blocks
            .iter_mut()
            .filter(|block| block.start != 0 && block.layout == layout)
            .max_by_key(|block| block.stamp)?;
        let start = std::mem::take(&mut block.start);
        self.bytes -= layout.size();
        Some(std::ptr::with_exposed_provenance_mut(start))
    }

    /// Removes the block that has been here longest.
    fn evict(&mut self) -> Option<Block> {
        let block = self
            .blocks
            .iter_mut()
            .filter(|block| block.start != 0)
            .min_by_key(|block| block.stamp)?;
        let out = *block;
        block.start = 0;
        self.bytes -= out.layout.size();
        Some(out)
    }

    /// Whether the block was kept.
    fn give(&mut self, start: *mut u8, layout: Layout) -> bool {
        let Some(slot) = self.blocks.iter_mut().find(|block| block.start == 0) else {
            return false;
        };
        self.stamp += 1;
        *slot = Block {
            start: start.expose_provenance(),
            layout,
            stamp: self.stamp,
        };
        self.bytes += layout.size();
        true
    }
}

/// The blocks of a [`Recycler`] on top of another allocator, which is never called while the shelf is locked.
struct Heap<A> {
    system: A,
    shelf: Mutex<Shelf>,
    /// Bytes of large blocks in use, and the most since the last restart.
    in_use: AtomicUsize,
    most_in_use: AtomicUsize,
}

impl<A> Heap<A> {
    const fn new(system: A) -> Self {
        Self {
            system,
            shelf: Mutex::new(Shelf::EMPTY),
            in_use: AtomicUsize::new(0),
            most_in_use: AtomicUsize::new(0),
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: GlobalAlloc> Heap<A> {
    /// A fresh block; where the system has none, everything on the shelf goes back to it first. Null if that does not
    /// help.
    fn fresh(&self, block: Layout) -> *mut u8 {
        // SAFETY: a block's size is not zero.
        let mut start = unsafe { self.system.alloc(block) };
        if start.is_null() && self.clear() {
            // SAFETY: as above.
            start = unsafe { self.system.alloc(block) };
        }
        if !start.is_null() {
            prefer_huge_pages(start, block);
        }
        start
    }

    /// Returns all kept blocks to the system; gives whether there was one.
    fn clear(&self) -> bool {
        let mut any = false;
        loop {
            let old = self.shelf().evict();
            let Some(old) = old else { return any };
            self.release(old);
            any = true;
        }
    }

    /// Returns a block to the system that was on the shelf.
    fn release(&self, old: Block) {
        let start = std::ptr::with_exposed_provenance_mut(old.start);
        // SAFETY: `fresh` has allocated it with this layout, and it has left the shelf, so nobody else knows it.
        unsafe { self.system.dealloc(start, old.layout) }
    }
}

/// Asks for huge pages; without them the block works as well, only slower.
fn prefer_huge_pages(start: *mut u8, block: Layout) {
    #[cfg(all(target_os = "linux", not(miri)))]
    if block.size() >= HUGE {
        // SAFETY: the range was just allocated; the advice changes nothing that a program can see.
        unsafe {
            libc::madvise(start.cast(), block.size(), libc::MADV_HUGEPAGE);
        }
    }
    let _ = (start, block);
}

// SAFETY: a block is either in use or on the shelf, so no two users share one. The same layout always maps to the same
// block layout, whose size and alignment are at least its own, so `dealloc` returns each block with the layout it came
// with.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Heap<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(block) = block_layout(layout) else {
            // SAFETY: the size is not zero, as the caller promises.
            return unsafe { self.system.alloc(small_layout(layout)) };
        };
        // The lock is free again at the end of this statement.
        let kept = self.shelf().take(block);
        let start = kept.unwrap_or_else(|| self.fresh(block));
        if !start.is_null() {
            let in_use = self.in_use.fetch_add(block.size(), Ordering::Relaxed) + block.size();
            self.most_in_use.fetch_max(in_use, Ordering::Relaxed);
        }
        start
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if block_layout(layout).is_none() {
            // SAFETY: the size is not zero, as the caller promises.
            return unsafe { self.system.alloc_zeroed(small_layout(layout)) };
        }
        // SAFETY: the size is not zero, as the caller promises; a block that is not null has at least the layout's
        // size.
        unsafe {
            let start = self.alloc(layout);
            if !start.is_null() {
                start.write_bytes(0, layout.size());
            }
            start
        }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        let Some(block) = block_layout(layout) else {
            // SAFETY: `alloc` has asked for it with the same small layout.
            return unsafe { self.system.dealloc(start, small_layout(layout)) };
        };
        self.in_use.fetch_sub(block.size(), Ordering::Relaxed);
        while block.size() <= MOST_KEPT {
            let mut shelf = self.shelf();
            let fits = shelf.bytes + block.size() <= MOST_KEPT;
            if fits && shelf.give(start, block) {
                return;
            }
            let old = shelf.evict();
            drop(shelf);
            let Some(old) = old else { break };
            self.release(old);
        }
        // SAFETY: `fresh` has allocated it with this layout.
        unsafe { self.system.dealloc(start, block) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the new size, rounded up to the alignment, does not exceed `isize::MAX`, as the caller promises.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (block_layout(layout), block_layout(new)) {
            // SAFETY: `alloc` has asked for it with this small layout, and the new one has the same alignment.
            (None, None) if small_layout(layout).align() == small_layout(new).align() => unsafe {
                self.system.realloc(start, small_layout(layout), size)
            },
            (Some(old), Some(wanted)) if old == wanted => start,
            // SAFETY: the new block is another one than the old one, and both are valid for the smaller of the two
            // sizes.
            _ => unsafe {
                let moved = self.alloc(new);
                if !moved.is_null() {
                    moved.copy_from_nonoverlapping(start, layout.size().min(size));
                    self.dealloc(start, layout);
                }
                moved
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::unless_miri;
    use std::sync::atomic::AtomicBool;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    fn fill(start: *mut u8, size: usize, value: u8) {
        // SAFETY: the test allocated it.
        unsafe { start.write_bytes(value, size) }
    }

    #[test]
    fn a_block_comes_back_and_zeroed_ones_are_zero() {
        let heap = Heap::new(System);
        let layout = layout(unless_miri(3_000_000, LARGE), 4);
        // SAFETY: every block is given back with its layout.
        unsafe {
            let first = heap.alloc(layout);
            fill(first, layout.size(), 7);
            heap.dealloc(first, layout);
            let again = heap.alloc_zeroed(layout);
            assert_eq!(first, again, "the block is used again");
            let bytes = std::slice::from_raw_parts(again, layout.size());
            assert!(bytes.iter().all(|b| *b == 0));
            heap.dealloc(again, layout);
        }
        heap.clear();
    }

    #[test]
    fn growing_keeps_what_is_there() {
        let heap = Heap::new(System);
        // From the system's blocks to large ones, within a block, and back.
        let mut now = layout(1000, 8);
        // SAFETY: every block is given back with its layout.
        unsafe {
            let mut start = heap.alloc(now);
            fill(start, 1000, 9);
            for size in [LARGE, LARGE + 10, 5 << 20, LARGE - 1, 1000] {
                start = heap.realloc(start, now, size);
                now = layout(size, 8);
                let bytes = std::slice::from_raw_parts(start, 1000);
                assert!(bytes.iter().all(|b| *b == 9), "after growing to {size}");
            }
            heap.dealloc(start, now);
        }
        heap.clear();
    }

    /// Sizes on both sides of every limit.
    fn sizes() -> impl Iterator<Item = usize> {
        let near = [ALIGNED, LARGE, 64 << 10, 1 << 20, HUGE];
        let near = near.into_iter().take(unless_miri(5, 2));
        near.flat_map(|size| [size - 1, size, size + 1])
    }

    #[test]
    fn every_block_has_the_alignment_of_its_layout() {
        let heap = Heap::new(System);
        // Beyond a huge page as well, where the system serves the request.
        for shift in (3..=22).step_by(unless_miri(1, 19)) {
            let align = 1 << shift;
            for size in sizes() {
                let asked = layout(size, align);
                let aligned = |start: *mut u8| {
                    assert!(!start.is_null());
                    assert_eq!(start.addr() % align, 0, "{size} bytes at {align}");
                    start
                };
                // Fresh blocks, and as many from the shelf; several at once, as one may be aligned by chance.
                for _ in 0..2 {
                    // SAFETY: the size is not zero, and every block is given back with its layout.
                    unsafe {
                        let blocks: Vec<_> = (0..8).map(|_| aligned(heap.alloc(asked))).collect();
                        blocks.iter().for_each(|&start| heap.dealloc(start, asked));
                        heap.dealloc(aligned(heap.alloc_zeroed(asked)), asked);
                    }
                }
                for moved in sizes() {
                    // SAFETY: as above.
                    unsafe {
                        let start = heap.alloc(asked);
                        start.write(size as u8);
                        let start = aligned(heap.realloc(start, asked, moved));
                        assert_eq!(start.read(), size as u8);
                        heap.dealloc(start, layout(moved, align));
                    }
                }
                heap.clear();
            }
        }
        assert_eq!(heap.in_use.load(Ordering::Relaxed), 0);
    }

    /// The system's allocator, which looks at the shelf's lock, and has no memory while `empty`.
    struct Probe {
        empty: AtomicBool,
        calls: AtomicUsize,
    }

    static PROBED: Heap<Probe> = Heap::new(Probe {
        empty: AtomicBool::new(false),
        calls: AtomicUsize::new(0),
    });

    impl Probe {
        fn look(&self) {
            self.calls.fetch_add(1, Ordering::Relaxed);
            assert!(PROBED.shelf.try_lock().is_ok(), "the shelf is locked");
        }
    }

    // SAFETY: the system's allocator, or no memory.
    unsafe impl GlobalAlloc for Probe {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            self.look();
            match self.empty.load(Ordering::Relaxed) {
                true => std::ptr::null_mut(),
                // SAFETY: as the caller promises.
                false => unsafe { System.alloc(layout) },
            }
        }

        unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
            self.look();
            self.empty.store(false, Ordering::Relaxed);
            // SAFETY: as the caller promises.
            unsafe { System.dealloc(start, layout) }
        }
    }

    #[test]
    fn the_shelf_is_free_while_the_system_works_and_given_up_where_it_has_nothing() {
        let (kept, wanted) = (layout(100_000, 8), layout(1 << 20, 8));
        // SAFETY: every block is given back with its layout.
        unsafe {
            let start = PROBED.alloc(kept);
            PROBED.dealloc(start, kept);
            assert_eq!(PROBED.system.calls.load(Ordering::Relaxed), 1);
            assert!(PROBED.shelf().bytes >= 100_000);
            // A block that is returned makes memory for another one.
            PROBED.system.empty.store(true, Ordering::Relaxed);
            let start = PROBED.alloc(wanted);
            assert!(!start.is_null());
            assert_eq!(PROBED.shelf().bytes, 0);
            assert_eq!(PROBED.system.calls.load(Ordering::Relaxed), 4);
            PROBED.dealloc(start, wanted);
            PROBED.clear();
            // Nothing to return.
            PROBED.system.empty.store(true, Ordering::Relaxed);
            assert!(PROBED.alloc(wanted).is_null());
            assert!(PROBED.alloc_zeroed(wanted).is_null());
            assert_eq!(PROBED.in_use.load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    fn the_oldest_block_goes_first_and_little_is_wasted() {
        let mut shelf = Shelf::EMPTY;
        let block = block_layout(layout(LARGE, 4)).unwrap();
        for k in 1..=SLOTS {
            let start = std::ptr::with_exposed_provenance_mut(k * 4096);
            assert!(shelf.give(start, block));
        }
        assert!(!shelf.give(std::ptr::with_exposed_provenance_mut(4096), block));
        assert_eq!(shelf.bytes, SLOTS * block.size());
        assert_eq!(shelf.evict().map(|block| block.start), Some(4096));
        let last = shelf.take(block).map(|start| start.addr());
        assert_eq!(last, Some(SLOTS * 4096));
        assert_eq!(shelf.bytes, (SLOTS - 2) * block.size());
        for size in [LARGE, 1_000_003, 2 << 20, 70_000_000] {
            let block = block_layout(layout(size, 4)).unwrap();
            assert!(block.size() >= size && block.size() - size <= size / 8);
        }
    }
}
