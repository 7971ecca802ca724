//! Kind: the number of each frame kind. A number once released is never given to another kind.

macro_rules! kinds {
    ($($name:ident = $number:literal,)*) => {
        /// What a frame is. The tables are in `schema/defibus.fbs`, with direction and answer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "each kind is explained at its table in the schema")]
        pub enum Kind { $($name = $number,)* }

        impl Kind {
            /// Every kind, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The kind with this number, if there is one.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

kinds! {
    Hello = 0x01,
    Welcome = 0x02,
    Ping = 0x03,
    Pong = 0x04,
    Goodbye = 0x05,
    Error = 0x06,
    Done = 0x07,
    TopicCreate = 0x10,
    TopicAlter = 0x11,
    TopicDelete = 0x12,
    TopicDescribe = 0x13,
    TopicList = 0x14,
    TopicInfo = 0x15,
    TopicListing = 0x16,
    Route = 0x18,
    RouteInfo = 0x19,
    ProducerOpen = 0x20,
    ProducerOpened = 0x21,
    Publish = 0x22,
    Receipt = 0x23,
    Subscribe = 0x30,
    Subscribed = 0x31,
    Assigned = 0x32,
    Revoked = 0x33,
    Credit = 0x34,
    Deliver = 0x35,
    Ack = 0x36,
    Nack = 0x37,
    Commit = 0x38,
    Unsubscribe = 0x39,
    Fetch = 0x3A,
    Fetched = 0x3B,
    Offsets = 0x3C,
    OffsetsInfo = 0x3D,
    OffsetsReset = 0x3E,
    GroupList = 0x40,
    GroupListing = 0x41,
    GroupDescribe = 0x42,
    GroupInfo = 0x43,
    Serve = 0x50,
    Served = 0x51,
    Request = 0x52,
    Call = 0x53,
    Reply = 0x54,
    Outcome = 0x55,
    ReplyResult = 0x56,
    Cancel = 0x57,
    Unserve = 0x58,
    Stats = 0x60,
    StatsInfo = 0x61,
    Trace = 0x62,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_leads_back_to_its_kind() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(*kind as u8), Some(*kind));
        }
        assert_eq!(Kind::from_number(0), None);
        assert_eq!(Kind::from_number(0xFF), None);
    }
}
