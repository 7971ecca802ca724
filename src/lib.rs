//! defibus
