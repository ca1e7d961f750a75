//! The end of a text at a stop text.

use serde::{Deserialize, Serialize};

/// Lets text through up to the first of some stop texts. Plain data.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StopFilter {
    /// Text that may be the beginning of a stop text.
    held: String,
    stopped: bool,
}

impl StopFilter {
    /// Whether a stop text came.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// The text that more text completes.
    pub fn push(&mut self, stop: &[String], text: &str) -> String {
        if self.stopped {
            return String::new();
        }
        self.held.push_str(text);
        let texts = stop.iter().filter(|stop| !stop.is_empty());
        let found = texts
            .clone()
            .filter_map(|stop| self.held.find(stop.as_str()));
        if let Some(end) = found.min() {
            self.stopped = true;
            self.held.truncate(end);
            return std::mem::take(&mut self.held);
        }
        let partial = |stop: &String| {
            let ends = stop.char_indices().map(|(end, _)| end).skip(1);
            let longest = ends.filter(|end| self.held.ends_with(&stop[..*end])).max();
            longest.unwrap_or(0)
        };
        let held = texts.map(partial).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - held);
        std::mem::replace(&mut self.held, rest)
    }

    /// The text that was held back, where no stop text came.
    pub fn finish(&mut self) -> String {
        match self.stopped {
            true => String::new(),
            false => std::mem::take(&mut self.held),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::StopFilter;

    #[test]
    fn text_ends_before_a_stop_text_wherever_it_is_cut() {
        let stop = ["END".to_string(), "\n\n".to_string()];
        let text = "an ENtry\nthe ENDing";
        for size in 1..text.len() {
            let mut filter = StopFilter::default();
            let mut out = String::new();
            let chars: Vec<char> = text.chars().collect();
            for piece in chars.chunks(size) {
                out += &filter.push(&stop, &piece.iter().collect::<String>());
            }
            out += &filter.finish();
            assert_eq!(out, "an ENtry\nthe ", "pieces of {size}");
            assert!(filter.stopped());
        }
        let mut filter = StopFilter::default();
        let out = filter.push(&stop, "the E") + &filter.finish();
        assert_eq!(out, "the E");
    }
}
