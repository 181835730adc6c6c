//! The executable `inbetween`.

use std::process::ExitCode;

fn main() -> ExitCode {
    inbetween_worker::run(std::env::args_os())
}
