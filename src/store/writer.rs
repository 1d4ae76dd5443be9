//! Who writes next to one SQLite file: a command that finds the file free is carried out by the thread that brought it, and
//! those that come meanwhile together, by a thread of their own. Nothing is read here.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::sqlite::{identity, in_queue, together};
use super::{Body, Place, StoreError};

/// Commands that nobody waits for and that may lie here; more are dropped.
const SOON_MAX: usize = 1024;
/// Commands in one commit: enough to share an fsync, few enough that nobody waits long for a neighbour.
const BATCH: usize = 256;

/// What is written with. Who has it is the one that writes.
pub struct Desk {
    pub connection: Connection,
    /// The queue between processes.
    pub lock: File,
    pub place: Place,
    /// Of the database file that was opened.
    pub file: Option<(u64, u64)>,
}

struct Job {
    body: Body,
    /// Nobody waits for what is written soon.
    done: Option<SyncSender<Answer>>,
}

type Done = (Option<SyncSender<Answer>>, Result<(), StoreError>);

/// Waking somebody costs the kernel about as much as a command costs us, so that the first to wake wakes the others, and the
/// writer goes on.
struct Answer {
    result: Result<(), StoreError>,
    others: Vec<Done>,
}

pub struct Writer {
    line: Arc<Line>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Line {
    waiting: Mutex<Waiting>,
    /// There is something to write and what to write it with, or the end has come.
    ready: Condvar,
}

struct Waiting {
    jobs: VecDeque<Job>,
    desk: Option<Desk>,
    /// Nobody came while the last one wrote. Where many come, each would else be a commit of its own.
    is_calm: bool,
    is_closed: bool,
}

/// Gives the desk back however the turn ends.
struct Turn<'l> {
    line: &'l Line,
    desk: Option<Desk>,
}

impl Writer {
    pub fn start(desk: Desk) -> std::io::Result<Self> {
        let waiting = Mutex::new(Waiting { jobs: VecDeque::new(), desk: Some(desk), is_calm: true, is_closed: false });
        let line = Arc::new(Line { waiting, ready: Condvar::new() });
        let served = Arc::clone(&line);
        let thread = std::thread::Builder::new().name("phasegate-writer".to_owned()).spawn(move || serve(&served))?;
        Ok(Self { line, thread: Mutex::new(Some(thread)) })
    }

    pub fn write(&self, mut body: Body) -> Result<(), StoreError> {
        let mut waiting = self.line.waiting();
        if waiting.is_closed {
            return Err(StoreError::Closed);
        }
        let free = if waiting.is_calm && waiting.jobs.is_empty() { waiting.desk.take() } else { None };
        if free.is_some() {
            drop(waiting);
            return Turn { line: &self.line, desk: free }.alone(&mut body);
        }
        let (done, answer) = sync_channel(1);
        waiting.jobs.push_back(Job { body, done: Some(done) });
        let is_idle = waiting.desk.is_some();
        drop(waiting);
        if is_idle {
            self.line.ready.notify_one();
        }
        let answer = answer.recv().map_err(|_| StoreError::Closed)?;
        tell(answer.others);
        answer.result
    }

    pub fn write_soon(&self, body: Body) {
        let mut waiting = self.line.waiting();
        if !waiting.is_closed && waiting.jobs.len() < SOON_MAX {
            waiting.jobs.push_back(Job { body, done: None });
            drop(waiting);
            self.line.ready.notify_one();
        }
    }
}

