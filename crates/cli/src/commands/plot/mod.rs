//! `refrain plot`

mod history;

use crate::Ending;
use crate::drawing::{self, Line, Panel, quoted};
use crate::progress::in_unit;
use crate::terminal::{self, grouped, plain, typed};
use anyhow::{Result, bail};
use history::History;
use plotters::chart::SeriesLabelPosition;
use refrain::metrics::{Better, Metric};
use refrain::store::{About, ModelFolder};
use refrain::tasks::Tasks;
use refrain::train::LossUnit;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Draw and compare training runs
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Draws the training loss and a validation figure of all runs in one picture, and
prints a table that compares them. A run that is still training, or was
stopped, is drawn as far as it has come. Writes OUT.svg, OUT.png and OUT.csv (a
row a point).

Examples:
  refrain plot runs/stories
  refrain plot runs/stories runs/stories-2 --out compared
  refrain plot runs/* --figure perplexity --over steps
  refrain plot runs/* --json | jq '.runs[] | [.folder, .test]'")]
pub struct Args {
    /// Folders of training runs
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,

    /// Where to write, without the ending
    #[arg(long, value_name = "OUT", default_value = "plot")]
    out: PathBuf,

    /// The validation figure, see `refrain list TASK` [default: the one with a known bound, else the first]
    #[arg(long, value_name = "NAME")]
    figure: Option<String>,

    /// The level axis
    #[arg(long, value_enum, default_value_t = Over::Epochs)]
    over: Over,

    /// Print one JSON object instead of the table
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Over {
    /// Passes over the training data
    Epochs,
    /// Updates of the parameters
    Steps,
}

/// A run that is compared.
struct Run {
    name: String,
    folder: PathBuf,
    about: About,
    metrics: &'static [Metric],
    history: History,
}

impl Run {
    fn open(folder: &Path, tasks: Tasks) -> Result<Self> {
        let opened = ModelFolder::open(folder)?;
        Ok(Self {
            name: plain(&folder.display().to_string()),
            folder: folder.to_path_buf(),
            metrics: tasks.of(&opened)?.profile().metrics,
            history: History::read(&opened.log())?,
            about: opened.about().clone(),
        })
    }

    /// Whether validation ever gave this figure.
    fn has(&self, name: &str) -> bool {
        let mut validated = self.history.validated.iter();
        validated.any(|own| own.metrics.contains_key(name))
    }

    fn best(&self, metric: &Metric) -> Option<f64> {
        let best = self.history.best()?;
        best.metrics.get(metric.name).copied().flatten()
    }

    fn test(&self, metric: &Metric) -> Option<f64> {
        self.about.figures.test.get(metric.name).copied()
    }
}

/// Runs the command.
///
/// # Errors
/// A folder that holds no run, a figure that the runs do not have, or a file that cannot be written.
pub fn run(args: &Args, tasks: Tasks) -> Result<Ending> {
    let runs = args.runs.iter().map(|folder| Run::open(folder, tasks));
    let runs = runs.collect::<Result<Vec<_>>>()?;
    let metric = choose(&runs, args.figure.as_deref())?;
    let panels = [losses(&runs, args.over), figures(&runs, metric, args.over)];
    let drawn = panels.iter().any(|panel| !panel.is_empty());
    if drawn {
        drawing::write(&args.out, &panels, &points(&runs, metric))?;
    }
    let out = args.out.display();
    let files = ["svg", "png", "csv"].map(|ending| format!("{out}.{ending}"));
    let text = match args.json {
        true => {
            let files = if drawn { &files[..] } else { &[] };
            format!("{}\n", as_json(&runs, metric, files))
        }
        false => {
            let place = match drawn {
                true => format!(
                    "drawn in {} and {}, numbers in {}\n",
                    files[0], files[1], files[2]
                ),
                false => "no step is in the logs yet, so nothing is drawn\n".into(),
            };
            table(&runs, metric) + &place
        }
    };
    terminal::print(&text)?;
    Ok(Ending::Done)
}

/// The figure that the runs are compared by.
///
/// # Errors
/// A name that is not a figure of all runs.
fn choose(runs: &[Run], name: Option<&str>) -> Result<&'static Metric> {
    let Some(first) = runs.first() else {
        bail!("no run is given");
    };
    let shared = |metric: &&'static Metric| {
        let own = |run: &Run| run.metrics.iter().any(|own| own.name == metric.name);
        // A run before the end of its first epoch has no figure yet.
        let seen = |run: &Run| run.history.validated.is_empty() || run.has(metric.name);
        metric.better != Better::Neither && runs.iter().all(|run| own(run) && seen(run))
    };
    let metrics: Vec<&'static Metric> = first.metrics.iter().filter(shared).collect();
    let names = metrics.iter().map(|metric| metric.name);
    let names = names.collect::<Vec<_>>().join(", ");
    if let Some(name) = name {
        let found = metrics.into_iter().find(|metric| metric.name == name);
        return match found {
            Some(metric) => Ok(metric),
            None if names.is_empty() => {
                bail!("the runs have no figure in common; plot runs of one task")
            }
            None => bail!("\"{name}\" is not a figure of all these runs; choose from {names}"),
        };
    }
    let bounded = |metric: &&&'static Metric| {
        let mut bounds = runs.iter().filter_map(|run| run.history.bound(metric));
        bounds.next().is_some()
    };
    let chosen = metrics.iter().find(bounded).or(metrics.first());
    match chosen {
        Some(metric) => Ok(metric),
        None => bail!("the runs have no figure in common; plot runs of one task"),
    }
}

fn axis(over: Over) -> String {
    let name = match over {
        Over::Epochs => "epochs",
        Over::Steps => "steps",
    };
    name.into()
}

fn unit_name(unit: LossUnit) -> &'static str {
    match unit {
        LossUnit::Bits => "bits",
        LossUnit::Perplexity => "perplexity",
        LossUnit::Nats => "nats",
        LossUnit::Error => "error",
    }
}

/// The training losses.
fn losses(runs: &[Run], over: Over) -> Panel {
    let units: Vec<_> = runs.iter().map(|run| run.history.unit).collect();
    // Runs that count differently share nats.
    let unit = match units.first() {
        Some(first) if units.iter().all(|own| own == first) => first.unwrap_or(LossUnit::Nats),
        _ => LossUnit::Nats,
    };
    let line = |run: &Run| {
        let steps = run.history.steps.iter().filter(|own| own.loss.is_finite());
        let points: Vec<_> = steps
            .map(|own| (own.at(over == Over::Epochs), in_unit(unit, own.loss)))
            .collect();
        Line {
            name: run.name.clone(),
            points: smooth(&points),
        }
    };
    let mut panel = Panel {
        caption: "Training loss".into(),
        axes: [axis(over), unit_name(unit).into()],
        logarithmic: false,
        legend: SeriesLabelPosition::UpperRight,
        lines: runs.iter().map(line).collect(),
        levels: Vec::new(),
    };
    panel.logarithmic = is_wide(&panel);
    panel
}

/// The validation figure, with its bounds.
fn figures(runs: &[Run], metric: &Metric, over: Over) -> Panel {
    let line = |run: &Run| {
        let validated = run.history.validated.iter().filter_map(|own| {
            let value = own.metrics.get(metric.name).copied().flatten()?;
            let x = match over {
                Over::Epochs => own.epoch as f64,
                Over::Steps => own.step as f64,
            };
            Some((x, value))
        });
        Line {
            name: run.name.clone(),
            points: validated.collect(),
        }
    };
    let mut levels: Vec<(String, f64)> = Vec::new();
    for value in runs.iter().filter_map(|run| run.history.bound(metric)) {
        if levels.iter().all(|(_, other)| *other != value) {
            levels.push((
                format!("the best possible: {}", metric.number(value)),
                value,
            ));
        }
    }
    let name = metric.name.replace('_', " ");
    let unit = match metric.unit {
        "" => name.clone(),
        unit => unit.to_string(),
    };
    let mut panel = Panel {
        caption: format!("Validation: {name}"),
        axes: [axis(over), unit],
        logarithmic: false,
        legend: match metric.better {
            Better::Higher => SeriesLabelPosition::LowerRight,
            Better::Lower | Better::Neither => SeriesLabelPosition::UpperRight,
        },
        lines: runs.iter().map(line).collect(),
        levels,
    };
    panel.logarithmic = is_wide(&panel);
    panel
}

/// Whether values stretch so far that small ones would be lost on a linear axis.
fn is_wide(panel: &Panel) -> bool {
    const WIDE: f64 = 30.0;
    let values = panel.lines.iter().flat_map(|line| &line.points);
    let values = values.map(|(_, y)| *y).filter(|y| y.is_finite());
    let (least, most) = values.fold((f64::MAX, 0.0_f64), |(a, b), y| (a.min(y), b.max(y)));
    least > 0.0 && most / least > WIDE
}

/// Means over stretches, so that a long run is a line and not a band.
fn smooth(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    const MOST: usize = 200;
    let stretch = points.len().div_ceil(MOST).max(1);
    let mean = |part: &[(f64, f64)]| {
        let count = part.len() as f64;
        let sum = part
            .iter()
            .fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
        (sum.0 / count, sum.1 / count)
    };
    points.chunks(stretch).map(mean).collect()
}

/// A row for each logged step and each validation.
fn points(runs: &[Run], metric: &Metric) -> String {
    let mut text = format!(
        "run,epoch,step,training_loss_nats,validation_{}\n",
        metric.name
    );
    for run in runs {
        let name = quoted(&run.name);
        for own in &run.history.steps {
            text += &format!("{name},{},{},{},\n", own.at(true), own.step, own.loss);
        }
        for own in &run.history.validated {
            let value = own.metrics.get(metric.name).copied().flatten();
            let value = value.map_or(String::new(), |value| value.to_string());
            text += &format!("{name},{},{},,{value}\n", own.epoch, own.step);
        }
    }
    text
}

/// The runs below each other.
fn table(runs: &[Run], metric: &Metric) -> String {
    let unit = match metric.unit {
        "" => String::new(),
        unit => format!(" ({unit})"),
    };
    let mut text = format!(
        "{}{unit}; validation is that of the best epoch\n\n",
        metric.name.replace('_', " ")
    );
    let mut rows =
        vec![["run", "parameters", "epochs", "time", "validation", "test"].map(String::from)];
    let number = |value: Option<f64>| value.map_or("-".into(), |value| metric.number(value));
    for run in runs {
        let figures = &run.about.figures;
        let seconds = run.history.seconds.unwrap_or(figures.seconds);
        let epochs = match run.history.validated.last() {
            Some(last) if !figures.finished => format!("{} of {}", last.epoch, run.history.epochs),
            last => last.map_or(0, |last| last.epoch).to_string(),
        };
        rows.push([
            run.name.clone(),
            grouped(figures.parameters),
            epochs,
            if seconds > 0.0 {
                terminal::duration(seconds)
            } else {
                "-".into()
            },
            number(run.best(metric)),
            number(run.test(metric)),
        ]);
    }
    text += &terminal::columns(&rows);
    let bounds = runs.iter().filter_map(|run| run.history.bound(metric));
    if let Some(bound) = bounds.reduce(f64::min) {
        text += &format!("\nthe best possible: {}\n", metric.number(bound));
    }
    if let Some(best) = best(runs, metric).filter(|_| runs.len() > 1) {
        text += &format!("\nbest on validation data: {}\n", typed(&best.folder));
    }
    text + "\n"
}

/// The run with the best validation.
fn best<'a>(runs: &'a [Run], metric: &Metric) -> Option<&'a Run> {
    let known = runs.iter().filter_map(|run| Some((run.best(metric)?, run)));
    let chosen = match metric.better {
        Better::Higher => known.max_by(|a, b| a.0.total_cmp(&b.0)),
        Better::Lower | Better::Neither => known.min_by(|a, b| a.0.total_cmp(&b.0)),
    };
    chosen.map(|(_, run)| run)
}

fn as_json(runs: &[Run], metric: &Metric, files: &[String]) -> Value {
    let row = |run: &Run| {
        let figures = &run.about.figures;
        let best = run.history.best();
        json!({
            "folder": run.folder,
            "task": run.about.recipe.task,
            "parameters": figures.parameters,
            "finished": figures.finished,
            "epochs": run.history.validated.last().map_or(0, |last| last.epoch),
            "steps": run.history.last_step(),
            "seconds": run.history.seconds.unwrap_or(figures.seconds),
            "best_epoch": best.map(|best| best.epoch),
            "validation": run.best(metric),
            "test": run.test(metric),
            "bound": run.history.bound(metric),
        })
    };
    json!({
        "figure": metric,
        "runs": runs.iter().map(row).collect::<Vec<_>>(),
        "best": best(runs, metric).map(|run| &run.folder),
        "files": files,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_are_smoothed_and_short_ones_stay() {
        let points = |count: usize| -> Vec<_> { (0..count).map(|i| (i as f64, 2.0)).collect() };
        assert_eq!(smooth(&points(7)), points(7));
        let long = smooth(&points(1001));
        assert!(long.len() <= 200 && long.len() > 100);
        assert_eq!(long[0], (2.5, 2.0));
        assert_eq!(smooth(&[]), []);
    }
}
