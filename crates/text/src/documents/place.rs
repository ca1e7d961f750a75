//! From a translation to the raw text of its slots: markup is placed, lines are broken.

use super::atoms::{Atom, Links, atoms, divide, links, starts_word};
use super::escape::Escape;
use super::inline::{After, Lean, Node, is_closing};
use super::lines::one_line;
use super::{Document, Slot, Translated};
use std::ops::Range;

/// Fills the slots of segment `k`.
pub(super) fn fill(
    document: &Document,
    k: usize,
    translated: &Translated,
    filled: &mut [Option<String>],
) {
    let plan = &document.plans[k];
    let segment = &document.segments[k];
    let slots = &document.slots[plan.slots.clone()];
    if translated.text == segment.text {
        for (slot, at) in slots.iter().zip(plan.slots.clone()) {
            let mut text = String::new();
            document.render(slot.raw.clone(), filled, &mut text);
            filled[at] = Some(surround(document, slot, filled, &text));
        }
        return;
    }
    let target = one_line(&translated.text);
    let placing = Placing::new(&segment.text, &target, translated.alignment.as_deref());
    let shares: Vec<usize> = slots
        .iter()
        .map(|s| segment.text[s.text.clone()].chars().count())
        .collect();
    let cuts = divide(&target, &placing.target, &shares);
    for (part, slot) in slots.iter().enumerate() {
        let start = part.checked_sub(1).map_or(0, |p| cuts[p]);
        let end = cuts.get(part).copied().unwrap_or(placing.target.len());
        let source = placing.covered(&slot.text);
        let outs = placing.outs(&slot.nodes, source, start..end);
        let mut breaks = divide(&target, &placing.target[start..end], &vec![1; slot.lines]);
        breaks.iter_mut().for_each(|b| *b += start);
        let writer = Writer {
            document,
            escape: plan.escape,
            filled,
            target: &target,
            atoms: &placing.target,
            breaks,
            out: String::new(),
            last: None,
        };
        let mut text = writer.write(&outs);
        if plan.escape == Escape::Attribute(None) {
            text = format!("\"{text}\"");
        }
        filled[plan.slots.start + part] = Some(surround(document, slot, filled, &text));
    }
}

/// A part's text inside of what a new target needs.
fn surround(document: &Document, slot: &Slot, filled: &[Option<String>], text: &str) -> String {
    let Some(around) = &slot.around else {
        return text.to_owned();
    };
    let mut out = around.open.clone();
    document.render(around.lead.clone(), filled, &mut out);
    out.push_str(text);
    document.render(around.tail.clone(), filled, &mut out);
    out.push_str(&around.close);
    out
}

/// Something to be written.
enum Out {
    /// A unit of the translation.
    Atom(usize),
    /// Bytes of the source, and how they stand between words.
    Tag(Range<usize>, Lean),
}

/// A child with its place among the units of the translation.
struct Placed<'a> {
    node: &'a Node,
    source: Range<usize>,
    target: Range<usize>,
}

/// Units of both texts and their links.
struct Placing {
    source: Vec<Atom>,
    target: Vec<Atom>,
    to_target: Links,
    to_source: Links,
}

impl Placing {
    fn new(source: &str, target: &str, alignment: Option<&[(usize, usize)]>) -> Self {
        let (source, target) = (atoms(source), atoms(target));
        let (to_target, to_source) = links(&source, &target, alignment);
        Self {
            source,
            target,
            to_target,
            to_source,
        }
    }

    /// Units of the source that overlap with bytes of it; for an empty range the place of the next one.
    fn covered(&self, text: &Range<usize>) -> Range<usize> {
        if text.is_empty() {
            let at = self.source.partition_point(|a| a.range.start < text.start);
            return at..at;
        }
        let start = self.source.partition_point(|a| a.range.end <= text.start);
        start
            ..self
                .source
                .partition_point(|a| a.range.start < text.end)
                .max(start)
    }

    /// What is written for `nodes` and the text around them, given the units that they have to share.
    fn outs(&self, nodes: &[Node], source: Range<usize>, target: Range<usize>) -> Vec<Out> {
        let mut outs = Vec::new();
        let mut owner = vec![false; self.target.len()];
        self.walk(nodes, source, target, &mut owner, &mut outs);
        outs
    }

