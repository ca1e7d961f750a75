//! Frames per second of the prefix beam search, one thread.
//!
//!     cargo run --release -p refrain-bench --bin beam_time -- [FRAMES] [WIDTH]
//!
//! 30 classes, made-up words of a made-up text, each letter one loud frame and two blanks among noise. Printed, not
//! judged.

use refrain_decode::Rng;
use refrain_decode::ctc::beam::{BeamConfig, BeamDecoder, BeamModels};
use refrain_decode::ngram::{Ngram, train};
use refrain_decode::text::{HotWord, Labels, Lexicon};
use std::sync::Arc;
use std::time::Instant;

const V: usize = 30;
const SPACE: usize = 1;
const RUNS: usize = 5;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|a| a.parse().ok());
    let frames = numbers.next().unwrap_or(3000);
    let width = numbers.next().unwrap_or(50);
    let mut rng = Rng::new(1);
    let words: Vec<String> = (0..5000).map(|_| word(&mut rng)).collect();
    let mut pick = || words[(rng.uniform() * rng.uniform() * 5000.0) as usize].as_str();
    let text: Vec<Vec<&str>> = (0..20_000)
        .map(|_| (0..10).map(|_| pick()).collect())
        .collect();
    let models = setups(&words, &text);
    let log_probs = sound(&text, frames, &mut rng);
    let limits = BeamConfig {
        width,
        ..BeamConfig::default()
    };
    for (limit, config) in [
        ("no pruning", BeamConfig::exhaustive(width)),
        ("default pruning", limits),
    ] {
        for (name, models) in &models {
            let decoder = BeamDecoder::new(labels(), config, models.clone()).unwrap();
            let run = |_| {
                let clock = Instant::now();
                decoder.decode(&log_probs, 1).unwrap();
                clock.elapsed().as_secs_f64()
            };
            let best = (0..RUNS).map(run).fold(f64::INFINITY, f64::min);
            println!(
                "K={width} {limit:16}{name:24}{:9.0} frames/s",
                frames as f64 / best
            );
        }
    }
}

fn word(rng: &mut Rng) -> String {
    let length = 2 + rng.next_u64() % 8;
    let mut letter = |_| char::from(b'a' + (rng.uniform() * rng.uniform() * 26.0) as u8);
    (0..length).map(&mut letter).collect()
}

fn labels() -> Labels {
    let mut texts = vec![String::new(); 2];
    texts.extend((b'a'..=b'z').map(|c| char::from(c).to_string()));
    texts.extend(["'", "-"].map(String::from));
    Labels::new(texts, 0, Some(SPACE as u32)).unwrap()
}

fn setups(words: &[String], text: &[Vec<&str>]) -> Vec<(&'static str, BeamModels)> {
    let clock = Instant::now();
    let lm = Arc::new(train(3, text.iter().map(|s| s.iter().copied())).unwrap());
    println!("trained {:?} in {:?}", lm.counts(), clock.elapsed());
    let spelled = |s: &Vec<&str>| s.join("▁").chars().map(String::from).collect();
    let spelled: Vec<Vec<String>> = text.iter().map(spelled).collect();
    let letters: Ngram = train(5, spelled.iter().map(|s| s.iter().map(String::as_str))).unwrap();
    let hot = |word: &String| HotWord {
        phrase: word.clone(),
        bonus: 2.0,
    };
    let (none, words_lm) = (BeamModels::default(), Some(lm));
    let open = BeamModels {
        words: words_lm.clone(),
        ..none.clone()
    };
    let closed = BeamModels {
        lexicon: Some(Arc::new(Lexicon::new(words.iter().map(String::as_str)))),
        ..open.clone()
    };
    let spelling = BeamModels {
        labels: Some(Arc::new(letters)),
        ..none.clone()
    };
    let all = BeamModels {
        labels: spelling.labels.clone(),
        hot_words: words.iter().take(100).map(hot).collect(),
        ..closed.clone()
    };
    vec![
        ("alone", none),
        ("words 3-gram", open),
        ("words 3-gram, lexicon", closed),
        ("letters 5-gram", spelling),
        ("all, 100 hot words", all),
    ]
}

/// `[T,V]`
fn sound(text: &[Vec<&str>], frames: usize, rng: &mut Rng) -> Vec<f32> {
    let letters = text.iter().flatten().flat_map(|word| {
        let letters = word.bytes().flat_map(|c| [usize::from(c - b'a') + 2, 0, 0]);
        letters.chain([SPACE, 0])
    });
    let mut log_probs = Vec::with_capacity(frames * V);
    for loud in letters.cycle().take(frames) {
        let mut scores: Vec<f64> = (0..V).map(|_| 4.0 * rng.uniform()).collect();
        scores[loud] += 5.0;
        let sum: f64 = scores.iter().map(|s| s.exp()).sum();
        log_probs.extend(scores.iter().map(|s| (s - sum.ln()) as f32));
    }
    log_probs
}
