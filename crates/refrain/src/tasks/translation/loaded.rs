//! A trained translation model in use.

use super::data::{Sides, read_pairs, squeezed};
use super::engine::Engine;
use super::measure;
use super::recipe::{SearchConfig, TranslationRecipe};
use crate::error::Error;
use crate::metrics::Metrics;
use crate::models::Seq2Seq;
use crate::store::ModelFolder;
use crate::tasks::media::{self, wrong_medium};
use crate::tasks::run::load_model;
use crate::tasks::{
    EvaluateData, Medium, Piece, Ports, Receiver, Session, Site, Split, Use, stored,
};
use crate::train::Control;
use refrain_data::Fingerprint;
use refrain_decode::sample::Sampler;
use refrain_decode::search::{Ending, Hypothesis, Mode, Source, Target, align_words};
use refrain_random::Rng;
use refrain_text::protect::{self, Kind, Span};
use refrain_text::sentences::{chunks, sentences};
use refrain_text::{Language, case, lines};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Source tokens of a part that is translated at once; a longer sentence is cut.
const LONGEST: usize = 120;

/// Settings of a translation model in use; an absent one is that of the recipe.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TranslateOptions {
    /// Hypotheses side by side; 1 is greedy.
    pub beam: Option<usize>,
    /// Translations of each line; the further ones are told as alternatives. The beam is at least as wide.
    pub n_best: Option<usize>,
    /// Exponent of the length by which the log-probability of a translation is divided.
    pub length_penalty: Option<f64>,
    /// Weight of the coverage penalty.
    pub coverage_penalty: Option<f64>,
    /// No run of so many tokens comes twice.
    pub no_repeat: Option<usize>,
    /// Tell which words translate which.
    pub align: bool,
    /// Tell the attention of each word of the translation.
    pub attention: bool,
    /// Lines that are translated side by side. Results do not depend on it.
    pub batch: Option<usize>,
    /// The beginning of each translation.
    pub prefix: Option<String>,
    /// Words that stand in each translation.
    pub words: Vec<String>,
    /// Folders of further models; the probabilities of all are averaged.
    pub ensemble: Vec<PathBuf>,
    /// Translations are drawn at random with this temperature instead of searched, as they are where a filter is given.
    pub temperature: Option<f64>,
    /// Only so many of the likeliest tokens are drawn.
    pub top_k: Option<usize>,
    /// Only the likeliest tokens whose probabilities add up to this are drawn.
    pub top_p: Option<f64>,
    /// Seed of the draws, by default 1. The draws of a sentence depend on it and on the sentence alone.
    pub seed: Option<u64>,
}

impl TranslateOptions {
    /// The search of a recipe with these settings put over it.
    ///
    /// # Errors
    /// A setting that cannot be.
    fn over(&self, search: &SearchConfig) -> Result<SearchConfig, Error> {
        let n_best = self.n_best.unwrap_or(1);
        for (name, value) in [("n_best", n_best), ("batch", self.batch.unwrap_or(1))] {
            if value == 0 {
                return Err(Error::Config(format!("{name} is 0; it must be at least 1")));
            }
        }
        let own = SearchConfig {
            beam: self.beam.unwrap_or(search.beam),
            length_penalty: self.length_penalty.unwrap_or(search.length_penalty),
            coverage_penalty: self.coverage_penalty.unwrap_or(search.coverage_penalty),
            no_repeat: self.no_repeat.or(search.no_repeat),
            ..*search
        };
        own.check()?;
        Ok(SearchConfig {
            beam: own.beam.max(n_best),
            ..own
        })
    }

    /// Temperature and filters of random draws, and their seed; `None` where the likeliest translation is searched.
    ///
    /// # Errors
    /// A setting that cannot be, or that belongs to the search.
    fn draws(&self) -> Result<Option<(Sampler, u64)>, Error> {
        if self.temperature.is_none() && self.top_k.is_none() && self.top_p.is_none() {
            return match self.seed {
                None => Ok(None),
                Some(_) => Err(Error::Config(
                    "a seed is for random draws; give a temperature, top_k or top_p, too".into(),
                )),
            };
        }
        if self.beam.is_some() || !self.words.is_empty() {
            return Err(Error::Config(
                "beam and words belong to the search; leave them out for random draws".into(),
            ));
        }
        let sampler = Sampler::new(self.temperature.unwrap_or(1.0), self.top_k, self.top_p);
        let sampler = sampler.map_err(|e| Error::Config(e.to_string()))?;
        Ok(Some((sampler, self.seed.unwrap_or(1))))
    }
}

