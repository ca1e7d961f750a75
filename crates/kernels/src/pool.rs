//! One pool of threads for all callers: workers stay, wake fast, and are lent to one call at a time.
//!
//! A call reserves idle workers ([`Team::of`]), runs with as many as it got, and gives them back. It never waits for
//! workers of another call: with none idle it runs on the caller's thread alone. Results do not depend on the number of
//! threads.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// How many threads a call of the kernels may use, the caller's own among them. Results do not depend on it.
///
/// [`Self::install`] sets it for the calling thread; the kernels ask [`Self::current`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Threads(usize);

thread_local! {
    /// 0 where nothing is installed.
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// The processor cores that this process may use.
fn cores() -> usize {
    // The system reads files to answer: asked once.
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

impl Threads {
    /// The largest number of threads; larger ones count as this one.
    pub const MOST: usize = 1024;

    /// `n` threads; 0 means one for each core.
    pub fn new(n: usize) -> Self {
        match n {
            0 => Self::all(),
            n => Self(n.min(Self::MOST)),
        }
    }

    /// One thread for each core that this process may use.
    pub fn all() -> Self {
        Self(cores().min(Self::MOST))
    }

    /// The caller's thread alone.
    pub const fn one() -> Self {
        Self(1)
    }

    /// The number, at least 1.
    pub const fn count(self) -> usize {
        self.0
    }

    /// The calling thread's number: the innermost [`Self::install`] around the call, else [`Self::all`].
    ///
    /// It belongs to the thread: one that is started inside `install` begins with [`Self::all`].
    pub fn current() -> Self {
        match CURRENT.get() {
            0 => Self::all(),
            n => Self(n),
        }
    }

    /// Calls `f` with `self` as the calling thread's [`Self::current`]; the former value returns at the end, also when
    /// `f` panics.
    pub fn install<R>(self, f: impl FnOnce() -> R) -> R {
        struct Restore(usize);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _restore = Restore(CURRENT.replace(self.0));
        f()
    }
}

impl Default for Threads {
    fn default() -> Self {
        Self::all()
    }
}

/// `usual`, but `small` under Miri, where calls small enough for it shall use several threads as well.
pub(crate) const fn unless_miri(usual: usize, small: usize) -> usize {
    if cfg!(miri) { small } else { usual }
}

/// The number of threads for a call on this thread.
pub(crate) fn threads() -> usize {
    Threads::current().count()
}

/// How long an idle worker spins before it sleeps.
const SPIN: Duration = Duration::from_micros(200);
/// How long the pool does without new workers after the system refused one.
const PAUSE: Duration = Duration::from_secs(1);

/// Spins until `done`; gives way to other threads after a while.
#[inline]
fn spin_until(done: impl Fn() -> bool) {
    let mut spins = 0u32;
    while !done() {
        spins += 1;
        if spins < 1_000 {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code that can panic runs under the locks of this file.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The panic of a thread that left a [`Barrier`] because another one panicked.
struct Poisoned;

/// Where `n` threads wait for each other, spinning.
///
/// Each thread runs its part inside [`Self::attend`]: if one panics, the others leave the barrier by a panic of their
/// own.
pub(crate) struct Barrier {
    n: usize,
    arrived: AtomicUsize,
    round: AtomicUsize,
    poisoned: AtomicBool,
}

impl Barrier {
    pub(crate) fn new(n: usize) -> Self {
        Self {
            n,
            arrived: AtomicUsize::new(0),
            round: AtomicUsize::new(0),
            poisoned: AtomicBool::new(false),
        }
    }

    /// Runs the part of one thread. If it panics, no thread waits for it any more.
    pub(crate) fn attend<R>(&self, part: impl FnOnce() -> R) -> R {
        struct Guard<'a>(&'a AtomicBool);
        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Release);
            }
        }
        let guard = Guard(&self.poisoned);
        let out = part();
        std::mem::forget(guard);
        out
    }

    /// Returns when all have arrived; each then sees what the others wrote before.
    ///
    /// # Panics
    /// If the part of another thread has panicked.
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
        let passed = || self.round.load(Ordering::Acquire) != round;
        spin_until(|| passed() || self.poisoned.load(Ordering::Acquire));
        if !passed() {
            resume_unwind(Box::new(Poisoned));
        }
    }
}

