//! Convolution against its definition, the definition against finite differences, and images alone against batches.

use crate::cases::{Random, bits};
use proptest::prelude::*;
use refrain_kernels::conv::{
    Conv, ConvGradients, Images, Wanted, Window, backward, backward_at, forward, forward_at,
};
use refrain_kernels::{KernelError, Level, Precision, Threads, reference};
use std::ops::Range;

/// The sizes of a case: images, window, groups and channels of a group.
#[derive(Clone, Debug)]
struct Sizes {
    height: usize,
    widths: Vec<usize>,
    window: Window,
    groups: usize,
    channels: [usize; 2],
}

impl Sizes {
    fn new(height: usize, widths: &[usize], window: Window, channels: [usize; 2]) -> Self {
        Self {
            height,
            widths: widths.to_vec(),
            window,
            groups: 1,
            channels,
        }
    }

    fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Channels of x and of y.
    fn all_channels(&self) -> [usize; 2] {
        self.channels.map(|n| n * self.groups)
    }

    fn draw(&self, random: &mut Random) -> Case {
        let [c, d] = self.all_channels();
        let images = Images {
            height: self.height,
            widths: &self.widths,
            channels: c,
        };
        let (height, widths) = images.windows(&self.window);
        let pixels = self.height * self.widths.iter().sum::<usize>();
        let results = height * widths.iter().sum::<usize>();
        let terms = self.window.kernel[0] * self.window.kernel[1] * self.channels[0];
        let scale = 1.0 / (terms.max(1) as f32).sqrt();
        Case {
            sizes: self.clone(),
            relu: random.below(2) == 0,
            precision: Precision::F32,
            x: random.values(pixels * c, 1.0),
            w: random.values(d * terms, 2.0 * scale),
            b: (random.below(3) > 0).then(|| random.values(d, 0.5)),
            d_y: random.values(results * d, 1.0),
        }
    }
}

/// Everything that a convolution needs, owned.
#[derive(Clone, Debug)]
struct Case<F = f32> {
    sizes: Sizes,
    relu: bool,
    precision: Precision,
    x: Vec<F>,
    w: Vec<F>,
    b: Option<Vec<F>>,
    d_y: Vec<F>,
}

impl Case {
    fn wide(&self) -> Case<f64> {
        let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect();
        Case {
            sizes: self.sizes.clone(),
            relu: self.relu,
            precision: self.precision,
            x: wide(&self.x),
            w: wide(&self.w),
            b: self.b.as_deref().map(wide),
            d_y: wide(&self.d_y),
        }
    }

    fn run(&self, level: Level, threads: usize) -> (Vec<f32>, ConvGradients) {
        let conv = self.conv();
        let y = forward_at(level, threads, &conv).unwrap();
        let d = backward_at(level, threads, &conv, &y, &self.d_y, Wanted::ALL).unwrap();
        (y, d)
    }

    /// The same convolution of one of the images, with its results.
    fn alone(&self, image: usize, results: Range<usize>) -> Self {
        let Sizes { height, widths, .. } = &self.sizes;
        let [c, d] = self.sizes.all_channels();
        let before = height * widths[..image].iter().sum::<usize>();
        let pixels = before..before + height * widths[image];
        Self {
            sizes: Sizes {
                widths: vec![widths[image]],
                ..self.sizes.clone()
            },
            x: self.x[pixels.start * c..pixels.end * c].to_vec(),
            d_y: self.d_y[results.start * d..results.end * d].to_vec(),
            ..self.clone()
        }
    }
}

impl<F> Case<F> {
    fn conv(&self) -> Conv<'_, F> {
        let [channels, outputs] = self.sizes.all_channels();
        Conv {
            images: Images {
                height: self.sizes.height,
                widths: &self.sizes.widths,
                channels,
            },
            window: self.sizes.window,
            groups: self.sizes.groups,
            outputs,
            relu: self.relu,
            precision: self.precision,
            x: &self.x,
            w: &self.w,
            b: self.b.as_deref(),
        }
    }
}

impl Case<f64> {
    fn reference(&self) -> (Vec<f64>, ConvGradients<f64>) {
        let y = reference::conv(&self.conv()).unwrap();
        let d = reference::conv_backward(&self.conv(), &y, &self.d_y).unwrap();
        (y, d)
    }

