//! A step of a stream allocates nothing, on one thread or several.

use refrain_kernels::{Cell, Precision, StepScratch, StepWeights, Threads, Weights};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs of fifty steps, of which one must allocate nothing.
const TRIES: usize = 20;

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

// A program without the test harness, whose thread would allocate beside the steps.
fn main() {
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
            let weights = StepWeights::new(cell, precision, input, hidden, &weights).unwrap();
            let x = vec![0.5; input];
            let mut sessions = [(); 9].map(|()| weights.zeros());
            let mut scratch = StepScratch::default();
            for (threads, rows) in [(1, 1), (3, 1), (1, 9), (3, 9)] {
                let mut step = |rows: usize| {
                    let mut sessions = sessions.each_mut().map(|state| (&x[..], state));
                    weights
                        .step_many(&mut sessions[..rows], &mut scratch)
                        .unwrap();
                };
                let made = Threads::new(threads).install(|| {
                    // The first step with more threads or rows makes room for them.
                    step(rows);
                    let fifty = |_| {
                        let before = ALLOCATIONS.load(Ordering::Relaxed);
                        for k in 0..50 {
                            step(1 + k % rows);
                        }
                        ALLOCATIONS.load(Ordering::Relaxed) - before
                    };
                    // A new worker that is starting up allocates for itself; a step that allocates does so each time.
                    (0..TRIES).map(fifty).find(|made| *made == 0)
                });
                assert_eq!(
                    made,
                    Some(0),
                    "{cell:?} {precision:?} {threads} threads {rows} rows"
                );
            }
            let mut h = sessions.iter().flat_map(|state| &state.h);
            assert!(h.all(|h| h.is_finite()));
        }
    }
}
