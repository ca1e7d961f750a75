//! A list of the words that a search may write.

use super::edges::{self, Edges, TrieNode};

/// A trie of words over their characters.
///
/// It knows characters, not labels, so that one lexicon serves every way of spelling a word (letters or pieces).
#[derive(Debug, Clone)]
pub struct Lexicon {
    nodes: Vec<Node>,
    words: usize,
}

#[derive(Debug, Clone, Default)]
struct Node {
    next: Edges,
    word: bool,
}

impl TrieNode for Node {
    fn edges(&mut self) -> &mut Edges {
        &mut self.next
    }
}

impl Lexicon {
    /// The node of no characters.
    pub(crate) const ROOT: u32 = 0;

    /// A lexicon of these words, compared as they stand. Empty ones and repetitions do not count.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut lexicon = Self {
            nodes: vec![Node::default()],
            words: 0,
        };
        for word in words.into_iter().filter(|word| !word.is_empty()) {
            let mut node = Self::ROOT as usize;
            for character in word.chars() {
                node = edges::grow(&mut lexicon.nodes, node, character);
            }
            lexicon.words += usize::from(!lexicon.nodes[node].word);
            lexicon.nodes[node].word = true;
        }
        lexicon
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.words
    }

    /// Whether there are no words.
    pub fn is_empty(&self) -> bool {
        self.words == 0
    }

    /// Whether the word is in it.
    pub fn contains(&self, word: &str) -> bool {
        let end = word.chars().try_fold(Self::ROOT, |n, c| self.step(n, c));
        end.is_some_and(|node| self.is_word(node))
    }

    /// The node one character on, if any word goes on so.
    pub(crate) fn step(&self, node: u32, character: char) -> Option<u32> {
        self.nodes[node as usize].next.get(character)
    }

    /// Whether the characters up to this node are a word.
    pub(crate) fn is_word(&self, node: u32) -> bool {
        self.nodes[node as usize].word
    }
}
