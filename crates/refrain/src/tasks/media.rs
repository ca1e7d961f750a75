//! Trained models in use: media in, media out. Servers and command lines know media only, not tasks.

use crate::error::Error;
use crate::train::Control;
use refrain_image::Gray;
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
    /// A grey image.
    Image,
}

/// The media of a trained model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ports {
    /// Medium of the input.
    pub takes: Medium,
    /// Medium of the output.
    pub gives: Medium,
    /// Seconds of further input that an answer waits for; `None` for a model that answers at the end of the input.
    pub latency: Option<f64>,
}

/// A piece of one medium.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Piece {
    /// Text that continues the previous piece.
    Text(Text),
    /// Sound that continues the previous piece.
    Sound(Sound),
    /// Rows that continue the previous piece.
    Numbers(Numbers),
    /// An image by itself.
    Image(Gray),
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
            Self::Image(_) => Medium::Image,
        }
    }
}

/// Text and its details.
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

/// Receives the pieces of an answer, and can stop the work.
pub type Receiver<'a> = &'a mut dyn FnMut(Piece) -> Control;

/// A trained model in use. Many sessions share one.
pub trait Use: Send + Sync {
    /// The media of input and output.
    fn ports(&self) -> Ports;

    /// Starts a session.
    ///
    /// # Errors
    /// Options that do not fit the model.
    fn begin(self: Arc<Self>) -> Result<Box<dyn Session>, Error>;

    /// ln p (nats) of given answers: pairs of an input and an answer.
    ///
    /// # Errors
    /// A model that gives its answers no probability, or a piece that cannot be used.
    fn score(&self, pairs: &[[Piece; 2]]) -> Result<Vec<f64>, Error> {
        let _ = pairs;
        Err(Error::Config(
            "this kind of model gives no probability of an answer; translation models do".into(),
        ))
    }

    /// Continues a session from the bytes of [`Session::store`], in this or another process of the same build and
    /// model.
    ///
    /// # Errors
    /// State of another model or build, or damaged state; a model whose sessions cannot be stored.
    fn restore(self: Arc<Self>, state: &[u8]) -> Result<Box<dyn Session>, Error>;
}

/// One input and its answer. A session owns its state and shares its model.
pub trait Session: Send {
    /// Reads a piece of the input; `give` receives the finished pieces of the answer.
    ///
    /// # Errors
    /// A piece of another medium, or one that cannot be used.
    fn push(&mut self, piece: Piece, give: Receiver) -> Result<(), Error>;

    /// Ends the input; `give` receives the rest of the answer. The session can then read another input.
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
        "the input must be {takes:?}, not {:?}; `refrain info` shows the input of a model",
        got.medium()
    ))
}
