//! One utterance, frame by frame.

use super::config::BeamError;
use super::fusion::{Context, Fusion, Verdict};
use super::tree::{NONE, ROOT, Span, Spans, Tree};
use crate::ctc::frame::{CtcError, check_frame, probability};
use crate::math::log_add;
use crate::top_k::TopK;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const NEVER: f64 = f64::NEG_INFINITY;
/// Fewer nodes than this are never thinned out.
const THIN: usize = 1024;

/// A prefix beam search in progress. Its size grows with the labels on which all prefixes agree, not with the frames.
#[derive(Debug, Clone)]
pub struct BeamSearch {
    pub(super) fusion: Arc<Fusion>,
    pub(super) tree: Tree,
    pub(super) spans: Spans,
    /// The beam, best first.
    pub(super) slots: Vec<Slot>,
    frames: usize,
    /// How many nodes and spans there may be before they are thinned out.
    room: [usize; 2],
    scratch: Scratch,
}

/// How many nodes there may be until they are thinned out again.
fn room(kept: usize) -> usize {
    THIN.max(2 * kept)
}

/// A prefix of the beam.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Slot {
    pub node: u32,
    /// ln p_b
    blank: f64,
    /// ln p_l
    label: f64,
    /// ln (p_b + p_l)
    #[serde(skip)]
    pub total: f64,
    /// The likeliest path of each kind.
    blank_track: Track,
    label_track: Track,
}

/// The likeliest path of a prefix with one kind of ending: its log-probability, and the frames of its last label.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Track {
    score: f64,
    pub span: Span,
}

/// A prefix of the next beam that lengthens one of this.
#[derive(Debug, Clone)]
struct Growth {
    rank: usize,
    label: u32,
    /// Its node, or [`NONE`].
    node: u32,
    log_p: f64,
    context: Context,
}

#[derive(Debug, Clone, Copy)]
enum Candidate {
    /// The prefix of this rank stays as it is.
    Stay(usize),
    /// This growth.
    Grow(usize),
}

#[derive(Debug, Clone, Default)]
struct Scratch {
    /// `[V]`: the children of the prefix at hand.
    children: Vec<u32>,
    /// Labels that may lengthen prefixes in this frame.
    labels: Vec<u32>,
    growths: Vec<Growth>,
}

impl BeamSearch {
    pub(super) fn new(fusion: Arc<Fusion>) -> Self {
        let mut tree = Tree::new(fusion.start());
        tree.set_rank(ROOT, 0);
        let none = Span {
            first: 0,
            last: 0,
            sum: 0.0,
            before: NONE,
        };
        let track = |score| Track { score, span: none };
        let children = vec![NONE; fusion.labels.vocabulary()];
        Self {
            fusion,
            tree,
            spans: Spans::default(),
            slots: vec![Slot {
                node: ROOT,
                blank: 0.0,
                label: NEVER,
                total: 0.0,
                blank_track: track(0.0),
                label_track: track(NEVER),
            }],
            frames: 0,
            room: [THIN; 2],
            scratch: Scratch {
                children,
                ..Scratch::default()
            },
        }
    }

    /// Takes up a beam whose prefixes are in the tree.
    pub(super) fn restore(&mut self, frames: usize, spans: Vec<Span>, slots: Vec<Slot>) {
        self.frames = frames;
        self.spans = Spans::new(spans);
        self.tree.set_rank(ROOT, NONE);
        self.slots = slots;
        for (rank, slot) in (0..).zip(&mut self.slots) {
            slot.total = log_add(slot.blank, slot.label);
            self.tree.set_rank(slot.node, rank);
        }
        self.room = [self.tree.len(), self.spans.len()].map(room);
    }

