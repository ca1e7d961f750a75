//! `refrain train`

use super::{Compute, Data, at_least_one, limit_threads};
use crate::Ending;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::terminal::{self, counted, say, typed};
use anyhow::{Context, Result};
use refrain::metrics;
use refrain::store::{self, Existing, ModelFolder};
use refrain::tasks::{Chosen, Medium, Out, Piece, Site, Summary, Tasks};
use refrain::train::{Control, Event, Stopped};
use std::path::{Path, PathBuf};

/// Train a model from a recipe, or on a text file
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Without a recipe the model learns to write small stories that Refrain makes up
itself (the recipe stories); no data is needed. Given a text file, a model of its characters is
trained, of a size that fits the text; where the file has moved later, --data
names its folder. Ctrl-C saves a checkpoint and stops;
after that, or after a crash, --resume goes on as if nothing had happened.
Where the default folder holds a finished run, the new one goes beside it:
runs/stories-2, and so on. The folder gets the model, its vocabulary,
model.toml (recipe and figures) and train.jsonl (events, one a line).

Examples:
  refrain train
  refrain train book.txt
  refrain train ptb-small --data DIR
  refrain train my-recipe.toml --set train.lr=1e-3 --set model.hidden=256 --out runs/wide
  refrain train --resume runs/wide
  refrain train --resume runs/wide --epochs 20
  refrain train my-speech.toml --init english --data DIR

Exit codes: 0 done, 1 failed, 2 wrong arguments, 130 stopped by Ctrl-C with
everything saved (143 by SIGTERM, 129 by a closed terminal).")]
pub struct Args {
    /// A recipe's name (see `refrain list`), a TOML file, or a text file [default: the first of `refrain list`]
    #[arg(value_name = "RECIPE")]
    recipe: Option<String>,

    /// Change a key of the recipe; may be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,

    /// Passes over the training data; with --resume, goes on to so many of them
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = at_least_one)]
    epochs: Option<u64>,

    /// Begin with the parameters of this model (a folder, or the name of one that ships), where they fit
    #[arg(long, value_name = "MODEL", conflicts_with = "resume")]
    init: Option<PathBuf>,

    /// Folder for the model [default: runs/RECIPE]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Go on with the run in this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["recipe", "overrides", "out", "force"])]
    resume: Option<PathBuf>,

    /// Replace the run that the folder holds already: removes its files and no others
    #[arg(long)]
    force: bool,

    /// Show nothing but errors
    #[arg(long, short)]
    quiet: bool,

    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    compute: Compute,
}

/// Runs the command.
///
/// # Errors
/// A recipe, data set or folder that cannot be used, or a run that fails.
pub fn run(args: &Args, tasks: Tasks) -> Result<Ending> {
    let interrupt = Interrupt::listen().context("waiting for Ctrl-C")?;
    let site = args.compute.site()?;
    let summary = match &args.resume {
        Some(folder) => resume(args, tasks, folder, &site, &interrupt)?,
        None => begin(args, tasks, &site, &interrupt)?,
    };
    if summary.stopped == Stopped::Asked {
        say(&format!(
            "saved at step {}; go on with: refrain train --resume {}",
            summary.steps,
            typed(&summary.folder)
        ));
        // An observer stops a run only for a signal.
        return Ok(Ending::Interrupted(interrupt.signal().unwrap_or(2)));
    }
    // The model is saved: a report that cannot be written is no failure of the training.
    if !args.quiet && terminal::print(&report(&summary, tasks)?).is_ok() {
        show(&summary, tasks, &site, &interrupt)?;
    }
    Ok(Ending::Done)
}

/// Shows the trained model its task's sample, if it answers with text.
fn show(summary: &Summary, tasks: Tasks, site: &Site, interrupt: &Interrupt) -> Result<()> {
    let folder = ModelFolder::open(&summary.folder)?;
    let Some(sample) = tasks.of(&folder)?.sample(folder.recipe())? else {
        return Ok(());
    };
    let model = tasks.load(&summary.folder, toml::Table::new(), site)?;
    if model.ports().gives != Medium::Text {
        return Ok(());
    }
    if let Piece::Text(sample) = &sample {
        terminal::print(&sample.text)?;
    }
    let mut outcome = Ok(());
    let mut give = |piece: Piece| {
        if let Piece::Text(text) = piece {
            outcome = terminal::print(&text.text);
        }
        match outcome.is_err() || interrupt.asked() {
            true => Control::Stop,
            false => Control::Continue,
        }
    };
    let mut session = model.begin()?;
    site.compute(|| {
        session.push(sample, &mut give)?;
        session.finish(&mut give)
    })?;
    outcome?;
    terminal::print("\n")
}

