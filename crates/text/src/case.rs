//! Case as marks: text in lower case with a mark before each word that was written with capitals.
//!
//! A subword model that reads `⇧hello` and `⇪hello` shares the pieces of `hello`; without marks `Hello` and `HELLO` are
//! two more words to learn. [`encode`] writes the marks, [`decode`] takes them back, and `decode(encode(x)) == x` for
//! every text.
//!
//! | word | becomes | rule |
//! | --- | --- | --- |
//! | `Hello`, `It's`, `I` | `⇧hello`, `⇧it's`, `⇧i` | [`CAPITAL`]: the first letter is upper case, no other is |
//! | `HELLO`, `DON'T` | `⇪hello`, `⇪don't` | [`CAPITALS`]: two letters or more, all upper case |
//! | `L'Homme`, `d'Artagnan` | `⇧l'⇧homme`, `d'⇧artagnan` | mixed with apostrophes: each part by the rules above |
//! | `iPhone`, `KBps`, `HAllo` | as they are | other mixtures stay as they are |
//! | `ẞ`, `İstanbul` | as they are | a word that would not come back the same stays as it is |
//!
//! A word is a run of letters and combining marks, with single apostrophes (`'`, `’`) between letters. Text without
//! case (Japanese, Korean, digits, punctuation) is untouched.
//!
//! A mark that stands in the text is written as two characters: `⇧` becomes `⇧⇧`, and `⇪` becomes `⇧⇪`.

use unicode_normalization::char::is_combining_mark;

/// Mark before a word whose first letter is upper case: U+21E7, UPWARDS WHITE ARROW.
pub const CAPITAL: char = '\u{21E7}';

/// Mark before a word in upper case: U+21EA, UPWARDS WHITE ARROW FROM BAR (the picture of the caps lock key).
pub const CAPITALS: char = '\u{21EA}';

/// Writes `text` in lower case with marks. See the [module](self) for the rules.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = word_length(rest);
        if word > 0 {
            encode_word(&rest[..word], &mut out);
            rest = &rest[word..];
            continue;
        }
        if first == CAPITAL || first == CAPITALS {
            out.push(CAPITAL);
        }
        out.push(first);
        rest = &rest[first.len_utf8()..];
    }
    out
}

/// Writes marked text in its case again.
///
/// Every text is accepted, so that a model's output can be anything: a mark with no word behind it is left out. A
/// [`CAPITAL`] before a mark stands for that mark itself.
pub fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        let next = rest.chars().next();
        match (first, next) {
            (CAPITAL, Some(literal @ (CAPITAL | CAPITALS))) => {
                out.push(literal);
                rest = &rest[literal.len_utf8()..];
            }
            (CAPITAL, Some(letter)) if is_word_character(letter) => {
                out.extend(letter.to_uppercase());
                rest = &rest[letter.len_utf8()..];
            }
            (CAPITALS, Some(letter)) if is_word_character(letter) => {
                let word = word_length(rest);
                out.push_str(&rest[..word].to_uppercase());
                rest = &rest[word..];
            }
            (CAPITAL | CAPITALS, _) => {}
            _ => out.push(first),
        }
    }
    out
}

/// True if `text` has two cased letters or more, and all of them are upper case: `NO ENTRY!`, but not `I` or `日本`.
pub fn is_all_upper(text: &str) -> bool {
    let mut letters = 0_usize;
    for c in text.chars() {
        if c.is_lowercase() {
            return false;
        }
        letters += usize::from(c.is_uppercase());
    }
    letters >= 2
}

fn encode_word(word: &str, out: &mut String) {
    if let Some(marked) = marked(word) {
        out.push_str(&marked);
        return;
    }
    let before = out.len();
    let mut rest = word;
    while !rest.is_empty() {
        let part = rest.find(is_apostrophe).unwrap_or(rest.len());
        match marked(&rest[..part]) {
            Some(marked) => out.push_str(&marked),
            None => out.push_str(&rest[..part]),
        }
        rest = &rest[part..];
        if let Some(apostrophe) = rest.chars().next() {
            out.push(apostrophe);
            rest = &rest[apostrophe.len_utf8()..];
        }
    }
    // `CAPITALS` reaches over apostrophes, so the parts of `DON't` do not stand for themselves.
    if decode(&out[before..]) != word {
        out.truncate(before);
        out.push_str(word);
    }
}

/// The marked form of a whole word (itself if it is in lower case), or none if no mark fits or it would not come back.
fn marked(word: &str) -> Option<String> {
    if !word.chars().any(|c| c.is_uppercase()) {
        return Some(word.to_owned());
    }
    let mark = if is_all_upper(word) {
        CAPITALS
    } else {
        CAPITAL
    };
    let mut form = String::with_capacity(mark.len_utf8() + word.len());
    form.push(mark);
    form.push_str(&word.to_lowercase());
    (decode(&form) == word).then_some(form)
}

/// Length in bytes of the word at the start of `text`; 0 if there is none.
fn word_length(text: &str) -> usize {
    let mut end = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        let next_is_word = characters
            .peek()
            .is_some_and(|&(_, next)| is_word_character(next));
        let inside = at > 0 && is_apostrophe(c) && next_is_word && end == at;
        if !is_word_character(c) && !inside {
            break;
        }
        end = at + c.len_utf8();
    }
    end
}

fn is_word_character(c: char) -> bool {
    c.is_alphabetic() || is_combining_mark(c)
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}')
}
