//! Fonts in folders: found, checked, and split into families for training and families held out.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dice::{Dice, hash};
use crate::legible::legibility;
use crate::{ALPHABET, Face, RenderError};

/// How fonts are loaded.
#[derive(Clone, Debug)]
pub struct FontOptions {
    /// Characters to look for; a face has no others for this crate.
    pub alphabet: String,
    /// Part of the families that is held out, 0 to 1. It is decided per family by a hash of its name without words of
    /// width and weight, so that more fonts never move a family to the other side.
    pub held_out: f64,
    /// Part of the letters of a face, 0 to 1, that must look more like the same letters of the other faces than like
    /// any other letters. Most upright faces have 0.8 and more, italic ones from 0.45 on, pictures less than 0.35.
    pub legible: f32,
    /// Bytes of fonts kept in memory; files beyond it are skipped.
    pub most_bytes: u64,
}

impl Default for FontOptions {
    fn default() -> Self {
        Self {
            alphabet: ALPHABET.into(),
            held_out: 0.1,
            legible: 0.45,
            most_bytes: 1 << 30,
        }
    }
}

/// The part of the fonts to draw with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Families for training.
    Training,
    /// Families held out of training.
    HeldOut,
    /// All of them.
    All,
}

/// Reason why a file or a face is not used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SkipReason {
    /// The file could not be read.
    #[error("not readable: {0}")]
    Read(String),
    /// The file is larger than any font, or memory for fonts is used up.
    #[error("{0} bytes do not fit the memory for fonts")]
    Memory(u64),
    /// The tables of the font are damaged, or there is no font in it.
    #[error("broken: {0}")]
    Broken(String),
    /// Pictures or symbols in the place of letters.
    #[error("symbols, not letters")]
    Pictures,
    /// Fewer than ten letters and digits of the alphabet.
    #[error("only {0} characters of the alphabet")]
    Characters(usize),
    /// Less of its letters than [`FontOptions::legible`] look like those of the other faces; the part that does.
    #[error("only {:.0}% of its letters look like letters", 100.0 * .0)]
    Illegible(f32),
    /// The same bytes as another file.
    #[error("a second copy")]
    Copy,
}

/// A font file or face that is not used.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// The face in the file.
    pub face: u32,
    /// The reason.
    pub reason: SkipReason,
}

/// Faces by family.
#[derive(Clone, Debug)]
pub struct Fonts {
    faces: Vec<Face>,
    /// Per family of faces: positions in `faces`; sorted by name.
    families: Vec<Vec<usize>>,
    /// Per family, the weight with which it is drawn.
    weights: Vec<f32>,
    skipped: Vec<Skipped>,
}

/// Larger files are not read: the largest fonts, of all Chinese characters in several weights, have 130 MB.
const MOST_FILE_BYTES: u64 = 256 << 20;
/// Folders within folders.
const MOST_DEPTH: usize = 32;
/// Entries of all folders together.
const MOST_ENTRIES: usize = 1 << 20;
/// Faces of one collection.
const MOST_FACES: u32 = 256;

impl Fonts {
    /// Loads all `.ttf`, `.otf`, `.ttc` and `.otc` files in the folders and the folders in them. Files and faces that
    /// cannot be used are skipped, see [`Self::skipped`]; links to folders are followed once.
    pub fn load<P: AsRef<Path>>(folders: &[P], options: &FontOptions) -> Result<Self, RenderError> {
        let mut files = Vec::new();
        let mut seen = HashSet::new();
        for folder in folders {
            let folder = folder.as_ref();
            let read = |source| RenderError::Read {
                path: folder.into(),
                source,
            };
            std::fs::read_dir(folder).map_err(read)?;
            find(folder, MOST_DEPTH, &mut seen, &mut files);
        }
        files.sort();
        let mut skipped = Vec::new();
        let mut room = options.most_bytes;
        let mut data = Vec::new();
        for path in files {
            match read(&path, &mut room) {
                Ok(bytes) => data.push((path, bytes)),
                Err(reason) => skipped.push(Skipped {
                    path,
                    face: 0,
                    reason,
                }),
            }
        }
        Self::build(data, skipped, options)
    }

