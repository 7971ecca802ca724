//! ErrorCode: the registry of every refusal and fault a user can meet, by a stable number.
//!
//! Printed as `BUS-E0107`. A number once released is never given to another
//! error. Cause, retry and fix of each are in `docs/error_codes.md`.

macro_rules! codes {
    ($($name:ident = $number:literal, $retry:ident, $what:literal, $fix:literal;)*) => {
        /// A stable error number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum ErrorCode { $(#[doc = $what] $name = $number,)* }

        impl ErrorCode {
            /// Every code, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code with this number, if there is one.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
            /// What happened, in one sentence.
            pub const fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }
            /// What to do about it.
            pub const fn fix(self) -> &'static str {
                match self { $(Self::$name => $fix,)* }
            }
            /// Whether the same request may be sent again.
            pub const fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry,)* }
            }
            /// The name in the code, as in `docs/error_codes.md`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

/// Whether the same request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It cannot succeed unless something is changed.
    No,
    /// It may succeed later, as it is.
    Later,
    /// It may succeed at once on a new connection or with a fresh route.
    Reconnect,
}

codes! {
    // 01xx the protocol
    WrongProtocol = 0x0101, No, "the first bytes are not a DeFiBus frame", "point this program at the admin port, or use a DeFiBus client";
    MalformedFrame = 0x0102, No, "a frame or its body cannot be read", "the peer has a defect, or the line is damaged: update the client";
    FrameTooLarge = 0x0103, No, "a frame is longer than allowed", "send smaller records or batches; the node's limit is in Welcome";
    UnknownKind = 0x0104, No, "a frame kind this node does not know", "the client is newer than the node: update the node";
    VersionMismatch = 0x0105, No, "no common protocol version", "update the older side";
    HelloExpected = 0x0106, No, "the first frame must be Hello", "send Hello before anything else";
    HelloTwice = 0x0107, No, "Hello was sent a second time", "send Hello once per connection";
    HandshakeTimeout = 0x0108, Reconnect, "no complete Hello arrived in time", "connect again; check the network for stalls";
    HeartbeatLost = 0x0109, Reconnect, "nothing was heard of the peer for too long", "send Ping, or poll the client, at least every heartbeat interval";
    SlowConsumer = 0x010A, Reconnect, "the connection's output buffer is full: the peer does not read", "read faster, or grant less credit";
    TooManyConnections = 0x010B, Later, "the node's connection limit is reached", "close idle connections, or raise `limits.connections`";
    InvalidArgument = 0x010C, No, "a field has a value that is not allowed", "see the message for the field and its bounds";
    InvalidName = 0x010D, No, "a name is empty, too long or has a control character", "use 1 to 255 bytes of printable UTF-8";
    FrameTimeout = 0x010E, Reconnect, "a frame was begun and not completed in time", "send frames whole; check the network for stalls";

    // 02xx topics and queues
    UnknownTopic = 0x0201, No, "there is no such topic", "defibus topic create NAME";
    TopicExists = 0x0202, No, "a topic of this name exists with other settings", "defibus topic describe NAME, then alter it";
    TopicKindMismatch = 0x0203, No, "this call does not fit the topic's kind", "publish to events, request services";
    UnknownQueue = 0x0204, Reconnect, "there is no such queue", "ask for the route again";
    QueueCountInvalid = 0x0205, No, "a topic has 1 to 1024 queues, and they never shrink", "choose a count in bounds";
    LevelUnavailable = 0x0206, No, "the level `quorum` is not available on a single node", "use --level durable";
    TooManyTopics = 0x0207, No, "the catalog's limit of topics is reached", "delete topics that are not used";
    TooManyQueues = 0x0208, No, "the node's limit of queues is reached", "use fewer queues, or more shards";

    // 03xx publishing
    DepthReached = 0x0301, Later, "the queue's depth limit is reached: its consumers are behind", "add consumers, or raise it: defibus topic alter NAME --depth N";
    StorageFull = 0x0302, Later, "the storage limit is reached", "free disk space, shorten retention, or raise `storage.limit_bytes`";
    MemoryFull = 0x0303, Later, "the memory ring of this queue is full", "let consumers catch up, or use level durable";
    RecordInvalid = 0x0304, No, "a record fails its checksum or its limits", "the message names the record; check the client and its memory";
    RecordTooLarge = 0x0305, No, "a record is larger than the node takes", "send smaller records, or raise `limits.record_bytes`";
    ProducerFenced = 0x0306, No, "a newer epoch of this producer exists", "another instance uses this producer id: open a new one";
    SequenceGap = 0x0307, No, "a sequence is missing before this one", "resend from the expected sequence; if that was accepted, damage took it: open a new epoch";
    UnknownProducer = 0x0308, No, "this producer is not known here, or was forgotten", "open the producer again; records in doubt may be there or not";
    TooManyProducers = 0x0309, Later, "the limit of producers is reached", "reuse producers instead of opening one per message";

    // 04xx consuming
    UnknownGroup = 0x0401, No, "there is no such group", "defibus group list";
    LeaseFenced = 0x0402, No, "this lease is over: another epoch owns the queue", "stop using it; a new assignment follows";
    UnknownMember = 0x0403, Reconnect, "this member is not known on this connection", "subscribe again";
    TooManyInFlight = 0x0404, Later, "too many records are delivered and not acknowledged", "acknowledge before asking for more";
    GroupActive = 0x0405, No, "the group has members on this topic", "stop them first";
    TooManyGroups = 0x0406, No, "the catalog's limit of groups is reached", "reuse groups; give broadcast instances stable names";
    TooManyMembers = 0x0407, Later, "the limit of members is reached", "close subscriptions that are not used";
    OffsetOutOfRange = 0x0408, No, "an offset lies outside the queue", "the message names start and end";
    RangeDamaged = 0x0409, No, "records in this range are damaged on disk", "defibus inspect DIR --verify";

    // 05xx request-reply
    NoResponder = 0x0501, Later, "nobody serves this service", "start a responder: defibus reply SERVICE --echo";
    TooManyPending = 0x0502, Later, "too many requests are outstanding", "wait for outcomes before sending more";
    DeadlineInvalid = 0x0503, No, "a deadline must lie between 1 us and 1 h ahead", "choose a time in bounds";

    // 06xx the node
    Overloaded = 0x0601, Later, "the shard has more work than it may queue", "slow down and retry";
    ShuttingDown = 0x0602, Reconnect, "the node is stopping", "connect again or to another node";
    NotOnSingleNode = 0x0603, No, "this needs more than one node", "run a cluster";
    Internal = 0x0604, Reconnect, "the node met a defect and says so", "report it with the node's log";

    // 07xx the machine and start-up
    IoUringForbidden = 0x0701, No, "io_uring may not be used here", "sysctl -w kernel.io_uring_disabled=0, or allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp profile";
    IoUringIncomplete = 0x0702, No, "this kernel's io_uring lacks something needed", "use Linux 6.1 or newer";
    MemlockTooSmall = 0x0703, No, "not even a ring fits RLIMIT_MEMLOCK", "ulimit -l unlimited, or LimitMEMLOCK=infinity";
    ListenFailed = 0x0704, Later, "cannot listen on this address", "is another process there? try --listen 127.0.0.1:0";
    InsecureListen = 0x0705, No, "listening beyond loopback without security", "listen on 127.0.0.1, or say --insecure";
    ConfigInvalid = 0x0706, No, "the configuration cannot be used", "defibus config check";
    DataDirLocked = 0x0707, No, "another process holds this data directory", "stop it, or use another --data";
    DataDirForeign = 0x0708, No, "this data directory belongs to another node or shard count", "use its own settings, or another --data";
    DataDirDamaged = 0x0709, No, "the data directory is damaged in a way that needs your word", "defibus inspect DIR --verify; then server --accept-loss";
    FormatUnknown = 0x070A, No, "the data directory was written by a newer release", "use that release";
    DiskFailed = 0x070B, No, "the disk refused a write or a sync: nothing after it is acknowledged", "check dmesg and the device; restart when it is sound";
    FileLimitTooSmall = 0x070C, No, "RLIMIT_NOFILE is too small", "ulimit -n 65536, or LimitNOFILE=65536";

    // 08xx the command line and the client
    CannotConnect = 0x0801, Later, "cannot connect to the node", "is it running? defibus dev; or name it: --server HOST:PORT";
    ConnectionLost = 0x0802, Reconnect, "the connection broke; what was unanswered is unknown", "retry: idempotent sends are not doubled";
    TimedOut = 0x0803, Later, "the deadline passed; whether it was done is unknown", "retry: idempotent sends are not doubled";
    Usage = 0x0804, No, "the command cannot be understood", "defibus help";
    FileUnreadable = 0x0805, No, "a file cannot be read or written", "check the path and its permissions";
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "BUS-E{:04X}", *self as u16)
    }
}
