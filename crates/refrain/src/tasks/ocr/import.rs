//! Models of Tesseract as model folders.

use super::recipe::{OcrData, OcrRecipe};
use super::{NAME, Ocr};
use crate::error::Error;
use crate::files::tensors::NamedTensor;
use crate::files::{self, atomic, tensors};
use crate::models::LineModelConfig;
use crate::recipe::{Header, Recipe, table};
use crate::store::{About, Figures, ModelFolder, Room};
use crate::tasks::{Out, Spec};
use crate::train::TrainConfig;
use refrain_tesseract::{Charset, Model, Network, parse};
use std::path::Path;

/// Name of the file with the characters of a network of Tesseract and the labels that spell them.
pub(super) const CHARACTERS: &str = "characters.json";
/// Name of the file with the words of its dictionary.
pub(super) const WORDS: &str = "words.txt";

/// Largest `.traineddata` file, bytes: the largest that ships has a tenth of it.
const LARGEST: u64 = 1 << 28;

/// Reads a `.traineddata` file.
///
/// # Errors
/// A file that is missing, too large, damaged, or of a kind that is not supported.
pub(super) fn read(path: &Path) -> Result<Model, Error> {
    // Nothing in the file tells that its lines run from top to bottom, but its name does.
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    if let Some(level) = stem.strip_suffix("_vert") {
        return Err(Error::Input {
            operation: "reading a model of Tesseract",
            problem: format!(
                "{} reads lines from top to bottom, which are not found on pages; use {level}.traineddata",
                path.display()
            ),
        });
    }
    let file = files::open(path)?;
    let size = file.metadata().map_err(Error::io("read", path))?.len();
    if size > LARGEST {
        return Err(Error::Config(format!(
            "{} has {size} bytes; models of Tesseract have at most {LARGEST}",
            path.display()
        )));
    }
    let model = parse(&files::read(path)?);
    model.map_err(|error| Error::Input {
        operation: "reading a model of Tesseract",
        problem: format!("{}: {error}", path.display()),
    })
}

/// Writes a model of Tesseract as a model folder; gives the number of its parameters and of the words of its
/// dictionary, which is written beside it.
///
/// # Errors
/// A file that cannot be read, or a folder that holds a model or cannot be written.
pub fn import(path: &Path, out: &Out) -> Result<(usize, usize), Error> {
    let model = read(path)?;
    let room = Room::make(&out.folder, out.existing, &|folder| Ocr::files(folder))?;
    let name = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let body = OcrRecipe {
        data: OcrData::default(),
        model: LineModelConfig::default(),
        tesseract: Some(model.network.architecture().clone()),
    };
    let recipe = Recipe {
        task: NAME.into(),
        recipe: Header {
            description: format!("{name} of Tesseract ({}, {})", model.version, model.spec),
            name,
            ..Header::default()
        },
        body: table(&body).map_err(|e| Error::folder(&room.path, e.to_string()))?,
        train: TrainConfig::default(),
    };
    let characters = serde_json::to_string(&model.charset)
        .map_err(|e| Error::folder(&room.path, format!("its characters cannot be written: {e}")))?;
    atomic::write(&room.path.join(CHARACTERS), characters.as_bytes())?;
    let mut words = String::new();
    let mut count = 0;
    for word in model.lexicon() {
        words.push_str(&word);
        words.push('\n');
        count += 1;
    }
    if count > 0 {
        atomic::write(&room.path.join(WORDS), words.as_bytes())?;
    }
    let all = model.network.tensors().into_iter();
    let all = all.map(|(name, shape, data)| NamedTensor { name, shape, data });
    let metadata = ("format", "pt".to_string());
    tensors::save(
        &room.path.join(crate::store::MODEL),
        all.collect(),
        metadata,
    )?;
    let parameters = model.network.parameters();
    let about = About {
        version: env!("CARGO_PKG_VERSION").to_string(),
        figures: Figures {
            parameters,
            finished: true,
            ..Figures::default()
        },
        recipe,
    };
    ModelFolder::create(&room.path, about)?;
    Ok((parameters, count))
}

/// The network and the characters of such a folder.
///
/// # Errors
/// A folder that is incomplete or damaged.
pub(super) fn load(folder: &ModelFolder, recipe: &OcrRecipe) -> Result<(Network, Charset), Error> {
    let damaged = |problem: String| Error::folder(folder.path(), problem);
    let Some(architecture) = &recipe.tesseract else {
        return Err(damaged("its recipe has no network of Tesseract".into()));
    };
    let text = files::read(&folder.path().join(CHARACTERS))?;
    let charset: Charset = serde_json::from_slice(&text).map_err(|e| {
        damaged(format!(
            "{CHARACTERS} cannot be read ({e}); import the model again"
        ))
    })?;
    let tensors = folder.tensors()?.into_iter();
    let tensors = tensors.map(|(name, own)| (name, own.shape, own.data));
    Ok((
        Network::from_parts(architecture.clone(), tensors.collect())?,
        charset,
    ))
}
