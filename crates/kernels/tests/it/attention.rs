//! Attention against its equations, the equations against finite differences, and rows against sequences.

use crate::cases::{Random, few, property, unless_miri};
use proptest::prelude::*;
use refrain_kernels::attention::{
    Attended, AttendedGradients, AttentionGradients, Queries, Row, Score, Source, attend_rows,
    attend_rows_at, backward, backward_at, forward, forward_at,
};
use refrain_kernels::{KernelError, Level, Threads, reference};

/// Everything that attention needs, owned.
#[derive(Clone, Debug)]
struct Case<F = f32> {
    /// `[B, T, S, D, C]`
    sizes: [usize; 5],
    query_lengths: Vec<usize>,
    source_lengths: Vec<usize>,
    queries: Vec<F>,
    keys: Vec<F>,
    values: Vec<F>,
    /// Empty for the general score.
    u: Vec<F>,
    coverage: Option<F>,
    d_context: Vec<F>,
    d_probabilities: Option<Vec<F>>,
}

impl Case {
    fn draw(random: &mut Random, sizes: [usize; 5], additive: bool, coverage: bool) -> Self {
        let [batch, time, source, d, c] = sizes;
        let lengths = |random: &mut Random, most: usize| {
            // The first is as long as can be.
            let length = |b: usize, random: &mut Random| match b {
                0 => most,
                _ => random.below(most + 1),
            };
            (0..batch).map(|b| length(b, random)).collect()
        };
        let mut case = Self {
            sizes,
            query_lengths: lengths(random, time),
            source_lengths: lengths(random, source),
            queries: random.values(batch * time * d, 1.0),
            keys: random.values(batch * source * d, 2.0 / (d.max(1) as f32).sqrt()),
            values: random.values(batch * source * c, 1.0),
            u: random.values(if additive { d } else { 0 }, 1.0),
            coverage: coverage.then(|| random.value()),
            d_context: random.values(batch * time * c, 1.0),
            d_probabilities: (random.below(2) == 0)
                .then(|| random.values(batch * time * source, 1.0)),
        };
        case.spoil();
        case
    }

    /// Writes NaN to all that may not be read.
    fn spoil(&mut self) {
        let [_, time, source, d, c] = self.sizes;
        let past = |values: &mut [f32], time: usize, lengths: &[usize], n: usize| {
            for (b, &length) in lengths.iter().enumerate() {
                values[(b * time + length) * n..(b + 1) * time * n].fill(f32::NAN);
            }
        };
        past(&mut self.queries, time, &self.query_lengths, d);
        past(&mut self.d_context, time, &self.query_lengths, c);
        past(&mut self.keys, source, &self.source_lengths, d);
        past(&mut self.values, source, &self.source_lengths, c);
    }

    fn wide(&self) -> Case<f64> {
        let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect();
        Case {
            sizes: self.sizes,
            query_lengths: self.query_lengths.clone(),
            source_lengths: self.source_lengths.clone(),
            queries: wide(&self.queries),
            keys: wide(&self.keys),
            values: wide(&self.values),
            u: wide(&self.u),
            coverage: self.coverage.map(f64::from),
            d_context: wide(&self.d_context),
            d_probabilities: self.d_probabilities.as_deref().map(wide),
        }
    }
}

impl<F: Copy> Case<F> {
    fn source(&self) -> Source<'_, F> {
        let [batch, _, time, key_size, value_size] = self.sizes;
        Source {
            batch,
            time,
            key_size,
            value_size,
            lengths: Some(&self.source_lengths),
            keys: &self.keys,
            values: &self.values,
            score: match self.u.is_empty() {
                true => Score::General,
                false => Score::Additive { u: &self.u },
            },
            coverage: self.coverage,
        }
    }

    fn sequences(&self) -> Queries<'_, F> {
        Queries {
            time: self.sizes[1],
            lengths: Some(&self.query_lengths),
            queries: &self.queries,
        }
    }

    fn d_out(&self) -> AttendedGradients<'_, F> {
        AttendedGradients {
            d_context: &self.d_context,
            d_probabilities: self.d_probabilities.as_deref(),
        }
    }
}

impl Case {
    fn run(&self, level: Level, threads: usize) -> (Attended, AttentionGradients) {
        let (source, queries) = (self.source(), self.sequences());
        let out = forward_at(level, threads, &source, &queries).unwrap();
        let a = &out.probabilities;
        let d = backward_at(level, threads, &source, &queries, a, &self.d_out()).unwrap();
        (out, d)
    }
}

