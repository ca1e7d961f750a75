//! The recipe of a model that finds text lines.

use crate::models::PageModelConfig;
use refrain_render::{DegradeConfig, PageConfig, StyleConfig, TextConfig};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Data and model of text detection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectionRecipe {
    /// The pages.
    pub data: DetectionData,
    /// The model.
    #[serde(default)]
    pub model: PageModelConfig,
}

/// Pages with the corners of their lines: from files, rendered, or both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectionData {
    /// Pages to learn from: folders or files in the data folder.
    #[serde(default)]
    pub train: Vec<String>,
    /// Pages to choose the best epoch by; rendered ones if there are none.
    #[serde(default)]
    pub valid: Vec<String>,
    /// Pages to measure the result on.
    #[serde(default)]
    pub test: Vec<String>,
    /// Pages that are rendered, beside those of files; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub render: Option<RenderPages>,
    /// Cuts of pages in an epoch.
    #[serde(default = "cuts")]
    pub cuts: usize,
    /// Height and width of a cut, pixels.
    #[serde(default = "side")]
    pub side: usize,
    /// Least and largest factor of the size of a cut, beside the usual height of lines.
    #[serde(default = "scales")]
    pub scales: [f32; 2],
    /// Random changes of the pages of files. Those that move letters are left out.
    #[serde(default)]
    pub augment: DegradeConfig,
    /// Probability of text from which on a pixel belongs to a line.
    #[serde(default = "half")]
    pub level: f32,
    /// Where missing files can be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// SHA-256 of files, so that a figure belongs to known data.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sha256: BTreeMap<String, String>,
}

fn cuts() -> usize {
    4096
}

fn side() -> usize {
    320
}

fn scales() -> [f32; 2] {
    [0.7, 1.4]
}

fn half() -> f32 {
    0.5
}

/// Rendered pages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenderPages {
    /// Share of the cuts that are of rendered pages.
    #[serde(default = "half")]
    pub share: f32,
    /// Different pages of an epoch.
    pub pages: usize,
    /// Pages for validation if files have none.
    #[serde(default = "forty")]
    pub valid: usize,
    /// Folders of fonts.
    pub fonts: Vec<PathBuf>,
    /// Files of words or running text, UTF-8.
    #[serde(default)]
    pub texts: Vec<PathBuf>,
    /// Kinds of text.
    #[serde(default)]
    pub text: TextConfig,
    /// Variety of print.
    #[serde(default)]
    pub style: StyleConfig,
    /// Kinds of pages.
    #[serde(default)]
    pub page: PageConfig,
    /// Random changes of the image.
    #[serde(default)]
    pub degrade: DegradeConfig,
}

fn forty() -> usize {
    40
}
