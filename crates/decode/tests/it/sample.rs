//! Sampling and perplexity.

use proptest::prelude::*;
use refrain_decode::{Perplexity, Rng, SampleError, Sampler};

const LOGITS: [f32; 5] = [0.0, 2.0, 1.0, 2.0, -1.0];

fn sampler(temperature: f64, top_k: Option<usize>, top_p: Option<f64>) -> Sampler {
    Sampler::new(temperature, top_k, top_p).unwrap()
}

#[test]
fn temperature_zero_takes_the_first_of_the_largest() {
    let mut rng = Rng::new(0);
    assert_eq!(sampler(0.0, None, None).sample(&LOGITS, &mut rng), Ok(1));
    assert_eq!(Sampler::greedy().sample(&LOGITS, &mut rng), Ok(1));
    assert_eq!(rng.drawn, 0);
}

#[test]
fn filters_keep_what_they_should() {
    let kept = |s: Sampler| -> Vec<usize> {
        let p = s.probabilities(&LOGITS).unwrap();
        (0..p.len()).filter(|&i| p[i] > 0.0).collect()
    };
    assert_eq!(kept(sampler(1.0, None, None)), [0, 1, 2, 3, 4]);
    assert_eq!(kept(sampler(1.0, Some(1), None)), [1]);
    assert_eq!(kept(sampler(1.0, Some(3), None)), [1, 2, 3]);
    assert_eq!(kept(sampler(1.0, Some(99), None)), [0, 1, 2, 3, 4]);
    assert_eq!(kept(sampler(1.0, None, Some(f64::MIN_POSITIVE))), [1]);
    assert_eq!(kept(sampler(1.0, None, Some(1.0))), [0, 1, 2, 3, 4]);
    // Probabilities, ranked: 0.395 0.395 0.145 0.053 0.020.
    assert_eq!(kept(sampler(1.0, None, Some(0.5))), [1, 3]);
    assert_eq!(kept(sampler(1.0, None, Some(0.9))), [1, 2, 3]);
    assert_eq!(kept(sampler(1.0, Some(2), Some(0.4))), [1]);
}

#[test]
fn frequencies_follow_the_probabilities() {
    let n = 40_000;
    for s in [
        sampler(1.0, None, None),
        sampler(0.7, Some(3), None),
        sampler(2.0, None, Some(0.8)),
    ] {
        let expect = s.probabilities(&LOGITS).unwrap();
        let (mut counts, mut rng) = ([0u32; 5], Rng::new(3));
        for _ in 0..n {
            counts[s.sample(&LOGITS, &mut rng).unwrap()] += 1;
        }
        for (count, p) in counts.iter().zip(&expect) {
            let sigma = (p * (1.0 - p) / f64::from(n)).sqrt();
            assert!(
                (f64::from(*count) / f64::from(n) - p).abs() <= 4.5 * sigma,
                "{s:?}: {counts:?} for {expect:?}"
            );
        }
    }
}

#[test]
fn log_probabilities_are_those_of_the_model() {
    // softmax of LOGITS, from its definition.
    let sum: f64 = LOGITS.iter().map(|&l| f64::from(l).exp()).sum();
    let log_p = LOGITS.map(|l| (f64::from(l).exp() / sum).ln());
    let mut rng = Rng::new(5);
    for sampler in [Sampler::greedy(), sampler(0.3, Some(3), Some(0.9))] {
        let index = sampler.sample(&LOGITS, &mut rng.clone()).unwrap();
        let choice = sampler.choose(&LOGITS, 3, &mut rng).unwrap();
        assert_eq!(choice.drawn.index, index);
        let best: Vec<usize> = choice.best.iter().map(|scored| scored.index).collect();
        assert_eq!(best, [1, 3, 2]);
        for scored in choice.best.iter().chain([&choice.drawn]) {
            assert!(
                (scored.log_prob - log_p[scored.index]).abs() < 1e-12,
                "{scored:?}"
            );
        }
    }
    let all = Sampler::greedy()
        .choose(&LOGITS, usize::MAX, &mut rng)
        .unwrap();
    assert_eq!(all.best.len(), LOGITS.len());
    let none = Sampler::greedy().choose(&LOGITS, 0, &mut rng).unwrap();
    assert!(none.best.is_empty());
}

#[test]
fn bad_settings_and_logits_are_typed_errors() {
    assert_eq!(
        Sampler::new(-1.0, None, None),
        Err(SampleError::Temperature(-1.0))
    );
    assert!(matches!(
        Sampler::new(f64::NAN, None, None),
        Err(SampleError::Temperature(_))
    ));
    assert_eq!(Sampler::new(1.0, Some(0), None), Err(SampleError::TopK));
    for p in [1.5, 0.0, -0.5] {
        assert_eq!(Sampler::new(1.0, None, Some(p)), Err(SampleError::TopP(p)));
    }
    assert!(matches!(
        Sampler::new(1.0, None, Some(f64::NAN)),
        Err(SampleError::TopP(_))
    ));
    let (s, mut rng) = (sampler(1.0, None, None), Rng::new(0));
    assert_eq!(s.sample(&[], &mut rng), Err(SampleError::Empty));
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert!(matches!(
            s.sample(&[0.0, bad], &mut rng),
            Err(SampleError::NotFinite {
                index: 1,
                len: 2,
                ..
            })
        ));
    }
}

#[test]
fn perplexity_of_a_uniform_model_is_its_vocabulary() {
    let mut all = Perplexity::new();
    assert_eq!(
        (
            all.perplexity(),
            all.bits_per_token(),
            all.bits_per_character()
        ),
        (None, None, None)
    );
    all.add(10.0 * 8f64.ln(), 10, 40);
    let mut other = Perplexity::new();
    other.add(30.0 * 8f64.ln(), 30, 120);
    all.merge(&other);
    let near = |a: Option<f64>, b: f64| assert!((a.unwrap() - b).abs() < 1e-12);
    near(all.perplexity(), 8.0);
    near(all.bits_per_token(), 3.0);
    near(all.bits_per_character(), 0.75);
    assert_eq!((all.tokens(), all.characters()), (40, 160));
}

proptest! {
    #[test]
    fn every_sample_is_possible_and_repeatable(
        logits in prop::collection::vec(-1e30f32..1e30, 1..40),
        temperature in 1e-12f64..1e12,
        top_k in prop::option::of(1usize..50),
        top_p in prop::option::of(1e-300f64..=1.0),
        seed: u64,
    ) {
        let s = sampler(temperature, top_k, top_p);
        let p = s.probabilities(&logits).unwrap();
        prop_assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        let index = s.sample(&logits, &mut Rng::new(seed)).unwrap();
        prop_assert!(p[index] > 0.0);
        prop_assert_eq!(s.sample(&logits, &mut Rng::new(seed)).unwrap(), index);
    }
}
