//! Sentences of a paragraph, and pieces of a text that is too long for a model.

use crate::Language;
use std::ops::Range;

/// The sentences of `text`, as ranges of bytes in their order. Between them there is white space only.
///
/// A sentence ends at `.`, `!`, `?` or `…` with its closing quotes and brackets, if white space follows and the next
/// word does not start in lower case; at `。`, `！`, `？` or `．` with or without a space; and at an empty line. A full
/// stop of an abbreviation, an initial (`J. Smith`), a word with inner full stops (`U.S.`), a German ordinal before a
/// month (`3. Mai`) or a number ends none. A Japanese quote goes on if hiragana follow (`「はい。」と言った`).
///
/// In a text without any upper-case letter, such as `i am tired. i want to sleep.`, a sentence also ends before a word
/// in lower case, and abbreviations are recognised in lower case. The time is linear in the length of the text.
pub fn sentences(text: &str, language: Language) -> Vec<Range<usize>> {
    let mut start = 0;
    Rules::new(text, language)
        .ends()
        .into_iter()
        .filter_map(|end| {
            let piece = &text[start..end];
            let first = start + (piece.len() - piece.trim_start().len());
            let last = start + piece.trim_end().len();
            start = end;
            (first < last).then_some(first..last)
        })
        .collect()
}

/// Cuts `text` into pieces of which `count` (a number of tokens, for instance) is at most `limit`.
///
/// The pieces are the text when they are put together again. A piece holds as many whole sentences as fit. A sentence
/// that does not fit is cut behind punctuation, else behind white space, else between any two characters; no other
/// sentence joins its last piece. One character that counts more than `limit` is a piece of its own, the only kind of
/// piece that may be above it.
///
/// `count` should not fall when text is added: longer texts are not tried once a text does not fit. The calls per piece
/// grow with the logarithm of its length. Texts that are counted have at most twice the bytes that fit, so the time
/// grows linearly with the length of the text if that of `count` does.
pub fn chunks(
    text: &str,
    limit: usize,
    language: Language,
    count: impl Fn(&str) -> usize,
) -> Vec<&str> {
    let ends = Rules::new(text, language).ends();
    let inner = [cuts(text, is_punctuation), cuts(text, char::is_whitespace)];
    let fits = |piece: &str| count(piece) <= limit;
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let most = bound(text, start, text.len(), fits);
        if let Some(end) = furthest(text, start, &ends, most, fits) {
            pieces.push(&text[start..end]);
            start = end;
            continue;
        }
        let sentence = ends[ends.partition_point(|&end| end <= start)..]
            .first()
            .map_or(text.len(), |&end| end);
        while start < sentence {
            let most = bound(text, start, sentence, fits);
            let end = inner
                .iter()
                .find_map(|level| furthest(text, start, level, most, fits))
                .unwrap_or_else(|| anywhere(text, start, most, fits));
            pieces.push(&text[start..end]);
            start = end;
        }
    }
    pieces
}

/// `most`, or an earlier place up to which the text does not fit, so that none behind it has to be tried.
fn bound(text: &str, start: usize, most: usize, fits: impl Fn(&str) -> bool) -> usize {
    let mut length = FIRST_LENGTH;
    while most - start > length {
        let place = text.floor_char_boundary(start + length);
        if !fits(&text[start..place]) {
            return place;
        }
        length *= 2;
    }
    most
}

/// Bytes of the first text that is tried for a piece; more than those of any character.
const FIRST_LENGTH: usize = 64;

/// The end of the longest piece that fits, between any two characters; at least one character.
fn anywhere(text: &str, start: usize, most: usize, fits: impl Fn(&str) -> bool) -> usize {
    let characters: Vec<usize> = text[start..most]
        .char_indices()
        .take(MOST_CHARACTERS)
        .map(|(at, c)| start + at + c.len_utf8())
        .collect();
    furthest(text, start, &characters, most, fits)
        .or(characters.first().copied())
        .unwrap_or(most)
}

/// The most characters in a piece that ends between any two characters.
const MOST_CHARACTERS: usize = 4096;

