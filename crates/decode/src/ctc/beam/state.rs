//! A beam search as plain data, and back.
//!
//! Language models, lexicon and hot words are not in it: their states follow from the labels of a prefix, and are
//! computed anew.

use super::decoder::BeamDecoder;
use super::search::{BeamSearch, Slot, Track};
use super::tree::{NONE, ROOT, Span};
use crate::state::{Check, StateError};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

const CHECK: Check = Check("a beam search");

/// A [`BeamSearch`] as plain data, for any format of serde that keeps every `f64` (JSON has no −∞).
///
/// It belongs to a decoder of the same labels, settings and models: another one gives an error or other scores. Its
/// size grows with the labels on which all prefixes agree.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BeamState {
    frames: u64,
    /// Parent and last label of every prefix but the empty one, which has number 0; parents come first.
    prefixes: Vec<[u32; 2]>,
    /// Of finished labels; those before come first.
    spans: Vec<Span>,
    /// Best first.
    beam: Vec<Slot>,
}

impl BeamSearch {
    /// The search so far as plain data; [`BeamDecoder::resume`] goes on with the same bits.
    pub fn state(&self) -> BeamState {
        let (mut tree, mut spans) = (self.tree.clone(), self.spans.clone());
        let mut beam = self.slots.clone();
        tree.thin(beam.iter_mut().map(|slot| &mut slot.node));
        spans.thin(beam.iter_mut().flat_map(Slot::spans_before));
        let prefix = |node| {
            let prefix = tree.get(node);
            [prefix.parent, prefix.label]
        };
        BeamState {
            frames: self.frames() as u64,
            prefixes: (1..tree.len() as u32).map(prefix).collect(),
            spans: spans.all().to_vec(),
            beam,
        }
    }
}

impl BeamDecoder {
    /// The search that [`BeamSearch::state`] described.
    ///
    /// # Errors
    /// A state that no search of this decoder can have.
    pub fn resume(&self, state: BeamState) -> Result<BeamSearch, StateError> {
        let frames = CHECK.frames(state.frames)?;
        let depths = check_spans(&state.spans, frames)?;
        let mut search = self.begin();
        search.add_prefixes(&state.prefixes)?;
        search.check_beam(&state, frames, &depths)?;
        search.restore(frames, state.spans, state.beam);
        Ok(search)
    }
}

impl BeamSearch {
    fn add_prefixes(&mut self, prefixes: &[[u32; 2]]) -> Result<(), StateError> {
        let mut known = HashSet::with_capacity(prefixes.len());
        let (vocabulary, blank) = (self.fusion.labels.vocabulary(), self.fusion.labels.blank());
        for (before, &[parent, label]) in prefixes.iter().enumerate() {
            let wrong = |what: &str| format!("prefix {} {what}", before + 1);
            CHECK.that(parent as usize <= before, || {
                wrong("stands before its parent")
            })?;
            let is_label = (label as usize) < vocabulary && label != blank;
            CHECK.that(is_label, || wrong("ends in a class that is no label"))?;
            CHECK.that(known.insert([parent, label]), || wrong("is there twice"))?;
            let context = self.longer(parent, label);
            let context = context.ok_or_else(|| CHECK.error(wrong("leaves the lexicon")))?;
            self.tree.add(parent, label, context);
        }
        Ok(())
    }

    fn check_beam(
        &self,
        state: &BeamState,
        frames: usize,
        depths: &[usize],
    ) -> Result<(), StateError> {
        let (count, width) = (state.beam.len(), self.fusion.config.width);
        CHECK.that((1..=width).contains(&count), || {
            format!("{count} prefixes are no beam of a width of {width}")
        })?;
        let mut nodes = HashSet::with_capacity(count);
        for slot in &state.beam {
            let node = slot.node;
            CHECK.that((node as usize) < self.tree.len(), || {
                format!("prefix {node} of the beam does not exist")
            })?;
            CHECK.that(nodes.insert(node), || {
                format!("prefix {node} is in the beam twice")
            })?;
            CHECK.that(slot.is_possible(), || {
                format!("a score of prefix {node} is no logarithm of a probability above 0")
            })?;
            let depth = self.tree.get(node).depth;
            for Track { span, .. } in slot.tracks() {
                let wrong = || format!("the frames of prefix {node} do not fit its labels");
                let before = depth_of(depths, span.before).ok_or_else(|| CHECK.error(wrong()))?;
                match node {
                    ROOT => CHECK.that(span.before == NONE, wrong)?,
                    _ => CHECK.that(
                        before + 1 == depth && fits(span, &state.spans, frames),
                        wrong,
                    )?,
                }
            }
        }
        Ok(())
    }
}

/// Number of labels of each chain of spans.
fn check_spans(spans: &[Span], frames: usize) -> Result<Vec<usize>, StateError> {
    let mut depths = Vec::with_capacity(spans.len());
    for (number, span) in spans.iter().enumerate() {
        let before = depth_of(&depths, span.before);
        match before.filter(|_| fits(span, spans, frames)) {
            Some(before) => depths.push(before + 1),
            None => {
                let problem = format!("span {number} of a label does not follow the one before");
                return Err(CHECK.error(problem));
            }
        }
    }
    Ok(depths)
}

/// Number of labels up to a span, if there is such a span.
fn depth_of(depths: &[usize], span: u32) -> Option<usize> {
    match span {
        NONE => Some(0),
        span => depths.get(span as usize).copied(),
    }
}

/// Whether the frames of a span lie in order, behind those of the span before, which exists.
fn fits(span: &Span, spans: &[Span], frames: usize) -> bool {
    let follows = match span.before {
        NONE => true,
        before => spans[before as usize].last < span.first,
    };
    follows && span.first <= span.last && span.last < frames && span.sum.is_finite()
}
