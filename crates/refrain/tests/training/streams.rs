//! Sounds that are stored, read back and heard side by side: the same bits as undisturbed.

use crate::support;
use crate::tones::{RATE, data, sing, train_with};
use burn::tensor::Device;
use proptest::prelude::*;
use proptest::sample::Index;
use refrain::Error;
use refrain::models::{
    AcousticModel, AcousticModelConfig, AcousticState, AcousticStream, CellKind, Chunks,
    Convolution,
};
use refrain::tasks::speech::{Heard, Listener, Loaded, SearchOptions};
use refrain::tasks::{Piece, Session, Sound, Use};
use refrain::train::Control;
use refrain_kernels::Precision;
use refrain_kernels::random::Key;
use refrain_sound::{load, resample};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::{env, fs};
use tempfile::TempDir;

/// Rate of the sounds: not that of the models, so that the resampler has a state.
const ODD: u32 = 11_025;
/// Names of the models: each kind that hears sounds.
const KINDS: [&str; 3] = ["whole", "stream", "chunks"];
/// The job of a child process: a folder with the files `model`, `search`, `state` and `rest`.
const JOB: &str = "REFRAIN_TEST_JOB";

/// A model of each kind, trained once.
fn models() -> &'static Path {
    static MODELS: OnceLock<TempDir> = OnceLock::new();
    let folder = MODELS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        data(folder.path());
        let running = "data.features.normalise=\"running\"";
        let chunks = "model.chunks={ left = 8, length = 16, right = 8 }";
        let stream = ["model.bidirectional=false", running, "data.augment={}"];
        let settings: [&[&str]; 3] = [&[], &stream, &[chunks, running, "data.augment={}"]];
        for (kind, settings) in KINDS.into_iter().zip(settings) {
            train_with(folder.path(), kind, settings, u64::MAX).unwrap();
        }
        folder
    });
    folder.path()
}

fn search(beam: bool) -> SearchOptions {
    match beam {
        false => SearchOptions::greedy(),
        true => SearchOptions {
            beam: Some(8),
            hot_words: vec!["cab".into()],
            ..SearchOptions::default()
        },
    }
}

/// The six pairs of a model and a search.
fn loaded() -> &'static [Arc<Loaded>] {
    static LOADED: OnceLock<Vec<Arc<Loaded>>> = OnceLock::new();
    LOADED.get_or_init(|| {
        let pairs = KINDS.iter().flat_map(|kind| [(kind, false), (kind, true)]);
        let open = |(kind, beam)| support::speech_with(&models().join(kind), search(beam));
        pairs.map(|pair| open(pair).unwrap()).collect()
    })
}

/// Utterances with pauses, other ones for another seed.
fn sound(seed: u64) -> Vec<f32> {
    let all = ["abc cab", "ca bab", "b", "acb bca cab"];
    let mut samples = Vec::new();
    for n in 0..3 {
        samples.extend(sing(all[(seed + n) as usize % all.len()]));
        let pause = 0.2 + Key::new(seed).uniform_f32(n);
        samples.resize(samples.len() + (pause * RATE as f32) as usize, 0.0);
    }
    resample(&samples, RATE, ODD).unwrap()
}

/// The pieces of a sound: of many sizes, some of them empty.
fn pieces(samples: &[f32], seed: u64) -> Vec<&[f32]> {
    let (key, mut rest, mut pieces) = (Key::new(seed), samples, Vec::new());
    while !rest.is_empty() {
        let draw = key.uniform_f32(pieces.len() as u64).powi(3);
        let length = ((draw * 9000.0) as usize).min(rest.len());
        let (piece, others) = rest.split_at(length);
        pieces.push(piece);
        rest = others;
    }
    pieces
}

/// Everything in an answer, with the bits of all numbers.
fn said(heard: &[Heard]) -> Vec<String> {
    let line = |heard: &Heard| match heard {
        Heard::Partial {
            stable,
            text,
            seconds,
        } => format!("{stable}|{text}|{}", seconds.to_bits()),
        Heard::Final(own) => serde_json::to_string(own).unwrap(),
    };
    heard.iter().map(line).collect()
}

fn finals(mut heard: Vec<Heard>) -> Vec<String> {
    heard.retain(|own| matches!(own, Heard::Final(_)));
    said(&heard)
}

fn begin(loaded: &Arc<Loaded>) -> Listener {
    loaded.listen(ODD).unwrap().with_alternatives(3)
}

