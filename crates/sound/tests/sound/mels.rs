//! Log-mel features.

use crate::tools::{difference, golden, golden_numbers, pieces, random, tone};
use refrain_sound::{LogMel, MelConfig, SoundError, load, white_noise};

fn check(config: &MelConfig, samples: &[f32], name: &str) {
    let frames = LogMel::new(config).unwrap().frames(samples);
    let apart = difference(&frames, &golden_numbers(name));
    assert!(apart < 1e-4, "{name}: {apart}");
}

#[test]
fn features_are_those_of_torchaudio() {
    let samples = load(golden("sweep.wav")).unwrap().samples;
    check(&MelConfig::default(), &samples, "mel_16k_80.f32");
    let other = MelConfig {
        rate: 8_000,
        window_ms: 20.0,
        hop_ms: 12.5,
        fft: Some(360),
        mels: 40,
        low_hz: 0.0,
        high_hz: Some(3_700.0),
        floor: 1e-3,
    };
    check(&other, &samples[..2_000], "mel_8k_40.f32");
}

#[test]
fn a_stream_gives_the_bits_of_the_whole() {
    let samples = white_noise(20_000, &mut random(3));
    let gaps = MelConfig {
        hop_ms: 50.0,
        ..MelConfig::default()
    };
    for config in [MelConfig::default(), gaps] {
        let mel = LogMel::new(&config).unwrap();
        let whole = mel.frames(&samples);
        let (fft, hop) = (config.fft_samples(), config.hop_samples());
        assert_eq!(whole.len(), (1 + (20_000 - fft) / hop) * mel.features());
        let mut stream = mel.stream();
        for seed in 0..20 {
            let mut frames = Vec::new();
            for piece in pieces(&samples, seed) {
                frames.extend(stream.push(piece));
            }
            assert!(frames == whole, "seed {seed}");
            assert!(stream.finish() < fft);
        }
    }
}

#[test]
fn few_samples_have_no_frame() {
    let mel = LogMel::new(&MelConfig::default()).unwrap();
    let samples = tone(200.0, 16_000, 2_000, 0.5);
    for (count, frames) in [(0, 0), (160, 0), (511, 0), (512, 1), (671, 1), (672, 2)] {
        assert_eq!(mel.frames(&samples[..count]).len(), frames * 80, "{count}");
    }
    let mut stream = mel.stream();
    assert!(stream.push(&samples[..160]).is_empty());
    assert_eq!(stream.finish(), 160);
}

#[test]
fn bad_sounds_have_finite_features() {
    let mel = LogMel::new(&MelConfig::default()).unwrap();
    let floor = 1e-10f32.ln();
    assert!(mel.frames(&[0.0; 2_000]).iter().all(|&x| x == floor));
    assert!(mel.frames(&[f32::NAN; 2_000]).iter().all(|&x| x == floor));
    let finite = |samples: &[f32]| {
        let frames = mel.frames(samples);
        assert!(!frames.is_empty() && frames.iter().all(|x| x.is_finite()));
        frames
    };
    finite(&[f32::MAX; 2_000]);
    finite(&[f32::INFINITY; 2_000]);
    let clean = tone(440.0, 16_000, 4_000, 0.5);
    // A constant offset is 0 Hz, which lies below the lowest filter.
    let offset: Vec<f32> = clean.iter().map(|x| x + 0.25).collect();
    let peak = |frames: Vec<f32>| frames.into_iter().fold(f32::MIN, f32::max);
    assert!((peak(finite(&clean)) - peak(finite(&offset))).abs() < 1e-3);
    finite(
        &clean
            .iter()
            .map(|x| (x * 100.0).clamp(-1.0, 1.0))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let refused = |change: fn(&mut MelConfig)| {
        let mut config = MelConfig::default();
        change(&mut config);
        assert!(
            matches!(config.check(), Err(SoundError::Config { .. })),
            "{config:?}"
        );
        assert!(LogMel::new(&config).is_err());
    };
    refused(|c| c.rate = 0);
    refused(|c| c.window_ms = 0.0);
    refused(|c| c.window_ms = f64::INFINITY);
    refused(|c| c.window_ms = f64::NAN);
    refused(|c| c.hop_ms = -1.0);
    refused(|c| c.hop_ms = 1e30);
    refused(|c| c.fft = Some(399));
    refused(|c| c.fft = Some(usize::MAX));
    refused(|c| c.mels = 0);
    refused(|c| c.mels = usize::MAX);
    refused(|c| c.mels = 300);
    refused(|c| c.low_hz = 8_000.0);
    refused(|c| c.low_hz = f64::NAN);
    refused(|c| c.high_hz = Some(8_001.0));
    refused(|c| c.floor = 0.0);
    refused(|c| c.floor = f32::NAN);
    for rate in [8_000, 22_050, 44_100, 96_000] {
        let config = MelConfig {
            rate,
            mels: 40,
            ..MelConfig::default()
        };
        config.check().unwrap();
    }
}

#[test]
fn settings_are_read_with_defaults_and_unknown_ones_are_refused() {
    let config: MelConfig = serde_json::from_str(r#"{"mels": 40}"#).unwrap();
    assert_eq!((config.mels, config.rate), (40, 16_000));
    let written = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<MelConfig>(&written).unwrap(), config);
    assert!(serde_json::from_str::<MelConfig>(r#"{"mel": 40}"#).is_err());
}
