//! Settings of rendering.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::RenderError;
use crate::text::{TextConfig, setting};

/// A way in which a line on paper differs from clean print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Degradation {
    /// Slanted by up to 0.3 pixels per pixel of height.
    Shear,
    /// Turned by up to 2 degrees.
    Rotation,
    /// The baseline is a sine of up to 8 % of the height.
    Sine,
    /// One end, or the foot, larger than the other.
    Perspective,
    /// The cut of the line off by -15 to +25 % of its height on each side.
    Crop,
    /// Parts of the lines above and below reach into the cut.
    Neighbours,
    /// A rule under the line.
    Underline,
    /// A frame around it.
    Frame,
    /// Bars of a table beside it or between words.
    Bars,
    /// Strokes thicker or thinner.
    Spread,
    /// Spots without ink.
    Holes,
    /// Ink that grows weaker along the line.
    InkGradient,
    /// Stripes of weak ink, as a thermal printer makes.
    Fading,
    /// Texture of the paper.
    Texture,
    /// Uneven light.
    Shade,
    /// Less contrast of ink and paper.
    Contrast,
    /// Light on dark.
    Inversion,
    /// Gaussian blur.
    Blur,
    /// Blur along one direction.
    Motion,
    /// Down to fewer pixels, and mostly up again.
    Resample,
    /// Noise of the sensor.
    Noise,
    /// Dark and light spots.
    Speckle,
    /// A power of the brightness, 0.5 to 2.
    Gamma,
    /// Black and white only, after noise.
    Threshold,
    /// JPEG of quality 30 to 90.
    Jpeg,
}

impl Degradation {
    /// All of them, each with its usual chance.
    pub const ALL: [(Self, f32); 25] = [
        (Self::Shear, 0.2),
        (Self::Rotation, 0.4),
        (Self::Sine, 0.12),
        (Self::Perspective, 0.12),
        (Self::Crop, 1.0),
        (Self::Neighbours, 0.3),
        (Self::Underline, 0.05),
        (Self::Frame, 0.05),
        (Self::Bars, 0.05),
        (Self::Spread, 0.3),
        (Self::Holes, 0.12),
        (Self::InkGradient, 0.12),
        (Self::Fading, 0.12),
        (Self::Texture, 0.25),
        (Self::Shade, 0.15),
        (Self::Contrast, 0.4),
        (Self::Inversion, 0.05),
        (Self::Blur, 0.35),
        (Self::Motion, 0.06),
        (Self::Resample, 0.35),
        (Self::Noise, 0.3),
        (Self::Speckle, 0.1),
        (Self::Gamma, 0.25),
        (Self::Threshold, 0.25),
        (Self::Jpeg, 0.3),
    ];
}

/// Chances and strength of degradations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DegradeConfig {
    /// Strength of all, 0 to 1; at 0 lines are clean.
    pub severity: f32,
    /// The chance of each, 0 to 1; those that are not named have the chance in [`Degradation::ALL`].
    pub chance: BTreeMap<Degradation, f32>,
}

impl Default for DegradeConfig {
    fn default() -> Self {
        Self {
            severity: 1.0,
            chance: BTreeMap::new(),
        }
    }
}

impl DegradeConfig {
    /// The settings in which only `one` happens, and always.
    pub fn only(one: Degradation, severity: f32) -> Self {
        let chance = |(other, _)| (other, if other == one { 1.0 } else { 0.0 });
        Self {
            severity,
            chance: Degradation::ALL.into_iter().map(chance).collect(),
        }
    }

    /// The chance of one.
    pub fn chance(&self, degradation: Degradation) -> f32 {
        let usual = || {
            Degradation::ALL
                .iter()
                .find(|(other, _)| *other == degradation)
        };
        self.chance
            .get(&degradation)
            .copied()
            .unwrap_or_else(|| usual().map_or(0.0, |&(_, chance)| chance))
    }

    pub(crate) fn check(&self) -> Result<(), RenderError> {
        let part = |value: f32| (0.0..=1.0).contains(&value);
        if !part(self.severity) {
            return Err(setting("severity", &self.severity, "0 to 1"));
        }
        match self.chance.iter().find(|&(_, &chance)| !part(chance)) {
            Some(wrong) => Err(setting("chance", &wrong, "0 to 1")),
            None => Ok(()),
        }
    }
}

