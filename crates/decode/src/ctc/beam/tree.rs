//! Prefixes of labels as a tree, and the frames of their labels: both grow at the leaves only, and unused parts are
//! dropped now and then.

use super::fusion::{Context, Verdict};
use serde::{Deserialize, Serialize};

/// No node.
pub(super) const NONE: u32 = u32::MAX;
/// The prefix of no labels.
pub(super) const ROOT: u32 = 0;

/// A prefix: its parent and one label more.
#[derive(Debug, Clone)]
pub(super) struct Prefix {
    pub parent: u32,
    pub label: u32,
    /// Number of labels.
    pub depth: usize,
    /// Its rank in the beam, or [`NONE`].
    pub rank: u32,
    pub context: Context,
    /// On its last word, once that was asked for.
    pub verdict: Option<Verdict>,
    /// First child, and the next child of the parent.
    child: u32,
    sibling: u32,
}

/// All prefixes of the beam with theirs. A sequence of labels has one node at most.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    nodes: Vec<Prefix>,
}

impl Tree {
    pub(super) fn new(context: Context) -> Self {
        Self {
            nodes: vec![Prefix {
                parent: NONE,
                label: NONE,
                depth: 0,
                rank: NONE,
                context,
                verdict: None,
                child: NONE,
                sibling: NONE,
            }],
        }
    }

    pub(super) fn get(&self, node: u32) -> &Prefix {
        &self.nodes[node as usize]
    }

    pub(super) fn set_rank(&mut self, node: u32, rank: u32) {
        self.nodes[node as usize].rank = rank;
    }

    pub(super) fn set_verdict(&mut self, node: u32, verdict: Option<Verdict>) {
        self.nodes[node as usize].verdict = verdict;
    }

    pub(super) fn add(&mut self, parent: u32, label: u32, context: Context) -> u32 {
        let new = self.nodes.len() as u32;
        let above = &mut self.nodes[parent as usize];
        let (sibling, depth) = (std::mem::replace(&mut above.child, new), above.depth + 1);
        self.nodes.push(Prefix {
            parent,
            label,
            depth,
            rank: NONE,
            context,
            verdict: None,
            child: NONE,
            sibling,
        });
        new
    }

    pub(super) fn children(&self, node: u32) -> impl Iterator<Item = u32> {
        let some = |node: u32| (node != NONE).then_some(node);
        let first = some(self.get(node).child);
        std::iter::successors(first, move |&child| some(self.get(child).sibling))
    }

    /// The labels of a prefix from the last to the first.
    pub(super) fn labels_back(&self, node: u32) -> impl Iterator<Item = u32> {
        let up = std::iter::successors(Some(node), |&n| Some(self.get(n).parent));
        up.take_while(|&n| n != ROOT).map(|n| self.get(n).label)
    }

    /// The longest prefix of both.
    pub(super) fn common(&self, mut a: u32, mut b: u32) -> u32 {
        while a != b {
            if self.get(a).depth >= self.get(b).depth {
                a = self.get(a).parent;
            } else {
                b = self.get(b).parent;
            }
        }
        a
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Drops all nodes except `kept` and their ancestors, and rewrites each id in `kept` to its new value.
    pub(super) fn thin<'a>(&mut self, kept: impl Iterator<Item = &'a mut u32>) {
        let kept: Vec<&mut u32> = kept.collect();
        let parent = |n: u32| self.nodes[n as usize].parent;
        let mut seats = seats(self.nodes.len(), kept.iter().map(|n| **n), parent);
        seats[ROOT as usize] = ROOT;
        for node in kept {
            *node = seats[*node as usize];
        }
        let old = std::mem::take(&mut self.nodes);
        for (mut node, &seat) in old.into_iter().zip(&seats) {
            if seat == NONE {
                continue;
            }
            (node.child, node.sibling) = (NONE, NONE);
            if seat != ROOT {
                node.parent = seats[node.parent as usize];
                let above = &mut self.nodes[node.parent as usize];
                node.sibling = std::mem::replace(&mut above.child, seat);
            }
            self.nodes.push(node);
        }
    }
}

/// A label's frames on a path, and the label before.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Span {
    pub first: usize,
    pub last: usize,
    /// Sum of its probabilities over the frames.
    pub sum: f64,
    /// The span of the label before, or [`NONE`].
    pub before: u32,
}

/// The spans of finished labels, shared between prefixes.
#[derive(Debug, Clone, Default)]
pub(super) struct Spans {
    spans: Vec<Span>,
}

impl Spans {
    pub(super) fn new(spans: Vec<Span>) -> Self {
        Self { spans }
    }

    pub(super) fn all(&self) -> &[Span] {
        &self.spans
    }

    pub(super) fn add(&mut self, span: Span) -> u32 {
        self.spans.push(span);
        (self.spans.len() - 1) as u32
    }

    /// A span and those before it, from the last to the first.
    pub(super) fn back(&self, last: u32) -> impl Iterator<Item = &Span> {
        let get = |n: u32| self.spans.get(n as usize);
        std::iter::successors(get(last), move |span| get(span.before))
    }

    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Like [`Tree::thin`]; [`NONE`] stays.
    pub(super) fn thin<'a>(&mut self, kept: impl Iterator<Item = &'a mut u32>) {
        let kept: Vec<&mut u32> = kept.filter(|n| **n != NONE).collect();
        let before = |n: u32| self.spans[n as usize].before;
        let seats = seats(self.spans.len(), kept.iter().map(|n| **n), before);
        for span in kept {
            *span = seats[*span as usize];
        }
        let old = std::mem::take(&mut self.spans);
        for (mut span, _) in old
            .into_iter()
            .zip(&seats)
            .filter(|(_, seat)| **seat != NONE)
        {
            if span.before != NONE {
                span.before = seats[span.before as usize];
            }
            self.spans.push(span);
        }
    }
}

/// New ids of `len` nodes of which only `kept` and their ancestors stay, in the same order; [`NONE`] for the others.
/// Parents stand before their children, so node 0 stays first if it stays.
fn seats(len: usize, kept: impl Iterator<Item = u32>, parent: impl Fn(u32) -> u32) -> Vec<u32> {
    let mut seats = vec![NONE; len];
    for mut node in kept {
        while node != NONE && seats[node as usize] == NONE {
            seats[node as usize] = 0;
            node = parent(node);
        }
    }
    let stay = seats.iter_mut().filter(|seat| **seat != NONE);
    for (new, seat) in (0..).zip(stay) {
        *seat = new;
    }
    seats
}
