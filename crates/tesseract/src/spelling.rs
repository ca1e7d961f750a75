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

/// How each state of each frame was reached.
#[derive(Default)]
struct Memory {
    /// By frame and node: the way onto its label, and whether the blank behind it was new.
    steps: Vec<Vec<(Step, bool)>>,
    /// By frame: the ends before it.
    ends: Vec<Ends>,
}

impl Front<'_> {
    /// Takes a frame.
    fn advance(&mut self, frame: &[f32], blank: u32, memory: &mut Memory) {
        let ends = self.ends();
        let mut steps = vec![(Step::Stay, false); self.nodes.len()];
        let mut on = vec![f32::NEG_INFINITY; self.nodes.len()];
        for node in 1..self.nodes.len() {
            let (score, step) = self.onto(node, &ends);
            on[node] = score + frame[self.nodes[node].1 as usize];
            steps[node] = (step, self.on[node] > self.off[node]);
        }
        for (off, on) in self.off.iter_mut().zip(&self.on) {
            *off = off.max(*on) + frame[blank as usize];
        }
        self.on = on;
        memory.steps.push(steps);
        memory.ends.push(ends);
    }
}

/// The labels of the best path through `log_probs` `[T,V]` whose labels spell whole characters; none if there is no
/// such path, or if it is too long to be searched.
pub(crate) fn best_path(charset: &Charset, log_probs: &[f32]) -> Option<Vec<LabelSpan>> {
    let nodes = charset.nodes();
    let frames = log_probs.len() / charset.labels();
    let steps = frames.checked_mul(nodes.len());
    if frames == 0 || steps.is_none_or(|steps| steps > MOST) {
        return None;
    }
    let mut front = Front {
        nodes: &nodes,
        on: vec![f32::NEG_INFINITY; nodes.len()],
        off: vec![f32::NEG_INFINITY; nodes.len()],
    };
    front.off[0] = 0.0;
    let mut memory = Memory::default();
    for frame in log_probs.chunks_exact(charset.labels()) {
        front.advance(frame, charset.blank(), &mut memory);
    }
    let (score, last) = front.ends().best;
    let probability =
        |t: usize, label: u32| f64::from(log_probs[t * charset.labels() + label as usize].exp());
    (score > f32::NEG_INFINITY).then(|| memory.trace(&nodes, last, probability))
}

impl Memory {
    /// The labels of the path that ends in `state`.
    fn trace(
        &self,
        nodes: &[(usize, u32, bool)],
        mut state: State,
        probability: impl Fn(usize, u32) -> f64,
    ) -> Vec<LabelSpan> {
        let mut spans: Vec<LabelSpan> = Vec::new();
        let mut is_open = false;
        for (t, steps) in self.steps.iter().enumerate().rev() {
            let (step, was_on) = steps[state.node];
            if !state.is_on {
                (state.is_on, is_open) = (was_on, false);
                continue;
            }
            let label = nodes[state.node].1;
            let confidence = probability(t, label);
            match spans.last_mut().filter(|_| is_open) {
                Some(span) => (span.first, span.confidence) = (t, span.confidence + confidence),
                None => spans.push(LabelSpan {
                    label,
                    first: t,
                    last: t,
                    confidence,
                }),
            }
            is_open = matches!(step, Step::Stay);
            state = match step {
                Step::Stay => state,
                Step::Parent { is_on } => State {
                    node: nodes[state.node].0,
                    is_on,
                },
                Step::Best => self.ends[t].best.1,
                Step::Second => self.ends[t].second.1,
            };
        }
        spans.reverse();
        for span in &mut spans {
            span.confidence /= (span.last - span.first + 1) as f64;
        }
        spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The labels of the likeliest of all paths whose labels spell whole characters.
    fn best_of_all(charset: &Charset, log_probs: &[f32], frames: usize) -> Option<Vec<u32>> {
        let (labels, blank) = (charset.labels(), charset.blank());
        let mut best: Option<(f32, Vec<u32>)> = None;
        for path in 0..labels.pow(frames as u32) {
            let classes: Vec<u32> = (0..frames as u32)
                .map(|t| (path / labels.pow(t) % labels) as u32)
                .collect();
            let places = classes.iter().enumerate();
            let score = places
                .map(|(t, &class)| log_probs[t * labels + class as usize])
                .sum();
            let mut collapsed = classes;
            collapsed.dedup();
            collapsed.retain(|&class| class != blank);
            let is_better = best.as_ref().is_none_or(|best| score > best.0);
            if is_better && score > f32::NEG_INFINITY && charset.is_whole(&collapsed) {
                best = Some((score, collapsed));
            }
        }
        best.map(|best| best.1)
    }

    #[test]
    fn it_is_the_best_of_all_paths() {
        let texts = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        // A character within another, and repeated labels.
        let codes = vec![vec![0, 1], vec![0, 1, 2], vec![3], vec![3, 3]];
        let charset = Charset::new(5, 4, texts, codes).unwrap();
        let mut state = 1u64;
        let mut draw = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            -((state >> 40) as f32) / (1 << 21) as f32
        };
        for round in 0..60 {
            let frames = 1 + round % 6;
            let mut log_probs: Vec<f32> = (0..5 * frames).map(|_| draw()).collect();
            if round % 3 == 0 {
                log_probs[frames / 2 * 5 + 4] = f32::NEG_INFINITY;
            }
            let found = best_path(&charset, &log_probs);
            let found = found.map(|spans| spans.iter().map(|span| span.label).collect::<Vec<_>>());
            assert_eq!(
                found,
                best_of_all(&charset, &log_probs, frames),
                "{log_probs:?}"
            );
        }
    }

    #[test]
    fn where_no_path_spells_characters_there_is_none() {
        let texts = vec!["a".to_owned()];
        let charset = Charset::new(3, 2, texts, vec![vec![0, 1]]).unwrap();
        let never = f32::NEG_INFINITY;
        assert_eq!(best_path(&charset, &[-1.0, -1.0, never]), None);
        assert_eq!(best_path(&charset, &[]), None);
        assert_eq!(best_path(&charset, &[-1.0, -1.0, -1.0]), Some(vec![]));
    }
}
