//! Configurations of the side-by-side benchmark: names and sizes.

use anyhow::{Context, Result, bail};
use refrain::memory;
use refrain_kernels::Cell;
use serde::Deserialize;

/// Kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// A recurrent layer over whole sequences.
    Layer,
    /// One step at a time, batch 1.
    Stream,
    /// A training step of a language model.
    Lm,
}

/// Forward only, or forward and backward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Inference.
    Fwd,
    /// Forward pass, and the gradients of the sum of the outputs for weights and input.
    Train,
}

/// One configuration; the fields have the names of the line protocol.
#[derive(Clone, Debug, Deserialize)]
pub struct Config {
    pub task: Task,
    pub cell: String,
    #[serde(rename = "T")]
    pub time: usize,
    #[serde(rename = "B")]
    pub batch: usize,
    #[serde(rename = "I")]
    pub input: usize,
    #[serde(rename = "H")]
    pub hidden: usize,
    #[serde(rename = "L")]
    pub layers: usize,
    #[serde(default, rename = "bi")]
    pub bidirectional: bool,
    pub mode: Mode,
    pub threads: usize,
    /// Steps in one iteration of a stream.
    #[serde(default = "one")]
    pub inner: usize,
    #[serde(default, rename = "V")]
    pub vocabulary: usize,
    #[serde(default)]
    pub dropout: f64,
    #[serde(default = "f32_name")]
    pub dtype: String,
}

fn one() -> usize {
    1
}

fn f32_name() -> String {
    "f32".into()
}

impl Config {
    /// Reads a name such as `lstm-100x32x256x256-bi-train`.
    pub fn parse(name: &str, threads: usize) -> Result<Self> {
        let parts: Vec<&str> = name.split('-').collect();
        let config = match parts[..] {
            ["stream", cell, hidden] => Self::stream(cell, hidden.parse().ok(), threads),
            ["lm", ..] => Self::language_model(&parts[1..].join("-"), threads),
            [cell, sizes, ref options @ .., mode] => {
                Self::layer(cell, sizes, options, mode, threads)
            }
            _ => None,
        };
        config.with_context(|| {
            format!("`{name}` is not a configuration; `refrain bench --help` shows their form")
        })
    }

    fn new(
        task: Task,
        cell: &str,
        [time, batch, input, hidden]: [usize; 4],
        threads: usize,
    ) -> Self {
        Self {
            task,
            cell: cell.into(),
            time,
            batch,
            input,
            hidden,
            layers: 1,
            bidirectional: false,
            mode: Mode::Fwd,
            threads,
            inner: 1,
            vocabulary: 0,
            dropout: 0.0,
            dtype: f32_name(),
        }
    }

    fn layer(
        cell: &str,
        sizes: &str,
        options: &[&str],
        mode: &str,
        threads: usize,
    ) -> Option<Self> {
        let sizes: Vec<usize> = sizes
            .split('x')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        let mut config = Self::new(Task::Layer, cell, sizes.try_into().ok()?, threads);
        for option in options {
            match *option {
                "bi" => config.bidirectional = true,
                "l2" => config.layers = 2,
                _ => return None,
            }
        }
        config.mode = match mode {
            "fwd" => Mode::Fwd,
            "train" => Mode::Train,
            _ => return None,
        };
        config.cell().ok().map(|_| config)
    }

    fn stream(cell: &str, hidden: Option<usize>, threads: usize) -> Option<Self> {
        let hidden = hidden.filter(|&hidden| hidden > 0)?;
        let mut config = Self::new(Task::Stream, cell, [1, 1, hidden, hidden], threads);
        config.inner = (20_000 / hidden).max(5);
        config.cell().ok().map(|_| config)
    }

    fn language_model(name: &str, threads: usize) -> Option<Self> {
        let (vocabulary, hidden, layers, time, batch, dropout) = match name {
            "ptb-medium" => (10_000, 650, 2, 35, 20, 0.5),
            "ptb-small" => (10_000, 200, 2, 20, 20, 0.0),
            "char256" => (65, 256, 2, 50, 50, 0.0),
            "char512" => (65, 512, 3, 50, 50, 0.0),
            _ => return None,
        };
        let mut config = Self::new(Task::Lm, "lstm", [time, batch, hidden, hidden], threads);
        (config.layers, config.vocabulary, config.dropout) = (layers, vocabulary, dropout);
        config.mode = Mode::Train;
        Some(config)
    }

    /// The recurrence.
    pub fn cell(&self) -> Result<Cell> {
        Ok(match self.cell.as_str() {
            "rnn" => Cell::RnnTanh,
            "lstm" => Cell::Lstm,
            "gru" => Cell::Gru,
            other => bail!("`{other}` is not a cell; the cells are rnn, lstm and gru"),
        })
    }

    /// Refuses sizes that no memory here can hold, before any is taken.
    ///
    /// # Errors
    /// Such sizes, or more threads than a program can have.
    pub fn check(&self) -> Result<()> {
        const MOST_THREADS: usize = 1024;
        if self.threads > MOST_THREADS {
            bail!(
                "{} threads are asked for; {MOST_THREADS} are the most",
                self.threads
            );
        }
        Ok(memory::check(
            self.numbers()?,
            "a benchmark",
            "T, B, C, H or the number of layers",
        )?)
    }

    /// Numbers that an iteration holds, roughly: weights and values of all layers, twice as many with their gradients.
    fn numbers(&self) -> Result<usize> {
        let product =
            |factors: &[usize]| factors.iter().fold(1, |a: usize, b| a.saturating_mul(*b));
        let sum = |parts: &[usize]| parts.iter().fold(0, |a: usize, b| a.saturating_add(*b));
        let (gates, hidden) = (self.cell()?.gates(), self.hidden);
        let directions = 1 + usize::from(self.bidirectional);
        let rows = product(&[self.time, self.batch]);
        let layer = |input: usize| {
            let weights = product(&[gates, hidden, sum(&[input, hidden, 2])]);
            let values = product(&[rows, gates + 3, hidden]);
            product(&[directions, sum(&[weights, values])])
        };
        let others = self.layers.saturating_sub(1);
        let held = sum(&[
            product(&[rows, self.input]),
            layer(self.input),
            product(&[others, layer(product(&[directions, hidden]))]),
            product(&[self.vocabulary, sum(&[self.input, hidden, rows])]),
        ]);
        Ok(match self.mode {
            Mode::Fwd => held,
            Mode::Train => product(&[2, held]),
        })
    }

    /// Floating-point operations of the matrix products in one iteration (a multiply-add counts 2).
    pub fn flops(&self) -> f64 {
        let gates = self.cell().map_or(1, Cell::gates);
        let directions = 1 + usize::from(self.bidirectional);
        let rows = (self.time * self.batch) as f64;
        let mut input = self.input;
        let mut weights = 0;
        for _ in 0..self.layers {
            weights += directions * gates * self.hidden * (input + self.hidden);
            input = directions * self.hidden;
        }
        weights += self.hidden * self.vocabulary;
        let passes = if self.mode == Mode::Train { 3.0 } else { 1.0 };
        2.0 * rows * weights as f64 * passes
    }
}
