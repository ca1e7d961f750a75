//! A task of one's own, outside of the library: are the ones in a row of bits even or odd?
//!
//! docs/adding-a-task.md explains this file part by part.

use refrain::Error;
use refrain::metrics::{Better, Digits, Metric, Metrics};
use refrain::models::{SequenceModel, SequenceModelConfig};
use refrain::recipe::Shipped;
use refrain::store::ModelFolder;
use refrain::tasks::media::wrong_medium;
use refrain::tasks::{
    Begin, EvaluateOn, Evaluation, Medium, Of, Piece, Ports, Profile, Receiver, Session, Site,
    Spec, Split, Tasks, Use, load_model,
};
use refrain::train::{BatchLoss, LossUnit, Place, Trainee, Unit};
use refrain_data::long_memory::{Sequences, Targets};
use refrain_kernels::random::Key;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The list of the program: one line more than the library's.
pub static WITH_PARITY: Tasks = Tasks::new(&[&Of::<Parity>::NEW]);

const NAME: &str = "parity";
/// Bits in, classes out.
const SIZES: [usize; 2] = [1, 2];
const CLASSES: [&str; 2] = ["even", "odd"];
/// Numbers that a step keeps for the gradient of a unit: gates, state and output.
const KEPT: usize = 8;
const RECIPE: &str = include_str!("parity.toml");

/// The task.
pub struct Parity;

/// The tables of its recipes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParityRecipe {
    /// The rows.
    pub data: Rows,
    /// The model.
    #[serde(default)]
    pub model: SequenceModelConfig,
}

/// Rows of bits, drawn at random.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// Bits of a row.
    pub length: usize,
    /// Rows of an epoch.
    pub examples: usize,
}

/// Settings of a model in use.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParityOptions {
    /// Answer with the probability, too.
    pub probability: bool,
}

impl Spec for Parity {
    const PROFILE: Profile = Profile {
        name: NAME,
        summary: "Learns whether a row of bits holds an even or an odd number of ones",
        metrics: &[Metric::new(
            "accuracy",
            "percent of the rows that are told right; 50 by guessing",
        )
        .unit("%")
        .phrase("{}% of the rows right")
        .digits(Digits::Fixed(1))
        .better(Better::Higher)],
        recipes: &[Shipped {
            name: "parity",
            text: RECIPE,
        }],
        template: RECIPE,
        models: &[],
        files: &["note.txt"],
        next: "try it with: echo 0110 | refrain run {model}",
    };
    type Recipe = ParityRecipe;
    type Options = ParityOptions;
    type Trainee = ParityTrainee;
    type Trained = Trained;

    fn check(recipe: &ParityRecipe) -> Result<(), Error> {
        match recipe.data.length {
            0 => Err(Error::Config(
                "data.length is 0; give at least one bit".into(),
            )),
            _ => Ok(()),
        }
    }

    fn prepare(
        recipe: &ParityRecipe,
        begin: Begin,
    ) -> Result<(ParityTrainee, SequenceModel), Error> {
        let steps = begin.train.batch.saturating_mul(recipe.data.length);
        let units = recipe.model.layers.saturating_mul(recipe.model.hidden);
        begin.fits(
            recipe.model.parameters(SIZES),
            steps.saturating_mul(units.saturating_mul(KEPT)),
            "model.hidden, model.layers, data.length or train.batch",
        )?;
        let device = begin.site.training_device();
        let model = recipe.model.init(SIZES, begin.site.seed, &device)?;
        let trainee = ParityTrainee {
            rows: recipe.data,
            batch: begin.train.batch,
            seed: begin.site.seed,
        };
        Ok((trainee, model))
    }

    fn load(
        folder: &ModelFolder,
        recipe: ParityRecipe,
        options: ParityOptions,
        site: &Site,
    ) -> Result<Trained, Error> {
        let model = load_model(folder, recipe.model.parameters(SIZES), || {
            recipe.model.init(SIZES, 0, &site.device())
        })?;
        Ok(Trained {
            model,
            rows: recipe.data,
            seed: folder.recipe().train.seed,
            options,
        })
    }

    fn evaluate(
        trained: &Trained,
        _: &ModelFolder,
        on: &EvaluateOn,
        _: &Site,
    ) -> Result<Evaluation, Error> {
        let split = on.split(NAME)?;
        Ok(Evaluation {
            task: NAME,
            metrics: measure(&trained.model, trained.rows, trained.seed, split)?,
            worst: Vec::new(),
            confusions: Vec::new(),
        })
    }

    fn describe(
        recipe: &ParityRecipe,
        _: &ModelFolder,
    ) -> Result<Vec<(&'static str, String)>, Error> {
        let model = &recipe.model;
        Ok(vec![(
            "model",
            model.cell.stack(model.layers, model.hidden),
        )])
    }

    fn sample(_: &ParityRecipe) -> Option<Piece> {
        Some(Piece::text("0110"))
    }
}

/// Rows with their answers; the same key gives the same ones.
fn draw(rows: Rows, count: usize, key: Key) -> Sequences {
    let bits: Vec<f32> = (0..(count * rows.length) as u64)
        .map(|n| key.uniform_f32(n).round())
        .collect();
    let odd = |row: &[f32]| row.iter().sum::<f32>() as u32 % 2;
    Sequences {
        batch: count,
        time: rows.length,
        features: 1,
        targets: Targets::Class(bits.chunks(rows.length).map(odd).collect()),
        x: bits,
    }
}

