//! Trained models in use: media in, media out. Servers and command lines know media, never tasks.

use crate::error::Error;
use crate::train::Control;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Kinds of input and output. A medium joins the list with the first task that uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Medium {
    /// UTF-8 text.
    Text,
    /// Mono samples.
    Sound,
    /// Rows of numbers.
    Numbers,
}

/// The media of a trained model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ports {
    /// Medium of the input.
    pub takes: Medium,
    /// Medium of the output.
    pub gives: Medium,
    /// Seconds that an answer waits for further input; `None` for a model that answers at the end of the input.
    pub latency: Option<f64>,
}

/// A stretch of some medium.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Piece {
    /// Text that goes on where the last piece ended.
    Text(Text),
    /// Sound that goes on where the last piece ended.
    Sound(Sound),
    /// Rows that go on where the last piece ended.
    Numbers(Numbers),
}

impl Piece {
    /// Text without details.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Text {
            text: text.into(),
            detail: None,
        })
    }

    /// Its medium.
    pub fn medium(&self) -> Medium {
        match self {
            Self::Text(_) => Medium::Text,
            Self::Sound(_) => Medium::Sound,
            Self::Numbers(_) => Medium::Numbers,
        }
    }
}

/// Text, and what the task knows of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Details as a JSON object, e.g. times of words; for machines.
    pub detail: Option<serde_json::Value>,
}

/// Mono samples in ±1.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// Samples.
    pub samples: Vec<f32>,
    /// Samples per second.
    pub rate: u32,
}

/// Rows of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    /// `[T,C]`, row by row.
    pub values: Vec<f32>,
    /// Numbers of a row, `C`.
    pub columns: usize,
}

/// Receives the pieces of an answer; it can end the work.
pub type Receiver<'a> = &'a mut dyn FnMut(Piece) -> Control;

/// A trained model in use. Many sessions share one.
pub trait Use: Send + Sync {
    /// The media that it takes and gives.
    fn ports(&self) -> Ports;

    /// Begins a session.
    ///
    /// # Errors
    /// Options that do not fit the model.
    fn begin(self: Arc<Self>) -> Result<Box<dyn Session>, Error>;

    /// Continues a session that [`Session::store`] wrote, here or in another process with the same build and model.
    ///
    /// # Errors
    /// State of another model or build, or state that is damaged; a model whose sessions cannot be stored.
    fn restore(self: Arc<Self>, state: &[u8]) -> Result<Box<dyn Session>, Error>;
}

/// One input that is being read, with its answer. It owns its state and shares its model.
pub trait Session: Send {
    /// Takes a piece of the input; `give` receives the pieces of the answer that are ready.
    ///
    /// # Errors
    /// A piece of another medium, or one that cannot be used.
    fn push(&mut self, piece: Piece, give: Receiver) -> Result<(), Error>;

    /// Ends the input; `give` receives the rest of the answer. The session can take another input after it.
    ///
    /// # Errors
    /// Input that is incomplete.
    fn finish(&mut self, give: Receiver) -> Result<(), Error>;

    /// The state as bytes for [`Use::restore`].
    ///
    /// # Errors
    /// A model whose sessions cannot be stored.
    fn store(&self) -> Result<Vec<u8>, Error>;
}

/// The error for a piece of another medium than the session takes.
pub fn wrong_medium(takes: Medium, got: &Piece) -> Error {
    Error::Config(format!(
        "the model takes {takes:?} and was given {:?}; `refrain info` shows what a model takes",
        got.medium()
    ))
}
