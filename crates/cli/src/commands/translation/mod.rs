//! `refrain translation`: tools beside training and translating.

mod detect;
mod languages;

use crate::Ending;
use anyhow::Result;

/// Tools for translation: recognise languages, and learn to
#[derive(Debug, clap::Parser)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Detect(detect::Args),
    Languages(languages::Args),
}

/// Runs the command.
///
/// # Errors
/// As the command.
pub fn run(args: &Args) -> Result<Ending> {
    match &args.action {
        Action::Detect(args) => detect::run(args),
        Action::Languages(args) => languages::run(args),
    }
}