impl Case<f64> {
    fn reference(&self) -> (Attended<f64>, AttentionGradients<f64>) {
        let (source, queries) = (self.source(), self.sequences());
        let out = reference::attention(&source, &queries).unwrap();
        let a = &out.probabilities;
        let d = reference::attention_backward(&source, &queries, a, &self.d_out()).unwrap();
        (out, d)
    }

    /// The results weighted by the gradients that the backward pass is given.
    fn loss(&self) -> f64 {
        let out = reference::attention(&self.source(), &self.sequences()).unwrap();
        // Gradients past an end may be NaN; results there are zero.
        let dot = |a: &[f64], d: &[f64]| -> f64 {
            let products = a.iter().zip(d).filter(|(a, _)| **a != 0.0);
            products.map(|(a, d)| a * d).sum()
        };
        let more = self.d_probabilities.as_deref().unwrap_or_default();
        dot(&out.context, &self.d_context) + dot(&out.probabilities, more)
    }
}

fn close(got: &[f32], expected: &[f64], name: &str) {
    assert_eq!(got.len(), expected.len(), "{name}");
    let largest = expected.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!(
            (f64::from(*got) - expected).abs() <= 2e-5 * largest,
            "{name}[{i}] is {got}, not {expected}"
        );
    }
}

/// Around the widths of vectors, tiles and panels.
const SIZES: [[usize; 5]; 16] = [
    [1, 1, 1, 1, 1],
    [2, 0, 3, 4, 5],
    [2, 3, 0, 4, 5],
    [2, 3, 4, 0, 5],
    [2, 3, 4, 5, 0],
    [0, 3, 4, 5, 6],
    [3, 2, 1, 7, 9],
    [3, 5, 7, 8, 16],
    [3, 4, 8, 9, 15],
    [2, 6, 9, 15, 17],
    [2, 7, 15, 16, 31],
    [4, 3, 16, 17, 33],
    [2, 13, 17, 31, 64],
    [2, 4, 31, 33, 65],
    [1, 9, 33, 64, 127],
    [2, 13, 60, 100, 130],
];

fn cases(mut check: impl FnMut(Case, String)) {
    let mut random = Random(70);
    for &sizes in few(&SIZES, 8) {
        for (additive, coverage) in [(false, false), (false, true), (true, false), (true, true)] {
            let case = Case::draw(&mut random, sizes, additive, coverage);
            check(
                case,
                format!("{sizes:?}, additive {additive}, coverage {coverage}"),
            );
        }
    }
}

#[test]
fn attention_and_its_gradients_follow_the_equations() {
    cases(|case, name| {
        let (expected, d_expected) = case.wide().reference();
        for level in Level::available() {
            let (got, d) = case.run(level, 2);
            let name = |what: &str| format!("{what} of {name} on {}", level.name());
            close(&got.context, &expected.context, &name("context"));
            close(
                &got.probabilities,
                &expected.probabilities,
                &name("probabilities"),
            );
            close(&d.d_queries, &d_expected.d_queries, &name("d_queries"));
            close(&d.d_keys, &d_expected.d_keys, &name("d_keys"));
            close(&d.d_values, &d_expected.d_values, &name("d_values"));
            let d_u = d_expected.d_u.as_deref();
            close(
                &d.d_u.unwrap_or_default(),
                d_u.unwrap_or_default(),
                &name("d_u"),
            );
            let d_coverage: Vec<f64> = d_expected.d_coverage.into_iter().collect();
            let got: Vec<f32> = d.d_coverage.into_iter().collect();
            close(&got, &d_coverage, &name("d_coverage"));
        }
    });
}