    /// Number of frames so far.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Takes the log-probabilities `[V]` of one frame, nats.
    ///
    /// # Errors
    /// A frame that is not `V` long, NaN or +∞ in it, or probabilities of 0 that leave no prefix. The search is then as
    /// it was before.
    pub fn step(&mut self, frame: &[f32]) -> Result<(), BeamError> {
        let fusion = Arc::clone(&self.fusion);
        let (labels, config) = (&fusion.labels, &fusion.config);
        let (len, vocabulary) = (frame.len(), labels.vocabulary());
        if len != vocabulary {
            return Err(CtcError::Shape { len, vocabulary }.into());
        }
        check_frame(self.frames, frame)?;
        let mut next = self.stay(frame, labels.blank());
        self.grow(frame, &mut next, &fusion);
        let mut candidates = TopK::new(config.width);
        for (rank, slot) in next.iter_mut().enumerate() {
            slot.total = log_add(slot.blank, slot.label);
            let extra = self.tree.get(slot.node).context.extra;
            candidates.push(slot.total + extra, Candidate::Stay(rank));
        }
        for (index, growth) in self.scratch.growths.iter().enumerate() {
            let score = growth.log_p + growth.context.extra;
            candidates.push(score, Candidate::Grow(index));
        }
        let best = candidates.take(config.margin);
        if best.is_empty() {
            let frame = self.frames;
            return Err(CtcError::NoPath { frame }.into());
        }
        self.settle(frame, &next, best);
        self.frames += 1;
        self.thin();
        Ok(())
    }

    /// Each prefix with one frame more of blank or of its last label; growth is added later.
    fn stay(&self, frame: &[f32], blank: u32) -> Vec<Slot> {
        let own = f64::from(frame[blank as usize]);
        let stay = |slot: &Slot| {
            let mut next = slot.clone();
            next.blank = slot.total + own;
            next.blank_track = slot.best();
            next.blank_track.score += own;
            if slot.node != ROOT {
                let value = frame[self.tree.get(slot.node).label as usize];
                next.label = slot.label + f64::from(value);
                next.label_track.score += f64::from(value);
                next.label_track.span.last = self.frames;
                next.label_track.span.sum += probability(value);
            }
            next
        };
        self.slots.iter().map(stay).collect()
    }

    /// Each prefix with each label: into the prefix of the beam that it becomes, or among the growths.
    fn grow(&mut self, frame: &[f32], next: &mut [Slot], fusion: &Fusion) {
        self.choose_labels(frame, fusion);
        let mut growths = std::mem::take(&mut self.scratch.growths);
        growths.clear();
        for rank in 0..self.slots.len() {
            let (node, label, blank_p, total) = {
                let slot = &self.slots[rank];
                let label = self.tree.get(slot.node).label;
                (slot.node, label, slot.blank, slot.total)
            };
            for child in self.tree.children(node) {
                self.scratch.children[self.tree.get(child).label as usize] = child;
            }
            for index in 0..self.scratch.labels.len() {
                let new = self.scratch.labels[index];
                // The same label again needs a blank between.
                let from = if new == label { blank_p } else { total };
                let log_p = from + f64::from(frame[new as usize]);
                if log_p == NEVER {
                    continue;
                }
                let child = self.scratch.children[new as usize];
                let known = (child != NONE).then(|| self.tree.get(child));
                if let Some(twin) = known.filter(|child| child.rank != NONE) {
                    let twin = &mut next[twin.rank as usize];
                    twin.label = log_add(twin.label, log_p);
                    let track = self.lengthen(rank, new, frame[new as usize]);
                    if track.score > twin.label_track.score {
                        twin.label_track = track;
                    }
                    continue;
                }
                let context = match known {
                    Some(child) => Some(child.context),
                    None => self.longer(node, new),
                };
                if let Some(context) = context {
                    growths.push(Growth {
                        rank,
                        label: new,
                        node: child,
                        log_p,
                        context,
                    });
                }
            }
            for child in self.tree.children(node) {
                self.scratch.children[self.tree.get(child).label as usize] = NONE;
            }
        }
        self.scratch.growths = growths;
    }

    /// The labels of this frame that are likely enough, and the likeliest.
    fn choose_labels(&mut self, frame: &[f32], fusion: &Fusion) {
        let blank = fusion.labels.blank() as usize;
        let floor = fusion.config.label_floor;
        let values = || {
            frame
                .iter()
                .enumerate()
                .filter(|(label, _)| *label != blank)
        };
        let most = values().fold(f32::NEG_INFINITY, |most, (_, &value)| most.max(value));
        let likely = values().filter(|&(_, &v)| f64::from(v) >= floor || v == most);
        self.scratch.labels.clear();
        self.scratch
            .labels
            .extend(likely.map(|(label, _)| label as u32));
    }