fn hear(mut listener: Listener, pieces: &[&[f32]]) -> Vec<Heard> {
    let mut all = Vec::new();
    for piece in pieces {
        all.extend(listener.push(piece).unwrap());
    }
    all.extend(listener.finish().unwrap());
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_stored_sound_goes_on_with_the_same_bits(
        model in 0..6usize, seed in 0..8u64, sizes: u64, stops in prop::collection::vec(any::<Index>(), 1..4),
    ) {
        let (loaded, samples) = (&loaded()[model], sound(seed));
        let pieces = pieces(&samples, sizes);
        let whole = hear(begin(loaded), &pieces);
        prop_assert!(!whole.is_empty());
        let stops: Vec<usize> = stops.iter().map(|own| own.index(pieces.len())).collect();
        let (mut listener, mut parts) = (begin(loaded), Vec::new());
        for (number, piece) in pieces.iter().enumerate() {
            if stops.contains(&number) {
                let bytes = listener.state().unwrap();
                listener = Listener::restore(loaded.clone(), &bytes).unwrap();
                prop_assert_eq!(listener.state().unwrap(), bytes);
            }
            parts.extend(listener.push(piece).unwrap());
        }
        let bytes = listener.state().unwrap();
        let mut listener = Listener::restore(loaded.clone(), &bytes).unwrap();
        parts.extend(listener.finish().unwrap());
        prop_assert_eq!(said(&parts), said(&whole));
        // Finished utterances do not depend on the pieces at all.
        prop_assert_eq!(finals(parts), finals(hear(begin(loaded), &[&samples])));
    }

    #[test]
    fn sounds_side_by_side_have_the_bits_of_each_alone(
        sounds in prop::collection::vec((0..6usize, 0..8u64, 0..3u64), 1..10), stop: Index,
    ) {
        let models = loaded();
        let all: Vec<Vec<f32>> = sounds.iter().map(|own| sound(own.1)).collect();
        // Few kinds of pieces, so that many sounds fit into one step.
        let cut: Vec<Vec<&[f32]>> = all.iter().zip(&sounds).map(|(s, own)| pieces(s, own.2)).collect();
        let mut listeners: Vec<Listener> = sounds.iter().map(|own| begin(&models[own.0])).collect();
        let mut got = vec![Vec::new(); sounds.len()];
        let turns = cut.iter().map(Vec::len).max().unwrap_or(0);
        for turn in 0..turns {
            let own = listeners.iter_mut().zip(&cut);
            let own = own.map(|(own, cut)| (own, cut.get(turn).copied().unwrap_or_default()));
            let answers = Listener::push_many(&mut own.collect::<Vec<_>>()).unwrap();
            for ((got, heard), cut) in got.iter_mut().zip(answers).zip(&cut) {
                prop_assert!(heard.is_empty() || turn < cut.len());
                got.extend(heard);
            }
            if turn == stop.index(turns) {
                for (own, (model, ..)) in listeners.iter_mut().zip(&sounds) {
                    *own = Listener::restore(models[*model].clone(), &own.state().unwrap()).unwrap();
                }
            }
        }
        for (((mut own, mut got), cut), (model, ..)) in listeners.into_iter().zip(got).zip(&cut).zip(&sounds) {
            got.extend(own.finish().unwrap());
            prop_assert_eq!(said(&got), said(&hear(begin(&models[*model]), cut)));
        }
    }
}

/// Where the state begins in the bytes of a session: behind magic, version, task, fingerprint and checksum.
fn state_begins() -> usize {
    15 + (1 + env!("CARGO_PKG_VERSION").len()) + (1 + "speech".len()) + (1 + 64) + 32
}

/// Bytes with another state and the checksum that belongs to it.
fn forged(bytes: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let (header, state) = bytes.split_at(state_begins());
    let mut state = state.to_vec();
    change(&mut state);
    let mut forged = header[..header.len() - 32].to_vec();
    forged.extend(Sha256::digest(&state));
    forged.extend(state);
    forged
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_forged_state_gives_an_error_or_a_sound(
        model in 0..6usize, seed in 0..4u64, stop: Index,
        bytes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..6), cut in prop::option::of(any::<Index>()),
        early: bool,
    ) {
        let (loaded, samples) = (&loaded()[model], sound(seed));
        let mut listener = begin(loaded);
        listener.push(&samples[..stop.index(samples.len())]).unwrap();
        let good = listener.state().unwrap();
        let changed = forged(&good, |state| {
            let most = if early { state.len().min(64) } else { state.len() };
            for (at, byte) in &bytes {
                state[at.index(most)] = *byte;
            }
            if let Some(cut) = cut {
                state.truncate(cut.index(state.len()));
            }
        });
        match Listener::restore(loaded.clone(), &changed) {
            Ok(mut listener) => {
                let _ = listener.push(&samples[..4000]);
                let _ = listener.state();
                let _ = listener.finish();
            }
            Err(error) => prop_assert!(matches!(error, Error::State(_)), "{error}"),
        }
    }
}

