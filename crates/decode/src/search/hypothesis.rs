//! Results, and the best of them.

use super::config::SearchConfig;
use super::source::Plan;
use super::step::Live;
use super::tree::Tree;
use std::cmp::Ordering;

/// The least attention of a source position that the coverage penalty tells apart.
const LEAST_COVERAGE: f64 = 1e-9;

/// How a hypothesis ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With the end mark.
    Mark,
    /// It was cut at the maximum length.
    Length,
    /// No token can follow: all are banned or have probability 0.
    Stuck,
}

/// A result of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// Its tokens `[T]`, without the end mark.
    pub tokens: Vec<u32>,
    /// ln p of each token, then of the end mark if it ended with one, nats.
    pub log_probs: Vec<f32>,
    /// Their sum from the first to the last, nats.
    pub log_prob: f64,
    /// The sum divided by the length penalty, plus the coverage penalty.
    pub score: f64,
    /// How it ended.
    pub ending: Ending,
    /// The attention weights `[T,S]` with which each token was predicted, if the settings ask for them.
    pub attention: Option<Vec<f32>>,
}

/// A hypothesis that grows no more.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    node: u32,
    sum: f64,
    score: f64,
    ending: Ending,
    /// Whether it has all forced words.
    complete: bool,
}

impl Kept {
    /// `length` counts the end mark.
    pub fn new(
        live: &Live,
        length: usize,
        ending: Ending,
        tree: &Tree,
        plan: &Plan,
        config: &SearchConfig,
    ) -> Self {
        let coverage = match config.coverage > 0.0 {
            true => tree.coverage(live.node, LEAST_COVERAGE),
            false => 0.0,
        };
        Self {
            node: live.node,
            sum: live.sum,
            score: config.score(live.sum, length, coverage),
            ending,
            complete: plan.words.complete(&live.progress),
        }
    }

    pub fn hypothesis(&self, tree: &Tree, config: &SearchConfig) -> Hypothesis {
        let mut path = tree.path(self.node);
        let log_probs = path.iter().map(|node| node.log_prob).collect();
        if self.ending == Ending::Mark {
            path.pop();
        }
        let weights = || path.iter().flat_map(|node| tree.weights(node)).copied();
        Hypothesis {
            tokens: path.iter().map(|node| node.token).collect(),
            log_probs,
            log_prob: self.sum,
            score: self.score,
            ending: self.ending,
            attention: config.attention.then(|| weights().collect()),
        }
    }

    fn text(&self, tree: &Tree, text: &dyn Fn(&[u32]) -> String) -> String {
        let mut tokens = Vec::new();
        tree.tokens(self.node, &mut tokens);
        if self.ending == Ending::Mark {
            tokens.pop();
        }
        text(&tokens)
    }

    /// Those with all forced words first, then higher scores.
    fn order(&self, other: &Self) -> Ordering {
        let by_words = other.complete.cmp(&self.complete);
        // Not `total_cmp`: −0 and 0 are the same score. Scores are never NaN.
        by_words.then(
            other
                .score
                .partial_cmp(&self.score)
                .unwrap_or(Ordering::Equal),
        )
    }
}

/// The best hypotheses of different texts; among equal ones, those that came first.
pub(super) struct Pool {
    capacity: usize,
    /// Best first.
    kept: Vec<(Kept, String)>,
}

impl Pool {
    /// Room for `capacity` of at least 1.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            kept: Vec::new(),
        }
    }

    pub fn offer(&mut self, new: Kept, tree: &Tree, text: &dyn Fn(&[u32]) -> String) {
        let better = |old: &Kept| new.order(old) == Ordering::Less;
        if self.full() && !self.kept.last().is_some_and(|(worst, _)| better(worst)) {
            return;
        }
        let key = new.text(tree, text);
        if let Some(twin) = self.kept.iter().position(|(_, old)| *old == key) {
            if !better(&self.kept[twin].0) {
                return;
            }
            self.kept.remove(twin);
        }
        let place = self.kept.partition_point(|(old, _)| !better(old));
        self.kept.insert(place, (new, key));
        self.kept.truncate(self.capacity);
    }

    /// Whether it holds as many as it can.
    pub fn full(&self) -> bool {
        self.kept.len() == self.capacity
    }

    /// The lowest score.
    pub fn worst(&self) -> f64 {
        self.kept
            .last()
            .map_or(f64::NEG_INFINITY, |(kept, _)| kept.score)
    }

    /// The best `count` of both pools with different texts, all of this one first. Those that lack forced words count
    /// only if none has them all.
    pub fn results<'a>(&'a self, rest: &'a Self, count: usize) -> Vec<&'a Kept> {
        let mut all: Vec<&(Kept, String)> = Vec::new();
        for entry in self.kept.iter().chain(&rest.kept) {
            if !all.iter().any(|(_, text)| *text == entry.1) {
                all.push(entry);
            }
        }
        if all.iter().any(|(kept, _)| kept.complete) {
            all.retain(|(kept, _)| kept.complete);
        }
        all.into_iter().map(|(kept, _)| kept).take(count).collect()
    }
}
