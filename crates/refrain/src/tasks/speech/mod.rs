//! Speech to text: recurrent encoders with CTC.

mod corpus;
mod features;
mod listen;
mod loaded;
mod recipe;
mod session;
mod stream;
mod trainee;
mod tune;

pub use super::ctc::{DECODER, DecoderConfig, SearchOptions};
pub use listen::{Heard, Listener};
pub use loaded::{Alternative, Character, Loaded, Posteriors, Transcript, Word};
pub use recipe::{
    AugmentConfig, CepstraOf, FeatureConfig, JoinConfig, NoiseConfig, Normalise, RoomConfig,
    SpeechData, SpeechRecipe,
};
pub use trainee::Batch;
pub use tune::{Trial, TuneOptions, tune};

use super::spec::{Begin, Profile, Spec};
use super::task::{self, folder_of};
use super::{Edited, EvaluateOn, Evaluation, Site, data_folder};
use crate::error::Error;
use crate::metrics::{Digits, Metric};
use crate::models::AcousticModel;
use crate::recipe::{Recipe, recipes};
use crate::store::ModelFolder;
use crate::train::{Place, Trainee};
use corpus::{Corpus, Loader};
use features::PRIOR;
use refrain_data::vocab::{VOCABULARY_FILE, Vocabulary};
use refrain_decode::metrics::confusion::Confusions;
use refrain_decode::ngram::{self, Ngram};
use refrain_kernels::random::Key;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trainee::{SpeechTrainee, measure};

/// Name of the task in recipes.
pub const NAME: &str = "speech";

/// The task of writing down spoken words.
pub struct Speech;

const fn rate(name: &'static str, meaning: &'static str, phrase: &'static str) -> Metric {
    Metric::new(name, meaning)
        .unit("%")
        .phrase(phrase)
        .digits(Digits::Fixed(2))
}

impl Spec for Speech {
    const PROFILE: Profile = Profile {
        name: NAME,
        summary: "Learns to write down speech: recurrent encoders with CTC",
        metrics: &[
            rate(
                "cer",
                "character error rate: percent of the characters that must be replaced, put in or left out",
                "{}% of characters wrong",
            ),
            rate(
                "wer",
                "word error rate, the same of words",
                "{}% of words wrong",
            ),
            rate(
                "ser",
                "percent of the utterances that have any error",
                "{}% of utterances wrong",
            ),
        ],
        recipes: recipes![
            "speech": "fsdd", "fsdd-connected", "fsdd-chunks", "an4", "kerstin-de", "english",
            "english-stream", "english-chunks"
        ],
        template: include_str!("template.toml"),
        models: &["english", "english-stream", "digits"],
        files: &[VOCABULARY_FILE, PRIOR, DECODER],
        next: "use it with: refrain transcribe --model {model} FILE",
    };
    const TELLS_WORST: bool = true;
    type Recipe = SpeechRecipe;
    type Options = SearchOptions;
    type Trainee = SpeechTrainee;
    type Trained = Loaded;

    fn prepare(
        recipe: &SpeechRecipe,
        begin: Begin,
    ) -> Result<(SpeechTrainee, AcousticModel), Error> {
        let seed = begin.site.seed;
        let corpus = Corpus::load(&recipe.data, seed, &begin.site.data)?;
        let vocabulary = vocabulary(&corpus, begin)?;
        // The blank is the class behind the characters.
        let sizes = [corpus.features.width(), vocabulary.len() + 1];
        let settings = "model.hidden, model.layers or model.convolutions";
        begin.fits(recipe.model.parameters(sizes), 0, settings)?;
        let device = begin.site.training_device();
        let model = recipe.model.init(sizes, seed, &device)?;
        let augment = recipe.data.augment.clone();
        let trainee = SpeechTrainee::new(corpus, vocabulary, augment, begin)?;
        Ok((trainee, model))
    }

    fn load(
        folder: &ModelFolder,
        recipe: SpeechRecipe,
        options: SearchOptions,
        site: &Site,
    ) -> Result<Loaded, Error> {
        Loaded::open(folder, recipe, &options, site)
    }

