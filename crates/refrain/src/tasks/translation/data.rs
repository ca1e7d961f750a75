//! Pairs of sentences, the vocabularies of their sides, and batches.

use super::recipe::{CaseForm, PairData, PairSource, TokenForm, TranslationRecipe, Writing};
use crate::error::Error;
use crate::models::Vocabularies;
use crate::store::ModelFolder;
use crate::tasks::Site;
use crate::tasks::run::check_sums;
use refrain_data::speech::shuffled;
use refrain_data::vocab::{Vocabulary, VocabularyKind};
use refrain_data::{Fingerprint, corpus};
use refrain_decode::search::Source;
use refrain_random::Rng;
use refrain_text::moses::{detokenize_japanese, detokenize_treebank};
use refrain_text::{case, lines, protect};
use std::path::{Path, PathBuf};

/// Placeholders that a sentence can have.
pub(super) const PLACEHOLDERS: usize = protect::MOST;
/// Ids behind the vocabulary: begin and end marks, and the placeholders.
const MARKS: usize = 2 + PLACEHOLDERS;
/// The first placeholder.
const FIRST: u32 = 0xE000;
/// Pairs of each part are at most this many.
const MOST_PAIRS: usize = 100_000_000;

/// A pair of sentences as the files have them: source, target.
pub(super) type Pair = [String; 2];

/// The pairs of a recipe.
pub(super) struct Corpus {
    pub train: Vec<Pair>,
    pub valid: Vec<Pair>,
    pub test: Vec<Pair>,
}

impl Corpus {
    /// # Errors
    /// A file that is missing, is not UTF-8 or has another number of lines than its counterpart.
    pub fn load(recipe: &TranslationRecipe, site: &Site) -> Result<Self, Error> {
        let data = &recipe.data;
        match &data.pairs {
            PairSource::Numbers(numbers) => {
                let [train, valid, test] = numbers.pairs(site.seed);
                Ok(Self { train, valid, test })
            }
            PairSource::Files { train, valid, test } => {
                check_sums(&data.sha256, &site.data)?;
                let of = |names: &[String]| -> Result<Vec<Pair>, Error> {
                    let mut all = Vec::new();
                    for name in names {
                        all.extend(read_pairs(data, name, &site.data)?);
                    }
                    match all.is_empty() || all.len() > MOST_PAIRS {
                        true => Err(Error::Config(format!(
                            "data.pairs gives {} pairs; 1 to {MOST_PAIRS} are needed in each part",
                            all.len()
                        ))),
                        false => Ok(all),
                    }
                };
                Ok(Self {
                    train: of(train)?,
                    valid: of(valid)?,
                    test: of(test)?,
                })
            }
        }
    }
}

/// The pairs of `NAME.FROM` and `NAME.TO`, plain or gzip.
pub(super) fn read_pairs(data: &PairData, name: &str, folder: &Path) -> Result<Vec<Pair>, Error> {
    let read = |language: &str| -> Result<Vec<String>, Error> {
        let plain = format!("{name}.{language}");
        let packed = format!("{plain}.gz");
        let name = match folder.join(&packed).exists() {
            true => packed,
            false => plain,
        };
        let place = "--data DIR or REFRAIN_DATA names another data folder";
        let hint = match &data.download {
            Some(from) => format!("{from}; {place}"),
            None => place.to_string(),
        };
        let text = corpus::read_text(folder, &name, Some(&hint))?;
        Ok(text.lines().map(str::to_string).collect())
    };
    let (source, target) = (read(&data.from)?, read(&data.to)?);
    if source.len() != target.len() {
        return Err(Error::Input {
            operation: super::NAME,
            problem: format!(
                "{name}.{} has {} lines and {name}.{} has {}; line i of one must translate line i of the other",
                data.from,
                source.len(),
                data.to,
                target.len()
            ),
        });
    }
    Ok(source
        .into_iter()
        .zip(target)
        .map(|(s, t)| [s, t])
        .collect())
}

