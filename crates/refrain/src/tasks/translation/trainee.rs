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
use std::path::Path;

/// Batches and figures of a translation model.
pub struct TranslationTrainee {
    recipe: TranslationRecipe,
    sides: Sides,
    corpus: Corpus,
    /// Source and target ids of the training pairs that are short enough.
    train: Vec<[Vec<u32>; 2]>,
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
        let encoded = pairs.map(|(number, pair)| sides.encode(&vary.pair(number, pair)));
        let short = |pair: &[Vec<u32>; 2]| pair.iter().all(|own| own.len() <= longest);
        let train: Vec<_> = encoded.filter(short).collect();
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
                .map(|own| own.each_ref().map(Vec::len))
                .collect();
            let most = [self.most_pairs, self.recipe.data.batch_tokens];
            let seed = self.seed ^ (epoch + 1) << 20;
            self.order = Some((epoch, batches(&lengths, most, seed)));
        }
        self.order.as_ref().map_or(&[], |(_, batches)| batches)
    }

    fn pairs(&self, numbers: &[usize]) -> Pairs {
        let [begin, end] = self.sides.marks();
        let of = |side: usize| {
            numbers
                .iter()
                .map(|&n| self.train[n][side].clone())
                .collect()
        };
        Pairs {
            source: of(0),
            target: of(1),
            begin,
            end,
        }
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
        let pairs = self.pairs(&batch.unwrap_or_default());
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
