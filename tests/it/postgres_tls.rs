//! A PostgreSQL of its own with TLS: whom it is taken for, who it lets in, and what is told where that fails. And the same server
//! as a standby, and gone.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use phasegate::store::{self, Backend, StoreError};

use crate::postgres_reach::{parts, sql};

struct Cluster {
    folder: tempfile::TempDir,
    url: String,
}

fn script(words: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres/cluster.py");
    let done = Command::new("python3").arg("-B").arg(script).args(words).output().unwrap();
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

impl Cluster {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The server's user comes by.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let url = script(&["start", folder.path().join("c").to_str().unwrap()]);
        Self { folder, url }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("c").join(name)
    }

    fn control(&self, word: &str) -> String {
        script(&[word, self.path("").to_str().unwrap()])
    }

    /// Takes effect for who comes next.
    fn rules(&self, lines: &str) {
        std::fs::write(self.path("data/pg_hba.conf"), format!("local all all trust\n{lines}\n")).unwrap();
        let socket = self.path("s").to_str().unwrap().replace('/', "%2F");
        let at = parts(&self.url);
        let local = format!("postgres://{}:{}@{socket}:{}/{}", at.user, at.password, at.port, at.database);
        sql(&local, "SELECT pg_reload_conf()");
    }

    fn at(&self, host: &str, more: &str) -> Result<Box<dyn Backend>, StoreError> {
        let at = parts(&self.url);
        let url = format!("postgres://{}:{}@{host}:{}/{}?{more}", at.user, at.password, at.port, at.database);
        store::open_for_one(Some(&url), Path::new("/nonexistent"))
    }

    fn encrypted(&self, host: &str, more: &str) -> Result<Option<&'static str>, String> {
        let said = |error: StoreError| format!("{error}; {}", error.hint());
        Ok(self.at(host, more).map_err(said)?.server().map_err(said)?.unwrap().encrypted)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.control("immediate");
        } else {
            let pid = std::fs::read_to_string(self.path("data/postmaster.pid")).unwrap_or_default();
            let _ = Command::new("kill").args(["-QUIT", pid.lines().next().unwrap_or("0")]).status();
        }
    }
}

fn openssl(folder: &Path, arguments: &str) -> bool {
    let done = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
    done.is_ok_and(|done| done.status.success())
}