    fn evaluate(
        trained: &Loaded,
        _: &ModelFolder,
        on: &EvaluateOn,
        site: &Site,
    ) -> Result<Evaluation, Error> {
        let split = on.split(NAME)?;
        let (data, features) = (&trained.recipe.data, &trained.features);
        let part = Loader::new(data, trained.seed, &site.data, features).part(split)?;
        let (mut all, mut confusions) = (Vec::new(), Confusions::default());
        let metrics = measure(&trained.model, features, &trained.decoder, &part, |own| {
            confusions.add(&own.item.transcript, &own.text);
            all.push(own);
        })?;
        // The most wrong first; equals in the order of their names.
        all.sort_by(|a, b| {
            let by_errors = b.errors.cmp(&a.errors);
            by_errors.then_with(|| a.item.name.cmp(&b.item.name))
        });
        let worst = all.iter().take(on.worst).filter(|own| own.errors > 0);
        Ok(Evaluation {
            task: NAME,
            metrics,
            worst: worst
                .map(|own| Edited::new(&own.item.name, own.errors, &own.item.transcript, &own.text))
                .collect(),
            confusions: confusions.most(on.confusions),
        })
    }

    fn describe(
        recipe: &SpeechRecipe,
        _: &ModelFolder,
    ) -> Result<Vec<(&'static str, String)>, Error> {
        let model = &recipe.model;
        let ways = if model.bidirectional {
            " a direction"
        } else {
            ""
        };
        let convolutions = match model.convolutions.len() {
            1 => "1 convolution".to_string(),
            n => format!("{n} convolutions"),
        };
        let stack = model.cell.stack(model.layers, model.hidden);
        Ok(vec![("model", format!("{convolutions}; {stack}{ways}"))])
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let own = Self::PROFILE.files.iter().map(PathBuf::from);
        own.chain(super::ctc::files_of(folder)).collect()
    }
}

/// The characters of the training transcripts. A run that goes on keeps its own; a run that begins with a model keeps
/// those of the model if they include all of the transcripts, because the trained output layer belongs to them.
fn vocabulary(corpus: &Corpus, begin: Begin) -> Result<Vocabulary, Error> {
    if let Some(folder) = begin.resumes {
        return Ok(Vocabulary::load(folder.path())?);
    }
    if let Some(folder) = begin.init {
        let known = Vocabulary::load(folder.path())?;
        let unknown = |text: &str| known.encode_counting(text).unknown > 0;
        if !corpus.train.iter().any(|item| unknown(&item.transcript)) {
            return Ok(known);
        }
    }
    corpus.vocabulary()
}

/// Opens a trained model of speech.
///
/// # Errors
/// A folder that is missing, incomplete, damaged or of another task, or options that do not fit.
pub fn open(folder: &Path, options: SearchOptions, site: &Site) -> Result<Arc<Loaded>, Error> {
    task::open::<Speech>(folder, options, site).map(Arc::new)
}

/// The model of a recipe as training begins with it, and the batches of the first epoch with their labels: for
/// measuring, or for a loop of one's own.
///
/// # Errors
/// A recipe of another task, or data that is missing.
pub fn first_epoch(recipe: &Recipe, site: &Site) -> Result<(AcousticModel, Vec<Batch>), Error> {
    let begin = Begin {
        train: &recipe.train,
        site,
        resumes: None,
        init: None,
    };
    let (mut trainee, model) = Speech::prepare(&recipe.body()?, begin)?;
    let place = |batch| Place { epoch: 0, batch };
    let key = |batch| Key::new(recipe.train.seed).fold(batch as u64);
    let all = (0..trainee.batches(0)).map(|batch| trainee.batch(place(batch), key(batch)));
    Ok((model, all.collect::<Result<_, _>>()?))
}

/// An n-gram model of the transcripts that a model learned from, written as it writes them: of words, or of characters
/// with `▁` for the space.
///
/// # Errors
/// Data that is missing, or an order that cannot be.
pub fn transcripts_ngram(
    folder: &Path,
    data: Option<&Path>,
    more: &[String],
    order: usize,
    characters: bool,
) -> Result<Ngram, Error> {
    let folder = folder_of::<Speech>(folder)?;
    let data = data_folder(&folder, data);
    let recipe: SpeechRecipe = folder.recipe().body()?;
    let (config, seed) = (&recipe.data, folder.recipe().train.seed);
    let transcripts = corpus::transcripts(config, seed, &data)?;
    let more = more.iter().map(|line| config.writing.write(line));
    let all: Vec<String> = transcripts.into_iter().chain(more).collect();
    let spelled = all.iter().map(|text| match characters {
        true => text.replace(' ', "▁").chars().map(String::from).collect(),
        false => text.split_whitespace().map(String::from).collect(),
    });
    let spelled: Vec<Vec<String>> = spelled.collect();
    let sentences = spelled.iter().map(|own| own.iter().map(String::as_str));
    Ok(ngram::train(order, sentences)?)
}
