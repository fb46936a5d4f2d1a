//! Who may reach whom through which X: the lock-free binding table and route resolution.
