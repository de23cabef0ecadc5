//! Single flight: of all that ask for a value that is not there, one computes it and the others wait.

use std::{
    sync::atomic::AtomicUsize,
    time::{Duration, Instant},
};

use tokio::time::timeout;

use super::{
    Hit, Leased, parameters,
    reply::{Beside, HELD, send_absent, send_hit},
    server::{Server, misunderstood},
};
use crate::{
    http::exchange::Exchange,
    service::{Place, Stop, while_wanted},
};

/// Most requests that wait for somebody else's value.
const MAX_WAITING: usize = 10_000;
/// How often those who wait look whether the service stops.
const LOOK: Duration = Duration::from_millis(500);

impl Server {
    /// `GET /` with a lease: the value, or the right to compute it, or word that somebody else does.
    pub(super) async fn lease(
        &self,
        exchange: &mut impl Exchange,
        key: &[u8],
        lease: Duration,
        wait: Duration,
        with_tags: bool,
    ) -> Result<(), Stop> {
        let by = Instant::now() + wait;
        let tags = |hit: &Hit| with_tags.then(|| self.tags(key, hit)).flatten();
        let mut place = None;
        loop {
            match self.shared.store.lease(key, lease) {
                Leased::Hit(hit) => {
                    let beside = Beside {
                        lease: None,
                        tags: tags(&hit),
                    };
                    send_hit(exchange, hit, beside).await;
                    return Ok(());
                }
                Leased::Granted { lease, stale } => {
                    let id = lease.to_string();
                    let lease = Some(id.as_bytes());
                    match stale {
                        Some(hit) => send_hit(exchange, hit, Beside { lease, tags: None }).await,
                        None => send_absent(exchange, lease).await,
                    }
                    return Ok(());
                }
                Leased::Held { stale: Some(hit) } => {
                    let lease = Some(HELD);
                    send_hit(exchange, hit, Beside { lease, tags: None }).await;
                    return Ok(());
                }
                Leased::Held { stale: None } => {}
            }
            let left = by.saturating_duration_since(Instant::now());
            if left.is_zero() || self.thread.stopping() {
                send_absent(exchange, Some(HELD)).await;
                return Ok(());
            }
            if place.is_none() {
                place = Some(self.place()?);
            }
            // Over or not, the lease is asked for again.
            let _ = while_wanted(exchange, timeout(left.min(LOOK), self.shared.store.wait(key))).await?;
        }
    }

    fn place(&self) -> Result<Place<'_>, Stop> {
        let waiting: &AtomicUsize = &self.shared.waiting;
        Place::take(
            waiting,
            MAX_WAITING,
            "Too many requests wait for others' values; try again shortly.",
        )
    }

    /// `DELETE /lease`. One that is over already is as good as given up.
    pub(super) async fn give_up(&self, exchange: &mut impl Exchange) -> Result<(), Stop> {
        let (key, id) = parameters::given_up(exchange.request().target()).map_err(misunderstood)?;
        self.shared.store.give_up(&key, id);
        drop(key);
        super::writing::send_nothing(exchange).await;
        Ok(())
    }
}
