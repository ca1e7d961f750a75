//! Streams that are stored and read back go on to the same bits.

use crate::tools::{difference, pieces, random};
use proptest::prelude::*;
use refrain_sound::{
    Gate, GateState, LogMel, MelConfig, MelState, MelStream, Resampler, ResamplerState, Running,
    RunningState, Segment, Segmenter, SegmenterState, SoundError, white_noise,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// To bytes and back.
fn stored<T: Serialize + DeserializeOwned>(state: &T) -> T {
    serde_json::from_slice(&serde_json::to_vec(state).unwrap()).unwrap()
}

const SEGMENT: f64 = 1.0;

fn mel() -> LogMel {
    let config = MelConfig {
        rate: 8_000,
        mels: 20,
        ..MelConfig::default()
    };
    LogMel::new(&config).unwrap()
}

fn running() -> Running {
    let running = Running::new(&[-8.0; 20], &[4.0; 20], 100.0).unwrap();
    running.above(1e-10f32.ln() + 1.0)
}

fn gate() -> Gate {
    Gate::above(-20.0)
}

/// All that follows the samples of a speech stream.
struct Chain {
    rate: u32,
    resampler: Resampler,
    mel: MelStream,
    gate: Gate,
    running: Running,
    segmenter: Segmenter,
    out: Output,
}

/// The output of a chain.
#[derive(Default, Debug, PartialEq)]
struct Output {
    samples: Vec<u32>,
    heard: Vec<bool>,
    frames: Vec<u32>,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ChainState {
    resampler: ResamplerState,
    mel: MelState,
    gate: GateState,
    running: RunningState,
    segmenter: SegmenterState,
}

impl Chain {
    fn new(rate: u32) -> Self {
        Self {
            rate,
            resampler: Resampler::new(rate, 8_000).unwrap(),
            mel: mel().stream(),
            gate: gate(),
            running: running(),
            segmenter: Segmenter::new(8_000, SEGMENT).unwrap(),
            out: Output::default(),
        }
    }

    fn state(&self) -> ChainState {
        ChainState {
            resampler: self.resampler.state(),
            mel: self.mel.state(),
            gate: self.gate.state(),
            running: self.running.state(),
            segmenter: self.segmenter.state(),
        }
    }

    fn from_state(rate: u32, state: ChainState) -> Result<Self, SoundError> {
        Ok(Self {
            rate,
            resampler: Resampler::from_state(rate, 8_000, state.resampler)?,
            mel: MelStream::from_state(&mel(), state.mel)?,
            gate: Gate::from_state(gate(), state.gate)?,
            running: Running::from_state(running(), state.running)?,
            segmenter: Segmenter::from_state(8_000, SEGMENT, state.segmenter)?,
            out: Output::default(),
        })
    }

    /// The same chain, after it was stored and read back.
    fn again(self) -> Self {
        let mut again = Self::from_state(self.rate, stored(&self.state())).unwrap();
        again.out = self.out;
        again
    }

    fn push(&mut self, samples: &[f32]) {
        let samples = self.resampler.push(samples).unwrap();
        self.hear(&samples);
    }

    fn hear(&mut self, samples: &[f32]) {
        let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        self.out.samples.extend(bits(samples));
        let mut frames = self.mel.push(samples);
        let heard = frames.chunks(20).map(|frame| self.gate.hears(frame));
        self.out.heard.extend(heard.collect::<Vec<_>>());
        self.running.push(&mut frames).unwrap();
        self.out.frames.extend(bits(&frames));
        self.out.segments.extend(self.segmenter.push(samples));
    }

    fn finish(mut self) -> Output {
        let last = self.resampler.finish().unwrap();
        self.hear(&last);
        self.out.segments.extend(self.segmenter.finish());
        self.out
    }
}

/// Noise that is loud, quiet, silent and no number in turn.
fn sound(length: usize, seed: u64) -> Vec<f32> {
    let mut samples = white_noise(length, &mut random(seed));
    for (i, x) in samples.iter_mut().enumerate() {
        match i / 2_500 % 4 {
            0 => *x *= 0.2,
            1 => *x *= 0.001,
            2 => *x = 0.0,
            _ if i % 100 == 0 => *x = f32::NAN,
            _ => {}
        }
    }
    samples
}

const RATES: [u32; 5] = [8_000, 16_000, 44_100, 11_025, 7_999];

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stored_chain_goes_on_to_the_same_bits(
        rate in prop::sample::select(&RATES[..]),
        length in 0..60_000usize,
        seed in any::<u64>(),
        stores in prop::collection::vec(any::<bool>(), 1..8),
    ) {
        let samples = sound(length, seed);
        let mut whole = Chain::new(rate);
        whole.push(&samples);
        let whole = whole.finish();
        let mut chain = Chain::new(rate);
        for (piece, &store) in pieces(&samples, seed).into_iter().zip(stores.iter().cycle()) {
            chain.push(piece);
            if store {
                chain = chain.again();
            }
        }
        prop_assert!(chain.again().finish() == whole);
    }

    #[test]
    fn forged_states_are_refused_or_run(
        rate in prop::sample::select(&RATES[..]),
        length in 0..20_000usize,
        seed in any::<u64>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), forged()), 1..4),
    ) {
        let mut chain = Chain::new(rate);
        chain.push(&sound(length, seed));
        let mut json = serde_json::to_value(chain.state()).unwrap();
        for (place, change) in &changes {
            apply(&mut json, *place, change);
        }
        let Ok(state) = serde_json::from_value::<ChainState>(json) else {
            return Ok(());
        };
        // The other rates see states that are not theirs.
        for rate in RATES {
            if let Ok(mut chain) = Chain::from_state(rate, state.clone()) {
                chain.push(&sound(3_000, seed));
                let output = chain.finish();
                prop_assert!(output.samples.len() < 100_000);
            }
        }
    }
}

