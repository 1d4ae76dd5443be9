//! The machine's own limit: rows committed durably by one SQLite writer for many waiting threads, with nothing of ours.

use std::path::Path;
use std::sync::mpsc::{SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

/// Durable commands a second when each is one row of `row_bytes`, and threads wait for their commit.
pub fn group_commit(folder: &Path, threads: usize, row_bytes: usize, rows: usize, time: Duration) -> f64 {
    let mut connection = rusqlite::Connection::open(folder.join("raw.db")).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.pragma_update(None, "synchronous", "FULL").unwrap();
    connection.execute_batch("CREATE TABLE IF NOT EXISTS log(seq INTEGER PRIMARY KEY, body TEXT NOT NULL)").unwrap();
    let (queue, jobs) = channel::<SyncSender<()>>();
    let until = Instant::now() + time;
    let callers: Vec<_> = (0..threads)
        .map(|_| {
            let queue = queue.clone();
            std::thread::spawn(move || {
                let mut done = 0u64;
                while Instant::now() < until {
                    let (send, receive) = sync_channel(1);
                    if queue.send(send).is_err() || receive.recv().is_err() {
                        break;
                    }
                    done += 1;
                }
                done
            })
        })
        .collect();
    drop(queue);
    let body = "x".repeat(row_bytes);
    let begun = Instant::now();
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        batch.extend(jobs.try_iter());
        let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
        {
            let mut insert = tx.prepare_cached("INSERT INTO log(body) VALUES (?1)").unwrap();
            for _ in 0..batch.len() * rows {
                insert.execute([&body]).unwrap();
            }
        }
        tx.commit().unwrap();
        for caller in batch {
            let _ = caller.send(());
        }
    }
    let done: u64 = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
    done as f64 / begun.elapsed().as_secs_f64()
}

const SAME_WORK: &str = "
CREATE TABLE tasks(id INTEGER PRIMARY KEY, status TEXT NOT NULL, agent TEXT, body TEXT NOT NULL);
CREATE INDEX tasks_status ON tasks(status, id);
CREATE TABLE leases(task INTEGER PRIMARY KEY, agent TEXT NOT NULL, expires_at INTEGER NOT NULL);
CREATE INDEX leases_agent ON leases(agent);
CREATE INDEX leases_expiry ON leases(expires_at);
CREATE TABLE events(seq INTEGER PRIMARY KEY, task INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX events_task ON events(task, seq);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)
INSERT INTO tasks(id, status, body) SELECT i, 'ready', printf('%.*c', 500, 'x') FROM n;
";

/// The same claims and completions as bare SQL: the rows of a task, its lease and its record, and no decision about them.
pub fn same_work(folder: &Path, threads: usize, time: Duration) -> f64 {
    let mut connection = rusqlite::Connection::open(folder.join("same.db")).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.pragma_update(None, "synchronous", "FULL").unwrap();
    connection.execute_batch(SAME_WORK).unwrap();
    let (queue, jobs) = channel::<(usize, Option<i64>, SyncSender<i64>)>();
    let until = Instant::now() + time;
    let callers: Vec<_> = (0..threads)
        .map(|agent| {
            let queue = queue.clone();
            std::thread::spawn(move || {
                let mut done = 0u64;
                let mut held = None;
                while Instant::now() < until {
                    let (send, receive) = sync_channel(1);
                    if queue.send((agent, held, send)).is_err() {
                        break;
                    }
                    let Ok(task) = receive.recv() else { break };
                    held = if held.is_some() { None } else { Some(task) };
                    done += 1;
                }
                done
            })
        })
        .collect();
    drop(queue);
    let (body, record) = ("y".repeat(600), "z".repeat(200));
    let begun = Instant::now();
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        batch.extend(jobs.try_iter());
        let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
        let mut answers = Vec::with_capacity(batch.len());
        for (agent, held, caller) in batch {
            answers.push((caller, claim_or_complete(&tx, &format!("agent-{agent}"), held, &body, &record)));
        }
        tx.commit().unwrap();
        for (caller, task) in answers {
            let _ = caller.send(task);
        }
    }
    let done: u64 = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
    done as f64 / begun.elapsed().as_secs_f64()
}

fn claim_or_complete(tx: &rusqlite::Connection, agent: &str, held: Option<i64>, body: &str, record: &str) -> i64 {
    let run = |sql: &str, params: &[&dyn rusqlite::ToSql]| {
        tx.prepare_cached(sql).unwrap().execute(params).unwrap();
    };
    let task = held.unwrap_or_else(|| {
        let sql = "SELECT id FROM tasks WHERE status = 'ready' ORDER BY id LIMIT 1";
        tx.prepare_cached(sql).unwrap().query_row([], |row| row.get(0)).unwrap()
    });
    let status = if held.is_some() { "done" } else { "claimed" };
    run("UPDATE tasks SET status = ?2, agent = ?3, body = ?4 WHERE id = ?1", &[&task, &status, &agent, &body]);
    if held.is_some() {
        run("DELETE FROM leases WHERE task = ?1", &[&task]);
        run("INSERT INTO events(task, body) VALUES (?1, ?2)", &[&task, &record]);
    } else {
        run("INSERT INTO leases(task, agent, expires_at) VALUES (?1, ?2, ?3)", &[&task, &agent, &task]);
    }
    run("INSERT INTO events(task, body) VALUES (?1, ?2)", &[&task, &record]);
    task
}
