//! The texts of labels.

use super::error::TextError;

/// The texts of `V` classes, and which of them separate words.
///
/// Works for characters and for pieces of words. A word ends where a label opens the next one: the space (which stands
/// for no text of its own), and any label whose text begins with a space. Pieces in SentencePiece's notation are given
/// with a space for each `▁`: `▁the` as ` the`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// Without the space that opens a word.
    texts: Vec<String>,
    opens: Vec<bool>,
    blank: u32,
    space: Option<u32>,
}

impl Labels {
    /// A table of the classes' texts `[V]`, the class of no label, and the label that separates words, if there is one.
    /// The texts of these two are ignored.
    ///
    /// # Errors
    /// A blank or space that is not below `V`, a space that is the blank, a text with white space behind its first
    /// character.
    pub fn new(mut texts: Vec<String>, blank: u32, space: Option<u32>) -> Result<Self, TextError> {
        let vocabulary = texts.len();
        for (what, class) in [("blank", Some(blank)), ("space", space)] {
            if let Some(class) = class.filter(|&class| class as usize >= vocabulary) {
                return Err(TextError::Class {
                    what,
                    class,
                    vocabulary,
                });
            }
        }
        if space == Some(blank) {
            return Err(TextError::SpaceIsBlank(blank));
        }
        let mut opens = vec![false; vocabulary];
        for (label, text) in texts.iter_mut().enumerate() {
            if label == blank as usize || Some(label) == space.map(|space| space as usize) {
                text.clear();
                opens[label] = label != blank as usize;
                continue;
            }
            if let Some(rest) = text.strip_prefix(' ') {
                *text = rest.to_owned();
                opens[label] = true;
            }
            if text.contains(char::is_whitespace) {
                let (label, text) = (label as u32, text.clone());
                return Err(TextError::SpaceInside { label, text });
            }
        }
        Ok(Self {
            texts,
            opens,
            blank,
            space,
        })
    }

    /// `V`.
    pub fn vocabulary(&self) -> usize {
        self.texts.len()
    }

    /// The class of no label.
    pub fn blank(&self) -> u32 {
        self.blank
    }

    /// The label that separates words, if there is one.
    pub fn space(&self) -> Option<u32> {
        self.space
    }

    /// The text of a label, without the space that opens a word; empty for the blank, the space and classes that do not
    /// exist.
    pub fn text(&self, label: u32) -> &str {
        self.texts.get(label as usize).map_or("", String::as_str)
    }

    /// Whether a word ends before this label.
    pub fn opens_word(&self, label: u32) -> bool {
        self.opens.get(label as usize).is_some_and(|&opens| opens)
    }

    /// Whether any label separates words.
    pub fn has_boundary(&self) -> bool {
        self.opens.contains(&true)
    }

    /// The name of a label in an n-gram model of labels: its text, with `▁` for the space (ARPA files cannot hold a
    /// space).
    pub fn token(&self, label: u32) -> String {
        let mark = if self.opens_word(label) { "▁" } else { "" };
        format!("{mark}{}", self.text(label))
    }

    /// The text of a sequence of labels: words with one space between them.
    pub fn join(&self, labels: impl IntoIterator<Item = u32>) -> String {
        let (mut text, mut space) = (String::new(), false);
        for label in labels {
            space |= self.opens_word(label);
            let piece = self.text(label);
            if piece.is_empty() {
                continue;
            }
            if space && !text.is_empty() {
                text.push(' ');
            }
            space = false;
            text.push_str(piece);
        }
        text
    }
}