/// A change of a value somewhere in a state.
#[derive(Clone, Debug)]
enum Change {
    Number(serde_json::Value),
    Longer(usize),
    Shorter(usize),
}

fn forged() -> impl Strategy<Value = Change> {
    let numbers = prop_oneof![
        Just(serde_json::json!(0)),
        Just(serde_json::json!(1)),
        Just(serde_json::json!(-1)),
        Just(serde_json::json!(u64::MAX)),
        Just(serde_json::json!(1u64 << 53)),
        Just(serde_json::json!(1e38)),
        Just(serde_json::json!(-1e300)),
        Just(serde_json::Value::Null),
        any::<u64>().prop_map(|x| serde_json::json!(x)),
        any::<f64>().prop_map(|x| serde_json::json!(x)),
    ];
    prop_oneof![
        3 => numbers.prop_map(Change::Number),
        1 => (1..30_000usize).prop_map(Change::Longer),
        1 => (0..30_000usize).prop_map(Change::Shorter),
    ]
}

/// Changes one of the values.
fn apply(json: &mut serde_json::Value, place: prop::sample::Index, change: &Change) {
    use serde_json::Value;
    // Fields first, so that those of long lists are not hidden by their elements.
    let mut fields = Vec::new();
    for (part, own) in json.as_object().unwrap() {
        for field in own.as_object().unwrap().keys() {
            fields.push(format!("/{part}/{field}"));
        }
    }
    let name: &String = place.get(&fields);
    let field = json.pointer_mut(name).unwrap();
    match (field, change) {
        (Value::Array(list), Change::Longer(count)) => list.extend(vec![Value::from(0.5); *count]),
        (Value::Array(list), Change::Shorter(count)) => list.truncate(*count),
        (Value::Array(list), Change::Number(number)) if !list.is_empty() => {
            let place = place.index(list.len());
            list[place] = match &list[place] {
                Value::Array(_) => serde_json::json!([number, number]),
                _ => number.clone(),
            };
        }
        (field, Change::Number(number)) => *field = number.clone(),
        _ => {}
    }
}

