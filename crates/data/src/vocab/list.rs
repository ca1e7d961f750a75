//! Vocabularies that are a list of tokens: characters and words.

use crate::error::DataError;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

/// Stands for every unknown character, also in print.
pub const UNKNOWN_CHARACTER: char = char::REPLACEMENT_CHARACTER;
/// Stands for every unknown word (Penn Treebank convention).
pub const UNKNOWN_WORD: &str = "<unk>";
/// Ends a line in a word vocabulary (Penn Treebank convention).
pub const END_OF_LINE: &str = "<eos>";
/// The id of the unknown.
pub const UNKNOWN_ID: u32 = 0;
const END_OF_LINE_ID: u32 = 1;

/// Tokens by id and ids by token; token 0 is the unknown.
#[derive(Debug, Clone)]
pub struct TokenList {
    tokens: Vec<String>,
    ids: HashMap<String, u32>,
}

impl TokenList {
    /// A list of distinct tokens; the error is the token that comes twice.
    pub fn new(tokens: Vec<String>) -> Result<Self, String> {
        let mut ids = HashMap::with_capacity(tokens.len());
        for (id, token) in tokens.iter().enumerate() {
            if ids.insert(token.clone(), id as u32).is_some() {
                return Err(token.clone());
            }
        }
        Ok(Self { tokens, ids })
    }

    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    pub fn token(&self, id: u32) -> Option<&str> {
        self.tokens.get(id as usize).map(String::as_str)
    }

    pub fn id(&self, token: &str) -> u32 {
        self.ids.get(token).copied().unwrap_or(UNKNOWN_ID)
    }

    pub fn encode_words(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        for line in text.split_inclusive('\n') {
            ids.extend(line.split_whitespace().map(|word| self.id(word)));
            if line.ends_with('\n') {
                ids.push(END_OF_LINE_ID);
            }
        }
        ids
    }
}

/// The code points of `text`, sorted, after the unknown.
pub fn characters(text: &str) -> TokenList {
    let seen: BTreeSet<char> = text.chars().filter(|&c| c != UNKNOWN_CHARACTER).collect();
    let tokens = std::iter::once(UNKNOWN_CHARACTER).chain(seen);
    TokenList::new(tokens.map(String::from).collect()).expect("a set has no token twice")
}

/// `<unk>`, `<eos>`, then the words of `text`, most frequent first, equal counts in code point order.
pub fn words(
    text: &str,
    max_size: Option<usize>,
    min_count: usize,
) -> Result<TokenList, DataError> {
    let room = max_size.unwrap_or(u32::MAX as usize);
    if room < 3 {
        return Err(DataError::Vocabulary(format!(
            "max_size {room} leaves no room for a word beside {UNKNOWN_WORD} and {END_OF_LINE}"
        )));
    }
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for word in text
        .split_whitespace()
        .filter(|&w| w != UNKNOWN_WORD && w != END_OF_LINE)
    {
        *counts.entry(word).or_default() += 1;
    }
    let mut ranked: Vec<_> = counts
        .into_iter()
        .filter(|&(_, n)| n >= min_count)
        .collect();
    ranked.sort_unstable_by_key(|&(word, n)| (Reverse(n), word));
    ranked.truncate(room - 2);
    let tokens = [UNKNOWN_WORD, END_OF_LINE]
        .into_iter()
        .chain(ranked.into_iter().map(|(word, _)| word));
    Ok(TokenList::new(tokens.map(String::from).collect()).expect("a map has no key twice"))
}
