//! Words and n-grams of a line.

use std::borrow::Cow;
use std::collections::HashMap;

/// White space as Python's `str.split` knows it, which the reference tools of the metrics use: that of Unicode, and
/// the four separators U+001C to U+001F.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// The words of a text, split at white space.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// The text in lower case, or as it is.
pub(super) fn cased(text: &str, lowercase: bool) -> Cow<'_, str> {
    match lowercase {
        true => Cow::Owned(text.to_lowercase()),
        false => Cow::Borrowed(text),
    }
}

/// The tokenisation of mteval-v13a as sacreBLEU 2.6.0 has it: tokens between spaces.
///
/// Symbols of ASCII stand alone, but for the apostrophe and a dash that no digit precedes. A full stop or comma stands
/// alone unless digits surround it.
pub(super) fn tokenize_13a(line: &str) -> String {
    let line = line.trim_end_matches(is_space).replace("<skipped>", "");
    let mut line = line.replace("-\n", "").replace('\n', " ");
    if line.contains('&') {
        // In this order: `&amp;lt;` becomes `<`.
        for (entity, character) in [
            ("&quot;", "\""),
            ("&amp;", "&"),
            ("&lt;", "<"),
            ("&gt;", ">"),
        ] {
            line = line.replace(entity, character);
        }
    }
    let mut text = String::with_capacity(line.len() + 2);
    text.push(' ');
    for c in line.chars() {
        if stands_alone(c) {
            text.extend([' ', c, ' ']);
        } else {
            text.push(c);
        }
    }
    text.push(' ');
    let point = |c| matches!(c, '.' | ',');
    let digit = |c: char| c.is_ascii_digit();
    let text = pairs(&text, |a, b| !digit(a) && point(b), |a, b| [a, ' ', b, ' ']);
    let text = pairs(&text, |a, b| point(a) && !digit(b), |a, b| [' ', a, ' ', b]);
    pairs(&text, |a, b| digit(a) && b == '-', |a, b| [a, ' ', b, ' '])
}

/// Symbols of ASCII, without `'`, `,`, `-` and `.`.
fn stands_alone(c: char) -> bool {
    c.is_ascii_punctuation() && !matches!(c, '\'' | ',' | '-' | '.')
}

/// The text with pairs of neighbours replaced, from the left; a character belongs to one pair at most.
fn pairs(
    text: &str,
    find: impl Fn(char, char) -> bool,
    replace: impl Fn(char, char) -> [char; 4],
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(a) = characters.next() {
        match characters.next_if(|&b| find(a, b)) {
            Some(b) => out.extend(replace(a, b)),
            None => out.push(a),
        }
    }
    out
}

/// Numbers for words: equal words have equal numbers.
#[derive(Debug, Default)]
pub(super) struct Numbers<'a>(HashMap<&'a str, u32>);

impl<'a> Numbers<'a> {
    /// Numbers of the words.
    pub(super) fn of(&mut self, words: impl IntoIterator<Item = &'a str>) -> Vec<u32> {
        let number = |word| {
            let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
            *self.0.entry(word).or_insert(next)
        };
        words.into_iter().map(number).collect()
    }
}

/// Bits of a word's number.
pub(super) const WORD: u32 = 32;
/// Bits of a Unicode scalar value.
pub(super) const CHARACTER: u32 = 21;

/// Every n-gram of the items as one number, sorted. An item has `bits` bits, and n·bits is at most 128.
pub(super) fn ngrams(items: &[u32], n: usize, bits: u32) -> Vec<u128> {
    let pack = |gram: &[u32]| {
        let join = |all: u128, &item: &u32| (all << bits) | u128::from(item);
        gram.iter().fold(0, join)
    };
    let mut grams: Vec<u128> = items.windows(n).map(pack).collect();
    grams.sort_unstable();
    grams
}

/// How many n-grams of the hypothesis the references have, where one counts at most as often as it stands in that
/// reference that has it most often. All are sorted.
pub(super) fn matches(hypothesis: &[u128], references: &[Vec<u128>]) -> usize {
    let of_run = |run: &[u128]| {
        let count = |reference: &Vec<u128>| {
            let from = reference.partition_point(|gram| *gram < run[0]);
            let same = reference[from..]
                .iter()
                .zip(run)
                .take_while(|(a, b)| a == b);
            same.count()
        };
        references.iter().map(count).max().unwrap_or(0)
    };
    hypothesis.chunk_by(|a, b| a == b).map(of_run).sum()
}

/// The reference length that is closest to the length of the hypothesis; of two, the shorter one.
pub(super) fn closest(hypothesis: usize, references: impl IntoIterator<Item = usize>) -> usize {
    let lengths = references.into_iter();
    let distance = |&length: &usize| (length.abs_diff(hypothesis), length);
    lengths.min_by_key(distance).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn tokens_13a_equal_those_of_sacrebleu() {
        let goldens = include_str!("../../tests/goldens/text_metrics.json");
        let goldens: Value = serde_json::from_str(goldens).unwrap();
        let rows = goldens["tokens_13a"].as_array().unwrap();
        assert!(rows.len() > 300);
        for row in rows {
            let (line, tokens) = (row[0].as_str().unwrap(), row[1].as_str().unwrap());
            let own: Vec<String> = words(&tokenize_13a(line)).map(String::from).collect();
            assert_eq!(own.join(" "), tokens, "{line:?}");
        }
    }

    #[test]
    fn matches_are_clipped_by_the_best_reference() {
        let grams = |items: &[u32], n| ngrams(items, n, WORD);
        let hypothesis = [7, 7, 7, 8];
        let references = [&[7, 8, 8][..], &[7, 7]];
        let of = |n| references.map(|r| grams(r, n)).to_vec();
        assert_eq!(matches(&grams(&hypothesis, 1), &of(1)), 3);
        assert_eq!(matches(&grams(&hypothesis, 2), &of(2)), 2);
        assert_eq!(matches(&grams(&hypothesis, 4), &of(4)), 0);
        assert_eq!(matches(&grams(&hypothesis, 1), &[]), 0);
    }

    #[test]
    fn of_two_lengths_at_the_same_distance_the_shorter_is_closest() {
        assert_eq!(closest(5, [9, 6, 4]), 4);
        assert_eq!(closest(5, [9, 6]), 6);
        assert_eq!(closest(5, []), 0);
    }
}
