//! `cargo bench`: the figures of docs/performance.md, each beside a bare reference in the same run. Nothing here asserts.
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

mod hook;
mod http;
mod inside;
mod postgres;
mod raw;
mod stdio;

/// Name, and what it measures.
const PARTS: [(&str, fn()); 9] = [
    ("stdio", stdio::run),
    ("hook", hook::run),
    ("http", http::reads),
    ("http-writes", http::writes),
    ("group", inside::group),
    ("scale", inside::scale),
    ("processes", inside::processes),
    ("postgres", postgres::claimers),
    ("postgres-scale", postgres::scale),
];

fn main() {
    // Worker processes of `processes` are this same program.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|first| first == "worker") {
        return inside::worker(&arguments);
    }
    for (name, run) in PARTS {
        if arguments.is_empty() || arguments.iter().any(|wanted| wanted == name) {
            println!("## {name}");
            run();
        }
    }
}

/// Sorted microseconds, and the share asked for.
pub fn percentile(sorted: &[u64], share: f64) -> u64 {
    let place = ((sorted.len().saturating_sub(1)) as f64 * share) as usize;
    sorted.get(place).copied().unwrap_or(0)
}

pub fn told(mut micros: Vec<u64>) -> String {
    micros.sort_unstable();
    format!(
        "n={} p50={} us p99={} us max={} us",
        micros.len(),
        percentile(&micros, 0.5),
        percentile(&micros, 0.99),
        micros.last().copied().unwrap_or(0)
    )
}
