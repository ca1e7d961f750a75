//! Attention of the steps of a target sequence over the steps of a source sequence, for batches of ragged length.
//!
//! Shapes: `B` sentences, `T` queries and `S` keys of a sentence, `D` features of queries and keys, `C` features of
//! values, `N` rows of [`attend_rows`].
//!
//! e_ts = score(q_t, k_s) + w·cov_ts, a_t = softmax(e_t), context_t = Σ_s a_ts·v_s, with cov_ts = Σ_{t'<t} a_t's. The
//! score is [`Score::General`] (Luong et al. 2015) or [`Score::Additive`] (Bahdanau et al. 2015). The coverage cov
//! keeps account of the attention that a source step has had so far (Tu et al. 2016; See et al. 2017), here with one
//! learned scalar w. There is no mask in memory: keys, values and queries past the end of a sentence are not read.
//!
//! Gradients: d_a = d_context·vᵀ + d_probabilities + w·Σ_{t'>t} d_e_t', d_e = a⊙(d_a − Σ_s a·d_a), d_v = aᵀ·d_context,
//! d_w = Σ d_e·cov; general: d_q = d_e·k, d_k = d_eᵀ·q; additive: with m = tanh(q + k), d_u = Σ d_e·m, and q and k get
//! d_e·u⊙(1 − m²), summed over s and t.
//!
//! One thread computes a sentence, and every sum has one order, so results have the same bits for any number of threads
//! and of sentences. [`attend_rows`] gives a row the bits that [`forward`] gives it.

mod backward;
mod forward;
mod products;

pub use backward::{backward, backward_at};
pub use forward::{attend_rows, attend_rows_at, forward, forward_at};

use crate::error::{KernelError, check_lengths, expect, expect_some, size};
use crate::pool::unless_miri;
use std::ops::Range;

/// How a query `q` `[D]` is compared with a key `k` `[D]`.
#[derive(Clone, Copy, Debug)]
pub enum Score<'a, F = f32> {
    /// q·k: the general score of Luong et al. (2015), if the caller has multiplied the keys (or queries) by its matrix.
    General,
    /// u·tanh(q + k) (Bahdanau et al. 2015), where the caller has projected both.
    Additive {
        /// `[D]`
        u: &'a [F],
    },
}

/// Sentences to attend to, and the way of scoring.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a, F = f32> {
    /// `B`
    pub batch: usize,
    /// `S`
    pub time: usize,
    /// `D`
    pub key_size: usize,
    /// `C`
    pub value_size: usize,
    /// `[B]`: real keys of each sentence, at most `S`; all `S` if absent. A sentence without keys gives a context of
    /// zeros.
    pub lengths: Option<&'a [usize]>,
    /// `[B,S,D]`
    pub keys: &'a [F],
    /// `[B,S,C]`
    pub values: &'a [F],
    /// The score of a query and a key.
    pub score: Score<'a, F>,
    /// The weight w of the coverage in the score, if there is coverage.
    pub coverage: Option<F>,
}

/// Sequences of queries, one for each sentence.
#[derive(Clone, Copy, Debug)]
pub struct Queries<'a, F = f32> {
    /// `T`
    pub time: usize,
    /// `[B]`: real queries of each sentence, at most `T`; all `T` if absent.
    pub lengths: Option<&'a [usize]>,
    /// `[B,T,D]`
    pub queries: &'a [F],
}

/// One query of [`attend_rows`].
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The sentence that it attends to, below `B`.
    pub sentence: usize,
    /// `[D]`
    pub query: &'a [f32],
    /// `[S]`: the sum of the probabilities of all earlier steps, added up from the first to the last; zeros if absent.
    /// Only where the source has coverage. Elements past the end of the sentence are not read.
    pub coverage: Option<&'a [f32]>,
}

/// Result of attention.
#[derive(Clone, Debug, PartialEq)]
pub struct Attended<F = f32> {
    /// `[B,T,C]`, or `[N,C]`: zeros past the last query.
    pub context: Vec<F>,
    /// `[B,T,S]`, or `[N,S]`: zeros past the last query and the last key.
    pub probabilities: Vec<F>,
}