/// The last of `cuts` between `start` and `most` up to which the text fits, found by doubling steps and halving them
/// again. `most` is a cut, too, unless the text up to it does not fit.
fn furthest(
    text: &str,
    start: usize,
    cuts: &[usize],
    most: usize,
    fits: impl Fn(&str) -> bool,
) -> Option<usize> {
    let first = cuts.partition_point(|&cut| cut <= start);
    let cuts = &cuts[first..first.max(cuts.partition_point(|&cut| cut < most))];
    let cut = |i: usize| cuts.get(i).copied().unwrap_or(most);
    let good = |i: usize| fits(&text[start..cut(i)]);
    if !good(0) {
        return None;
    }
    let mut low = 0;
    let mut step = 1;
    while low + step <= cuts.len() && good(low + step) {
        low += step;
        step *= 2;
    }
    let mut high = (low + step).min(cuts.len() + 1);
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if good(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(cut(low))
}

/// Ends of the runs of characters for which `is` holds, white space behind them included.
fn cuts(text: &str, is: impl Fn(char) -> bool) -> Vec<usize> {
    let mut cuts = Vec::new();
    let mut inside = false;
    for (at, c) in text.char_indices() {
        let stays = is(c) || (inside && c.is_whitespace());
        if inside && !stays {
            cuts.push(at);
        }
        inside = stays;
    }
    cuts
}

fn is_punctuation(c: char) -> bool {
    matches!(
        c,
        ',' | ';' | ':' | '.' | '!' | '?' | '…' | ')' | ']' | '}' | '–' | '—' | '»' | '”' | '"'
    ) || matches!(
        c,
        '、' | '。' | '，' | '；' | '：' | '！' | '？' | '」' | '』' | '）' | '】' | '・'
    )
}

/// How sentences of a text end.
struct Rules<'a> {
    text: &'a str,
    language: Language,
    /// The text has no upper-case letter.
    uncased: bool,
}

impl<'a> Rules<'a> {
    fn new(text: &'a str, language: Language) -> Self {
        Self {
            text,
            language,
            uncased: !text.chars().any(char::is_uppercase),
        }
    }

    /// Ends of sentences, each with the white space behind it; the end of the text is the last one.
    fn ends(&self) -> Vec<usize> {
        let text = self.text;
        let mut ends = Vec::new();
        let mut start = 0;
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let next = at + c.len_utf8();
            if c == '\n' {
                let blank = run(text, at, char::is_whitespace);
                if text[at..blank].matches('\n').count() > 1 {
                    ends.push(blank);
                    start = blank;
                }
                at = blank;
            } else if is_wide_end(c) || is_narrow_end(c) {
                let marks = run(text, next, |c| is_wide_end(c) || is_narrow_end(c));
                let behind = closed(text, marks);
                let space = run(text, behind, char::is_whitespace);
                if self.ends_sentence(start..at, at..behind, space) {
                    ends.push(space);
                    start = space;
                }
                // White space may hold an empty line, which the loop has to see.
                at = if start == space { space } else { behind };
            } else {
                at = next;
            }
        }
        if ends.last() != Some(&text.len()) && !text.is_empty() {
            ends.push(text.len());
        }
        ends
    }

    /// True if the marks at `marks`, behind the text `before`, end a sentence. The white space behind them ends at
    /// `space`.
    fn ends_sentence(&self, before: Range<usize>, marks: Range<usize>, space: usize) -> bool {
        let rest = &self.text[space..];
        let Some(next) = rest.chars().next() else {
            return true;
        };
        let mark = &self.text[marks.clone()];
        let quoted = mark
            .chars()
            .next_back()
            .is_some_and(|c| !is_wide_end(c) && !is_narrow_end(c));
        if mark.chars().any(is_wide_end) {
            return !(quoted && space == marks.end && matches!(next, '\u{3041}'..='\u{309F}'));
        }
        if space == marks.end || (!self.uncased && starts_in_lower_case(rest)) {
            return false;
        }
        if mark != "." {
            return true;
        }
        let word = self.text[before]
            .rsplit(|c: char| c.is_whitespace() || is_opening(c))
            .next()
            .unwrap_or("");
        !self.stop_belongs_to(word, rest)
    }

    fn stop_belongs_to(&self, word: &str, rest: &str) -> bool {
        let next = rest
            .split(|c: char| !c.is_alphanumeric())
            .next()
            .unwrap_or("");
        let inner_stops =
            word.contains('.') && word.chars().any(char::is_alphabetic) && !word.ends_with('.');
        let number_follows = rest.starts_with(|c: char| c.is_ascii_digit());
        inner_stops && word.split('.').all(|part| part.chars().count() <= 3)
            || self.is_abbreviation(word, number_follows)
            || (self.language.is_ordinal(word) && is_behind_ordinal(next, self.uncased))
    }

    fn is_abbreviation(&self, word: &str, number_follows: bool) -> bool {
        if self.uncased {
            return self
                .language
                .is_abbreviation_in_lower_case(word, number_follows);
        }
        self.language.is_abbreviation(word)
            || (number_follows && self.language.is_abbreviation_before_number(word))
    }
}

