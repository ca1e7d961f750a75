//! Recognised text with its places: pages, blocks, lines, words.
//!
//! Positions are in pixels of the *displayed* page, from its top left corner: after the orientation that the file
//! states and after the turn by quarters that was found. All types are written by serde; a [`Quad`] is four pairs of x
//! and y, rounded to hundredths of a pixel.

use refrain_image::{Point, Quad};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Pages in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The pages.
    pub pages: Vec<Page>,
}

/// A page and its text in reading order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Name of the image file.
    pub file: String,
    /// Number of the page in its file, from 1.
    pub number: u32,
    /// Pixels in a row of the displayed page.
    pub width: u32,
    /// Rows of the displayed page.
    pub height: u32,
    /// Pixels in an inch, if the file states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpi: Option<f32>,
    /// Clockwise turns by 90 degrees, 0 to 3, that made the displayed page out of the pixels of the file.
    #[serde(default)]
    pub turned: u8,
    /// Angle of the text on the displayed page, in degrees clockwise.
    #[serde(default)]
    pub skew: f32,
    /// Remarks for the reader, one sentence each.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Part of the ink that lies in no line, 0 to 1. A high value means that text may be missing.
    #[serde(default)]
    pub uncovered_ink: f32,
    /// Seconds of each step of the work, if they were measured.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub seconds: BTreeMap<String, f32>,
    /// Blocks in reading order.
    #[serde(default)]
    pub blocks: Vec<Block>,
}

/// Lines that belong together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// The kind of the block.
    pub kind: BlockKind,
    /// Its corners.
    #[serde(with = "quad")]
    pub quad: Quad,
    /// Lines in reading order.
    pub lines: Vec<Line>,
}

/// The kind of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlockKind {
    /// Running text.
    #[default]
    Text,
    /// Rows of a table.
    Table,
}

/// A line of text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Its corners.
    #[serde(with = "quad")]
    pub quad: Quad,
    /// Positions on the line on which the letters stand, from the first letter to the last; at least two, or none if it
    /// is not known.
    #[serde(default, with = "points")]
    pub baseline: Vec<Point>,
    /// The text, in logical order, without line ends.
    pub text: String,
    /// Probability that the text is right, 0 to 1.
    pub confidence: f32,
    /// The words of `text` in its order. None are written as one word over the whole line.
    #[serde(default)]
    pub words: Vec<Word>,
    /// Other readings, best first.
    #[serde(default)]
    pub alternatives: Vec<Alternative>,
    /// Light letters on a dark ground.
    #[serde(default)]
    pub light_on_dark: bool,
}

/// A word of a line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// Its corners.
    #[serde(with = "quad")]
    pub quad: Quad,
    /// The text.
    pub text: String,
    /// Probability that the text is right, 0 to 1.
    pub confidence: f32,
    /// The class of this confidence.
    pub band: Band,
}

/// Classes of confidence, for a reader who checks words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Band {
    /// Needs no check.
    Green,
    /// Worth a look.
    Amber,
    /// Needs a check.
    #[default]
    Red,
}

/// Another reading of a line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alternative {
    /// The text.
    pub text: String,
    /// Its log-probability, as the search scores it.
    pub score: f32,
}

/// A word that has text, and what stands before it.
pub(crate) struct Part<'a> {
    pub(crate) word: Cow<'a, Word>,
    /// White space stands between the word before and this one.
    pub(crate) spaced: bool,
}

impl Line {
    /// The words that have text; a line with text but without such words is one word.
    pub(crate) fn parts(&self) -> Vec<Part<'_>> {
        let mut parts: Vec<Part<'_>> = Vec::new();
        let mut rest = self.text.as_str();
        for word in self.words.iter().filter(|word| !word.text.is_empty()) {
            let found = rest.find(&word.text);
            let between = found.map(|at| &rest[..at]);
            // A word that the text does not hold stands by itself.
            let spaced = between.is_none_or(|gap| gap.chars().any(char::is_whitespace));
            rest = found.map_or(rest, |at| &rest[at + word.text.len()..]);
            parts.push(Part {
                spaced: spaced && !parts.is_empty(),
                word: Cow::Borrowed(word),
            });
        }
        if parts.is_empty() && !self.text.is_empty() {
            parts.push(Part {
                spaced: false,
                word: Cow::Owned(Word {
                    quad: self.quad,
                    text: self.text.clone(),
                    confidence: self.confidence,
                    band: Band::default(),
                }),
            });
        }
        parts
    }
}

/// A coordinate in hundredths of a pixel; a number that is none is 0.
fn rounded(value: f32) -> f32 {
    match value.is_finite() {
        true => ((f64::from(value) * 100.0).round() / 100.0) as f32,
        false => 0.0,
    }
}

fn pair(point: &Point) -> [f32; 2] {
    [rounded(point.x), rounded(point.y)]
}

fn point([x, y]: [f32; 2]) -> Point {
    Point { x, y }
}

mod quad {
    use super::{Quad, pair, point};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(quad: &Quad, serializer: S) -> Result<S::Ok, S::Error> {
        quad.0.each_ref().map(pair).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Quad, D::Error> {
        Ok(Quad(<[[f32; 2]; 4]>::deserialize(from)?.map(point)))
    }
}

mod points {
    use super::{Point, pair, point};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        points: &[Point],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(points.iter().map(pair))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Point>, D::Error> {
        let pairs = <Vec<[f32; 2]>>::deserialize(from)?;
        Ok(pairs.into_iter().map(point).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, words: &[&str]) -> Line {
        Line {
            text: text.into(),
            words: words
                .iter()
                .map(|text| Word {
                    text: (*text).into(),
                    ..Word::default()
                })
                .collect(),
            ..Line::default()
        }
    }

    fn joined(line: &Line) -> String {
        let parts = line.parts();
        let texts = parts.iter().map(|part| {
            let space = if part.spaced { " " } else { "" };
            format!("{space}{}", part.word.text)
        });
        texts.collect()
    }

    #[test]
    fn spaces_between_words_are_those_of_the_text() {
        assert_eq!(joined(&line("one two", &["one", "two"])), "one two");
        assert_eq!(joined(&line("日本語", &["日", "本語"])), "日本語");
        assert_eq!(joined(&line("a  b", &["a", "", "b"])), "a b");
        assert_eq!(joined(&line("a b", &["a", "x", "b"])), "a x b");
        assert_eq!(joined(&line("no words", &[])), "no words");
        assert_eq!(joined(&line("", &["", ""])), "");
    }
}
