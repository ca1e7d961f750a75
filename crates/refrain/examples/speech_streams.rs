//! Many streams in one model: how fast steps are side by side, and one after the other.
//!
//! ```sh
//! cargo run --release -p refrain --example speech_streams -- models/english-stream models/sample.wav
//! ```
//!
//! Each stream gets 20 ms of sound at a time, as from a microphone. A step is such a piece in one stream.

use refrain::tasks::Site;
use refrain::tasks::speech::{Heard, Listener, SearchOptions, open};
use refrain_sound::load;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

/// Pieces per second of sound.
const PIECES: usize = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, model, sound] = arguments.as_slice() else {
        return Err("give a model folder and a sound file".into());
    };
    let site = Site::default();
    let loaded = open(Path::new(model), SearchOptions::greedy(), &site)?;
    let sound = load(sound)?;
    let piece = sound.rate as usize / PIECES;
    println!(
        "streams   side by side, steps/s   p50 ms   p99 ms   one after the other, steps/s   p50 ms   p99 ms"
    );
    for count in [1, 8, 64, 256] {
        let mut figures = Vec::new();
        let mut words = Vec::new();
        for together in [true, false] {
            let begun = (0..count).map(|_| Ok(loaded.listen(sound.rate)?.finals_only()));
            let mut streams = begun.collect::<Result<Vec<Listener>, refrain::Error>>()?;
            let mut heard = 0;
            let mut times = Vec::new();
            for samples in sound.samples.chunks(piece) {
                let began = Instant::now();
                let mut all: Vec<(&mut Listener, &[f32])> =
                    streams.iter_mut().map(|own| (own, samples)).collect();
                let answers = match together {
                    true => Listener::push_many(&mut all)?,
                    false => {
                        let alone = all.iter_mut().map(|(own, samples)| own.push(samples));
                        alone.collect::<Result<_, _>>()?
                    }
                };
                times.push(began.elapsed().as_secs_f64());
                heard += said(&answers);
            }
            for own in &mut streams {
                heard += said(&[own.finish()?]);
            }
            words.push(heard);
            figures.push(summary(times, count));
        }
        assert_eq!(words[0], words[1], "the words do not depend on the batch");
        let [a, b] = [&figures[0], &figures[1]];
        println!(
            "{count:7}   {:22.0}   {:6.2}   {:6.2}   {:28.0}   {:6.2}   {:6.2}",
            a[0], a[1], a[2], b[0], b[1], b[2]
        );
    }
    Ok(())
}

/// Words of finished utterances.
fn said(answers: &[Vec<Heard>]) -> usize {
    let words = |heard: &Heard| match heard {
        Heard::Final(transcript) => transcript.words.len(),
        Heard::Partial { .. } => 0,
    };
    answers.iter().flatten().map(words).sum()
}

/// Steps per second of all streams, and the times of a step of all in ms: the median, and 99 of 100.
fn summary(mut times: Vec<f64>, count: usize) -> [f64; 3] {
    let all: f64 = times.iter().sum();
    let steps = (times.len() * count) as f64;
    times.sort_by(f64::total_cmp);
    let at = |share: f64| 1000.0 * times[((times.len() - 1) as f64 * share) as usize];
    [steps / all, at(0.5), at(0.99)]
}
