//! Autoregressive search against plain searches, exhaustive search and its own forced scores.

use crate::search_model::{
    BEGIN, END, Kind, Model, Path, Plain, Results, by_score, contains, plain_text, run, run_as,
    settings,
};
use crate::tools::config;
use proptest::prelude::*;
use refrain_decode::search::{
    Decoder, Ending, Hypothesis, LengthPenalty, Mode, Row, SearchConfig, SearchError, Source, Stop,
    Target, align_words, pharaoh, score, search,
};
use refrain_decode::{Rng, Sampler};
use std::cell::Cell;

fn beam(width: usize, n_best: usize) -> Mode {
    let stop = Stop::Bound;
    Mode::Beam {
        width,
        n_best,
        stop,
    }
}

fn draws(sampler: Sampler, samples: usize, seed: u64) -> Mode {
    Mode::Sample {
        sampler,
        samples,
        seed,
    }
}

fn same(found: &[Hypothesis], expected: &[Path]) -> Result<(), TestCaseError> {
    let found: Vec<_> = found
        .iter()
        .map(|h| (&h.tokens, h.ending, h.log_prob.to_bits(), h.score.to_bits()))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|p| (&p.tokens, p.ending, p.sum.to_bits(), p.score.to_bits()))
        .collect();
    prop_assert_eq!(found, expected);
    Ok(())
}

fn kinds() -> impl Strategy<Value = Kind> {
    let vocabulary = prop_oneof![6 => 2usize..8, 1 => 100usize..300];
    let zeros = prop_oneof![2 => Just(0.0), 1 => Just(0.3)];
    (vocabulary, any::<bool>(), zeros, -3f64..3.0).prop_map(|(vocabulary, ties, zeros, end)| Kind {
        ties,
        zeros,
        end,
        ..Kind::new(vocabulary)
    })
}

fn penalties() -> impl Strategy<Value = LengthPenalty> {
    prop_oneof![
        Just(LengthPenalty::Power(0.0)),
        (0f64..1.5).prop_map(LengthPenalty::Power),
        (0f64..1.5).prop_map(LengthPenalty::Wu),
    ]
}

/// Settings with all rules that plain searches know.
fn rules() -> impl Strategy<Value = SearchConfig> {
    let repeats = || prop::option::of(1usize..4);
    let coverage = prop_oneof![Just(0.0), 0f64..0.5];
    (
        1usize..9,
        0usize..3,
        penalties(),
        coverage,
        repeats(),
        repeats(),
    )
        .prop_map(
            |(most, least, penalty, coverage, no_repeat, no_repeat_earlier)| {
                let mut config = settings(most);
                config.length.least = least.min(most - 1);
                (config.penalty, config.coverage) = (penalty, coverage);
                (config.no_repeat, config.no_repeat_earlier) = (no_repeat, no_repeat_earlier);
                config
            },
        )
}

/// The demands of a sentence, with tokens of a vocabulary: a prefix of at most one token, bans and earlier texts.
fn demands(seed: u64, vocabulary: usize, most: usize) -> Source {
    let mut rng = Rng::new(seed);
    let mut token = |share: f64| {
        let any = 2 + (rng.uniform() * (vocabulary as f64 - 2.0)) as u32;
        (vocabulary > 2 && rng.uniform() < share).then_some(any)
    };
    let prefix = token(if most > 1 { 0.3 } else { 0.0 });
    let earlier = (0..2).map(|_| (0..4).filter_map(|_| token(1.0)).collect());
    let earlier = earlier.collect();
    Source {
        length: 3,
        prefix: prefix.into_iter().collect(),
        banned: token(0.2).into_iter().collect(),
        earlier,
        ..Source::default()
    }
}

