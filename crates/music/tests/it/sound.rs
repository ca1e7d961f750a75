use crate::{note, score};
use refrain_music::{Limits, MusicError, Score, SynthConfig, Tempo, Timbre, render};
use std::f64::consts::TAU;

const TIMBRES: [Timbre; 3] = [Timbre::Piano, Timbre::Organ, Timbre::Plucked];

fn sound(score: &Score, timbre: Timbre) -> Vec<f32> {
    let config = SynthConfig {
        timbre,
        ..SynthConfig::default()
    };
    render(score, &config).expect("a sound")
}

/// Magnitude of one frequency in a part of a sound, with a Hann window.
fn magnitude(samples: &[f32], hertz: f64, rate: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    let count = samples.len() as f64;
    for (n, &sample) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * (TAU * n as f64 / count).cos();
        let turn = TAU * hertz * n as f64 / rate;
        re += window * f64::from(sample) * turn.cos();
        im += window * f64::from(sample) * turn.sin();
    }
    re.hypot(im) / count
}

#[test]
fn notes_sound_at_their_pitches_and_times() {
    // A4 for half a second, then A5.
    let song = score(vec![note(0, 480, 69, 0), note(480, 480, 81, 0)]);
    for timbre in TIMBRES {
        let samples = sound(&song, timbre);
        assert!((samples.len() as f64 / 22_050.0 - 1.3).abs() < 0.01);
        let (one, two) = (&samples[2000..9000], &samples[16_000..21_000]);
        let at = |part, hertz| magnitude(part, hertz, 22_050.0);
        assert!(at(one, 440.0) > 10.0 * at(one, 466.2), "{timbre:?}");
        assert!(at(two, 880.0) > 10.0 * at(two, 440.0), "{timbre:?}");
        let end = &samples[samples.len() - 200..];
        assert!(end.iter().all(|s| s.abs() < 0.01), "{timbre:?}");
    }
}

#[test]
fn high_notes_have_no_aliases() {
    // C8 has one partial below half of the rate at 22,050 Hz, and its aliases would be in between.
    let song = score(vec![note(0, 1920, 108, 0)]);
    for timbre in TIMBRES {
        let samples = sound(&song, timbre);
        let part = &samples[500..6000];
        let base = 4186.01;
        let tone = magnitude(part, base, 22_050.0);
        assert!(tone > 1e-3, "{timbre:?} {tone}");
        for k in 3..24 {
            let alias = (base * f64::from(k)).rem_euclid(22_050.0);
            let alias = alias.min(22_050.0 - alias);
            if (alias - base).abs() > 300.0 && (alias - 2.0 * base).abs() > 300.0 {
                let leak = magnitude(part, alias, 22_050.0);
                assert!(leak < tone * 2e-3, "{timbre:?} {k} {leak} {tone}");
            }
        }
    }
}

#[test]
fn nothing_clips_and_the_bits_are_the_same() {
    let loud = (30..110)
        .map(|pitch| refrain_music::Note {
            velocity: 127,
            ..note(0, 960, pitch, 0)
        })
        .collect();
    let song = score(loud);
    for timbre in TIMBRES {
        let samples = sound(&song, timbre);
        let peak = samples.iter().fold(0f32, |peak, s| peak.max(s.abs()));
        assert!((0.5..=0.8901).contains(&peak), "{timbre:?} {peak}");
        assert_eq!(samples, sound(&song, timbre));
    }
    let soft = score(vec![refrain_music::Note {
        velocity: 1,
        ..note(0, 480, 60, 0)
    }]);
    assert!(sound(&soft, Timbre::Piano).iter().all(|s| s.abs() < 0.01));
    assert!(sound(&score(vec![]), Timbre::Piano).is_empty());
    for pitch in [0, 1, 126, 127] {
        let samples = sound(&score(vec![note(0, 480, pitch, 0)]), Timbre::Plucked);
        assert!(samples.iter().all(|s| s.is_finite() && s.abs() <= 0.9));
    }
}

#[test]
fn long_music_is_refused_before_memory_is_taken() {
    let mut long = score(vec![note(0, 1 << 27, 60, 0)]);
    long.set_tempos(vec![Tempo::of(0, 4.0)]);
    assert!(matches!(
        render(&long, &SynthConfig::default()),
        Err(MusicError::Large {
            unit: "seconds",
            ..
        })
    ));
    let many = score((0..2000).map(|i| note(i, 480 * 3000, 60, 0)).collect());
    let refused = render(&many, &SynthConfig::default());
    assert!(
        matches!(
            refused,
            Err(MusicError::Large {
                unit: "seconds of notes",
                ..
            })
        ),
        "{refused:?}"
    );
    let limits = Limits {
        notes: 1,
        ..Limits::default()
    };
    assert!(
        render(
            &score(vec![note(0, 1, 60, 0), note(0, 1, 61, 0)]),
            &SynthConfig {
                limits,
                ..SynthConfig::default()
            }
        )
        .is_err()
    );
    assert!(
        render(
            &score(vec![]),
            &SynthConfig {
                rate: 100,
                ..SynthConfig::default()
            }
        )
        .is_err()
    );
}
