//! What one choice of a model takes, with nothing known and with thousands of outcomes, and what it takes to begin from what
//! was kept. Nothing here says whether a choice is a good one (`examples/routing_simulation.rs`).
#![allow(
    clippy::allow_attributes,
    clippy::disallowed_methods,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "measures time and prints figures"
)]

use std::hint::black_box;
use std::time::Instant;

use phasegate::domain::ids::AgentName;
use phasegate::domain::preference::Preferences;
use phasegate::domain::route::{ToRoute, Work};
use phasegate::routing::catalogue::Catalogue;
use phasegate::routing::features;
use phasegate::routing::learned::{Learned, Piece, Saved, TIERS};
use phasegate::routing::routed::{Known, routed};

const ROUNDS: usize = 5_000;
const WORDS: [&str; 24] = [
    "parser",
    "deadlock",
    "field",
    "form",
    "scheduler",
    "rename",
    "invoice",
    "token",
    "cache",
    "retry",
    "migration",
    "column",
    "button",
    "layout",
    "error",
    "timeout",
    "session",
    "report",
    "export",
    "index",
    "worker",
    "queue",
    "socket",
    "budget",
];

fn text(seed: usize, bytes: usize) -> String {
    let mut text = String::new();
    let mut at = seed;
    while text.len() < bytes {
        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(WORDS[(at >> 33) % WORDS.len()]);
        text.push_str(&format!("{} ", (at >> 40) % 97));
    }
    text
}

fn taught(outcomes: usize) -> Learned {
    let mut learned = Learned::default();
    for n in 0..outcomes {
        let features = features::read(&text(n, 800));
        let (id, project) = (format!("T-{n}/build"), format!("p{}", n % 7));
        let kind = if n % 2 == 0 { "bugfix" } else { "feature" };
        let piece = Piece { id: &id, project: &project, kind: Some(kind), features: &features };
        learned.tell(&piece, TIERS[n % 3], f64::from(u8::from(n % 5 > 1)), Some(0.1), false);
    }
    learned
}

fn main() {
    let (catalogue, preferences) = (Catalogue::built_in(), Preferences::default());
    for outcomes in [0, 100, 5_000] {
        let learned = taught(outcomes);
        for bytes in [100, 3_000, 20_000] {
            let description = Some(text(7, bytes));
            let work = Work { kind: Some("feature".to_owned()), description, ..Work::default() };
            let asked = ToRoute {
                id: "T-1/build".to_owned(),
                project: "p1".to_owned(),
                work: &work,
                phase: None,
                failed: &[],
                agent: &AgentName("claude-code-a".to_owned()),
                left: None,
                taken_percent: 0,
                automatic: true,
            };
            let client = "claude-code";
            let known =
                Known { learned: &learned, preferences: &preferences, catalogue: &catalogue, local: &[], client };
            let mut took: Vec<f64> = (0..ROUNDS)
                .map(|_| {
                    let began = Instant::now();
                    black_box(routed(black_box(&asked), &known));
                    began.elapsed().as_secs_f64() * 1e6
                })
                .collect();
            took.sort_by(f64::total_cmp);
            let at = |share: f64| took[(share * ROUNDS as f64) as usize];
            println!("{outcomes} outcomes, a text of {bytes} bytes: p50 {:.1} us, p99 {:.1} us", at(0.5), at(0.99));
        }
        let kept = serde_json::to_string(&learned.saved()).unwrap();
        let began = Instant::now();
        let back = serde_json::from_str::<Saved>(&kept).unwrap();
        black_box(Learned::of(back));
        println!(
            "{outcomes} outcomes kept: {} bytes, read in {:.1} ms",
            kept.len(),
            began.elapsed().as_secs_f64() * 1e3
        );
    }
}
