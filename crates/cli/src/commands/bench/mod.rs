//! `refrain bench`: speed of the layers on this machine, for people and for a side-by-side driver.

mod config;
mod work;
mod worker;

use super::Precision;
use crate::terminal;
use anyhow::{Context, Result};
use clap::Parser;
use config::Config;
use refrain_kernels::Threads;
use refrain_kernels::allocator::{most_in_use, restart_count};
use std::time::Instant;

/// Measure the recurrent layers and a language model step on this machine
#[derive(Debug, Parser)]
#[command(after_help = "\
Configurations:
  {rnn|lstm|gru}-{T}x{B}x{C}x{H}[-bi][-l2]-{fwd|train}   a layer: T steps, B sequences, C features, H units
  stream-{rnn|lstm|gru}-{H}                              one step at a time, batch 1 (time per step)
  lm-{ptb-small|ptb-medium|char256|char512}              a training step of a whole language model

Examples:
  refrain bench
  refrain bench lstm-100x32x256x256-train --threads 1
  refrain bench lstm-100x64x512x512-fwd --precision bf16
  refrain bench --worker      # JSON lines on standard input and output, for a driver that times engines in turn")]
pub struct Args {
    /// Configurations to measure; without any, a selection of all
    #[arg(value_name = "CONFIG")]
    configs: Vec<String>,

    /// Threads to use [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    #[command(flatten)]
    precision: Precision,

    /// Seconds to spend on each configuration
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = super::positive)]
    seconds: f64,

    /// Print one JSON object per configuration instead of a table
    #[arg(long)]
    json: bool,

    /// Answer JSON lines on standard input: {"op":"setup",..}, {"op":"run",..}, {"op":"exit"}
    #[arg(long, conflicts_with_all = ["configs", "json"])]
    worker: bool,
}

const SELECTION: [&str; 10] = [
    "rnn-100x32x256x256-fwd",
    "gru-100x32x256x256-fwd",
    "lstm-100x32x256x256-fwd",
    "rnn-100x32x256x256-train",
    "gru-100x32x256x256-train",
    "lstm-100x32x256x256-train",
    "lstm-100x32x256x256-bi-train",
    "stream-lstm-256",
    "lm-char256",
    "lm-ptb-small",
];

/// Runs the command.
///
/// # Errors
/// An unknown configuration, or standard input that ends early.
pub fn run(args: Args) -> Result<()> {
    if args.worker {
        return worker::serve();
    }
    let threads = args
        .threads
        .map_or_else(Threads::all, |n| Threads::new(n.into()))
        .count();
    let everything = args.configs.is_empty();
    let precision = args.precision.get().unwrap_or_default();
    let trains = precision != refrain_kernels::Precision::Int8;
    let names: Vec<String> = match everything {
        true => SELECTION
            .into_iter()
            .filter(|name| trains || name.ends_with("-fwd") || name.starts_with("stream"))
            .map(String::from)
            .collect(),
        false => args.configs,
    };
    let configs = names.iter().map(|name| {
        let mut config = Config::parse(name, threads)?;
        config.dtype = args.precision.name().into();
        let checked = config.check();
        checked.with_context(|| format!("measuring {name}"))?;
        Ok(config)
    });
    let configs = configs.collect::<Result<Vec<_>>>()?;
    // Speed of the best register tile: an upper bound for the products.
    let peak = refrain_kernels::peak(threads, precision);
    if !args.json {
        terminal::print(&format!(
            "{threads} threads, {}: at best {:.0} GFLOP/s\n{:32} {:>12} {:>12} {:>9} {:>8}\n",
            refrain_kernels::simd_level(),
            peak / 1e9,
            "configuration",
            "median",
            "best",
            "GFLOP/s",
            "of best",
        ))?;
    }
    for (name, config) in names.iter().zip(&configs) {
        let times = measure(config, args.seconds).with_context(|| format!("measuring {name}"))?;
        let row = match args.json {
            true => as_json(name, config, &times, peak),
            false => as_row(name, config, &times, peak),
        };
        terminal::print(&row)?;
    }
    if everything && trains && !args.json {
        growth(threads, args.seconds)?;
        memory(threads)?;
    }
    Ok(())
}

/// A JSON object of a measured configuration, with its sorted `times` in seconds; `peak` is in operations a second.
fn as_json(name: &str, config: &Config, times: &[f64], peak: f64) -> String {
    let median = times[times.len() / 2];
    let rate = config.flops() / median;
    let object = serde_json::json!({
        "config": name, "threads": config.threads, "median_s": median, "min_s": times[0],
        "n": times.len(), "gflops": rate / 1e9, "share_of_peak": rate / peak,
    });
    format!("{object}\n")
}

/// A row of the table, as [`as_json`].
fn as_row(name: &str, config: &Config, times: &[f64], peak: f64) -> String {
    let median = times[times.len() / 2];
    let rate = config.flops() / median;
    format!(
        "{name:32} {:>12} {:>12} {:9.1} {:7.0}%\n",
        duration(median),
        duration(times[0]),
        rate / 1e9,
        100.0 * rate / peak,
    )
}

/// Prints the growth of time with the length of a sequence. Linear growth gives 4.
fn growth(threads: usize, seconds: f64) -> Result<()> {
    for (mode, label) in [("fwd", "forward"), ("train", "forward + backward")] {
        let names = [100, 400].map(|time| format!("lstm-{time}x32x256x256-{mode}"));
        let mut works = Vec::new();
        for name in &names {
            works.push(work::prepare(&Config::parse(name, threads)?)?);
        }
        let mut times = [Vec::new(), Vec::new()];
        let start = Instant::now();
        while times[1].len() < 3 || start.elapsed().as_secs_f64() < seconds {
            for (work, times) in works.iter_mut().zip(&mut times) {
                times.push(work.run());
            }
        }
        let [short, long] = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        });
        terminal::print(&format!(
            "time at 4T over time at T, {label}: {:.2}\n",
            long / short
        ))?;
    }
    Ok(())
}

/// Prints the memory of a training step beside the minimum it needs.
fn memory(threads: usize) -> Result<()> {
    let name = "lstm-100x64x512x512-train";
    let config = Config::parse(name, threads)?;
    let mut work = work::prepare(&config)?;
    work.run();
    restart_count();
    work.run();
    let rows = config.time * config.batch;
    let weights = 4 * config.hidden * (config.input + config.hidden);
    // x, y and their gradients, gates and cells once each. The weights packed for both passes, and their gradients.
    let values = rows * (2 * config.input + 7 * config.hidden) + 3 * weights;
    let megabytes = |bytes: usize| bytes as f64 / 1e6;
    terminal::print(&format!(
        "memory of {name}: {:.0} MB; inputs, outputs, their gradients, gates and cells once, \
         weights three times: {:.0} MB\n",
        megabytes(most_in_use()),
        megabytes(4 * values),
    ))?;
    Ok(())
}

/// Seconds per iteration, sorted.
fn measure(config: &Config, seconds: f64) -> Result<Vec<f64>> {
    let mut work = work::prepare(config)?;
    work.run();
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < 3 || start.elapsed().as_secs_f64() < seconds {
        times.push(work.run());
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.2} µs", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}
