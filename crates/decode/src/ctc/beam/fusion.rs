//! The score of a prefix besides its sound: language models, lexicon, hot words, bonuses.

use super::config::{BeamConfig, BeamError, BeamModels};
use super::parts::ScoreParts;
use crate::ngram::State;
use crate::text::{HotWords, Labels, Lexicon};

/// The part of a prefix's score that depends on its labels alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    lexicon: u32,
    hot: u32,
    words: State,
    labels: State,
    /// Whether the current word has letters.
    spelled: bool,
    hot_done: f64,
    /// The sums that the score weighs, the potential of hot words included; ctc is filled in at the end.
    pub parts: ScoreParts,
    /// The weighted sum, which is added to ln p_ctc.
    pub extra: f64,
}

/// The score of a prefix's last word by the n-gram of words: looked up once, though the word may end in any frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdict {
    log_p: f64,
    state: State,
    known: bool,
}

#[derive(Debug)]
pub(super) struct Fusion {
    pub labels: Labels,
    pub config: BeamConfig,
    models: BeamModels,
    hot: Option<HotWords>,
    /// `[V]`: the labels' ids in the n-gram of labels.
    tokens: Vec<Option<u32>>,
}

impl Fusion {
    pub(super) fn new(
        labels: Labels,
        config: BeamConfig,
        models: BeamModels,
    ) -> Result<Self, BeamError> {
        let boundary = labels.has_boundary();
        if models.lexicon.is_some() && !boundary {
            return Err(BeamError::NoBoundary("a lexicon"));
        }
        if models.words.is_some() && !boundary {
            return Err(BeamError::NoBoundary("an n-gram of words"));
        }
        let hot = match models.hot_words.is_empty() {
            true => None,
            false => Some(HotWords::new(&models.hot_words, boundary)?),
        };
        let tokens = match &models.labels {
            Some(lm) => (0..labels.vocabulary() as u32)
                .map(|label| lm.id(&labels.token(label)))
                .collect(),
            None => Vec::new(),
        };
        Ok(Self {
            labels,
            config,
            models,
            hot,
            tokens,
        })
    }

    /// The context of no labels.
    pub(super) fn start(&self) -> Context {
        let start = |lm: &Option<std::sync::Arc<crate::ngram::Ngram>>| match lm {
            Some(lm) => lm.start(),
            None => State::default(),
        };
        let mut context = Context {
            lexicon: Lexicon::ROOT,
            hot: self.hot.as_ref().map_or(0, HotWords::start),
            words: start(&self.models.words),
            labels: start(&self.models.labels),
            spelled: false,
            hot_done: 0.0,
            parts: ScoreParts::default(),
            extra: 0.0,
        };
        self.weigh(&mut context);
        context
    }

    /// Judges the last word of a prefix, if there is one and a model to judge it; `word` gives its text.
    pub(super) fn judge(
        &self,
        context: &Context,
        word: impl FnOnce() -> String,
    ) -> Option<Verdict> {
        let lm = self.models.words.as_ref().filter(|_| context.spelled)?;
        let id = lm.id(&word());
        let (log_p, state) = lm.score_id(context.words, id);
        let known = id.is_some();
        Some(Verdict {
            log_p,
            state,
            known,
        })
    }

    /// The context with one label more; none if the lexicon forbids it. If the label opens a word, the verdict of
    /// [`judge`](Self::judge) on the word before counts.
    pub(super) fn grow(
        &self,
        context: &Context,
        label: u32,
        verdict: Option<Verdict>,
    ) -> Option<Context> {
        let mut next = *context;
        if context.spelled && self.labels.opens_word(label) {
            self.close_word(&mut next, verdict)?;
        }
        let text = self.labels.text(label);
        next.spelled |= !text.is_empty();
        if let Some(lexicon) = &self.models.lexicon {
            let step = |node, c| lexicon.step(node, c);
            next.lexicon = text.chars().try_fold(next.lexicon, step)?;
        }
        if self.hot.is_some() {
            text.chars().for_each(|c| self.hear(&mut next, c));
        }
        if let Some(lm) = &self.models.labels {
            let (log_p, state) = lm.score_id(next.labels, self.tokens[label as usize]);
            next.parts.label_lm += log_p;
            next.labels = state;
        }
        next.parts.labels += 1;
        self.weigh(&mut next);
        Some(next)
    }

    /// The context if the text ended here; none within a word of the lexicon.
    pub(super) fn finish(&self, context: &Context, verdict: Option<Verdict>) -> Option<Context> {
        let mut last = *context;
        if context.spelled {
            self.close_word(&mut last, verdict)?;
        }
        if self.config.sentence_end {
            let (words, labels) = (&self.models.words, &self.models.labels);
            last.parts.word_lm += words.as_ref().map_or(0.0, |lm| lm.end(last.words));
            last.parts.label_lm += labels.as_ref().map_or(0.0, |lm| lm.end(last.labels));
        }
        // No phrase is being spelled any more.
        last.hot = 0;
        self.weigh(&mut last);
        Some(last)
    }

    fn close_word(&self, context: &mut Context, verdict: Option<Verdict>) -> Option<()> {
        if let Some(lexicon) = &self.models.lexicon {
            if !lexicon.is_word(context.lexicon) {
                return None;
            }
            context.lexicon = Lexicon::ROOT;
        }
        if let Some(verdict) = verdict {
            context.parts.word_lm += verdict.log_p;
            context.parts.unknown += usize::from(!verdict.known);
            context.words = verdict.state;
        }
        context.parts.words += 1;
        context.spelled = false;
        self.hear(context, ' ');
        Some(())
    }

    fn hear(&self, context: &mut Context, character: char) {
        if let Some(hot) = &self.hot {
            let (state, done) = hot.step(context.hot, character);
            context.hot = state;
            context.hot_done += done;
        }
    }

    fn weigh(&self, context: &mut Context) {
        let config = &self.config;
        let potential = |hot: &HotWords| hot.potential(context.hot);
        let parts = &mut context.parts;
        parts.hot = context.hot_done + self.hot.as_ref().map_or(0.0, potential);
        context.extra = config.word_weight * parts.word_lm
            + config.label_weight * parts.label_lm
            + config.word_bonus * parts.words as f64
            + config.unknown_bonus * parts.unknown as f64
            + config.label_bonus * parts.labels as f64
            + parts.hot;
    }
}
