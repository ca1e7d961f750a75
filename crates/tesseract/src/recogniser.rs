//! Lines of text in images, read.

use crate::charset::{Character, Charset};
use crate::error::TesseractError;
use crate::line::Line;
use crate::network::{Network, Scores};
use crate::spelling;
use refrain_decode::ctc::greedy::greedy;
use refrain_image::Gray;

/// A line whose labels are less sure than this on average is tried with black and white exchanged, as Tesseract does.
const SURE: f32 = 0.7;

/// Lines that are normalised before they run: enough to find some of similar width.
const TOGETHER: usize = 256;

/// A network with its characters.
#[derive(Clone, Debug)]
pub struct Recogniser {
    network: Network,
    charset: Charset,
}

/// A line as a [`Recogniser`] sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sight {
    /// Log-probabilities, for a search or for [`Recogniser::read`].
    pub scores: Scores,
    /// Whether black and white were exchanged.
    pub inverted: bool,
    /// The mean probability of the labels on the best path, 0 without labels.
    pub sureness: f32,
}

/// The text of a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The text, without spaces at its ends.
    pub text: String,
    /// Its characters with their frames.
    pub characters: Vec<Character>,
}

impl Recogniser {
    /// A recogniser.
    ///
    /// # Errors
    /// A network with another number of labels than the characters have.
    pub fn new(network: Network, charset: Charset) -> Result<Self, TesseractError> {
        let labels = network.architecture().labels();
        match labels == charset.labels() {
            true => Ok(Self { network, charset }),
            false => Err(TesseractError::Charset(format!(
                "the network has {labels} labels, and the characters have {}",
                charset.labels()
            ))),
        }
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The characters and their labels.
    pub fn charset(&self) -> &Charset {
        &self.charset
    }

    /// The scores of each line, in the order of the images. A line that the network is not sure of is tried with black
    /// and white exchanged, and the surer of both counts.
    ///
    /// # Errors
    /// An image without pixels, or of a line that is too long.
    pub fn see(&self, images: &[Gray]) -> Result<Vec<Sight>, TesseractError> {
        let mut all = Vec::with_capacity(images.len());
        for images in images.chunks(TOGETHER) {
            let mut sights = self.run(images.iter().map(|image| self.line(image)), false)?;
            let doubtful = |&line: &usize| sights[line].sureness < SURE;
            let doubtful: Vec<usize> = (0..sights.len()).filter(doubtful).collect();
            let inverted = doubtful
                .iter()
                .map(|&line| self.line(&images[line].clone().inverted()));
            for (&line, sight) in doubtful.iter().zip(self.run(inverted, true)?) {
                if sight.sureness > sights[line].sureness {
                    sights[line] = sight;
                }
            }
            all.append(&mut sights);
        }
        Ok(all)
    }

    fn line(&self, image: &Gray) -> Result<Line, TesseractError> {
        let architecture = self.network.architecture();
        Line::new(image, architecture.height, architecture.clip)
    }

    fn run(
        &self,
        lines: impl Iterator<Item = Result<Line, TesseractError>>,
        inverted: bool,
    ) -> Result<Vec<Sight>, TesseractError> {
        let lines = lines.collect::<Result<Vec<Line>, _>>()?;
        let scores = self.network.forward(&lines.iter().collect::<Vec<_>>())?;
        let sight = |scores: Scores| Sight {
            sureness: sureness(&scores, self.charset.blank()),
            scores,
            inverted,
        };
        Ok(scores.into_iter().map(sight).collect())
    }

    /// The text on the best path of scores: among all paths, or among those of whole characters if that path has labels
    /// that make none.
    ///
    /// # Errors
    /// Scores that are not numbers.
    pub fn text(&self, scores: &Scores) -> Result<Reading, TesseractError> {
        let best = greedy(
            &scores.log_probs,
            self.charset.labels(),
            self.charset.blank(),
        )?;
        let labels: Vec<u32> = best.labels.iter().map(|span| span.label).collect();
        let whole = match self.charset.is_whole(&labels) {
            true => None,
            false => spelling::best_path(&self.charset, &scores.log_probs),
        };
        let characters = self.charset.spans(&whole.unwrap_or(best.labels));
        let text: String = characters
            .iter()
            .map(|character| &character.text[..])
            .collect();
        Ok(Reading {
            text: text.trim().to_owned(),
            characters,
        })
    }

    /// The text of each line on the best path: [`Self::see`] and [`Self::text`].
    ///
    /// # Errors
    /// As both.
    pub fn read(&self, images: &[Gray]) -> Result<Vec<Reading>, TesseractError> {
        let sights = self.see(images)?;
        sights
            .iter()
            .map(|sight| self.text(&sight.scores))
            .collect()
    }
}

/// The mean probability of the likeliest label of each frame, where it is not the blank.
fn sureness(scores: &Scores, blank: u32) -> f32 {
    let (mut sum, mut count) = (0.0, 0);
    for frame in scores.log_probs.chunks_exact(scores.labels.max(1)) {
        let best = frame.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        if let Some((_, log_prob)) = best.filter(|best| best.0 != blank as usize) {
            sum += log_prob.exp();
            count += 1;
        }
    }
    sum / (count.max(1) as f32)
}