/// One side of a model: how it writes, and its vocabulary.
#[derive(Clone, Debug)]
pub struct Side {
    vocabulary: Vocabulary,
    writing: Writing,
    /// Whether this is the side that the model writes.
    written: bool,
}

impl Side {
    /// A sentence of a file as a person writes it.
    pub fn plain(&self, line: &str) -> String {
        match self.writing.tokens {
            TokenForm::Plain => line.to_string(),
            TokenForm::English => detokenize_treebank(line),
            TokenForm::Japanese => detokenize_japanese(line),
        }
    }

    /// A sentence of a file as the model reads or writes it. Tokens of the side that the model writes stay apart, so
    /// that figures can be of tokens.
    fn form(&self, line: &str) -> String {
        match self.written {
            true => self.cased(&normal(line)),
            false => self.cased(&normal(&self.plain(line))),
        }
    }

    fn cased(&self, text: &str) -> String {
        match self.writing.case {
            CaseForm::Keep => text.to_string(),
            CaseForm::Lower => text.to_lowercase(),
            CaseForm::Marks => case::encode(text),
        }
    }

    /// The ids of a sentence in the model's form. Placeholders have ids of their own.
    fn ids(&self, form: &str) -> Vec<u32> {
        self.ids_by(form, |text| self.vocabulary.encode(text))
    }

    /// As [`Self::ids`], in a random cut: each merge is left out with probability `share`.
    fn ids_dropping(&self, form: &str, share: f64, rng: &mut Rng) -> Vec<u32> {
        self.ids_by(form, |text| {
            self.vocabulary.encode_dropping(text, share, rng)
        })
    }

    /// The ids of a sentence whose text between placeholders is cut by `encode`.
    fn ids_by(&self, form: &str, mut encode: impl FnMut(&str) -> Vec<u32>) -> Vec<u32> {
        let first = self.vocabulary.len() as u32 + 2;
        let mut ids = Vec::new();
        let mut text = String::from(" ");
        for character in form.chars() {
            match placeholder(character) {
                Some(number) => {
                    ids.extend(encode(&text));
                    text.clear();
                    ids.push(first + number);
                }
                None => text.push(character),
            }
        }
        ids.extend(encode(&text));
        ids
    }

    /// The ids of a plain sentence, which may hold placeholders.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        self.ids(&self.cased(text))
    }

    /// The ids of the placeholders that do not stand in a text.
    fn other_placeholders(&self, text: &str) -> Vec<u32> {
        let first = self.vocabulary.len() as u32 + 2;
        let own: Vec<u32> = text.chars().filter_map(placeholder).collect();
        let all = 0..PLACEHOLDERS as u32;
        let others = all.filter(|number| !own.contains(number));
        others.map(|number| first + number).collect()
    }

    /// The sentence of ids, as the model's side of a file has it.
    pub fn decode(&self, ids: &[u32]) -> String {
        let first = self.vocabulary.len() as u32 + 2;
        let mut text = String::new();
        let mut stream = self.vocabulary.decode_stream();
        for &id in ids {
            match id.checked_sub(first) {
                Some(number) if (number as usize) < PLACEHOLDERS => {
                    text.push_str(
                        &std::mem::replace(&mut stream, self.vocabulary.decode_stream()).finish(),
                    );
                    text.extend(char::from_u32(FIRST + number));
                }
                _ => text.push_str(&stream.push(id)),
            }
        }
        text.push_str(&stream.finish());
        let text = text.strip_prefix(' ').unwrap_or(&text);
        match self.writing.case {
            CaseForm::Marks => case::decode(text),
            CaseForm::Keep | CaseForm::Lower => text.to_string(),
        }
    }

    /// The word of each id, from 0; spaces separate words.
    pub(super) fn words(&self, ids: &[u32]) -> Vec<Option<usize>> {
        let mut word = None;
        let of = |&id: &u32| {
            let begins = |text: String| text.starts_with(' ');
            match self.vocabulary.token(id).is_some_and(begins) {
                true => word = Some(word.map_or(0, |word: usize| word + 1)),
                false => word = word.or(Some(0)),
            }
            word
        };
        ids.iter().map(of).collect()
    }

    /// The words of ids, as [`Self::words`] numbers them, in the case of the model's text.
    pub(super) fn spelled(&self, ids: &[u32]) -> Vec<String> {
        let words = self.words(ids);
        let count = words.iter().flatten().max().map_or(0, |last| last + 1);
        let mut own = vec![Vec::new(); count];
        for (id, word) in ids.iter().zip(words) {
            if let Some(word) = word {
                own[word].push(*id);
            }
        }
        own.iter().map(|ids| self.decode(ids)).collect()
    }

    /// Its tokens.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }
}

