//! The batch: sentences join, take steps and leave.

use super::config::SearchConfig;
use super::decoder::{Decoder, Row};
use super::error::SearchError;
use super::hypothesis::Hypothesis;
use super::sentence::{Sentence, Shared};
use super::source::{Plan, Source, Target};
use super::step::Scratch;
use std::collections::VecDeque;

/// How many batches of results may wait for an earlier sentence before no more sentences join.
const AHEAD: usize = 16;
/// Most log-probabilities of a step.
const MOST_SCORES: usize = 1 << 30;

/// Searches for the best continuations of each sentence: (input of the model, demands).
///
/// Gives the results of each sentence in the order of the input, best first. Sentences are taken from `inputs` when
/// there is room for them, so that a long input streams through bounded memory. `text` turns tokens into text; the
/// results of a beam search have different texts. An error is the last item; results that still wait for an earlier
/// sentence are then lost.
///
/// # Errors
/// At once: invalid settings. As an item: demands that cannot be met, output of the model that is no log-probability,
/// missing attention, scores that do not fit into memory, and the errors of the model.
pub fn search<'a, D, I>(
    decoder: &'a mut D,
    inputs: I,
    config: &SearchConfig,
    text: &'a dyn Fn(&[u32]) -> String,
) -> Result<impl Iterator<Item = Result<Vec<Hypothesis>, D::Error>> + use<'a, D, I>, D::Error>
where
    D: Decoder,
    I: IntoIterator<Item = (D::Input, Source)>,
{
    let inputs = inputs.into_iter();
    let inputs = inputs.map(|(input, source)| (input, Demand::Search(source)));
    Driver::new(decoder, inputs, config, text)
}

/// Scores known targets with the model: (input of the model, target).
///
/// The result of a target is the hypothesis that a search would report for it, with the same bits; a log-probability
/// of −∞ is no error here. Of the settings, those of the score count, and the begin and end marks, the batch and
/// `attention`.
///
/// # Errors
/// The errors of [`search`].
pub fn score<'a, D, I>(
    decoder: &'a mut D,
    targets: I,
    config: &SearchConfig,
) -> Result<impl Iterator<Item = Result<Hypothesis, D::Error>> + use<'a, D, I>, D::Error>
where
    D: Decoder,
    I: IntoIterator<Item = (D::Input, Target)>,
{
    let inputs = targets.into_iter();
    let inputs = inputs.map(|(input, target)| (input, Demand::Score(target)));
    let all = Driver::new(decoder, inputs, config, &|_| String::new())?;
    Ok(all.filter_map(|one| one.map(|results| results.into_iter().next()).transpose()))
}

enum Demand {
    Search(Source),
    Score(Target),
}

struct Driver<'a, D, I> {
    decoder: &'a mut D,
    /// `None` after the last.
    inputs: Option<I>,
    shared: Shared<'a>,
    live: Vec<Sentence>,
    /// The results of sentences that have joined and are not given yet, in the order of the input.
    results: VecDeque<Option<Vec<Hypothesis>>>,
    /// How many have been given.
    given: usize,
    rows: Vec<Row>,
    log_probs: Vec<f32>,
    failed: bool,
}

impl<'a, D, I> Driver<'a, D, I>
where
    D: Decoder,
    I: Iterator<Item = (D::Input, Demand)>,
{
    fn new(
        decoder: &'a mut D,
        inputs: I,
        config: &SearchConfig,
        text: &'a dyn Fn(&[u32]) -> String,
    ) -> Result<Self, D::Error> {
        let vocabulary = decoder.vocabulary();
        config.check(vocabulary)?;
        Ok(Self {
            decoder,
            inputs: Some(inputs),
            shared: Shared {
                config: config.clone(),
                vocabulary,
                text,
                scratch: Scratch::default(),
            },
            live: Vec::new(),
            results: VecDeque::new(),
            given: 0,
            rows: Vec::new(),
            log_probs: Vec::new(),
            failed: false,
        })
    }

    /// Lets sentences join, and takes one step. False at the end.
    fn advance(&mut self) -> Result<bool, D::Error> {
        self.admit()?;
        self.rows.clear();
        for sentence in &self.live {
            sentence.ask(&mut self.rows);
        }
        if !self.rows.is_empty() {
            self.step()?;
        }
        for sentence in self.live.extract_if(.., |sentence| sentence.rows() == 0) {
            let results = sentence.results(&self.shared.config);
            self.results[sentence.number() - self.given] = Some(results);
            self.decoder.leave(sentence.number());
        }
        Ok(!self.results.is_empty())
    }

    fn admit(&mut self) -> Result<(), D::Error> {
        let batch = self.shared.config.batch;
        let most = batch.saturating_mul(AHEAD);
        while self.live.len() < batch && self.results.len() < most {
            let Some((input, demand)) = self.inputs.as_mut().and_then(Iterator::next) else {
                self.inputs = None;
                break;
            };
            let number = self.given + self.results.len();
            let Shared {
                config, vocabulary, ..
            } = &self.shared;
            let sentence = match demand {
                Demand::Search(source) => {
                    let plan = Plan::new(number, source, config, *vocabulary)?;
                    Sentence::searched(plan, config)
                }
                Demand::Score(target) => {
                    let plan = Plan::forced(number, target, config, *vocabulary)?;
                    Sentence::forced(plan, &self.shared)
                }
            };
            self.decoder.enter(number, input)?;
            self.live.push(sentence);
            self.results.push_back(None);
        }
        Ok(())
    }

    /// One step of all rows.
    fn step(&mut self) -> Result<(), D::Error> {
        let (rows, vocabulary) = (self.rows.len(), self.shared.vocabulary);
        let room = rows.checked_mul(vocabulary).filter(|&room| {
            let more = room.saturating_sub(self.log_probs.len());
            room <= MOST_SCORES && self.log_probs.try_reserve(more).is_ok()
        });
        let room = room.ok_or(SearchError::Memory { rows, vocabulary })?;
        self.log_probs.resize(room, 0.0);
        self.decoder.step(&self.rows, &mut self.log_probs)?;
        let (mut first, mut left) = (0, self.log_probs.as_mut_slice());
        // An empty target has no rows from the start.
        let asked = self.live.iter_mut().filter(|sentence| sentence.rows() > 0);
        for sentence in asked {
            let rows = sentence.rows();
            if self.shared.config.attends() {
                for row in first..first + rows {
                    sentence.attend(self.decoder.attention(row))?;
                }
            }
            let own = left.split_off_mut(..rows * vocabulary).unwrap_or_default();
            sentence.step(own, first, &mut self.shared)?;
            first += rows;
        }
        Ok(())
    }
}

impl<D, I> Iterator for Driver<'_, D, I>
where
    D: Decoder,
    I: Iterator<Item = (D::Input, Demand)>,
{
    type Item = Result<Vec<Hypothesis>, D::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            if let Some(front) = self.results.front_mut()
                && let Some(results) = front.take()
            {
                self.results.pop_front();
                self.given += 1;
                return Some(Ok(results));
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}
