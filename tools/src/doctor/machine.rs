//! Machine: whether the kernel lets a node run at all: io_uring, limits, the port.

use super::Doctor;
use super::finding::{Finding, Severity};
use crate::quantity::bytes_text;
use shard::StartError;
use shard::probe::{Host, host};
use std::net::{SocketAddr, TcpListener};

/// Memory a shard likes to lock for its ring and its buffers, in bytes.
const MEMLOCK_BYTES: u64 = 64 << 20;
/// Open files a node needs for its default of connections.
const FILES: u64 = 8192;

/// Kernel, io_uring, limits, port.
pub fn findings(options: &Doctor) -> Vec<Finding> {
    let mut findings = match host() {
        Ok(host) => host_findings(&host, options),
        Err(error) => vec![refused(&error)],
    };
    findings.push(port(options.listen));
    findings
}

fn refused(error: &StartError) -> Finding {
    Finding::new("io_uring", "Linux 6.1, allowed", error.to_string(), Severity::Fatal)
        .fix(error.code().fix())
}

fn host_findings(host: &Host, options: &Doctor) -> Vec<Finding> {
    let mut findings = vec![
        Finding::new("kernel", "Linux 6.1, by its features", &host.kernel, Severity::Fatal)
            .passed_if(true),
        Finding::new("io_uring", "allowed, all it needs there", "yes", Severity::Fatal)
            .passed_if(true),
    ];
    for fallback in &host.fallbacks {
        let current = format!("{}: missing; {}", fallback.missing, fallback.instead);
        findings.push(
            Finding::new("io_uring option", "there", current, Severity::Info)
                .fix("a newer kernel has it"),
        );
    }
    findings.push(memlock(host.memlock_bytes));
    findings.push(files(host.files));
    findings.push(cores(host.cores.len(), options));
    findings
}

fn memlock(bytes: u64) -> Finding {
    let current = if bytes == u64::MAX { "unlimited".to_owned() } else { bytes_text(bytes) };
    Finding::new("memlock", bytes_text(MEMLOCK_BYTES), current, Severity::Warning)
        .passed_if(bytes >= MEMLOCK_BYTES)
        .fix("LimitMEMLOCK=infinity, or ulimit -l unlimited; until then buffers run unregistered")
}

fn files((soft, hard): (u64, u64)) -> Finding {
    Finding::new(
        "open files",
        format!("{FILES}"),
        format!("{soft} (at most {hard})"),
        Severity::Warning,
    )
    .passed_if(hard >= FILES)
    .fix("LimitNOFILE=65536, or ulimit -n 65536")
}

fn cores(core_count: usize, options: &Doctor) -> Finding {
    let needed = usize::from(options.shards) + 1;
    let severity = if options.prod && core_count < usize::from(options.shards) {
        Severity::Fatal
    } else {
        Severity::Warning
    };
    let required = format!("{needed}: one per shard and one for the rest");
    Finding::new("cores", required, core_count.to_string(), severity)
        .passed_if(core_count >= needed)
        .fix("fewer shards, or more cores; idle = \"block\" shares them")
}

fn port(listen: SocketAddr) -> Finding {
    let bound = TcpListener::bind(listen);
    let current = match &bound {
        Ok(_) => "free".to_owned(),
        Err(error) => error.to_string(),
    };
    Finding::new("port", format!("{listen} free"), current, Severity::Warning)
        .passed_if(bound.is_ok())
        .fix(format!("is a node running there? ss -ltnp 'sport = :{}'", listen.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_found() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        assert!(!port(taken.local_addr().expect("bound")).passed);
        assert!(port("127.0.0.1:0".parse().expect("an address")).passed);
    }

    #[test]
    fn limits_are_compared() {
        assert!(memlock(u64::MAX).passed);
        assert!(!memlock(8 << 20).passed);
        assert!(files((1024, 65_536)).passed);
        assert!(!files((1024, 4096)).passed);
    }
}
