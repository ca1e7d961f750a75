//! The training loop: interruptions, early stopping, averages, losses that are not finite.

use crate::toy::{SIZE, Toy, events, files, run, weight};
use refrain::Error;
use refrain::metrics::Better;
use refrain::train::optimizer::Moments;
use refrain::train::{
    AverageConfig, Checkpoint, Control, EarlyStopping, Event, OptimizerConfig, ScheduleConfig,
    Stopped, TrainConfig,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tempfile::tempdir;

fn config() -> TrainConfig {
    TrainConfig {
        epochs: 4,
        clip: 0.5,
        checkpoint_every_seconds: 1e9,
        log_every: 1,
        optimizer: OptimizerConfig::AdamW(Moments {
            lr: 0.05,
            weight_decay: 0.01,
            betas: [0.9, 0.99],
            eps: 1e-8,
        }),
        schedule: ScheduleConfig::Plateau {
            factor: 0.5,
            patience: 0,
            threshold: 0.0,
        },
        average: AverageConfig::Asgd {
            from_epoch: Some(2),
            nonmonotone: None,
        },
        ..TrainConfig::default()
    }
}

fn toy() -> Toy {
    let mut toy = Toy::new(7);
    toy.noise = 0.3;
    toy
}

fn go_on(_: &Event) -> Control {
    Control::Continue
}

fn step_of(event: &Event) -> Option<u64> {
    match event {
        Event::Step { step, .. } => Some(*step),
        _ => None,
    }
}

#[test]
fn a_run_stopped_at_any_step_ends_with_the_same_bits() {
    let whole = tempdir().unwrap();
    let outcome = run(&mut toy(), &config(), whole.path(), &mut go_on).unwrap();
    assert_eq!(outcome.stopped, Stopped::Done);
    assert_eq!(outcome.progress.step, 28);
    let expected = std::fs::read(files(whole.path()).model).unwrap();
    let log = events(whole.path());
    for stops in [
        vec![1],
        vec![6],
        vec![7],
        vec![8],
        vec![14],
        vec![27],
        vec![28],
        vec![3, 4, 15, 22],
    ] {
        let folder = tempdir().unwrap();
        for stop in &stops {
            let stopped = run(
                &mut toy(),
                &config(),
                folder.path(),
                &mut |event| match step_of(event) == Some(*stop) {
                    true => Control::Stop,
                    false => Control::Continue,
                },
            );
            assert_eq!(stopped.unwrap().stopped, Stopped::Asked, "{stops:?}");
        }
        run(&mut toy(), &config(), folder.path(), &mut go_on).unwrap();
        assert_eq!(
            std::fs::read(files(folder.path()).model).unwrap(),
            expected,
            "{stops:?}"
        );
        assert_eq!(events(folder.path()), log, "{stops:?}");
    }
}

#[test]
fn a_run_cut_off_at_any_step_ends_with_the_same_bits_whenever_checkpoints_were_written() {
    let whole = tempdir().unwrap();
    run(&mut toy(), &config(), whole.path(), &mut go_on).unwrap();
    let expected = std::fs::read(files(whole.path()).model).unwrap();
    let log = events(whole.path());
    for (cut, every) in [
        (1, 1e9),
        (5, 0.0),
        (9, 1e9),
        (17, 0.0),
        (21, 1e9),
        (28, 0.0),
    ] {
        let folder = tempdir().unwrap();
        let config = TrainConfig {
            checkpoint_every_seconds: every,
            ..config()
        };
        let dies = catch_unwind(AssertUnwindSafe(|| {
            run(&mut toy(), &config, folder.path(), &mut |event| {
                assert_ne!(step_of(event), Some(cut), "cut off, as planned");
                Control::Continue
            })
        }));
        assert!(dies.is_err());
        run(&mut toy(), &config, folder.path(), &mut go_on).unwrap();
        assert_eq!(
            std::fs::read(files(folder.path()).model).unwrap(),
            expected,
            "cut {cut}"
        );
        assert_eq!(events(folder.path()), log, "cut {cut}");
    }
}

#[test]
fn a_finished_run_stays_as_it_is() {
    let folder = tempdir().unwrap();
    run(&mut toy(), &config(), folder.path(), &mut go_on).unwrap();
    let log = events(folder.path());
    let again = run(&mut toy(), &config(), folder.path(), &mut go_on).unwrap();
    assert_eq!((again.stopped, again.progress.step), (Stopped::Done, 28));
    assert_eq!(events(folder.path()), log);
}

#[test]
fn early_stopping_counts_epochs_without_a_better_validation() {
    let folder = tempdir().unwrap();
    let mut toy = Toy::new(2);
    toy.script = vec![5.0, 4.0, 4.5, 3.0, 3.0, 3.1, 9.0, 1.0];
    let config = TrainConfig {
        epochs: 20,
        average: AverageConfig::None {},
        early_stopping: Some(EarlyStopping { patience: 3 }),
        ..config()
    };
    let outcome = run(&mut toy, &config, folder.path(), &mut go_on).unwrap();
    assert_eq!(outcome.stopped, Stopped::EarlyStopping);
    assert_eq!(outcome.progress.epoch, 7);
    assert_eq!(outcome.progress.best, Some(3.0));
    assert_eq!(outcome.progress.best_metrics["distance"], 3.0);
}

#[test]
fn the_model_is_the_one_of_the_best_epoch() {
    let best = tempdir().unwrap();
    let plain = TrainConfig {
        average: AverageConfig::None {},
        schedule: ScheduleConfig::Constant {},
        ..config()
    };
    let two = TrainConfig {
        epochs: 2,
        ..plain.clone()
    };
    run(&mut Toy::new(3), &two, best.path(), &mut go_on).unwrap();
    let last = Checkpoint::load(&files(best.path()).checkpoint).unwrap();
    for (better, script) in [
        (Better::Lower, [5.0, 1.0, 2.0, f64::NAN]),
        (Better::Higher, [1.0, 5.0, f64::NAN, 2.0]),
    ] {
        let folder = tempdir().unwrap();
        let mut toy = Toy::new(3);
        (toy.better, toy.script) = (better, script.to_vec());
        run(&mut toy, &plain, folder.path(), &mut go_on).unwrap();
        assert_eq!(weight(&files(folder.path()).model), last.model[0].data);
    }
}

/// SGD on half a squared distance: w ← w − lr·(w − target). The average is the plain mean of all points after the
/// start.
#[test]
fn the_average_is_the_mean_of_the_weights_since_its_start() {
    let folder = tempdir().unwrap();
    let mut toy = Toy::new(3);
    // The validation of the average is the best, so the average is saved.
    toy.script = vec![3.0, 2.0, 1.0];
    let config = TrainConfig {
        epochs: 3,
        clip: 0.0,
        optimizer: OptimizerConfig::Sgd {
            lr: 0.1,
            weight_decay: 0.0,
        },
        schedule: ScheduleConfig::Constant {},
        average: AverageConfig::Asgd {
            from_epoch: Some(1),
            nonmonotone: None,
        },
        ..config()
    };
    run(&mut toy, &config, folder.path(), &mut go_on).unwrap();

    let mut w: Vec<f64> = (0..SIZE).map(|i| i as f64).collect();
    let mut sums = vec![0.0; SIZE];
    for epoch in 0..3 {
        let mut state = 0.0;
        for batch in 0..3 {
            for i in 0..SIZE {
                w[i] -= 0.1 * (w[i] - ((batch * i) as f64 * 0.1 + state));
                sums[i] += if epoch >= 1 { w[i] } else { 0.0 };
            }
            state = 0.5 * state + 0.1;
        }
    }
    for (got, sum) in weight(&files(folder.path()).model).iter().zip(sums) {
        assert!(
            (f64::from(*got) - sum / 6.0).abs() < 1e-5,
            "{got} {}",
            sum / 6.0
        );
    }
}

/// The weights of the epochs with the best validation, their mean, and a run that is interrupted among them.
#[test]
fn the_mean_of_the_best_epochs_is_saved_where_it_is_better() {
    let config = |epochs: usize| TrainConfig {
        epochs: 5,
        average: AverageConfig::Best { epochs },
        ..config()
    };
    let plain = TrainConfig {
        epochs: 5,
        average: AverageConfig::None {},
        ..config(2)
    };
    // Epochs 2 and 4 are the best; the last figure is that of their mean.
    for (mean, saved) in [(0.5, true), (1.5, false)] {
        let script = [3.0, 1.0, 2.0, 1.5, 2.5, mean];
        let toy = |from: usize| {
            let mut toy = toy();
            toy.script = script[from..].to_vec();
            toy
        };
        let whole = tempdir().unwrap();
        let mut told = None;
        let done = run(&mut toy(0), &config(2), whole.path(), &mut |event| {
            if let Event::BestAveraged { epochs, best, .. } = event {
                told = Some((epochs.clone(), *best));
            }
            Control::Continue
        });
        assert_eq!(told, Some((vec![2, 4], saved)));
        assert_eq!(
            done.unwrap().progress.best,
            Some(if saved { 0.5 } else { 1.0 })
        );
        let after = |epochs: u64| -> Vec<f32> {
            let folder = tempdir().unwrap();
            let mut toy = toy(0);
            // The last epoch is the best.
            toy.script = (0..epochs).map(|epoch| script[epoch as usize]).collect();
            run(
                &mut toy,
                &TrainConfig {
                    epochs,
                    ..plain.clone()
                },
                folder.path(),
                &mut go_on,
            )
            .unwrap();
            Checkpoint::load(&files(folder.path()).checkpoint)
                .unwrap()
                .model[0]
                .data
                .clone()
        };
        let (second, fourth) = (after(2), after(4));
        let got = weight(&files(whole.path()).model);
        for ((got, a), b) in got.iter().zip(&second).zip(&fourth) {
            let expected = if saved { 0.5 * (a + b) } else { *a };
            assert!((got - expected).abs() < 1e-5, "{got} {expected}");
        }
        // Stopped in the fourth epoch, after three validations.
        let rough = tempdir().unwrap();
        let stop = |event: &Event| match step_of(event) {
            Some(24) => Control::Stop,
            _ => Control::Continue,
        };
        run(&mut toy(0), &config(2), rough.path(), &mut { stop }).unwrap();
        run(&mut toy(3), &config(2), rough.path(), &mut go_on).unwrap();
        assert_eq!(weight(&files(rough.path()).model), got);
    }
    assert!(config(1).check().is_err());
}

#[test]
fn the_nonmonotone_trigger_is_awd_lstms() {
    let rule = AverageConfig::Asgd {
        from_epoch: None,
        nonmonotone: Some(2),
    };
    assert!(!rule.begins(&[3.0]));
    assert!(
        !rule.begins(&[1.0, 2.0, 3.0]),
        "too early: two epochs before this one"
    );
    assert!(
        rule.begins(&[1.0, 2.0, 3.0, 1.5]),
        "worse than the best of more than two epochs ago"
    );
    assert!(
        !rule.begins(&[2.0, 1.0, 1.0, 1.5]),
        "better than the only one of more than two epochs ago"
    );
    assert!(!AverageConfig::None {}.begins(&[1.0; 9]));
}

#[test]
fn a_loss_that_is_no_number_leaves_out_the_update() {
    let folder = tempdir().unwrap();
    let mut toy = Toy::new(4);
    toy.broken = |place| place.batch == 2;
    let mut skipped = 0;
    let outcome = run(&mut toy, &config(), folder.path(), &mut |event| {
        skipped += u32::from(matches!(event, Event::Skipped { in_a_row: 1, .. }));
        Control::Continue
    });
    let progress = outcome.unwrap().progress;
    assert_eq!((skipped, progress.step, progress.updates), (4, 16, 12));
    assert!(
        weight(&files(folder.path()).model)
            .iter()
            .all(|w| w.is_finite())
    );
}

#[test]
fn twenty_in_a_row_end_the_training_with_advice() {
    let folder = tempdir().unwrap();
    let mut toy = Toy::new(50);
    toy.broken = |place| place.batch >= 10;
    let error = run(&mut toy, &config(), folder.path(), &mut go_on)
        .err()
        .unwrap();
    assert!(
        matches!(error, Error::Diverged { skipped: 20, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("train.optimizer.lr"));
}

#[test]
fn a_training_without_a_finite_validation_has_diverged() {
    let plain = TrainConfig {
        epochs: 3,
        average: AverageConfig::None {},
        ..config()
    };
    let early = TrainConfig {
        epochs: 9,
        early_stopping: Some(EarlyStopping { patience: 2 }),
        ..plain.clone()
    };
    for config in [&plain, &early] {
        let folder = tempdir().unwrap();
        let mut toy = Toy::new(3);
        toy.script = [f64::NAN, f64::INFINITY].repeat(5);
        for attempt in ["begun", "resumed"] {
            let error = run(&mut toy, config, folder.path(), &mut go_on).err();
            let error = error.unwrap_or_else(|| panic!("{attempt}: it ends well"));
            assert!(
                matches!(error, Error::Diverged { skipped: 0, .. }),
                "{attempt}: {error}"
            );
            assert!(error.to_string().contains("in any of 3 epochs"), "{error}");
        }
        // A later epoch with a number makes it a good run.
        toy.script.clear();
        let more = TrainConfig {
            epochs: 4,
            early_stopping: None,
            ..config.clone()
        };
        let outcome = run(&mut toy, &more, folder.path(), &mut go_on).unwrap();
        assert!(outcome.progress.best.is_some_and(|best| best < f64::MAX));
    }
}

#[test]
fn other_data_cannot_go_on_from_a_checkpoint() {
    let folder = tempdir().unwrap();
    run(&mut toy(), &config(), folder.path(), &mut go_on).unwrap();
    let file = files(folder.path()).checkpoint;
    let mut checkpoint = Checkpoint::load(&file).unwrap();
    checkpoint.progress.fingerprint = "other".into();
    checkpoint.save(&file).unwrap();
    let error = run(&mut toy(), &config(), folder.path(), &mut go_on)
        .err()
        .unwrap();
    assert!(error.to_string().contains("--data"), "{error}");
}
