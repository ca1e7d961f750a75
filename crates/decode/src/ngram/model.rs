//! The table of n-grams and the scores that it gives.

use crate::metrics::perplexity::Perplexity;
use std::collections::HashMap;
use std::f64::consts::LN_10;

/// log10 p of a word that a model without `<unk>` does not know (KenLM's choice).
const UNKNOWN: f32 = -100.0;
/// No word.
pub(super) const NONE: u32 = u32::MAX;
/// The node of the empty history.
pub(super) const ROOT: u32 = 0;
/// The longest n-grams accepted.
pub const MAX_ORDER: usize = 32;

/// An n-gram model.
#[derive(Debug, Clone)]
pub struct Ngram {
    pub(super) words: Vec<String>,
    pub(super) ids: HashMap<String, u32>,
    /// The empty n-gram, then those of one word in the order of `words`, of two, …; n-grams that share all but their
    /// last word stand together, ordered by it.
    pub(super) nodes: Vec<Node>,
    /// Where the n-grams of each order begin, and the end of the last.
    pub(super) levels: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// The last word.
    pub word: u32,
    /// log10 p(last word | the words before it)
    pub log_p: f32,
    /// log10 of the back-off weight.
    pub backoff: f32,
    /// The longest proper suffix that is a node.
    pub link: u32,
    /// Where the n-grams of one word more lie.
    pub first: u32,
    pub end: u32,
}

/// A history of words, as a position in the model's table. Equal states give equal scores to every continuation.
///
/// A state belongs to the model that gave it. Handed to another it is some history of that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State(u32);

impl Ngram {
    /// Length of the longest n-grams.
    pub fn order(&self) -> usize {
        self.levels.len() - 1
    }

    /// Number of n-grams of each order, from 1.
    pub fn counts(&self) -> Vec<usize> {
        self.levels
            .windows(2)
            .map(|level| level[1] - level[0])
            .collect()
    }

    /// All words, with those of the model's own (`<s>`, `</s>`, `<unk>`), in the order of their ids.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// The id of a word, if the model knows it.
    pub fn id(&self, word: &str) -> Option<u32> {
        self.ids.get(word).copied()
    }

    /// The history of a sentence's beginning.
    pub fn start(&self) -> State {
        match self.id("<s>") {
            Some(id) => self.score_id(State(ROOT), Some(id)).1,
            None => State(ROOT),
        }
    }

    /// The history of which nothing is known.
    pub fn empty(&self) -> State {
        State(ROOT)
    }

    /// ln p(word | history), nats, and the history that ends with the word.
    ///
    /// A word that the model does not know is `<unk>`; without one, its probability is 10^-100 and the history after it
    /// empty.
    pub fn score(&self, state: State, word: &str) -> (f64, State) {
        self.score_id(state, self.id(word))
    }

    /// [`score`](Self::score) of a word by its id; `None` or an id that does not exist is a word that the model does
    /// not know.
    pub fn score_id(&self, state: State, word: Option<u32>) -> (f64, State) {
        let known = word.filter(|&word| (word as usize) < self.words.len());
        let Some(word) = known.or_else(|| self.unknown()) else {
            return (f64::from(UNKNOWN) * LN_10, State(ROOT));
        };
        let mut node = if (state.0 as usize) < self.nodes.len() {
            state.0
        } else {
            ROOT
        };
        let mut log_p = 0.0;
        loop {
            if let Some(child) = self.child(node, word) {
                let found = &self.nodes[child as usize];
                // The longest n-grams are no history of anything.
                let top = self.levels[self.order() - 1];
                let next = if (child as usize) < top {
                    child
                } else {
                    found.link
                };
                return ((log_p + f64::from(found.log_p)) * LN_10, State(next));
            }
            if node == ROOT {
                return (f64::from(UNKNOWN) * LN_10, State(ROOT));
            }
            log_p += f64::from(self.nodes[node as usize].backoff);
            node = self.nodes[node as usize].link;
        }
    }

    /// ln p(the sentence ends | history), nats; 0 if the model has no `</s>`.
    pub fn end(&self, state: State) -> f64 {
        self.id("</s>")
            .map_or(0.0, |id| self.score_id(state, Some(id)).0)
    }

    /// Scores a sentence: adds its words and its end to `sum` (characters: of the words, and one for the space or end
    /// behind each) and gives the number of words that the model does not know. They are in the sum, as
    /// [`score`](Self::score) has them.
    pub fn measure<'a>(
        &self,
        sentence: impl IntoIterator<Item = &'a str>,
        sum: &mut Perplexity,
    ) -> u64 {
        let (mut state, mut unknown) = (self.start(), 0);
        for word in sentence {
            let id = self.id(word);
            unknown += u64::from(id.is_none());
            let (log_p, next) = self.score_id(state, id);
            sum.add(-log_p, 1, word.chars().count() as u64 + 1);
            state = next;
        }
        if self.id("</s>").is_some() {
            sum.add(-self.end(state), 1, 0);
        }
        unknown
    }

    fn unknown(&self) -> Option<u32> {
        self.id("<unk>").or_else(|| self.id("<UNK>"))
    }

    /// The n-gram of `node` and one word more.
    pub(super) fn child(&self, node: u32, word: u32) -> Option<u32> {
        let Node { first, end, .. } = self.nodes[node as usize];
        if node == ROOT {
            // Words of the first order stand in the order of their ids.
            return (word < end.saturating_sub(first)).then(|| first + word);
        }
        let range = &self.nodes[first as usize..end as usize];
        let at = range.binary_search_by_key(&word, |node| node.word).ok()?;
        Some(first + at as u32)
    }
}