#[test]
#[cfg_attr(miri, ignore = "too much work for Miri")]
fn what_lies_past_an_end_is_zero() {
    cases(|case, name| {
        let (out, d) = case.run(Level::best(), 1);
        let [_, time, source, features, c] = case.sizes;
        let zeros = |values: &[f32], time: usize, lengths: &[usize], n: usize, what: &str| {
            for (b, &length) in lengths.iter().enumerate() {
                let past = &values[(b * time + length) * n..(b + 1) * time * n];
                assert!(past.iter().all(|x| *x == 0.0), "{what} of {name}");
            }
        };
        zeros(&out.context, time, &case.query_lengths, c, "context");
        zeros(
            &out.probabilities,
            time,
            &case.query_lengths,
            source,
            "probabilities",
        );
        zeros(
            &d.d_queries,
            time,
            &case.query_lengths,
            features,
            "d_queries",
        );
        zeros(&d.d_keys, source, &case.source_lengths, features, "d_keys");
        zeros(&d.d_values, source, &case.source_lengths, c, "d_values");
        for (row, a) in out.probabilities.chunks(source.max(1)).enumerate() {
            let past = &a[case.source_lengths[row / time.max(1)]..];
            assert!(past.iter().all(|a| *a == 0.0), "keys of {name}");
        }
    });
}

#[test]
#[cfg_attr(miri, ignore = "too much work for Miri, and no unsafe code")]
fn reference_gradients_of_attention_are_those_of_finite_differences() {
    let mut random = Random(71);
    for (additive, coverage) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut case = Case::draw(&mut random, [3, 4, 5, 3, 2], additive, coverage);
        case.d_probabilities = Some(random.values(3 * 4 * 5, 1.0));
        let mut case = case.wide();
        let (_, d) = case.reference();
        type Input = fn(&mut Case<f64>) -> &mut [f64];
        let (d_u, d_coverage) = (d.d_u.unwrap_or_default(), d.d_coverage);
        let d_coverage: Vec<f64> = d_coverage.into_iter().collect();
        let inputs: [(Input, &[f64]); 5] = [
            (|case| &mut case.queries, &d.d_queries),
            (|case| &mut case.keys, &d.d_keys),
            (|case| &mut case.values, &d.d_values),
            (|case| &mut case.u, &d_u),
            (|case| case.coverage.as_mut_slice(), &d_coverage),
        ];
        for (which, (input, d)) in inputs.into_iter().enumerate() {
            assert_eq!(input(&mut case).len(), d.len());
            for (i, &d) in d.iter().enumerate() {
                let x = input(&mut case)[i];
                let [high, low] = [1e-5, -1e-5].map(|step| {
                    input(&mut case)[i] = x + step;
                    case.loss()
                });
                input(&mut case)[i] = x;
                let slope = (high - low) / 2e-5;
                assert!(
                    (slope - d).abs() < 1e-7,
                    "{slope}, not {d} in input {which}, additive {additive}, coverage {coverage}"
                );
            }
        }
    }
}

