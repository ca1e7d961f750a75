//! One or several models in a search: the models of an ensemble share their vocabulary, and their probabilities are
//! averaged.

use crate::error::Error;
use crate::models::{Memory, Seq2Seq, Seq2SeqScratch, Seq2SeqState, Seq2SeqSteps, StepRow};
use refrain_decode::search::{self, Decoder, Hypothesis, Row, SearchConfig, Source, Target};
use std::collections::BTreeMap;

/// Sentences that are encoded together, at most.
const TOGETHER: usize = 32;
/// Tokens that are encoded together, padding included, at most.
const TOKENS: usize = 1 << 14;
/// Longest source, tokens.
const LONGEST: usize = 1 << 13;

/// The packed weights of the models.
pub struct Engine {
    members: Vec<Seq2SeqSteps>,
}

impl Engine {
    /// # Errors
    /// No model, or models of different vocabularies.
    pub fn new(models: impl IntoIterator<Item = Seq2Seq>) -> Result<Self, Error> {
        let members = models.into_iter().map(|model| model.steps());
        let members: Vec<Seq2SeqSteps> = members.collect::<Result<_, _>>()?;
        let sizes: Vec<usize> = members.iter().map(Seq2SeqSteps::vocabulary).collect();
        match sizes.first() {
            Some(first) if sizes.iter().all(|size| size == first) => Ok(Self { members }),
            _ => Err(Error::Config(format!(
                "models of {sizes:?} tokens cannot work together; give models with one vocabulary"
            ))),
        }
    }

    /// The best hypotheses of each source (ids with the end mark, demands), in the order of the input.
    pub fn search<'a>(
        &'a self,
        sources: impl Iterator<Item = (Vec<u32>, Source)> + 'a,
        config: &'a SearchConfig,
        text: &'a dyn Fn(&[u32]) -> String,
        give: &mut dyn FnMut(Vec<Hypothesis>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut rows = Rows::new(self);
        let results = search::search(&mut rows, self.encoded(sources), config, text)?;
        for result in results {
            give(result?)?;
        }
        Ok(())
    }

    /// The scores of known targets, in the order of the input.
    pub fn score<'a>(
        &'a self,
        targets: impl Iterator<Item = (Vec<u32>, Target)> + 'a,
        config: &'a SearchConfig,
        give: &mut dyn FnMut(Hypothesis) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut rows = Rows::new(self);
        let results = search::score(&mut rows, self.encoded(targets), config)?;
        for result in results {
            give(result?)?;
        }
        Ok(())
    }

    /// Encodes sources some at a time, as the search asks for them.
    fn encoded<'a, D: 'a>(
        &'a self,
        mut sources: impl Iterator<Item = (Vec<u32>, D)> + 'a,
    ) -> impl Iterator<Item = (Encoded, D)> + 'a {
        let mut ready = Vec::new().into_iter();
        let mut next = None;
        std::iter::from_fn(move || {
            if let Some(ready) = ready.next() {
                return Some(ready);
            }
            let (mut ids, mut demands, mut longest) = (Vec::new(), Vec::new(), 0);
            while let Some((own, demand)) = next.take().or_else(|| sources.next()) {
                let most: usize = own.len().max(longest);
                let full = ids.len() == TOGETHER || (ids.len() + 1) * most > TOKENS;
                if full && !ids.is_empty() {
                    next = Some((own, demand));
                    break;
                }
                longest = most;
                ids.push(own);
                demands.push(demand);
            }
            let encoded = self.encode(&ids);
            ready = encoded
                .into_iter()
                .zip(demands)
                .collect::<Vec<_>>()
                .into_iter();
            ready.next()
        })
    }

    fn encode(&self, sources: &[Vec<u32>]) -> Vec<Encoded> {
        if sources.is_empty() {
            return Vec::new();
        }
        if let Some(long) = sources.iter().find(|own| own.len() > LONGEST) {
            let problem = format!(
                "a sentence has {} tokens; at most {LONGEST} can be read at once, so break it in shorter ones",
                long.len()
            );
            let one = |_| {
                Err(Error::Input {
                    operation: super::NAME,
                    problem: problem.clone(),
                })
            };
            return sources.iter().map(one).collect();
        }
        let members = self.members.iter().map(|member| member.encode(sources));
        match members.collect::<Result<Vec<_>, Error>>() {
            Ok(members) => {
                let mut members: Vec<_> = members.into_iter().map(Vec::into_iter).collect();
                let one = |_| Ok(members.iter_mut().filter_map(Iterator::next).collect());
                sources.iter().map(one).collect()
            }
            // The search reports it for the first of them.
            Err(error) => {
                let mut error = Some(error);
                let lost = || Error::Input {
                    operation: super::NAME,
                    problem: "another sentence of the batch could not be encoded; leave it out"
                        .into(),
                };
                let one = |_| Err(error.take().unwrap_or_else(lost));
                sources.iter().map(one).collect()
            }
        }
    }
}

