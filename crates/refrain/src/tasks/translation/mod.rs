//! Translation: a sequence in, another one out, by an encoder and a decoder with attention.

mod data;
mod engine;
mod loaded;
mod measure;
mod numbers;
mod recipe;
mod trainee;
mod vary;

pub use data::{Side, Sides};
pub use loaded::{Alternative, AttentionMap, Loaded, TranslateOptions, Translation};
pub use numbers::{NumberForm, NumbersConfig};
pub use recipe::{
    CaseForm, LossConfig, PairData, PairSource, SearchConfig, TokenForm, TranslationRecipe, Writing,
};

use super::spec::{Begin, Profile, Spec};
use super::{EvaluateOn, Evaluation, Piece, Site};
use crate::error::Error;
use crate::metrics::{Better, Digits, Metric};
use crate::models::Seq2Seq;
use crate::recipe::recipes;
use crate::store::ModelFolder;
use data::Corpus;
use std::path::{Path, PathBuf};
use trainee::TranslationTrainee;

/// Name of the task in recipes.
pub const NAME: &str = "translation";

/// Numbers that a step keeps for the gradient of a unit: gates, state and output.
const KEPT: usize = 8;

/// A translation model that ships, or that stands beside those that ship.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Source language.
    pub from: String,
    /// Target language.
    pub to: String,
}

/// The translation models of the folders of shipped models, sorted by name.
pub fn shipped() -> Vec<Shipped> {
    let open = |(name, folder): (String, PathBuf)| {
        let model = ModelFolder::open(&folder).ok()?;
        let recipe = model.recipe();
        let body: TranslationRecipe = (recipe.task == NAME).then(|| recipe.body().ok())??;
        let (from, to) = (body.data.from, body.data.to);
        Some(Shipped {
            name,
            folder,
            from,
            to,
        })
    };
    crate::store::models()
        .into_iter()
        .filter_map(open)
        .collect()
}

/// The task of translating sentences.
pub struct TranslationTask;

const fn score(name: &'static str, meaning: &'static str, phrase: &'static str) -> Metric {
    Metric::new(name, meaning)
        .phrase(phrase)
        .digits(Digits::Fixed(2))
        .better(Better::Higher)
}

impl Spec for TranslationTask {
    const PROFILE: Profile = Profile {
        name: NAME,
        summary: "Learns to translate sentences from pairs",
        metrics: &[
            score(
                "bleu",
                "BLEU of the sentences as people write them (13a tokens, as sacreBLEU), 0 to 100; higher is better",
                "BLEU {}",
            ),
            score(
                "multi-bleu",
                "BLEU of lower-cased tokens (as multi-bleu), 0 to 100; higher is better",
                "BLEU of lower-cased tokens {}",
            ),
            score(
                "chrf",
                "chrF2, a score of character n-grams, 0 to 100; higher is better",
                "chrF2 {}",
            ),
            score(
                "accuracy",
                "sentences that equal the reference",
                "exact sentences {}%",
            )
            .unit("%"),
            Metric::new(
                "perplexity",
                "exp of the mean negative log-likelihood of a token of the reference; lower is better",
            )
            .unit("choices")
            .phrase("perplexity {}")
            .digits(Digits::Fixed(2)),
        ],
        recipes: recipes![
            "translation": "numbers-en-ko", "tatoeba-en-ja", "tatoeba-ja-en", "multi30k-en-de", "multi30k-en-fr",
            "multi30k-de-en"
        ],
        template: include_str!("template.toml"),
        models: &["en-ja", "ja-en"],
        files: &[],
        next: "translate with: refrain translate --model {model}",
    };
    type Recipe = TranslationRecipe;
    type Options = TranslateOptions;
    type Trainee = TranslationTrainee;
    type Trained = Loaded;

