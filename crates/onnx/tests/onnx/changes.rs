//! Damage to files, for property tests; the tests of the main library use it too.

use proptest::prelude::*;

/// A change at a place given as a fraction of the file.
#[derive(Clone, Debug)]
pub enum Change {
    Flip(f64, u8),
    Set(f64, u8),
    Cut(f64),
    Insert(f64, Vec<u8>),
    Remove(f64, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = || 0.0..1.0f64;
    prop_oneof![
        4 => (at(), 0..8u8).prop_map(|(at, bit)| Change::Flip(at, 1 << bit)),
        4 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        1 => at().prop_map(Change::Cut),
        1 => (at(), prop::collection::vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => (at(), 1..12usize).prop_map(|(at, count)| Change::Remove(at, count)),
    ]
}

/// The file with all changes made.
pub fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let place = |at: &f64| (at * bytes.len() as f64) as usize;
        match change {
            Change::Flip(at, mask) => {
                let at = place(at);
                bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= mask);
            }
            Change::Set(at, to) => {
                let at = place(at);
                bytes.get_mut(at).into_iter().for_each(|byte| *byte = *to);
            }
            Change::Cut(at) => bytes.truncate(place(at)),
            Change::Insert(at, new) => {
                let at = place(at);
                bytes.splice(at..at, new.iter().copied());
            }
            Change::Remove(at, count) => {
                let at = place(at);
                bytes.drain(at..(at + count).min(bytes.len()));
            }
        }
    }
    bytes
}

pub fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec(change(), 1..5)
}

/// How many inputs each test makes: as `REFRAIN_FUZZ_CASES` says.
pub fn cases() -> u32 {
    let asked = std::env::var("REFRAIN_FUZZ_CASES")
        .ok()
        .and_then(|text| text.parse().ok());
    asked.unwrap_or(4000)
}
