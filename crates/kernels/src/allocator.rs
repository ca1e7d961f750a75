//! Large blocks of memory, kept for the next one of their size.
//!
//! A training step allocates the same large buffers as the step before. A system allocator gives such blocks back and fetches fresh pages,
//! each with a fault and a clearing: up to a fifth of a step. [`Recycler`] keeps them instead, and asks for huge pages where the system
//! gives them on request. A program opts in with
//!
//! ```
//! #[global_allocator]
//! static MEMORY: refrain_kernels::allocator::Recycler = refrain_kernels::allocator::Recycler;
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
/// Size and alignment of a huge page.
const HUGE: usize = 2 << 20;
/// Bytes kept beside those in use.
const MOST_KEPT: usize = 1 << 30;
/// Blocks kept.
const SLOTS: usize = 256;

/// A global allocator: the system's, with blocks of 32 KiB and more kept for reuse, 1 GiB of them at most, and blocks of 1 KiB and more
/// aligned to cache lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recycler;

/// Bytes of large blocks in use, and the most since [`restart_count`].
static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST_IN_USE: AtomicUsize = AtomicUsize::new(0);

/// Begins to count anew for [`most_in_use`].
pub fn restart_count() {
    MOST_IN_USE.store(IN_USE.load(Ordering::Relaxed), Ordering::Relaxed);
}

