//! defibus: the roles. The broker as a step machine, and the node that runs it.
//!
//! | module | is |
//! |---|---|
//! | `admin` | metrics and health over HTTP |
//! | `broker` | the logic of one shard, without IO |
//! | `config` | what a node is told at start |
//! | `node` | directory, shards and threads: the pillars wired together |
//! | `verbs` | the command tree, and the verbs that start a node |
//!
//! The pillars (`storage`, `routing`, `shard`) do not know each other; here they meet.

#![forbid(unsafe_code)]

pub mod admin;
pub mod broker;
pub mod config;
pub mod node;
pub mod verbs;
