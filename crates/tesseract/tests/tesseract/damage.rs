//! Damaged files: an error or a model, never a panic, and no memory for sizes that are not there.

use crate::writer::{self, Numbers};
use proptest::prelude::*;
use refrain_image::Gray;
use refrain_tesseract::{Recogniser, parse};

/// Reads a file and, if that succeeds, uses everything in it.
fn exercise(file: &[u8]) {
    let Ok(model) = parse(file) else {
        return;
    };
    assert_eq!(
        model.lexicon().take(10_000).count(),
        model.words.len().min(10_000)
    );
    let _ = model.numbers.iter().take(100).count();
    let _ = model.charset.search_labels();
    let tensors = model.network.tensors();
    assert_eq!(
        tensors.iter().map(|tensor| tensor.2.len()).sum::<usize>(),
        model.network.parameters()
    );
    // Weights that are too large make scores that are not numbers, which is an error.
    if let Ok(recogniser) = Recogniser::new(model.network, model.charset) {
        let _ = recogniser.read(&[Gray::from_fn(30, 12, |x, y| (x * y) as u8)]);
    }
}

fn files() -> [Vec<u8>; 3] {
    let korean = writer::korean();
    [
        writer::model(Numbers::Int8).0,
        writer::model(Numbers::Double).0,
        korean,
    ]
}

#[test]
fn a_file_that_is_cut_off_is_an_error() {
    for file in files() {
        for length in 0..file.len() {
            // Only the version has no end of its own.
            let is_open = parse(&file).unwrap().version.len() >= file.len() - length;
            assert!(
                is_open || parse(&file[..length]).is_err(),
                "{length} of {} bytes",
                file.len()
            );
        }
    }
}

#[test]
fn bytes_behind_the_end_of_an_entry_are_an_error() {
    let (file, _) = writer::model(Numbers::Int8);
    let offsets = |file: &[u8]| -> Vec<i64> {
        let offsets = file[4..4 + 8 * 24].as_chunks::<8>().0;
        offsets
            .iter()
            .map(|&offset| i64::from_le_bytes(offset))
            .collect()
    };
    for (number, &start) in offsets(&file)
        .iter()
        .enumerate()
        .filter(|entry| *entry.1 > 0)
    {
        // A byte before this entry is one behind the entry before it, or in no entry at all.
        let mut longer = file.clone();
        longer.insert(start as usize, b' ');
        for (later, offset) in offsets(&file)
            .iter()
            .enumerate()
            .filter(|entry| *entry.1 >= start)
        {
            longer[4 + 8 * later..][..8].copy_from_slice(&(offset + 1).to_le_bytes());
        }
        // Text may end in spaces.
        let before = (0..number).rev().find(|&before| offsets(&file)[before] > 0);
        assert!(
            before == Some(writer::CONFIG) || parse(&longer).is_err(),
            "entry {number}"
        );
    }
}

#[test]
fn sizes_that_are_not_there_are_errors_or_harmless() {
    for file in files() {
        for place in 0..file.len() - 4 {
            for value in [u32::MAX, i32::MAX as u32, 0xFFFF, 0] {
                let mut changed = file.clone();
                changed[place..place + 4].copy_from_slice(&value.to_le_bytes());
                let _ = parse(&changed);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_never_panic(
        which in 0..3usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut file = files()[which].clone();
        for (place, byte) in changes {
            let place = place.index(file.len());
            file[place] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        exercise(&file);
    }

    #[test]
    fn bytes_without_meaning_never_panic(file in prop::collection::vec(any::<u8>(), 0..400)) {
        exercise(&file);
    }
}