    /// Fonts from files in memory, each with a name to report it by.
    pub fn from_bytes(
        files: impl IntoIterator<Item = (String, Vec<u8>)>,
        options: &FontOptions,
    ) -> Result<Self, RenderError> {
        let data = files
            .into_iter()
            .map(|(name, bytes)| (name.into(), bytes.into()));
        Self::build(data.collect(), Vec::new(), options)
    }

    fn build(
        files: Vec<(PathBuf, Arc<[u8]>)>,
        mut skipped: Vec<Skipped>,
        options: &FontOptions,
    ) -> Result<Self, RenderError> {
        let mut alphabet: Vec<char> = options.alphabet.chars().chain([' ']).collect();
        alphabet.sort_unstable();
        alphabet.dedup();
        let count = files.len() + skipped.len();
        let found = read_faces(files, &alphabet, options.held_out, &mut skipped);
        let judged = legibility(found.iter().map(|found| &found.face));
        let (mut faces, mut legible) = (Vec::new(), Vec::new());
        for (mut found, judged) in found.into_iter().zip(judged) {
            if judged.capitals {
                found.face.drop_lower_case();
            }
            let kept = match judged.told < options.legible {
                true => Err(SkipReason::Illegible(judged.told)),
                false => found.face.check(),
            };
            match kept {
                Ok(()) => {
                    legible.push(judged.told);
                    faces.push(found.face);
                }
                Err(reason) => skipped.push(Skipped {
                    path: found.path,
                    face: found.index,
                    reason,
                }),
            }
        }
        if faces.is_empty() {
            return Err(RenderError::NoFonts {
                files: count,
                skipped: skipped.len(),
            });
        }
        let mut families: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, face) in faces.iter().enumerate() {
            families.entry(face.family()).or_default().push(at);
        }
        let families: Vec<Vec<usize>> = families.into_values().collect();
        // The families of one maker, such as the screens of early computers, are one kind of print.
        let maker = |family: &[usize]| {
            let name = faces[family[0]].family();
            name.split(' ').next().unwrap_or_default()
        };
        let mut makers: HashMap<&str, f32> = HashMap::new();
        families
            .iter()
            .for_each(|family| *makers.entry(maker(family)).or_default() += 1.0);
        let weight = |family: &Vec<usize>| {
            weight(family, &faces, &legible, alphabet.len()) / makers[maker(family)].sqrt()
        };
        Ok(Self {
            weights: families.iter().map(weight).collect(),
            families,
            faces,
            skipped,
        })
    }

    /// All faces, by family and style.
    pub fn faces(&self) -> &[Face] {
        &self.faces
    }

    /// Names of the families of one part, in order.
    pub fn families(&self, part: Part) -> impl Iterator<Item = &str> {
        self.part(part)
            .map(|(faces, _)| self.faces[faces[0]].family())
    }

    /// Files and faces that are not used.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Families of one part with their weights.
    fn part(&self, part: Part) -> impl Iterator<Item = (&Vec<usize>, f32)> {
        let families = self.families.iter().zip(self.weights.iter().copied());
        families.filter(move |(faces, _)| {
            let held_out = self.faces[faces[0]].held_out();
            part == Part::All || held_out == (part == Part::HeldOut)
        })
    }

    /// A chooser among the faces of one part.
    pub(crate) fn chooser(self: &Arc<Self>, part: Part) -> Result<Chooser, RenderError> {
        let (families, weights): (Vec<Vec<usize>>, Vec<f32>) = self
            .part(part)
            .map(|(faces, weight)| (faces.clone(), weight))
            .unzip();
        if families.is_empty() {
            return Err(RenderError::EmptyPart {
                families: self.families.len(),
                part: match part {
                    Part::HeldOut => "held out",
                    _ => "training",
                },
            });
        }
        Ok(Chooser {
            weights,
            families,
            fonts: self.clone(),
        })
    }
}

/// A face and its place.
struct Found {
    path: PathBuf,
    index: u32,
    /// Hash of the file.
    content: u64,
    face: Face,
}

