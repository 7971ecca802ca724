//! StartNodeError: why a node does not start, with its code, its numbers and its exit code.

use super::identity::IdentityError;
use routing::catalog::CatalogError;
use shard::{DataDirError, StartError};
use std::fmt;
use storage::plan::DiskFault;
use storage::store::OpenError;
use wire::{ErrorCode, ShardId};

/// Why a node does not start.
#[derive(Debug)]
pub enum StartNodeError {
    /// The machine lacks something.
    Machine(StartError),
    /// The data directory cannot be used.
    Directory(DataDirError),
    /// The data directory is not this node's.
    Identity(IdentityError),
    /// A shard's storage cannot be opened.
    Store {
        /// Which shard.
        shard: ShardId,
        /// Why.
        error: OpenError,
    },
    /// The catalog in shard 0's log cannot be read.
    Catalog(CatalogError),
    /// The record of an accepted loss cannot be written.
    Audit(DataDirError),
    /// The system has no more threads.
    Thread(std::io::Error),
    /// A shard's thread panicked.
    Panicked {
        /// Which.
        shard: ShardId,
    },
}

impl StartNodeError {
    /// Its stable number.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Machine(error) => error.code(),
            Self::Directory(error) | Self::Audit(error) => error.code(),
            Self::Identity(error) => error.code(),
            Self::Store { error, .. } => match error {
                OpenError::Disk(_) => ErrorCode::DiskFailed,
                OpenError::Foreign { .. } => ErrorCode::DataDirForeign,
                OpenError::UnknownFormat { .. } => ErrorCode::FormatUnknown,
                OpenError::Damaged { .. } => ErrorCode::DataDirDamaged,
            },
            Self::Catalog(_) => ErrorCode::DataDirDamaged,
            Self::Thread(_) | Self::Panicked { .. } => ErrorCode::Internal,
        }
    }

    /// What the process exits with: 69 where the machine lacks something, 74 for the disk, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Machine(error) => error.exit_code(),
            Self::Store { error: OpenError::Disk(fault), .. } if *fault != DiskFault::NoSpace => 74,
            Self::Directory(_)
            | Self::Audit(_)
            | Self::Identity(_)
            | Self::Store { .. }
            | Self::Catalog(_)
            | Self::Thread(_)
            | Self::Panicked { .. } => 1,
        }
    }
}

impl fmt::Display for StartNodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine(error) => error.fmt(formatter),
            Self::Directory(error) => error.fmt(formatter),
            Self::Identity(error) => error.fmt(formatter),
            Self::Store { shard, error } => write!(formatter, "shard {shard}: {}", cause(error)),
            Self::Audit(error) => {
                write!(formatter, "the record of what is given up cannot be written: {error}")
            }
            Self::Catalog(error) => write!(formatter, "the catalog in shard 0's log: {error:?}"),
            Self::Thread(error) => write!(formatter, "a shard's thread cannot start: {error}"),
            Self::Panicked { shard } => write!(formatter, "shard {shard} ended with a defect"),
        }
    }
}

fn cause(error: &OpenError) -> String {
    match error {
        OpenError::Disk(fault) => format!("the disk refused: {fault:?}"),
        OpenError::Foreign { found } => format!("its files are of {found}"),
        OpenError::UnknownFormat { version } => format!("its files have format {version}"),
        OpenError::Damaged { range } => format!(
            "{} is damaged from byte {} on, {} bytes: {}",
            range.file, range.position, range.bytes, range.what
        ),
    }
}

impl std::error::Error for StartNodeError {}

impl From<StartError> for StartNodeError {
    fn from(error: StartError) -> Self {
        Self::Machine(error)
    }
}

impl From<DataDirError> for StartNodeError {
    fn from(error: DataDirError) -> Self {
        Self::Directory(error)
    }
}

impl From<IdentityError> for StartNodeError {
    fn from(error: IdentityError) -> Self {
        Self::Identity(error)
    }
}

impl From<std::io::Error> for StartNodeError {
    fn from(error: std::io::Error) -> Self {
        Self::Thread(error)
    }
}
