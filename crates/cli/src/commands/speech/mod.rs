//! `refrain speech`, and the arguments that all commands for speech share.

mod align;
pub mod files;
mod ngram;
mod tune;

use crate::Ending;
use anyhow::Result;
use refrain::store;
use refrain::tasks::Site;
use refrain::tasks::speech::{Loaded, SearchOptions, open};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Tools for models of speech: align a known text, learn n-grams, tune a search
#[derive(Debug, clap::Parser)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Align(align::Args),
    Ngram(ngram::Args),
    Tune(tune::Args),
}

/// Runs the command.
///
/// # Errors
/// As the command.
pub fn run(args: &Args) -> Result<Ending> {
    match &args.action {
        Action::Align(args) => align::run(args),
        Action::Ngram(args) => ngram::run(args),
        Action::Tune(args) => tune::run(args),
    }
}

/// Which model of speech.
#[derive(Clone, Debug, clap::Args)]
pub struct Model {
    /// Model folder, or a model that ships: english, english-stream, digits
    /// [default: english, or english-stream with --stream]
    #[arg(long = "model", value_name = "MODEL")]
    path: Option<PathBuf>,
}

impl Model {
    /// The model, or the shipped one of this name.
    ///
    /// # Errors
    /// A folder that cannot be used.
    pub fn load(&self, shipped: &str, options: SearchOptions, site: &Site) -> Result<Arc<Loaded>> {
        load(self.path.as_deref(), shipped, options, site)
    }
}

/// The model of this folder or name, or the shipped one of the name `shipped`.
///
/// # Errors
/// A folder that cannot be used.
fn load(
    path: Option<&Path>,
    shipped: &str,
    options: SearchOptions,
    site: &Site,
) -> Result<Arc<Loaded>> {
    let folder = match path {
        Some(folder) => store::find(folder)?,
        None => store::shipped(shipped).map_or_else(|| store::find(Path::new(shipped)), Ok)?,
    };
    Ok(site.compute(|| open(&folder, options, site))?)
}
