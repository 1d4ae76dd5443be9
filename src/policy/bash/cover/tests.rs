//! What is wrapped, launched or filled in, through `judge`: one line each.

mod options;

use super::super::super::judge::{Around, Decision, RuleSet};
use super::super::judge;

fn all(deny: &[&str], allow: &[&str], expected: Decision, commands: &[&str]) {
    let list = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>();
    let (rules, problems) = RuleSet::compile(&list(deny), &[], &list(allow));
    assert!(problems.is_empty(), "{problems:?}");
    let around = Around { cwd: "/p".into(), root: "/p".into(), home: Some("/home/d".into()), ..Around::default() };
    for command in commands {
        let verdict = judge(&rules, command, &around);
        assert_eq!(verdict.decision, expected, "{command}: {}", verdict.reason);
    }
}

#[test]
fn a_wrapper_whose_own_words_may_shift_is_not_looked_through() {
    let commands = [
        "timeout {5,rm,y} ls",
        "x='5 rm y'; timeout $x ls",
        "timeout \"$@\" ls",
        "timeout \"$x\" ls",
        "nice -n {1,rm} ls",
        "stdbuf -o \"${a[@]}\" ls",
        "timeout * ls",
        "env A=$x ls",
        "sudo -u $x ls",
        "find . -exec timeout {} ls \\;",
    ];
    all(&["Bash(rm *)"], &["Bash"], Decision::None, &commands);
    all(&[], &["Bash(ls *)"], Decision::None, &commands);
    all(&[], &["Bash(ls *)"], Decision::Allow, &["timeout 5 ls", "time -p ls", "nice -n 3 ls $((1))", "stdbuf -oL ls"]);
}

#[test]
fn what_is_filled_in_when_it_runs_is_refused() {
    all(
        &["Bash(rm *)", "Bash(git push *)"],
        &["Bash"],
        Decision::None,
        &[
            "bash -c \"echo $x\"",
            "flock f -c \"ls $x\"",
            "watch \"ls $x\"",
            "xargs -I{} sh -c 'echo {}'",
            "xargs -I{} {}",
            "xargs -n1 env",
            "echo push | xargs -n1 git",
            "echo push | xargs -I{} git {}",
            "cat f | parallel",
            "busybox $x",
        ],
    );
    all(
        &["Bash(rm *)", "Bash(git push *)"],
        &["Bash"],
        Decision::Allow,
        &["bash -c 'echo $x'", "xargs -n 1 grep x", "ls | xargs -I{} wc -l {}", "tool -e '(a'", "tool -c 'a > b'"],
    );
}

#[test]
fn what_others_run_is_denied() {
    all(
        &["Bash(rm *)"],
        &["Bash"],
        Decision::Deny,
        &[
            "env - rm x",
            "env -i - A=1 rm x",
            "env -S 'rm\\_x'",
            "env -S 'A=1 rm' x",
            "time -p rm x",
            "time -- rm x",
            "{fd}>f rm x",
            "eval -- 'rm x'",
            "git submodule foreach --recursive 'rm x'",
            "script -c'rm x'",
            "bash --rcfile x -c 'rm x'",
            "rbenv exec rm x",
            "unknown run -- rm x",
            "unknown --exec 'rm x'",
            "cargo watch -s 'rm x'",
        ],
    );
    all(
        &["Bash(rm *)"],
        &["Bash"],
        Decision::Allow,
        &["grep -- rm x", "grep -e 'rm x' f", "gh run rm", "echo -e 'rm x'"],
    );
}

#[test]
fn words_that_may_split_may_be_options() {
    let allow = ["Bash(sort *)", "Bash(printf *)", "Bash(find *)", "Bash(rg *)", "Bash(git log *)", "Bash(cat *)"];
    all(
        &[],
        &allow,
        Decision::None,
        &[
            "sort f$(printf ' -o x')",
            "x=' -delete'; find .$x",
            "x=' --output=x'; git log HEAD$x",
            "rg --{pre,x}=sh a",
            "git log -{1,-output=x}",
            "rg x {a,-pre}",
        ],
    );
    all(
        &[],
        &allow,
        Decision::Allow,
        &["f=a; cat $f", "sort \"a$(printf x)\"", "rg x {src,tests}", "git log -n $((1+2))", "cat a$(printf b)"],
    );
}

