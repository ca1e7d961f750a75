//! Errors of Tesseract's models and of lines.

use refrain_decode::ctc::CtcError;
use refrain_kernels::KernelError;

/// A model or a line that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TesseractError {
    /// Bytes that Tesseract would not have written.
    #[error(
        "traineddata: {entry}, byte {offset}: {problem}; the file is damaged or cut off: copy it again"
    )]
    Damaged {
        /// The entry of the file.
        entry: &'static str,
        /// Position in the file, bytes.
        offset: usize,
        /// The problem.
        problem: String,
    },
    /// A part of Tesseract that Refrain does not run.
    #[error("traineddata: {entry}, byte {offset}: {what} is not supported; {hint}")]
    Unsupported {
        /// The entry of the file.
        entry: &'static str,
        /// Position in the file, bytes.
        offset: usize,
        /// The part.
        what: String,
        /// A way out of it.
        hint: &'static str,
    },
    /// An entry that is needed.
    #[error("traineddata: there is no entry {entry}; {hint}")]
    Missing {
        /// The entry.
        entry: &'static str,
        /// A way out of it.
        hint: String,
    },
    /// Layers that do not fit together.
    #[error("line recogniser: layer {layer}: {problem}")]
    Layer {
        /// Which layer, from 0.
        layer: usize,
        /// The problem, with sizes.
        problem: String,
    },
    /// A tensor that is missing, superfluous, or of the wrong shape.
    #[error("line recogniser: tensor {name}: {problem}")]
    Tensor {
        /// Its name.
        name: String,
        /// The problem, with shapes.
        problem: String,
    },
    /// A character set that contradicts itself.
    #[error("character set: {0}")]
    Charset(String),
    /// An image that is no text line.
    #[error("text line: an image of {width} by {height} pixels {problem}")]
    Line {
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
        /// The problem, and a way out of it.
        problem: String,
    },
    /// A call that the kernels refuse.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// Scores that cannot be decoded.
    #[error(transparent)]
    Ctc(#[from] CtcError),
}
