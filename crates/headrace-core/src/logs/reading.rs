//! The calls that read: `GET /search` and `GET /tail`.
//!
//! Files are read by threads of their own (`Aside`), a page or a step at a time, so that nobody who is slow holds one
//! of them; what has been read is written by the engine thread. A client that leaves ends its search.

use std::{
    io,
    path::PathBuf,
    rc::Rc,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{
    filter::Filter,
    line::Format,
    parameters,
    search::{Mark, Page, Position, Query, Search, Step},
};
use crate::{
    calendar::now,
    engine::Thread,
    http::{exchange::Exchange, fields::Field, reply::send_whole},
    metrics::Refused,
    service::{
        Aside, JSON, Place, Stop, begin, finish, refuse, refuse_with, stopping, while_heard, while_wanted, write,
    },
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
    searchers: Aside,
    followers: Aside,
    searching: AtomicUsize,
    following: AtomicUsize,
}

impl Reading {
    /// `path` is the file that is written, `format` that of its lines.
    pub fn new(path: PathBuf, format: Format) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            search: Arc::new(Search::new(path, format)),
            searchers: Aside::start("log-search", SEARCHERS)?,
            followers: Aside::start("log-tail", 1)?,
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
                while_heard(exchange, sleep(LOOK)).await?;
            }
            let (search, filter) = (Arc::clone(&self.search), Arc::clone(filter));
            let look = self.followers.run(move |_| {
                let step = search.follow(&mut position, &filter);
                (position, step)
            });
            let (moved, found) = while_heard(exchange, look).await?.ok_or(Stop::Gone)?;
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

fn unreadable(error: &io::Error) -> Stop {
    refuse(Refused::Failed, format!("The log's folder cannot be read: {error}."))
}
