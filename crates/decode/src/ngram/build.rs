//! Putting a model together, order by order.

use super::model::{NONE, Ngram, Node, ROOT};
use std::collections::HashMap;

/// An n-gram that cannot be added.
pub(super) enum BuildError {
    /// All words but the last are not an n-gram themselves.
    NoContext,
    /// The n-gram of line `second` was in line `first` already.
    Twice { first: usize, second: usize },
    /// More n-grams than 32 bits can count.
    TooMany,
}

/// N-grams come in by rising order, each order in any sequence; [`close`](Self::close) ends an order.
pub(super) struct Builder {
    model: Ngram,
    entries: Vec<Entry>,
}

struct Entry {
    context: u32,
    word: u32,
    log_p: f32,
    backoff: f32,
    line: usize,
}

impl Builder {
    pub(super) fn new() -> Self {
        let root = Node {
            word: NONE,
            log_p: 0.0,
            backoff: 0.0,
            link: ROOT,
            first: 1,
            end: 1,
        };
        Self {
            model: Ngram {
                words: Vec::new(),
                ids: HashMap::new(),
                nodes: vec![root],
                levels: vec![1],
            },
            entries: Vec::new(),
        }
    }

    /// The id of a word, if it is known.
    pub(super) fn id(&self, word: &str) -> Option<u32> {
        self.model.id(word)
    }

    /// The id of a word, made if need be. Every word made needs an n-gram of one word.
    pub(super) fn word(&mut self, word: &str) -> Result<u32, BuildError> {
        if let Some(id) = self.model.id(word) {
            return Ok(id);
        }
        let id = u32::try_from(self.model.words.len()).map_err(|_| BuildError::TooMany)?;
        self.model.words.push(word.to_owned());
        self.model.ids.insert(word.to_owned(), id);
        Ok(id)
    }

    /// Adds an n-gram of the current order, at least one word long; log10, and a line for messages.
    pub(super) fn add(
        &mut self,
        words: &[u32],
        log_p: f32,
        backoff: f32,
        line: usize,
    ) -> Result<(), BuildError> {
        let Some((&word, before)) = words.split_last() else {
            return Ok(());
        };
        let context = before.iter().try_fold(ROOT, |n, &w| self.model.child(n, w));
        let context = context.ok_or(BuildError::NoContext)?;
        self.entries.push(Entry {
            context,
            word,
            log_p,
            backoff,
            line,
        });
        Ok(())
    }

    /// Ends an order.
    pub(super) fn close(&mut self) -> Result<(), BuildError> {
        let mut entries = std::mem::take(&mut self.entries);
        entries.sort_unstable_by_key(|e| (e.context, e.word, e.line));
        let twice = |e: &[Entry]| (e[0].context, e[0].word) == (e[1].context, e[1].word);
        if let Some(pair) = entries.windows(2).find(|pair| twice(pair)) {
            let (first, second) = (pair[0].line, pair[1].line);
            return Err(BuildError::Twice { first, second });
        }
        let model = &mut self.model;
        if u32::try_from(model.nodes.len() + entries.len()).is_err() {
            return Err(BuildError::TooMany);
        }
        for group in entries.chunk_by(|a, b| a.context == b.context) {
            let context = group[0].context as usize;
            let first = model.nodes.len() as u32;
            for entry in group {
                let link = match entry.context {
                    ROOT => ROOT,
                    context => suffix(model, context, entry.word),
                };
                model.nodes.push(Node {
                    word: entry.word,
                    log_p: entry.log_p,
                    backoff: entry.backoff,
                    link,
                    first: 0,
                    end: 0,
                });
            }
            let end = model.nodes.len() as u32;
            (model.nodes[context].first, model.nodes[context].end) = (first, end);
        }
        model.levels.push(model.nodes.len());
        Ok(())
    }

    pub(super) fn finish(self) -> Ngram {
        self.model
    }
}

/// The longest proper suffix of (context, word) that is an n-gram.
fn suffix(model: &Ngram, context: u32, word: u32) -> u32 {
    let mut shorter = context;
    loop {
        shorter = model.nodes[shorter as usize].link;
        match model.child(shorter, word) {
            Some(node) => return node,
            None if shorter == ROOT => return ROOT,
            None => {}
        }
    }
}
