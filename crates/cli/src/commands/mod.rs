//! One file per command.

pub mod bench;
pub mod eval;
pub mod generate;
pub mod info;
pub mod list;
pub mod train;

use std::path::PathBuf;

/// Where data sets lie.
#[derive(Clone, Debug, clap::Args)]
pub struct Data {
    /// Folder with the data that the recipe names
    #[arg(long = "data", value_name = "DIR", env = "REFRAIN_DATA")]
    pub folder: Option<PathBuf>,
}

/// How many threads compute.
#[derive(Clone, Debug, clap::Args)]
pub struct Threads {
    /// Threads to compute with; results do not depend on it [default: all cores]
    #[arg(long = "threads", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub count: Option<u16>,
}

impl Threads {
    /// Tells the kernels.
    pub fn apply(&self) {
        if let Some(count) = self.count {
            refrain_kernels::set_threads(usize::from(count));
        }
    }
}
