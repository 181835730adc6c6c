//! The executable `inbetween`.

use std::process::ExitCode;

use inbetween_tooncrafter::kept_memory::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    inbetween_worker::run(std::env::args_os())
}
