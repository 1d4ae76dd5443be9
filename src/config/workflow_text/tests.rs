//! Explain, lint and diff on small workflows. The starters are tested beside them.

use super::{diff::diff, explain::explain, lint::lint};
use crate::config::{starters, workflow_file::read};
use crate::domain::workflow::Workflow;

fn workflow(phases: &str) -> Workflow {
    let source = format!(
        "version: 1\nname: t\nprotect: {{ deny: [\"Read(.env)\"] }}\nphases:\n{phases}\n  done: {{ end: true }}\n"
    );
    read(&source, &mut |_| Err("none".into())).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

#[test]
fn an_explanation_says_what_a_phase_allows_and_wants() {
    let text = explain(&starters::starter("feature").unwrap().unwrap());
    for words in [
        "1. scout (a task starts here)",
        "may write: only `docs/plans/**`",
        "may write: nothing\n",
        "hand in the document `findings` with at least `summary`, `files`, valid against its schema",
        "`lead`, nobody who worked on the task, answers yes to \"Ship it?\" within 3d",
        "then: `done` or `build`",
        "5. done: the end",
        "at most 10.00 US dollars, 480 minutes",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn unwise_workflows_are_warned_about() {
    for (phase, words) in [
        ("allow: [Bash], exit: [{syntax: changed}]", "run any command"),
        ("allow: [Bash], writes: [\"src/**\"], exit: [{syntax: changed}]", "reach the network"),
        ("allow: [\"Bash(python3 *)\"], exit: [{syntax: changed}]", "as wide as `Bash`"),
        ("allow: [\"Bash(/usr/bin/env:*)\"], exit: [{syntax: changed}]", "as wide as `Bash`"),
        ("allow: [\"Bash(sh -c *)\"], exit: [{syntax: changed}]", "as wide as `Bash`"),
        ("allow: [mcp__github], exit: [{syntax: changed}]", "every tool of `github`"),
        ("allow: [Read]", "nothing has to be shown"),
        ("allow: [Read], exit: [{command: [make], fresh: false}]", "even if files were changed"),
        ("allow: [Read], exit: [{command: [bash, -c, \"a; b\"]}]", "to a shell"),
        ("allow: [Read], exit: [{approval: {ask: \"ok?\"}}]", "any approver"),
        ("allow: [Read], exit: [{artifact: a}]", "any document"),
        ("allow: [Read], exit: [{budget: within}]", "sets none"),
        ("allow: [Raed], exit: [{syntax: changed}]", "probably never matches"),
        ("allow: [bash], exit: [{syntax: changed}]", "probably never matches"),
        ("allow: [\"Bash(git log *)\"], ask: [Bash], exit: [{syntax: changed}]", "asks every time"),
        ("allow: [\"Read(.env)\"], exit: [{syntax: changed}]", "denied too"),
        ("allow: [Read], sandbox: {network: deny}, exit: [{syntax: changed}]", "no rule here opens one"),
        (
            "allow: [\"Bash(make *)\"], writes: [src], sandbox: {confine: off}, exit: [{syntax: changed}]",
            "`confine: off`",
        ),
        (
            "allow: [\"Bash(make *)\"], sandbox: {network: deny, sockets: allow}, exit: [{syntax: changed}]",
            "`sockets: allow`",
        ),
        (
            "allow: [\"Bash(make *)\"], sandbox: {grants: [.git/hooks]}, exit: [{syntax: changed}]",
            "the grant `.git/hooks`",
        ),
    ] {
        let warnings = lint(&workflow(&format!("  a: {{ {phase}, next: [done] }}")));
        assert!(warnings.iter().any(|warning| warning.message.contains(words)), "{phase}: {warnings:#?}");
    }
    for phase in [
        "allow: [\"Bash(python3 scripts/check.py *)\", \"Bash(cargo *)\", submit_task, mcp__a__get_*], exit: [{syntax: changed}]",
        "allow: [Bash], writes: [\"src/**\"], sandbox: {network: deny}, exit: [{syntax: changed}]",
        "allow: [\"Bash(make *)\"], writes: [src], sandbox: {grants: [target, ~/.cache/x]}, exit: [{syntax: changed}]",
    ] {
        assert_eq!(lint(&workflow(&format!("  a: {{ {phase}, next: [done] }}"))), [], "{phase}");
    }
    let bare = read(
        "version: 1\nname: t\nphases: { a: { next: [b], exit: [{syntax: changed}] }, b: { end: true } }",
        &mut |_| Err(String::new()),
    );
    assert!(lint(&bare.unwrap()).iter().any(|warning| warning.message.contains("protects nothing")));
}

#[test]
fn a_diff_tells_what_changes_and_what_loosens() {
    let base = "allow: [Read], ask: [Edit], deny: [Write], writes: [src], exit: [{command: [make, test]}, {approval: {ask: ok, from: [a]}}]";
    for (change, lines) in [
        (base.to_owned(), vec![]),
        (base.replace("[Read]", "[Read, \"Bash(npm *)\"]"), vec!["phase a: allow gains `Bash(npm *)` (LOOSENS)"]),
        (base.replace("[Read]", "[]"), vec!["phase a: allow loses `Read`"]),
        (base.replace("deny: [Write]", "deny: []"), vec!["phase a: deny loses `Write` (LOOSENS)"]),
        (base.replace("[Edit]", "[]"), vec!["phase a: ask loses `Edit`"]),
        (base.replace("{command: [make, test]}, ", ""), vec!["gate command:make test removed from a (LOOSENS)"]),
        (
            base.replace("test]}", "test], fresh: false}"),
            vec![
                "gate command:make test of a changes: `make test` succeeds within 10m, even if run before the last write (LOOSENS)",
            ],
        ),
        (
            base.replace("test]}", "test], within: 20m}"),
            vec!["gate command:make test of a changes: `make test` succeeds within 20m, run after the last write"],
        ),
        (
            base.replace("from: [a]", "from: [a, b]"),
            vec!["gate approval of a changes: `a` or `b` answers yes to \"ok\" within 3d (LOOSENS)"],
        ),
        (
            base.replace("from: [a]", "from: [a], not_by: author"),
            vec!["gate approval of a changes: `a`, nobody who worked on the task, answers yes to \"ok\" within 3d"],
        ),
        (base.replace("writes: [src], ", ""), vec!["phase a: writes are no longer bounded to `src` (LOOSENS)"]),
        (
            format!("{base}, context: {{reduce_above: 4000, keep: 0.3, tools: [Bash]}}"),
            vec![
                "phase a: results of the client's tools: what of `Bash` costs more than 4000 tokens is made shorter, to 30 % of it; the rest can be fetched",
            ],
        ),
        (format!("{base}, context: off"), vec!["phase a: results of the client's tools: as they are"]),
        (format!("{base}, sandbox: {{network: deny}}"), vec!["phase a: the network is closed for shell commands"]),
    ] {
        let (old, new) = (
            workflow(&format!("  a: {{ {base}, next: [done] }}")),
            workflow(&format!("  a: {{ {change}, next: [done] }}")),
        );
        assert_eq!(diff(&old, &new), lines, "{change}");
    }
    let (quick, feature) =
        (starters::starter("quick").unwrap().unwrap(), starters::starter("feature").unwrap().unwrap());
    let lines = diff(&feature, &quick);
    assert!(lines.contains(&"phase review removed, with its gate (LOOSENS)".to_owned()), "{lines:#?}");
}
