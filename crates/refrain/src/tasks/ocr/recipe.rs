//! The recipe of a model of text lines.

use super::spelling::Spelling;
use crate::models::LineModelConfig;
use refrain_render::{DegradeConfig, StyleConfig, TextConfig};
use refrain_tesseract::Architecture;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Data and model of text lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OcrRecipe {
    /// The lines.
    #[serde(default)]
    pub data: OcrData,
    /// The model.
    #[serde(default)]
    pub model: LineModelConfig,
    /// A network that Tesseract trained, in the place of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tesseract: Option<Architecture>,
}

/// Lines with their texts: rendered, from files, or both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OcrData {
    /// Characters that the model writes; absent: those of the training texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alphabet: Option<String>,
    /// The labels of a text.
    #[serde(default)]
    pub spelling: Spelling,
    /// Lines that are rendered as the training needs them; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub render: Option<RenderData>,
    /// Lines to learn from: files or folders in the data folder.
    #[serde(default)]
    pub train: Vec<String>,
    /// Lines to choose the best epoch by; rendered ones of other fonts if there are none.
    #[serde(default)]
    pub valid: Vec<String>,
    /// Lines to measure the result on.
    #[serde(default)]
    pub test: Vec<String>,
    /// Parts by page instead: lines of `train` go to training, validation or test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<Folds>,
    /// Times that each line of `train` is read in an epoch.
    #[serde(default = "once")]
    pub times: usize,
    /// Whether the texts of `train`, `valid` and `test` do not tell capitals from small letters. Both spellings are
    /// then right, in the loss and in the figures.
    #[serde(default)]
    pub fold_case: bool,
    /// Whether quotation marks and dashes are compared in their plain forms (`"`, `'`, `-`) in the figures: many texts
    /// were typed with these.
    #[serde(default)]
    pub plain_marks: bool,
    /// Random changes of the lines of `train`; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<DegradeConfig>,
    /// Where missing files can be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// SHA-256 of files, so that a figure belongs to known data.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sha256: BTreeMap<String, String>,
}

fn once() -> usize {
    1
}

/// Lines made of texts and fonts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenderData {
    /// Lines of an epoch.
    pub lines: usize,
    /// Lines for validation, in fonts that no training line has.
    #[serde(default = "thousand")]
    pub valid: usize,
    /// Folders of fonts.
    pub fonts: Vec<PathBuf>,
    /// Share of the families that is for validation alone.
    #[serde(default = "tenth")]
    pub held_out: f64,
    /// Files of words or running text, UTF-8.
    #[serde(default)]
    pub texts: Vec<PathBuf>,
    /// Kinds of text.
    #[serde(default)]
    pub text: TextConfig,
    /// Variety of print.
    #[serde(default)]
    pub style: StyleConfig,
    /// Random changes of the image.
    #[serde(default)]
    pub degrade: DegradeConfig,
    /// Strength of the changes at the beginning of the training, of 1; it grows to 1 over the first third.
    #[serde(default = "weak")]
    pub severity: f32,
}

fn thousand() -> usize {
    1000
}

fn tenth() -> f64 {
    0.1
}

fn weak() -> f32 {
    0.4
}

/// Cuts the lines by their pages into equal folds: one is for test, the next one for validation, the others for
/// training. Without a fold for test, the first one is for validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folds {
    /// Folds, at least 2, and one more where one is for test.
    pub count: usize,
    /// The fold for test, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<usize>,
}
