//! Text to token ids and back.

mod bpe;
mod dropout;
mod file;
mod inner;
mod list;

use crate::error::DataError;
use bpe::Bpe;
use inner::Inner;
use refrain_random::Rng;
use std::path::Path;

pub use file::{BPE_FILE, VOCABULARY_FILE};
pub use list::{END_OF_LINE, UNKNOWN_CHARACTER, UNKNOWN_WORD};

const BYTE_ORDER_MARK: char = '\u{FEFF}';

/// The kind of vocabulary to build, and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum VocabularyKind {
    /// The code points of the training text, sorted.
    Characters,
    /// The words between white space, most frequent first.
    Words {
        /// At most so many tokens, the two reserved ones included.
        #[serde(default)]
        max_size: Option<usize>,
        /// Words seen less often are unknown.
        #[serde(default)]
        min_count: usize,
    },
    /// Byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019).
    Bpe {
        /// Number of tokens, at least the 256 bytes; fewer come out where the text has no more pairs to merge.
        size: usize,
    },
}

/// Token ids, and the number of unknown ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The ids, each below `V`.
    pub ids: Vec<u32>,
    /// Number of ids that stand for the unknown.
    pub unknown: usize,
}

/// A vocabulary of `V` tokens.
///
/// A byte-order mark at the start of a text is skipped. Unknown parts of a text are encoded by kind, so that any text
/// can be encoded:
/// - characters: id 0, printed as U+FFFD;
/// - words: id 0, `<unk>`. A text is split on white space and each line end is `<eos>` (id 1); a last line without a
///   line end has none, so that a prime can be continued. Decoding joins words with one space and prints `<eos>` as a
///   line end;
/// - BPE: every byte is a token, so nothing is unknown and every text comes back as it was (but for the mark).
#[derive(Debug, Clone)]
pub struct Vocabulary {
    inner: Inner,
}

impl Vocabulary {
    /// Builds a vocabulary from the training text.
    ///
    /// # Errors
    /// An empty text; a word vocabulary without room for its reserved tokens; a BPE size below 256.
    pub fn build(kind: VocabularyKind, text: &str) -> Result<Self, DataError> {
        let text = without_mark(text);
        if text.is_empty() {
            return Err(DataError::Empty {
                what: "the training text".into(),
            });
        }
        let inner = match kind {
            VocabularyKind::Characters => Inner::Characters(list::characters(text)),
            VocabularyKind::Words {
                max_size,
                min_count,
            } => Inner::Words(list::words(text, max_size, min_count)?),
            VocabularyKind::Bpe { size } => Inner::Bpe(Box::new(Bpe::train(text, size)?)),
        };
        Ok(Self { inner })
    }

    /// The ids of a text.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        self.encode_counting(text).ids
    }

    /// The ids of a text in a random cut (BPE-dropout): each merge is left out with probability `share`, from 0 to 1.
    /// Other kinds of vocabulary have one cut only.
    pub fn encode_dropping(&self, text: &str, share: f64, rng: &mut Rng) -> Vec<u32> {
        match &self.inner {
            Inner::Bpe(bpe) => bpe.encode_dropping(without_mark(text), share, rng),
            Inner::Characters(_) | Inner::Words(_) => self.encode(text),
        }
    }

    /// The ids of a text, and the number of unknown ones.
    pub fn encode_counting(&self, text: &str) -> Encoded {
        let text = without_mark(text);
        let ids: Vec<u32> = match &self.inner {
            Inner::Characters(list) => {
                // Room for all of them at once: a large list that grows leaves as much memory behind as it takes.
                let mut ids = Vec::with_capacity(text.chars().count());
                ids.extend(text.chars().map(|c| list.id(c.encode_utf8(&mut [0; 4]))));
                ids
            }
            Inner::Words(list) => list.encode_words(text),
            Inner::Bpe(bpe) => {
                return Encoded {
                    ids: bpe.encode(text),
                    unknown: 0,
                };
            }
        };
        let unknown = ids.iter().filter(|&&id| id == list::UNKNOWN_ID).count();
        Encoded { ids, unknown }
    }

    /// The text of ids. An id of `V` or more is printed as U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut stream = self.decode_stream();
        let mut text: String = ids.iter().map(|&id| stream.push(id)).collect();
        text.push_str(&stream.finish());
        text
    }

    /// A decoder that gives text as ids arrive; its pieces together are the text of [`decode`](Self::decode).
    pub fn decode_stream(&self) -> DecodeStream<'_> {
        DecodeStream {
            vocabulary: self,
            state: DecodeState::default(),
        }
    }

    /// `V`, the number of tokens.
    pub fn len(&self) -> usize {
        match &self.inner {
            Inner::Characters(list) | Inner::Words(list) => list.len(),
            Inner::Bpe(bpe) => bpe.len(),
        }
    }

    /// Always false: each kind has reserved tokens.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The token of an id as it is written in the vocabulary; a BPE token that is part of a character is shown with
    /// U+FFFD.
    pub fn token(&self, id: u32) -> Option<String> {
        match &self.inner {
            Inner::Characters(list) | Inner::Words(list) => list.token(id).map(str::to_owned),
            Inner::Bpe(bpe) => bpe
                .bytes(id)
                .map(|b| String::from_utf8_lossy(b).into_owned()),
        }
    }

    /// `characters`, `words` or `bpe`.
    pub fn kind(&self) -> &'static str {
        match &self.inner {
            Inner::Characters(_) => "characters",
            Inner::Words(_) => "words",
            Inner::Bpe(_) => "bpe",
        }
    }

    /// The id of the unknown, if the kind has one.
    pub fn unknown_id(&self) -> Option<u32> {
        match &self.inner {
            Inner::Bpe(_) => None,
            _ => Some(list::UNKNOWN_ID),
        }
    }

    /// Writes [`VOCABULARY_FILE`] (and [`BPE_FILE`]) into a model folder, which must exist.
    pub fn save(&self, folder: &Path) -> Result<(), DataError> {
        file::save(&self.inner, folder, None)
    }

    /// Reads the files that [`save`](Self::save) wrote. A missing, truncated, damaged or foreign file is an error.
    pub fn load(folder: &Path) -> Result<Self, DataError> {
        file::load(folder, None).map(|inner| Self { inner })
    }

    /// [`save`](Self::save) for one of several vocabularies of a folder, whose files are named `NAME-…`.
    pub fn save_as(&self, folder: &Path, name: &str) -> Result<(), DataError> {
        file::save(&self.inner, folder, Some(name))
    }

    /// Reads the files that [`save_as`](Self::save_as) wrote.
    pub fn load_as(folder: &Path, name: &str) -> Result<Self, DataError> {
        file::load(folder, Some(name)).map(|inner| Self { inner })
    }

    /// The files that [`save_as`](Self::save_as) writes.
    pub fn files_as(name: &str) -> [String; 2] {
        file::names(Some(name))
    }
}

