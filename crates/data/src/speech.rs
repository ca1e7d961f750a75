//! Parts of a corpus of speech: a table of utterances, with an archive of their sounds beside it.
//!
//! A part `fsdd/train` is the table `fsdd/train.tsv` (lines of file, speaker if known, and transcript between tabs,
//! UTF-8) and the archive `fsdd/train.tar` with the files that it names.

use crate::error::DataError;
use crate::file;
use refrain_random::SplitMix64;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Largest sound file and table that are read, bytes.
const LARGEST: u64 = 1 << 30;
/// Largest archive of arrays that is read, bytes.
const LARGEST_ARRAYS: u64 = 1 << 32;

/// A line of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Utterance {
    /// Of its file, or its number in an array of features.
    pub name: String,
    /// The speaker, if known.
    pub speaker: Option<String>,
    /// The transcript, as the table has it.
    pub transcript: String,
}

/// The file of a part with this ending.
pub fn file(data: &Path, part: &str, ending: &str) -> PathBuf {
    data.join(format!("{part}.{ending}"))
}

/// The utterances of a part, in the table's order.
///
/// # Errors
/// A table that is missing, is not UTF-8, is empty or has a line of fewer than two fields.
pub fn utterances(
    data: &Path,
    part: &str,
    source_hint: Option<&str>,
) -> Result<Vec<Utterance>, DataError> {
    let path = file(data, part, "tsv");
    let text =
        file::text("speech", &path, LARGEST).map_err(|e| missing(data, &path, source_hint, e))?;
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let utterance = |(number, line): (usize, &str)| {
        let fields: Vec<&str> = line.split('\t').collect();
        let (name, speaker, transcript) = match fields[..] {
            [name, transcript] => (name, None, transcript),
            [name, speaker, transcript] => (name, Some(speaker.to_string()), transcript),
            _ => {
                return Err(DataError::Speech {
                    path: path.clone(),
                    problem: format!(
                        "line {} has {} fields; file, speaker and transcript are needed, with tabs between them",
                        number + 1,
                        fields.len()
                    ),
                });
            }
        };
        Ok(Utterance {
            name: name.trim().to_string(),
            speaker,
            transcript: transcript.trim().to_string(),
        })
    };
    let all = lines.map(utterance).collect::<Result<Vec<_>, _>>()?;
    match all.is_empty() {
        true => Err(DataError::Empty {
            what: format!("the table {}", path.display()),
        }),
        false => Ok(all),
    }
}

/// The sound file of each utterance, as bytes.
///
/// # Errors
/// An archive that is missing or damaged, or that lacks a file.
pub fn sounds(
    data: &Path,
    part: &str,
    utterances: &[Utterance],
    source_hint: Option<&str>,
) -> Result<Vec<Vec<u8>>, DataError> {
    let path = file(data, part, "tar");
    let wanted: BTreeSet<&str> = utterances.iter().map(|u| u.name.as_str()).collect();
    let found = unpack(data, &path, &wanted, source_hint)?;
    let take = |utterance: &Utterance| {
        let sound = found.get(&utterance.name).cloned();
        sound.ok_or_else(|| DataError::Speech {
            path: path.clone(),
            problem: format!("it has no file {}, which its table names", utterance.name),
        })
    };
    utterances.iter().map(take).collect()
}