/// All faces that can be read, in an order that does not depend on the places of the files.
fn read_faces(
    files: Vec<(PathBuf, Arc<[u8]>)>,
    alphabet: &[char],
    held_out: f64,
    skipped: &mut Vec<Skipped>,
) -> Vec<Found> {
    let mut copies = HashSet::new();
    let mut found = Vec::new();
    for (path, data) in files {
        let content = hash(&data);
        if !copies.insert((content, data.len())) {
            let reason = SkipReason::Copy;
            skipped.push(Skipped {
                path,
                face: 0,
                reason,
            });
            continue;
        }
        let faces = ttf_parser::fonts_in_collection(&data).unwrap_or(1);
        for index in 0..faces.clamp(1, MOST_FACES) {
            let path = path.clone();
            match Face::read(data.clone(), index, alphabet, held_out) {
                Ok(face) => found.push(Found {
                    path,
                    index,
                    content,
                    face,
                }),
                Err(reason) => skipped.push(Skipped {
                    path,
                    face: index,
                    reason,
                }),
            }
        }
    }
    found.sort_by(|a, b| {
        let names = |found: &Found| {
            (
                found.face.family().to_owned(),
                found.face.style().to_owned(),
            )
        };
        (names(a), a.content, a.index).cmp(&(names(b), b.content, b.index))
    });
    found
}

/// The weight of a family. Families of running text have many legible faces with the whole alphabet, display families
/// one or two with part of it; there are many more of the latter, but few lines in them.
fn weight(family: &[usize], faces: &[Face], legible: &[f32], alphabet: usize) -> f32 {
    let mean = |value: &dyn Fn(usize) -> f32| {
        family.iter().map(|&at| value(at)).sum::<f32>() / family.len() as f32
    };
    let complete = mean(&|at| (faces[at].characters().count() as f32 / alphabet as f32).min(1.0));
    let legible = mean(&|at| legible[at]);
    (family.len().min(16) as f32).sqrt() * complete.powi(2) * legible.powi(2)
}

/// Chooses a face for a text.
#[derive(Clone, Debug)]
pub(crate) struct Chooser {
    fonts: Arc<Fonts>,
    families: Vec<Vec<usize>>,
    weights: Vec<f32>,
}

impl Chooser {
    /// A family by its weight, then one of its faces.
    pub(crate) fn any(&self, dice: &mut Dice) -> &Face {
        let family = &self.families[dice.weighted(&self.weights)];
        &self.fonts.faces[family[dice.below(family.len())]]
    }

    /// A face that has the whole text.
    pub(crate) fn covering(&self, text: &str, dice: &mut Dice) -> Option<&Face> {
        let tried = (0..16)
            .map(|_| self.any(dice))
            .find(|face| face.covers(text));
        tried.or_else(|| {
            let count = self.families.len();
            let first = dice.below(count);
            let faces = (0..count).flat_map(|k| &self.families[(first + k) % count]);
            faces
                .map(|&at| &self.fonts.faces[at])
                .find(|face| face.covers(text))
        })
    }

    /// The first character of the text that no face has.
    pub(crate) fn missing(&self, text: &str) -> Option<char> {
        let faces = || {
            self.families
                .iter()
                .flatten()
                .map(|&at| &self.fonts.faces[at])
        };
        text.chars()
            .find(|&c| !faces().any(|face| face.glyph(c).is_some()))
    }
}

/// Adds the font files under `folder` to `files`.
fn find(folder: &Path, depth: usize, seen: &mut HashSet<PathBuf>, files: &mut Vec<PathBuf>) {
    let Ok(place) = folder.canonicalize() else {
        return;
    };
    if depth == 0 || !seen.insert(place) {
        return;
    }
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = std::fs::metadata(&path) else {
            continue;
        };
        if kind.is_dir() {
            find(&path, depth - 1, seen, files);
            continue;
        }
        let ending = path
            .extension()
            .map(|ending| ending.to_string_lossy().to_lowercase());
        let is_font = ending.is_some_and(|ending| ["ttf", "otf", "ttc", "otc"].contains(&&*ending));
        if kind.is_file() && is_font && seen.len() + files.len() < MOST_ENTRIES {
            files.push(path);
        }
    }
}

fn read(path: &Path, room: &mut u64) -> Result<Arc<[u8]>, SkipReason> {
    let failed = |error: std::io::Error| SkipReason::Read(error.to_string());
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > MOST_FILE_BYTES.min(*room) {
        return Err(SkipReason::Memory(size));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    *room = room.saturating_sub(bytes.len() as u64);
    Ok(bytes.into())
}
