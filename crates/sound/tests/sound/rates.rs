//! Resampling.

use crate::tools::{difference, level, pieces, tone};
use refrain_sound::{Resampler, SoundError, resample, speed};

#[test]
fn a_tone_keeps_its_place_in_time() {
    for (from, to) in [
        (44_100, 16_000),
        (16_000, 44_100),
        (48_000, 16_000),
        (8_000, 16_000),
        (96_000, 8_000),
        (22_050, 16_000),
        (16_000, 15_999),
        (16_000, 16_000),
        (384_000, 1_000),
    ] {
        let count = from as usize;
        let hertz = 0.02 * f64::from(from.min(to));
        let output = resample(&tone(hertz, from, count, 0.5), from, to).unwrap();
        let expected = tone(hertz, to, output.len(), 0.5);
        // The sound begins and ends at once; at its edges the resampler rings.
        let edge = output.len() / 8;
        let inside = edge..output.len() - edge;
        let apart = difference(&output[inside.clone()], &expected[inside]);
        assert!(apart < 1e-4, "{from} to {to}: {apart}");
    }
}

#[test]
fn frequencies_beyond_the_lower_rate_are_removed() {
    let output = resample(&tone(9_000.0, 44_100, 44_100, 0.5), 44_100, 16_000).unwrap();
    assert!(level(&output[2_000..14_000]) < 1e-4);
    let output = resample(&tone(7_500.0, 44_100, 44_100, 0.5), 44_100, 16_000).unwrap();
    assert!((level(&output[2_000..14_000]) - 0.5f32 / 2f32.sqrt()).abs() < 1e-2);
}

#[test]
fn lengths_are_rounded_and_pieces_do_not_matter() {
    for (from, to) in [
        (44_100, 16_000),
        (8_000, 16_000),
        (16_000, 16_000),
        (11_025, 48_000),
    ] {
        for count in [0, 1, 2, 3, 63, 64, 441, 1_023, 1_024, 1_025, 20_000] {
            let samples = tone(300.0, from, count, 0.7);
            let whole = resample(&samples, from, to).unwrap();
            let wanted = count as f64 * f64::from(to) / f64::from(from);
            assert_eq!(
                whole.len(),
                wanted.round() as usize,
                "{count}: {from} to {to}"
            );
            let mut resampler = Resampler::new(from, to).unwrap();
            // The second time it must be as new.
            for seed in 0..2 {
                let mut output = Vec::new();
                for piece in pieces(&samples, seed) {
                    output.extend(resampler.push(piece).unwrap());
                }
                output.extend(resampler.finish().unwrap());
                assert!(output == whole, "{count}: {from} to {to}");
            }
        }
    }
}

#[test]
fn samples_that_are_nan_count_as_0() {
    let mut samples = tone(300.0, 44_100, 44_100, 0.5);
    samples[100] = f32::NAN;
    samples[101] = f32::INFINITY;
    let output = resample(&samples, 44_100, 16_000).unwrap();
    assert!(output.iter().all(|x| x.is_finite() && x.abs() < 1.0));
    assert_eq!(
        resample(&[f32::NAN, 0.5], 8_000, 8_000).unwrap(),
        [0.0, 0.5]
    );
}

#[test]
fn absurd_rates_are_refused() {
    for (from, to) in [
        (0, 16_000),
        (16_000, 0),
        (999, 16_000),
        (u32::MAX, 16_000),
        (16_000, 384_001),
    ] {
        assert!(matches!(
            resample(&[0.0], from, to),
            Err(SoundError::Rate { .. })
        ));
    }
    // The largest transform that the limits allow.
    assert_eq!(
        resample(&[0.0; 1_000], 383_999, 384_000).unwrap().len(),
        1_000
    );
}

#[test]
fn a_faster_sound_is_shorter_and_higher() {
    let samples = tone(400.0, 16_000, 16_000, 0.5);
    for factor in [0.9, 1.0, 1.1, 2.0] {
        let output = speed(&samples, factor).unwrap();
        assert_eq!(
            output.len(),
            (16_000.0 / f64::from(factor)).round() as usize
        );
        let expected = tone(400.0 * f64::from(factor), 16_000, output.len(), 0.5);
        assert!(
            difference(&output[1_000..7_000], &expected[1_000..7_000]) < 1e-3,
            "{factor}"
        );
    }
    for factor in [0.0, -1.0, 11.0, f32::NAN] {
        assert!(matches!(
            speed(&samples, factor),
            Err(SoundError::Config { .. })
        ));
    }
}
