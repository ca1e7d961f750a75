//! The forward pass, over whole sequences and over single rows.

use super::products::{Scores, Squares, Weighted};
use super::{Attended, Queries, Row, Score, Source, useful};
use crate::error::{KernelError, expect};
use crate::parts::Parts;
use crate::pool::{self, share};
use crate::scratch::{unwritten, written, zeros};
use crate::simd::{Kernel, Level, Simd, dispatch, load_edge, store_edge};
use crate::softmax::{exponentials, largest};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Contexts and probabilities of all queries.
///
/// # Errors
/// [`KernelError::Shape`]: a slice of the wrong size. [`KernelError::Length`]: a length over `T` or `S`.
/// [`KernelError::TooLarge`]: results that do not fit into memory.
pub fn forward(source: &Source, queries: &Queries) -> Result<Attended, KernelError> {
    let rows = source.batch.saturating_mul(queries.time);
    let threads = useful(source, rows, pool::threads());
    forward_at(Level::best(), threads, source, queries)
}

/// [`forward`] with instruction set and threads named.
///
/// # Errors
/// As [`forward`].
pub fn forward_at(
    level: Level,
    threads: usize,
    source: &Source,
    queries: &Queries,
) -> Result<Attended, KernelError> {
    const OP: &str = "attention forward";
    queries.check(OP, source)?;
    let (batch, time, key_size) = (source.batch, queries.time, source.key_size);
    if batch * time * source.time == 0 {
        return Ok(Attended {
            context: zeros(OP, "context", &[batch, time, source.value_size])?,
            probabilities: Vec::new(),
        });
    }
    let mut context = unwritten(OP, "context", &[batch, time, source.value_size])?;
    let mut probabilities = unwritten(OP, "probabilities", &[batch, time, source.time])?;
    {
        let outputs = Outputs::new(source, &mut context, &mut probabilities);
        let next = AtomicUsize::new(0);
        pool::run(threads.clamp(1, batch.max(1)), |_, _| {
            let (mut room, mut rows) = (Room::default(), Vec::new());
            loop {
                let sentence = next.fetch_add(1, Ordering::Relaxed);
                if sentence >= batch {
                    break;
                }
                rows.clear();
                rows.extend(
                    queries
                        .rows(sentence)
                        .map(|row| query(queries.queries, row, key_size)),
                );
                let all = sentence * time..(sentence + 1) * time;
                // SAFETY: `next` gives every sentence, and so its rows, to one thread.
                let mut run = unsafe { outputs.take(source, sentence, all) };
                run.queries = &rows;
                dispatch(level, (run, &mut room));
            }
        });
    }
    // SAFETY: every sentence has been computed, and a run writes all elements of its rows.
    let [context, probabilities] =
        [context, probabilities].map(|values| unsafe { written(values) });
    Ok(Attended {
        context,
        probabilities,
    })
}

/// A row of `[…,D]`.
fn query(queries: &[f32], row: usize, key_size: usize) -> &[f32] {
    &queries[row * key_size..(row + 1) * key_size]
}

/// Contexts `[N,C]` and probabilities `[N,S]` of single queries, as a decoder makes them step by step.
///
/// **A row has the bits that [`forward`] gives the same query**, with any rows beside it and in any order, for any
/// number of threads. With coverage, that needs a [`Row::coverage`] to which the caller has added the probabilities of
/// each step in turn. Neighbouring rows of one sentence are computed together, which is faster.
///
/// # Errors
/// [`KernelError::Shape`]: a slice of the wrong size. [`KernelError::Length`]: a length over `S`.
/// [`KernelError::Index`]: a sentence that is not below `B`. [`KernelError::Option`]: the coverage of a row where the
/// source has none. [`KernelError::TooLarge`]: results that do not fit into memory.
pub fn attend_rows(source: &Source, rows: &[Row]) -> Result<Attended, KernelError> {
    let threads = useful(source, rows.len(), pool::threads());
    attend_rows_at(Level::best(), threads, source, rows)
}

