//! `refrain info`

use crate::Ending;
use crate::terminal;
use anyhow::Result;
use refrain::store::ModelFolder;
use std::path::PathBuf;

/// Say what a model is, how it was trained and how good it is
#[derive(Debug, clap::Parser)]
pub struct Args {
    /// Model folder
    #[arg(value_name = "MODEL")]
    model: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// A folder that does not hold a model.
pub fn run(args: &Args) -> Result<Ending> {
    let folder = ModelFolder::open(&args.model)?;
    let about = folder.about();
    if args.json {
        terminal::print(&format!("{}\n", serde_json::to_string(about)?))?;
        return Ok(Ending::Done);
    }
    let (figures, recipe) = (&about.figures, &about.recipe);
    let state = if figures.finished {
        "finished"
    } else {
        "not finished; go on with refrain train --resume"
    };
    let mut text = format!("{}: {}\n\n", recipe.recipe.name, recipe.recipe.description);
    let mut row = |name: &str, value: String| text += &format!("{name:14} {value}\n");
    row("task", recipe.task.clone());
    row("parameters", figures.parameters.to_string());
    row("vocabulary", figures.vocabulary.to_string());
    row(
        "trained",
        format!(
            "{} epochs, {} steps, {} ({state})",
            figures.epochs,
            figures.steps,
            terminal::duration(figures.seconds)
        ),
    );
    for (name, metrics) in [("validation", &figures.validation), ("test", &figures.test)] {
        if !metrics.is_empty() {
            row(name, terminal::figures(metrics));
        }
    }
    row("made by", format!("refrain {}", about.version));
    text += &format!("\nThe recipe, as it was run:\n\n{}", recipe.to_toml()?);
    terminal::print(&text)?;
    Ok(Ending::Done)
}
