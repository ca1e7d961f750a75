//! Errors and warnings of documents.

use thiserror::Error;

/// Reasons why a document cannot be read or written.
#[derive(Debug, Error)]
pub enum DocumentError {
    /// The bytes are not text in a supported encoding.
    #[error(
        "the document is not {encoding} at byte {at}; convert it to UTF-8, for example with `iconv`"
    )]
    Encoding {
        /// Encoding that the bytes were taken for.
        encoding: &'static str,
        /// Position in the bytes.
        at: usize,
    },
    /// The document names an encoding other than UTF-8 or UTF-16.
    #[error(
        "the document declares the encoding `{name}`; convert it to UTF-8 and change the declaration"
    )]
    Declared {
        /// Name in the document.
        name: String,
    },
    /// The XML is not well-formed.
    #[error("the XML is broken at line {line}, byte {at}: {reason}; repair it with an XML editor")]
    Xml {
        /// Line, from 1.
        line: usize,
        /// Position in the text as UTF-8, without its byte order mark.
        at: usize,
        /// Reason, of the XML parser.
        reason: String,
    },
    /// Elements are nested more deeply than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error(
        "the XML has more than {limit} nested elements at line {line}; no real document needs as many"
    )]
    Depth {
        /// Line, from 1.
        line: usize,
        /// Most nested elements.
        limit: usize,
    },
    /// An entity other than the five of XML and the numeric ones.
    #[error(
        "the entity `&{name};` at line {line} has no known meaning; write its character in its place"
    )]
    Entity {
        /// Line, from 1.
        line: usize,
        /// Name of the entity.
        name: String,
    },
    /// A tag for which the tokenizer gave an impossible position.
    #[error("the HTML has markup that cannot be located near byte {at}; repair the markup there")]
    Markup {
        /// Position in the text as UTF-8, without its byte order mark.
        at: usize,
    },
    /// A line with fewer columns than asked for.
    #[error(
        "line {line} has {found} columns, and column {wanted} is to be translated; add the missing tabs"
    )]
    Columns {
        /// Line, from 1.
        line: usize,
        /// Columns of the line.
        found: usize,
        /// Highest wanted column, from 1.
        wanted: usize,
    },
    /// Another number of translations than segments.
    #[error(
        "{found} translations were given for {wanted} segments; give one per segment, in order"
    )]
    Count {
        /// Segments of the document.
        wanted: usize,
        /// Translations given.
        found: usize,
    },
    /// A format that cannot be translated.
    #[error("a TMX file holds pairs and nothing to translate; read them with `tmx_pairs`")]
    Memory,
}

/// A part of a document that was kept because it could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Line, from 1.
    pub line: usize,
    /// Reason, one sentence.
    pub reason: String,
}
