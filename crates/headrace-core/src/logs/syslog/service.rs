//! Who may send syslog, and what the connections of a thread have in common.

use std::{
    cell::RefCell,
    net::IpAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
};

use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::{Message, Reader, connection, rounds::Rounds};
use crate::{
    engine::Thread,
    http::exchange::Peer,
    intake::Local,
    listener::{Protocol, Serving},
    logs::{
        batch::{Batch, Batches},
        server::{Logs, STREAM},
    },
    net::{network::Network, stream::ClientStream},
};

#[derive(Debug, Clone)]
pub struct Options {
    /// Who may connect, as the protocol knows no token.
    pub from: Vec<Network>,
    /// The most bytes of a message: 64 KiB, as syslog-ng has it.
    pub max_message: usize,
}

/// What all engine threads share: the journal is that of a log server.
pub struct Syslog {
    options: Options,
    logs: Arc<Logs>,
    /// Seconds that the clocks here are ahead of UTC.
    offset: AtomicI32,
}

impl Syslog {
    pub fn new(logs: Arc<Logs>, options: Options) -> Arc<Self> {
        Arc::new(Self {
            options,
            logs,
            offset: AtomicI32::new(0),
        })
    }

    /// From now on times without a zone are so many seconds ahead of UTC.
    pub fn set_utc_offset(&self, seconds: i32) {
        self.offset.store(seconds, Ordering::Relaxed);
    }

    /// What `thread` does with connections.
    pub fn speaker(self: &Arc<Self>, thread: &Rc<Thread>) -> Speaker {
        Speaker(Rc::new(Shared {
            syslog: Arc::clone(self),
            local: self.logs.intake.local(thread),
            batches: Batches::new(self.logs.options.max_ahead),
            rounds: Rounds::start(),
            scratch: RefCell::new(vec![0; SCRATCH].into()),
        }))
    }
}

/// The protocol as an engine thread speaks it.
pub struct Speaker(Rc<Shared>);

/// What the connections of a thread share.
pub(super) struct Shared {
    syslog: Arc<Syslog>,
    local: Local,
    batches: Batches,
    pub(super) rounds: Rc<Rounds>,
    /// Where bytes are read to that are not many: clearing room for them in each connection's buffer would cost more.
    pub(super) scratch: RefCell<Box<[u8]>>,
}

/// Bytes of a busy connection that are read by one call.
const SCRATCH: usize = 64 * 1024;

impl Protocol for Speaker {
    const ANSWERS: bool = false;

    fn admits(&self, client: IpAddr) -> bool {
        let known = self
            .0
            .syslog
            .options
            .from
            .iter()
            .any(|network| network.contains(client));
        if !known {
            self.0.thread().counters().syslog_strangers.add(1);
        }
        known
    }

    fn plain(&self, socket: TcpStream, _peer: Peer, _thread: Rc<Thread>) -> impl Future<Output = ()> + 'static {
        serve(Rc::clone(&self.0), socket)
    }

    fn secure(&self, stream: Box<TlsStream<TcpStream>>, _peer: Peer, _thread: Rc<Thread>) -> Serving {
        Box::pin(serve(Rc::clone(&self.0), *stream))
    }
}

async fn serve<S: ClientStream>(shared: Rc<Shared>, stream: S) {
    let counters = Rc::clone(shared.thread());
    counters.counters().syslog_open.add(1);
    connection::Connection::new(stream, shared).run().await;
    counters.counters().syslog_open.sub(1);
}

impl Shared {
    pub(super) fn thread(&self) -> &Rc<Thread> {
        &self.local.thread
    }

    pub(super) fn max_message(&self) -> usize {
        self.syslog.options.max_message
    }

    /// A batch for messages that have just come, and their reader.
    pub(super) fn begin(&self) -> (Batch, Reader) {
        let batch = self.batches.begin();
        let reader = Reader::new(batch.now(), self.syslog.offset.load(Ordering::Relaxed));
        (batch, reader)
    }

    pub(super) fn take(&self, message: Message<'_>, reader: &mut Reader, batch: &mut Batch) {
        let counters = self.thread().counters();
        counters.syslog_messages.add(1);
        counters.syslog_cut.add(message.cut.into());
        let known = reader.add(message.bytes, batch);
        counters.syslog_malformed.add((!known).into());
    }

    /// Comes back when all of them are safe.
    pub(super) async fn store(&self, batch: Batch) {
        self.local.insist(STREAM, &batch.entries()).await;
        self.batches.keep(batch);
    }
}
