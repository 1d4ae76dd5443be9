//! `phasegate doctor`: looks at the whole set-up and says what is well, what is not, and what to do.

use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::clients::setup::{ClientSettings, Guard, SETTINGS, Setup, Version, guard_state};
use crate::domain::canonical;
use crate::domain::context::Results;
use crate::domain::event::Origin;
use crate::domain::ids::Time;
use crate::domain::session;
use crate::domain::workflow::Workflow;
use crate::engine::clock::{self, Clock};
use crate::engine::gates::find;
use crate::engine::ready;
use crate::engine::routing::table::{self, Table};
use crate::engine::{Engine, Server, read_workflow};
use crate::sandbox::{self, Rung};

use super::output::visible;
use super::{Ended, Out, Place};

const SESSIONS_MAX: u32 = 200;
const SESSIONS_NAMED: usize = 10;
/// Milliseconds of two clocks that are set well, with a slow network between.
const APART_MS_MAX: i64 = 2_000;
/// So many come together under load, and are numbered in a second.
const WAITING_MAX: u64 = 5_000;

const LOG_SAYS: &str = "the system's log may say more; `phasegate restore FILE` brings back a backup";

enum Grade {
    Well,
    Note,
    Bad,
}

struct Finding {
    grade: Grade,
    what: &'static str,
    said: String,
    next: String,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn well(&mut self, what: &'static str, said: impl Into<String>) {
        self.0.push(Finding { grade: Grade::Well, what, said: said.into(), next: String::new() });
    }

    fn note(&mut self, what: &'static str, said: impl Into<String>, next: impl Into<String>) {
        self.0.push(Finding { grade: Grade::Note, what, said: said.into(), next: next.into() });
    }

    fn bad(&mut self, what: &'static str, said: impl Into<String>, next: impl Into<String>) {
        self.0.push(Finding { grade: Grade::Bad, what, said: said.into(), next: next.into() });
    }
}

pub fn run(place: &Place, out: &Out) -> Result<(), Ended> {
    let mut findings = Findings::default();
    let root = place.workspace.root.display().to_string();
    if rustix::fs::access(&place.workspace.root, rustix::fs::Access::WRITE_OK).is_err() {
        findings.bad(
            "work tree",
            format!("you cannot write in {root}"),
            "phasegate keeps its state there; see `--store`",
        );
    }
    if place.workspace.state.exists() && !place.workspace.state.is_dir() {
        findings.bad("workspace", format!("{} is not a folder", place.workspace.state.display()), "move it away");
    }
    if place.has_store() {
        findings.well("workspace", root);
        match place.open() {
            Ok(engine) => {
                store(&mut findings, &engine, place);
                workflows(&mut findings, &engine, place);
                entitled(&mut findings, &engine);
                sessions(&mut findings, &engine);
                log(&mut findings, &engine);
            }
            Err(Ended::Internal { message, hint } | Ended::Away { message, hint } | Ended::Usage { message, hint }) => {
                // Whoever is here already is not sent here.
                let next = if hint.contains("phasegate doctor") { LOG_SAYS.to_owned() } else { hint };
                findings.bad("store", message, next);
                let own_disk = place.workspace.state.is_dir().then(|| ready::disk_of(&place.workspace.state));
                disk(&mut findings, own_disk.flatten());
            }
            Err(Ended::Refused(refusal)) => findings.bad("store", refusal.message, refusal.hint),
            Err(Ended::No) => {}
        }
    } else {
        findings.note(
            "workspace",
            format!("none yet in {root}"),
            "`phasegate init` sets this repository and its clients up",
        );
    }
    match &place.settings.agent {
        Some(agent) => findings.well("agent name", format!("`{agent}`, for every agent started here")),
        None => findings.well("agent name", "made from the client's name, one for each server process"),
    }
    channels(&mut findings, place);
    prices(&mut findings, &place.workspace.state);
    git(&mut findings, &place.workspace.root);
    programs(&mut findings, &place.workspace.root);
    clients(&mut findings, &place.workspace.root);
    confinement(&mut findings);
    report(&findings, place.has_store(), out)
}

fn store(findings: &mut Findings, engine: &Engine, place: &Place) {
    findings.well("store", engine.backend().describe());
    disk(findings, engine.disk());
    match engine.backend().check() {
        Ok(problems) if problems.is_empty() => findings.well("integrity", "all of it was read and checked"),
        Ok(problems) => {
            findings.bad("integrity", problems.join("; "), "`phasegate restore FILE` brings back a backup");
        }
        Err(error) => findings.bad("integrity", error.to_string(), error.hint()),
    }
    match engine.backend().server() {
        Ok(None) => file_modes(findings, place),
        Ok(Some(server)) => database(findings, &server, clock::System.now()),
        Err(error) => findings.bad("database", error.to_string(), error.hint()),
    }
}