/// The files of an archive with these names, wherever in its folders they lie.
fn unpack(
    data: &Path,
    path: &Path,
    wanted: &BTreeSet<&str>,
    source_hint: Option<&str>,
) -> Result<BTreeMap<String, Vec<u8>>, DataError> {
    let refused = |problem| DataError::Speech {
        path: path.to_path_buf(),
        problem,
    };
    let damaged =
        |e: std::io::Error| refused(format!("it is no complete tar archive ({e}); get it again"));
    let failed = |error| {
        missing(
            data,
            path,
            source_hint,
            DataError::io("speech", path, error),
        )
    };
    let reader = File::open(path).map_err(failed)?;
    let about = reader.metadata().map_err(failed)?;
    // Entries with holes say more bytes than the archive has.
    let mut left = if about.is_file() {
        about.len()
    } else {
        u64::MAX
    };
    let mut archive = tar::Archive::new(BufReader::new(reader));
    let mut found = BTreeMap::new();
    for entry in archive.entries().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let own = entry.path().map_err(damaged)?;
        let name = own
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let Some(name) = name.filter(|name| wanted.contains(name.as_str())) else {
            continue;
        };
        let size = entry.size();
        left = match left.checked_sub(size) {
            Some(left) if size <= LARGEST => left,
            _ => {
                return Err(refused(format!(
                    "{name} has {size} bytes, which is no utterance"
                )));
            }
        };
        let mut bytes = Vec::new();
        entry.take(size).read_to_end(&mut bytes).map_err(damaged)?;
        found.insert(name, bytes);
    }
    Ok(found)
}

/// The bytes of a file of the data folder.
///
/// # Errors
/// A file that is missing, with where it comes from, or that cannot be read.
pub fn read(data: &Path, path: &Path, source_hint: Option<&str>) -> Result<Vec<u8>, DataError> {
    file::read("speech", path, LARGEST_ARRAYS).map_err(|e| missing(data, path, source_hint, e))
}

/// The error about a missing file with its origin; other errors as they are.
fn missing(data: &Path, path: &Path, source_hint: Option<&str>, error: DataError) -> DataError {
    match error {
        DataError::Io { error, .. } if error.kind() == std::io::ErrorKind::NotFound => {
            let name = path.strip_prefix(data).unwrap_or(path);
            DataError::Missing {
                path: path.to_path_buf(),
                name: name.display().to_string(),
                folder: data.to_path_buf(),
                source_hint: source_hint.map(str::to_string),
            }
        }
        other => other,
    }
}

/// How transcripts are written for the model.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Writing {
    /// Keep capitals.
    pub capitals: bool,
    /// Characters to keep beside letters, digits, the apostrophe and the space.
    pub keep: String,
}

impl Writing {
    /// The transcript in the characters to keep, words separated by one space.
    pub fn write(&self, transcript: &str) -> String {
        let mut text = String::with_capacity(transcript.len());
        for c in transcript.chars() {
            let c = if c == '’' { '\'' } else { c };
            if c.is_alphanumeric() || c == '\'' || self.keep.contains(c) {
                match self.capitals {
                    true => text.push(c),
                    false => text.extend(c.to_lowercase()),
                }
            } else if !text.ends_with(' ') && !text.is_empty() {
                text.push(' ');
            }
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// Numbers below `count` in an order that follows from `seed`.
pub fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    SplitMix64::new(seed).shuffle(&mut order);
    order
}

/// Utterances that are kept back from training, about `share` of them: whole speakers where the table knows more than
/// three, so that validation hears new ones as the test does, else single utterances. True where kept back.
pub fn kept_back(utterances: &[Utterance], share: f64, by_speaker: bool, seed: u64) -> Vec<bool> {
    let wanted = (utterances.len() as f64 * share).round() as usize;
    let mut kept = vec![false; utterances.len()];
    let speakers: BTreeSet<&Option<String>> = utterances.iter().map(|u| &u.speaker).collect();
    let speakers: Vec<_> = speakers.into_iter().collect();
    match by_speaker && speakers.len() > 3 {
        true => {
            let mut count = 0;
            for speaker in shuffled(speakers.len(), seed) {
                if count >= wanted {
                    break;
                }
                for (kept, utterance) in kept.iter_mut().zip(utterances) {
                    if utterance.speaker == *speakers[speaker] {
                        *kept = true;
                        count += 1;
                    }
                }
            }
        }
        false => shuffled(utterances.len(), seed)
            .into_iter()
            .take(wanted)
            .for_each(|number| kept[number] = true),
    }
    kept
}
