//! Variations of training pairs: placeholders and capitals, so that a model knows both.

use super::data::Pair;
use super::recipe::PairData;
use refrain_kernels::random::Key;
use refrain_text::protect::protect_pair;
use std::collections::HashMap;

/// Separates the random numbers of the variations from others of the same seed.
const STREAM: u64 = 0x7661_7279;
/// The placeholder of a word.
const PLACEHOLDER: &str = "\u{E000}";
/// Fewest characters of a word that both sides have by its meaning.
const LEAST_LETTERS: usize = 4;

/// Variations of pairs, each of which follows from the seed and the number of the pair.
pub(super) struct Variation {
    placeholders: f32,
    capitals: f32,
    names: HashMap<String, String>,
    key: Key,
}

impl Variation {
    pub fn new(data: &PairData, seed: u64) -> Self {
        let names = data.names.iter();
        Self {
            placeholders: data.placeholders as f32,
            capitals: data.capitals as f32,
            names: names.map(|[s, t]| (s.clone(), t.clone())).collect(),
            key: Key::new(seed).fold(STREAM),
        }
    }

    /// The pair as it is learned from.
    pub fn pair(&self, number: usize, pair: &Pair) -> Pair {
        let protected = protect_pair(&pair[0], &pair[1]);
        let pair = [protected.source, protected.target];
        let draw = |purpose: u64| self.key.fold(purpose).uniform_f32(number as u64);
        if draw(0) < self.capitals {
            return pair.map(|text| text.to_uppercase());
        }
        if draw(1) < self.placeholders && protected.spans.is_empty() {
            let common = self.common(&pair);
            let chosen = (draw(2) * common.len() as f32) as usize;
            if let Some([source, target]) = common.get(chosen) {
                return [replaced(&pair[0], source), replaced(&pair[1], target)];
            }
        }
        pair
    }

    /// Words that stand once in each text and mean the same: equal long ones, and names. Short words are often equal by
    /// chance, e.g. "in" in English and German, and the model has to learn them as words.
    fn common<'a>(&'a self, pair: &'a Pair) -> Vec<[&'a str; 2]> {
        let [source, target] = pair.each_ref().map(|text| counted(text));
        let once = |counts: &HashMap<&str, usize>, word: &str| counts.get(word) == Some(&1);
        let both = |word: &'a str| -> Option<[&'a str; 2]> {
            let other = match self.names.get(word) {
                Some(name) => name.as_str(),
                None if word.chars().count() >= LEAST_LETTERS => word,
                None => return None,
            };
            let fits = once(&source, word) && once(&target, other);
            fits.then_some([word, other])
        };
        // In the order of the text: a hash map has none.
        words(&pair[0]).filter_map(both).collect()
    }
}

/// Words between spaces, without punctuation around them, of two letters or more.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
        .filter(|word| word.chars().filter(|c| c.is_alphabetic()).count() >= 2)
}

fn counted(text: &str) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for word in words(text) {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

/// The text with a placeholder for this word, which stands in it once.
fn replaced(text: &str, word: &str) -> String {
    let parts = text.split_inclusive(char::is_whitespace);
    parts
        .map(|part| match words(part).next() == Some(word) {
            true => part.replacen(word, PLACEHOLDER, 1),
            false => part.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::recipe::{CaseForm, PairSource, Writing};
    use super::*;

    fn data(placeholders: f64, capitals: f64) -> PairData {
        PairData {
            from: "en".into(),
            to: "de".into(),
            pairs: PairSource::Files {
                train: Vec::new(),
                valid: Vec::new(),
                test: Vec::new(),
            },
            source_writing: Writing {
                case: CaseForm::Keep,
                ..Writing::default()
            },
            target_writing: Writing::default(),
            vocabulary: 256,
            joint: true,
            bpe_dropout: 0.0,
            longest: 100,
            batch_tokens: 100,
            placeholders,
            names: vec![["tom".into(), "トム".into()]],
            capitals,
            download: None,
            sha256: Default::default(),
        }
    }

    fn varied(data: &PairData, source: &str, target: &str) -> Pair {
        Variation::new(data, 1).pair(3, &[source.into(), target.into()])
    }

    #[test]
    fn a_common_word_or_a_name_becomes_a_placeholder() {
        let always = data(1.0, 0.0);
        let own = varied(&always, "a red t-shirt (new)", "ein rotes t-shirt, neu");
        assert_eq!(own, ["a red \u{E000} (new)", "ein rotes \u{E000}, neu"]);
        let own = varied(&always, "tom is here", "トム は ここ に い る");
        assert_eq!(own, ["\u{E000} is here", "\u{E000} は ここ に い る"]);
        let own = varied(&always, "in a band", "in einer Band");
        assert_eq!(own, ["in a band", "in einer Band"]);
        // A word that comes twice is not unambiguous, and there is nothing else in common.
        let own = varied(&always, "tom saw tom", "トム は トム を 見 た");
        assert_eq!(own, ["tom saw tom", "トム は トム を 見 た"]);
    }

    #[test]
    fn items_of_both_sides_are_placeholders_in_any_case() {
        let own = varied(&data(0.0, 0.0), "at 19:30 sharp", "um 19:30 genau");
        assert_eq!(own, ["at \u{E000} sharp", "um \u{E000} genau"]);
    }

    #[test]
    fn capitals_are_for_both_sides() {
        let own = varied(&data(0.0, 1.0), "a dog", "ein Hund");
        assert_eq!(own, ["A DOG", "EIN HUND"]);
    }
}
