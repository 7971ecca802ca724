//! Names: what a topic may be called, and what its name tells.
