//! The rules of the house, as tests: who may import whom, how long files and functions may be, what every tool and refusal
//! must have.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use phasegate::domain::refusal::Code;
use phasegate::tools::TOOLS;

/// Module, and what of ours it may import. `main` wires; it is not listed.
const IMPORTS: [(&str, &[&str]); 18] = [
    ("domain", &["domain"]),
    ("policy", &["domain"]),
    ("routing", &["domain"]),
    ("context", &["domain"]),
    ("audit", &["domain"]),
    ("screen", &["domain"]),
    ("notify", &["domain"]),
    ("tools", &["domain"]),
    ("clients", &["domain"]),
    ("sandbox", &["domain"]),
    ("telemetry", &["domain"]),
    ("config", &["domain", "policy", "screen", "notify", "telemetry"]),
    ("store", &["domain", "audit"]),
    (
        "engine",
        &[
            "domain",
            "policy",
            "routing",
            "context",
            "audit",
            "screen",
            "notify",
            "tools",
            "store",
            "config",
            "clients",
            "sandbox",
            "identity",
            "telemetry",
        ],
    ),
    ("identity", &["domain"]),
    ("mcp", &["engine", "tools", "domain", "telemetry"]),
    ("http", &["engine", "tools", "domain", "mcp", "identity", "telemetry"]),
    (
        "cli",
        &[
            "engine",
            "tools",
            "domain",
            "audit",
            "config",
            "context",
            "mcp",
            "http",
            "policy",
            "clients",
            "sandbox",
            "telemetry",
        ],
    ),
];

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 80;
const PACKAGES_MAX: usize = 450;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn text(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

/// Every `crate::name` a source text mentions outside comments.
fn mentioned(source: &str) -> BTreeSet<String> {
    let code = source.lines().map(|line| line.split("//").next().unwrap_or_default());
    let mut found = BTreeSet::new();
    for line in code {
        let mut rest = line;
        while let Some(at) = rest.find("crate::") {
            rest = &rest[at + "crate::".len()..];
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            found.insert(name);
        }
    }
    found
}

fn import_faults(module: &str, allowed: &[&str], source: &str) -> Vec<String> {
    let ours: Vec<&str> = IMPORTS.iter().map(|(module, _)| *module).collect();
    let foreign = mentioned(source).into_iter().filter(|name| ours.contains(&name.as_str()));
    foreign.filter(|name| name != module && !allowed.contains(&name.as_str())).collect()
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let mut faults = Vec::new();
    for (module, allowed) in IMPORTS {
        for file in files(&root().join("src").join(module), "rs") {
            for name in import_faults(module, allowed, &text(&file)) {
                faults
                    .push(format!("{} imports crate::{name}, and {module} may import only {allowed:?}", shown(&file)));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_import_check_sees_a_planted_violation() {
    let planted = "use crate::store::Tx; // crate::engine in a comment is none\n";
    assert_eq!(import_faults("domain", &["domain"], planted), ["store"]);
}

#[test]
fn every_module_of_the_library_stands_in_the_import_table() {
    let listed: BTreeSet<&str> = IMPORTS.iter().map(|(module, _)| *module).collect();
    let source = text(root().join("src/lib.rs"));
    for line in source.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let name = line.split(';').next().unwrap();
        assert!(listed.contains(name), "src/lib.rs has the module `{name}`, which the import table does not know");
    }
}

#[test]
fn the_store_never_looks_inside_an_event() {
    for file in files(&root().join("src/store"), "rs") {
        let source = text(&file);
        let own = ["Event::CommandRefused", "Event::RefusalsRepeated"];
        let looks =
            source.match_indices("Event::").filter(|(at, _)| !own.iter().any(|own| source[*at..].starts_with(own)));
        assert_eq!(looks.count(), 0, "{} names a kind of event; the store writes only refusals itself", shown(&file));
    }
}

#[test]
fn files_and_functions_stay_short() {
    let mut faults = Vec::new();
    for folder in ["src", "tests/it", "benches", "examples"] {
        for file in files(&root().join(folder), "rs") {
            let source = text(&file);
            let lines = source.lines().count();
            if lines > FILE_LINES_MAX {
                faults.push(format!("{} has {lines} lines, the cap is {FILE_LINES_MAX}", shown(&file)));
            }
            for (name, length) in functions(&source) {
                if length > FUNCTION_LINES_MAX {
                    faults.push(format!(
                        "{}: `{name}` has {length} lines, the cap is {FUNCTION_LINES_MAX}",
                        shown(&file)
                    ));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Functions by their first line and the brace that closes them at the same depth, as rustfmt lays them out.
fn functions(source: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = source.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let depth = line.len() - line.trim_start().len();
        let head = line.trim_start().trim_start_matches("pub(super) ").trim_start_matches("pub(crate) ");
        let head = head.trim_start_matches("pub ").trim_start_matches("const ").trim_start_matches("async ");
        // A declaration in a trait has no body, and a macro's function no name yet.
        let Some(rest) = head.strip_prefix("fn ").filter(|rest| !line.ends_with(';') && !rest.starts_with('$')) else {
            continue;
        };
        let close = format!("{}}}", " ".repeat(depth));
        let length = lines[start..].iter().position(|line| **line == close).map_or(1, |end| end + 1);
        found.push((rest.split(['(', '<']).next().unwrap_or_default().to_owned(), length));
    }
    found
}

#[test]
fn every_source_file_says_what_it_is() {
    for folder in ["src", "tests/it", "benches", "examples"] {
        for file in files(&root().join(folder), "rs") {
            let source = text(&file);
            let doc = source.lines().take_while(|line| line.starts_with("//!")).count();
            assert!(
                (1..=4).contains(&doc),
                "{} begins with {doc} lines of `//!`; one to four are wanted",
                shown(&file)
            );
        }
    }
}

#[test]
fn no_test_file_is_forgotten() {
    let main = text(root().join("tests/it/main.rs"));
    for entry in std::fs::read_dir(root().join("tests/it")).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let counts =
            path.is_dir() && path.join("mod.rs").exists() || path.extension().is_some_and(|found| found == "rs");
        if counts && name != "main" {
            assert!(
                main.contains(&format!("mod {name};")),
                "tests/it/main.rs does not name `{name}`, so it never runs"
            );
        }
    }
}

#[test]
fn every_tool_has_a_schema_and_a_line_in_the_docs() {
    let docs = text(root().join("docs/tools.md"));
    let (mut core, mut names) = (0, BTreeSet::new());
    for tool in &TOOLS {
        assert!(names.insert(tool.name), "two tools are called {}", tool.name);
        assert!(
            root().join(format!("schemas/tools/{}.json", tool.name)).exists(),
            "schemas/tools/{}.json is missing",
            tool.name
        );
        assert!(root().join(format!("src/tools/{}.rs", tool.name)).exists(), "{} has no file of its name", tool.name);
        assert!(docs.contains(&format!("`{}`", tool.name)), "docs/tools.md does not speak of {}", tool.name);
        assert!(phasegate::policy::rule::OWN_TOOLS.contains(&tool.name), "policy does not know {} as ours", tool.name);
        core += usize::from(tool.core);
    }
    assert_eq!(core, 5, "five tools are what every client configuration expects");
}

#[test]
fn every_refusal_has_a_page() {
    let pages: BTreeSet<String> = files(&root().join("docs/errors"), "md")
        .iter()
        .map(|page| page.file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "README")
        .collect();
    let codes: BTreeSet<String> = Code::ALL.iter().map(|code| code.word().to_owned()).collect();
    assert_eq!(pages, codes, "docs/errors/ and the refusal codes differ");
}

#[test]
fn the_lock_file_keeps_its_budget() {
    let lock = text(root().join("Cargo.lock"));
    let packages = lock.lines().filter(|line| line.starts_with("name = ")).count();
    assert!(packages <= PACKAGES_MAX, "Cargo.lock holds {packages} packages, the budget is {PACKAGES_MAX}");
    assert!(!lock.contains("git+"), "a dependency comes from git instead of the registry");
}

#[test]
fn every_relative_link_in_the_docs_leads_somewhere() {
    let mut pages = files(&root().join("docs"), "md");
    pages.extend(["README.md", "CONTRIBUTING.md", "AGENTS.md", "CHANGELOG.md"].map(|name| root().join(name)));
    for page in pages {
        let source = text(&page);
        for (at, _) in source.match_indices("](") {
            let target: String = source[at + 2..].chars().take_while(|c| *c != ')' && *c != '#').collect();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let file = page.parent().unwrap().join(&target);
            assert!(file.exists(), "{} links to {target}, which is not there", shown(&page));
        }
    }
}
