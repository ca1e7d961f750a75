//! From images of lines to their text: a model of this project, or a network of Tesseract.

use super::image::{LineImage, Scaled, inked};
use super::loaded::{ReadLine, ReadWord, Reading};
use super::recipe::OcrRecipe;
use super::spelling::Spelling;
use super::trainee::log_probabilities;
use crate::error::Error;
use crate::models::LineModel;
use crate::tasks::ctc::Decoder;
use rayon::prelude::*;
use refrain_decode::ctc::LabelSpan;
use refrain_decode::ctc::beam::Hypothesis;
use refrain_decode::text::Labels;
use refrain_image::Gray;
use refrain_page::{Found, Frame};
use refrain_tesseract::{Character, Recogniser, Sight};

/// Reads lines.
pub(super) enum Reader {
    Own(Box<Own>),
    Tesseract(Box<Tesseract>),
}

/// A model of this project.
pub(super) struct Own {
    pub model: LineModel,
    pub labels: Labels,
    pub decoder: Decoder,
    pub spelling: Spelling,
}

/// A network that Tesseract trained.
pub(super) struct Tesseract {
    pub recogniser: Recogniser,
    /// Absent: the best path of whole characters.
    pub decoder: Option<Decoder>,
}

impl Reader {
    /// Height of the images of lines.
    pub fn height(&self) -> usize {
        match self {
            Self::Own(own) => own.model.config().height,
            Self::Tesseract(own) => own.recogniser.network().architecture().height,
        }
    }

    /// The place of the letters of a line in its image. Models learn from lines that are cut out at their letters, so a
    /// line is as high as its corners say.
    pub fn frame(&self, line: &Found) -> Frame {
        let height = self.height();
        let below = line.quad.0.map(|corner| line.baseline.of(corner).1);
        let top = below.into_iter().fold(f32::INFINITY, f32::min);
        let bottom = below.into_iter().fold(f32::NEG_INFINITY, f32::max);
        let scale = (bottom - top) / height as f32;
        match scale.is_finite() && scale > 0.0 && top < 0.0 {
            true => Frame {
                height,
                x_height: line.x_height / scale,
                baseline: -top / scale,
            },
            false => Frame::of(height),
        }
    }

    /// The texts of images, of similar width for the sake of speed, with `n` readings of each.
    ///
    /// # Errors
    /// Errors of the model.
    pub fn read(&self, images: &[&Gray], n: usize) -> Result<Vec<ReadLine>, Error> {
        match self {
            Self::Own(own) => own.read(images, n),
            Self::Tesseract(own) => own.read(images, n),
        }
    }
}

impl Own {
    fn read(&self, images: &[&Gray], n: usize) -> Result<Vec<ReadLine>, Error> {
        let height = self.model.config().height;
        let lines: Vec<LineImage> = images
            .par_iter()
            .map(|image| LineImage::new(&Scaled::new(image, height)))
            .collect();
        let scores = log_probabilities(&self.model, &lines)?;
        let found = scores
            .par_iter()
            .map(|scores| self.decoder.decode(scores, n));
        let found: Vec<Vec<Hypothesis>> = found.collect::<Result<_, _>>()?;
        let step = self.model.config().pixels_a_step() as f32;
        let read = found.iter().zip(&lines).map(|(found, image)| {
            let Some((best, others)) = found.split_first() else {
                return ReadLine::default();
            };
            let characters: Vec<Character> =
                best.labels.iter().map(|own| self.character(own)).collect();
            let column = |frame: usize| image.column(frame as f32 * step);
            let mut line = line(&characters, column);
            line.text = self.spelling.read(&best.text);
            for word in &mut line.words {
                word.text = self.spelling.read(&word.text);
            }
            line.alternatives = alternatives(best, others, |text| self.spelling.read(text));
            line
        });
        Ok(read.collect())
    }

    fn character(&self, span: &LabelSpan) -> Character {
        Character {
            text: match Some(span.label) == self.labels.space() {
                true => " ".into(),
                false => self.labels.text(span.label).to_string(),
            },
            first: span.first,
            last: span.last,
            confidence: span.confidence,
        }
    }
}

impl Tesseract {
    fn read(&self, images: &[&Gray], n: usize) -> Result<Vec<ReadLine>, Error> {
        let narrowed = images.par_iter().map(|image| Narrowed::new(image));
        let narrowed: Vec<Narrowed> = narrowed.collect();
        let owned: Vec<Gray> = narrowed.iter().map(|own| own.image.clone()).collect();
        let sights = self.recogniser.see(&owned)?;
        let read = sights.par_iter().zip(&narrowed);
        read.map(|(sight, image)| self.line(sight, image, n))
            .collect()
    }

    fn line(&self, sight: &Sight, image: &Narrowed, n: usize) -> Result<ReadLine, Error> {
        let charset = self.recogniser.charset();
        // Frames divide the image evenly.
        let step = image.image.width() as f32 / sight.scores.frames.max(1) as f32;
        let column = |frame: usize| image.column(frame as f32 * step);
        let Some(decoder) = &self.decoder else {
            return Ok(line(
                &self.recogniser.text(&sight.scores)?.characters,
                column,
            ));
        };
        let found = decoder.decode(&sight.scores.log_probs, n)?;
        let Some((best, others)) = found.split_first() else {
            return Ok(ReadLine::default());
        };
        let mut line = line(&charset.spans(&best.labels), column);
        let text = |own: &Hypothesis| {
            let labels: Vec<u32> = own.labels.iter().map(|span| span.label).collect();
            charset.text(&labels).trim().to_string()
        };
        line.alternatives = others
            .iter()
            .map(|other| Reading {
                text: text(other),
                behind: best.score - other.score,
            })
            .collect();
        Ok(line)
    }
}

