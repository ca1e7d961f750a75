//! The recipe of a language model.

use crate::error::Error;
use crate::memory;
use crate::models::{CellKind, Dropout, LanguageModelConfig};
use crate::recipe::{self, Header, Recipe};
use crate::train::optimizer::Moments;
use crate::train::{OptimizerConfig, ScheduleConfig, TrainConfig};
use refrain_data::corpus::Source;
use refrain_data::vocab::VocabularyKind;
use refrain_decode::Sampler;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Data, model and sample of a language model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageRecipe {
    /// The text.
    pub data: DataConfig,
    /// The model.
    #[serde(default)]
    pub model: LanguageModelConfig,
    /// The text that the model writes at the end.
    #[serde(default)]
    pub generate: GenerateConfig,
}

/// The text, its vocabulary, and how it is cut into batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Where the text comes from.
    pub text: Source,
    /// The kind of tokens.
    pub vocabulary: VocabularyKind,
    /// Steps that the gradient goes back, `T`.
    #[serde(default = "usual_time")]
    pub time: usize,
    /// Vary `T` from batch to batch as AWD-LSTM does; the learning rate follows the length.
    #[serde(default)]
    pub random_lengths: bool,
    /// Where missing files can be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// SHA-256 of each file, so that a figure belongs to known data.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sha256: BTreeMap<String, String>,
}

fn usual_time() -> usize {
    64
}

/// A text to write, and how its tokens are chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenerateConfig {
    /// Text that the model reads first; may be empty.
    pub prime: String,
    /// Tokens to write, at most.
    pub length: usize,
    /// 1: as the model learned it; lower: surer; 0: always the likeliest token.
    pub temperature: f64,
    /// Draw from this many of the likeliest tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
    /// Draw from the likeliest tokens that together have this probability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// The text ends before the first of these texts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// The same seed gives the same text.
    pub seed: u64,
    /// Likeliest tokens that are told beside each token of the text.
    #[serde(skip_serializing_if = "is_none")]
    pub alternatives: usize,
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

impl Default for GenerateConfig {
    fn default() -> Self {
        Self {
            prime: String::new(),
            length: 500,
            temperature: 1.0,
            top_k: None,
            top_p: None,
            stop: Vec::new(),
            seed: 1,
            alternatives: 0,
        }
    }
}

impl GenerateConfig {
    /// The sampler of its settings.
    ///
    /// # Errors
    /// A setting out of range.
    pub fn sampler(&self) -> Result<Sampler, Error> {
        Ok(Sampler::new(self.temperature, self.top_k, self.top_p)?)
    }
}

/// Settings of a language model in use; an absent one is that of the recipe.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenerateOptions {
    /// As [`GenerateConfig::length`].
    pub length: Option<usize>,
    /// As [`GenerateConfig::temperature`].
    pub temperature: Option<f64>,
    /// As [`GenerateConfig::top_k`].
    pub top_k: Option<usize>,
    /// As [`GenerateConfig::top_p`].
    pub top_p: Option<f64>,
    /// As [`GenerateConfig::stop`].
    pub stop: Vec<String>,
    /// As [`GenerateConfig::seed`].
    pub seed: Option<u64>,
    /// As [`GenerateConfig::alternatives`].
    pub alternatives: Option<usize>,
}

impl GenerateOptions {
    /// The settings of a recipe with these put over them. The prime is not among them: it is the input of a session.
    pub fn over(&self, config: &GenerateConfig) -> GenerateConfig {
        GenerateConfig {
            prime: config.prime.clone(),
            length: self.length.unwrap_or(config.length),
            temperature: self.temperature.unwrap_or(config.temperature),
            top_k: self.top_k.or(config.top_k),
            top_p: self.top_p.or(config.top_p),
            stop: match self.stop.is_empty() {
                true => config.stop.clone(),
                false => self.stop.clone(),
            },
            seed: self.seed.unwrap_or(config.seed),
            alternatives: self.alternatives.unwrap_or(config.alternatives),
        }
    }
}

/// Bytes of the text in a file. A gzip file says at its end how many it unpacks to.
fn text_bytes(file: &Path) -> io::Result<u64> {
    let mut open = File::open(file)?;
    let packed = open.metadata()?.len();
    let (mut start, mut end) = (Vec::new(), [0; 4]);
    (&mut open).take(2).read_to_end(&mut start)?;
    if start != [0x1F, 0x8B] || packed < 4 {
        return Ok(packed);
    }
    open.seek(SeekFrom::End(-4))?;
    open.read_exact(&mut end)?;
    Ok(u64::from(u32::from_le_bytes(end)).max(packed))
}

/// A recipe for a model of characters that fits the text in `file`. It names the file alone: the file's own folder is
/// the data folder.
pub(super) fn for_text(file: &Path) -> Result<Recipe, Error> {
    let bytes = text_bytes(file).map_err(Error::io("read", file))?;
    // Measured on Shakespeare's plays, bits per character of validation text. 100 KB: 384 units 2.03 after 10 passes,
    // 256
    // units 2.10, 128 units 2.14; without dropout 0.05 more. 1.1 MB: 512 units 2.23 after 2 passes, 256 units 2.24
    // after 4.
    let (hidden, dropout) = match bytes {
        0..200_000 => (384, 0.4),
        200_000..2_000_000 => (512, 0.2),
        2_000_000..20_000_000 => (512, 0.1),
        _ => (768, 0.0),
    };
    // Minutes to hours on two cores. A short text is read more often.
    let most = (1_000_000 / bytes.max(1)).clamp(10, 30);
    let epochs = (20_000_000 / bytes.max(1)).clamp(1, most);
    let name = file
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let own_name = file.file_name().and_then(|name| name.to_str());
    let own_name = own_name.ok_or_else(|| {
        Error::Config(format!(
            "{} has a name that is not UTF-8, which a recipe cannot hold; rename it",
            file.display()
        ))
    })?;
    let body = LanguageRecipe {
        data: DataConfig {
            text: Source::File {
                file: own_name.to_string(),
                fractions: [0.9, 0.05, 0.05],
            },
            vocabulary: VocabularyKind::Characters,
            time: 100,
            random_lengths: false,
            source: None,
            sha256: BTreeMap::new(),
        },
        model: LanguageModelConfig {
            cell: CellKind::Gru,
            embedding: 64,
            hidden,
            layers: 1,
            dropout: Dropout {
                output: dropout,
                ..Dropout::default()
            },
            ..LanguageModelConfig::default()
        },
        generate: GenerateConfig {
            temperature: 0.8,
            ..GenerateConfig::default()
        },
    };
    let train = TrainConfig {
        batch: (bytes / 20_000).clamp(4, 32) as usize,
        epochs,
        optimizer: OptimizerConfig::AdamW(Moments {
            lr: 3e-3,
            weight_decay: 0.0,
            betas: [0.9, 0.999],
            eps: 1e-8,
        }),
        schedule: ScheduleConfig::Cosine {
            warmup: 0.02,
            last: 0.02,
        },
        ..TrainConfig::default()
    };
    Ok(Recipe {
        task: super::NAME.into(),
        recipe: Header {
            description: format!("characters of {own_name}, {} of text", memory::size(bytes)),
            data: own_name.to_string(),
            name,
            ..Header::default()
        },
        body: recipe::table(&body).map_err(Error::Config)?,
        train,
    })
}