/// A job while it runs, on the stack of its caller.
struct Call {
    /// The job with its lifetime erased: [`Team::run`] keeps it alive until `unfinished` is 0.
    job: *const (dyn Fn(usize) + Sync),
    /// Workers that have not finished.
    unfinished: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Call {
    /// Keeps the first panic of a job; that of a thread which left a barrier counts only if there is no other.
    fn keep(&self, panic: Box<dyn Any + Send>) {
        let mut kept = lock(&self.panic);
        match kept.as_ref() {
            // Leaked, as its own drop might panic here.
            Some(first) if !first.is::<Poisoned>() => std::mem::forget(panic),
            _ => *kept = Some(panic),
        }
    }
}

/// The state of one worker that all threads of the pool share, in cache lines of its own. Workers live as long as the
/// process.
#[repr(align(128))]
struct Worker {
    /// Null while it spins, [`ASLEEP`] while it sleeps, a call that waits for it, or [`AT_WORK`].
    call: AtomicPtr<Call>,
    /// Its number in the call.
    id: AtomicUsize,
    /// Set before it first sleeps.
    thread: OnceLock<Thread>,
}

/// No addresses of a [`Call`], which is aligned.
const ASLEEP: *mut Call = std::ptr::without_provenance_mut(1);
const AT_WORK: *mut Call = std::ptr::without_provenance_mut(2);

impl Worker {
    fn new() -> Self {
        Self {
            call: AtomicPtr::default(),
            id: AtomicUsize::new(0),
            thread: OnceLock::new(),
        }
    }

