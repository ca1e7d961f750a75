//! The speech model: neither the other utterances of a batch nor the padding change the result of an utterance.

use burn::tensor::{Device, Tensor, TensorData};
use refrain::models::{AcousticModel, AcousticModelConfig, Chunks, Convolution, Frames};
use refrain::params;
use refrain_kernels::random::Key;

const FEATURES: usize = 5;
const CLASSES: usize = 7;

fn config(bidirectional: bool) -> AcousticModelConfig {
    let convolution = |channels, kernel, stride| Convolution {
        channels,
        kernel,
        stride,
    };
    AcousticModelConfig {
        convolutions: vec![
            convolution(6, 5, 2),
            convolution(4, 3, 1),
            convolution(8, 4, 3),
        ],
        hidden: 9,
        layers: 2,
        bidirectional,
        dropout: 0.3,
        ..AcousticModelConfig::default()
    }
}

/// A model of chunks that see one step ahead.
fn chunked() -> AcousticModelConfig {
    AcousticModelConfig {
        chunks: Some(Chunks {
            left: 2,
            length: 3,
            right: 1,
        }),
        ..config(true)
    }
}

fn model(bidirectional: bool, device: &Device) -> AcousticModel {
    config(bidirectional)
        .init([FEATURES, CLASSES], 3, device)
        .unwrap()
}

fn utterance(length: usize, seed: u64) -> Vec<f32> {
    (0..length * FEATURES)
        .map(|k| Key::new(seed).normal_f32(k as u64))
        .collect()
}

fn frames(utterances: &[Vec<f32>], behind: f32, device: &Device) -> Frames {
    let lengths: Vec<usize> = utterances.iter().map(|own| own.len() / FEATURES).collect();
    let time = lengths.iter().max().copied().unwrap_or(0);
    let mut x = vec![behind; utterances.len() * time * FEATURES];
    for (row, own) in x.chunks_mut(time * FEATURES).zip(utterances) {
        row[..own.len()].copy_from_slice(own);
    }
    let x = TensorData::new(x, [utterances.len(), time, FEATURES]);
    Frames {
        x: Tensor::from_data(x, device),
        lengths,
    }
}

/// `[T',V]` of each utterance.
fn scores(model: &AcousticModel, utterances: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let frames = frames(utterances, 0.0, &Device::flex());
    model.scores(frames, None).unwrap().rows()
}

fn assert_close(got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len());
    for (g, e) in got.iter().zip(expected) {
        assert!((g - e).abs() < 1e-5, "{g}, not {e}");
    }
}

#[test]
fn an_utterance_in_a_batch_is_as_it_is_alone() {
    let utterances: Vec<_> = [31, 7, 1, 18]
        .map(|length| utterance(length, length as u64))
        .into();
    for bidirectional in [false, true] {
        let model = model(bidirectional, &Device::flex());
        let together = scores(&model, &utterances);
        for (own, expected) in utterances.iter().zip(&together) {
            let alone = scores(&model, std::slice::from_ref(own));
            assert_close(&alone[0], expected);
            let steps = config(bidirectional).steps(own.len() / FEATURES);
            assert_eq!(expected.len(), steps * CLASSES);
        }
    }
    assert_eq!(config(true).frames_a_step(), 6);
}

/// A model for streams: later frames do not change the steps already computed.
#[test]
fn one_direction_hears_no_frame_ahead() {
    let model = model(false, &Device::flex());
    let whole = utterance(36, 1);
    let all = &scores(&model, std::slice::from_ref(&whole))[0];
    for length in (6..36).step_by(6) {
        let begun = whole[..length * FEATURES].to_vec();
        let own = &scores(&model, &[begun])[0];
        // The last step may still need frames to complete its stride.
        assert_close(own, &all[..own.len()]);
        assert_eq!(own.len(), length / 6 * CLASSES);
    }
}

