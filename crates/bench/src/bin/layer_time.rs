//! Milliseconds of a layer, forward and forward + backward.
//!
//!     cargo run --release -p refrain-bench --bin layer_time -- T B C H rnn|gru|lstm THREADS [f32|bf16|int8 [fwd]]

use refrain_kernels::{
    Cell, Direction, Inputs, OutputGradients, Plan, Precision, Threads, Wanted, Weights, backward,
    forward,
};
use std::error::Error;
use std::time::Instant;

#[global_allocator]
static MEMORY: refrain_kernels::allocator::Recycler = refrain_kernels::allocator::Recycler;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let threads = number(&arguments, 5)?;
    Threads::new(threads).install(|| measure(&arguments))
}

fn number(arguments: &[String], place: usize) -> Result<usize, Box<dyn Error>> {
    let argument = arguments
        .get(place)
        .ok_or("six arguments are needed: T B C H CELL THREADS")?;
    argument
        .parse()
        .map_err(|e| format!("\"{argument}\": {e}").into())
}

fn measure(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let size = |place| number(arguments, place);
    let (time, batch, input, hidden) = (size(0)?, size(1)?, size(2)?, size(3)?);
    let cell = match arguments[4].as_str() {
        "rnn" => Cell::RnnTanh,
        "gru" => Cell::Gru,
        _ => Cell::Lstm,
    };
    let mut seed = 1u32;
    let mut values = |n: usize, scale: f32| -> Vec<f32> {
        (0..n)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((seed >> 8) as f32 / 8_388_608.0 - 1.0) * scale
            })
            .collect()
    };
    let (rows, scale) = (cell.gates() * hidden, 1.0 / (hidden as f32).sqrt());
    let x = values(batch * time * input, 1.0);
    let (w_ih, w_hh) = (values(rows * input, scale), values(rows * hidden, scale));
    let (b_ih, b_hh) = (values(rows, scale), values(rows, scale));
    let d_y = vec![1.0; batch * time * hidden];
    let weights = [Weights {
        w_ih: &w_ih,
        w_hh: &w_hh,
        b_ih: Some(&b_ih),
        b_hh: Some(&b_hh),
    }];
    let inputs = Inputs {
        x: &x,
        weights: &weights,
        h0: None,
        c0: None,
    };
    let plan = Plan {
        cell,
        batch,
        time,
        input,
        hidden,
        directions: &[Direction::Forward],
        lengths: None,
        precision: match arguments.get(6).map(String::as_str) {
            Some("bf16") => Precision::Bf16,
            Some("int8") => Precision::Int8,
            _ => Precision::F32,
        },
    };
    let d_out = OutputGradients {
        d_y: Some(&d_y),
        d_h_n: None,
        d_c_n: None,
    };
    let (mut best, start) = ([f64::MAX; 3], Instant::now());
    while start.elapsed().as_secs_f64() < 1.0 {
        let t = Instant::now();
        std::hint::black_box(forward(&plan, &inputs, false)?);
        best[0] = best[0].min(t.elapsed().as_secs_f64());
        if plan.precision == Precision::Int8 || arguments.get(7).is_some() {
            continue;
        }
        let t = Instant::now();
        let (out, reserve) = forward(&plan, &inputs, true)?;
        best[1] = best[1].min(t.elapsed().as_secs_f64());
        let reserve = reserve.ok_or("no reserve was kept")?;
        std::hint::black_box(backward(
            &plan,
            &inputs,
            &out.y,
            reserve,
            &d_out,
            &Wanted::ALL,
        )?);
        best[2] = best[2].min(t.elapsed().as_secs_f64());
    }
    let flops = 2.0 * (time * batch * rows * (input + hidden)) as f64;
    println!(
        "{:?} T={time} B={batch} C={input} H={hidden}: fwd {:.3} ms ({:.0} GFLOP/s), fwd keeping {:.3} ms, train {:.3} ms ({:.0} GFLOP/s)",
        cell,
        best[0] * 1e3,
        flops / best[0] / 1e9,
        best[1] * 1e3,
        best[2] * 1e3,
        3.0 * flops / best[2] / 1e9,
    );
    Ok(())
}
