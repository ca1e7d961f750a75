//! Tokens together again.

use super::unescape;
use crate::Language;

/// Joins the tokens of [`tokenize`](super::tokenize) to a line. Entities are taken back first.
///
/// The rules are the Moses detokeniser's, with these changes:
///
/// - An amount such as `30 €` keeps its space and its order.
/// - A slash joins both neighbours (`and/or`), and a colon does between digits (`11:27`). `#` joins a number (`#8`).
/// - A German apostrophe before `s` joins both (`geht's`), and so does a quote before a hyphen (`"Halt"-Schild`).
/// - A French `?`, `!`, `:`, `;` or `%` gets a space before it only if it stands behind a letter or a digit.
pub fn detokenize(tokens: &str, language: Language) -> String {
    let text = unescape(&tokens.replace(" @-@ ", "-"));
    let tokens: Vec<&str> = text.split_whitespace().collect();
    let mut joined = Joined {
        out: String::with_capacity(text.len()),
        space: false,
    };
    // Per kind of quote: true while one is open.
    let mut open_double = false;
    let mut open_single = false;
    for (i, &token) in tokens.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| tokens[i]);
        let next = tokens.get(i + 1).copied();
        match part(token, before, next, language) {
            Part::Word => joined.push(token, true, true),
            Part::Left => joined.push(token, false, true),
            Part::Right => joined.push(token, true, false),
            Part::Both => joined.push(token, false, false),
            Part::Spaced => {
                joined.space = true;
                joined.push(token, true, true);
            }
            Part::Quote => {
                let single = matches!(token, "'" | "`");
                let open = if single {
                    &mut open_single
                } else {
                    &mut open_double
                };
                let possessive = token == "'"
                    && !*open
                    && language == Language::English
                    && before.is_some_and(|word| word.ends_with('s'));
                if possessive {
                    joined.push(token, false, true);
                } else {
                    joined.push(token, !*open, *open);
                    *open = !*open;
                }
            }
        }
    }
    joined.out
}

/// Joins Japanese tokens: no spaces, but for those between words in Latin letters.
pub fn detokenize_japanese(tokens: &str) -> String {
    let mut out = String::with_capacity(tokens.len());
    for token in tokens.split_whitespace() {
        let before = out.chars().next_back();
        let first = token.chars().next();
        if let (Some(before), Some(first)) = (before, first)
            && (is_latin(before) || matches!(before, '.' | ',' | '!' | '?'))
            && is_latin(first)
        {
            out.push(' ');
        }
        out.push_str(token);
    }
    out
}

/// The line so far, and whether the last token allows a space behind it.
struct Joined {
    out: String,
    space: bool,
}

impl Joined {
    fn push(&mut self, token: &str, space_before: bool, space_after: bool) {
        if self.space && space_before {
            self.out.push(' ');
        }
        self.out.push_str(token);
        self.space = space_after;
    }
}

/// The side on which a token clings to its neighbour.
enum Part {
    /// To none.
    Word,
    /// To the token before it.
    Left,
    /// To the token behind it.
    Right,
    /// To both.
    Both,
    /// To none, even behind a token that clings to the right.
    Spaced,
    /// To the one or the other in turns.
    Quote,
}

fn part(token: &str, before: Option<&str>, next: Option<&str>, language: Language) -> Part {
    let first = token.chars().next();
    let starts_with_letter = |word: &str| word.chars().next().is_some_and(char::is_alphabetic);
    if language != Language::Korean
        && first.is_some_and(is_cjk)
        && before.is_some_and(|before| before.chars().next_back().is_some_and(is_cjk))
    {
        return Part::Left;
    }
    let digit_follows = next.is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit()));
    match token {
        "/" => return Part::Both,
        ":" if digit_follows && before.is_some_and(ends_with_digit) => return Part::Both,
        "#" if digit_follows => return Part::Right,
        "'" if language == Language::German
            && before.is_some_and(ends_with_letter)
            && next.is_some_and(|next| next == "s" || next.starts_with("s-")) =>
        {
            return Part::Both;
        }
        _ => {}
    }
    if language == Language::German
        && before.is_some_and(|before| before.chars().all(is_quote))
        && token.strip_prefix('-').is_some_and(starts_with_letter)
    {
        return Part::Left;
    }
    if token
        .chars()
        .all(|c| is_currency(c) || matches!(c, '(' | '[' | '{' | '¿' | '¡'))
    {
        let behind_number = before.is_some_and(ends_with_digit);
        return if first.is_some_and(is_currency) && behind_number && !digit_follows {
            Part::Spaced
        } else {
            Part::Right
        };
    }
    if token.chars().all(|c| {
        matches!(
            c,
            ',' | '.' | '?' | '!' | ':' | ';' | '\\' | '%' | '}' | ']' | ')'
        )
    }) {
        let french = language == Language::French
            && matches!(token, "?" | "!" | ":" | ";" | "\\" | "%")
            && before
                .is_some_and(|word| word.chars().next_back().is_some_and(char::is_alphanumeric));
        return if french { Part::Spaced } else { Part::Left };
    }
    let apostrophe_and_letter =
        |word: &str| word.strip_prefix('\'').is_some_and(starts_with_letter);
    if language == Language::English && before.is_some() && apostrophe_and_letter(token) {
        return Part::Left;
    }
    if language == Language::French
        && token.strip_suffix('\'').is_some_and(ends_with_letter)
        && next.is_some_and(starts_with_letter)
    {
        return Part::Right;
    }
    if token.chars().all(is_quote) {
        return Part::Quote;
    }
    Part::Word
}

fn ends_with_letter(word: &str) -> bool {
    word.chars().next_back().is_some_and(char::is_alphabetic)
}

fn is_quote(c: char) -> bool {
    matches!(c, '\'' | '"' | '„' | '“' | '”' | '`')
}

fn ends_with_digit(word: &str) -> bool {
    word.ends_with(|c: char| c.is_ascii_digit())
}

/// The currency signs (category Sc) that occur in running text.
fn is_currency(c: char) -> bool {
    matches!(
        c,
        '$' | '¢' | '£' | '¤' | '¥' | '\u{20A0}'
            ..='\u{20CF}' | '\u{FF04}' | '\u{FFE0}' | '\u{FFE1}' | '\u{FFE5}' | '\u{FFE6}'
    )
}

/// Scripts without spaces between words, and their punctuation.
fn is_cjk(c: char) -> bool {
    matches!(
        c,
        '\u{1100}'..='\u{11FF}' | '\u{2E80}'..='\u{A4CF}' | '\u{A840}'..='\u{A87F}' | '\u{AC00}'..='\u{D7AF}'
            | '\u{F900}'..='\u{FAFF}' | '\u{FE30}'..='\u{FE4F}' | '\u{FF65}'..='\u{FFDC}' | '\u{20000}'..='\u{2FFFF}'
    )
}

/// Latin letters of all widths, and ASCII digits.
fn is_latin(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '\u{C0}'..='\u{24F}' if c.is_alphabetic())
        || matches!(c, '\u{FF21}'..='\u{FF3A}' | '\u{FF41}'..='\u{FF5A}')
}
