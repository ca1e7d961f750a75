//! Errors of the library. Each message is one sentence, with a hint if one helps.

use refrain_kernels::KernelError;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the library.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("cannot {operation} {}: {source}", .path.display())]
    Io {
        /// The attempted operation: "read", "write", "rename".
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A pipe, a folder or a device where a file is needed.
    #[error("{} is not an ordinary file; give a file", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A model that is in none of the searched folders.
    #[error(
        "there is no model \"{name}\": neither a model folder of this name, nor a shipped model in {}; \
         copy the `models` folder of the project to one of these places, or let REFRAIN_MODELS name it",
        listed(.places)
    )]
    NoModel {
        /// The name.
        name: String,
        /// The folders that were searched.
        places: Vec<PathBuf>,
    },
    /// A run folder that another process trains in.
    #[error(
        "model folder {}: another process is training in it; wait until it ends, or choose another folder with --out",
        .path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A folder that already holds a run.
    #[error(
        "model folder {}: it already holds a {}run; {}choose another folder with --out, or replace it with --force",
        .path.display(),
        if *.finished { "finished " } else { "" },
        if *.finished { String::new() } else { format!("go on with `refrain train --resume {}`, ", .path.display()) }
    )]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// Whether that run is finished.
        finished: bool,
    },
    /// A model that needs more memory than is available.
    #[error(
        "the model needs about {needed} of memory for {purpose}, and {available} are available; lower {settings}"
    )]
    TooLarge {
        /// Bytes, as text.
        needed: String,
        /// "training" or "use".
        purpose: &'static str,
        /// Bytes, as text.
        available: String,
        /// The settings that decide the size.
        settings: &'static str,
    },
    /// A request that the task of a model does not support.
    #[error("a model of the task \"{task}\" {problem}")]
    Unsupported {
        /// The task.
        task: &'static str,
        /// The unsupported request and its remedy.
        problem: &'static str,
    },
    /// The stored state of a session is invalid.
    #[error("state of a session: {0}; begin a new session")]
    State(String),
    /// A device that is unknown or not part of this build.
    #[error("device \"{name}\": {problem}")]
    Device {
        /// Its name.
        name: String,
        /// The problem and its remedy.
        problem: String,
    },
    /// An invalid setting.
    #[error("{0}")]
    Config(String),
    /// Input that a task cannot use, in training or in use.
    #[error("{operation}: {problem}")]
    Input {
        /// The attempted operation, e.g. "translation".
        operation: &'static str,
        /// The problem with the input and its remedy.
        problem: String,
    },
    /// A recipe with a missing or unknown key.
    #[error("recipe {recipe}: {problem}")]
    Recipe {
        /// The recipe's name or file.
        recipe: String,
        /// The key and the problem with it.
        problem: String,
    },
    /// A parameter of the model is missing among the tensors.
    #[error("tensor \"{name}\" is missing; the file belongs to another model, or is incomplete")]
    MissingTensor {
        /// The parameter's name.
        name: String,
    },
    /// A tensor belongs to no parameter of the model.
    #[error("tensor \"{name}\" is no parameter of this model; the file belongs to another one")]
    ForeignTensor {
        /// The tensor's name.
        name: String,
    },
    /// A tensor has another shape than its parameter.
    #[error(
        "tensor \"{name}\" has shape {got:?} where the model has {expected:?}; the file belongs to another model"
    )]
    TensorShape {
        /// The parameter's name.
        name: String,
        /// The model's shape.
        expected: Vec<usize>,
        /// The tensor's shape.
        got: Vec<usize>,
    },
    /// A checkpoint from which training cannot continue.
    #[error("checkpoint {}: {problem}", .path.display())]
    Checkpoint {
        /// The checkpoint file.
        path: PathBuf,
        /// The problem and its remedy.
        problem: String,
    },
    /// A folder that is not a usable model folder, or must not be overwritten.
    #[error("model folder {}: {problem}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The problem and its remedy.
        problem: String,
    },
    /// The loss or the gradients are no longer finite numbers.
    #[error(
        "training diverged: {reason}; try a smaller train.optimizer.lr or a tighter train.clip"
    )]
    Diverged {
        /// Updates skipped in a row at the end.
        skipped: u32,
        /// The value that was not finite, and how often.
        reason: String,
    },
    /// Invalid arguments of a kernel.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// An ONNX model that cannot be read, run or written.
    #[error(transparent)]
    Onnx(#[from] refrain_onnx::OnnxError),
    /// Data that cannot be read or used.
    #[error(transparent)]
    Data(#[from] refrain_data::DataError),
    /// An archive of arrays that cannot be read.
    #[error(transparent)]
    Npz(#[from] refrain_data::npz::NpzError),
    /// A sound that cannot be read or used.
    #[error(transparent)]
    Sound(#[from] refrain_sound::SoundError),
    /// An image that cannot be read.
    #[error(transparent)]
    Image(#[from] refrain_image::ImageError),
    /// Lines and their texts that cannot be read, or results that cannot be written.
    #[error(transparent)]
    Format(#[from] refrain_page::formats::FormatError),
    /// A page that cannot be searched for lines.
    #[error(transparent)]
    Page(#[from] refrain_page::PageError),
    /// A model of Tesseract that cannot be read or used.
    #[error(transparent)]
    Tesseract(#[from] refrain_tesseract::TesseractError),
    /// Lines that cannot be rendered.
    #[error(transparent)]
    Render(#[from] refrain_render::RenderError),
    /// Scores from which no text can be decoded.
    #[error(transparent)]
    Ctc(#[from] refrain_decode::ctc::CtcError),
    /// Invalid settings of a search.
    #[error(transparent)]
    Beam(#[from] refrain_decode::ctc::beam::BeamError),
    /// Text from which no n-gram model can be learned.
    #[error(transparent)]
    Ngram(#[from] refrain_decode::ngram::TrainError),
    /// A file without a valid n-gram model.
    #[error("{}: {source}", .path.display())]
    Arpa {
        /// The file.
        path: PathBuf,
        /// The problem in the file.
        source: refrain_decode::ngram::arpa::ArpaError,
    },
    /// Characters that are invalid as labels.
    #[error(transparent)]
    Labels(#[from] refrain_decode::text::TextError),
    /// Scores from which nothing can be drawn, or invalid settings of a sampler.
    #[error(transparent)]
    Sample(#[from] refrain_decode::SampleError),
    /// A search with settings, demands or scores that cannot be.
    #[error(transparent)]
    Search(#[from] refrain_decode::search::SearchError),
    /// Texts that cannot be scored.
    #[error(transparent)]
    Score(#[from] refrain_decode::metrics::score::ScoreError),
}

impl Error {
    /// Wraps an error of a file operation, for `map_err`.
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            operation,
            path: path.to_path_buf(),
            source,
        }
    }

    pub(crate) fn folder(path: &Path, problem: impl Into<String>) -> Self {
        Self::Folder {
            path: path.to_path_buf(),
            problem: problem.into(),
        }
    }

    pub(crate) fn checkpoint(path: &Path, problem: impl Into<String>) -> Self {
        Self::Checkpoint {
            path: path.to_path_buf(),
            problem: problem.into(),
        }
    }
}

/// The first places, with commas between.
fn listed(places: &[PathBuf]) -> String {
    let shown = places
        .iter()
        .take(3)
        .map(|place| place.display().to_string());
    shown.collect::<Vec<_>>().join(", ")
}
