//! Good and bad workflow files, with the place of every complaint.

use super::*;
use crate::config::starters::STARTERS;
use crate::domain::canonical::hash;
use crate::domain::workflow::{Enforcement, GateKind, ModelTier, Network, SyntaxFiles};
use serde_json::json;

/// Section 6 of the design, comments left out.
const DESIGN: &str = r#"
version: 1
name: feature
enforcement: strict            # strict | warn (allow, but say and record) | observe (record only)
protect:                       # in every phase, whatever else is allowed
  deny: ["Bash(git push --force *)", "Read(.env)", "Read(~/.ssh/**)"]
unclaimed:                     # an agent without a task
  allow: [Read, Grep, Glob, WebSearch]
budget: { usd: 5.00, tokens: 2000000, minutes: 240 }
phases:
  scout:
    goal: Find out what is there. Change nothing.
    allow: [Read, Grep, Glob, WebFetch, WebSearch, "Bash(git log *)", "Bash(rg *)", "mcp__github__get_*"]
    model: { tier: weak }
    exit:
      - artifact: findings
        schema: { type: object, required: [summary, files] }
    next: [plan]
  plan:
    allow: [Read, Grep, Glob, "Edit(docs/plans/**)"]
    model: { tier: strong }
    exit:
      - artifact: plan
        schema_file: schemas/plan.json
      - approval: { ask: "Build it this way?", from: [lead], within: 72h }
    next: [build, scout]
  build:
    allow: [Read, Grep, Glob, Edit, Write, "Bash(cargo *)", Agent]
    writes: ["src/**", "tests/**", "Cargo.*"]
    sandbox: { network: deny }
    require_approval: ["mcp__github__merge_*"]
    model: { tier: base, raise_on_failure: true }
    exit:
      - command: [cargo, test]
        within: 10m
        fresh: true                        # newer than the last write
      - syntax: changed                    # every changed file parses
    next: [review, plan]
  review:
    allow: [Read, Grep, Glob, "Bash(git diff *)"]
    exit: [ { approval: { ask: "Ship it?", from: [lead], not_by: author } } ]
    next: [done, build]
  done: { end: true }
"#;

fn load(file: &str) -> Result<serde_json::Value, String> {
    match file {
        "schemas/plan.json" => Ok(json!({"type": "object", "required": ["steps"]})),
        "schemas/bad.json" => Ok(json!({"type": "banana"})),
        _ => Err("there is no such file".to_owned()),
    }
}

fn problems(source: &str) -> Vec<Problem> {
    read(source, &mut load).expect_err(source)
}

fn good(source: &str) -> Workflow {
    read(source, &mut load).unwrap_or_else(|problems| panic!("{source}\n{problems:#?}"))
}

/// A workflow of one phase with that in it, in line 5 from column 8 on.
fn phase(inside: &str) -> String {
    format!("version: 1\nname: t\nphases:\n  a: {{\n       {inside},\n    next: [done] }}\n  done: {{ end: true }}\n")
}

#[test]
fn the_example_of_the_design_compiles() {
    let workflow = good(DESIGN);
    assert_eq!(workflow.name, "feature");
    assert_eq!(workflow.enforcement, Enforcement::Strict);
    assert_eq!(workflow.budget.usd, Some(5.0));
    assert_eq!(
        workflow.phases.iter().map(|phase| phase.name.as_str()).collect::<Vec<_>>(),
        ["scout", "plan", "build", "review", "done"]
    );
    let build = workflow.phase("build").unwrap();
    assert_eq!(build.sandbox.network, Network::Deny);
    assert_eq!(build.model.unwrap().tier, ModelTier::Base);
    assert_eq!(build.exit.iter().map(|gate| gate.id.as_str()).collect::<Vec<_>>(), ["command:cargo test", "syntax"]);
    assert_eq!(
        build.exit[0].kind,
        GateKind::Command {
            argv: vec!["cargo".into(), "test".into()],
            within_seconds: 600,
            fresh: true,
            observed: false
        }
    );
    assert_eq!(build.exit[1].kind, GateKind::Syntax { files: SyntaxFiles::Changed });
    let GateKind::Approval(ship) = &workflow.phase("review").unwrap().exit[0].kind else { panic!("no approval") };
    assert_eq!(
        (ship.within_seconds, ship.not_by_author, ship.from.as_slice()),
        (259_200, true, &["lead".to_owned()][..])
    );
    assert_eq!(hash(&workflow), "c4312b8e697e62191b556ebf151402b0c31ec7b1b0719f69931666d73b113899");
}

