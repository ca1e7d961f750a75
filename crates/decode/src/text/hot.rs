//! Words and phrases that a search should prefer.

use super::edges::{self, Edges, TrieNode};
use super::error::TextError;
use std::collections::VecDeque;

/// A word or a phrase, with the bonus that each of its occurrences adds to the score of a hypothesis.
#[derive(Debug, Clone, PartialEq)]
pub struct HotWord {
    /// Words with white space between them.
    pub phrase: String,
    /// Nats; negative to avoid it.
    pub bonus: f64,
}

/// An automaton that finds all phrases in a text read letter by letter (Aho and Corasick 1975).
///
/// While a phrase is being spelled, its letters so far earn their share of the bonus: the *potential* of the state. A
/// score holds the bonuses of finished phrases and the potential of the current state. If a phrase is abandoned, its
/// partial bonus disappears with the state.
#[derive(Debug, Clone)]
pub(crate) struct HotWords {
    nodes: Vec<Node>,
    bounded: bool,
}

#[derive(Debug, Clone, Default)]
struct Node {
    next: Edges,
    /// The longest proper suffix of these letters that begins a phrase.
    fail: u32,
    /// The bonus of the phrase of these letters.
    own: Option<f64>,
    /// Bonuses of all phrases that end here.
    done: f64,
    /// The potential.
    potential: f64,
}

impl TrieNode for Node {
    fn edges(&mut self) -> &mut Edges {
        &mut self.next
    }
}

impl HotWords {
    /// With `bounded`, phrases match whole words only; otherwise anywhere (labels that do not separate words). Of a
    /// phrase given twice the larger bonus counts.
    pub(crate) fn new(words: &[HotWord], bounded: bool) -> Result<Self, TextError> {
        let mut hot = Self {
            nodes: vec![Node::default()],
            bounded,
        };
        if bounded {
            edges::grow(&mut hot.nodes, 0, ' ');
        }
        for (index, word) in words.iter().enumerate() {
            let HotWord { phrase, bonus } = word.clone();
            if !bonus.is_finite() {
                return Err(TextError::HotWordBonus { phrase, bonus });
            }
            let parts: Vec<&str> = phrase.split_whitespace().collect();
            if parts.is_empty() {
                return Err(TextError::EmptyHotWord(index));
            }
            hot.insert(&parts.join(" "), bonus);
        }
        hot.link();
        Ok(hot)
    }

    fn insert(&mut self, phrase: &str, bonus: f64) {
        let length = phrase.chars().count();
        let mut node = if self.bounded {
            edges::grow(&mut self.nodes, 0, ' ')
        } else {
            0
        };
        for (n, character) in (1..).zip(phrase.chars()) {
            node = edges::grow(&mut self.nodes, node, character);
            // Where nothing ends words, the last letter pays the bonus itself.
            if self.bounded || n < length {
                let potential = &mut self.nodes[node].potential;
                *potential = potential.max(bonus * n as f64 / length as f64);
            }
        }
        if self.bounded {
            node = edges::grow(&mut self.nodes, node, ' ');
        }
        let own = &mut self.nodes[node].own;
        *own = Some(own.map_or(bonus, |other| other.max(bonus)));
    }

    /// Sets the values that each node inherits from its suffixes, shorter nodes first.
    fn link(&mut self) {
        let mut queue = VecDeque::from([0u32]);
        while let Some(node) = queue.pop_front() {
            for (character, child) in self.nodes[node as usize].next.clone().iter() {
                let fail = match node {
                    0 => 0,
                    _ => self.step(self.nodes[node as usize].fail, character).0,
                };
                let suffix = &self.nodes[fail as usize];
                let (done, potential) = (suffix.done, suffix.potential);
                let node = &mut self.nodes[child as usize];
                node.fail = fail;
                node.done = node.own.unwrap_or(0.0) + done;
                node.potential = node.potential.max(potential);
                queue.push_back(child);
            }
        }
    }

    /// The state before a text: at the beginning of a word.
    pub(crate) fn start(&self) -> u32 {
        match self.bounded {
            true => self.step(0, ' ').0,
            false => 0,
        }
    }

    /// The state after one more character (a space after each word), and the bonuses of the phrases that end with it.
    pub(crate) fn step(&self, mut state: u32, character: char) -> (u32, f64) {
        loop {
            let node = &self.nodes[state as usize];
            if let Some(next) = node.next.get(character) {
                return (next, self.nodes[next as usize].done);
            }
            if state == 0 {
                return (0, 0.0);
            }
            state = node.fail;
        }
    }

    /// The potential of a state: the partial bonus of the phrases begun in it.
    pub(crate) fn potential(&self, state: u32) -> f64 {
        self.nodes[state as usize].potential
    }
}
