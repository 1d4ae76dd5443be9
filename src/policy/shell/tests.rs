//! Tables: a text, and what is read from it. Against bash itself the reader is held by
//! `tests/it/shell_differential.rs`.

use super::read;
use super::script::{Folders, Input, Script, Way};

/// Each command as its words, joined by `|`, an expanded one in `<>`; commands without words are left out.
fn shown(script: &Script) -> Vec<String> {
    let word = |word: &super::script::Word| {
        if word.expands.nothing() { word.text.clone() } else { format!("<{}>", word.text) }
    };
    let command = |command: &super::script::Simple| command.words.iter().map(word).collect::<Vec<_>>().join("|");
    script.commands.iter().map(command).filter(|text| !text.is_empty()).collect()
}

#[track_caller]
fn all_read(table: &[(&str, &[&str])]) {
    for (text, expected) in table {
        let script = read(text);
        assert_eq!(script.opaque, None, "{text:?}");
        assert_eq!(shown(&script), *expected, "{text:?}");
    }
}

#[track_caller]
fn all_refused(table: &[(&str, &str)]) {
    for (text, part) in table {
        let opaque = read(text).opaque.unwrap_or_else(|| panic!("{text:?} was accepted"));
        assert!(opaque.contains(part), "{text:?} was refused as {opaque:?}");
    }
}

#[test]
fn lists_and_pipes_are_read() {
    all_read(&[
        ("git status", &["git|status"]),
        ("a && b || c; d & e\nf", &["a", "b", "c", "d", "e", "f"]),
        ("a|b|&c", &["a", "b", "c"]),
        ("a&b", &["a", "b"]),
        ("a >f&b", &["a", "b"]),
        ("! a && ! b", &["a", "b"]),
        ("time a b | c", &["a|b", "c"]),
        ("time (a; b)", &["a", "b"]),
        ("time -p a b", &["a|b"]),
        ("time -p -- a b", &["a|b"]),
        ("a &&\n\n# why\nb", &["a", "b"]),
        ("a \\\n  -b \\\n  c", &["a|-b|c"]),
        ("a &&\\\nb", &["a", "b"]),
        ("a b\\\nc -f=\\\ng", &["a|bc|-f=g"]),
        ("a b\\\n&& c d\\\n| e f\\\n; g", &["a|b", "c|d", "e|f", "g"]),
        ("a # b; c\nd", &["a", "d"]),
        ("a;#b\nc", &["a", "c"]),
        ("a b#c", &["a|b#c"]),
        ("a;", &["a"]),
        ("  \ta\t b  ", &["a|b"]),
    ]);
}

#[test]
fn compound_commands_are_read() {
    all_read(&[
        ("(a; b)", &["a", "b"]),
        ("( ( a ) )", &["a"]),
        ("{ a; b; }", &["a", "b"]),
        ("if a; then b; elif c; then d; else e; fi", &["a", "b", "c", "d", "e"]),
        ("if(a)then b;fi", &["a", "b"]),
        ("while a; do b; done", &["a", "b"]),
        ("until a\ndo\nb\ndone", &["a", "b"]),
        ("for x in 1 2 3; do a \"$x\"; done", &["a|<$x>"]),
        ("for x; do a; done", &["a"]),
        ("for x\ndo a; done", &["a"]),
        ("for f in *.txt $(ls); do a; done", &["ls", "a"]),
        ("for ((i=0; i<3; i++)); do a; done", &["a"]),
        ("case $x in a) b;; c|d) e;& (f) g;;& *) h; esac", &["b", "e", "g", "h"]),
        ("case \"$1\" in\n  start)\n    a\n    ;;\n  *) b ;;\nesac", &["a", "b"]),
        ("case $(a) in $(b)) c;; esac", &["a", "b", "c"]),
        ("x=$(case a in a) b;; esac)", &["b"]),
        ("[[ -f x && $y == z* ]] && a", &["a"]),
        ("[[ $x =~ ^(a|b)+$ ]] && a", &["a"]),
        ("[[ $x =~ [[:space:]] ]] && a", &["a"]),
        ("[[ \"$(a)\" < b ]]; c", &["a", "c"]),
        ("[[ -f x ]]", &[]),
        ("((i > 1)) && a", &["a"]),
        ("((i++))", &[]),
        ("f() { a; }; f", &["a", "f"]),
        ("f () ( a )\nf", &["a", "f"]),
        ("function f { a; }; f", &["a", "f"]),
        ("function f() { a; } > log", &["a"]),
    ]);
    assert_eq!(read("f() { a; }; g() { b; }").functions, ["f", "g"]);
}