/// The number of a placeholder.
fn placeholder(character: char) -> Option<u32> {
    let number = (character as u32).wrapping_sub(FIRST);
    (protect::is_placeholder(character) && (number as usize) < PLACEHOLDERS).then_some(number)
}

/// Text in composed characters (NFC), with single spaces between words.
fn normal(text: &str) -> String {
    squeezed(&lines::nfc(text))
}

/// Text with single spaces between words.
pub(super) fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Both sides of a model.
#[derive(Clone, Debug)]
pub struct Sides {
    /// The side that the model reads.
    pub source: Side,
    /// The side that the model writes.
    pub target: Side,
    joint: bool,
}

const SOURCE: &str = "source";
const TARGET: &str = "target";

impl Sides {
    /// Vocabularies of the training pairs.
    pub fn build(data: &PairData, train: &[Pair]) -> Result<Self, Error> {
        let side = |writing: Writing, written: bool, vocabulary: Vocabulary| Side {
            vocabulary,
            writing,
            written,
        };
        // A vocabulary is made of the sentences in the model's form, so the sides come first with any vocabulary.
        let any = Vocabulary::build(VocabularyKind::Bpe { size: 256 }, " ")?;
        let mut sides = Self {
            source: side(data.source_writing.clone(), false, any.clone()),
            target: side(data.target_writing.clone(), true, any),
            joint: data.joint,
        };
        let text = |number: usize, side: &Side| -> String {
            let mut all = String::new();
            for pair in train {
                all.push(' ');
                all.push_str(&side.form(&pair[number]));
                all.push('\n');
            }
            all
        };
        let (source, target) = (text(0, &sides.source), text(1, &sides.target));
        let build = |text: &str| {
            let kind = VocabularyKind::Bpe {
                size: data.vocabulary,
            };
            Vocabulary::build(kind, text)
        };
        if data.joint {
            sides.source.vocabulary = build(&(source + &target))?;
            sides.target.vocabulary = sides.source.vocabulary.clone();
        } else {
            sides.source.vocabulary = build(&source)?;
            sides.target.vocabulary = build(&target)?;
        }
        Ok(sides)
    }

    /// The sides of a trained model.
    pub fn load(data: &PairData, folder: &ModelFolder) -> Result<Self, Error> {
        let target = Vocabulary::load_as(folder.path(), TARGET)?;
        let source = match data.joint {
            true => target.clone(),
            false => Vocabulary::load_as(folder.path(), SOURCE)?,
        };
        Ok(Self {
            source: Side {
                vocabulary: source,
                writing: data.source_writing.clone(),
                written: false,
            },
            target: Side {
                vocabulary: target,
                writing: data.target_writing.clone(),
                written: true,
            },
            joint: data.joint,
        })
    }

