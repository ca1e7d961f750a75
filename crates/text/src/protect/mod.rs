//! Names and numbers that a translation must copy: taken out before the model, put back behind it.
//!
//! | kind | examples |
//! | --- | --- |
//! | [`Kind::Url`] | `https://example.org/a?b=c`, `www.example.org`, `example.org` |
//! | [`Kind::Email`] | `me@example.org` |
//! | [`Kind::Phone`] | `+447378099903`, `+49 (0)30 123456`, `03-1234-5678` |
//! | [`Kind::Money`] | `€30`, `$5.50`, `30 €`, `1.000,50 EUR` |
//! | [`Kind::Time`] | `19:30`, `9:05:07` |
//! | [`Kind::Measure`] | `3.5 km`, `20 %`, `100 m`, `5 °C` |
//! | [`Kind::Number`] | `1,000`, `10 000`, `3.14`, `2026`, `12.03.2024`, `1-2` |
//! | [`Kind::Placeholder`] | a placeholder that stood in the text |
//!
//! Whole numbers of one or two digits stay in the text, because models translate `2 men`; [`check`] counts them all the
//! same. Digits inside a word (`A4`, `iPhone12`, `3rd`) are part of the word.
//!
//! A placeholder is one character, U+E000 to U+E01F (private use), so a subword model makes one piece of it once its
//! training text has them, and no normalisation changes it. The same text gets the same placeholder wherever it
//! stands. A text has at most [`MOST`] different items; more stay in the text.

mod find;
mod numerals;

use find::items;
use std::collections::HashMap;
use std::ops::Range;

/// The most different placeholders in one text.
pub const MOST: usize = 32;

const FIRST: u32 = 0xE000;

/// The kind of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An address of a page.
    Url,
    /// An address for mail.
    Email,
    /// A number to call.
    Phone,
    /// An amount with its currency.
    Money,
    /// A time of day or a duration with colons.
    Time,
    /// A number with its unit.
    Measure,
    /// A number of three digits or more, or with separators.
    Number,
    /// A whole number of one or two digits: counted by [`check`], never protected.
    SmallNumber,
    /// A placeholder character that stood in the text.
    Placeholder,
}

/// An item of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its kind.
    pub kind: Kind,
    /// The item as it stands in the text.
    pub text: String,
    /// Its place in the text, in bytes.
    pub range: Range<usize>,
    /// The character that stands for it; none if it stayed in the text.
    pub placeholder: Option<char>,
}

/// A pair of texts with the same placeholders for the same items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The source with placeholders.
    pub source: String,
    /// The target with placeholders.
    pub target: String,
    /// The items of the source that were replaced.
    pub spans: Vec<Span>,
}

/// The text with placeholders, and the items that they stand for, in the order of the text.
pub fn protect(text: &str) -> (String, Vec<Span>) {
    let mut spans = protected_items(text);
    let table = placeholders(spans.iter());
    let out = replace(text, &mut spans, &table);
    (out, spans)
}

/// Placeholders for the items that a training pair has on both sides, letter by letter the same.
///
/// An item of one side only stays in its text. A placeholder that stood in either text is replaced wherever it stands,
/// so that the placeholders of the result always mean an item.
pub fn protect_pair(source: &str, target: &str) -> Pair {
    let mut spans = protected_items(source);
    let mut other = protected_items(target);
    let literal = |span: &Span| span.kind == Kind::Placeholder;
    let common = |ours: &[Span], theirs: &[Span]| -> Vec<bool> {
        ours.iter()
            .map(|span| literal(span) || theirs.iter().any(|other| other.text == span.text))
            .collect()
    };
    let (keep, keep_other) = (common(&spans, &other), common(&other, &spans));
    let mut keep = keep.into_iter();
    spans.retain(|_| keep.next().unwrap_or(false));
    let mut keep_other = keep_other.into_iter();
    other.retain(|_| keep_other.next().unwrap_or(false));
    let table = placeholders(spans.iter().chain(&other));
    let source = replace(source, &mut spans, &table);
    let target = replace(target, &mut other, &table);
    Pair {
        source,
        target,
        spans,
    }
}

/// Puts the items back in a model's output, and returns those that the output lacks.
///
/// A placeholder without an item is left out. An item counts as lost if the output has fewer of its placeholders than
/// the source had.
pub fn restore(output: &str, spans: &[Span]) -> (String, Vec<Span>) {
    let items: HashMap<char, &str> = spans
        .iter()
        .filter_map(|span| Some((span.placeholder?, span.text.as_str())))
        .collect();
    let mut found: HashMap<char, usize> = HashMap::new();
    let mut text = String::with_capacity(output.len());
    for c in output.chars() {
        if !is_placeholder(c) {
            text.push(c);
        } else if let Some(item) = items.get(&c) {
            text.push_str(item);
            *found.entry(c).or_default() += 1;
        }
    }
    let lost = spans
        .iter()
        .filter(|span| span.placeholder.is_some_and(|c| !take(&mut found, &c)))
        .cloned()
        .collect();
    (text, lost)
}

/// True if `output`, in which placeholders of [`protect`] stand, has each of them as often as `spans`, and no other.
pub fn balanced(output: &str, spans: &[Span]) -> bool {
    let mut left: HashMap<char, usize> = HashMap::new();
    for placeholder in spans.iter().filter_map(|span| span.placeholder) {
        *left.entry(placeholder).or_default() += 1;
    }
    let wanted = output
        .chars()
        .filter(|&c| is_placeholder(c))
        .all(|c| take(&mut left, &c));
    wanted && left.values().all(|&left| left == 0)
}