#[test]
fn words_are_resolved() {
    all_read(&[
        ("'a b' \"c d\" e\\ f", &["a b|c d|e f"]),
        ("\"g\"i't' 'x''y'", &["git|xy"]),
        ("\\g\\i\\t a\\;b", &["git|a;b"]),
        (". ./.venv/bin/activate && a", &[".|./.venv/bin/activate", "a"]),
        ("~/bin/a b", &["<~/bin/a>|b"]),
        ("$'\\x72\\155' $'a\\tb' $'it\\'s' $'\\u41'", &["rm|a\tb|it's|A"]),
        ("a \"\\$x \\`b\\` \\\"c\\\" \\\\ \\n\"", &["a|$x `b` \"c\" \\ \\n"]),
        ("a \"b \\\nc\"", &["a|b c"]),
        ("a '$(b)' '`c`'", &["a|$(b)|`c`"]),
        ("a \"cost 5$\" $ a$", &["a|cost 5$|$|a$"]),
        ("a é\u{a0}b x\u{b}y", &["a|é\u{a0}b|x\u{b}y"]),
        ("a {} {b} {c [d e] x~y", &["a|{}|{b}|{c|[d|e]|x~y"]),
        ("a '*' \"?\" \\[b] '{c,d}' '~'", &["a|*|?|[b]|{c,d}|~"]),
        ("a '' \"\"", &["a||"]),
        ("a ! if fi { }", &["a|!|if|fi|{|}"]),
    ]);
}

#[test]
fn what_bash_expands_is_marked() {
    let table: [(&str, &str); 22] = [
        ("$x", "v"),
        ("\"$x\"", "v"),
        ("${x:-y}", "v"),
        ("$(b)", "v"),
        ("`b`", "v"),
        ("$((1+1))", "v"),
        ("<(b)", "v"),
        ("$\"b\"", "v"),
        ("$'\\cA'", "v"),
        ("$'\\q'", "v"),
        ("$'\\0'", "v"),
        ("$'\\xe9'", "v"),
        ("$'\\u00e9'", "v"),
        ("*.rs", "g"),
        ("a?", "g"),
        ("[ab]", "g"),
        ("{a,b}", "b"),
        ("x{1..3}y", "b"),
        ("~/x", "t"),
        ("--x=~/y", "t"),
        ("a:~b", "t"),
        ("{$x,*}", "vgb"),
    ];
    for (word, expected) in table {
        let script = read(&format!("a {word}"));
        assert_eq!(script.opaque, None, "{word}");
        let expands = script.commands.last().unwrap().words[1].expands;
        let marks = [(expands.value, 'v'), (expands.glob, 'g'), (expands.brace, 'b'), (expands.tilde, 't')];
        let marks: String = marks.into_iter().filter(|(on, _)| *on).map(|(_, mark)| mark).collect();
        assert_eq!(marks, expected, "{word}");
    }
}

#[test]
fn commands_inside_words_are_listed() {
    all_read(&[
        ("a $(b $(c))", &["c", "b|<$(c)>", "a|<$(b $(c))>"]),
        ("a \"$(b \"c d\")\"", &["b|c d", "a|<$(b \"c d\")>"]),
        ("a `b \\`c\\``", &["c", "b|<`c`>", "a|<`b \\`c\\``>"]),
        ("a ${x:-$(b)} ${y#`c`}", &["b", "c", "a|<${x:-$(b)}>|<${y#`c`}>"]),
        ("a \"${x:-\"$(b)\"}\"", &["b", "a|<${x:-\"$(b)\"}>"]),
        ("a ${x:-'$(b)'}", &["a|<${x:-'$(b)'}>"]),
        ("a <(b) >(c)", &["b", "c", "a|<<(b)>|<>(c)>"]),
        ("x=$(a) y=`b` c", &["a", "b", "c"]),
        ("x=(1 $(a) [2]=b)", &["a"]),
        ("x[$((1+1))]=$(a)", &["a"]),
        ("a > $(b)", &["b", "a"]),
        ("a <<< $(b)", &["b", "a"]),
        ("[[ $(a) == $(b) ]]", &["a", "b"]),
        ("for x in $(a); do b; done", &["a", "b"]),
        ("export x=$(a)", &["a", "export|<x=$(a)>"]),
        ("local x=(a b)", &["local|<x=(a b)>"]),
        ("a $(b # it's (a comment\n)", &["b", "a|<$(b # it's (a comment\n)>"]),
        ("a $()", &["a|<$()>"]),
    ]);
}

