//! What the rules say about calls other than shell commands, as tables: rules, call, verdict.

use serde_json::{Value, json};

use super::judge::{Around, Guard, RuleSet, judge};
use super::paths::{Access, Writes, effective_writes, writes_cover};

fn around() -> Around {
    let link = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    Around {
        cwd: "/srv/app".into(),
        home: Some("/home/ana".into()),
        root: "/srv/app".into(),
        links: [
            link("/srv/app/key", "/home/ana/.ssh/id"),
            link("/srv/app/out/a", "/elsewhere/a"),
            link("/srv/app/circle/x", ""),
            link("/srv/app/up", "/elsewhere/deep"),
        ]
        .into(),
        guard: Guard { programs: Vec::new(), paths: vec!["/state/pg".into()], ports: vec![7777] },
        ..Around::default()
    }
}

fn set(deny: &[&str], ask: &[&str], allow: &[&str]) -> RuleSet {
    let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    RuleSet::compile(&list(deny), &list(ask), &list(allow)).0
}

fn word(rules: &RuleSet, tool: &str, input: &Value) -> &'static str {
    judge(rules, tool, input, &around()).decision.word()
}

#[test]
fn files_are_judged_by_where_they_are() {
    for (deny, allow, tool, path, expected) in [
        ("", "Read", "Read", "src/a.rs", "allow"),
        ("", "Read(src/**)", "Read", "src/a.rs", "allow"),
        ("", "Read(src/**)", "Read", "lib/src/a.rs", "none"),
        ("Read(src/**)", "Read", "Read", "lib/src/a.rs", "deny"),
        ("Read(src/deep/**)", "Read", "Read", "lib/src/deep/a.rs", "allow"),
        ("", "Read(src)", "Read", "src/x/a.rs", "allow"),
        ("", "Read(src)", "Read", "lib/src/a.rs", "none"),
        ("", "Edit(/docs/*)", "Edit", "docs/a.md", "allow"),
        ("", "Edit(/docs/*)", "Edit", "docs/deep/a.md", "none"),
        ("Edit(/docs/*)", "Edit", "Edit", "docs/deep/a.md", "deny"),
        ("", "Edit(*.md)", "Edit", "docs/deep/a.md", "allow"),
        ("", "Edit(/*.md)", "Edit", "docs/a.md", "none"),
        ("", "Edit(**/*.rs)", "Write", "a/b/c.rs", "allow"),
        ("", "Edit(**/*.rs)", "Write", "/other/c.rs", "none"),
        ("", "Edit(a/**/z)", "Edit", "a/z", "allow"),
        ("", "Edit(a/**/z)", "Edit", "a/b/c/z", "allow"),
        ("", "Edit(file?.txt)", "Edit", "file1.txt", "allow"),
        ("", "Edit(file[0-9].txt)", "Edit", "filex.txt", "none"),
        ("", "Edit(file[!0-9].txt)", "Edit", "filex.txt", "allow"),
        ("Read(*.{env,key})", "Read", "Read", "conf/a.key", "deny"),
        ("", "Read(*.{env,key})", "Read", "conf/a.key", "none"),
        ("", "Read(//etc/hosts)", "Read", "/etc/hosts", "allow"),
        ("", "Read(/etc/hosts)", "Read", "/etc/hosts", "none"),
        ("", "Read(~/notes/**)", "Read", "/home/ana/notes/a", "allow"),
        ("Read(~/.ssh/**)", "Read", "Read", "~/.ssh/id", "deny"),
        ("Read(~/.ssh/**)", "Read", "Read", "key", "deny"),
        ("", "Read(/**)", "Read", "key", "none"),
        ("", "Read(/**)", "Read", "out/a", "none"),
        ("", "Read", "Read", "out/a", "allow"),
        ("", "Read", "Read", "circle/x", "none"),
        ("", "Read(/**)", "Read", "up/../a", "none"),
        ("", "Read(/**)", "Read", "../other", "none"),
        ("Read(.env)", "Read", "Read", "./sub//../.env", "deny"),
        ("Read(.env)", "Read", "Read", "/proc/self/cwd/.env", "deny"),
        ("Read(.env)", "Read", "Read", "/proc/self/root/srv/app/.env", "deny"),
        ("", "Read", "Read", "/proc/1234/environ", "none"),
        ("", "Read", "Read", "/dev/fd/3", "none"),
        ("", "Read", "Read", "/proc/cpuinfo", "allow"),
        ("Read(.env)", "Read,Edit", "Write", ".env", "deny"),
        ("Read(secret/**)", "Read", "Grep", "secret", "deny"),
        ("", "Read(src/**)", "Grep", "src", "allow"),
        ("", "Read", "Read", "file:///etc/passwd", "none"),
        ("", "Read", "Read", "https://example.com/a", "none"),
        ("", "Read", "Read", "a\u{0}b", "none"),
        ("", "Read", "Read", "a\nb", "none"),
        ("", "Read", "Read", "a\u{200b}b", "none"),
        ("", "Read", "Read", "C:\\x", "none"),
        ("", "Read", "Read", "..%2fetc", "none"),
        ("", "Read", "Read", "~root/x", "none"),
        ("", "Edit", "Edit", "a.txt.", "none"),
        ("", "Edit", "MultiEdit", "a.txt", "allow"),
        ("", "Write", "Edit", "a.txt", "none"),
        ("", "Write(a.txt)", "Write", "a.txt", "none"),
        ("Write(a.txt)", "Edit", "Write", "a.txt", "deny"),
        ("Write", "Edit", "Write", "a.txt", "deny"),
        ("Read(!a.txt)", "Read", "Read", "a.txt", "allow"),
    ] {
        let allow: Vec<&str> = allow.split(',').collect();
        let input = if tool == "Grep" { json!({ "path": path, "pattern": "x" }) } else { json!({ "file_path": path }) };
        assert_eq!(word(&set(&[deny], &[], &allow), tool, &input), expected, "{deny:?} {allow:?} {tool} {path:?}");
    }
}