#[test]
fn threads_do_not_change_a_bit_of_attention() {
    let mut random = Random(72);
    let sizes = match cfg!(miri) {
        true => [3, 2, 4, 9, 10],
        false => [11, 6, 19, 40, 70],
    };
    for (additive, coverage) in [(false, true), (true, false)] {
        let case = Case::draw(&mut random, sizes, additive, coverage);
        let one = case.run(Level::best(), 1);
        for &threads in few(&[3, 2, 8], 1) {
            assert_eq!(case.run(Level::best(), threads), one);
        }
        // As many threads as are worth it.
        Threads::new(3).install(|| {
            let (source, queries) = (case.source(), case.sequences());
            let out = forward(&source, &queries).unwrap();
            let d = backward(&source, &queries, &out.probabilities, &case.d_out()).unwrap();
            assert_eq!((out, d), one);
        });
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

/// The coverage of every step of every sentence, as a decoder adds it up.
fn coverages(case: &Case, probabilities: &[f32]) -> Vec<Vec<f32>> {
    let [batch, time, source, ..] = case.sizes;
    let mut all = Vec::new();
    for b in 0..batch {
        let mut sum = vec![0.0; source];
        for t in 0..time {
            all.push(sum.clone());
            let a = &probabilities[(b * time + t) * source..][..source];
            sum.iter_mut().zip(a).for_each(|(sum, a)| *sum += a);
        }
    }
    all
}

proptest! {
    #![proptest_config(property(150))]

    #[test]
    fn a_row_has_the_bits_of_its_sequence_in_any_company(
        seed: u64, batch in 1..6usize, time in 1..9usize, source in 1..unless_miri(40, 10),
        d in 1..unless_miri(70, 10), c in 1..unless_miri(150, 10), additive: bool,
        coverage: bool, threads in 1..4usize, rows in 1..30usize,
    ) {
        let mut random = Random(seed);
        let case = Case::draw(&mut random, [batch, time, source, d, c], additive, coverage);
        for level in Level::available() {
            let (all, _) = case.run(level, threads);
            let coverages = coverages(&case, &all.probabilities);
            let draw = |random: &mut Random| {
                let b = random.below(batch);
                [b, random.below(case.query_lengths[b].max(1))]
            };
            let mut wanted: Vec<[usize; 2]> = (0..rows).map(|_| draw(&mut random)).collect();
            wanted.retain(|&[b, t]| t < case.query_lengths[b]);
            let rows: Vec<Row> = wanted
                .iter()
                .map(|&[b, t]| Row {
                    sentence: b,
                    query: &case.queries[(b * time + t) * d..][..d],
                    // The first step may do without.
                    coverage: (coverage && (t > 0 || b > 0)).then(|| &coverages[b * time + t][..]),
                })
                .collect();
            let got = attend_rows_at(level, threads, &case.source(), &rows).unwrap();
            for (row, &[b, t]) in wanted.iter().enumerate() {
                let at = b * time + t;
                let part = |values: &[f32], at: usize, n: usize| bits(&values[at * n..(at + 1) * n]);
                let context = part(&all.context, at, c);
                prop_assert_eq!(part(&got.context, row, c), context);
                let a = part(&all.probabilities, at, source);
                prop_assert_eq!(part(&got.probabilities, row, source), a);
            }
        }
    }
}

/// Steps by the public functions at the sizes of a translator.
#[test]
#[cfg_attr(miri, ignore = "too much work for Miri")]
fn steps_of_a_decoder_are_its_sequence() {
    let mut random = Random(73);
    for additive in [false, true] {
        let mut case = Case::draw(&mut random, [3, 5, 14, 256, 512], additive, true);
        case.query_lengths = vec![5; 3];
        case.queries = random.values(3 * 5 * 256, 1.0);
        let all = forward(&case.source(), &case.sequences()).unwrap();
        let mut coverage = [0.0; 3 * 14];
        for t in 0..5 {
            let row = |b: usize| Row {
                sentence: b,
                query: &case.queries[(b * 5 + t) * 256..][..256],
                coverage: Some(&coverage[b * 14..(b + 1) * 14]),
            };
            let step = attend_rows(&case.source(), &[row(0), row(1), row(2)]).unwrap();
            for b in 0..3 {
                let context = &all.context[(b * 5 + t) * 512..][..512];
                assert_eq!(bits(&step.context[b * 512..(b + 1) * 512]), bits(context));
            }
            coverage
                .iter_mut()
                .zip(&step.probabilities)
                .for_each(|(sum, a)| *sum += a);
        }
    }
}

#[test]
fn scores_that_are_no_numbers_stay_in_their_sentence() {
    let mut case = Case::draw(&mut Random(74), [3, 2, 4, 6, 5], false, true);
    (case.query_lengths, case.source_lengths) = (vec![2; 3], vec![4; 3]);
    for values in [
        &mut case.queries,
        &mut case.keys,
        &mut case.values,
        &mut case.d_context,
    ] {
        values
            .iter_mut()
            .filter(|x| x.is_nan())
            .for_each(|x| *x = 0.5);
    }
    case.queries[2 * 6] = f32::NAN;
    case.keys[2 * 4 * 6] = f32::INFINITY;
    let (out, d) = case.run(Level::best(), 1);
    assert!(out.context[..2 * 5].iter().all(|x| x.is_finite()));
    assert!(d.d_keys[..4 * 6].iter().all(|x| x.is_finite()));
    assert!(out.context[2 * 5..3 * 5].iter().all(|x| x.is_nan()));
}

#[test]
fn attention_of_wrong_sizes_is_refused() {
    let case = Case::draw(&mut Random(75), [2, 3, 4, 5, 6], true, false);
    let (source, queries) = (case.source(), case.sequences());
    let out = forward(&source, &queries).unwrap();
    let short = &case.values[1..];
    let wrong_sources = [
        Source {
            keys: short,
            ..source
        },
        Source {
            values: short,
            ..source
        },
        Source {
            batch: usize::MAX,
            ..source
        },
        Source {
            time: 1 << 40,
            ..source
        },
        Source {
            key_size: 6,
            ..source
        },
        Source {
            value_size: 5,
            ..source
        },
        Source {
            lengths: Some(&[4, 5]),
            ..source
        },
        Source {
            lengths: Some(&[4]),
            ..source
        },
        Source {
            score: Score::Additive { u: &[1.0; 4] },
            ..source
        },
    ];
    for wrong in wrong_sources {
        assert!(forward(&wrong, &queries).is_err(), "{wrong:?}");
        assert!(backward(&wrong, &queries, &out.probabilities, &case.d_out()).is_err());
        assert!(attend_rows(&wrong, &[]).is_err());
    }
    let wrong_queries = [
        Queries {
            queries: short,
            ..queries
        },
        Queries {
            time: 1 << 60,
            ..queries
        },
        Queries {
            lengths: Some(&[4, 0]),
            ..queries
        },
        Queries {
            lengths: Some(&[1, 1, 1]),
            ..queries
        },
    ];
    for wrong in wrong_queries {
        assert!(forward(&source, &wrong).is_err(), "{wrong:?}");
    }
    let refused = |a: &[f32], d_out: AttendedGradients, name: &str| match backward(
        &source, &queries, a, &d_out,
    ) {
        Err(KernelError::Shape { what, .. }) => assert_eq!(what, name),
        other => panic!("{other:?}"),
    };
    refused(&out.probabilities[1..], case.d_out(), "probabilities");
    let d_out = AttendedGradients {
        d_context: &[],
        ..case.d_out()
    };
    refused(&out.probabilities, d_out, "d_context");
    let d_out = AttendedGradients {
        d_probabilities: Some(&[]),
        ..case.d_out()
    };
    refused(&out.probabilities, d_out, "d_probabilities");
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let case = Case::draw(&mut Random(76), [2, 3, 4, 5, 6], false, false);
    let source = case.source();
    let good = Row {
        sentence: 1,
        query: &[0.0; 5],
        coverage: None,
    };
    assert_eq!(attend_rows(&source, &[good; 2]).unwrap().context.len(), 12);
    assert_eq!(attend_rows(&source, &[]).unwrap().probabilities.len(), 0);
    let error = |source: &Source, row: Row| attend_rows(source, &[good, row]).unwrap_err();
    let foreign = error(
        &source,
        Row {
            sentence: 2,
            ..good
        },
    );
    assert!(matches!(
        foreign,
        KernelError::Index {
            position: 1,
            got: 2,
            bound: 2,
            ..
        }
    ));
    let short = error(
        &source,
        Row {
            query: &[0.0; 4],
            ..good
        },
    );
    assert!(matches!(short, KernelError::Shape { what: "query", .. }));
    let coverage = Some(&[0.0; 4][..]);
    let unweighted = error(&source, Row { coverage, ..good });
    assert!(matches!(
        unweighted,
        KernelError::Option {
            what: "coverage",
            ..
        }
    ));
    let source = Source {
        coverage: Some(0.5),
        ..source
    };
    let short = error(
        &source,
        Row {
            coverage: Some(&[0.0; 3]),
            ..good
        },
    );
    assert!(matches!(
        short,
        KernelError::Shape {
            what: "coverage",
            ..
        }
    ));
}

/// Sizes that hold nothing cost nothing, and others that do not fit are errors.
#[test]
#[cfg_attr(miri, ignore = "Miri ends where the system refuses memory")]
fn attention_of_huge_sizes_without_elements_ends() {
    for batch in [0, 1, 1 << 50] {
        for time in [0, 1 << 50] {
            for keys in [0, 1 << 50] {
                for size in [0, 1 << 50] {
                    let source = Source {
                        batch,
                        time: keys,
                        key_size: size,
                        value_size: 0,
                        lengths: None,
                        keys: &[],
                        values: &[],
                        score: Score::General,
                        coverage: Some(0.5),
                    };
                    let queries = Queries {
                        time,
                        lengths: None,
                        queries: &[],
                    };
                    let d_out = AttendedGradients {
                        d_context: &[],
                        d_probabilities: None,
                    };
                    match forward(&source, &queries) {
                        Ok(out) => {
                            assert!(out.context.is_empty() && out.probabilities.is_empty());
                            let d = backward(&source, &queries, &[], &d_out).unwrap();
                            assert!(d.d_keys.is_empty());
                        }
                        Err(KernelError::TooLarge { .. } | KernelError::Shape { .. }) => {
                            assert!(backward(&source, &queries, &[], &d_out).is_err());
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        }
    }
}
