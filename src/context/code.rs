//! What units of code are worth for a query: their words, the units beside them, their file, what they define. A test, an
//! example and a comment count for less than the code itself.

use std::collections::HashSet;
use std::ops::Range;

use super::bm25::{Index, Query, at, scaled};
use super::chunks::lines::{defined, file_of};
use super::chunks::{Role, Unit};
use super::question;
use super::terms::{Term, words};

/// Of a unit of code: its own words are the measure of the rest.
/// The units beside it, together: a definition goes on in the next unit.
const BESIDE: f64 = 0.5;
/// The five best units of its file: most of what is needed is in few files.
const FILE: f64 = 1.5;
const FILE_UNITS: usize = 5;
/// The words of the file's path that the query has too.
const PATH_WORDS: f64 = 1.0;
/// The query names the file, in whatever form.
const PATH_NAMED: f64 = 0.5;
/// The query has the name that the unit, or what it is inside of, defines.
const DEFINED: f64 = 0.2;
/// Imports of a file that counts: whoever changes the file needs them.
const IMPORTS: f64 = 0.2;
/// Documentation goes before code does.
const DOC: f64 = -1.0;
/// A test, an example, a script of set-up: it stands beside the product.
const ASIDE: f64 = -0.5;

/// Words and files that a query names.
struct Mentions<'q> {
    names: HashSet<&'q str>,
    paths: Vec<&'q str>,
}

fn mentions(query: &str) -> Mentions<'_> {
    let names = words(query).filter(|word| word.len() > 2).collect();
    let is_path = |c: char| c.is_alphanumeric() || "._-/".contains(c);
    let runs = query.split(|c: char| !is_path(c)).map(|path| path.trim_matches('.'));
    let paths = runs.filter(|path| path.len() > 3 && path.contains(['/', '.']));
    Mentions { names, paths: paths.collect() }
}

struct Section<'t> {
    path: &'t str,
    units: Range<usize>,
}

fn sections<'t>(text: &'t str, units: &[Unit]) -> Vec<Section<'t>> {
    let mut found: Vec<Section<'t>> = Vec::new();
    for (number, unit) in units.iter().enumerate() {
        let same = number > 0 && units.get(number - 1).is_some_and(|before| before.section == unit.section);
        match found.last_mut() {
            Some(last) if same => last.units.end = number + 1,
            _ => {
                let path = unit.text(text).lines().next().and_then(file_of).unwrap_or_default();
                found.push(Section { path, units: number..number + 1 });
            }
        }
    }
    found
}

/// The share of a path's last parts that a mention names: `sphinx.ext.autodoc` and `ext/autodoc/__init__.py` alike.
fn names_path(path: &str, mention: &str) -> f64 {
    let parts = |path: &str| -> Vec<String> {
        let bare = path.trim_end_matches(".py").trim_end_matches(".rs").trim_end_matches(".ts").trim_end_matches(".js");
        let split = bare.split(['/', '.']).filter(|part| !matches!(*part, "" | "__init__" | "mod" | "index"));
        split.map(str::to_owned).collect()
    };
    let (path, mention) = (parts(path), parts(mention));
    let Some(last) = path.last() else { return 0.0 };
    let Some(found) = mention.iter().rposition(|part| part == last) else { return 0.0 };
    let common = mention.iter().take(found + 1).rev().zip(path.iter().rev()).take_while(|(a, b)| a == b).count();
    if common >= 2 {
        1.0
    } else if path.len() == 1 || mention.len() == 1 {
        0.5
    } else {
        0.3
    }
}

/// Files that stand beside a product: tests, documentation, examples, set-up.
fn is_aside(path: &str) -> bool {
    let beside = [
        "test",
        "tests",
        "testing",
        "doc",
        "docs",
        "example",
        "examples",
        "bench",
        "benches",
        "benchmarks",
        "asv_bench",
    ];
    let alone = ["setup.py", "conf.py", "conftest.py", "build.rs"];
    let mut parts = path.split('/').rev();
    let file = parts.next().unwrap_or_default();
    alone.contains(&file)
        || file.starts_with("test_")
        || file.starts_with("example_")
        || parts.any(|part| beside.contains(&part))
}

/// A word of the path that the query says so often counts in full.
const SAID_MAX: f64 = 3.0;