/// Its batches and figures for the training loop.
pub struct ParityTrainee {
    rows: Rows,
    batch: usize,
    seed: u64,
}

impl Trainee for ParityTrainee {
    type Model = SequenceModel;

    fn name(&self) -> &'static str {
        NAME
    }

    fn batches(&mut self, _: u64) -> usize {
        self.rows.examples / self.batch
    }

    fn loss(&mut self, model: &SequenceModel, place: Place, key: Key) -> Result<BatchLoss, Error> {
        let drawn = Key::new(self.seed)
            .fold(place.epoch)
            .fold(place.batch as u64);
        let out = model.loss(&draw(self.rows, self.batch, drawn), Some(key))?;
        Ok(BatchLoss {
            loss: out.loss,
            nats: out.each.iter().map(|&x| f64::from(x)).sum(),
            tokens: out.each.len(),
            rate: 1.0,
        })
    }

    fn validate(&mut self, model: &SequenceModel) -> Result<Metrics, Error> {
        measure(model, self.rows, self.seed, Split::Validation)
    }

    fn criterion(&self) -> &'static str {
        "loss"
    }

    fn unit(&self) -> Unit {
        Unit::new(LossUnit::Nats, "rows")
    }

    fn save(&self, folder: &std::path::Path) -> Result<(), Error> {
        let text = format!("rows of {} bits\n", self.rows.length);
        refrain::files::atomic::write(&folder.join("note.txt"), text.as_bytes())
    }

    fn test(&mut self, model: &SequenceModel) -> Result<Metrics, Error> {
        measure(model, self.rows, self.seed, Split::Test)
    }
}

fn measure(model: &SequenceModel, rows: Rows, seed: u64, split: Split) -> Result<Metrics, Error> {
    const MEASURED: usize = 500;
    let key = Key::new(seed).fold(u64::MAX).fold(split as u64);
    let drawn = draw(rows, MEASURED, key);
    let loss = model.loss(&drawn, None)?.each;
    let scores = model.scores(&drawn)?;
    let Targets::Class(classes) = &drawn.targets else {
        return Ok(Metrics::new());
    };
    let right = scores.chunks(2).zip(classes);
    let right = right.filter(|(scores, class)| u32::from(scores[1] > scores[0]) == **class);
    Ok(Metrics::from([
        (
            "accuracy".into(),
            100.0 * right.count() as f64 / MEASURED as f64,
        ),
        (
            "loss".into(),
            f64::from(loss.iter().sum::<f32>()) / MEASURED as f64,
        ),
    ]))
}

/// A trained model.
pub struct Trained {
    model: SequenceModel,
    rows: Rows,
    seed: u64,
    options: ParityOptions,
}

impl Trained {
    fn answer(&self, bits: &str) -> Result<String, Error> {
        let bit = |c: char| match c {
            '0' => Ok(0.0),
            '1' => Ok(1.0),
            other => Err(Error::Config(format!(
                "'{other}' is not a bit; write 0 and 1"
            ))),
        };
        let x: Vec<f32> = bits.trim().chars().map(bit).collect::<Result<_, _>>()?;
        if x.is_empty() {
            return Err(Error::Config("the row is empty; write 0 and 1".into()));
        }
        let scores = self.model.scores(&Sequences {
            batch: 1,
            time: x.len(),
            features: 1,
            x,
            targets: Targets::Class(vec![0]),
        })?;
        let odd = 1.0 / (1.0 + (scores[0] - scores[1]).exp());
        let class = CLASSES[usize::from(odd > 0.5)];
        Ok(match self.options.probability {
            true => format!("{class} {:.3}", odd.max(1.0 - odd)),
            false => class.to_string(),
        })
    }
}

impl Use for Trained {
    fn ports(&self) -> Ports {
        Ports {
            takes: Medium::Text,
            gives: Medium::Text,
            latency: None,
        }
    }

    fn begin(self: Arc<Self>) -> Result<Box<dyn Session>, Error> {
        Ok(Box::new(Row {
            trained: self,
            bits: String::new(),
        }))
    }

    fn restore(self: Arc<Self>, state: &[u8]) -> Result<Box<dyn Session>, Error> {
        let bits =
            String::from_utf8(state.to_vec()).map_err(|_| Error::State("it is not text".into()))?;
        Ok(Box::new(Row {
            trained: self,
            bits,
        }))
    }
}

/// A row that is being read.
struct Row {
    trained: Arc<Trained>,
    bits: String,
}

impl Session for Row {
    fn push(&mut self, piece: Piece, _: Receiver) -> Result<(), Error> {
        let Piece::Text(text) = piece else {
            return Err(wrong_medium(Medium::Text, &piece));
        };
        self.bits.push_str(&text.text);
        Ok(())
    }

    fn finish(&mut self, give: Receiver) -> Result<(), Error> {
        let bits = std::mem::take(&mut self.bits);
        give(Piece::text(self.trained.answer(&bits)?));
        Ok(())
    }

    fn store(&self) -> Result<Vec<u8>, Error> {
        Ok(self.bits.clone().into_bytes())
    }
}