#[test]
fn the_hash_is_of_the_meaning() {
    let workflow = good(DESIGN);
    let bare: String = DESIGN
        .lines()
        .map(|line| line.split(" #").next().unwrap_or_default().trim_end())
        .filter(|line| !line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect();
    for same in [
        bare,
        DESIGN.replace("5.00", "5"),
        DESIGN.replace("72h", "3d"),
        DESIGN.replace("enforcement: strict", "enforcement: \"strict\""),
        DESIGN.replace("        within: 10m\n", ""),
    ] {
        assert_ne!(same, DESIGN);
        assert_eq!(hash(&good(&same)), hash(&workflow));
    }
    for other in [
        DESIGN.replace("5.00", "6"),
        DESIGN.replace("not_by: author", "level: 1"),
        DESIGN.replace("[done, build]", "[build, done]"),
    ] {
        assert_ne!(hash(&good(&other)), hash(&workflow));
    }
}

#[test]
fn what_is_compiled_survives_its_json() {
    for (name, source) in STARTERS {
        let workflow = good(source);
        let text = serde_json::to_string(&workflow).unwrap();
        let back: Workflow = serde_json::from_str(&text).unwrap();
        assert_eq!(back, workflow, "{name}");
        assert_eq!(hash(&back), hash(&workflow), "{name}");
    }
}

#[test]
fn every_kind_of_gate_is_read() {
    let source = phase(
        "exit: [{artifact: a}, {command: [make, \"\"], within: 2h, fresh: false}, {command: [make, \"\"]}, {syntax: [\"src/**\"]}, {syntax: changed}, \
         {approval: {ask: \"ok?\", from: lead, level: 3, within: 30d}}, {children: done}, {tasks: [x, y]}, {budget: within}, {hook: [check]}]",
    );
    let workflow = good(&source);
    let gates = &workflow.phases[0].exit;
    let ids: Vec<&str> = gates.iter().map(|gate| gate.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "artifact:a",
            "command:make ",
            "command:make #2",
            "syntax",
            "syntax#2",
            "approval",
            "children",
            "tasks",
            "budget",
            "hook:check"
        ]
    );
    assert_eq!(
        gates[1].kind,
        GateKind::Command {
            argv: vec!["make".into(), String::new()],
            within_seconds: 7_200,
            fresh: false,
            observed: false
        }
    );
    assert_eq!(gates[9].kind, GateKind::Hook { argv: vec!["check".into()], within_seconds: 60, fresh: true });
}

#[test]
fn words_of_older_yaml_stay_what_they_are() {
    let source = "version: 1\nname: no\nphases:\n  on: { goal: yes, next: [off], exit: [{tasks: [no, '012']}] }\n  off: { end: true }\n";
    let workflow = good(source);
    assert_eq!(
        (workflow.name.as_str(), workflow.phases[0].name.as_str(), workflow.phases[0].goal.as_str()),
        ("no", "on", "yes")
    );
    assert_eq!(workflow.phases[0].exit[0].kind, GateKind::Tasks { labels: vec!["no".into(), "012".into()] });
}

#[test]
fn nothing_is_expanded() {
    let workflow = good(&phase("goal: \"${HOME}/x $(id) %PATH%\", exit: [{command: [\"${HOME}/x\", $(id)]}]"));
    assert_eq!(workflow.phases[0].goal, "${HOME}/x $(id) %PATH%");
    assert_eq!(workflow.phases[0].exit[0].id, "command:${HOME}/x $(id)");
}

