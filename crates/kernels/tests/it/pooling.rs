//! Pooling against its definition, and images alone against batches.

use crate::cases::{Random, bits};
use proptest::prelude::*;
use refrain_kernels::conv::{
    Images, Pool, Pooling, Window, pool, pool_at, pool_backward, pool_backward_at,
};
use refrain_kernels::{KernelError, Level, reference};

const KINDS: [Pooling; 3] = [
    Pooling::Max,
    Pooling::Average { padding: false },
    Pooling::Average { padding: true },
];

/// Everything that a pooling needs, owned.
#[derive(Clone, Debug)]
struct Case<F = f32> {
    height: usize,
    widths: Vec<usize>,
    channels: usize,
    window: Window,
    pooling: Pooling,
    x: Vec<F>,
    d_y: Vec<F>,
}

impl Case {
    /// Few values, so that there are equal ones, if `coarse`.
    fn draw(
        random: &mut Random,
        (height, widths, channels): (usize, &[usize], usize),
        window: Window,
        pooling: Pooling,
        coarse: bool,
    ) -> Self {
        let images = Images {
            height,
            widths,
            channels,
        };
        let (rows, columns) = images.windows(&window);
        let mut x = random.values(height * widths.iter().sum::<usize>() * channels, 1.0);
        if coarse {
            x.iter_mut().for_each(|x| *x = (*x * 2.0).round());
        }
        Self {
            height,
            widths: widths.to_vec(),
            channels,
            window,
            pooling,
            x,
            d_y: random.values(rows * columns.iter().sum::<usize>() * channels, 1.0),
        }
    }

    fn wide(&self) -> Case<f64> {
        let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect();
        Case {
            height: self.height,
            widths: self.widths.clone(),
            channels: self.channels,
            window: self.window,
            pooling: self.pooling,
            x: wide(&self.x),
            d_y: wide(&self.d_y),
        }
    }

    fn run(&self, level: Level, threads: usize) -> [Vec<f32>; 2] {
        let y = pool_at(level, threads, &self.pool()).unwrap();
        let d_x = pool_backward_at(level, threads, &self.pool(), &self.d_y).unwrap();
        [y, d_x]
    }

    fn check(&self, level: Level, threads: usize) {
        let [y, d_x] = self.run(level, threads);
        let wide = self.wide();
        let name = format!("{:?} {:?} {:?}", self.widths, self.window, self.pooling);
        close(&y, &reference::pool(&wide.pool()).unwrap(), &name);
        let expected = reference::pool_backward(&wide.pool(), &wide.d_y).unwrap();
        close(&d_x, &expected, &name);
    }
}

impl<F> Case<F> {
    fn pool(&self) -> Pool<'_, F> {
        Pool {
            images: Images {
                height: self.height,
                widths: &self.widths,
                channels: self.channels,
            },
            window: self.window,
            pooling: self.pooling,
            x: &self.x,
        }
    }
}

fn close(got: &[f32], expected: &[f64], name: &str) {
    assert_eq!(got.len(), expected.len(), "{name}");
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let difference = (f64::from(*got) - expected).abs();
        assert!(difference <= 1e-5, "{i} of {name}: {got}, not {expected}");
    }
}

fn windows() -> [Window; 7] {
    let window = |kernel, stride, padding| Window {
        kernel,
        stride,
        dilation: [1, 1],
        padding,
    };
    [
        window([1, 1], [1, 1], [[0, 0], [0, 0]]),
        window([2, 2], [2, 2], [[0, 0], [0, 0]]),
        window([2, 1], [2, 1], [[0, 0], [0, 0]]),
        window([3, 3], [1, 2], [[1, 1], [1, 1]]),
        window([3, 4], [2, 3], [[0, 1], [2, 3]]),
        window([2, 2], [5, 40], [[1, 0], [0, 1]]),
        Window {
            dilation: [2, 3],
            ..window([3, 2], [1, 1], [[2, 1], [5, 4]])
        },
    ]
}