#[test]
fn a_few_steps_learn_two_utterances() {
    let device = Device::flex().autodiff();
    let mut model = model(true, &device);
    let utterances = [utterance(60, 1), utterance(40, 2)];
    let labels = vec![vec![1, 1, 4], vec![2, 0]];
    let (mut first, mut last) = (0.0, 0.0);
    let mut optimizer = refrain::train::Optimizer::new(refrain::train::OptimizerConfig::default());
    for step in 0..150 {
        let out = model
            .scores(frames(&utterances, 0.0, &device), None)
            .and_then(|scores| scores.loss(labels.clone()))
            .unwrap();
        last = out.nll.iter().sum::<f32>();
        if step == 0 {
            first = last;
        }
        let gradients = params::gradients(&model, &out.loss);
        assert_eq!(gradients.len(), params::export(&model).len());
        optimizer.begin();
        model = params::update(model, gradients, |name, p, g| {
            optimizer.update(name, p, g, 0.01, 1.0)
        })
        .unwrap();
    }
    assert!(last < 0.05 * first, "{first} to {last}");
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let wrong = [
        AcousticModelConfig {
            hidden: 0,
            ..config(true)
        },
        AcousticModelConfig {
            layers: 0,
            ..config(true)
        },
        AcousticModelConfig {
            dropout: 1.0,
            ..config(true)
        },
        AcousticModelConfig {
            convolutions: vec![Convolution {
                channels: 3,
                kernel: 1,
                stride: 2,
            }],
            ..config(true)
        },
        AcousticModelConfig {
            convolutions: vec![Convolution {
                channels: 3,
                kernel: 1,
                stride: 0,
            }],
            ..config(true)
        },
    ];
    for config in wrong {
        assert!(
            config
                .init([FEATURES, CLASSES], 0, &Device::flex())
                .is_err()
        );
    }
    for config in [config(true), config(false)] {
        let model = config
            .init([FEATURES, CLASSES], 0, &Device::flex())
            .unwrap();
        let held: usize = params::export(&model).iter().map(|p| p.data.len()).sum();
        assert_eq!(config.parameters([FEATURES, CLASSES]), held);
    }
    let huge = AcousticModelConfig {
        hidden: usize::MAX,
        ..config(true)
    };
    assert_eq!(huge.parameters([FEATURES, CLASSES]), usize::MAX);
}

/// Frames pushed in pieces of any size give the steps of the whole utterance, also when the stream is reused.
#[test]
fn a_stream_hears_what_the_whole_utterance_says() {
    for config in [config(false), chunked()] {
        let init = config.init([FEATURES, CLASSES], 3, &Device::flex());
        streams(&init.unwrap());
    }
    assert!(self::model(true, &Device::flex()).stream().is_err());
}

fn streams(model: &AcousticModel) {
    let mut stream = model.stream().unwrap();
    for length in [1, 2, 4, 5, 6, 8, 31, 48, 97] {
        let whole = utterance(length, length as u64);
        let whole_at_once = frames(std::slice::from_ref(&whole), 0.0, &Device::flex());
        let scores = model.scores(whole_at_once, None).unwrap();
        let expected = scores.log_probabilities().rows().concat();
        for piece in [1, 4, 7, 100] {
            let mut got = Vec::new();
            for frames in whole.chunks(piece * FEATURES) {
                got.extend(stream.push(frames).unwrap());
            }
            got.extend(stream.finish().unwrap());
            assert_close(&got, &expected);
        }
    }
    assert!(stream.push(&[0.0; FEATURES + 1]).is_err());
}

/// A chunk sees no other chunk, no other utterance of the batch, and no more than its allowed steps ahead.
#[test]
fn chunks_see_no_further_than_they_may() {
    let model = chunked()
        .init([FEATURES, CLASSES], 3, &Device::flex())
        .unwrap();
    let all = [utterance(97, 1), utterance(3, 2), utterance(40, 3)];
    let together = scores(&model, &all);
    for (own, together) in all.iter().zip(&together) {
        let alone = &scores(&model, std::slice::from_ref(own))[0];
        assert_close(alone, together);
    }
    // Steps 3 to 5 are computed from steps 1 to 6. A step covers six frames, and its convolution sees earlier ones.
    let mut changed = all[0].clone();
    for frame in changed.chunks_mut(FEATURES).skip(7 * 6) {
        frame.fill(3.0);
    }
    let changed = &scores(&model, &[changed])[0];
    assert_close(&together[0][..6 * CLASSES], &changed[..6 * CLASSES]);
    let further = together[0][6 * CLASSES..9 * CLASSES].iter();
    let moved = further
        .zip(&changed[6 * CLASSES..])
        .any(|(a, b)| (a - b).abs() > 1e-3);
    assert!(moved, "the last steps of a chunk see the one ahead");
    assert_eq!(model.config().latency(), Some(4 * 6));
}

#[test]
fn chunks_learn() {
    let device = Device::flex().autodiff();
    let model = chunked().init([FEATURES, CLASSES], 3, &device).unwrap();
    let utterances = [utterance(60, 1), utterance(40, 2)];
    let labels = vec![vec![1, 1, 4], vec![2, 0]];
    let loss = |model: &AcousticModel| {
        let scores = model
            .scores(frames(&utterances, 0.0, &device), None)
            .unwrap();
        scores.loss(labels.clone()).unwrap()
    };
    let out = loss(&model);
    let before = out.nll.iter().sum::<f32>();
    let gradients = params::gradients(&model, &out.loss);
    assert_eq!(gradients.len(), params::export(&model).len());
    let step = |_: &str, p: &mut [f32], g: &[f32]| {
        p.iter_mut().zip(g).for_each(|(p, g)| *p -= 0.05 * g);
        Ok(())
    };
    let after = loss(&params::update(model, gradients, step).unwrap());
    assert!(after.nll.iter().sum::<f32>() < before);
}
