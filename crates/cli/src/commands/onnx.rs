//! `refrain onnx`

use super::Cores;
use crate::Ending;
use crate::terminal;
use anyhow::{Context, Result};
use refrain::files::atomic;
use refrain_data::npz;
use refrain_onnx::{Array as Value, Finding, Model};
use std::path::{Path, PathBuf};

/// Run models in the ONNX format, which PyTorch, TensorFlow and other tools export
#[derive(Debug, clap::Parser)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Run(Run),
    Check(Check),
}

/// List all that stands in the way of running a model
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Names every operator, option, type and version that Refrain does not support,
with its node. Ends with 1 if there is any.

Example:
  refrain onnx check model.onnx")]
struct Check {
    /// Model file
    #[arg(value_name = "MODEL.onnx")]
    model: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Run a model once, on arrays from a file
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Supports RNN, GRU and LSTM with all options, and the operators that usually
accompany them (MatMul, Conv, Gather, If, Loop, Softmax and so on), opset 7 to
28. Constants may lie in files beside the model. An error names the operators
that are not supported; `refrain onnx check` lists everything else too.

Inputs and outputs are .npz archives of NumPy, with one array for each input
and output of the model, by its name:

  import numpy
  numpy.savez(\"in.npz\", X=numpy.zeros((10, 1, 40), dtype=numpy.float32))
  print(numpy.load(\"out.npz\")[\"Y\"])

Example:
  refrain onnx run model.onnx --input in.npz --output out.npz")]
struct Run {
    /// Model file
    #[arg(value_name = "MODEL.onnx")]
    model: PathBuf,

    /// Archive with an array for each of the model's inputs
    #[arg(long, short, value_name = "IN.npz")]
    input: PathBuf,

    /// Archive to write, with an array for each of the model's outputs
    #[arg(long, short, value_name = "OUT.npz")]
    output: PathBuf,

    /// Print names, types and shapes of the outputs as one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    cores: Cores,
}

/// Runs the command.
///
/// # Errors
/// A model or an archive that cannot be read or is not supported, or an archive that does not fit the model.
pub fn run(args: &Args) -> Result<Ending> {
    match &args.action {
        Action::Run(args) => run_once(args),
        Action::Check(args) => check(args),
    }
}

fn check(args: &Check) -> Result<Ending> {
    let findings =
        Model::check_file(&args.model).with_context(|| args.model.display().to_string())?;
    let text = match args.json {
        true => {
            let about = |finding: &Finding| {
                serde_json::json!({
                    "operator": finding.operator,
                    "place": finding.place,
                    "problem": finding.problem,
                })
            };
            let findings: Vec<_> = findings.iter().map(about).collect();
            format!("{}\n", serde_json::json!({ "findings": findings }))
        }
        false if findings.is_empty() => "everything in the model is supported\n".into(),
        false => findings
            .iter()
            .map(|finding| format!("{finding}\n"))
            .collect(),
    };
    terminal::print(&text)?;
    match findings.len() {
        0 => Ok(Ending::Done),
        count => anyhow::bail!("{}: {count} parts are not supported", args.model.display()),
    }
}

fn run_once(args: &Run) -> Result<Ending> {
    let site = args.cores.site();
    let model = Model::open(&args.model).with_context(|| args.model.display().to_string())?;
    let inputs =
        npz::read(&read(&args.input)?).with_context(|| args.input.display().to_string())?;
    let outputs = site
        .compute(|| model.run(inputs))
        .with_context(|| args.model.display().to_string())?;
    atomic::write(&args.output, &npz::write(&outputs)?)?;
    let text = match args.json {
        true => json(&outputs),
        false => describe(&outputs, &args.output),
    };
    terminal::print(&text)?;
    Ok(Ending::Done)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn json(outputs: &[(String, Value)]) -> String {
    let about = |(name, value): &(String, Value)| {
        serde_json::json!({
            "name": name,
            "dtype": value.dtype().to_string(),
            "shape": value.shape(),
        })
    };
    let outputs: Vec<_> = outputs.iter().map(about).collect();
    format!("{}\n", serde_json::json!({ "outputs": outputs }))
}

fn describe(outputs: &[(String, Value)], path: &Path) -> String {
    let line = |(name, value): &(String, Value)| {
        format!("{name:12} {} {:?}\n", value.dtype(), value.shape())
    };
    let lines: String = outputs.iter().map(line).collect();
    format!("{lines}written to {}\n", path.display())
}
