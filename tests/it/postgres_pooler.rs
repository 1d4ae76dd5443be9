//! PgBouncer between, giving out the server's sessions by the transaction: what needs a session of its own must show here.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use phasegate::domain::canonical;
use phasegate::store::{self, Param};

use crate::postgres_reach::{parts, sql};
use crate::support::stores;

struct Pooler {
    child: Child,
    _folder: tempfile::TempDir,
    url: String,
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.find_map(|folder| Some(folder.join("pgbouncer")).filter(|file| file.is_file()))
}

impl Pooler {
    /// Three sessions of the server for everybody.
    fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let at = parts(&stores::server());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={} user={} password={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\nignore_startup_parameters = options\ndefault_pool_size = 3\n",
            at.port, at.user, at.password
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        let mut command = Command::new(program);
        if is_root() {
            command.args(["-u", "nobody"]);
        }
        let child =
            command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let pooler =
            Self { child, _folder: folder, url: format!("postgres://{}@127.0.0.1:{port}/{}", at.user, at.database) };
        for _ in 0..1000 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return pooler;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("pgbouncer does not answer");
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn phasegate(folder: &Path, store: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.args(["--store", store]).args(arguments).current_dir(folder).stdin(Stdio::null()).env_clear();
    let output = command
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", folder)
        .env("USER", "lead")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn behind_a_pooler_of_transactions_processes_do_not_mix_and_leave_nothing() {
    let program = program().expect("this test needs a pooler: `apt-get install pgbouncer`");
    let pooler = Pooler::start(&program);
    let folder = tempfile::tempdir().unwrap();
    let schema = format!("t_{}", &canonical::sha256(folder.path().as_os_str().as_encoded_bytes())[..16]);
    let url = format!("{}?schema={schema}", pooler.url);
    // Processes of one kind number their statements alike: by a name, one would get another's.
    std::thread::scope(|threads| {
        for agent in ["ana", "bo", "cy", "di"] {
            let (url, folder) = (&url, folder.path());
            threads.spawn(move || {
                for turn in 0..3 {
                    let title = format!(r#"{{"new":{{"title":"{agent} {turn}"}}}}"#);
                    let (done, said) = phasegate(folder, url, &["call", "claim_task", &title, "--agent", agent]);
                    assert!(done || turn > 0 && said.contains("claim"), "{agent}: {said}");
                }
            });
        }
    });
    let backend = store::open(Some(&url), Path::new("/nonexistent")).unwrap();
    let server = backend.server().unwrap().unwrap();
    assert!(server.pooled && server.schema == schema, "{server:?}");
    let values = [Param::Null, Param::Int(-7), Param::Text("é '\\ $1 ?1"), Param::Blob(&[0, 0xff, b'\\'])];
    let same = "SELECT ?1::text IS NULL, ?2::bigint, ?3::text, ?4::bytea";
    store::snapshot(backend.as_ref(), |tx| {
        tx.query(same, &values, &mut |row| {
            assert_eq!((row.int(0)?, row.int(1)?), (Some(1), Some(-7)));
            assert_eq!((row.text(2)?, row.blob(3)?), (Some("é '\\ $1 ?1"), Some(&[0, 0xff, b'\\'][..])));
            Ok(())
        })
    })
    .unwrap();
    drop(backend);
    let (well, said) = phasegate(folder.path(), &url, &["audit", "verify"]);
    assert!(well, "{said}");
    let (_, said) = phasegate(folder.path(), &url, &["doctor"]);
    assert!(said.contains("pooler") && said.contains("no statement is prepared"), "{said}");
    // The sessions are others' afterwards.
    for _ in 0..6 {
        let settings = "SELECT current_setting('statement_timeout') || current_setting('lock_timeout') || \
                        current_setting('idle_in_transaction_session_timeout') || current_setting('search_path') || \
                        (SELECT count(*) FROM pg_prepared_statements) || \
                        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())";
        assert_eq!(sql(&pooler.url, settings), "000\"$user\", public00");
    }
    sql(&stores::server(), &format!("DROP SCHEMA {schema} CASCADE"));
}