#[test]
fn what_runs_later_and_what_is_the_guard_is_not_written_by_a_rule() {
    for (allow, path, expected) in [
        ("Edit", ".git/hooks/pre-commit", "none"),
        ("Edit", "sub/.GIT/config", "none"),
        ("Edit(.git/**)", ".git/config", "none"),
        ("Edit", ".mcp.json", "none"),
        ("Edit", ".claude/agents/x.md", "none"),
        ("Edit", ".vscode/tasks.json", "none"),
        ("Edit", "~/.bashrc", "none"),
        ("Edit", "/home/ana/.config/fish/config.fish", "none"),
        ("Edit", "~/.ssh/authorized_keys", "none"),
        ("Edit", "phasegate.yaml", "none"),
        ("Edit", ".envrc", "none"),
        ("Edit(.envrc)", ".envrc", "allow"),
        ("Edit", ".github/workflows/ci.yml", "none"),
        ("Edit(/.github/**)", ".github/workflows/ci.yml", "allow"),
        ("Edit", ".github/CODEOWNERS", "allow"),
        ("Edit", ".gitignore", "allow"),
        ("Edit", ".claude/settings.json", "deny"),
        ("Edit", "~/.claude/settings.local.json", "deny"),
        ("Edit", "~/.codex/hooks.json", "deny"),
        ("Edit", ".phasegate/phasegate.db", "deny"),
        ("Edit", "/state/pg/phasegate.db", "deny"),
        ("Edit", "~/.config/phasegate/keys/ana.key", "deny"),
        ("Edit", "src/main.rs", "allow"),
    ] {
        assert_eq!(word(&set(&[], &[], &[allow]), "Write", &json!({ "file_path": path })), expected, "{allow} {path}");
    }
    let read = |path: &str| word(&set(&[], &[], &["Read"]), "Read", &json!({ "file_path": path }));
    assert_eq!((read(".git/config"), read(".phasegate/phasegate.db")), ("allow", "deny"));
}

#[test]
fn an_input_of_another_form_is_never_allowed() {
    let rules = set(&[], &[], &["Read", "Edit", "WebFetch", "Bash"]);
    for (tool, input) in [
        ("Read", json!({})),
        ("Read", json!({ "file_path": ["a"] })),
        ("Read", json!({ "file_path": "" })),
        ("Read", json!({ "path": "a" })),
        ("Edit", json!({ "file_path": 7 })),
        ("NotebookEdit", json!({ "file_path": "a" })),
        ("Grep", json!({ "path": {} })),
        ("WebFetch", json!({})),
        ("Bash", json!({ "command": ["ls"] })),
    ] {
        assert_eq!(word(&rules, tool, &input), "none", "{tool} {input}");
    }
    assert_eq!(word(&rules, "Grep", &json!({ "pattern": "x" })), "allow");
}

