//! Numbers in English words and in Sino-Korean words or digits: pairs that need no file, for a first try and for tests.

use crate::error::Error;
use refrain_data::speech::shuffled;
use serde::{Deserialize, Serialize};

/// Generated pairs of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumbersConfig {
    /// Numbers are below this; at most 10 million.
    pub below: u32,
    /// Pairs to learn from.
    pub train: usize,
    /// Pairs to choose the best epoch by.
    pub valid: usize,
    /// Pairs to measure the result on.
    pub test: usize,
    /// How the target side writes a number.
    pub write: NumberForm,
}

/// How the target side writes a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NumberForm {
    /// `342`
    Digits,
    /// `삼백사십이`
    Korean,
}

/// Largest `below`.
const MOST: u32 = 10_000_000;
/// Most training pairs.
const MOST_PAIRS: usize = 10_000_000;
/// Numbers below this are always learned from.
const BASIC: u32 = 100;

impl NumbersConfig {
    /// # Errors
    /// More numbers than there are, or none.
    pub fn check(&self) -> Result<(), Error> {
        let held = self.valid.saturating_add(self.test);
        let some = self.train > 0 && self.valid > 0 && self.test > 0;
        let room = self.below.saturating_sub(BASIC) as usize;
        match some && self.train <= MOST_PAIRS && self.below <= MOST && held <= room {
            true => Ok(()),
            false => Err(Error::Config(format!(
                "data.pairs holds back {held} numbers from {BASIC} to below {}; each part needs at least one, valid \
                 and test have no number twice, the largest limit is {MOST}, and train is at most {MOST_PAIRS}",
                self.below
            ))),
        }
    }

    /// Training, validation and test pairs, without a number in common.
    ///
    /// Each count of digits is drawn as often as the others: drawn from all numbers, nine of ten would have the most
    /// digits. Short numbers therefore come several times in training, and the numbers below 100 only there.
    pub fn pairs(&self, seed: u64) -> [Vec<[String; 2]>; 3] {
        let mut pools: Vec<Vec<u32>> = (0..=self.below.saturating_sub(1).max(1).ilog10())
            .map(|places| {
                let first = if places == 0 { 0 } else { 10u32.pow(places) };
                let end = 10u32.pow(places + 1).min(self.below);
                let order = shuffled((end - first) as usize, seed ^ u64::from(places) << 32);
                let numbers = order.into_iter().map(|number| first + number as u32);
                numbers.collect()
            })
            .collect();
        let mut held = Vec::with_capacity(self.valid + self.test);
        while held.len() < self.valid + self.test {
            let before = held.len();
            for pool in &mut pools {
                // A pool is all below BASIC or all from it on, as BASIC is a power of ten.
                if pool.last().is_some_and(|number| *number >= BASIC) {
                    held.extend(pool.pop());
                }
            }
            if held.len() == before {
                break;
            }
        }
        held.truncate(self.valid + self.test);
        let places = pools.iter().filter(|pool| !pool.is_empty()).count();
        let order = shuffled(held.len(), seed ^ 1);
        let mut held = order.into_iter().map(|place| self.pair(held[place]));
        let valid = held.by_ref().take(self.valid).collect();
        let test = held.collect();
        let mut pools: Vec<_> = pools.iter().map(|pool| pool.iter().cycle()).collect();
        let round = (0..self.train.div_ceil(places.max(1))).flat_map(|_| {
            pools
                .iter_mut()
                .filter_map(Iterator::next)
                .collect::<Vec<_>>()
        });
        let train = round.take(self.train).map(|number| self.pair(*number));
        [train.collect(), valid, test]
    }

    fn pair(&self, number: u32) -> [String; 2] {
        let target = match self.write {
            NumberForm::Digits => number.to_string(),
            NumberForm::Korean => korean(number),
        };
        [english(number), target]
    }
}

const ONES: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] = [
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];

/// A number in English words, e.g. `three hundred and forty-two`.
fn english(number: u32) -> String {
    let below_hundred = |n: u32| match (n / 10, n % 10) {
        (0 | 1, _) => ONES[n as usize].to_string(),
        (tens, 0) => TENS[tens as usize].to_string(),
        (tens, ones) => format!("{}-{}", TENS[tens as usize], ONES[ones as usize]),
    };
    let below_thousand = |n: u32| match (n / 100, n % 100) {
        (0, rest) => below_hundred(rest),
        (hundreds, 0) => format!("{} hundred", ONES[hundreds as usize]),
        (hundreds, rest) => {
            format!(
                "{} hundred and {}",
                ONES[hundreds as usize],
                below_hundred(rest)
            )
        }
    };
    let mut parts = Vec::new();
    for (size, name) in [(1_000_000, "million"), (1_000, "thousand")] {
        match number / size % 1_000 {
            0 => {}
            group => parts.push(format!("{} {name}", below_thousand(group))),
        }
    }
    match number % 1_000 {
        0 if !parts.is_empty() => {}
        rest @ 1..100 if !parts.is_empty() => parts.push(format!("and {}", below_hundred(rest))),
        rest => parts.push(below_thousand(rest)),
    }
    parts.join(" ")
}

