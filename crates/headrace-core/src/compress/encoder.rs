//! Encoders: pieces of a body in, fewer bytes out, in one frame from the first piece to the last.
//!
//! What was put in comes out when the encoder sees fit, or at once by `flush`: who has nothing more to give for now flushes, so
//! that nobody waits for a rest, and pieces that follow each other are compressed together.
//!
//! Memory, whatever the length of bodies: about 1 MB for zstd (a window of 256 KiB, where level 3 would have 2 MiB), 2.5 MB for
//! brotli, 0.3 MB for gzip (100 responses held open, resident memory). A thread has at most [`MOST`] encoders at a time, and keeps
//! [`KEPT`] of those that can be used again, so that a response does not begin with clearing a megabyte. Further responses leave as
//! they are until one is done.
//!
//! Levels: zstd 3 and gzip 5 are Caddy's; brotli 4 takes no longer than that gzip (100 KB of HTML: 0.8, 2.5 and 2.1 ms) and is
//! denser.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
};

use brotli::enc::{
    StandardAlloc,
    encode::{BrotliEncoderOperation, BrotliEncoderParameter, BrotliEncoderStateStruct},
};
use bytes::BytesMut;
use flate2::{Compress, Compression, FlushCompress, Status};
use zstd::zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, ResetDirective, zstd_sys::ZSTD_EndDirective};

use super::Coding;

const ZSTD_LEVEL: i32 = 3;
const GZIP_LEVEL: u32 = 5;
const BROTLI_QUALITY: u32 = 4;
/// The window of zstd and brotli, as a power of two: 256 KiB.
const WINDOW: u32 = 18;
const GZIP_WINDOW: u8 = 15;

/// Encoders at work at a time.
const MOST: usize = 128;
/// Encoders that wait for the next response.
const KEPT: usize = 2;
/// Room for what comes out of one step.
const STEP: usize = 8 * 1024;

/// One thread's encoders.
#[derive(Default)]
pub struct Encoders {
    kept: RefCell<Vec<Engine>>,
    lent: Cell<usize>,
}

/// An encoder at work on one body.
pub struct Encoder {
    /// There until it goes back.
    engine: Option<Engine>,
    /// Something was put in since the last flush.
    dirty: bool,
    owner: Rc<Encoders>,
}

enum Engine {
    Zstd(CCtx<'static>),
    Brotli(Box<BrotliEncoderStateStruct<StandardAlloc>>),
    Gzip(Compress),
}

/// What a step is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    Take,
    Flush,
    Finish,
}

/// What a step came to.
struct Step {
    taken: usize,
    made: usize,
    /// The goal is reached.
    done: bool,
}

impl Encoders {
    /// An encoder for a body of this length, if that is known; `None` where too many are at work.
    pub fn lend(self: &Rc<Self>, coding: Coding, length: Option<u64>) -> Option<Encoder> {
        if self.lent.get() >= MOST {
            return None;
        }
        let mut kept = self.kept.borrow_mut();
        let fitting = kept.iter().position(|engine| engine.coding() == coding);
        let engine = fitting.map(|at| kept.swap_remove(at));
        let mut engine = engine.or_else(|| Engine::new(coding).ok())?;
        engine.begin(length).ok()?;
        self.lent.set(self.lent.get() + 1);
        Some(Encoder {
            engine: Some(engine),
            dirty: false,
            owner: Rc::clone(self),
        })
    }
}

impl Encoder {
    /// Takes `data`; what is ready is appended to `out`.
    pub fn take(&mut self, data: &[u8], out: &mut BytesMut) -> io::Result<()> {
        self.dirty |= !data.is_empty();
        self.run(data, out, Goal::Take)
    }

    /// Appends all that was taken and did not come out yet.
    pub fn flush(&mut self, out: &mut BytesMut) -> io::Result<()> {
        match std::mem::take(&mut self.dirty) {
            true => self.run(b"", out, Goal::Flush),
            false => Ok(()),
        }
    }

    /// Ends the body. Once, and the last.
    pub fn finish(&mut self, out: &mut BytesMut) -> io::Result<()> {
        self.run(b"", out, Goal::Finish)
    }

