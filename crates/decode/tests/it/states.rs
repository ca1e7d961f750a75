//! Searches stored as bytes and read back go on with the same bits; forged states give an error or a search, never a
//! panic.

use crate::tools::{config, letters, models, random_frames};
use proptest::prelude::*;
use refrain_decode::Rng;
use refrain_decode::ctc::beam::{
    BeamConfig, BeamDecoder, BeamModels, BeamSearch, BeamState, Hypothesis,
};
use refrain_decode::ctc::greedy::{GreedySearch, GreedyState};
use refrain_decode::text::{HotWord, Lexicon};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const V: usize = 5;

/// A decoder over the blank, the space, a, b and c; each bit of `flags` gives it something to go by.
fn decoder(flags: u8, width: usize) -> BeamDecoder {
    let (words, labels) = models();
    let lexicon = Lexicon::new(["a", "b", "ab", "ba", "cab", "c"]);
    let hot = [("ab", 3.0), ("b a", 1.5), ("cab", -0.5)];
    let hot = hot.map(|(phrase, bonus)| HotWord {
        phrase: phrase.into(),
        bonus,
    });
    let models = BeamModels {
        words: (flags & 1 > 0).then_some(words),
        labels: (flags & 2 > 0).then_some(labels),
        lexicon: (flags & 4 > 0).then(|| Arc::new(lexicon)),
        hot_words: if flags & 8 > 0 {
            hot.into()
        } else {
            Vec::new()
        },
    };
    let config = BeamConfig {
        word_bonus: 0.7,
        unknown_bonus: -0.3,
        ..match flags & 16 > 0 {
            true => BeamConfig::exhaustive(width),
            false => BeamConfig {
                width,
                ..BeamConfig::default()
            },
        }
    };
    BeamDecoder::new(letters(V), config, models).unwrap()
}

fn stored(search: &BeamSearch) -> Vec<u8> {
    postcard::to_stdvec(&search.state()).unwrap()
}

fn read(decoder: &BeamDecoder, bytes: &[u8]) -> Option<BeamSearch> {
    let state: BeamState = postcard::from_bytes(bytes).ok()?;
    decoder.resume(state).ok()
}

/// Everything that a search says, with the bits of its scores.
fn said(search: &BeamSearch) -> (Vec<Hypothesis>, Vec<u64>, usize, usize) {
    let all = search.end(usize::MAX);
    let bits = all.iter().map(|h| h.score.to_bits()).collect();
    (all, bits, search.stable(0).len(), search.frames())
}

/// The layout of a state, all of it open to forgery; the format does not tell it from a [`BeamState`].
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Forged {
    frames: u64,
    prefixes: Vec<[u32; 2]>,
    spans: Vec<Span>,
    beam: Vec<(u32, f64, f64, Track, Track)>,
}

type Span = (u64, u64, f64, u32);
type Track = (f64, Span);

fn pick<T>(all: &mut [T], at: usize) -> Option<&mut T> {
    let at = at.checked_rem(all.len())?;
    all.get_mut(at)
}

impl Forged {
    fn twist(&mut self, what: u8, at: usize, number: u32, real: f64) -> Option<()> {
        let span = |span: &mut Span| match at % 4 {
            0 => span.0 = number.into(),
            1 => span.1 = number.into(),
            2 => span.2 = real,
            _ => span.3 = number,
        };
        match what {
            0 => self.frames = number.into(),
            1 => self.frames = u64::MAX - u64::from(number),
            2 => pick(&mut self.prefixes, at)?[0] = number,
            3 => pick(&mut self.prefixes, at)?[1] = number,
            4 => span(pick(&mut self.spans, at / 4)?),
            5 => span(&mut pick(&mut self.beam, at / 4)?.3.1),
            6 => span(&mut pick(&mut self.beam, at / 4)?.4.1),
            7 => pick(&mut self.beam, at)?.0 = number,
            8 => pick(&mut self.beam, at)?.1 = real,
            9 => pick(&mut self.beam, at)?.2 = real,
            10 => pick(&mut self.beam, at)?.3.0 = real,
            11 => self.beam.push(*self.beam.get(at)?),
            12 => self.beam.clear(),
            13 => self.prefixes.truncate(at),
            14 => self.prefixes.push([number, at as u32]),
            _ => self.spans.truncate(at),
        }
        Some(())
    }
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..40u32, 1 => any::<u32>(), 1 => Just(u32::MAX)]
}