/// A source encoded by every member, or the reason why it was not.
type Encoded = Result<Vec<Memory>, Error>;

/// The live hypotheses of a search.
struct Rows<'a> {
    engine: &'a Engine,
    /// By sentence.
    memories: BTreeMap<usize, Vec<Memory>>,
    /// The states of the last step: row, member.
    states: Vec<Vec<Seq2SeqState>>,
    /// The mean attention of the members in the last step.
    attention: Vec<Vec<f32>>,
    scratch: Seq2SeqScratch,
    /// Scores of a further member.
    other: Vec<f32>,
}

impl<'a> Rows<'a> {
    fn new(engine: &'a Engine) -> Self {
        Self {
            engine,
            memories: BTreeMap::new(),
            states: Vec::new(),
            attention: Vec::new(),
            scratch: Seq2SeqScratch::default(),
            other: Vec::new(),
        }
    }
}

/// ln of the mean of the probabilities: adds the member's share `ln p − ln n` to the sum so far.
fn add_logs(sum: &mut [f32], own: &[f32], first: bool, share: f32) {
    for (sum, own) in sum.iter_mut().zip(own) {
        let own = own - share;
        *sum = match first {
            true => own,
            false => {
                let (high, low) = match *sum >= own {
                    true => (*sum, own),
                    false => (own, *sum),
                };
                match high == f32::NEG_INFINITY {
                    true => high,
                    false => high + (low - high).exp().ln_1p(),
                }
            }
        };
    }
}

impl Decoder for Rows<'_> {
    type Input = Encoded;
    type Error = Error;

    fn vocabulary(&self) -> usize {
        self.engine.members[0].vocabulary()
    }

    fn enter(&mut self, sentence: usize, input: Encoded) -> Result<(), Error> {
        self.memories.insert(sentence, input?);
        Ok(())
    }

    fn step(&mut self, rows: &[Row], log_probs: &mut [f32]) -> Result<(), Error> {
        let gone = || Error::State("it names a row or a sentence that is not there".into());
        let mut states = Vec::with_capacity(rows.len());
        for row in rows {
            states.push(match row.from {
                Some(from) => self.states.get(from).cloned().ok_or_else(gone)?,
                None => {
                    let memories = self.memories.get(&row.sentence).ok_or_else(gone)?;
                    memories.iter().map(|own| own.start().clone()).collect()
                }
            });
        }
        let members = &self.engine.members;
        let share = (members.len() as f32).ln();
        self.other.resize(
            if members.len() > 1 {
                log_probs.len()
            } else {
                0
            },
            0.0,
        );
        for (number, member) in members.iter().enumerate() {
            let mut steps = Vec::with_capacity(rows.len());
            for (row, states) in rows.iter().zip(&mut states) {
                let memories = self.memories.get(&row.sentence).ok_or_else(gone)?;
                steps.push(StepRow {
                    token: row.token,
                    memory: &memories[number],
                    state: &mut states[number],
                });
            }
            match members.len() {
                1 => member.step(&mut steps, &mut self.scratch, log_probs)?,
                _ => {
                    member.step(&mut steps, &mut self.scratch, &mut self.other)?;
                    add_logs(log_probs, &self.other, number == 0, share);
                }
            }
        }
        let mean = |states: &Vec<Seq2SeqState>| {
            let mut sum = states[0].attention().to_vec();
            for other in &states[1..] {
                sum.iter_mut()
                    .zip(other.attention())
                    .for_each(|(sum, own)| *sum += own);
            }
            let share = 1.0 / states.len() as f32;
            sum.iter_mut().for_each(|x| *x *= share);
            sum
        };
        self.attention = states.iter().map(mean).collect();
        self.states = states;
        Ok(())
    }

    fn attention(&self, row: usize) -> Option<&[f32]> {
        self.attention.get(row).map(Vec::as_slice)
    }

    fn leave(&mut self, sentence: usize) {
        self.memories.remove(&sentence);
    }
}