#[test]
fn hosts_are_read_as_browsers_do() {
    for (deny, allow, url, expected) in [
        ("", "domain:example.com", "https://example.com./a", "allow"),
        ("", "domain:EXAMPLE.com", "https://example.com:8443/a", "allow"),
        ("", "domain:example.com", "https://sub.example.com/", "none"),
        ("", "domain:*.example.com", "https://a.b.example.com/", "allow"),
        ("", "domain:*.example.com", "https://example.com/", "none"),
        ("", "domain:*.example.com", "https://notexample.com/", "none"),
        ("", "domain:api.*.com", "https://api.foo.com/", "allow"),
        ("", "domain:api.*.com", "https://api.foo.bar.com/", "none"),
        ("", "domain:example.com", "https://example.com@other.test/", "none"),
        ("", "domain:example.com", "https://ana@example.com/", "none"),
        ("", "domain:example.com", "https://exam\u{ad}ple.com/", "allow"),
        ("", "domain:example.com", "https://ex\u{430}mple.com/", "none"),
        ("", "domain:bücher.example", "https://xn--bcher-kva.example/", "allow"),
        ("", "domain:example.com/path", "https://example.com/path", "none"),
        ("domain:bad.test", "", "https://BAD.test./", "deny"),
        ("domain:*.bad.test", "", "https://x.bad.test/", "deny"),
        ("domain:127.0.0.1", "", "http://0x7f.1/", "deny"),
        ("domain:*", "", "https://a.b.c/", "deny"),
        ("", "", "https://example.com/", "allow"),
        ("", "", "ftp://example.com/", "none"),
        ("", "", "data:text/html,x", "none"),
        ("", "", "http://2130706433/", "none"),
        ("", "", "http://0177.0.0.1/", "none"),
        ("", "", "http://127.1/", "none"),
        ("", "", "http://10.0.0.5/", "none"),
        ("", "", "http://100.64.0.1/", "none"),
        ("", "", "http://169.254.169.254/latest", "none"),
        ("", "", "http://[fe80::1]/", "none"),
        ("", "", "http://[fd00::1]/", "none"),
        ("", "", "http://[::ffff:10.0.0.1]/", "none"),
        ("", "", "http://[64:ff9b::7f00:1]/", "none"),
        ("", "", "http://[2002:7f00:1::]/", "none"),
        ("", "", "http://localhost/", "none"),
        ("", "", "http://a.localhost./", "none"),
        ("", "", "http://metadata.google.internal/", "none"),
        ("", "", "http://intranet/", "none"),
        ("", "", "http://127.0.0.1.nip.io/", "none"),
        ("", "", "http://１２７.0.0.1/", "none"),
        ("", "", "http://8.8.8.8/", "allow"),
        ("", "domain:localhost", "http://localhost:3000/", "allow"),
        ("", "domain:*.localhost", "http://a.localhost/", "none"),
        ("", "domain:localhost", "http://localhost:7777/approve", "deny"),
        ("", "", "no address", "none"),
    ] {
        let rule = |spec: &str| format!("WebFetch({spec})");
        let allow = if allow.is_empty() { "WebFetch".to_owned() } else { rule(allow) };
        let deny = if deny.is_empty() { "Nothing".to_owned() } else { rule(deny) };
        assert_eq!(
            word(&set(&[&deny], &[], &[&allow]), "WebFetch", &json!({ "url": url })),
            expected,
            "{deny} {allow} {url}"
        );
    }
}

#[test]
fn names_and_parameters_decide_about_other_tools() {
    for (deny, ask, allow, tool, input, expected) in [
        ("", "", "mcp__git", "mcp__git__log", json!({}), "allow"),
        ("", "", "mcp__git__*", "mcp__git__log", json!({}), "allow"),
        ("", "", "mcp__*", "mcp__git__log", json!({}), "none"),
        ("", "", "mcp__git", "mcp__git", json!({}), "none"),
        ("", "", "mcp__git__*", "mcp__git__", json!({}), "none"),
        ("", "", "mcp__git", "mcp__GIT__log", json!({}), "none"),
        ("mcp__git__log", "", "mcp__GIT", "mcp__GIT__LOG", json!({}), "deny"),
        ("mcp__a__b", "", "mcp__a", "mcp__a__b__c", json!({}), "deny"),
        ("mcp__*__delete_*", "", "mcp__crm", "mcp__crm__delete_all", json!({}), "deny"),
        ("mcp__b__drop", "", "mcp__gw", "mcp__gw__b__drop", json!({}), "none"),
        ("", "mcp__git__push", "mcp__git", "mcp__git__push", json!({}), "ask"),
        ("mcp__db__run(mode:write)", "", "mcp__db", "mcp__db__run", json!({ "mode": "write" }), "deny"),
        ("mcp__db__run(mode:wr*)", "", "mcp__db", "mcp__db__run", json!({ "mode": "write" }), "deny"),
        ("mcp__db__run(mode:write)", "", "mcp__db", "mcp__db__run", json!({ "mode": "read" }), "allow"),
        ("mcp__db__run(mode:write)", "", "mcp__db", "mcp__db__run", json!({ "mode": ["write"] }), "none"),
        ("mcp__db__run(n:1)", "", "mcp__db", "mcp__db__run", json!({ "n": 1.0 }), "deny"),
        ("Agent(model:opus)", "", "Agent", "Task", json!({ "model": "opus" }), "deny"),
        ("Task(Explore)", "", "Agent", "Agent", json!({ "subagent_type": "Explore" }), "deny"),
        ("", "", "Agent(Explore)", "Agent", json!({ "subagent_type": "Plan" }), "none"),
        ("", "", "Agent", "Agent", json!({ "prompt": "then run `phasegate approve A-1`" }), "deny"),
        ("", "", "Agent", "Agent", json!({ "prompt": "read what phasegate approves" }), "allow"),
        ("Agent(general-purpose)", "", "Agent", "Agent", json!({}), "deny"),
        ("", "", "Skill(deploy *)", "Skill", json!({ "skill": "deploy", "args": "prod" }), "allow"),
        ("", "", "Skill(deploy)", "Skill", json!({ "skill": "deploy-all" }), "none"),
        ("", "", "SlashCommand(/review:*)", "SlashCommand", json!({ "command": "/review 12" }), "allow"),
        ("", "", "submit_task", "mcp__plugin_phasegate_phasegate__submit_task", json!({}), "allow"),
        ("claim_task", "", "Read", "mcp_phasegate_claim_task", json!({}), "deny"),
        (
            "Bash(run_in_background:true)",
            "",
            "Bash",
            "Bash",
            json!({ "command": "ls", "run_in_background": true }),
            "deny",
        ),
        ("*", "", "mcp__git", "Anything", json!({}), "deny"),
        ("", "", "Read", "read", json!({ "file_path": "a" }), "none"),
    ] {
        assert_eq!(
            word(&set(&[deny], &[ask], &[allow]), tool, &input),
            expected,
            "{deny} {ask} {allow} {tool} {input}"
        );
    }
}

