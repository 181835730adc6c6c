//! The embedded in-between engine.
