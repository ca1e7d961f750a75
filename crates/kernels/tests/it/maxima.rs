//! Convolution with the maximum of windows, as one operation, against one after the other.

use crate::cases::{Random, bits};
use proptest::prelude::*;
use refrain_kernels::conv::{
    Conv, ConvGradients, Images, Maxima, Pool, Pooling, Wanted, Window, backward_at, backward_max,
    backward_max_at, forward_at, forward_max, forward_max_at, pool_at, pool_backward_at,
};
use refrain_kernels::{KernelError, Level, Precision, reference};

/// Everything that a call needs, owned.
#[derive(Clone, Debug)]
struct Case<F = f32> {
    height: usize,
    widths: Vec<usize>,
    channels: [usize; 2],
    windows: [Window; 2],
    relu: bool,
    precision: Precision,
    x: Vec<F>,
    w: Vec<F>,
    b: Option<Vec<F>>,
    d_y: Vec<F>,
}

fn window(kernel: [usize; 2], stride: [usize; 2]) -> Window {
    Window {
        stride,
        ..Window::new(kernel)
    }
}

fn same() -> Window {
    Window {
        padding: [[1, 1], [1, 1]],
        ..Window::new([3, 3])
    }
}

impl<F: Clone> Case<F> {
    fn conv(&self) -> Conv<'_, F> {
        Conv {
            images: Images {
                height: self.height,
                widths: &self.widths,
                channels: self.channels[0],
            },
            window: self.windows[0],
            groups: 1,
            outputs: self.channels[1],
            relu: self.relu,
            precision: self.precision,
            x: &self.x,
            w: &self.w,
            b: self.b.as_deref(),
        }
    }

    /// The images of the results of the convolution.
    fn between(&self) -> (usize, Vec<usize>) {
        self.conv().images.windows(&self.windows[0])
    }

    fn pool<'a>(&'a self, widths: &'a [usize], x: &'a [F]) -> Pool<'a, F> {
        Pool {
            images: Images {
                height: self.between().0,
                widths,
                channels: self.channels[1],
            },
            window: self.windows[1],
            pooling: Pooling::Max,
            x,
        }
    }

    /// The images of the maxima.
    fn behind(&self) -> (usize, Vec<usize>) {
        let (height, widths) = self.between();
        let images = Images {
            height,
            widths: &widths,
            channels: self.channels[1],
        };
        images.windows(&self.windows[1])
    }
}

impl Case {
    fn draw(
        random: &mut Random,
        height: usize,
        widths: &[usize],
        windows: [Window; 2],
        channels: [usize; 2],
    ) -> Self {
        let [c, d] = channels;
        let terms = windows[0].kernel.iter().product::<usize>() * c;
        let pixels = height * widths.iter().sum::<usize>();
        let mut case = Self {
            height,
            widths: widths.to_vec(),
            channels,
            windows,
            relu: random.below(3) > 0,
            precision: Precision::F32,
            x: random.values(pixels * c, 1.0),
            w: random.values(d * terms, 2.0 / (terms.max(1) as f32).sqrt()),
            b: (random.below(3) > 0).then(|| random.values(d, 0.5)),
            d_y: Vec::new(),
        };
        let (rows, columns) = case.behind();
        case.d_y = random.values(rows * columns.iter().sum::<usize>() * d, 1.0);
        case
    }

    fn run(&self, level: Level, threads: usize, wanted: Wanted) -> (Maxima, ConvGradients) {
        let (conv, window) = (self.conv(), self.windows[1]);
        let maxima = forward_max_at(level, threads, &conv, &window).unwrap();
        let own = (&maxima.y[..], &maxima.places[..]);
        let d = backward_max_at(level, threads, (&conv, &window), own, &self.d_y, wanted).unwrap();
        (maxima, d)
    }

