//! Options, subcommands and arguments that only look like something else.

use super::*;

#[test]
fn two_dashes_that_may_be_a_value_end_no_options() {
    let allow = |program: &str| format!("Bash({program} *)");
    for command in [
        "find -- . -delete",
        "find . -not -name -- -exec rm {} +",
        "sort --random-source -- -o out f",
        "curl --user-agent -- -o out http://h/",
        "tar --exclude -- --to-command=./x -xf a.tar",
        "ssh -B -- -oProxyCommand=./x h",
        "make -W -- --eval=x",
        "zip -P -- -T -TT ./x a.zip f",
        "vim -i -- -c ':!x' f",
        "git push -o -- --receive-pack=./x origin",
        "go test -run -- -exec ./x .",
        "gcc -I -- -wrapper ./x f.c",
        // A letter that takes no value, or need not.
        "sort -mo out f",
        "make -j --eval=x",
        "php -a -r code",
        "ruby -F -e code",
        "make -j4 -l --eval=x",
        "sed --line 5 'e x'",
    ] {
        let program = command.split(' ').next().unwrap_or_default();
        all(&[], &[&allow(program)], Decision::None, &[command]);
    }
    for command in [
        "git log --oneline -- file",
        "git checkout -- f",
        "git grep -n foo -- src",
        "cargo test -q -- --nocapture",
        "cargo run --release -- --config x",
        "npm run build --silent -- --config x",
        "rg -n -- -o src",
        "rg -e --pre src",
        "sort -t -k2 f",
        "xxd -s -16 f",
        "make -j 4 test",
        "make -j test",
    ] {
        let program = command.split(' ').next().unwrap_or_default();
        all(&[], &[&allow(program)], Decision::Allow, &[command]);
    }
    all(&["Bash(rm *)"], &["Bash"], Decision::None, &["tar --exclude -- --to-command='rm b' -xf a"]);
}

#[test]
fn a_subcommand_is_found_behind_options_that_nobody_here_knows() {
    for command in [
        "git --shallow-file /dev/null log -1 --output=out",
        "git --unknown x log --output=out",
        "npm exe -- evil",
        "npm c set script-shell x",
        "npm conf set script-shell x",
        "npm --unknown x exec -- evil",
        "docker --tlscacert x run img cmd",
        "docker --config ./evil ps",
        "kubectl --unknown x exec p -- rm",
        "kubectl -v 5 cp a b",
        "helm --kube-token x plugin install y",
        "pnpm --reporter silent exec y",
        "yarn --mutex file exec y",
        "gh ext install x",
    ] {
        let program = command.split(' ').next().unwrap_or_default();
        all(&[], &[&format!("Bash({program} *)")], Decision::None, &[command]);
    }
    let pushes = ["git --shallow-file /dev/null push", "git --unknown x push origin"];
    all(&["Bash(git push *)"], &["Bash"], Decision::Deny, &pushes);
    all(&["Bash(npm exec *)"], &["Bash"], Decision::Deny, &["npm x evil", "npm exe -- evil"]);
    let everyday = [
        "git --no-pager log",
        "git -C web config --get user.name",
        "npm --silent run config",
        "docker --context dev compose ps",
        "kubectl -n web get pods",
        "pnpm -r --parallel run exec:all",
        "npm search x",
    ];
    let rules = ["Bash(git *)", "Bash(npm *)", "Bash(docker *)", "Bash(kubectl *)", "Bash(pnpm *)"];
    all(&["Bash(git push *)"], &rules, Decision::Allow, &everyday);
}

#[test]
fn what_is_handed_on_counts_as_said_to_the_other_program() {
    for command in [
        "gcc -Wl,-O1,-plugin,./x.so f.c",
        "gcc -Xlinker -plugin -Xlinker ./x.so f.c",
        "gcc -Wl,-Map=out f.c",
        "gcc -Wa,-aln=out f.c",
        "gcc -aux-info out f.c",
        "gcc -fdump-go-spec=out f.c",
        "nm @file",
        "mypy @file",
        "java @file",
        "ranlib --plugin ./x.so a.a",
        "as --MD out f.s",
        "ld -oout f.o",
        "node --experimental_loader=./x.mjs a.js",
        "node --conditions x -e code",
        "node --cpu-prof a.js",
        "npm init --init-module=./x.js",
        "cargo test -- --logfile out",
        "cargo clippy -- -C linker=x",
        "gh repo clone a/b -- -u ./x",
        "python3 -m json.tool a out",
        "python3 -m cProfile -o out a.py",
        "vim --startuptime out f",
        "vim -V9out f",
        "perl -F/,/,system(1) s.pl f",
        "openssl rand -writerand out 16",
        "zip -lf log a.zip f",
        "tar cgf record a.tar d",
        "awk -W exec p.awk",
        "git merge-index ./x -a",
        "git remote-ext a x",
        "git credential-store --file=out store",
        "git read-tree --index-output=out HEAD",
        "git init-db --template=x",
    ] {
        let program = command.split(' ').next().unwrap_or_default();
        all(&[], &[&format!("Bash({program} *)")], Decision::None, &[command]);
    }
}

#[test]
fn another_folder_of_the_project_is_the_project() {
    for command in [
        "make -C sub test",
        "cmake --build build -j4",
        "ninja -C build",
        "npm --prefix web test",
        "pnpm -C web test",
        "yarn --cwd web test",
        "terraform -chdir=infra plan",
        "mypy --config-file mypy.ini src",
        "ssh-keygen -lf key.pub",
        "vim -V9 f",
        "gcc -Wl,-rpath,/x,--as-needed -Wp,-DX=1 -c f.c",
        "java -jar a.jar @x",
        "java -cp a.jar Main @x",
        "cmake --build ./build",
        "ansible-playbook -i hosts p.yml",
        "pylint --output-format=json src",
        "pandoc -f markdown -t html5 f.md",
        "rsync -a --partial a b",
        "tar --exclude=target -czf a.tgz .",
        "node --test --test-timeout 5 a.js",
        "python3 -m json.tool --indent 2 a",
        "awk -W posix '{print}' f",
    ] {
        let program = command.split(' ').next().unwrap_or_default();
        all(&[], &[&format!("Bash({program} *)")], Decision::Allow, &[command]);
    }
    for command in
        ["make -C /tmp/x test", "make -C ../x", "ninja -C ./../x", "cmake --build $b", "mypy --config-file x src"]
    {
        let program = command.split(' ').next().unwrap_or_default();
        all(&[], &[&format!("Bash({program} *)")], Decision::None, &[command]);
    }
    all(&[], &["Bash(split *)", "Edit(out/**)"], Decision::Allow, &["split -l 10 f out/", "split f out/part-"]);
    all(&[], &["Bash(split *)", "Edit(out/**)"], Decision::None, &["split -l 10 f", "split f out", "split f ../x"]);
}
