//! The line protocol of a side-by-side driver: one JSON object in, one out.
//!
//! `{"op":"setup","task":..,"cell":..,"T":..,..}` → `{"ok":true,"setup_s":..,"first_s":..}`.
//! `{"op":"run","seconds":..,"min_reps":..,"warm":..}` → `{"times":[..]}` in seconds per iteration (per step for a
//! stream).
//! `{"op":"peak","threads":..}` → `{"peak":..}`: floating-point operations per second of the best register tile in
//! `f32`.
//! `{"op":"exit"}` ends the worker. A failed request is answered by `{"error":".."}`.

use super::config::Config;
use super::work::{self, Work};
use anyhow::{Context, Result};
use refrain_kernels::Precision;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::time::Instant;

#[derive(Deserialize)]
struct Run {
    #[serde(default = "seconds")]
    seconds: f64,
    #[serde(default)]
    min_reps: usize,
    #[serde(default = "reps")]
    max_reps: usize,
    #[serde(default)]
    warm: usize,
}

fn seconds() -> f64 {
    0.3
}

fn reps() -> usize {
    1_000_000
}

/// Answers until `exit` or the end of standard input.
pub fn serve() -> Result<()> {
    let mut work = None;
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line.context("reading standard input")?;
        let message: Value = match serde_json::from_str(&line) {
            Ok(message) => message,
            Err(error) => json!({ "op": format!("(not JSON: {error})") }),
        };
        let answer = match message["op"].as_str() {
            Some("exit") => break,
            Some("setup") => setup(message, &mut work),
            Some("run") => run(message, work.as_mut()),
            Some("peak") => Ok(peak(&message)),
            other => Err(anyhow::anyhow!("unknown op {other:?}")),
        };
        let answer = answer.unwrap_or_else(|error| json!({ "error": format!("{error:#}") }));
        writeln!(out, "{answer}").context("writing to standard output")?;
        out.flush().context("writing to standard output")?;
    }
    Ok(())
}

fn setup(message: Value, work: &mut Option<Work>) -> Result<Value> {
    *work = None;
    let start = Instant::now();
    let config: Config = serde_json::from_value(message).context("reading the set-up")?;
    let mut ready = work::prepare(&config)?;
    let setup_s = start.elapsed().as_secs_f64();
    let first_s = ready.run();
    *work = Some(ready);
    Ok(json!({ "ok": true, "setup_s": setup_s, "first_s": first_s }))
}

fn peak(message: &Value) -> Value {
    let threads = message["threads"].as_u64().unwrap_or(1) as usize;
    json!({ "peak": refrain_kernels::peak(threads, Precision::F32) })
}

fn run(message: Value, work: Option<&mut Work>) -> Result<Value> {
    let work = work.context("nothing is set up yet")?;
    let run: Run = serde_json::from_value(message).context("reading the run")?;
    for _ in 0..run.warm {
        work.run();
    }
    let mut times = Vec::new();
    let start = Instant::now();
    while times.len() < run.max_reps
        && (times.len() < run.min_reps.max(1) || start.elapsed().as_secs_f64() < run.seconds)
    {
        times.push(work.run());
    }
    Ok(json!({ "times": times }))
}
