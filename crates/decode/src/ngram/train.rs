//! Modified Kneser-Ney smoothing, interpolated (Chen and Goodman 1999, "An empirical study of smoothing techniques",
//! section 4).
//!
//! The highest order counts n-grams as they occur; a lower order counts the different words that precede an n-gram,
//! N₁₊(• w₁…wₖ), except that n-grams that begin with `<s>`, which nothing can precede, keep their plain counts. With c
//! these counts,
//!
//! p(w | h) = max(c(h w) − D(c), 0) / Σ c(h •) + γ(h) p(w | h'), γ(h) = (D₁ N₁ + D₂ N₂ + D₃₊ N₃₊) / Σ c(h •),
//!
//! where N_i is the number of words behind h with the count i, D₁ = 1 − 2Y n₂/n₁, D₂ = 2 − 3Y n₃/n₂, D₃₊ = 3 − 4Y
//! n₄/n₃, Y = n₁/(n₁ + 2n₂), and n_i the number of n-grams of that order with the count i. Order 0 is uniform over all
//! words, `</s>` and `<unk>`.

use super::build::{BuildError, Builder};
use super::model::{MAX_ORDER, Ngram};
use thiserror::Error;

/// log10 p of `<s>`, which never follows.
const NEVER: f32 = -99.0;
/// Discounts where the counts of counts allow none (KenLM's choice).
const FALLBACK: [f64; 3] = [0.5, 1.0, 1.5];

/// Why no model can be trained.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TrainError {
    /// The order is 0 or too high.
    #[error("n-gram: order {0} is not between 1 and {MAX_ORDER}")]
    Order(usize),
    /// There are no sentences.
    #[error("n-gram: no sentence to learn from")]
    Empty,
    /// A sentence holds `<s>` or `</s>`, or a word with white space inside or of no letters.
    #[error("n-gram: word {word:?} of sentence {sentence} cannot be a word of a text")]
    Word {
        /// Number of the sentence, from 0.
        sentence: usize,
        /// The word.
        word: String,
    },
    /// More words or n-grams than 32 bits can count.
    #[error("n-gram: more words or n-grams than 32 bits can count")]
    TooLarge,
}

/// Learns a model of the given order from sentences of words, with modified Kneser-Ney smoothing (see above). Nothing
/// is left out, however rare.
///
/// `<s>` stands before each sentence, `</s>` behind; `<unk>` gets the uniform share of order 0, and is counted like a
/// word where it stands in the text. Where an order has no n-grams of one of the counts 1 to 4, or a discount comes out
/// at 0 or less, its discounts are 0.5, 1 and 1.5.
///
/// Memory: about 16 bytes for each word and order, and the model. The same sentences give the same bits.
///
/// # Errors
/// An order outside 1 to [`MAX_ORDER`], no sentences, a word that cannot be one, too many of them.
pub fn train<'a, S>(
    order: usize,
    sentences: impl IntoIterator<Item = S>,
) -> Result<Ngram, TrainError>
where
    S: IntoIterator<Item = &'a str>,
{
    if !(1..=MAX_ORDER).contains(&order) {
        return Err(TrainError::Order(order));
    }
    let mut builder = Builder::new();
    let corpus = Corpus::read(&mut builder, sentences)?;
    let levels = corpus.levels(order);
    let mut orders: Vec<Smoothed> = Vec::with_capacity(order);
    for (n, level) in (1..).zip(&levels) {
        let next = match orders.last_mut() {
            None => unigrams(&corpus, level),
            Some(lower) => smooth(&corpus, n, level, &levels[n - 2], lower),
        };
        orders.push(next);
    }
    for (n, (level, smoothed)) in (1..).zip(levels.iter().zip(&orders)) {
        emit(&corpus, n, level, smoothed, &mut builder).map_err(|_| TrainError::TooLarge)?;
    }
    Ok(builder.finish())
}

/// All sentences one behind the other.
struct Corpus {
    tokens: Vec<u32>,
    /// Where the sentences begin.
    starts: Vec<usize>,
    /// Number of words, those of the model's own included.
    words: usize,
}

/// The model's own words; their ids are their places here.
const OWN: [&str; 3] = ["<unk>", "<s>", "</s>"];
const START: u32 = 1;
const END: u32 = 2;

/// The different n-grams of one order, each by a place where it stands, in the order of their words' ids.
struct Level {
    places: Vec<usize>,
    counts: Vec<u64>,
}

/// Of one order: p of each n-gram, and γ of each as a history. Order 1 is indexed by word, the others as their
/// [`Level`].
struct Smoothed {
    p: Vec<f64>,
    gamma: Vec<f64>,
}