#[test]
fn options_count_behind_a_launcher() {
    let allow = [
        "Bash(npx jest *)",
        "Bash(npx eslint *)",
        "Bash(npx vitest *)",
        "Bash(npm exec jest *)",
        "Bash(uv run pytest *)",
        "Bash(yarn jest *)",
        "Bash(pnpm exec eslint *)",
        "Bash(podman *)",
        "Bash(go test *)",
        "Bash(go build *)",
        "Bash(sqlite3 *)",
        "Edit(/out/**)",
    ];
    all(
        &[],
        &allow,
        Decision::None,
        &[
            "npx jest --config x.js",
            "npx jest --global-setup x.js",
            "npm exec jest -- --config x.js",
            "npx eslint --fix .",
            "npx eslint -f ./x.js .",
            "uv run pytest -p evil",
            "yarn jest --config x",
            "pnpm exec eslint --fix",
            "podman container exec c sh",
            "go test -ldflags '-extld x'",
            "go test -args -test.coverprofile=x",
            "sqlite3 db '.sh id'",
            "x='.sh id'; sqlite3 db \"$x\"",
        ],
    );
    all(
        &[],
        &allow,
        Decision::Allow,
        &[
            "npx jest --env=jsdom a",
            "npx eslint -f stylish .",
            "npx vitest run --reporter=verbose",
            "uv run pytest -p no:cacheprovider --co",
            "go test ./... -args -o x",
            "go build -ldflags '-s -w' -o out/app .",
            "sqlite3 ./.data/db '.tables'",
        ],
    );
}

#[test]
fn a_database_may_be_asked_for_rows() {
    let allow = ["Bash(psql *)", "Bash(mysql *)"];
    all(
        &[],
        &allow,
        Decision::Allow,
        &[
            "psql -d app -c 'select count(*) from users where name = $$x$$;'",
            "psql -Atc \"select 1; show server_version\"",
            "psql --command='\\dt+ public.*' app",
            "mysql -e 'show create table users\\G' app",
            "mysql app -e 'EXPLAIN SELECT * FROM t'",
        ],
    );
    all(
        &[],
        &allow,
        Decision::None,
        &[
            "psql -c '\\! id'",
            "psql -c '\\dt `id`'",
            "psql -c '\\echo x'",
            "psql -c 'select 1 \\g |id'",
            "psql -c \"copy (select 1) to program 'id'\"",
            "psql -c \"with x as (select 1) insert into t select 1\"",
            "psql -c \"select pg_read_file('.env')\"",
            "psql -c \"select query_to_xml('x')\"",
            "psql -c 'select 1; drop table t'",
            "psql -c ''",
            "psql -c \"$QUERY\"",
            "psql -c 'select 1' -f x.sql",
            "mysql -e 'select 1 \\! id'",
            "mysql -e 'system id'",
            "mysql -e \"select 1 into outfile '/x'\"",
            "mysql -e \"select load_file('.env')\"",
            "mysql -e 'source x'",
        ],
    );
}

#[test]
fn what_people_run_every_day_is_not_taken_for_what_it_might_hide() {
    let deny = ["Bash(rm *)", "Read(.env)", "Read(~/.ssh/**)"];
    all(
        &deny,
        &["Bash", "Edit"],
        Decision::Allow,
        &[
            "ls f; printf D; for f in data/*.DAT; do cat \"$f\"; done",
            "for f in ~/logs/error-*.log; do grep x \"$f\"; done",
            "export D=/x; cat \"$D/a\"",
            "python3 \"$HOME/scripts/a.py\" && python3 $PWD/b.py",
            "~/.venv/bin/tool --version",
            "source .venv/bin/activate && pytest",
            "npm test | tee log-$(date +%Y%m%d-%H%M%S).txt",
            "mkdir -p out/$(date +%F) && touch x-$$.txt",
            "cargo test -Zbuild-std --target=x",
            "cargo generate-lockfile -Z minimal-versions",
            "pip install --editable .",
            "npm ls --global",
            "cmake -B build -DUSE_GPU=1",
            "./gradlew test -Pfast=true",
            "dotnet build -p:Configuration=Release",
            "golangci-lint run -c .golangci.yml",
            "docker compose -f a.yml logs web",
        ],
    );
    all(
        &deny,
        &["Bash", "Edit"],
        Decision::None,
        &[
            "cat secret$(cat x)",
            "source ../x/bin/activate",
            "source x.sh",
            "cmake -B build -DCMAKE_C_COMPILER=x",
            "cmake -B build -DX=./a",
            "dotnet build -p:CscToolExe=x",
            "cargo test -Z script",
            "read -r d <<< .env; cat $d",
            "printf -v d .env; cat $d",
        ],
    );
    all(&deny, &["Bash"], Decision::Deny, &["cd ~/.ssh && cat $PWD/id_rsa", "cat .env$(date +%s)", "~/bin/rm x"]);
    all(
        &[],
        &["Bash(git *)", "Bash(npm *)", "Bash(docker *)", "Bash(sed *)", "Bash(kubectl *)"],
        Decision::Allow,
        &[
            "git worktree list",
            "npm pkg get name",
            "docker compose -f a.yml -p x down",
            "S=/x; sed -n 1p \"$S/a\"",
            "kubectl apply --dry-run=client -f a.yml",
        ],
    );
}

