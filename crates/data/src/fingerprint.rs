//! Fingerprints of data: equal for equal values, and different for others.

use sha2::{Digest, Sha256};

/// SHA-256 over any number of slices. Each goes in with its length, so that values cannot move from one to the next
/// unseen.
#[derive(Clone, Debug, Default)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds the UTF-8 bytes of a text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Adds the bits of numbers, such as the samples of a sound.
    pub fn floats(&mut self, values: &[f32]) -> &mut Self {
        self.words(values, |value| value.to_bits())
    }

    /// Adds whole numbers, such as the ids of tokens.
    pub fn ids(&mut self, values: &[u32]) -> &mut Self {
        self.words(values, |value| *value)
    }

    /// The fingerprint of all that was added, in 64 hexadecimal digits.
    pub fn finish(&self) -> String {
        hex(self.0.clone())
    }

    fn words<T>(&mut self, values: &[T], bits: impl Fn(&T) -> u32) -> &mut Self {
        self.0.update((4 * values.len() as u64).to_le_bytes());
        let mut bytes = [0; 4096];
        for chunk in values.chunks(bytes.len() / 4) {
            for (value, bytes) in chunk.iter().zip(bytes.chunks_exact_mut(4)) {
                bytes.copy_from_slice(&bits(value).to_le_bytes());
            }
            self.0.update(&bytes[..4 * chunk.len()]);
        }
        self
    }
}

pub(crate) fn hex(hash: Sha256) -> String {
    let digits = |byte: &u8| format!("{byte:02x}");
    hash.finalize().iter().map(digits).collect()
}