#[test]
fn here_documents_are_read() {
    all_read(&[
        ("cat <<E\n$(a) `b` \\$(c)\nE\nd", &["cat", "a", "b", "d"]),
        ("cat <<'E'\n$(a) `b`\nE\nd", &["cat", "d"]),
        ("cat <<\"E\" | a\n$(b)\nE", &["cat", "a"]),
        ("cat <<\\E\n$(b)\nE", &["cat"]),
        ("cat <<-E\n\t$(a)\n\tE\nb", &["cat", "a", "b"]),
        ("cat <<A <<'B'\n$(a)\nA\n$(b)\nB\nc", &["cat", "a", "c"]),
        ("cat <<E && b\nx\nE", &["cat", "b"]),
        ("a \"$(cat <<'E'\nit's (so\nE\n)\"", &["cat", "a|<$(cat <<'E'\nit's (so\nE\n)>"]),
        ("(cat <<E\nx\nE\n)", &["cat"]),
        ("cat <<E\na \\\nb\nE\nc", &["cat", "c"]),
    ]);
    all_refused(&[
        ("cat <<E\nx", "has no end"),
        ("cat <<E", "no body"),
        ("cat <<$x\nx", "is expanded"),
        ("cat <<E\n$\\\n(a)\nE", "after a `$`"),
        ("cat <<E\na\\\nE\nE", "before the end"),
        ("cat <<E \"a\nb\"\nE", "several lines"),
        ("a $(cat <<E)\nx\nE", "ends outside"),
    ]);
}

#[test]
fn redirections_are_listed() {
    let table: [(&str, &[(Way, &str)]); 16] = [
        ("a > b", &[(Way::Write, "b")]),
        ("a>b c", &[(Way::Write, "b")]),
        ("a 2>>b", &[(Way::Append, "b")]),
        ("a >| b", &[(Way::Write, "b")]),
        ("a &> b", &[(Way::Write, "b")]),
        ("a&>>b", &[(Way::Append, "b")]),
        ("a <> b", &[(Way::ReadWrite, "b")]),
        ("a < b > c", &[(Way::Read, "b"), (Way::Write, "c")]),
        ("a 2>&1 >'b c'", &[(Way::Descriptor, "1"), (Way::Write, "b c")]),
        ("a >&-", &[(Way::Descriptor, "-")]),
        ("a >& b", &[(Way::Write, "b")]),
        ("> b", &[(Way::Write, "b")]),
        ("> b a", &[(Way::Write, "b")]),
        ("{ a; } > b", &[(Way::Write, "b")]),
        ("while a; do b; done < c", &[(Way::Read, "c")]),
        ("a > \"$x\"", &[(Way::Write, "$x")]),
    ];
    for (text, expected) in table {
        let script = read(text);
        assert_eq!(script.opaque, None, "{text:?}");
        let all = script.commands.iter().flat_map(|command| &command.redirections);
        let all: Vec<(Way, &str)> = all.map(|found| (found.way, found.target.text.as_str())).collect();
        assert_eq!(all, expected, "{text:?}");
    }
}

