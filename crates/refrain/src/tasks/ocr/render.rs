//! Rendered lines as items of a training.

use super::data::Item;
use super::image::Scaled;
use super::recipe::{OcrData, RenderData};
use super::spelling::Spelling;
use crate::error::Error;
use crate::tasks::Site;
use rayon::prelude::*;
use refrain_render::{FontOptions, Fonts, Line, Part, RenderConfig, TextSource};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// Share of the training over which the changes grow to their full strength.
const GROWS: f64 = 1.0 / 3.0;

/// Seeds of the lines for validation differ from those for training by this.
const VALIDATION: u64 = 0x5641_4C49_4400_0000;

/// Draws lines for training, and others for validation.
pub(super) struct Renderer {
    training: refrain_render::Renderer,
    held_out: refrain_render::Renderer,
    seed: u64,
    /// At the beginning.
    severity: f32,
    height: usize,
    spelling: Spelling,
    identity: String,
}

impl Renderer {
    /// # Errors
    /// Folders without a usable font, texts that cannot be read, or invalid settings.
    pub fn new(
        config: &RenderData,
        data: &OcrData,
        height: usize,
        site: &Site,
    ) -> Result<Self, Error> {
        let inside = |path: &PathBuf| site.data.join(path);
        let folders: Vec<PathBuf> = config.fonts.iter().map(inside).collect();
        let options = FontOptions {
            alphabet: config.text.alphabet.clone(),
            held_out: config.held_out,
            ..FontOptions::default()
        };
        let fonts = Arc::new(Fonts::load(&folders, &options)?);
        let texts: Vec<PathBuf> = config.texts.iter().map(inside).collect();
        let settings = RenderConfig {
            text: config.text.clone(),
            style: config.style.clone(),
            degrade: config.degrade.clone(),
            ..RenderConfig::default()
        };
        let source = TextSource::new(config.text.clone(), &texts)?;
        // One family is not enough to hold one out.
        let apart = fonts.families(Part::HeldOut).next().is_some()
            && fonts.families(Part::Training).next().is_some();
        let [training, held_out] = match apart {
            true => [Part::Training, Part::HeldOut],
            false => [Part::All, Part::All],
        };
        let renderer =
            |part, source| refrain_render::Renderer::new(&fonts, part, source, settings.clone());
        let families: Vec<&str> = fonts.families(Part::All).collect();
        let described = serde_json::to_string(config).unwrap_or_default();
        Ok(Self {
            identity: format!("{described} {}", families.join(",")),
            training: renderer(training, source.clone())?,
            held_out: renderer(held_out, source)?,
            seed: site.seed,
            severity: config.severity,
            height,
            spelling: data.spelling,
        })
    }

    /// Lines for training by their numbers, `done` of the way through it (0 to 1).
    ///
    /// # Errors
    /// A severity that is none.
    pub fn training(&self, numbers: Range<u64>, done: f64) -> Result<Vec<Item>, Error> {
        let grown = (done / GROWS).clamp(0.0, 1.0) as f32;
        let full = self.training.config().degrade.severity;
        let severity = full * (self.severity + (1.0 - self.severity) * grown);
        let renderer = self.training.with_severity(severity)?;
        Ok(self.items(&renderer, self.seed, numbers))
    }

    /// The first lines of a training as they are before they are scaled, at this share of the full strength of changes.
    ///
    /// # Errors
    /// A severity that is none.
    pub fn lines(&self, count: usize, severity: f32) -> Result<Vec<Line>, Error> {
        let full = self.training.config().degrade.severity;
        let renderer = self.training.with_severity(full * severity)?;
        let numbers = (0..count as u64).into_par_iter();
        Ok(numbers
            .map(|number| renderer.line(self.seed, number))
            .collect())
    }

    /// The first `count` lines for validation.
    pub fn held_out(&self, count: usize) -> Vec<Item> {
        self.items(&self.held_out, self.seed ^ VALIDATION, 0..count as u64)
    }

    fn items(
        &self,
        renderer: &refrain_render::Renderer,
        seed: u64,
        numbers: Range<u64>,
    ) -> Vec<Item> {
        let items = numbers.into_par_iter().map(|number| {
            let Line { image, text } = renderer.line(seed, number);
            let name = format!("rendered {number}");
            Item {
                page: name.clone(),
                name,
                image: Scaled::new(&image, self.height),
                tall: None,
                text: self.spelling.spell(&text),
            }
        });
        items.collect()
    }

    /// Everything that the lines follow from, beside the seed.
    pub fn identity(&self) -> &str {
        &self.identity
    }
}
