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
fn a_rule_that_names_a_link_is_about_what_lies_where_it_leads() {
    let link = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    let links = [
        link("/etc", "/private/etc"),
        link("/home/ana/keys", "/vault/ana"),
        link("/srv/app/data", "/mnt/data"),
        link("/srv/app/.env", "/vault/env"),
    ];
    let around = Around { links: links.into(), ..around() };
    for (rule, path, expected) in [
        ("Read(//etc/**)", "/private/etc/hosts", "deny"),
        ("Read(//etc/hosts)", "/private/etc/hosts", "deny"),
        ("Read(//etc/ssh/*.conf)", "/private/etc/ssh/a.conf", "deny"),
        ("Read(//etc/{hosts,shadow})", "/private/etc/shadow", "deny"),
        ("Read(//etc/hosts)", "/private/etc/passwd", "allow"),
        ("Read(~/keys/**)", "/vault/ana/id", "deny"),
        ("Read(/data/**)", "/mnt/data/x", "deny"),
        ("Read(data/*.csv)", "/mnt/data/x.csv", "deny"),
        ("Read(data/*.csv)", "/mnt/data/x.txt", "allow"),
        ("Read(.env)", "/vault/env", "deny"),
        ("Read(//opt/**)", "/private/etc/hosts", "allow"),
    ] {
        let verdict = judge(&set(&[rule], &[], &["Read"]), "Read", &json!({ "file_path": path }), &around);
        assert_eq!(verdict.decision.word(), expected, "{rule} {path}");
    }
    let rules = set(&["Read(//etc/ssh/**)", "Read(~/keys/{a,b})"], &["Read(data/*.csv)"], &[]);
    let looked_up = super::judge::paths_of_rules(&rules, &around);
    for path in ["/etc/ssh", "/home/ana/keys", "/srv/app/data"] {
        assert!(looked_up.iter().any(|known| known == path), "{path}: {looked_up:?}");
    }
}

#[test]
fn a_pattern_of_a_call_that_picks_out_what_is_denied_is_not_allowed() {
    let many = |first: &str| {
        let names: Vec<String> = (0..70).map(|number| format!("x{number}")).collect();
        format!("{{{first},{}}}", names.join(","))
    };
    for (deny, tool, glob, expected) in [
        (".env", "Grep", ".env", "deny"),
        (".env", "Grep", "{.env,a}", "deny"),
        (".env", "Grep", "*.ts .env", "deny"),
        (".env", "Grep", "*.ts,.env", "deny"),
        (".env", "Grep", &many(".env"), "none"),
        (".env", "Grep", ".en?", "none"),
        (".env", "Grep", ".[e]nv", "none"),
        (".env", "Grep", ".env*", "none"),
        (".env", "Grep", "*.env", "none"),
        (".env", "Grep", "**/.e*", "none"),
        (".env", "Glob", "sub/.en?", "none"),
        ("secrets/**", "Grep", "secret*/**", "none"),
        ("secrets/**", "Glob", "secret?/*.pem", "none"),
        ("/secrets/deep/**", "Grep", "secrets/d*/**", "none"),
        ("*.pem", "Glob", "**/*.p?m", "none"),
        ("{a,.env}", "Grep", ".en?", "none"),
        (".env", "Grep", "*", "allow"),
        (".env", "Grep", "*.*", "allow"),
        (".env", "Grep", "*.ts", "allow"),
        (".env", "Grep", "*.{ts,tsx}", "allow"),
        (".env", "Grep", "**/*.rs", "allow"),
        (".env", "Grep", "src/**", "allow"),
        (".env", "Glob", "src/**/*.test.ts", "allow"),
        ("secrets/**", "Grep", "**/*.json", "allow"),
        ("secrets/**", "Glob", "src/*", "allow"),
        ("config/credentials.json", "Glob", "**/*.json", "allow"),
        ("/src/secret/**", "Grep", "src/**", "allow"),
        ("**/*.pem", "Grep", "**/*", "allow"),
        (&many(".env"), "Read", "x", "allow"),
        (&many(".env"), "Read", ".env", "deny"),
    ] {
        let rules = set(&[&format!("Read({deny})")], &[], &["Read"]);
        let input = match tool {
            "Grep" => json!({ "pattern": "x", "glob": glob }),
            "Glob" => json!({ "pattern": glob }),
            _ => json!({ "file_path": glob }),
        };
        assert_eq!(word(&rules, tool, &input), expected, "{deny} {tool} {glob}");
    }
}

