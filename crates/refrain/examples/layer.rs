//! An LSTM layer on a batch: forward, loss and gradients.
//!
//!     cargo run --release -p refrain --example layer

use refrain::burn::tensor::{Device, Distribution, Tensor};
use refrain::layers::{LstmConfig, Options};
use refrain::params;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    // Three sequences of up to five steps with four features, B = 3, T = 5, C = 4. Gradients need an autodiff device.
    let device = Device::flex().autodiff();
    let x = Tensor::<3>::random([3, 5, 4], Distribution::Default, &device);

    // Two layers of eight units that read in both directions; the parameters follow from the seed.
    let lstm = LstmConfig::new(4, 8)
        .with_layers(2)
        .with_bidirectional(true)
        .with_seed(1)
        .init(&device);

    // The second sequence has two steps. Its outputs after them are zeros.
    let options = Options {
        lengths: Some(vec![5, 2, 4]),
        ..Options::default()
    };
    let (y, state) = lstm.forward_with(x, options)?;
    println!("y: {:?} (B, T, D·H)", y.dims());
    for (layer, own) in state.layers.iter().enumerate() {
        println!("layer {layer}: h {:?} (D, B, H)", own.h.dims());
    }

    // One gradient for each parameter, by PyTorch's names.
    let loss = (y.clone() * y).mean();
    for gradient in params::gradients(&lstm, &loss) {
        let squares: f32 = gradient.as_slice().iter().map(|g| g * g).sum();
        println!("{:24} norm {:.6}", gradient.name, squares.sqrt());
    }
    Ok(())
}
