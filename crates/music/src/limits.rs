//! Bounds on memory and work.

/// Largest sizes that readers and renderers accept. They are checked before memory is taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Bytes of a file, unpacked.
    pub bytes: usize,
    /// Notes of a score.
    pub notes: usize,
    /// Steps of a roll.
    pub steps: usize,
    /// Seconds of rendered sound.
    pub seconds: f64,
    /// Pixels of a picture.
    pub pixels: usize,
}

impl Default for Limits {
    /// 32 MiB, 1,000,000 notes, 4,000,000 steps, one hour, 100 million pixels.
    fn default() -> Self {
        Self {
            bytes: 32 << 20,
            notes: 1_000_000,
            steps: 4_000_000,
            seconds: 3600.0,
            pixels: 100_000_000,
        }
    }
}
