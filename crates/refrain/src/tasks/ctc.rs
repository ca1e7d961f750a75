//! The search for text in the scores of a model with CTC, for all tasks that have one: the best path, or a beam with
//! language models.

use crate::error::Error;
use crate::files;
use crate::store::ModelFolder;
use rayon::prelude::*;
use refrain_data::vocab::Vocabulary;
use refrain_decode::StateError;
use refrain_decode::ctc::beam::{
    BeamConfig, BeamDecoder, BeamModels, BeamSearch, BeamState, Hypothesis, ScoreParts,
};
use refrain_decode::ctc::greedy::{GreedySearch, GreedyState};
use refrain_decode::ctc::{LabelSpan, words};
use refrain_decode::ngram::{Ngram, arpa};
use refrain_decode::text::{HotWord, Labels, Lexicon};
use serde::{Deserialize, Serialize};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the file in a model folder that holds its [`DecoderConfig`].
pub const DECODER: &str = "decoder.toml";

/// Beam of a search that is asked for by its language models.
const USUAL_BEAM: usize = 50;

/// How text is found, as `decoder.toml` of a model folder keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecoderConfig {
    /// Prefixes that a search keeps; 0: the best path, without models.
    pub beam: usize,
    /// An n-gram model of words, ARPA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<PathBuf>,
    /// An n-gram model of characters, ARPA, with `▁` for the space.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub characters: Option<PathBuf>,
    /// The only words that may be written, one a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lexicon: Option<PathBuf>,
    /// α: weight of the model of words.
    pub word_weight: f64,
    /// β: added for each word, nats.
    pub word_bonus: f64,
    /// Weight of the model of characters.
    pub character_weight: f64,
    /// Added for each character, nats.
    pub character_bonus: f64,
    /// Added for each word that the model of words does not know, nats.
    pub unknown_bonus: f64,
    /// Words and phrases to prefer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hot_words: Vec<String>,
    /// Added for each of them, nats.
    pub hot_bonus: f64,
    /// The only characters that may be written, beside the space; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<String>,
}

impl Default for DecoderConfig {
    fn default() -> Self {
        Self {
            beam: 0,
            words: None,
            characters: None,
            lexicon: None,
            word_weight: 0.5,
            word_bonus: 1.5,
            character_weight: 0.5,
            character_bonus: 0.0,
            unknown_bonus: -5.0,
            hot_words: Vec::new(),
            hot_bonus: 5.0,
            allow: None,
        }
    }
}

impl DecoderConfig {
    /// The settings of a model folder, with the paths of its files; the best path if it has none.
    ///
    /// # Errors
    /// A file that cannot be read, or names outside of the folder.
    pub fn of(folder: &ModelFolder) -> Result<Self, Error> {
        let mut config: Self = files::read_toml(folder.path(), DECODER)?.unwrap_or_default();
        for file in config.files_mut().into_iter().flatten() {
            *file = folder.inside(file)?;
        }
        Ok(config)
    }

    /// The files that it names.
    pub(in crate::tasks) fn files_mut(&mut self) -> [&mut Option<PathBuf>; 3] {
        [&mut self.words, &mut self.characters, &mut self.lexicon]
    }

    fn beam_config(&self) -> BeamConfig {
        BeamConfig {
            width: self.beam,
            word_weight: self.word_weight,
            word_bonus: self.word_bonus,
            label_weight: self.character_weight,
            label_bonus: self.character_bonus,
            unknown_bonus: self.unknown_bonus,
            ..BeamConfig::default()
        }
    }

    fn needs_beam(&self) -> bool {
        let files = [&self.words, &self.characters, &self.lexicon];
        files.iter().any(|file| file.is_some()) || !self.hot_words.is_empty()
    }
}

