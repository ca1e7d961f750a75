//! `refrain info`

use super::Model;
use crate::Ending;
use crate::terminal::{self, counted, grouped, plain, typed};
use anyhow::Result;
use refrain::metrics;
use refrain::store::{About, MODEL, ModelFolder};
use refrain::tasks::Tasks;

/// Show a model: its architecture, its training and its figures
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Examples:
  refrain info runs/stories
  refrain info english
  refrain info runs/stories --json | jq .figures.test")]
pub struct Args {
    #[command(flatten)]
    model: Model,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// A folder that does not hold a model.
pub fn run(args: &Args, tasks: Tasks) -> Result<Ending> {
    let folder = ModelFolder::open(&args.model.folder()?)?;
    // The first epoch writes the model. Before its end there is nothing to open.
    if folder.path().join(MODEL).exists() {
        folder.tensors()?;
    }
    let text = match args.json {
        true => format!("{}\n", serde_json::to_string(folder.about())?),
        false => describe(&folder, tasks)?,
    };
    terminal::print(&text)?;
    Ok(Ending::Done)
}

fn describe(folder: &ModelFolder, tasks: Tasks) -> Result<String> {
    let About {
        version,
        figures,
        recipe,
    } = folder.about();
    let task = tasks.of(folder)?;
    let header = &recipe.recipe;
    let mut text = format!(
        "{}: {}\n\n",
        plain(&header.name),
        plain(&header.description)
    );
    let mut row = |name: &str, value: &str| text += &format!("{name:12} {}\n", plain(value));
    row("task", &recipe.task);
    for (name, value) in task.describe(folder)? {
        row(name, &value);
    }
    row("parameters", &grouped(figures.parameters));
    let trained = format!(
        "{}, {}, {}",
        counted(figures.epochs, "epoch"),
        counted(figures.steps, "step"),
        terminal::duration(figures.seconds)
    );
    let trained = match (figures.finished, folder.checkpoint().exists()) {
        (true, _) => trained,
        (false, false) => format!("{trained}; not finished, packed without its checkpoint"),
        (false, true) => format!(
            "{trained}; not finished, go on with: refrain train --resume {}",
            typed(folder.path())
        ),
    };
    row("trained", &trained);
    for (name, metrics) in [("validation", &figures.validation), ("test", &figures.test)] {
        if !metrics.is_empty() {
            row(name, &metrics::show(task.profile().metrics, metrics));
        }
    }
    row("made by", &format!("refrain {version}"));
    text += &format!(
        "\nThe recipe, as it was run:\n\n{}",
        plain(&recipe.to_toml()?)
    );
    Ok(text)
}