    /// Compares with a convolution and a maximum one after the other.
    fn check(&self, level: Level, threads: usize, tolerance: f32) {
        let Self {
            height,
            widths,
            channels,
            windows,
            relu,
            ..
        } = self;
        let sizes = (height, widths, channels, windows, relu);
        let name = format!("{sizes:?} on {}", level.name());
        let (_, widths) = self.between();
        let z = forward_at(level, threads, &self.conv()).unwrap();
        let pool = self.pool(&widths, &z);
        let y = pool_at(level, threads, &pool).unwrap();
        let d_z = pool_backward_at(level, threads, &pool, &self.d_y).unwrap();
        let expected = backward_at(level, threads, &self.conv(), &z, &d_z, Wanted::ALL).unwrap();
        for x in [false, true] {
            let wanted = Wanted { x, weights: true };
            let (maxima, d) = self.run(level, threads, wanted);
            assert!(bits(&maxima.y) == bits(&y), "y of {name}");
            self.check_places(&maxima, &z);
            close(&d.d_w, &expected.d_w, tolerance, &name);
            close(&d.d_b, &expected.d_b, tolerance, &name);
            assert_eq!(d.d_x.is_some(), x);
            if x {
                close(&d.d_x, &expected.d_x, tolerance, &name);
            }
        }
    }

    /// Places are those of the maxima, and no value before them is as large.
    fn check_places(&self, maxima: &Maxima, z: &[f32]) {
        let [(height, widths), (rows, columns)] = [self.between(), self.behind()];
        let (channels, window) = (self.channels[1], self.windows[1]);
        let (mut pixel, mut result) = (0, 0);
        for (width, columns) in widths.iter().zip(columns) {
            for at in 0..rows * columns {
                let (row, column) = (at / columns, at % columns);
                for d in 0..channels {
                    let place = usize::from(maxima.places[(result + at) * channels + d]);
                    let value = |tap: usize| {
                        let row = row * window.stride[0] + tap / window.kernel[1];
                        let column = column * window.stride[1] + tap % window.kernel[1];
                        z[(pixel + row * width + column) * channels + d]
                    };
                    let largest = maxima.y[(result + at) * channels + d];
                    assert_eq!(value(place), largest);
                    assert!((0..place).all(|tap| value(tap) < largest));
                }
            }
            pixel += height * width;
            result += rows * columns;
        }
    }
}

fn close(got: &Option<Vec<f32>>, expected: &Option<Vec<f32>>, tolerance: f32, name: &str) {
    let [got, expected] = [got, expected].map(|own| own.as_deref().unwrap_or_default());
    assert_eq!(got.len(), expected.len(), "{name}");
    let largest = expected.iter().fold(1.0, |most: f32, x| most.max(x.abs()));
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let difference = (got - expected).abs();
        assert!(
            difference <= tolerance * largest,
            "{i} of {name}: {got}, not {expected}"
        );
    }
}

fn windows() -> [Window; 9] {
    [
        window([2, 2], [2, 2]),
        window([1, 2], [1, 2]),
        window([1, 1], [1, 1]),
        window([2, 1], [2, 1]),
        window([3, 3], [3, 3]),
        window([2, 2], [3, 4]),
        window([1, 4], [2, 4]),
        window([4, 1], [4, 1]),
        window([5, 17], [5, 17]),
    ]
}

#[test]
fn maxima_are_those_of_a_convolution_and_a_maximum() {
    let mut random = Random(120);
    let strided = Window {
        stride: [2, 3],
        dilation: [1, 2],
        padding: [[2, 0], [0, 5]],
        ..Window::new([3, 2])
    };
    let wide = Window {
        padding: [[4, 3], [9, 7]],
        ..Window::new([5, 8])
    };
    for behind in windows() {
        for conv in [same(), strided, wide, Window::new([1, 1])] {
            for channels in [
                [1, 2],
                [1, 16],
                [1, 17],
                [1, 33],
                [3, 5],
                [16, 31],
                [1, 0],
                [0, 3],
            ] {
                for height in [0, 1, 7] {
                    let case = Case::draw(
                        &mut random,
                        height,
                        &[17, 0, 1, 30],
                        [conv, behind],
                        channels,
                    );
                    for level in Level::available() {
                        case.check(level, 2, 2e-5);
                    }
                }
            }
        }
    }
}

