//! Stored sessions as bytes: a state with a header that says whose it is.

use crate::error::Error;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// First bytes of every stored session.
const MAGIC: [u8; 15] = *b"refrain session";

/// Version of the program; states of other versions are refused.
const BUILD: &str = env!("CARGO_PKG_VERSION");

/// The origin of a state.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    magic: [u8; MAGIC.len()],
    /// Version of the program.
    build: String,
    /// Name of the task.
    task: String,
    /// Fingerprint of the model.
    model: String,
    /// SHA-256 of the state.
    checksum: [u8; 32],
}

/// A state of a session of `task` with the model of this fingerprint, as bytes.
///
/// # Errors
/// None on the states of this library.
pub fn seal<T: Serialize>(task: &str, model: &str, state: &T) -> Result<Vec<u8>, Error> {
    let failed = |e: postcard::Error| Error::State(format!("it cannot be written ({e})"));
    let state = postcard::to_stdvec(state).map_err(failed)?;
    let header = Header {
        magic: MAGIC,
        build: BUILD.into(),
        task: task.into(),
        model: model.into(),
        checksum: Sha256::digest(&state).into(),
    };
    let mut bytes = postcard::to_stdvec(&header).map_err(failed)?;
    bytes.extend(state);
    Ok(bytes)
}

/// The state that [`seal`] wrote for this task and model.
///
/// # Errors
/// Bytes that are no such state or are damaged, and a state of another build, task or model.
pub fn open<T: DeserializeOwned>(task: &str, model: &str, bytes: &[u8]) -> Result<T, Error> {
    let refused = |reason: String| Err(Error::State(reason));
    let foreign = || Error::State("the bytes are no stored session".into());
    let (header, state): (Header, _) = postcard::take_from_bytes(bytes).map_err(|_| foreign())?;
    if header.magic != MAGIC {
        return Err(foreign());
    }
    if header.build != BUILD {
        let build: String = header.build.chars().take(20).collect();
        return refused(format!(
            "it was stored by version {build:?} and this is {BUILD}"
        ));
    }
    if header.task != task {
        let other: String = header.task.chars().take(40).collect();
        return refused(format!(
            "it belongs to the task {other:?} and the model to {task:?}"
        ));
    }
    if header.model != model {
        return refused("it belongs to a model with other parameters or settings".into());
    }
    if header.checksum != <[u8; 32]>::from(Sha256::digest(state)) {
        return refused("its checksum is wrong: it is damaged or incomplete".into());
    }
    postcard::from_bytes(state).map_err(|_| Error::State("it is damaged".into()))
}
