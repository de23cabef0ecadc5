//! The calls that read: `GET /search` and `GET /tail`.
//!
//! Files are read by threads of their own (`readers`), a page or a step at a time, so that nobody who is slow holds one
//! of them; what has been read is written by the engine thread. A client that leaves ends its search.

use std::{
    future::poll_fn,
    io,
    path::PathBuf,
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Poll, ready},
    time::Duration,
};

use bytes::BytesMut;
use tokio::time::{Instant, sleep};

use super::{
    calendar::now,
    filter::Filter,
    line::Format,
    parameters,
    readers::Readers,
    search::{Mark, Page, Position, Query, Search, Step},
};
use crate::{
    engine::Thread,
    http::{
        exchange::{Exchange, Gone, ReplyBody},
        fields::Field,
        reply::{reason, send_whole},
    },
    intake::{JSON, Stop, refuse, refuse_with},
    metrics::Refused,
};

/// Threads that search; one more is for those who follow.
const SEARCHERS: usize = 2;
/// Searches under way and waiting.
const MAX_SEARCHES: usize = 32;
const MAX_FOLLOWERS: usize = 256;

/// Entries and bytes of a page where there are many, one after the other.
const STREAMED_ENTRIES: usize = 10_000;
const STREAMED_BYTES: usize = 1 << 20;

/// How often a follower looks whether something was written; lines wait two seconds before they are.
const LOOK: Duration = Duration::from_millis(200);
/// A sign of life for whoever follows and gets nothing.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What all engine threads share of reading one log.
pub struct Reading {
    search: Arc<Search>,
    searchers: Readers,
    followers: Readers,
    searching: AtomicUsize,
    following: AtomicUsize,
}

/// One of those that are counted, for as long as it lives.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(counter: &'a AtomicUsize, most: usize, message: &'static str) -> Result<Self, Stop> {
        let place = Self(counter);
        match counter.fetch_add(1, Ordering::Relaxed) < most {
            true => Ok(place),
            false => Err(refuse(Refused::Overloaded, message)),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Reading {
    /// `path` is the file that is written, `format` that of its lines.
    pub fn new(path: PathBuf, format: Format) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            search: Arc::new(Search::new(path, format)),
            searchers: Readers::start("log-search", SEARCHERS)?,
            followers: Readers::start("log-tail", 1)?,
            searching: AtomicUsize::new(0),
            following: AtomicUsize::new(0),
        }))
    }

    /// Answers `GET /search`.
    pub async fn search(&self, exchange: &mut impl Exchange) -> Result<(), Stop> {
        only_get(exchange)?;
        let query = parameters::search(exchange.request().target(), now()).map_err(misunderstood)?;
        let _place = Place::take(
            &self.searching,
            MAX_SEARCHES,
            "Too many searches are under way; try again shortly.",
        )?;
        if wants_lines(exchange) {
            return self.stream(exchange, query).await;
        }
        let page = self.page(exchange, query).await?;
        let fields = [
            Field::new(b"Content-Type", JSON),
            Field::new(b"Cache-Control", b"no-store"),
        ];
        send_whole(exchange, 200, fields.into_iter(), &whole(&page)).await;
        Ok(())
    }

    async fn page(&self, exchange: &mut impl Exchange, query: Query) -> Result<Page, Stop> {
        let search = Arc::clone(&self.search);
        let page = self.searchers.run(move |unwanted| search.page(&query, unwanted));
        match while_wanted(exchange, page).await? {
            // A break is all that can be shown of an error once a part was sent.
            None | Some(Err(_)) if exchange.started() => Err(Stop::Gone),
            None => Err(stopping()),
            Some(page) => page.map_err(|error| unreadable(&error)),
        }
    }

    /// Page after page, as lines.
    async fn stream(&self, exchange: &mut impl Exchange, asked: Query) -> Result<(), Stop> {
        let mut left = asked.limit.unwrap_or(usize::MAX);
        let mut after = asked.after;
        while left > 0 {
            let limit = Some(left.min(STREAMED_ENTRIES));
            let query = Query {
                limit,
                after,
                max_bytes: STREAMED_BYTES,
                ..asked.clone()
            };
            let page = self.page(exchange, query).await?;
            begin(exchange, b"application/x-ndjson");
            left -= page.count;
            write(exchange, &page.entries).await?;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        finish(exchange).await
    }

    /// Answers `GET /tail`.
    pub async fn tail(&self, exchange: &mut impl Exchange, thread: &Rc<Thread>) -> Result<(), Stop> {
        only_get(exchange)?;
        let (filter, last) = parameters::tail(exchange.request().target()).map_err(misunderstood)?;
        let _place = Place::take(
            &self.following,
            MAX_FOLLOWERS,
            "Too many clients follow the log; try again later.",
        )?;
        let filter = Arc::new(filter);
        let (position, step) = self.begin_following(exchange, &filter, last).await?;
        begin(exchange, b"text/event-stream");
        // At once, so that the client knows that it is connected.
        write(exchange, &alive(&position)).await?;
        self.follow(exchange, thread, &filter, position, step).await?;
        finish(exchange).await
    }

    /// Where the client was, or the end of the log with some lines from before.
    async fn begin_following(
        &self,
        exchange: &mut impl Exchange,
        filter: &Arc<Filter>,
        last: usize,
    ) -> Result<(Position, Step), Stop> {
        let seen = exchange.request().fields().get(b"last-event-id");
        if let Some(mark) = seen.and_then(|id| Mark::parse(std::str::from_utf8(id).ok()?)) {
            return Ok((mark.into(), Step::default()));
        }
        let (search, filter) = (Arc::clone(&self.search), Arc::clone(filter));
        let end = self.followers.run(move |_| search.end(&filter, last));
        let end = while_wanted(exchange, end).await?.ok_or_else(stopping)?;
        end.map_err(|error| unreadable(&error))
    }

    /// Tells `step` and what comes after it, until the service stops.
    async fn follow(
        &self,
        exchange: &mut impl Exchange,
        thread: &Rc<Thread>,
        filter: &Arc<Filter>,
        mut position: Position,
        mut step: Step,
    ) -> Result<(), Stop> {
        let mut told = Instant::now();
        while !thread.stopping() {
            let mut news = events(&step);
            if news.is_empty() && told.elapsed() >= HEARTBEAT {
                news = alive(&position);
            }
            if !news.is_empty() {
                write(exchange, &news).await?;
                told = Instant::now();
            }
            if !step.more {
                while_wanted(exchange, sleep(LOOK)).await?;
            }
            let (search, filter) = (Arc::clone(&self.search), Arc::clone(filter));
            let look = self.followers.run(move |_| {
                let step = search.follow(&mut position, &filter);
                (position, step)
            });
            let (moved, found) = while_wanted(exchange, look).await?.ok_or(Stop::Gone)?;
            position = moved;
            // What cannot be read now may be there again in a moment.
            step = found.unwrap_or_default();
        }
        Ok(())
    }
}

