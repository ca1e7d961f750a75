//! A session of an ONNX model, token by token, with its state carried from run to run.
//!
//!     refrain export runs/stories --out stories.onnx
//!     cargo run --release -p refrain-onnx --example onnx_session -- stories.onnx
//!
//! The model has the inputs and outputs that [`refrain_onnx::export::language_model`] writes.

use refrain_onnx::{Array, Data, Dim, Model, Session};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args()
        .nth(1)
        .ok_or("a file is needed: MODEL.onnx")?;
    let model = Arc::new(Model::read(&std::fs::read(file)?)?);

    // The state before the first token is zeros, [1,B,H]; each state output goes to its input in the next run.
    let mut session = Session::new(model.clone());
    let mut state = BTreeMap::new();
    for port in model.inputs().filter(|port| port.name != "tokens") {
        let after = port.name.replacen('_', "_n_", 1);
        session.carry(&after, &port.name)?;
        let hidden = match port.shape.as_deref() {
            Some([.., Dim::Fixed(hidden)]) => *hidden,
            _ => return Err(format!("{} has no fixed size", port.name).into()),
        };
        state.insert(
            port.name.clone(),
            Array::floats(vec![1, 1, hidden], vec![0.0; hidden])?,
        );
    }
    session.set_state(state)?;

    // The likeliest token, fifty times. The state is plain data: `session.state()` can be kept and set again.
    let mut token = 1;
    for _ in 0..50 {
        let tokens = Array::new(vec![1, 1], Data::I64(vec![token]))?;
        let outputs = session.run(BTreeMap::from([("tokens".into(), tokens)]))?;
        let logits = outputs.iter().find(|(name, _)| name == "logits");
        let logits = logits
            .and_then(|(_, own)| own.as_f32())
            .ok_or("no logits")?;
        let best = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
        token = best.ok_or("no tokens")? as i64;
        print!("{token} ");
    }
    println!();
    Ok(())
}
