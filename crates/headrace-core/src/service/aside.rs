//! Threads that do for requests what takes long or waits for a disk, so that an engine thread never does.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// A few threads with one queue. They end when this does.
pub struct Aside(Sender<Job>);

impl Aside {
    /// Starts so many, called `name-0` and so on.
    pub fn start(name: &str, threads: usize) -> io::Result<Self> {
        let (sender, jobs) = channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads {
            let jobs = Arc::clone(&jobs);
            thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || work(&jobs))?;
        }
        Ok(Self(sender))
    }

    /// Does `job` on one of the threads. It is given a look at whether its result is still waited for: dropping the
    /// future takes that back. None when the job could not be done.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static) -> Option<T> {
        let (tell, told) = oneshot::channel();
        let work = move || {
            if !tell.is_closed() {
                let result = job(&|| tell.is_closed());
                // Whoever does not wait any more needs no result.
                let _ = tell.send(result);
            }
        };
        self.0.send(Box::new(work)).ok()?;
        told.await.ok()
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}