/// The most bytes that were in use at once since [`restart_count`], in blocks of 32 KiB and more; 0 in a program without the
/// [`Recycler`].
pub fn most_in_use() -> usize {
    MOST_IN_USE.load(Ordering::Relaxed)
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

struct Shelf {
    blocks: [Block; SLOTS],
    bytes: usize,
    stamp: u64,
}

static SHELF: Mutex<Shelf> = Mutex::new(Shelf::EMPTY);

fn shelf() -> MutexGuard<'static, Shelf> {
    SHELF.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The block that serves `layout`: its size rounded up by an eighth at most, so that blocks of nearly the same size serve each other.
/// `None` for one that is left to the system.
fn block_layout(layout: Layout) -> Option<Layout> {
    if layout.size() < LARGE || layout.align() > HUGE {
        return None;
    }
    let grain = (layout.size().next_power_of_two() / 16).max(4096);
    let size = layout.size().checked_next_multiple_of(grain)?;
    let align = if size >= HUGE { HUGE } else { 4096 };
    Layout::from_size_align(size, align).ok()
}

/// What the system is asked for where it serves `layout` itself.
fn small_layout(layout: Layout) -> Layout {
    match layout.size() >= ALIGNED {
        true => layout.align_to(LINE).unwrap_or(layout),
        false => layout,
    }
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

    /// Makes room by the block that has lain longest.
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

/// Asks for huge pages; without them the block works as well, only slower.
fn prefer_huge_pages(start: *mut u8, layout: Layout) {
    #[cfg(target_os = "linux")]
    if layout.align() == HUGE && !start.is_null() {
        // SAFETY: the range was just allocated; the advice changes nothing that a program can see.
        unsafe {
            libc::madvise(start.cast(), layout.size(), libc::MADV_HUGEPAGE);
        }
    }
    let _ = (start, layout);
}

// SAFETY: a block is either in use or on the shelf; the same layout always maps to the same block layout.
unsafe impl GlobalAlloc for Recycler {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(block) = block_layout(layout) else {
            // SAFETY: as the caller promises.
            return unsafe { System.alloc(small_layout(layout)) };
        };
        let in_use = IN_USE.fetch_add(block.size(), Ordering::Relaxed) + block.size();
        MOST_IN_USE.fetch_max(in_use, Ordering::Relaxed);
        shelf().take(block).unwrap_or_else(|| {
            // SAFETY: the size is not zero.
            let start = unsafe { System.alloc(block) };
            prefer_huge_pages(start, block);
            start
        })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if block_layout(layout).is_none() {
            // SAFETY: as the caller promises.
            return unsafe { System.alloc_zeroed(small_layout(layout)) };
        }
        // SAFETY: as the caller promises; the block is valid for the layout's size.
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
            // SAFETY: as the caller promises.
            return unsafe { System.dealloc(start, small_layout(layout)) };
        };
        IN_USE.fetch_sub(block.size(), Ordering::Relaxed);
        if block.size() <= MOST_KEPT {
            loop {
                let mut shelf = shelf();
                let fits = shelf.bytes + block.size() <= MOST_KEPT;
                if fits && shelf.give(start, block) {
                    return;
                }
                let Some(old) = shelf.evict() else { break };
                drop(shelf);
                // SAFETY: it was allocated with this layout, and is on the shelf no more.
                unsafe {
                    System.dealloc(std::ptr::with_exposed_provenance_mut(old.start), old.layout);
                }
            }
        }
        // SAFETY: it was allocated with this layout.
        unsafe { System.dealloc(start, block) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            match (block_layout(layout), block_layout(new)) {
                (None, None) if small_layout(layout).align() == small_layout(new).align() => {
                    System.realloc(start, small_layout(layout), size)
                }
                (Some(old), Some(wanted)) if old == wanted => start,
                _ => {
                    let moved = self.alloc(new);
                    if !moved.is_null() {
                        moved.copy_from_nonoverlapping(start, layout.size().min(size));
                        self.dealloc(start, layout);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(start: *mut u8, size: usize, value: u8) {
        // SAFETY: the test allocated it.
        unsafe { start.write_bytes(value, size) }
    }

    #[test]
    fn a_block_comes_back_and_zeroed_ones_are_zero() {
        let layout = Layout::from_size_align(3_000_000, 4).unwrap();
        // SAFETY: every block is given back with its layout.
        unsafe {
            let first = Recycler.alloc(layout);
            fill(first, layout.size(), 7);
            Recycler.dealloc(first, layout);
            let again = Recycler.alloc_zeroed(layout);
            assert_eq!(first, again, "the block is used again");
            let bytes = std::slice::from_raw_parts(again, layout.size());
            assert!(bytes.iter().all(|b| *b == 0));
            Recycler.dealloc(again, layout);
        }
    }

    #[test]
    fn growing_keeps_what_is_there() {
        // From the system's blocks to large ones, within a block, and back.
        let mut layout = Layout::from_size_align(1000, 8).unwrap();
        // SAFETY: every block is given back with its layout.
        unsafe {
            let mut start = Recycler.alloc(layout);
            fill(start, 1000, 9);
            for size in [LARGE, LARGE + 10, 5 << 20, LARGE - 1, 1000] {
                start = Recycler.realloc(start, layout, size);
                layout = Layout::from_size_align(size, 8).unwrap();
                let bytes = std::slice::from_raw_parts(start, 1000);
                assert!(bytes.iter().all(|b| *b == 9), "after growing to {size}");
            }
            Recycler.dealloc(start, layout);
        }
    }

    #[test]
    fn what_lies_longest_goes_first_and_little_is_wasted() {
        let mut shelf = Shelf::EMPTY;
        let layout = block_layout(Layout::from_size_align(LARGE, 4).unwrap()).unwrap();
        for k in 1..=SLOTS {
            let start = std::ptr::with_exposed_provenance_mut(k * 4096);
            assert!(shelf.give(start, layout));
        }
        assert!(!shelf.give(std::ptr::with_exposed_provenance_mut(4096), layout));
        assert_eq!(shelf.bytes, SLOTS * layout.size());
        assert_eq!(shelf.evict().map(|block| block.start), Some(4096));
        assert_eq!(
            shelf.take(layout).map(|start| start.addr()),
            Some(SLOTS * 4096)
        );
        assert_eq!(shelf.bytes, (SLOTS - 2) * layout.size());
        for size in [LARGE, 1_000_003, 2 << 20, 70_000_000] {
            let block = block_layout(Layout::from_size_align(size, 4).unwrap()).unwrap();
            assert!(block.size() >= size && block.size() - size <= size / 8);
        }
    }
}