    fn run(&mut self, mut data: &[u8], out: &mut BytesMut, goal: Goal) -> io::Result<()> {
        let Some(engine) = &mut self.engine else {
            return Ok(());
        };
        if data.is_empty() && goal == Goal::Take {
            return Ok(());
        }
        let mut room = [0; STEP];
        loop {
            let step = engine.step(data, &mut room, goal)?;
            out.extend_from_slice(room.get(..step.made).unwrap_or_default());
            data = data.get(step.taken..).unwrap_or_default();
            if step.done {
                return Ok(());
            }
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let owner = &self.owner;
        owner.lent.set(owner.lent.get() - 1);
        let mut kept = owner.kept.borrow_mut();
        // A brotli encoder cannot begin anew.
        if let Some(engine) = self.engine.take().filter(|engine| engine.coding() != Coding::Brotli)
            && kept.len() < KEPT
        {
            kept.push(engine);
        }
    }
}

impl Engine {
    fn new(coding: Coding) -> io::Result<Self> {
        Ok(match coding {
            Coding::Zstd => {
                let mut context = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
                for parameter in [CParameter::CompressionLevel(ZSTD_LEVEL), CParameter::WindowLog(WINDOW)] {
                    context.set_parameter(parameter).map_err(failed)?;
                }
                Self::Zstd(context)
            }
            Coding::Brotli => {
                let mut state = Box::new(BrotliEncoderStateStruct::new(StandardAlloc::default()));
                state.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_QUALITY, BROTLI_QUALITY);
                state.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_LGWIN, WINDOW);
                Self::Brotli(state)
            }
            Coding::Gzip => Self::Gzip(Compress::new_gzip(Compression::new(GZIP_LEVEL), GZIP_WINDOW)),
        })
    }

    fn coding(&self) -> Coding {
        match self {
            Self::Zstd(_) => Coding::Zstd,
            Self::Brotli(_) => Coding::Brotli,
            Self::Gzip(_) => Coding::Gzip,
        }
    }

    /// Forgets the body before. A length makes tables and windows as small as it allows.
    fn begin(&mut self, length: Option<u64>) -> io::Result<()> {
        match self {
            Self::Zstd(context) => {
                context.reset(ResetDirective::SessionOnly).map_err(failed)?;
                context.set_pledged_src_size(length).map_err(failed)?;
            }
            Self::Brotli(state) => {
                let hint = length.map_or(0, |length| u32::try_from(length).unwrap_or(u32::MAX));
                state.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_SIZE_HINT, hint);
            }
            Self::Gzip(deflate) => deflate.reset(),
        }
        Ok(())
    }

    fn step(&mut self, data: &[u8], room: &mut [u8], goal: Goal) -> io::Result<Step> {
        match self {
            Self::Zstd(context) => zstd_step(context, data, room, goal),
            Self::Brotli(state) => brotli_step(state, data, room, goal),
            Self::Gzip(deflate) => gzip_step(deflate, data, room, goal),
        }
    }
}

fn zstd_step(context: &mut CCtx<'static>, data: &[u8], room: &mut [u8], goal: Goal) -> io::Result<Step> {
    let directive = match goal {
        Goal::Take => ZSTD_EndDirective::ZSTD_e_continue,
        Goal::Flush => ZSTD_EndDirective::ZSTD_e_flush,
        Goal::Finish => ZSTD_EndDirective::ZSTD_e_end,
    };
    let (mut input, mut output) = (InBuffer::around(data), OutBuffer::around(room));
    let left = context
        .compress_stream2(&mut output, &mut input, directive)
        .map_err(failed)?;
    Ok(Step {
        taken: input.pos(),
        made: output.pos(),
        done: input.pos() == data.len() && (goal == Goal::Take || left == 0),
    })
}

fn failed(code: usize) -> io::Error {
    io::Error::other(zstd::zstd_safe::get_error_name(code))
}

fn brotli_step(
    state: &mut BrotliEncoderStateStruct<StandardAlloc>,
    data: &[u8],
    room: &mut [u8],
    goal: Goal,
) -> io::Result<Step> {
    let operation = match goal {
        Goal::Take => BrotliEncoderOperation::BROTLI_OPERATION_PROCESS,
        Goal::Flush => BrotliEncoderOperation::BROTLI_OPERATION_FLUSH,
        Goal::Finish => BrotliEncoderOperation::BROTLI_OPERATION_FINISH,
    };
    let (mut waiting, mut taken, mut free, mut made) = (data.len(), 0, room.len(), 0);
    let worked = state.compress_stream(
        operation,
        &mut waiting,
        data,
        &mut taken,
        &mut free,
        room,
        &mut made,
        &mut None,
        &mut |_, _, _, _| (),
    );
    if !worked {
        return Err(io::Error::other("brotli failed"));
    }
    Ok(Step {
        taken,
        made,
        done: waiting == 0 && !state.has_more_output() && (goal != Goal::Finish || state.is_finished()),
    })
}

fn gzip_step(deflate: &mut Compress, data: &[u8], room: &mut [u8], goal: Goal) -> io::Result<Step> {
    let flush = match goal {
        Goal::Take => FlushCompress::None,
        Goal::Flush => FlushCompress::Sync,
        Goal::Finish => FlushCompress::Finish,
    };
    let (before_in, before_out) = (deflate.total_in(), deflate.total_out());
    let status = deflate.compress(data, room, flush)?;
    let taken = (deflate.total_in() - before_in) as usize;
    let made = (deflate.total_out() - before_out) as usize;
    // A flush that fills the room may have more to say.
    let done = match goal {
        Goal::Finish => status == Status::StreamEnd,
        _ => taken == data.len() && made < room.len(),
    };
    Ok(Step { taken, made, done })
}

#[cfg(test)]
mod tests;
