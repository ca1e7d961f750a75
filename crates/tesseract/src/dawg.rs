//! Word lists as graphs (`dawg.cpp`): a word is a way along edges from the first node.

use crate::bytes::Bytes;
use crate::error::TesseractError;
use crate::unicharset::Unichar;

const MAGIC: i16 = 42;
/// The last edge of its node.
const LAST: u64 = 1;
const BACKWARD: u64 = 2;
/// A word ends with the edge.
const END: u64 = 4;
const FLAGS: u32 = 3;

/// Longest word, in characters.
const LONGEST: u16 = 255;

/// Most words of a list; that of all Latin scripts has 9 million.
const MOST: u64 = 1 << 26;

/// A word list of a model.
#[derive(Clone, Debug, Default)]
pub struct WordList {
    /// Character, flags and the first edge of the next node, from the lowest bit on.
    edges: Vec<u64>,
    /// Bits of a character.
    letters: u32,
    texts: Vec<String>,
    count: u64,
}

impl WordList {
    /// Number of words.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are no words.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All words, one after the other: [`Self::len`] of at most 255 characters.
    pub fn iter(&self) -> Words<'_> {
        Words {
            list: self,
            at: (!self.is_empty()).then_some(0),
            path: Vec::new(),
            word: String::new(),
        }
    }

    fn letter(&self, edge: u64) -> usize {
        (edge & ((1 << self.letters) - 1)) as usize
    }

    fn flag(&self, edge: u64, flag: u64) -> bool {
        edge >> self.letters & flag != 0
    }

    /// The first edge of the next node; none if no word goes on.
    fn next(&self, edge: u64) -> Option<usize> {
        Some((edge >> (self.letters + FLAGS)) as usize).filter(|&next| next > 0)
    }

    pub(crate) fn read(mut bytes: Bytes, unichars: &[Unichar]) -> Result<Self, TesseractError> {
        let magic = bytes.i16("the mark of a word list")?;
        if magic != MAGIC {
            return Err(bytes.damaged(format!(
                "a word list begins with {magic} instead of {MAGIC}"
            )));
        }
        let characters = bytes.signed_size(1, 1 << 21, "the number of characters")?;
        if characters != unichars.len() {
            return Err(bytes.damaged(format!(
                "a word list over {characters} characters meets a model with {}",
                unichars.len()
            )));
        }
        let count = bytes.signed_size(1, i32::MAX as usize, "the number of edges")?;
        let edges = bytes.take(count, 8, "edges")?.as_chunks::<8>().0;
        bytes.end()?;
        let mut list = Self {
            edges: edges.iter().map(|&edge| u64::from_le_bytes(edge)).collect(),
            // One value more than there are characters must fit.
            letters: usize::BITS - characters.leading_zeros(),
            texts: unichars
                .iter()
                .map(|unichar| unichar.text.clone())
                .collect(),
            count: 0,
        };
        if let Err(problem) = list.check() {
            return Err(bytes.damaged(problem));
        }
        list.count = list
            .count_words()
            .map_err(|problem| bytes.damaged(problem))?;
        Ok(list)
    }

    /// Checks every edge by itself.
    fn check(&self) -> Result<(), String> {
        let is_first = |edge: usize| edge == 0 || self.flag(self.edges[edge - 1], LAST);
        for (index, &edge) in self.edges.iter().enumerate() {
            let (letter, next) = (self.letter(edge), self.next(edge));
            if letter >= self.texts.len() {
                return Err(format!(
                    "edge {index} has character {letter} of {}",
                    self.texts.len()
                ));
            }
            if self.flag(edge, BACKWARD) {
                return Err(format!("edge {index} leads backwards"));
            }
            match next {
                Some(next) if next >= self.edges.len() || !is_first(next) => {
                    return Err(format!(
                        "edge {index} leads to edge {next}, where no node begins"
                    ));
                }
                None if !self.flag(edge, END) => {
                    return Err(format!("edge {index} ends nothing and leads nowhere"));
                }
                _ => {}
            }
        }
        match self.edges.last() {
            Some(&edge) if self.flag(edge, LAST) => Ok(()),
            _ => Err("the last node has no last edge".to_owned()),
        }
    }

    /// The number of words, without a walk along each: sums from the ends to the first node.
    fn count_words(&self) -> Result<u64, String> {
        /// A node that the way to the present one leads through.
        const OPEN: u16 = u16::MAX;
        let size = self.edges.len();
        // By first edge of a node: words from there on, and characters of the longest; 0 if not yet known.
        let (mut words, mut longest) = (vec![0u64; size], vec![0u16; size]);
        let mut path = vec![(0usize, 0usize)];
        longest[0] = OPEN;
        let mut depth = vec![0u16];
        while let (Some(&(node, at)), Some(&deepest)) = (path.last(), depth.last()) {
            let edge = self.edges[at];
            let below = match self.next(edge) {
                None => (0, 0),
                Some(next) if longest[next] == OPEN => {
                    return Err(format!("edge {at} closes a circle"));
                }
                Some(next) if longest[next] == 0 => {
                    if path.len() > usize::from(LONGEST) {
                        return Err(format!("a word has more than {LONGEST} characters"));
                    }
                    longest[next] = OPEN;
                    path.push((next, next));
                    depth.push(0);
                    continue;
                }
                Some(next) => (words[next], longest[next]),
            };
            words[node] += u64::from(self.flag(edge, END)) + below.0;
            let deepest = deepest.max(below.1 + 1);
            if words[node] > MOST || deepest > LONGEST {
                return Err(format!(
                    "more than {MOST} words, or one of more than {LONGEST} characters"
                ));
            }
            if self.flag(edge, LAST) {
                longest[node] = deepest;
                path.pop();
                depth.pop();
                // The edge that led here is looked at again, now that its node is known.
                continue;
            }
            if let (Some(top), Some(own)) = (path.last_mut(), depth.last_mut()) {
                (top.1, *own) = (at + 1, deepest);
            }
        }
        Ok(words[0])
    }
}

/// The words of a [`WordList`].
#[derive(Clone, Debug)]
pub struct Words<'a> {
    list: &'a WordList,
    /// The edge to look at.
    at: Option<usize>,
    /// Edges on the way, each with the length of the word before it.
    path: Vec<(usize, usize)>,
    word: String,
}

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let list = self.list;
        while let Some(index) = self.at {
            let edge = list.edges[index];
            let before = self.word.len();
            self.word.push_str(&list.texts[list.letter(edge)]);
            let found = list.flag(edge, END).then(|| self.word.clone());
            self.path.push((index, before));
            self.at = list.next(edge).or_else(|| self.sibling());
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

impl Words<'_> {
    /// The next edge behind the way so far, which is shortened.
    fn sibling(&mut self) -> Option<usize> {
        while let Some((index, before)) = self.path.pop() {
            self.word.truncate(before);
            if !self.list.flag(self.list.edges[index], LAST) {
                return Some(index + 1);
            }
        }
        None
    }
}
