//! A step of a stream allocates nothing, on one thread or several.

use refrain_kernels::{Cell, Precision, Stepper, Threads, Weights};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator, with a counter beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static MEMORY: Counting = Counting;

// The only test of this program: another one would allocate beside it.
#[test]
fn steps_allocate_nothing() {
    const CELLS: [Cell; 5] = [
        Cell::RnnTanh,
        Cell::RnnRelu,
        Cell::Lstm,
        Cell::Gru,
        Cell::GruResetBefore,
    ];
    let (input, hidden) = (100, 300);
    for cell in CELLS {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let rows = cell.gates() * hidden;
            let (w_ih, w_hh) = (vec![0.01; rows * input], vec![0.001; rows * hidden]);
            let weights = Weights {
                w_ih: &w_ih,
                w_hh: &w_hh,
                b_ih: None,
                b_hh: None,
            };
            let mut stepper = Stepper::new(cell, precision, input, hidden, &weights).unwrap();
            let (x, mut h) = (vec![0.5; input], vec![0.0; hidden]);
            let mut c = vec![0.0; if cell.has_memory() { hidden } else { 0 }];
            for threads in [1, 3] {
                let made = Threads::new(threads).install(|| {
                    // The first step with more threads starts them.
                    stepper.step(&x, &mut h, &mut c).unwrap();
                    let before = ALLOCATIONS.load(Ordering::Relaxed);
                    for _ in 0..50 {
                        stepper.step(&x, &mut h, &mut c).unwrap();
                    }
                    ALLOCATIONS.load(Ordering::Relaxed) - before
                });
                assert_eq!(made, 0, "{cell:?} {precision:?} on {threads} threads");
            }
            assert!(h.iter().all(|h| h.is_finite()));
        }
    }
}