/// The items of `source`, small numbers too, that `output` lacks.
///
/// Addresses are compared letter by letter. Of everything else the digits are compared: a translation may write
/// `1.000,5` for `1,000.5`, and `30 Euro` for `€30`. An item that stands twice has to come twice.
///
/// A whole number from 0 to 12 may also come as a word of English, German, French, Japanese or Korean (`zwei` for `2`).
/// The languages of the texts are not known here, so words of all of them count. Latin words count as whole words, with
/// the forms of the German and French articles. Japanese and Korean numerals count wherever they stand, inside of other
/// words too.
pub fn check(source: &str, output: &str) -> Vec<Span> {
    let mut found = essences(&items(output));
    let mut words: HashMap<String, usize> = HashMap::new();
    let mut lost = items(source);
    lost.retain(|span| {
        let essence = essence(span);
        if take(&mut found, &essence) {
            return false;
        }
        if span.kind != Kind::SmallNumber {
            return true;
        }
        if !words.contains_key(&essence) {
            words.insert(essence.clone(), numerals::count(output, &essence));
        }
        !take(&mut words, &essence)
    });
    lost
}

/// The items of `output` that [`protect`] would take and that it has more often than `source`: invented or doubled
/// ones. Of those with the same text, the last ones are given.
///
/// Items are compared as in [`check`]. A small number of the source that the output does not have as such, and a number
/// word from zero to twelve, may have become part of an amount, a measure or a time (`two euros`, `2 €`). Words for
/// greater numbers are not read: `500` for `five hundred` is given.
pub fn surplus(source: &str, output: &str) -> Vec<Span> {
    let is_small = |span: &Span| span.kind == Kind::SmallNumber;
    let (small, items_of_source) = items(source).into_iter().partition::<Vec<_>, _>(is_small);
    let (small_of_output, mut extra) = items(output).into_iter().partition::<Vec<_>, _>(is_small);
    let mut allowed = essences(&items_of_source);
    let (small, small_of_output) = (essences(&small), essences(&small_of_output));
    // Numbers that may have become parts of items, by essence; counted once each.
    let mut free: HashMap<String, usize> = HashMap::new();
    extra.retain(|span| {
        let essence = essence(span);
        if take(&mut allowed, &essence) {
            return false;
        }
        if !free.contains_key(&essence) {
            let count = |of: &HashMap<String, usize>| of.get(&essence).copied().unwrap_or(0);
            let words = numerals::count(source, &essence);
            let left = (count(&small) + words).saturating_sub(count(&small_of_output));
            free.insert(essence.clone(), left);
        }
        !take(&mut free, &essence)
    });
    extra
}

/// How often each essence stands among the items.
fn essences(items: &[Span]) -> HashMap<String, usize> {
    let mut found = HashMap::new();
    for span in items {
        *found.entry(essence(span)).or_default() += 1;
    }
    found
}

/// Takes one of what is left of `key`; false if none is left.
fn take<K: std::hash::Hash + Eq>(found: &mut HashMap<K, usize>, key: &K) -> bool {
    match found.get_mut(key) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    }
}

/// The part of an item that a translation has to keep.
fn essence(span: &Span) -> String {
    match span.kind {
        Kind::Url | Kind::Email | Kind::Placeholder => span.text.clone(),
        _ => span
            .text
            .chars()
            .filter_map(|c| match c {
                '0'..='9' => Some(c),
                // Full-width digits.
                '\u{FF10}'..='\u{FF19}' => char::from_digit(u32::from(c) - 0xFF10, 10),
                _ => None,
            })
            .collect(),
    }
}

fn protected_items(text: &str) -> Vec<Span> {
    let mut spans = items(text);
    spans.retain(|span| span.kind != Kind::SmallNumber);
    spans
}

/// A placeholder per item. Placeholders that stood in the text go first: at most [`MOST`] exist, so all of them fit.
fn placeholders<'a>(spans: impl Iterator<Item = &'a Span> + Clone) -> HashMap<String, char> {
    let literal = |span: &&Span| span.kind == Kind::Placeholder;
    let mut table = HashMap::new();
    for span in spans
        .clone()
        .filter(literal)
        .chain(spans.filter(|span| !literal(span)))
    {
        let next = table.len();
        if next < MOST && !table.contains_key(&span.text) {
            table.extend(char::from_u32(FIRST + next as u32).map(|c| (span.text.clone(), c)));
        }
    }
    table
}

/// The text with placeholders for the spans in the table; the other spans are left out of the list.
fn replace(text: &str, spans: &mut Vec<Span>, table: &HashMap<String, char>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    spans.retain_mut(|span| {
        span.placeholder = table.get(&span.text).copied();
        if let Some(c) = span.placeholder {
            out.push_str(&text[end..span.range.start]);
            out.push(c);
            end = span.range.end;
        }
        span.placeholder.is_some()
    });
    out.push_str(&text[end..]);
    out
}

/// True for the characters that stand for items.
pub fn is_placeholder(c: char) -> bool {
    (FIRST..FIRST + MOST as u32).contains(&u32::from(c))
}
