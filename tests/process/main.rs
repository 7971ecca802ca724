//! Process: the binary under the faults of a real machine: killed, stopped, starved, cut off, attacked.
//!
//! Each file is a fault; what they share:
//!
//! | file | holds |
//! |---|---|
//! | `runner` | runs the cases, counts what this machine cannot do |
//! | `oracle` | other processes that record what they were promised before they count it |
//! | `proxy` | a network that cuts, delays, splits and loses connections |
//! | `scene` | waiting for a state to be seen; numbers a node tells of itself |
//!
//! A filter on the command line chooses cases: `cargo test --test process -- kill`.
//! `DEFIBUS_KILL_ROUNDS` sets how often `kill` kills, `DEFIBUS_PROCESS_SEED` what is drawn.

mod disk;
mod hostile;
mod kill;
mod limits;
mod network;
#[path = "../cli/node.rs"]
#[expect(dead_code, reason = "a part of what the tests of the command line need")]
mod node;
mod oracle;
mod pause;
mod proxy;
mod runner;
mod scene;

use runner::Case;
use std::process::ExitCode;

const CASES: &[Case] = &[
    Case::new("kill: what was acknowledged survives every kill", kill::under_load),
    Case::new("hostile: bad peers are closed, memory is bounded", hostile::two_thousand_peers)
        .needs(hostile::make_room_for_sockets),
    Case::new("pause: a stopped node resumes and serves", pause::of_the_node),
    Case::new("pause: a stopped consumer's queues go to the other one", pause::of_a_consumer),
    Case::new("pause: what a stopped responder had ends once", pause::of_a_responder),
    Case::new("pause: a stopped requester is let go", pause::of_a_requester),
    Case::new("network: cut under publishing, kept once", network::cuts_under_publishing),
    Case::new("network: cut under requests, each ends once", network::cuts_under_requests),
    Case::new("network: pieces and delays change nothing", network::pieces_and_delays),
    Case::new("network: half-open is found by both ends", network::half_open),
    Case::new("disk: full, freed, restarted while full", disk::full).needs(disk::can_mount),
    Case::new("disk: full, then grown", disk::grown).needs(disk::can_grow),
    Case::new("disk: read-only ends the node with 74", disk::read_only).needs(disk::can_break),
    Case::new("limits: little memory to lock", limits::memlock).needs(limits::can_be_poor),
    Case::new("limits: io_uring forbidden", limits::io_uring_forbidden).needs(limits::can_forbid),
    Case::new("limits: 64 descriptors", limits::few_descriptors).needs(limits::can_have_few_files),
];

fn main() -> ExitCode {
    runner::run(CASES)
}
