//! Characters that are taken for others.

use super::edit::{Edit, alignment};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Cells of the largest table that aligns a pair of texts; a pair that needs more is not counted.
const MOST_CELLS: usize = 1 << 26;

/// A character and the one that was read for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Confusion {
    /// The right character; absent where none is.
    pub reference: Option<char>,
    /// The character that was read; absent where it was left out.
    pub hypothesis: Option<char>,
    /// How often.
    pub count: u64,
}

/// Counts which characters are taken for which others, by the alignment of [`alignment`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confusions {
    pairs: BTreeMap<(Option<char>, Option<char>), u64>,
    /// Spaces of the references.
    spaces: u64,
}

impl Confusions {
    /// Counts the errors of a text. Time and memory as [`alignment`]; a pair of texts whose table would have more than
    /// 64 Mi cells is left out.
    pub fn add(&mut self, reference: &str, hypothesis: &str) {
        let [reference, hypothesis] =
            [reference, hypothesis].map(|text| text.chars().collect::<Vec<char>>());
        let cells = (reference.len() + 1).checked_mul(hypothesis.len() + 1);
        if cells.is_none_or(|cells| cells > MOST_CELLS) {
            return;
        }
        self.spaces += reference.iter().filter(|c| c.is_whitespace()).count() as u64;
        if reference == hypothesis {
            return;
        }
        let (mut right, mut read) = (reference.iter(), hypothesis.iter());
        for edit in alignment(&reference, &hypothesis) {
            let reference = match edit {
                Edit::Insertion => None,
                _ => right.next().copied(),
            };
            let hypothesis = match edit {
                Edit::Deletion => None,
                _ => read.next().copied(),
            };
            if edit != Edit::Equal {
                *self.pairs.entry((reference, hypothesis)).or_default() += 1;
            }
        }
    }

    /// The most frequent confusions, at most `n`; of equal counts, in the order of the characters.
    pub fn most(&self, n: usize) -> Vec<Confusion> {
        let all = self
            .pairs
            .iter()
            .map(|(&(reference, hypothesis), &count)| Confusion {
                reference,
                hypothesis,
                count,
            });
        let mut all: Vec<Confusion> = all.collect();
        all.sort_by_key(|own| (Reverse(own.count), own.reference, own.hypothesis));
        all.truncate(n);
        all
    }

    /// The share of the spaces that are missing, too many, or taken for a character: their number over that of the
    /// references' spaces; `None` without any space.
    pub fn space_rate(&self) -> Option<f64> {
        let is_space = |own: &Option<char>| own.is_some_and(char::is_whitespace);
        let wrong = self
            .pairs
            .iter()
            .filter(|((right, read), _)| is_space(right) || is_space(read));
        let wrong: u64 = wrong.map(|(_, count)| count).sum();
        (self.spaces > 0).then(|| wrong as f64 / self.spaces as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confusion(reference: Option<char>, hypothesis: Option<char>, count: u64) -> Confusion {
        Confusion {
            reference,
            hypothesis,
            count,
        }
    }

    #[test]
    fn the_most_frequent_come_first() {
        let mut own = Confusions::default();
        own.add("O0 O0", "OO OO");
        own.add("l1", "l");
        own.add("same", "same");
        let expected = [
            confusion(Some('0'), Some('O'), 2),
            confusion(Some('1'), None, 1),
        ];
        assert_eq!(own.most(9), expected);
        assert_eq!(own.most(1), expected[..1]);
    }

    #[test]
    fn spaces_are_counted_by_themselves() {
        let mut own = Confusions::default();
        assert_eq!(own.space_rate(), None);
        own.add("a bc d e", "abc d  e");
        // One is missing, one too many, of three.
        assert!((own.space_rate().unwrap() - 2.0 / 3.0).abs() < 1e-12);
        own.add("x", "y");
        assert!((own.space_rate().unwrap() - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_huge_pair_is_left_out() {
        let mut own = Confusions::default();
        own.add(&"a".repeat(1 << 14), &"b".repeat(1 << 14));
        assert!(own.most(1).is_empty());
    }
}