/// A further model of an ensemble.
///
/// # Errors
/// A model of another task, direction, writing or vocabulary.
fn partner(
    path: &Path,
    recipe: &TranslationRecipe,
    sides: &Sides,
) -> Result<(ModelFolder, TranslationRecipe), Error> {
    let other = ModelFolder::open(path)?;
    if other.recipe().task != super::NAME {
        return Err(Error::folder(path, "it holds no translation model"));
    }
    let own: TranslationRecipe = other.recipe().body()?;
    let form = |recipe: &TranslationRecipe| {
        let data = &recipe.data;
        let writings = [data.source_writing.clone(), data.target_writing.clone()];
        ([data.from.clone(), data.to.clone()], data.joint, writings)
    };
    if form(&own) != form(recipe) || Sides::load(&own.data, &other)?.print() != sides.print() {
        let problem = "its direction, writing or vocabulary differs from that of the first model; \
                       models of an ensemble are trained from one recipe with other seeds";
        return Err(Error::folder(path, problem));
    }
    Ok((other, own))
}

/// Another translation of a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alternative {
    /// The text.
    pub text: String,
    /// As [`Translation::score`].
    pub score: f64,
    /// As [`Translation::log_prob`].
    pub log_prob: f64,
}

/// The attention of the words of a translation to those of its source.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AttentionMap {
    /// Source words as the model reads them.
    pub source: Vec<String>,
    /// Words of the translation as the model writes them.
    pub target: Vec<String>,
    /// For each word of the translation, the weight of each source word: the sum over its tokens, and the mean over
    /// those of the translated word. The end mark of the source takes the rest.
    pub weights: Vec<Vec<f32>>,
}

/// The translation of a line.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Translation {
    /// The text, without a line end.
    pub text: String,
    /// Log-probability divided by the length penalty; the mean over the sentences of a line.
    pub score: f64,
    /// ln p of the text and its end, nats; the sum over the sentences of a line.
    pub log_prob: f64,
    /// Further translations, best first, of a line of one sentence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
    /// Pairs of words, source and target, from 0, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alignment: Option<Vec<[usize; 2]>>,
    /// The weights of all words, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<AttentionMap>,
    /// Remarks for the reader, e.g. a number that the translation lacks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Translation {
    /// The alignment as `i-j` pairs.
    pub fn pharaoh(&self) -> Option<String> {
        let pairs = self.alignment.as_ref()?.iter();
        Some(
            pairs
                .map(|[i, j]| format!("{i}-{j}"))
                .collect::<Vec<_>>()
                .join(" "),
        )
    }
}

/// A trained translation model with its vocabularies and settings.
pub struct Loaded {
    engine: Engine,
    sides: Sides,
    recipe: TranslationRecipe,
    search: SearchConfig,
    n_best: usize,
    draws: Option<(Sampler, u64)>,
    align: bool,
    attention: bool,
    batch: usize,
    /// Ids of the beginning of each translation.
    prefix: Vec<u32>,
    /// Ids of the words of each translation.
    words: Vec<Vec<u32>>,
    models: Vec<Seq2Seq>,
    identity: OnceLock<String>,
}

/// A sentence of a line as the model reads it, or a part of a long one.
struct Part {
    /// The line in the queue that it belongs to, and its place there.
    line: usize,
    place: usize,
    /// Text with placeholders.
    text: String,
    spans: Vec<Span>,
    /// Whether it was written in capitals.
    upper: bool,
    /// White space and the mark of an item before, white space behind.
    around: [String; 2],
}

impl Part {
    /// The part as it was.
    fn copied(&self) -> String {
        let (text, _) = protect::restore(&self.text, &self.spans);
        [&self.around[0], text.as_str(), &self.around[1]].concat()
    }

    /// Whether there is anything to translate: a letter or a digit beside the items.
    fn has_words(&self) -> bool {
        self.text.chars().any(char::is_alphanumeric)
    }
}

/// A line whose parts are being translated.
struct Open {
    source: String,
    /// Whether a sentence of it is longer than a part.
    long: bool,
    /// Items of the whole line.
    spans: Vec<Span>,
    /// In their order; a part without hypotheses is copied.
    done: Vec<Option<(Part, Vec<Hypothesis>)>>,
}

