//! One attempt at one server: the request out, the response back, at the same time.
//!
//! Both directions are driven from one poll, the request first. The response may begin before the request has ended; once
//! it is complete the attempt is over, whatever is left of the request. After a change of protocol both directions are
//! bytes, and the attempt is over when both have ended.

use std::{
    io,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};

use super::{
    compression::{self, Compression, Compressor},
    download::Download,
    ending::Ending,
    failure::{Failure, GONE},
    local::Local,
    rewrite,
    upload::{Upload, UploadError},
};
use crate::{
    http::{
        exchange::{Exchange, ReplyBody},
        framing::{Decoded, Decoder},
        head::{ResponseBody, ResponseHead, parse_response},
    },
    net::{clock::Timer, stream::ServerStream},
};

/// The most interim responses that one request may get; a server that sends more is not in its right mind.
const MAX_INTERIM: u32 = 64;
/// How long a server may leave a client waiting for 100 (Continue) before the body is sent all the same (RFC 9110, 10.1.1).
const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    Body,
    Finish,
    Done,
}

pub(super) struct Transfer<'a> {
    stream: &'a mut ServerStream,
    upload: &'a mut Upload,
    download: Download<'a>,
    local: &'a Local,
    timer: &'a Timer,
    ending: Ending<'a>,
    compression: Compression,
    /// It was polled before.
    begun: bool,
    /// Whether the timer runs for what is waited for now.
    timing: bool,
    stage: Stage,
    keep_alive: bool,
    tunnel: bool,
    interims: u32,
    /// Interim responses are queued that shall not wait.
    unflushed: bool,
    /// What of the request's body had moved when the timer was looked at last.
    moved: u64,
    /// Why no more of the request could be sent; counts only if no response comes either.
    unsent: Option<io::Error>,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(
        stream: &'a mut ServerStream,
        input: &'a mut BytesMut,
        upload: &'a mut Upload,
        local: &'a Local,
        timer: &'a Timer,
        ending: Ending<'a>,
        compression: Compression,
    ) -> Self {
        Self {
            stream,
            upload,
            download: Download::new(input, &local.thread),
            local,
            timer,
            ending,
            compression,
            begun: false,
            timing: false,
            stage: Stage::Head,
            keep_alive: false,
            tunnel: false,
            interims: 0,
            unflushed: false,
            moved: 0,
            unsent: None,
        }
    }

    /// After success: whether the connection is at a message boundary and may carry another request.
    pub(super) fn is_reusable(&self) -> bool {
        self.stage == Stage::Done
            && self.keep_alive
            && !self.tunnel
            && self.upload.is_whole()
            && self.unsent.is_none()
            && self.download.input.is_empty()
    }

    /// Whether the client has given up is asked first, and from then on only where there is something to wait for: most
    /// responses are complete the second time.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, exchange: &mut impl Exchange) -> Poll<Result<(), Failure>> {
        if !self.upload.is_finished() {
            self.poll_upload(cx, exchange)?;
        }
        // Asked when it is known whether the client's body is waited for.
        let first = !std::mem::replace(&mut self.begun, true);
        if first && exchange.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(GONE));
        }
        let response = self.poll_response(cx, exchange)?;
        if response.is_ready() && (!self.tunnel || self.upload.is_finished()) {
            return Poll::Ready(Ok(()));
        }
        if !first && exchange.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(GONE));
        }
        if self.stage == Stage::Body && self.ending.poll(cx, self.local).is_ready() {
            self.end_stream(cx)?;
        }
        self.poll_time(cx, exchange)
    }

    /// A tunnel closes in good order, both ways; a response breaks, so that it is not taken for whole.
    fn end_stream(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        if !self.tunnel {
            return Err(Failure::Ended);
        }
        self.upload.hang_up();
        self.stage = Stage::Finish;
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn poll_upload(&mut self, cx: &mut Context<'_>, exchange: &mut impl Exchange) -> Result<(), Failure> {
        match self.upload.poll(cx, exchange, self.stream) {
            Poll::Ready(Err(UploadError::Client(error))) => return Err(Failure::Client(error)),
            Poll::Ready(Err(UploadError::TooLarge)) => return Err(Failure::TooLarge),
            // The server may have said why before it stopped reading.
            Poll::Ready(Err(UploadError::Server(error))) => {
                self.upload.abandon();
                self.unsent = Some(error);
            }
            Poll::Ready(Ok(())) => self.timing = false,
            Poll::Pending => self.timing &= self.moved == self.upload.moved(),
        }
        self.moved = self.upload.moved();
        Ok(())
    }

    /// What is waited for now, and no longer than that allows.
    fn poll_time(&mut self, cx: &mut Context<'_>, exchange: &mut impl Exchange) -> Poll<Result<(), Failure>> {
        if !self.timing {
            self.timing = true;
            let options = &self.local.balancer.options;
            self.timer.set(match self.stage {
                Stage::Head if self.upload.is_expecting() => CONTINUE_TIMEOUT,
                Stage::Head if self.upload.is_finished() => options.response_timeout,
                _ => options.stream_idle_timeout,
            });
        }
        ready!(self.timer.poll(cx));
        if self.upload.is_expecting() {
            self.go_on(cx, exchange);
            return Poll::Pending;
        }
        Poll::Ready(Err(Failure::TimedOut))
    }

    /// Lets the body go that was held back for 100 (Continue).
    fn go_on(&mut self, cx: &mut Context<'_>, exchange: &mut impl Exchange) {
        self.timing = false;
        self.upload.proceed();
        // The request's direction was looked at already: once more.
        cx.waker().wake_by_ref();
        exchange.interim(100, std::iter::empty());
        self.unflushed = true;
    }

    fn poll_response(&mut self, cx: &mut Context<'_>, exchange: &mut impl Exchange) -> Poll<Result<(), Failure>> {
        loop {
            match self.stage {
                Stage::Head => ready!(self.poll_head(cx, exchange))?,
                Stage::Body => ready!(self.poll_body(cx, exchange))?,
                Stage::Finish => {
                    ready!(self.poll_pass_on(cx, exchange))?;
                    if self.download.ends().map_err(|_| GONE)? {
                        ready!(self.poll_pass_on(cx, exchange))?;
                    }
                    ready!(exchange.poll_finish(cx, self.download.decoder.trailers())).map_err(|_| GONE)?;
                    self.stage = Stage::Done;
                }
                Stage::Done => return Poll::Ready(Ok(())),
            }
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>, exchange: &mut impl Exchange) -> Poll<Result<(), Failure>> {
        loop {
            if !self.download.input.is_empty() && self.take_head(cx, exchange)? {
                return Poll::Ready(Ok(()));
            }
            match self.download.poll_head(cx, self.stream) {
                Poll::Ready(Ok(length)) if length > 0 => {}
                Poll::Ready(ended) => {
                    return Poll::Ready(Err(Failure::Closed {
                        seen: !self.download.input.is_empty(),
                        error: ended.err().or(self.unsent.take()),
                    }));
                }
                Poll::Pending => {
                    if self.unflushed {
                        ready!(exchange.poll_flush(cx)).map_err(|_| GONE)?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Takes interim heads and the final one out of the input; whether the final one was there.
    fn take_head(&mut self, cx: &mut Context<'_>, exchange: &mut impl Exchange) -> Result<bool, Failure> {
        loop {
            let to = exchange.request().response_to();
            let (local, compression) = (self.local, self.compression);
            let limits = &local.thread.limits().head;
            let visit = |head: &ResponseHead<'_>| begin(exchange, head, local, compression);
            let parsed =
                parse_response(self.download.input, limits, to, visit).map_err(|bad| Failure::Malformed(bad.0))?;
            let Some((length, begun)) = parsed else {
                return Ok(false);
            };
            self.download.input.advance(length);
            match begun? {
                Begun::Interim(status) => {
                    self.interims += 1;
                    self.unflushed = true;
                    if self.interims > MAX_INTERIM {
                        return Err(Failure::Malformed("too many interim responses"));
                    }
                    if status == 100 && self.upload.is_expecting() {
                        self.go_on(cx, exchange);
                    }
                }
                Begun::Final(body, keep_alive, compressor) => {
                    self.download.compressor = compressor;
                    self.keep_alive = keep_alive;
                    self.begin_body(cx, body);
                    return Ok(true);
                }
            }
        }
    }

    fn begin_body(&mut self, cx: &mut Context<'_>, body: Body) {
        self.timing = false;
        self.stage = Stage::Body;
        let now = self.local.thread.clock.now();
        self.download.decoder = match body {
            Body::Http(ResponseBody::None) => Decoder::none(),
            Body::Http(ResponseBody::Length(length)) => Decoder::length(length),
            Body::Http(ResponseBody::Chunked) => {
                self.ending.endless(now);
                Decoder::chunked(self.local.thread.limits().head)
            }
            Body::Http(ResponseBody::UntilClose) => {
                self.ending.endless(now);
                Decoder::until_close()
            }
            Body::Tunnel => {
                self.tunnel = true;
                self.ending.tunnel(now);
                self.local.thread.counters().tunnels_open.add(1);
                self.upload.tunnel();
                cx.waker().wake_by_ref();
                Decoder::until_close()
            }
        };
        // A final response instead of 100: the body is not wanted.
        if self.upload.is_expecting() {
            self.upload.abandon();
        }
    }

    /// Gives the client what it had no room for before.
    fn poll_pass_on(&mut self, cx: &mut Context<'_>, exchange: &mut impl Exchange) -> Poll<Result<(), Failure>> {
        let before = self.download.waiting();
        let passed = self.download.poll_pass_on(cx, exchange);
        // A client that is slow and takes something is not a server that says nothing.
        self.timing &= self.download.waiting() == before;
        passed.map_err(|_| GONE)
    }

    fn poll_body(&mut self, cx: &mut Context<'_>, exchange: &mut impl Exchange) -> Poll<Result<(), Failure>> {
        loop {
            match self.download.decode() {
                Ok(Decoded::End) => self.stage = Stage::Finish,
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(Failure::Malformed(error.message()))),
            }
            ready!(self.poll_pass_on(cx, exchange))?;
            if self.stage == Stage::Finish {
                return Poll::Ready(Ok(()));
            }
            let read = self.download.poll_more(cx, self.stream, exchange);
            self.timing &= read.is_pending();
            match read {
                Poll::Ready(Ok(length)) if length > 0 => {}
                Poll::Ready(Ok(_)) => match self.download.decoder.on_eof() {
                    Ok(()) => {
                        self.keep_alive = false;
                        self.stage = Stage::Finish;
                    }
                    Err(_) => {
                        return Poll::Ready(Err(Failure::Closed {
                            seen: true,
                            error: None,
                        }));
                    }
                },
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(Failure::Closed {
                        seen: true,
                        error: Some(error),
                    }));
                }
                Poll::Pending => {
                    if self.download.flush().map_err(|_| GONE)? {
                        ready!(self.poll_pass_on(cx, exchange))?;
                    }
                    ready!(exchange.poll_flush(cx)).map_err(|_| GONE)?;
                    return Poll::Pending;
                }
            }
        }
    }
}

impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        if self.tunnel {
            self.local.thread.counters().tunnels_open.sub(1);
        }
    }
}

#[derive(Clone, Copy)]
enum Body {
    Http(ResponseBody),
    Tunnel,
}

enum Begun {
    Interim(u16),
    /// How the body comes, whether the connection may be used again, and what compresses the body.
    Final(Body, bool, Option<Box<Compressor>>),
}

/// Passes a response's head on to the client.
fn begin(
    exchange: &mut impl Exchange,
    head: &ResponseHead<'_>,
    local: &Local,
    compression: Compression,
) -> Result<Begun, Failure> {
    if head.is_interim() {
        // 100 is passed on by whoever lets the body go, so that it is not said twice.
        if head.status != 100 {
            exchange.interim(head.status, head.fields());
        }
        return Ok(Begun::Interim(head.status));
    }
    let asked = exchange.request().upgrade_token();
    if head.upgrade.is_some_and(|agreed| !agreed.eq_ignore_ascii_case(asked)) {
        return Err(Failure::Malformed("101 to another protocol than was asked for"));
    }
    let (reply, body) = match head.body {
        _ if head.upgrade.is_some() => (ReplyBody::Tunnel, Body::Tunnel),
        ResponseBody::None if head.status == 204 => (ReplyBody::Empty(None), Body::Http(head.body)),
        ResponseBody::None => (ReplyBody::Empty(head.content_length), Body::Http(head.body)),
        ResponseBody::Length(length) => (ReplyBody::Length(length), Body::Http(head.body)),
        _ => (ReplyBody::Streamed, Body::Http(head.body)),
    };
    let options = &local.balancer.options;
    if !compression.leaves(head)
        && let Some((changes, compressor)) = compression.changes(exchange.request(), head, local)
    {
        compression::start(exchange, head, &changes, options, reply);
        return Ok(Begun::Final(body, head.keep_alive, compressor));
    }
    let fields = rewrite::response_fields(head, options);
    exchange.start(head.status, head.reason, fields, reply);
    Ok(Begun::Final(body, head.keep_alive, None))
}
