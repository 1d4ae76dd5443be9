//! Sending heads elsewhere: to files, git, a webhook and a witness, all of them real and on this machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use phasegate::audit::hash::Hash;
use phasegate::audit::head::Head;
use phasegate::audit::key::{Kind, Signer, VerifierKey};
use phasegate::audit::note::{self, Note};
use phasegate::audit::proof::check_consistency;
use phasegate::engine::publish::{How, PublishError, To};
use serde_json::json;

use crate::support::{TestEnv, agent};
use crate::tamper::phasegate;

/// Status, content type and body of an answer to a path and a body.
type Answer = Box<dyn FnMut(&str, &str) -> (u16, &'static str, String) + Send>;

/// Answers so many requests, then ends.
fn server(requests: usize, mut answer: Answer) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        for _ in 0..requests {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut line, mut length, mut path) = (String::new(), 0, String::new());
            while reader.read_line(&mut line).unwrap() > 2 {
                let lower = line.to_ascii_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                } else if lower.starts_with("post ") {
                    path = line.split(' ').nth(1).unwrap().to_owned();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let (status, kind, text) = answer(&path, &String::from_utf8(body).unwrap());
            let head = format!("HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n", text.len());
            stream.write_all(format!("{head}Connection: close\r\n\r\n{text}").as_bytes()).unwrap();
        }
    });
    (url, thread)
}

fn grow(env: &TestEnv) {
    env.call(&agent("ana"), "submit_task", json!({ "title": "x" })).unwrap();
}

fn key(env: &TestEnv) -> VerifierKey {
    env.engine.verifier_key().unwrap().unwrap()
}

/// What a witness keeps of a log, and its rules.
struct Witness {
    log: VerifierKey,
    signer: Signer,
    latest: Option<(u64, Hash)>,
}

impl Witness {
    fn add(&mut self, path: &str, body: &str) -> (u16, &'static str, String) {
        assert_eq!(path, "/add-checkpoint");
        let (before, checkpoint) = body.split_once("\n\n").unwrap();
        let mut lines = before.lines();
        let old: u64 = lines.next().unwrap().strip_prefix("old ").unwrap().parse().unwrap();
        let proof: Vec<Hash> = lines.map(|line| Hash::from_base64(line).unwrap()).collect();
        let note = Note::parse(checkpoint).unwrap();
        if note.verify(std::slice::from_ref(&self.log)).is_err() {
            return (403, "text/plain", String::new());
        }
        let head = Head::parse(&note.text).unwrap();
        let known = self.latest.map_or(0, |(size, _)| size);
        if old != known {
            return (409, "text/x.tlog.size", format!("{known}\n"));
        }
        if let Some(latest) = self.latest
            && check_consistency(latest, (head.size, head.root), &proof).is_err()
        {
            return (422, "text/plain", String::new());
        }
        self.latest = Some((head.size, head.root));
        (200, "text/plain", self.signer.line(&note.text, 1_795_000_000))
    }
}

#[test]
fn a_witness_cosigns_what_goes_on_from_what_it_saw() {
    let env = TestEnv::new();
    let signer = Signer::new("witness.example", Kind::Cosignature, &[5; 32]).unwrap();
    let how = How { witness: Some(signer.verifier().clone()), ..How::default() };
    let witness = Arc::new(Mutex::new(Witness { log: key(&env), signer, latest: None }));
    let shared = Arc::clone(&witness);
    // One, one, two for the answer that names another size, one that is refused.
    let (url, thread) = server(5, Box::new(move |path, body| shared.lock().unwrap().add(path, body)));
    let to: To = format!("witness:{url}").parse().unwrap();
    let first = env.engine.publish(&to, &how).unwrap().unwrap();
    (0..40).for_each(|_| grow(&env));
    let second = env.engine.publish(&to, &how).unwrap().unwrap();
    assert!(second.size > first.size);
    // Another process has told it more than this store remembers.
    let older = first.size;
    env.engine
        .backend()
        .write(
            phasegate::store::Lock::Whole,
            Box::new(move |tx| {
                tx.execute("DELETE FROM anchors WHERE size > ?1", &[phasegate::store::Param::id(older)]).map(drop)
            }),
        )
        .unwrap();
    grow(&env);
    let third = env.engine.publish(&to, &how).unwrap().unwrap();
    assert_eq!(witness.lock().unwrap().latest.unwrap().0, third.size);
    let anchors = env.engine.verify(Vec::new(), Vec::new()).unwrap().anchors;
    assert_eq!(anchors.iter().map(|anchor| anchor.size).collect::<Vec<_>>(), [third.size]);
    // A witness that saw another history does not cosign, and nothing is noted.
    witness.lock().unwrap().latest = Some((third.size, Hash([1; 32])));
    grow(&env);
    let error = env.engine.publish(&to, &how).unwrap_err();
    assert!(error.to_string().contains("rewritten"), "{error}");
    assert_eq!(env.engine.verify(Vec::new(), Vec::new()).unwrap().anchors, anchors);
    thread.join().unwrap();
}

