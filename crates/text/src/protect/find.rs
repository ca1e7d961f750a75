//! Items in a text, from left to right.

use super::{Kind, Span, is_placeholder};
use regex::Regex;
use std::sync::LazyLock;

/// The items of a text in their order; none overlaps another.
pub fn items(text: &str) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut at = 0;
    let mut before = None;
    while let Some(c) = text[at..].chars().next() {
        let found = item(&text[at..], c, before).filter(|&(_, length)| length > 0);
        let (kind, length) = match found {
            Some((kind, length)) => (Some(kind), length),
            None => (None, c.len_utf8()),
        };
        let range = at..at + length;
        if let Some(kind) = kind {
            spans.push(Span {
                kind,
                text: text[range.clone()].to_owned(),
                range: range.clone(),
                placeholder: None,
            });
        }
        before = text[range.clone()].chars().next_back();
        at = range.end;
    }
    spans
}

/// The item at the start of `text`, whose first character is `c`, behind the character `before`.
fn item(text: &str, c: char, before: Option<char>) -> Option<(Kind, usize)> {
    if is_placeholder(c) {
        return Some((Kind::Placeholder, c.len_utf8()));
    }
    if before.is_some_and(|before| continues(before, c)) {
        return None;
    }
    if (c.is_ascii_alphanumeric() || c == '_')
        && let Some(found) = address(text)
    {
        return Some(found);
    }
    if !may_start_number(c) {
        return None;
    }
    NUMBERS.iter().find_map(|(kind, expression)| {
        let found = expression.find(text)?.as_str();
        let next = text[found.len()..].chars().next();
        let last = found.chars().next_back()?;
        let whole = next.is_none_or(|next| !continues(last, next))
            && (*kind != Kind::Phone
                || found.chars().filter(char::is_ascii_digit).count() >= LEAST_PHONE_DIGITS);
        whole.then_some((*kind, found.len()))
    })
}

/// `+5` and `+12` are no phone numbers.
const LEAST_PHONE_DIGITS: usize = 6;

/// True if `next` belongs to the same word or number as `last`: letters without word spaces (日, 한) do not.
fn continues(last: char, next: char) -> bool {
    let inner = |c: char| (c.is_alphanumeric() && !joins_without_space(c)) || c == '_';
    inner(last) && inner(next)
}

/// Letters that follow a number or a name without a space: Japanese, Chinese, and Korean particles.
pub(super) fn joins_without_space(c: char) -> bool {
    matches!(
        c,
        '\u{1100}'..='\u{11FF}' | '\u{2E80}'..='\u{A4CF}' | '\u{AC00}'..='\u{D7AF}' | '\u{F900}'..='\u{FAFF}'
            | '\u{FF66}'..='\u{FFDC}' | '\u{20000}'..='\u{3FFFF}'
    )
}

/// A sign of a currency, a plus, a bracket of a phone number, or a digit.
fn may_start_number(c: char) -> bool {
    is_digit(c)
        || matches!(
            c,
            '+' | '(' | '$' | '£' | '¥' | '€' | '₩' | '￥' | '￦' | 'A'..='Z'
        )
}

fn is_digit(c: char) -> bool {
    matches!(c, '0'..='9' | '\u{FF10}'..='\u{FF19}')
}

/// The longest address, in bytes.
const LONGEST_ADDRESS: usize = 2048;

fn address(text: &str) -> Option<(Kind, usize)> {
    let text = &text[..text.floor_char_boundary(LONGEST_ADDRESS)];
    if let Some(found) = EMAIL.find(text) {
        return Some((Kind::Email, found.len()));
    }
    let length = trimmed(URL.find(text)?.as_str());
    Some((Kind::Url, length))
}

