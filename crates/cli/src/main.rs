//! The binary `refrain`.

use std::process::ExitCode;

/// Training allocates the same large buffers step after step.
#[global_allocator]
static MEMORY: refrain_kernels::allocator::Recycler = refrain_kernels::allocator::Recycler;

fn main() -> ExitCode {
    refrain_cli::run(refrain::tasks::TASKS)
}
