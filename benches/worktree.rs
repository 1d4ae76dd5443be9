//! `cargo bench --bench worktree`: looks at work trees of 500 and 50,000 files, beside a bare walk of one thread that
//! lists
//! and stats the same entries. Nothing here asserts.
#![allow(
    clippy::allow_attributes,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark reads clocks, prints, and ends when something is wrong"
)]

use std::fs;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use phasegate::domain::ids::Time;
use phasegate::engine::worktree::{Skip, Snapshot, changes};
use phasegate::policy::effects::violations;

const ROUNDS: usize = 200;

fn main() {
    for (folders, each) in [(25, 20), (2_500, 20)] {
        let base = std::env::temp_dir().join(format!("phasegate-bench-{}", std::process::id()));
        let root = base.join("tree");
        fill(&root, folders, each);
        println!("## {} files in {folders} folders", folders * each);
        measure(&root, &base.join("kept.tree"));
        fs::remove_dir_all(&base).unwrap();
    }
}

fn fill(root: &Path, folders: usize, each: usize) {
    for folder in 0..folders {
        let path = root.join(format!("crate_{}/module_{}/part_{folder}", folder / 100, folder / 10));
        fs::create_dir_all(&path).unwrap();
        for file in 0..each {
            let text = format!("// part {folder}, file {file}\n").repeat(40);
            fs::write(path.join(format!("source_{file}.rs")), text).unwrap();
        }
    }
    // Files of this moment are read again at each look: not what is measured here.
    std::thread::sleep(std::time::Duration::from_millis(100));
}

fn measure(root: &Path, kept: &Path) {
    let skip = Skip::builds();
    let first = Instant::now();
    let mut known = Snapshot::take(root, &skip, None, now()).unwrap();
    println!("first look, some files read: {} us", first.elapsed().as_micros());
    let mut looks = 1;
    while known.read_files() < known.len() && looks < 1_000 {
        let before = known.read_files();
        known = known.again(now()).unwrap();
        looks += 1;
        if known.read_files() == before {
            break;
        }
    }
    println!("{} of {} entries are read after {looks} looks", known.read_files(), known.len());

    let (mut walks, mut looks, mut saves, mut loads, mut compared) = (vec![], vec![], vec![], vec![], vec![]);
    for round in 0..ROUNDS {
        walks.push(timed(|| assert!(bare(root) > 0)));
        let mut after = None;
        looks.push(timed(|| after = Some(known.again(now()).unwrap())));
        let after = after.unwrap();
        saves.push(timed(|| after.save(kept).unwrap()));
        loads.push(timed(|| known = Snapshot::load(kept).unwrap()));
        fs::write(root.join("crate_0/module_0/part_0/source_0.rs"), format!("{round}")).unwrap();
        let changed = known.again(now()).unwrap();
        compared.push(timed(|| {
            let changes = changes(&known, &changed);
            assert_eq!(violations(&changes, Some(&["docs/**".to_owned()]), &[]).len(), 1);
        }));
        known = changed;
    }
    println!("kept file: {} bytes", fs::metadata(kept).unwrap().len());
    for (what, micros) in [
        ("bare walk, one thread", walks),
        ("look", looks),
        ("save", saves),
        ("load", loads),
        ("compare and judge", compared),
    ] {
        println!("{what}: {}", told(micros));
    }
}

/// What a look cannot do without: every name and one `stat` for it.
fn bare(folder: &Path) -> usize {
    let (mut seen, mut open) = (0, vec![folder.to_path_buf()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            seen += 1;
            if entry.metadata().unwrap().is_dir() {
                open.push(entry.path());
            }
        }
    }
    seen
}

fn timed(work: impl FnOnce()) -> u128 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_micros()
}

fn told(mut micros: Vec<u128>) -> String {
    micros.sort_unstable();
    let at = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize];
    format!("n={} p50={} us p99={} us max={} us", micros.len(), at(0.5), at(0.99), at(1.0))
}

fn now() -> Time {
    Time(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64)
}