#[test]
fn a_webhook_gets_the_note_and_its_path_is_not_kept() {
    let env = TestEnv::new();
    let got = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&got);
    let answer = move |path: &str, body: &str| {
        shared.lock().unwrap().push((path.to_owned(), body.to_owned()));
        if path == "/hook/secret" { (204, "text/plain", String::new()) } else { (500, "text/plain", "no".to_owned()) }
    };
    let (url, thread) = server(2, Box::new(answer));
    let sent = env.engine.publish(&format!("{url}/hook/secret").parse().unwrap(), &How::default()).unwrap().unwrap();
    let note = env.engine.seal().unwrap().unwrap().note;
    assert_eq!(*got.lock().unwrap(), [("/hook/secret".to_owned(), note)]);
    assert!(sent.place.starts_with(&url) && !sent.place.contains("secret"), "{}", sent.place);
    let error = env.engine.publish(&format!("{url}/other").parse().unwrap(), &How::default()).unwrap_err();
    assert!(error.to_string().contains("500"), "{error}");
    thread.join().unwrap();
}

#[test]
fn a_file_is_replaced_or_added_to_and_never_over_a_head_that_says_otherwise() {
    let env = TestEnv::new();
    let (one, many) = (env.path("one"), env.path("many"));
    let to = |path: &std::path::Path| format!("file:{}", path.display()).parse::<To>().unwrap();
    let append = How { append: true, ..How::default() };
    for _ in 0..3 {
        grow(&env);
        env.engine.publish(&to(&one), &How::default()).unwrap();
        env.engine.publish(&to(&many), &append).unwrap();
        env.engine.publish(&to(&many), &append).unwrap();
    }
    let notes = |path| std::fs::read_to_string(path).map(|text| note::all(&text).len()).unwrap();
    assert_eq!((notes(&one), notes(&many)), (1, 3));
    let told = phasegate(env.folder.path(), &["audit", "verify", "--from", "one", "--from", "many"]);
    assert_eq!(told.status.code(), Some(0), "{}", String::from_utf8_lossy(&told.stdout));
    let other = TestEnv::new();
    other.clock.advance_seconds(1);
    (0..20).for_each(|_| grow(&other));
    let before = std::fs::read_to_string(&one).unwrap();
    let error = other.engine.publish(&to(&one), &How::default()).unwrap_err();
    assert!(matches!(error, PublishError::Contradicted { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&one).unwrap(), before);
}

#[test]
fn git_keeps_the_head_as_a_note_on_the_present_commit() {
    let env = TestEnv::new();
    let at = env.folder.path();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(arguments).current_dir(at);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "-q"]);
    assert_eq!(phasegate(at, &["audit", "publish", "--to", "git"]).status.code(), Some(1), "there is no commit yet");
    git(&["commit", "-q", "--allow-empty", "-m", "first"]);
    let sent = phasegate(at, &["audit", "publish", "--to", "git"]);
    assert_eq!(sent.status.code(), Some(0), "{}", String::from_utf8_lossy(&sent.stdout));
    std::fs::write(env.path("head"), git(&["notes", "--ref=phasegate", "show", "HEAD"])).unwrap();
    grow(&env);
    let told = phasegate(at, &["audit", "verify", "--from", "head"]);
    assert_eq!(told.status.code(), Some(0), "{}", String::from_utf8_lossy(&told.stdout));
    assert_eq!(git(&["log", "--format=%s"]).trim(), "first", "no commit is made");
}

#[test]
fn places_are_read_as_they_are_written_and_others_refused() {
    for (text, shown) in [
        ("file:/a/b", Some("file:/a/b")),
        ("git", Some("git:refs/notes/phasegate")),
        ("witness:https://w.example/x/", Some("witness:https://w.example/x")),
        ("file:", None),
        ("ftp://h.example", None),
        ("witness:x", None),
        ("", None),
    ] {
        let read = text.parse::<To>().ok().map(|to| to.to_string());
        assert_eq!(read.as_deref(), shown, "{text}");
    }
    let webhook = "https://user:pass@h.example/secret".parse::<To>().unwrap().to_string();
    assert!(webhook.contains("h.example/…") && !webhook.contains("pass") && !webhook.contains("secret"), "{webhook}");
}
