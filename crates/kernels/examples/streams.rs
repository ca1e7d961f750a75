//! Many streams of one LSTM: a batched step of all of them beside one stream after the other, with the same bits.
//!
//! `cargo run --release -p refrain-kernels --example streams -- [--hidden 512] [--layers 2] [--threads 2]
//! [--precision f32|bf16|int8] [--streams 1,8,64,256] [--rounds N]`
//!
//! A *step* is one step of one stream through all layers; a *round* is one step of every stream. Times of a round are
//! in milliseconds.

use refrain_kernels::random::Key;
use refrain_kernels::{
    Cell, KernelError, Precision, StepScratch, StepState, StepWeights, Threads, Weights,
};
use std::error::Error;
use std::time::Instant;

#[global_allocator]
static MEMORY: refrain_kernels::allocator::Recycler = refrain_kernels::allocator::Recycler;

struct Options {
    hidden: usize,
    layers: usize,
    threads: usize,
    precision: Precision,
    streams: Vec<usize>,
    rounds: Option<usize>,
}

impl Options {
    fn read(arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut options = Self {
            hidden: 512,
            layers: 2,
            threads: 2,
            precision: Precision::F32,
            streams: vec![1, 8, 64, 256],
            rounds: None,
        };
        let mut arguments = arguments;
        while let Some(name) = arguments.next() {
            let value = arguments
                .next()
                .ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--hidden" => options.hidden = value.parse()?,
                "--layers" => options.layers = value.parse()?,
                "--threads" => options.threads = value.parse()?,
                "--rounds" => options.rounds = Some(value.parse()?),
                "--streams" => {
                    options.streams = value.split(',').map(str::parse).collect::<Result<_, _>>()?;
                }
                "--precision" => {
                    options.precision = match value.as_str() {
                        "f32" => Precision::F32,
                        "bf16" => Precision::Bf16,
                        "int8" => Precision::Int8,
                        _ => return Err("--precision is f32, bf16 or int8".into()),
                    };
                }
                _ => return Err(format!("unknown argument {name}").into()),
            }
        }
        Ok(options)
    }
}

/// The layers, and a stream's state in each of them.
struct Model(Vec<StepWeights>);
type Stream = Vec<StepState>;

impl Model {
    fn random(options: &Options) -> Result<Self, KernelError> {
        let (hidden, rows) = (options.hidden, Cell::Lstm.gates() * options.hidden);
        let scale = 1.0 / (hidden as f32).sqrt();
        let layer = |layer: usize| {
            let values = |key: Key, n: usize| -> Vec<f32> {
                (0..n as u64)
                    .map(|i| (2.0 * key.uniform_f32(i) - 1.0) * scale)
                    .collect()
            };
            let key = |part: usize| Key::new((4 * layer + part) as u64);
            let (w_ih, w_hh) = (values(key(0), rows * hidden), values(key(1), rows * hidden));
            let bias = values(key(2), rows);
            let weights = Weights {
                w_ih: &w_ih,
                w_hh: &w_hh,
                b_ih: Some(&bias),
                b_hh: None,
            };
            StepWeights::new(Cell::Lstm, options.precision, hidden, hidden, &weights)
        };
        (0..options.layers)
            .map(layer)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn streams(&self, count: usize) -> Vec<Stream> {
        let new = |_| self.0.iter().map(StepWeights::zeros).collect();
        (0..count).map(new).collect()
    }

    /// One step of each stream, whose inputs `[C]` stand side by side.
    fn step(
        &self,
        streams: &mut [Stream],
        inputs: &[f32],
        scratch: &mut StepScratch,
    ) -> Result<(), KernelError> {
        for (layer, weights) in self.0.iter().enumerate() {
            let inputs = inputs.chunks(weights.input());
            let mut rows: Vec<(&[f32], &mut StepState)> = streams
                .iter_mut()
                .zip(inputs)
                .map(|(stream, input)| match stream[..=layer].split_last_mut() {
                    Some((own, [.., below])) => (&below.h[..], own),
                    Some((own, [])) => (input, own),
                    None => unreachable!("a stream has a state in every layer"),
                })
                .collect();
            weights.step_many(&mut rows, scratch)?;
        }
        Ok(())
    }
}

/// Milliseconds of each round.
struct Rounds(Vec<f64>);

impl Rounds {
    fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[(sorted.len() - 1) * percent / 100]
    }

    fn steps_per_second(&self, streams: usize) -> f64 {
        (streams * self.0.len()) as f64 / self.0.iter().sum::<f64>() * 1e3
    }
}

/// Times rounds over `streams`; some before them are not counted.
fn measure(
    rounds: usize,
    inputs: &[f32],
    mut round: impl FnMut(&[f32]) -> Result<(), KernelError>,
) -> Result<Rounds, KernelError> {
    const WARM_UP: usize = 5;
    let mut times = Vec::with_capacity(rounds);
    for i in 0..WARM_UP + rounds {
        let start = Instant::now();
        round(inputs)?;
        if i >= WARM_UP {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(Rounds(times))
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read(std::env::args().skip(1))?;
    let model = Model::random(&options)?;
    println!(
        "LSTM, {} x {} units, {:?} on {}, {} threads",
        options.layers,
        options.hidden,
        options.precision,
        refrain_kernels::simd_level(),
        options.threads,
    );
    println!(
        "{:>7}  {:>12} {:>9} {:>9}   {:>12} {:>9} {:>9}  {:>6}",
        "streams", "batched/s", "p50 ms", "p99 ms", "one by one/s", "p50 ms", "p99 ms", "gain"
    );
    for &count in &options.streams {
        let rounds = options
            .rounds
            .unwrap_or((4096 / count.max(1)).clamp(100, 1000));
        let key = Key::new(99);
        let inputs: Vec<f32> = (0..(count * options.hidden) as u64)
            .map(|i| 2.0 * key.uniform_f32(i) - 1.0)
            .collect();
        let mut scratch = StepScratch::default();
        let (mut batched, mut alone) = (model.streams(count), model.streams(count));
        let [together, in_turn] = Threads::new(options.threads).install(|| {
            let together = measure(rounds, &inputs, |inputs| {
                model.step(&mut batched, inputs, &mut scratch)
            })?;
            let in_turn = measure(rounds, &inputs, |inputs| {
                let inputs = inputs.chunks(options.hidden.max(1));
                alone
                    .chunks_mut(1)
                    .zip(inputs)
                    .try_for_each(|(stream, input)| model.step(stream, input, &mut scratch))
            })?;
            Ok::<_, KernelError>([together, in_turn])
        })?;
        let bits = |streams: &[Stream]| -> Vec<u32> {
            let states = streams.iter().flatten();
            let values = states.flat_map(|state| state.h.iter().chain(&state.c));
            values.map(|value| value.to_bits()).collect()
        };
        assert_eq!(bits(&batched), bits(&alone), "the same bits");
        let [fast, slow] = [&together, &in_turn].map(|rounds| rounds.steps_per_second(count));
        println!(
            "{count:>7}  {fast:>12.0} {:>9.3} {:>9.3}   {slow:>12.0} {:>9.3} {:>9.3}  {:>5.1}x",
            together.percentile(50),
            together.percentile(99),
            in_turn.percentile(50),
            in_turn.percentile(99),
            fast / slow,
        );
    }
    Ok(())
}