    /// `taken` is false inside of `target`, before and after the call.
    fn walk(
        &self,
        nodes: &[Node],
        source: Range<usize>,
        target: Range<usize>,
        taken: &mut [bool],
        outs: &mut Vec<Out>,
    ) {
        let mut placed = Vec::with_capacity(nodes.len());
        for node in nodes {
            let inside = self.covered(&node.text);
            let inside = inside.start.max(source.start)
                ..inside
                    .end
                    .min(source.end)
                    .max(inside.start.max(source.start));
            let place = if inside.is_empty() {
                target.start..target.start
            } else {
                let place = self.claim(&inside, &source, &target, taken);
                taken[place.clone()].fill(true);
                place
            };
            placed.push(Placed {
                node,
                source: inside,
                target: place,
            });
        }
        let mut claims: Vec<Range<usize>> = placed
            .iter()
            .map(|p| p.target.clone())
            .filter(|r| !r.is_empty())
            .collect();
        claims.sort_by_key(|r| r.start);
        // Tags whose partners lie outside of this text keep their order, so that they stay nested with those.
        let mut last_stray = target.start;
        for p in placed.iter_mut().filter(|p| p.target.is_empty()) {
            let mut at = outside(self.spot(p, &source, &target), &claims);
            if p.node.close.is_none() && matches!(p.node.lean, Lean::Left | Lean::Right) {
                at = at.max(last_stray);
                last_stray = at;
            }
            p.target = at..at;
        }
        taken[target.clone()].fill(false);
        placed.sort_by_key(|p| (p.target.start, !p.target.is_empty()));
        let mut at = target.start;
        for p in placed {
            outs.extend((at..p.target.start).map(Out::Atom));
            at = p.target.end;
            match &p.node.close {
                None => outs.push(Out::Tag(p.node.tag.clone(), p.node.lean)),
                Some(close) => {
                    outs.push(Out::Tag(p.node.tag.clone(), Lean::Right));
                    self.walk(&p.node.children, p.source, p.target, taken, outs);
                    outs.push(Out::Tag(close.clone(), Lean::Left));
                }
            }
        }
        outs.extend((at..target.end).map(Out::Atom));
    }

    /// The run of free units that a pair around `inside` gets: the one with the most links to its words and the fewest
    /// to others. A pair around everything gets everything.
    fn claim(
        &self,
        inside: &Range<usize>,
        source: &Range<usize>,
        target: &Range<usize>,
        taken: &[bool],
    ) -> Range<usize> {
        if inside == source && !taken[target.clone()].contains(&true) {
            return target.clone();
        }
        let linked = || {
            self.to_target[inside.clone()]
                .iter()
                .flatten()
                .filter(|t| target.contains(t))
        };
        let mut best = (0, target.start..target.start);
        if let (Some(&first), Some(&last)) = (linked().min(), linked().max()) {
            let mut run = (0, first);
            for (t, links) in self.to_source.iter().enumerate().take(last + 1).skip(first) {
                let hits = links.iter().filter(|s| inside.contains(s)).count() as i64;
                let score = match (hits, links.len() as i64 - hits) {
                    (0, 0) => -1,
                    (hits, misses) => 4 * hits - 3 * misses,
                };
                if taken[t] {
                    run = (0, t + 1);
                    continue;
                }
                if run.0 <= 0 {
                    run = (0, t);
                }
                run.0 += score;
                if run.0 > best.0 {
                    best = (run.0, run.1..t + 1);
                }
            }
        }
        if best.0 > 0 {
            best.1
        } else {
            self.proportional(inside, source, target, taken)
        }
    }

    /// Free units at the place that corresponds to `inside`.
    fn proportional(
        &self,
        inside: &Range<usize>,
        source: &Range<usize>,
        target: &Range<usize>,
        taken: &[bool],
    ) -> Range<usize> {
        let scale =
            |s: usize| target.start + (s - source.start) * target.len() / source.len().max(1);
        let start = scale(inside.start);
        let end = scale(inside.end).max((start + 1).min(target.end));
        let Some(first) = (start..end).find(|&t| !taken[t]) else {
            return target.start..target.start;
        };
        first..(first..end).find(|&t| taken[t]).unwrap_or(end)
    }

    /// The place of something without text.
    fn spot(&self, placed: &Placed<'_>, source: &Range<usize>, target: &Range<usize>) -> usize {
        let at = placed.source.start;
        if at <= source.start {
            return target.start;
        }
        let splits_word = self.source[at - 1].range.end > placed.node.text.start;
        if at >= source.end && !splits_word {
            return target.end;
        }
        let inside = |t: &&usize| target.contains(t);
        let next = (at < source.end)
            .then(|| self.to_target[at].iter().find(inside).copied())
            .flatten();
        let last = self.to_target[at - 1]
            .iter()
            .rev()
            .find(inside)
            .map(|t| t + 1);
        let linked = match placed.node.lean {
            Lean::Left
            | Lean::Between {
                left: true,
                breaks: false,
                ..
            } => last.or(next),
            Lean::Right | Lean::Between { .. } => next.or(last),
        };
        // A line break stays between words, wherever those of the next line went.
        let breaks = matches!(placed.node.lean, Lean::Between { breaks: true, .. });
        let in_proportion = target.start + (at - source.start) * target.len() / source.len().max(1);
        linked
            .filter(|&t| !breaks || (target.start < t && t < target.end))
            .or_else(|| self.between_words(in_proportion, target))
            .or(linked)
            .unwrap_or(in_proportion)
    }

