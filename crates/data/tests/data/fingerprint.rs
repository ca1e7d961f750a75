//! Fingerprints of data.

use refrain_data::Fingerprint;
use refrain_data::long_memory::{Problem, Source};
use std::path::Path;

#[test]
fn every_bit_and_every_border_counts() {
    let of = |parts: &[&[f32]]| {
        let mut hash = Fingerprint::new();
        for part in parts {
            hash.floats(part);
        }
        hash.finish()
    };
    let all = [
        of(&[]),
        of(&[&[]]),
        of(&[&[0.0, 1.0]]),
        of(&[&[-0.0, 1.0]]),
        of(&[&[0.0], &[1.0]]),
        of(&[&[0.0, 1.0], &[]]),
    ];
    for (i, a) in all.iter().enumerate() {
        assert_eq!(a.len(), 64);
        assert!(all[i + 1..].iter().all(|b| a != b), "{i}");
    }
    // More than one block of the hash goes in as it stands: the bytes of the values behind their number.
    let values: Vec<f32> = (0..5000u16).map(f32::from).collect();
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(of(&[&values]), Fingerprint::new().bytes(&bytes).finish());
    let ids: Vec<u32> = values.iter().map(|v| v.to_bits()).collect();
    assert_eq!(of(&[&values]), Fingerprint::new().ids(&ids).finish());
}

#[test]
fn problems_that_are_made_differ_by_seed_and_size() {
    let of = |length, seed| {
        let problem = Problem::Adding {
            length,
            examples: 4,
        };
        let source = Source::new(&problem, seed, Path::new(".")).unwrap();
        source.fingerprint()
    };
    assert_eq!(of(10, 1), of(10, 1));
    assert_ne!(of(10, 1), of(10, 2));
    assert_ne!(of(10, 1), of(11, 1));
}