/// The alignment of the parts of a line so far.
#[derive(Default)]
struct Aligned {
    pairs: Vec<[usize; 2]>,
    /// Words so far: source, target.
    words: [usize; 2],
}

impl Aligned {
    /// Words that stand on both sides without a partner.
    fn copy(&mut self, text: &str) {
        let count = text.split_whitespace().count();
        self.words.iter_mut().for_each(|words| *words += count);
    }
}

impl Loaded {
    pub(super) fn open(
        folder: &ModelFolder,
        recipe: TranslationRecipe,
        options: TranslateOptions,
        site: &Site,
    ) -> Result<Self, Error> {
        let sides = Sides::load(&recipe.data, folder)?;
        let read = |folder: &ModelFolder, recipe: &TranslationRecipe| {
            let sizes = sides.sizes();
            let init = || recipe.model.init(sizes, 0, &site.device());
            let model: Seq2Seq = load_model(folder, recipe.model.parameters(sizes), init)?;
            Ok::<_, Error>(match site.precision {
                Some(precision) => model.with_precision(precision),
                None => model,
            })
        };
        let mut models = vec![read(folder, &recipe)?];
        for path in &options.ensemble {
            let (other, own) = partner(path, &recipe, &sides)?;
            models.push(read(&other, &own)?);
        }
        let search = options.over(&recipe.search)?;
        let target = sides.target.clone();
        let ids = |text: &String| target.encode(&squeezed(text));
        Ok(Self {
            engine: Engine::new(models.iter().cloned())?,
            search,
            n_best: options.n_best.unwrap_or(1),
            draws: options.draws()?,
            align: options.align,
            attention: options.attention,
            batch: options.batch.unwrap_or(32),
            prefix: options.prefix.as_ref().map_or(Vec::new(), ids),
            words: options.words.iter().map(ids).collect(),
            recipe,
            models,
            sides,
            identity: OnceLock::new(),
        })
    }

    /// Source and target language.
    pub fn direction(&self) -> [&str; 2] {
        [&self.recipe.data.from, &self.recipe.data.to]
    }

    /// The settings of its search.
    pub fn search(&self) -> &SearchConfig {
        &self.search
    }

    /// The model that training ended with, the first of an ensemble.
    pub fn model(&self) -> &Seq2Seq {
        &self.models[0]
    }

    /// Translates lines, which have no line ends.
    ///
    /// # Errors
    /// Settings that cannot be.
    pub fn translate_all<T: AsRef<str>>(&self, lines: &[T]) -> Result<Vec<Translation>, Error> {
        let mut parts = VecDeque::new();
        let mut open: Vec<Open> = Vec::new();
        for (line, source) in lines.iter().enumerate() {
            let (form, spans) = protect::protect(&lines::nfc(source.as_ref()));
            let (own, long) = self.parts(line, &form);
            let mut done: Vec<_> = own.iter().map(|_| None).collect();
            for part in own {
                match part.has_words() {
                    true => parts.push_back(part),
                    false => {
                        let place = part.place;
                        done[place] = Some((part, Vec::new()));
                    }
                }
            }
            open.push(Open {
                source: source.as_ref().to_string(),
                long,
                spans,
                done,
            });
        }
        self.find(parts, &mut |part, hypotheses| {
            let (line, place) = (part.line, part.place);
            open[line].done[place] = Some((part, hypotheses));
        })?;
        open.into_iter().map(|own| self.closed(own)).collect()
    }

    /// Searches for the translations of parts.
    fn find(
        &self,
        parts: VecDeque<Part>,
        give: &mut dyn FnMut(Part, Vec<Hypothesis>),
    ) -> Result<(), Error> {
        let mut config = self.search.config(&self.sides);
        if let Mode::Beam { n_best, .. } = &mut config.mode {
            *n_best = self.n_best;
        }
        if let Some((sampler, seed)) = self.draws {
            config.mode = Mode::Sample {
                sampler,
                samples: self.n_best,
                seed,
            };
        }
        config.batch = self.batch;
        config.attention = self.align || self.attention;
        let sources: Vec<(Vec<u32>, Source)> = parts
            .iter()
            .map(|part| {
                let (ids, source) = self.sides.question(&part.text);
                let source = Source {
                    prefix: self.prefix.clone(),
                    words: self.words.clone(),
                    draw: Some(number(&ids)),
                    ..source
                };
                (ids, source)
            })
            .collect();
        let mut parts = parts.into_iter();
        let text = |ids: &[u32]| self.sides.target.decode(ids);
        self.engine
            .search(sources.into_iter(), &config, &text, &mut |results| {
                if let Some(part) = parts.next() {
                    give(part, results);
                }
                Ok(())
            })
    }

