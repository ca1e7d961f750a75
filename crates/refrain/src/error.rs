//! What can go wrong in the library; each message is one sentence, with a hint where one helps.

use refrain_kernels::KernelError;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the library.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("cannot {operation} {}: {source}", .path.display())]
    Io {
        /// What was tried: "read", "write", "rename".
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A pipe, a folder or a device where a file is needed.
    #[error("{} is not an ordinary file; give a file", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A model that is not where models are looked for.
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
    /// A folder that holds a run already.
    #[error(
        "model folder {}: it already holds a {}run; {}choose another folder with --out, or replace it with --force",
        .path.display(),
        if *.finished { "finished " } else { "" },
        if *.finished { "" } else { "go on with it by --resume, " }
    )]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// Whether that run is finished.
        finished: bool,
    },
    /// A model that needs more memory than there is.
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
    /// A request that the task of a model does not serve.
    #[error("a model of the task \"{task}\" {problem}")]
    Unsupported {
        /// The task.
        task: &'static str,
        /// What it does not do, and what helps.
        problem: &'static str,
    },
    /// The stored state of a session that cannot be used.
    #[error("state of a session: {0}; begin a new session")]
    State(String),
    /// A device that this build does not have, or nobody knows.
    #[error("device \"{name}\": {problem}")]
    Device {
        /// Its name.
        name: String,
        /// What is wrong, and what helps.
        problem: String,
    },
    /// A setting that cannot work.
    #[error("{0}")]
    Config(String),
    /// A recipe with a missing or unknown key.
    #[error("recipe {recipe}: {problem}")]
    Recipe {
        /// The recipe's name or file.
        recipe: String,
        /// The key and what is wrong with it.
        problem: String,
    },
    /// A model's parameter is not among the tensors.
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
    /// A checkpoint that cannot be gone on from.
    #[error("checkpoint {}: {problem}", .path.display())]
    Checkpoint {
        /// The checkpoint file.
        path: PathBuf,
        /// What is wrong, and what helps.
        problem: String,
    },
    /// A folder that is not a usable model folder, or must not be overwritten.
    #[error("model folder {}: {problem}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong, and what helps.
        problem: String,
    },
    /// The loss or the gradients stopped being numbers.
    #[error(
        "training diverged: {skipped} updates in a row had {reason}; try a smaller train.optimizer.lr or a tighter train.clip"
    )]
    Diverged {
        /// Updates left out one after the other.
        skipped: u32,
        /// What was seen.
        reason: String,
    },
    /// A kernel's arguments do not fit.
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
    /// Scores that no text can be found in.
    #[error(transparent)]
    Ctc(#[from] refrain_decode::ctc::CtcError),
    /// Settings of a search that cannot be.
    #[error(transparent)]
    Beam(#[from] refrain_decode::ctc::beam::BeamError),
    /// Text that no n-gram model can be learned from.
    #[error(transparent)]
    Ngram(#[from] refrain_decode::ngram::TrainError),
    /// A file that holds no n-gram model.
    #[error("{}: {source}", .path.display())]
    Arpa {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: refrain_decode::ngram::arpa::ArpaError,
    },
    /// Characters that cannot be labels.
    #[error(transparent)]
    Labels(#[from] refrain_decode::text::TextError),
    /// Scores that nothing can be drawn from, or a sampler that cannot be.
    #[error(transparent)]
    Sample(#[from] refrain_decode::SampleError),
}

impl Error {
    /// For `map_err` on file operations.
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