    fn loss(&self) -> f64 {
        let y = reference::conv(&self.conv()).unwrap();
        y.iter().zip(&self.d_y).map(|(y, d)| y * d).sum()
    }
}

fn close(got: &[f32], expected: &[f64], tolerance: f64, name: &str) {
    assert_eq!(got.len(), expected.len(), "{name}");
    let largest = expected.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!(
            (f64::from(*got) - expected).abs() <= tolerance * largest,
            "{name}[{i}] is {got}, not {expected}"
        );
    }
}

/// Compares results and gradients of the fast path with those of the definition.
fn check(case: &Case, level: Level, threads: usize, tolerance: f64) {
    let (y, d) = case.run(level, threads);
    let (expected, _) = case.wide().reference();
    let name = |what: &str| {
        let (sizes, relu) = (&case.sizes, case.relu);
        format!("{what} of {sizes:?}, relu {relu}, on {}", level.name())
    };
    close(&y, &expected, tolerance, &name("y"));
    // The gradient of the ReLU is that of the results at hand: sums near zero may differ in sign.
    let given: Vec<f64> = y.iter().map(|&y| f64::from(y)).collect();
    let wide = case.wide();
    let expected = reference::conv_backward(&wide.conv(), &given, &wide.d_y).unwrap();
    close(
        &d.d_x.unwrap(),
        &expected.d_x.unwrap(),
        tolerance,
        &name("d_x"),
    );
    close(
        &d.d_w.unwrap(),
        &expected.d_w.unwrap(),
        tolerance,
        &name("d_w"),
    );
    assert_eq!(d.d_b.is_some(), case.b.is_some(), "{}", name("d_b"));
    if let (Some(got), Some(expected)) = (d.d_b, expected.d_b) {
        close(&got, &expected, tolerance, &name("d_b"));
    }
}

fn padded(kernel: [usize; 2], padding: [[usize; 2]; 2]) -> Window {
    Window {
        padding,
        ..Window::new(kernel)
    }
}

/// The edges: kernels over images, no pixels, no channels, strides past the end, dilation, groups, and channels around
/// the widths of vectors and of runs that are copied.
fn edges() -> Vec<Sizes> {
    let same = padded([3, 3], [[1, 1], [1, 1]]);
    let strided = Window {
        stride: [2, 3],
        ..same
    };
    let dilated = Window {
        dilation: [2, 3],
        padding: [[2, 1], [3, 4]],
        ..Window::new([3, 2])
    };
    let far = Window {
        stride: [7, 50],
        padding: [[0, 3], [2, 0]],
        ..Window::new([2, 3])
    };
    let ragged = [5, 1, 0, 17, 2];
    let mut all = vec![
        Sizes::new(0, &ragged, same, [3, 4]),
        Sizes::new(4, &[], same, [3, 4]),
        Sizes::new(4, &[0, 0], padded([1, 2], [[0, 0], [1, 1]]), [3, 4]),
        Sizes::new(4, &ragged, same, [0, 4]),
        Sizes::new(4, &ragged, same, [4, 0]),
        Sizes::new(1, &[1], Window::new([1, 1]), [1, 1]),
        // No window fits any but the widest image, or none at all.
        Sizes::new(4, &ragged, Window::new([3, 7]), [3, 5]),
        Sizes::new(2, &ragged, Window::new([3, 3]), [3, 5]),
        // Tiles of 2×2 results at every edge, and more padding than windows have taps.
        Sizes::new(1, &[1, 2, 3], same, [16, 17]),
        Sizes::new(3, &ragged, Window::new([3, 3]), [17, 16]),
        Sizes::new(5, &ragged, padded([3, 3], [[0, 4], [5, 0]]), [20, 33]),
        // Windows that are all padding.
        Sizes::new(2, &ragged, padded([1, 1], [[2, 1], [0, 3]]), [3, 5]),
        Sizes::new(1, &[33, 4, 40], padded([1, 5], [[0, 0], [4, 0]]), [40, 7]),
        Sizes::new(5, &[1, 1, 1], same, [33, 16]),
    ];
    for window in [same, strided, dilated, far, Window::new([1, 1])] {
        let of = |channels| Sizes::new(4, &ragged, window, channels);
        all.extend([
            of([1, 1]),
            of([1, 16]),
            of([7, 9]),
            of([15, 17]),
            of([16, 31]),
            of([33, 16]),
            of([16, 16]),
            of([63, 17]),
            of([65, 64]),
            of([65, 3]),
            of([1, 2]),
            of([1, 17]),
            of([1, 33]),
            of([1, 1]).groups(3),
            of([1, 1]).groups(16),
            of([1, 1]).groups(33),
            of([1, 2]).groups(5),
            of([3, 2]).groups(4),
            of([33, 5]).groups(2),
        ]);
    }
    all
}