impl Section<'_> {
    /// What a file is worth, for all of its units.
    fn worth(&self, own: &[f64], index: &mut Index, asked: &Query, said: &Mentions<'_>) -> f64 {
        let mut best: Vec<f64> = self.units.clone().map(|unit| at(own, unit)).collect();
        best.sort_by(|a, b| b.total_cmp(a));
        let best = best.iter().take(FILE_UNITS).sum::<f64>() / FILE_UNITS as f64;
        let path = index.query(self.path);
        let weight = |term: &Term| {
            let found = asked.binary_search_by_key(term, |(known, _)| *known).ok().and_then(|at| asked.get(at));
            found.map_or(0.0, |(_, weight)| weight.min(SAID_MAX))
        };
        let words = path.iter().map(|(term, _)| weight(term)).sum::<f64>() / SAID_MAX;
        let named = said.paths.iter().map(|mention| names_path(self.path, mention)).fold(0.0, f64::max);
        let aside = if named < 0.5 && is_aside(self.path) { ASIDE } else { 0.0 };
        FILE * best + PATH_NAMED * named + PATH_WORDS * words.min(1.0) + aside
    }
}

pub fn rank(text: &str, units: &[Unit], index: &mut Index, query: &str) -> Vec<f64> {
    let asked = index.weighted(&question::parts(query));
    let own = scaled(index.scores(&asked));
    let said = mentions(query);
    let mut scores = vec![0.0; units.len()];
    for section in sections(text, units) {
        let file = section.worth(&own, index, &asked, &said);
        for number in section.units.clone() {
            let Some(unit) = units.get(number) else { continue };
            let neighbour = |other: Option<usize>| {
                other.filter(|other| section.units.contains(other)).map_or(0.0, |other| at(&own, other))
            };
            let beside = (neighbour(number.checked_sub(1)) + neighbour(Some(number + 1))) / 2.0;
            let names = unit.names.iter().filter_map(|name| text.get(name.clone()));
            let mut defines = unit.text(text).lines().chain(names).filter_map(|line| defined(line.trim()));
            let defined = if defines.any(|name| said.names.contains(name)) { DEFINED } else { 0.0 };
            let role = match unit.role {
                Role::Doc => DOC,
                Role::Imports => IMPORTS * file,
                Role::FileHead | Role::Code | Role::Text | Role::Blank => 0.0,
            };
            if let Some(score) = scores.get_mut(number) {
                *score = at(&own, number) + BESIDE * beside + file + defined + role;
            }
        }
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::super::chunks::cut;
    use super::super::kinds::Kind;
    use super::*;

    fn best(text: &str, query: &str) -> String {
        let units = cut(text, Kind::Code);
        let mut index = Index::new(text, &units, true);
        let scores = rank(text, &units, &mut index, query);
        let code = (0..units.len()).filter(|unit| units[*unit].role != Role::FileHead);
        let best = code.max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap_or(0);
        units[best].text(text).trim().lines().next().unwrap_or_default().to_owned()
    }

    const TEXT: &str = "# file: app/reader.py\nimport os\n\ndef read_frame(stream):\n    size = stream.next()\n    return size\n\n\
        def close(stream):\n    stream.end()\n    return None\n\n# file: tests/test_reader.py\n\
        def test_read_frame():\n    assert read_frame(x) == 1\n    stream = None\n";

    #[test]
    fn the_definition_that_a_report_names_is_worth_most_and_its_test_less() {
        assert_eq!(best(TEXT, "read_frame fails on an empty stream"), "def read_frame(stream):");
        assert_eq!(best(TEXT, "closing twice fails\n\n`close` in app/reader.py"), "def close(stream):");
    }

    #[test]
    fn a_file_is_found_by_its_path_and_by_its_module() {
        for (mention, found) in [
            ("sphinx/ext/autodoc/__init__.py", 1.0),
            ("sphinx.ext.autodoc", 1.0),
            ("autodoc", 0.5),
            ("other/autodoc.py", 0.3),
            ("autosummary.py", 0.0),
        ] {
            assert!((names_path("sphinx/ext/autodoc/__init__.py", mention) - found).abs() < 1e-9, "{mention}");
        }
    }

    #[test]
    fn what_stands_beside_a_product_is_told_by_its_path() {
        for (path, aside) in [
            ("tests/x.py", true),
            ("src/test_x.py", true),
            ("setup.py", true),
            ("src/testing_tools.py", false),
            ("", false),
        ] {
            assert_eq!(is_aside(path), aside, "{path}");
        }
    }
}
