//! `refrain info`

use crate::Ending;
use crate::terminal::{self, counted, grouped, typed};
use anyhow::Result;
use refrain::models::CellKind;
use refrain::recipe::{Body, MemoryRecipe};
use refrain::store::{About, MODEL, ModelFolder};
use std::path::PathBuf;

/// Say what a model is, how it was trained and how good it is
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Examples:
  refrain info runs/stories
  refrain info english
  refrain info runs/stories --json | jq .figures.test")]
pub struct Args {
    /// Model folder, or the name of a model that ships with the program
    #[arg(value_name = "MODEL", value_parser = super::model())]
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
    // Before the end of the first epoch there is no model to look at.
    if args.model.join(MODEL).exists() {
        folder.tensors()?;
    }
    let text = match args.json {
        true => format!("{}\n", serde_json::to_string(folder.about())?),
        false => describe(&folder)?,
    };
    terminal::print(&text)?;
    Ok(Ending::Done)
}

fn describe(folder: &ModelFolder) -> Result<String> {
    let About {
        version,
        figures,
        recipe,
    } = folder.about();
    let mut text = format!("{}: {}\n\n", recipe.recipe.name, recipe.recipe.description);
    let mut row = |name: &str, value: String| text += &format!("{name:12} {value}\n");
    row("task", recipe.task.clone());
    row("model", architecture(&recipe.body));
    row("parameters", grouped(figures.parameters));
    if let Body::Language(_) = recipe.body {
        let tokens = format!("{} tokens", grouped(figures.vocabulary));
        row("vocabulary", tokens);
    }
    let trained = format!(
        "{}, {}, {}",
        counted(figures.epochs, "epoch"),
        counted(figures.steps, "step"),
        terminal::duration(figures.seconds)
    );
    row(
        "trained",
        match figures.finished {
            true => trained,
            false => format!(
                "{trained}; not finished, go on with: refrain train --resume {}",
                typed(folder.path())
            ),
        },
    );
    for (name, metrics) in [("validation", &figures.validation), ("test", &figures.test)] {
        if !metrics.is_empty() {
            row(name, terminal::figures(metrics));
        }
    }
    row("made by", format!("refrain {version}"));
    text += &format!("\nThe recipe, as it was run:\n\n{}", recipe.to_toml()?);
    Ok(text)
}

/// In a line: cell, layers, sizes.
fn architecture(body: &Body) -> String {
    let stack = |cell: CellKind, layers: usize, hidden: usize| {
        let cell = match cell {
            CellKind::Lstm => "LSTM",
            CellKind::Gru => "GRU",
            CellKind::Rnn => "RNN (tanh)",
        };
        let layers = counted(layers as u64, "layer");
        format!("{cell}, {layers} of {hidden} units")
    };
    match body {
        Body::Memory(MemoryRecipe { model, .. }) => stack(model.cell, model.layers, model.hidden),
        Body::Speech(speech) => {
            let model = &speech.model;
            let ways = if model.bidirectional {
                " a direction"
            } else {
                ""
            };
            format!(
                "{}; {}{ways}",
                counted(model.convolutions.len() as u64, "convolution"),
                stack(model.cell, model.layers, model.hidden)
            )
        }
        Body::Language(language) => {
            let model = &language.model;
            let tied = if model.tied {
                ", tied to the output"
            } else {
                ""
            };
            format!(
                "{}; embedding of {}{tied}",
                stack(model.cell, model.layers, model.hidden),
                model.embedding
            )
        }
    }
}
