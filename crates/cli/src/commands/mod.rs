//! One file per command.

pub mod bench;
pub mod eval;
pub mod export;
pub mod generate;
pub mod import;
pub mod info;
pub mod lab;
pub mod list;
pub mod new;
pub mod ocr;
pub mod onnx;
mod outputs;
pub mod pack;
pub mod plot;
pub mod run;
pub mod score;
mod search;
pub mod speech;
pub mod train;
pub mod transcribe;
pub mod translate;
pub mod translation;

use anyhow::{Context, Result};
use clap::builder::OsStringValueParser;
use refrain::store;
use refrain::tasks::{DeviceName, Site};
use std::ffi::OsString;
use std::path::PathBuf;

/// A trained model.
#[derive(Clone, Debug, clap::Args)]
pub struct Model {
    /// Model folder, or the name of a model that ships with the program
    #[arg(value_name = "MODEL")]
    model: PathBuf,
}

impl Model {
    /// Its folder.
    ///
    /// # Errors
    /// There is no such model.
    pub fn folder(&self) -> Result<PathBuf> {
        Ok(store::find(&self.model)?)
    }
}

/// Where data sets lie.
#[derive(Clone, Debug, clap::Args)]
pub struct Data {
    /// Folder with the files that the recipe names
    #[arg(long = "data", value_name = "DIR", env = "REFRAIN_DATA", value_parser = OsStringValueParser::new())]
    folder: Option<OsString>,
}

impl Data {
    /// The folder by its full path, so that a run that remembers it can be resumed from anywhere.
    pub fn folder(&self) -> Result<Option<PathBuf>> {
        // An empty variable counts as absent.
        let given = self.folder.as_ref().filter(|folder| !folder.is_empty());
        let full = given.map(std::path::absolute).transpose();
        full.context("finding the current folder")
    }
}

/// With how many threads to compute.
#[derive(Clone, Debug, clap::Args)]
pub struct Cores {
    /// Threads to compute with; results do not depend on it [default: all cores]
    #[arg(long = "threads", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

impl Cores {
    /// The CPU with these threads.
    pub fn site(&self) -> Site {
        let threads = self.threads.map(usize::from);
        limit_threads(threads);
        Site {
            threads,
            ..Site::default()
        }
    }
}

/// Where and with what to compute.
#[derive(Clone, Debug, clap::Args)]
pub struct Compute {
    #[command(flatten)]
    threads: Cores,

    /// Device to compute on: cpu, or a backend that this build has (ndarray, vulkan)
    #[arg(long = "device", value_name = "DEVICE", default_value = "cpu")]
    device: String,
}

impl Compute {
    /// The surroundings of a command.
    ///
    /// # Errors
    /// A device that this build does not have.
    pub fn site(&self) -> Result<Site> {
        Ok(Site {
            device: DeviceName::find(&self.device)?,
            ..self.threads.site()
        })
    }
}

/// Limits the threads that read and prepare data, if a number is given. The first limit of the process holds.
pub fn limit_threads(threads: Option<usize>) {
    if let Some(threads) = threads {
        // Fails only where it was done before.
        let _ = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global();
    }
}

/// Precision of the products of a model.
#[derive(Clone, Debug, clap::Args)]
pub struct Precision {
    /// Precision of the products: bf16 and int8 are faster and a little less exact [default: that of the model]
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

/// Settings of a task for a model in use.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// A setting of the model's task, such as temperature=0.8 or beam=50; may be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

impl Options {
    /// The settings as a table.
    ///
    /// # Errors
    /// Text that is not a setting.
    pub fn table(&self) -> Result<toml::Table> {
        refrain::recipe::from_settings(&self.settings).map_err(anyhow::Error::msg)
    }
}

/// A temperature of random draws.
pub fn temperature(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("a temperature of 0 or more is needed".into()),
    }
}

/// A number of tokens.
pub fn top_k(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(value) if value > 0 => Ok(value),
        _ => Err("1 token or more is needed".into()),
    }
}

/// A share of the probability.
pub fn top_p(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 1.0 => Ok(value),
        _ => Err("a probability above 0 and up to 1 is needed".into()),
    }
}

/// A whole number.
pub fn whole(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("a whole number from 0 to {} is needed", u64::MAX))
}

/// A count: a whole number.
pub fn count(text: &str) -> Result<usize, String> {
    let count = usize::try_from(whole(text)?);
    count.map_err(|_| format!("a whole number from 0 to {} is needed", usize::MAX))
}

/// A whole number above 0.
pub fn at_least_one(text: &str) -> Result<u64, String> {
    let number = whole(text).ok().filter(|number| *number > 0);
    number.ok_or_else(|| "a whole number of 1 or more is needed".into())
}

/// A number above 0.
pub fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("a number above 0 is needed".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_that_prepare_data_are_limited_once() {
        for threads in [None, Some(3), Some(5), None] {
            limit_threads(threads);
        }
        assert_eq!(rayon::current_num_threads(), 3);
    }

    #[test]
    fn numbers_out_of_range_say_the_range() {
        assert_eq!(whole("7"), Ok(7));
        assert!(count("-1").unwrap_err().contains("from 0 to"));
        assert!(at_least_one("0").unwrap_err().contains("1 or more"));
        assert_eq!(at_least_one("1"), Ok(1));
    }
}
