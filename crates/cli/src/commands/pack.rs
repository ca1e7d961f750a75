//! `refrain pack`

use super::{Compute, Data, Model};
use crate::Ending;
use crate::terminal::{self, counted, grouped, say, typed};
use anyhow::Result;
use refrain::Error;
use refrain::files::tensors::Storage;
use refrain::metrics::{Better, Metric, Metrics};
use refrain::store::ModelFolder;
use refrain::tasks::{Split, Tasks, data_folder};
use refrain_data::DataError;
use std::path::{Path, PathBuf};

/// Copy a model for others to use: half the size or less, without the files for training
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Parameters are stored in half precision (IEEE 754, 16 bits), or with --int8 as
bytes with a scale for each row. The checkpoint, the log and files that do not
belong to the model are not copied. The copy is used like the original. With
--int8 both are measured on the validation data, if these are at hand.

Examples:
  refrain pack runs/english models/english
  refrain pack runs/stories small --int8")]
pub struct Args {
    #[command(flatten)]
    model: Model,

    /// Folder to make
    #[arg(value_name = "OUT")]
    out: PathBuf,

    /// Store matrices as bytes: a quarter of the size, seven significant bits
    #[arg(long)]
    int8: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    compute: Compute,
}

/// Figures on the validation data, before and after.
struct Cost {
    before: Metrics,
    after: Metrics,
}

/// Runs the command.
///
/// # Errors
/// A folder without a model, or a target folder that already holds one.
pub fn run(args: &Args, tasks: Tasks) -> Result<Ending> {
    let folder = ModelFolder::open(&args.model.folder()?)?;
    let own = tasks.of(&folder)?.files(folder.path());
    let storage = match args.int8 {
        true => Storage::Int8,
        false => Storage::F16,
    };
    let bytes = folder.pack(&args.out, &own, storage)?;
    let figures = &folder.about().figures;
    if !figures.finished {
        say(&format!(
            "note: the training is not finished; the copy holds the best model of {}",
            counted(figures.epochs, "epoch")
        ));
    }
    let cost = match args.int8 {
        true => measure(args, &folder, tasks)?,
        false => None,
    };
    let text = match args.json {
        true => {
            let cost =
                cost.map(|own| serde_json::json!({ "before": own.before, "after": own.after }));
            let mut object = serde_json::json!({
                "folder": args.out, "bytes": bytes, "finished": figures.finished,
            });
            if let Some(cost) = cost {
                object["validation"] = cost;
            }
            format!("{object}\n")
        }
        false => {
            let bytes = grouped(usize::try_from(bytes)?);
            let described = tasks.of(&folder)?.profile().metrics;
            let cost = cost.map(|own| show(&own, described)).unwrap_or_default();
            format!("{}: {bytes} bytes\n{cost}", typed(&args.out))
        }
    };
    terminal::print(&text)?;
    Ok(Ending::Done)
}

/// Measures a model and its copy; `None`, with a note, where the data are missing.
fn measure(args: &Args, folder: &ModelFolder, tasks: Tasks) -> Result<Option<Cost>> {
    let site = args.compute.site()?;
    let data = data_folder(folder, args.data.folder()?.as_deref());
    let figures = |of: &Path| {
        let on = Split::Validation.into();
        tasks.evaluate(of, toml::Table::new(), &on, Some(&data), &site)
    };
    let before = match figures(folder.path()) {
        Ok(evaluation) => evaluation.metrics,
        Err(Error::Data(DataError::Missing { .. })) => {
            say(&format!(
                "note: the data of the training are missing, so the cost of int8 is not measured; \
                 refrain eval {} --data DIR measures it",
                typed(&args.out)
            ));
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let after = figures(&args.out)?.metrics;
    Ok(Some(Cost { before, after }))
}

/// A line for each figure of quality.
fn show(cost: &Cost, described: &[Metric]) -> String {
    let line = |own: &Metric| {
        let [before, after] = [&cost.before, &cost.after].map(|figures| figures.get(own.name));
        let (before, after) = (own.number(*before?), own.number(*after?));
        Some(format!(
            "validation {}: {before} before, {after} after\n",
            own.name
        ))
    };
    let quality = described.iter().filter(|own| own.better != Better::Neither);
    quality.filter_map(line).collect()
}
