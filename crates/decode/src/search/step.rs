//! One step of one sentence.

use super::config::SearchConfig;
use super::hypothesis::{Ending, Kept};
use super::source::Plan;
use super::tree::{NONE, Tree};
use super::words::Progress;

/// A hypothesis that grows.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub node: u32,
    pub sum: f64,
    /// Its row in the last call of the model.
    pub from: Option<usize>,
    pub progress: Progress,
    /// The number of the draw.
    pub sample: usize,
}

impl Live {
    /// The empty hypothesis.
    pub fn start(plan: &Plan) -> Self {
        Self {
            node: NONE,
            sum: 0.0,
            from: None,
            progress: plan.words.start(),
            sample: 0,
        }
    }
}

/// Buffers that all steps share.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Tokens of the hypothesis at hand.
    history: Vec<u32>,
    /// Blocked tokens with their log-probabilities.
    blocked: Vec<(u32, f32)>,
    /// As `blocked`, for tokens that are visited apart.
    pub apart: Vec<(u32, f32)>,
    /// Tokens to draw from, and their log-probabilities.
    pub tokens: Vec<u32>,
    pub logits: Vec<f32>,
}

/// The scores of a step, and the hypotheses that they lengthen.
pub(super) struct Step<'a> {
    pub plan: &'a Plan,
    pub config: &'a SearchConfig,
    pub tree: &'a mut Tree,
    /// One hypothesis a row.
    pub parents: &'a [Live],
    /// `[N,V]`
    pub log_probs: &'a mut [f32],
    /// `V`
    pub vocabulary: usize,
    /// The first row in the call of the model.
    pub first: usize,
    /// Tokens that the hypotheses have.
    pub length: usize,
    pub scratch: &'a mut Scratch,
}

impl Step<'_> {
    pub fn row(&mut self, parent: usize) -> &mut [f32] {
        &mut self.log_probs[parent * self.vocabulary..][..self.vocabulary]
    }

    /// The hypothesis with one more token.
    pub fn grow(&mut self, parent: usize, token: u32) -> Live {
        let log_prob = self.row(parent)[token as usize];
        let live = &self.parents[parent];
        let words = &self.plan.words;
        Live {
            node: self.tree.add(live.node, token, log_prob, parent),
            sum: live.sum + f64::from(log_prob),
            from: Some(self.first + parent),
            progress: match Some(token) == self.config.end {
                true => live.progress.clone(),
                false => words.step(&live.progress, token),
            },
            sample: live.sample,
        }
    }

    /// The hypothesis with the end mark.
    pub fn end(&mut self, parent: usize, end: u32) -> Kept {
        let live = self.grow(parent, end);
        let length = self.length + 1;
        Kept::new(
            &live,
            length,
            Ending::Mark,
            self.tree,
            self.plan,
            self.config,
        )
    }

    /// The hypothesis as it is, which nothing can follow.
    pub fn stuck(&self, parent: usize) -> Kept {
        let live = &self.parents[parent];
        Kept::new(
            live,
            self.length,
            Ending::Stuck,
            self.tree,
            self.plan,
            self.config,
        )
    }

    /// Gives probability 0 to the tokens that may not follow a hypothesis. False if none is left.
    pub fn restrict(&mut self, parent: usize) -> bool {
        let (plan, config, live) = (self.plan, self.config, &self.parents[parent]);
        let row = &mut self.log_probs[parent * self.vocabulary..][..self.vocabulary];
        for &token in &plan.banned {
            row[token as usize] = f32::NEG_INFINITY;
        }
        let open = self.length < plan.least || !plan.words.complete(&live.progress);
        if let Some(end) = config.end.filter(|_| open) {
            row[end as usize] = f32::NEG_INFINITY;
        }
        let possible = |row: &[f32]| row.iter().any(|&value| value > f32::NEG_INFINITY);
        if config.no_repeat.is_none() && config.no_repeat_earlier.is_none() {
            return possible(row);
        }
        let Scratch {
            history, blocked, ..
        } = &mut *self.scratch;
        self.tree.tokens(live.node, history);
        blocked.clear();
        let mut block = |token: u32| {
            let free = Some(token) == config.end || plan.words.wants(&live.progress, token);
            if let Some(value) = row.get_mut(token as usize).filter(|_| !free) {
                blocked.push((token, *value));
                *value = f32::NEG_INFINITY;
            }
        };
        if let Some(n) = config.no_repeat {
            repeats(history, history, n, &mut block);
        }
        if let Some(n) = config.no_repeat_earlier {
            let earlier = plan.earlier.iter();
            earlier.for_each(|text| repeats(history, text, n, &mut block));
        }
        if !possible(row) {
            // The way out. In reverse, because a token may have been blocked twice.
            for &(token, value) in blocked.iter().rev() {
                row[token as usize] = value;
            }
        }
        possible(row)
    }
}

/// Calls `block` with each token that would make the last n tokens of the history an n-gram of the text.
fn repeats(history: &[u32], text: &[u32], n: usize, block: &mut impl FnMut(u32)) {
    let Some(start) = (history.len() + 1).checked_sub(n) else {
        return;
    };
    let last = &history[start..];
    for gram in text.windows(n) {
        if let Some((&next, before)) = gram.split_last()
            && before == last
        {
            block(next);
        }
    }
}
