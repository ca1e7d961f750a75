//! A small model whose log-probabilities depend on the whole history, and plain searches over it.

use refrain_decode::Rng;
use refrain_decode::search::{
    Decoder, Ending, Hypothesis, LengthPenalty, Row, SearchConfig, SearchError, Source, search,
};
use std::cmp::Ordering;
use std::collections::BTreeMap;

pub const BEGIN: u32 = 0;
pub const END: u32 = 1;

/// The kind of a model.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    pub vocabulary: usize,
    /// `S`
    pub source: usize,
    /// Whether scores are whole numbers, so that many are equal.
    pub ties: bool,
    /// Share of tokens with probability 0.
    pub zeros: f64,
    /// Added to the score of the end mark.
    pub end: f64,
}

impl Kind {
    pub fn new(vocabulary: usize) -> Self {
        Self {
            vocabulary,
            source: 3,
            ties: false,
            zeros: 0.0,
            end: 0.0,
        }
    }

    /// The state after one more token.
    pub fn next(&self, state: u64, token: u32) -> u64 {
        Rng::new(state ^ Rng::new(u64::from(token) + 1).next_u64()).next_u64()
    }

    pub fn log_probs(&self, state: u64) -> Vec<f32> {
        let mut rng = Rng::new(state);
        let mut scores: Vec<f64> = (0..self.vocabulary).map(|_| 4.0 * rng.uniform()).collect();
        for score in &mut scores {
            if self.ties {
                *score = score.floor();
            }
            if rng.uniform() < self.zeros {
                *score = f64::NEG_INFINITY;
            }
        }
        if let Some(score) = scores.get_mut(END as usize) {
            *score += self.end;
        }
        let sum: f64 = scores.iter().map(|score| score.exp()).sum();
        let log = |score: &f64| match *score == f64::NEG_INFINITY {
            true => f32::NEG_INFINITY,
            false => (score - sum.ln()) as f32,
        };
        scores.iter().map(log).collect()
    }

    pub fn attention(&self, state: u64) -> Vec<f32> {
        let mut rng = Rng::new(!state);
        let weights: Vec<f64> = (0..self.source).map(|_| rng.uniform()).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| (weight / sum) as f32).collect()
    }
}

/// The model as a search sees it. It checks the promises of the search.
pub struct Model {
    pub kind: Kind,
    /// Most sentences at a time.
    pub batch: usize,
    entered: BTreeMap<usize, u64>,
    rows: Vec<(usize, u64)>,
    attention: Vec<Vec<f32>>,
    /// Puts this value at this token of this sentence in this call.
    pub damage: Option<(usize, usize, usize, f32)>,
    calls: usize,
    pub most_rows: usize,
}

impl Model {
    pub fn new(kind: Kind, batch: usize) -> Self {
        Self {
            kind,
            batch,
            entered: BTreeMap::new(),
            rows: Vec::new(),
            attention: Vec::new(),
            damage: None,
            calls: 0,
            most_rows: 0,
        }
    }
}

impl Decoder for Model {
    type Input = u64;
    type Error = SearchError;

    fn vocabulary(&self) -> usize {
        self.kind.vocabulary
    }

    fn enter(&mut self, sentence: usize, seed: u64) -> Result<(), SearchError> {
        assert_eq!(self.entered.insert(sentence, seed), None);
        assert!(self.entered.len() <= self.batch);
        Ok(())
    }

