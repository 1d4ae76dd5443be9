//! Files that a command may write though no table says so, through `judge`: one line each.

use crate::policy::bash::judge;
use crate::policy::judge::{Around, Decision, RuleSet};

fn all(deny: &[&str], expected: Decision, commands: &[&str]) {
    let list = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>();
    let (rules, problems) = RuleSet::compile(&list(deny), &[], &list(&["Bash", "Edit", "Read"]));
    assert!(problems.is_empty(), "{problems:?}");
    let around = Around { cwd: "/p".into(), root: "/p".into(), home: Some("/home/d".into()), ..Around::default() };
    for command in commands {
        let verdict = judge(&rules, command, &around);
        assert_eq!(verdict.decision, expected, "{command}: {}", verdict.reason);
    }
}

#[test]
fn what_holds_agents_is_written_by_no_program() {
    all(
        &[],
        Decision::Deny,
        &[
            "ctags -f .claude/settings.json x",
            "cd .claude && ctags -f settings.json x",
            "for f in .claude/settings.json; do ctags -f $f x; done",
            "ctags -f $(pwd)/.claude/settings.json x",
            "ctags -f .claude/sett*.json x",
            "ln -s .claude c; ctags -f c/settings.json x",
            "sudo ctags -f .claude/settings.json x",
            "gcc -Wl,-Map=.claude/settings.json f.c",
            "curl --stderr .claude/settings.json h",
            "dot -o.claude/settings.json x",
            "python3 -m json.tool a .claude/settings.json",
            "npx prettier --write .claude/settings.json",
            "jq --in-place . .claude/settings.json",
            "tar xf a --one-top-level=.claude",
            "sqlite3 x '.output .claude/settings.json'",
            "git read-tree --index-output=.claude/settings.json HEAD",
            "git worktree add .phasegate/x",
            "git blame --contents=.phasegate/key f",
            "gh release download -D .phasegate",
            "tree --fromfile .phasegate/key",
            "find -files0-from .phasegate/key",
            "while read f; do rm $f; done <<< .phasegate/phasegate.db",
            "printf '.claude/settings.json\\n' | while read f; do rm \"$f\"; done",
            "printf ':!phasegate approvals approve 1\\n' | vim f",
            "git merge-index phasegate approvals approve",
        ],
    );
    all(
        &[],
        Decision::Allow,
        &[
            "cat .claude/settings.json",
            "sudo cat .claude/settings.json",
            "jq --indent 2 . .claude/settings.json",
            "python3 -m json.tool --indent 2 .claude/settings.json",
            "npx prettier --check .claude/settings.json",
            "tar -czf b.tgz -C /p .claude/settings.json",
            "cp .claude/settings.json /tmp/x",
            "git add .claude/settings.json",
            "git commit -m 'mention .claude/settings.json'",
            "gh search code .claude/settings.json",
            "curl https://h/.claude/settings.json",
            "ssh h cat .claude/settings.json",
            "while read f; do echo $f; done <<< .claude/settings.json",
        ],
    );
}

#[test]
fn what_is_denied_may_be_written_by_any_program() {
    let deny = ["Edit(.env)", "Edit(src/keep/**)"];
    all(
        &deny,
        Decision::Deny,
        &[
            "curl --etag-save .env h",
            "git bundle create .env HEAD",
            "git worktree add src/keep/y",
            "csplit -f src/keep/ x 1",
            "pip install -t src/keep x",
            "npm install --prefix src/keep",
            "npx tsc --outDir=src/keep",
            "mktemp -p src/keep",
            "aws s3 cp s3://x .env",
            "openssl rand -writerand .env 1",
            "tar --gzip -cf .env x",
            "unknown --file=.env",
        ],
    );
    all(
        &deny,
        Decision::Allow,
        &[
            "pytest src/keep",
            "gcc -Isrc/keep -o out/x src/keep/x.c",
            "rsync -a --delete src/keep/ out/",
            "git log src/keep",
            "hg add src/keep/x",
            "docker compose --env-file .env up -d",
        ],
    );
    all(&["Edit(**)"], Decision::Allow, &["unknown x"]);
}
