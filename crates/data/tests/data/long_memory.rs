//! Problems of long memory.

use refrain_data::DataError;
use refrain_data::long_memory::{Part, Problem, Source, Targets};
use std::io::Write;
use std::path::Path;
use tempfile::tempdir;

fn source(problem: &Problem) -> Source {
    Source::new(problem, 7, Path::new(".")).unwrap()
}

#[test]
fn adding_marks_one_number_in_each_half() {
    let problem = Problem::Adding {
        length: 11,
        examples: 40,
    };
    let batch = source(&problem).batch(Part::Train(0), 0, 30);
    assert_eq!([batch.batch, batch.time, batch.features], [30, 11, 2]);
    let Targets::Number(sums) = &batch.targets else {
        panic!("{:?}", batch.targets)
    };
    for (sequence, sum) in batch.x.chunks(22).zip(sums) {
        let marked: Vec<usize> = (0..11)
            .filter(|step| sequence[step * 2 + 1] == 1.0)
            .collect();
        assert!(
            marked.len() == 2 && marked[0] < 5 && marked[1] >= 5,
            "{marked:?}"
        );
        let expected: f32 = marked.iter().map(|step| sequence[step * 2]).sum();
        assert!((sum - expected).abs() < 1e-6);
        assert!(sequence.chunks(2).all(|step| (0.0..1.0).contains(&step[0])));
    }
    let mean = sums.iter().sum::<f32>() / 30.0;
    assert!((0.7..1.3).contains(&mean), "{mean}");
}

#[test]
fn copying_asks_for_the_symbols_after_the_wait() {
    let problem = Problem::Copy {
        length: 5,
        examples: 4,
    };
    let batch = source(&problem).batch(Part::Test, 0, 3);
    assert_eq!([batch.batch, batch.time, batch.features], [3, 25, 10]);
    let Targets::Symbols(targets) = &batch.targets else {
        panic!("{:?}", batch.targets)
    };
    for (sequence, targets) in batch.x.chunks(250).zip(targets.chunks(25)) {
        let read: Vec<u32> = sequence
            .chunks(10)
            .map(|step| {
                assert_eq!(step.iter().sum::<f32>(), 1.0);
                step.iter().position(|x| *x == 1.0).unwrap() as u32
            })
            .collect();
        assert!(read[..10].iter().all(|symbol| (1..=8).contains(symbol)));
        assert_eq!(read[10..14], [0; 4]);
        assert_eq!(read[14..], [9; 11]);
        assert_eq!(targets[..15], [0; 15]);
        assert_eq!(targets[15..], read[..10]);
    }
}

#[test]
fn the_same_seed_gives_the_same_sequences_and_every_epoch_others() {
    let problem = Problem::Adding {
        length: 6,
        examples: 25,
    };
    let source = source(&problem);
    let of = |part, batch| source.batch(part, batch, 10);
    assert_eq!(of(Part::Train(3), 1), of(Part::Train(3), 1));
    let all = [
        of(Part::Train(0), 0),
        of(Part::Train(0), 1),
        of(Part::Train(1), 0),
        of(Part::Validation, 0),
        of(Part::Test, 0),
    ];
    for (i, a) in all.iter().enumerate() {
        assert!(all[i + 1..].iter().all(|b| a != b), "{i}");
    }
    // The last batch holds the rest, and there is none beyond.
    assert_eq!(of(Part::Train(0), 2).batch, 5);
    assert_eq!(of(Part::Train(0), 3).batch, 0);
}

fn idx(sizes: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    sizes
        .iter()
        .for_each(|size| bytes.extend(size.to_be_bytes()));
    bytes.extend(values);
    bytes
}

/// Pictures whose first pixel is the label, some of them packed.
fn mnist(folder: &Path) {
    std::fs::create_dir(folder.join("mnist")).unwrap();
    for (name, count, packed) in [("train", 5_040usize, true), ("t10k", 30, false)] {
        let labels: Vec<u8> = (0..count).map(|i| (i % 10) as u8).collect();
        let mut pixels = vec![255; count * 784];
        labels
            .iter()
            .enumerate()
            .for_each(|(i, label)| pixels[i * 784] = *label);
        let sizes = [count as u32, 28, 28];
        for (kind, bytes) in [
            ("images-idx3", idx(&sizes, &pixels)),
            ("labels-idx1", idx(&sizes[..1], &labels)),
        ] {
            let file = folder.join(format!("mnist/{name}-{kind}-ubyte"));
            if packed {
                let file = std::fs::File::create(file.with_extension("gz")).unwrap();
                let mut file = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
                file.write_all(&bytes).unwrap();
                file.finish().unwrap();
            } else {
                std::fs::write(file, bytes).unwrap();
            }
        }
    }
}

#[test]
fn digits_are_read_pixel_by_pixel() {
    let folder = tempdir().unwrap();
    mnist(folder.path());
    for permuted in [false, true] {
        let problem = Problem::Mnist {
            permuted,
            pixels: 4,
        };
        let source = Source::new(&problem, 7, folder.path()).unwrap();
        assert_eq!(source.len(Part::Train(0)), 40);
        assert_eq!(source.len(Part::Validation), 5_000);
        assert_eq!(source.len(Part::Test), 30);
        let batch = source.batch(Part::Train(2), 0, 40);
        assert_eq!([batch.batch, batch.time, batch.features], [40, 196, 4]);
        let Targets::Class(labels) = &batch.targets else {
            panic!("{:?}", batch.targets)
        };
        for (x, label) in batch.x.chunks(784).zip(labels) {
            let dark: Vec<f32> = x.iter().copied().filter(|pixel| *pixel < 1.0).collect();
            assert_eq!(dark, [*label as f32 / 255.0]);
            assert_eq!(x[0] < 1.0, !permuted);
        }
        // Every picture once, in another order in another epoch.
        let mut sorted = labels.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..40).map(|i| i / 4).collect::<Vec<u32>>());
        assert_ne!(batch, source.batch(Part::Train(3), 0, 40));
    }
}

#[test]
fn one_pixel_changes_the_fingerprint() {
    let folder = tempdir().unwrap();
    mnist(folder.path());
    let problem = Problem::Mnist {
        permuted: false,
        pixels: 1,
    };
    let of = || {
        let source = Source::new(&problem, 7, folder.path()).unwrap();
        source.fingerprint()
    };
    let before = of();
    assert_eq!(of(), before);
    let file = folder.path().join("mnist/t10k-images-idx3-ubyte");
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert_ne!(of(), before);
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |problem: &Problem, folder: &Path| match Source::new(problem, 1, folder) {
        Ok(_) => panic!("{problem:?} was taken"),
        Err(error) => error,
    };
    let here = tempdir().unwrap();
    let adding = Problem::Adding {
        length: 1,
        examples: 3,
    };
    assert!(matches!(
        refused(&adding, here.path()),
        DataError::Memory(_)
    ));
    let mnist_of = |pixels| Problem::Mnist {
        permuted: false,
        pixels,
    };
    assert!(
        refused(&mnist_of(5), here.path())
            .to_string()
            .contains("784")
    );
    let missing = refused(&mnist_of(1), here.path()).to_string();
    assert!(
        missing.contains("mnist/train-images-idx3-ubyte.gz"),
        "{missing}"
    );
    mnist(here.path());
    let file = here.path().join("mnist/t10k-images-idx3-ubyte");
    std::fs::write(&file, [0, 0, 8, 3, 0, 0, 0, 30]).unwrap();
    assert!(matches!(
        refused(&mnist_of(1), here.path()),
        DataError::Memory(_)
    ));
}