    /// The parts of a line, in which placeholders stand for items, and whether a sentence of it is longer than a part;
    /// none of a blank line.
    fn parts(&self, line: usize, form: &str) -> (Vec<Part>, bool) {
        if lines::is_blank(form) {
            return (Vec::new(), false);
        }
        // A long text is longer than a part in any case; to count all of it for every part would take too long.
        let count = |text: &str| match text.len() > 64 * LONGEST {
            true => LONGEST + 1,
            false => self.sides.source.encode(text).len(),
        };
        let language = Language::from_code(&self.recipe.data.from);
        let (mut parts, mut long) = (Vec::new(), false);
        // A sentence goes on to the start of the next one.
        let mut starts: Vec<usize> = sentences(form, language)
            .iter()
            .map(|own| own.start)
            .collect();
        starts.push(form.len());
        starts[0] = 0;
        for own in starts.windows(2) {
            let pieces = chunks(&form[own[0]..own[1]], LONGEST, language, count);
            long |= pieces.len() > 1;
            parts.extend(pieces.into_iter().filter_map(|text| self.part(line, text)));
        }
        self.join(&mut parts);
        for (place, part) in parts.iter_mut().enumerate() {
            part.place = place;
        }
        (parts, long)
    }

    /// Puts the spaces of the target language between sentences: Japanese and Chinese write none.
    fn join(&self, parts: &mut [Part]) {
        let unspaced = |language: &str| matches!(language, "ja" | "zh");
        let [from, to] = self.direction().map(unspaced);
        for i in 1..parts.len() {
            let gap = [parts[i - 1].around[1].as_str(), &parts[i].around[0]];
            match (gap, from, to) {
                (["", " "] | [" ", ""], _, true) => {
                    parts[i - 1].around[1].clear();
                    parts[i].around[0].clear();
                }
                (["", ""], true, false) => parts[i].around[0].push(' '),
                _ => {}
            }
        }
    }

    /// A part of a line as the model reads it; `None` for white space.
    fn part(&self, line: usize, text: &str) -> Option<Part> {
        let trimmed = without_item_mark(text).trim();
        if trimmed.is_empty() {
            return None;
        }
        let start = text.trim_end().len() - trimmed.len();
        let around = [&text[..start], &text[start + trimmed.len()..]].map(str::to_string);
        let (form, spans) = protect::protect(trimmed);
        let upper = case::is_all_upper(&form) && form.contains(' ');
        let form = match upper {
            true => sentence_case(&form),
            false => form,
        };
        Some(Part {
            line,
            place: 0,
            text: form.split_whitespace().collect::<Vec<_>>().join(" "),
            spans,
            upper,
            around,
        })
    }

    /// The text of a hypothesis as a person reads it, and whether it has just the items of its source.
    fn shown(&self, part: &Part, hypothesis: &Hypothesis) -> (String, bool) {
        let text = self.sides.target.decode(&hypothesis.tokens);
        // One line stays one line, and bytes that are no characters are left out.
        let text = text.replace(char::is_control, " ").replace('\u{FFFD}', "");
        let text = self.sides.target.plain(&text);
        let text = match part.upper {
            true => text.to_uppercase(),
            false => text,
        };
        let kept = protect::balanced(&text, &part.spans);
        (protect::restore(&text, &part.spans).0, kept)
    }