/// Gradients of the results of [`forward`].
#[derive(Clone, Copy, Debug)]
pub struct AttendedGradients<'a, F = f32> {
    /// `[B,T,C]`; steps past the end are not read.
    pub d_context: &'a [F],
    /// `[B,T,S]`; zeros if absent. Elements past the ends are not read.
    pub d_probabilities: Option<&'a [F]>,
}

/// Gradients of the inputs of [`forward`].
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionGradients<F = f32> {
    /// `[B,T,D]`, zeros past the ends.
    pub d_queries: Vec<F>,
    /// `[B,S,D]`, zeros past the ends.
    pub d_keys: Vec<F>,
    /// `[B,S,C]`, zeros past the ends.
    pub d_values: Vec<F>,
    /// `[D]`, for [`Score::Additive`].
    pub d_u: Option<Vec<F>>,
    /// For a source with coverage.
    pub d_coverage: Option<F>,
}

impl<'a, F> Source<'a, F> {
    fn check(&self, op: &'static str) -> Result<(), KernelError> {
        let [batch, time] = [self.batch, self.time];
        expect(op, "keys", &[batch, time, self.key_size], self.keys.len())?;
        let values = [batch, time, self.value_size];
        expect(op, "values", &values, self.values.len())?;
        if let Score::Additive { u } = self.score {
            expect(op, "u", &[self.key_size], u.len())?;
        }
        check_lengths(op, "source lengths", self.lengths, [batch, time])
    }

    /// Real keys of a sentence.
    pub(crate) fn length(&self, sentence: usize) -> usize {
        self.lengths.map_or(self.time, |lengths| lengths[sentence])
    }

    /// The real keys of a sentence, `[S,D]`.
    pub(crate) fn keys_of(&self, sentence: usize) -> &'a [F] {
        let start = sentence * self.time * self.key_size;
        &self.keys[start..start + self.length(sentence) * self.key_size]
    }

    /// The values of the real keys of a sentence, `[S,C]`.
    pub(crate) fn values_of(&self, sentence: usize) -> &'a [F] {
        let start = sentence * self.time * self.value_size;
        &self.values[start..start + self.length(sentence) * self.value_size]
    }
}

impl<F> Queries<'_, F> {
    /// Checks queries and source. Products of their sizes do not wrap afterwards.
    pub(crate) fn check(&self, op: &'static str, source: &Source<F>) -> Result<(), KernelError> {
        source.check(op)?;
        let [batch, time] = [source.batch, self.time];
        let queries = [batch, time, source.key_size];
        expect(op, "queries", &queries, self.queries.len())?;
        size(op, "probabilities", &[batch, time, source.time])?;
        size(op, "context", &[batch, time, source.value_size])?;
        check_lengths(op, "query lengths", self.lengths, [batch, time])
    }

    /// The real queries of a sentence, as rows of all queries.
    pub(crate) fn rows(&self, sentence: usize) -> Range<usize> {
        let length = self.lengths.map_or(self.time, |lengths| lengths[sentence]);
        let start = sentence * self.time;
        start..start + length
    }
}

impl<F> AttendedGradients<'_, F> {
    /// Checks the gradients and the probabilities that [`forward`] gave.
    pub(crate) fn check(
        &self,
        op: &'static str,
        source: &Source<F>,
        queries: &Queries<F>,
        probabilities: &[F],
    ) -> Result<(), KernelError> {
        let [batch, time] = [source.batch, queries.time];
        let shape = [batch, time, source.time];
        expect(op, "probabilities", &shape, probabilities.len())?;
        expect_some(op, "d_probabilities", &shape, self.d_probabilities)?;
        let context = [batch, time, source.value_size];
        expect(op, "d_context", &context, self.d_context.len())
    }
}

/// Threads that have enough to do, of `threads`, for `rows` queries.
fn useful(source: &Source, rows: usize, threads: usize) -> usize {
    /// Multiplications that are worth a thread: a few microseconds.
    const WORTH_A_THREAD: usize = unless_miri(1 << 18, 1 << 6);
    // A tanh costs about as much as so many multiplications.
    let feature = match source.score {
        Score::General => 1,
        Score::Additive { .. } => 16,
    };
    let features = source.key_size.saturating_mul(feature);
    let pair = features.saturating_add(source.value_size);
    let all = rows.saturating_mul(source.time).saturating_mul(pair);
    threads.min(all / WORTH_A_THREAD).max(1)
}