#[test]
fn the_input_of_each_command_is_known() {
    let table: [(&str, &str, Input); 9] = [
        ("a | sh", "sh", Input::Pipe),
        ("a | { b; sh; }", "sh", Input::Pipe),
        ("a | b $(sh)", "sh", Input::Pipe),
        ("sh <<E\nx\nE", "sh", Input::Text),
        ("sh <<< x", "sh", Input::Text),
        ("sh < f", "sh", Input::File),
        ("while a; do sh; done <<E\nx\nE", "sh", Input::Text),
        ("f() { sh; }", "sh", Input::Pipe),
        ("sh | a", "sh", Input::Inherited),
    ];
    for (text, name, expected) in table {
        let script = read(text);
        let command =
            script.commands.iter().find(|command| command.words.iter().any(|word| word.text == name)).unwrap();
        assert_eq!(command.input, expected, "{text:?}");
    }
}

#[test]
fn folders_follow_cd() {
    let known: [(&str, &[&[&str]]); 24] = [
        ("zz", &[&[]]),
        ("cd a && zz", &[&["a"]]),
        ("cd a; zz", &[&["a"], &[]]),
        ("cd a || exit 1; zz", &[&["a"]]),
        ("cd a || { echo no; exit; }; zz", &[&["a"]]),
        ("cd a && cd ../b && zz", &[&["a", "../b"]]),
        ("cd a && cd /b && zz", &[&["/b"]]),
        ("(cd a && b); zz", &[&[]]),
        ("cd a | b; zz", &[&[]]),
        ("cd a & zz", &[&[]]),
        ("x=$(cd a && b); zz", &[&[]]),
        ("cd a || zz", &[&[]]),
        ("if cd a; then zz; fi", &[&["a"]]),
        ("if cd a; then b; fi; zz", &[&["a"], &[]]),
        ("! cd a && zz", &[&[]]),
        ("command cd -- a && zz", &[&["a"]]),
        ("cd a || exit $x; zz", &[&[], &["a"]]),
        ("cd; zz", &[&["~"], &[]]),
        ("cd ~/a && zz", &[&["~/a"]]),
        ("cd \"$HOME/a\" && zz", &[&["~/a"]]),
        ("cd $x; zz", &[&["$x"], &[]]),
        ("cd \"${x}/a\" && zz", &[&["${x}/a"]]),
        ("cat <<E && cd a\n$(zz)\nE", &[&[]]),
        ("cd a && cat <<E && cd b\n$(zz)\nE\nb", &[&["a"]]),
    ];
    let last = |text: &str| read(text).commands.into_iter().rev().find(|one| one.words.iter().any(|w| w.text == "zz"));
    for (text, expected) in known {
        let expected: Vec<Vec<String>> =
            expected.iter().map(|place| place.iter().map(ToString::to_string).collect()).collect();
        assert_eq!(last(text).unwrap().folders, Folders::Known(expected), "{text:?}");
    }
    let unknown = [
        "cd $x/$y; zz",
        "cd '$x'; zz",
        "cd -; zz",
        "cd ~/$x && zz",
        "cd ~/a* && zz",
        "pushd a; zz",
        "for x in a b; do cd c; done; zz",
        "while zz; do cd a; done",
        "f() { cd a; }; f; zz",
        "f() { zz; }; f",
        "cd a; cd b; cd c; cd d; zz",
        "exit; zz",
    ];
    for text in unknown {
        assert_eq!(last(text).unwrap().folders, Folders::Unknown, "{text:?}");
    }
}

