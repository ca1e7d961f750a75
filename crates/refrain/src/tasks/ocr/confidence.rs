//! The chance that a word is right.

use super::loaded::ReadLine;
use super::rates::Compare;
use crate::error::Error;
use crate::files;
use crate::store::ModelFolder;
use refrain_decode::metrics::edit::{Edit, alignment};
use refrain_page::Band;
use serde::{Deserialize, Serialize};

/// Name of the file in a model folder that holds its [`Confidence`].
pub const CONFIDENCE: &str = "confidence.toml";

/// Least chance of a word in the green band, and in the amber one.
const GREEN: f64 = 0.98;
const AMBER: f64 = 0.8;

/// From the least probability p of the characters of a word to the chance that the word is right:
/// 1 / (1 + exp(−slope · ln(p / (1 − p)) − offset)) (Platt 1999).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confidence {
    /// Above 0: surer words stay surer.
    pub slope: f64,
    /// Added to the log-odds.
    pub offset: f64,
}

impl Default for Confidence {
    /// The probabilities of the model as they are.
    fn default() -> Self {
        Self {
            slope: 1.0,
            offset: 0.0,
        }
    }
}

/// Log-odds of a probability. No training set can tell chances beyond one in a million.
fn odds(p: f64) -> f64 {
    let p = p.clamp(1e-6, 1.0 - 1e-6);
    (p / (1.0 - p)).ln()
}

impl Confidence {
    /// That of a model folder; plain probabilities if it has none.
    ///
    /// # Errors
    /// A file that cannot be read, or a slope that is not above 0.
    pub fn of(folder: &ModelFolder) -> Result<Self, Error> {
        let own: Self = files::read_toml(folder.path(), CONFIDENCE)?.unwrap_or_default();
        match own.slope.is_finite() && own.slope > 0.0 && own.offset.is_finite() {
            true => Ok(own),
            false => Err(Error::folder(
                folder.path(),
                format!(
                    "{CONFIDENCE} has slope {} and offset {}; the slope must be above 0; remove it, and write it anew \
                     with `refrain ocr calibrate`",
                    own.slope, own.offset
                ),
            )),
        }
    }

    /// The chance that a word is right.
    pub fn chance(&self, p: f64) -> f64 {
        match *self == Self::default() {
            true => p,
            false => 1.0 / (1.0 + (-self.slope * odds(p) - self.offset).exp()),
        }
    }

    /// [`Reliability::error`] of the chances of words with these probabilities, each right or wrong.
    pub(super) fn error(&self, words: &[(f64, bool)]) -> Option<f64> {
        let chances = words.iter().map(|&(p, right)| (self.chance(p), right));
        Reliability(chances.collect()).error()
    }

    /// The likeliest values for words with these probabilities, each right or wrong: Newton's method on the
    /// log-likelihood of the targets (n₊ + 1) / (n₊ + 2) and 1 / (n₋ + 2), which stay finite where all words are right.
    ///
    /// # Errors
    /// Too few words, or probabilities that tell nothing about the words.
    pub fn fit(words: &[(f64, bool)]) -> Result<Self, Error> {
        /// Fewer words say too little.
        const LEAST: usize = 100;
        let right = words.iter().filter(|own| own.1).count();
        if words.len() < LEAST {
            return Err(Error::Config(format!(
                "there are {} words to learn the confidence from; give at least {LEAST}",
                words.len()
            )));
        }
        let high = (right as f64 + 1.0) / (right as f64 + 2.0);
        let low = 1.0 / ((words.len() - right) as f64 + 2.0);
        let points: Vec<(f64, f64)> = words
            .iter()
            .map(|&(p, is_right)| (odds(p), if is_right { high } else { low }))
            .collect();
        let [mut slope, mut offset] = [1.0, 0.0];
        let loss = |slope: f64, offset: f64| -> f64 {
            let nats = points.iter().map(|&(x, y)| {
                let z = slope * x + offset;
                // ln(1 + eᶻ) − y z, without overflow.
                z.max(0.0) + (-z.abs()).exp().ln_1p() - y * z
            });
            nats.sum()
        };
        let mut best = loss(slope, offset);
        for _ in 0..100 {
            let (mut gradient, mut second) = ([0.0; 2], [1e-9, 0.0, 1e-9]);
            for &(x, y) in &points {
                let p = 1.0 / (1.0 + (-slope * x - offset).exp());
                let (error, weight) = (p - y, p * (1.0 - p));
                gradient[0] += error * x;
                gradient[1] += error;
                second[0] += weight * x * x;
                second[1] += weight * x;
                second[2] += weight;
            }
            let determinant = second[0] * second[2] - second[1] * second[1];
            let step = [
                (second[2] * gradient[0] - second[1] * gradient[1]) / determinant,
                (second[0] * gradient[1] - second[1] * gradient[0]) / determinant,
            ];
            // Half of a step that leads too far, and half of that.
            let shares = (0..20).map(|halves| 0.5f64.powi(halves));
            let better = shares
                .map(|share| (slope - share * step[0], offset - share * step[1]))
                .map(|(slope, offset)| (loss(slope, offset), slope, offset))
                .find(|own| own.0 < best);
            let Some(found) = better else { break };
            let gained = best - found.0;
            (best, slope, offset) = found;
            if gained < 1e-9 * best {
                break;
            }
        }
        match slope > 0.0 && slope.is_finite() && offset.is_finite() {
            true => Ok(Self { slope, offset }),
            false => Err(Error::Config(
                "the words that the model is less sure of are not wrong more often, so its confidence says nothing; \
                 give more lines, or lines whose texts are right"
                    .into(),
            )),
        }
    }
}

