//! Figures by name, and how a task describes each of them.

use serde::Serialize;
use std::collections::BTreeMap;

/// Figures by name, e.g. `perplexity`.
pub type Metrics = BTreeMap<String, f64>;

/// A figure that a task reports.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Metric {
    /// Key in [`Metrics`].
    pub name: &'static str,
    /// One sentence for the reader.
    pub meaning: &'static str,
    /// Unit of the value, e.g. `bits/character` or `%`; empty for a plain number.
    pub unit: &'static str,
    /// The figure as a phrase, with `{}` for the number, e.g. `perplexity {}`. If empty, the figure is only shown
    /// beside another.
    pub phrase: &'static str,
    /// The format of the number.
    pub digits: Digits,
    /// The direction of improvement.
    pub better: Better,
    /// Name of the figure of the best possible model.
    pub bound: Option<&'static str>,
}

/// Format of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Digits {
    /// This many digits after the decimal point.
    Fixed(usize),
    /// This many digits after the decimal point, and a power of ten.
    Scientific(usize),
}

/// Direction in which a figure improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// A property of the data, not of the model.
    Neither,
}

impl Metric {
    /// A figure without a unit, a phrase or a bound, with four digits, where less is better.
    pub const fn new(name: &'static str, meaning: &'static str) -> Self {
        Self {
            name,
            meaning,
            unit: "",
            phrase: "",
            digits: Digits::Fixed(4),
            better: Better::Lower,
            bound: None,
        }
    }

    /// The unit of the value.
    pub const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// The figure as a phrase, `{}` for the number.
    pub const fn phrase(self, phrase: &'static str) -> Self {
        Self { phrase, ..self }
    }

    /// The format of the number.
    pub const fn digits(self, digits: Digits) -> Self {
        Self { digits, ..self }
    }

    /// The direction of improvement.
    pub const fn better(self, better: Better) -> Self {
        Self { better, ..self }
    }

    /// Name of the figure of the best possible model.
    pub const fn bound(self, bound: &'static str) -> Self {
        Self {
            bound: Some(bound),
            ..self
        }
    }

    /// The number as text.
    pub fn number(&self, value: f64) -> String {
        match self.digits {
            Digits::Fixed(digits) => format!("{value:.digits$}"),
            Digits::Scientific(digits) => format!("{value:.digits$e}"),
        }
    }

    /// The figure as a phrase, with its bound if that is known; `None` if the figure is missing or has no phrase.
    pub fn show(&self, metrics: &Metrics) -> Option<String> {
        let value = *metrics.get(self.name)?;
        if self.phrase.is_empty() {
            return None;
        }
        let mut text = self.phrase.replace("{}", &self.number(value));
        if let Some(bound) = self.bound.and_then(|bound| metrics.get(bound)) {
            text += &format!(" (the best possible {})", self.number(*bound));
        }
        Some(text)
    }

    /// Distance of the figure above its bound in percent; `None` if either is missing.
    pub fn above_bound(&self, metrics: &Metrics) -> Option<f64> {
        let value = metrics.get(self.name)?;
        let bound = metrics.get(self.bound?)?;
        Some(100.0 * (value / bound - 1.0))
    }
}

/// The figures as phrases in the order of `described`, with commas between.
pub fn show(described: &[Metric], metrics: &Metrics) -> String {
    let phrases = described.iter().filter_map(|metric| metric.show(metrics));
    phrases.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESCRIBED: &[Metric] = &[
        Metric::new("perplexity", "")
            .phrase("perplexity {}")
            .digits(Digits::Fixed(2)),
        Metric::new("bits", "")
            .phrase("bits per character {}")
            .bound("true_bits"),
        Metric::new("true_bits", "").better(Better::Neither),
        Metric::new("mse", "")
            .phrase("mean squared error {}")
            .digits(Digits::Scientific(3)),
    ];

    #[test]
    fn figures_come_in_the_order_of_their_list_with_their_bounds() {
        let named = |pairs: &[(&str, f64)]| -> Metrics {
            pairs.iter().map(|(k, v)| (k.to_string(), *v)).collect()
        };
        let metrics = named(&[("bits", 0.5), ("perplexity", 1.5), ("true_bits", 0.4)]);
        assert_eq!(
            show(DESCRIBED, &metrics),
            "perplexity 1.50, bits per character 0.5000 (the best possible 0.4000)"
        );
        let above = DESCRIBED[1].above_bound(&metrics).unwrap();
        assert!((above - 25.0).abs() < 1e-9);
        assert_eq!(DESCRIBED[0].above_bound(&metrics), None);
        assert_eq!(
            show(DESCRIBED, &named(&[("mse", 1.25e-3)])),
            "mean squared error 1.250e-3"
        );
        assert_eq!(show(DESCRIBED, &named(&[("other", 1.0)])), "");
    }
}