#[test]
fn mistakes_at_the_top_are_found_at_their_place() {
    let rest = "phases: { a: { next: [done] }, done: { end: true } }\n";
    for (top, line, column, path, words) in [
        ("nmae: a\nversion: 1\n", 1, 1, "nmae", "did you mean `name`?"),
        ("version: 1\n", 1, 1, "name", "`name` is missing"),
        ("name: t\n", 1, 1, "version", "`version` is missing"),
        ("version: 2\nname: t\n", 1, 10, "version", "not known"),
        ("version: \"1\"\nname: t\n", 1, 10, "version", "not known"),
        ("version: 1\nname: Feature\n", 2, 7, "name", "not a name"),
        ("version: 1\nname: 012\n", 2, 7, "name", "in quotes"),
        ("version: 1\nname: 12\n", 2, 7, "name", "in quotes"),
        ("version: 1\nname: true\n", 2, 7, "name", "in quotes"),
        ("version: 1\nname: t\nenforcement: strickt\n", 3, 14, "enforcement", "did you mean `strict`?"),
        ("version: 1\nname: t\nuninspectable: allow\n", 3, 16, "uninspectable", "write one of `ask`, `deny`"),
        ("version: 1\nname: t\nscreen: true\n", 3, 9, "screen", "write one of `off`, `flag`, `refuse`"),
        ("version: 1\nname: t\nprotect: { refuse: [] }\n", 3, 12, "protect.refuse", "not known"),
        ("version: 1\nname: t\nprotect: { deny: Read }\n", 3, 18, "protect.deny", "write `[Read]`"),
        (
            "version: 1\nname: t\nunclaimed: { allow: [\"*\"] }\n",
            3,
            22,
            "unclaimed.allow[0]",
            "before a whole server name",
        ),
        ("version: 1\nname: t\nbudget: { usd: 0 }\n", 3, 16, "budget.usd", "above 0"),
        ("version: 1\nname: t\nbudget: { usd: -1 }\n", 3, 16, "budget.usd", "above 0"),
        ("version: 1\nname: t\nbudget: { tokens: 1_000 }\n", 3, 19, "budget.tokens", "read differently"),
        ("version: 1\nname: t\nretry: { attempts: 21 }\n", 3, 20, "retry.attempts", "1 to 20"),
        ("version: 1\nname: t\ndescription: x\n", 3, 1, "description", "say it in a comment"),
    ] {
        let found = problems(&format!("{top}{rest}"));
        assert!(
            found
                .iter()
                .any(|p| (p.line, p.column, p.path.as_str()) == (line, column, path) && format!("{p}").contains(words)),
            "{top}: {found:#?}"
        );
    }
}

#[test]
fn mistakes_in_a_phase_are_found_at_their_place() {
    for (inside, column, path, words) in [
        ("alow: [Read]", 8, "phases.a.alow", "did you mean `allow`?"),
        ("goal: [x]", 14, "phases.a.goal", "text is expected"),
        ("allow: [\"Bash(\"]", 16, "phases.a.allow[0]", "does not end with `)`"),
        ("allow: [Bash(git add, b)]", 16, "phases.a.allow[0]", "in quotes"),
        ("allow: [\"Bash()\"]", 16, "phases.a.allow[0]", "empty brackets"),
        ("allow: [\"\"]", 16, "phases.a.allow[0]", "empty"),
        ("allow: [Read, Read]", 22, "phases.a.allow[1]", "twice"),
        ("allow: [\"WebSearch(query:x)\"]", 16, "phases.a.allow[0]", "deny and ask only"),
        ("allow: [mcp__*]", 16, "phases.a.allow[0]", "before a whole server name"),
        ("allow: ~", 8, "phases.a.allow", "leave the key out"),
        ("writes: [/etc]", 17, "phases.a.writes[0]", "absolute"),
        ("writes: [\"C:x\"]", 17, "phases.a.writes[0]", "absolute"),
        ("writes: [src/../..]", 17, "phases.a.writes[0]", "upwards"),
        ("writes: [~/x]", 17, "phases.a.writes[0]", "home"),
        ("sandbox: { network: no }", 28, "phases.a.sandbox.network", "`allow`, `deny`"),
        ("sandbox: { net: deny }", 19, "phases.a.sandbox.net", "not known"),
        ("sandbox: { confine: everything }", 28, "phases.a.sandbox.confine", "`full`"),
        ("sandbox: { grants: [\"out/*\"] }", 28, "phases.a.sandbox.grants[0]", "pattern"),
        ("sandbox: { network: deny, confine: off }", 34, "phases.a.sandbox.confine", "closed network"),
        ("model: { tier: cheap }", 23, "phases.a.model.tier", "`weak`"),
        (
            "model: { tier: weak, raise_on_failure: yes }",
            47,
            "phases.a.model.raise_on_failure",
            "write `true` or `false`",
        ),
        ("model: {}", 15, "phases.a.model", "`tier` is missing"),
        ("end: off", 13, "phases.a.end", "write `true` or `false`"),
        ("goal: \"a\\u202eb\"", 14, "phases.a.goal", "\\u{202e}"),
        ("goal: \"a\\u3000b\"", 14, "phases.a.goal", "\\u{3000}"),
        ("allow: [\"Bash(ls\u{a0}*)\"]", 16, "phases.a.allow[0]", "\\u{a0}, which looks like a blank"),
    ] {
        check(inside, column, path, words);
    }
}

