//! The recurrent stacks through their public interface.

use crate::second_opinion::{close, random};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use refrain::layers::{GruConfig, LstmConfig, Options, Recurrent, RnnConfig, State};
use refrain::params;
use refrain_kernels::random::Key;

#[test]
fn parameters_carry_the_names_and_shapes_of_pytorch() {
    let lstm = LstmConfig::new(3, 5)
        .with_layers(2)
        .with_bidirectional(true)
        .init(&Device::flex());
    let found: Vec<(String, Vec<usize>)> = params::export(&lstm)
        .into_iter()
        .map(|p| (p.name, p.shape))
        .collect();
    let mut expected = Vec::new();
    for (layer, input) in [(0, 3), (1, 10)] {
        for suffix in ["", "_reverse"] {
            expected.push((format!("weight_ih_l{layer}{suffix}"), vec![20, input]));
            expected.push((format!("weight_hh_l{layer}{suffix}"), vec![20, 5]));
            expected.push((format!("bias_ih_l{layer}{suffix}"), vec![20]));
            expected.push((format!("bias_hh_l{layer}{suffix}"), vec![20]));
        }
    }
    assert_eq!(found, expected);
    let bound = 1.0 / 5f32.sqrt();
    let values: Vec<f32> = params::export(&lstm)
        .into_iter()
        .flat_map(|p| p.data)
        .collect();
    assert!(values.iter().all(|v| v.abs() <= bound));
    assert!(values.iter().any(|v| v.abs() > 0.9 * bound));
}

#[test]
fn rnn_lstm_and_gru_take_the_same_options() {
    let device = Device::flex().autodiff();
    for config in [
        RnnConfig::new(4, 6),
        LstmConfig::new(4, 6),
        GruConfig::new(4, 6),
        GruConfig::reset_before(4, 6),
    ] {
        let layer = config
            .with_layers(3)
            .with_bidirectional(true)
            .with_dropout(0.5)
            .with_weight_dropout(0.2)
            .with_variational(true)
            .with_seed(3)
            .init(&device);
        let x = random([2, 5, 4], 1, &device);
        let (y, state) = layer.forward(x.clone(), None).unwrap();
        assert_eq!(y.dims(), [2, 5, 12]);
        assert_eq!(state.layers.len(), 3);
        let options = || Options {
            lengths: Some(vec![5, 2]),
            dropout: Some(Key::new(1)),
            ..Options::default()
        };
        let (thin, _) = layer.forward_with(x.clone(), options()).unwrap();
        let (again, _) = layer.forward_with(x.clone(), options()).unwrap();
        close(
            thin.clone(),
            again,
            0.0,
            "the same key gives the same masks",
        );
        let gradients = params::gradients(&layer, &thin.sum());
        assert_eq!(gradients.len(), 24, "every parameter has a gradient");
    }
}

#[test]
fn a_sequence_in_pieces_gives_what_it_gives_whole() {
    let layer = LstmConfig::new(3, 7).with_layers(2).init(&Device::flex());
    let x = random([2, 6, 3], 1, &Device::flex());
    let (whole, last) = layer.forward(x.clone(), None).unwrap();
    let mut state: Option<State> = None;
    for t in 0..6 {
        let (y, next) = layer.forward(x.clone().narrow(1, t, 1), state).unwrap();
        close(y, whole.clone().narrow(1, t, 1), 1e-6, "a step");
        state = Some(next);
    }
    close(
        state.unwrap().layers[1].c.clone(),
        last.layers[1].c.clone(),
        1e-6,
        "c",
    );
}

#[test]
fn a_shape_that_does_not_fit_is_an_error() {
    let layer = LstmConfig::new(3, 4).init(&Device::flex());
    let error = layer
        .forward(random([2, 5, 7], 1, &Device::flex()), None)
        .unwrap_err();
    assert!(error.to_string().contains("w_ih"), "{error}");
    let x = random([2, 5, 3], 1, &Device::flex());
    let options = Options {
        lengths: Some(vec![6, 1]),
        ..Options::default()
    };
    assert!(layer.forward_with(x, options).is_err());
}

#[test]
fn training_and_validation_copies_hold_the_same_parameters() {
    let layer = GruConfig::new(3, 4).init(&Device::flex().autodiff());
    assert_eq!(layer.num_params(), 3 * 4 * (3 + 4 + 2));
    assert_eq!(params::export(&layer), params::export(&layer.valid()));
}

#[test]
fn inference_keeps_packed_weights_and_sees_when_one_has_changed() {
    let device = Device::flex().autodiff();
    let mut layer = GruConfig::new(4, 6).with_layers(2).init(&device);
    let x = random([2, 5, 4], 1, &device);
    let infer = |layer: &Recurrent| layer.valid().forward(x.clone().inner(), None).unwrap().0;
    let mut last = infer(&layer);
    for _ in 0..2 {
        let (y, _) = layer.forward(x.clone(), None).unwrap();
        let gradients = params::gradients(&layer, &y.sum());
        layer = params::update(layer, gradients, |_, p, g| {
            p.iter_mut().zip(g).for_each(|(p, g)| *p -= 0.1 * g);
            Ok(())
        })
        .unwrap();
        let (now, again) = (infer(&layer), infer(&layer));
        let exported = params::export(&layer).into_iter();
        let tensors = exported.map(|p| (p.name.clone(), p)).collect();
        let other = GruConfig::new(4, 6)
            .with_layers(2)
            .with_seed(9)
            .init(&device);
        let fresh = infer(&params::import(other, &tensors).unwrap());
        let values = |y: Tensor<3>| refrain::ops::floats(y);
        let now = values(now);
        assert_eq!(now, values(again));
        assert_eq!(now, values(fresh));
        assert_ne!(now, values(last));
        last = infer(&layer);
    }
}
