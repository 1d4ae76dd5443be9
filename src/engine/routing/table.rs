//! The table of models on disk: the user's own in the workspace's state folder, before the one that is built in. Fetching a
//! newer one happens only when a person asks for it.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::notify::http::agent;
use crate::notify::settings::host_of;
use crate::routing::catalogue::{Catalogue, Model};
use crate::routing::litellm;

/// In the state folder.
const FILE: &str = "models.json";
/// Of a table; the largest public one has 3.2 MB.
const TABLE_BYTES_MAX: u64 = 16 << 20;
const CONNECT: Duration = Duration::from_secs(5);
const TOTAL: Duration = Duration::from_secs(30);

pub fn path(state: &Path) -> PathBuf {
    state.join(FILE)
}

#[derive(Debug)]
pub struct Table {
    pub catalogue: Catalogue,
    /// The user's own file is in it, and so many of its models stand before the built-in ones.
    pub own: bool,
    pub own_models: usize,
    /// Why the user's file does not count, though it is there.
    pub problem: Option<String>,
}

impl Table {
    /// Models on the user's own machine that the user's own table names.
    pub fn own_local(&self) -> impl Iterator<Item = &Model> {
        self.catalogue.models.iter().take(self.own_models).filter(|model| model.local)
    }
}

/// Never fails: with a file that cannot be read, the built-in table holds, and the problem is told.
pub fn read(state: &Path) -> Table {
    let built_in = |problem| Table { catalogue: Catalogue::built_in(), own: false, own_models: 0, problem };
    let file = path(state);
    let text = match fs::File::open(&file).map(bounded) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return built_in(None),
        Err(error) => return built_in(Some(format!("{}: {error}", file.display()))),
        Ok(Err(why)) => return built_in(Some(format!("{}: {why}", file.display()))),
        Ok(Ok(text)) => text,
    };
    match serde_json::from_str::<Catalogue>(&text) {
        Err(error) => built_in(Some(format!("{}: {error}", file.display()))),
        Ok(own) => match own.problems().as_slice() {
            [] => {
                let own_models = own.models.len();
                Table { catalogue: own.over(Catalogue::built_in()), own: true, own_models, problem: None }
            }
            problems => built_in(Some(format!("{}: {}", file.display(), problems.join("; ")))),
        },
    }
}

fn bounded(from: impl Read) -> Result<String, String> {
    let mut text = String::new();
    from.take(TABLE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > TABLE_BYTES_MAX {
        return Err(format!("it is larger than {TABLE_BYTES_MAX} bytes"));
    }
    Ok(text)
}

/// From a file, or from an address that begins with `http`.
pub fn fetch(source: &str) -> Result<String, String> {
    if !(source.starts_with("https://") || source.starts_with("http://")) {
        let file = fs::File::open(source).map_err(|error| format!("{source}: {error}"))?;
        return bounded(file).map_err(|why| format!("{source}: {why}"));
    }
    let host = host_of(source).unwrap_or_default();
    let mut response = agent(host, CONNECT, TOTAL).get(source).call().map_err(|error| format!("{host}: {error}"))?;
    let status = response.status().as_u16();
    match status {
        200 => bounded(response.body_mut().as_reader()).map_err(|why| format!("{host}: {why}")),
        300..=399 => {
            Err(format!("{host} answered {status}; redirects are not followed, so give the address it leads to"))
        }
        _ => Err(format!("{host} answered {status}")),
    }
}

/// A new table, and models known here that the source does not have.
#[derive(Debug)]
pub struct Understood {
    pub catalogue: Catalogue,
    pub missing: Vec<String>,
}

/// The form of our own file, or the price list of LiteLLM. `today` such as 2026-11-20.
pub fn understood(text: &str, known: Catalogue, today: &str) -> Result<Understood, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    let understood = match value.as_object() {
        Some(list) if litellm::is_such(&value) => {
            let (catalogue, missing) = litellm::read(list, known, today.to_owned());
            Understood { catalogue, missing }
        }
        _ => {
            let catalogue = serde_json::from_str(text).map_err(|error| format!("it is no table of models: {error}"))?;
            Understood { catalogue, missing: Vec::new() }
        }
    };
    match understood.catalogue.problems().as_slice() {
        [] => Ok(understood),
        problems => Err(problems.join("; ")),
    }
}

/// At once or not at all.
pub fn write(state: &Path, catalogue: &Catalogue) -> Result<PathBuf, String> {
    let file = path(state);
    let draft = state.join(format!("{FILE}.{}", std::process::id()));
    let told = |error: std::io::Error| format!("{}: {error}", file.display());
    let text = serde_json::to_string_pretty(catalogue).map_err(|error| error.to_string())?;
    fs::create_dir_all(state).map_err(told)?;
    fs::write(&draft, text).and_then(|()| fs::rename(&draft, &file)).map_err(told)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_table_is_read_back_and_a_broken_one_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!read(folder.path()).own);
        let mut mine = Catalogue::built_in();
        mine.models.truncate(1);
        mine.models.iter_mut().for_each(|model| model.input = 7.0);
        write(folder.path(), &mine).unwrap();
        let table = read(folder.path());
        assert!(table.own && table.problem.is_none());
        assert_eq!(table.catalogue.find("haiku-5-5").map(|model| model.input), None);
        assert_eq!(table.catalogue.find("claude-haiku-5-5").map(|model| model.input), Some(7.0));
        assert_eq!(table.catalogue.models.len(), Catalogue::built_in().models.len());
        for broken in ["", "{", r#"{"date":"x","source":"","models":[]}"#] {
            std::fs::write(path(folder.path()), broken).unwrap();
            let table = read(folder.path());
            assert!(!table.own && table.problem.is_some(), "{broken}");
            assert_eq!(table.catalogue, Catalogue::built_in());
        }
    }

    #[test]
    fn what_is_no_table_is_told_in_words() {
        let known = Catalogue::built_in;
        for (text, expected) in [
            ("<html>", "not JSON"),
            ("[]", "no table of models"),
            (r#"{"date":"2026-12-01","source":"x","models":[]}"#, "0 entries"),
        ] {
            let told = understood(text, known(), "2026-12-01").unwrap_err();
            assert!(told.contains(expected), "{told}");
        }
        assert!(fetch("/no/such/file").is_err());
    }
}
