//! Tests of the text crate.

mod case;
mod language;
mod lines;
mod moses;
mod protect;
mod sentences;

use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The folder of the real corpora, which lies beside a checkout where there is one.
fn corpus() -> Option<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared/data/mt"))
        .find(|folder| folder.is_dir())
}

fn unpacked(path: &Path) -> Vec<String> {
    let mut text = String::new();
    MultiGzDecoder::new(File::open(path).expect("the file"))
        .read_to_string(&mut text)
        .expect("text");
    text.strip_suffix('\n')
        .unwrap_or(&text)
        .split('\n')
        .map(str::to_owned)
        .collect()
}
