//! Learning rates compared with their published formulas.

use refrain::train::{Schedule, ScheduleConfig};

fn check(config: ScheduleConfig, steps: u64, expect: &[(u64, u64, f64)]) {
    config.check().unwrap();
    let schedule = Schedule::new(config);
    for &(epoch, step, factor) in expect {
        let got = schedule.factor(epoch, step, steps);
        assert!(
            (got - factor).abs() < 1e-9,
            "{schedule:?} epoch {epoch} step {step}: {got}, not {factor}"
        );
    }
}

#[test]
fn zaremba_holds_four_epochs_then_halves() {
    let config = ScheduleConfig::Step {
        hold: 4,
        factor: 0.5,
    };
    check(
        config,
        13,
        &[
            (0, 0, 1.0),
            (3, 3, 1.0),
            (4, 4, 0.5),
            (5, 5, 0.25),
            (12, 12, 0.5f64.powi(9)),
        ],
    );
}

#[test]
fn cosine_rises_and_falls() {
    let config = ScheduleConfig::Cosine {
        warmup: 0.1,
        last: 0.2,
    };
    check(
        config,
        101,
        &[
            (0, 0, 1.0 / 10.1),
            (0, 9, 10.0 / 10.1),
            (0, 100, 0.2),
            (0, 55, 0.6),
        ],
    );
    check(
        ScheduleConfig::Cosine {
            warmup: 0.0,
            last: 0.0,
        },
        11,
        &[(0, 0, 1.0), (0, 5, 0.5), (0, 10, 0.0)],
    );
}

/// `torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=1, total_steps=100, pct_start=0.3)`: `get_last_lr()` after 0, 29,
/// 99 steps, and halfway through its second phase.
#[test]
fn one_cycle_is_pytorchs() {
    let config = ScheduleConfig::OneCycle {
        warmup: 0.3,
        start: 25.0,
        end: 1e4,
    };
    let last = 1.0 / 25.0 / 1e4;
    check(
        config,
        100,
        &[
            (0, 0, 0.04),
            (0, 29, 1.0),
            (0, 99, last),
            (0, 64, (1.0 + last) / 2.0),
        ],
    );
}

#[test]
fn plateau_falls_when_validation_does_not_improve() {
    let mut schedule = Schedule::new(ScheduleConfig::Plateau {
        factor: 0.25,
        patience: 1,
        threshold: 0.0,
    });
    let factors: Vec<f64> = [5.0, 4.0, 4.0, 4.0, 4.0, 3.0, 3.5, 3.5]
        .into_iter()
        .map(|metric| {
            schedule.observe(metric);
            schedule.factor(0, 0, 1)
        })
        .collect();
    assert_eq!(factors, [1.0, 1.0, 1.0, 0.25, 0.25, 0.25, 0.25, 0.0625]);
}

#[test]
fn settings_out_of_range_are_refused() {
    assert!(
        ScheduleConfig::Step {
            hold: 1,
            factor: 0.0
        }
        .check()
        .is_err()
    );
    assert!(
        ScheduleConfig::Cosine {
            warmup: 1.5,
            last: 0.0
        }
        .check()
        .is_err()
    );
    assert!(
        ScheduleConfig::OneCycle {
            warmup: 0.3,
            start: f64::NAN,
            end: 1.0
        }
        .check()
        .is_err()
    );
    assert!(
        ScheduleConfig::Plateau {
            factor: -1.0,
            patience: 0,
            threshold: 0.0
        }
        .check()
        .is_err()
    );
}
