//! `refrain` with a task of one's own.

use std::process::ExitCode;

fn main() -> ExitCode {
    refrain_cli::run(refrain_toy_task::WITH_PARITY)
}
