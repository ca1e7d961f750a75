//! How much a core keeps close to itself. Speed depends on it, results do not.

use std::sync::OnceLock;

/// What is assumed where the processor does not say.
const USUAL: usize = 1 << 20;

/// Bytes of a core's second cache.
pub(crate) fn second() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| told().unwrap_or(USUAL))
}

/// What the processor says.
#[cfg(target_arch = "x86_64")]
fn told() -> Option<usize> {
    use raw_cpuid::{CacheType, CpuId};
    let caches = CpuId::new().get_cache_parameters()?;
    caches
        .filter(|cache| cache.level() == 2 && cache.cache_type() != CacheType::Instruction)
        .map(|cache| {
            let line = cache.coherency_line_size() * cache.physical_line_partitions();
            cache.sets() * cache.associativity() * line
        })
        .find(|&bytes| bytes > 0)
}

#[cfg(not(target_arch = "x86_64"))]
fn told() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_cache_has_a_size_that_a_core_can_have() {
        assert!((64 << 10..=256 << 20).contains(&second()), "{}", second());
    }
}
