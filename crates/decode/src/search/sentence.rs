//! One sentence, from its first step to its results.

use super::beam::Beam;
use super::config::{Mode, SearchConfig, Stop};
use super::decoder::Row;
use super::draws::Draws;
use super::error::SearchError;
use super::hypothesis::{Ending, Hypothesis, Kept};
use super::source::Plan;
use super::step::{Live, Scratch, Step};
use super::tree::Tree;

/// Log-probabilities above 0 are rounding up to this.
const ROUNDING: f32 = 1e-3;

/// The parts that all sentences share.
pub(super) struct Shared<'a> {
    pub config: SearchConfig,
    /// `V`
    pub vocabulary: usize,
    /// The text of tokens.
    pub text: &'a dyn Fn(&[u32]) -> String,
    pub scratch: Scratch,
}

/// The hypotheses that grow no more.
enum Choice {
    Beam(Beam),
    Draws(Draws),
    /// A known target.
    Forced(Option<Kept>),
}

/// A sentence of the batch.
pub(super) struct Sentence {
    plan: Plan,
    tree: Tree,
    live: Vec<Live>,
    /// Tokens of the live hypotheses.
    length: usize,
    choice: Choice,
}

impl Sentence {
    pub fn searched(plan: Plan, config: &SearchConfig) -> Self {
        let choice = match config.mode {
            Mode::Greedy => Choice::Beam(Beam::new(1, 1, Stop::Full)),
            Mode::Beam {
                width,
                n_best,
                stop,
            } => Choice::Beam(Beam::new(width, n_best, stop)),
            Mode::Sample {
                sampler,
                samples,
                seed,
            } => Choice::Draws(Draws::new(sampler, samples, seed, plan.draw)),
        };
        Self::new(plan, choice)
    }

    pub fn forced(plan: Plan, shared: &Shared<'_>) -> Self {
        let mut sentence = Self::new(plan, Choice::Forced(None));
        if sentence.plan.steps == 0 {
            sentence.cut(shared);
        }
        sentence
    }

    fn new(plan: Plan, choice: Choice) -> Self {
        Self {
            tree: Tree::new(plan.source),
            live: vec![Live::start(&plan)],
            length: 0,
            plan,
            choice,
        }
    }

    pub fn number(&self) -> usize {
        self.plan.sentence
    }

    /// Number of its rows in the next step; 0 at its end.
    pub fn rows(&self) -> usize {
        self.live.len()
    }

    pub fn ask(&self, rows: &mut Vec<Row>) {
        let token = |node| {
            self.tree
                .last(node)
                .map_or(self.plan.begin, |last| last.token)
        };
        rows.extend(self.live.iter().map(|live| Row {
            sentence: self.plan.sentence,
            from: live.from,
            token: token(live.node),
        }));
    }

    /// Takes the attention weights of its next row.
    pub fn attend(&mut self, weights: Option<&[f32]>) -> Result<(), SearchError> {
        let found = match weights {
            None => "none".to_owned(),
            Some(weights) if weights.len() != self.plan.source => format!("{}", weights.len()),
            Some(weights) => match weights.iter().position(|weight| !weight.is_finite()) {
                Some(at) => format!("{} at position {at}", weights[at]),
                None => {
                    self.tree.attend(weights);
                    return Ok(());
                }
            },
        };
        Err(SearchError::Attention {
            sentence: self.plan.sentence,
            step: self.length,
            length: self.plan.source,
            found,
        })
    }

    /// Takes the scores `[N,V]` of its rows, the first of which has the number `first`.
    pub fn step(
        &mut self,
        log_probs: &mut [f32],
        first: usize,
        shared: &mut Shared<'_>,
    ) -> Result<(), SearchError> {
        self.check(log_probs, shared.vocabulary)?;
        let parents = std::mem::take(&mut self.live);
        let (config, text) = (&shared.config, shared.text);
        let mut step = Step {
            plan: &self.plan,
            config,
            tree: &mut self.tree,
            parents: &parents,
            log_probs,
            vocabulary: shared.vocabulary,
            first,
            length: self.length,
            scratch: &mut shared.scratch,
        };
        self.live = match (self.plan.prefix.get(self.length), &mut self.choice) {
            (Some(&token), choice) => {
                let live = step.grow(0, token);
                if live.sum == f64::NEG_INFINITY && !matches!(choice, Choice::Forced(_)) {
                    let (sentence, step) = (self.plan.sentence, self.length);
                    return Err(SearchError::Prefix {
                        sentence,
                        step,
                        token,
                    });
                }
                vec![live]
            }
            (None, Choice::Beam(beam)) => beam.step(step, text),
            (None, Choice::Draws(draws)) => draws.step(step)?,
            (None, Choice::Forced(kept)) => {
                *kept = config.end.map(|end| step.end(0, end));
                Vec::new()
            }
        };
        self.tree.close_step(parents.len());
        self.length += 1;
        if self.length == self.plan.steps {
            self.cut(shared);
        }
        self.stop(&shared.config);
        Ok(())
    }

    /// Ends the live hypotheses at the maximum length.
    fn cut(&mut self, shared: &Shared<'_>) {
        let (plan, config) = (&self.plan, &shared.config);
        for live in std::mem::take(&mut self.live) {
            let ending = Ending::Length;
            let kept = Kept::new(&live, self.length, ending, &self.tree, plan, config);
            match &mut self.choice {
                Choice::Beam(beam) => beam.keep(kept, &self.tree, shared.text),
                Choice::Draws(draws) => draws.keep(live.sample, kept),
                Choice::Forced(forced) => *forced = Some(kept),
            }
        }
    }

    /// Drops live hypotheses that cannot become results.
    fn stop(&mut self, config: &SearchConfig) {
        let Choice::Beam(beam) = &self.choice else {
            return;
        };
        let sums = self.live.iter().map(|live| live.sum);
        let best = sums.fold(f64::NEG_INFINITY, f64::max);
        let present = config.score(best, self.length, 0.0);
        // The end mark is still to come.
        let bound = config.bound(best, self.length + 1, self.plan.steps);
        if beam.over(present, bound) {
            self.live.clear();
        }
    }

    /// The results, once there are no rows.
    pub fn results(&self, config: &SearchConfig) -> Vec<Hypothesis> {
        let kept = match &self.choice {
            Choice::Beam(beam) => beam.results(),
            Choice::Draws(draws) => draws.results(),
            Choice::Forced(kept) => kept.iter().collect(),
        };
        let kept = kept.into_iter();
        kept.map(|kept| kept.hypothesis(&self.tree, config))
            .collect()
    }

    fn check(&self, log_probs: &[f32], vocabulary: usize) -> Result<(), SearchError> {
        let good = |value: f32| value <= ROUNDING;
        for row in log_probs.chunks(vocabulary) {
            // Without an early exit, so that many values are compared at once.
            if row.iter().fold(true, |all, &value| all & good(value)) {
                continue;
            }
            if let Some(token) = row.iter().position(|&value| !good(value)) {
                return Err(SearchError::LogProb {
                    sentence: self.plan.sentence,
                    step: self.length,
                    token,
                    value: row[token],
                });
            }
        }
        Ok(())
    }
}
