//! Real servers on this machine for messages to arrive at: HTTP, and enough of SMTP. They keep what came, and can be told to
//! refuse, to hang, or to send elsewhere.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Status(u16),
    /// Takes the connection and says nothing.
    Hang,
}

#[derive(Clone, Debug)]
pub struct Came {
    pub path: String,
    /// As sent, the names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Came {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

#[derive(Clone)]
pub struct Receiver<T> {
    pub port: u16,
    came: Arc<Mutex<Vec<T>>>,
    answer: Arc<Mutex<Answer>>,
}

/// Answers one that came, and gives it to be kept.
type Serve<T> = fn(TcpStream, Answer, &dyn Fn(T)) -> Option<()>;

/// Long, since a busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(60);

impl<T: Clone + Send + 'static> Receiver<T> {
    /// What came is kept before it is answered: whoever has the answer may look at once.
    fn start(serve: Serve<T>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its number").port();
        let receiver = Self { port, came: Arc::default(), answer: Arc::new(Mutex::new(Answer::Status(200))) };
        let (came, answer) = (Arc::clone(&receiver.came), Arc::clone(&receiver.answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (came, answer) = (Arc::clone(&came), *answer.lock().expect("the answer"));
                std::thread::spawn(move || {
                    serve(stream, answer, &|one| came.lock().expect("what came").push(one));
                });
            }
        });
        receiver
    }

    pub fn answers(&self, answer: Answer) {
        *self.answer.lock().expect("the answer") = answer;
    }

    pub fn came(&self) -> Vec<T> {
        self.came.lock().expect("what came").clone()
    }

    /// Waits until so many have come.
    pub fn wait_for(&self, count: usize) -> Vec<T> {
        let start = Instant::now();
        loop {
            let came = self.came();
            if came.len() >= count {
                return came;
            }
            assert!(start.elapsed() < PATIENCE, "{} of {count} messages came within {PATIENCE:?}", came.len());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

pub fn http() -> Receiver<Came> {
    Receiver::start(|mut stream, answer, keep| {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let path = line.split(' ').nth(1)?.to_owned();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length =
            headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        let came = Came { path, headers, body: String::from_utf8(body).ok()? };
        match answer {
            Answer::Hang => {
                // Until the other side gives up.
                let _ = reader.read(&mut [0; 1]);
                None
            }
            Answer::Status(status) => {
                let location = if status / 100 == 3 { "Location: http://127.0.0.1:1/elsewhere\r\n" } else { "" };
                let said = if status == 200 { "ok".to_owned() } else { format!("no: {}", came.path) };
                let reply = format!("HTTP/1.1 {status} X\r\n{location}Content-Length: {}\r\n\r\n{said}", said.len());
                if status == 200 {
                    keep(came);
                }
                stream.write_all(reply.as_bytes()).ok()
            }
        }
    })
}

#[derive(Clone, Debug)]
pub struct Mail {
    /// MAIL FROM and every RCPT TO.
    pub envelope: Vec<String>,
    /// Headers and body, as sent.
    pub text: String,
    pub login: Option<String>,
}

/// Status 200 takes mail; any other refuses the log-in.
pub fn smtp() -> Receiver<Mail> {
    Receiver::start(|mut stream, answer, keep| {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        stream.write_all(b"220 here ESMTP\r\n").ok()?;
        let (mut mail, mut done) = (Mail { envelope: Vec::new(), text: String::new(), login: None }, false);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return done.then(|| keep(mail));
            }
            let word = line.split([' ', ':', '\r']).next().unwrap_or_default().to_ascii_uppercase();
            let reply = match word.as_str() {
                "EHLO" => "250-here\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n",
                "AUTH" if answer != Answer::Status(200) => "535 not with that\r\n",
                "AUTH" => {
                    mail.login = Some(line.trim_end().to_owned());
                    "235 welcome\r\n"
                }
                "MAIL" | "RCPT" => {
                    mail.envelope.push(line.trim_end().to_owned());
                    "250 well\r\n"
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").ok()?;
                    loop {
                        let mut part = String::new();
                        reader.read_line(&mut part).ok()?;
                        if part == ".\r\n" {
                            break;
                        }
                        mail.text.push_str(&part);
                    }
                    done = true;
                    "250 taken\r\n"
                }
                "QUIT" => {
                    let kept = done.then(|| keep(mail));
                    let _ = stream.write_all(b"221 bye\r\n");
                    return kept;
                }
                _ => "250 well\r\n",
            };
            stream.write_all(reply.as_bytes()).ok()?;
        }
    })
}
