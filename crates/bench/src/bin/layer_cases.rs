//! Runs the recurrent stacks of a file and writes their outputs and gradients: `scripts/fuzz_torch.py` compares them
//! with PyTorch's.
//!
//!     cargo run --release -p refrain-bench --bin layer_cases -- IN.safetensors OUT.safetensors
//!
//! Each tensor is named `CASE/NAME`; crates/refrain/tests/golden/README.md lists the names.

#[path = "../../../refrain/tests/layers/case.rs"]
mod case;

use refrain::files::tensors;
use refrain::params::NamedTensor;
use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = &args[..] else {
        return Err("two files are needed: IN.safetensors OUT.safetensors".into());
    };
    let (all, _) = tensors::load(Path::new(from))?;
    let names: BTreeSet<&str> = all
        .keys()
        .filter_map(|name| name.split('/').next())
        .collect();
    let mut out = Vec::new();
    for name in names {
        let results = case::run(name, &case::below(&all, name))?;
        out.extend(results.into_values().map(|tensor| NamedTensor {
            name: format!("{name}/{}", tensor.name),
            ..tensor
        }));
    }
    tensors::save(Path::new(to), out, ("made_by", "layer_cases".into()))?;
    Ok(())
}
