//! The border: typed, frozen values and a few calls, as `python/headrace/_core.pyi` describes them.
//!
//! Nothing here runs for a request, but for `TlsSession` and `HeadReader`, which belong to the app servers' event loops. Calls that may
//! wait let go of the GIL; engine threads never take it.

mod balancer;
mod cache_client;
mod cache_server;
mod counters;
mod engine;
mod errors;
mod event;
mod head;
mod ingest;
mod journal;
mod limits;
mod log_file;
mod log_server;
mod packing;
mod shipper;
mod slices;
mod store;
mod table;
mod tls;
mod uploads;
mod values;

use pyo3::prelude::*;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[pymodule]
mod _core {
    use super::{Bound, PyModule, PyResult, prelude::*};
    #[pymodule_export]
    use super::{
        balancer::{Balancer, BalancerOptions, ServerStats},
        cache_client::{CacheClient, CacheFlow},
        cache_server::{CacheOptions, CacheServer},
        counters::{Counters, Histogram},
        engine::{Engine, Listener},
        errors::{AddressError, CoreError, JournalError, TableError, TlsError},
        event::Event,
        head::HeadReader,
        ingest::{IngestOptions, IngestServer},
        journal::{Journal, JournalStatus},
        limits::Limits,
        log_file::{LogFile, LogFileStatus, compress_log},
        log_server::{LogOptions, LogServer, SyslogServer},
        packing::{Packed, pack, unpack},
        shipper::LogShipper,
        slices::{Seal, Slice, Span},
        store::Store,
        table::{Route, RoutingTable, Server, Service},
        tls::{ClientTls, Tls, TlsSession},
        uploads::{ObjectStore, Objects, Refused},
        values::Values,
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

use pyo3::{Bound, prelude, types::PyModule};
