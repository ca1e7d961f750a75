//! Finds the weights of a search on validation data.

use super::Speech;
use super::corpus::Loader;
use super::loaded::Loaded;
use super::recipe::SpeechRecipe;
use super::trainee::{Rates, each_scored};
use crate::error::Error;
use crate::files;
use crate::metrics::Metrics;
use crate::store::ModelFolder;
use crate::tasks::ctc::{DECODER, Decoder, DecoderConfig, SearchOptions};
use crate::tasks::task::folder_of;
use crate::tasks::{Site, Split, data_folder};
use refrain_kernels::random::Key;
use serde::Serialize;
use std::path::Path;

/// The settings to try.
#[derive(Clone, Debug)]
pub struct TuneOptions {
    /// Language models whose weights are looked for, and the weights to begin with.
    pub search: SearchOptions,
    /// How many settings are tried.
    pub trials: usize,
    /// The figure to bring down: `wer` or `cer`.
    pub figure: String,
    /// Another seed tries others.
    pub seed: u64,
}

/// A setting that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct Trial {
    /// The setting.
    pub decoder: DecoderConfig,
    /// Its figures on the validation data.
    pub metrics: Metrics,
}

/// Tries settings of a search on the validation data, writes the best into the model folder and gives it; `observe`
/// sees each. Files that lie elsewhere are copied into the folder.
///
/// The first is the one given; a half are drawn over the whole range, the others around the best so far.
///
/// # Errors
/// A setting without a model to weigh, a folder or data that cannot be used.
pub fn tune(
    folder: &Path,
    options: &TuneOptions,
    data: Option<&Path>,
    site: &Site,
    observe: &mut dyn FnMut(usize, &Trial),
) -> Result<Trial, Error> {
    let folder = folder_of::<Speech>(folder)?;
    let data = data_folder(&folder, data);
    let recipe: SpeechRecipe = folder.recipe().body()?;
    let config = &options.search.to_tune(&DecoderConfig::of(&folder)?)?;
    let loaded = Loaded::with_decoder(&folder, recipe, config.clone(), site)?;
    let (speech, seed) = (&loaded.recipe, loaded.seed);
    let loader = Loader::new(&speech.data, seed, &data, &loaded.features);
    let part = loader.part(Split::Validation)?;
    let (mut references, mut scores) = (Vec::new(), Vec::new());
    each_scored(&loaded.model, &loaded.features, &part, |items, own| {
        references.extend(items.iter().map(|item| &item.transcript));
        scores.extend(own);
        Ok(())
    })?;
    let measure = |config: &DecoderConfig| -> Result<Metrics, Error> {
        let decoder = Decoder::new(&loaded.labels, config, &loaded.models)?;
        let mut rates = Rates::default();
        for (reference, text) in references.iter().zip(decoder.texts(&scores)?) {
            rates.add(reference, &text);
        }
        Ok(rates.metrics())
    };
    let best = search(config, options, measure, observe)?;
    files::write_toml(folder.path(), DECODER, &kept(&best.decoder, &folder)?)?;
    Ok(best)
}

/// The best of the settings that are tried around `config`.
fn search(
    config: &DecoderConfig,
    options: &TuneOptions,
    measure: impl Fn(&DecoderConfig) -> Result<Metrics, Error>,
    observe: &mut dyn FnMut(usize, &Trial),
) -> Result<Trial, Error> {
    let mut best: Option<Trial> = None;
    let score = |trial: &Trial| {
        let own = |name: &str| trial.metrics.get(name).copied().unwrap_or(f64::INFINITY);
        (own(&options.figure), own("cer"))
    };
    for number in 0..options.trials.max(1) {
        let key = Key::new(options.seed).fold(number as u64);
        let decoder = match (&best, number) {
            (_, 0) | (None, _) => config.clone(),
            (Some(best), _) if 2 * number > options.trials => drawn(&best.decoder, 0.2, key),
            _ => drawn(config, 1.0, key),
        };
        let trial = Trial {
            metrics: measure(&decoder)?,
            decoder,
        };
        observe(number + 1, &trial);
        if best.as_ref().is_none_or(|best| score(&trial) < score(best)) {
            best = Some(trial);
        }
    }
    best.ok_or_else(|| Error::Config("no setting was tried".into()))
}

/// The settings with the names of files inside the folder; a file from elsewhere is copied into it.
///
/// # Errors
/// Another file of the same name in the folder, or a copy that fails.
fn kept(config: &DecoderConfig, folder: &ModelFolder) -> Result<DecoderConfig, Error> {
    let real = |path: &Path| path.canonicalize().map_err(Error::io("find", path));
    let home = real(folder.path())?;
    let mut config = config.clone();
    for file in config.files_mut().into_iter().flatten() {
        let from = real(file)?;
        if let Ok(name) = from.strip_prefix(&home) {
            *file = name.to_path_buf();
            continue;
        }
        let name = from.file_name().unwrap_or_default();
        let to = home.join(name);
        let bytes = files::read(&from)?;
        if to.exists() && files::read(&to)? != bytes {
            let problem = format!(
                "it has another {} already; remove it, or give yours another name",
                to.display()
            );
            return Err(Error::folder(folder.path(), problem));
        }
        files::atomic::write(&to, &bytes)?;
        *file = name.into();
    }
    Ok(config)
}

/// Weights within `reach` of their whole range, for the models that there are.
fn drawn(around: &DecoderConfig, reach: f64, key: Key) -> DecoderConfig {
    let mut draws = 0;
    let mut draw = |at: f64, [low, high]: [f64; 2]| {
        draws += 1;
        let unit = f64::from(key.uniform_f32(draws));
        let drawn = match reach < 1.0 {
            true => at + (2.0 * unit - 1.0) * reach * (high - low) / 2.0,
            false => low + unit * (high - low),
        };
        // Two digits say enough, and read well.
        (drawn.clamp(low, high) * 100.0).round() / 100.0
    };
    let mut config = around.clone();
    if config.words.is_some() {
        config.word_weight = draw(config.word_weight, [0.0, 2.0]);
        config.unknown_bonus = draw(config.unknown_bonus, [-10.0, 0.0]);
    }
    config.word_bonus = draw(config.word_bonus, [-2.0, 5.0]);
    if config.characters.is_some() {
        config.character_weight = draw(config.character_weight, [0.0, 1.5]);
        config.character_bonus = draw(config.character_bonus, [-1.0, 2.0]);
    }
    config
}
