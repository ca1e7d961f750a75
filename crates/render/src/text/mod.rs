//! Texts of lines: sentences, words, receipts, numbers, and strings that no language predicts.

pub(crate) mod receipt;
mod words;

use std::path::Path;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::RenderError;
use crate::dice::Dice;
use words::Words;

/// Printable ASCII, currency and typographic signs, and the letters of Latin-1.
pub const ALPHABET: &str = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`\
    abcdefghijklmnopqrstuvwxyz{|}~€£§©°·–—‘’“”•\
    ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿ";

/// Kinds of text, with the weights of each.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mix {
    /// Parts of sentences, with punctuation.
    pub sentence: f32,
    /// Single words.
    pub word: f32,
    /// One to four words that do not exist.
    pub pseudo: f32,
    /// Lines of receipts and forms: prices, dates, codes, addresses.
    pub receipt: f32,
    /// Numbers.
    pub number: f32,
    /// Strings of independent characters.
    pub random: f32,
    /// Upper case of any other kind.
    pub upper: f32,
    /// One to three characters.
    pub short: f32,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            sentence: 0.33,
            word: 0.07,
            pseudo: 0.05,
            receipt: 0.15,
            number: 0.05,
            random: 0.15,
            upper: 0.1,
            short: 0.1,
        }
    }
}

/// Settings of texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextConfig {
    /// Characters that may occur; all others are left out of words and rows.
    pub alphabet: String,
    /// Weights of the kinds.
    pub mix: Mix,
    /// Least and largest number of characters of sentences and random strings.
    pub characters: [usize; 2],
}

impl Default for TextConfig {
    fn default() -> Self {
        Self {
            alphabet: ALPHABET.into(),
            mix: Mix::default(),
            characters: [8, 60],
        }
    }
}

/// A source of texts. They are in NFC, with single spaces between words and none at the ends, and never empty.
#[derive(Clone, Debug)]
pub struct TextSource {
    config: TextConfig,
    /// Sorted, without the space.
    alphabet: Vec<char>,
    words: Words,
}

impl TextSource {
    /// A source over text files and word lists in UTF-8. Words are drawn by their rank of frequency in all files
    /// together; words of the same frequency, as in a word list, with equal chances. Without files, words are common
    /// English ones and words that do not exist.
    pub fn new<P: AsRef<Path>>(config: TextConfig, files: &[P]) -> Result<Self, RenderError> {
        let mut alphabet: Vec<char> = config
            .alphabet
            .nfc()
            .filter(|c| !c.is_whitespace())
            .collect();
        alphabet.sort_unstable();
        alphabet.dedup();
        if alphabet.is_empty() {
            return Err(setting(
                "alphabet",
                &config.alphabet,
                "texts of one visible character or more",
            ));
        }
        let mix = config.mix;
        let direct = [
            mix.sentence,
            mix.word,
            mix.pseudo,
            mix.receipt,
            mix.number,
            mix.random,
            mix.short,
        ];
        let valid = |weight: &f32| weight.is_finite() && *weight >= 0.0;
        if !direct.iter().chain([&mix.upper]).all(valid) || direct.iter().sum::<f32>() <= 0.0 {
            return Err(setting(
                "mix",
                &mix,
                "weights of 0 or more, one of them above 0 beside upper",
            ));
        }
        let [least, most] = config.characters;
        if least == 0 || least > most || most > 1000 {
            return Err(setting(
                "characters",
                &config.characters,
                "1 to 1000, the smaller first",
            ));
        }
        let words = Words::read(files, &alphabet)?;
        Ok(Self {
            config,
            alphabet,
            words,
        })
    }

    /// The settings.
    pub fn config(&self) -> &TextConfig {
        &self.config
    }

    pub(crate) fn words(&self) -> &Words {
        &self.words
    }

    /// The text with number `index` under `seed`.
    pub fn text(&self, seed: u64, index: u64) -> String {
        self.draw(&mut Dice::new(seed, index, "text"))
    }

    pub(crate) fn draw(&self, dice: &mut Dice) -> String {
        let mix = &self.config.mix;
        let mut weights = [
            mix.sentence,
            mix.word,
            mix.pseudo,
            mix.receipt,
            mix.number,
            mix.random,
            mix.short,
            mix.upper,
        ];
        let kind = dice.weighted(&weights);
        let text = match kind {
            7 => {
                weights[7] = 0.0;
                let kind = dice.weighted(&weights);
                self.upper(&self.of_kind(kind, dice))
            }
            _ => self.of_kind(kind, dice),
        };
        let text = self.clean(&text);
        match text.is_empty() {
            true => self.letters(dice.whole(1, 6), dice),
            false => text,
        }
    }

    fn of_kind(&self, kind: usize, dice: &mut Dice) -> String {
        match kind {
            0 => self.sentence(self.length(dice), dice),
            1 => self.word(dice),
            2 => {
                let words: Vec<String> = (0..dice.whole(1, 4)).map(|_| self.pseudo(dice)).collect();
                words.join(" ")
            }
            3 => receipt::row(dice, &self.words),
            4 => receipt::number(dice),
            5 => self.random(self.length(dice), dice),
            _ => self.short(dice),
        }
    }

    fn length(&self, dice: &mut Dice) -> usize {
        dice.whole(self.config.characters[0], self.config.characters[1])
    }

    /// Only characters of the alphabet, composed, with single spaces.
    fn clean(&self, text: &str) -> String {
        let known = |c: &char| c.is_whitespace() || self.alphabet.binary_search(c).is_ok();
        let kept: String = text.nfc().filter(known).collect();
        squeeze(&kept)
    }

    /// Capitals where the alphabet has them as one character.
    fn upper(&self, text: &str) -> String {
        text.chars()
            .map(|c| {
                let mut capital = c.to_uppercase();
                match (capital.next(), capital.next()) {
                    (Some(one), None) if self.alphabet.binary_search(&one).is_ok() => one,
                    _ => c,
                }
            })
            .collect()
    }

    fn word(&self, dice: &mut Dice) -> String {
        let word = match self.words.word(dice) {
            Some(word) => word.to_owned(),
            None => return self.pseudo(dice),
        };
        self.cased(word, 0.3, dice)
    }

    /// Sometimes with a capital, rarely in capitals.
    fn cased(&self, word: String, capital: f32, dice: &mut Dice) -> String {
        if dice.chance(capital) {
            let mut rest = word.chars();
            let first: String = rest.next().into_iter().collect();
            return self.upper(&first) + rest.as_str();
        }
        match dice.chance(0.04) {
            true => self.upper(&word),
            false => word,
        }
    }

    /// Part of running text of about `length` characters.
    pub(crate) fn sentence(&self, length: usize, dice: &mut Dice) -> String {
        let running = if dice.chance(0.5) {
            self.words.running(dice)
        } else {
            None
        };
        if let Some(running) = running {
            return cut(running, length, dice);
        }
        let mut text = String::new();
        let mut begins = dice.chance(0.4);
        let mut count = 0;
        while count < length {
            let word = match dice.chance(0.06) {
                true => match dice.below(3) {
                    0 => receipt::number(dice),
                    1 => self.pseudo(dice),
                    _ => receipt::date(dice),
                },
                false => {
                    let word = self.words.sentence_word(dice).map(str::to_owned);
                    let word = word.unwrap_or_else(|| self.pseudo(dice));
                    self.cased(word, if begins { 0.95 } else { 0.08 }, dice)
                }
            };
            let (before, after) = punctuation(dice);
            begins = after.ends_with(['.', '!', '?']);
            if !text.is_empty() {
                text.push(' ');
            }
            text.extend([before, &word, after]);
            count = text.chars().count();
        }
        cut(text.split(' '), length, dice)
    }

    /// A word that can be spoken, but does not exist.
    fn pseudo(&self, dice: &mut Dice) -> String {
        let ascii =
            self.alphabet.binary_search(&'e').is_ok() && self.alphabet.binary_search(&'t').is_ok();
        match ascii && dice.chance(0.85) {
            true => {
                let word = words::pseudo(dice);
                self.cased(word, 0.25, dice)
            }
            false => self.letters(dice.whole(2, 9), dice),
        }
    }

    /// Letters and digits of the alphabet, or any characters if it has none.
    fn letters(&self, count: usize, dice: &mut Dice) -> String {
        let letters: Vec<char> = self
            .alphabet
            .iter()
            .copied()
            .filter(|c| c.is_alphanumeric())
            .collect();
        let from = if letters.is_empty() {
            &self.alphabet
        } else {
            &letters
        };
        (0..count).map(|_| from[dice.below(from.len())]).collect()
    }

    /// Independent characters in groups.
    fn random(&self, length: usize, dice: &mut Dice) -> String {
        let ascii = self.alphabet.partition_point(char::is_ascii);
        // Half of such lines have the characters of ASCII alone.
        let from = match ascii > 0 && dice.chance(0.5) {
            true => &self.alphabet[..ascii],
            false => &self.alphabet[..],
        };
        let mut text = String::new();
        let mut until_space = dice.whole(1, 10);
        for _ in 0..length.min(40) {
            if until_space == 0 {
                text.push(' ');
                until_space = dice.whole(1, 10);
            }
            text.push(from[dice.below(from.len())]);
            until_space -= 1;
        }
        text
    }

    fn short(&self, dice: &mut Dice) -> String {
        let count = dice.whole(1, 3);
        match dice.below(4) {
            0 => (0..count)
                .map(|_| char::from(b'0' + dice.below(10) as u8))
                .collect(),
            1 => self.random(3, dice).chars().take(count).collect(),
            2 => self.letters(count, dice),
            _ => receipt::short(dice).into(),
        }
    }
}

/// Marks before and after a word.
fn punctuation(dice: &mut Dice) -> (&'static str, &'static str) {
    const PAIRS: [(&str, &str); 8] = [
        ("(", ")"),
        ("\"", "\""),
        ("“", "”"),
        ("‘", "’"),
        ("'", "'"),
        ("[", "]"),
        ("(", "),"),
        ("“", ".”"),
    ];
    const AFTER: [&str; 12] = [",", ",", ",", ",", ".", ".", ".", ";", ":", "!", "?", " –"];
    match dice.uniform() {
        x if x < 0.78 => ("", ""),
        x if x < 0.96 => ("", AFTER[dice.below(AFTER.len())]),
        _ => PAIRS[dice.below(PAIRS.len())],
    }
}

/// Words up to a length; a first word that is longer is cut. Sometimes the last word is parted by a hyphen.
fn cut<'a>(words: impl IntoIterator<Item = &'a str>, length: usize, dice: &mut Dice) -> String {
    let mut text = String::new();
    let mut count = 0;
    for word in words {
        let size = word.chars().count();
        let room = length.saturating_sub(count + usize::from(count > 0));
        if size > room {
            let letters = word.chars().all(char::is_alphabetic);
            if count == 0 {
                text.extend(word.chars().take(length));
            } else if room >= 4 && letters && dice.chance(0.3) {
                text.push(' ');
                text.extend(word.chars().take(room - 1));
                text.push('-');
            }
            break;
        }
        if count > 0 {
            text.push(' ');
        }
        text.push_str(word);
        count += size + usize::from(count > 0);
    }
    text
}

/// Composed (NFC), with single spaces between words.
pub(crate) fn normal(text: &str) -> String {
    squeeze(&text.nfc().collect::<String>())
}

fn squeeze(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

pub(crate) fn setting(
    name: &'static str,
    value: &impl std::fmt::Debug,
    range: &'static str,
) -> RenderError {
    RenderError::Setting {
        name,
        value: format!("{value:?}").chars().take(80).collect(),
        range,
    }
}