#[test]
fn wide_images_are_made_band_by_band() {
    let mut random = Random(121);
    for behind in [
        window([1, 1], [1, 1]),
        window([3, 3], [3, 3]),
        window([2, 5], [3, 7]),
    ] {
        let mut case = Case::draw(&mut random, 7, &[1000, 383, 385], [same(), behind], [1, 16]);
        for precision in [Precision::F32, Precision::Bf16] {
            case.precision = precision;
            case.check(Level::best(), 3, 1e-4);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn any_maxima_are_those_of_a_convolution_and_a_maximum(
        kernel in [1usize..5, 1usize..5],
        stride in [1usize..4, 1usize..4],
        dilation in [1usize..4, 1usize..4],
        padding in [[0usize..4, 0usize..4], [0usize..4, 0usize..4]],
        behind in [1usize..5, 1usize..5],
        gap in [0usize..3, 0usize..3],
        height in 0usize..12,
        widths in prop::collection::vec(0usize..30, 0..5),
        channels in prop_oneof![(Just(1usize), 2usize..40), (2usize..20, 1usize..20)],
        seed: u64,
        threads in 1usize..4,
    ) {
        let conv = Window { kernel, stride, dilation, padding };
        let behind = window(behind, [behind[0] + gap[0], behind[1] + gap[1]]);
        Case::draw(&mut Random(seed), height, &widths, [conv, behind], channels.into())
            .check(Level::best(), threads, 2e-5);
    }
}

#[test]
fn neither_threads_nor_other_images_change_a_bit_of_maxima() {
    let mut random = Random(122);
    let widths = [150, 90, 7, 0, 433];
    for channels in [[1, 16], [1, 40], [16, 24]] {
        let windows = [same(), window([3, 3], [3, 3])];
        let mut case = Case::draw(&mut random, 36, &widths, windows, channels);
        for precision in [Precision::F32, Precision::Bf16] {
            case.precision = precision;
            for x in [false, true] {
                let wanted = Wanted { x, weights: true };
                let (maxima, d) = case.run(Level::best(), 1, wanted);
                for threads in [2, 3, 8] {
                    let (others, d_others) = case.run(Level::best(), threads, wanted);
                    assert!(others == maxima && d_others == d, "{threads} threads");
                }
            }
            let (all, _) = case.run(Level::best(), 2, Wanted::ALL);
            let (mut pixel, mut result) = (0, 0);
            for (&width, columns) in widths.iter().zip(case.behind().1) {
                let pixels = pixel..pixel + 36 * width * channels[0];
                let results = result..result + 12 * columns * channels[1];
                (pixel, result) = (pixels.end, results.end);
                let alone = Case {
                    widths: vec![width],
                    x: case.x[pixels].to_vec(),
                    d_y: case.d_y[results.clone()].to_vec(),
                    ..case.clone()
                };
                let (own, _) = alone.run(Level::best(), 1, Wanted::ALL);
                assert!(bits(&own.y) == bits(&all.y[results.clone()]));
                assert_eq!(own.places, all.places[results]);
            }
        }
    }
}

#[test]
fn gradients_of_maxima_are_those_of_finite_differences() {
    let mut random = Random(123);
    for (channels, behind) in [
        ([1, 3], window([2, 3], [2, 3])),
        ([2, 3], window([2, 3], [2, 3])),
        ([16, 17], window([2, 1], [2, 1])),
    ] {
        let windows = [same(), behind];
        let mut case = Case::draw(&mut random, 5, &[7, 3, 6], windows, channels);
        (case.relu, case.b) = (true, Some(random.values(channels[1], 0.5)));
        let (_, d) = case.run(Level::best(), 1, Wanted::ALL);
        let weights = Wanted {
            x: false,
            weights: true,
        };
        let (_, without_x) = case.run(Level::best(), 1, weights);
        let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let mut exact = Case {
            height: case.height,
            widths: case.widths.clone(),
            channels,
            windows,
            relu: true,
            precision: Precision::F32,
            x: wide(&case.x),
            w: wide(&case.w),
            b: case.b.as_deref().map(wide),
            d_y: wide(&case.d_y),
        };
        type Input = fn(&mut Case<f64>) -> &mut [f64];
        let inputs: [(Input, _); 5] = [
            (|case| &mut case.x, d.d_x),
            (|case| &mut case.w, d.d_w),
            (|case| case.b.as_deref_mut().unwrap(), d.d_b),
            (|case| &mut case.w, without_x.d_w),
            (|case| case.b.as_deref_mut().unwrap(), without_x.d_b),
        ];
        for (input, d) in inputs {
            for (i, d) in d.unwrap().into_iter().enumerate() {
                let at = input(&mut exact)[i];
                let [high, low] = [1e-6, -1e-6].map(|step| {
                    input(&mut exact)[i] = at + step;
                    let (_, widths) = exact.between();
                    let z = reference::conv(&exact.conv()).unwrap();
                    let y = reference::pool(&exact.pool(&widths, &z)).unwrap();
                    y.iter().zip(&exact.d_y).map(|(y, d)| y * d).sum::<f64>()
                });
                input(&mut exact)[i] = at;
                let slope = (high - low) / 2e-6;
                assert!((slope - f64::from(d)).abs() < 1e-4, "{slope}, not {d}");
            }
        }
    }
}

#[test]
fn nan_is_the_largest_of_maxima_and_gets_the_gradient() {
    for channels in [[1, 17], [2, 17]] {
        let windows = [Window::new([1, 1]), window([1, 4], [1, 4])];
        let mut case = Case::draw(&mut Random(124), 1, &[8], windows, channels);
        (case.relu, case.b) = (true, None);
        case.x[2 * channels[0]] = f32::NAN;
        for level in Level::available() {
            let (maxima, d) = case.run(level, 1, Wanted::ALL);
            assert!(maxima.y[..17].iter().all(|y| y.is_nan()));
            assert!(maxima.y[17..].iter().all(|y| !y.is_nan()));
            assert_eq!(maxima.places[..17], [2; 17]);
            let d_x = d.d_x.unwrap();
            assert!(d_x[2 * channels[0]] != 0.0);
            assert_eq!(d_x[0], 0.0);
        }
    }
}

#[test]
fn wrong_maxima_are_refused() {
    let good = [same(), window([2, 2], [2, 2])];
    let case = Case::draw(&mut Random(125), 4, &[5, 9], good, [1, 9]);
    let conv = case.conv();
    let maxima = forward_max(&conv, &good[1]).unwrap();
    let (y, places) = (&maxima.y[..], &maxima.places[..]);
    for wrong in [
        window([3, 2], [2, 2]),
        window([2, 3], [2, 2]),
        window([17, 16], [17, 16]),
        window([usize::MAX, 1], [usize::MAX, 1]),
        window([0, 2], [2, 2]),
        Window {
            dilation: [2, 1],
            ..good[1]
        },
        Window {
            padding: [[0, 0], [1, 0]],
            ..good[1]
        },
    ] {
        for error in [
            forward_max(&conv, &wrong).unwrap_err(),
            backward_max(&conv, &wrong, (y, places), &case.d_y, Wanted::ALL).unwrap_err(),
        ] {
            let expected = matches!(
                error,
                KernelError::Option { .. } | KernelError::TooLarge { .. }
            );
            assert!(expected, "{error}");
        }
    }
    let shape = |maxima: (&[f32], &[u8]), d_y: &[f32], name: &str| match backward_max(
        &conv,
        &good[1],
        maxima,
        d_y,
        Wanted::ALL,
    )
    .unwrap_err()
    {
        KernelError::Shape { what, .. } => assert_eq!(what, name),
        error => panic!("{error}"),
    };
    shape((&y[1..], places), &case.d_y, "y");
    shape((y, &places[1..]), &case.d_y, "places");
    shape((y, places), &case.d_y[1..], "d_y");
    let other = Conv {
        precision: Precision::Int8,
        ..conv
    };
    assert!(forward_max(&other, &good[1]).is_err());
    // Places that no window has: nobody gets the gradient.
    let none = vec![u8::MAX; places.len()];
    let d = backward_max(&conv, &good[1], (y, &none), &case.d_y, Wanted::ALL).unwrap();
    assert!(d.d_w.unwrap().iter().all(|&d| d == 0.0));
}
