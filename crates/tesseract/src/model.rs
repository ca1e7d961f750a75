//! A file as a whole.

use crate::bytes::Bytes;
use crate::charset::{Charset, read_codes};
use crate::container::Container;
use crate::dawg::WordList;
use crate::error::TesseractError;
use crate::network::{Architecture, Network};
use crate::tree;
use crate::unicharset::{self, Unichar};

/// Flags of a training.
const INT8: usize = 1;
const COMPRESSED: usize = 64;

/// A model of Tesseract.
#[derive(Clone, Debug)]
pub struct Model {
    /// The network.
    pub network: Network,
    /// The characters and their labels.
    pub charset: Charset,
    /// The characters with all their properties, in the order of their numbers.
    pub unichars: Vec<Unichar>,
    /// Words; none if the file has no list.
    pub words: WordList,
    /// Patterns of punctuation around a word, which is a space in them.
    pub punctuation: WordList,
    /// Patterns of numbers; a space stands for a digit.
    pub numbers: WordList,
    /// Version of the file, such as `4.00.00alpha:eng:synth20170629`.
    pub version: String,
    /// Parameters of Tesseract, as names and values.
    pub config: Vec<(String, String)>,
    /// The network as Tesseract describes it (VGSL).
    pub spec: String,
    /// Iterations of training.
    pub iterations: usize,
    /// Entries that belong to the legacy engine and were left out.
    pub left_out: Vec<&'static str>,
}

/// Reads a `.traineddata` file.
///
/// Every entry of the LSTM engine is read to its last byte. Memory is taken after sizes are compared with the bytes
/// that are there: at most a few times the size of the file.
///
/// # Errors
/// A damaged file; a file without LSTM; a kind of network that the shipped models do not have; a script from right to
/// left.
pub fn parse(file: &[u8]) -> Result<Model, TesseractError> {
    let container = Container::read(file)?;
    let mut lstm = network_entry(&container)?;
    let unichars = unicharset::read(needed(&container, "lstm-unicharset")?)?;
    let lowered = tree::read(&mut lstm)?;
    let spec = lstm.string(1 << 12, "the description of the network")?;
    let flags = lstm.signed_size(0, i32::MAX as usize, "the flags of training")?;
    let iterations = lstm.signed_size(0, i32::MAX as usize, "the iterations of training")?;
    lstm.signed_size(0, i32::MAX as usize, "the samples of training")?;
    let architecture = Architecture {
        height: lowered.height.unwrap_or(0),
        clip: flags & INT8 != 0,
        layers: lowered.layers,
    };
    architecture.check()?;
    let labels = architecture.labels();
    let blank = lstm.signed_size(0, labels.saturating_sub(1), "the label of nothing")?;
    for what in ["the rate of Adam", "the learning rate", "the momentum"] {
        lstm.f32(what)?;
    }
    lstm.end()?;
    let codes = codes(&container, flags & COMPRESSED != 0, unichars.len(), labels)?;
    let texts = unichars.iter().map(|unichar| unichar.text.clone());
    let charset = Charset::new(labels, blank as u32, texts.collect(), codes)?;
    let list = |entry| match container.entry(entry) {
        Some(bytes) => WordList::read(bytes, &unichars),
        None => Ok(WordList::default()),
    };
    let (words, punctuation) = (list("lstm-word-dawg")?, list("lstm-punc-dawg")?);
    let numbers = list("lstm-number-dawg")?;
    Ok(Model {
        network: Network::of_weights(architecture, lowered.weights)?,
        charset,
        words,
        punctuation,
        numbers,
        version: version(container.entry("version"))?,
        config: config(container.entry("config"))?,
        spec,
        iterations,
        left_out: container.left_out(),
        unichars,
    })
}

/// The entry of the network.
fn network_entry<'a>(container: &Container<'a>) -> Result<Bytes<'a>, TesseractError> {
    let legacy = container.left_out();
    let hint = || match legacy.is_empty() {
        true => "is it a .traineddata file?".to_owned(),
        false => format!(
            "the file is of the legacy engine ({}); take the one of tessdata_fast or tessdata_best",
            legacy.join(", ")
        ),
    };
    container
        .entry("lstm")
        .ok_or_else(|| TesseractError::Missing {
            entry: "lstm",
            hint: hint(),
        })
}

/// An entry beside the network.
fn needed<'a>(container: &Container<'a>, entry: &'static str) -> Result<Bytes<'a>, TesseractError> {
    let hint = "make a whole file of its parts with combine_tessdata".to_owned();
    container
        .entry(entry)
        .ok_or(TesseractError::Missing { entry, hint })
}

/// The labels of each character; without a recoder, its number.
fn codes(
    container: &Container,
    recoded: bool,
    characters: usize,
    labels: usize,
) -> Result<Vec<Vec<u32>>, TesseractError> {
    match (recoded, container.entry("lstm-recoder")) {
        (true, _) => read_codes(needed(container, "lstm-recoder")?, characters, labels),
        (false, None) => Ok((0..characters as u32).map(|label| vec![label]).collect()),
        (false, Some(entry)) => {
            Err(entry.damaged("there is a recoder, and the flags say there is none"))
        }
    }
}

fn version(entry: Option<Bytes>) -> Result<String, TesseractError> {
    match entry {
        Some(mut bytes) => Ok(bytes.rest("the version")?.trim_end().to_owned()),
        None => Ok(String::new()),
    }
}

/// Lines of a name and a value; `#` begins a remark.
fn config(entry: Option<Bytes>) -> Result<Vec<(String, String)>, TesseractError> {
    let Some(mut bytes) = entry else {
        return Ok(Vec::new());
    };
    let text = bytes.rest("the parameters")?;
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pair = |line: &str| {
        let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        (name.to_owned(), value.trim().to_owned())
    };
    Ok(lines.map(pair).collect())
}

impl Model {
    /// The words of the model's list, one after the other.
    pub fn lexicon(&self) -> impl Iterator<Item = String> {
        self.words.iter()
    }
}