#[test]
fn a_state_is_refused_with_its_reason() {
    let all = loaded();
    let mut listener = begin(&all[2]);
    listener.push(&sound(1)).unwrap();
    let bytes = listener.state().unwrap();
    let refused = |loaded: &Arc<Loaded>, bytes: &[u8]| {
        let error = Listener::restore(loaded.clone(), bytes).err().unwrap();
        assert!(matches!(error, Error::State(_)), "{error}");
        error.to_string()
    };
    // The same parameters with another search, and another model.
    for other in [&all[3], &all[0], &all[4]] {
        assert!(refused(other, &bytes).contains("other parameters or settings"));
    }
    let mut build = bytes.clone();
    build[16] ^= 1;
    assert!(refused(&all[2], &build).contains("version"));
    let mut damaged = bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(refused(&all[2], &damaged).contains("damaged"));
    assert!(refused(&all[2], b"RIFF").contains("no stored session"));
    assert!(refused(&all[2], &[]).contains("no stored session"));
    // The same model opened anew takes it.
    let again = support::speech_with(&models().join(KINDS[1]), search(false)).unwrap();
    assert!(Listener::restore(again, &bytes).is_ok());
}

/// Text and details that a session gives.
fn run(session: &mut dyn Session, samples: &[f32], end: bool) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut give = |piece: Piece| {
        let Piece::Text(text) = piece else {
            panic!("text is expected")
        };
        all.push((text.text, text.detail.unwrap().to_string()));
        Control::Continue
    };
    let (samples, rate) = (samples.to_vec(), ODD);
    session
        .push(Piece::Sound(Sound { samples, rate }), &mut give)
        .unwrap();
    if end {
        session.finish(&mut give).unwrap();
    }
    all
}

#[test]
fn sessions_of_any_model_are_stored_and_restored() {
    for loaded in loaded() {
        let samples = sound(2);
        let (first, second) = samples.split_at(samples.len() / 2);
        let mut whole = loaded.clone().begin().unwrap();
        let expected = [
            run(whole.as_mut(), first, false),
            run(whole.as_mut(), second, true),
        ];
        let fresh = loaded.clone().begin().unwrap().store().unwrap();
        let mut session = loaded.clone().restore(&fresh).unwrap();
        let begun = run(session.as_mut(), first, false);
        let mut session = loaded.clone().restore(&session.store().unwrap()).unwrap();
        assert_eq!([begun, run(session.as_mut(), second, true)], expected);
        assert!(Listener::restore(loaded.clone(), &fresh).is_err());
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let number = |own: &[u8]| f32::from_le_bytes(own.try_into().unwrap());
    bytes.chunks_exact(4).map(number).collect()
}

/// The other half of the next test.
#[test]
#[ignore = "runs in a child process of another test"]
fn a_child_process_goes_on() {
    let job = PathBuf::from(env::var(JOB).expect("a job"));
    let text = |name: &str| fs::read_to_string(job.join(name)).unwrap();
    let beam = text("search") == "beam";
    let loaded = support::speech_with(Path::new(&text("model")), search(beam)).unwrap();
    let listener = Listener::restore(loaded, &fs::read(job.join("state")).unwrap()).unwrap();
    let rest = floats(&fs::read(job.join("rest")).unwrap());
    let heard = hear(listener, &rest.chunks(5000).collect::<Vec<_>>());
    fs::write(job.join("heard"), said(&heard).join("\n")).unwrap();
}

/// The text that a child process finds in the rest of a sound.
fn in_a_child(model: &Path, beam: bool, state: &[u8], rest: &[f32]) -> Vec<String> {
    let job = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(job.path().join(name), bytes).unwrap();
    write("model", model.to_str().unwrap().as_bytes());
    write("search", if beam { b"beam" } else { b"best" });
    write("state", state);
    let bytes: Vec<u8> = rest.iter().flat_map(|x| x.to_le_bytes()).collect();
    write("rest", &bytes);
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "streams::a_child_process_goes_on", "--ignored"])
        .env(JOB, job.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let heard = fs::read_to_string(job.path().join("heard")).unwrap();
    heard.lines().map(str::to_string).collect()
}