/// [`attend_rows`] with instruction set and threads named.
///
/// # Errors
/// As [`attend_rows`].
pub fn attend_rows_at(
    level: Level,
    threads: usize,
    source: &Source,
    rows: &[Row],
) -> Result<Attended, KernelError> {
    const OP: &str = "attention rows";
    check_rows(OP, source, rows)?;
    let mut context = unwritten(OP, "context", &[rows.len(), source.value_size])?;
    let mut probabilities = unwritten(OP, "probabilities", &[rows.len(), source.time])?;
    {
        let outputs = Outputs::new(source, &mut context, &mut probabilities);
        pool::run(threads.clamp(1, rows.len().max(1)), |id, threads| {
            let (mut room, mut queries) = (Room::default(), Vec::new());
            let mut start = share(rows.len(), id, threads).start;
            let own = &rows[share(rows.len(), id, threads)];
            for group in own.chunk_by(|a, b| a.sentence == b.sentence) {
                let end = start + group.len();
                queries.clear();
                queries.extend(group.iter().map(|row| row.query));
                // SAFETY: the shares of two threads do not overlap, and the groups follow each other.
                let mut run = unsafe { outputs.take(source, group[0].sentence, start..end) };
                (run.queries, run.given) = (&queries, Some(group));
                dispatch(level, (run, &mut room));
                start = end;
            }
        });
    }
    // SAFETY: the groups of all threads are all rows, and a run writes all elements of its rows.
    let [context, probabilities] =
        [context, probabilities].map(|values| unsafe { written(values) });
    Ok(Attended {
        context,
        probabilities,
    })
}

fn check_rows(op: &'static str, source: &Source, rows: &[Row]) -> Result<(), KernelError> {
    source.check(op)?;
    for (position, row) in rows.iter().enumerate() {
        expect(op, "query", &[source.key_size], row.query.len())?;
        if row.sentence >= source.batch {
            return Err(KernelError::Index {
                op,
                what: "sentence",
                position,
                got: row.sentence,
                bound: source.batch,
            });
        }
        if let Some(coverage) = row.coverage {
            expect(op, "coverage", &[source.time], coverage.len())?;
            if source.coverage.is_none() {
                return Err(KernelError::Option {
                    op,
                    what: "coverage",
                    problem: "the source has no weight for it; give one, or no coverage",
                });
            }
        }
    }
    Ok(())
}

/// The results of all rows.
struct Outputs<'a> {
    context: Parts<'a, MaybeUninit<f32>>,
    probabilities: Parts<'a, MaybeUninit<f32>>,
    /// `[C, S]`
    sizes: [usize; 2],
}

impl<'a> Outputs<'a> {
    fn new(
        source: &Source,
        context: &'a mut [MaybeUninit<f32>],
        probabilities: &'a mut [MaybeUninit<f32>],
    ) -> Self {
        Self {
            context: Parts::new(context),
            probabilities: Parts::new(probabilities),
            sizes: [source.value_size, source.time],
        }
    }

    /// The results of some rows, to be computed.
    ///
    /// # Safety
    /// Ranges that are taken do not overlap.
    unsafe fn take<'s>(
        &self,
        source: &'s Source<'s>,
        sentence: usize,
        rows: std::ops::Range<usize>,
    ) -> Run<'s>
    where
        'a: 's,
    {
        let range = |size: usize| rows.start * size..rows.end * size;
        // SAFETY: as the caller promises.
        unsafe {
            Run {
                source,
                sentence,
                queries: &[],
                given: None,
                context: self.context.take(range(self.sizes[0])),
                probabilities: self.probabilities.take(range(self.sizes[1])),
            }
        }
    }
}

/// Buffers of a thread, used for one run after the other.
#[derive(Default)]
struct Room {
    squares: Squares,
    /// `[S]`
    coverage: Vec<f32>,
}

