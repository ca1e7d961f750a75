//! The kinds of vocabulary.

use super::bpe::Bpe;
use super::list::TokenList;

/// A vocabulary of any kind.
#[derive(Debug, Clone)]
pub enum Inner {
    Characters(TokenList),
    Words(TokenList),
    Bpe(Box<Bpe>),
}