/// Settings of a search over those of a model folder; an absent one is the folder's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchOptions {
    /// The best path, whatever the folder says.
    pub greedy: bool,
    /// As [`DecoderConfig::beam`].
    pub beam: Option<usize>,
    /// As [`DecoderConfig::words`], relative to the current folder.
    pub words: Option<PathBuf>,
    /// As [`DecoderConfig::characters`], relative to the current folder.
    pub characters: Option<PathBuf>,
    /// As [`DecoderConfig::lexicon`], relative to the current folder.
    pub lexicon: Option<PathBuf>,
    /// As [`DecoderConfig::word_weight`].
    pub word_weight: Option<f64>,
    /// As [`DecoderConfig::word_bonus`].
    pub word_bonus: Option<f64>,
    /// As [`DecoderConfig::character_weight`].
    pub character_weight: Option<f64>,
    /// As [`DecoderConfig::character_bonus`].
    pub character_bonus: Option<f64>,
    /// As [`DecoderConfig::unknown_bonus`].
    pub unknown_bonus: Option<f64>,
    /// Added to those of the folder.
    pub hot_words: Vec<String>,
    /// As [`DecoderConfig::hot_bonus`].
    pub hot_bonus: Option<f64>,
    /// As [`DecoderConfig::allow`].
    pub allow: Option<String>,
}

impl SearchOptions {
    /// The best path.
    pub fn greedy() -> Self {
        Self {
            greedy: true,
            ..Self::default()
        }
    }

    /// The settings of a folder with these over them. A language model without a beam gets the usual beam.
    pub fn over(&self, folder: &DecoderConfig) -> DecoderConfig {
        let allow = self.allow.as_ref().or(folder.allow.as_ref()).cloned();
        if self.greedy {
            return DecoderConfig {
                allow,
                ..DecoderConfig::default()
            };
        }
        let mut config = folder.clone();
        let files = [&self.words, &self.characters, &self.lexicon];
        for (to, from) in config.files_mut().into_iter().zip(files) {
            if from.is_some() {
                to.clone_from(from);
            }
        }
        let numbers = [
            (&mut config.word_weight, self.word_weight),
            (&mut config.word_bonus, self.word_bonus),
            (&mut config.character_weight, self.character_weight),
            (&mut config.character_bonus, self.character_bonus),
            (&mut config.unknown_bonus, self.unknown_bonus),
            (&mut config.hot_bonus, self.hot_bonus),
        ];
        for (to, from) in numbers {
            *to = from.unwrap_or(*to);
        }
        config.hot_words.extend(self.hot_words.iter().cloned());
        config.beam = match self.beam {
            Some(beam) => beam,
            None if config != *folder && config.beam == 0 => USUAL_BEAM,
            None => config.beam,
        };
        config.allow = allow;
        config
    }

    /// As [`Self::over`], for a search whose weights are to be found.
    ///
    /// # Errors
    /// No language model to weigh.
    pub fn to_tune(&self, folder: &DecoderConfig) -> Result<DecoderConfig, Error> {
        let mut config = self.over(folder);
        if config.files_mut().iter().all(|file| file.is_none()) {
            return Err(Error::Config(
                "there is no language model to weigh; make one with `refrain speech ngram MODEL` and give it with \
                 --words"
                    .into(),
            ));
        }
        if config.beam == 0 {
            config.beam = USUAL_BEAM;
        }
        Ok(config)
    }
}

/// Language models and words of a search, read once.
#[derive(Clone, Debug, Default)]
pub(in crate::tasks) struct SearchModels(BeamModels);

