//! `refrain train`

use super::{Data, Threads};
use crate::Ending;
use crate::terminal::{self, Progress};
use anyhow::{Context, Result, bail};
use refrain::recipe::{GenerateConfig, Recipe};
use refrain::store::ModelFolder;
use refrain::tasks::language::load_language_model;
use refrain::tasks::{self, Summary, TrainOptions};
use refrain::train::{Control, Event, Stopped};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Train a model from a recipe
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Without a recipe the model learns to write small stories that Refrain makes up itself; no data is needed.
Ctrl-C saves a checkpoint and stops; after that, or after a crash, --resume goes on as if nothing had happened.

Examples:
  refrain train
  refrain train ptb-small --data DIR
  refrain train my-recipe.toml --set train.lr=1e-3 --set model.hidden=256 --out runs/wide
  refrain train --resume runs/wide")]
pub struct Args {
    /// A recipe's name (see `refrain list`) or a TOML file
    #[arg(value_name = "RECIPE", default_value = "stories")]
    recipe: String,

    /// Change a key of the recipe; may be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,

    /// Folder for the model [default: runs/RECIPE]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Go on with the run in this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["recipe", "overrides", "out", "force"])]
    resume: Option<PathBuf>,

    /// Throw away a run that is in the folder already
    #[arg(long)]
    force: bool,

    /// Show nothing but errors
    #[arg(long, short)]
    quiet: bool,

    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    threads: Threads,
}

/// Runs the command.
///
/// # Errors
/// A recipe, data set or folder that cannot be used, or a run that fails.
pub fn run(args: &Args) -> Result<Ending> {
    let asked = on_interrupt()?;
    let mut progress = Progress::new(args.quiet);
    let mut observe = |event: &Event| {
        progress.show(event);
        match asked.load(Ordering::Relaxed) {
            0 => Control::Continue,
            _ => Control::Stop,
        }
    };
    args.threads.apply();
    let summary = match &args.resume {
        Some(folder) => tasks::resume(folder, args.data.folder.as_deref(), &mut observe)?,
        None => {
            let mut recipe = Recipe::find(&args.recipe, &args.overrides)?;
            if let Some(threads) = args.threads.count {
                recipe.train.threads = Some(usize::from(threads));
            }
            let out = args
                .out
                .clone()
                .unwrap_or_else(|| Path::new("runs").join(&recipe.recipe.name));
            make_room(&out, args.force)?;
            let options = TrainOptions {
                out,
                data: args.data.folder.clone(),
            };
            tasks::train(&recipe, &options, &mut observe)?
        }
    };
    finish(&summary, args.quiet)
}

/// Counts Ctrl-C (and a polite kill): the first asks the run to save and stop, the second ends the process at once.
fn on_interrupt() -> Result<Arc<AtomicU32>> {
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    ctrlc::set_handler(move || {
        if count.fetch_add(1, Ordering::Relaxed) == 0 {
            eprintln!("\nstopping after this step; Ctrl-C again ends at once");
        } else {
            std::process::exit(130);
        }
    })
    .context("waiting for Ctrl-C")?;
    Ok(asked)
}

/// Refuses a folder that holds a run, or empties it.
fn make_room(out: &Path, force: bool) -> Result<()> {
    if !ModelFolder::is_run(out) {
        return Ok(());
    }
    if !force {
        bail!(
            "{} already holds a run; go on with --resume {0}, choose another folder with --out, or throw it away with --force",
            out.display()
        );
    }
    std::fs::remove_dir_all(out).with_context(|| format!("removing {}", out.display()))
}

fn finish(summary: &Summary, quiet: bool) -> Result<Ending> {
    let folder = summary.folder.display();
    if summary.stopped == Stopped::Asked {
        eprintln!(
            "saved at step {}; go on with: refrain train --resume {folder}",
            summary.steps
        );
        return Ok(Ending::Interrupted);
    }
    if quiet {
        return Ok(Ending::Done);
    }
    let time = terminal::duration(summary.seconds);
    let mut text = format!(
        "\ntrained for {} epochs, {} steps, in {time}\n",
        summary.epochs, summary.steps
    );
    if let Some(metrics) = summary.test.as_ref().or(summary.validation.as_ref()) {
        let split = if summary.test.is_some() {
            "test"
        } else {
            "validation"
        };
        text += &format!("{split}: {}\n", terminal::figures(metrics));
        if let (Some(bits), Some(best)) = (
            metrics.get("bits_per_character"),
            metrics.get("true_bits_per_character"),
        ) {
            text += &format!(
                "that is {:.1}% above the entropy of the text itself\n",
                100.0 * (bits / best - 1.0)
            );
        }
    }
    text += &format!("the model is in {folder}; let it write with: refrain generate {folder}\n\n");
    terminal::print(&text)?;
    write_sample(&summary.folder)?;
    Ok(Ending::Done)
}

/// Lets the new model write what its recipe asks for.
fn write_sample(folder: &Path) -> Result<()> {
    let model = load_language_model(folder)?;
    let options: GenerateConfig = model.about.recipe.generate.clone();
    terminal::print(&options.prime)?;
    let mut gone = None;
    model.generate(&options, &mut |piece| match terminal::print(piece) {
        Ok(()) => Control::Continue,
        Err(error) => {
            gone = Some(error);
            Control::Stop
        }
    })?;
    gone.map_or_else(|| terminal::print("\n"), Err)
}
