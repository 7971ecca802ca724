//! Shipped: the workloads that are part of the program, in the order of a suite.

/// Name and text of each; `bench/workloads/` holds the files.
const SHIPPED: &[(&str, &str)] = &[
    ("smoke", include_str!("../../workloads/smoke.yaml")),
    ("request-reply", include_str!("../../workloads/request-reply.yaml")),
    ("latency", include_str!("../../workloads/latency.yaml")),
    ("throughput", include_str!("../../workloads/throughput.yaml")),
    ("pipeline", include_str!("../../workloads/pipeline.yaml")),
    ("fan-out", include_str!("../../workloads/fan-out.yaml")),
    ("many-queues", include_str!("../../workloads/many-queues.yaml")),
    ("many-connections", include_str!("../../workloads/many-connections.yaml")),
    ("backlog", include_str!("../../workloads/backlog.yaml")),
    ("catch-up", include_str!("../../workloads/catch-up.yaml")),
    ("mixed", include_str!("../../workloads/mixed.yaml")),
    ("hostile", include_str!("../../workloads/hostile.yaml")),
    ("order-flow", include_str!("../../workloads/order-flow.yaml")),
];

/// Their names.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// The text of the one of this name.
pub fn text_of(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(of, _)| *of == name).map(|(_, text)| *text)
}
