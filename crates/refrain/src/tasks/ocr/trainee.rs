//! A model of text lines in the training loop, and its figures.

use super::data::{Item, Parts};
use super::fold::Folding;
use super::image::{LineImage, Scaled, batch};
use super::options::OcrOptions;
use super::rates::{Compare, Rates};
use super::recipe::OcrData;
use super::render::Renderer;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::models::LineModel;
use crate::tasks::ctc::{Decoder, labels};
use crate::tasks::{Begin, Site, buckets};
use crate::train::{BatchLoss, LossUnit, Place, Trainee, Unit};
use rayon::prelude::*;
use refrain_data::Fingerprint;
use refrain_data::vocab::Vocabulary;
use refrain_decode::text::Labels;
use refrain_kernels::random::Key;
use refrain_render::changed;
use std::path::Path;

/// Batches of rendered lines that are made, and sorted by width, at once.
const GROUP: usize = 16;

/// A batch of an epoch.
#[derive(Clone, Debug)]
enum Step {
    /// By its number among the rendered ones.
    Rendered(usize),
    /// Lines of files, by their numbers.
    Real(Vec<usize>),
}

/// Batches and figures of a model of text lines.
pub struct OcrTrainee {
    config: OcrData,
    /// Of the images.
    height: usize,
    vocabulary: Vocabulary,
    labels: Labels,
    folding: Folding,
    parts: Parts,
    renderer: Option<Renderer>,
    /// Lines for validation if files have none.
    rendered_valid: Vec<Item>,
    site: Site,
    batch: usize,
    epochs: u64,
    seed: u64,
    /// Batches of an epoch.
    order: Option<(u64, Vec<Step>)>,
    /// Lines of a group of rendered batches, sorted by width.
    group: Option<((u64, usize), Vec<Item>)>,
}

impl OcrTrainee {
    /// # Errors
    /// As [`labels`].
    pub(super) fn new(
        config: OcrData,
        height: usize,
        vocabulary: Vocabulary,
        (parts, renderer): (Parts, Option<Renderer>),
        begin: Begin,
    ) -> Result<Self, Error> {
        let labels = labels(&vocabulary)?;
        let rendered_valid = match (&renderer, &config.render) {
            (Some(renderer), Some(own)) if parts.valid.is_empty() => renderer.held_out(own.valid),
            _ => Vec::new(),
        };
        Ok(Self {
            rendered_valid,
            folding: Folding::new(&labels),
            config,
            height,
            labels,
            vocabulary,
            parts,
            renderer,
            site: begin.site.clone(),
            batch: begin.train.batch.max(1),
            epochs: begin.train.epochs.max(1),
            seed: begin.site.seed,
            order: None,
            group: None,
        })
    }

    /// Rendered batches of an epoch.
    fn rendered(&self) -> usize {
        let lines = self.config.render.as_ref().map_or(0, |own| own.lines);
        lines.div_ceil(self.batch)
    }

    /// The batches of an epoch: those of files spread evenly among the rendered ones.
    fn steps(&mut self, epoch: u64) -> &[Step] {
        if self.order.as_ref().is_none_or(|(of, _)| *of != epoch) {
            let widths: Vec<usize> = self
                .parts
                .train
                .iter()
                .map(|item| item.image.width())
                .collect();
            let mut real = Vec::new();
            for time in 0..self.config.times as u64 {
                let seed = self.seed ^ ((epoch + 1) << 20) ^ (time << 50);
                real.extend(buckets::batches(&widths, self.batch, seed));
            }
            let (rendered, real_count) = (self.rendered(), real.len());
            let all = rendered + real_count;
            let mut real = real.into_iter();
            let mut steps = Vec::with_capacity(all);
            for step in 0..all {
                let due = (step + 1) * real_count / all;
                let taken = real_count - real.len();
                match (due > taken).then(|| real.next()).flatten() {
                    Some(own) => steps.push(Step::Real(own)),
                    None => steps.push(Step::Rendered(step - taken)),
                }
            }
            self.order = Some((epoch, steps));
        }
        self.order.as_ref().map_or(&[], |(_, steps)| steps)
    }

    /// The lines of a rendered batch.
    fn rendered_batch(&mut self, epoch: u64, number: usize) -> Result<Vec<Item>, Error> {
        let place = (epoch, number / GROUP);
        if self.group.as_ref().is_none_or(|(of, _)| *of != place) {
            let Some(renderer) = &self.renderer else {
                return Ok(Vec::new());
            };
            let lines = self.config.render.as_ref().map_or(0, |own| own.lines);
            let first = place.1 * GROUP * self.batch;
            let last = (first + GROUP * self.batch).min(lines);
            let done = (epoch as f64 + first as f64 / lines.max(1) as f64) / self.epochs as f64;
            let base = epoch.saturating_mul(lines as u64);
            let numbers = (base + first as u64)..(base + last as u64);
            let mut items = renderer.training(numbers, done)?;
            items.sort_by_key(|item| item.image.width());
            self.group = Some((place, items));
        }
        let items = self.group.as_ref().map_or(&[][..], |(_, items)| items);
        // Batches of a group in an order of their own, so that widths do not rise through it.
        let batches = items.chunks(self.batch).len().max(1);
        let seed = self.seed ^ epoch ^ ((place.1 as u64) << 32);
        let order = refrain_data::speech::shuffled(batches, seed);
        let own = order.get(number % GROUP).copied().unwrap_or(0);
        Ok(items.chunks(self.batch).nth(own).unwrap_or(&[]).to_vec())
    }

