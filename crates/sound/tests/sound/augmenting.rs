//! Masks, noise and loudness.

use crate::tools::{level, random, tone};
use refrain_sound::{MaskConfig, SoundError, add_noise, gain, mask, pink_noise, white_noise};

#[test]
fn masks_are_bands_and_stretches_of_bounded_size() {
    let (time, features) = (100, 40);
    let config = MaskConfig {
        feature_masks: 1,
        feature_width: 10,
        time_masks: 1,
        time_width: 50,
        time_share: 0.3,
    };
    let mut widest = (0, 0);
    for seed in 0..300 {
        let mut frames = vec![1.0; time * features];
        mask(&mut frames, features, &config, 0.0, &mut random(seed)).unwrap();
        let rows = frames
            .chunks(features)
            .filter(|row| row.iter().all(|&x| x == 0.0))
            .count();
        let kept = frames
            .chunks(features)
            .find(|row| row.contains(&1.0))
            .unwrap();
        let columns = kept.iter().filter(|&&x| x == 0.0).count();
        let masked = frames.iter().filter(|&&x| x == 0.0).count();
        assert_eq!(masked, rows * features + (time - rows) * columns);
        widest = (widest.0.max(rows), widest.1.max(columns));
        let mut again = vec![1.0; time * features];
        mask(&mut again, features, &config, 0.0, &mut random(seed)).unwrap();
        assert_eq!(frames, again, "the same random numbers, the same masks");
    }
    assert_eq!(widest, (30, 10));
}

#[test]
fn masks_of_any_size_fit_any_sound() {
    let mut sources: [Box<dyn FnMut() -> f32>; 4] = [
        Box::new(|| 0.0),
        Box::new(|| 0.999_999_9),
        // Broken sources must not panic either.
        Box::new(|| 1.0),
        Box::new(|| f32::NAN),
    ];
    for source in &mut sources {
        for time in [0, 1, 2, 50] {
            let config = MaskConfig {
                feature_width: usize::MAX,
                time_width: usize::MAX,
                time_share: 1.0,
                ..MaskConfig::default()
            };
            // A width of the largest number must not overflow.
            let mut frames = vec![1.0; time * 3];
            mask(&mut frames, 3, &config, 0.5, &mut || source()).unwrap();
            assert!(frames.iter().all(|&x| x == 1.0 || x == 0.5));
        }
    }
    let bad = MaskConfig {
        time_share: 1.5,
        ..MaskConfig::default()
    };
    assert!(matches!(
        mask(&mut [], 1, &bad, 0.0, &mut || 0.0),
        Err(SoundError::Config { .. })
    ));
    let usual = MaskConfig::default();
    assert!(matches!(
        mask(&mut [1.0], 2, &usual, 0.0, &mut || 0.0),
        Err(SoundError::Shape { .. })
    ));
}

#[test]
fn noise_has_the_asked_ratio() {
    for snr in [-5.0, 0.0, 20.0] {
        for length in [1_000, 16_000, 50_000] {
            let clean = tone(440.0, 16_000, 16_000, 0.3);
            let mut noisy = clean.clone();
            add_noise(&mut noisy, snr, &white_noise(length, &mut random(4))).unwrap();
            let noise: Vec<f32> = noisy.iter().zip(&clean).map(|(a, b)| a - b).collect();
            let measured = 20.0 * (level(&clean) / level(&noise)).log10();
            assert!((measured - snr).abs() < 0.01, "{measured} for {snr}");
        }
    }
    let mut silence = vec![0.0; 10];
    add_noise(&mut silence, 10.0, &[1.0]).unwrap();
    assert_eq!(silence, [0.0; 10]);
    add_noise(&mut [], 10.0, &[1.0]).unwrap();
    for (snr, noise) in [
        (10.0, &[][..]),
        (10.0, &[0.0]),
        (f32::NAN, &[1.0]),
        (10.0, &[f32::NAN]),
    ] {
        assert!(matches!(
            add_noise(&mut [0.5], snr, noise),
            Err(SoundError::Config { .. })
        ));
    }
}

#[test]
fn white_noise_is_normal() {
    let noise = white_noise(100_001, &mut random(5));
    let mean = noise.iter().sum::<f32>() / noise.len() as f32;
    assert!(mean.abs() < 0.02 && (level(&noise) - 1.0).abs() < 0.02);
    let beyond = noise.iter().filter(|x| x.abs() > 1.96).count() as f32 / noise.len() as f32;
    assert!((beyond - 0.05).abs() < 0.005);
    assert!(white_noise(9, &mut || 0.0).iter().all(|x| x.is_finite()));
    assert!(white_noise(9, &mut || 1.0).iter().all(|x| x.is_finite()));
}

#[test]
fn pink_noise_falls_by_half_an_octave() {
    let noise = pink_noise(1 << 16, &mut random(6));
    assert!((level(&noise) - 1.0).abs() < 1e-3);
    // Each octave of pink noise is as strong as the next; differences of neighbours are 6 dB stronger with each.
    let halved =
        |x: &[f32]| -> Vec<f32> { x.chunks_exact(2).map(|p| (p[0] + p[1]) / 2.0).collect() };
    let change = |x: &[f32]| -> Vec<f32> { x.windows(2).map(|p| p[1] - p[0]).collect() };
    let (once, twice) = (halved(&noise), halved(&halved(&noise)));
    let ratio = level(&change(&twice)) / level(&change(&once));
    assert!((ratio - 1.0).abs() < 0.1, "{ratio}");
    for length in [0, 1, 2, 3, 1_000] {
        let noise = pink_noise(length, &mut random(7));
        assert_eq!(noise.len(), length);
        assert!(noise.iter().all(|x| x.is_finite()));
    }
}

#[test]
fn gain_is_in_decibels() {
    let mut samples = [0.1, -0.2];
    gain(&mut samples, 20.0);
    assert!((samples[0] - 1.0).abs() < 1e-6 && (samples[1] + 2.0).abs() < 1e-6);
}