#[test]
fn paths_of_windows_are_judged_in_the_form_of_the_rules() {
    let around = super::paths::on_windows(Around {
        cwd: "C:\\srv\\proj".into(),
        home: Some("C:\\Users\\alice".into()),
        root: "C:\\srv\\proj".into(),
        ..Around::default()
    });
    for (deny, allow, tool, path, expected) in [
        ("Read(./.env)", "Read", "Read", "C:\\srv\\proj\\.env", "deny"),
        ("Read(.env)", "Read", "Read", "C:/srv/proj/.env", "deny"),
        ("Read(.env)", "Read", "Read", "c:\\srv\\PROJ\\.ENV", "deny"),
        ("Read(.env)", "Read", "Read", ".env", "deny"),
        ("Read(.env)", "Read", "Read", "src\\..\\.env", "deny"),
        ("Read(.env)", "Read", "Read", "C:\\srv\\proj\\.env. ", "deny"),
        ("Read(.env)", "Read", "Read", ".env::$DATA", "deny"),
        ("Read(.env)", "Read", "Read", "/c/srv/proj/.env", "deny"),
        ("Read(//c/**/.env)", "Read", "Read", "C:\\Users\\alice\\.env", "deny"),
        ("Read(//**/.env)", "Read", "Read", "C:\\Users\\alice\\.env", "deny"),
        ("Read(~/.ssh/**)", "Read", "Read", "C:\\Users\\alice\\.ssh\\id", "deny"),
        ("Read(.env)", "Read", "Read", "C:\\srv\\proj\\a.txt", "allow"),
        ("Read(.env)", "Read", "Read", "\\\\server\\share\\a.txt", "none"),
        ("", "Edit", "Write", "C:\\srv\\proj\\.claude\\settings.json", "deny"),
        ("", "Edit", "Write", "C:\\srv\\proj\\.git\\config", "none"),
        ("", "Edit(src/**)", "Edit", "C:\\srv\\proj\\src\\a.ts", "allow"),
        ("", "Edit(src/**)", "Edit", "C:\\srv\\proj\\lib\\a.ts", "none"),
    ] {
        let verdict = judge(&set(&[deny], &[], &[allow]), tool, &json!({ "file_path": path }), &around);
        assert_eq!(verdict.decision.word(), expected, "{deny} {allow} {tool} {path}");
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
        ("Edit", ".mvn/jvm.config", "none"),
        ("Edit", "gradle/wrapper/gradle-wrapper.properties", "none"),
        ("Edit(gradle-wrapper.properties)", "gradle/wrapper/gradle-wrapper.properties", "allow"),
        ("Edit", ".mvn/wrapper/maven-wrapper.properties", "none"),
        ("Edit", ".pnp.cjs", "none"),
        ("Edit", ".pnp.loader.mjs", "none"),
        ("Edit", "web/bunfig.toml", "none"),
        ("Edit", ".bunfig.toml", "none"),
        ("Edit", ".bazelrc", "none"),
        ("Edit", ".bazelversion", "none"),
        ("Edit", ".bazeliskrc", "none"),
        ("Edit", "pyrightconfig.json", "none"),
        ("Edit", "/etc/systemd/system/x.service", "none"),
        ("Edit", "/etc/crontab", "none"),
        ("Edit", "/etc/cron.daily/x", "none"),
        ("Edit", "/private/etc/crontab", "none"),
        ("Edit", "/etc/ld.so.preload", "none"),
        ("Edit", "/etc/sudoers.d/x", "none"),
        ("Edit", "/etc/gitconfig", "none"),
        ("Edit", "/etc/zsh/zshrc", "none"),
        ("Edit", "/etc/profile.d/x.sh", "none"),
        ("Edit", "/etc/bash.bashrc", "none"),
        ("Edit", "/etc/codex/requirements.toml", "none"),
        ("Edit", "packaging/etc/systemd/x.service", "allow"),
        ("Edit", "~/.vim/plugin/x.vim", "none"),
        ("Edit", "~/.vimrc", "none"),
        ("Edit", "~/.emacs.d/init.el", "none"),
        ("Edit", "~/.config/direnv/direnvrc", "none"),
        ("Edit", ".claude/worktrees/a/src/x.ts", "allow"),
        ("Edit", ".claude/worktrees/a", "none"),
        ("Edit", ".claude/worktrees/../agents/x.md", "none"),
        ("Edit", ".claude/worktrees/a/.git", "none"),
        ("Edit", ".claude/worktrees/a/.git/hooks/x", "none"),
        ("Edit", ".claude/worktrees/a/.claude/agents/x.md", "none"),
        ("Edit", ".claude/worktrees/a/.claude/settings.json", "deny"),
        ("Edit", "opencode.json", "deny"),
        ("Edit", "~/.config/opencode/opencode.jsonc", "deny"),
        ("Edit", "~/.config/opencode/plugin/phasegate.js", "deny"),
        ("Edit", "~/.config/opencode/plugins/phasegate.js", "deny"),
        ("Edit", "/etc/claude-code/managed-settings.json", "deny"),
        ("Edit", "/etc/claude-code/managed-settings.d/10-hooks.json", "deny"),
        ("Edit", "/Library/Application Support/ClaudeCode/managed-settings.json", "deny"),
        ("Edit", "/Library/Application Support/ClaudeCode/managed-settings.d/a.json", "deny"),
        ("Edit", "/Library/Application Support/ClaudeCode/managed-mcp.json", "none"),
        ("Edit", "~/.local/state/phasegate/log", "deny"),
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
        ("", "domain:example.com", "https://example.com../a", "none"),
        ("", "domain:example.com..", "https://example.com/a", "none"),
        ("domain:example.com", "", "https://example.com../a", "deny"),
        ("", "", "https://example.com../a", "none"),
        ("", "domain:*", "https://a.b.c/", "allow"),
        ("", "domain:*", "http://127.0.0.1/", "none"),
        ("", "domain:*", "http://localhost/", "none"),
        ("", "domain:*", "https://a.b../", "none"),
        ("", "", "http://[3fff::1]/", "none"),
        ("", "", "http://[2001:2::1]/", "none"),
        ("", "", "http://[2001:4860:4860::8888]/", "allow"),
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
        ("mcp__git", "", "mcp__GIT", "mcp__GIT__drop", json!({}), "deny"),
        ("mcp__Git", "", "mcp__git", "mcp__git__drop", json!({}), "deny"),
        ("mcp__git", "", "mcp__GITHUB", "mcp__GITHUB__drop", json!({}), "allow"),
        ("", "mcp__git", "mcp__GIT", "mcp__GIT__drop", json!({}), "ask"),
        ("mcp__DB(mode:write)", "", "mcp__db", "mcp__db__run", json!({ "mode": "write" }), "deny"),
        ("mcp__db(mode:write)", "", "mcp__DB", "mcp__DB__run", json!({ "mode": "read" }), "allow"),
        ("mcp__b__drop", "", "mcp__gw", "mcp__gw__b__drop", json!({}), "none"),
        ("mcp__b", "", "mcp__gw", "mcp__gw__B__drop", json!({}), "none"),
        ("", "mcp__b", "mcp__gw", "mcp__gw__inner__B__drop", json!({}), "none"),
        ("mcp__b__run(mode:write)", "", "mcp__gw", "mcp__gw__b__run", json!({ "mode": "write" }), "none"),
        ("mcp__B(mode:write)", "", "mcp__gw", "mcp__gw__b__run", json!({ "mode": "write" }), "none"),
        ("mcp__b__run(mode:write)", "", "mcp__gw", "mcp__gw__b__run", json!({ "mode": ["write"] }), "none"),
        ("mcp__b__run(mode:write)", "", "mcp__gw", "mcp__gw__b__run", json!({ "mode": "read" }), "allow"),
        ("", "mcp__git__push", "mcp__git", "mcp__git__push", json!({}), "ask"),
        ("mcp__db__run(mode:write)", "", "mcp__db", "mcp__db__run", json!({ "mode": "write" }), "deny"),
        ("mcp__db__run(mode:wr*)", "", "mcp__db", "mcp__db__run", json!({ "mode": "write" }), "deny"),
        ("mcp__db__run(mode:write)", "", "mcp__db", "mcp__db__run", json!({ "mode": "read" }), "allow"),
        ("mcp__db__run(mode:write)", "", "mcp__db", "mcp__db__run", json!({ "mode": ["write"] }), "none"),
        ("mcp__db__run(n:1)", "", "mcp__db", "mcp__db__run", json!({ "n": 1.0 }), "deny"),
        ("Grep(pattern:AKIA*)", "", "Read", "Grep", json!({ "pattern": "AKIA[0-9A-Z]+" }), "deny"),
        ("Grep(pattern:AKIA*)", "", "Read", "Grep", json!({ "pattern": "TODO" }), "allow"),
        ("", "Glob(pattern:*.pem)", "Read", "Glob", json!({ "pattern": "certs/*.pem" }), "ask"),
        ("Skill(skill:deploy)", "", "Skill", "Skill", json!({ "skill": "deploy" }), "deny"),
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
fn commands_of_other_shells_are_denied_by_their_text() {
    for (deny, ask, allow, tool, command, expected) in [
        ("PowerShell(Remove-Item *)", "", "PowerShell", "PowerShell", "Remove-Item x", "deny"),
        ("PowerShell(Remove-Item *)", "", "PowerShell", "PowerShell", "cd a; rm x", "deny"),
        ("PowerShell(Remove-Item *)", "", "PowerShell", "PowerShell", "Get-ChildItem src", "allow"),
        ("PowerShell(Remove-Item *)", "", "PowerShell", "PowerShell", "& ('Remove'+'-Item') x", "none"),
        ("", "PowerShell(git push:*)", "PowerShell", "PowerShell", "git push -f", "ask"),
        ("", "", "PowerShell", "PowerShell", "& $a", "allow"),
        ("", "", "PowerShell(Get-*)", "PowerShell", "Get-Date", "none"),
        ("", "", "PowerShell(Get-Date)", "PowerShell", "Get-Date", "allow"),
        ("Read(.env)", "", "PowerShell", "PowerShell", "Get-Content .env", "deny"),
        ("Read(/Secrets/**)", "", "PowerShell", "PowerShell", "Get-Content Secrets/key", "deny"),
        ("Read(.env)", "", "PowerShell", "PowerShell", &format!("Get-Content .env {}", "x ".repeat(9000)), "none"),
        ("Read(.env)", "", "PowerShell", "PowerShell", &format!("Get-Content {} .env", "x ".repeat(13_000)), "none"),
        (
            "",
            "",
            "PowerShell",
            "PowerShell",
            &format!("Set-Content .claude/settings.json {}", "x ".repeat(13_000)),
            "deny",
        ),
        ("Edit(src/**)", "", "PowerShell", "PowerShell", "Set-Content src/a.rs x", "deny"),
        ("Edit(src/**)", "", "PowerShell", "PowerShell", "Get-Content src/a.rs", "allow"),
        ("Terminal(rm *)", "", "Terminal", "Terminal", "ls; rm x", "deny"),
        ("Monitor(rm *)", "", "Monitor", "Monitor", "cd a && rm x", "deny"),
        ("Bash(rm *)", "", "Monitor", "Monitor", "rm x", "deny"),
        ("Bash(rm *)", "", "Monitor", "Monitor", "tail -f log", "allow"),
        ("", "", "Monitor(tail *)", "Monitor", "tail -f log", "allow"),
        ("", "", "Monitor(tail *)", "Monitor", "tail -f log; rm x", "none"),
        ("", "", "Bash", "Monitor", "tail -f log", "none"),
        ("mcp__sh__run(mode:write)", "", "mcp__sh", "mcp__sh__run", "echo $HOME", "allow"),
        ("mcp__sh__run(rm *)", "", "mcp__sh", "mcp__sh__run", "rm x", "deny"),
    ] {
        let rules = set(&[deny], &[ask], &[allow]);
        let found = word(&rules, tool, &json!({ "command": command }));
        assert_eq!(found, expected, "{deny} {ask} {allow} {tool} {command}");
    }
}

#[test]
fn what_is_kept_from_agents_is_kept_from_every_tool() {
    for (tool, input, expected) in [
        ("mcp__filesystem__write_file", json!({ "path": "/srv/app/.claude/settings.json", "content": "{}" }), "deny"),
        ("mcp__filesystem__read_file", json!({ "path": "/srv/app/.claude/settings.json" }), "allow"),
        ("mcp__filesystem__read_file", json!({ "path": "/state/pg/phasegate.db" }), "deny"),
        ("mcp__filesystem__move_file", json!({ "source": "/srv/app/.phasegate", "destination": "/tmp/x" }), "deny"),
        ("mcp__filesystem__edit_file", json!({ "edits": [{ "filePath": ".codex/hooks.json" }] }), "deny"),
        ("mcp__filesystem__write_file", json!({ "uri": "file:///srv/app/.phasegate/x" }), "deny"),
        ("mcp__filesystem__write_file", json!({ "path": "docs/phasegate.md", "content": "see .phasegate" }), "allow"),
        ("mcp__filesystem__read_file", json!({ "path": "/srv/app/docs/phasegate/README.md" }), "allow"),
        ("mcp__shell__run", json!({ "command": "phasegate approve 42" }), "deny"),
        ("mcp__shell__run", json!({ "command": "phasegate", "args": ["approve", "42"] }), "deny"),
        ("mcp__shell__run", json!({ "cmd": ["phasegate", "approve", "42"] }), "deny"),
        ("mcp__terminal__send_text", json!({ "text": "phasegate approve 42" }), "allow"),
        ("mcp__shell__execute_code", json!({ "code": "system('phasegate approve 42')" }), "deny"),
        ("mcp__shell__run", json!({ "command": "phasegate tasks list" }), "allow"),
        ("mcp__shell__run", json!({ "command": "git commit -m 'describe phasegate approve'" }), "allow"),
        ("mcp__github__create_issue", json!({ "title": ".phasegate", "body": "phasegate approve 42" }), "allow"),
        ("mcp__github__search_code", json!({ "query": ".phasegate" }), "allow"),
        ("mcp__fetch__fetch", json!({ "url": "http://localhost:7777/approve" }), "deny"),
        ("mcp__fetch__fetch", json!({ "url": "http://localhost:3000/approve" }), "allow"),
        ("mcp__phasegate__approve", json!({ "id": 42 }), "deny"),
        ("PowerShell", json!({ "command": "phasegate.exe approve 42" }), "deny"),
        ("PowerShell", json!({ "command": "Set-Content .claude/settings.json '{}'" }), "deny"),
        ("PowerShell", json!({ "command": "Get-Content .claude/settings.json" }), "allow"),
        ("PowerShell", json!({ "command": "ri -Recurse .phasegate" }), "deny"),
        ("PowerShell", json!({ "command": "Stop-Process -Name phasegate" }), "deny"),
        ("Monitor", json!({ "command": "phasegate approve 42" }), "deny"),
        ("CronCreate", json!({ "cron": "* * * * *", "prompt": "run phasegate approve 42" }), "deny"),
        ("CronCreate", json!({ "cron": "* * * * *", "prompt": "sum up what phasegate recorded" }), "allow"),
        ("TodoWrite", json!({ "todos": [{ "content": "run phasegate approve 42" }] }), "allow"),
    ] {
        let named = tool.rsplit_once("__").map_or(tool, |(server, _)| server);
        assert_eq!(word(&set(&[], &[], &[named]), tool, &input), expected, "{tool} {input}");
        let without = if expected == "deny" { "deny" } else { "none" };
        assert_eq!(word(&set(&[], &[], &[]), tool, &input), without, "{tool} {input}, no rule");
    }
    let behind_us = word(&set(&[], &[], &["mcp__phasegate"]), "mcp__phasegate__github__approve_pull", &json!({}));
    assert_eq!(behind_us, "allow");
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
