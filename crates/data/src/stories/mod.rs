//! The default corpus: small stories from a probabilistic grammar whose entropy is known exactly.
//!
//! A hero with a name and a place wishes for a thing, somebody is in the way, an animal helps. Pronouns agree with
//! names, foes with places, and names, things and animals come back up to about a hundred characters later, so that a
//! model needs memory to reach the grammar's entropy. One story is one line.

mod grammar;

use crate::error::DataError;
use grammar::{Piece, STORY, State};
use refrain_random::SplitMix64;
use std::collections::BTreeMap;

/// The probability of each state that a story can be in; sums to the probability of getting here.
type Distribution = BTreeMap<State, f64>;

/// The grammar, with its entropy worked out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stories {
    bits: f64,
    characters: f64,
}

impl Default for Stories {
    fn default() -> Self {
        Self::new()
    }
}

impl Stories {
    /// Works out the entropy by carrying the distribution of the story's state through the grammar.
    pub fn new() -> Self {
        let mut expected = Self {
            bits: 0.0,
            characters: 0.0,
        };
        let mut states = Distribution::from([(State::default(), 1.0)]);
        for run in STORY {
            states = expected.walk(run, states);
        }
        expected
    }

    /// Whole stories until at least `characters` characters. The same seed gives the same text on every machine, for
    /// ever.
    pub fn generate(&self, seed: u64, characters: usize) -> String {
        let mut rng = SplitMix64::new(seed);
        let mut text = String::with_capacity(characters + 1024);
        // Every character is one byte.
        while text.len() < characters {
            let mut state = State::default();
            for run in STORY {
                write(run, &mut state, &mut rng, &mut text);
            }
        }
        text
    }

    /// Entropy of one story, in bits.
    pub fn entropy_per_story(&self) -> f64 {
        self.bits
    }

    /// Expected length of one story with its line end, in characters.
    pub fn characters_per_story(&self) -> f64 {
        self.characters
    }

    /// Entropy rate of the text, in bits per character: entropy of a story divided by its expected length. Exact, since
    /// stories are independent and no text has two derivations.
    pub fn entropy_per_character(&self) -> f64 {
        self.bits / self.characters
    }

    /// -log2 probability of a text of whole stories, in bits.
    ///
    /// # Errors
    /// [`DataError::NotAStory`] where the text leaves the grammar or ends within a story.
    pub fn true_bits(&self, text: &str) -> Result<f64, DataError> {
        let (mut at, mut bits) = (0, 0.0);
        while at < text.len() {
            let mut state = State::default();
            for run in STORY {
                bits += read(run, &mut state, text, &mut at)?;
            }
        }
        Ok(bits)
    }

    /// Adds the expected bits and characters of `pieces` and returns the states after them.
    fn walk(&mut self, pieces: &[Piece], mut states: Distribution) -> Distribution {
        for piece in pieces {
            let mass: f64 = states.values().sum();
            match piece {
                Piece::Text(text) => self.characters += mass * text.len() as f64,
                Piece::Fresh(words) => self.uniform(words, mass),
                Piece::Recall(form) => {
                    self.characters += states
                        .iter()
                        .map(|(s, p)| p * s.recall(*form).len() as f64)
                        .sum::<f64>();
                }
                Piece::Draw(variable) => {
                    let mut after = Distribution::new();
                    for (state, p) in states {
                        let words = state.options(*variable);
                        self.uniform(words, p);
                        for i in 0..words.len() {
                            *after.entry(state.with(*variable, i)).or_default() +=
                                p / words.len() as f64;
                        }
                    }
                    states = after;
                }
                Piece::OneOf(branches) => {
                    let total: u32 = branches.iter().map(|b| b.0).sum();
                    let mut after = Distribution::new();
                    for (weight, branch) in *branches {
                        let q = f64::from(*weight) / f64::from(total);
                        self.bits -= mass * q * q.log2();
                        let scaled = states.iter().map(|(s, p)| (*s, p * q)).collect();
                        for (state, p) in self.walk(branch, scaled) {
                            *after.entry(state).or_default() += p;
                        }
                    }
                    states = after;
                }
            }
        }
        states
    }

    fn uniform(&mut self, words: &[&str], mass: f64) {
        let letters: usize = words.iter().map(|w| w.len()).sum();
        self.bits += mass * (words.len() as f64).log2();
        self.characters += mass * letters as f64 / words.len() as f64;
    }
}