impl Corpus {
    fn read<'a, S>(
        builder: &mut Builder,
        sentences: impl IntoIterator<Item = S>,
    ) -> Result<Self, TrainError>
    where
        S: IntoIterator<Item = &'a str>,
    {
        let too_large = |_: BuildError| TrainError::TooLarge;
        for word in OWN {
            builder.word(word).map_err(too_large)?;
        }
        let (mut tokens, mut starts, mut words) = (Vec::new(), Vec::new(), OWN.len());
        for (number, sentence) in sentences.into_iter().enumerate() {
            starts.push(tokens.len());
            tokens.push(START);
            for word in sentence {
                let odd = word.is_empty() || word.contains(|c: char| c.is_ascii_whitespace());
                if odd || word == "<s>" || word == "</s>" {
                    return Err(TrainError::Word {
                        sentence: number,
                        word: word.to_owned(),
                    });
                }
                let id = builder.word(word).map_err(too_large)?;
                words = words.max(id as usize + 1);
                tokens.push(id);
            }
            tokens.push(END);
        }
        match starts.is_empty() {
            true => Err(TrainError::Empty),
            false => Ok(Self {
                tokens,
                starts,
                words,
            }),
        }
    }

    fn gram(&self, place: usize, n: usize) -> &[u32] {
        &self.tokens[place..place + n]
    }

    /// Where each sentence begins and ends among the tokens.
    fn sentences(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let ends = self.starts.iter().skip(1).copied();
        let ends = ends.chain([self.tokens.len()]);
        self.starts.iter().copied().zip(ends)
    }

    /// The n-grams of all orders from 1 with the counts that smoothing wants.
    fn levels(&self, order: usize) -> Vec<Level> {
        let mut places = Vec::new();
        for (start, end) in self.sentences() {
            places.extend(start..(end + 1).saturating_sub(order).max(start));
        }
        let mut levels = vec![self.count(places, order)];
        for n in (1..order).rev() {
            // Each different n-gram one longer is one different word before its suffix.
            let longer = &levels[levels.len() - 1].places;
            let mut places: Vec<usize> = longer.iter().map(|place| place + 1).collect();
            for (start, end) in self.sentences() {
                places.extend((start + n <= end).then_some(start));
            }
            levels.push(self.count(places, n));
        }
        levels.reverse();
        levels
    }

    fn count(&self, mut places: Vec<usize>, n: usize) -> Level {
        places.sort_unstable_by(|&a, &b| self.gram(a, n).cmp(self.gram(b, n)).then(a.cmp(&b)));
        let mut level = Level {
            places: Vec::new(),
            counts: Vec::new(),
        };
        for group in places.chunk_by(|&a, &b| self.gram(a, n) == self.gram(b, n)) {
            level.places.push(group[0]);
            level.counts.push(group.len() as u64);
        }
        level
    }

    /// Where an n-gram stands in its order's arrays. Every history and every suffix of an n-gram that occurs is one
    /// itself.
    fn index(&self, level: &Level, gram: &[u32]) -> usize {
        match gram {
            [word] => *word as usize,
            _ => level
                .places
                .partition_point(|&place| self.gram(place, gram.len()) < gram),
        }
    }
}

/// D₁, D₂ and D₃₊ (eq. 26 of the report).
fn discounts(counts: impl Iterator<Item = u64>) -> [f64; 3] {
    let mut n = [0.0; 5];
    for count in counts.filter(|count| (1..=4).contains(count)) {
        n[count as usize] += 1.0;
    }
    let y = n[1] / (n[1] + 2.0 * n[2]);
    let d = [1, 2, 3].map(|i| i as f64 - (i + 1) as f64 * y * n[i + 1] / n[i]);
    let usable = n[1..].iter().all(|&n| n > 0.0) && d.iter().all(|&d| d > 0.0);
    if usable { d } else { FALLBACK }
}

fn discount(d: &[f64; 3], count: u64) -> f64 {
    d[count.clamp(1, 3) as usize - 1]
}

fn unigrams(corpus: &Corpus, level: &Level) -> Smoothed {
    let gram = |place: &usize| corpus.tokens[*place];
    let all = level
        .places
        .iter()
        .map(gram)
        .zip(level.counts.iter().copied());
    // The beginning of a sentence is given, never predicted.
    let all = all.filter(|&(word, _)| word != START);
    let d = discounts(all.clone().map(|(_, count)| count));
    let total: f64 = all.clone().map(|(_, count)| count as f64).sum();
    let left: f64 = all.clone().map(|(_, count)| discount(&d, count)).sum();
    let uniform = left / total / (corpus.words - 1) as f64;
    let mut p = vec![uniform; corpus.words];
    for (word, count) in all {
        p[word as usize] += (count as f64 - discount(&d, count)) / total;
    }
    Smoothed {
        p,
        gamma: vec![1.0; corpus.words],
    }
}

/// The order `n` ≥ 2; sets the γ of the order below.
fn smooth(
    corpus: &Corpus,
    n: usize,
    level: &Level,
    below: &Level,
    lower: &mut Smoothed,
) -> Smoothed {
    let d = discounts(level.counts.iter().copied());
    let mut p = Vec::with_capacity(level.places.len());
    let history = |place: usize| corpus.gram(place, n - 1);
    let mut done = 0;
    for group in level.places.chunk_by(|&a, &b| history(a) == history(b)) {
        let counts = &level.counts[done..][..group.len()];
        done += group.len();
        let total: f64 = counts.iter().map(|&count| count as f64).sum();
        let left: f64 = counts.iter().map(|&count| discount(&d, count)).sum();
        let gamma = left / total;
        for (&place, &count) in group.iter().zip(counts) {
            let suffix = corpus.index(below, corpus.gram(place + 1, n - 1));
            p.push((count as f64 - discount(&d, count)) / total + gamma * lower.p[suffix]);
        }
        let own = corpus.index(below, history(group[0]));
        lower.gamma[own] = gamma;
    }
    let gamma = vec![1.0; p.len()];
    Smoothed { p, gamma }
}

fn emit(
    corpus: &Corpus,
    n: usize,
    level: &Level,
    smoothed: &Smoothed,
    builder: &mut Builder,
) -> Result<(), BuildError> {
    let log = |x: f64| libm::log10(x) as f32;
    if n == 1 {
        for word in 0..corpus.words as u32 {
            let p = match word {
                START => NEVER,
                _ => log(smoothed.p[word as usize]).min(0.0),
            };
            builder.add(&[word], p, log(smoothed.gamma[word as usize]), 0)?;
        }
    } else {
        for (index, &place) in level.places.iter().enumerate() {
            let p = log(smoothed.p[index]).min(0.0);
            let gamma = log(smoothed.gamma[index]);
            builder.add(corpus.gram(place, n), p, gamma, 0)?;
        }
    }
    builder.close()
}
