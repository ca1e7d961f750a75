//! The CTC loss against its equations, and where there is no path.

use crate::cases::{Random, few, unless_miri};
use refrain_kernels::ctc::{CtcBatch, ctc_loss, ctc_loss_at};
use refrain_kernels::{KernelError, Level, reference};

struct Case {
    time: usize,
    vocabulary: usize,
    logits: Vec<f32>,
    lengths: Vec<usize>,
    targets: Vec<Vec<u32>>,
    blank: u32,
    scale: Vec<f32>,
}

impl Case {
    fn draw(random: &mut Random, batch: usize, time: usize, vocabulary: usize, sharp: f32) -> Self {
        let blank = random.below(vocabulary) as u32;
        let lengths: Vec<usize> = (0..batch).map(|_| random.below(time + 1)).collect();
        let targets = lengths.iter().map(|&length| {
            let labels = random.below(length / 2 + 2);
            let label = |random: &mut Random| {
                (blank + 1 + random.below(vocabulary - 1) as u32) % vocabulary as u32
            };
            // Few classes give many repeats.
            (0..labels).map(|_| label(random)).collect()
        });
        Self {
            time,
            vocabulary,
            targets: targets.collect(),
            logits: random.values(batch * time * vocabulary, sharp),
            scale: random.values(batch, 1.0),
            lengths,
            blank,
        }
    }

    fn with<R>(&self, f: impl FnOnce(&CtcBatch) -> R) -> R {
        let targets: Vec<&[u32]> = self.targets.iter().map(Vec::as_slice).collect();
        f(&CtcBatch {
            logits: &self.logits,
            time: self.time,
            vocabulary: self.vocabulary,
            lengths: Some(&self.lengths),
            targets: &targets,
            blank: self.blank,
        })
    }
}

#[test]
fn loss_and_gradient_follow_the_equations() {
    let mut random = Random(40);
    let sizes = [
        (3, 1, 2),
        (4, 7, 3),
        (unless_miri(5, 2), unless_miri(33, 9), unless_miri(5, 9)),
        (3, 64, 30),
        (2, 300, 17),
        (4, 90, 2),
    ];
    for &(batch, time, vocabulary) in few(&sizes, 3) {
        for sharp in [0.1, 3.0, 40.0] {
            let case = Case::draw(&mut random, batch, time, vocabulary, sharp);
            let (nll, d_logits) = case
                .with(|batch| reference::ctc_loss(batch, &case.scale))
                .unwrap();
            for level in Level::available() {
                let got = case
                    .with(|batch| ctc_loss_at(level, 2, batch, Some(&case.scale)))
                    .unwrap();
                for (got, expected) in got.nll.iter().zip(&nll) {
                    let same = f64::from(*got) == *expected;
                    assert!(
                        same || (f64::from(*got) - expected).abs()
                            <= 1e-5 * expected.abs().max(1.0),
                        "{got}, not {expected}, with {level:?}, T={time}, V={vocabulary}"
                    );
                }
                for (got, expected) in got.d_logits.unwrap().iter().zip(&d_logits) {
                    assert!(
                        (f64::from(*got) - expected).abs() <= 1e-4,
                        "{got}, not {expected}, with {level:?}, T={time}, V={vocabulary}, sharp {sharp}"
                    );
                }
                let plain = case
                    .with(|batch| ctc_loss_at(level, 1, batch, None))
                    .unwrap();
                assert_eq!(plain.nll, got.nll);
                assert_eq!(plain.d_logits, None);
            }
        }
    }
}

/// Ten thousand steps, almost surely wrong at each: no sum underflows and none loses its digits.
#[test]
#[cfg_attr(miri, ignore = "too much work for Miri")]
fn long_and_unlikely_is_exact() {
    let (time, labels) = (10_000, 400);
    let mut random = Random(41);
    let mut case = Case::draw(&mut random, 1, time, 30, 4.0);
    case.lengths = vec![time];
    case.targets = vec![(0..labels).map(|k| (case.blank + 1 + k % 7) % 30).collect()];
    for frame in case.logits.chunks_mut(30) {
        frame[(case.blank as usize + 20) % 30] += 30.0;
    }
    let (nll, d_logits) = case
        .with(|batch| reference::ctc_loss(batch, &[1.0]))
        .unwrap();
    let got = case.with(|batch| ctc_loss(batch, Some(&[1.0]))).unwrap();
    assert!(nll[0] > 1e5);
    assert!((f64::from(got.nll[0]) / nll[0] - 1.0).abs() < 1e-5);
    for (got, expected) in got.d_logits.unwrap().iter().zip(&d_logits) {
        assert!(
            (f64::from(*got) - expected).abs() <= 2e-3,
            "{got}, not {expected}"
        );
    }
}

