//! `refrain lab`

use super::{Compute, Data};
use crate::Ending;
use crate::drawing::{self, Panel, quoted};
use crate::terminal;
use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use plotters::chart::SeriesLabelPosition;
use refrain::lab;
use refrain::store::ModelFolder;
use refrain::tasks::long_memory::{fresh, trained_and_begun};
use refrain::tasks::{Site, Tasks, data_folder};
use std::path::{Path, PathBuf};

/// Look inside models during training
#[derive(Debug, Parser)]
pub struct Args {
    #[command(subcommand)]
    experiment: Experiment,
}

#[derive(Debug, Subcommand)]
enum Experiment {
    Gradients(GradientArgs),
}

/// Measure how strongly a loss depends on earlier states, and draw it
#[derive(Debug, Parser)]
#[command(after_help = "\
For every lag k: the norm of the gradient of the loss after the last step with
respect to the state h, k steps before; the mean over some test sequences. A
recipe is measured before training, a model folder before and after its
training. Several of them share a picture. Writes OUT.svg, OUT.png and OUT.csv.
Models and recipes of the tasks adding, copy and mnist can be measured.

Examples:
  refrain lab gradients adding-rnn adding-lstm adding-gru --out before
  refrain lab gradients runs/adding-rnn runs/adding-lstm runs/adding-gru --out after")]
struct GradientArgs {
    /// Model folders and recipes
    #[arg(value_name = "MODEL|RECIPE", required = true)]
    models: Vec<String>,

    /// Files to write, without extension
    #[arg(long, value_name = "OUT", default_value = "gradients")]
    out: PathBuf,

    /// Sequences to average over
    #[arg(long, value_name = "N", default_value_t = 20)]
    sequences: usize,

    /// Print one JSON object with all norms
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    compute: Compute,
}

/// Runs the command.
///
/// # Errors
/// A model, recipe or file that cannot be used.
pub fn run(args: &Args, tasks: Tasks) -> Result<Ending> {
    let Experiment::Gradients(args) = &args.experiment;
    let site = args.compute.site()?;
    if args.sequences == 0 {
        bail!("--sequences is 0; at least one is needed");
    }
    let data = args.data.folder()?;
    let mut lines = Vec::new();
    for name in &args.models {
        let found = site.compute(|| measure(tasks, name, data.as_deref(), &site, args.sequences));
        lines.extend(found.with_context(|| format!("measuring {name}"))?);
    }
    drawing::write(&args.out, &[panel(&lines)], &table(&lines))?;
    if args.json {
        let all: serde_json::Map<_, _> = lines
            .iter()
            .map(|line| (line.name.clone(), line.norms.clone().into()))
            .collect();
        terminal::print(&format!("{}\n", serde_json::to_string(&all)?))?;
        return Ok(Ending::Done);
    }
    let mut text = format!(
        "{:40} {:>12} {:>12} {:>12}\n",
        "gradient", "lag 0", "middle", "longest"
    );
    for Line { name, norms } in &lines {
        let at = |k: usize| norms.get(k).copied().unwrap_or(0.0);
        let (middle, last) = (norms.len() / 2, norms.len().saturating_sub(1));
        text += &format!(
            "{name:40} {:12.3e} {:12.3e} {:12.3e}\n",
            at(0),
            at(middle),
            at(last)
        );
    }
    let out = args.out.display();
    text += &format!("drawn in {out}.svg and {out}.png, numbers in {out}.csv\n");
    terminal::print(&text)?;
    Ok(Ending::Done)
}

/// The norm of a gradient at every lag.
struct Line {
    name: String,
    norms: Vec<f64>,
}

fn panel(lines: &[Line]) -> Panel {
    let drawn = |line: &Line| drawing::Line {
        name: terminal::plain(&line.name),
        points: line
            .norms
            .iter()
            .enumerate()
            .map(|(lag, norm)| (lag as f64, *norm))
            .collect(),
    };
    Panel {
        caption: "How much of the loss reaches the state, k steps before".into(),
        axes: ["lag k, steps", "norm of the gradient"].map(String::from),
        logarithmic: true,
        legend: SeriesLabelPosition::LowerLeft,
        lines: lines.iter().map(drawn).collect(),
        levels: Vec::new(),
    }
}

/// One column per line, one row per lag.
fn table(lines: &[Line]) -> String {
    let names = lines.iter().map(|line| quoted(&line.name));
    let mut text = format!("lag,{}\n", names.collect::<Vec<_>>().join(","));
    let longest = lines.iter().map(|line| line.norms.len()).max().unwrap_or(0);
    for lag in 0..longest {
        let norm = |line: &Line| {
            let norm = line.norms.get(lag);
            norm.map_or(String::new(), |norm| format!("{norm:e}"))
        };
        let norms: Vec<_> = lines.iter().map(norm).collect();
        text += &format!("{lag},{}\n", norms.join(","));
    }
    text
}

/// The lines of a model folder or a recipe.
fn measure(
    tasks: Tasks,
    name: &str,
    data: Option<&Path>,
    site: &Site,
    sequences: usize,
) -> Result<Vec<Line>> {
    let line = |name: &str, when: &str, norms| Line {
        name: format!("{name}, {when}"),
        norms,
    };
    let folder = Path::new(name);
    if !ModelFolder::is_run(folder) {
        let recipe = tasks.recipe(name, &[])?;
        let site = site.clone().with_data(data.unwrap_or(Path::new(".")));
        let (model, sequences) = fresh(&recipe, &site, sequences)?;
        let label = &recipe.recipe.name;
        let norms = lab::gradients(&model, &sequences)?;
        return Ok(vec![line(label, "at the start", norms)]);
    }
    let folder = ModelFolder::open(folder)?;
    let site = site.clone().with_data(data_folder(&folder, data));
    let ([begun, trained], examples) = trained_and_begun(&folder, &site, sequences)?;
    let label = &folder.recipe().recipe.name;
    Ok(vec![
        line(label, "at the start", lab::gradients(&begun, &examples)?),
        line(label, "trained", lab::gradients(&trained, &examples)?),
    ])
}
