//! Language modelling: which token comes next?

mod export;
mod generate;
mod loaded;
mod measure;
mod prime;
mod recipe;
mod stop;
mod text;
mod trainee;

pub use export::onnx;
pub use generate::{Drawn, Finished, Generated, Token, Writer, Written};
pub use loaded::Loaded;
pub use recipe::{DataConfig, GenerateConfig, GenerateOptions, LanguageRecipe};

use super::spec::{Begin, Profile, Spec};
use super::{EvaluateOn, Evaluation, Piece, Site};
use crate::error::Error;
use crate::metrics::{Better, Digits, Metric};
use crate::models::LanguageModel;
use crate::recipe::{Recipe, recipes};
use crate::store::ModelFolder;
use refrain_data::vocab::{BPE_FILE, VOCABULARY_FILE, Vocabulary};
use std::path::Path;
use text::Text;
use trainee::LanguageTrainee;

/// Name of the task in recipes.
pub const NAME: &str = "language";

/// Numbers that a step keeps for the gradient of a unit: gates, state and output.
const KEPT: usize = 8;

/// The task of predicting the next token.
pub struct Language;

impl Spec for Language {
    const PROFILE: Profile = Profile {
        name: NAME,
        summary: "Learns to continue text: characters, words or byte pairs",
        metrics: &[
            Metric::new(
                "perplexity",
                "exp of the mean negative log-likelihood of a token: as good as guessing among so many; lower is better",
            )
            .unit("choices")
            .phrase("perplexity {}")
            .digits(Digits::Fixed(2)),
            Metric::new(
                "bits_per_character",
                "bits that the model needs to encode a character of the text; lower is better",
            )
            .unit("bits/character")
            .phrase("bits per character {}")
            .bound("true_bits_per_character"),
            Metric::new(
                "true_bits_per_character",
                "on generated text: bits that the best possible model needs",
            )
            .unit("bits/character")
            .better(Better::Neither),
            Metric::new(
                "unknown_tokens",
                "tokens that are not in the vocabulary and were read as unknown",
            )
            .unit("tokens")
            .phrase("{} unknown tokens")
            .digits(Digits::Fixed(0))
            .better(Better::Neither),
        ],
        recipes: recipes![
            "language": "stories", "tiny-shakespeare", "ptb-small", "ptb-medium", "ptb-characters", "ptb-modern"
        ],
        template: include_str!("template.toml"),
        models: &[],
        files: &[VOCABULARY_FILE, BPE_FILE],
        next: "let it write with: refrain generate {model}",
    };
    type Recipe = LanguageRecipe;
    type Options = GenerateOptions;
    type Trainee = LanguageTrainee;
    type Trained = Loaded;

    fn check(recipe: &LanguageRecipe) -> Result<(), Error> {
        if recipe.data.time == 0 {
            return Err(Error::Config(
                "data.time is 0; it must be at least 1".into(),
            ));
        }
        recipe.generate.sampler().map(|_| ())
    }

    fn prepare(
        recipe: &LanguageRecipe,
        begin: Begin,
    ) -> Result<(LanguageTrainee, LanguageModel), Error> {
        let text = Text::load(recipe, begin.site)?;
        let text = text.with_vocabulary_of(begin)?;
        let (vocabulary, seed) = (text.vocabulary.len(), begin.site.seed);
        let parameters = recipe.model.parameters(vocabulary);
        let steps = begin.train.batch.saturating_mul(recipe.data.time);
        let units = recipe.model.layers.saturating_mul(recipe.model.hidden);
        begin.fits(
            parameters,
            steps.saturating_mul(units.saturating_mul(KEPT)),
            "model.hidden, model.layers, model.embedding or train.batch",
        )?;
        let device = begin.site.training_device();
        let model = recipe.model.init(vocabulary, seed, &device)?;
        let trainee = LanguageTrainee::new(recipe, begin.train, text, begin.site)?;
        Ok((trainee, model))
    }

    fn misfit(trainee: &LanguageTrainee) -> Option<String> {
        trainee.own_vocabulary().map(str::to_string)
    }

    fn load(
        folder: &ModelFolder,
        recipe: LanguageRecipe,
        options: GenerateOptions,
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
        Ok(Evaluation {
            task: NAME,
            metrics: trained.evaluate(&on.data, site)?,
            worst: Vec::new(),
            confusions: Vec::new(),
        })
    }

    fn describe(
        recipe: &LanguageRecipe,
        folder: &ModelFolder,
    ) -> Result<Vec<(&'static str, String)>, Error> {
        let model = &recipe.model;
        let tied = if model.tied {
            ", tied to the output"
        } else {
            ""
        };
        let stack = model.cell.stack(model.layers, model.hidden);
        let vocabulary = Vocabulary::load(folder.path())?;
        Ok(vec![
            (
                "model",
                format!("{stack}; embedding of {}{tied}", model.embedding),
            ),
            (
                "vocabulary",
                format!("{} tokens ({})", vocabulary.len(), vocabulary.kind()),
            ),
        ])
    }

    fn sample(recipe: &LanguageRecipe) -> Option<Piece> {
        Some(Piece::text(recipe.generate.prime.clone()))
    }

    fn export(trained: &Loaded) -> Result<Vec<u8>, Error> {
        onnx(&trained.model, trained.recipe.model.cell.into())
    }

    fn recipe_for(file: &Path) -> Result<Option<Recipe>, Error> {
        let about = std::fs::metadata(file).map_err(Error::io("read", file))?;
        match about.is_file() {
            true => recipe::for_text(file).map(Some),
            false => Ok(None),
        }
    }
}