    /// The lines of files of a batch, changed at random.
    fn real_batch(&self, numbers: &[usize], at: Place) -> Result<Vec<Item>, Error> {
        let train = &self.parts.train;
        let Some(config) = &self.config.augment else {
            return Ok(numbers
                .iter()
                .map(|&number| train[number].clone())
                .collect());
        };
        let seed = self.seed ^ (at.epoch << 32) ^ at.batch as u64;
        let varied = numbers.par_iter().enumerate().map(|(place, &number)| {
            let item = &train[number];
            let image = changed(item.image.image(), config, seed, place as u64);
            Item {
                image: Scaled::new(&image, self.height),
                ..item.clone()
            }
        });
        Ok(varied.collect())
    }

    fn compare(&self) -> Compare {
        OcrOptions::default().compare(&self.config)
    }

    fn measure(
        &self,
        model: &LineModel,
        part: &[Item],
        compare: Compare,
    ) -> Result<Metrics, Error> {
        measure(model, &Decoder::greedy(&self.labels), part, compare)
    }
}

impl Trainee for OcrTrainee {
    type Model = LineModel;

    fn name(&self) -> &'static str {
        super::NAME
    }

    fn batches(&mut self, epoch: u64) -> usize {
        self.steps(epoch).len()
    }

    fn loss(&mut self, model: &LineModel, place: Place, key: Key) -> Result<BatchLoss, Error> {
        let step = self.steps(place.epoch).get(place.batch).cloned();
        let (items, fold) = match step {
            Some(Step::Rendered(number)) => (self.rendered_batch(place.epoch, number)?, false),
            Some(Step::Real(numbers)) => {
                let items = self.real_batch(&numbers, place)?;
                (items, self.config.fold_case)
            }
            None => (Vec::new(), false),
        };
        let images: Vec<LineImage> = items
            .par_iter()
            .map(|item| LineImage::new(&item.image))
            .collect();
        let device = self.site.training_device();
        let mut scores = model.scores(batch(&images, self.height, &device), Some(key.fold(1)))?;
        let mut texts: Vec<Vec<u32>> = items
            .iter()
            .map(|item| self.vocabulary.encode(&item.text))
            .collect();
        if fold {
            scores = scores.folded(self.folding.pairs());
            texts.iter_mut().for_each(|own| self.folding.fold(own));
        }
        let tokens = texts.iter().map(Vec::len).sum();
        let out = scores.loss(texts)?;
        // A line that is too narrow for its text teaches nothing.
        let finite = out.nll.iter().filter(|nll| **nll != f32::INFINITY);
        Ok(BatchLoss {
            nats: finite.map(|&nll| f64::from(nll)).sum(),
            tokens,
            loss: out.loss,
            rate: 1.0,
        })
    }

    fn validate(&mut self, model: &LineModel) -> Result<Metrics, Error> {
        match self.parts.valid.is_empty() {
            true => self.measure(model, &self.rendered_valid, Compare::default()),
            false => self.measure(model, &self.parts.valid, self.compare()),
        }
    }

    fn criterion(&self) -> &'static str {
        "cer"
    }

    fn unit(&self) -> Unit {
        Unit::new(LossUnit::Nats, "labels")
    }

    fn save(&self, folder: &Path) -> Result<(), Error> {
        Ok(self.vocabulary.save(folder)?)
    }

    fn test(&mut self, model: &LineModel) -> Result<Metrics, Error> {
        match self.parts.test.is_empty() {
            true => Ok(Metrics::new()),
            false => self.measure(model, &self.parts.test, self.compare()),
        }
    }

    fn fingerprint(&self) -> String {
        let mut print = Fingerprint::new();
        for item in &self.parts.train {
            print.bytes(item.image.image().pixels()).text(&item.text);
        }
        if let Some(renderer) = &self.renderer {
            print.text(renderer.identity());
        }
        print.finish()
    }
}

/// Log-probabilities `[T,V]` of lines.
///
/// # Errors
/// Errors of the model.
pub(super) fn log_probabilities(
    model: &LineModel,
    lines: &[LineImage],
) -> Result<Vec<Vec<f32>>, Error> {
    let images = batch(lines, model.config().height, &model.device());
    Ok(model.scores(images, None)?.log_probabilities().rows())
}

/// Figures of a part in percent.
fn measure(
    model: &LineModel,
    decoder: &Decoder,
    part: &[Item],
    compare: Compare,
) -> Result<Metrics, Error> {
    /// Lines that are read at once.
    const TOGETHER: usize = 32;
    let mut order: Vec<&Item> = part.iter().collect();
    order.sort_by_key(|item| item.image.width());
    let mut rates = Rates::default();
    for own in order.chunks(TOGETHER) {
        let images: Vec<LineImage> = own
            .par_iter()
            .map(|item| LineImage::new(&item.image))
            .collect();
        let scores = log_probabilities(model, &images)?;
        for (item, text) in own.iter().zip(decoder.texts(&scores)?) {
            rates.add(&item.text, &text, compare);
        }
    }
    Ok(rates.metrics())
}