#[test]
fn what_nobody_sees_is_refused_wherever_it_stands() {
    for hidden in "\u{ad}\u{34f}\u{61c}\u{115f}\u{180e}\u{200b}\u{200c}\u{200d}\u{2800}\u{3164}\u{fe0f}\u{1d173}\u{e0100}\u{2003}\u{3000}"
        .chars()
    {
        for source in [phase(&format!("allow: [\"Bash(rm{hidden} *)\"]")), format!("# a{hidden}b\n{}", phase(""))] {
            let found = problems(&source);
            assert!(found.iter().any(|p| format!("{p}").contains(&crate::domain::visible::code(hidden))), "{found:#?}");
        }
    }
    good(&phase("goal: \"\u{26a0}\u{fe0f} mind \u{1f469}\u{200d}\u{1f4bb}\""));
    // People write this one in prose, often without knowing.
    for prose in ["goal: \"a\u{a0}b\"", "exit: [{approval: {ask: \"Ship\u{a0}it?\"}}]"] {
        good(&phase(prose));
    }
}

fn check(inside: &str, column: usize, path: &str, words: &str) {
    let found = problems(&phase(inside));
    assert!(
        found
            .iter()
            .any(|p| (p.line, p.column, p.path.as_str()) == (5, column, path) && format!("{p}").contains(words)),
        "{inside}: {found:#?}"
    );
}

