//! A session of a model: input piece by piece, its state as bytes, and on from them, here or in another process.
//!
//!     cargo run --release -p refrain --example stream
//!
//! The example trains a small model of text first, which takes seconds. Models of sound are used in the same way, with
//! pieces of sound.

use refrain::store::Existing;
use refrain::tasks::{Out, Piece, Site, TASKS};
use refrain::train::Control;
use std::error::Error;

const RECIPE: &str = r#"
task = "language"
model = { hidden = 64 }
train = { epochs = 3 }
[data]
text = { from = "generated", seed = 1, characters = 60_000 }
vocabulary = { kind = "characters" }
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join("refrain-stream");
    let mut out = Out::new(&folder);
    out.existing = Existing::Replace;
    let (recipe, site) = (TASKS.read(RECIPE, &[], "stream")?, Site::default());
    TASKS.train(&recipe, &out, &site, &mut |_| Control::Continue)?;

    // One model for all sessions; each of them owns its state.
    let model = TASKS.load(&folder, Default::default(), &site)?;
    let mut session = model.clone().begin()?;
    for piece in ["Once ", "there was", " a "] {
        session.push(Piece::text(piece), &mut |_| Control::Continue)?;
    }

    // Ten pieces of the answer; then the receiver asks to stop, which pauses the session.
    let mut left = 10;
    session.finish(&mut |piece| {
        left -= 1;
        show(piece);
        if left == 0 {
            Control::Stop
        } else {
            Control::Continue
        }
    })?;
    let state = session.store()?;
    println!("\n({} bytes of state)", state.len());

    // Another process would load the same model and go on from the bytes. The text has the same bits as without a
    // pause.
    let mut session = model.restore(&state)?;
    session.finish(&mut show)?;
    println!();
    Ok(())
}

fn show(piece: Piece) -> Control {
    if let Piece::Text(text) = piece {
        print!("{}", text.text);
    }
    Control::Continue
}
