//! A vocabulary's files inside a model folder.

use super::bpe::Bpe;
use super::inner::Inner;
use super::list::{END_OF_LINE, TokenList, UNKNOWN_CHARACTER, UNKNOWN_WORD};
use crate::error::DataError;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// The vocabulary's file in a model folder: its kind and, for characters and words, its tokens by id.
pub const VOCABULARY_FILE: &str = "vocabulary.json";
/// The merges of a BPE vocabulary, in the `tokenizers` crate's own JSON.
pub const BPE_FILE: &str = "tokenizer.json";

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Stored {
    Characters { tokens: Vec<String> },
    Words { tokens: Vec<String> },
    Bpe { size: usize },
}

/// The names of the two files; `name` tells several vocabularies of a folder apart.
pub fn names(name: Option<&str>) -> [String; 2] {
    [VOCABULARY_FILE, BPE_FILE].map(|file| match name {
        Some(name) => format!("{name}-{file}"),
        None => file.to_string(),
    })
}

pub fn save(inner: &Inner, folder: &Path, name: Option<&str>) -> Result<(), DataError> {
    let [vocabulary_file, bpe_file] = names(name);
    let stored = match inner {
        Inner::Characters(list) => Stored::Characters {
            tokens: list.tokens().to_vec(),
        },
        Inner::Words(list) => Stored::Words {
            tokens: list.tokens().to_vec(),
        },
        Inner::Bpe(bpe) => {
            let path = folder.join(&bpe_file);
            let json = bpe
                .to_json()
                .map_err(|e| DataError::vocabulary_file(&path, e))?;
            write(&path, &json)?;
            Stored::Bpe { size: bpe.len() }
        }
    };
    let path = folder.join(&vocabulary_file);
    let json = serde_json::to_string(&stored).map_err(|e| DataError::vocabulary_file(&path, e))?;
    write(&path, &json)
}

pub fn load(folder: &Path, name: Option<&str>) -> Result<Inner, DataError> {
    let [vocabulary_file, bpe_file] = names(name);
    let path = folder.join(&vocabulary_file);
    let stored: Stored =
        serde_json::from_slice(&read(&path)?).map_err(|e| DataError::vocabulary_file(&path, e))?;
    match stored {
        Stored::Characters { tokens } => characters(tokens).map(Inner::Characters),
        Stored::Words { tokens } => words(tokens).map(Inner::Words),
        Stored::Bpe { size } => return load_bpe(&folder.join(&bpe_file), size),
    }
    .map_err(|reason| DataError::vocabulary_file(&path, reason))
}

fn characters(tokens: Vec<String>) -> Result<TokenList, String> {
    if tokens
        .first()
        .is_none_or(|t| *t != UNKNOWN_CHARACTER.to_string())
    {
        return Err("token 0 is not U+FFFD, the unknown character".into());
    }
    if let Some(token) = tokens.iter().find(|t| t.chars().count() != 1) {
        return Err(format!("token `{token}` is not one character"));
    }
    unique(tokens)
}

fn words(tokens: Vec<String>) -> Result<TokenList, String> {
    if !tokens.iter().take(2).eq([UNKNOWN_WORD, END_OF_LINE]) {
        return Err(format!(
            "the first tokens are not {UNKNOWN_WORD} and {END_OF_LINE}"
        ));
    }
    if let Some(token) = tokens
        .iter()
        .find(|t| t.is_empty() || t.contains(char::is_whitespace))
    {
        return Err(format!("token `{token}` is not one word"));
    }
    unique(tokens)
}

fn unique(tokens: Vec<String>) -> Result<TokenList, String> {
    TokenList::new(tokens).map_err(|token| format!("token `{token}` comes twice"))
}

fn load_bpe(path: &Path, size: usize) -> Result<Inner, DataError> {
    let bpe = Bpe::from_json(&read(path)?).map_err(|e| DataError::vocabulary_file(path, e))?;
    if bpe.len() != size {
        let reason = format!(
            "it has {} tokens where the list beside it says {size}",
            bpe.len()
        );
        return Err(DataError::vocabulary_file(path, reason));
    }
    Ok(Inner::Bpe(Box::new(bpe)))
}

fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    fs::read(path).map_err(|e| DataError::io("vocabulary", path, e))
}

fn write(path: &Path, text: &str) -> Result<(), DataError> {
    fs::write(path, text).map_err(|e| DataError::io("vocabulary", path, e))
}