/// What `/ready` of a server says of it; a disk that is well is not spoken of.
fn disk(findings: &mut Findings, problem: Option<&'static str>) {
    if let Some(problem) = problem {
        findings.bad("disk", problem, "free some space there, or let this user write: until then nothing can change");
    }
}

/// How a database is reached, and whether it is near its limits.
fn database(findings: &mut Findings, server: &Server, here: Time) {
    let Server { version, schema, latency_micros, .. } = server;
    let milliseconds = format!("{}.{:02} ms", latency_micros / 1000, latency_micros % 1000 / 10);
    findings.well("database", format!("PostgreSQL {version}, schema `{schema}`, {milliseconds} there and back"));
    let Server { connections_used: used, connections_allowed: allowed, connections_own_max: own, .. } = server;
    let said = format!("{used} of {allowed} in use; a process opens at most {own}");
    if used.saturating_add(*own) > *allowed {
        let next = "a smaller `connections=N` in the store's URL, a larger `max_connections`, or PgBouncer between";
        findings.note("connections", said, next);
    } else {
        findings.well("connections", said);
    }
    match server.encrypted {
        Some(version) => findings.well("encryption", format!("{version} to the database")),
        None if server.socket => findings.well("encryption", "none: a socket of this machine"),
        None => findings.note(
            "encryption",
            "none: whoever can listen on the network reads what goes to the database",
            "`sslmode=verify-full` in the store's URL; docs/postgresql.md",
        ),
    }
    if server.pooled {
        let next = "it works, somewhat slower: no statement is prepared under a name; docs/postgresql.md";
        findings.note("pooler", "something stands between, or `prepare=no` is said", next);
    }
    let apart = server.time.0.saturating_sub(here.0);
    let said = format!("the database is {} ms {}", apart.abs(), if apart < 0 { "behind" } else { "ahead" });
    if apart.abs() > APART_MS_MAX {
        findings.note("clock", said, "leases go by the database's clock; set the clocks by NTP, so that logs agree");
    } else {
        findings.well("clock", said);
    }
    if server.listens {
        findings.well("notices", "LISTEN hears what other connections notify");
    } else {
        let said = "LISTEN hears nothing of other connections, or is not tried, behind a pooler";
        findings.note("notices", said, "changes of other servers show when they are looked for, ten times a second");
    }
    let said = format!("{} records wait for their number", server.waiting);
    if server.waiting > WAITING_MAX {
        findings.note("numbering", said, "a server numbers them; `phasegate serve` somewhere, and see its log");
    } else {
        findings.well("numbering", said);
    }
}

fn file_modes(findings: &mut Findings, place: &Place) {
    let open_to_others = ["", "phasegate.db", "phasegate.db-wal", "phasegate.db-shm"].iter().any(|name| {
        let found = std::fs::metadata(place.workspace.state.join(name));
        found.is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
    });
    if open_to_others {
        findings.bad("file modes", "others can read the state folder", "chmod -R go-rwx .phasegate");
    } else {
        findings.well("file modes", "only you can read the state");
    }
}

/// Whether the log is sealed, and whether anything outside would show that it was changed.
fn log(findings: &mut Findings, engine: &Engine) {
    match engine.seal() {
        Err(error) => return findings.bad("log", error.to_string(), error.hint()),
        Ok(None) => findings.well("log", "empty"),
        Ok(Some(head)) => findings.well("log", format!("{} records under a signed head", head.size)),
    }
    match engine.verify(Vec::new(), Vec::new()) {
        Err(error) => findings.bad("log", error.to_string(), error.hint()),
        Ok(report) if !report.is_well() => {
            let count: u64 = report.counts.values().sum();
            let told = format!("it is not as it was sealed: {count} findings");
            findings.bad("log", told, "`phasegate audit verify` tells them one by one");
        }
        Ok(report) => match report.anchors.iter().max_by_key(|anchor| anchor.size) {
            Some(anchor) => findings.well("heads elsewhere", format!("{} records, at {}", anchor.size, anchor.place)),
            None => findings.note(
                "heads elsewhere",
                "none: whoever can write the store could rewrite all of it unseen",
                "`phasegate audit publish --to PLACE`, or keep what `phasegate audit head` prints",
            ),
        },
    }
}

