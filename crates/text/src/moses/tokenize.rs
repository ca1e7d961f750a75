//! Tokens between spaces.

use super::{Rule, apply, compile};
use crate::Language;
use std::sync::LazyLock;

/// Splits a line into tokens with one space between them, and escapes `&|<>'"[]` as XML entities.
///
/// Hyphens are not split. [`unescape`] takes the escapes back, for models that do not need them.
/// Both ends of the line count as spaces, as in the Perl script: a last apostrophe is a token of its own.
pub fn tokenize(line: &str, language: Language) -> String {
    let mut text = String::with_capacity(line.len() + line.len() / 4 + 2);
    text.push(' ');
    text.push_str(line);
    text.push(' ');
    apply(&APART, &mut text);
    apply(
        match language {
            Language::English => &ENGLISH,
            Language::French => &FRENCH,
            Language::German | Language::Japanese | Language::Korean | Language::Other => &OTHER,
        },
        &mut text,
    );
    escape(&full_stops(&text, language))
}

/// Characters for the XML entities of [`tokenize`], and for the older names `&bar;`, `&bra;` and `&ket;`.
pub fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let entity = ESCAPES
            .iter()
            .chain(OLD_ESCAPES)
            .find(|(_, entity)| rest.starts_with(entity));
        match entity {
            Some((c, entity)) => {
                out.push(*c);
                rest = &rest[entity.len()..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match ESCAPES.iter().find(|(special, _)| *special == c) {
            Some((_, entity)) => out.push_str(entity),
            None => out.push(c),
        }
    }
    out
}

const ESCAPES: &[(char, &str)] = &[
    ('&', "&amp;"),
    ('|', "&#124;"),
    ('<', "&lt;"),
    ('>', "&gt;"),
    ('\'', "&apos;"),
    ('"', "&quot;"),
    ('[', "&#91;"),
    (']', "&#93;"),
];

const OLD_ESCAPES: &[(char, &str)] = &[('|', "&bar;"), ('[', "&bra;"), (']', "&ket;")];

/// Splits full stops off words that are no abbreviations. A full stop before a lower-case word stays, too.
fn full_stops(text: &str, language: Language) -> String {
    let tokens: Vec<&str> = text.split_whitespace().collect();
    let mut out = String::with_capacity(text.len() + 2);
    for (i, token) in tokens.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        let last = i + 1 == tokens.len();
        // A quoted sentence that ends the line: `'Go on.'`
        if let (true, Some(word)) = (last, token.strip_suffix(".'")) {
            out.push_str(word);
            out.push_str(if word.is_empty() { ". '" } else { " . '" });
            continue;
        }
        match token.strip_suffix('.') {
            Some(word) if !word.is_empty() && !keeps_stop(word, tokens.get(i + 1), language) => {
                out.push_str(word);
                out.push_str(" .");
            }
            _ => out.push_str(token),
        }
    }
    out
}

fn keeps_stop(word: &str, next: Option<&&str>, language: Language) -> bool {
    let next = next.and_then(|next| next.chars().next());
    word.chars().all(|c| c == '.')
        || (word.contains('.') && word.chars().any(char::is_alphabetic))
        || language.is_abbreviation(word)
        || language.is_ordinal(word)
        || next.is_some_and(char::is_lowercase)
        || (language.is_abbreviation_before_number(word)
            && next.is_some_and(|c| c.is_ascii_digit()))
}

static APART: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    compile(&[
        (r"\s+", " "),
        (r"[\x00-\x1F]", ""),
        (r"([^\p{Alphabetic}\p{Nd}\s.'`,\-])", " $1 "),
        // Several dots are one token.
        (r"(\.{2,})", " $1 "),
        // A comma between digits is part of the number. The second rule finds the commas that the first one used up as
        // their neighbours' context.
        (r"(\P{N}),", "$1 , "),
        (r",(\P{N})", " , $1"),
    ])
});

/// An apostrophe belongs to the part behind it: `it 's`.
static ENGLISH: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    compile(&[
        (r"(\P{Alphabetic})'(\P{Alphabetic})", "$1 ' $2"),
        (r"([^\p{Alphabetic}\p{N}])'(\p{Alphabetic})", "$1 ' $2"),
        (r"(\p{Alphabetic})'(\P{Alphabetic})", "$1 ' $2"),
        (r"(\p{Alphabetic})'(\p{Alphabetic})", "$1 '$2"),
        (r"(\p{N})'(s)", "$1 '$2"),
    ])
});

/// An apostrophe belongs to the part before it: `l' eau`.
static FRENCH: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    compile(&[
        (r"(\P{Alphabetic})'(\P{Alphabetic})", "$1 ' $2"),
        (r"(\P{Alphabetic})'(\p{Alphabetic})", "$1 ' $2"),
        (r"(\p{Alphabetic})'(\P{Alphabetic})", "$1 ' $2"),
        (r"(\p{Alphabetic})'(\p{Alphabetic})", "$1' $2"),
    ])
});

static OTHER: LazyLock<Vec<Rule>> = LazyLock::new(|| compile(&[("'", " ' ")]));