    /// Puts the parts of a line together.
    fn closed(&self, open: Open) -> Result<Translation, Error> {
        let mut translation = Translation::default();
        if open.done.is_empty() {
            // A blank line stays as it is.
            translation.text = open.source;
            return Ok(translation);
        }
        let parts = open.done.len();
        if open.long {
            translation.warnings.push(format!(
                "a sentence is long, and the line was translated in {parts} parts"
            ));
        }
        let mut aligned = self.align.then(Aligned::default);
        let mut map = self.attention.then(AttentionMap::default);
        for (part, hypotheses) in open.done.iter().flatten() {
            let Some(best) = hypotheses.first() else {
                let text = part.copied();
                aligned.iter_mut().for_each(|own| own.copy(&text));
                translation.text += &text;
                continue;
            };
            let (mut text, kept) = self.shown(part, best);
            if !kept {
                text = self.around_items(part)?;
                // A text that was translated around its items has no alignment as a whole.
                (aligned, map) = (None, None);
            }
            if best.ending != Ending::Mark {
                let problem = "a part of the translation has no end and was cut";
                translation.warnings.push(problem.into());
            }
            translation.score += best.score / parts as f64;
            translation.log_prob += best.log_prob;
            translation.text += &part.around[0];
            translation.text += &text;
            translation.text += &part.around[1];
            if parts == 1 {
                let others = hypotheses[1..].iter().map(|own| Alternative {
                    text: protect::restore(&self.shown(part, own).0, &open.spans).0,
                    score: own.score,
                    log_prob: own.log_prob,
                });
                translation.alternatives = others.collect();
            }
            aligned = aligned.and_then(|own| self.aligned(own, part, best, &open.spans));
            map = map.and_then(|own| self.map(own, part, best, &open.spans));
        }
        translation.alignment = aligned.map(|own| own.pairs);
        translation.attention = map;
        translation.text = protect::restore(&translation.text, &open.spans).0;
        for span in protect::check(&open.source, &translation.text) {
            translation
                .warnings
                .push(format!("the translation lacks \"{}\"", span.text));
        }
        // A number may have been written in words.
        let added = protect::surplus(&open.source, &translation.text);
        for span in added.iter().filter(|own| own.kind != Kind::Number) {
            translation
                .warnings
                .push(format!("the translation adds \"{}\"", span.text));
        }
        Ok(translation)
    }

    /// A translation that keeps every item of a part: the text between the items is translated piece by piece.
    fn around_items(&self, part: &Part) -> Result<String, Error> {
        let mut pieces: Vec<Result<String, Span>> = Vec::new();
        let mut text = String::new();
        for character in part.text.chars() {
            let item = part
                .spans
                .iter()
                .find(|own| own.placeholder == Some(character));
            match item {
                Some(span) => {
                    pieces.push(Ok(std::mem::take(&mut text)));
                    pieces.push(Err(span.clone()));
                }
                None => text.push(character),
            }
        }
        pieces.push(Ok(text));
        let mut parts = VecDeque::new();
        for (number, piece) in pieces.iter().enumerate() {
            let part = piece.as_ref().ok().and_then(|text| self.part(number, text));
            parts.extend(part.filter(Part::has_words));
        }
        let mut found = vec![None; pieces.len()];
        self.find(parts, &mut |piece, hypotheses| {
            found[piece.line] = hypotheses.first().map(|best| {
                let text = self.shown(&piece, best).0;
                let text = match part.upper {
                    true => text.to_uppercase(),
                    false => text,
                };
                [&piece.around[0], text.as_str(), &piece.around[1]].concat()
            });
        })?;
        let mut out = String::new();
        for (piece, found) in pieces.into_iter().zip(found) {
            match piece {
                Ok(text) => out += &found.unwrap_or(text),
                Err(span) => out += &span.text,
            }
        }
        Ok(out)
    }

    /// Adds the pairs of words of a part, source and target, as a person reads them between spaces (but for tokens that
    /// are joined for people: there the words are the model's).
    fn aligned(
        &self,
        mut all: Aligned,
        part: &Part,
        best: &Hypothesis,
        spans: &[Span],
    ) -> Option<Aligned> {
        let attention = best.attention.as_ref()?;
        all.copy(&part.around[0]);
        let ids = self.sides.source.encode(&part.text);
        let mut source = self.sides.source.words(&ids);
        // The end mark.
        source.push(None);
        let target = self.sides.target.words(&best.tokens);
        let pairs = align_words(attention, &source, &target).ok()?;
        let places = |words: Vec<String>, start: &mut usize| {
            let of = |word: &String| {
                let own = *start;
                *start += self.readable(word, part, spans).split_whitespace().count();
                own..*start
            };
            words.iter().map(of).collect::<Vec<_>>()
        };
        let [from, to] = &mut all.words;
        let source = places(self.sides.source.spelled(&ids), from);
        let target = places(self.sides.target.spelled(&best.tokens), to);
        for (from, to) in pairs {
            for i in source.get(from)?.clone() {
                all.pairs.extend(target.get(to)?.clone().map(|j| [i, j]));
            }
        }
        Some(all)
    }