/// Whether the model gives the prefix a probability; if not, that is the error.
fn possible(
    kind: Kind,
    seed: u64,
    source: &Source,
    results: &Results,
) -> Result<bool, TestCaseError> {
    let (mut state, mut zero) = (kind.next(seed, BEGIN), false);
    for &token in &source.prefix {
        zero |= kind.log_probs(state)[token as usize] == f32::NEG_INFINITY;
        state = kind.next(state, token);
    }
    let refused = matches!(results, Err(SearchError::Prefix { sentence: 0, .. }));
    prop_assert_eq!(zero, refused);
    Ok(!zero)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_beam_is_that_of_the_plain_search(
        kind in kinds(), mut config in rules(), seed: u64, width in 1usize..12,
    ) {
        config.mode = beam(width, width);
        let source = demands(seed, kind.vocabulary, config.length.most);
        let results = run(kind, &[(seed, source.clone())], &config);
        if possible(kind, seed, &source, &results)? {
            let plain = Plain { kind, config: &config, source: &source, most: config.length.most };
            same(&results.unwrap()[0], &plain.beam(seed, width))?;
        }
    }

    #[test]
    fn greedy_takes_the_likeliest_token_as_does_a_beam_of_one(
        kind in kinds(), mut config in rules(), seed: u64,
    ) {
        let source = demands(seed, kind.vocabulary, config.length.most);
        let inputs = [(seed, source.clone())];
        let results = run(kind, &inputs, &config);
        if !possible(kind, seed, &source, &results)? {
            return Ok(());
        }
        let found = results.unwrap();
        for mode in [beam(1, 1), draws(Sampler::greedy(), 1, seed)] {
            config.mode = mode;
            prop_assert_eq!(&run(kind, &inputs, &config).unwrap(), &found);
        }
        let most = config.length.most;
        let plain = Plain { kind, config: &config, source: &source, most };
        let mut path = plain.start(seed);
        while path.ending == Ending::Length && path.tokens.len() < most {
            let options = plain.options(&path);
            let best = options.iter().fold(None, |best: Option<(u32, f32)>, &option| match best {
                Some(best) if best.1 >= option.1 => Some(best),
                _ => Some(option),
            });
            match best {
                Some((token, log_prob)) => path = plain.longer(&path, token, log_prob),
                None => path.ending = Ending::Stuck,
            }
        }
        same(&found[0], &[path])?;
    }

    #[test]
    fn a_wide_beam_is_exhaustive(
        vocabulary in 2usize..5, zeros in prop_oneof![Just(0.0), Just(0.3)], mut config in rules(), seed: u64,
        words in prop::collection::vec(prop::collection::vec(2u32..4, 1..4), 0..3), steps in 1usize..6,
    ) {
        let kind = Kind { zeros, ..Kind::new(vocabulary) };
        let mut source = Source { length: 3, ..Source::default() };
        (config.length.most, config.length.plus) = (steps, steps);
        config.length.least = config.length.least.min(steps - 1);
        if vocabulary == 4 {
            source.words = words;
            // Forced words are exempt from blocks; the plain search does not know that.
            config.no_repeat = None;
        }
        config.mode = beam(2000, 2000);
        let results = run(kind, &[(seed, source.clone())], &config);
        let mut distinct = source.words.clone();
        distinct.sort();
        distinct.dedup();
        if distinct.concat().len() >= steps {
            let refused = matches!(results, Err(SearchError::Sentence { sentence: 0, .. }));
            prop_assert!(refused);
            return Ok(());
        }
        let plain = Plain { kind, config: &config, source: &source, most: steps };
        let mut all = Vec::new();
        plain.everything(&plain.start(seed), &mut all);
        let complete = |path: &Path| source.words.iter().all(|word| contains(&path.tokens, word));
        let any = all.iter().any(complete);
        all.retain(|path| complete(path) || !any);
        if any {
            all.sort_by(|a, b| (b.ending == Ending::Mark).cmp(&(a.ending == Ending::Mark)).then(by_score(a, b)));
            // A text may end and be cut; the one that ended counts.
            let mut texts = std::collections::BTreeSet::new();
            all.retain(|path| texts.insert(path.tokens.clone()));
            same(&results.unwrap()[0], &all)?;
        }
    }

    #[test]
    fn batch_and_order_do_not_matter(
        kind in kinds(), mut config in rules(), seed: u64, sentences in 1usize..12, batch in 1usize..6, sampled: bool,
    ) {
        let kind = Kind { zeros: 0.0, ..kind };
        let sampler = Sampler::new(0.9, Some(5), Some(0.95)).unwrap();
        config.mode = if sampled { draws(sampler, 3, seed) } else { beam(3, 2) };
        config.attention = true;
        let input = |n: usize| {
            let own = seed ^ n as u64;
            (own, demands(own, kind.vocabulary, config.length.most))
        };
        let inputs: Vec<_> = (0..sentences).map(input).collect();
        let all = run(kind, &inputs, &config).unwrap();
        config.batch = batch;
        prop_assert_eq!(&run(kind, &inputs, &config).unwrap(), &all);
        if !sampled {
            let turned: Vec<_> = inputs.iter().rev().cloned().collect();
            let mut back = run(kind, &turned, &config).unwrap();
            back.reverse();
            prop_assert_eq!(back, all);
        }
    }

    #[test]
    fn a_report_equals_its_forced_score(
        kind in kinds(), mut config in rules(), seed: u64, sampled: bool,
    ) {
        let kind = Kind { zeros: 0.0, ..kind };
        config.mode = if sampled { draws(Sampler::new(1.0, None, None).unwrap(), 3, seed) } else { beam(4, 4) };
        config.attention = true;
        let source = demands(seed, kind.vocabulary, config.length.most);
        let found = run(kind, &[(seed, source)], &config).unwrap().remove(0);
        let targets = found.iter().map(|found| {
            let (tokens, ended) = (found.tokens.clone(), found.ending == Ending::Mark);
            (seed, Target { length: 3, tokens, ended, ..Target::default() })
        });
        let mut model = Model::new(kind, config.batch);
        let forced: Result<Vec<_>, _> = score(&mut model, targets, &config).unwrap().collect();
        for (forced, found) in forced.unwrap().iter().zip(&found) {
            let mut found = found.clone();
            if found.ending == Ending::Stuck {
                found.ending = Ending::Length;
            }
            prop_assert_eq!(forced, &found);
            let sum = found.log_probs.iter().fold(0.0, |sum, &p| sum + f64::from(p));
            prop_assert_eq!(sum.to_bits(), found.log_prob.to_bits());
            prop_assert_eq!(found.attention.unwrap().len(), 3 * found.tokens.len());
        }
    }

    #[test]
    fn n_best_is_a_view_of_one_search(
        kind in kinds(), mut config in rules(), seed: u64, width in 2usize..8, stop in 0usize..3, texts in 1u32..9,
    ) {
        let kind = Kind { zeros: 0.0, ..kind };
        let stop = [Stop::Bound, Stop::Present, Stop::Full][stop];
        let source = demands(seed, kind.vocabulary, config.length.most);
        // Different tokens may have equal texts.
        let text = |tokens: &[u32]| format!("{:?}", tokens.iter().map(|t| t % texts).collect::<Vec<_>>());
        let mut results = |n_best| {
            config.mode = Mode::Beam { width, n_best, stop };
            run_as(kind, &[(seed, source.clone())], &config, &text).unwrap().remove(0)
        };
        let all = results(width);
        for n in 1..=width {
            prop_assert_eq!(&results(n)[..], &all[..n.min(all.len())]);
        }
        let mark = |h: &Hypothesis| h.ending == Ending::Mark;
        let ranked = |a: &Hypothesis, b: &Hypothesis| match mark(a) == mark(b) {
            true => a.score >= b.score,
            false => mark(a),
        };
        let ranked = all.is_sorted_by(ranked);
        prop_assert!(ranked);
        let mut keys: Vec<String> = all.iter().map(|h| text(&h.tokens)).collect();
        keys.sort();
        keys.dedup();
        prop_assert_eq!(keys.len(), all.len());
        prop_assert!(all.iter().all(|h| h.tokens.starts_with(&source.prefix)));
    }

    #[test]
    fn forced_words_are_there(
        seed: u64, width in 1usize..6, prefix in prop::collection::vec(2u32..20, 0..4),
        words in prop::collection::vec(prop::collection::vec(2u32..20, 1..4), 1..5),
        no_repeat in prop::option::of(1usize..3),
    ) {
        let mut config = settings(40);
        (config.mode, config.no_repeat) = (beam(width, width), no_repeat);
        let source = Source { prefix, words, ..Source::default() };
        let found = run(Kind::new(20), &[(seed, source.clone())], &config).unwrap().remove(0);
        prop_assert!(!found.is_empty());
        for found in found {
            prop_assert!(found.tokens.starts_with(&source.prefix));
            for word in &source.words {
                prop_assert!(contains(&found.tokens, word), "{:?} in {:?}", word, found.tokens);
            }
        }
    }

    #[test]
    fn damaged_scores_are_named(
        seed: u64, sentences in 1usize..5, at: prop::sample::Index, token in 0usize..6, call in 0usize..3,
        value in prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(1.0f32)],
    ) {
        let kind = Kind { end: -100.0, ..Kind::new(6) };
        let mut config = settings(8);
        config.mode = beam(3, 1);
        let mut model = Model::new(kind, config.batch);
        let sentence = at.index(sentences);
        model.damage = Some((call, sentence, token, value));
        let inputs = (0..sentences).map(|n| (seed ^ n as u64, Source::default()));
        let results: Result<Vec<_>, _> = search(&mut model, inputs, &config, &plain_text).unwrap().collect();
        match results.unwrap_err() {
            SearchError::LogProb { sentence: s, step, token: t, value: v } => {
                prop_assert_eq!((s, step, t, v.to_bits()), (sentence, call, token, value.to_bits()));
            }
            other => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn alignments_take_the_largest_sums(
        seed: u64, source in prop::collection::vec(prop::option::of(0usize..3), 3..6),
        target in prop::collection::vec(prop::option::of(0usize..3), 3..6),
    ) {
        let mut rng = Rng::new(seed);
        let attention: Vec<f32> = (0..source.len() * target.len()).map(|_| rng.uniform() as f32).collect();
        let pairs = align_words(&attention, &source, &target).unwrap();
        let sum = |i: usize, j: usize| -> f64 {
            let at = |t: usize, s: usize| f64::from(attention[t * source.len() + s]);
            let all = (0..target.len()).flat_map(|t| (0..source.len()).map(move |s| (t, s)));
            all.filter(|&(t, s)| source[s] == Some(i) && target[t] == Some(j)).map(|(t, s)| at(t, s)).sum()
        };
        prop_assert!(pairs.is_sorted());
        for j in 0..3 {
            let links: Vec<usize> = pairs.iter().filter(|pair| pair.1 == j).map(|pair| pair.0).collect();
            let there = target.contains(&Some(j)) && source.iter().any(Option::is_some);
            prop_assert_eq!(links.len(), usize::from(there));
            for i in links {
                prop_assert!((0..3).all(|other| sum(other, j) <= sum(i, j) + 1e-12));
            }
        }
    }
}

#[test]
fn equal_tokens_rank_by_their_number() {
    struct Even;
    impl Decoder for Even {
        type Input = ();
        type Error = SearchError;
        fn vocabulary(&self) -> usize {
            100
        }
        fn enter(&mut self, _: usize, (): ()) -> Result<(), SearchError> {
            Ok(())
        }
        fn step(&mut self, _: &[Row], log_probs: &mut [f32]) -> Result<(), SearchError> {
            log_probs.fill(-(100f32.ln()));
            Ok(())
        }
    }
    let mut config = settings(2);
    config.end = Some(99);
    config.mode = beam(4, 4);
    let inputs = || [((), Source::default())];
    let found = search(&mut Even, inputs(), &config, &plain_text)
        .unwrap()
        .next();
    let found: Vec<Vec<u32>> = found
        .unwrap()
        .unwrap()
        .into_iter()
        .map(|h| h.tokens)
        .collect();
    assert_eq!(found, [[1, 1], [1, 2], [1, 3], [1, 4]]);
    config.attention = true;
    let error = search(&mut Even, inputs(), &config, &plain_text)
        .unwrap()
        .next()
        .unwrap();
    assert!(matches!(
        error,
        Err(SearchError::Attention {
            sentence: 0,
            step: 0,
            ..
        })
    ));
}

#[test]
fn draws_follow_the_probabilities_and_differ() {
    let kind = Kind::new(6);
    let mut config = settings(1);
    let n = 20_000;
    config.mode = draws(Sampler::new(1.0, None, None).unwrap(), n, 7);
    let found = run(kind, &[(3, Source::default())], &config)
        .unwrap()
        .remove(0);
    assert_eq!(found.len(), n);
    let log_probs = kind.log_probs(kind.next(3, BEGIN));
    let total: f64 = log_probs[1..].iter().map(|&p| f64::from(p).exp()).sum();
    for token in 1..6u32 {
        let drawn = |h: &&Hypothesis| h.tokens.first().copied().unwrap_or(END) == token;
        let share = found.iter().filter(drawn).count() as f64 / n as f64;
        let p = f64::from(log_probs[token as usize]).exp() / total;
        // Five standard deviations of a share.
        assert!(
            (share - p).abs() < 5.0 * (p * (1.0 - p) / n as f64).sqrt(),
            "{token}: {share} {p}"
        );
    }
    // The first draws are the same for any number of draws; another seed or sentence gives others.
    let of = |seed, sentence: usize, n| {
        let mut config = settings(12);
        config.mode = draws(Sampler::new(1.0, None, None).unwrap(), n, seed);
        let inputs = vec![(3, Source::default()); sentence + 1];
        run(Kind { end: -9.0, ..kind }, &inputs, &config)
            .unwrap()
            .remove(sentence)
    };
    let few = of(7, 0, 3);
    assert_eq!(of(7, 0, 8)[..3], few);
    assert!(few[0] != few[1] && of(8, 0, 3) != few && of(7, 1, 3) != few);
}

#[test]
fn a_model_that_never_ends_is_cut() {
    let kind = Kind {
        end: f64::NEG_INFINITY,
        ..Kind::new(5)
    };
    for mode in [
        Mode::Greedy,
        beam(3, 3),
        draws(Sampler::new(1.0, None, None).unwrap(), 3, 1),
    ] {
        let mut config = settings(50);
        (config.length.ratio, config.length.plus, config.mode) = (1.5, 4, mode);
        let source = Source {
            length: 7,
            ..Source::default()
        };
        for found in &run(kind, &[(1, source)], &config).unwrap()[0] {
            assert_eq!((found.tokens.len(), found.ending), (14, Ending::Length));
            assert_eq!(found.log_probs.len(), 14);
        }
    }
}

#[test]
fn one_token_is_a_vocabulary() {
    // The only token ends, or nothing does.
    for (end, ending, steps) in [(Some(0), Ending::Mark, 1), (None, Ending::Length, 6)] {
        let mut config = SearchConfig::new(0, end);
        (config.length.most, config.mode) = (6, beam(5, 5));
        let mut model = Model::new(Kind::new(1), 1);
        let found = search(&mut model, [(1, Source::default())], &config, &plain_text)
            .unwrap()
            .next();
        let found = found.unwrap().unwrap();
        assert_eq!(
            (found.len(), found[0].ending, found[0].log_probs.len()),
            (1, ending, steps)
        );
        assert!(found[0].log_prob.abs() < 1e-12);
    }
}

#[test]
fn nothing_possible_is_a_stuck_hypothesis() {
    let kind = Kind {
        zeros: 1.0,
        ..Kind::new(4)
    };
    for mode in [Mode::Greedy, beam(3, 3), draws(Sampler::greedy(), 2, 1)] {
        let mut config = settings(5);
        config.mode = mode;
        let found = run(kind, &[(1, Source::default())], &config)
            .unwrap()
            .remove(0);
        assert!(!found.is_empty());
        for found in found {
            assert_eq!(
                (found.ending, found.tokens.len(), found.log_prob),
                (Ending::Stuck, 0, 0.0)
            );
        }
    }
}

#[test]
fn a_block_without_a_way_out_is_lifted() {
    // Two tokens, none twice: after both, the better one of them follows again.
    let kind = Kind {
        end: f64::NEG_INFINITY,
        ..Kind::new(4)
    };
    let mut config = settings(5);
    config.no_repeat = Some(1);
    let found = run(kind, &[(1, Source::default())], &config)
        .unwrap()
        .remove(0)
        .remove(0);
    assert_eq!((found.tokens.len(), found.ending), (5, Ending::Length));
    assert_ne!(found.tokens[0], found.tokens[1]);
    // With an end mark it ends instead.
    let kind = Kind { end: -20.0, ..kind };
    let found = run(kind, &[(1, Source::default())], &config)
        .unwrap()
        .remove(0)
        .remove(0);
    assert_eq!((found.tokens.len(), found.ending), (2, Ending::Mark));
}

#[test]
fn a_long_input_streams_in_order() {
    let (pulled, kind) = (
        Cell::new(0usize),
        Kind {
            end: 1.0,
            ..Kind::new(9)
        },
    );
    let mut config = settings(300);
    (config.batch, config.mode) = (2, beam(2, 1));
    let mut model = Model::new(kind, config.batch);
    let inputs = (0..500u64).map(|n| {
        pulled.set(pulled.get() + 1);
        // The first one takes long.
        let words = if n == 0 {
            vec![vec![5; 60]]
        } else {
            Vec::new()
        };
        (
            n,
            Source {
                words,
                ..Source::default()
            },
        )
    });
    let mut given = 0;
    for found in search(&mut model, inputs, &config, &plain_text).unwrap() {
        let found = found.unwrap().remove(0);
        assert_eq!(found.tokens.len() >= 60, given == 0);
        given += 1;
        assert!(pulled.get() - given < 32 + 1, "{} {given}", pulled.get());
    }
    assert_eq!((given, pulled.get()), (500, 500));
    // 61 beams of one sentence, one of the other.
    assert!(model.most_rows <= 2 * 61 + 2);
}

/// A change of the settings, and words of the error about it.
type Case = (fn(&mut SearchConfig), &'static str);

#[test]
fn bad_settings_and_demands_are_refused() {
    let refused = |change: fn(&mut SearchConfig), source: Source| {
        let mut config = settings(8);
        config.mode = beam(2, 1);
        change(&mut config);
        run(
            Kind::new(5),
            &[(1, Source::default()), (1, source)],
            &config,
        )
        .unwrap_err()
        .to_string()
    };
    let settings: [Case; 15] = [
        (|c| c.mode = beam(0, 1), "beam is 0"),
        (|c| c.mode = beam(2, 3), "n-best is 3"),
        (|c| c.mode = beam(2, 0), "n-best is 0"),
        (|c| c.mode = draws(Sampler::greedy(), 0, 1), "samples is 0"),
        (|c| c.batch = 0, "batch is 0"),
        (|c| c.end = Some(5), "end mark is 5"),
        (|c| c.banned = vec![1], "banned token is 1"),
        (|c| c.banned = vec![9], "banned token is 9"),
        (|c| c.length.most = 0, "maximum length is 0"),
        (|c| c.length.least = 8, "minimum length is 8"),
        (|c| c.length.ratio = f64::NAN, "length ratio is NaN"),
        (
            |c| c.penalty = LengthPenalty::Wu(-1.0),
            "length penalty is -1",
        ),
        (|c| c.coverage = f64::INFINITY, "coverage penalty is inf"),
        (|c| c.no_repeat = Some(0), "n-gram is 0"),
        (|c| c.mode = beam(usize::MAX, 1), "may take"),
    ];
    for (change, words) in settings {
        let error = refused(change, Source::default());
        assert!(error.contains(words), "{words}: {error}");
    }
    let source = |prefix: &[u32], words: &[&[u32]], banned: &[u32]| Source {
        prefix: prefix.into(),
        words: words.iter().map(|word| word.to_vec()).collect(),
        banned: banned.into(),
        ..Source::default()
    };
    let demands = [
        (source(&[7], &[], &[]), "token 7 of its prefix"),
        (source(&[1], &[], &[]), "end mark 1 stands in its prefix"),
        (source(&[], &[&[2, 5]], &[]), "token 5 of a forced word"),
        (source(&[], &[&[2], &[]], &[]), "no tokens"),
        (source(&[], &[&[2]], &[2]), "is banned"),
        (source(&[2; 5], &[&[3; 3]], &[]), "no room"),
        (source(&[], &[], &[5]), "token 5 of its bans"),
    ];
    for (source, words) in demands {
        let error = refused(|_| (), source);
        assert!(
            error.contains(words) && error.contains("sentence 1"),
            "{words}: {error}"
        );
    }
    let words = source(&[], &[&[2]], &[]);
    assert!(refused(|c| c.mode = draws(Sampler::greedy(), 1, 1), words).contains("beam"));
    let long = Source {
        length: usize::MAX,
        ..Source::default()
    };
    assert!(refused(|c| (c.attention, c.length.ratio) = (true, 1.0), long).contains("may take"));
    let mut model = Model::new(Kind::new(5), 1);
    let target = Target {
        ended: true,
        ..Target::default()
    };
    let mut all = score(&mut model, [(1, target)], &SearchConfig::new(0, None)).unwrap();
    assert!(matches!(
        all.next(),
        Some(Err(SearchError::Sentence { .. }))
    ));
}

#[test]
fn a_sentence_may_have_its_own_begin_mark() {
    let (kind, config) = (Kind::new(5), settings(3));
    let source = Source {
        begin: Some(3),
        ..Source::default()
    };
    let found = run(kind, &[(2, source)], &config)
        .unwrap()
        .remove(0)
        .remove(0);
    let first = found.tokens.first().copied().unwrap_or(END);
    let log_probs = kind.log_probs(kind.next(2, 3));
    assert_eq!(found.log_probs[0], log_probs[first as usize]);
    assert_ne!(log_probs, kind.log_probs(kind.next(2, BEGIN)));
}

#[test]
fn a_step_that_does_not_fit_is_refused_before_memory_is_taken() {
    let mut model = Model::new(Kind::new(1 << 31), 1);
    let mut all = search(
        &mut model,
        [(1, Source::default())],
        &settings(2),
        &plain_text,
    )
    .unwrap();
    let expected = SearchError::Memory {
        rows: 1,
        vocabulary: 1 << 31,
    };
    assert_eq!(all.next(), Some(Err(expected)));
    assert_eq!(all.next(), None);
}

#[test]
fn empty_targets_have_scores() {
    let config = settings(4);
    let mut model = Model::new(Kind::new(5), config.batch);
    let targets = [false, true].map(|ended| {
        (
            2,
            Target {
                ended,
                ..Target::default()
            },
        )
    });
    let found: Result<Vec<_>, _> = score(&mut model, targets, &config).unwrap().collect();
    let found = found.unwrap();
    assert_eq!((found[0].log_prob, found[0].log_probs.len()), (0.0, 0));
    let kind = Kind::new(5);
    let end = kind.log_probs(kind.next(2, BEGIN))[END as usize];
    assert_eq!(
        (&found[1].log_probs[..], found[1].ending),
        (&[end][..], Ending::Mark)
    );
}

#[test]
fn pieces_align_as_words() {
    // Source: one word of two pieces, one word, the end mark. The end mark attracts the most.
    let source = [Some(0), Some(0), Some(1), None];
    let target = [Some(0), Some(1), Some(1)];
    let attention = [
        0.0, 0.1, 0.3, 0.6, //
        0.3, 0.2, 0.4, 0.1, //
        0.1, 0.1, 0.2, 0.6,
    ];
    let pairs = align_words(&attention, &source, &target).unwrap();
    assert_eq!(pharaoh(&pairs), "0-1 1-0");
    assert_eq!(pharaoh(&[]), "");
    // Words may be missing from the tokens.
    let pairs = align_words(&[0.2, 0.8], &[Some(3), Some(9)], &[Some(usize::MAX)]).unwrap();
    assert_eq!(pairs, [(9, usize::MAX)]);
    for (attention, source, target, words) in [
        (
            &[0.5][..],
            &[Some(0), Some(1)][..],
            &[Some(0)][..],
            "1 attention weights",
        ),
        (
            &[0.5, f32::NAN],
            &[Some(0), Some(1)],
            &[Some(0)],
            "source token 1 is NaN",
        ),
    ] {
        let error = align_words(attention, source, target)
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
    }
}
