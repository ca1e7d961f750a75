//! Language modelling: which token comes next?

mod generate;
mod measure;
mod text;
mod trainee;

pub use generate::Generated;

use super::run::{Start, data_folder, open};
use super::{EvaluateOn, Evaluation, Metric, Split, Summary, TrainOptions};
use crate::error::Error;
use crate::models::{LanguageModel, LanguageModelConfig};
use crate::params;
use crate::recipe::{GenerateConfig, Recipe};
use crate::store::{About, ModelFolder};
use crate::train::fit::by_name;
use crate::train::{Control, Metrics, Observer};
use burn::tensor::Device;
use refrain_data::vocab::Vocabulary;
use refrain_kernels::Precision;
use std::path::Path;
use text::Text;
use trainee::LanguageTrainee;

/// What recipes call the task.
pub const NAME: &str = "language";

/// Its figures.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "perplexity",
        meaning: "exp of the mean negative log-likelihood of a token: as good as guessing among so many; lower is better",
    },
    Metric {
        name: "bits_per_character",
        meaning: "bits that the model needs to encode a character of the text; lower is better",
    },
    Metric {
        name: "true_bits_per_character",
        meaning: "on generated text: bits that the best possible model needs",
    },
];

pub(super) fn train(
    recipe: &Recipe,
    options: &TrainOptions,
    observe: Observer,
) -> Result<Summary, Error> {
    // Before the folder is made, data and settings must be there.
    let ready = Ready::new(recipe, options.data.as_deref())?;
    ready.run(Start::new(recipe, options)?, observe)
}

pub(super) fn resume(
    folder: ModelFolder,
    data: Option<&Path>,
    observe: Observer,
) -> Result<Summary, Error> {
    let start = match Start::again(folder, data)? {
        Ok(start) => start,
        Err(finished) => return Ok(finished),
    };
    let recipe = start.folder.about().recipe.clone();
    Ready::new(&recipe, start.data.as_deref())?.run(start, observe)
}

/// All that a run needs.
struct Ready {
    text: Text,
    model: LanguageModel,
    trainee: LanguageTrainee,
}

impl Ready {
    fn new(recipe: &Recipe, data: Option<&Path>) -> Result<Self, Error> {
        let text = Text::load(recipe.language()?, data)?;
        let (vocabulary, seed) = (text.vocabulary.len(), recipe.train.seed);
        let device = Device::flex().autodiff();
        Ok(Self {
            model: recipe.language()?.model.init(vocabulary, seed, &device)?,
            trainee: LanguageTrainee::new(recipe, &text)?,
            text,
        })
    }

    fn run(self, start: Start, observe: Observer) -> Result<Summary, Error> {
        let Self {
            text,
            model,
            trainee,
        } = self;
        text.vocabulary.save(start.folder.path())?;
        start.run(trainee, model, text.vocabulary.len(), observe, |best| {
            let (metrics, _) = measure::exactly(best, &text.vocabulary, &text.corpus.test)?;
            Ok(text.with_truth(metrics, Split::Test))
        })
    }
}

pub(super) fn evaluate(
    folder: &Path,
    on: &EvaluateOn,
    data: Option<&Path>,
    precision: Option<Precision>,
) -> Result<Evaluation, Error> {
    let mut loaded = load_language_model(folder)?;
    if let Some(precision) = precision {
        loaded = loaded.with_precision(precision);
    }
    let (metrics, unknown) = match on {
        EvaluateOn::File(file) => loaded.evaluate_text(&text::read(file)?)?,
        EvaluateOn::Split(split) => {
            let data = data_folder(&ModelFolder::open(folder)?, data);
            let text = Text::load(loaded.about.recipe.language()?, data.as_deref())?;
            let (metrics, unknown) = loaded.evaluate_text(text.part(*split))?;
            (text.with_truth(metrics, *split), unknown)
        }
    };
    Ok(Evaluation {
        task: NAME.to_string(),
        metrics,
        unknown,
    })
}

/// A trained language model with what it needs to read and write.
pub struct Loaded {
    /// Off autodiff.
    pub model: LanguageModel,
    /// Text to tokens and back.
    pub vocabulary: Vocabulary,
    /// The recipe and the figures.
    pub about: About,
}

/// Opens a model folder that [`train`](super::train) wrote.
///
/// # Errors
/// A folder that is missing, incomplete, damaged or of another task.
pub fn load_language_model(folder: &Path) -> Result<Loaded, Error> {
    let folder = open(folder, &[NAME])?;
    let about = folder.about().clone();
    let tensors = folder.tensors()?;
    let vocabulary = Vocabulary::load(folder.path())?;
    let config = &about.recipe.language()?.model;
    check_sizes(&folder, config, &vocabulary, &tensors)?;
    let model = config.init(vocabulary.len(), 0, &Device::flex())?;
    let model = params::import(model, &tensors)?;
    Ok(Loaded {
        model,
        vocabulary,
        about,
    })
}

/// Before memory is taken for a model as large as `model.toml` says, the file must hold as much.
fn check_sizes(
    folder: &ModelFolder,
    model: &LanguageModelConfig,
    vocabulary: &Vocabulary,
    tensors: &std::collections::BTreeMap<String, params::NamedTensor>,
) -> Result<(), Error> {
    let name = "embedding.weight";
    let embedding = tensors
        .get(name)
        .ok_or_else(|| Error::MissingTensor { name: name.into() })?;
    let expected = vec![vocabulary.len(), model.embedding];
    if embedding.shape != expected {
        return Err(Error::TensorShape {
            name: name.into(),
            expected,
            got: embedding.shape.clone(),
        });
    }
    let held: usize = tensors.values().map(|tensor| tensor.data.len()).sum();
    let wanted = model
        .hidden
        .saturating_mul(model.hidden)
        .saturating_mul(model.layers.saturating_sub(1));
    if model.layers > tensors.len() || model.hidden > held || wanted > held {
        let problem =
            "model.toml and model.safetensors belong to different models; copy the folder again";
        return Err(Error::folder(folder.path(), problem));
    }
    Ok(())
}

impl Loaded {
    /// The same model with products of another precision than the one it was trained with.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.model = self.model.with_precision(precision);
        self
    }

    /// Figures on a text, and how many of its characters (or words) the vocabulary lacks: these count as `<unk>`.
    ///
    /// # Errors
    /// A text that is too short to predict anything in.
    pub fn evaluate_text(&self, text: &str) -> Result<(Metrics, usize), Error> {
        measure::exactly(&self.model, &self.vocabulary, text)
    }

    /// Continues `options.prime` (or, where that is empty, begins after a line end); `write` gets the new text piece by piece.
    ///
    /// Characters that the vocabulary lacks are read as its unknown token and counted. The same seed gives the same text.
    ///
    /// # Errors
    /// A temperature, top-k or top-p out of range.
    pub fn generate(
        &self,
        options: &GenerateConfig,
        write: &mut dyn FnMut(&str) -> Control,
    ) -> Result<Generated, Error> {
        generate::generate(&self.model, &self.vocabulary, options, write)
    }
}

/// Names the tensors of a model, as its folder holds them.
pub fn tensors(model: &LanguageModel) -> std::collections::BTreeMap<String, params::NamedTensor> {
    by_name(params::export(model))
}
