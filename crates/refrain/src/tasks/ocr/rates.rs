//! The figures of recognised lines.

use super::confidence::{Reliability, judged};
use super::loaded::ReadLine;
use crate::metrics::Metrics;
use refrain_decode::metrics::confusion::{Confusion, Confusions};
use refrain_decode::metrics::edit::ErrorRate;
use std::collections::BTreeMap;

/// How texts are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Compare {
    /// Capitals and small letters are the same.
    pub fold: bool,
    /// Quotation marks and dashes have their plain forms.
    pub plain: bool,
}

impl Compare {
    /// A text as it is compared, in small letters where case does not count.
    pub fn shown(self, text: &str) -> String {
        match self.fold {
            true => self.form(text).to_lowercase(),
            false => self.form(text),
        }
    }

    /// A text as it is compared.
    pub fn form(self, text: &str) -> String {
        let mut text = text.to_string();
        if self.plain {
            let plain = |c| match c {
                '“' | '”' | '„' | '«' | '»' => '"',
                '‘' | '’' | '‚' | '`' | '´' => '\'',
                '–' | '—' | '‐' | '−' => '-',
                other => other,
            };
            // Two single marks are a double one, as typists write it.
            text = text
                .chars()
                .map(plain)
                .collect::<String>()
                .replace("''", "\"");
        }
        match self.fold {
            true => text.to_uppercase(),
            false => text,
        }
    }
}

/// Errors of lines, counted line by line.
#[derive(Default)]
pub(super) struct Rates {
    characters: ErrorRate,
    words: ErrorRate,
    confusions: Confusions,
    reliability: Reliability,
}

impl Rates {
    /// Counts a line; gives the edits of its characters.
    pub fn add(&mut self, reference: &str, text: &str, compare: Compare) -> usize {
        let (reference, text) = (compare.form(reference), compare.form(text));
        self.words.add_words(&reference, &text);
        self.confusions.add(&reference, &text);
        self.characters.add_characters(&reference, &text).edits() as usize
    }

    /// Counts a line and the confidence of its words; gives the edits of its characters.
    pub fn add_read(&mut self, reference: &str, line: &ReadLine, compare: Compare) -> usize {
        self.reliability.add(judged(reference, line, compare));
        self.add(reference, &line.text, compare)
    }

    /// The most frequent confusions of characters.
    pub fn confusions(&self, n: usize) -> Vec<Confusion> {
        self.confusions.most(n)
    }

    /// The figures of the task, percent.
    pub fn metrics(&self) -> Metrics {
        let percent = |rate: Option<f64>| 100.0 * rate.unwrap_or(0.0);
        let mut metrics = BTreeMap::from([
            ("cer".into(), percent(self.characters.rate())),
            ("wer".into(), percent(self.words.rate())),
            (
                "exact".into(),
                100.0 - percent(self.characters.sentence_rate()),
            ),
        ]);
        let (green, right) = self.reliability.green().unzip();
        let others = [
            (
                "space",
                self.confusions.space_rate().map(|rate| 100.0 * rate),
            ),
            ("green", green),
            ("green_right", right),
            ("ece", self.reliability.error()),
        ];
        metrics.extend(
            others
                .into_iter()
                .filter_map(|(name, own)| Some((name.to_string(), own?))),
        );
        metrics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_marks_count_only_if_asked() {
        let (typed, read) = ("``MICRO'' - it's", "“Micro” — it’s");
        let cer = |fold, plain| {
            let mut rates = Rates::default();
            rates.add(typed, read, Compare { fold, plain });
            rates.metrics()["cer"]
        };
        assert_eq!(cer(true, true), 0.0);
        assert!(cer(false, true) > 0.0 && cer(true, false) > 0.0);
        assert!((cer(false, true) - 100.0 * 4.0 / 14.0).abs() < 1e-9);
    }
}
