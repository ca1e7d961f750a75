//! Checks of available memory before an allocation.

use crate::error::Error;
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// Refuses `numbers` of 32 bits if the machine, or the control group of the process, does not have the memory for them.
/// If the system does not report its memory, only sizes beyond the address space are refused.
///
/// # Errors
/// [`Error::TooLarge`].
pub fn check(numbers: usize, purpose: &'static str, settings: &'static str) -> Result<(), Error> {
    let needed = (numbers as u64).saturating_mul(4);
    let available = match available() {
        0 => isize::MAX as u64,
        bytes => bytes,
    };
    match needed > available {
        true => Err(Error::TooLarge {
            needed: size(needed),
            purpose,
            available: size(available),
            settings,
        }),
        false => Ok(()),
    }
}

/// Available bytes; 0 if the system does not report them.
fn available() -> u64 {
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(memory);
    let free = system.available_memory();
    match system.cgroup_limits() {
        // Cached pages of files are given back on demand, so only memory of processes counts as used.
        Some(limits) if limits.total_memory > 0 => {
            free.min(limits.total_memory.saturating_sub(limits.rss))
        }
        _ => free,
    }
}

/// `850 bytes`, `45 KB`, `21 MB`, `4.7 GB`
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} KB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes.div_ceil(1_000_000)),
        1_000_000_000..1_000_000_000_000 => format!("{:.1} GB", bytes as f64 / 1e9),
        _ => format!("{} TB", bytes / 1_000_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_no_machine_has_is_refused_by_name() {
        assert!(check(1 << 10, "training", "model.hidden").is_ok());
        for numbers in [usize::MAX, 1 << 50] {
            let error = check(numbers, "training", "model.hidden").unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains("TB") && text.contains("model.hidden"),
                "{text}"
            );
        }
        assert_eq!(size(4_700_000_000), "4.7 GB");
        assert_eq!(size(999), "999 bytes");
        assert_eq!([44_001, 20_500_000].map(size), ["45 KB", "21 MB"]);
    }
}
