//! The best path among those that spell whole characters (Viterbi 1967), for characters of several labels.

use crate::charset::Charset;
use refrain_decode::ctc::LabelSpan;

/// Most steps times nodes that are remembered, two bytes each; a longer line keeps its unrestricted path.
const MOST: usize = 1 << 25;

/// A state of the search: a node of the trie of characters, on its label or on a blank behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct State {
    node: usize,
    is_on: bool,
}

/// How a path came on the label of a node.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// It was there.
    Stay,
    /// From the label of the node before, or the blank behind it.
    Parent { is_on: bool },
    /// From the end of the best character.
    Best,
    /// From the end of the best character with another last label than the best.
    Second,
}

/// The two best ends of characters before a frame, whose last labels differ, or of which one has a blank behind it.
#[derive(Clone, Copy, Debug)]
struct Ends {
    best: (f32, State),
    second: (f32, State),
}

/// Scores before a frame.
struct Front<'a> {
    /// Parent, label, and whether a character ends, by node; the first is the start, where all characters begin.
    nodes: &'a [(usize, u32, bool)],
    /// By node, nats.
    on: Vec<f32>,
    off: Vec<f32>,
}

impl Front<'_> {
    /// Whether a path that ends in `state` must have a blank before `label`.
    fn repeats(&self, state: State, label: u32) -> bool {
        state.is_on && self.nodes[state.node].1 == label
    }

    fn ends(&self) -> Ends {
        let nowhere = State {
            node: 0,
            is_on: false,
        };
        let mut ends = Ends {
            best: (self.off[0], nowhere),
            second: (f32::NEG_INFINITY, nowhere),
        };
        let final_nodes = (1..self.nodes.len()).filter(|&node| self.nodes[node].2);
        for node in final_nodes {
            for (score, is_on) in [(self.on[node], true), (self.off[node], false)] {
                let (new, best) = ((score, State { node, is_on }), ends.best);
                // A second with the last label of the best would never be needed.
                let differs = |a: State, b: State| {
                    !(a.is_on && b.is_on && self.nodes[a.node].1 == self.nodes[b.node].1)
                };
                if score > best.0 {
                    if differs(new.1, best.1) {
                        ends.second = best;
                    }
                    ends.best = new;
                } else if score > ends.second.0 && differs(new.1, best.1) {
                    ends.second = new;
                }
            }
        }
        ends
    }

    /// The best way onto a node's label.
    fn onto(&self, node: usize, ends: &Ends) -> (f32, Step) {
        let (parent, label, _) = self.nodes[node];
        let stay = (self.on[node], Step::Stay);
        let other = match parent {
            0 if self.repeats(ends.best.1, label) => (ends.second.0, Step::Second),
            0 => (ends.best.0, Step::Best),
            _ => {
                let off = (self.off[parent], Step::Parent { is_on: false });
                let on = (self.on[parent], Step::Parent { is_on: true });
                match self.nodes[parent].1 != label && on.0 > off.0 {
                    true => on,
                    false => off,
                }
            }
        };
        if stay.0 >= other.0 { stay } else { other }
    }
}

/// The labels of the best path through `log_probs` `[T,V]` whose labels spell whole characters; none if there is no such
/// path, or if it is too long to be searched.
pub(crate) fn best_path(charset: &Charset, log_probs: &[f32]) -> Option<Vec<LabelSpan>> {
    let nodes = charset.nodes();
    let frames = log_probs.len() / charset.labels();
    if frames == 0
        || frames
            .checked_mul(nodes.len())
            .is_none_or(|steps| steps > MOST)
    {
        return None;
    }
    let impossible = vec![f32::NEG_INFINITY; nodes.len()];
    let mut front = Front {
        nodes: &nodes,
        on: impossible.clone(),
        off: impossible,
    };
    front.off[0] = 0.0;
    // How each node was reached in each frame, and whether the blank behind it was new.
    let mut steps: Vec<Vec<(Step, bool)>> = Vec::with_capacity(frames);
    let mut all_ends = Vec::with_capacity(frames);
    for frame in log_probs.chunks_exact(charset.labels()) {
        let ends = front.ends();
        let blank = frame[charset.blank() as usize];
        let mut own = vec![(Step::Stay, false); nodes.len()];
        let mut on = vec![f32::NEG_INFINITY; nodes.len()];
        for node in 1..nodes.len() {
            let (score, step) = front.onto(node, &ends);
            on[node] = score + frame[nodes[node].1 as usize];
            own[node] = (step, front.on[node] > front.off[node]);
        }
        let off = front
            .on
            .iter()
            .zip(&front.off)
            .map(|(&on, &off)| on.max(off) + blank)
            .collect();
        (front.on, front.off) = (on, off);
        steps.push(own);
        all_ends.push(ends);
    }
    let (score, mut state) = front.ends().best;
    if score == f32::NEG_INFINITY {
        return None;
    }
    let mut spans: Vec<LabelSpan> = Vec::new();
    let mut is_open = false;
    for (t, frame) in log_probs.chunks_exact(charset.labels()).enumerate().rev() {
        let (step, was_on) = steps[t][state.node];
        if !state.is_on {
            (state.is_on, is_open) = (was_on, false);
            continue;
        }
        let label = nodes[state.node].1;
        let p = f64::from(frame[label as usize].exp());
        match spans.last_mut().filter(|_| is_open) {
            Some(span) => (span.first, span.confidence) = (t, span.confidence + p),
            None => spans.push(LabelSpan {
                label,
                first: t,
                last: t,
                confidence: p,
            }),
        }
        is_open = matches!(step, Step::Stay);
        state = match step {
            Step::Stay => state,
            Step::Parent { is_on } => State {
                node: nodes[state.node].0,
                is_on,
            },
            Step::Best => all_ends[t].best.1,
            Step::Second => all_ends[t].second.1,
        };
    }
    spans.reverse();
    for span in &mut spans {
        span.confidence /= (span.last - span.first + 1) as f64;
    }
    Some(spans)
}
