//! Words from files, common words, and words that do not exist.

use std::collections::HashMap;
use std::path::Path;

use crate::RenderError;
use crate::dice::Dice;

/// Bytes of one text file.
const MOST_FILE_BYTES: u64 = 64 << 20;
/// Words of running text kept, of all files.
const MOST_RUNNING: usize = 4 << 20;
/// Characters of a word.
const MOST_CHARACTERS: usize = 24;

/// Frequent English words, for sentences.
const COMMON: &str = "\
    the of and to in a is that for it was on as with be by at this from or are have an not which you but they his \
    all one we her had she there been if their has will would more no when who can out up so them some what about \
    into than its time only could new these may two first then do any my now such like our over man me even most \
    made after also did many before must through back years where much your way well down should because each just \
    those people how too little state good very make world still own see men work long get here between both life \
    being under never day same another know while last might us great old year off come since against go came right \
    used take three";

/// Words by rank of frequency, and running text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    /// The most frequent first.
    words: Vec<Box<str>>,
    /// Per word, the range of words of the same frequency.
    ties: Vec<(u32, u32)>,
    /// Words of running text with their punctuation.
    running: Vec<Box<str>>,
    /// Common words that the alphabet can write.
    common: Vec<&'static str>,
}

impl Words {
    /// Reads the files; `alphabet` is sorted.
    pub(crate) fn read<P: AsRef<Path>>(
        files: &[P],
        alphabet: &[char],
    ) -> Result<Self, RenderError> {
        let known = |text: &str| text.chars().all(|c| alphabet.binary_search(&c).is_ok());
        let mut counts: HashMap<Box<str>, u32> = HashMap::new();
        let mut running = Vec::new();
        for file in files {
            let text = read(file.as_ref())?;
            for line in text.lines() {
                let several = line.split_whitespace().nth(3).is_some();
                for token in line.split_whitespace() {
                    let word = token.trim_matches(|c: char| !c.is_alphanumeric());
                    let size = word.chars().count();
                    if size > 0 && size <= MOST_CHARACTERS && known(word) {
                        *counts.entry(word.into()).or_default() += 1;
                    }
                    let short = token.chars().nth(2 * MOST_CHARACTERS).is_none();
                    if several && running.len() < MOST_RUNNING && short && known(token) {
                        running.push(token.into());
                    }
                }
            }
        }
        let mut ranked: Vec<(Box<str>, u32)> = counts.into_iter().collect();
        ranked.sort_unstable_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
        let mut ties = Vec::with_capacity(ranked.len());
        for tied in ranked.chunk_by(|(_, a), (_, b)| a == b) {
            let first = ties.len() as u32;
            ties.resize(ties.len() + tied.len(), (first, tied.len() as u32));
        }
        Ok(Self {
            words: ranked.into_iter().map(|(word, _)| word).collect(),
            ties,
            running,
            common: COMMON
                .split_whitespace()
                .filter(|word| known(word))
                .collect(),
        })
    }

    /// A word by Zipf's law: the chance of rank r is in proportion to 1/r.
    pub(crate) fn word(&self, dice: &mut Dice) -> Option<&str> {
        if self.words.is_empty() {
            return self.common(dice);
        }
        let (first, count) = self.ties[rank(self.words.len(), dice)];
        Some(&self.words[first as usize + dice.below(count as usize)])
    }

    fn common(&self, dice: &mut Dice) -> Option<&str> {
        (!self.common.is_empty()).then(|| self.common[rank(self.common.len(), dice)])
    }

    /// A word of a sentence: sometimes a common one, so that sentences over a plain word list have short words too.
    pub(crate) fn sentence_word(&self, dice: &mut Dice) -> Option<&str> {
        let common = if self.words.is_empty() { 0.6 } else { 0.3 };
        match (dice.chance(common), self.words.is_empty()) {
            (true, _) => self.common(dice).or_else(|| self.word(dice)),
            (false, false) => self.word(dice),
            (false, true) => None,
        }
    }

    /// Running text from some word on.
    pub(crate) fn running<'a>(
        &'a self,
        dice: &mut Dice,
    ) -> Option<impl Iterator<Item = &'a str> + use<'a>> {
        let first = dice.below(self.running.len());
        let words = self
            .running
            .get(first..)
            .filter(|words| !words.is_empty())?;
        Some(words.iter().map(|word| &**word))
    }
}

/// A rank below `count` with a chance in proportion to 1 / (rank + 1), nearly.
fn rank(count: usize, dice: &mut Dice) -> usize {
    let last = (count + 1) as f64;
    let uniform = (dice.bits() >> 11) as f64 / (1u64 << 53) as f64;
    (last.powf(uniform) as usize).clamp(1, count) - 1
}

fn read(path: &Path) -> Result<String, RenderError> {
    let failed = |source| RenderError::Read {
        path: path.into(),
        source,
    };
    let bytes = std::fs::metadata(path).map_err(failed)?.len();
    if bytes > MOST_FILE_BYTES {
        return Err(RenderError::TextSize {
            path: path.into(),
            bytes,
            limit: MOST_FILE_BYTES,
        });
    }
    String::from_utf8(std::fs::read(path).map_err(failed)?).map_err(|error| {
        RenderError::TextEncoding {
            path: path.into(),
            at: error.utf8_error().valid_up_to(),
        }
    })
}

/// One to four syllables.
pub(crate) fn pseudo(dice: &mut Dice) -> String {
    const ONSET: [&str; 32] = [
        "b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "qu", "r", "s", "t", "v", "w",
        "x", "z", "th", "sh", "ch", "st", "tr", "pl", "br", "cl", "gr", "", "", "y",
    ];
    const CORE: [&str; 14] = [
        "a", "e", "i", "o", "u", "a", "e", "i", "o", "ea", "ou", "ie", "y", "oo",
    ];
    const CODA: [&str; 20] = [
        "", "", "", "", "n", "r", "l", "s", "t", "m", "ng", "ck", "nd", "st", "ll", "ff", "tt",
        "rn", "x", "p",
    ];
    let mut word = String::new();
    for _ in 0..dice.whole(1, 4) {
        word.push_str(dice.pick(&ONSET));
        word.push_str(dice.pick(&CORE));
        word.push_str(dice.pick(&CODA));
    }
    word
}
