//! The cross-entropy of a dense layer with smoothing and weights, and the softmax of rows.

use crate::cases::{Random, few};
use refrain_kernels::softmax::{
    IGNORE, LceBatch, LinearCrossEntropy, linear_cross_entropy, log_softmax_rows,
};
use refrain_kernels::{KernelError, Precision, Threads, reference};

#[derive(Clone, Debug)]
struct Case {
    h: Vec<f32>,
    w: Vec<f32>,
    b: Vec<f32>,
    targets: Vec<u32>,
    hidden: usize,
    vocabulary: usize,
    smoothing: f32,
    weights: Option<Vec<f32>>,
}

impl Case {
    fn draw(random: &mut Random, [n, hidden, vocabulary]: [usize; 3], smoothing: f32) -> Self {
        let target = |random: &mut Random| match random.below(5) {
            0 => IGNORE,
            _ => random.below(vocabulary) as u32,
        };
        Self {
            h: random.values(n * hidden, 1.0),
            w: random.values(vocabulary * hidden, 1.0),
            b: random.values(vocabulary, 1.0),
            targets: (0..n).map(|_| target(random)).collect(),
            hidden,
            vocabulary,
            smoothing,
            weights: (random.below(2) == 0).then(|| random.values(n, 2.0)),
        }
    }

    fn batch(&self) -> LceBatch<'_> {
        LceBatch {
            h: &self.h,
            w: &self.w,
            b: Some(&self.b),
            targets: &self.targets,
            hidden: self.hidden,
            vocabulary: self.vocabulary,
            precision: Precision::F32,
            smoothing: self.smoothing,
            weights: self.weights.as_deref(),
        }
    }

    fn run(&self, threads: usize) -> LinearCrossEntropy {
        Threads::new(threads).install(|| linear_cross_entropy(&self.batch(), true).unwrap())
    }
}

fn close(got: &[f32], expected: &[f64], within: f64, name: &str) {
    assert_eq!(got.len(), expected.len(), "{name}");
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!(
            (f64::from(*got) - expected).abs() <= within * expected.abs().max(1.0),
            "{name}[{i}] is {got}, not {expected}"
        );
    }
}

/// Around the widths of vectors and of the blocks in which a row is summed.
const SIZES: [[usize; 3]; 9] = [
    [1, 1, 1],
    [2, 3, 7],
    [5, 4, 8],
    [3, 0, 9],
    [17, 9, 15],
    [4, 16, 16],
    [9, 33, 17],
    [6, 5, 1025],
    [3, 20, 3001],
];

