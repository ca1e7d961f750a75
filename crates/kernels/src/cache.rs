//! The size of a core's second cache. Speed depends on it, results do not.

use std::sync::OnceLock;

/// Assumed if the processor does not tell.
const USUAL: usize = 1 << 20;

/// Bytes of a core's second cache.
pub(crate) fn second() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| told().unwrap_or(USUAL))
}

/// The size according to the processor.
#[cfg(all(target_arch = "x86_64", not(miri)))]
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

#[cfg(any(not(target_arch = "x86_64"), miri))]
fn told() -> Option<usize> {
    None
}
