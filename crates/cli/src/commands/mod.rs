//! One file per command.

pub mod align;
pub mod bench;
pub mod eval;
pub mod export;
pub mod generate;
pub mod info;
pub mod lab;
pub mod list;
pub mod ngram;
pub mod onnx;
pub mod pack;
pub mod speech;
pub mod train;
pub mod transcribe;
pub mod tune;

use anyhow::{Context, Result};
use clap::builder::{OsStringValueParser, PathBufValueParser, TypedValueParser};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Reads the name of a model.
pub fn model() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().map(model_folder)
}

/// The folder of a model: the one that is named, or one that ships under that name.
pub fn model_folder(name: PathBuf) -> PathBuf {
    let plain = name.components().count() == 1;
    if name.is_dir() || !plain {
        return name;
    }
    let program = std::env::current_exe().unwrap_or_default();
    // Beside the program, as installed, or above it, as built.
    let above = program.ancestors().skip(1).map(Path::to_path_buf);
    let places = std::iter::once(PathBuf::new()).chain(above);
    let mut shipped = places.map(|place| place.join("models").join(&name));
    shipped.find(|folder| folder.is_dir()).unwrap_or(name)
}

/// Where data sets lie.
#[derive(Clone, Debug, clap::Args)]
pub struct Data {
    /// Folder with the files that the recipe names
    #[arg(long = "data", value_name = "DIR", env = "REFRAIN_DATA", value_parser = OsStringValueParser::new())]
    folder: Option<OsString>,
}

impl Data {
    /// The folder by its full path, so that a run that remembers it can be gone on with from anywhere.
    pub fn folder(&self) -> Result<Option<PathBuf>> {
        // An empty variable says as little as none.
        let given = self.folder.as_ref().filter(|folder| !folder.is_empty());
        let full = given.map(std::path::absolute).transpose();
        full.context("finding the current folder")
    }
}

/// How many threads compute.
#[derive(Clone, Debug, clap::Args)]
pub struct Threads {
    /// Threads to compute with; results do not depend on it [default: all cores]
    #[arg(long = "threads", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    count: Option<u16>,
}

impl Threads {
    /// Whether a number was given.
    pub fn given(&self) -> bool {
        self.count.is_some()
    }

    /// Tells all who compute.
    pub fn apply(&self) {
        if let Some(count) = self.count.map(usize::from) {
            refrain_kernels::set_threads(count);
            // Fails only where it was done before.
            let _ = rayon::ThreadPoolBuilder::new()
                .num_threads(count)
                .build_global();
        }
    }
}

/// What the products of a model multiply.
#[derive(Clone, Debug, clap::Args)]
pub struct Precision {
    /// Precision of the products: bf16 and int8 are faster on large models, and a little less exact [default: that of the model]
    #[arg(long = "precision", value_name = "P", value_enum)]
    name: Option<PrecisionName>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum PrecisionName {
    F32,
    Bf16,
    Int8,
}

impl Precision {
    /// Its name; `f32` if none was given.
    pub fn name(&self) -> &'static str {
        match self.name {
            None | Some(PrecisionName::F32) => "f32",
            Some(PrecisionName::Bf16) => "bf16",
            Some(PrecisionName::Int8) => "int8",
        }
    }

    /// The one that was given.
    pub fn get(&self) -> Option<refrain_kernels::Precision> {
        self.name.map(|name| match name {
            PrecisionName::F32 => refrain_kernels::Precision::F32,
            PrecisionName::Bf16 => refrain_kernels::Precision::Bf16,
            PrecisionName::Int8 => refrain_kernels::Precision::Int8,
        })
    }
}