    /// Hands over a call. The worker is reserved, so it is idle and nobody else does this.
    ///
    /// # Safety
    /// `call` and its job stay valid until the worker has taken itself off `unfinished`, or the call is revoked.
    unsafe fn begin(&self, call: &Call, id: usize) {
        self.id.store(id, Ordering::Relaxed);
        let before = self
            .call
            .swap(std::ptr::from_ref(call).cast_mut(), Ordering::AcqRel);
        if before == ASLEEP
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// Takes back a call that the worker has not begun; gives whether it could.
    fn revoke(&self, call: &Call) -> bool {
        let call = std::ptr::from_ref(call).cast_mut();
        // An exchange that fails would still take the line from a worker that is about to write it.
        self.call.load(Ordering::Relaxed) == call && self.exchange(call, std::ptr::null_mut())
    }

    /// Puts `new` in the place of `old`, if that is still there.
    fn exchange(&self, old: *mut Call, new: *mut Call) -> bool {
        self.call
            .compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Waits for a call and takes it on: spinning at first, then asleep. Its caller then waits for this worker.
    fn next_call(&self) -> *const Call {
        let mut start = Instant::now();
        let mut spins = 0u32;
        loop {
            let call = self.call.load(Ordering::Relaxed);
            if call == ASLEEP {
                std::thread::park();
                (start, spins) = (Instant::now(), 0);
            } else if !call.is_null() && self.exchange(call, AT_WORK) {
                return call;
            } else {
                std::hint::spin_loop();
                spins = spins.wrapping_add(1);
                if spins.is_multiple_of(64) && start.elapsed() > SPIN {
                    self.exchange(std::ptr::null_mut(), ASLEEP);
                }
            }
        }
    }

    /// The life of the worker's thread.
    fn work(&self) -> ! {
        let _ = self.thread.set(std::thread::current());
        CURRENT.set(1);
        loop {
            // SAFETY: a call that a worker has taken on stays valid until `unfinished` says below that the worker has
            // left it.
            let call = unsafe { &*self.next_call() };
            let id = self.id.load(Ordering::Relaxed);
            // SAFETY: as above, for the job.
            let job = unsafe { &*call.job };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job(id))) {
                call.keep(panic);
            }
            self.call.store(std::ptr::null_mut(), Ordering::Relaxed);
            // The last access: the caller may return from here on.
            call.unfinished.fetch_sub(1, Ordering::Release);
        }
    }
}

/// Workers that nobody has reserved, and those that there are.
struct Idle {
    workers: Vec<&'static Worker>,
    started: usize,
    /// When the system last refused a thread.
    refused: Option<Instant>,
}

/// Starts the thread of a worker.
type Start = fn(&'static Worker, usize) -> std::io::Result<()>;

fn start_thread(worker: &'static Worker, number: usize) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name(format!("refrain-{number}"))
        .spawn(move || worker.work())
        .map(drop)
}

struct Pool {
    idle: Mutex<Idle>,
    start: Start,
}

static POOL: Pool = Pool::new(start_thread);

impl Pool {
    const fn new(start: Start) -> Self {
        Self {
            idle: Mutex::new(Idle {
                workers: Vec::new(),
                started: 0,
                refused: None,
            }),
            start,
        }
    }

    /// Moves up to `wanted` idle workers to `to`. New ones are started only while the cores, or this call alone, have
    /// use for more.
    fn reserve(&self, wanted: usize, to: &mut Vec<&'static Worker>) {
        let mut idle = lock(&self.idle);
        let most = wanted.max(cores() - 1);
        while idle.workers.len() < wanted && idle.started < most && self.grow(&mut idle) {}
        // The last come first to hand: they are the likeliest to be awake.
        let first = idle.workers.len().saturating_sub(wanted);
        to.extend(idle.workers.drain(first..));
    }

    /// Starts a worker; gives whether the system had a thread for it.
    fn grow(&self, idle: &mut Idle) -> bool {
        if idle.refused.is_some_and(|at| at.elapsed() < PAUSE) {
            return false;
        }
        let worker: &'static Worker = Box::leak(Box::new(Worker::new()));
        let outcome = (self.start)(worker, idle.started + 1);
        idle.refused = outcome.is_err().then(Instant::now);
        if outcome.is_ok() {
            idle.started += 1;
            idle.workers.push(worker);
            // Room for all, so that giving back allocates nothing.
            let missing = idle.started - idle.workers.len();
            idle.workers.reserve(missing);
        }
        outcome.is_ok()
    }
}

thread_local! {
    /// An empty vector for the next [`Team`] of this thread, so that a call allocates nothing.
    static ROOM: RefCell<Vec<&'static Worker>> = const { RefCell::new(Vec::new()) };
}

/// The threads of a call: the caller's, and workers that are reserved until this is dropped.
pub(crate) struct Team {
    pool: &'static Pool,
    workers: Vec<&'static Worker>,
}

impl Team {
    /// Up to `n` threads, at least the caller's.
    pub(crate) fn of(n: usize) -> Self {
        Self::from(&POOL, n)
    }

    fn from(pool: &'static Pool, n: usize) -> Self {
        let mut workers = Vec::new();
        if n > 1 {
            workers = ROOM.take();
            pool.reserve(n - 1, &mut workers);
        }
        Self { pool, workers }
    }

    /// The number of threads.
    pub(crate) fn size(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `job(id)` for every id below [`Self::size`] at the same time, each on a thread of its own (0 is the
    /// caller's), so that they may meet at a [`Barrier`]. Returns when all are done. Calls of the kernels inside of
    /// `job` use one thread, unless they name a number.
    ///
    /// # Panics
    /// If `job` panics on a thread, once all threads have left it.
    pub(crate) fn run_together(&self, job: impl Fn(usize) + Sync) {
        self.run(&job, false);
    }

    /// As [`Self::run_together`] for a job without barriers: the caller does the part of a worker that has not begun
    /// when its own is done.
    pub(crate) fn run_apart(&self, job: impl Fn(usize) + Sync) {
        self.run(&job, true);
    }

    fn run(&self, job: &(dyn Fn(usize) + Sync), apart: bool) {
        if self.workers.is_empty() {
            return job(0);
        }
        // SAFETY: only the lifetime changes; this function returns after every worker has left the job.
        let job = unsafe {
            std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const (dyn Fn(usize) + Sync)>(
                job,
            )
        };
        let call = Call {
            job,
            unfinished: AtomicUsize::new(self.workers.len()),
            panic: Mutex::new(None),
        };
        for (i, worker) in self.workers.iter().enumerate() {
            // SAFETY: `call` and `job` outlive the wait for `unfinished` below, and nothing in between unwinds.
            unsafe { worker.begin(&call, i + 1) }
        }
        let own = |id: usize| {
            // SAFETY: the job is borrowed for the whole of this function.
            let part = || Threads::one().install(|| unsafe { (*job)(id) });
            if let Err(panic) = catch_unwind(AssertUnwindSafe(part)) {
                call.keep(panic);
            }
        };
        own(0);
        let done = || call.unfinished.load(Ordering::Acquire) == 0;
        for (i, worker) in self.workers.iter().enumerate().filter(|_| apart) {
            if !done() && worker.revoke(&call) {
                own(i + 1);
                call.unfinished.fetch_sub(1, Ordering::Relaxed);
            }
        }
        spin_until(done);
        let panic = lock(&call.panic).take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        if !self.workers.is_empty() {
            lock(&self.pool.idle).workers.append(&mut self.workers);
            ROOM.set(std::mem::take(&mut self.workers));
        }
    }
}

/// Calls `job(id, parts)` once for every id below `parts`, which is `n` or less where too few workers are idle; see
/// [`Team::run_apart`].
pub(crate) fn run(n: usize, job: impl Fn(usize, usize) + Sync) {
    let team = Team::of(n);
    let parts = team.size();
    team.run_apart(|id| job(id, parts));
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

// SAFETY: a thread can only copy the pointer; whoever dereferences it keeps to its own part, whose values may move to
// another thread.
unsafe impl<T: Send> Send for SharedPtr<T> {}
// SAFETY: a shared pointer allows no more than a copy of it.
unsafe impl<T: Send> Sync for SharedPtr<T> {}

impl<T> SharedPtr<T> {
    /// The pointer itself (a method, so that closures capture the wrapper).
    #[inline(always)]
    pub(crate) fn get(self) -> *mut T {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::panic_any;
    use std::sync::atomic::AtomicU64;

    fn pool(start: Start) -> &'static Pool {
        Box::leak(Box::new(Pool::new(start)))
    }

    /// Sums `0..1000` on up to `n` threads that meet after each of a few rounds; gives the sum and the number of
    /// threads.
    fn sum(pool: &'static Pool, n: usize) -> (u64, usize) {
        let team = Team::from(pool, n);
        let of = team.size();
        let barrier = Barrier::new(of);
        let parts: Vec<AtomicU64> = (0..of).map(|_| AtomicU64::new(0)).collect();
        let total = AtomicU64::new(0);
        team.run_together(|id| {
            barrier.attend(|| {
                for round in 0..10 {
                    let own = share(100, id, of).map(|i| 100 * round + i as u64).sum();
                    parts[id].store(own, Ordering::Relaxed);
                    barrier.wait();
                    if id == 0 {
                        let round = parts.iter().map(|part| part.load(Ordering::Relaxed));
                        total.fetch_add(round.sum(), Ordering::Relaxed);
                    }
                    barrier.wait();
                }
            });
        });
        (total.into_inner(), of)
    }

    const SUM: u64 = 999 * 1000 / 2;

    #[test]
    fn a_panic_at_a_barrier_ends_the_call_and_nothing_else() {
        for n in [2, 3, unless_miri(8, 2)] {
            let pool = pool(start_thread);
            // On each thread, before, between and after meetings.
            for (bad, round) in (0..n).flat_map(|bad| (0..4).map(move |round| (bad, round))) {
                let team = Team::from(pool, n);
                assert_eq!(team.size(), n);
                let (barrier, left) = (Barrier::new(n), AtomicUsize::new(0));
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    team.run_together(|id| {
                        struct Left<'a>(&'a AtomicUsize);
                        impl Drop for Left<'_> {
                            fn drop(&mut self) {
                                self.0.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                        let _left = Left(&left);
                        barrier.attend(|| {
                            for k in 0..4 {
                                if id == bad && k == round {
                                    resume_unwind(Box::new((id, k)));
                                }
                                barrier.wait();
                            }
                        });
                    });
                }));
                let panic = outcome.expect_err("the caller sees the panic");
                assert_eq!(panic.downcast_ref(), Some(&(bad, round)), "the first one");
                assert_eq!(left.into_inner(), n, "all have left");
            }
            assert_eq!(sum(pool, n), (SUM, n), "the workers go on");
            assert_eq!(lock(&pool.idle).started, n - 1);
        }
    }

    #[test]
    fn a_panic_without_a_barrier_reaches_the_caller_after_the_others_are_done() {
        let pool = pool(start_thread);
        let done = AtomicUsize::new(0);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            Team::from(pool, 4).run_together(|id| match id {
                2 => panic_any("two"),
                _ => _ = done.fetch_add(1, Ordering::Relaxed),
            });
        }));
        let panic = outcome.unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"two"));
        assert_eq!(done.into_inner(), 3);
    }

    #[test]
    fn callers_at_the_same_time_share_the_workers() {
        let pool = pool(start_thread);
        let n = 3;
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..unless_miri(200, 3) {
                        let (total, of) = sum(pool, n);
                        assert_eq!(total, SUM);
                        assert!((1..=n).contains(&of));
                    }
                });
            }
        });
        let idle = lock(&pool.idle);
        assert!(idle.started <= (n - 1).max(cores() - 1), "{}", idle.started);
        assert_eq!(idle.workers.len(), idle.started, "all are back");
    }

    #[test]
    fn a_call_inside_another_takes_what_is_idle() {
        let pool = pool(start_thread);
        let (calls, calls_each) = (AtomicUsize::new(0), unless_miri(50, 3));
        Team::from(pool, 3).run_together(|_| {
            assert_eq!(Threads::current(), Threads::one());
            for _ in 0..calls_each {
                assert_eq!(sum(pool, 3).0, SUM);
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
        assert_eq!(calls.into_inner(), 3 * calls_each);
        let idle = lock(&pool.idle);
        assert_eq!(idle.workers.len(), idle.started);
    }

    #[test]
    fn without_threads_from_the_system_a_call_runs_on_fewer() {
        let none = pool(|_, _| Err(std::io::ErrorKind::WouldBlock.into()));
        assert_eq!(sum(none, 4), (SUM, 1));
        assert_eq!(lock(&none.idle).started, 0, "nobody waits for a worker");
        assert!(lock(&none.idle).refused.is_some());
        let two = pool(|worker, number| match number {
            1 | 2 => start_thread(worker, number),
            _ => Err(std::io::ErrorKind::WouldBlock.into()),
        });
        assert_eq!(sum(two, 8), (SUM, 3));
        assert_eq!(sum(two, 8), (SUM, 3));
    }

    #[test]
    fn the_caller_does_what_no_worker_begins() {
        // Workers without a thread behind them, as if they never got a core.
        let pool = pool(|_, _| Ok(()));
        for bad in [None, Some(0), Some(3)] {
            let parts: Vec<AtomicUsize> = (0..4).map(|_| AtomicUsize::new(0)).collect();
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                Team::from(pool, 4).run_apart(|id| {
                    parts[id].fetch_add(1, Ordering::Relaxed);
                    if Some(id) == bad {
                        resume_unwind(Box::new(id));
                    }
                });
            }));
            let panic = outcome
                .err()
                .map(|panic| *panic.downcast::<usize>().unwrap());
            assert_eq!(panic, bad);
            assert!(parts.iter().all(|part| part.load(Ordering::Relaxed) == 1));
        }
    }

    #[test]
    fn each_part_is_done_once_whoever_does_it() {
        let pool = pool(start_thread);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..unless_miri(2000, 20) {
                        let team = Team::from(pool, 3);
                        let parts = [(); 3].map(|()| AtomicUsize::new(0));
                        team.run_apart(|id| {
                            parts[id].fetch_add(1, Ordering::Relaxed);
                        });
                        let done = parts.map(AtomicUsize::into_inner);
                        assert_eq!(done[..team.size()], [1; 3][..team.size()]);
                        assert_eq!(done[team.size()..], [0; 3][team.size()..]);
                    }
                });
            }
        });
    }

    #[test]
    fn a_worker_that_sleeps_wakes_for_a_call() {
        let pool = pool(start_thread);
        for _ in 0..3 {
            assert_eq!(sum(pool, 2), (SUM, 2));
            let worker = lock(&pool.idle).workers[0];
            while worker.call.load(Ordering::Relaxed) != ASLEEP {
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn the_number_of_threads_belongs_to_the_thread_and_to_the_scope() {
        assert_eq!(Threads::current(), Threads::all());
        Threads::new(3).install(|| {
            assert_eq!(Threads::current().count(), 3);
            let inner = catch_unwind(|| Threads::one().install(|| panic_any(1)));
            assert!(inner.is_err());
            assert_eq!(Threads::current().count(), 3, "also after a panic");
            std::thread::scope(|scope| {
                let other = scope.spawn(Threads::current);
                assert_eq!(other.join().unwrap(), Threads::all());
            });
        });
        assert_eq!(Threads::current(), Threads::all());
        assert_eq!(Threads::new(0), Threads::all());
        assert_eq!(Threads::new(usize::MAX).count(), Threads::MOST);
    }
}
