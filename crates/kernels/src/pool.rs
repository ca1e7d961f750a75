//! Threads that stay, wake fast and meet once a step.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Instant;

static THREADS: AtomicUsize = AtomicUsize::new(0);
/// Asking the system reads files; once is enough.
static CORES: OnceLock<usize> = OnceLock::new();

/// Sets the number of threads that the kernels use; 0 means all cores. Results do not depend on it.
pub fn set_threads(n: usize) {
    THREADS.store(n, Ordering::Relaxed);
}

/// The number of threads that the kernels use.
pub fn threads() -> usize {
    match THREADS.load(Ordering::Relaxed) {
        0 => *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from)),
        n => n,
    }
}

/// How long an idle worker or a waiting thread spins before it sleeps or yields, in microseconds.
const SPIN_US: u128 = 200;

/// Where `n` threads wait for each other, spinning; it yields to other processes after a while.
pub(crate) struct Barrier {
    n: usize,
    arrived: AtomicUsize,
    round: AtomicUsize,
}

impl Barrier {
    pub(crate) fn new(n: usize) -> Self {
        Self {
            n,
            arrived: AtomicUsize::new(0),
            round: AtomicUsize::new(0),
        }
    }

    /// Returns when all have come; what each wrote before is seen by all behind.
    #[inline]
    pub(crate) fn wait(&self) {
        if self.n == 1 {
            return;
        }
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.n {
            self.arrived.store(0, Ordering::Relaxed);
            self.round.store(round.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut spins = 0u32;
        while self.round.load(Ordering::Acquire) == round {
            spins += 1;
            if spins < 1_000 {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }
}

/// A borrowed closure with its lifetime hidden: [`run`] does not return before every worker has finished with it.
#[derive(Clone, Copy)]
struct Job(*const (dyn Fn(usize) + Sync));

// SAFETY: the closure is Sync, and `run` keeps it alive until the workers are done.
unsafe impl Send for Job {}

#[derive(Default)]
struct Board {
    /// Number of the current job, and how many threads take part.
    slot: Mutex<(u64, usize, Option<Job>)>,
    wake: Condvar,
    /// The slot's number, to spin on.
    latest: std::sync::atomic::AtomicU64,
    unfinished: AtomicUsize,
    panicked: Mutex<Option<Box<dyn std::any::Any + Send>>>,
}

struct Pool {
    shared: Arc<Board>,
    workers: usize,
}

fn worker(shared: &Board, id: usize) {
    let mut seen = 0;
    loop {
        let start = Instant::now();
        let mut spins = 0u32;
        while shared.latest.load(Ordering::Acquire) == seen {
            std::hint::spin_loop();
            spins += 1;
            if spins.is_multiple_of(64) && start.elapsed().as_micros() > SPIN_US {
                break;
            }
        }
        let mut slot = shared.slot.lock().unwrap_or_else(|e| e.into_inner());
        while slot.0 == seen {
            slot = shared.wake.wait(slot).unwrap_or_else(|e| e.into_inner());
        }
        let (number, n, job) = *slot;
        drop(slot);
        seen = number;
        let Some(job) = job.filter(|_| id < n) else {
            continue;
        };
        // SAFETY: `run` waits for `unfinished` before the closure goes out of scope.
        let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { (*job.0)(id) }));
        if let Err(panic) = outcome {
            *shared.panicked.lock().unwrap_or_else(|e| e.into_inner()) = Some(panic);
        }
        shared.unfinished.fetch_sub(1, Ordering::Release);
    }
}

impl Pool {
    fn grow(&mut self, workers: usize) {
        while self.workers < workers {
            self.workers += 1;
            let (shared, id) = (self.shared.clone(), self.workers);
            std::thread::Builder::new()
                .name(format!("refrain-{id}"))
                .spawn(move || worker(&shared, id))
                .expect("the system gives a thread");
        }
    }

    fn run(&mut self, n: usize, f: &(dyn Fn(usize) + Sync)) {
        self.grow(n - 1);
        let shared = &*self.shared;
        shared.unfinished.store(n - 1, Ordering::Relaxed);
        // SAFETY: only the lifetime changes; this function waits until every worker is done with the closure.
        let job = Job(unsafe {
            std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const (dyn Fn(usize) + Sync)>(
                f,
            )
        });
        {
            let mut slot = shared.slot.lock().unwrap_or_else(|e| e.into_inner());
            *slot = (slot.0 + 1, n, Some(job));
            shared.latest.store(slot.0, Ordering::Release);
        }
        shared.wake.notify_all();
        let own = catch_unwind(AssertUnwindSafe(|| f(0)));
        let mut spins = 0u32;
        while shared.unfinished.load(Ordering::Acquire) != 0 {
            spins += 1;
            match spins < 1_000 {
                true => std::hint::spin_loop(),
                false => std::thread::yield_now(),
            }
        }
        let other = shared
            .panicked
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .take();
        if let Some(panic) = own.err().or(other) {
            resume_unwind(panic);
        }
    }
}

/// Calls `f(id)` for every `id < n` at the same time, on threads of their own (the caller is 0), and returns when all are done.
///
/// A call from inside another one, or beside another one, starts threads for itself, so barriers inside `f` always meet.
pub(crate) fn run(n: usize, f: impl Fn(usize) + Sync) {
    static POOL: OnceLock<Mutex<Pool>> = OnceLock::new();
    if n <= 1 {
        return f(0);
    }
    let pool = POOL.get_or_init(|| {
        Mutex::new(Pool {
            shared: Arc::default(),
            workers: 0,
        })
    });
    match pool.try_lock() {
        Ok(mut pool) => pool.run(n, &f),
        Err(std::sync::TryLockError::Poisoned(pool)) => pool.into_inner().run(n, &f),
        Err(std::sync::TryLockError::WouldBlock) => std::thread::scope(|scope| {
            for id in 1..n {
                let f = &f;
                scope.spawn(move || f(id));
            }
            f(0);
        }),
    }
}

/// The part of `0..total` that belongs to thread `id` of `n`; parts differ by at most one.
pub(crate) fn share(total: usize, id: usize, n: usize) -> std::ops::Range<usize> {
    total * id / n..total * (id + 1) / n
}

/// A pointer that threads may share; each writes only its own part.
pub(crate) struct SharedPtr<T>(pub(crate) *mut T);

impl<T> Clone for SharedPtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SharedPtr<T> {}

// SAFETY: whoever dereferences it answers for disjoint writes.
unsafe impl<T> Send for SharedPtr<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for SharedPtr<T> {}

impl<T> SharedPtr<T> {
    /// The pointer itself (a method, so that closures capture the wrapper).
    #[inline(always)]
    pub(crate) fn get(self) -> *mut T {
        self.0
    }
}
