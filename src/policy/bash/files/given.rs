//! Files that options of a program name, and those that it sends elsewhere.

use super::Word;

const OF_CONTAINERS: &[&str] = &["--env-file", "-f", "--file", "-v", "--volume", "--secret", "--mount"];

/// Programs of which some options name a file that is read.
const FROM: &[(&str, &[&str])] = &[
    ("date", &["-f", "--file", "-r", "--reference"]),
    ("du", &["--files0-from"]),
    ("docker", OF_CONTAINERS),
    ("podman", OF_CONTAINERS),
    ("nerdctl", OF_CONTAINERS),
    ("dotenv", &["-e", "-f", "--file"]),
    ("docker-compose", &["--env-file", "-f", "--file"]),
    ("helm", &["-f", "--values", "--set-file"]),
    ("gh", &["-f", "-F", "--body-file", "--notes-file", "--env-file", "--input"]),
    ("find", &["-files0-from"]),
    ("git", &["-F", "--file", "-t", "--template", "--contents"]),
    ("make", &["-f", "--file", "--makefile"]),
    ("kubectl", &["--from-file", "--from-env-file", "-f", "--filename"]),
    ("mysql", &["--defaults-file", "--defaults-extra-file"]),
    ("psql", &["-f", "--file"]),
    ("pip", &["-r", "--requirement", "-c", "--constraint"]),
    ("pip3", &["-r", "--requirement", "-c", "--constraint"]),
    ("terraform", &["-var-file", "--var-file", "-backend-config"]),
    ("tree", &["--fromfile", "--fromtabfile", "--gitfile", "--infofile"]),
    ("uv", &["-r", "--requirement", "-c", "--constraint", "--env-file"]),
    ("parallel", &["-a", "--arg-file"]),
    ("xargs", &["-a", "--arg-file"]),
];

/// Those of them that take `--req` for `--requirement`.
const SHORTENING: &[&str] = &["date", "du", "git", "make", "mysql", "parallel", "pip", "pip3", "psql", "xargs"];

/// The values of options that name a file, also behind `name=` and `@`; and what is sent elsewhere.
pub fn given(name: &str, words: &[Word]) -> Vec<Word> {
    let mut found = Vec::new();
    for (_, options) in FROM.iter().filter(|(known, _)| *known == name) {
        for (at, word) in words.iter().enumerate().skip(1) {
            let (option, value) = word.text.split_once('=').map_or((word.text.as_str(), None), |(a, b)| (a, Some(b)));
            let attached =
                options.iter().find_map(|option| word.text.strip_prefix(option).filter(|_| option.len() == 2));
            if let Some(file) = attached.filter(|file| !file.is_empty() && value.is_none()) {
                found.push(Word { text: file.to_owned(), expands: word.expands });
            }
            let is_short_for = |full: &&str| SHORTENING.contains(&name) && option.len() > 3 && full.starts_with(option);
            if !options.contains(&option) && !options.iter().any(is_short_for) {
                continue;
            }
            let value = value.map(str::to_owned).or_else(|| words.get(at + 1).map(|next| next.text.clone()));
            let Some(value) = value else { continue };
            let source =
                || value.split(',').find_map(|part| part.strip_prefix("src=").or(part.strip_prefix("source=")));
            let mounted = if option == "--mount" { source() } else { None };
            let file = mounted.unwrap_or_else(|| value.rsplit(['=', '@']).next().unwrap_or(&value));
            // `docker run -v here:there`
            let file = if matches!(option, "-v" | "--volume") {
                file.split(':').next().unwrap_or(file).to_owned()
            } else {
                file.to_owned()
            };
            let expands = words.get(at + 1).filter(|_| option == word.text).unwrap_or(word).expands;
            found.push(Word { text: file, expands });
        }
    }
    let said: Vec<&str> = words.iter().skip(1).map(|word| word.text.as_str()).take(2).collect();
    let sends = matches!(
        (name, said.as_slice()),
        ("gh", ["gist", "create"] | ["release", "create" | "upload"])
            | ("aws", ["s3", "cp" | "mv" | "sync"])
            | ("gcloud", ["storage", "cp" | "mv" | "rsync"])
    );
    found.extend(words.iter().skip(3).filter(|word| sends && !word.text.starts_with('-')).cloned());
    // The operands of `tar -C folder` lie there.
    let folder = words.iter().position(|word| name == "tar" && word.text == "-C").and_then(|at| words.get(at + 1));
    let below = |folder: &Word, word: &Word| Word {
        text: format!("{}/{}", folder.text, word.text),
        expands: folder.expands.and(word.expands),
    };
    if let Some(folder) = folder {
        found.extend(words.iter().skip(1).filter(|word| !word.text.starts_with('-')).map(|word| below(folder, word)));
    }
    found
}