    fn step(&mut self, rows: &[Row], log_probs: &mut [f32]) -> Result<(), SearchError> {
        let v = self.kind.vocabulary;
        assert_eq!(log_probs.len(), rows.len() * v);
        let runs = rows.chunk_by(|a, b| a.sentence == b.sentence);
        let mut seen: Vec<usize> = runs.map(|run| run[0].sentence).collect();
        assert!(
            seen.iter()
                .all(|sentence| self.entered.contains_key(sentence))
        );
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count, "rows of a sentence stand together");
        let next = rows.iter().map(|row| {
            let before = match row.from {
                Some(from) => self.rows[from],
                None => (row.sentence, self.entered[&row.sentence]),
            };
            assert_eq!(before.0, row.sentence);
            (row.sentence, self.kind.next(before.1, row.token))
        });
        let next: Vec<(usize, u64)> = next.collect();
        for (&(sentence, state), out) in next.iter().zip(log_probs.chunks_mut(v)) {
            out.copy_from_slice(&self.kind.log_probs(state));
            if let Some((call, at, token, value)) = self.damage
                && (call, at) == (self.calls, sentence)
            {
                out[token] = value;
            }
        }
        self.attention = next.iter().map(|row| self.kind.attention(row.1)).collect();
        self.most_rows = self.most_rows.max(rows.len());
        self.rows = next;
        self.calls += 1;
        Ok(())
    }

    fn attention(&self, row: usize) -> Option<&[f32]> {
        self.attention.get(row).map(Vec::as_slice)
    }

    fn leave(&mut self, sentence: usize) {
        assert!(self.entered.remove(&sentence).is_some());
    }
}

pub fn plain_text(tokens: &[u32]) -> String {
    format!("{tokens:?}")
}

/// The settings of most tests. Token 0 begins and is no output.
pub fn settings(most: usize) -> SearchConfig {
    let mut config = SearchConfig::new(BEGIN, Some(END));
    config.banned = vec![BEGIN];
    config.length.ratio = 0.0;
    config.length.plus = most;
    config.length.most = most;
    config
}

pub type Results = Result<Vec<Vec<Hypothesis>>, SearchError>;

pub fn run_as(
    kind: Kind,
    inputs: &[(u64, Source)],
    config: &SearchConfig,
    text: &dyn Fn(&[u32]) -> String,
) -> Results {
    let mut model = Model::new(kind, config.batch);
    let results = search(&mut model, inputs.iter().cloned(), config, text)?.collect();
    if Result::is_ok(&results) {
        assert!(model.entered.is_empty(), "all sentences have left");
    }
    results
}

pub fn run(kind: Kind, inputs: &[(u64, Source)], config: &SearchConfig) -> Results {
    run_as(kind, inputs, config, &plain_text)
}

/// A hypothesis of the plain searches.
#[derive(Debug, Clone)]
pub struct Path {
    pub tokens: Vec<u32>,
    pub sum: f64,
    pub score: f64,
    pub ending: Ending,
    state: u64,
    cover: Vec<f64>,
}

/// A plain search: vectors are cloned, and nothing ends early.
pub struct Plain<'a> {
    pub kind: Kind,
    pub config: &'a SearchConfig,
    pub source: &'a Source,
    /// Steps.
    pub most: usize,
}