/// Approvers, and bypasses that are open.
fn entitled(findings: &mut Findings, engine: &Engine) {
    match engine.approvers() {
        Err(error) => findings.bad("approvers", error.to_string(), error.hint()),
        Ok((all, _)) if all.is_empty() && engine.first_approver().is_some() => findings.bad(
            "approvers",
            format!("this machine remembers a first approver of a store at this place ({})", engine.place()),
            "restore that store; or begin anew with `approver add NAME --existing`, or take that file away",
        ),
        Ok((all, _)) if all.is_empty() => findings.note(
            "approvers",
            "none: the person at the command line answers, at level 1 at most",
            "`phasegate approver add NAME` enrols one whose answers are signed",
        ),
        Ok((all, standing)) => {
            let names = |counted| {
                let some =
                    all.iter().filter(|known| standing.contains(&known.name) == counted && known.revoked.is_none());
                some.map(|known| known.name.0.as_str()).collect::<Vec<_>>().join(", ")
            };
            if standing.len() == all.len() {
                findings.well("approvers", names(true));
            } else {
                findings.bad(
                    "approvers",
                    format!("not traced to the first approver that this machine knows: {}", names(false)),
                    "their answers do not count; find out who wrote them into the store",
                );
            }
        }
    }
    match super::approver::lacking(engine) {
        Err(ended) => findings.bad("approvers", ended.said().0, ended.said().1),
        Ok(gates) => {
            for gate in gates {
                findings.bad("approvers", visible(&gate.said()), visible(&gate.next()));
            }
        }
    }
    for open in engine.open_bypasses().unwrap_or_default() {
        let rules = open.rules.join(", ");
        findings.note(
            "bypass",
            format!("{} is open until {}: {rules}", open.id, open.until),
            "`phasegate bypass close` ends it",
        );
    }
}

/// Sessions that are open and less than enforced, and agents whose client shows no hooks.
fn sessions(findings: &mut Findings, engine: &Engine) {
    let open = match engine.sessions(false, SESSIONS_MAX) {
        Ok(open) => open,
        Err(error) => return findings.bad("sessions", error.to_string(), error.hint()),
    };
    let weak: Vec<_> = open.iter().filter(|row| row.session.guard != session::Guard::Enforced).collect();
    for row in weak.iter().take(SESSIONS_NAMED) {
        let session = &row.session;
        findings.note(
            "session",
            format!("{} ({}): guard {}: {}", session.agent, session.client, session.guard.word(), session.why),
            "`phasegate init` puts the hooks right, then begin the session anew; docs/clients.md says what is open",
        );
    }
    let more = if weak.len() > SESSIONS_NAMED { ", the latest of them above" } else { "" };
    findings.well("sessions", format!("{} open, {} of them less than enforced{more}", open.len(), weak.len()));
    let unguarded = engine.unguarded_of_late().unwrap_or_default();
    if !unguarded.is_empty() {
        let names: Vec<&str> = unguarded.iter().map(|agent| agent.0.as_str()).take(SESSIONS_NAMED).collect();
        findings.note(
            "hooks",
            format!(
                "no hook told of calls of these agents, which got no task for that in the last day: {}",
                names.join(", ")
            ),
            "`phasegate init --client NAME`, then start the client anew; docs/errors/unguarded.md",
        );
    }
}

fn workflows(findings: &mut Findings, engine: &Engine, place: &Place) {
    let rows = match engine.workflows() {
        Ok(rows) => rows,
        Err(error) => return findings.bad("workflows", error.to_string(), error.hint()),
    };
    let names: Vec<&str> = rows.iter().filter(|row| row.in_force).map(|row| row.name.as_str()).collect();
    let persons = rows.iter().any(|row| row.origin == Origin::Person);
    let whose = if persons { "trusted by a person" } else { "the starters; nobody has trusted a workflow yet" };
    findings.well("workflows", format!("{} ({whose})", names.join(", ")));
    for (kind, name) in &place.settings.workflow_for {
        if !names.contains(&name.as_str()) {
            findings.bad(
                "workflow_for",
                format!("tasks of type `{}` are to follow `{}`, which is not in force", visible(kind), visible(name)),
                "name one that is, or trust it: `phasegate workflow list`",
            );
        }
    }
    let file = place.workspace.workflow_file();
    if !file.is_file() {
        return findings.note(
            "workflow file",
            "no phasegate.yaml",
            "`phasegate workflow show feature > phasegate.yaml` is a start",
        );
    }
    match read_workflow(&file) {
        Err(refusal) => {
            findings.bad("workflow file", refusal.message, "mend these places; tasks keep the version they have")
        }
        Ok((workflow, _)) => {
            shorter_results(findings, &workflow, &place.workspace.root);
            let hash = canonical::hash(&workflow);
            let trusted = rows.iter().any(|row| row.hash.0 == hash && row.origin == Origin::Person);
            if trusted {
                findings.well("workflow file", "phasegate.yaml is what is in force");
            } else {
                let (said, next) = if persons {
                    ("is not the version in force", "`phasegate workflow diff`, then `phasegate workflow trust`")
                } else {
                    ("has not been trusted yet, and until then no task starts by it", "`phasegate workflow trust`")
                };
                findings.bad("workflow file", format!("phasegate.yaml {said}"), next);
            }
        }
    }
}

