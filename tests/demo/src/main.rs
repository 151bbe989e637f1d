//! Replays market data through both services.
fn main() {}
