//! Number words for the small numbers that a translation may write out: `zwei` for `2`.

use super::find::joins_without_space;
use crate::lines::nfc;

/// The words of one number.
struct Numeral {
    /// English, German and French words, in lower case.
    words: &'static [&'static str],
    /// Japanese and Korean numerals, which stand in a text without spaces around them.
    parts: &'static [&'static str],
}

const fn numeral(words: &'static [&'static str], parts: &'static [&'static str]) -> Numeral {
    Numeral { words, parts }
}

/// The numbers from 0 to 12.
const NUMERALS: [Numeral; 13] = [
    numeral(
        &["zero", "null", "zéro"],
        &["〇", "零", "ゼロ", "영", "공", "제로"],
    ),
    numeral(
        &[
            "one", "eins", "ein", "eine", "einen", "einem", "einer", "eines", "un", "une",
        ],
        &["一", "일", "하나", "한"],
    ),
    numeral(&["two", "zwei", "zwo", "deux"], &["二", "이", "둘", "두"]),
    numeral(&["three", "drei", "trois"], &["三", "삼", "셋", "세", "석"]),
    numeral(&["four", "vier", "quatre"], &["四", "사", "넷", "네", "넉"]),
    numeral(&["five", "fünf", "fuenf", "cinq"], &["五", "오", "다섯"]),
    numeral(&["six", "sechs"], &["六", "육", "륙", "여섯"]),
    numeral(&["seven", "sieben", "sept"], &["七", "칠", "일곱"]),
    numeral(&["eight", "acht", "huit"], &["八", "팔", "여덟"]),
    numeral(&["nine", "neun", "neuf"], &["九", "구", "아홉"]),
    numeral(&["ten", "zehn", "dix"], &["十", "십", "열"]),
    numeral(
        &["eleven", "elf", "onze"],
        &["十一", "십일", "열하나", "열한"],
    ),
    numeral(
        &["twelve", "zwölf", "zwoelf", "douze"],
        &["十二", "십이", "열둘", "열두"],
    ),
];

/// How often `text` has the number `digits` as a word: 0 but for `0` to `12`.
///
/// Words of all languages count, in any case. Parts of a longer numeral count too, as `二` in `十二`.
pub(super) fn count(text: &str, digits: &str) -> usize {
    // `05` is not written as a word.
    let number = digits
        .parse::<usize>()
        .ok()
        .filter(|n| n.to_string() == digits);
    let Some(numeral) = number.and_then(|number| NUMERALS.get(number)) else {
        return 0;
    };
    let text = nfc(text);
    let words = text
        .split(|c: char| !c.is_alphanumeric() || joins_without_space(c))
        .filter(|word| numeral.words.contains(&word.to_lowercase().as_str()))
        .count();
    let parts = numeral.parts.iter().map(|part| text.matches(part).count());
    words + parts.sum::<usize>()
}
