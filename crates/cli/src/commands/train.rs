//! `refrain train`

use super::{Data, Threads, generate};
use crate::Ending;
use crate::interrupt::Interrupt;
use crate::progress::{Measure, Progress};
use crate::terminal::{self, counted, typed};
use anyhow::{Context, Result, bail};
use refrain::recipe::{Body, Recipe, recipes};
use refrain::store::{MODEL, ModelFolder};
use refrain::tasks::language::load_language_model;
use refrain::tasks::{self, Summary, TrainOptions};
use refrain::train::{Control, Event, Stopped, checkpoint};
use refrain_data::vocab::{BPE_FILE, VOCABULARY_FILE, VocabularyKind};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Train a model from a recipe
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Without a recipe the model learns to write small stories that Refrain makes up itself; no data is needed.
Ctrl-C saves a checkpoint and stops; after that, or after a crash, --resume goes on as if nothing had happened.
Where the default folder holds a finished run, the new one goes beside it: runs/stories-2, and so on.
The folder gets the model, its vocabulary, model.toml (recipe and figures) and train.jsonl (what happened, one event a line).

Examples:
  refrain train
  refrain train ptb-small --data DIR
  refrain train my-recipe.toml --set train.lr=1e-3 --set model.hidden=256 --out runs/wide
  refrain train --resume runs/wide
  refrain train my-speech.toml --init english --data DIR

Exit codes: 0 done, 1 failed, 2 wrong arguments, 130 stopped by Ctrl-C with everything saved.")]
pub struct Args {
    /// A recipe's name (see `refrain list`) or a TOML file
    #[arg(value_name = "RECIPE", default_value = "stories")]
    recipe: String,

    /// Change a key of the recipe; may be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,

    /// Begin with the parameters of this model (a folder, or the name of one that ships), where they fit
    #[arg(long, value_name = "MODEL", value_parser = super::model(), conflicts_with = "resume")]
    init: Option<PathBuf>,

    /// Folder for the model [default: runs/RECIPE]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Go on with the run in this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["recipe", "overrides", "out", "force"])]
    resume: Option<PathBuf>,

    /// Replace the run that the folder holds already
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
    let interrupt = Interrupt::listen().context("waiting for Ctrl-C")?;
    args.threads.apply();
    let summary = match &args.resume {
        Some(folder) => resume(args, folder, &interrupt)?,
        None => begin(args, &interrupt)?,
    };
    if summary.stopped == Stopped::Asked {
        eprintln!(
            "saved at step {}; go on with: refrain train --resume {}",
            summary.steps,
            typed(&summary.folder)
        );
        return Ok(Ending::Interrupted);
    }
    if !args.quiet {
        terminal::print(&report(&summary)?)?;
        end(&summary.folder, &interrupt)?;
    }
    Ok(Ending::Done)
}

/// What a run ends with: a language model writes.
fn end(folder: &Path, interrupt: &Interrupt) -> Result<()> {
    let recipe = ModelFolder::open(folder)?.about().recipe.clone();
    if let Body::Language(language) = &recipe.body {
        let model = load_language_model(folder)?;
        generate::write(&model, &language.generate, &|| interrupt.asked())?;
    }
    Ok(())
}

fn begin(args: &Args, interrupt: &Interrupt) -> Result<Summary> {
    let mut recipe = Recipe::find(&args.recipe, &args.overrides)?;
    if let Some(init) = &args.init {
        let folder = std::path::absolute(init);
        recipe.train.init = Some(folder.context("finding the current folder")?);
    }
    if args.threads.given() {
        recipe.train.threads = None;
    }
    let out = match (&args.out, args.force) {
        (Some(out), _) => out.clone(),
        (None, true) => default_folder(&args.recipe),
        (None, false) => unused(&default_folder(&args.recipe)),
    };
    make_room(&out, args.force)?;
    let data = match args.data.folder()? {
        Some(data) => data,
        None => std::env::current_dir().context("finding the current folder")?,
    };
    let options = TrainOptions {
        out,
        data: Some(data),
    };
    let mut progress = Progress::new(args.quiet, measure(&recipe));
    tasks::train(&recipe, &options, &mut |event| {
        watch(event, &mut progress, interrupt)
    })
    .map_err(Into::into)
}

