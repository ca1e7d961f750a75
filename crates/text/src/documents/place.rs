//! From a translation to the raw text of its slots: markup is placed, lines are broken.

use super::atoms::{Atom, Links, atoms, divide, links};
use super::escape::Escape;
use super::inline::{Lean, Node};
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
        if at >= source.end {
            return target.end;
        }
        let inside = |t: &&usize| target.contains(t);
        let next = self.to_target[at].iter().find(inside).copied();
        let last = self.to_target[at - 1]
            .iter()
            .rev()
            .find(inside)
            .map(|t| t + 1);
        let spot = if placed.node.lean == Lean::Left {
            last.or(next)
        } else {
            next.or(last)
        };
        spot.unwrap_or(target.start + (at - source.start) * target.len() / source.len().max(1))
    }
}

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
        let is = |out: &Out, left: bool| match out {
            Out::Tag(_, Lean::Left) => left,
            Out::Tag(_, Lean::Between { .. }) => !left,
            _ => false,
        };
        // Closing tags come before the space, all others after it; leaves have spaces of their own.
        let closing = tags.iter().take_while(|t| is(t, true)).count();
        let last_leaf = tags.iter().rposition(|t| is(t, false));
        let (before, after) = self.spaces(tags, space, next);
        for (k, out) in tags.iter().enumerate() {
            if k == closing {
                self.escape.push(before, &mut self.out);
            }
            if let Out::Tag(range, _) = out {
                self.document
                    .render(range.clone(), self.filled, &mut self.out);
            }
            if last_leaf == Some(k) {
                self.escape.push(after, &mut self.out);
            }
        }
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
                },
            ) => Some((*before, *after, *breaks)),
            _ => None,
        });
        let Some((left, right, breaks)) = leaves.next() else {
            return (space, "");
        };
        let right = leaves.next_back().map_or(right, |(_, right, _)| right);
        // At an end of the text there is one side only.
        let before = self.last.is_some() && (left || (right && next.is_none()));
        let after = next.is_some() && (right || (left && self.last.is_none()));
        let gap = if space.is_empty() { " " } else { space };
        match (before, after) {
            (true, true) => (gap, " "),
            (true, false) => (gap, ""),
            (false, true) => ("", gap),
            (false, false) if breaks => ("", ""),
            (false, false) => (space, ""),
        }
    }
}
