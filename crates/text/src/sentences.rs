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
/// Text in lower case throughout is therefore one sentence, unless it has `!` or `?` before a capital.
pub fn sentences(text: &str, language: Language) -> Vec<Range<usize>> {
    let mut start = 0;
    ends(text, language)
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
/// `count` should not fall when text is added; the calls per piece grow with the logarithm of its length.
pub fn chunks(
    text: &str,
    limit: usize,
    language: Language,
    count: impl Fn(&str) -> usize,
) -> Vec<&str> {
    let ends = ends(text, language);
    let inner = [cuts(text, is_punctuation), cuts(text, char::is_whitespace)];
    let fits = |piece: &str| count(piece) <= limit;
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < text.len() {
        if let Some(end) = furthest(text, start, &ends, text.len(), fits) {
            pieces.push(&text[start..end]);
            start = end;
            continue;
        }
        let sentence = ends[ends.partition_point(|&end| end <= start)..]
            .first()
            .map_or(text.len(), |&end| end);
        while start < sentence {
            let end = inner
                .iter()
                .find_map(|level| furthest(text, start, level, sentence, fits))
                .unwrap_or_else(|| anywhere(text, start, sentence, fits));
            pieces.push(&text[start..end]);
            start = end;
        }
    }
    pieces
}

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
/// again. `most` is a cut, too.
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

/// Ends of sentences, each with the white space behind it; the end of the text is the last one.
fn ends(text: &str, language: Language) -> Vec<usize> {
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
            let behind = closed(
                text,
                run(text, next, |c| is_wide_end(c) || is_narrow_end(c)),
            );
            let space = run(text, behind, char::is_whitespace);
            if ends_sentence(text, start..at, at..behind, space, language) {
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

/// True if the marks at `marks`, behind the text `before`, end a sentence. The white space behind them ends at `space`.
fn ends_sentence(
    text: &str,
    before: Range<usize>,
    marks: Range<usize>,
    space: usize,
    language: Language,
) -> bool {
    let Some(next) = text[space..].chars().next() else {
        return true;
    };
    let mark = &text[marks.clone()];
    let quoted = mark
        .chars()
        .next_back()
        .is_some_and(|c| !is_wide_end(c) && !is_narrow_end(c));
    if mark.chars().any(is_wide_end) {
        return !(quoted && space == marks.end && matches!(next, '\u{3041}'..='\u{309F}'));
    }
    if space == marks.end || starts_in_lower_case(&text[space..]) {
        return false;
    }
    if mark != "." {
        return true;
    }
    let word = text[before]
        .rsplit(|c: char| c.is_whitespace() || is_opening(c))
        .next()
        .unwrap_or("");
    !stop_belongs_to(word, &text[space..], language)
}

fn stop_belongs_to(word: &str, rest: &str, language: Language) -> bool {
    let next = rest
        .split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or("");
    let inner_stops =
        word.contains('.') && word.chars().any(char::is_alphabetic) && !word.ends_with('.');
    let number_follows = rest.starts_with(|c: char| c.is_ascii_digit());
    inner_stops && word.split('.').all(|part| part.chars().count() <= 3)
        || language.is_abbreviation(word)
        || (number_follows && language.is_abbreviation_before_number(word))
        || (language.is_ordinal(word) && is_behind_ordinal(next))
}

/// German months, and nouns that often have a number before them.
fn is_behind_ordinal(word: &str) -> bool {
    matches!(
        word,
        "Januar"
            | "Jänner"
            | "Februar"
            | "März"
            | "April"
            | "Mai"
            | "Juni"
            | "Juli"
            | "August"
            | "September"
            | "Oktober"
            | "November"
            | "Dezember"
            | "Jahrhundert"
            | "Jahrhunderts"
            | "Kapitel"
            | "Klasse"
            | "Platz"
            | "Stock"
            | "Stocks"
            | "Stockwerk"
            | "Etage"
            | "Geburtstag"
            | "Mal"
            | "Tag"
            | "Woche"
            | "Auflage"
            | "Weltkrieg"
    )
}

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