/// Whether every client here gives its model what the workflow makes of long results.
fn shorter_results(findings: &mut Findings, workflow: &Workflow, root: &Path) {
    let asks = |said: &Option<Results>| matches!(said, Some(Results::Reduced(_)));
    if !asks(&workflow.context) && !workflow.phases.iter().any(|phase| asks(&phase.context)) {
        return;
    }
    let cannot =
        |client: &&ClientSettings| crate::clients::find(client.name).is_none_or(|known| known.text_of_result.is_none());
    let whole: Vec<&str> = set_up(root).into_iter().filter(cannot).map(|client| client.name).collect();
    if whole.is_empty() {
        findings.well("long results", "made shorter before the model gets them, as the workflow says");
    } else {
        findings.note(
            "long results",
            format!(
                "the workflow has them made shorter; {} takes none but its own, so they stay whole",
                whole.join(", ")
            ),
            "docs/context.md says which clients do",
        );
    }
}

/// How people learn that something waits for them.
fn channels(findings: &mut Findings, place: &Place) {
    let Ok(found) = super::channels::standings(place) else { return };
    for one in &found {
        let said = format!("{} ({}): {}", one.name, one.kind, one.state);
        match &one.error {
            None => findings.well("channel", said),
            Some(error) => findings.bad(
                "channel",
                format!("{said}; {error}"),
                format!("mend it, then `phasegate channels test {}`; approvals wait meanwhile", one.name),
            ),
        }
    }
    if found.is_empty() {
        findings.note(
            "channels",
            "none is set up: nobody is told that an approval waits",
            "`phasegate approvals list` shows what waits; docs/channels.md says how to be told",
        );
    }
}

/// What budgets and routing reckon with.
fn prices(findings: &mut Findings, state: &Path) {
    let Table { catalogue, own, problem, .. } = table::read(state);
    let said = format!("{} table of {}", if own { "your own" } else { "the built-in" }, catalogue.date);
    match (problem, super::models::too_old(&catalogue)) {
        (Some(problem), _) => findings.note("prices", format!("{said}; {problem}"), "mend that file or take it away"),
        (None, Some(days)) => findings.note(
            "prices",
            format!("{said} is {days} days old, and prices change"),
            "`phasegate models update FILE|URL` takes a newer one",
        ),
        (None, None) => findings.well("prices", said),
    }
}

fn git(findings: &mut Findings, root: &Path) {
    if root.ancestors().any(|folder| folder.join(".git").exists()) {
        findings.well("work tree", "a git repository: syntax gates look at what changed");
    } else {
        findings.note(
            "work tree",
            "not a git repository",
            "syntax gates then look at every file; `git init` narrows that",
        );
    }
}

fn programs(findings: &mut Findings, root: &Path) {
    let path = crate::config::settings::environment_variables();
    let has_path = find::clean_environment(path, find::PASSED_VARIABLES).iter().any(|(name, _)| name == "PATH");
    if !has_path {
        findings.bad(
            "programs",
            "PATH is not set, so command gates find no programs",
            "set PATH where the server is started",
        );
    }
    let in_front = super::init::in_front_of_us(root);
    if !in_front.is_empty() {
        let named: Vec<String> = in_front.iter().map(|folder| visible(&folder.display().to_string())).collect();
        let said = format!("a `phasegate` that an agent puts into {} would be found first", named.join(" or "));
        let next = "start clients with a PATH that has the folder of phasegate in front, or write the whole path into \
                    their settings (`phasegate init --managed`)";
        findings.note("programs", said, next);
    }
}

