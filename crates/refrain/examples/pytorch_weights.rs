//! Parameters that PyTorch wrote with `safetensors.torch.save_model(torch.nn.LSTM(...), FILE)`, in a layer of Refrain.
//!
//!     cargo run --release -p refrain --example pytorch_weights -- FILE.safetensors
//!
//! Names, shapes and the order of gates are PyTorch's, so nothing is converted. Without a file, the example reads one
//! of the tests.

use refrain::burn::tensor::{Device, Tensor};
use refrain::files::tensors;
use refrain::layers::LstmConfig;
use refrain::params;
use std::error::Error;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let test = "tests/golden/torch/lstm.safetensors";
    let file = std::env::args().nth(1).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join(test),
        PathBuf::from,
    );
    let (parameters, _) = tensors::load(&file)?;

    // The sizes follow from the shapes: weight_ih_l0 is [4·H,C], weight_hh_l0 is [4·H,H].
    let shape = |name: &str| parameters.get(name).map(|own| own.shape.clone());
    let input = shape("weight_ih_l0").ok_or("the file holds no LSTM")?[1];
    let hidden = shape("weight_hh_l0").ok_or("the file holds no LSTM")?[1];
    let layers = (0..).take_while(|l| parameters.contains_key(&format!("weight_ih_l{l}")));
    let config = LstmConfig::new(input, hidden)
        .with_layers(layers.count())
        .with_bidirectional(parameters.contains_key("weight_ih_l0_reverse"));

    // A parameter that is missing, left over or of another shape is an error with its name.
    let device = Device::flex();
    let lstm = params::import(config.init(&device), &parameters)?;
    let (y, _) = lstm.forward(Tensor::<3>::ones([1, 3, input], &device), None)?;
    println!("C = {input}, H = {hidden}; the outputs of three steps of ones:\n{y}");

    // The way back: a file that `load_state_dict(safetensors.torch.load_file(FILE))` takes.
    let out = std::env::temp_dir().join("refrain-lstm.safetensors");
    tensors::save(
        &out,
        params::export(&lstm),
        ("made_by", "an example".into()),
    )?;
    println!("written to {}", out.display());
    Ok(())
}
