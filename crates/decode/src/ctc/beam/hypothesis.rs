//! The results of a search.

use super::fusion::Context;
use super::parts::ScoreParts;
use super::search::{BeamSearch, Slot};
use crate::ctc::label::LabelSpan;
use crate::ctc::words::{Word, words};
use serde::{Deserialize, Serialize};

/// A sequence of labels with its score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hypothesis {
    /// Its labels, with the frames of their likeliest path among those that the search followed.
    pub labels: Vec<LabelSpan>,
    /// Its words, if any label ends a word; otherwise the whole text as one.
    pub words: Vec<Word>,
    /// The words with one space between them.
    pub text: String,
    /// The sum by which hypotheses are ranked, nats.
    pub score: f64,
    /// The parts of the score.
    pub parts: ScoreParts,
}

impl BeamSearch {
    /// The `n` best hypotheses, best first, as though the utterance ended here; equal scores in the order of the label
    /// sequences. Further steps may follow: this is also the partial result of a stream.
    ///
    /// With a lexicon, a hypothesis that ends within a word is none; there can be no hypothesis at all.
    pub fn end(&self, n: usize) -> Vec<Hypothesis> {
        let fusion = &self.fusion;
        let slots = self.slots.iter();
        let mut ended: Vec<(f64, &Slot, Context)> = slots
            .filter_map(|slot| self.finish(slot).map(|(score, last)| (score, slot, last)))
            .collect();
        let labels = |slot: &Slot| -> Vec<u32> {
            let mut labels: Vec<u32> = self.tree.labels_back(slot.node).collect();
            labels.reverse();
            labels
        };
        ended.sort_by(|a, b| {
            let by_score = b.0.total_cmp(&a.0);
            by_score.then_with(|| labels(a.1).cmp(&labels(b.1)))
        });
        let hypothesis = |(score, slot, last): (f64, &Slot, Context)| {
            let spans = self.label_spans(slot, slot.node, 0);
            Hypothesis {
                words: words(&spans, &fusion.labels),
                text: fusion.labels.join(spans.iter().map(|span| span.label)),
                labels: spans,
                score,
                parts: ScoreParts {
                    ctc: slot.total,
                    ..last.parts
                },
            }
        };
        ended.into_iter().take(n).map(hypothesis).collect()
    }

    /// The score of a prefix at the end, with its parts.
    fn finish(&self, slot: &Slot) -> Option<(f64, Context)> {
        let fusion = &self.fusion;
        let word = || self.current_word(slot.node);
        let context = &self.tree.get(slot.node).context;
        let last = fusion.finish(context, fusion.judge(context, word))?;
        let score = slot.total + last.extra;
        (score > f64::NEG_INFINITY).then_some((score, last))
    }

    /// The labels on which all prefixes of the beam agree, from number `from` on: whatever frames follow, all
    /// hypotheses will begin with them.
    ///
    /// Their frames and confidences are those of the best prefix now. A later best prefix may have heard them some
    /// frames off, and the last of them may still go on.
    pub fn stable(&self, from: usize) -> Vec<LabelSpan> {
        let nodes = self.slots.iter().map(|slot| slot.node);
        let common = nodes.reduce(|a, b| self.tree.common(a, b));
        match (self.slots.first(), common) {
            (Some(best), Some(common)) => self.label_spans(best, common, from),
            _ => Vec::new(),
        }
    }

    /// The labels of `node`, the prefix of a slot or one above it, from number `from` on, with their frames on the
    /// slot's likeliest path.
    fn label_spans(&self, slot: &Slot, node: u32, from: usize) -> Vec<LabelSpan> {
        let last = slot.best().span;
        let depths = |node: u32| self.tree.get(node).depth;
        let spans = std::iter::once(&last).chain(self.spans.back(last.before));
        let spans = spans.skip(depths(slot.node) - depths(node));
        let wanted = depths(node).saturating_sub(from);
        let mut found: Vec<LabelSpan> = self
            .tree
            .labels_back(node)
            .zip(spans)
            .take(wanted)
            .map(|(label, span)| LabelSpan {
                label,
                first: span.first,
                last: span.last,
                confidence: span.sum / (span.last - span.first + 1) as f64,
            })
            .collect();
        found.reverse();
        found
    }
}