#[test]
fn smoothed_and_weighted_losses_follow_the_equations() {
    let mut random = Random(60);
    for &sizes in few(&SIZES, 7) {
        for smoothing in [0.0, 0.1, 0.9] {
            let case = Case::draw(&mut random, sizes, smoothing);
            let expected = reference::linear_cross_entropy(&case.batch()).unwrap();
            let got = case.run(2);
            let name = |what: &str| format!("{what} of {sizes:?}, smoothing {smoothing}");
            close(&got.nll, &expected.nll, 1e-5, &name("nll"));
            close(&[got.loss], &[expected.loss], 1e-5, &name("loss"));
            let gradients = got.gradients.unwrap();
            close(&gradients.d_h, &expected.d_h, 1e-5, &name("d_h"));
            close(&gradients.d_w, &expected.d_w, 1e-5, &name("d_w"));
            close(&gradients.d_b.unwrap(), &expected.d_b, 1e-5, &name("d_b"));
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too much work for Miri, and no unsafe code")]
fn reference_gradients_of_the_loss_are_those_of_finite_differences() {
    let mut random = Random(61);
    for smoothing in [0.0, 0.2] {
        let mut case = Case::draw(&mut random, [6, 3, 5], smoothing);
        case.weights = Some(random.values(6, 2.0));
        let gradients = reference::linear_cross_entropy(&case.batch()).unwrap();
        let loss = |case: &Case| reference::linear_cross_entropy(&case.batch()).unwrap().loss;
        type Input = fn(&mut Case) -> &mut Vec<f32>;
        let inputs: [(Input, &[f64]); 3] = [
            (|case| &mut case.h, &gradients.d_h),
            (|case| &mut case.w, &gradients.d_w),
            (|case| &mut case.b, &gradients.d_b),
        ];
        for (input, d) in inputs {
            for (i, &d) in d.iter().enumerate() {
                let [(up, high), (down, low)] = [1e-3, -1e-3].map(|step| {
                    let mut case = case.clone();
                    let x = &mut input(&mut case)[i];
                    *x += step;
                    (f64::from(*x), loss(&case))
                });
                let slope = (high - low) / (up - down);
                assert!((slope - d).abs() < 1e-6, "{slope}, not {d}");
            }
        }
    }
}

#[test]
fn threads_do_not_change_a_bit_of_the_loss() {
    let mut random = Random(62);
    let (n, hidden, vocabulary) = match cfg!(miri) {
        true => (7, 9, 33),
        false => (37, 20, 130),
    };
    for smoothing in [0.0, 0.3] {
        let mut case = Case::draw(&mut random, [n, hidden, vocabulary], smoothing);
        case.weights = Some(random.values(n, 1.0));
        let one = case.run(1);
        for threads in [2, 3, 7] {
            assert_eq!(case.run(threads), one);
        }
    }
}

#[test]
fn weights_of_one_change_no_bit() {
    let mut case = Case::draw(&mut Random(63), [21, 10, 50], 0.0);
    case.weights = None;
    let plain = case.run(2);
    case.weights = Some(vec![1.0; 21]);
    assert_eq!(case.run(2), plain);
    case.smoothing = 0.1;
    let smoothed = case.run(2);
    assert_eq!(smoothed.nll, plain.nll);
    assert_ne!(smoothed.loss, plain.loss);
}

#[test]
fn a_row_of_weight_zero_adds_nothing_even_if_its_logits_overflow() {
    for smoothing in [0.0, 0.1] {
        let mut case = Case::draw(&mut Random(64), [4, 3, 9], smoothing);
        case.targets = vec![1, 2, 3, 4];
        case.weights = Some(vec![1.0, 0.0, -0.5, 2.0]);
        let expected = case.run(1);
        case.h[3..6].fill(f32::MAX);
        case.w.iter_mut().for_each(|w| *w *= 4.0);
        case.h[..3].iter_mut().for_each(|h| *h /= 4.0);
        case.h[6..].iter_mut().for_each(|h| *h /= 4.0);
        let got = case.run(1);
        assert!(!got.nll[1].is_finite());
        assert_eq!(got.loss, expected.loss);
        let gradients = got.gradients.unwrap();
        assert!(gradients.d_h[3..6].iter().all(|d| *d == 0.0));
        assert!(
            gradients
                .d_w
                .iter()
                .chain(&gradients.d_h)
                .all(|d| d.is_finite())
        );
        assert_eq!(gradients.d_b, expected.gradients.unwrap().d_b);
    }
}

#[test]
fn a_loss_with_wrong_options_is_refused() {
    let case = Case::draw(&mut Random(65), [3, 2, 4], 0.0);
    for smoothing in [-0.1, 1.0, 2.0, f32::NAN, f32::INFINITY] {
        let batch = LceBatch {
            smoothing,
            ..case.batch()
        };
        let error = linear_cross_entropy(&batch, false).unwrap_err();
        assert!(
            matches!(
                error,
                KernelError::Option {
                    what: "smoothing",
                    ..
                }
            ),
            "{smoothing}"
        );
    }
    for weights in [&[1.0; 2][..], &[1.0; 4], &[]] {
        let batch = LceBatch {
            weights: Some(weights),
            ..case.batch()
        };
        let error = linear_cross_entropy(&batch, false).unwrap_err();
        assert!(matches!(
            error,
            KernelError::Shape {
                what: "weights",
                ..
            }
        ));
    }
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let batch = LceBatch {
            weights: Some(&[1.0, bad, 0.0]),
            ..case.batch()
        };
        let error = linear_cross_entropy(&batch, false).unwrap_err();
        assert!(
            matches!(error, KernelError::NotFinite { position: 1, .. }),
            "{bad}"
        );
    }
}

#[test]
fn log_softmax_rows_are_those_of_the_reference() {
    let mut random = Random(66);
    for &vocabulary in few(&[1, 17, 8, 2, 7, 9, 15, 16, 31, 33, 100, 1025], 3) {
        for &(n, scale) in few(&[(1, 1.0), (5, 30.0), (70, 3.0)], 2) {
            let values = random.values(n * vocabulary, scale);
            let run = |values: &[f32], threads| {
                let mut values = values.to_vec();
                Threads::new(threads)
                    .install(|| log_softmax_rows(&mut values, vocabulary).unwrap());
                values
            };
            let got = run(&values, 1);
            assert_eq!(run(&values, 3), got);
            for (row, got) in values.chunks(vocabulary).zip(got.chunks(vocabulary)) {
                assert_eq!(run(row, 2), got);
                let wide: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
                let total = wide.iter().map(|x| x.exp()).sum::<f64>().ln();
                let expected: Vec<f64> = wide.iter().map(|x| x - total).collect();
                close(got, &expected, 2e-6, "log p");
            }
        }
    }
}

#[test]
fn log_softmax_rows_that_are_no_numbers_stay_alone() {
    let mut values = [
        [f32::NEG_INFINITY; 3],
        [0.0, f32::NAN, 1.0],
        [0.0, f32::NEG_INFINITY, 0.0],
        [1.0, f32::INFINITY, 0.0],
    ]
    .concat();
    log_softmax_rows(&mut values, 3).unwrap();
    let nan = |row: usize| values[3 * row..3 * row + 3].iter().all(|x| x.is_nan());
    assert!(nan(0) && nan(1) && nan(3));
    let half = -std::f32::consts::LN_2;
    assert!((values[6] - half).abs() < 1e-6 && values[7] == f32::NEG_INFINITY);
    log_softmax_rows(&mut [], 0).unwrap();
    log_softmax_rows(&mut [], 4).unwrap();
    assert!(log_softmax_rows(&mut [0.0; 5], 3).is_err());
    assert!(log_softmax_rows(&mut [0.0; 5], 0).is_err());
}
