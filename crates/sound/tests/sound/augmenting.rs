//! Masks, noise and loudness.

use crate::tools::{level, random, tone};
use refrain_sound::{
    FrequencyWarp, MaskConfig, SoundError, add_noise, gain, mask, pink_noise, room, tempo,
    white_noise,
};

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

#[test]
fn another_tempo_keeps_the_course_of_each_feature() {
    // Feature 0 rises by one a frame, feature 1 falls by two.
    let frames: Vec<f32> = (0..11).flat_map(|t| [t as f32, -2.0 * t as f32]).collect();
    for (factor, expected) in [(1.0, 11), (2.0, 6), (0.5, 22), (10.0, 1)] {
        let got = tempo(&frames, 2, factor).unwrap();
        assert_eq!(got.len(), 2 * expected, "{factor}");
        for (t, frame) in got.chunks(2).enumerate() {
            let place = (t as f32 * factor).min(10.0);
            assert!((frame[0] - place).abs() < 1e-5 && (frame[1] + 2.0 * place).abs() < 1e-5);
        }
    }
    assert!(tempo(&[], 2, 1.5).unwrap().is_empty());
    assert!(tempo(&frames, 3, 1.0).is_err());
    assert!(tempo(&frames, 2, f32::NAN).is_err());
}

#[test]
fn a_warp_moves_a_peak_to_its_new_frequency() {
    let warp = FrequencyWarp::new(40, 130.0, 6800.0).unwrap();
    // Centres in mel, by the formula.
    let mel = |hz: f64| 2595.0 * (1.0 + hz / 700.0).log10();
    let step = (mel(6800.0) - mel(130.0)) / 41.0;
    let hz = |band: f64| 700.0 * (10f64.powf((mel(130.0) + step * (band + 1.0)) / 2595.0) - 1.0);
    let bump = |centre: f64| -> Vec<f32> {
        let value = |band: usize| (-((hz(band as f64) - centre) / 400.0).powi(2)).exp() as f32;
        (0..40).map(value).collect()
    };
    let peak = |frame: &[f32]| {
        let all = frame.iter().enumerate();
        all.max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0 as f64
    };
    for factor in [0.85, 1.0, 1.2] {
        let mut frame = bump(1500.0);
        warp.apply(&mut frame, factor).unwrap();
        let found = hz(peak(&frame));
        let expected = 1500.0 / f64::from(factor);
        assert!((found / expected - 1.0).abs() < 0.05, "{factor}: {found}");
    }
    assert!(warp.apply(&mut [0.0; 41], 1.1).is_err());
    assert!(warp.apply(&mut [0.0; 40], 0.0).is_err());
    assert!(FrequencyWarp::new(0, 100.0, 200.0).is_err());
    assert!(FrequencyWarp::new(4, 300.0, 200.0).is_err());
}

#[test]
fn cepstra_are_warped_as_their_bands_are() {
    let bands = FrequencyWarp::new(20, 100.0, 4000.0).unwrap();
    let all = bands.clone().of_cepstra(20);
    let cosine = |k: usize, m: usize| {
        let scale = (if k == 0 { 1.0 } else { 2.0f32 } / 20.0).sqrt();
        scale * (std::f32::consts::PI * k as f32 * (m as f32 + 0.5) / 20.0).cos()
    };
    let mut frame: Vec<f32> = (0..20).map(|m| ((m * m) as f32 * 0.7).sin()).collect();
    let cepstra = |frame: &[f32]| -> Vec<f32> {
        let one = |k| (0..20).map(|m| cosine(k, m) * frame[m]).sum();
        (0..20).map(one).collect()
    };
    let mut got = cepstra(&frame);
    all.apply(&mut got, 1.13).unwrap();
    bands.apply(&mut frame, 1.13).unwrap();
    for (got, expected) in got.iter().zip(cepstra(&frame)) {
        assert!((got - expected).abs() < 1e-4, "{got} {expected}");
    }
    // Nothing happens at factor 1, whatever is left out.
    let few = bands.of_cepstra(7);
    let mut frame = [3.0, -1.0, 0.5, 2.0, 0.1, -0.7, 0.4];
    let before = frame;
    few.apply(&mut frame, 1.0).unwrap();
    for (a, b) in frame.iter().zip(before) {
        assert!((a - b).abs() < 1e-5);
    }
}

#[test]
fn a_room_answers_a_click_with_a_tail_that_fades() {
    let (rate, n) = (8000, 8000);
    let mut click = vec![0.0; n];
    click[100] = 1.0;
    let heard = room(&click, rate, 0.5, 3.0, &mut random(5)).unwrap();
    assert_eq!(heard.len(), n);
    assert!(heard[..100].iter().all(|x| x.abs() < 1e-6));
    assert!((heard[100] - 1.0).abs() < 1e-5);
    let energy = |range: std::ops::Range<usize>| -> f64 {
        heard[range].iter().map(|&x| f64::from(x).powi(2)).sum()
    };
    // The tail is 3 dB weaker than the click.
    let decibels = 10.0 * energy(101..n).log10();
    assert!((decibels + 3.0).abs() < 0.1, "{decibels}");
    // A tenth of a second is a fifth of 60 dB.
    let fall = 10.0 * (energy(200..1000) / energy(1000..1800)).log10();
    assert!((fall - 12.0).abs() < 2.0, "{fall}");
    // A room is linear: the sum of two sounds gives the sum of their reverberations.
    let other: Vec<f32> = (0..n).map(|i| (i as f32 * 0.3).sin()).collect();
    let both: Vec<f32> = click.iter().zip(&other).map(|(a, b)| a + b).collect();
    let listen = |x: &[f32]| room(x, rate, 0.5, 3.0, &mut random(5)).unwrap();
    let sums = heard.iter().zip(listen(&other)).map(|(a, b)| a + b);
    for (got, sum) in listen(&both).iter().zip(sums) {
        assert!((got - sum).abs() < 1e-4);
    }
    for samples in [&[][..], &[1.0][..], &click[..10]] {
        assert_eq!(
            room(samples, rate, 1.0, 0.0, &mut random(1)).unwrap(),
            samples
        );
    }
    assert!(room(&click, 0, 0.5, 3.0, &mut random(1)).is_err());
    assert!(room(&click, rate, f32::NAN, 3.0, &mut random(1)).is_err());
}