    /// Writes the vocabularies into a model folder.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        self.target.vocabulary.save_as(folder, TARGET)?;
        if !self.joint {
            self.source.vocabulary.save_as(folder, SOURCE)?;
        }
        Ok(())
    }

    /// Sizes with the marks.
    pub fn sizes(&self) -> Vocabularies {
        Vocabularies {
            source: self.source.vocabulary.len() + MARKS,
            target: self.target.vocabulary.len() + MARKS,
            joint: self.joint,
        }
    }

    /// Begin and end mark of the target side.
    pub fn marks(&self) -> [u32; 2] {
        let first = self.target.vocabulary.len() as u32;
        [first, first + 1]
    }

    /// The ids of a plain source sentence with single spaces, which may hold placeholders, and the demands on its
    /// translation: no other placeholder stands in it.
    pub fn question(&self, text: &str) -> (Vec<u32>, Source) {
        let ids = self.ended(self.source.encode(text));
        let source = Source {
            length: ids.len(),
            banned: self.target.other_placeholders(text),
            ..Source::default()
        };
        (ids, source)
    }

    /// Source ids with their end mark.
    pub fn ended(&self, mut ids: Vec<u32>) -> Vec<u32> {
        ids.push(self.source.vocabulary.len() as u32 + 1);
        ids
    }

    /// A pair of a file as the model reads and writes it.
    pub fn forms(&self, pair: &Pair) -> Pair {
        [self.source.form(&pair[0]), self.target.form(&pair[1])]
    }

    /// The ids of a pair in the model's forms: source with its end mark, target without marks.
    pub fn ids(&self, [source, target]: &Pair) -> [Vec<u32>; 2] {
        [self.ended(self.source.ids(source)), self.target.ids(target)]
    }

    /// As [`Self::ids`], in a random cut: each merge is left out with probability `share`.
    pub fn ids_dropping(
        &self,
        [source, target]: &Pair,
        share: f64,
        rng: &mut Rng,
    ) -> [Vec<u32>; 2] {
        let source = self.source.ids_dropping(source, share, rng);
        [
            self.ended(source),
            self.target.ids_dropping(target, share, rng),
        ]
    }

    /// The ids of a pair of a file.
    pub fn encode(&self, pair: &Pair) -> [Vec<u32>; 2] {
        self.ids(&self.forms(pair))
    }

    /// Fingerprint of both vocabularies.
    pub fn print(&self) -> String {
        let mut print = Fingerprint::new();
        for side in [&self.source, &self.target] {
            for id in 0..side.vocabulary.len() as u32 {
                print.text(&side.vocabulary.token(id).unwrap_or_default());
            }
        }
        print.finish()
    }

    /// The names of the files in a model folder.
    pub fn files() -> Vec<PathBuf> {
        [SOURCE, TARGET]
            .into_iter()
            .flat_map(Vocabulary::files_as)
            .map(PathBuf::from)
            .collect()
    }
}

/// Lengths of a pair in tokens: source, target.
pub(super) type Lengths = [usize; 2];

/// Batches of pairs of similar length: each has at most `most_pairs` pairs and `most_tokens` target tokens with its
/// padding, but at least one pair. The order follows from the seed.
pub(super) fn batches(
    lengths: &[Lengths],
    [most_pairs, most_tokens]: [usize; 2],
    seed: u64,
) -> Vec<Vec<usize>> {
    /// Batches' worth of pairs that are sorted together: more random than all, less padding than none.
    const SORTED: usize = 40;
    let mut order = shuffled(lengths.len(), seed);
    let mean = lengths.iter().map(|own| own[1] + 1).sum::<usize>() / lengths.len().max(1);
    let usual = (most_tokens / mean.max(1)).clamp(1, most_pairs.max(1));
    let mut batches = Vec::new();
    for group in order.chunks_mut(usual * SORTED) {
        group.sort_by_key(|&number| (lengths[number][1], lengths[number][0]));
        let mut batch: Vec<usize> = Vec::new();
        for &number in &*group {
            let tokens = (batch.len() + 1) * (lengths[number][1] + 1);
            if !batch.is_empty() && (batch.len() == most_pairs || tokens > most_tokens) {
                batches.push(std::mem::take(&mut batch));
            }
            batch.push(number);
        }
        batches.push(batch);
    }
    let order = shuffled(batches.len(), seed ^ 1);
    let moved = order
        .into_iter()
        .map(|number| std::mem::take(&mut batches[number]));
    moved.collect()
}