/// Text of ids as they arrive, for generation.
#[derive(Debug, Clone)]
pub struct DecodeStream<'v> {
    vocabulary: &'v Vocabulary,
    state: DecodeState,
}

impl DecodeStream<'_> {
    /// The text that `id` completes; empty where a character is still incomplete.
    pub fn push(&mut self, id: u32) -> String {
        self.state.push(self.vocabulary, id)
    }

    /// The rest at the end: an incomplete character, as U+FFFD.
    pub fn finish(self) -> String {
        self.state.finish()
    }
}

/// The state of a decoder of ids as plain data, for a session that can be stored. It belongs to one vocabulary; any
/// state is safe with any.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DecodeState {
    /// Bytes of a character that is not complete yet (BPE only).
    pending: Vec<u8>,
    /// Whether a word was written since the last line end (words only).
    in_line: bool,
}

impl DecodeState {
    /// The text that `id` completes; empty where a character is still incomplete.
    pub fn push(&mut self, vocabulary: &Vocabulary, id: u32) -> String {
        match &vocabulary.inner {
            Inner::Characters(list) => list.token(id).unwrap_or("\u{FFFD}").to_owned(),
            Inner::Words(list) => self.push_word(list.token(id).unwrap_or("\u{FFFD}")),
            Inner::Bpe(bpe) => {
                self.pending
                    .extend_from_slice(bpe.bytes(id).unwrap_or("\u{FFFD}".as_bytes()));
                complete_text(&mut self.pending)
            }
        }
    }

    /// The rest at the end: an incomplete character, as U+FFFD.
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }

    fn push_word(&mut self, word: &str) -> String {
        if word == END_OF_LINE {
            self.in_line = false;
            return "\n".into();
        }
        let space = if std::mem::replace(&mut self.in_line, true) {
            " "
        } else {
            ""
        };
        format!("{space}{word}")
    }
}

/// Takes the text out of `bytes` and leaves an incomplete last character there; bytes that can never be UTF-8 become
/// U+FFFD.
fn complete_text(bytes: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut used = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        used += chunk.valid().len();
        let invalid = chunk.invalid();
        let at_end = used + invalid.len() == bytes.len();
        let incomplete =
            at_end && std::str::from_utf8(invalid).is_err_and(|e| e.error_len().is_none());
        if !invalid.is_empty() && !incomplete {
            text.push(UNKNOWN_CHARACTER);
            used += invalid.len();
        }
    }
    bytes.drain(..used);
    text
}

fn without_mark(text: &str) -> &str {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::complete_text;
    use proptest::prelude::*;

    proptest! {
        /// Bytes in any pieces give the text that they give at once.
        #[test]
        fn pieces_are_lossy_utf8(pieces in prop::collection::vec("[aé€🦀]?".prop_map(String::into_bytes).boxed()
            .prop_union(prop::collection::vec(0x7Fu8..=0xFF, 0..3).boxed()), 0..40)) {
            let (mut pending, mut text) = (Vec::new(), String::new());
            for byte in pieces.concat() {
                pending.push(byte);
                text.push_str(&complete_text(&mut pending));
                prop_assert!(pending.len() < 4);
            }
            text.push_str(&String::from_utf8_lossy(&pending));
            let whole = pieces.concat();
            prop_assert_eq!(text, String::from_utf8_lossy(&whole));
        }
    }
}
