//! Runs models of the ONNX format without Burn: the smallest program around `refrain_onnx`.
//!
//! ```text
//! run_onnx operators                 the operators that are supported
//! run_onnx check MODEL               all that stands in the way of running a model
//! run_onnx run MODEL IN.npz OUT.npz  one run
//! run_onnx batch                     runs from standard input, one a line: MODEL, IN.npz and OUT.npz with tabs between
//! ```
//!
//! `batch` answers each line with `ok` or with `error` and the reason. `scripts/check-onnx-nodes` uses it.

use refrain_data::npz;
use refrain_onnx::{Model, operators};
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["operators"] => {
            for entry in operators() {
                let until = entry.until.map_or(String::new(), |last| last.to_string());
                println!(
                    "{}\t{}\t{}\t{until}\t{}",
                    entry.domain, entry.name, entry.since, entry.types
                );
            }
            Ok(())
        }
        ["check", model] => {
            for finding in Model::check_file(Path::new(model))? {
                println!("{finding}");
            }
            Ok(())
        }
        ["run", model, input, output] => run(model, input, output),
        ["batch"] => {
            let mut out = std::io::stdout().lock();
            for line in std::io::stdin().lock().lines() {
                let line = line?;
                let parts: Vec<&str> = line.split('\t').collect();
                let answer = match parts[..] {
                    [model, input, output] => run(model, input, output),
                    _ => Err("the line has not three parts".into()),
                };
                match answer {
                    Ok(()) => writeln!(out, "ok")?,
                    Err(error) => writeln!(out, "error {}", error.to_string().replace('\n', " "))?,
                }
                out.flush()?;
            }
            Ok(())
        }
        _ => {
            Err("usage: run_onnx operators | check MODEL | run MODEL IN.npz OUT.npz | batch".into())
        }
    }
}

fn run(model: &str, input: &str, output: &str) -> Result<(), Box<dyn Error>> {
    let model = Model::open(Path::new(model))?;
    let outputs = model.run(npz::read(&std::fs::read(input)?)?)?;
    std::fs::write(output, npz::write(&outputs)?)?;
    Ok(())
}