    /// A word of the model with its items.
    fn readable(&self, word: &str, part: &Part, spans: &[Span]) -> String {
        let (inner, _) = protect::restore(word, &part.spans);
        protect::restore(&inner, spans).0
    }

    /// Adds the attention of the words of a part.
    fn map(
        &self,
        mut all: AttentionMap,
        part: &Part,
        best: &Hypothesis,
        spans: &[Span],
    ) -> Option<AttentionMap> {
        let attention = best.attention.as_ref()?;
        let ids = self.sides.source.encode(&part.text);
        let (source, target) = (&self.sides.source, &self.sides.target);
        let words = [source.words(&ids), target.words(&best.tokens)];
        let [source, target] = [source.spelled(&ids), target.spelled(&best.tokens)];
        let before = all.source.len();
        let mut weights = vec![vec![0.0; before + source.len()]; target.len()];
        let mut tokens = vec![0.0f32; target.len()];
        let rows = attention.chunks(ids.len() + 1).zip(&words[1]);
        for (row, word) in rows.filter_map(|(row, word)| Some((row, (*word)?))) {
            tokens[word] += 1.0;
            for (weight, from) in row.iter().zip(&words[0]) {
                if let Some(from) = from {
                    weights[word][before + *from] += weight;
                }
            }
        }
        for (row, count) in weights.iter_mut().zip(tokens) {
            row.iter_mut().for_each(|weight| *weight /= count.max(1.0));
        }
        let readable = |word: &String| self.readable(word, part, spans);
        all.source.extend(source.iter().map(readable));
        all.target.extend(target.iter().map(readable));
        for row in &mut all.weights {
            row.resize(all.source.len(), 0.0);
        }
        all.weights.extend(weights);
        Some(all)
    }

    /// ln p of given translations: pairs of a source and a target line.
    ///
    /// # Errors
    /// Settings that cannot be.
    pub fn score(&self, pairs: &[[String; 2]]) -> Result<Vec<Hypothesis>, Error> {
        let targets = pairs.iter().map(|[source, target]| {
            let own = protect::protect_pair(source, target);
            let [source, tokens] = self.sides.encode(&[own.source, own.target]);
            let target = Target {
                length: source.len(),
                begin: None,
                tokens,
                ended: true,
            };
            (source, target)
        });
        let mut scores = Vec::new();
        let config = self.search.config(&self.sides);
        self.engine.score(targets, &config, &mut |own| {
            scores.push(own);
            Ok(())
        })?;
        Ok(scores)
    }

    pub(super) fn evaluate(&self, on: &EvaluateData, site: &Site) -> Result<Metrics, Error> {
        let data = &self.recipe.data;
        let pairs = match on {
            EvaluateData::Split(split) => {
                let corpus = super::data::Corpus::load(&self.recipe, site)?;
                match split {
                    Split::Train => corpus.train,
                    Split::Validation => corpus.valid,
                    Split::Test => corpus.test,
                }
            }
            EvaluateData::File(file) => {
                let (folder, name) = beside(file, &data.from)?;
                read_pairs(data, &name, &folder)?
            }
        };
        measure::part(&self.engine, &self.sides, data, &self.search, &pairs)
    }

    /// Fingerprint of model and settings, for stored sessions.
    fn identity(&self) -> &str {
        self.identity.get_or_init(|| {
            let mut print = Fingerprint::new();
            for model in &self.models {
                for tensor in crate::params::export(model) {
                    print.text(&tensor.name).floats(&tensor.data);
                }
            }
            print.text(&format!(
                "{:?} {} {:?}",
                self.search, self.n_best, self.draws
            ));
            print.finish()
        })
    }
}

/// A number that differs for different ids, whatever stands before them in the input.
fn number(ids: &[u32]) -> u64 {
    let mixed = |sum: u64, &id: &u32| Rng::new(sum ^ u64::from(id)).next_u64();
    ids.iter().fold(ids.len() as u64, mixed)
}

/// Folder and name of the pairs whose source side is this file: `NAME.en` or `NAME.en.gz`.
fn beside(file: &Path, from: &str) -> Result<(PathBuf, String), Error> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let stem = name.strip_suffix(&format!(".{from}")).ok_or_else(|| {
        let problem = format!(
            "{} does not end in .{from}; give the source file of a pair of files NAME.{from} and NAME.LANGUAGE",
            file.display()
        );
        Error::Input {
            operation: super::NAME,
            problem,
        }
    })?;
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    Ok((folder, stem.to_string()))
}

