//! What every service stands on that answers requests itself.
//!
//! Reading order: `access` (who may call), `refusal` (how a request ends that is not answered as it was asked), `body` (bodies
//! within bounds), `query` (the parameters of a target), `stream` (answers that go on), `aside` (what an engine thread must
//! not wait for).

mod access;
mod aside;
mod body;
mod query;
mod refusal;
mod stream;

pub use self::{
    access::{check, is_known},
    aside::Aside,
    body::{Room, Unread},
    query::{decode, pairs},
    refusal::{JSON, Refusal, Stop, refuse, refuse_with, stopping},
    stream::{Place, begin, finish, while_heard, while_wanted, write, write_shared},
};
