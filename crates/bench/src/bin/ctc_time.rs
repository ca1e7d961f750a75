//! Milliseconds of the CTC loss with its gradient, the median of 50.
//!
//!     cargo run --release -p refrain-bench --bin ctc_time -- B T V L THREADS

use refrain_kernels::Threads;
use refrain_kernels::ctc::{CtcBatch, ctc_loss};
use refrain_kernels::random::Key;
use std::error::Error;
use std::time::Instant;

#[global_allocator]
static MEMORY: refrain_kernels::allocator::Recycler = refrain_kernels::allocator::Recycler;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = std::env::args().skip(1).map(|argument| argument.parse());
    let arguments: Vec<usize> = arguments.collect::<Result<_, _>>()?;
    let [batch, time, vocabulary, labels, threads] = arguments[..] else {
        return Err("five numbers are needed: B T V L THREADS".into());
    };
    let key = Key::new(1);
    let logits: Vec<f32> = (0..batch * time * vocabulary)
        .map(|k| key.normal_f32(k as u64))
        .collect();
    let label = |k: usize| 1 + (key.uniform_f32(k as u64) * (vocabulary - 1) as f32) as u32;
    let targets: Vec<Vec<u32>> = (0..batch)
        .map(|b| (0..labels).map(|l| label(b * labels + l)).collect())
        .collect();
    let targets: Vec<&[u32]> = targets.iter().map(Vec::as_slice).collect();
    let case = CtcBatch {
        logits: &logits,
        time,
        vocabulary,
        lengths: None,
        targets: &targets,
        blank: 0,
    };
    let scale = vec![1.0; batch];
    let mut times = Vec::new();
    for _ in 0..50 {
        let start = Instant::now();
        Threads::new(threads).install(|| ctc_loss(&case, Some(&scale)))?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!("{:.3} ms", times[times.len() / 2]);
    Ok(())
}
