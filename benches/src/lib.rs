//! Criterion benchmarks of the performance-critical core; see `benches/`.