/// Variety of clean print.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StyleConfig {
    /// Least and largest height of the letter x in pixels; every factor between has the same chance.
    pub x_height: [f32; 2],
    /// Least and largest factor of the distances of letters.
    pub letter_spacing: [f32; 2],
    /// Least and largest factor of the width of spaces.
    pub word_spacing: [f32; 2],
    /// Least and largest factor of the width of letters.
    pub stretch: [f32; 2],
    /// The part of lines whose letters are spaced; another part of this size is stretched.
    pub spaced: f32,
    /// The part of lines with ligatures such as "fi", where the face has them.
    pub ligatures: f32,
}

impl Default for StyleConfig {
    fn default() -> Self {
        Self {
            x_height: [8.0, 40.0],
            letter_spacing: [0.85, 1.4],
            word_spacing: [0.6, 2.5],
            stretch: [0.75, 1.35],
            spaced: 0.35,
            ligatures: 0.3,
        }
    }
}

impl StyleConfig {
    pub(crate) fn check(&self) -> Result<(), RenderError> {
        let within = |[low, high]: [f32; 2], least: f32, most: f32| {
            low >= least && low <= high && high <= most
        };
        let part = |value: f32| (0.0..=1.0).contains(&value);
        if !within(self.x_height, 3.0, 200.0) {
            return Err(setting(
                "x_height",
                &self.x_height,
                "3 to 200 pixels, the smaller first",
            ));
        }
        let factors = [
            ("letter_spacing", self.letter_spacing),
            ("word_spacing", self.word_spacing),
            ("stretch", self.stretch),
        ];
        if let Some((name, wrong)) = factors.iter().find(|(_, range)| !within(*range, 0.25, 8.0)) {
            return Err(setting(name, wrong, "0.25 to 8, the smaller first"));
        }
        match part(self.spaced) && part(self.ligatures) {
            true => Ok(()),
            false => Err(setting(
                "spaced or ligatures",
                &(self.spaced, self.ligatures),
                "0 to 1",
            )),
        }
    }
}

/// Kinds of pages, with the weights of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageConfig {
    /// Least and largest width in pixels, 200 to 4000; receipts have half of it.
    pub width: [usize; 2],
    /// Least and largest height of the letter x of running text in pixels.
    pub x_height: [f32; 2],
    /// Largest skew in degrees, 0 to 10.
    pub skew: f32,
    /// Paragraphs in one or two columns.
    pub article: f32,
    /// Narrow pages with prices on the right.
    pub receipt: f32,
    /// Rows and columns, mostly with rules.
    pub table: f32,
}

impl Default for PageConfig {
    fn default() -> Self {
        Self {
            width: [640, 1300],
            x_height: [7.0, 15.0],
            skew: 2.0,
            article: 0.4,
            receipt: 0.4,
            table: 0.2,
        }
    }
}

impl PageConfig {
    pub(crate) fn check(&self) -> Result<(), RenderError> {
        let [low, high] = self.width;
        if low < 200 || low > high || high > 4000 {
            return Err(setting(
                "width",
                &self.width,
                "200 to 4000 pixels, the smaller first",
            ));
        }
        let [low, high] = self.x_height;
        if !(low >= 3.0 && low <= high && high <= 60.0) {
            return Err(setting(
                "x_height",
                &self.x_height,
                "3 to 60 pixels, the smaller first",
            ));
        }
        if !(0.0..=10.0).contains(&self.skew) {
            return Err(setting("skew", &self.skew, "0 to 10 degrees"));
        }
        let weights = [self.article, self.receipt, self.table];
        let valid = weights
            .iter()
            .all(|weight| weight.is_finite() && *weight >= 0.0);
        match valid && weights.iter().sum::<f32>() > 0.0 {
            true => Ok(()),
            false => Err(setting(
                "article, receipt, table",
                &weights,
                "weights of 0 or more, one above 0",
            )),
        }
    }
}

/// All settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RenderConfig {
    /// Texts.
    pub text: TextConfig,
    /// Clean print.
    pub style: StyleConfig,
    /// Degradations.
    pub degrade: DegradeConfig,
    /// Pages.
    pub page: PageConfig,
}