#[test]
fn mistakes_in_a_gate_are_found_at_their_place() {
    for (inside, column, path, words) in [
        ("exit: { syntax: changed }", 14, "phases.a.exit", "a list is expected"),
        ("exit: [syntax]", 15, "phases.a.exit[0]", "a map is expected"),
        ("exit: [{artefact: x}]", 15, "phases.a.exit[0]", "did you mean `artifact`?"),
        ("exit: [{syntax: changed, children: done}]", 15, "phases.a.exit[0]", "more than one gate"),
        ("exit: [{syntax: changed, fresh: true}]", 33, "phases.a.exit[0].fresh", "not known"),
        ("exit: [{syntax: all}]", 24, "phases.a.exit[0].syntax", "`changed`"),
        ("exit: [{syntax: []}]", 24, "phases.a.exit[0].syntax", "no file"),
        ("exit: [{command: []}]", 25, "phases.a.exit[0].command", "no program"),
        ("exit: [{command: [\"\", x]}]", 26, "phases.a.exit[0].command[0]", "empty"),
        ("exit: [{command: cargo test}]", 25, "phases.a.exit[0].command", "write `[cargo, test]`"),
        ("exit: [{command: [make, -j, 4]}]", 36, "phases.a.exit[0].command[2]", "in quotes: `\"4\"`"),
        ("exit: [{command: [x], within: 10}]", 38, "phases.a.exit[0].within", "no unit"),
        ("exit: [{command: [x], within: 3h}]", 38, "phases.a.exit[0].within", "longer than the 2h"),
        ("exit: [{command: [x], within: 0s}]", 38, "phases.a.exit[0].within", "no time"),
        ("exit: [{command: [x], fresh: no}]", 37, "phases.a.exit[0].fresh", "`true` or `false`"),
        ("exit: [{artifact: a}, {artifact: a}]", 30, "phases.a.exit[1]", "two gates `artifact:a`"),
        ("exit: [{artifact: A B}]", 26, "phases.a.exit[0].artifact", "not a name"),
        ("exit: [{artifact: a, schema: false}]", 37, "phases.a.exit[0].schema", "never pass"),
        ("exit: [{artifact: a, schema: x}]", 37, "phases.a.exit[0].schema", "a schema is a map"),
        ("exit: [{artifact: a, schema: {type: banana}}]", 37, "phases.a.exit[0].schema", "not a valid json schema"),
        (
            "exit: [{artifact: a, schema: {$ref: \"https://x.y/z\"}}]",
            37,
            "phases.a.exit[0].schema",
            "nothing is fetched",
        ),
        (
            "exit: [{artifact: a, schema: {$schema: \"http://json-schema.org/draft-07/schema#\"}}]",
            37,
            "phases.a.exit[0].schema",
            "draft",
        ),
        ("exit: [{artifact: a, schema: {$ref: \"#\"}}]", 37, "phases.a.exit[0].schema", "without end"),
        (
            "exit: [{artifact: a, schema: {$defs: {a: {$ref: \"#/$defs/b\"}, b: {$ref: \"#/$defs/a\"}}}}]",
            37,
            "phases.a.exit[0].schema",
            "without end",
        ),
        ("exit: [{artifact: a, schema: {pattern: \"^(a+)\\\\1$\"}}]", 37, "phases.a.exit[0].schema", "back-references"),
        ("exit: [{artifact: a, schema: {pattern: (?!x)a}}]", 37, "phases.a.exit[0].schema", "look-around"),
        (
            "exit: [{artifact: a, schema: {enum: [yes, no]}}]",
            45,
            "phases.a.exit[0].schema.enum[0]",
            "other readers of yaml",
        ),
        ("exit: [{artifact: a, schema_file: ../x.json}]", 42, "phases.a.exit[0].schema_file", "upwards"),
        ("exit: [{artifact: a, schema_file: /x.json}]", 42, "phases.a.exit[0].schema_file", "absolute"),
        ("exit: [{artifact: a, schema_file: \"https://x/y\"}]", 42, "phases.a.exit[0].schema_file", "not fetched"),
        ("exit: [{artifact: a, schema_file: none.json}]", 42, "phases.a.exit[0].schema_file", "no such file"),
        (
            "exit: [{artifact: a, schema_file: schemas/bad.json}]",
            42,
            "phases.a.exit[0].schema_file",
            "not a valid json schema",
        ),
        ("exit: [{artifact: a, schema: {}, schema_file: schemas/plan.json}]", 41, "phases.a.exit[0]", "both"),
        ("exit: [{approval: {from: [a]}}]", 26, "phases.a.exit[0].approval", "`ask` is missing"),
        ("exit: [{approval: {ask: x, level: 4}}]", 42, "phases.a.exit[0].approval.level", "0 to 3"),
        ("exit: [{approval: {ask: x, within: 31d}}]", 43, "phases.a.exit[0].approval.within", "30d"),
        ("exit: [{approval: {ask: x, not_by: me}}]", 43, "phases.a.exit[0].approval.not_by", "`author`"),
        ("exit: [{approval: {ask: x, from: []}}]", 41, "phases.a.exit[0].approval.from", "nobody could approve"),
        ("exit: [{children: all}]", 26, "phases.a.exit[0].children", "`done`"),
        ("exit: [{tasks: []}]", 23, "phases.a.exit[0].tasks", "no task"),
        ("exit: [{budget: 5}]", 24, "phases.a.exit[0].budget", "`within`"),
    ] {
        check(inside, column, path, words);
    }
}