impl Drop for Writer {
    /// The thread ends after all that was handed over.
    fn drop(&mut self) {
        self.line.waiting().is_closed = true;
        self.line.ready.notify_one();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

impl Line {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first of what waits, and what to write it with; nothing once all is written and no more will come.
    fn next(&self) -> Option<(Turn<'_>, VecDeque<Job>)> {
        let is_idle = |waiting: &mut Waiting| waiting.desk.is_none() || (waiting.jobs.is_empty() && !waiting.is_closed);
        let waiting = self.waiting();
        let mut waiting = self.ready.wait_while(waiting, is_idle).unwrap_or_else(PoisonError::into_inner);
        let first = waiting.jobs.pop_front()?;
        let desk = waiting.desk.take();
        Some((Turn { line: self, desk }, VecDeque::from([first])))
    }

    /// While a process queues for its turn, more may come.
    fn more(&self, batch: &mut VecDeque<Job>) {
        let mut waiting = self.waiting();
        let count = waiting.jobs.len().min(BATCH.saturating_sub(batch.len()));
        batch.extend(waiting.jobs.drain(..count));
    }
}

/// What was written into a file that nobody finds any more is lost, and nobody is told that it was kept.
fn is_found(place: &Place, file: Option<(u64, u64)>) -> Result<(), StoreError> {
    if identity(place) == file {
        return Ok(());
    }
    let at = place.database.display();
    Err(StoreError::Unfit {
        said: format!("the store {at} was taken away or exchanged since this process opened it, so nothing is written"),
        hint: "end this process and start it anew; `phasegate doctor` looks at what lies there now",
    })
}

impl Turn<'_> {
    fn alone(mut self, body: &mut Body) -> Result<(), StoreError> {
        let Some(Desk { connection, lock, place, file }) = &mut self.desk else { return Err(StoreError::Closed) };
        in_queue(lock, place, || {
            together(connection, std::iter::once(body))?;
            is_found(place, *file)
        })
    }

    fn batch(mut self, mut batch: VecDeque<Job>) -> Vec<Done> {
        let Some(Desk { connection, lock, place, file }) = &mut self.desk else { return Vec::new() };
        let (mut answers, mut count) = (Vec::new(), 1);
        let result = in_queue(lock, place, || {
            self.line.more(&mut batch);
            count = batch.len();
            answers = write_batch(connection, &mut batch);
            if is_found(place, *file).is_err() {
                let kept = answers.iter_mut().filter(|(_, result)| result.is_ok());
                kept.for_each(|(_, result)| *result = is_found(place, *file));
            }
            Ok(())
        });
        if let Err(error) = result {
            let told = error.to_string();
            let mut first = Some(error);
            for job in batch.drain(..) {
                let error = first.take().unwrap_or_else(|| StoreError::BadRow { table: "batch", why: told.clone() });
                answers.push((job.done, Err(error)));
            }
        }
        self.line.waiting().is_calm = count == 1;
        answers
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut waiting = self.line.waiting();
        waiting.desk = self.desk.take();
        waiting.is_calm &= waiting.jobs.is_empty();
        let is_wanted = !waiting.jobs.is_empty() || waiting.is_closed;
        drop(waiting);
        if is_wanted {
            self.line.ready.notify_one();
        }
    }
}

fn serve(line: &Line) {
    while let Some((turn, batch)) = line.next() {
        // Only once it is over: a caller that has its answer must not find the queue still held by us.
        tell(turn.batch(batch));
    }
}

/// All in one commit; where one body fails, each in its own, so that it fails alone.
fn write_batch(connection: &mut Connection, batch: &mut VecDeque<Job>) -> Vec<Done> {
    if batch.len() > 1 && together(connection, batch.iter_mut().map(|job| &mut job.body)).is_ok() {
        return batch.drain(..).map(|job| (job.done, Ok(()))).collect();
    }
    let alone = |mut job: Job| {
        let result = together(connection, std::iter::once(&mut job.body));
        (job.done, result)
    };
    batch.drain(..).map(alone).collect()
}

/// Tells the first that waits, who tells the others.
fn tell(mut answers: Vec<Done>) {
    while let Some((done, result)) = answers.pop() {
        let Some(done) = done else { continue };
        match done.try_send(Answer { result, others: answers }) {
            Ok(()) => return,
            Err(TrySendError::Full(answer) | TrySendError::Disconnected(answer)) => answers = answer.others,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc::channel;

    use super::super::sqlite::begin;
    use super::super::{Param, Tx};
    use super::*;

    fn writer(file: &Path) -> Writer {
        let (place, lock, connection) = begin(file).unwrap();
        let file = identity(&place);
        Writer::start(Desk { connection, lock, place, file }).unwrap()
    }

    fn put(name: String) -> Body {
        let sql = "INSERT INTO meta(key, value) VALUES (?1, 'here')";
        Box::new(move |tx: &mut dyn Tx| tx.put(sql, &[Param::Text(&name)]))
    }

    fn count(writer: &Writer) -> i64 {
        let (told, found) = channel();
        let body: Body = Box::new(move |tx: &mut dyn Tx| {
            tx.query("SELECT count(*) FROM meta WHERE value = 'here'", &[], &mut |row| {
                let _ = told.send(row.int(0)?.unwrap());
                Ok(())
            })
        });
        writer.write(body).unwrap();
        found.recv().unwrap()
    }

    /// Until so many wait for the desk.
    fn await_waiting(writer: &Writer, wanted: usize) {
        while writer.line.waiting().jobs.len() < wanted {
            std::thread::yield_now();
        }
    }

    #[test]
    fn those_that_come_while_one_writes_all_get_their_own_answer() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder.path().join("phasegate.db"));
        let (go, held) = channel::<()>();
        std::thread::scope(|scope| {
            let slow: Body = Box::new(move |_: &mut dyn Tx| {
                let _ = held.recv();
                Ok(())
            });
            let slow = scope.spawn(|| writer.write(slow));
            while writer.line.waiting().desk.is_some() {
                std::thread::yield_now();
            }
            // The last of a batch is told first: here nobody waits for it.
            let told: Vec<_> = (0..10)
                .map(|index| {
                    let body: Body = match index {
                        3 => Box::new(|_: &mut dyn Tx| Err(StoreError::Overtaken)),
                        7 => Box::new(|_: &mut dyn Tx| panic!("of one body")),
                        _ => put(format!("row {index}")),
                    };
                    let caller = scope.spawn(|| writer.write(body));
                    await_waiting(&writer, index + 1);
                    caller
                })
                .collect();
            writer.write_soon(put("soon".to_owned()));
            go.send(()).unwrap();
            assert!(slow.join().unwrap().is_ok());
            for (index, told) in told.into_iter().enumerate() {
                match told.join().unwrap() {
                    Ok(()) => assert!(index != 3 && index != 7),
                    Err(StoreError::Overtaken) => assert_eq!(index, 3),
                    Err(StoreError::Panicked(said)) => assert!(index == 7 && said.contains("of one body")),
                    Err(error) => panic!("{index}: {error}"),
                }
            }
        });
        assert_eq!(count(&writer), 9);
    }

    #[test]
    fn what_was_handed_over_is_written_before_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("phasegate.db");
        let first = writer(&file);
        for index in 0..50 {
            first.write_soon(put(format!("row {index}")));
        }
        drop(first);
        assert_eq!(count(&writer(&file)), 50);
    }
}
