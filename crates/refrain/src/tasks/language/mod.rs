//! Language modelling: which token comes next?

mod generate;
mod measure;
mod text;
mod trainee;

pub use generate::Generated;

use super::{EvaluateOn, Evaluation, Metric, Split, Summary, TrainOptions};
use crate::error::Error;
use crate::models::LanguageModel;
use crate::params;
use crate::recipe::{GenerateConfig, Recipe};
use crate::store::{About, Figures, ModelFolder};
use crate::train::fit::{Files, by_name};
use crate::train::{Checkpoint, Control, Event, Metrics, Observer, Stopped, fit, log};
use burn::module::Module;
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
    let text = Text::load(recipe, options.data.as_deref())?;
    let about = About {
        version: env!("CARGO_PKG_VERSION").to_string(),
        figures: Figures::default(),
        recipe: recipe.clone(),
    };
    let device = Device::flex().autodiff();
    let model = recipe
        .model
        .init(text.vocabulary.len(), recipe.train.seed, &device)?;
    let trainee = LanguageTrainee::new(recipe, &text)?;
    let folder = ModelFolder::create(&options.out, about)?;
    text.vocabulary.save(folder.path())?;
    run(
        folder,
        text,
        trainee,
        model,
        None,
        options.data.as_deref(),
        observe,
    )
}

pub(super) fn resume(
    folder: ModelFolder,
    data: Option<&Path>,
    observe: Observer,
) -> Result<Summary, Error> {
    let About {
        figures, recipe, ..
    } = folder.about().clone();
    let file = folder.checkpoint();
    if figures.finished {
        let stopped = match file.exists() {
            true => Checkpoint::progress(&file)?
                .stopped
                .unwrap_or(Stopped::Done),
            false => Stopped::Done,
        };
        return Ok(summary(&folder, stopped));
    }
    // A run that was killed before its first checkpoint begins anew.
    let checkpoint = match file.exists() {
        true => Some(Checkpoint::load(&file)?),
        false => None,
    };
    let remembered = checkpoint
        .as_ref()
        .and_then(|checkpoint| checkpoint.progress.data.clone());
    let data = data.map(Path::to_path_buf).or(remembered);
    let text = Text::load(&recipe, data.as_deref())?;
    let device = Device::flex().autodiff();
    let model = recipe
        .model
        .init(text.vocabulary.len(), recipe.train.seed, &device)?;
    let trainee = LanguageTrainee::new(&recipe, &text)?;
    text.vocabulary.save(folder.path())?;
    run(
        folder,
        text,
        trainee,
        model,
        checkpoint,
        data.as_deref(),
        observe,
    )
}

fn run(
    mut folder: ModelFolder,
    text: Text,
    mut trainee: LanguageTrainee,
    model: LanguageModel,
    checkpoint: Option<Checkpoint>,
    data: Option<&Path>,
    observe: Observer,
) -> Result<Summary, Error> {
    let recipe = folder.about().recipe.clone();
    let mut figures = Figures {
        parameters: model.num_params(),
        vocabulary: text.vocabulary.len(),
        ..Figures::default()
    };
    folder.set_figures(figures.clone())?;
    let files = Files::of(&folder);
    let shell = model.valid();
    let outcome = fit(
        &mut trainee,
        model,
        &recipe.train,
        &files,
        data,
        checkpoint,
        &mut *observe,
    )?;
    figures.epochs = outcome.progress.epoch;
    figures.steps = outcome.progress.step;
    figures.seconds = outcome.progress.seconds;
    figures.validation = outcome.progress.best_metrics;
    if outcome.stopped != Stopped::Asked {
        let best = params::import(shell, &folder.tensors()?)?;
        let (metrics, _) = measure::exactly(&best, &text.vocabulary, &text.corpus.test)?;
        figures.test = text.with_truth(metrics, Split::Test);
        figures.finished = true;
        let event = Event::Tested {
            metrics: figures.test.clone(),
        };
        log::append(&folder.log(), &event)?;
        observe(&event);
    }
    folder.set_figures(figures)?;
    Ok(summary(&folder, outcome.stopped))
}

fn summary(folder: &ModelFolder, stopped: Stopped) -> Summary {
    let figures = &folder.about().figures;
    let some = |metrics: &Metrics| (!metrics.is_empty()).then(|| metrics.clone());
    Summary {
        folder: folder.path().to_path_buf(),
        stopped,
        epochs: figures.epochs,
        steps: figures.steps,
        seconds: figures.seconds,
        parameters: figures.parameters,
        validation: some(&figures.validation),
        test: some(&figures.test),
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
            let recipe = &loaded.about.recipe;
            let remembered = Checkpoint::progress(&ModelFolder::open(folder)?.checkpoint()).ok();
            let data = data
                .map(Path::to_path_buf)
                .or(remembered.and_then(|progress| progress.data));
            let text = Text::load(recipe, data.as_deref())?;
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
    let folder = ModelFolder::open(folder)?;
    let about = folder.about().clone();
    if about.recipe.task != NAME {
        let problem = format!(
            "it holds a model for the task \"{}\", not for \"{NAME}\"",
            about.recipe.task
        );
        return Err(Error::folder(folder.path(), problem));
    }
    let tensors = folder.tensors()?;
    let vocabulary = Vocabulary::load(folder.path())?;
    check_sizes(&folder, &vocabulary, &tensors)?;
    let model = about
        .recipe
        .model
        .init(vocabulary.len(), 0, &Device::flex())?;
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
    vocabulary: &Vocabulary,
    tensors: &std::collections::BTreeMap<String, params::NamedTensor>,
) -> Result<(), Error> {
    let model = &folder.about().recipe.model;
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