/// Queries of one sentence: the steps of a sequence, or rows with a coverage of their own.
struct Run<'a> {
    source: &'a Source<'a>,
    sentence: usize,
    queries: &'a [&'a [f32]],
    /// Rows with their own coverage; without them, the queries follow each other from the first step on.
    given: Option<&'a [Row<'a>]>,
    /// `[T,C]`, or `[N,C]`; rows without a query become zero.
    context: &'a mut [MaybeUninit<f32>],
    /// `[T,S]`, or `[N,S]`; rows without a query become zero.
    probabilities: &'a mut [MaybeUninit<f32>],
}

impl Kernel for (Run<'_>, &mut Room) {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (run, room) = self;
        let source = run.source;
        let (rows, time) = (run.queries.len(), source.time);
        let length = source.length(run.sentence);
        run.probabilities[rows * time..].fill(MaybeUninit::new(0.0));
        run.context[rows * source.value_size..].fill(MaybeUninit::new(0.0));
        let scores = Scores {
            rows: run.queries,
            keys: source.keys_of(run.sentence),
            count: length,
            n: source.key_size,
            u: match source.score {
                Score::General => None,
                Score::Additive { u } => Some(u),
            },
        };
        let a: *mut f32 = run.probabilities.as_mut_ptr().cast();
        let coverage = &mut room.coverage;
        coverage.clear();
        coverage.resize(length, 0.0);
        // SAFETY: probabilities and contexts have room for all rows, as slicing has shown. The scores write the first
        // `length` of the `time` elements of a row of probabilities, which are read only afterwards, and the others are
        // written here. The coverage of a row has at least `length` elements. The caller has the instruction set.
        unsafe {
            scores.run::<S>(&mut room.squares, a, time);
            for row in 0..rows {
                let a = a.add(row * time);
                a.add(length).write_bytes(0, time - length);
                if let Some(weight) = source.coverage {
                    let given = run.given.and_then(|given| given[row].coverage);
                    let so_far = given.map_or(&coverage[..], |given| &given[..length]);
                    add_scaled::<S>(weight, so_far, a);
                }
                let p = std::slice::from_raw_parts_mut(a, length);
                softmax::<S>(p);
                if source.coverage.is_some() && run.given.is_none() {
                    for (sum, p) in coverage.iter_mut().zip(p) {
                        *sum += *p;
                    }
                }
            }
            let contexts = Weighted {
                a,
                row: time,
                step: 1,
                rows,
                b: source.values_of(run.sentence),
                k: length,
                n: source.value_size,
            };
            contexts.run::<S>(run.context.as_mut_ptr().cast());
        }
    }
}

/// y += a·x
///
/// # Safety
/// As [`Simd`]: the instruction set of `S` is present. `y` is valid for as many floats as `x` has.
#[inline(always)]
pub(super) unsafe fn add_scaled<S: Simd>(a: f32, x: &[f32], y: *mut f32) {
    let n = x.len();
    for i in (0..n).step_by(S::LANES) {
        // SAFETY: an edge touches only the n − i elements that are left.
        unsafe {
            let x = load_edge::<S>(x.as_ptr().add(i), n - i);
            let sum = S::fma(S::splat(a), x, load_edge::<S>(y.add(i), n - i));
            store_edge::<S>(y.add(i), sum, n - i);
        }
    }
}

/// The softmax of a row, in its place.
///
/// # Safety
/// As [`Simd`]: the instruction set of `S` is present.
#[inline(always)]
unsafe fn softmax<S: Simd>(row: &mut [f32]) {
    let n = row.len();
    // SAFETY: an edge touches only the n − i elements that are left; the caller has the instruction set.
    unsafe {
        let largest = largest::<S>(row);
        let factor = S::splat(1.0 / exponentials::<S>(row, largest));
        for i in (0..n).step_by(S::LANES) {
            let p = row.as_mut_ptr().add(i);
            store_edge::<S>(p, S::mul(load_edge::<S>(p, n - i), factor), n - i);
        }
    }
}