fn write(pieces: &[Piece], state: &mut State, rng: &mut SplitMix64, text: &mut String) {
    for piece in pieces {
        match piece {
            Piece::Text(t) => text.push_str(t),
            Piece::Fresh(words) => text.push_str(words[rng.below(words.len() as u64) as usize]),
            Piece::Recall(form) => text.push_str(state.recall(*form)),
            Piece::Draw(variable) => {
                let words = state.options(*variable);
                let i = rng.below(words.len() as u64) as usize;
                text.push_str(words[i]);
                *state = state.with(*variable, i);
            }
            Piece::OneOf(branches) => {
                let mut left = rng.below(branches.iter().map(|b| u64::from(b.0)).sum());
                for (weight, branch) in *branches {
                    if left < u64::from(*weight) {
                        write(branch, state, rng, text);
                        break;
                    }
                    left -= u64::from(*weight);
                }
            }
        }
    }
}

/// Follows `pieces` through `text` from byte `at`; the bits of the choices met.
fn read(pieces: &[Piece], state: &mut State, text: &str, at: &mut usize) -> Result<f64, DataError> {
    let mut bits = 0.0;
    for piece in pieces {
        let rest = text.get(*at..).unwrap_or_default();
        let fits = |word: &&str| rest.starts_with(*word);
        let lost = DataError::NotAStory { offset: *at };
        let word = match piece {
            Piece::Text(t) => Some(*t).filter(fits),
            Piece::Recall(form) => Some(state.recall(*form)).filter(fits),
            Piece::Fresh(words) => {
                bits += (words.len() as f64).log2();
                words.iter().copied().find(fits)
            }
            Piece::Draw(variable) => {
                let words = state.options(*variable);
                bits += (words.len() as f64).log2();
                words.iter().position(&fits).map(|i| {
                    *state = state.with(*variable, i);
                    words[i]
                })
            }
            Piece::OneOf(branches) => {
                let total: u32 = branches.iter().map(|b| b.0).sum();
                let (weight, branch) = branches
                    .iter()
                    .find(|b| fits(&first_text(b.1)))
                    .ok_or(lost)?;
                bits +=
                    (f64::from(total) / f64::from(*weight)).log2() + read(branch, state, text, at)?;
                continue;
            }
        };
        *at += word.ok_or(lost)?.len();
    }
    Ok(bits)
}

/// The text that a branch starts with.
fn first_text(branch: &[Piece]) -> &'static str {
    match branch.first() {
        Some(Piece::Text(text)) => text,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::grammar::{Piece, STORY, State, Variable};
    use super::*;

    fn assert_prefix_free(words: &[&str]) {
        for (i, a) in words.iter().enumerate() {
            assert!(!a.is_empty() && a.is_ascii(), "`{a}`");
            for (j, b) in words.iter().enumerate() {
                assert!(i == j || !b.starts_with(a), "`{a}` is a prefix of `{b}`");
            }
        }
    }

    fn check_choices(pieces: &[Piece], states: &[State]) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => assert!(text.is_ascii()),
                Piece::Recall(_) => {}
                Piece::Fresh(words) => assert_prefix_free(words),
                Piece::Draw(variable) => states
                    .iter()
                    .for_each(|s| assert_prefix_free(s.options(*variable))),
                Piece::OneOf(branches) => {
                    let firsts: Vec<_> = branches.iter().map(|b| first_text(b.1)).collect();
                    assert_prefix_free(&firsts);
                    branches.iter().for_each(|b| {
                        assert!(b.0 > 0);
                        check_choices(b.1, states);
                    });
                }
            }
        }
    }

    /// At each choice at most one option fits, whatever follows: no text has two derivations.
    #[test]
    fn every_choice_is_prefix_free() {
        let states: Vec<State> = [(0, 0), (0, 1), (1, 0), (1, 1)]
            .map(|(hero, place)| {
                State::default()
                    .with(Variable::Hero, hero)
                    .with(Variable::Place, place)
            })
            .into();
        STORY.iter().for_each(|run| check_choices(run, &states));
    }

    #[test]
    fn probabilities_sum_to_one_after_every_piece() {
        let mut stories = Stories {
            bits: 0.0,
            characters: 0.0,
        };
        let mut states = Distribution::from([(State::default(), 1.0)]);
        for run in STORY {
            states = stories.walk(run, states);
            assert!((states.values().sum::<f64>() - 1.0).abs() < 1e-12);
        }
        assert_eq!(states.len(), 2 * 2 * 4 * 4);
    }
}
