//! A translation model in the training loop.

use super::data::{Corpus, Lengths, Pair, Sides, batches};
use super::engine::Engine;
use super::measure;
use super::recipe::TranslationRecipe;
use super::vary::Variation;
use crate::error::Error;
use crate::metrics::{Better, Metrics};
use crate::models::{Pairs, Seq2Seq};
use crate::tasks::Begin;
use crate::train::{BatchLoss, LossUnit, Place, Trainee, Unit};
use refrain_data::Fingerprint;
use refrain_kernels::random::Key;
use refrain_random::Rng;
use std::path::Path;

/// Separates the random cuts of sentences from other random numbers of the same seed.
const STREAM: u64 = 0x6375_7473;

/// A pair as it is learned from.
struct Learned {
    /// Its text in the model's forms, if it is cut anew in each epoch.
    forms: Option<Pair>,
    /// Source and target ids of the usual cut.
    ids: [Vec<u32>; 2],
}

/// Batches and figures of a translation model.
pub struct TranslationTrainee {
    recipe: TranslationRecipe,
    sides: Sides,
    corpus: Corpus,
    /// The training pairs that are short enough.
    train: Vec<Learned>,
    most_pairs: usize,
    seed: u64,
    /// Batches of an epoch.
    order: Option<(u64, Vec<Vec<usize>>)>,
}

impl TranslationTrainee {
    pub(super) fn new(
        recipe: &TranslationRecipe,
        corpus: Corpus,
        sides: Sides,
        begin: Begin,
    ) -> Result<Self, Error> {
        let longest = recipe.data.longest;
        let vary = Variation::new(&recipe.data, begin.site.seed);
        let pairs = corpus.train.iter().enumerate();
        let again = recipe.data.bpe_dropout > 0.0;
        let learned = pairs.map(|(number, pair)| {
            let forms = sides.forms(&vary.pair(number, pair));
            let ids = sides.ids(&forms);
            let forms = again.then_some(forms);
            Learned { forms, ids }
        });
        let short = |own: &Learned| own.ids.iter().all(|ids| ids.len() <= longest);
        let train: Vec<_> = learned.filter(short).collect();
        if train.is_empty() {
            return Err(Error::Config(format!(
                "no training pair has at most {longest} tokens on both sides; raise data.longest"
            )));
        }
        Ok(Self {
            recipe: recipe.clone(),
            sides,
            corpus,
            train,
            most_pairs: begin.train.batch,
            seed: begin.site.seed,
            order: None,
        })
    }

    fn batches_of(&mut self, epoch: u64) -> &[Vec<usize>] {
        if self.order.as_ref().is_none_or(|(of, _)| *of != epoch) {
            let lengths: Vec<Lengths> = self
                .train
                .iter()
                .map(|own| own.ids.each_ref().map(Vec::len))
                .collect();
            let most = [self.most_pairs, self.recipe.data.batch_tokens];
            let seed = self.seed ^ (epoch + 1) << 20;
            self.order = Some((epoch, batches(&lengths, most, seed)));
        }
        self.order.as_ref().map_or(&[], |(_, batches)| batches)
    }

    fn pairs(&self, numbers: &[usize], epoch: u64) -> Pairs {
        let [begin, end] = self.sides.marks();
        let ids = numbers.iter().map(|&number| self.ids(number, epoch));
        let (source, target) = ids.map(|[source, target]| (source, target)).unzip();
        Pairs {
            source,
            target,
            begin,
            end,
        }
    }

    /// The ids of a training pair in an epoch, which follow from the seed.
    fn ids(&self, number: usize, epoch: u64) -> [Vec<u32>; 2] {
        let own = &self.train[number];
        let Some(forms) = &own.forms else {
            return own.ids.clone();
        };
        let mut epochs = Rng {
            seed: self.seed ^ STREAM,
            drawn: epoch,
        };
        let mut rng = Rng::new(epochs.next_u64() ^ number as u64);
        let share = self.recipe.data.bpe_dropout;
        self.sides.ids_dropping(forms, share, &mut rng)
    }

    fn measured(&self, model: &Seq2Seq, part: &[Pair], beam: usize) -> Result<Metrics, Error> {
        let search = super::recipe::SearchConfig {
            beam,
            ..self.recipe.search
        };
        let engine = Engine::new(vec![model.clone()])?;
        measure::part(&engine, &self.sides, &self.recipe.data, &search, part)
    }
}

impl Trainee for TranslationTrainee {
    type Model = Seq2Seq;

    fn name(&self) -> &'static str {
        super::NAME
    }

    fn batches(&mut self, epoch: u64) -> usize {
        self.batches_of(epoch).len()
    }

    fn loss(&mut self, model: &Seq2Seq, place: Place, key: Key) -> Result<BatchLoss, Error> {
        let batch = self.batches_of(place.epoch).get(place.batch).cloned();
        let pairs = self.pairs(&batch.unwrap_or_default(), place.epoch);
        let out = model.loss(&pairs, self.recipe.loss.smoothing, Some(key))?;
        Ok(BatchLoss {
            loss: out.loss,
            nats: out.nats,
            tokens: out.tokens,
            rate: 1.0,
        })
    }

    fn validate(&mut self, model: &Seq2Seq) -> Result<Metrics, Error> {
        self.measured(model, &self.corpus.valid, 1)
    }

    fn criterion(&self) -> &'static str {
        measure::criterion(&self.recipe.data)
    }

    fn better(&self) -> Better {
        Better::Higher
    }

    fn unit(&self) -> Unit {
        Unit::new(LossUnit::Perplexity, "tokens")
    }

    fn save(&self, folder: &Path) -> Result<(), Error> {
        self.sides.save(folder)
    }

    fn test(&mut self, model: &Seq2Seq) -> Result<Metrics, Error> {
        self.measured(model, &self.corpus.test, self.recipe.search.beam)
    }

    fn fingerprint(&self) -> String {
        let mut print = Fingerprint::new();
        for [source, target] in &self.corpus.train {
            print.text(source).text(target);
        }
        print.finish()
    }
}