    fn check(recipe: &TranslationRecipe) -> Result<(), Error> {
        if let PairSource::Numbers(numbers) = &recipe.data.pairs {
            numbers.check()?;
        }
        let sizes = [
            ("data.longest", recipe.data.longest),
            ("data.batch_tokens", recipe.data.batch_tokens),
        ];
        if let Some((name, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(Error::Config(format!("{name} is 0; it must be at least 1")));
        }
        if recipe.data.vocabulary < 256 {
            return Err(Error::Config(format!(
                "data.vocabulary is {}; byte-level BPE has at least 256 tokens",
                recipe.data.vocabulary
            )));
        }
        recipe.model.check_settings(recipe.data.joint)?;
        let shares = [
            ("loss.smoothing", f64::from(recipe.loss.smoothing)),
            ("data.placeholders", recipe.data.placeholders),
            ("data.capitals", recipe.data.capitals),
            ("data.bpe_dropout", recipe.data.bpe_dropout),
        ];
        match shares
            .iter()
            .find(|(_, share)| !(0.0..=1.0).contains(share))
        {
            Some((name, share)) => Err(Error::Config(format!(
                "{name} is {share}; a share from 0 to 1 is needed"
            ))),
            None => recipe.search.check(),
        }
    }

    fn prepare(
        recipe: &TranslationRecipe,
        begin: Begin,
    ) -> Result<(TranslationTrainee, Seq2Seq), Error> {
        let corpus = Corpus::load(recipe, begin.site)?;
        let sides = match begin.resumes.or(begin.init) {
            Some(folder) => Sides::load(&recipe.data, folder)?,
            None => Sides::build(&recipe.data, &corpus.train)?,
        };
        let (sizes, model) = (sides.sizes(), &recipe.model);
        let encoder = model
            .encoder_layers
            .saturating_mul(model.encoder.saturating_mul(2));
        let decoder = model.decoder_layers.saturating_mul(model.decoder);
        // A batch is sorted by its target side: its source side may be as long as pairs can be.
        let longest = recipe.data.longest.saturating_add(1);
        let target = recipe.data.batch_tokens.max(longest);
        let source = begin.train.batch.min(target).saturating_mul(longest);
        let kept = [
            source.saturating_mul(encoder.saturating_mul(KEPT)),
            target.saturating_mul(decoder.saturating_mul(KEPT)),
            target.saturating_mul(longest.saturating_mul(KEPT)),
        ];
        begin.fits(
            model.parameters(sizes),
            kept.iter()
                .fold(0usize, |sum, own| sum.saturating_add(*own)),
            "model.encoder, model.decoder, data.vocabulary or data.batch_tokens",
        )?;
        let model = model.init(sizes, begin.site.seed, &begin.site.training_device())?;
        let trainee = TranslationTrainee::new(recipe, corpus, sides, begin)?;
        Ok((trainee, model))
    }

    fn load(
        folder: &ModelFolder,
        recipe: TranslationRecipe,
        options: TranslateOptions,
        site: &Site,
    ) -> Result<Loaded, Error> {
        Loaded::open(folder, recipe, options, site)
    }

    fn evaluate(
        trained: &Loaded,
        folder: &ModelFolder,
        on: &EvaluateOn,
        site: &Site,
    ) -> Result<Evaluation, Error> {
        // Generated pairs are those of the training.
        let site = &Site {
            seed: folder.recipe().train.seed,
            ..site.clone()
        };
        Ok(Evaluation {
            task: NAME,
            metrics: trained.evaluate(&on.data, site)?,
            worst: Vec::new(),
            confusions: Vec::new(),
        })
    }

    fn describe(
        recipe: &TranslationRecipe,
        folder: &ModelFolder,
    ) -> Result<Vec<(&'static str, String)>, Error> {
        let sides = Sides::load(&recipe.data, folder)?;
        let [source, target] = [&sides.source, &sides.target].map(|own| own.vocabulary().len());
        let vocabulary = match recipe.data.joint {
            true => format!("{target} byte pairs for both sides"),
            false => format!("{source} byte pairs of the source, {target} of the target"),
        };
        Ok(vec![
            (
                "direction",
                format!("{} to {}", recipe.data.from, recipe.data.to),
            ),
            ("model", recipe.model.describe()),
            ("vocabulary", vocabulary),
        ])
    }

    fn files(_: &Path) -> Vec<PathBuf> {
        Sides::files()
    }

    fn sample(recipe: &TranslationRecipe) -> Option<Piece> {
        match recipe.data.pairs {
            PairSource::Numbers(_) => Some(Piece::text("three hundred and forty-two\n")),
            PairSource::Files { .. } => None,
        }
    }
}