/// A text without the dash or dot that marks an item of a list or a speaker.
fn without_item_mark(text: &str) -> &str {
    let text = text.trim_start();
    let rest = text.trim_start_matches(['-', '–', '—', '•', '*', '·']);
    match rest.starts_with(char::is_whitespace) {
        true => rest,
        false => text,
    }
}

/// Text in capitals as a sentence: lower case with a capital at its beginning.
fn sentence_case(text: &str) -> String {
    let lower = text.to_lowercase();
    let mut characters = lower.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => lower,
    }
}

impl Use for Loaded {
    fn ports(&self) -> Ports {
        Ports {
            takes: Medium::Text,
            gives: Medium::Text,
            latency: None,
        }
    }

    fn begin(self: Arc<Self>) -> Result<Box<dyn Session>, Error> {
        Ok(Box::new(LineSession {
            loaded: self,
            rest: String::new(),
        }))
    }

    fn score(&self, pairs: &[[Piece; 2]]) -> Result<Vec<f64>, Error> {
        let text = |piece: &Piece| match piece {
            Piece::Text(own) => Ok(own.text.clone()),
            other => Err(wrong_medium(Medium::Text, other)),
        };
        let pairs = pairs
            .iter()
            .map(|[source, target]| Ok([text(source)?, text(target)?]));
        let pairs = pairs.collect::<Result<Vec<_>, Error>>()?;
        let scores = Loaded::score(self, &pairs)?;
        Ok(scores.into_iter().map(|own| own.log_prob).collect())
    }

    fn restore(self: Arc<Self>, state: &[u8]) -> Result<Box<dyn Session>, Error> {
        let rest = stored::open(super::NAME, self.identity(), state)?;
        Ok(Box::new(LineSession { loaded: self, rest }))
    }
}

/// Lines in, translated lines out.
struct LineSession {
    loaded: Arc<Loaded>,
    /// The beginning of a line that has no end yet.
    rest: String,
}

/// Longest line, bytes.
const LONGEST_LINE: usize = 1 << 20;

impl LineSession {
    fn translate(&self, text: &str, give: Receiver) -> Result<(), Error> {
        let whole: Vec<&str> = text.split_inclusive('\n').collect();
        let bare = |line: &str| -> usize {
            let text = line.strip_suffix('\n').unwrap_or(line);
            text.strip_suffix('\r').unwrap_or(text).len()
        };
        for part in whole.chunks(self.loaded.batch.saturating_mul(4)) {
            if let Some(long) = part.iter().find(|line| line.len() > LONGEST_LINE) {
                return Err(too_long(long.len()));
            }
            let lines: Vec<&str> = part.iter().map(|line| &line[..bare(line)]).collect();
            for (line, own) in part.iter().zip(self.loaded.translate_all(&lines)?) {
                let detail =
                    serde_json::to_value(&own).map_err(|e| Error::Config(e.to_string()))?;
                let piece = Piece::Text(media::Text {
                    text: own.text + &line[bare(line)..],
                    detail: Some(detail),
                });
                if give(piece) == Control::Stop {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

fn too_long(bytes: usize) -> Error {
    let problem = format!(
        "a line has {bytes} bytes; at most {LONGEST_LINE} can be read, so break it in shorter ones"
    );
    Error::Input {
        operation: super::NAME,
        problem,
    }
}

impl Session for LineSession {
    fn push(&mut self, piece: Piece, give: Receiver) -> Result<(), Error> {
        let Piece::Text(media::Text { text, .. }) = piece else {
            return Err(wrong_medium(Medium::Text, &piece));
        };
        self.rest += &text;
        let end = self.rest.rfind('\n').map_or(0, |end| end + 1);
        let ready: String = self.rest.drain(..end).collect();
        self.translate(&ready, give)?;
        match self.rest.len() > LONGEST_LINE {
            true => Err(too_long(std::mem::take(&mut self.rest).len())),
            false => Ok(()),
        }
    }

    fn finish(&mut self, give: Receiver) -> Result<(), Error> {
        let rest = std::mem::take(&mut self.rest);
        self.translate(&rest, give)
    }

    fn store(&self) -> Result<Vec<u8>, Error> {
        stored::seal(super::NAME, self.loaded.identity(), &self.rest)
    }
}