fn begin(args: &Args, tasks: Tasks, site: &Site, interrupt: &Interrupt) -> Result<Summary> {
    let mut overrides = args.overrides.clone();
    overrides.extend(args.epochs.map(|epochs| format!("train.epochs={epochs}")));
    let name = match &args.recipe {
        Some(name) => name.as_str(),
        None => default_recipe(tasks)?,
    };
    let Chosen { mut recipe, data } = tasks.choose(name, &overrides)?;
    if let Some(init) = &args.init {
        let folder = std::path::absolute(store::find(init)?);
        recipe.train.init = Some(folder.context("finding the current folder")?);
    }
    match site.threads {
        Some(_) => recipe.train.threads = None,
        None => limit_threads(recipe.train.threads),
    }
    let folder = args.out.clone();
    let out = Out {
        existing: match (args.force, &folder) {
            (true, _) => Existing::Replace,
            (false, None) => Existing::Beside,
            (false, Some(_)) => Existing::Refuse,
        },
        folder: folder.unwrap_or_else(|| default_folder(name, tasks)),
    };
    if data.is_some() && !args.quiet {
        say(&terminal::plain(&recipe.recipe.description));
    }
    let data = match data.map_or_else(|| args.data.folder(), |own| Ok(Some(own)))? {
        Some(data) => data,
        None => std::env::current_dir().context("finding the current folder")?,
    };
    let site = site.clone().with_data(data);
    let metrics = tasks.find(&recipe.task)?.profile().metrics;
    let mut progress = Progress::new(args.quiet, metrics);
    let mut watch = |event: &Event| watch(event, &mut progress, interrupt);
    Ok(tasks.train(&recipe, &out, &site, &mut watch)?)
}

fn resume(
    args: &Args,
    tasks: Tasks,
    folder: &Path,
    site: &Site,
    interrupt: &Interrupt,
) -> Result<Summary> {
    let opened = ModelFolder::open(folder)?;
    let metrics = tasks.of(&opened)?.profile().metrics;
    if site.threads.is_none() {
        limit_threads(opened.recipe().train.threads);
    }
    let mut progress = Progress::new(args.quiet, metrics);
    let data = args.data.folder()?;
    let mut watch = |event: &Event| watch(event, &mut progress, interrupt);
    let summary = tasks.resume(folder, data.as_deref(), site, args.epochs, &mut watch);
    Ok(summary?)
}

fn watch(event: &Event, progress: &mut Progress, interrupt: &Interrupt) -> Control {
    progress.show(event);
    let ended = matches!(event, Event::Finished { .. } | Event::Tested { .. });
    match interrupt.asked() && !ended {
        true => {
            progress.stopping();
            Control::Stop
        }
        false => Control::Continue,
    }
}

/// The first recipe of the first task that has one.
fn default_recipe(tasks: Tasks) -> Result<&'static str> {
    let first = tasks.recipes().next();
    let first = first.context("no task of this program has a recipe; give a TOML file")?;
    Ok(first.name)
}

/// `runs/` and the recipe's name, or that of its file.
fn default_folder(recipe: &str, tasks: Tasks) -> PathBuf {
    let shipped = tasks.recipes().any(|shipped| shipped.name == recipe);
    let stem = Path::new(recipe).file_stem().filter(|_| !shipped);
    Path::new("runs").join(stem.unwrap_or(recipe.as_ref()))
}

/// The figures of a finished run, and the next step.
fn report(summary: &Summary, tasks: Tasks) -> Result<String> {
    let profile = tasks.find(summary.task)?.profile();
    let mut text = format!(
        "\ntrained for {}, {}, in {}\n",
        counted(summary.epochs, "epoch"),
        counted(summary.steps, "step"),
        terminal::duration(summary.seconds)
    );
    let test = summary.test.as_ref().map(|figures| ("test", figures));
    let validation = summary.validation.as_ref();
    if let Some((split, figures)) = test.or(validation.map(|figures| ("validation", figures))) {
        text += &format!("{split}: {}\n", metrics::show(profile.metrics, figures));
        for metric in profile.metrics {
            if let Some(above) = metric.above_bound(figures) {
                text += &format!("that is {above:.1}% above the best possible\n");
            }
        }
    }
    let folder = typed(&summary.folder);
    let next = profile.next.replace("{model}", &folder);
    text += &format!("the model is in {folder}; {next}\n\n");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use refrain::tasks::TASKS;

    #[test]
    fn a_run_is_named_after_its_recipe_or_its_file() {
        let folder = |recipe| default_folder(recipe, TASKS);
        assert_eq!(folder("stories"), Path::new("runs/stories"));
        assert_eq!(folder("mine/poems.v2.toml"), Path::new("runs/poems.v2"));
    }
}
