//! The demands of one sentence, checked and made ready.

use super::config::{Mode, SearchConfig};
use super::error::SearchError;
use super::words::Words;

/// Most bytes of the hypotheses of one sentence.
const MOST_BYTES: usize = 1 << 30;
/// Bytes of a hypothesis for each step, rounded up.
const STEP_BYTES: usize = 64;

/// The demands of one sentence. The default has none, and a source length of 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    /// `S`: source positions, for the length rule and for attention weights.
    pub length: usize,
    /// Input of its first step instead of that of the settings, such as the mark of a language, or the last token of a
    /// text that the model takes in when the sentence enters.
    pub begin: Option<u32>,
    /// The first tokens of each hypothesis. Neither bans nor blocks apply to them. They count in lengths and scores.
    pub prefix: Vec<u32>,
    /// Words, as tokens that follow each other, each of which every hypothesis contains; words may overlap. Not for
    /// random draws.
    pub words: Vec<Vec<u32>>,
    /// Tokens that its hypotheses do not have, besides those of [`SearchConfig::banned`].
    pub banned: Vec<u32>,
    /// Earlier texts, for [`SearchConfig::no_repeat_earlier`]; n-grams do not cross from one to the next.
    pub earlier: Vec<Vec<u32>>,
    /// Number of its random draws; absent: its position in the input. Sentences of one number and one content have the
    /// same draws.
    pub draw: Option<u64>,
}

/// A target with a known text, for [`score`](super::score).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// `S`: source positions, for attention weights.
    pub length: usize,
    /// Input of its first step instead of that of the settings.
    pub begin: Option<u32>,
    /// Its tokens, without the end mark.
    pub tokens: Vec<u32>,
    /// Whether the end mark follows.
    pub ended: bool,
}

/// The demands of a sentence, ready for use.
pub(super) struct Plan {
    pub sentence: usize,
    /// `S`
    pub source: usize,
    /// Input of the first step.
    pub begin: u32,
    pub prefix: Vec<u32>,
    pub words: Words,
    pub banned: Vec<u32>,
    pub earlier: Vec<Vec<u32>>,
    /// Number of its random draws.
    pub draw: u64,
    /// Fewest tokens before the end mark.
    pub least: usize,
    /// Number of steps.
    pub steps: usize,
}

impl Plan {
    pub fn new(
        sentence: usize,
        source: Source,
        config: &SearchConfig,
        vocabulary: usize,
    ) -> Result<Self, SearchError> {
        let wrong = |problem: String| Err(SearchError::Sentence { sentence, problem });
        check_tokens(sentence, "its prefix", &source.prefix, config, vocabulary)?;
        check_tokens(
            sentence,
            "a forced word",
            &source.words.concat(),
            config,
            vocabulary,
        )?;
        check_tokens(sentence, "its bans", &source.banned, config, vocabulary)?;
        if !source.words.is_empty() && matches!(config.mode, Mode::Sample { .. }) {
            return wrong("forced words need a beam search, not random draws".into());
        }
        if source.words.iter().any(Vec::is_empty) {
            return wrong("a forced word has no tokens; leave it out".into());
        }
        let mut banned = source.banned;
        banned.extend_from_slice(&config.banned);
        if let Some(token) = source.words.iter().flatten().find(|t| banned.contains(t)) {
            return wrong(format!(
                "token {token} of a forced word is banned; lift the ban"
            ));
        }
        let words = Words::new(source.words);
        let (prefix, forced) = (source.prefix.len(), words.tokens());
        let needed = prefix.saturating_add(forced).max(config.length.least);
        if needed >= config.length.most {
            let most = config.length.most;
            return wrong(format!(
                "a prefix of {prefix} tokens and forced words of {forced} leave no room for an end mark within the \
                 maximum length of {most}; raise it"
            ));
        }
        let plan = Self {
            sentence,
            source: source.length,
            begin: source.begin.unwrap_or(config.begin),
            prefix: source.prefix,
            words,
            banned,
            earlier: source.earlier,
            draw: source.draw.unwrap_or(sentence as u64),
            least: config.length.least,
            steps: config.length.maximum(source.length).max(needed + 1),
        };
        plan.check_memory(config)?;
        Ok(plan)
    }

    /// The plan that has one hypothesis only.
    pub fn forced(
        sentence: usize,
        target: Target,
        config: &SearchConfig,
        vocabulary: usize,
    ) -> Result<Self, SearchError> {
        check_tokens(sentence, "its target", &target.tokens, config, vocabulary)?;
        if target.ended && config.end.is_none() {
            let problem = "its target has an end mark, but the settings name none".into();
            return Err(SearchError::Sentence { sentence, problem });
        }
        let steps = target.tokens.len() + usize::from(target.ended);
        let plan = Self {
            sentence,
            source: target.length,
            begin: target.begin.unwrap_or(config.begin),
            prefix: target.tokens,
            words: Words::new(Vec::new()),
            banned: Vec::new(),
            earlier: Vec::new(),
            draw: 0,
            least: 0,
            steps,
        };
        plan.check_bytes(1, config)?;
        Ok(plan)
    }

    fn check_memory(&self, config: &SearchConfig) -> Result<(), SearchError> {
        let banks = self.words.tokens().saturating_add(1);
        let rows = match config.mode {
            Mode::Greedy => banks,
            Mode::Beam { width, .. } => width.saturating_mul(banks),
            Mode::Sample { samples, .. } => samples,
        };
        self.check_bytes(rows, config)
    }

    /// An error if this number of hypotheses of all steps takes too much memory.
    fn check_bytes(&self, rows: usize, config: &SearchConfig) -> Result<(), SearchError> {
        let attention = match config.attends() {
            true => self.source.saturating_mul(size_of::<f32>()),
            false => 0,
        };
        let each = attention.saturating_add(STEP_BYTES + self.words.bytes());
        let bytes = rows.saturating_mul(self.steps).saturating_mul(each);
        if bytes <= MOST_BYTES {
            return Ok(());
        }
        let (sentence, steps, source) = (self.sentence, self.steps, self.source);
        let problem = format!(
            "{rows} hypotheses of up to {steps} tokens over {source} source positions may take {bytes} bytes, more \
             than {MOST_BYTES}; lower the beam, the forced words or the maximum length"
        );
        Err(SearchError::Sentence { sentence, problem })
    }
}

fn check_tokens(
    sentence: usize,
    place: &str,
    tokens: &[u32],
    config: &SearchConfig,
    vocabulary: usize,
) -> Result<(), SearchError> {
    let problem = if let Some(token) = tokens.iter().find(|&&t| t as usize >= vocabulary) {
        format!("token {token} of {place} is not among the {vocabulary} tokens of the model")
    } else if let Some(end) = config.end.filter(|end| tokens.contains(end)) {
        format!("the end mark {end} stands in {place}; leave it out")
    } else {
        return Ok(());
    };
    Err(SearchError::Sentence { sentence, problem })
}