impl SearchModels {
    /// `write` turns a word or a phrase of the user into the characters of the model.
    ///
    /// # Errors
    /// Files that are missing or hold something else.
    pub fn load(config: &DecoderConfig, write: &dyn Fn(&str) -> String) -> Result<Self, Error> {
        let ngram = |path: &Option<PathBuf>| path.as_ref().map(|path| read(path));
        let lexicon = config.lexicon.as_ref().map(|path| {
            files::open(path)?;
            let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
            let words: Vec<String> = text.split_whitespace().map(write).collect();
            let lexicon = Lexicon::new(words.iter().flat_map(|own| own.split_whitespace()));
            match lexicon.is_empty() {
                true => Err(Error::Config(format!(
                    "the lexicon {} has no words; write one a line",
                    path.display()
                ))),
                false => Ok(Arc::new(lexicon)),
            }
        });
        let hot = config.hot_words.iter().map(|phrase| HotWord {
            phrase: write(phrase),
            bonus: config.hot_bonus,
        });
        Ok(Self(BeamModels {
            words: ngram(&config.words).transpose()?,
            labels: ngram(&config.characters).transpose()?,
            lexicon: lexicon.transpose()?,
            hot_words: hot.collect(),
        }))
    }
}

fn read(path: &Path) -> Result<Arc<Ngram>, Error> {
    let file = files::open(path)?;
    let model = arpa::read(BufReader::new(file)).map_err(|source| Error::Arpa {
        path: path.to_path_buf(),
        source,
    })?;
    Ok(Arc::new(model))
}

/// Finds text; utterances share it.
#[derive(Clone, Debug)]
pub(in crate::tasks) struct Decoder {
    kind: Kind,
    allowed: Option<Allowed>,
}

#[derive(Clone, Debug)]
enum Kind {
    Greedy(Labels),
    Beam(BeamDecoder),
}

impl Decoder {
    /// # Errors
    /// Models without a beam, or settings that cannot be.
    pub fn new(
        labels: &Labels,
        config: &DecoderConfig,
        models: &SearchModels,
    ) -> Result<Self, Error> {
        let allow = config.allow.as_deref();
        let allowed = allow.map(|own| Allowed::new(own, labels)).transpose()?;
        let kind = match (config.beam, config.needs_beam()) {
            (0, false) => Kind::Greedy(labels.clone()),
            (0, true) => {
                return Err(Error::Config(
                    "language models, a lexicon and hot words need a search; set a beam of 1 or more, 50 is usual"
                        .into(),
                ));
            }
            _ => Kind::Beam(BeamDecoder::new(
                labels.clone(),
                config.beam_config(),
                models.0.clone(),
            )?),
        };
        Ok(Self { kind, allowed })
    }

    /// The best path, without models.
    pub fn greedy(labels: &Labels) -> Self {
        Self {
            kind: Kind::Greedy(labels.clone()),
            allowed: None,
        }
    }

    pub fn begin(&self) -> Search {
        let kind = match &self.kind {
            Kind::Greedy(labels) => {
                let search = GreedySearch::new(labels.vocabulary(), labels.blank());
                SearchKind::Greedy(search, labels.clone())
            }
            Kind::Beam(decoder) => SearchKind::Beam(Box::new(decoder.begin())),
        };
        self.search(kind)
    }

    fn search(&self, kind: SearchKind) -> Search {
        Search {
            kind,
            allowed: self.allowed.clone(),
        }
    }

    /// The search that [`Search::state`] described.
    ///
    /// # Errors
    /// A state that no search of this decoder can have.
    pub fn resume(&self, state: SearchState) -> Result<Search, Error> {
        let refused = |e: StateError| Error::State(format!("{}: {}", e.search, e.problem));
        let kind = match (&self.kind, state) {
            (Kind::Greedy(labels), SearchState::Greedy(state)) => {
                let search = GreedySearch::from_state(labels.vocabulary(), labels.blank(), state);
                SearchKind::Greedy(search.map_err(refused)?, labels.clone())
            }
            (Kind::Beam(decoder), SearchState::Beam(state)) => {
                SearchKind::Beam(Box::new(decoder.resume(state).map_err(refused)?))
            }
            _ => return Err(Error::State("it belongs to another kind of search".into())),
        };
        Ok(self.search(kind))
    }