#[test]
fn phases_that_lead_nowhere_are_refused() {
    for (phases, line, column, words) in [
        ("phases: {}", 3, 9, "no phases"),
        ("phases: [{id: a, next: b}, {id: b, next: a}]", 3, 9, "a map is expected"),
        ("phases: { a: { next: [a2] }, done: { end: true } }", 3, 23, "not a phase of this workflow"),
        ("phases: { a: { next: [b] }, b: { next: [a] } }", 3, 11, "no phase is an end"),
        ("phases: { a: { goal: x }, done: { end: true } }", 3, 11, "has no `next`"),
        ("phases: { a: { next: [done] }, b: { next: [done] }, done: { end: true } }", 3, 32, "cannot be reached"),
        (
            "phases: { a: { next: [b, done] }, b: { next: [c] }, c: { next: [b] }, done: { end: true } }",
            3,
            35,
            "no end can be reached",
        ),
        ("phases: { a: { next: [a, done] }, done: { end: true } }", 3, 23, "names itself"),
        ("phases: { done: { end: true } }", 3, 11, "first phase is an end"),
        ("phases: { a: { next: [done] }, done: { end: true, allow: [Read] } }", 3, 51, "end phase"),
        ("phases: { a: { next: [done] }, done: { end: true, exit: [{children: done}] } }", 3, 51, "end phase"),
        ("phases: { a: { next: [done] }, done: { end: true, next: [a] } }", 3, 51, "end phase"),
        ("phases: { a: { next: [done] }, done: }", 3, 32, "a map is expected"),
        ("phases: { A b: { next: [done] }, done: { end: true } }", 3, 11, "not a name"),
    ] {
        let found = problems(&format!("version: 1\nname: t\n{phases}\n"));
        assert!(
            found.iter().any(|p| (p.line, p.column) == (line, column) && p.message.contains(words)),
            "{phases}: {found:#?}"
        );
    }
}

#[test]
fn limits_hold() {
    let list = |count: usize| (0..count).map(|n| format!("T{n}")).collect::<Vec<_>>().join(", ");
    let gates = |count: usize| (0..count).map(|n| format!("{{artifact: a{n}}}")).collect::<Vec<_>>().join(", ");
    let phases = |count: usize| {
        let middle: String = (0..count - 1).map(|n| format!("  p{n}: {{ next: [p{}] }}\n", n + 1)).collect();
        format!("version: 1\nname: t\nphases:\n{middle}  p{}: {{ end: true }}\n", count - 1)
    };
    good(&phase(&format!("allow: [{}]", list(256))));
    good(&phase(&format!("exit: [{}]", gates(32))));
    good(&phases(64));
    for (source, words) in [
        (phase(&format!("allow: [{}]", list(257))), "257 entries"),
        (phase(&format!("allow: [{}], deny: [{}]", list(200), list(57))), "257 rules"),
        (phase(&format!("exit: [{}]", gates(33))), "33 gates"),
        (phases(65), "65 phases"),
        (phase(&format!("allow: [\"Bash({})\"]", "x".repeat(1_000))), "longer than 1000"),
        (phase(&format!("goal: {}", "x".repeat(4_001))), "longer than 4000"),
    ] {
        let found = problems(&source);
        assert!(found.iter().any(|p| p.message.contains(words)), "{words}: {found:#?}");
    }
}

#[test]
fn all_problems_are_told_in_the_order_of_the_file() {
    let source = "version: 3\nname: X\nphases:\n  a:\n    alow: [Read]\n    exit:\n      - command: []\n      - approval: { level: 9 }\n    next: [b]\n  done: { end: true }\n";
    let found = problems(source);
    let lines: Vec<usize> = found.iter().map(|p| p.line).collect();
    assert_eq!(lines, [1, 2, 4, 5, 7, 8, 8, 9, 10], "{found:#?}");
    assert_eq!(
        found[4].to_string(),
        "phasegate.yaml:7:18: phases.a.exit[0].command: the list is empty, so there is no program to run; \
         write the program and its arguments, such as `[cargo, test]`"
    );
}

#[test]
fn hostile_files_are_refused() {
    for source in [
        "a: &a [*a]\n",
        "x: &x {<<: *x}\n",
        "a: !!python/object/apply:os.system ['id']\n",
        "name: a\n---\nname: b\n",
        "nmae: a\n",
        "phases: [{id: a, next: b}, {id: b, next: a}]\n",
        "phases: [{id: a, next: zz}]\n",
        "cmd: ${HOME}/x $(id)\n",
        "",
        "[]",
        "null",
        "\u{feff}",
        "version: 1\rname: t\n",
        "version: 1\n---\n",
        "a: 1\n...\nb: 2\n",
        "\t",
        "'",
    ] {
        for problem in problems(source) {
            assert!(problem.line >= 1 && problem.column >= 1 && !problem.message.is_empty(), "{source}: {problem}");
            assert!(!problem.message.ends_with('.') && !problem.hint.ends_with('.'), "{problem}");
        }
    }
}