/// A root, the server's certificate for `localhost`, and one for the role.
fn certificates(folder: &Path, role: &str) -> bool {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    let signed = |name: &str, subject: &str| {
        openssl(folder, &format!("req -new {key} -subj /CN={subject} -keyout {name}.key -out {name}.csr"))
            && openssl(
                folder,
                &format!(
                    "x509 -req -in {name}.csr -CA root.crt -CAkey root.key -CAcreateserial -days 2 -extfile san -out {name}.crt"
                ),
            )
    };
    std::fs::write(folder.join("san"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl(folder, &format!("req -x509 {key} -days 2 -subj /CN=root -keyout root.key -out root.crt"))
        && openssl(folder, &format!("req -x509 {key} -days 2 -subj /CN=other -keyout other.key -out other.crt"))
        && signed("server", "localhost")
        && signed("own", role)
}

#[test]
fn tls_is_spoken_as_asked_and_a_server_that_is_another_is_not_taken() {
    let cluster = Cluster::start();
    let made = tempfile::tempdir().unwrap();
    let has_certificates = certificates(made.path(), &parts(&cluster.url).user);
    assert!(has_certificates, "this test makes certificates with `openssl`: `apt-get install openssl`");
    let file = |name: &str| made.path().join(name).to_str().unwrap().to_owned();
    for name in ["root.crt", "server.crt", "server.key"] {
        // As the files of the server's user that stand there already.
        std::fs::copy(made.path().join(name), cluster.path("data").join(name)).unwrap();
        let owner = std::fs::metadata(cluster.path("data/PG_VERSION")).unwrap();
        std::os::unix::fs::chown(cluster.path("data").join(name), Some(owner.uid()), Some(owner.gid())).unwrap();
        std::fs::set_permissions(cluster.path("data").join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert_eq!(cluster.encrypted("localhost", "sslmode=prefer"), Ok(None));
    sql(&cluster.url, "ALTER SYSTEM SET ssl = on");
    sql(&cluster.url, "ALTER SYSTEM SET ssl_ca_file = 'root.crt'");
    let passwords = "host all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256";
    cluster.rules(passwords);
    let tls = Ok(Some("TLS 1.3"));
    let (root, other) = (format!("sslrootcert={}", file("root.crt")), format!("sslrootcert={}", file("other.crt")));
    for (host, more, expected) in [
        ("127.0.0.1", "sslmode=disable".to_owned(), Ok(None)),
        ("127.0.0.1", "sslmode=allow".to_owned(), Ok(None)),
        ("127.0.0.1", String::new(), tls),
        ("127.0.0.1", "sslmode=require".to_owned(), tls),
        ("127.0.0.1", "ssl=true&channel_binding=require".to_owned(), tls),
        ("127.0.0.1", format!("sslmode=verify-ca&{root}"), tls),
        ("localhost", format!("sslmode=verify-full&{root}"), tls),
        ("localhost", format!("sslmode=verify-full&{root}&hostaddr=127.0.0.1"), tls),
        ("127.0.0.1", format!("sslmode=verify-full&{root}"), Err("name the host as its certificate does")),
        ("localhost", format!("sslmode=verify-full&{other}"), Err("`sslrootcert` names the certificate that signed")),
        ("localhost", format!("sslmode=verify-ca&{other}"), Err("`sslrootcert` names the certificate that signed")),
        ("localhost", format!("sslmode=require&{other}"), Err("`sslrootcert` names the certificate that signed")),
        ("localhost", "sslmode=verify-full&sslrootcert=/nonexistent/root".to_owned(), Err("cannot be read from")),
    ] {
        compare(&cluster, host, &more, expected);
    }
    let socket = cluster.path("s").to_str().unwrap().replace('/', "%2F");
    assert_eq!(cluster.encrypted(&socket, "sslmode=require"), Ok(None));
    cluster.rules("hostssl all all 127.0.0.1/32 scram-sha-256");
    compare(&cluster, "127.0.0.1", "sslmode=allow", tls);
    compare(&cluster, "127.0.0.1", "sslmode=disable", Err("its pg_hba.conf says who may come from where"));
    cluster.rules("hostnossl all all 127.0.0.1/32 scram-sha-256");
    compare(&cluster, "127.0.0.1", "sslmode=prefer", Ok(None));
    compare(&cluster, "127.0.0.1", "sslmode=require", Err("its pg_hba.conf says who may come from where"));
    cluster.rules("hostssl all all 127.0.0.1/32 cert");
    let own = format!("sslmode=verify-ca&{root}&sslcert={}&sslkey={}", file("own.crt"), file("own.key"));
    compare(&cluster, "127.0.0.1", &own, tls);
    compare(&cluster, "127.0.0.1", "sslmode=require", Err("certificate"));
    std::fs::set_permissions(made.path().join("own.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    compare(&cluster, "127.0.0.1", &own, Err("others can read it"));
    cluster.rules(passwords);
    // A standby takes no writes; where several are named, the one that does is found.
    let parts = parts(&cluster.url);
    cluster.control("stop");
    std::fs::write(cluster.path("data/standby.signal"), "").unwrap();
    cluster.control("start");
    compare(&cluster, "127.0.0.1", "sslmode=disable", Err("is a standby, which takes no writes"));
    let primary = crate::support::stores::server();
    let (_, place) = primary.split_once('@').unwrap();
    let login = primary.split_once('@').unwrap().0;
    let (host, database) = place.split_once('/').unwrap();
    let schema = format!("t_standby_{}", std::process::id());
    let both = format!("{login}@127.0.0.1:{},{host}/{database}?schema={schema}", parts.port);
    // The standby has another password: it is passed by for that.
    store::open_for_one(Some(&both), Path::new("/nonexistent")).unwrap();
    sql(&primary, &format!("DROP SCHEMA {schema} CASCADE"));
    cluster.control("stop");
    compare(&cluster, "127.0.0.1", "", Err("the connection was refused"));
}

fn compare(cluster: &Cluster, host: &str, more: &str, expected: Result<Option<&'static str>, &str>) {
    let found = cluster.encrypted(host, more);
    match (&found, expected) {
        (Ok(found), Ok(expected)) => assert_eq!(*found, expected, "{host} {more}"),
        (Err(said), Err(part)) => assert!(said.contains(part), "{host} {more}: {said}"),
        (found, expected) => panic!("{host} {more}: {found:?} and not {expected:?}"),
    }
}
