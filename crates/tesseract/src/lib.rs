//! Tesseract's LSTM models (`.traineddata`): read into plain data, and run on the kernels. No Burn, no files.
//!
//! [`parse`] takes a file's bytes and gives a [`Model`]: a [`Network`] of layers with named tensors, which another
//! format can store ([`Network::tensors`], [`Network::from_parts`]), a [`Charset`] that turns labels into text, and
//! word lists. A [`Recogniser`] reads images of lines:
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = refrain_tesseract::parse(&std::fs::read("eng.traineddata")?)?;
//! let recogniser = refrain_tesseract::Recogniser::new(model.network, model.charset)?;
//! # let image = refrain_image::Gray::filled(100, 40, 255);
//! println!("{}", recogniser.read(&[image])?[0].text);
//! # Ok(()) }
//! ```
//!
//! The models of `tessdata_fast` and `tessdata_best` are supported, of all scripts from left to right. Parts of the
//! format that they do not have (two-dimensional LSTMs, parallel networks) are errors that name them. The format is
//! that of Tesseract 4 and 5, read from its sources (Apache-2.0).
//!
//! Results are close to Tesseract's own and not equal, for three reasons. Weights of bytes become `f32`, and
//! activations stay `f32`. Images are scaled by means over areas, where Tesseract sharpens them. Pixels outside the
//! image are zeros, the mean of the noise that Tesseract puts there. `examples/lines.rs` compares both on the same
//! lines.
//!
//! Shapes: `T` frames, `V` labels, `C` channels in, `H` hidden units or the height of an image, `W` its width, `P`
//! pixels of a batch of images.

mod bytes;
mod charset;
mod container;
mod dawg;
mod error;
mod line;
mod matrix;
mod model;
mod network;
mod recogniser;
mod spelling;
mod tree;
mod unicharset;

pub use charset::{Character, Charset};
pub use dawg::{WordList, Words};
pub use error::TesseractError;
pub use line::Line;
pub use model::{Model, parse};
pub use network::{Activation, Architecture, Layer, Network, Scores, Tensor};
pub use recogniser::{Reading, Recogniser, Sight};
pub use unicharset::Unichar;
