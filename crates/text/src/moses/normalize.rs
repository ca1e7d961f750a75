//! Punctuation in one spelling.

use super::{Rule, apply, compile};
use crate::Language;
use std::sync::LazyLock;

/// One of two editions of the rules for quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edition {
    /// The Perl script as it is: `’` becomes `"` unless ASCII letters stand on both sides, and the line's end counts as
    /// text behind a closing quote. Published corpora such as Multi30k were made with it.
    Published,
    /// The rules of sacremoses: `’` becomes `'`, and a full stop before a closing quote at the end of the line stays.
    Corrected,
}

/// Normalises quotes, dashes, ellipses, brackets and the spaces around punctuation.
///
/// The text is one line without its end. The published form of Multi30k lower-cases the line first.
pub fn normalize(line: &str, language: Language, edition: Edition) -> String {
    let mut text = line.to_owned();
    if edition == Edition::Published {
        text.push('\n');
    }
    apply(&SPACES, &mut text);
    apply(
        match edition {
            Edition::Published => &PUBLISHED_QUOTES,
            Edition::Corrected => &CORRECTED_QUOTES,
        },
        &mut text,
    );
    apply(&NO_BREAK_SPACES, &mut text);
    apply(
        match language {
            Language::English => &ENGLISH,
            Language::German | Language::French => &GERMAN_FRENCH,
            Language::Japanese | Language::Korean | Language::Other => &OTHER,
        },
        &mut text,
    );
    text.trim().to_owned()
}

static SPACES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    compile(&[
        (r"\r", ""),
        (r"\(", " ("),
        (r"\)", ") "),
        (" +", " "),
        (r"\) ([.!:?;,])", ")$1"),
        (r"\( ", "("),
        (r" \)", ")"),
        (r"(\d) %", "$1%"),
        (" ([:;])", "$1"),
    ])
});

/// Quotes of all kinds but for the two rules in which the editions differ.
fn quotes(right_quote: &'static str, opening: &'static str, closing: &'static str) -> Vec<Rule> {
    compile(&[
        ("`", "'"),
        ("''", " \" "),
        ("[„“”]", "\""),
        ("–", "-"),
        ("—", " - "),
        (" +", " "),
        ("´", "'"),
        ("([a-zA-Z])‘([a-zA-Z])", "$1'$2"),
        ("([a-zA-Z])’([a-zA-Z])", "$1'$2"),
        ("[‘‚]", "'"),
        ("’", right_quote),
        ("''", "\""),
        ("…", "..."),
        ("\u{A0}«\u{A0}", opening),
        ("«\u{A0}", "\""),
        ("«", "\""),
        ("\u{A0}»\u{A0}", closing),
        ("\u{A0}»", "\""),
        ("»", "\""),
    ])
}

static PUBLISHED_QUOTES: LazyLock<Vec<Rule>> = LazyLock::new(|| quotes("\"", " \"", "\" "));

static CORRECTED_QUOTES: LazyLock<Vec<Rule>> = LazyLock::new(|| quotes("'", "\"", "\""));

static NO_BREAK_SPACES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    compile(&[
        ("\u{A0}%", "%"),
        ("nº\u{A0}", "nº "),
        ("\u{A0}:", ":"),
        ("\u{A0}ºC", " ºC"),
        ("\u{A0}cm", " cm"),
        ("\u{A0}([?!;])", "$1"),
        (",\u{A0}", ", "),
        (" +", " "),
    ])
});

/// American style: the full stop or comma goes before the closing quote.
static ENGLISH: LazyLock<Vec<Rule>> =
    LazyLock::new(|| compile(&[("\"([,.]+)", "$1\""), ("(\\d)\u{A0}(\\d)", "$1.$2")]));

/// The other way round, and a decimal comma.
static GERMAN_FRENCH: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    compile(&[
        (",\"", "\","),
        (r#"(\.+)"(\s*[^<])"#, "\"$1$2"),
        ("(\\d)\u{A0}(\\d)", "$1,$2"),
    ])
});

static OTHER: LazyLock<Vec<Rule>> = LazyLock::new(|| compile(&[("(\\d)\u{A0}(\\d)", "$1.$2")]));