/// Length of an address without the punctuation of the sentence around it. A bracket stays if its partner is inside.
fn trimmed(address: &str) -> usize {
    let count = |bracket: char| address.matches(bracket).count();
    let mut round = (count('('), count(')'));
    let mut square = (count('['), count(']'));
    let mut rest = address;
    while let Some(last) = rest.chars().next_back() {
        let sentence = match last {
            ')' => round.0 < round.1,
            ']' => square.0 < square.1,
            _ => matches!(
                last,
                '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '(' | '['
            ),
        };
        if !sentence {
            break;
        }
        match last {
            '(' => round.0 -= 1,
            ')' => round.1 -= 1,
            '[' => square.0 -= 1,
            ']' => square.1 -= 1,
            _ => {}
        }
        rest = &rest[..rest.len() - last.len_utf8()];
    }
    rest.len()
}

/// Lengths are bounded as in RFC 5321, so that a search costs the same wherever it starts.
static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    constant(
        r"^[A-Za-z0-9_][A-Za-z0-9._%+\-]{0,63}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){0,8}\.[A-Za-z]{2,24}",
    )
});

/// Addresses with a scheme or `www.`, and bare names under a few common top-level domains.
static URL: LazyLock<Regex> = LazyLock::new(|| {
    let path = r"[\p{Latin}\p{Greek}\p{Cyrillic}0-9\-._~:/?#\[\]@!$&'()*+,;=%]";
    let name =
        r"(?:[A-Za-z0-9\-]{1,63}\.){1,4}(?:com|org|net|edu|gov|info|io|eu|uk|de|fr|jp|kr|ch|at)";
    constant(&format!(
        r"^(?:(?i:https?|ftp)://{path}+|(?i:www)\.{path}+|{name}\b(?:/{path}*)?)"
    ))
});

/// Kinds of numbers, the longest forms first. The first one that ends at the end of a word wins.
static NUMBERS: LazyLock<Vec<(Kind, Regex)>> = LazyLock::new(|| {
    let digit = "[0-9０-９]";
    let grouped = format!(
        r"{digit}{{1,3}}(?:[.,'’ \u{{A0}}\u{{202F}}]{digit}{{3}}){{1,6}}(?:[.,]{digit}{{1,9}})?"
    );
    let number = format!("(?:{grouped}|{digit}{{1,20}}(?:[.,]{digit}{{1,9}})?)");
    let space = r"[ \u{A0}\u{202F}]?";
    let sign = "(?:US\\$|[$£¥€₩￥￦])";
    let code = "(?:EUR|USD|GBP|CHF|JPY|KRW|CAD|AUD|CNY)";
    let unit = [
        // A unit stands behind those that it begins.
        "km/h|km²|km|kg|kcal|kJ|kV|cm²|cm|cl|m/s|mAh|mph|mm|mg|ml|mi|m²|m³|m|µg|g|lb|l|°C|°F|°|%|％|‰",
        "[kKMGT]i?B(?:/s|ps)?|[kKMGT]?bps|[kMGT]?Hz|[kMG]?Wh?|V|ha|ft|oz|dB|px|pt",
    ]
    .join("|");
    [
        (
            Kind::Phone,
            r"\+[0-9]{1,3}(?:[ \-./]?\(?[0-9]{1,13}\)?){1,6}".to_owned(),
        ),
        (
            Kind::Phone,
            r"\(0[0-9]{1,5}\)[ \-]?[0-9]{2,9}(?:[ \-][0-9]{2,9}){0,3}".to_owned(),
        ),
        (
            Kind::Phone,
            r"0[0-9]{1,4}-[0-9]{1,4}-[0-9]{3,4}|0[0-9]{2,4}[ /\-][0-9]{4,9}".to_owned(),
        ),
        (Kind::Money, format!("(?:{sign}|{code}){space}{number}")),
        (Kind::Money, format!("{number}{space}(?:{sign}|{code})")),
        (
            Kind::Time,
            format!("{digit}{{1,2}}[:：]{digit}{{2}}(?:[:：]{digit}{{2}})?"),
        ),
        (Kind::Measure, format!("{number}{space}(?:{unit})")),
        (
            Kind::Number,
            format!(r"{digit}{{1,20}}(?:[.,/:\-]{digit}{{1,20}}){{1,8}}"),
        ),
        (Kind::Number, grouped),
        (Kind::Number, format!("{digit}{{3,20}}")),
    ]
    .into_iter()
    .map(|(kind, expression)| (kind, constant(&format!("^(?:{expression})"))))
    .chain([(Kind::SmallNumber, constant(&format!("^{digit}{{1,2}}")))])
    .collect()
});

fn constant(expression: &str) -> Regex {
    Regex::new(expression).expect("a constant expression")
}