#[test]
fn convolutions_and_their_gradients_follow_the_definition() {
    let mut random = Random(90);
    for sizes in edges() {
        let case = sizes.draw(&mut random);
        for level in Level::available() {
            check(&case, level, 2, 2e-5);
        }
    }
}

#[test]
fn many_windows_are_summed_block_by_block() {
    let mut random = Random(91);
    let same = padded([3, 3], [[1, 1], [1, 1]]);
    for sizes in [
        Sizes::new(9, &[70, 3, 120], same, [16, 24]),
        Sizes::new(5, &[40, 60], same, [1, 1]).groups(20),
        // More terms than a block of the product has.
        Sizes::new(3, &[30, 9], padded([3, 3], [[1, 1], [2, 0]]), [130, 20]),
    ] {
        check(&sizes.draw(&mut random), Level::best(), 3, 3e-5);
    }
}

fn axis() -> impl Strategy<Value = (usize, usize, usize, [usize; 2])> {
    (1usize..5, 1usize..4, 1usize..4, [0usize..4, 0usize..4])
}

fn sizes() -> impl Strategy<Value = Sizes> {
    let widths = prop::collection::vec(0usize..24, 0..5);
    let channels = [1usize..20, 1usize..20];
    let groups = prop_oneof![Just(1usize), 1usize..5];
    (axis(), axis(), 1usize..9, widths, groups, channels).prop_map(
        |(rows, columns, height, widths, groups, channels)| Sizes {
            height,
            widths,
            window: Window {
                kernel: [rows.0, columns.0],
                stride: [rows.1, columns.1],
                dilation: [rows.2, columns.2],
                padding: [rows.3, columns.3],
            },
            groups,
            channels,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn any_convolution_follows_the_definition(sizes in sizes(), seed: u64, threads in 1usize..4) {
        let case = sizes.draw(&mut Random(seed));
        check(&case, Level::best(), threads, 2e-5);
    }
}

#[test]
fn reference_gradients_of_convolutions_are_those_of_finite_differences() {
    let mut random = Random(92);
    let window = Window {
        kernel: [2, 3],
        stride: [2, 1],
        dilation: [1, 2],
        padding: [[1, 0], [2, 3]],
    };
    for (relu, sizes) in [
        (false, Sizes::new(3, &[4, 1, 2], window, [2, 3])),
        (true, Sizes::new(3, &[4, 1, 2], window, [2, 3])),
        (true, Sizes::new(3, &[4, 2], window, [2, 1]).groups(2)),
        (true, Sizes::new(3, &[4, 2], window, [1, 1]).groups(3)),
    ] {
        let mut case = sizes.draw(&mut random);
        let outputs = sizes.groups * sizes.channels[1];
        (case.relu, case.b) = (relu, Some(random.values(outputs, 0.5)));
        let mut case = case.wide();
        let (_, d) = case.reference();
        type Input = fn(&mut Case<f64>) -> &mut [f64];
        let inputs: [(Input, Vec<f64>); 3] = [
            (|case| &mut case.x, d.d_x.unwrap()),
            (|case| &mut case.w, d.d_w.unwrap()),
            (|case| case.b.as_deref_mut().unwrap(), d.d_b.unwrap()),
        ];
        for (which, (input, d)) in inputs.into_iter().enumerate() {
            assert_eq!(input(&mut case).len(), d.len());
            for (i, d) in d.into_iter().enumerate() {
                let x = input(&mut case)[i];
                let [high, low] = [1e-6, -1e-6].map(|step| {
                    input(&mut case)[i] = x + step;
                    case.loss()
                });
                input(&mut case)[i] = x;
                let slope = (high - low) / 2e-6;
                assert!(
                    (slope - d).abs() < 1e-7,
                    "{slope}, not {d} in input {which}[{i}] of {sizes:?}, relu {relu}"
                );
            }
        }
    }
}

fn all_bits((y, d): &(Vec<f32>, ConvGradients)) -> [Vec<u32>; 4] {
    let of = |values: &Option<Vec<f32>>| bits(values.as_deref().unwrap_or_default());
    [bits(y), of(&d.d_x), of(&d.d_w), of(&d.d_b)]
}

/// Enough work for several threads, by each of the ways.
fn large() -> Vec<Sizes> {
    let same = padded([3, 3], [[1, 1], [1, 1]]);
    let strided = Window {
        stride: [2, 2],
        ..same
    };
    vec![
        Sizes::new(12, &[50, 90, 7, 33], same, [16, 40]),
        Sizes::new(12, &[50, 90, 7, 33], strided, [33, 40]),
        Sizes::new(36, &[150, 90, 7, 233], same, [1, 16]),
        Sizes::new(24, &[150, 90, 7, 133], same, [1, 1]).groups(65),
        Sizes::new(12, &[50, 90, 7, 33], strided, [9, 20]).groups(3),
        Sizes::new(
            1,
            &[500, 90, 7, 233],
            padded([1, 5], [[0, 0], [4, 0]]),
            [40, 48],
        ),
    ]
}

#[test]
fn threads_do_not_change_a_bit_of_a_convolution() {
    let mut random = Random(93);
    for sizes in large() {
        let mut case = sizes.draw(&mut random);
        for precision in [Precision::F32, Precision::Bf16] {
            case.precision = precision;
            let one = all_bits(&case.run(Level::best(), 1));
            for threads in [2, 3, 8] {
                let got = all_bits(&case.run(Level::best(), threads));
                assert!(got == one, "{threads} threads, {precision:?}, {sizes:?}");
            }
            Threads::new(3).install(|| {
                let y = forward(&case.conv()).unwrap();
                let d = backward(&case.conv(), &y, &case.d_y, Wanted::ALL).unwrap();
                assert!(all_bits(&(y, d)) == one, "{precision:?}, {sizes:?}");
            });
        }
    }
}

#[test]
fn an_image_has_the_same_bits_alone_and_in_any_batch() {
    let mut random = Random(94);
    for sizes in large().into_iter().chain(edges()) {
        let case = sizes.draw(&mut random);
        let (y, d) = case.run(Level::best(), 2);
        let (height, widths) = case.conv().images.windows(&sizes.window);
        let [c, outputs] = sizes.all_channels();
        let d_x = d.d_x.unwrap();
        let (mut first, mut pixel) = (0, 0);
        for (image, width) in widths.iter().enumerate() {
            let (end, pixels) = (
                first + height * width,
                pixel + sizes.height * sizes.widths[image],
            );
            let (y_alone, d_alone) = case.alone(image, first..end).run(Level::best(), 1);
            let name = format!("image {image} of {sizes:?}");
            let part = &y[first * outputs..end * outputs];
            assert!(bits(&y_alone) == bits(part), "y of {name}");
            let part = &d_x[pixel * c..pixels * c];
            assert!(bits(&d_alone.d_x.unwrap()) == bits(part), "d_x of {name}");
            (first, pixel) = (end, pixels);
        }
    }
}

#[test]
fn bf16_rounds_both_factors() {
    let mut random = Random(95);
    let same = padded([3, 3], [[1, 1], [1, 1]]);
    let round = |values: &mut Vec<f32>| {
        for x in values {
            let bits = x.to_bits();
            *x = f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000);
        }
    };
    for sizes in [
        Sizes::new(4, &[5, 1, 17], same, [7, 9]),
        Sizes::new(4, &[5, 1, 17], same, [33, 15]),
        Sizes::new(4, &[5, 1, 17], same, [1, 17]),
        Sizes::new(4, &[5, 1, 17], padded([3, 1], [[1, 1], [0, 0]]), [33, 16]),
        Sizes::new(4, &[5, 1, 17], same, [33, 5]).groups(2),
    ] {
        let mut case = sizes.draw(&mut random);
        case.precision = Precision::Bf16;
        let mut rounded = case.clone();
        for values in [&mut rounded.x, &mut rounded.w, &mut rounded.d_y] {
            round(values);
        }
        for level in Level::available() {
            let (y, d) = case.run(level, 2);
            let wide = rounded.wide();
            let (expected, _) = wide.reference();
            close(&y, &expected, 2e-5, "y");
            let given: Vec<f64> = y.iter().map(|&y| f64::from(y)).collect();
            let expected = reference::conv_backward(&wide.conv(), &given, &wide.d_y).unwrap();
            close(&d.d_x.unwrap(), &expected.d_x.unwrap(), 2e-5, "d_x");
            close(&d.d_w.unwrap(), &expected.d_w.unwrap(), 2e-5, "d_w");
        }
    }
}

/// Kernels of 3×3 multiply transformed factors, which are sums of four values, some of them halved twice. Of small
/// integers and quarters they are bf16 already, and their products are exact.
#[test]
fn bf16_of_transformed_factors_is_exact_where_they_need_no_rounding() {
    let mut random = Random(195);
    let same = padded([3, 3], [[1, 1], [1, 1]]);
    for sizes in [
        Sizes::new(4, &[5, 1, 17], same, [33, 16]),
        Sizes::new(5, &[40, 30, 70], same, [16, 35]),
    ] {
        let mut case = sizes.draw(&mut random);
        case.precision = Precision::Bf16;
        let integers = |values: &mut Vec<f32>, scale: f32| {
            values
                .iter_mut()
                .for_each(|x| *x = (*x * scale).round().clamp(-3.0, 3.0));
        };
        integers(&mut case.x, 3.0);
        integers(&mut case.d_y, 3.0);
        integers(&mut case.w, 30.0);
        case.w.iter_mut().for_each(|w| *w *= 4.0);
        if let Some(b) = &mut case.b {
            integers(b, 3.0);
        }
        for level in Level::available() {
            check(&case, level, 2, 0.0);
        }
    }
}

/// Others are rounded: errors are those of two factors, and of the sums of transforms.
#[test]
fn bf16_of_transformed_factors_is_near_the_definition() {
    let mut random = Random(196);
    let same = padded([3, 3], [[1, 1], [1, 1]]);
    for channels in [[33, 16], [64, 96]] {
        let mut case = Sizes::new(6, &[9, 1, 30], same, channels).draw(&mut random);
        case.precision = Precision::Bf16;
        for level in Level::available() {
            check(&case, level, 2, 8e-3);
        }
        let rounded = case.run(Level::best(), 1);
        case.precision = Precision::F32;
        assert!(case.run(Level::best(), 1) != rounded, "nothing was rounded");
    }
}

#[test]
fn only_what_is_wanted_is_computed() {
    let same = padded([3, 3], [[1, 1], [1, 1]]);
    let of = |channels| Sizes::new(2, &[5, 2], same, channels);
    let all = [
        of([7, 9]),
        of([33, 2]),
        of([1, 1]).groups(17),
        of([33, 1]).groups(2),
    ];
    for sizes in all {
        let case = sizes.draw(&mut Random(96));
        let (y, all) = case.run(Level::best(), 1);
        for (x, weights) in [(false, false), (false, true), (true, false)] {
            let d = backward(&case.conv(), &y, &case.d_y, Wanted { x, weights }).unwrap();
            assert_eq!(d.d_x, all.d_x.clone().filter(|_| x));
            assert_eq!(d.d_w, all.d_w.clone().filter(|_| weights));
            assert_eq!(d.d_b, all.d_b.clone().filter(|_| weights));
        }
    }
}

#[test]
fn nan_is_not_hidden_by_the_relu() {
    let same = padded([3, 3], [[1, 1], [1, 1]]);
    for sizes in [
        Sizes::new(4, &[5, 9], same, [7, 9]),
        Sizes::new(4, &[5, 9], same, [1, 1]).groups(17),
    ] {
        let mut case = sizes.draw(&mut Random(97));
        (case.relu, case.x[0]) = (true, f32::NAN);
        for level in Level::available() {
            let y = forward_at(level, 1, &case.conv()).unwrap();
            assert!(y[0].is_nan(), "{sizes:?} on {}", level.name());
        }
    }
}

#[test]
fn wrong_convolutions_are_refused() {
    let same = padded([3, 3], [[1, 1], [1, 1]]);
    let case = Sizes::new(4, &[5, 9], same, [6, 9]).draw(&mut Random(98));
    let conv = case.conv();
    let refused = |conv: Conv| {
        let error = forward(&conv).unwrap_err();
        let other = backward(&conv, &[], &[], Wanted::ALL).unwrap_err();
        let same = std::mem::discriminant(&error) == std::mem::discriminant(&other);
        assert!(same, "{error} and {other}");
        error
    };
    for groups in [0, 2, 4] {
        let error = refused(Conv { groups, ..conv });
        assert!(
            matches!(error, KernelError::Option { what: "groups", .. }),
            "{error}"
        );
    }
    let error = refused(Conv {
        precision: Precision::Int8,
        ..conv
    });
    assert!(
        matches!(
            error,
            KernelError::Option {
                what: "precision",
                ..
            }
        ),
        "{error}"
    );
    for window in [
        Window {
            kernel: [0, 3],
            ..same
        },
        Window {
            stride: [1, 0],
            ..same
        },
        Window {
            dilation: [0, 1],
            ..same
        },
    ] {
        let error = refused(Conv { window, ..conv });
        assert!(
            matches!(error, KernelError::Option { what: "window", .. }),
            "{error}"
        );
    }
    let shape = |conv: Conv, name: &str| match refused(conv) {
        KernelError::Shape { what, .. } => assert_eq!(what, name),
        error => panic!("{error}"),
    };
    shape(
        Conv {
            x: &case.x[1..],
            ..conv
        },
        "x",
    );
    shape(
        Conv {
            w: &case.w[1..],
            ..conv
        },
        "w",
    );
    shape(
        Conv {
            b: Some(&[1.0]),
            ..conv
        },
        "b",
    );
    let y = forward(&conv).unwrap();
    let relu = Conv { relu: true, ..conv };
    let error = backward(&relu, &y[1..], &case.d_y, Wanted::ALL).unwrap_err();
    assert!(
        matches!(error, KernelError::Shape { what: "y", .. }),
        "{error}"
    );
    let error = backward(&relu, &y, &case.d_y[1..], Wanted::ALL).unwrap_err();
    assert!(
        matches!(error, KernelError::Shape { what: "d_y", .. }),
        "{error}"
    );
}

#[test]
fn sizes_that_do_not_fit_are_refused_before_memory_is_taken() {
    let same = padded([3, 3], [[1, 1], [1, 1]]);
    let case = Sizes::new(4, &[5, 9], same, [6, 9]).draw(&mut Random(99));
    let conv = case.conv();
    let huge = usize::MAX / 2;
    let windows = [
        padded([3, 3], [[huge, huge], [1, 1]]),
        padded([3, 3], [[1 << 40, 0], [1 << 40, 0]]),
        padded([3, 3], [[1 << 30, 0], [1 << 28, 0]]),
        Window {
            kernel: [huge, 3],
            ..same
        },
        Window {
            dilation: [3, huge],
            ..same
        },
        Window {
            stride: [usize::MAX, 1],
            ..same
        },
    ];
    for window in windows {
        let error = forward(&Conv { window, ..conv }).unwrap_err();
        let large = matches!(
            error,
            KernelError::TooLarge { .. } | KernelError::Shape { .. }
        );
        assert!(large, "{error}");
    }
    for (height, widths) in [(usize::MAX, vec![2, 3]), (4, vec![usize::MAX; 3])] {
        let images = Images {
            height,
            widths: &widths,
            channels: 6,
        };
        let error = forward(&Conv { images, ..conv }).unwrap_err();
        assert!(matches!(error, KernelError::TooLarge { .. }), "{error}");
    }
    // The kernel of a convolution without channels takes no memory.
    let conv = Conv {
        images: Images {
            channels: 0,
            ..conv.images
        },
        window: padded([1 << 28, 3], [[1 << 28, 0], [1, 1]]),
        x: &[],
        w: &[],
        ..conv
    };
    let y = forward(&conv).unwrap();
    let d_y = vec![1.0; y.len()];
    let d = backward(&conv, &y, &d_y, Wanted::ALL).unwrap();
    assert_eq!(d.d_x, Some(Vec::new()));
}
