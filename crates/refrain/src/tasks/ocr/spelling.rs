//! How texts become labels.

use serde::{Deserialize, Serialize};
use std::iter::once;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::decompose_canonical;

/// The labels of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spelling {
    /// Characters, composed (NFC).
    #[default]
    Characters,
    /// Hangul syllables as their two or three letters (jamo): 67 labels instead of 11,172; other characters as they
    /// are.
    Jamo,
}

const SYLLABLES: std::ops::RangeInclusive<char> = '\u{AC00}'..='\u{D7A3}';

impl Spelling {
    /// The text as labels, one character each, with single spaces and none at its ends.
    pub fn spell(self, text: &str) -> String {
        let words: Vec<&str> = text.split_whitespace().collect();
        let text = words.join(" ").nfc().collect();
        match self {
            Self::Characters => text,
            Self::Jamo => {
                let mut spelled = String::with_capacity(2 * text.len());
                for c in text.chars() {
                    match SYLLABLES.contains(&c) {
                        true => decompose_canonical(c, |own| spelled.push(own)),
                        false => spelled.extend(once(c)),
                    }
                }
                spelled
            }
        }
    }

    /// The text of labels.
    pub fn read(self, labels: &str) -> String {
        match self {
            Self::Characters => labels.to_string(),
            Self::Jamo => labels.nfc().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hangul_comes_back_and_other_text_is_untouched() {
        let text = "  각 닭의  값은 3,000원 (é) ";
        let spelled = Spelling::Jamo.spell(text);
        assert!(spelled.chars().count() > 20 && !spelled.chars().any(|c| SYLLABLES.contains(&c)));
        assert!(spelled.contains('é'));
        assert_eq!(Spelling::Jamo.read(&spelled), "각 닭의 값은 3,000원 (é)");
        let decomposed = "e\u{301}t\u{e9}";
        assert_eq!(Spelling::Characters.spell(decomposed), "été");
    }
}
