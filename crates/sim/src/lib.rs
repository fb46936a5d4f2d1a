//! A simulated network, clock, carrier and telephone, for tests and for the demo.
