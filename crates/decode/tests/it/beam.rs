//! Prefix beam search against all paths, against its definition, and against damaged input.

use crate::tools::{config, letters, models, numbers, plain, random_frames};
use proptest::prelude::*;
use refrain_decode::Rng;
use refrain_decode::ctc::CtcError;
use refrain_decode::ctc::align::align;
use refrain_decode::ctc::beam::{BeamConfig, BeamDecoder, BeamError, BeamModels, BeamSearch};
use refrain_decode::ngram::{Ngram, train};
use refrain_decode::text::{HotWord, Labels, Lexicon, TextError};
use refrain_decode::top_k::TopK;
use std::collections::BTreeMap;
use std::sync::Arc;

/// ln p of every label sequence: the sum over all paths, with class 0 as the blank.
fn all_sequences(log_probs: &[f32], classes: usize) -> BTreeMap<Vec<u32>, f64> {
    let frames = log_probs.len() / classes;
    let mut sums = BTreeMap::new();
    for number in 0..classes.pow(frames as u32) {
        let (mut labels, mut before, mut log_p, mut rest) = (Vec::new(), 0, 0.0, number);
        for frame in log_probs.chunks(classes) {
            let class = rest % classes;
            rest /= classes;
            log_p += f64::from(frame[class]);
            if class != 0 && class != before {
                labels.push(class as u32);
            }
            before = class;
        }
        *sums.entry(labels).or_insert(0.0) += f64::exp(log_p);
    }
    sums.into_iter()
        .map(|(labels, p)| (labels, p.ln()))
        .collect()
}

/// Hannun et al. 2014, algorithm 1, word for word: every prefix with p_b and p_nb, the best `width` kept.
fn by_definition(log_probs: &[f32], classes: usize, width: usize) -> Vec<(Vec<u32>, f64)> {
    let total = |p: &(f64, f64)| log_add(p.0, p.1);
    let never = f64::NEG_INFINITY;
    let mut beam = vec![(Vec::new(), (0.0, never))];
    for frame in log_probs.chunks(classes) {
        let mut next: BTreeMap<Vec<u32>, (f64, f64)> = BTreeMap::new();
        for (labels, p) in &beam {
            for (class, &value) in frame.iter().enumerate() {
                let (class, value) = (class as u32, f64::from(value));
                let mut longer = labels.clone();
                longer.push(class);
                if class == 0 {
                    let own = next.entry(labels.clone()).or_insert((never, never));
                    own.0 = log_add(own.0, total(p) + value);
                } else if labels.last() == Some(&class) {
                    let own = next.entry(labels.clone()).or_insert((never, never));
                    own.1 = log_add(own.1, p.1 + value);
                    let other = next.entry(longer).or_insert((never, never));
                    other.1 = log_add(other.1, p.0 + value);
                } else {
                    let other = next.entry(longer).or_insert((never, never));
                    other.1 = log_add(other.1, total(p) + value);
                }
            }
        }
        beam = next.into_iter().collect();
        beam.retain(|(_, p)| total(p) > never);
        beam.sort_by(|a, b| total(&b.1).total_cmp(&total(&a.1)));
        beam.truncate(width);
    }
    beam.into_iter()
        .map(|(labels, p)| (labels, total(&p)))
        .collect()
}

fn log_add(a: f64, b: f64) -> f64 {
    let most = a.max(b);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + ((a - most).exp() + (b - most).exp()).ln()
}