/// A number in Sino-Korean words, e.g. `삼백사십이`. One is not said before ten, hundred and thousand, nor before ten
/// thousand at the start.
fn korean(number: u32) -> String {
    const DIGITS: [&str; 10] = ["영", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구"];
    const PLACES: [&str; 4] = ["", "십", "백", "천"];
    let below_ten_thousand = |n: u32| {
        let digits = (0..4u32)
            .rev()
            .map(|place| (place, n / 10u32.pow(place) % 10));
        digits
            .filter(|(_, digit)| *digit > 0)
            .map(|(place, digit)| match (place, digit) {
                (1.., 1) => PLACES[place as usize].to_string(),
                _ => format!("{}{}", DIGITS[digit as usize], PLACES[place as usize]),
            })
            .collect::<String>()
    };
    match (number / 10_000, number % 10_000) {
        (0, 0) => DIGITS[0].to_string(),
        (0, rest) => below_ten_thousand(rest),
        (1, rest) => format!("만{}", below_ten_thousand(rest)),
        (high, rest) => format!("{}만{}", below_ten_thousand(high), below_ten_thousand(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_are_written_as_people_write_them() {
        let cases = [
            (0, "zero", "영"),
            (7, "seven", "칠"),
            (10, "ten", "십"),
            (15, "fifteen", "십오"),
            (40, "forty", "사십"),
            (99, "ninety-nine", "구십구"),
            (100, "one hundred", "백"),
            (342, "three hundred and forty-two", "삼백사십이"),
            (1_000, "one thousand", "천"),
            (1_001, "one thousand and one", "천일"),
            (
                12_345,
                "twelve thousand three hundred and forty-five",
                "만이천삼백사십오",
            ),
            (100_000, "one hundred thousand", "십만"),
            (110_010, "one hundred and ten thousand and ten", "십일만십"),
            (1_000_000, "one million", "백만"),
            (
                9_876_543,
                "nine million eight hundred and seventy-six thousand five hundred and forty-three",
                "구백팔십칠만육천오백사십삼",
            ),
        ];
        for (number, en, ko) in cases {
            assert_eq!(english(number), en);
            assert_eq!(korean(number), ko);
        }
    }

    #[test]
    fn the_parts_have_no_number_in_common_and_short_ones_are_as_frequent_as_long_ones() {
        let config = NumbersConfig {
            below: 1_000_000,
            train: 6_000,
            valid: 100,
            test: 400,
            write: NumberForm::Digits,
        };
        config.check().unwrap();
        let parts = config.pairs(3);
        assert_eq!(parts.each_ref().map(Vec::len), [6_000, 100, 400]);
        let [train, valid, test] = parts.each_ref().map(|part| {
            let digits = part.iter().map(|[_, digits]| digits.as_str());
            digits.collect::<BTreeSet<_>>()
        });
        assert_eq!([valid.len(), test.len()], [100, 400]);
        assert!(train.is_disjoint(&valid) && train.is_disjoint(&test) && valid.is_disjoint(&test));
        assert!((0..100).all(|number| train.contains(number.to_string().as_str())));
        for places in 1..=6 {
            let of =
                |part: &[[String; 2]]| part.iter().filter(|own| own[1].len() == places).count();
            assert_eq!(of(&parts[0]), 1_000);
            assert_eq!(of(&parts[2]) > 80, places > 2);
        }
        assert_ne!(config.pairs(3), config.pairs(4));
    }

    #[test]
    fn more_numbers_than_there_are_is_an_error() {
        let config = NumbersConfig {
            below: 1_000,
            train: 800,
            valid: 450,
            test: 450,
            write: NumberForm::Korean,
        };
        config.check().unwrap();
        assert_eq!(config.pairs(1).each_ref().map(Vec::len), [800, 450, 450]);
        for wrong in [
            NumbersConfig {
                test: 451,
                ..config
            },
            NumbersConfig { train: 0, ..config },
            NumbersConfig { below: 0, ..config },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