#[test]
fn what_a_text_writes_and_runs_is_looked_through_for_what_is_denied() {
    let deny = ["Bash(rm *)", "Bash(git push *)", "Read(.env)"];
    all(
        &deny,
        &["Bash", "Edit"],
        Decision::None,
        &[
            "cat > x.sh <<'E'\nrm -rf y\nE\nbash x.sh",
            "echo 'rm -rf y' > y.sh; chmod +x y.sh; ./y.sh",
            "printf 'git push' | tee y.sh && sh y.sh",
            "cat > a.py <<'E'\nprint(open('.env').read())\nE\npython3 a.py",
            "printf 'all:\\n\\trm x\\n' > Makefile && make",
        ],
    );
    all(
        &deny,
        &["Bash", "Edit"],
        Decision::Allow,
        &[
            "cat > a.py <<'E'\nprint('form')\nE\npython3 a.py && git status",
            "echo 'rm x' > notes.md; bash other.sh",
            "bash x.sh",
        ],
    );
}

#[test]
fn links_that_a_text_makes_are_followed() {
    let deny = ["Read(~/.ssh/**)", "Read(.env)"];
    let into = ["ln -s ~ h && cat h/.ssh/id_rsa", "ln -s ~/.ssh d/; cat d/.ssh/id_rsa"];
    all(&deny, &["Bash"], Decision::Deny, &into);
    let protected = ["ln -s .git g && cp x g/hooks/pre-commit", "mkdir a && ln -sfn ../.git a/g; tee a/g/config"];
    all(&[], &["Bash(ln *)", "Bash(cp *)", "Bash(mkdir *)", "Bash(tee *)", "Edit"], Decision::None, &protected);
    all(&deny, &["Bash", "Edit"], Decision::Allow, &["ln -s src s && cat s/a", "ln -s ../b c; cp x c/d"]);
}

#[test]
fn what_bash_evaluates_or_hands_on_is_not_taken_for_a_number() {
    let evaluated = [
        "echo 'a[$(rm x)]'; ((_))",
        "[[ 'a[$(rm x)]' =~ .* ]]; ((BASH_REMATCH))",
        "read <<< 'a[$(x)]'; ((REPLY))",
        "[ $(cat f) -eq 0 ]",
        "n=$(cat f); [ $n -gt 5 ]",
        "read n < f; test $n -gt 5",
    ];
    all(&["Bash(rm *)"], &["Bash"], Decision::None, &evaluated);
    let plain =
        ["n=$(ls | wc -l); [ $n -gt 5 ]", "[ \"$(cat f)\" = x ]", "f=x; [ -f $f ]", "[ $(uname) = Linux ]", "((i++))"];
    all(&["Bash(rm *)"], &["Bash"], Decision::Allow, &plain);
    let given = [
        "for HOME in x; do git status; done",
        "((HOME=1)); git status",
        "((++TMPDIR)); git status",
        "printf -v HOME x; git status",
        "export LD_PRELOAD=x; git status",
        "read HOME < f; git status",
    ];
    let allow = ["Bash(git status *)", "Bash(printf *)", "Bash(export *)", "Bash(read *)"];
    all(&[], &allow, Decision::None, &given);
    all(
        &[],
        &allow,
        Decision::Allow,
        &["for i in 1 2; do git status; done", "export CI=1; git status", "i=0; git status"],
    );
    let by_name = ["setsid rm x", "ionice -c3 rm x", "watch rm x", "flock l rm x"];
    all(&[], &["Bash(setsid rm *)", "Bash(ionice *)", "Bash(watch rm *)", "Bash(flock *)"], Decision::None, &by_name);
}

#[test]
fn texts_for_shells_and_long_texts_are_searched_for_what_is_denied() {
    let long = format!("{}rm x", "true; ".repeat(6_000));
    let texts = [
        "bash <<'E'\nrm x\nE",
        "sh -s <<E\nrm x\nE",
        "sudo bash <<-E\n\trm x\n\tE",
        "bash <<< 'rm x'",
        "cat <<A; bash <<'B'\nls\nA\nrm x\nB",
        long.as_str(),
    ];
    all(&["Bash(rm *)"], &["Bash"], Decision::Deny, &texts);
    let others = ["cat <<A; bash <<'B'\nrm x\nA\nls\nB", "bash <<E\n$x\nE", &"true; ".repeat(6_000)];
    all(&["Bash(rm *)"], &["Bash"], Decision::None, &others);
    all(&["Bash(rm *)"], &["Bash"], Decision::Allow, &["bash x.sh <<'E'\nrm x\nE", "cat <<'E'\nrm x\nE"]);
}

