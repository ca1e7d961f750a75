//! Language modelling: which token comes next?

mod generate;
mod measure;
mod text;
mod trainee;

pub use generate::Generated;

use super::run::{Job, Start, data_folder, load_model, open};
use super::{EvaluateOn, EvaluateOptions, Evaluation, Metric, Split, Summary};
use crate::error::Error;
use crate::models::LanguageModel;
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

/// A run of the task.
pub(super) struct LanguageJob {
    text: Text,
    model: LanguageModel,
    trainee: LanguageTrainee,
}

impl Job for LanguageJob {
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
    options: &EvaluateOptions,
) -> Result<Evaluation, Error> {
    let mut loaded = load_language_model(folder)?;
    if let Some(precision) = options.precision {
        loaded = loaded.with_precision(precision);
    }
    let (metrics, unknown) = match on {
        EvaluateOn::File(file) => loaded.evaluate_text(&text::read(file)?)?,
        EvaluateOn::Split(split) => {
            let data = data_folder(&ModelFolder::open(folder)?, options.data.as_deref());
            let text = Text::load(loaded.about.recipe.language()?, data.as_deref())?;
            let (metrics, unknown) = loaded.evaluate_text(text.part(*split))?;
            (text.with_truth(metrics, *split), unknown)
        }
    };
    Ok(Evaluation {
        task: NAME.to_string(),
        metrics,
        unknown,
        worst: Vec::new(),
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
    let vocabulary = Vocabulary::load(folder.path())?;
    let config = &about.recipe.language()?.model;
    let parameters = config.parameters(vocabulary.len());
    let model = load_model(&folder, parameters, || {
        config.init(vocabulary.len(), 0, &Device::flex())
    })?;
    Ok(Loaded {
        model,
        vocabulary,
        about,
    })
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