/// A stream of each type in the middle of things.
fn begun() -> Chain {
    let mut chain = Chain::new(16_000);
    chain.push(&sound(9_999, 3));
    chain
}

#[test]
fn states_that_no_stream_can_have_are_refused() {
    let refused = |change: fn(&mut ChainState)| {
        let mut state = begun().state();
        change(&mut state);
        match Chain::from_state(16_000, state) {
            Err(SoundError::State { reason, .. }) => assert!(!reason.is_empty()),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("taken"),
        }
    };
    refused(|s| s.resampler.pushed += 1);
    refused(|s| s.resampler.pushed = u64::MAX);
    refused(|s| s.resampler.last.push(0.0));
    refused(|s| s.resampler.last.clear());
    refused(|s| s.resampler.waiting[0] = f32::NAN);
    refused(|s| s.resampler.waiting[0] = 1e10);
    refused(|s| s.resampler.waiting.extend([0.0; 4_096]));
    refused(|s| s.mel.waiting.extend([0.0; 512]));
    refused(|s| s.mel.waiting[0] = f32::INFINITY);
    refused(|s| s.mel.skip = 1);
    refused(|s| s.gate.loudest = Some(f32::NAN));
    refused(|s| s.running.frames = u64::MAX);
    refused(|s| s.running.sums.push([0.0; 2]));
    refused(|s| s.running.sums[0][0] = f64::NAN);
    refused(|s| s.running.sums[0][1] = -1.0);
    refused(|s| s.running.gate.loudest = Some(f32::INFINITY));
    refused(|s| s.segmenter.begin = u64::MAX);
    refused(|s| s.segmenter.samples.extend([0.0; 8_000]));
    refused(|s| s.segmenter.samples.push(f32::NAN));
}

#[test]
fn states_are_small() {
    let chain = begun();
    let state = chain.state();
    assert!(state.resampler.last.len() <= 1_024 && state.resampler.waiting.len() < 1_024);
    assert!(state.mel.waiting.len() < 256);
    assert!(state.segmenter.samples.len() <= 8_000);
    // The first state is that of a stream of which nothing came.
    let new = Chain::new(44_100).state();
    assert_eq!(new.resampler, ResamplerState::default());
    assert_eq!(
        (new.mel, new.gate),
        (MelState::default(), GateState::default())
    );
    assert_eq!(new.segmenter, SegmenterState::default());
}

#[test]
fn frames_with_gaps_are_stored_too() {
    let config = MelConfig {
        hop_ms: 50.0,
        ..MelConfig::default()
    };
    let mel = LogMel::new(&config).unwrap();
    let samples = white_noise(20_000, &mut random(3));
    let whole = mel.frames(&samples);
    let (mut stream, mut frames, mut skipped) = (mel.stream(), Vec::new(), false);
    for piece in pieces(&samples, 5) {
        frames.extend(stream.push(piece));
        let state = stored(&stream.state());
        skipped |= state.skip > 0;
        stream = MelStream::from_state(&mel, state).unwrap();
    }
    assert!(skipped && frames == whole);
}

#[test]
fn digital_silence_is_not_part_of_a_voice() {
    let mel = mel();
    let voice = sound(2_000, 1);
    let silent = [vec![0.0; 8_000], voice.clone()].concat();
    // How far a second of digital silence before it moves a voice.
    let moved = |running: Running| {
        let normal = |samples: &[f32]| {
            let mut frames = mel.frames(samples);
            running.clone().push(&mut frames).unwrap();
            frames
        };
        let (alone, later) = (normal(&voice), normal(&silent));
        difference(&later[later.len() - alone.len()..], &alone)
    };
    let plain = Running::new(&[-8.0; 20], &[4.0; 20], 100.0).unwrap();
    let (without, with) = (moved(plain), moved(running()));
    assert!(with < 0.5 * without, "{with} and {without}");
}