#[test]
fn what_is_not_certain_is_refused() {
    all_refused(&[
        ("$x a", "only when it runs"),
        ("${x:-rm} a", "only when it runs"),
        ("{rm,-rf} a", "only when it runs"),
        ("/bin/[r]m a", "only when it runs"),
        ("r\u{200b}m a", "not plain ASCII"),
        ("\u{441}url a", "not plain ASCII"),
        ("a\u{c}b", "not plain ASCII"),
        ("-a b", "a dash"),
        ("'if' a", "reserved word"),
        ("x=1 if a", "reserved word"),
        ("'' a", "empty"),
        ("a\r\nb", "carriage return"),
        ("a\0b", "NUL"),
        ("", "nothing that runs"),
        ("# a", "nothing that runs"),
        ("((a) )", "nested subshell"),
        ("((a); b)", "nested subshell"),
        ("a \"${x-'$(b)'}\"", "single quote"),
        (">&-make x", "copied descriptor"),
        (">& -make x", "copied descriptor"),
        ("time -- -p a", "`time`"),
        ("time -p", "`time`"),
        ("! time a", "`time`"),
        ("!(a)", "`!`"),
        ("x=(1)date y", "glued"),
        ("a --x=<(b)", "inside a word"),
        ("a 99999>x", "number before"),
        ("{fd}>x a", "descriptor"),
        ("a\\\nb", "inside a word"),
        ("a \\$b\\\nc", "inside a word"),
        ("a $b\\\nc", "inside a word"),
        ("a b\\\n#c", "inside a word"),
        ("a b\\\n$c", "inside a word"),
        ("a b\\\n(c)", "inside a word"),
        ("a b=\\\nc", "inside a word"),
        ("export b\\\nc=d", "inside a word"),
        ("a 1\\\n2>b", "inside the number"),
        ("a &\\\n& b", "inside an operator"),
        ("coproc a", "`coproc`"),
        ("select x in a; do b; done", "`select`"),
        ("a $[1]", "old form"),
        ("a ${ b; }", "form that is not known"),
        ("a 'b", "not closed"),
        ("a \"b", "not closed"),
        ("a `b", "not closed"),
        ("a $(b", "not closed"),
        ("a; }", "not expected"),
        ("a; fi", "not expected"),
        ("a )", "missing"),
        ("a (b)", "parenthesis"),
        ("a ||", "missing"),
        ("a | ; b", "missing"),
        ("a ;; b", "missing"),
        ("f() a", "neither"),
        ("cd() { a; }", "takes the place"),
    ]);
    assert!(read(&"( ".repeat(60)).opaque.unwrap().contains("too deeply"));
    assert!(read(&"a ".repeat(9000)).opaque.unwrap().contains("16 KB"));
}

#[test]
fn builtins_that_run_data_are_refused() {
    all_refused(&[
        ("eval a", "`eval`"),
        ("\\eval a", "`eval`"),
        ("builtin eval a", "`eval`"),
        ("command -p . a", "`.`"),
        ("command $x", "only when it runs"),
        ("source a", "`source`"),
        ("exec < f; sh", "`exec`"),
        ("trap 'a' EXIT", "`trap`"),
        ("alias a=b", "`alias`"),
        ("shopt -s extglob", "`shopt`"),
        ("set -k", "`set`"),
        ("set -o posix", "`set`"),
        ("set $x", "`set`"),
        ("hash -p a b", "`hash`"),
        ("mapfile -C a x", "`mapfile`"),
        ("let x=1", "`let`"),
        ("declare -i x=y", "evaluates its value"),
        ("declare -n x=y", "evaluates its value"),
        ("declare $x", "not plain"),
        ("read \"$x\"", "not plain"),
        ("read 'x[$(a)]'", "not plain"),
        ("printf -v 'x[$(a)]' b", "not plain"),
        ("unset 'x[$(a)]'", "not plain"),
        ("test -v 'x[$(a)]'", "not plain"),
        ("[ $(a) b ]", "only when it runs"),
        ("printf \"$(a)\" b", "may be an option"),
        ("PATH=/x a", "`PATH`"),
        ("export PATH=/x", "`PATH`"),
        ("read PATH", "`PATH`"),
        ("for IFS in a; do b; done", "`IFS`"),
        ("a ${PATH:=x}", "`PATH`"),
        ("IFS=x; a", "`IFS`"),
        ("CDPATH=/x; cd a", "`CDPATH`"),
        ("x='$(a)'", "run later"),
        ("a ${!x}", "from a value"),
        ("a ${x@P}", "prompt"),
    ]);
    all_read(&[
        ("set -euo pipefail; a", &["set|-euo|pipefail", "a"]),
        ("set -- a b", &["set|--|a|b"]),
        ("shopt -s nullglob", &["shopt|-s|nullglob"]),
        ("while IFS= read -r x; do a; done", &["read|-r|x", "a"]),
        ("command -v a", &["command|-v|a"]),
        ("exec > log; a", &["exec", "a"]),
        ("export A=\"$x\" B", &["export|<A=$x>|B"]),
        ("printf '%s\\n' \"$x\"", &["printf|%s\\n|<$x>"]),
        ("a \"${!x[@]}\"", &["a|<${!x[@]}>"]),
    ]);
}

