//! The thread behind a queue: batches to the collector, or to the file until it is back.

use std::{
    io::{self, Write},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::{
    ShipperOptions, Tally,
    batch::{Batch, random},
    queue::{Chunk, Queue, Taken},
    spill::Spill,
};
use crate::client::{Client, Failure, Request, Response};

/// Between attempts: random up to the first, doubling up to the longest.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// No `Retry-After` is taken for longer.
const LONGEST_ASKED: u64 = 300;

/// How often the folder is looked at for files of processes that ended.
const ADOPTION: Duration = Duration::from_secs(10);

/// How long the collector may be away before standard error hears of it.
const WORTH_TELLING: Duration = Duration::from_secs(5);

/// What came of an attempt.
enum Outcome {
    Done,
    /// Never to be tried again.
    Refused(String),
    /// To be tried again, no sooner than that where something was said.
    Again(String, Option<Duration>),
}

/// A collector that does not answer.
struct Outage {
    since: Instant,
    attempts: u32,
    told: bool,
}

pub(super) struct Delivery {
    client: Client,
    options: ShipperOptions,
    queue: Arc<Queue>,
    tally: Arc<Tally>,
    /// This process's file, made when it is first needed.
    own: Option<Spill>,
    orphans: Vec<Spill>,
    /// A batch that found no room in the file.
    held: Option<Batch>,
    outage: Option<Outage>,
    /// When something waits to be tried again.
    due: Option<Instant>,
    adoption: Instant,
    refusal_told: bool,
}

impl Delivery {
    pub(super) fn new(client: Client, options: ShipperOptions, queue: Arc<Queue>, tally: Arc<Tally>) -> Self {
        Self {
            client,
            options,
            queue,
            tally,
            own: None,
            orphans: Vec::new(),
            held: None,
            outage: None,
            due: None,
            adoption: Instant::now(),
            refusal_told: false,
        }
    }

    pub(super) fn run(mut self) {
        self.adopt();
        loop {
            match self.queue.take(self.due, self.held.is_some()) {
                Taken::Chunk(chunk) => self.handle(&chunk),
                Taken::Due => self.resend(),
                Taken::Closed => break,
            }
            if self.adoption <= Instant::now() {
                self.adopt();
            }
        }
        self.leave();
    }

    fn handle(&mut self, chunk: &Chunk) {
        let batch = Batch::new(chunk, &self.options.source);
        if self.outage.is_none() && self.backlog_is_empty() && self.attempt(&batch) {
            self.queue.done(batch.entries);
        } else {
            self.keep(batch);
        }
    }

    fn backlog_is_empty(&self) -> bool {
        self.own.as_ref().is_none_or(Spill::is_empty)
    }

    /// Whether the batch is dealt with, for good or bad.
    fn attempt(&mut self, batch: &Batch) -> bool {
        match self.post(batch) {
            Outcome::Done => {
                self.outage = None;
                self.due = self.has_more().then(Instant::now);
                true
            }
            Outcome::Refused(why) => {
                self.tally.refused.fetch_add(batch.entries, Relaxed);
                self.tell_refusal(batch.entries, &why);
                self.outage = None;
                self.due = self.has_more().then(Instant::now);
                true
            }
            Outcome::Again(why, asked) => {
                self.fails(&why, asked);
                false
            }
        }
    }

    fn has_more(&self) -> bool {
        self.held.is_some() || !self.backlog_is_empty() || !self.orphans.is_empty()
    }

    fn fails(&mut self, why: &str, asked: Option<Duration>) {
        let outage = self.outage.get_or_insert_with(|| Outage {
            since: Instant::now(),
            attempts: 0,
            told: false,
        });
        outage.attempts += 1;
        let jitter = f64::from(u16::from_le_bytes(random())) / f64::from(u16::MAX);
        let pause = match asked {
            // A tenth more at random, or all that were refused together would come back together.
            Some(asked) => asked.mul_f64(1.0 + jitter / 10.0),
            None => LONGEST
                .min(FIRST * (1 << (outage.attempts - 1).min(10)))
                .mul_f64(jitter),
        };
        self.due = Some(Instant::now() + pause);
        if !outage.told && outage.since.elapsed() >= WORTH_TELLING {
            outage.told = true;
            say(&format!(
                "{} does not take log entries ({why}); they are kept for it",
                self.options.url
            ));
        }
    }

    /// What was kept first goes first: the file, then a batch that found no room in it, then what others left.
    fn resend(&mut self) {
        self.due = None;
        if let Some(batch) = self.own.as_mut().and_then(Spill::first) {
            if self.attempt(&batch) {
                self.tally.spilled.fetch_sub(batch.entries, Relaxed);
                advance(self.own.as_mut(), &batch);
            }
        } else if let Some(batch) = self.held.take() {
            if self.attempt(&batch) {
                self.queue.done(batch.entries);
            } else {
                self.held = Some(batch);
            }
        } else if let Some(batch) = self.orphans.last_mut().and_then(Spill::first) {
            if self.attempt(&batch) {
                self.tally.adopted.fetch_add(batch.entries, Relaxed);
                advance(self.orphans.last_mut(), &batch);
            }
        } else if let Some(done) = self.orphans.pop() {
            done.leave();
        }
        if self.due.is_none() {
            self.outage = None;
            self.due = self.has_more().then(Instant::now);
        }
    }

    /// Puts a batch where it can wait.
    fn keep(&mut self, batch: Batch) {
        if self.spill(&batch) {
            self.tally.spilled.fetch_add(batch.entries, Relaxed);
            self.queue.done(batch.entries);
        } else {
            self.held = Some(batch);
        }
        // A batch may be kept because others wait before it, for no fault of the collector's.
        self.due = self.due.or_else(|| Some(Instant::now()));
    }

    fn spill(&mut self, batch: &Batch) -> bool {
        if self.own.is_none() {
            let folder = self.options.spill.as_deref();
            self.own = folder.and_then(|folder| Spill::create(folder, self.options.spill_bytes).ok());
        }
        let pushed = self.own.as_mut().map(|spill| spill.push(batch));
        matches!(pushed, Some(Ok(true)))
    }

    fn adopt(&mut self) {
        self.adoption = Instant::now() + ADOPTION;
        if let Some(folder) = &self.options.spill {
            self.orphans.extend(Spill::orphans(folder));
            if !self.orphans.is_empty() {
                self.due = self.due.or_else(|| Some(Instant::now()));
            }
        }
    }

    fn post(&mut self, batch: &Batch) -> Outcome {
        let (bearer, key) = (format!("Bearer {}", self.options.token), batch.key_text());
        let mut fields = vec![("content-type", "application/x-ndjson"), ("idempotency-key", &key)];
        if !self.options.token.is_empty() {
            fields.push(("authorization", &bearer));
        }
        if batch.compressed {
            fields.push(("content-encoding", "zstd"));
        }
        let request = Request {
            method: "POST",
            target: "/",
            fields: &fields,
            body: &batch.body,
        };
        let answer = self.client.send(&request);
        if let Ok(response) = &answer
            && response.status < 300
        {
            self.count(batch, response);
        }
        outcome(answer)
    }

    /// The collector may refuse some entries of a batch that it takes.
    fn count(&mut self, batch: &Batch, response: &Response) {
        let verdict: serde_json::Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let refused = verdict["refused"].as_u64().unwrap_or(0).min(batch.entries);
        self.tally.acknowledged.fetch_add(batch.entries - refused, Relaxed);
        self.tally.refused.fetch_add(refused, Relaxed);
        if refused > 0 {
            let why = verdict["errors"][0]["error"].as_str().unwrap_or("it did not say why");
            self.tell_refusal(refused, why);
        }
    }

    fn tell_refusal(&mut self, entries: u64, why: &str) {
        if !self.refusal_told {
            self.refusal_told = true;
            let url = &self.options.url;
            say(&format!(
                "{url} refuses log entries, {entries} this time: {why}; this is told once"
            ));
        }
    }

    /// What is left stays in the file, or is lost where there is none.
    fn leave(mut self) {
        if let Some(batch) = self.held.take() {
            if self.attempt(&batch) {
                self.queue.done(batch.entries);
            } else {
                self.tally.dropped.fetch_add(batch.entries, Relaxed);
            }
        }
        while let Taken::Chunk(chunk) = self.queue.take(None, false) {
            self.handle(&chunk);
            if let Some(batch) = self.held.take() {
                self.tally.dropped.fetch_add(batch.entries, Relaxed);
            }
        }
        while self.outage.is_none() && !self.backlog_is_empty() {
            self.resend();
        }
        self.own.into_iter().chain(self.orphans).for_each(Spill::leave);
        self.queue.end();
    }
}

fn advance(spill: Option<&mut Spill>, batch: &Batch) {
    if let Some(spill) = spill {
        spill.advance(batch);
    }
}

/// | answer | then |
/// |---|---|
/// | 2xx | done |
/// | none; 408, 409, 425, 429, 5xx | the same request again, after a pause |
/// | anything else | refused for good |
fn outcome(answer: Result<Response, Failure>) -> Outcome {
    match answer {
        Err(failure) => Outcome::Again(failure.to_string(), None),
        Ok(response) => match response.status {
            200..300 => Outcome::Done,
            408 | 409 | 425 | 429 | 500.. => Outcome::Again(words(&response), retry_after(&response)),
            _ => Outcome::Refused(words(&response)),
        },
    }
}

fn words(response: &Response) -> String {
    let said: serde_json::Value = serde_json::from_slice(&response.body).unwrap_or_default();
    match said["message"].as_str() {
        Some(message) => format!("{}, {message}", response.status),
        None => response.status.to_string(),
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let asked = response.retry_after()?;
    Some(asked.min(Duration::from_secs(LONGEST_ASKED)))
}

/// The place for what a log cannot tell of itself. Nobody may listen there.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "headrace.logs: {text}");
}
