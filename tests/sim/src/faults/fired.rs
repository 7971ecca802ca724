//! Fired: how often each kind of fault really met the node.

/// Declares the counts with their words, so that a report names all of them.
macro_rules! counts {
    ($($field:ident: $words:literal,)*) => {
        /// How often each kind of fault really fired.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each has its words beside it")]
        pub struct Fired {
            $(pub $field: u64,)*
        }

        impl Fired {
            /// Each kind in words, with its count.
            pub fn each(&self) -> Vec<(&'static str, u64)> {
                vec![$(($words, self.$field),)*]
            }

            /// Adds another run's.
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }
        }
    };
}

counts! {
    power_losses: "power: lost, at some effect",
    process_deaths: "process: killed, at some effect",
    recovery_crashes: "process: ended within recovery",
    shutdowns: "process: stopped in order",
    pauses: "process: paused for up to 30 s",
    torn_512: "disk: write torn between 512-byte sectors",
    torn_4096: "disk: write torn between 4 KiB sectors",
    dropped_writes: "disk: un-synced write dropped",
    reordered_writes: "disk: un-synced write outlived by a later one",
    torn_tasks: "disk: file task cut short by a crash",
    recycled: "disk: segment's file taken for another",
    torn_recycles: "disk: the same, cut short by a crash",
    short_writes: "disk: short write",
    write_errors: "disk: EIO on write",
    sync_errors: "disk: EIO on fdatasync",
    task_errors: "disk: EIO on a file task",
    read_errors: "disk: EIO on read, while running",
    shaky_reads: "disk: EIO on read, at a start",
    bad_sectors: "disk: sector unreadable for good",
    flipped_bits: "disk: bit flipped",
    lost_writes: "disk: write lost, though synced",
    misdirected_writes: "disk: write gone elsewhere",
    full_disks: "disk: filled up",
    refused_space: "disk: no space for a file",
    slow_flushes: "disk: flush of 100 ms to 10 s",
    pieces: "network: bytes arrived in pieces",
    cuts: "network: connection cut",
    cut_frames: "network: connection cut within a frame",
    half_opens: "network: connection half open",
    half_opens_found: "network: half-open connection found by its silence",
    stalls: "network: peer stopped reading",
    slow_consumers: "network: closed as slow consumer",
    full_mailboxes: "mailbox: no room for a client's frame",
    laden_mailboxes: "mailbox: too many bytes for a client's frame",
    clock_leaps: "clock: leap ahead",
    clock_returns: "clock: leap back",
    clock_drifts: "clock: seed with drift",
    refusals: "client: refused",
    refused_starts: "start refused, for damage that cannot be repaired",
}

impl Fired {
    /// Ends of a life of the node that nobody asked for.
    pub fn crashes(&self) -> u64 {
        self.power_losses
            + self.process_deaths
            + self.recovery_crashes
            + self.short_writes
            + self.write_errors
            + self.sync_errors
            + self.task_errors
    }
}
