//! Dropout on Burn.

use crate::second_opinion::{close, random};
use burn::tensor::{Device, Tensor};
use refrain::ops::{DropoutMask, dropout};
use refrain_kernels::random::Key;

#[test]
fn the_gradient_of_dropout_passes_the_same_elements() {
    let device = Device::flex().autodiff();
    let (batch, time, features) = (2, 3, 40);
    for mask in [
        DropoutMask::Elementwise,
        DropoutMask::Variational {
            batch,
            time,
            features,
        },
    ] {
        let x = random([batch, time, features], 1, &device).require_grad();
        let y = dropout(x.clone(), 0.4, Key::new(9), mask).unwrap();
        let ones = Tensor::<3>::ones([batch, time, features], &device.clone().inner());
        let mut grads = y.sum().backward();
        let expected = dropout(ones, 0.4, Key::new(9), mask).unwrap();
        close(x.grad_remove(&mut grads).unwrap(), expected, 0.0, "d_x");
    }
}

#[test]
fn dropout_of_what_does_not_fit_is_refused() {
    let x = random([2, 3], 1, &Device::flex());
    let mask = DropoutMask::Variational {
        batch: 2,
        time: 3,
        features: 2,
    };
    let error = dropout(x.clone(), 0.1, Key::new(1), mask).unwrap_err();
    assert_eq!(
        error.to_string(),
        "dropout: x has [6] where [2, 3, 2] is needed"
    );
    let error = dropout(x, 1.0, Key::new(1), DropoutMask::Elementwise).unwrap_err();
    assert!(error.to_string().contains("probability"), "{error}");
}

#[test]
fn no_dropout_is_the_identity() {
    let x = random([2, 3], 1, &Device::flex());
    close(
        dropout(x.clone(), 0.0, Key::new(1), DropoutMask::Elementwise).unwrap(),
        x,
        0.0,
        "y",
    );
}
