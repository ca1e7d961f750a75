//! A trained model at work: the lines of a page.

use super::NAME;
use super::data::{corners, factor, inks, rough, scaled, times};
use crate::error::Error;
use crate::models::PageModel;
use crate::ops::{ImageBatch, floats};
use crate::tasks::lines::FindLines;
use crate::tasks::media::{Text, wrong_medium};
use crate::tasks::{Medium, Piece, Ports, Receiver, Session, Use};
use burn::tensor::{Tensor, TensorData};
use refrain_image::{Gray, Quad};
use refrain_page::{Limits, Lines, deskew, lines_from_map, map_size, measure};
use std::sync::Arc;

/// A trained model that finds lines.
pub struct Detector {
    /// Off autodiff.
    model: PageModel,
    /// Probability of text from which on a pixel belongs to a line.
    level: f32,
}

impl Detector {
    pub(super) fn new(model: PageModel, level: f32) -> Self {
        Self { model, level }
    }

    /// The corners of the lines of a page that has the scale of the model.
    ///
    /// # Errors
    /// A page with more pixels than the limit.
    pub(super) fn quads(&self, page: &Gray, limits: &Limits) -> Result<Vec<Quad>, Error> {
        let (width, height) = (page.width(), page.height());
        if page.pixels().is_empty() {
            return Ok(Vec::new());
        }
        let values = inks(page);
        let shape = [values.len(), 1];
        let scores = self.model.scores(ImageBatch {
            pixels: Tensor::from_data(TensorData::new(values, shape), &self.model.device()),
            height,
            widths: [width].into(),
        })?;
        let logistic = |score: f32| 1.0 / (1.0 + (-score).exp());
        let map: Vec<f32> = floats(scores.pixels).into_iter().map(logistic).collect();
        let (wide, high) = (map_size(width), map_size(height));
        Ok(lines_from_map(&map, wide, high, self.level, limits)?)
    }
}

impl FindLines for Detector {
    fn find(&self, page: &Gray, limits: &Limits) -> Result<Lines, Error> {
        let first = rough(page, limits)?;
        if first.noisy || first.lines.is_empty() {
            return Ok(first);
        }
        // At the scale of the model, level.
        let factor = factor(&corners(&first.lines));
        let (level, turn) = deskew(&scaled(page, factor), first.skew);
        let quads = self.quads(&level, limits)?;
        let back = |quad: &Quad| times(&Quad(quad.0.map(|point| turn.back(point))), 1.0 / factor);
        let quads: Vec<Quad> = quads.iter().map(back).collect();
        Ok(Lines {
            lines: measure(page, &quads),
            ..first
        })
    }
}

impl Use for Detector {
    fn ports(&self) -> Ports {
        Ports {
            takes: Medium::Image,
            gives: Medium::Text,
            latency: None,
        }
    }

    fn begin(self: Arc<Self>) -> Result<Box<dyn Session>, Error> {
        Ok(Box::new(Finding(self)))
    }

    fn restore(self: Arc<Self>, _: &[u8]) -> Result<Box<dyn Session>, Error> {
        Err(Error::Unsupported {
            task: NAME,
            problem: "keeps nothing from one image to the next; begin a new session",
        })
    }
}

/// Pages, each answered at once: a line of eight coordinates for each text line.
struct Finding(Arc<Detector>);

impl Session for Finding {
    fn push(&mut self, piece: Piece, give: Receiver) -> Result<(), Error> {
        let Piece::Image(image) = piece else {
            return Err(wrong_medium(Medium::Image, &piece));
        };
        for line in self.0.find(&image, &Limits::default())?.lines {
            let numbers: Vec<String> = line
                .quad
                .0
                .iter()
                .flat_map(|point| [point.x, point.y])
                .map(|number| format!("{number:.1}"))
                .collect();
            give(Piece::Text(Text {
                text: format!("{}\n", numbers.join(",")),
                detail: None,
            }));
        }
        Ok(())
    }

    fn finish(&mut self, _: Receiver) -> Result<(), Error> {
        Ok(())
    }

    fn store(&self) -> Result<Vec<u8>, Error> {
        Err(Error::Unsupported {
            task: NAME,
            problem: "keeps nothing from one image to the next; there is no state to store",
        })
    }
}