/// The class of a chance.
pub(super) fn band(chance: f64) -> Band {
    match chance {
        p if p >= GREEN => Band::Green,
        p if p >= AMBER => Band::Amber,
        _ => Band::Red,
    }
}

/// The confidence of each word of a line, and whether the word is right.
pub(super) fn judged(reference: &str, line: &ReadLine, compare: Compare) -> Vec<(f64, bool)> {
    let form = |text: &str| compare.form(text);
    let reference: Vec<String> = reference.split_whitespace().map(form).collect();
    let read: Vec<String> = line.words.iter().map(|word| form(&word.text)).collect();
    let mut words = line.words.iter();
    let edits = alignment(&reference, &read).into_iter();
    let of_words = edits.filter(|edit| *edit != Edit::Deletion);
    of_words
        .filter_map(|edit| Some((words.next()?.confidence, edit == Edit::Equal)))
        .collect()
}

/// How well chances fit.
#[derive(Clone, Debug, Default)]
pub(super) struct Reliability(Vec<(f64, bool)>);

impl Reliability {
    pub fn add(&mut self, words: Vec<(f64, bool)>) {
        self.0.extend(words);
    }

    /// Percent of the words in the green band, and percent of these that are right.
    pub fn green(&self) -> Option<(f64, f64)> {
        let green: Vec<bool> = self
            .0
            .iter()
            .filter(|own| own.0 >= GREEN)
            .map(|own| own.1)
            .collect();
        let right = green.iter().filter(|right| **right).count();
        let share = |count: usize, of: usize| 100.0 * count as f64 / of as f64;
        (!green.is_empty()).then(|| (share(green.len(), self.0.len()), share(right, green.len())))
    }

    /// The expected calibration error, percent: the mean distance between the chance of words and the share of them
    /// that is right, in ten groups of equal ranges of the chance (Guo et al. 2017).
    pub fn error(&self) -> Option<f64> {
        let mut groups = [(0.0, 0.0); 10];
        for &(chance, right) in &self.0 {
            let group = &mut groups[((chance * 10.0) as usize).min(9)];
            group.0 += chance;
            group.1 += f64::from(u8::from(right));
        }
        let distance: f64 = groups
            .iter()
            .map(|(chance, right)| (chance - right).abs())
            .sum();
        (!self.0.is_empty()).then(|| 100.0 * distance / self.0.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::loaded::ReadWord;
    use super::*;
    use refrain_kernels::random::Key;

    /// Words of which the chance is known: log-odds of half the slope of the model's, and 1 more.
    fn drawn(count: u64) -> Vec<(f64, bool)> {
        let key = Key::new(7);
        let words = (0..count).map(|number| {
            let [p, luck] = [0, 1].map(|part| key.fold(part).uniform_f32(number));
            let p = f64::from(p).clamp(0.001, 0.999);
            let chance = 1.0 / (1.0 + (-0.5 * odds(p) - 1.0).exp());
            (p, f64::from(luck) < chance)
        });
        words.collect()
    }

    #[test]
    fn a_fit_finds_the_chance_of_words() {
        let words = drawn(20_000);
        let own = Confidence::fit(&words).unwrap();
        assert!(
            (own.slope - 0.5).abs() < 0.05 && (own.offset - 1.0).abs() < 0.1,
            "{own:?}"
        );
        let error = |own: Confidence| own.error(&words).unwrap();
        assert!(error(own) < 1.0 && error(Confidence::default()) > 10.0);
        assert!(own.chance(0.9) > own.chance(0.8));
    }

    #[test]
    fn a_fit_needs_words_and_wrong_ones_that_are_less_sure() {
        assert!(Confidence::fit(&drawn(20)).is_err());
        let all_right: Vec<(f64, bool)> = drawn(500).iter().map(|own| (own.0, true)).collect();
        let own = Confidence::fit(&all_right);
        assert!(own.is_err() || own.is_ok_and(|own| own.chance(0.5) > 0.9));
        let reversed: Vec<(f64, bool)> =
            drawn(500).iter().map(|own| (own.0, own.0 < 0.5)).collect();
        assert!(
            Confidence::fit(&reversed)
                .unwrap_err()
                .to_string()
                .contains("says nothing")
        );
    }

    #[test]
    fn words_are_judged_by_their_alignment() {
        let word = |text: &str, confidence| ReadWord {
            text: text.into(),
            confidence,
            left: 0.0,
            right: 1.0,
        };
        let line = ReadLine {
            words: vec![word("the", 0.9), word("qvick", 0.4), word("fox", 0.8)],
            ..ReadLine::default()
        };
        let found = judged("the quick brown fox", &line, Compare::default());
        assert_eq!(found, [(0.9, true), (0.4, false), (0.8, true)]);
        let found = judged("the fox", &line, Compare::default());
        assert_eq!(found, [(0.9, true), (0.4, false), (0.8, true)]);
        let mut all = Reliability::default();
        assert_eq!(all.green(), None);
        all.add(vec![
            (0.99, true),
            (0.985, false),
            (0.5, true),
            (0.5, false),
        ]);
        assert_eq!(all.green(), Some((50.0, 50.0)));
        // 0.475 · 2 / 4 of the upper group, 0 of the lower.
        assert!((all.error().unwrap() - 100.0 * (1.975 - 1.0) / 4.0).abs() < 1e-9);
    }
}