    /// A place close to `at`, inside of `target`, where a word begins.
    fn between_words(&self, at: usize, target: &Range<usize>) -> Option<usize> {
        let inside = target.start + 1..target.end;
        let begins = |&t: &usize| inside.contains(&t) && starts_word(&self.target, t);
        let near = (at..at + NEAR).find(begins);
        near.or_else(|| (at.saturating_sub(NEAR)..at).rfind(begins))
    }
}

/// Units that are searched for the beginning of a word.
const NEAR: usize = 8;

/// The closest place that does not lie inside of a claim. Claims are sorted and apart.
fn outside(at: usize, claims: &[Range<usize>]) -> usize {
    let next = claims.partition_point(|c| c.end <= at);
    match claims.get(next) {
        Some(claim) if claim.start < at => {
            if at - claim.start <= claim.end - at {
                claim.start
            } else {
                claim.end
            }
        }
        _ => at,
    }
}

/// Writes units, tags, spaces and line ends.
struct Writer<'a> {
    document: &'a Document,
    escape: Escape,
    filled: &'a [Option<String>],
    target: &'a str,
    atoms: &'a [Atom],
    /// Units before which a line ends.
    breaks: Vec<usize>,
    out: String,
    /// The last unit that was written.
    last: Option<usize>,
}

impl<'a> Writer<'a> {
    fn write(mut self, outs: &[Out]) -> String {
        let mut from = 0;
        for (k, out) in outs.iter().enumerate() {
            if let Out::Atom(atom) = out {
                self.between(&outs[from..k], Some(*atom));
                self.escape
                    .push(&self.target[self.atoms[*atom].range.clone()], &mut self.out);
                self.last = Some(*atom);
                from = k + 1;
            }
        }
        self.between(&outs[from..], None);
        self.out
    }

    /// Writes the tags between two units, and the space between them on the side where it belongs.
    fn between(&mut self, tags: &[Out], next: Option<usize>) {
        let space = match (self.last, next) {
            (_, Some(next)) if self.breaks.binary_search(&next).is_ok() => self.document.line_end,
            (Some(last), Some(next)) => {
                &self.target[self.atoms[last].range.end..self.atoms[next].range.start]
            }
            _ => "",
        };
        let closes = |out: &Out| matches!(out, Out::Tag(_, Lean::Left));
        let gap_after = |out: &Out| match out {
            Out::Tag(_, Lean::Between { after, .. }) => Some(*after == After::Space),
            _ => None,
        };
        // Closing tags come before the space, all others after it; leaves have spaces of their own.
        let closing = tags.iter().take_while(|t| closes(t)).count();
        let last_leaf = tags.iter().rposition(|t| gap_after(t).is_some());
        let (before, after) = self.spaces(tags, space, next);
        // The space after a leaf; it comes after the closing tags behind the leaf.
        let mut due = "";
        for (k, out) in tags.iter().enumerate() {
            if !closes(out) {
                self.escape.push(std::mem::take(&mut due), &mut self.out);
            }
            if k == closing {
                self.escape.push(before, &mut self.out);
            }
            if let Out::Tag(range, _) = out {
                self.document
                    .render(range.clone(), self.filled, &mut self.out);
            }
            due = match gap_after(out) {
                Some(_) if last_leaf == Some(k) => after,
                Some(true) => " ",
                Some(false) => "",
                None => due,
            };
        }
        self.escape.push(due, &mut self.out);
        if closing == tags.len() {
            self.escape.push(before, &mut self.out);
        }
    }

    /// The spaces before the tags that do not close anything, and after the last leaf of them.
    fn spaces(&self, tags: &[Out], space: &'a str, next: Option<usize>) -> (&'a str, &'a str) {
        let mut leaves = tags.iter().filter_map(|t| match t {
            Out::Tag(
                _,
                Lean::Between {
                    before,
                    after,
                    breaks,
                    ..
                },
            ) => Some((*before, *after, *breaks)),
            _ => None,
        });
        let Some((left, right, breaks)) = leaves.next() else {
            return (space, "");
        };
        let right = leaves.next_back().map_or(right, |(_, right, _)| right);
        let gap = if space.is_empty() { " " } else { space };
        let (last, next) = (self.last.map(|k| self.unit(k)), next.map(|k| self.unit(k)));
        // Punctuation stays with its word, and the leaf goes with it.
        let glued = space.is_empty();
        let opened = glued && last.is_some_and(|unit| unit.ends_with(['(', '[']));
        let closed = glued && next.is_some_and(|unit| unit.starts_with(is_closing));
        let before = last.is_some() && left && !opened;
        let after = match (last.is_some(), next.is_some()) {
            (_, false) => false,
            (false, true) => right == After::Space || (right == After::Rest && left),
            (true, true) => !closed && (right == After::Space || (right == After::Rest && !glued)),
        };
        match (before, after) {
            (true, true) => (gap, " "),
            (true, false) => (gap, ""),
            (false, true) => ("", gap),
            (false, false) if breaks || next.is_none() => ("", ""),
            (false, false) => (space, ""),
        }
    }

    fn unit(&self, k: usize) -> &'a str {
        &self.target[self.atoms[k].range.clone()]
    }
}