fn real() -> impl Strategy<Value = f64> {
    prop_oneof![2 => -30f64..1.0, 1 => prop::num::f64::ANY, 1 => Just(f64::NEG_INFINITY), 1 => Just(f64::MAX)]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_beam_search_goes_on_from_its_bytes(
        seed: u64, frames in 0usize..120, stop in 0f64..=1.0, flags in 0u8..32, width in 1usize..9,
    ) {
        let log_probs = random_frames(frames, V, 6.0, &mut Rng::new(seed));
        let stop = (stop * frames as f64) as usize;
        let (before, after) = log_probs.split_at(stop * V);
        let decoder = decoder(flags, width);
        let mut whole = decoder.begin();
        for frame in before.chunks(V) {
            let _ = whole.step(frame);
        }
        let bytes = stored(&whole);
        let mut resumed = read(&decoder, &bytes).expect("its own state");
        prop_assert_eq!(stored(&resumed), bytes);
        prop_assert_eq!(said(&resumed), said(&whole));
        for frame in after.chunks(V) {
            prop_assert_eq!(resumed.step(frame), whole.step(frame));
            prop_assert_eq!(said(&resumed), said(&whole));
        }
    }

    #[test]
    fn a_best_path_goes_on_from_its_bytes(seed: u64, frames in 0usize..60, stop in 0f64..=1.0) {
        let mut log_probs = random_frames(frames, V, 6.0, &mut Rng::new(seed));
        // A path of probability 0 is a path, too.
        if seed.is_multiple_of(5) {
            log_probs.iter_mut().take(V).for_each(|p| *p = f32::NEG_INFINITY);
        }
        let stop = (stop * frames as f64) as usize;
        let mut whole = GreedySearch::new(V, 0);
        log_probs[..stop * V].chunks(V).for_each(|frame| whole.step(frame).unwrap());
        let bytes = postcard::to_stdvec(&whole.state()).unwrap();
        let state: GreedyState = postcard::from_bytes(&bytes).unwrap();
        let mut resumed = GreedySearch::from_state(V, 0, state).unwrap();
        for frame in log_probs[stop * V..].chunks(V) {
            resumed.step(frame).unwrap();
            whole.step(frame).unwrap();
        }
        prop_assert_eq!(resumed.end(), whole.end());
        prop_assert_eq!(resumed.state(), whole.state());
    }

    #[test]
    fn forged_states_do_not_panic(
        seed: u64, frames in 0usize..40, flags in 0u8..32, width in 1usize..6,
        twists in prop::collection::vec((0u8..16, 0usize..64, number(), real()), 1..4),
        bytes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let log_probs = random_frames(frames + 6, V, 6.0, &mut Rng::new(seed));
        let decoder = decoder(flags, width);
        let mut search = decoder.begin();
        for frame in log_probs.chunks(V).take(frames) {
            let _ = search.step(frame);
        }
        let mut forged: Forged = postcard::from_bytes(&stored(&search)).unwrap();
        for &(what, at, number, real) in &twists {
            let _ = forged.twist(what, at, number, real);
        }
        let mut changed = postcard::to_stdvec(&forged).unwrap();
        for (at, byte) in &bytes {
            let at = at.index(changed.len());
            changed[at] = *byte;
        }
        if let Some(mut search) = read(&decoder, &changed) {
            for frame in log_probs.chunks(V).skip(frames) {
                let _ = (search.step(frame), search.end(3), search.stable(1));
            }
            let _ = search.state();
        }
    }

    #[test]
    fn forged_best_paths_do_not_panic(
        seed: u64, frames in 0usize..40,
        bytes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let log_probs = random_frames(frames + 3, V, 6.0, &mut Rng::new(seed));
        let mut search = GreedySearch::new(V, 0);
        log_probs.chunks(V).take(frames).for_each(|frame| search.step(frame).unwrap());
        let mut changed = postcard::to_stdvec(&search.state()).unwrap();
        for (at, byte) in &bytes {
            let at = at.index(changed.len());
            changed[at] = *byte;
        }
        let state: Result<GreedyState, _> = postcard::from_bytes(&changed);
        if let Some(mut search) = state.ok().and_then(|s| GreedySearch::from_state(V, 0, s).ok()) {
            for frame in log_probs.chunks(V).skip(frames) {
                let _ = (search.step(frame), search.end());
            }
        }
    }
}

/// A change, and words of the error about it.
type Case = (fn(&mut Forged), &'static str);

#[test]
fn contradictions_are_refused_with_their_reason() {
    let decoder = decoder(4, 4);
    let mut search = decoder.begin();
    for frame in random_frames(12, V, 6.0, &mut Rng::new(3)).chunks(V) {
        search.step(frame).unwrap();
    }
    let good: Forged = postcard::from_bytes(&stored(&search)).unwrap();
    assert!(good.prefixes.len() > 3 && good.beam.len() > 1);
    let refused = |change: fn(&mut Forged)| {
        let mut forged = good.clone();
        change(&mut forged);
        let state = postcard::from_bytes(&postcard::to_stdvec(&forged).unwrap()).unwrap();
        decoder.resume(state).unwrap_err().to_string()
    };
    let cases: [Case; 10] = [
        (|s| s.frames = 1 << 50, "frames are more"),
        (|s| s.frames = 3, "does not follow"),
        (|s| s.prefixes[1][0] = 9, "before its parent"),
        (|s| s.prefixes[0][1] = 0, "no label"),
        (|s| s.prefixes.push(s.prefixes[0]), "there twice"),
        (|s| s.beam.clear(), "no beam"),
        (|s| s.beam[1].0 = s.beam[0].0, "beam twice"),
        (|s| s.beam[0].1 = f64::NAN, "no logarithm"),
        (|s| s.beam[0].3.1.3 = u32::MAX, "do not fit"),
        (|s| s.prefixes = vec![[0, 4], [1, 4]], "leaves the lexicon"),
    ];
    for (change, words) in cases {
        let error = refused(change);
        assert!(
            error.contains(words) && error.contains("beam search"),
            "{words}: {error}"
        );
    }
}