/// German months, and nouns that often have a number before them; in any case of their ASCII letters if `uncased`.
fn is_behind_ordinal(word: &str, uncased: bool) -> bool {
    BEHIND_ORDINALS
        .iter()
        .any(|&noun| noun == word || (uncased && noun.eq_ignore_ascii_case(word)))
}

#[rustfmt::skip]
const BEHIND_ORDINALS: &[&str] = &[
    "Januar", "Jänner", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober",
    "November", "Dezember", "Jahrhundert", "Jahrhunderts", "Kapitel", "Klasse", "Platz", "Stock", "Stocks",
    "Stockwerk", "Etage", "Geburtstag", "Mal", "Tag", "Woche", "Auflage", "Weltkrieg",
];

/// True if the first letter is in lower case; an opening quote before it does not count.
fn starts_in_lower_case(text: &str) -> bool {
    text.chars()
        .find(|&c| !is_opening(c) && !c.is_whitespace())
        .is_some_and(char::is_lowercase)
}

/// End of the run of characters for which `is` holds, from `at` on.
fn run(text: &str, at: usize, is: impl Fn(char) -> bool) -> usize {
    text[at..]
        .find(|c| !is(c))
        .map_or(text.len(), |length| at + length)
}

/// End of the closing quotes and brackets from `at` on. A French `»` may have a space before it, if no letter follows.
fn closed(text: &str, at: usize) -> usize {
    let end = run(text, at, is_closing);
    let rest = &text[end..];
    match rest
        .trim_start_matches([' ', '\u{A0}', '\u{202F}'])
        .strip_prefix('»')
    {
        Some(behind) if !behind.starts_with(char::is_alphanumeric) => {
            run(text, text.len() - behind.len(), is_closing)
        }
        _ => end,
    }
}

fn is_wide_end(c: char) -> bool {
    matches!(c, '。' | '！' | '？' | '．' | '｡')
}

fn is_narrow_end(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '‽' | '⁇' | '⁈' | '⁉')
}

/// `“`, `‘` and `«` close German quotes; directly behind a full stop they open none.
fn is_closing(c: char) -> bool {
    matches!(
        c,
        '"' | '\''
            | '”'
            | '’'
            | '“'
            | '‘'
            | '»'
            | '›'
            | '«'
            | '‹'
            | ')'
            | ']'
            | '}'
            | '」'
            | '』'
            | '）'
            | '】'
            | '〉'
            | '》'
    )
}

fn is_opening(c: char) -> bool {
    matches!(
        c,
        '"' | '\''
            | '“'
            | '‘'
            | '„'
            | '‚'
            | '«'
            | '‹'
            | '»'
            | '›'
            | '('
            | '['
            | '{'
            | '¿'
            | '¡'
            | '「'
            | '『'
            | '（'
            | '【'
            | '〈'
            | '《'
            | '-'
            | '–'
            | '—'
    )
}
