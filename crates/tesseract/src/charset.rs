//! From labels of the network to text, and back: a character is one label or a sequence of them.

use crate::bytes::Bytes;
use crate::error::TesseractError;
use refrain_decode::ctc::LabelSpan;
use refrain_decode::text::Labels;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most labels of a character.
const LONGEST: usize = 9;

/// First of the private characters that stand for labels without a text of their own.
const PRIVATE: u32 = 0xF_0000;

/// Most labels: as many as there are private characters.
const MOST: usize = 0xFFFE;

/// The characters of a recogniser, and the labels that spell them.
///
/// Models of Latin scripts have a label for each character. Those of Korean have three (the parts of a syllable), those
/// of Chinese and Japanese several. Special characters without text have the blank as their label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Charset {
    parts: Parts,
    /// The labels of all characters as a trie; the first node is that of no labels.
    trie: Vec<Node>,
    /// `[V]`: the text of each label for a search.
    texts: Vec<String>,
    /// The characters that can be read.
    by_text: BTreeMap<String, usize>,
}

/// A character set as plain data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    /// `V`
    labels: usize,
    blank: u32,
    texts: Vec<String>,
    /// The labels of each text.
    codes: Vec<Vec<u32>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Node {
    next: BTreeMap<u32, usize>,
    /// The character that ends here.
    character: Option<usize>,
}

/// A character with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Character {
    /// Its text; a space is a character too.
    pub text: String,
    /// First frame.
    pub first: usize,
    /// Last frame.
    pub last: usize,
    /// The mean of its labels' confidences, from 0 to 1.
    pub confidence: f64,
}

impl TryFrom<Parts> for Charset {
    type Error = TesseractError;

    fn try_from(parts: Parts) -> Result<Self, TesseractError> {
        let wrong = |problem: String| Err(TesseractError::Charset(problem));
        let (labels, blank, texts) = (parts.labels, parts.blank, &parts.texts);
        if labels > MOST || blank as usize >= labels {
            return wrong(format!(
                "{labels} labels with blank {blank}; the blank is one of at most {MOST}"
            ));
        }
        if texts.len() != parts.codes.len() {
            let count = parts.codes.len();
            return wrong(format!("{} texts have labels for {count}", texts.len()));
        }
        let trie = parts.trie()?;
        let text = |label: u32| {
            let node = trie[0].next.get(&label);
            let own = node
                .and_then(|&node| trie[node].character)
                .map(|own| texts[own].clone());
            let is_plain = |text: &String| !text.is_empty() && !text.contains(char::is_whitespace);
            let private = || char::from_u32(PRIVATE + label).map(String::from);
            let own = own.filter(|text| text == " " || is_plain(text));
            own.or_else(private).unwrap_or_default()
        };
        let by_text = trie.iter().filter_map(|node| node.character);
        let by_text = by_text.map(|character| (texts[character].clone(), character));
        Ok(Self {
            texts: (0..labels as u32).map(text).collect(),
            by_text: by_text.collect(),
            trie,
            parts,
        })
    }
}

impl Parts {
    /// All characters but the special ones, which have the blank as their label.
    fn trie(&self) -> Result<Vec<Node>, TesseractError> {
        let mut trie = vec![Node::default()];
        for (character, code) in self.codes.iter().enumerate() {
            let exists = |&label: &u32| (label as usize) < self.labels;
            if !(1..=LONGEST).contains(&code.len()) || !code.iter().all(exists) {
                return Err(TesseractError::Charset(format!(
                    "character {character} has labels {code:?}; 1 to {LONGEST} below {} are needed",
                    self.labels
                )));
            }
            if code.contains(&self.blank) {
                continue;
            }
            let mut at = 0;
            for &label in code {
                let next = trie.len();
                at = *trie[at].next.entry(label).or_insert(next);
                if at == next {
                    trie.push(Node::default());
                }
            }
            // As in Tesseract, the last of several characters with the same labels counts.
            trie[at].character = Some(character);
        }
        Ok(trie)
    }
}

impl From<Charset> for Parts {
    fn from(charset: Charset) -> Self {
        charset.parts
    }
}

impl Charset {
    /// A character set of `labels` labels: `codes` are the labels of each of the `texts`.
    ///
    /// # Errors
    /// Labels that do not exist; a character without labels, or with more than 9.
    pub fn new(
        labels: usize,
        blank: u32,
        texts: Vec<String>,
        codes: Vec<Vec<u32>>,
    ) -> Result<Self, TesseractError> {
        Self::try_from(Parts {
            labels,
            blank,
            texts,
            codes,
        })
    }

    /// `V`: labels of the network, the blank included.
    pub fn labels(&self) -> usize {
        self.parts.labels
    }

    /// The label of nothing.
    pub fn blank(&self) -> u32 {
        self.parts.blank
    }

