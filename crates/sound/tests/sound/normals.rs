//! Normalisation and deltas.

use crate::tools::{difference, golden_numbers, random};
use refrain_sound::{Gate, Running, SoundError, deltas, normalise, normalise_above, white_noise};

/// Mean and variance of each feature.
fn statistics(frames: &[f32], features: usize) -> Vec<(f32, f32)> {
    let time = (frames.len() / features) as f32;
    (0..features)
        .map(|feature| {
            let column = || frames.iter().skip(feature).step_by(features);
            let mean = column().sum::<f32>() / time;
            let variance = column().map(|x| (x - mean).powi(2)).sum::<f32>() / time;
            (mean, variance)
        })
        .collect()
}

#[test]
fn a_normalised_sound_has_mean_0_and_variance_1() {
    let noise = white_noise(300, &mut random(1));
    let mut frames: Vec<f32> = noise
        .iter()
        .enumerate()
        .map(|(i, x)| [100.0 + 3.0 * x, 0.1 * x, 5.0][i % 3])
        .collect();
    normalise(&mut frames, 3).unwrap();
    let statistics = statistics(&frames, 3);
    for (mean, variance) in &statistics[..2] {
        assert!(
            mean.abs() < 1e-4 && (variance - 1.0).abs() < 2e-3,
            "{statistics:?}"
        );
    }
    // A feature that never changes becomes 0.
    assert_eq!(statistics[2], (0.0, 0.0));
    let mut one = [3.0, 4.0];
    normalise(&mut one, 2).unwrap();
    assert_eq!(one, [0.0, 0.0]);
    normalise(&mut [], 2).unwrap();
    for features in [0, 2] {
        assert!(matches!(
            normalise(&mut [1.0], features),
            Err(SoundError::Shape { .. })
        ));
    }
}

#[test]
fn quiet_frames_need_not_count() {
    let voice = white_noise(60, &mut random(4));
    let mut alone = voice.clone();
    normalise(&mut alone, 3).unwrap();
    let mut both = [vec![-23.0; 30], voice, vec![f32::NAN; 3]].concat();
    normalise_above(&mut both, 3, -22.0).unwrap();
    assert_eq!(both[30..90], alone);
    assert!(both[..30].iter().all(|&x| x < -15.0));
    // Where no frame counts, all do.
    let (mut quiet, mut plain) = ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]);
    normalise_above(&mut quiet, 1, 10.0).unwrap();
    normalise(&mut plain, 1).unwrap();
    assert_eq!(quiet, plain);
}

#[test]
fn a_stream_is_normalised_by_its_past() {
    let (mean, variance, weight) = ([1.0f64, -2.0], [4.0f64, 0.5], 10.0f64);
    let frames = white_noise(200, &mut random(2));
    let mut running =
        Running::new(&mean.map(|x| x as f32), &variance.map(|x| x as f32), 10.0).unwrap();
    let mut out = frames.clone();
    running.push(&mut out).unwrap();
    for t in 1..=100 {
        for f in 0..2 {
            let d = || (0..t).map(|row| f64::from(frames[row * 2 + f]) - mean[f]);
            let total = weight + t as f64;
            let shift = d().sum::<f64>() / total;
            let spread =
                (weight * variance[f] + d().map(|d| d * d).sum::<f64>()) / total - shift * shift;
            let x = f64::from(frames[(t - 1) * 2 + f]);
            let expected = (x - mean[f] - shift) / (spread + 1e-5).sqrt();
            assert!((f64::from(out[(t - 1) * 2 + f]) - expected).abs() < 1e-5);
        }
    }
    // Pieces do not matter, nothing depends on later frames, and a stream can begin anew.
    running.reset();
    let mut again = frames.clone();
    for piece in again.chunks_mut(6) {
        running.push(piece).unwrap();
    }
    assert_eq!(again, out);
    running.reset();
    let mut broken = vec![f32::NAN, 0.0];
    broken.extend(&frames);
    running.push(&mut broken).unwrap();
    assert_eq!(broken[2..], out);
}

#[test]
fn a_prior_that_cannot_be_is_refused() {
    for (mean, variance, weight) in [
        (&[][..], &[][..], 1.0),
        (&[0.0], &[1.0, 1.0], 1.0),
        (&[0.0], &[-1.0], 1.0),
        (&[f32::NAN], &[1.0], 1.0),
        (&[0.0], &[1.0], 0.0),
        (&[0.0], &[1.0], f32::NAN),
    ] {
        assert!(matches!(
            Running::new(mean, variance, weight),
            Err(SoundError::Config { .. })
        ));
    }
    let mut running = Running::new(&[0.0; 2], &[1.0; 2], 1.0).unwrap();
    assert!(matches!(
        running.push(&mut [0.0; 3]),
        Err(SoundError::Shape { .. })
    ));
}

#[test]
fn deltas_are_those_of_torchaudio() {
    let expected = golden_numbers("deltas.f32");
    let frames: Vec<f32> = expected
        .chunks(12)
        .flat_map(|row| row[..4].to_vec())
        .collect();
    let apart = difference(&deltas(&frames, 4, 2).unwrap(), &expected);
    assert!(apart < 1e-5, "{apart}");
}

#[test]
fn deltas_of_a_line_are_its_slope() {
    let line: Vec<f32> = (0..20).map(|t| 3.0 * t as f32).collect();
    let out = deltas(&line, 1, 2).unwrap();
    for row in out.chunks(3).skip(4).take(12) {
        assert!((row[1] - 3.0).abs() < 1e-5 && row[2].abs() < 1e-5);
    }
    assert_eq!(deltas(&[5.0], 1, 2).unwrap(), [5.0, 0.0, 0.0]);
    assert!(deltas(&[], 3, 2).unwrap().is_empty());
    assert!(matches!(
        deltas(&[1.0], 1, 0),
        Err(SoundError::Config { .. })
    ));
    assert!(matches!(
        deltas(&[1.0], 2, 1),
        Err(SoundError::Shape { .. })
    ));
}

#[test]
fn a_pause_does_not_change_what_a_voice_is_normalised_by() {
    let mut gate = Gate::default();
    let heard: Vec<bool> = [-8.0, -5.0, -2.0, -6.9, -7.1, f32::NAN, -3.0]
        .iter()
        .map(|&level| gate.hears(&[level - 1.0, level + 1.0]))
        .collect();
    assert_eq!(heard, [true, true, true, true, false, false, true]);
    let mut deaf = Gate::above(-6.0);
    assert!(!deaf.hears(&[-7.0]) && deaf.hears(&[-6.0]) && deaf.hears(&[-2.0]));
    let voice: Vec<f32> = (0..200).map(|i| (i as f32 * 0.7).sin()).collect();
    let pause = vec![-20.0; 2 * 300];
    let after = |between: &[f32]| {
        let mut running = Running::new(&[0.5, -0.5], &[2.0, 1.0], 100.0).unwrap();
        running.push(&mut voice.clone()).unwrap();
        running.push(&mut between.to_vec()).unwrap();
        let mut again = voice.clone();
        running.push(&mut again).unwrap();
        again
    };
    assert_eq!(after(&pause), after(&[]));
}
