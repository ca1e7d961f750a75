//! Numbers of a constant that lie in a file beside the model.

use crate::error::OpError;
use crate::proto::TensorProto;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path};

/// A place in a file beside the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// The file, relative to the folder of the model: names only, no `..` and no root.
    pub location: String,
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub length: usize,
}

/// Gives the bytes of a place, or says why not.
pub(crate) type Fetch<'a> = dyn Fn(&External) -> Result<Vec<u8>, String> + 'a;

/// The `bytes` bytes of a constant that says where they are.
pub(crate) fn read(tensor: &TensorProto, bytes: usize, fetch: &Fetch) -> Result<Vec<u8>, OpError> {
    let place = place(tensor, bytes)?;
    let failed = |problem| OpError::External {
        location: place.location.clone(),
        problem,
    };
    let read = fetch(&place).map_err(failed)?;
    match read.len() == bytes {
        true => Ok(read),
        false => Err(failed(format!(
            "it gave {} bytes where {bytes} are needed",
            read.len()
        ))),
    }
}

fn place(tensor: &TensorProto, bytes: usize) -> Result<External, OpError> {
    let entry = |key: &str| {
        let all = &tensor.external_data;
        let own = all.iter().find(|entry| entry.key.as_deref() == Some(key));
        own.and_then(|entry| entry.value.as_deref())
    };
    let location = entry("location").unwrap_or_default().to_string();
    let failed = |problem: String| OpError::External {
        location: location.clone(),
        problem,
    };
    let number = |key: &str| match entry(key).map(|text| text.trim().parse::<u64>()) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err(failed(format!("its {key} is no number"))),
    };
    let inside = Path::new(&location)
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if location.is_empty() || !inside || location.contains(['\0', '\\']) {
        let text = "a constant may only name a file in the model's own folder";
        return Err(failed(text.into()));
    }
    let offset = number("offset")?.unwrap_or(0);
    match number("length")? {
        Some(length) if length != bytes as u64 => Err(failed(format!(
            "it says {length} bytes where the shape needs {bytes}"
        ))),
        _ => Ok(External {
            location,
            offset,
            length: bytes,
        }),
    }
}

/// Refuses every place: for a model that is given as bytes alone.
pub(crate) fn nowhere(_: &External) -> Result<Vec<u8>, String> {
    Err(
        "the model was given without its folder; open it by its path, or save it in one file \
         (torch.onnx.export with external_data=False, or onnx.save of the loaded model)"
            .into(),
    )
}

/// Reads a place of a file in `folder`. A link may not lead out of the folder, and the file must be as long as the
/// place needs before memory is taken.
pub(crate) fn in_folder(folder: &Path, place: &External) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("it cannot be read ({error})");
    let root = folder.canonicalize().map_err(failed)?;
    let path = root.join(&place.location).canonicalize().map_err(failed)?;
    if !path.starts_with(&root) {
        return Err("it is a link that leads out of the model's folder".into());
    }
    let mut file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let end = place.offset.checked_add(place.length as u64);
    if end.is_none_or(|end| end > size) {
        return Err(format!(
            "it has {size} bytes where {} from byte {} on are needed; copy it again",
            place.length, place.offset
        ));
    }
    file.seek(SeekFrom::Start(place.offset)).map_err(failed)?;
    let mut bytes = vec![0; place.length];
    file.read_exact(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
