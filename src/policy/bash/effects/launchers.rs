//! Where the program begins that a launcher of packages or environments starts: its options count as they do without the
//! launcher.

use super::{Word, base};
use crate::policy::bash::{subcommands, table};

struct Launcher {
    name: &'static str,
    /// The program stands behind one of these; without any, it stands first.
    subs: &'static [&'static str],
    /// A program that is known may also stand where the subcommand does.
    direct: bool,
    /// Options before the program that take the next word.
    valued: &'static [&'static str],
}

const fn behind(name: &'static str, subs: &'static [&'static str], valued: &'static [&'static str]) -> Launcher {
    Launcher { name, subs, direct: false, valued }
}

const LAUNCHERS: &[Launcher] = &[
    behind("bun", &["x", "run"], &["--cwd", "-p", "--package"]),
    behind("bundle", &["exec"], &["--gemfile"]),
    behind("bunx", &[], &["-p", "--package"]),
    behind("composer", &["exec"], &["-d", "--working-dir"]),
    behind("conda", &["run"], &["-n", "--name", "-p", "--prefix", "--cwd"]),
    behind("corepack", &[], &[]),
    behind("hatch", &["run"], &["-e", "--env"]),
    behind("mamba", &["run"], &["-n", "--name", "-p", "--prefix", "--cwd"]),
    behind("micromamba", &["run"], &["-n", "--name", "-p", "--prefix", "--cwd"]),
    behind("npm", &["exec", "x"], &["-p", "--package", "-w", "--workspace", "--prefix"]),
    behind("npx", &[], &["-p", "--package", "-w", "--workspace", "--prefix", "--registry", "--cache", "--loglevel"]),
    behind("pdm", &["run"], &["-p", "--project"]),
    behind("pipenv", &["run"], &[]),
    behind("pipx", &["run"], &["--spec", "--python", "--pip-args"]),
    behind("pixi", &["run"], &["-e", "--environment", "--manifest-path"]),
    Launcher { direct: true, ..behind("pnpm", &["exec", "dlx", "run"], &["--package"]) },
    behind("pnpx", &[], &[]),
    behind("poetry", &["run"], &["-C", "--directory", "-P", "--project"]),
    behind("rye", &["run"], &[]),
    behind(
        "uv",
        &["run"],
        &[
            "--with",
            "--with-editable",
            "--with-requirements",
            "--extra",
            "--group",
            "--only-group",
            "--package",
            "--python",
            "-p",
            "--project",
            "--directory",
            "--env-file",
            "--index",
            "--index-url",
            "--default-index",
        ],
    ),
    behind("uvx", &[], &["--from", "--with", "--python", "-p", "--index", "--index-url", "--default-index"]),
    Launcher { direct: true, ..behind("yarn", &["exec", "dlx", "run"], &["-p", "--package"]) },
];

/// The place of the program that these words start; never the first.
pub fn launched(name: &str, words: &[Word]) -> Option<usize> {
    if table::INTERPRETERS.contains(&name) && name != "bun" {
        return interpreted(name, words);
    }
    let launcher = LAUNCHERS.iter().find(|launcher| launcher.name == name)?;
    if launcher.subs.is_empty() {
        return behind_options(launcher, words, 1);
    }
    subcommands::subcommands(name, words).into_iter().find_map(|(place, sub)| {
        let (place, sub) = match (name, sub) {
            ("yarn", "workspace") => (place + 2, words.get(place + 2)?.text.as_str()),
            ("uv", "tool") => (place + 1, words.get(place + 1)?.text.as_str()),
            _ => (place, sub),
        };
        if launcher.subs.contains(&sub) {
            return behind_options(launcher, words, place + 1);
        }
        (launcher.direct && table::is_known(base(sub))).then_some(place)
    })
}

fn behind_options(launcher: &Launcher, words: &[Word], start: usize) -> Option<usize> {
    let mut at = start;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        if text == "--" {
            return (at + 1 < words.len()).then_some(at + 1);
        }
        if !text.starts_with('-') {
            return Some(at);
        }
        at += if launcher.valued.contains(&text) { 2 } else { 1 };
    }
    None
}

/// `python3 -m pytest`, `node node_modules/jest/bin/jest.js`, `php vendor/bin/phpunit`.
fn interpreted(name: &str, words: &[Word]) -> Option<usize> {
    let module = words.iter().take(4).position(|word| word.text == "-m").filter(|_| name == "python");
    if let Some(at) = module {
        return words.get(at + 1).filter(|word| word.text != "python").map(|_| at + 1);
    }
    let at = words.iter().skip(1).position(|word| !word.text.starts_with('-'))? + 1;
    let script = words.get(at)?.text.as_str();
    (script.contains('/') && table::is_known(program_of(script))).then_some(at)
}

/// The program that a script is, by its file.
fn program_of(path: &str) -> &str {
    let name = base(path);
    [".js", ".cjs", ".mjs", ".phar", ".py"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_behind_a_launcher() {
        for (text, expected) in [
            ("npx jest --config x", Some(1)),
            ("npx -y -p jest jest -c x", Some(4)),
            ("npx", None),
            ("uv run --with x pytest -p evil", Some(4)),
            ("uv pip install x", None),
            ("uv tool run ruff", Some(3)),
            ("poetry run pytest", Some(2)),
            ("yarn jest --config x", Some(1)),
            ("yarn run -- jest", Some(3)),
            ("yarn workspace web jest", Some(3)),
            ("yarn test", None),
            ("pnpm exec eslint --fix", Some(2)),
            ("pnpm --filter web exec eslint", Some(4)),
            ("pnpm install", None),
            ("python -m pytest", Some(2)),
            ("python script.py", None),
            ("node node_modules/.bin/jest -c x", Some(1)),
            ("bundle exec rspec -r x", Some(2)),
        ] {
            let words: Vec<Word> =
                text.split(' ').map(|text| Word { text: text.to_owned(), ..Word::default() }).collect();
            let name = words.first().map_or("", |word| table::listed_name(&word.text));
            assert_eq!(launched(name, &words), expected, "{text}");
        }
    }
}