    /// The texts of all characters that can be read.
    pub fn characters(&self) -> impl Iterator<Item = &str> {
        self.by_text.keys().map(String::as_str)
    }

    /// The labels as a search of `refrain_decode::ctc::beam` takes them.
    ///
    /// A label that is a character has its text; a label that only occurs within characters has a private character of
    /// Unicode. Words for the search (lexicon, hot words, n-grams) are given by [`Self::spell`].
    pub fn search_labels(&self) -> Result<Labels, TesseractError> {
        let space = self
            .texts
            .iter()
            .position(|text| text == " ")
            .map(|label| label as u32);
        let labels = Labels::new(self.texts.clone(), self.blank(), space);
        labels.map_err(|error| TesseractError::Charset(error.to_string()))
    }

    /// A word as a search spells it: the texts of its labels one after the other. None if a character is unknown.
    pub fn spell(&self, word: &str) -> Option<String> {
        let mut spelled = String::new();
        let mut rest = word;
        while !rest.is_empty() {
            // The longest character that the rest begins with.
            let ends = rest
                .char_indices()
                .map(|(at, c)| at + c.len_utf8())
                .take(LONGEST);
            let found = ends.filter_map(|end| {
                self.by_text
                    .get(&rest[..end])
                    .map(|&character| (end, character))
            });
            let (end, character) = found.last()?;
            let labels = &self.parts.codes[character];
            spelled.extend(labels.iter().map(|&label| &self.texts[label as usize][..]));
            rest = &rest[end..];
        }
        Some(spelled)
    }

    /// Whether every label belongs to a character.
    pub(crate) fn is_whole(&self, labels: &[u32]) -> bool {
        let used: usize = self.split(labels).map(|(place, _)| place.len()).sum();
        used == labels.len()
    }

    /// The nodes of the trie below the first, parents before children: parent, label, and whether a character ends.
    pub(crate) fn nodes(&self) -> Vec<(usize, u32, bool)> {
        let mut nodes = vec![(0, 0, true); self.trie.len()];
        for (parent, node) in self.trie.iter().enumerate() {
            for (&label, &child) in &node.next {
                nodes[child] = (parent, label, self.trie[child].character.is_some());
            }
        }
        nodes
    }

    /// The text of labels. Labels that do not make a character are left out.
    pub fn text(&self, labels: &[u32]) -> String {
        let characters = self.split(labels);
        characters
            .map(|(_, character)| &self.parts.texts[character][..])
            .collect()
    }

    /// The characters of labels with their places; [`Self::text`] says which.
    pub fn spans(&self, spans: &[LabelSpan]) -> Vec<Character> {
        let labels: Vec<u32> = spans.iter().map(|span| span.label).collect();
        let character = |(place, character): (std::ops::Range<usize>, usize)| {
            let own = &spans[place];
            let sum: f64 = own.iter().map(|span| span.confidence).sum();
            Character {
                text: self.parts.texts[character].clone(),
                first: own.first().map_or(0, |span| span.first),
                last: own.last().map_or(0, |span| span.last),
                confidence: sum / own.len() as f64,
            }
        };
        self.split(&labels).map(character).collect()
    }

    /// The characters of labels: at each place the one with the most labels.
    fn split(&self, labels: &[u32]) -> impl Iterator<Item = (std::ops::Range<usize>, usize)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            while at < labels.len() {
                let (mut node, mut found) = (0, None);
                for (end, label) in (at + 1..).zip(&labels[at..]) {
                    match self.trie[node].next.get(label) {
                        Some(&next) => node = next,
                        None => break,
                    }
                    found = self.trie[node]
                        .character
                        .map(|character| (at..end, character))
                        .or(found);
                }
                match found {
                    Some((place, character)) => {
                        at = place.end;
                        return Some((place, character));
                    }
                    None => at += 1,
                }
            }
            None
        })
    }
}

/// Reads the labels of each character (`unicharcompress.cpp`). With `characters` there may be one more code, for the
/// blank.
pub(crate) fn read_codes(
    mut bytes: Bytes,
    characters: usize,
    labels: usize,
) -> Result<Vec<Vec<u32>>, TesseractError> {
    let count = bytes.size(characters + 1, "the number of codes")?;
    if count < characters {
        return Err(bytes.damaged(format!("{count} codes for {characters} characters")));
    }
    let mut codes = Vec::new();
    for _ in 0..count {
        if bytes.u8("whether a code is normal")? > 1 {
            return Err(bytes.damaged("a code is neither normal nor not"));
        }
        let length = bytes.size(LONGEST, "the length of a code")?;
        let mut code = Vec::with_capacity(length);
        for _ in 0..length {
            code.push(bytes.signed_size(0, labels.saturating_sub(1), "a code")? as u32);
        }
        if code.is_empty() {
            return Err(bytes.damaged("a character has no code"));
        }
        codes.push(code);
    }
    bytes.end()?;
    codes.truncate(characters);
    Ok(codes)
}