    /// The likeliest path of this beam's prefix with a new label begun in this frame.
    fn lengthen(&mut self, rank: usize, label: u32, value: f32) -> Track {
        let slot = &self.slots[rank];
        let again = self.tree.get(slot.node).label == label;
        let from = if again { slot.blank_track } else { slot.best() };
        let before = match slot.node {
            ROOT => NONE,
            _ => self.spans.add(from.span),
        };
        Track {
            score: from.score + f64::from(value),
            span: Span {
                first: self.frames,
                last: self.frames,
                sum: probability(value),
                before,
            },
        }
    }

    /// Makes the candidates the beam.
    fn settle(&mut self, frame: &[f32], next: &[Slot], best: Vec<(f64, Candidate)>) {
        let growths = std::mem::take(&mut self.scratch.growths);
        let slots: Vec<Slot> = best
            .into_iter()
            .map(|(_, candidate)| match candidate {
                Candidate::Stay(rank) => next[rank].clone(),
                Candidate::Grow(index) => {
                    let growth = &growths[index];
                    let label_track =
                        self.lengthen(growth.rank, growth.label, frame[growth.label as usize]);
                    let parent = self.slots[growth.rank].node;
                    let node = match growth.node {
                        NONE => self.tree.add(parent, growth.label, growth.context),
                        node => node,
                    };
                    Slot {
                        node,
                        blank: NEVER,
                        label: growth.log_p,
                        total: growth.log_p,
                        blank_track: Track {
                            score: NEVER,
                            ..label_track
                        },
                        label_track,
                    }
                }
            })
            .collect();
        for slot in &self.slots {
            self.tree.set_rank(slot.node, NONE);
        }
        for (rank, slot) in (0..).zip(&slots) {
            self.tree.set_rank(slot.node, rank);
        }
        self.slots = slots;
        self.scratch.growths = growths;
    }

    /// Drops the nodes and spans that no prefix of the beam needs, seldom enough that a step costs the same on average.
    fn thin(&mut self) {
        if self.tree.len() > self.room[0] {
            self.tree
                .thin(self.slots.iter_mut().map(|slot| &mut slot.node));
            self.room[0] = room(self.tree.len());
        }
        if self.spans.len() > self.room[1] {
            self.spans
                .thin(self.slots.iter_mut().flat_map(Slot::spans_before));
            self.room[1] = room(self.spans.len());
        }
    }

    /// The context of a prefix with one label more, unless the lexicon forbids it.
    pub(super) fn longer(&mut self, node: u32, label: u32) -> Option<Context> {
        let verdict = match self.fusion.labels.opens_word(label) {
            true => self.verdict(node),
            false => None,
        };
        let context = &self.tree.get(node).context;
        self.fusion.grow(context, label, verdict)
    }

    /// The verdict on the last word of a prefix; kept for the next time.
    fn verdict(&mut self, node: u32) -> Option<Verdict> {
        let prefix = self.tree.get(node);
        if prefix.verdict.is_some() {
            return prefix.verdict;
        }
        let word = || self.current_word(node);
        let verdict = self.fusion.judge(&prefix.context, word);
        self.tree.set_verdict(node, verdict);
        verdict
    }

    /// The text of a prefix's last word.
    pub(super) fn current_word(&self, node: u32) -> String {
        let labels = &self.fusion.labels;
        let mut pieces = Vec::new();
        for label in self.tree.labels_back(node) {
            pieces.push(labels.text(label));
            if labels.opens_word(label) {
                break;
            }
        }
        pieces.into_iter().rev().collect()
    }
}

impl Slot {
    /// The spans before the last one of both tracks.
    pub(super) fn spans_before(&mut self) -> [&mut u32; 2] {
        [
            &mut self.blank_track.span.before,
            &mut self.label_track.span.before,
        ]
    }

    /// Both tracks.
    pub(super) fn tracks(&self) -> [&Track; 2] {
        [&self.blank_track, &self.label_track]
    }

    /// Whether all scores are logarithms, and that of the prefix is above −∞.
    pub(super) fn is_possible(&self) -> bool {
        let tracks = self.tracks().map(|track| track.score);
        let is_log = |score: f64| score.is_finite() || score == NEVER;
        let all = [self.blank, self.label, tracks[0], tracks[1]];
        all.into_iter().all(is_log) && log_add(self.blank, self.label).is_finite()
    }

    /// The likelier of the two tracks.
    pub(super) fn best(&self) -> Track {
        if self.blank_track.score > self.label_track.score {
            self.blank_track
        } else {
            self.label_track
        }
    }
}