    /// The likeliest texts of the scores `log_probabilities` `[T,V]`, best first; at least one: the empty text where a
    /// lexicon allows nothing.
    ///
    /// # Errors
    /// Scores that are no numbers.
    pub fn decode(&self, log_probabilities: &[f32], n: usize) -> Result<Vec<Hypothesis>, Error> {
        let mut search = self.begin();
        for frame in log_probabilities.chunks(self.labels().vocabulary()) {
            search.step(frame)?;
        }
        Ok(search.end(n))
    }

    pub fn labels(&self) -> &Labels {
        match &self.kind {
            Kind::Greedy(labels) => labels,
            Kind::Beam(decoder) => decoder.labels(),
        }
    }

    /// The best text of each of several scores `[T,V]`.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn texts(&self, scores: &[Vec<f32>]) -> Result<Vec<String>, Error> {
        let all = scores.par_iter().map(|scores| {
            let best = self.decode(scores, 1)?.into_iter().next();
            Ok(best.map_or_else(String::new, |best| best.text))
        });
        all.collect()
    }
}

/// The classes that may be written: those of some characters, the space and the blank.
#[derive(Clone, Debug)]
struct Allowed {
    classes: Arc<[bool]>,
    blank: u32,
}

impl Allowed {
    /// # Errors
    /// Characters of which the model knows none.
    fn new(characters: &str, labels: &Labels) -> Result<Self, Error> {
        let named = |class: u32| {
            let text = labels.text(class);
            !text.is_empty() && text.chars().all(|c| characters.contains(c))
        };
        let classes = 0..labels.vocabulary() as u32;
        if !classes.clone().any(named) {
            return Err(Error::Config(format!(
                "the model writes none of the allowed characters \"{characters}\"; `refrain info MODEL` shows those \
                 that it writes"
            )));
        }
        let always = [Some(labels.blank()), labels.space()];
        let written = |class| always.contains(&Some(class)) || named(class);
        Ok(Self {
            classes: classes.map(written).collect(),
            blank: labels.blank(),
        })
    }

    /// The log-probabilities given that one of these classes is written. All others get none, before any search: a
    /// search that leaves characters out afterwards loses whole words.
    fn among(&self, frame: &[f32]) -> Vec<f32> {
        let kept = || frame.iter().zip(&*self.classes).filter(|(_, own)| **own);
        let best = kept().map(|(p, _)| *p).fold(f32::NEG_INFINITY, f32::max);
        if best == f32::NEG_INFINITY {
            // Nothing allowed is possible; the blank writes nothing.
            let blank = |index| {
                if index == self.blank as usize {
                    0.0
                } else {
                    best
                }
            };
            return (0..frame.len()).map(blank).collect();
        }
        let sum: f32 = kept().map(|(p, _)| (p - best).exp()).sum();
        let all = best + sum.ln();
        let frame = frame.iter().zip(&*self.classes);
        frame
            .map(|(p, own)| if *own { p - all } else { f32::NEG_INFINITY })
            .collect()
    }
}

/// A [`Search`] as plain data.
#[derive(Serialize, Deserialize)]
pub(in crate::tasks) enum SearchState {
    Greedy(GreedyState),
    Beam(BeamState),
}

/// One utterance in a [`Decoder`].
pub(in crate::tasks) struct Search {
    kind: SearchKind,
    allowed: Option<Allowed>,
}

enum SearchKind {
    Greedy(GreedySearch, Labels),
    Beam(Box<BeamSearch>),
}

impl Search {
    /// The search so far.
    pub fn state(&self) -> SearchState {
        match &self.kind {
            SearchKind::Greedy(search, _) => SearchState::Greedy(search.state()),
            SearchKind::Beam(search) => SearchState::Beam(search.state()),
        }
    }

    /// Reads the log-probabilities `[V]` of the next step.
    ///
    /// # Errors
    /// Scores that are no numbers.
    pub fn step(&mut self, frame: &[f32]) -> Result<(), Error> {
        let among = self.allowed.as_ref().map(|own| own.among(frame));
        let frame = among.as_deref().unwrap_or(frame);
        match &mut self.kind {
            SearchKind::Greedy(search, _) => Ok(search.step(frame)?),
            SearchKind::Beam(search) => Ok(search.step(frame)?),
        }
    }