#[test]
fn a_tool_that_another_server_offers_too_is_asked_about() {
    let around = Around { namesakes: vec!["other".into()], ..around() };
    let verdict = judge(&set(&[], &[], &["mcp__git"]), "mcp__git__log", &json!({}), &around);
    assert_eq!(verdict.decision.word(), "ask", "{verdict:?}");
}

#[test]
fn what_a_phase_writes_is_bounded_by_its_patterns() {
    let writes = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    for (list, path, expected) in [
        (&["src/**"] as &[&str], "src/a/b.rs", true),
        (&["src/**"], "lib/src/a.rs", false),
        (&["src"], "src/a.rs", true),
        (&["Cargo.*"], "/srv/app/Cargo.toml", true),
        (&["src/**", "!src/gen/**"], "src/gen/a.rs", false),
        (&["**"], "/etc/passwd", false),
        (&["**"], "key", false),
        (&["**"], "a\nb", false),
    ] {
        assert_eq!(writes_cover(&writes(list), path, &around()), expected, "{list:?} {path:?}");
    }
    let effective = |own: Option<&[&str]>, allow: &[&str]| effective_writes(own.map(writes).as_deref(), &writes(allow));
    assert_eq!(effective(Some(&["a"]), &["Edit"]), Writes::Only(writes(&["a"])));
    assert_eq!(effective(None, &["Read", "Write"]), Writes::Everywhere);
    assert_eq!(effective(None, &["Edit(docs/**)", "Bash"]), Writes::Only(writes(&["docs/**"])));
    assert_eq!(effective(None, &["Read"]), Writes::Nowhere);
}

#[test]
fn a_path_alone_is_judged_as_a_redirection_is() {
    let judged = |rules: &RuleSet, access, path| super::paths::judge(rules, access, path, &around()).decision.word();
    assert_eq!(judged(&set(&[], &[], &["Edit(out/**)"]), Access::Write, "out/b"), "allow");
    assert_eq!(judged(&set(&["Write"], &[], &["Edit"]), Access::Write, "out/b"), "deny");
    assert_eq!(judged(&set(&[], &["Read(b)"], &["Read"]), Access::Read, "b"), "ask");
}

#[test]
fn rules_that_count_for_nothing_are_told() {
    let list = |text: &str| vec![text.to_owned()];
    for (deny, allow, told) in
        [("Read(!x)", "Read", 1), ("Read", "Write(x)", 1), ("Read", "Grep(x)", 1), ("", "mcp__*", 2)]
    {
        let (_, problems) = RuleSet::compile(&list(deny), &[], &list(allow));
        assert_eq!(problems.len(), told, "{deny} {allow}: {problems:?}");
    }
}

#[test]
fn deep_patterns_and_long_paths_are_bounded_work() {
    let rules = set(&[&format!("Read({}b)", "**/a*/".repeat(120))], &[], &["Read"]);
    let path = "a".repeat(40) + &"/aaaaaaaaaaaa".repeat(20_000);
    assert_eq!(word(&rules, "Read", &json!({ "file_path": path })), "none");
    let path = "/aaaaaaaaaaaa".repeat(300);
    assert_eq!(word(&rules, "Read", &json!({ "file_path": path })), "allow");
}
