//! The anti-corruption layer: events from Kafka, calls to the partner, state in PostgreSQL.

mod app;
mod config;

/// A request makes a few hundred small allocations, many of which another thread frees: that took the C library's own
/// allocator a quarter of the service's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    adapters::command_line::main::<config::Config>()
}