impl Plain<'_> {
    pub fn start(&self, seed: u64) -> Path {
        let mut path = Path {
            tokens: Vec::new(),
            sum: 0.0,
            score: 0.0,
            ending: Ending::Length,
            state: self.kind.next(seed, BEGIN),
            cover: vec![0.0; self.kind.source],
        };
        for &token in &self.source.prefix {
            let log_prob = self.kind.log_probs(path.state)[token as usize];
            path = self.longer(&path, token, log_prob);
        }
        self.scored(path)
    }

    pub fn longer(&self, path: &Path, token: u32, log_prob: f32) -> Path {
        let mut next = path.clone();
        next.sum += f64::from(log_prob);
        for (cover, weight) in next.cover.iter_mut().zip(self.kind.attention(path.state)) {
            *cover += f64::from(weight);
        }
        if token == END {
            next.ending = Ending::Mark;
        } else {
            next.tokens.push(token);
            next.state = self.kind.next(path.state, token);
        }
        self.scored(next)
    }

    fn scored(&self, mut path: Path) -> Path {
        let len = path.tokens.len() + usize::from(path.ending == Ending::Mark);
        let len = len.max(1) as f64;
        let divisor = match self.config.penalty {
            LengthPenalty::Power(alpha) => libm::pow(len, alpha),
            LengthPenalty::Wu(alpha) => libm::pow((5.0 + len) / 6.0, alpha),
        };
        let log = |sum: &f64| libm::log(sum.clamp(1e-9, 1.0));
        let coverage: f64 = path.cover.iter().map(log).sum();
        path.score = path.sum / divisor + self.config.coverage * coverage;
        path
    }

    /// The tokens that may follow, with their log-probabilities.
    pub fn options(&self, path: &Path) -> Vec<(u32, f32)> {
        let log_probs = self.kind.log_probs(path.state);
        let allowed = |token: u32| {
            let early = path.tokens.len() < self.config.length.least;
            let lacks = self
                .source
                .words
                .iter()
                .any(|word| !contains(&path.tokens, word));
            let banned = [&self.config.banned, &self.source.banned];
            let banned = banned.iter().any(|list| list.contains(&token));
            !(banned || token == END && (early || lacks))
        };
        let all = (0..).zip(log_probs);
        let all: Vec<(u32, f32)> = all
            .filter(|o| allowed(o.0) && o.1 > f32::NEG_INFINITY)
            .collect();
        let free: Vec<(u32, f32)> = all
            .iter()
            .copied()
            .filter(|o| !self.repeats(path, o.0))
            .collect();
        if free.is_empty() { all } else { free }
    }

    fn repeats(&self, path: &Path, token: u32) -> bool {
        let mut longer = path.tokens.clone();
        longer.push(token);
        let again = |n: usize, text: &[u32]| {
            longer.len() >= n && contains(text, &longer[longer.len() - n..])
        };
        let own = self
            .config
            .no_repeat
            .is_some_and(|n| again(n, &path.tokens));
        let earlier = self.config.no_repeat_earlier;
        token != END
            && (own
                || earlier.is_some_and(|n| self.source.earlier.iter().any(|text| again(n, text))))
    }

    /// Every hypothesis there is.
    pub fn everything(&self, path: &Path, all: &mut Vec<Path>) {
        if path.tokens.len() == self.most {
            return all.push(path.clone());
        }
        let options = self.options(path);
        if options.is_empty() {
            let mut stuck = path.clone();
            stuck.ending = Ending::Stuck;
            all.push(stuck);
        }
        for (token, log_prob) in options {
            let next = self.longer(path, token, log_prob);
            match next.ending {
                Ending::Mark => all.push(next),
                _ => self.everything(&next, all),
            }
        }
    }

    /// A beam search without words, to the last step.
    pub fn beam(&self, seed: u64, width: usize) -> Vec<Path> {
        let (mut live, mut ended, mut rest) = (vec![self.start(seed)], Vec::new(), Vec::new());
        while !live.is_empty() {
            let mut candidates = Vec::new();
            for path in &live {
                let options = self.options(path);
                if options.is_empty() {
                    let mut stuck = path.clone();
                    stuck.ending = Ending::Stuck;
                    rest.push(stuck);
                }
                candidates.extend(options.into_iter().map(|o| self.longer(path, o.0, o.1)));
            }
            candidates.sort_by(|a, b| b.sum.partial_cmp(&a.sum).unwrap());
            let mut next = Vec::new();
            for (rank, path) in candidates.into_iter().enumerate() {
                match path.ending {
                    Ending::Mark if rank < width => ended.push(path),
                    Ending::Mark => {}
                    _ if next.len() < width => next.push(path),
                    _ => {}
                }
            }
            live = next;
            if live
                .first()
                .is_some_and(|path| path.tokens.len() == self.most)
            {
                rest.append(&mut live);
            }
            if width == 1 && !ended.is_empty() {
                break;
            }
        }
        for list in [&mut ended, &mut rest] {
            list.sort_by(by_score);
            list.truncate(width);
        }
        ended.append(&mut rest);
        ended.truncate(width);
        ended
    }
}

pub fn by_score(a: &Path, b: &Path) -> Ordering {
    b.score.partial_cmp(&a.score).unwrap()
}

pub fn contains(text: &[u32], word: &[u32]) -> bool {
    text.windows(word.len()).any(|part| part == word)
}
