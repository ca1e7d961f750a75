//! The text that a model reads before it writes, as it arrives.

use refrain_data::vocab::Vocabulary;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const BYTE_ORDER_MARK: char = '\u{FEFF}';

/// Bytes without white space after which text is cut into tokens all the same.
const LONGEST: usize = 4096;

/// Tokens that wait to be read. Plain data.
///
/// Text is cut before white space, where no token of any vocabulary goes across. So the pieces in which it arrives do
/// not
/// change its tokens, and no more than [`LONGEST`] bytes wait for their end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prime {
    /// Text after the last cut.
    text: String,
    ids: VecDeque<u32>,
    ended: bool,
    /// Whether any text was cut into tokens.
    begun: bool,
    unknown: u64,
}

/// The next token to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub id: u32,
    /// Whether none follows: the model writes the next one.
    pub last: bool,
}

impl Prime {
    /// Adds text.
    pub fn push(&mut self, vocabulary: &Vocabulary, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.floor_char_boundary(2 * LONGEST));
            rest = after;
            self.text.push_str(piece);
            while let Some(end) = cut(&self.text) {
                let after = self.text.split_off(end);
                let whole = std::mem::replace(&mut self.text, after);
                self.encode(vocabulary, &whole);
            }
        }
    }

    /// Ends the text. A text without tokens begins after a line end, where the vocabulary has one.
    pub fn end(&mut self, vocabulary: &Vocabulary) {
        let rest = std::mem::take(&mut self.text);
        self.encode(vocabulary, &rest);
        if !self.begun {
            let line_end = vocabulary.encode("\n").first().copied();
            self.ids.push_back(line_end.unwrap_or(0));
        }
        self.ended = true;
    }

    fn encode(&mut self, vocabulary: &Vocabulary, text: &str) {
        // The vocabulary drops a mark at the beginning of a text; elsewhere it is a character like others.
        let text = match self.begun && text.starts_with(BYTE_ORDER_MARK) {
            true => format!("{BYTE_ORDER_MARK}{text}"),
            false => text.to_string(),
        };
        let encoded = vocabulary.encode_counting(&text);
        self.begun |= !encoded.ids.is_empty();
        self.unknown = self.unknown.saturating_add(encoded.unknown as u64);
        self.ids.extend(encoded.ids);
    }

    /// Takes the next token. The last one stays until the text has ended.
    pub fn next(&mut self) -> Option<Turn> {
        let last = self.ids.len() == 1;
        match last && !self.ended {
            true => None,
            false => Some(Turn {
                id: self.ids.pop_front()?,
                last,
            }),
        }
    }

    /// Whether [`Self::next`] has a token.
    pub fn waits(&self) -> bool {
        self.ids.len() > usize::from(!self.ended)
    }

    /// Adds a token that the model wrote.
    pub fn follow(&mut self, id: u32) {
        self.ids.push_back(id);
    }

    /// Whether the text has ended.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Tokens of the text that the vocabulary lacks.
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Whether all tokens are below `vocabulary`.
    pub fn fits(&self, vocabulary: usize) -> bool {
        self.ids.iter().all(|id| (*id as usize) < vocabulary)
    }
}

/// The last place that text can be cut at: before white space that follows other text.
fn cut(text: &str) -> Option<usize> {
    let window = &text[..text.floor_char_boundary(LONGEST)];
    let mut space = None;
    for (at, c) in window.char_indices().rev() {
        match (c.is_whitespace(), space) {
            (true, _) => space = Some(at),
            (false, Some(cut)) => return Some(cut),
            (false, None) => {}
        }
    }
    (text.len() > LONGEST).then_some(window.len())
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Prime, cut};
    use proptest::prelude::*;
    use refrain_data::vocab::{Vocabulary, VocabularyKind};

    #[test]
    fn text_is_cut_before_white_space_or_where_it_has_none_for_long() {
        assert_eq!(cut("one two\n\n"), Some(7));
        assert_eq!(cut(" one"), None);
        assert_eq!(cut(&"é".repeat(LONGEST)), Some(LONGEST));
    }

    fn ids(vocabulary: &Vocabulary, pieces: &[&str]) -> Vec<u32> {
        let mut prime = Prime::default();
        let mut ids = Vec::new();
        for piece in pieces {
            prime.push(vocabulary, piece);
            ids.extend(std::iter::from_fn(|| prime.next()).map(|turn| turn.id));
        }
        prime.end(vocabulary);
        ids.extend(std::iter::from_fn(|| prime.next()).map(|turn| turn.id));
        ids
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Text in any pieces has the tokens that the vocabulary gives it at once.
        #[test]
        fn tokens_do_not_depend_on_the_pieces(pieces in prop::collection::vec("[a-c é\u{FEFF}\n\t']{0,12}", 1..12)) {
            let text = pieces.concat();
            let learned = "a cab back, a bee: ab ba\n aa bb cc ca'b é\u{FEFF}x\t".repeat(9);
            let kinds = [
                VocabularyKind::Characters,
                VocabularyKind::Words { max_size: None, min_count: 0 },
                VocabularyKind::Bpe { size: 300 },
            ];
            for kind in kinds {
                let vocabulary = Vocabulary::build(kind, &learned).unwrap();
                let whole = vocabulary.encode(&text);
                let parts: Vec<&str> = pieces.iter().map(String::as_str).collect();
                if !whole.is_empty() {
                    prop_assert_eq!(&ids(&vocabulary, &parts), &whole, "{:?}", kind);
                }
                let long = text.repeat(LONGEST / text.len().max(1) + 3);
                prop_assert_eq!(ids(&vocabulary, &[&long]), {
                    let characters: Vec<String> = long.chars().map(String::from).collect();
                    let characters: Vec<&str> = characters.iter().map(String::as_str).collect();
                    ids(&vocabulary, &characters)
                });
            }
        }
    }
}