#[test]
fn pooling_and_its_gradient_follow_the_definition() {
    let mut random = Random(80);
    for window in windows() {
        for pooling in KINDS {
            for channels in [0, 1, 3, 16, 33] {
                for height in [0, 1, 5] {
                    let sizes = (height, &[7, 0, 1, 20][..], channels);
                    for coarse in [false, true] {
                        let case = Case::draw(&mut random, sizes, window, pooling, coarse);
                        for level in Level::available() {
                            case.check(level, 2);
                        }
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_pooling_follows_the_definition(
        kernel in [1usize..5, 1usize..5],
        stride in [1usize..5, 1usize..5],
        dilation in [1usize..4, 1usize..4],
        padding in [[0usize..4, 0usize..4], [0usize..4, 0usize..4]],
        kind in 0usize..3,
        height in 0usize..8,
        widths in prop::collection::vec(0usize..20, 0..5),
        channels in 1usize..20,
        seed: u64,
        coarse: bool,
        threads in 1usize..4,
    ) {
        let window = Window { kernel, stride, dilation, padding };
        let sizes = (height, &widths[..], channels);
        Case::draw(&mut Random(seed), sizes, window, KINDS[kind], coarse)
            .check(Level::best(), threads);
    }
}

/// The result is linear in x for averages, and near x for maxima without equal values.
#[test]
fn reference_gradients_of_pooling_are_those_of_finite_differences() {
    let mut random = Random(81);
    for window in windows() {
        for pooling in KINDS {
            let case = Case::draw(&mut random, (4, &[5, 1, 6], 2), window, pooling, false);
            let mut case = case.wide();
            let d_x = reference::pool_backward(&case.pool(), &case.d_y).unwrap();
            for (i, d) in d_x.into_iter().enumerate() {
                let x = case.x[i];
                let [high, low] = [1e-6, -1e-6].map(|step| {
                    case.x[i] = x + step;
                    let y = reference::pool(&case.pool()).unwrap();
                    y.iter().zip(&case.d_y).map(|(y, d)| y * d).sum::<f64>()
                });
                case.x[i] = x;
                let slope = (high - low) / 2e-6;
                assert!(
                    (slope - d).abs() < 1e-7,
                    "{slope}, not {d}: {window:?} {pooling:?}"
                );
            }
        }
    }
}

#[test]
fn neither_threads_nor_other_images_change_a_bit_of_pooling() {
    let mut random = Random(82);
    for window in windows() {
        for pooling in KINDS {
            let sizes = (24, &[150, 7, 90, 0, 133][..], 33);
            let case = Case::draw(&mut random, sizes, window, pooling, true);
            let one = case.run(Level::best(), 1);
            for threads in [2, 3, 8] {
                assert!(
                    case.run(Level::best(), threads) == one,
                    "{window:?} {pooling:?}"
                );
            }
            let (rows, columns) = case.pool().images.windows(&window);
            let (mut pixel, mut result) = (0, 0);
            for (&width, columns) in case.widths.iter().zip(columns) {
                let pixels = pixel..pixel + 24 * width * 33;
                let results = result..result + rows * columns * 33;
                (pixel, result) = (pixels.end, results.end);
                let alone = Case {
                    widths: vec![width],
                    x: case.x[pixels.clone()].to_vec(),
                    d_y: case.d_y[results.clone()].to_vec(),
                    ..case.clone()
                };
                let [y, d_x] = alone.run(Level::best(), 1);
                assert!(bits(&y) == bits(&one[0][results]), "{window:?} {pooling:?}");
                assert!(
                    bits(&d_x) == bits(&one[1][pixels]),
                    "{window:?} {pooling:?}"
                );
            }
        }
    }
}

#[test]
fn nan_is_the_largest_and_gets_the_gradient() {
    let images = Images {
        height: 1,
        widths: &[4],
        channels: 1,
    };
    for at in 0..4 {
        let mut x = [1.0, 3.0, 2.0, 3.0];
        x[at] = f32::NAN;
        let case = Pool {
            images,
            window: Window::new([1, 4]),
            pooling: Pooling::Max,
            x: &x,
        };
        assert!(pool(&case).unwrap()[0].is_nan());
        let mut expected = [0.0; 4];
        expected[at] = 5.0;
        assert_eq!(pool_backward(&case, &[5.0]).unwrap(), expected);
    }
}

#[test]
fn windows_of_padding_give_zeros() {
    let images = Images {
        height: 1,
        widths: &[1],
        channels: 2,
    };
    for pooling in KINDS {
        let case = Pool {
            images,
            window: Window {
                padding: [[0, 0], [2, 1]],
                ..Window::new([1, 1])
            },
            pooling,
            x: &[-3.0, -4.0],
        };
        let y = pool(&case).unwrap();
        assert_eq!(y, [0.0, 0.0, 0.0, 0.0, -3.0, -4.0, 0.0, 0.0], "{pooling:?}");
        let d_x = pool_backward(&case, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]).unwrap();
        assert_eq!(d_x, [5.0, 6.0], "{pooling:?}");
    }
}

#[test]
fn wrong_pooling_is_refused() {
    let images = Images {
        height: 2,
        widths: &[3],
        channels: 2,
    };
    let x = [0.0; 12];
    let good = Pool {
        images,
        window: Window::new([2, 2]),
        pooling: Pooling::Max,
        x: &x,
    };
    let error = pool(&Pool { x: &x[1..], ..good }).unwrap_err();
    assert!(
        matches!(error, KernelError::Shape { what: "x", .. }),
        "{error}"
    );
    let error = pool_backward(&good, &[0.0; 3]).unwrap_err();
    assert!(
        matches!(error, KernelError::Shape { what: "d_y", .. }),
        "{error}"
    );
    let zero = Window::new([0, 2]);
    let error = pool(&Pool {
        window: zero,
        ..good
    })
    .unwrap_err();
    assert!(
        matches!(error, KernelError::Option { what: "window", .. }),
        "{error}"
    );
    let wide = Window {
        padding: [[usize::MAX / 8, 0], [usize::MAX / 8, 0]],
        ..Window::new([2, 2])
    };
    let error = pool(&Pool {
        window: wide,
        ..good
    })
    .unwrap_err();
    assert!(matches!(error, KernelError::TooLarge { .. }), "{error}");
}