#[test]
fn arithmetic_is_read_where_its_values_are_numbers() {
    for text in [
        "a $((i+1))",
        "i=0; while [ $i -lt 3 ]; do i=$((i+1)); done",
        "for i in 1 2 3; do a $((i*2)); done",
        "for i in {1..9}; do a $((i*2)); done",
        "for i in $(seq 1 9); do a $((i*2)); done",
        "x=$(date +%s); a $(( $(date +%s) - x ))",
        "n=$(grep -c a b); [[ $n -gt 0 ]]",
        "n=$(wc -l < f); a $((n / 2))",
        "[[ $? -eq 0 ]] && a",
        "a ${x:1:2} ${x[0]} ${#x} ${x[$i]}",
        "((x = y > 1 ? 2 : 3, z[1] = 16#ff))",
    ] {
        assert_eq!(read(text).opaque, None, "{text:?}");
    }
    all_refused(&[
        ("n='q[x]'; (( n > 1 ))", "value of `n`"),
        ("read n; a $((n))", "value of `n`"),
        ("n=$(a); [[ $n -eq 1 ]]", "value of `n`"),
        ("n=$(a); b ${x:n}", "value of `n`"),
        ("n=$(a); x[n]=1", "value of `n`"),
        ("for n in $(a); do ((n)); done", "value of `n`"),
        ("a $(( $(b) ))", "not known to be a number"),
        ("a $(( $1 ))", "not known to be a number"),
        ("seq() { a; }; for n in $(seq 1); do ((n)); done", "takes the place"),
        ("[[ 'x[$(a)]' -eq 1 ]]", "not a number"),
        ("((PATH = 1))", "`PATH`"),
    ]);
}

#[test]
fn what_cannot_be_read_is_searched() {
    let table = [
        ("foo $(", "rm -rf x", ""),
        ("foo 'bar; ", "rm -rf x", ""),
        ("eval '", "rm -rf x", "'"),
        ("trap \"", "rm -rf x", "\" EXIT"),
        ("if true; then ", "rm -rf x", ""),
        ("$y $(", "rm -rf x", ")"),
        ("coproc ", "rm -rf x", ""),
        ("((a) || ", "rm -rf x", ")"),
        ("foo \"${x-'$(", "rm -rf x", ")'}\""),
        ("a\0; ", "rm -rf x", ""),
    ];
    for (before, inner, after) in table {
        let text = format!("{before}{inner}{after}");
        let script = read(&text);
        assert!(script.opaque.is_some(), "{text:?}");
        assert!(shown(&script).iter().any(|command| command.starts_with("rm|-rf|x")), "{text:?}: {:?}", shown(&script));
    }
    let long = format!("{} rm -rf x", "a;".repeat(10_000));
    assert!(shown(&read(&long)).contains(&"rm|-rf|x".to_owned()));
    let script = read("a > .env '");
    assert_eq!(script.commands[0].redirections[0].target.text, ".env");
}

#[test]
fn openers_without_end_overflow_nothing() {
    const OPENERS: [&str; 23] = [
        "(",
        "( ",
        "$(",
        "\"$(",
        "`",
        "{ ",
        "${x:-",
        "${a[",
        "a[",
        "$((",
        "((",
        "[[ ( ",
        "if ",
        "while a; do ",
        "! ",
        "é$(",
        "case a in a) ",
        "<(",
        "> >(",
        "f() { ",
        "x=(",
        "<<E ",
        "for x in $(",
    ];
    for opener in OPENERS {
        for inner in OPENERS {
            let script = read(&format!("{opener}{inner}").repeat(500));
            // The bracket of the branch closes the array.
            let is_whole = opener == "x=(" && inner.starts_with("case");
            assert_eq!(script.opaque.is_none(), is_whole, "{opener:?} {inner:?}");
        }
    }
}

#[test]
fn a_here_document_in_a_substitution_stands_alone_or_is_not_relied_on() {
    let opaque = |text: &str| read(text).opaque.is_some();
    assert!(!opaque("git commit -m \"$(cat <<'EOF'\nA title\n\nA body; with (signs)\nEOF\n)\""));
    assert!(opaque("a $(if b <<E\nx\nE\nthen c; d; fi)"));
    assert!(opaque("a $(b <<E\nx\nE\nc; d)"));
}