    /// The best hypotheses if the utterance ended here; at least one.
    pub fn end(&self, n: usize) -> Vec<Hypothesis> {
        let mut found = match &self.kind {
            SearchKind::Greedy(search, labels) => {
                let path = search.end();
                vec![Hypothesis {
                    words: words(&path.labels, labels),
                    text: labels.join(path.labels.iter().map(|span| span.label)),
                    labels: path.labels,
                    score: path.log_prob,
                    parts: ScoreParts {
                        ctc: path.log_prob,
                        ..ScoreParts::default()
                    },
                }]
            }
            SearchKind::Beam(search) => search.end(n.max(1)),
        };
        if found.is_empty() {
            found.push(Hypothesis {
                labels: Vec::new(),
                words: Vec::new(),
                text: String::new(),
                score: f64::NEG_INFINITY,
                parts: ScoreParts::default(),
            });
        }
        found
    }

    /// Labels that no later frame can change.
    pub fn stable(&self) -> Vec<LabelSpan> {
        match &self.kind {
            SearchKind::Greedy(search, _) => search.end().labels,
            SearchKind::Beam(search) => search.stable(0),
        }
    }
}

/// The texts of the classes: the characters, and behind them the blank.
///
/// # Errors
/// A character that is white space but not the space.
pub(in crate::tasks) fn labels(vocabulary: &Vocabulary) -> Result<Labels, Error> {
    let blank = vocabulary.len() as u32;
    let mut texts: Vec<String> = (0..blank)
        .map(|id| vocabulary.token(id).unwrap_or_default())
        .collect();
    let space = texts.iter().position(|text| text == " ");
    texts.push(String::new());
    Ok(Labels::new(texts, blank, space.map(|id| id as u32))?)
}

/// The files that the settings of a folder's search name.
pub(in crate::tasks) fn files_of(folder: &Path) -> Vec<PathBuf> {
    let decoder = files::read_toml::<DecoderConfig>(folder, DECODER);
    let Ok(Some(mut decoder)) = decoder else {
        return Vec::new();
    };
    let named = decoder.files_mut().into_iter();
    named.filter_map(|file| file.take()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_are_not_allowed_are_never_written_and_the_rest_adds_up_to_one() {
        let texts = ["a", "b", " ", "1", ""].map(String::from).to_vec();
        let labels = Labels::new(texts, 4, Some(2)).unwrap();
        let config = DecoderConfig {
            allow: Some("1b".into()),
            ..DecoderConfig::default()
        };
        let decoder = Decoder::new(&labels, &config, &SearchModels::default()).unwrap();
        let frame = |p: [f32; 5]| p.map(f32::ln);
        // "a" is the likeliest of all, and "1" of the allowed ones.
        let steps = [
            frame([0.6, 0.1, 0.05, 0.2, 0.05]),
            frame([0.05, 0.1, 0.7, 0.1, 0.05]),
            frame([0.5, 0.2, 0.1, 0.1, 0.1]),
        ];
        let best = decoder.decode(steps.as_flattened(), 1).unwrap();
        assert_eq!(best[0].text, "1 b");
        let expected = (0.2f64 / 0.4).ln() + (0.7f64 / 0.95).ln() + (0.2f64 / 0.5).ln();
        assert!((best[0].score - expected).abs() < 1e-5);
        let impossible = [f32::NEG_INFINITY, f32::NEG_INFINITY];
        let frame = [
            0.0,
            impossible[0],
            impossible[1],
            impossible[0],
            impossible[1],
        ];
        assert_eq!(decoder.decode(&frame, 1).unwrap()[0].text, "");
        let config = DecoderConfig {
            allow: Some("xyz".into()),
            ..DecoderConfig::default()
        };
        let refused = Decoder::new(&labels, &config, &SearchModels::default());
        assert!(refused.unwrap_err().to_string().contains("xyz"));
    }
}
