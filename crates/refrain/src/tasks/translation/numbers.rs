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

impl NumbersConfig {
    /// # Errors
    /// More numbers than there are, or none.
    pub fn check(&self) -> Result<(), Error> {
        let wanted = self
            .train
            .saturating_add(self.valid)
            .saturating_add(self.test);
        let some = self.train > 0 && self.valid > 0 && self.test > 0;
        match some && self.below <= MOST && wanted <= self.below as usize {
            true => Ok(()),
            false => Err(Error::Config(format!(
                "data.pairs asks for {wanted} numbers below {}; each part needs at least one, \
                 no number comes twice, and the largest limit is {MOST}",
                self.below
            ))),
        }
    }

    /// Training, validation and test pairs, without a number in common.
    pub fn pairs(&self, seed: u64) -> [Vec<[String; 2]>; 3] {
        let mut numbers = shuffled(self.below as usize, seed).into_iter();
        [self.train, self.valid, self.test].map(|count| {
            let own = numbers.by_ref().take(count);
            own.map(|number| self.pair(number as u32)).collect()
        })
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
    fn the_parts_have_no_number_in_common_and_all_are_there() {
        let config = NumbersConfig {
            below: 1_000,
            train: 800,
            valid: 100,
            test: 100,
            write: NumberForm::Digits,
        };
        config.check().unwrap();
        let parts = config.pairs(3);
        let mut all: Vec<&String> = parts.iter().flatten().map(|[_, digits]| digits).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 1_000);
        assert_eq!(parts.each_ref().map(Vec::len), [800, 100, 100]);
        assert_ne!(config.pairs(3), config.pairs(4));
        let too_many = NumbersConfig {
            train: 801,
            ..config
        };
        assert!(too_many.check().is_err());
    }
}
