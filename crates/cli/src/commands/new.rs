//! `refrain new`

use crate::Ending;
use crate::terminal::{self, typed};
use anyhow::{Context, Result, bail};
use refrain::tasks::Tasks;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

/// Write a commented recipe for a task, as a start for your own
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Examples:
  refrain new language poems.toml      then edit it, and: refrain train poems.toml --data DIR
  refrain new speech -                 to standard output")]
pub struct Args {
    /// A task (see `refrain list`)
    #[arg(value_name = "TASK")]
    task: String,

    /// File to write; - is standard output [default: TASK.toml]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// An unknown task, or a file that already exists.
pub fn run(args: &Args, tasks: Tasks) -> Result<Ending> {
    let profile = tasks.find(&args.task)?.profile();
    let file = match &args.file {
        Some(file) if file.as_os_str() == "-" => {
            terminal::print(profile.template)?;
            return Ok(Ending::Done);
        }
        Some(file) => file.clone(),
        None => PathBuf::from(format!("{}.toml", profile.name)),
    };
    let name = typed(&file);
    match File::create_new(&file) {
        Ok(mut new) => new.write_all(profile.template.as_bytes()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{name} exists already; give another name")
        }
        Err(error) => Err(error),
    }
    .with_context(|| format!("cannot write {name}"))?;
    terminal::print(&format!(
        "{name} is written; edit it, then: refrain train {name}\n"
    ))?;
    Ok(Ending::Done)
}
