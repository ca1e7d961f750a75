//! Readers of the data sets: piano rolls, chorales, and folders of tunes.

use crate::{Chorale, Limits, Line, MusicError, Pitches, Roll};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use std::fmt;
use std::io::Read;
use std::path::Path;

/// Training, validation and test pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split<P> {
    /// Training pieces.
    pub train: Vec<P>,
    /// Validation pieces.
    pub valid: Vec<P>,
    /// Test pieces.
    pub test: Vec<P>,
}

impl<P> Split<P> {
    fn map<Q>(
        self,
        mut each: impl FnMut(P) -> Result<Q, MusicError>,
    ) -> Result<Split<Q>, MusicError> {
        let mut all = |pieces: Vec<P>| -> Result<Vec<Q>, MusicError> {
            pieces.into_iter().map(&mut each).collect()
        };
        Ok(Split {
            train: all(self.train)?,
            valid: all(self.valid)?,
            test: all(self.test)?,
        })
    }
}

/// The form of both JSON files: pieces of steps of `S`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pieces<S> {
    train: Vec<Vec<S>>,
    valid: Vec<Vec<S>>,
    test: Vec<Vec<S>>,
}

impl<S> From<Pieces<S>> for Split<Vec<S>> {
    fn from(pieces: Pieces<S>) -> Self {
        Self {
            train: pieces.train,
            valid: pieces.valid,
            test: pieces.test,
        }
    }
}

/// A list of pitches that sound together.
struct Together(Pitches);

impl<'de> Deserialize<'de> for Together {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Set;
        impl<'de> Visitor<'de> for Set {
            type Value = Together;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a list of pitches from 0 to 127")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Together, A::Error> {
                let mut set = Pitches::NONE;
                while let Some(pitch) = list.next_element::<i64>()? {
                    match u8::try_from(pitch) {
                        Ok(pitch @ 0..=127) => set.insert(pitch),
                        _ => {
                            return Err(A::Error::custom(format!(
                                "{pitch} is no pitch from 0 to 127"
                            )));
                        }
                    };
                }
                Ok(Together(set))
            }
        }
        from.deserialize_seq(Set)
    }
}

/// The pieces of a file of piano rolls: an object of `train`, `valid` and `test`, each a list of pieces; a piece is a
/// list of steps, and a step the list of its pitches. The file may be gzip.
///
/// The four sets of Boulanger-Lewandowski et al. 2012 (arXiv 1206.6392) have this form. Their steps are a quarter note
/// (JSB chorales) or an eighth note: `per_quarter` of 1 or 2.
///
/// # Errors
/// A file that cannot be read, is above the limits, or has another form.
pub fn read_rolls(
    path: &Path,
    per_quarter: u16,
    limits: &Limits,
) -> Result<Split<Roll>, MusicError> {
    let pieces: Split<Vec<Together>> = parsed::<Pieces<Together>>(path, limits)?.into();
    pieces.map(|steps| {
        MusicError::check("reading piano rolls", steps.len(), "steps", limits.steps)?;
        Roll::new(per_quarter, steps.into_iter().map(|step| step.0).collect())
    })
}

/// The chorales of a file of the form of [`read_rolls`], whose steps have four numbers: soprano, alto, tenor and bass,
/// with -1 for silence. The steps of `Jsb16thSeparated.json` are sixteenth notes: `per_quarter` is 4.
///
/// # Errors
/// A file that cannot be read, is above the limits, or has another form.
pub fn read_chorales(
    path: &Path,
    per_quarter: u16,
    limits: &Limits,
) -> Result<Split<Chorale>, MusicError> {
    let pieces: Split<Vec<[i16; 4]>> = parsed::<Pieces<[i16; 4]>>(path, limits)?.into();
    pieces.map(|steps| {
        MusicError::check("reading chorales", steps.len(), "steps", limits.steps)?;
        let line = |voice: usize| {
            let pitches = steps.iter().map(|step| match step[voice] {
                -1 => Ok(None),
                pitch @ 0..=127 => Ok(Some(pitch as u8)),
                other => Err(MusicError::Data {
                    path: path.to_owned(),
                    problem: format!("{other} is no pitch from 0 to 127, nor -1"),
                }),
            });
            Ok::<_, MusicError>(Line::tied(pitches.collect::<Result<_, _>>()?))
        };
        Chorale::new(per_quarter, [line(0)?, line(1)?, line(2)?, line(3)?])
    })
}

fn parsed<P: for<'de> Deserialize<'de>>(path: &Path, limits: &Limits) -> Result<P, MusicError> {
    let bytes = read_file(path, limits)?;
    serde_json::from_slice(&bytes).map_err(|error| MusicError::Data {
        path: path.to_owned(),
        problem: error.to_string(),
    })
}

/// The bytes of a file within [`Limits::bytes`]; gzip is unpacked.
///
/// # Errors
/// A file that cannot be read, or is above the limit.
pub fn read_file(path: &Path, limits: &Limits) -> Result<Vec<u8>, MusicError> {
    let failed = |source| MusicError::Io {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    refrain_data::file::open(path)
        .map_err(failed)?
        .take(limits.bytes as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    MusicError::check("reading a file", bytes.len(), "bytes", limits.bytes)?;
    Ok(bytes)
}

/// Shares of the twelve-interval parts of the melody of `chorale` that are in a melody of `others`; 0 for a melody of
/// fewer notes. Bach set the same hymn several times: at one half and above, the tune is a known one.
pub fn known_tune(chorale: &Chorale, others: &[Chorale]) -> f64 {
    const INTERVALS: usize = 12;
    let grams = |chorale: &Chorale| -> Vec<Vec<i16>> {
        let notes = chorale.voices()[0].notes();
        let steps = notes
            .windows(2)
            .map(|pair| i16::from(pair[1]) - i16::from(pair[0]));
        let steps: Vec<i16> = steps.collect();
        steps.windows(INTERVALS).map(<[i16]>::to_vec).collect()
    };
    let mine = grams(chorale);
    let best = others.iter().map(|other| {
        let theirs: std::collections::HashSet<_> = grams(other).into_iter().collect();
        mine.iter().filter(|gram| theirs.contains(*gram)).count()
    });
    best.max().unwrap_or(0) as f64 / mine.len().max(1) as f64
}