#[test]
fn no_path_is_an_infinite_loss_without_a_gradient() {
    let logits = [0.0; 2 * 3 * 4];
    let batch = CtcBatch {
        logits: &logits,
        time: 3,
        vocabulary: 4,
        lengths: None,
        // Two labels alike need a blank between them: five steps for the first, three for the second.
        targets: &[&[1, 1, 1], &[1, 1]],
        blank: 0,
    };
    let got = ctc_loss(&batch, Some(&[1.0, 1.0])).unwrap();
    assert_eq!(got.nll[0], f32::INFINITY);
    // One path of 64.
    assert!((got.nll[1] - 64f32.ln()).abs() < 1e-5);
    let d = got.d_logits.unwrap();
    assert!(d[..12].iter().all(|d| *d == 0.0));
    assert!(d[12..].iter().any(|d| *d != 0.0));
    let nothing = CtcBatch {
        lengths: Some(&[0, 0]),
        targets: &[&[], &[1]],
        ..batch
    };
    assert_eq!(ctc_loss(&nothing, None).unwrap().nll, [0.0, f32::INFINITY]);
}

#[test]
fn what_is_no_number_stays_in_its_utterance() {
    let mut random = Random(43);
    let mut case = Case::draw(&mut random, 3, 8, 5, 1.0);
    case.lengths = vec![8, 8, 6];
    case.targets = vec![vec![(case.blank + 1) % 5]; 3];
    let frame = 8 * 5;
    case.logits[frame] = f32::NAN;
    case.logits[2 * frame + 7 * 5] = f32::NAN; // behind the end
    case.logits[2 * frame + 3] = f32::NEG_INFINITY; // a class that cannot be
    let got = case.with(|batch| ctc_loss(batch, Some(&[1.0; 3]))).unwrap();
    let d = got.d_logits.unwrap();
    assert!(got.nll[1].is_nan() && d[frame..2 * frame].iter().any(|d| d.is_nan()));
    for b in [0, 2] {
        assert!(got.nll[b].is_finite());
        assert!(d[b * frame..(b + 1) * frame].iter().all(|d| d.is_finite()));
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let mut random = Random(44);
    let case = Case::draw(&mut random, 9, unless_miri(50, 7), 12, 2.0);
    let one = case.with(|batch| ctc_loss_at(Level::best(), 1, batch, Some(&case.scale)));
    for threads in [2, 5, 20] {
        let many = case.with(|batch| ctc_loss_at(Level::best(), threads, batch, Some(&case.scale)));
        assert_eq!(one, many);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let logits = [0.0; 12];
    let good = CtcBatch {
        logits: &logits,
        time: 3,
        vocabulary: 4,
        lengths: None,
        targets: &[&[1, 2]],
        blank: 0,
    };
    assert!(ctc_loss(&good, Some(&[1.0])).is_ok());
    let wrong = [
        CtcBatch {
            logits: &logits[1..],
            ..good
        },
        CtcBatch {
            time: usize::MAX,
            ..good
        },
        CtcBatch {
            lengths: Some(&[4]),
            ..good
        },
        CtcBatch {
            lengths: Some(&[1, 1]),
            ..good
        },
        CtcBatch {
            targets: &[&[1, 4]],
            ..good
        },
        CtcBatch {
            targets: &[&[0]],
            ..good
        },
        CtcBatch { blank: 4, ..good },
    ];
    for batch in wrong {
        assert!(ctc_loss(&batch, None).is_err(), "{batch:?}");
    }
    let error = ctc_loss(&good, Some(&[1.0, 1.0])).unwrap_err();
    assert!(matches!(error, KernelError::Shape { what: "scale", .. }));
}