/// A page as one JSON object.
fn whole(page: &Page) -> Vec<u8> {
    let mut body = b"{\"entries\": [".to_vec();
    let lines = page
        .entries
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    for (number, line) in lines.enumerate() {
        body.extend_from_slice(if number == 0 { b"" } else { b"," });
        body.extend_from_slice(b"\n");
        body.extend_from_slice(line);
    }
    let next = serde_json::json!(page.next.map(|next| next.to_string()));
    body.extend_from_slice(format!("], \"next\": {next}").as_bytes());
    if !page.unreadable.is_empty() {
        let names = serde_json::json!(page.unreadable);
        body.extend_from_slice(format!(", \"unreadable\": {names}").as_bytes());
    }
    body.extend_from_slice(b"}\n");
    body
}

/// No event, but where to go on if the connection breaks.
fn alive(position: &Position) -> Vec<u8> {
    let id = position.mark().map(|mark| format!("id: {mark}\n"));
    format!("{}: following\n\n", id.unwrap_or_default()).into_bytes()
}

/// A step as server-sent events.
fn events(step: &Step) -> Vec<u8> {
    let mut text = Vec::new();
    if step.missed {
        text.extend_from_slice(b"event: missed\ndata: {}\n\n");
    }
    for (mark, entry) in &step.entries {
        text.extend_from_slice(format!("id: {mark}\ndata: ").as_bytes());
        text.extend_from_slice(entry);
        text.extend_from_slice(b"\n\n");
    }
    text
}

/// Waits for what is being done, and no longer than the client does.
async fn while_wanted<T>(exchange: &mut impl Exchange, work: impl Future<Output = T>) -> Result<T, Stop> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if exchange.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Stop::Gone));
        }
        work.as_mut().poll(cx).map(Ok)
    })
    .await
}

fn begin(exchange: &mut impl Exchange, kind: &'static [u8]) {
    if !exchange.started() {
        let fields = [
            Field::new(b"Content-Type", kind),
            Field::new(b"Cache-Control", b"no-store"),
        ];
        exchange.start(200, reason(200).as_bytes(), fields.into_iter(), ReplyBody::Streamed);
    }
}

async fn write(exchange: &mut impl Exchange, bytes: &[u8]) -> Result<(), Stop> {
    let mut data = BytesMut::from(bytes);
    let written = poll_fn(|cx| {
        if !data.is_empty() {
            ready!(exchange.poll_write(cx, &mut data))?;
        }
        exchange.poll_flush(cx)
    });
    written.await.map_err(|Gone| Stop::Gone)
}

async fn finish(exchange: &mut impl Exchange) -> Result<(), Stop> {
    let finished = poll_fn(|cx| exchange.poll_finish(cx, None));
    finished.await.map_err(|Gone| Stop::Gone)
}

fn wants_lines(exchange: &impl Exchange) -> bool {
    let accept = exchange.request().fields().get(b"accept");
    accept.is_some_and(|value| memchr::memmem::find(value, b"application/x-ndjson").is_some())
}

fn only_get(exchange: &impl Exchange) -> Result<(), Stop> {
    match exchange.request().method() {
        b"GET" => Ok(()),
        _ => Err(refuse_with(
            Refused::MethodNotAllowed,
            "This is read: use GET.",
            b"Allow",
            b"GET",
        )),
    }
}

fn misunderstood(why: String) -> Stop {
    refuse(Refused::BadRequest, why)
}

fn stopping() -> Stop {
    refuse(Refused::Stopping, "The service is stopping; try again shortly.")
}

fn unreadable(error: &io::Error) -> Stop {
    refuse(Refused::Failed, format!("The log's folder cannot be read: {error}."))
}