/// Stops in the middle of a sound, and goes on here and in another process.
fn two_processes(model: &Path, beam: bool, samples: &[f32]) {
    let loaded = support::speech_with(model, search(beam)).unwrap();
    let (first, rest) = samples.split_at(samples.len() * 2 / 5);
    let mut listener = begin(&loaded);
    listener.push(first).unwrap();
    let state = listener.state().unwrap();
    let expected = said(&hear(listener, &rest.chunks(5000).collect::<Vec<_>>()));
    assert!(!expected.is_empty());
    assert_eq!(in_a_child(model, beam, &state, rest), expected);
}

#[test]
fn another_process_goes_on_with_the_same_bits() {
    for kind in KINDS {
        for beam in [false, true] {
            two_processes(&models().join(kind), beam, &sound(5));
        }
    }
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let sound = load(shipped.join("sample.wav")).unwrap();
    let samples = resample(&sound.samples, sound.rate, ODD).unwrap();
    two_processes(&shipped.join("english-stream"), true, &samples);
}

const WIDTH: usize = 5;

fn acoustic(cell: CellKind, chunks: bool, precision: Precision, seed: u64) -> AcousticModel {
    let convolution = |channels, kernel, stride| Convolution {
        channels,
        kernel,
        stride,
    };
    let config = AcousticModelConfig {
        convolutions: vec![convolution(7, 4, 2), convolution(6, 3, 1)],
        cell,
        hidden: 11,
        layers: 2,
        bidirectional: chunks,
        chunks: chunks.then_some(Chunks {
            left: 3,
            length: 4,
            right: 2,
        }),
        precision,
        ..AcousticModelConfig::default()
    };
    config.init([WIDTH, 9], seed, &Device::flex()).unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn scores_have_the_same_bits_alone_in_any_batch_and_from_a_state(
        seed: u64, cell in 0..3usize, chunks: bool, precision in 0..3usize,
        lengths in prop::collection::vec(prop::collection::vec(0..12usize, 4), 1..12), odd in prop::bool::weighted(0.3),
    ) {
        let cell = [CellKind::Lstm, CellKind::Gru, CellKind::Rnn][cell];
        let precision = [Precision::F32, Precision::Bf16, Precision::Int8][precision];
        let models = [seed, seed ^ 1].map(|seed| acoustic(cell, chunks, precision, seed).stream().unwrap());
        let key = Key::new(seed);
        let like = |n: usize| &models[usize::from(odd && n.is_multiple_of(3))];
        let piece = |n: usize, turn: usize| -> Vec<f32> {
            // Mostly the same number of frames for all.
            let count = if n.is_multiple_of(4) { lengths[n][turn] } else { lengths[0][turn] };
            (0..count * WIDTH).map(|i| key.fold(n as u64).fold(turn as u64).uniform_f32(i as u64) - 0.5).collect()
        };
        let mut streams: Vec<AcousticStream> = (0..lengths.len()).map(|n| like(n).clone()).collect();
        let mut together = vec![Vec::new(); lengths.len()];
        for turn in 0..4 {
            let frames: Vec<Vec<f32>> = (0..lengths.len()).map(|n| piece(n, turn)).collect();
            let mut all: Vec<(&mut AcousticStream, &[f32])> =
                streams.iter_mut().zip(&frames).map(|(s, f)| (s, f.as_slice())).collect();
            let answers = AcousticStream::push_many(&mut all).unwrap();
            for (together, own) in together.iter_mut().zip(answers) {
                together.extend(own);
            }
            for (n, own) in streams.iter_mut().enumerate() {
                let stored = postcard::to_stdvec(own.state()).unwrap();
                let state: AcousticState = postcard::from_bytes(&stored).unwrap();
                *own = AcousticStream::from_state(like(n), state).unwrap();
            }
        }
        for (n, (mut own, mut together)) in streams.into_iter().zip(together).enumerate() {
            together.extend(own.finish().unwrap());
            let whole: Vec<f32> = (0..4).flat_map(|turn| piece(n, turn)).collect();
            let mut alone = like(n).clone();
            let mut expected = alone.push(&whole).unwrap();
            expected.extend(alone.finish().unwrap());
            prop_assert_eq!(bits(&together), bits(&expected), "stream {}", n);
            prop_assert_eq!(own.state(), like(n).state());
        }
    }
}
