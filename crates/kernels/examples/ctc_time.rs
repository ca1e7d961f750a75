//! `ctc_time B T V L threads`: milliseconds for the CTC loss with its gradient.

use refrain_kernels::Threads;
use refrain_kernels::ctc::{CtcBatch, ctc_loss};
use refrain_kernels::random::Key;
use std::time::Instant;

#[global_allocator]
static MEMORY: refrain_kernels::allocator::Recycler = refrain_kernels::allocator::Recycler;

fn main() {
    let arguments: Vec<usize> = std::env::args()
        .skip(1)
        .map(|argument| argument.parse().expect("a number"))
        .collect();
    let [batch, time, vocabulary, labels, threads] = arguments[..] else {
        panic!("B T V L threads")
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
    let mut times: Vec<f64> = (0..50)
        .map(|_| {
            let start = Instant::now();
            Threads::new(threads)
                .install(|| ctc_loss(&case, Some(&scale)))
                .expect("sizes that fit");
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{:.3} ms", times[times.len() / 2]);
}
