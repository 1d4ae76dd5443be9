//! TLS of the real server, asked by openssl.

use std::io::{BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::http_edge::{PATIENCE, Served, answer, ended, status};

const PAUSE: Duration = Duration::from_millis(200);

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn made() -> Self {
        let made = Self { folder: tempfile::tempdir().unwrap() };
        made.renew(&["cert.pem", "key.pem"]);
        made
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// A certificate and its key, of which these files take the place of the ones before.
    fn renew(&self, exchanged: &[&str]) {
        let folder = self.folder.path();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            .args(["-keyout", &self.path("new-key.pem"), "-out", &self.path("new-cert.pem")])
            .output();
        assert!(made.is_ok_and(|made| made.status.success()), "this takes openssl, which ./test installs");
        for name in exchanged {
            std::fs::rename(folder.join(format!("new-{name}")), folder.join(name)).unwrap();
        }
    }

    fn serve(&self) -> Served {
        Served::start(&["--tls-cert", &self.path("cert.pem"), "--tls-key", &self.path("key.pem")])
    }

    /// What the server says about the caller over TLS; nothing where its certificate is not this one.
    fn asked(&self, served: &Served, trusted: &str, version: &str) -> String {
        let mut client = Command::new("openssl")
            .args(["s_client", "-quiet", "-verify_return_error", "-servername", "localhost", "-alpn", "http/1.1"])
            .args([version, "-connect", &format!("127.0.0.1:{}", served.port), "-CAfile", &self.path(trusted)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let request = format!("GET /api/v1/me HTTP/1.1\r\nHost: localhost:{}\r\n{}\r\n", served.port, served.bearer());
        // It is gone already where it does not trust the certificate.
        let _ = client.stdin.as_mut().unwrap().write_all(request.as_bytes());
        let mut output = BufReader::new(client.stdout.take().unwrap());
        let mut first = [0];
        let got =
            if output.read(&mut first).unwrap_or(0) == 0 { String::new() } else { answer(&mut first.chain(output)) };
        let _ = client.kill();
        let _ = client.wait();
        got
    }
}

#[test]
fn over_tls_with_a_certificate_of_ones_own() {
    let files = Files::made();
    let served = files.serve();
    for version in ["-tls1_2", "-tls1_3"] {
        let got = files.asked(&served, "cert.pem", version);
        assert_eq!(status(&got), "200", "{version}: {got}");
    }
    // Whoever speaks no TLS gets nothing, and takes no place.
    let mut plain = served.connect();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(!ended(&mut plain).contains("HTTP/1.1 200"));
}

#[test]
fn a_renewed_certificate_counts_without_a_new_start() {
    let files = Files::made();
    std::fs::copy(files.path("cert.pem"), files.path("before.pem")).unwrap();
    let served = files.serve();
    let waits = |said: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !said() {
            assert!(begun.elapsed() < PATIENCE, "{}", served.said.lock().unwrap());
            std::thread::sleep(PAUSE);
        }
    };
    assert_eq!(status(&files.asked(&served, "cert.pem", "-tls1_3")), "200");
    // A certificate without its key: the one from before holds.
    files.renew(&["cert.pem"]);
    waits(&|| served.said.lock().unwrap().contains("the one from before holds"));
    assert_eq!(status(&files.asked(&served, "before.pem", "-tls1_3")), "200");
    assert!(Path::new(&files.path("new-key.pem")).exists());
    std::fs::rename(files.path("new-key.pem"), files.path("key.pem")).unwrap();
    waits(&|| files.asked(&served, "cert.pem", "-tls1_3").contains("200 OK"));
    assert_eq!(files.asked(&served, "before.pem", "-tls1_3"), "");
}
