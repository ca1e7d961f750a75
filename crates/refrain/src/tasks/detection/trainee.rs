//! A model that finds lines in the training loop, and its figures.

use super::data::{self, Cut, PageItem, Renderer};
use super::detector::Detector;
use super::recipe::DetectionData;
use crate::error::Error;
use crate::metrics::{Better, Metrics};
use crate::models::PageModel;
use crate::ops::{ImageBatch, floats};
use crate::tasks::{Begin, Site};
use crate::train::{BatchLoss, LossUnit, Place, Trainee, Unit};
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use refrain_data::Fingerprint;
use refrain_kernels::random::Key;
use refrain_page::{Limits, Matches, matches};
use refrain_render::DegradeConfig;

/// Batches and figures of a model that finds lines.
pub struct DetectionTrainee {
    config: DetectionData,
    augment: DegradeConfig,
    parts: [Vec<PageItem>; 3],
    renderer: Option<Renderer>,
    rendered_valid: Vec<PageItem>,
    /// Rendered pages of an epoch.
    pages: Option<(u64, Vec<PageItem>)>,
    site: Site,
    batch: usize,
    seed: u64,
}

impl DetectionTrainee {
    pub(super) fn new(
        config: DetectionData,
        parts: [Vec<PageItem>; 3],
        renderer: Option<Renderer>,
        begin: Begin,
    ) -> Self {
        let rendered_valid = match (&renderer, &config.render) {
            (Some(renderer), Some(own)) if parts[1].is_empty() => {
                let numbers = (0..own.valid as u64).into_par_iter();
                numbers.map(|number| renderer.page(number, true)).collect()
            }
            _ => Vec::new(),
        };
        Self {
            augment: data::in_place(&config.augment),
            config,
            parts,
            renderer,
            rendered_valid,
            pages: None,
            site: begin.site.clone(),
            batch: begin.train.batch.max(1),
            seed: begin.site.seed,
        }
    }

    /// Renders the pages of an epoch.
    fn render(&mut self, epoch: u64) {
        let (Some(renderer), Some(config)) = (&self.renderer, &self.config.render) else {
            return;
        };
        if self.pages.as_ref().is_none_or(|(of, _)| *of != epoch) {
            let first = epoch * config.pages as u64;
            let numbers = (first..first + config.pages as u64).into_par_iter();
            let pages = numbers.map(|number| renderer.page(number, false)).collect();
            self.pages = Some((epoch, pages));
        }
    }

    /// The cuts of a batch.
    fn cuts(&mut self, place: Place) -> Vec<Cut> {
        self.render(place.epoch);
        let rendered = self.pages.as_ref().map_or(&[][..], |(_, pages)| pages);
        let real = &self.parts[0];
        let share = match (&self.config.render, real.is_empty()) {
            (Some(_), true) => 1.0,
            (Some(config), false) => config.share,
            (None, _) => 0.0,
        };
        let first = place.batch * self.batch;
        let last = (first + self.batch).min(self.config.cuts);
        let base = Key::new(self.seed).fold(place.epoch);
        let cuts = (first..last).into_par_iter().filter_map(|number| {
            let key = base.fold(number as u64);
            let drawn = key.uniform_f32(100) < share;
            let pages = if drawn { rendered } else { real };
            let at = (key.uniform_f32(101) * pages.len() as f32) as usize;
            let page = pages.get(at.min(pages.len().saturating_sub(1)))?;
            let vary = (!drawn).then_some(&self.augment);
            Some(data::cut(page, &self.config, vary, key))
        });
        cuts.collect()
    }
}

impl Trainee for DetectionTrainee {
    type Model = PageModel;

    fn name(&self) -> &'static str {
        super::NAME
    }

    fn batches(&mut self, _: u64) -> usize {
        self.config.cuts.div_ceil(self.batch)
    }

    fn loss(&mut self, model: &PageModel, place: Place, _: Key) -> Result<BatchLoss, Error> {
        let cuts = self.cuts(place);
        let (side, device) = (self.config.side, self.site.training_device());
        let column = |values: Vec<f32>| {
            let shape = [values.len(), 1];
            Tensor::<2>::from_data(TensorData::new(values, shape), &device)
        };
        let values: Vec<f32> = cuts
            .iter()
            .flat_map(|cut| cut.values.iter().copied())
            .collect();
        let marks: Vec<f32> = cuts
            .iter()
            .flat_map(|cut| cut.marks.iter().copied())
            .collect();
        let pages = ImageBatch {
            pixels: column(values),
            height: side,
            widths: vec![side; cuts.len()].into(),
        };
        let pixels = marks.len();
        let out = model.loss(pages, column(marks))?;
        Ok(BatchLoss {
            nats: f64::from(floats(out.entropy)[0]) * pixels as f64,
            tokens: pixels,
            loss: out.loss,
            rate: 1.0,
        })
    }

    fn validate(&mut self, model: &PageModel) -> Result<Metrics, Error> {
        let part = match self.parts[1].is_empty() {
            true => &self.rendered_valid,
            false => &self.parts[1],
        };
        measure(
            &Detector::new(model.clone(), self.config.level),
            part,
            |_, _| {},
        )
    }

    fn criterion(&self) -> &'static str {
        "f1"
    }

    fn better(&self) -> Better {
        Better::Higher
    }

    fn unit(&self) -> Unit {
        Unit::new(LossUnit::Nats, "pixels")
    }

    fn test(&mut self, model: &PageModel) -> Result<Metrics, Error> {
        match self.parts[2].is_empty() {
            true => Ok(Metrics::new()),
            false => measure(
                &Detector::new(model.clone(), self.config.level),
                &self.parts[2],
                |_, _| {},
            ),
        }
    }

    fn fingerprint(&self) -> String {
        let mut print = Fingerprint::new();
        for page in &self.parts[0] {
            print.text(&page.name).bytes(page.image.pixels());
        }
        if let Some(renderer) = &self.renderer {
            print.text(&renderer.identity);
        }
        print.finish()
    }
}

/// Figures of a part in percent, at IoU 0.5 and 0.7, one line to one; `compare` sees the matches of each page.
pub(super) fn measure<'a>(
    detector: &Detector,
    part: &'a [PageItem],
    mut compare: impl FnMut(&'a PageItem, &Matches),
) -> Result<Metrics, Error> {
    let found = part
        .par_iter()
        .map(|page| detector.quads(&page.image, &Limits::default()));
    let found = found.collect::<Result<Vec<_>, Error>>()?;
    let mut counts = [[0usize; 3]; 2];
    for (page, quads) in part.iter().zip(&found) {
        for (counts, least) in counts.iter_mut().zip([0.5, 0.7]) {
            let own = matches(quads, &page.lines, least);
            counts[0] += own.matched;
            counts[1] += own.found;
            counts[2] += own.truth;
            if least == 0.5 {
                compare(page, &own);
            }
        }
    }
    let [at_half, at_seven] = counts.map(|[hits, found, truth]| {
        let share = |of: usize| 100.0 * hits as f64 / of.max(1) as f64;
        let f1 = 200.0 * hits as f64 / (found + truth).max(1) as f64;
        [share(found), share(truth), f1]
    });
    Ok(Metrics::from([
        ("precision".into(), at_half[0]),
        ("recall".into(), at_half[1]),
        ("f1".into(), at_half[2]),
        ("f1_70".into(), at_seven[2]),
    ]))
}
