//! Byte-level byte-pair encoding, by the `tokenizers` crate.

use super::dropout::Merges;
use crate::error::DataError;
use refrain_random::Rng;
use std::sync::OnceLock;
use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{
    ModelWrapper, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
    PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer,
};

/// Number of bytes, each of which is a token.
const BYTES: usize = 256;

/// A tokenizer and, per id, the bytes that its token stands for.
#[derive(Debug, Clone)]
pub struct Bpe {
    tokenizer: Tokenizer,
    bytes: Vec<Vec<u8>>,
    /// Made at the first encoding with dropout.
    merges: OnceLock<Merges>,
}

impl Bpe {
    pub fn train(text: &str, size: usize) -> Result<Self, DataError> {
        if size < BYTES {
            return Err(DataError::Vocabulary(format!(
                "BPE size {size} is below the {BYTES} bytes"
            )));
        }
        let trainer = BpeTrainer::builder()
            .vocab_size(size)
            .show_progress(false)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build();
        let mut tokenizer = byte_level(Tokenizer::new(BPE::default()));
        tokenizer
            .train(&mut TrainerWrapper::from(trainer), pieces(text))
            .map_err(|e| DataError::Vocabulary(format!("BPE training failed: {e}")))?;
        Self::new(tokenizer).map_err(DataError::Vocabulary)
    }

    /// Reads the tokenizer's own JSON; the error is the reason.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        let tokenizer = Tokenizer::from_bytes(json).map_err(|e| e.to_string())?;
        let ModelWrapper::BPE(model) = tokenizer.get_model() else {
            return Err("its model is not byte-pair encoding".into());
        };
        // Only the model is taken over: any other normaliser or decoder would break the round trip.
        Self::new(byte_level(Tokenizer::new(model.clone())))
    }

    pub fn to_json(&self) -> Result<String, String> {
        self.tokenizer.to_string(true).map_err(|e| e.to_string())
    }

    fn new(tokenizer: Tokenizer) -> Result<Self, String> {
        let size = tokenizer.get_vocab_size(false);
        let bytes: Vec<Vec<u8>> = (0..size as u32)
            .map(|id| {
                let token = tokenizer
                    .id_to_token(id)
                    .ok_or_else(|| format!("id {id} of {size} has no token"))?;
                token_bytes(&token)
                    .ok_or_else(|| format!("token {id} (`{token}`) is not byte-level"))
            })
            .collect::<Result<_, _>>()?;
        if let Some(missing) = (0..=u8::MAX).find(|&b| {
            tokenizer
                .token_to_id(&byte_character(b).to_string())
                .is_none()
        }) {
            return Err(format!("byte {missing} has no token"));
        }
        Ok(Self {
            tokenizer,
            bytes,
            merges: OnceLock::new(),
        })
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn bytes(&self, id: u32) -> Option<&[u8]> {
        self.bytes.get(id as usize).map(Vec::as_slice)
    }

    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        for piece in pieces(text) {
            match self.tokenizer.encode_fast(piece, false) {
                Ok(encoding) => ids.extend_from_slice(encoding.get_ids()),
                // The byte tokens alone are an encoding too; all 256 are there.
                Err(_) => ids.extend(piece.bytes().filter_map(|b| self.byte_id(b))),
            }
        }
        ids
    }

    /// Ids with random merges left out (Provilkov et al. 2020, "BPE-dropout"): each possible merge of each step is
    /// dropped with probability `share`.
    pub fn encode_dropping(&self, text: &str, share: f64, rng: &mut Rng) -> Vec<u32> {
        let merges = self.merges.get_or_init(|| self.merges());
        let mut ids = Vec::new();
        for piece in pieces(text) {
            let mut cut = PreTokenizedString::from(piece);
            let words = self.tokenizer.get_pre_tokenizer();
            match words.map(|words| words.pre_tokenize(&mut cut)) {
                Some(Ok(())) => {
                    let words = cut.get_splits(OffsetReferential::Original, OffsetType::Byte);
                    for (word, _, _) in words {
                        let characters = word.chars();
                        let start: Vec<u32> = characters
                            .filter_map(|c| self.tokenizer.token_to_id(c.encode_utf8(&mut [0; 4])))
                            .collect();
                        ids.extend(merges.merged(start, share, rng));
                    }
                }
                _ => ids.extend(piece.bytes().filter_map(|b| self.byte_id(b))),
            }
        }
        ids
    }

    /// The merges of the tokenizer's own file, in their order: its type does not give them.
    fn merges(&self) -> Merges {
        let json = serde_json::to_value(self.tokenizer.get_model()).unwrap_or_default();
        let pair = |merge: &serde_json::Value| -> Option<[String; 2]> {
            match merge {
                serde_json::Value::String(both) => {
                    let (left, right) = both.split_once(' ')?;
                    Some([left.to_string(), right.to_string()])
                }
                other => serde_json::from_value(other.clone()).ok(),
            }
        };
        let id = |token: &str| self.tokenizer.token_to_id(token);
        let merge = |[left, right]: [String; 2]| {
            Some([id(&left)?, id(&right)?, id(&format!("{left}{right}"))?])
        };
        let list = json["merges"].as_array().map_or(&[][..], Vec::as_slice);
        Merges::new(list.iter().filter_map(pair).filter_map(merge))
    }

    fn byte_id(&self, byte: u8) -> Option<u32> {
        self.tokenizer
            .token_to_id(&byte_character(byte).to_string())
    }
}

/// Lines with their ends: no merge crosses a line, and a long text is encoded in time proportional to its length.
fn pieces(text: &str) -> impl Iterator<Item = &str> + Send {
    text.split_inclusive('\n')
}

/// GPT-2's cut of a text before merges (Radford et al. 2019), but that a case mark (⇧, ⇪) belongs to the word behind
/// it.
const CUT: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d| ?[⇧⇪]?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

fn byte_level(mut tokenizer: Tokenizer) -> Tokenizer {
    let cut = Split::new(
        SplitPattern::Regex(CUT.into()),
        SplitDelimiterBehavior::Isolated,
        false,
    )
    .expect("the expression is valid");
    let bytes = ByteLevel::new(false, false, false);
    let stages = vec![
        PreTokenizerWrapper::Split(cut),
        PreTokenizerWrapper::ByteLevel(bytes),
    ];
    tokenizer
        .with_pre_tokenizer(Some(Sequence::new(stages)))
        .with_decoder(Some(bytes));
    tokenizer
}

/// The printable character that stands for a byte in a byte-level token (GPT-2's table): printable Latin-1 stands for
/// itself, the other bytes are numbered from U+0100 on.
fn byte_character(byte: u8) -> char {
    let stands_for_itself = |b: u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if stands_for_itself(byte) {
        return char::from(byte);
    }
    let rank = (0..byte).filter(|&b| !stands_for_itself(b)).count() as u32;
    char::from_u32(0x100 + rank).expect("below U+0200")
}

fn token_bytes(token: &str) -> Option<Vec<u8>> {
    token
        .chars()
        .map(|c| (0..=u8::MAX).find(|&b| byte_character(b) == c))
        .collect()
}
