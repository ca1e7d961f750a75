//! Speech to text: recurrent encoders with CTC.

mod corpus;
mod decoder;
mod features;
mod listen;
mod loaded;
mod trainee;
mod tune;

pub use decoder::{DECODER, DecoderConfig};
pub use listen::{Heard, Listener};
pub use loaded::{
    Alternative, Character, Loaded, Posteriors, Transcript, Word, load_acoustic_model,
    load_with_decoder,
};
pub use trainee::Batch;
pub use tune::{Trial, TuneOptions, tune};

use super::run::{Job, Start, data_folder, open};
use super::{Edited, EvaluateOn, EvaluateOptions, Evaluation, Metric, Summary};
use crate::error::Error;
use crate::models::AcousticModel;
use crate::recipe::Recipe;
use crate::train::{Observer, Place, Trainee};
use burn::tensor::Device;
use corpus::{Corpus, Loader};
use decoder::Decoder;
use refrain_data::vocab::Vocabulary;
use refrain_decode::metrics::edit::alignment;
use refrain_decode::ngram::{self, Ngram};
use refrain_kernels::random::Key;
use std::path::Path;
use trainee::{SpeechTrainee, measure};

/// What recipes call the task.
pub const NAME: &str = "speech";

/// Its figures.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "cer",
        meaning: "character error rate: percent of the characters that must be replaced, put in or left out; lower is better",
    },
    Metric {
        name: "wer",
        meaning: "word error rate, the same of words",
    },
    Metric {
        name: "ser",
        meaning: "percent of the utterances that have any error",
    },
];

/// A run of the task.
pub(super) struct SpeechJob {
    vocabulary: Vocabulary,
    trainee: SpeechTrainee,
    model: AcousticModel,
}

impl Job for SpeechJob {
    fn new(recipe: &Recipe, data: Option<&Path>) -> Result<Self, Error> {
        recipe.train.check()?;
        let (own, seed) = (recipe.speech()?, recipe.train.seed);
        let corpus = Corpus::load(&own.data, seed, data)?;
        let vocabulary = corpus.vocabulary()?;
        // The blank is the class behind the characters.
        let sizes = [corpus.features.width(), vocabulary.len() + 1];
        let model = own.model.init(sizes, seed, &Device::flex().autodiff())?;
        let augment = own.data.augment.clone();
        Ok(Self {
            trainee: SpeechTrainee::new(corpus, &vocabulary, augment, &recipe.train)?,
            vocabulary,
            model,
        })
    }

    fn run(self, start: Start, observe: Observer) -> Result<Summary, Error> {
        let Self {
            vocabulary,
            mut trainee,
            model,
        } = self;
        vocabulary.save(start.folder.path())?;
        trainee.corpus.features.save(&start.folder)?;
        let (features, labels) = (trainee.corpus.features.clone(), trainee.labels.clone());
        let test = std::mem::take(&mut trainee.corpus.test);
        start.run(trainee, model, vocabulary.len(), observe, |best| {
            measure(best, &features, &Decoder::Greedy(labels), &test, |_| {})
        })
    }
}

pub(super) fn evaluate(
    folder: &Path,
    on: &EvaluateOn,
    options: &EvaluateOptions,
) -> Result<Evaluation, Error> {
    let EvaluateOn::Split(split) = on else {
        return Err(Error::Config(
            "a model of speech reads no text; leave out --text".into(),
        ));
    };
    let data = data_folder(&open(folder, &[NAME])?, options.data.as_deref());
    let mut loaded = match &options.decoder {
        Some(decoder) => load_with_decoder(folder, decoder)?,
        None => load_acoustic_model(folder)?,
    };
    if let Some(precision) = options.precision {
        loaded = loaded.with_precision(precision);
    }
    let recipe = &loaded.about.recipe;
    let (config, seed) = (&recipe.speech()?.data, recipe.train.seed);
    let part = Loader::new(config, seed, data.as_deref(), &loaded.features).part(*split)?;
    let mut all = Vec::new();
    let (model, features) = (&loaded.model, &loaded.features);
    let metrics = measure(model, features, &loaded.decoder, &part, |own| all.push(own))?;
    // The most wrong first; of equals in the order of their names.
    all.sort_by(|a, b| {
        let by_errors = b.errors.cmp(&a.errors);
        by_errors.then_with(|| a.item.name.cmp(&b.item.name))
    });
    let worst = all.iter().take(options.worst).filter(|own| own.errors > 0);
    let worst = worst.map(|own| {
        let words =
            |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_string).collect() };
        let (reference, hypothesis) = (words(&own.item.transcript), words(&own.text));
        Edited {
            name: own.item.name.clone(),
            errors: own.errors,
            edits: alignment(&reference, &hypothesis),
            reference,
            hypothesis,
        }
    });
    Ok(Evaluation {
        task: NAME.into(),
        metrics,
        unknown: 0,
        worst: worst.collect(),
    })
}

/// The model of a recipe as training begins with it, and the batches of the first epoch with their labels: for measuring, or for a loop of one's own.
///
/// # Errors
/// A recipe of another task, or data that is missing.
pub fn first_epoch(
    recipe: &Recipe,
    data: Option<&Path>,
) -> Result<(AcousticModel, Vec<Batch>), Error> {
    let SpeechJob {
        mut trainee, model, ..
    } = SpeechJob::new(recipe, data)?;
    let place = |batch| Place { epoch: 0, batch };
    let key = |batch| Key::new(recipe.train.seed).fold(batch as u64);
    let all = (0..trainee.batches(0)).map(|batch| trainee.batch(place(batch), key(batch)));
    Ok((model, all.collect::<Result<_, _>>()?))
}

/// An n-gram model of the transcripts that a model learned from, written as it writes them: of words, or of characters with `▁` for the space.
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
    let own = open(folder, &[NAME])?;
    let data = data_folder(&own, data);
    let recipe = &own.about().recipe;
    let config = &recipe.speech()?.data;
    let transcripts = corpus::transcripts(config, recipe.train.seed, data.as_deref())?;
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