#[test]
fn a_schema_is_read_once_and_only_from_below() {
    let mut asked = Vec::new();
    let result = read(DESIGN, &mut |file| {
        asked.push(file.to_owned());
        load(file)
    });
    assert!(result.is_ok());
    assert_eq!(asked, ["schemas/plan.json"]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_is_read_without_harm(text in "\\PC{0,200}") {
        let _ = read(&text, &mut load);
    }

    #[test]
    fn any_text_of_yaml_characters_is_read_without_harm(text in "[-a-c0-9 :,#&*!|>'\"%@`{}\\[\\]?~.<\n\t]{0,200}") {
        let _ = read(&text, &mut load);
    }

    #[test]
    fn a_damaged_workflow_is_read_without_harm(at in 0..DESIGN.len(), count in 0..40_usize, text in "[-a-z :,&*!|>'\"{}\\[\\]\n]{0,10}") {
        let mut source = DESIGN.to_owned();
        source.replace_range(at..(at + count).min(DESIGN.len()), &text);
        match read(&source, &mut load) {
            Ok(workflow) => proptest::prop_assert_eq!(hash(&workflow).len(), 64),
            Err(problems) => proptest::prop_assert!(!problems.is_empty()),
        }
    }
}

#[test]
fn results_are_made_shorter_only_where_that_can_be_meant() {
    use crate::domain::context::{ReducedResults, Results, TokenBudget};
    let top = |context: &str| {
        format!("version: 1\nname: t\ncontext: {context}\nphases:\n  a: {{ next: [done] }}\n  done: {{ end: true }}\n")
    };
    let reduced = |above, keep, tools: &[&str]| {
        let tools = tools.iter().map(|tool| (*tool).to_owned()).collect();
        Some(Results::Reduced(ReducedResults { above, keep, tools }))
    };
    for (context, wanted) in [
        ("off", Some(Results::Whole)),
        ("{ reduce_above: 4000 }", reduced(4000, TokenBudget::Share(0.5), &[])),
        ("{ reduce_above: 4000, keep: 0.25 }", reduced(4000, TokenBudget::Share(0.25), &[])),
        (
            "{ reduce_above: 4000, keep: 1500, tools: [Bash, \"mcp__github__*\"] }",
            reduced(4000, TokenBudget::Tokens(1500), &["Bash", "mcp__github__*"]),
        ),
    ] {
        assert_eq!(good(&top(context)).context, wanted, "{context}");
    }
    assert_eq!(good(&phase("context: off")).phases[0].context, Some(Results::Whole));
    let before = good(&top("off").replace("context: off\n", ""));
    assert!(!serde_json::to_string(&before).unwrap().contains("context"), "versions from before it keep their hash");
    for (context, path, words) in [
        ("on", "context", "`on` is not possible here"),
        ("{ keep: 0.5 }", "context", "`reduce_above` is missing"),
        ("{ reduce_above: 50 }", "context.reduce_above", "`50` is not possible"),
        ("{ reduce_above: 4000, keep: 1 }", "context.keep", "no share below 1"),
        ("{ reduce_above: 4000, keep: 5000 }", "context.keep", "is more than `reduce_above`"),
        ("{ reduce_above: 4000, tools: [] }", "context.tools", "names no tool"),
        ("{ reduce_above: 4000, tools: [Read] }", "context.tools[0]", "edits need the exact text"),
        ("{ reduce_above: 4000, tools: [Bash, Bash] }", "context.tools[1]", "stands here twice"),
        ("{ reduce_above: 4000, tools: [\"mcp__phasegate__*\"] }", "context.tools[0]", "phasegate's own"),
        ("{ reduce_abov: 4000 }", "context.reduce_abov", "not known"),
    ] {
        let found = problems(&top(context));
        let place = |problem: &Problem| problem.line == 3 && problem.path == path && problem.message.contains(words);
        assert!(found.iter().any(place), "{context}: {found:?}");
    }
}
