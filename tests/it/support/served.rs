//! The production HTTP stack over a workspace of its own, in this process, with credentials and a small client.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use phasegate::domain::command::NewCredential;
use phasegate::domain::credential::Grant;
use phasegate::domain::facts::Role;
use phasegate::domain::ids::AgentName;
use phasegate::engine::Engine;
use phasegate::http::options::{Limits, Options};
use phasegate::http::{App, listen};
use serde_json::Value;

use super::{at_a_terminal, person};

/// For whatever must come at some time.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Served {
    pub address: SocketAddr,
    engine: Arc<Engine>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Served {
    pub fn over(engine: &Arc<Engine>) -> Self {
        Self::with(engine, Limits::default())
    }

    pub fn with(engine: &Arc<Engine>, limits: Limits) -> Self {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let inside = Arc::clone(engine);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                tell.send(address).unwrap();
                let app = App::new(inside, Options { limits, ..Options::at(address) });
                listen::serve(app, listener, async { drop(stopped.await) }).await.unwrap();
            });
        });
        let address = told.recv().unwrap();
        Self { address, engine: Arc::clone(engine), stop: Some(stop), thread: Some(thread) }
    }

    /// A credential of its own, by its secret.
    pub fn token(&self, name: &str, role: Role) -> String {
        let draft = self.engine.draft_credential();
        let new = NewCredential {
            name: AgentName(name.to_owned()),
            role,
            hash: draft.hash,
            grant: Grant::default(),
            expires_at: None,
            proof: at_a_terminal(),
        };
        self.engine.create_credential(&person("root"), new).expect("a credential");
        draft.secret
    }

    fn agent() -> ureq::Agent {
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).proxy(None);
        ureq::Agent::new_with_config(config.build())
    }

    pub fn get(&self, token: &str, path: &str) -> Answer {
        self.get_with(token, path, &[])
    }

    pub fn get_with(&self, token: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Self::agent().get(format!("http://{}{path}", self.address));
        for (name, value) in [("Authorization", format!("Bearer {token}").as_str())].iter().chain(headers) {
            request = request.header(*name, *value);
        }
        read(request.call().unwrap())
    }

    pub fn post(&self, token: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut request = Self::agent().post(format!("http://{}{path}", self.address));
        let ours = [("Authorization", format!("Bearer {token}")), ("Content-Type", "application/json".to_owned())];
        for (name, value) in ours.iter().map(|(name, value)| (*name, value.as_str())).chain(headers.iter().copied()) {
            request = request.header(name, value);
        }
        read(request.send(body.to_string()).unwrap())
    }

    /// By any method, without a body.
    pub fn bare(&self, token: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = ureq::http::Request::builder().method(method);
        request =
            request.uri(format!("http://{}{path}", self.address)).header("Authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(Self::agent().run(request.body(()).unwrap()).unwrap())
    }

    pub fn events(&self, token: &str, query: &str, last: Option<u64>) -> Stream {
        let mut request = Self::agent().get(format!("http://{}/api/v1/events{query}", self.address));
        request = request.header("Authorization", format!("Bearer {token}"));
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last.to_string());
        }
        let response = request.call().unwrap();
        assert_eq!(response.status(), 200);
        Stream(Box::new(BufReader::new(response.into_body().into_reader())))
    }
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let text = |value: &ureq::http::HeaderValue| value.to_str().unwrap().to_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let status = response.status().as_u16();
    Answer { status, headers, text: response.body_mut().read_to_string().unwrap() }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server ends well");
        }
    }
}

/// An open stream of events.
pub struct Stream(Box<dyn BufRead>);

#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub id: u64,
    pub event: String,
    pub data: Value,
}

impl Stream {
    /// The next event; nothing where the stream has ended.
    pub fn next(&mut self) -> Option<Told> {
        let mut told = Told { id: 0, event: String::new(), data: Value::Null };
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap_or(0) == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("id", id)) => told.id = id.parse().unwrap(),
                Some(("event", event)) => event.clone_into(&mut told.event),
                Some(("data", data)) => told.data = serde_json::from_str(data).unwrap(),
                _ if line == "\n" && !told.event.is_empty() => return Some(told),
                _ => {}
            }
        }
    }
}