fn setup(version: Option<Version>) -> Setup {
    Setup { program: super::init::own_program().unwrap_or_default(), version }
}

/// Clients that have something of ours.
fn set_up(root: &Path) -> Vec<&'static ClientSettings> {
    let read = |file: &str| std::fs::read_to_string(root.join(file)).ok();
    let has = |client: &&'static ClientSettings| {
        let files = (client.wanted)(&setup(None));
        let mut files = files.iter().flat_map(|wanted| wanted.files);
        files.any(|file| read(file).is_some_and(|text| text.contains("phasegate")))
    };
    SETTINGS.iter().filter(has).collect()
}

/// What `init` would write for each of them, against what stands there.
fn clients(findings: &mut Findings, root: &Path) {
    let read = |file: &str| std::fs::read_to_string(root.join(file)).ok();
    let named = set_up(root);
    if named.is_empty() {
        findings.note(
            "clients",
            "no client file in this folder names phasegate",
            "`phasegate init` sets them up; what a client keeps elsewhere is not looked at here",
        );
        return;
    }
    for found in super::init::found(&named) {
        client(findings, &found, &setup(found.version), &read);
    }
}

fn client(findings: &mut Findings, found: &super::init::Found, setup: &Setup, read: &dyn Fn(&str) -> Option<String>) {
    let mut lacks = Vec::new();
    for wanted in (found.client.wanted)(setup) {
        let there = wanted.files.iter().find_map(|file| read(file).map(|text| (*file, text)));
        let file = there.as_ref().map_or(wanted.files.first().copied().unwrap_or_default(), |(file, _)| file);
        match wanted.form.lacks(there.as_ref().map(|(_, text)| text.as_str()), false) {
            Err(fault) => lacks.push(format!("{file} cannot be read: {fault}")),
            Ok(missing) if missing.is_empty() => {}
            Ok(missing) => lacks.push(format!("{file} lacks {}", missing.join(", "))),
        }
    }
    let guard = guard_state(found.client, found.version, read);
    let said = format!("{}: guard {} ({})", found.shown(), guard.word(), guard.why());
    if !lacks.is_empty() {
        let next = format!("`phasegate init --client {}` puts it right", found.client.name);
        findings.bad("client", format!("{said}; {}", lacks.join("; ")), next);
    } else if matches!(guard, Guard::Enforced { .. }) {
        findings.well("client", said);
    } else {
        findings.note("client", said, "docs/clients.md says what that leaves open");
    }
}

/// Tried by doing it once.
fn confinement(findings: &mut Findings) {
    let rung = std::env::current_exe().map_or(Rung::None, |binary| sandbox::probe(&binary));
    match rung {
        Rung::Full => {
            findings.well("confinement", "full: files, what may be read, network and sockets of shell commands")
        }
        Rung::Writes => findings.note(
            "confinement",
            "writes: direct writes of shell commands; not what they read, nor modes of files outside",
            "allow namespaces for ordinary users (`user.max_user_namespaces`, AppArmor), or run it outside a container",
        ),
        Rung::None => findings.note(
            "confinement",
            "none: shell commands are judged as they are written, and nothing holds what they do",
            "Linux 6.2 or newer with Landlock is needed (`cat /sys/kernel/security/lsm`)",
        ),
    }
}

fn report(findings: &Findings, is_set_up: bool, out: &Out) -> Result<(), Ended> {
    let mut text = String::new();
    let mut bad = 0;
    let mut values = Vec::new();
    for finding in &findings.0 {
        let (mark, grade) = match finding.grade {
            Grade::Well => ("ok  ", "ok"),
            Grade::Note => ("note", "note"),
            Grade::Bad => {
                bad += 1;
                ("BAD ", "bad")
            }
        };
        let _ = writeln!(text, "{mark}  {:<14} {}", finding.what, finding.said);
        if !finding.next.is_empty() {
            let _ = writeln!(text, "{:<22}next: {}", "", finding.next);
        }
        values.push(json!({ "what": finding.what, "grade": grade, "said": finding.said, "next": finding.next }));
    }
    let last = match (bad, is_set_up) {
        (0, true) => "All is well.".to_owned(),
        (0, false) => "Nothing is set up here yet, and nothing is in the way.".to_owned(),
        (bad, _) => format!("{bad} to mend."),
    };
    let _ = writeln!(text, "{last}");
    out.answer(&Value::Array(values), &text);
    if bad == 0 { Ok(()) } else { Err(Ended::No) }
}