/// An image of a line without wide paper, and the columns of the given image that it has.
struct Narrowed {
    image: Gray,
    columns: Vec<usize>,
}

impl Narrowed {
    /// Most of the paper on the left and right of the ink goes, and the middle of wide gaps: networks of Tesseract read
    /// a dash into paper beside the edge of an image, and letters into wide paper.
    fn new(image: &Gray) -> Self {
        /// Paper that stays on each side, and in a gap, in heights of the image.
        const MARGIN: f32 = 0.1;
        const GAP: f32 = 1.0;
        let pixels = |share: f32| (share * image.height() as f32).ceil() as usize;
        let (margin, gap) = (pixels(MARGIN), pixels(GAP));
        let inked = inked(image);
        let whole = Self {
            image: image.clone(),
            columns: (0..image.width()).collect(),
        };
        let first = inked.iter().position(|ink| *ink);
        let last = inked.iter().rposition(|ink| *ink);
        let (Some(first), Some(last)) = (first, last) else {
            return whole;
        };
        let mut columns: Vec<usize> = (first.saturating_sub(margin)..first).collect();
        let mut paper = 0;
        for (x, ink) in inked.iter().enumerate().take(last + 1).skip(first) {
            if *ink {
                // The middle of the gap that ends here.
                let middle = columns.len() - paper + gap.min(paper) / 2;
                let wide = paper.saturating_sub(gap);
                columns.drain(middle..middle + wide);
                paper = 0;
            } else {
                paper += 1;
            }
            columns.push(x);
        }
        columns.extend(last + 1..(last + 1 + margin).min(image.width()));
        let narrow = Gray::from_fn(columns.len(), image.height(), |x, y| {
            image.get(columns[x], y)
        });
        Self {
            image: narrow,
            columns,
        }
    }

    /// The column of the given image at a column of this one.
    fn column(&self, x: f32) -> f32 {
        let at = x.max(0.0) as usize;
        match (self.columns.get(at), self.columns.last()) {
            (Some(column), _) => *column as f32 + x.max(0.0).fract(),
            (None, Some(last)) => *last as f32 + 1.0,
            (None, None) => x,
        }
    }
}

fn alternatives(
    best: &Hypothesis,
    others: &[Hypothesis],
    read: impl Fn(&str) -> String,
) -> Vec<Reading> {
    let others = others.iter().map(|other| Reading {
        text: read(&other.text),
        behind: best.score - other.score,
    });
    others.collect()
}

/// A line of characters; `column` gives the column of its image where a frame begins.
fn line(characters: &[Character], column: impl Fn(usize) -> f32) -> ReadLine {
    let is_space = |own: &Character| own.text.chars().all(char::is_whitespace);
    let words = characters.split(is_space).filter(|word| !word.is_empty());
    let words: Vec<ReadWord> = words
        .map(|word| ReadWord {
            text: word.iter().map(|own| own.text.as_str()).collect(),
            confidence: word.iter().map(|own| own.confidence).fold(1.0, f64::min),
            left: column(word[0].first),
            right: column(word[word.len() - 1].last + 1),
        })
        .collect();
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let sum: f64 = characters.iter().map(|own| own.confidence).sum();
    ReadLine {
        text: texts.join(" "),
        confidence: words.iter().map(|word| word.confidence).fold(1.0, f64::min),
        mean: sum / characters.len().max(1) as f64,
        words,
        alternatives: Vec::new(),
        turned: 0,
    }
}

/// Refuses a recipe of an imported model where one of this project is needed.
///
/// # Errors
/// Such a recipe.
pub(super) fn trainable(recipe: &OcrRecipe) -> Result<(), Error> {
    match recipe.tesseract {
        None => Ok(()),
        Some(_) => Err(Error::Unsupported {
            task: super::NAME,
            problem: "does not train networks of Tesseract; begin with a recipe such as ocr-latin",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ink in columns 40 to 59 and 160 to 169 of an image of 20 rows: the paper between becomes as wide as high.
    #[test]
    fn wide_paper_is_narrowed_and_columns_lead_back() {
        for light in [false, true] {
            let image = Gray::from_fn(300, 20, |x, y| {
                let ink =
                    (5..15).contains(&y) && ((40..60).contains(&x) || (160..170).contains(&x));
                if ink != light { 20 } else { 230 }
            });
            let narrow = Narrowed::new(&image);
            assert_eq!(narrow.image.width(), 2 + 20 + 20 + 10 + 2);
            assert_eq!(narrow.column(2.0), 40.0);
            assert_eq!(narrow.column(21.5), 59.5);
            assert_eq!(narrow.column(42.0), 160.0);
            assert_eq!(narrow.column(99.0), 172.0);
            let inked: Vec<bool> = inked(&narrow.image);
            assert_eq!(inked.iter().filter(|ink| **ink).count(), 30);
        }
        for (width, height) in [(0, 0), (9, 0), (0, 9), (30, 20)] {
            let blank = Gray::filled(width, height, 128);
            assert_eq!(Narrowed::new(&blank).image, blank);
        }
    }
}
