//! Learns from lines how sure a model may be of its words.

use super::confidence::{CONFIDENCE, Confidence, judged};
use super::data::Item;
use super::{Loaded, Ocr, part, texts};
use crate::error::Error;
use crate::files;
use crate::tasks::task::{folder_of, options_of};
use crate::tasks::{EvaluateData, Site, Spec, Split, data_folder};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The confidence of a model as it was learned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// As the folder keeps it.
    pub confidence: Confidence,
    /// Words that it was learned from.
    pub words: usize,
    /// Those of them that are right.
    pub right: usize,
    /// The expected calibration error of the plain probabilities on these words, percent.
    pub error_before: f64,
    /// That of the calibrated ones, on the same words.
    pub error_after: f64,
}

/// Learns the [`Confidence`] of a model from lines and their texts, and writes it into its folder: from the validation
/// data of its recipe, or from other lines. `options` say how texts are compared.
///
/// # Errors
/// A folder or lines that cannot be used, too few words, or a confidence that tells nothing.
pub fn calibrate(
    folder: &Path,
    options: toml::Table,
    lines: &[PathBuf],
    data: Option<&Path>,
    site: &Site,
) -> Result<Calibration, Error> {
    let folder = folder_of::<Ocr>(folder)?;
    let site = Site {
        data: data_folder(&folder, data),
        ..site.clone()
    };
    let options = options_of::<Ocr>(options)?;
    let mut trained = <Ocr as Spec>::load(&folder, folder.recipe().body()?, options, &site)?;
    trained.confidence = Confidence::default();
    let mut items: Vec<Item> = Vec::new();
    for path in lines {
        items.extend(part(&trained, &EvaluateData::File(path.clone()), &site)?);
    }
    if lines.is_empty() {
        items = part(&trained, &EvaluateData::Split(Split::Validation), &site)?;
    }
    let words = words(&trained, &items)?;
    let confidence = Confidence::fit(&words)?;
    let error = |own: Confidence| own.error(&words).unwrap_or(0.0);
    files::write_toml(folder.path(), CONFIDENCE, &confidence)?;
    Ok(Calibration {
        confidence,
        words: words.len(),
        right: words.iter().filter(|own| own.1).count(),
        error_before: error(Confidence::default()),
        error_after: error(confidence),
    })
}

/// The words of lines: how sure the model is of each, and whether it is right.
fn words(trained: &Loaded, items: &[Item]) -> Result<Vec<(f64, bool)>, Error> {
    let mut words = Vec::new();
    texts(trained, items, true, |_, reference, line| {
        words.extend(judged(reference, line, trained.compare));
    })?;
    Ok(words)
}