fn resume(args: &Args, folder: &Path, interrupt: &Interrupt) -> Result<Summary> {
    let recipe = ModelFolder::open(folder)?.about().recipe.clone();
    let mut progress = Progress::new(args.quiet, measure(&recipe));
    let data = args.data.folder()?;
    tasks::resume(folder, data.as_deref(), &mut |event| {
        if matches!(event, Event::Started { .. }) {
            // What is asked for now goes before what the recipe asked for.
            args.threads.apply();
        }
        watch(event, &mut progress, interrupt)
    })
    .map_err(Into::into)
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

fn measure(recipe: &Recipe) -> Measure {
    match &recipe.body {
        Body::Language(language) => match language.data.vocabulary {
            VocabularyKind::Characters => Measure::Bits,
            VocabularyKind::Words { .. } | VocabularyKind::Bpe { .. } => Measure::Perplexity,
        },
        Body::Memory(_) => Measure::Plain,
        Body::Speech(_) => Measure::Labels,
    }
}

/// `runs/` and the recipe's name, or that of its file.
fn default_folder(recipe: &str) -> PathBuf {
    let shipped = recipes().iter().any(|shipped| shipped.name == recipe);
    let stem = Path::new(recipe).file_stem().filter(|_| !shipped);
    Path::new("runs").join(stem.unwrap_or(recipe.as_ref()))
}

/// `folder`, or the first of `folder-2`, `folder-3`.. that holds no finished run.
fn unused(folder: &Path) -> PathBuf {
    let finished =
        |path: &Path| ModelFolder::open(path).is_ok_and(|run| run.about().figures.finished);
    let mut candidate = folder.to_path_buf();
    let mut number = 2;
    while finished(&candidate) {
        candidate.set_file_name(format!(
            "{}-{number}",
            folder.file_name().unwrap_or_default().to_string_lossy()
        ));
        number += 1;
    }
    candidate
}

/// Refuses a folder that holds a run, or removes that run's files and nothing else.
fn make_room(out: &Path, force: bool) -> Result<()> {
    if !ModelFolder::is_run(out) {
        return Ok(());
    }
    if !force {
        let finished = ModelFolder::open(out).is_ok_and(|run| run.about().figures.finished);
        let go_on = match finished {
            true => String::new(),
            false => format!("go on with it by `refrain train --resume {}`, ", typed(out)),
        };
        bail!(
            "{} already holds a {}run; {go_on}choose another folder with --out, or replace it with --force",
            out.display(),
            if finished { "finished " } else { "" }
        );
    }
    for name in [
        MODEL,
        checkpoint::FILE,
        VOCABULARY_FILE,
        BPE_FILE,
        "train.jsonl",
        "model.toml",
    ] {
        let file = out.join(name);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", file.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What the run came to.
fn report(summary: &Summary) -> Result<String> {
    let mut text = format!(
        "\ntrained for {}, {}, in {}\n",
        counted(summary.epochs, "epoch"),
        counted(summary.steps, "step"),
        terminal::duration(summary.seconds)
    );
    let test = summary.test.as_ref().map(|metrics| ("test", metrics));
    let validation = summary.validation.as_ref();
    if let Some((split, metrics)) = test.or(validation.map(|metrics| ("validation", metrics))) {
        text += &format!("{split}: {}\n", terminal::figures(metrics));
        if let Some(above) = terminal::above_entropy(metrics) {
            text += &format!("that is {above}\n");
        }
    }
    let folder = typed(&summary.folder);
    let next = match ModelFolder::open(&summary.folder)?.about().recipe.body {
        Body::Language(_) => format!("let it write with: refrain generate {folder}"),
        Body::Memory(_) => {
            format!("see what reaches far back with: refrain lab gradients {folder}")
        }
        Body::Speech(_) => format!("use it with: refrain transcribe --model {folder} FILE"),
    };
    text += &format!("the model is in {folder}; {next}\n\n");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_after_its_recipe_or_its_file() {
        assert_eq!(default_folder("stories"), Path::new("runs/stories"));
        assert_eq!(
            default_folder("mine/poems.v2.toml"),
            Path::new("runs/poems.v2")
        );
    }
}