/// Up to five frames of up to four classes.
fn small() -> impl Strategy<Value = (Vec<f32>, usize)> {
    (0usize..=5, 1usize..=4).prop_flat_map(|(frames, classes)| {
        let scores = prop::collection::vec(-6f32..0.0, frames * classes);
        (scores, Just(classes))
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_wide_beam_is_exact((log_probs, classes) in small()) {
        let exact = all_sequences(&log_probs, classes);
        let decoder = plain(classes, BeamConfig::exhaustive(5000));
        let found = decoder.decode(&log_probs, usize::MAX).unwrap();
        prop_assert_eq!(found.len(), exact.len());
        let best = exact.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
        prop_assert_eq!(&numbers(&found[0]), best.0);
        prop_assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
        for hypothesis in &found {
            let expect = exact[&numbers(hypothesis)];
            prop_assert!((hypothesis.parts.ctc - expect).abs() < 1e-9);
            prop_assert_eq!(hypothesis.score, hypothesis.parts.ctc);
        }
    }

    #[test]
    fn frames_of_labels_are_those_of_the_best_path((log_probs, classes) in small()) {
        let decoder = plain(classes, BeamConfig::exhaustive(5000));
        for hypothesis in decoder.decode(&log_probs, usize::MAX).unwrap() {
            let aligned = align(&log_probs, classes, 0, &numbers(&hypothesis)).unwrap();
            for (span, own) in hypothesis.labels.iter().zip(&aligned.labels) {
                prop_assert_eq!((span.first, span.last), (own.first, own.last));
                prop_assert!((0.0..=1.0).contains(&span.confidence));
            }
        }
    }

    #[test]
    fn a_narrow_beam_is_the_algorithm_of_the_paper(
        seed: u64, frames in 1usize..40, classes in 2usize..6, width in 1usize..12,
    ) {
        let log_probs = random_frames(frames, classes, 4.0, &mut Rng::new(seed));
        let expect = by_definition(&log_probs, classes, width);
        let found = plain(classes, BeamConfig::exhaustive(width));
        let found = found.decode(&log_probs, width).unwrap();
        prop_assert_eq!(found.len(), expect.len());
        for (hypothesis, (labels, log_p)) in found.iter().zip(&expect) {
            prop_assert_eq!(&numbers(hypothesis), labels);
            prop_assert!((hypothesis.parts.ctc - log_p).abs() < 1e-9);
        }
    }

    #[test]
    fn stable_labels_never_change(seed: u64, frames in 1usize..60, width in 1usize..8) {
        let log_probs = random_frames(frames, 5, 8.0, &mut Rng::new(seed));
        let decoder = plain(5, BeamConfig { width, ..BeamConfig::default() });
        let mut search = decoder.begin();
        let mut stable: Vec<u32> = Vec::new();
        for frame in log_probs.chunks(5) {
            search.step(frame).unwrap();
            let now: Vec<u32> = search.stable(0).iter().map(|span| span.label).collect();
            prop_assert!(now.starts_with(&stable));
            let new: Vec<u32> =
                search.stable(stable.len()).iter().map(|span| span.label).collect();
            prop_assert_eq!(&new, &now[stable.len()..]);
            stable = now;
            for hypothesis in search.end(width) {
                prop_assert!(numbers(&hypothesis).starts_with(&stable));
                let spans = &hypothesis.labels;
                prop_assert!(spans.iter().all(|s| s.first <= s.last && s.last < frames));
                prop_assert!(spans.windows(2).all(|s| s[0].last < s[1].first));
            }
        }
        // Looking on the way changed nothing.
        prop_assert_eq!(search.end(width), decoder.decode(&log_probs, width).unwrap());
        prop_assert_eq!(search.frames(), frames);
    }

    #[test]
    fn scores_are_the_sum_of_their_parts(
        seed: u64, frames in 1usize..6, flags in 0u8..16,
        weights in prop::collection::vec(-2f64..2.0, 6),
    ) {
        // Blank, space, a, b.
        let log_probs = random_frames(frames, 4, 3.0, &mut Rng::new(seed));
        let (words, labels) = models();
        let hot = [("ab", 3.0), ("b a", weights[5]), ("a", -0.5), ("b", 0.25)];
        let lexicon = Lexicon::new(["a", "b", "ab", "ba"]);
        let setup = BeamModels {
            words: (flags & 1 > 0).then(|| Arc::clone(&words)),
            labels: (flags & 2 > 0).then(|| Arc::clone(&labels)),
            lexicon: (flags & 4 > 0).then(|| Arc::new(lexicon.clone())),
            hot_words: match flags & 8 > 0 {
                true => hot.map(|(phrase, bonus)| HotWord { phrase: phrase.into(), bonus }).into(),
                false => Vec::new(),
            },
        };
        let config = BeamConfig {
            word_weight: weights[0],
            label_weight: weights[1],
            word_bonus: weights[2],
            label_bonus: weights[3],
            unknown_bonus: weights[4],
            sentence_end: seed % 2 == 0,
            ..BeamConfig::exhaustive(5000)
        };
        let table = letters(4);
        let decoder = BeamDecoder::new(table.clone(), config, setup.clone()).unwrap();
        let found = decoder.decode(&log_probs, usize::MAX).unwrap();
        let exact = all_sequences(&log_probs, 4);
        let allowed = |labels: &&Vec<u32>| {
            let text = table.join(labels.iter().copied());
            setup.lexicon.is_none() || text.split_whitespace().all(|word| lexicon.contains(word))
        };
        prop_assert_eq!(found.len(), exact.keys().filter(allowed).count());
        for hypothesis in &found {
            let numbers = numbers(hypothesis);
            prop_assert!(allowed(&&numbers));
            let parts = &hypothesis.parts;
            prop_assert!((parts.ctc - exact[&numbers]).abs() < 1e-9);
            let text: Vec<&str> = hypothesis.text.split_whitespace().collect();
            let spelled: Vec<&str> = hypothesis.words.iter().map(|w| w.text.as_str()).collect();
            prop_assert_eq!(&text, &spelled);
            prop_assert_eq!((parts.words, parts.labels), (text.len(), numbers.len()));
            let mut expect = parts.ctc + weights[2] * text.len() as f64 + weights[3] * numbers.len() as f64;
            if setup.words.is_some() {
                let log_p = sentence(&words, text.iter().copied(), config.sentence_end);
                let unknown = text.iter().filter(|word| words.id(word).is_none()).count();
                prop_assert!((parts.word_lm - log_p).abs() < 1e-9);
                prop_assert_eq!(parts.unknown, unknown);
                expect += weights[0] * log_p + weights[4] * unknown as f64;
            }
            if setup.labels.is_some() {
                let tokens: Vec<String> = numbers.iter().map(|&n| table.token(n)).collect();
                let tokens = tokens.iter().map(String::as_str);
                let log_p = sentence(&labels, tokens, config.sentence_end);
                prop_assert!((parts.label_lm - log_p).abs() < 1e-9);
                expect += weights[1] * log_p;
            }
            if !setup.hot_words.is_empty() {
                let bonus: f64 = hot.iter().map(|(phrase, bonus)| {
                    let phrase: Vec<&str> = phrase.split(' ').collect();
                    bonus * text.windows(phrase.len()).filter(|w| **w == phrase[..]).count() as f64
                }).sum();
                prop_assert!((parts.hot - bonus).abs() < 1e-9);
                expect += bonus;
            }
            prop_assert!((hypothesis.score - expect).abs() < 1e-9);
        }
    }

    #[test]
    fn no_input_makes_it_panic(
        values in prop::collection::vec(prop_oneof![
            4 => -20f32..1.0, 1 => prop::num::f32::ANY, 1 => Just(f32::NEG_INFINITY),
        ], 0..60),
        classes in 1usize..7, width in 0usize..5, floor in prop::num::f64::ANY, margin in prop::num::f64::ANY,
    ) {
        let config = BeamConfig { width, label_floor: floor, margin, ..BeamConfig::default() };
        let models = BeamModels {
            lexicon: (classes > 3).then(|| Arc::new(Lexicon::new(["a", "ab", "abba"]))),
            hot_words: vec![HotWord { phrase: "ab ba".into(), bonus: 2.0 }],
            ..BeamModels::default()
        };
        if let Ok(decoder) = BeamDecoder::new(letters(classes), config, models) {
            let mut search = decoder.begin();
            for frame in values.chunks(classes) {
                let before = search.end(9);
                if search.step(frame).is_err() {
                    prop_assert_eq!(search.end(9), before);
                }
                let _ = (search.end(2), search.stable(1));
            }
            let _ = decoder.decode(&values, 3);
        }
    }

    #[test]
    fn the_best_k_are_those_that_a_stable_sort_puts_first(
        scores in prop::collection::vec(-3i8..3, 0..60), capacity in 0usize..20, margin in 0f64..5.0,
    ) {
        let mut best = TopK::new(capacity);
        for (n, &score) in scores.iter().enumerate() {
            best.push(f64::from(score), n);
        }
        best.push(f64::NAN, 99);
        best.push(f64::NEG_INFINITY, 99);
        let mut expect: Vec<(f64, usize)> =
            scores.iter().enumerate().map(|(n, &score)| (f64::from(score), n)).collect();
        expect.sort_by(|a, b| b.0.total_cmp(&a.0));
        expect.truncate(capacity);
        let least = expect.first().map_or(0.0, |best| best.0 - margin);
        expect.retain(|item| item.0 >= least);
        prop_assert_eq!(best.take(margin), expect);
        prop_assert_eq!(best.take(margin), vec![]);
    }
}

/// ln p of a sentence.
fn sentence<'a>(lm: &Ngram, words: impl Iterator<Item = &'a str>, end: bool) -> f64 {
    let (mut state, mut sum) = (lm.start(), 0.0);
    for word in words {
        let (log_p, next) = lm.score(state, word);
        sum += log_p;
        state = next;
    }
    sum + if end { lm.end(state) } else { 0.0 }
}

#[test]
fn a_long_stream_is_thinned_out_without_a_trace() {
    for (seed, width) in [(5, 4), (6, 12), (7, 30)] {
        let log_probs = random_frames(2000, 4, 6.0, &mut Rng::new(seed));
        let expect = by_definition(&log_probs, 4, width);
        let decoder = plain(4, BeamConfig::exhaustive(width));
        let found = decoder.decode(&log_probs, width).unwrap();
        for (hypothesis, (labels, log_p)) in found.iter().zip(&expect) {
            assert_eq!(&numbers(hypothesis), labels);
            assert!((hypothesis.parts.ctc - log_p).abs() < 1e-6);
            let spans = &hypothesis.labels;
            assert!(spans.len() > 500);
            assert!(spans.windows(2).all(|s| s[0].last < s[1].first));
            assert!(spans.iter().all(|s| s.first <= s.last));
        }
    }
}

/// One frame for each class of `path`, which gets 0.9.
fn spoken(path: &[u32], classes: usize) -> Vec<f32> {
    let other = (0.1 / (classes - 1) as f32).ln();
    let mut log_probs = vec![other; path.len() * classes];
    for (t, &class) in path.iter().enumerate() {
        log_probs[t * classes + class as usize] = 0.9f32.ln();
    }
    log_probs
}

#[test]
fn words_have_places_and_confidences() {
    // "ab b"
    let log_probs = spoken(&[0, 2, 2, 3, 0, 1, 0, 3, 3], 4);
    let best = &plain(4, BeamConfig::default())
        .decode(&log_probs, 1)
        .unwrap()[0];
    assert_eq!(best.text, "ab b");
    let places: Vec<(&str, usize, usize)> = best
        .words
        .iter()
        .map(|w| (w.text.as_str(), w.first, w.last))
        .collect();
    assert_eq!(places, [("ab", 1, 3), ("b", 7, 8)]);
    assert!(best.words.iter().all(|w| (w.confidence - 0.9).abs() < 1e-6));
}

#[test]
fn pieces_of_words_open_words_with_a_space() {
    let texts = ["", " the", "se", " a", "<pad>"].map(String::from).to_vec();
    let labels = Labels::new(texts, 0, None).unwrap();
    assert_eq!(labels.token(1), "▁the");
    let decoder = BeamDecoder::new(labels, BeamConfig::default(), BeamModels::default()).unwrap();
    let best = &decoder.decode(&spoken(&[1, 0, 2, 3, 1], 5), 1).unwrap()[0];
    assert_eq!(best.text, "these a the");
    assert_eq!(best.parts.words, 3);
}

/// The text that a search finds in `path`, with `rival` the second likeliest class of each frame.
fn heard(path: &[u32], rival: &[u32], config: BeamConfig, models: BeamModels) -> String {
    let mut log_probs = vec![0.02f32.ln(); path.len() * 6];
    for (t, (&class, &other)) in path.iter().zip(rival).enumerate() {
        log_probs[t * 6 + other as usize] = 0.35f32.ln();
        log_probs[t * 6 + class as usize] = 0.55f32.ln();
    }
    let decoder = BeamDecoder::new(letters(6), config, models).unwrap();
    decoder.decode(&log_probs, 1).unwrap().remove(0).text
}

#[test]
fn models_change_what_is_heard() {
    let (path, rival) = ([2, 3, 1, 4, 5], [2, 5, 1, 4, 5]);
    let plain = |models| heard(&path, &rival, BeamConfig::default(), models);
    assert_eq!(plain(BeamModels::default()), "ab cd");
    let lexicon = Some(Arc::new(Lexicon::new(["ad", "cd", "a"])));
    let models = BeamModels {
        lexicon,
        ..BeamModels::default()
    };
    assert_eq!(plain(models), "ad cd");
    let hot = |phrase: &str| BeamModels {
        hot_words: vec![HotWord {
            phrase: phrase.into(),
            bonus: 2.0,
        }],
        ..BeamModels::default()
    };
    assert_eq!(plain(hot("ad")), "ad cd");
    assert_eq!(plain(hot("ad  cd")), "ad cd");
    // A beginning of a hot word earns nothing in the end.
    assert_eq!(plain(hot("adb")), "ab cd");
    assert_eq!(plain(hot("ad cdd")), "ab cd");
    let words = Some(Arc::new(train(2, [["ad", "cd"]; 4]).unwrap()));
    let models = BeamModels {
        words,
        ..BeamModels::default()
    };
    assert_eq!(plain(models), "ad cd");
}

#[test]
fn equal_scores_have_one_order() {
    // All classes alike: every step is full of ties.
    let log_probs = vec![0.25f32.ln(); 4 * 12];
    for width in [1, 2, 3, 7, 50] {
        let decoder = plain(4, BeamConfig::exhaustive(width));
        let first = decoder.decode(&log_probs, width).unwrap();
        assert_eq!(first, decoder.decode(&log_probs, width).unwrap());
        for pair in first
            .windows(2)
            .filter(|pair| pair[0].score == pair[1].score)
        {
            assert!(numbers(&pair[0]) < numbers(&pair[1]));
        }
    }
}

#[test]
fn edges_of_size() {
    let decoder = plain(4, BeamConfig::default());
    let nothing = decoder.decode(&[], 5).unwrap();
    assert_eq!((nothing.len(), nothing[0].text.as_str()), (1, ""));
    assert_eq!(nothing[0].parts.ctc, 0.0);
    let blank = plain(1, BeamConfig::default());
    let only = blank.decode(&[0.0, 0.0], 5).unwrap();
    assert_eq!((only.len(), only[0].labels.len()), (1, 0));
    assert!(decoder.decode(&spoken(&[2], 4), 0).unwrap().is_empty());
    fn send<T: Send + Sync + Clone>() {}
    send::<(BeamDecoder, BeamSearch)>();
}

#[test]
fn what_is_wrong_is_said() {
    let texts = |n: usize| vec![String::new(); n];
    assert!(matches!(
        Labels::new(texts(3), 3, None),
        Err(TextError::Class { what: "blank", .. })
    ));
    assert!(matches!(
        Labels::new(texts(0), 0, None),
        Err(TextError::Class { .. })
    ));
    assert!(matches!(
        Labels::new(texts(3), 0, Some(9)),
        Err(TextError::Class { what: "space", .. })
    ));
    assert_eq!(
        Labels::new(texts(3), 1, Some(1)),
        Err(TextError::SpaceIsBlank(1))
    );
    let inside = Labels::new(vec!["".into(), "a b".into()], 0, None);
    assert!(matches!(
        inside,
        Err(TextError::SpaceInside { label: 1, .. })
    ));
    let new = |labels, config, models| BeamDecoder::new(labels, config, models).unwrap_err();
    let width = BeamConfig {
        width: 0,
        ..BeamConfig::default()
    };
    let margin = BeamConfig {
        margin: f64::NAN,
        ..BeamConfig::default()
    };
    let weight = BeamConfig {
        word_weight: f64::INFINITY,
        ..BeamConfig::default()
    };
    for config in [width, margin, weight] {
        let error = new(letters(4), config, BeamModels::default());
        assert!(matches!(error, BeamError::Setting { .. }));
    }
    let hot = |phrase: &str, bonus| BeamModels {
        hot_words: vec![HotWord {
            phrase: phrase.into(),
            bonus,
        }],
        ..BeamModels::default()
    };
    let error = new(letters(4), BeamConfig::default(), hot("  ", 1.0));
    assert_eq!(error, TextError::EmptyHotWord(0).into());
    let error = new(letters(4), BeamConfig::default(), hot("a", f64::NAN));
    assert!(matches!(
        error,
        BeamError::Text(TextError::HotWordBonus { .. })
    ));
    let lexicon = Some(Arc::new(Lexicon::new(["a"])));
    let models = BeamModels {
        lexicon,
        ..BeamModels::default()
    };
    let whole = Labels::new(vec!["".into(), "a".into()], 0, None).unwrap();
    let error = new(whole, BeamConfig::default(), models);
    assert_eq!(error, BeamError::NoBoundary("a lexicon"));
    let decoder = plain(3, BeamConfig::default());
    let error = decoder.decode(&[0.0; 4], 1).unwrap_err();
    assert!(matches!(error, BeamError::Ctc(CtcError::Shape { .. })));
    let mut search = decoder.begin();
    search.step(&[-1.0; 3]).unwrap();
    let error = search.step(&[-1.0, f32::NAN, -1.0]).unwrap_err();
    assert!(matches!(
        error,
        BeamError::Ctc(CtcError::Value {
            frame: 1,
            class: 1,
            ..
        })
    ));
    let error = search.step(&[f32::NEG_INFINITY; 3]).unwrap_err();
    assert_eq!(error, CtcError::NoPath { frame: 1 }.into());
    search.step(&[-1.0; 3]).unwrap();
    assert_eq!(search.frames(), 2);
}