#[test]
fn names_that_stand_for_other_places_are_followed() {
    let read = [
        "cat /dev/fd/../cwd/.env",
        "cat /proc/1/cwd/.env",
        "cd /proc/self/cwd && cat .env",
        "d=.; cat $d/.env",
        "d=sub; cd $d/.. && cat .env",
        "awk 'BEGIN{while((getline l < \".env\")>0) print l}'",
        "ln -s .env e && cat e",
    ];
    all(&["Read(.env)"], &["Bash", "Read"], Decision::Deny, &read);
    let unsure = ["a='.e*'; cat $a", "d=x true; cat $d/.env", "(d=x); cat $d.env", "curl file:///p/.e%6ev"];
    all(&["Read(.env)"], &["Bash", "Read"], Decision::None, &unsure);
    let kept = [
        "cat $(pwd)/.phasegate/log.key",
        "rm \"$D/.claude/settings.json\"",
        "awk 'BEGIN{print \"{}\" > \".claude/settings.json\"}'",
        "env CLAUDE_CONFIG_DIR=/x claude -p hi",
        "export HOME=/x; claude -p hi",
        "codex exec -c 'hooks={}' x",
        "npx -y phasegate@latest approve 4",
        "phasegate.exe approve 4",
        "rm -rf ~",
        "mv \"$HOME\" /tmp/h",
        "mount --bind /dev/null .claude/settings.json",
        "cp /usr/local/bin/phasegate /tmp/x",
    ];
    all(&[], &["Bash", "Read", "Edit"], Decision::Deny, &kept);
    let free = ["rm -rf ~/x", "codex exec -c model=o3 x", "grep -e .phasegate README.md", "docker exec c rm -rf /"];
    all(&[], &["Bash", "Read", "Edit"], Decision::Allow, &free);
}

#[test]
fn what_a_client_or_an_editor_is_told_counts_as_what_it_runs() {
    all(
        &[],
        &["Bash(psql *)", "Bash(gs *)", "Bash(sqlite3 *)", "Bash(vim *)", "Bash(printf *)", "Bash(sh)", "Edit"],
        Decision::None,
        &[
            "psql -o '|touch x' -c 'select 1'",
            "psql --output='|touch x' -c 'select 1'",
            "gs -sOutputFile=%pipe%x f.ps",
            "sqlite3 a \"attach'out'as y\"",
            "sqlite3 a \"ATTACH/**/'out' as y\"",
            "sqlite3 a \"select edit ('x','touch x;:')\"",
            "sqlite3 a \"select edit/**/('x','y')\"",
            "sqlite3 a \"select \\\"edit\\\"('x','y')\"",
            "sqlite3 a \"select readfile('.env')\"",
            "sqlite3 a \"vacuum\ninto 'x'\"",
            "printf ':!touch x\\n' | vim f",
            "printf ':!touch x\\n' | vim -e -",
            "vim f < x",
            "printf x | sh",
            "sh <<< x",
            "sh < x",
        ],
    );
    all(
        &[],
        &["Bash(sqlite3 *)", "Bash(vim *)", "Bash(printf *)", "Bash(psql *)", "Bash(printf x | sh)", "Edit(out/**)"],
        Decision::Allow,
        &[
            "sqlite3 a 'select edit, attached from notes'",
            "printf x | vim -",
            "vim f",
            "psql -o out/x -c 'select 1'",
            "printf x | sh",
        ],
    );
}

#[test]
fn programs_in_other_languages_may_do_what_is_denied() {
    all(
        &["Bash(rm *)"],
        &["Bash"],
        Decision::None,
        &[
            "raku -e 'shell \"x\"'",
            "clisp -x '(x)'",
            "maxima --batch-string='system(\"x\");'",
            "csi -e '(x)'",
            "gforth -e 's\" x\" system'",
            "emacsclient -e '(x)'",
            "emacs --batch --eval '(x)'",
            "swipl -g x",
            "echo x | redis-cli",
        ],
    );
    all(&["Bash(rm *)"], &["Bash"], Decision::Deny, &["git merge-index rm x", "git remote-ext a 'rm x'"]);
}
