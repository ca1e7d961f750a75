//! The error of the vectorised activations.

use refrain_kernels::Level;
use refrain_kernels::act::Activation;

/// Every float of a dense grid, with the awkward ones.
fn inputs() -> Vec<f32> {
    let mut all: Vec<f32> = (-400_000..=400_000).map(|i| i as f32 * 2.5e-4).collect();
    all.extend((0..2_000).map(|i| 10f32.powf(-8.0 + i as f32 * 0.005)));
    all.extend((0..2_000).map(|i| -(10f32.powf(-8.0 + i as f32 * 0.005))));
    all.extend([
        0.0,
        -0.0,
        f32::MIN_POSITIVE,
        1e30,
        -1e30,
        f32::MAX,
        f32::MIN,
        f32::INFINITY,
        f32::NEG_INFINITY,
    ]);
    all
}

fn check(activation: Activation, exact: impl Fn(f64) -> f64) {
    let x = inputs();
    for level in Level::available() {
        let mut y = x.clone();
        activation.apply_at(level, &mut y);
        for (&x, &y) in x.iter().zip(&y) {
            let expected = exact(f64::from(x));
            let error = (f64::from(y) - expected).abs();
            let within = error <= 1e-7 || error <= 2e-7 * expected.abs();
            assert!(
                within,
                "{activation:?}({x}) = {y}, not {expected}, on {}",
                level.name()
            );
        }
        let mut nan = [f32::NAN; 3];
        activation.apply_at(level, &mut nan);
        assert!(
            nan.iter().all(|y| y.is_nan()),
            "{activation:?}(NaN) = {nan:?} on {}",
            level.name()
        );
    }
}

#[test]
fn tanh_is_within_its_bound() {
    check(Activation::Tanh, f64::tanh);
}

#[test]
fn sigmoid_is_within_its_bound() {
    check(Activation::Sigmoid, |x| 1.0 / (1.0 + (-x).exp()));
}

#[test]
fn exp_is_within_its_bound() {
    check(Activation::Exp, |x| x.clamp(-87.0, 87.0).exp());
}
