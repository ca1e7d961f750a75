//! Update rules compared with PyTorch's formulas in `f64`, and optimizer state in checkpoints.

use refrain::train::optimizer::{Moments, Optimizer, OptimizerConfig};
use std::collections::BTreeMap;

const LR: f64 = 0.1;
const SCALE: f64 = 0.5;

fn gradient(step: usize) -> Vec<f32> {
    (0..9)
        .map(|i| ((i * 7 + step * 3) % 5) as f32 - 2.0)
        .collect()
}

fn moments() -> Moments {
    Moments {
        lr: LR,
        weight_decay: 0.03,
        betas: [0.8, 0.95],
        eps: 1e-6,
    }
}

fn run(config: &OptimizerConfig, steps: usize) -> Vec<f32> {
    let mut optimizer = Optimizer::new(config.clone());
    let mut p = start();
    for step in 0..steps {
        optimizer.begin();
        optimizer
            .update("p", &mut p, &gradient(step), LR, SCALE)
            .unwrap();
    }
    p
}

fn start() -> Vec<f32> {
    (0..9).map(|i| i as f32 / 4.0).collect()
}

fn close(got: &[f32], expect: &[f64]) {
    for (got, expect) in got.iter().zip(expect) {
        assert!((f64::from(*got) - expect).abs() < 2e-6, "{got} {expect}");
    }
}

#[test]
fn sgd() {
    let config = OptimizerConfig::Sgd {
        lr: LR,
        weight_decay: 0.03,
    };
    let mut p: Vec<f64> = start().into_iter().map(f64::from).collect();
    for step in 0..10 {
        for (p, g) in p.iter_mut().zip(gradient(step)) {
            *p -= LR * (SCALE * f64::from(g) + 0.03 * *p);
        }
    }
    close(&run(&config, 10), &p);
}

fn adam(decoupled: bool) -> Vec<f64> {
    let Moments {
        lr,
        weight_decay,
        betas: [b1, b2],
        eps,
    } = moments();
    let mut p: Vec<f64> = start().into_iter().map(f64::from).collect();
    let (mut m, mut v) = (vec![0.0; 9], vec![0.0; 9]);
    for step in 0..10 {
        let g = gradient(step);
        for i in 0..9 {
            let mut d = SCALE * f64::from(g[i]);
            match decoupled {
                true => p[i] -= lr * weight_decay * p[i],
                false => d += weight_decay * p[i],
            }
            m[i] = b1 * m[i] + (1.0 - b1) * d;
            v[i] = b2 * v[i] + (1.0 - b2) * d * d;
            let (m_hat, v_hat) = (
                m[i] / (1.0 - b1.powi(step as i32 + 1)),
                v[i] / (1.0 - b2.powi(step as i32 + 1)),
            );
            p[i] -= lr * m_hat / (v_hat.sqrt() + eps);
        }
    }
    p
}

#[test]
fn adam_and_adamw() {
    close(&run(&OptimizerConfig::Adam(moments()), 10), &adam(false));
    close(&run(&OptimizerConfig::AdamW(moments()), 10), &adam(true));
}

#[test]
fn state_survives_export_and_import_bit_for_bit() {
    let config = OptimizerConfig::AdamW(moments());
    let sizes = BTreeMap::from([("p".to_string(), 9)]);
    let mut p = start();
    let mut optimizer = Optimizer::new(config.clone());
    for step in 0..10 {
        let state = optimizer.export();
        optimizer = Optimizer::import(config.clone(), optimizer.step(), state, &sizes).unwrap();
        optimizer.begin();
        optimizer
            .update("p", &mut p, &gradient(step), LR, SCALE)
            .unwrap();
    }
    assert_eq!(p, run(&config, 10));

    let state = optimizer.export();
    let without = Optimizer::import(config.clone(), 10, state[..1].to_vec(), &sizes);
    assert!(without.is_err(), "a moment without its partner");
    let none = Optimizer::import(config.clone(), 10, state.clone(), &BTreeMap::new());
    assert!(none.is_err(), "a moment of no parameter");
    let other = Optimizer::import(config, 10, state, &BTreeMap::from([("p".to_string(), 8)]));
    assert!(other.is_err(), "a moment of another size");
}

#[test]
fn constants_out_of_range_are_refused() {
    assert!(
        OptimizerConfig::Sgd {
            lr: 0.0,
            weight_decay: 0.0
        }
        .check()
        .is_err()
    );
    assert!(
        OptimizerConfig::Adam(Moments {
            betas: [1.0, 0.9],
            ..moments()
        })
        .check()
        .is_err()
    );
    assert!(
        OptimizerConfig::AdamW(Moments {
            eps: 0.0,
            ..moments()
        })
        .check()
        .is_err()
    );
    assert!(
        OptimizerConfig::AdamW(Moments {
            weight_decay: -1.0,
            ..moments()
        })
        .check()
        .is_err()
    );
    assert!(OptimizerConfig::AdamW(moments()).check().is_ok());
}
