//! Whether AMX may be used. Its tiles are in `tile/amx.rs`: it multiplies matrices and has no vectors.

use std::sync::OnceLock;

/// Whether the processor has AMX for bf16 and bytes, and Linux lets this process use it.
pub(super) fn is_usable() -> bool {
    static USABLE: OnceLock<bool> = OnceLock::new();
    *USABLE.get_or_init(|| {
        const TILE_BF16_INT8: u32 = 1 << 24 | 1 << 22 | 1 << 25;
        // The request for the state component of tile data (Linux, `Documentation/arch/x86/xstate.rst`).
        const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
        const XFEATURE_XTILEDATA: libc::c_long = 18;
        let features = std::arch::x86_64::__cpuid_count(7, 0).edx;
        // SAFETY: the call changes nothing but what this process may use.
        features & TILE_BF16_INT8 == TILE_BF16_INT8
            && unsafe {
                libc::syscall(
                    libc::SYS_arch_prctl,
                    ARCH_REQ_XCOMP_PERM,
                    XFEATURE_XTILEDATA,
                )
            } == 0
    })
}
