//! Replays 1,000 made-up tasks against the router and prints what each way of choosing a tier costs and solves. The tasks
//! come from a generator with a seed (`made`): projects, kinds of text and difficulty. They are no measurement of models.
#![expect(clippy::indexing_slicing, reason = "tables of three tiers, indexed by tier")]

use std::env;
use std::io::{self, Write};

use phasegate::domain::preference::Scoring;
use phasegate::domain::route::Work;
use phasegate::domain::workflow::ModelTier;
use phasegate::routing::features::{self, Features};
use phasegate::routing::learned::{Piece, TIERS, index};
use phasegate::routing::router::Router;

const TASKS: u64 = 1_000;
const COSTS: [f64; 3] = [0.04, 0.30, 0.75];
/// Where a tier fails as often as it succeeds, on a scale of difficulty from 0 to 10.
const STRENGTH: [f64; 3] = [3.5, 5.0, 6.5];
/// Words of each kind of task, its type, its difficulty, and by how much weak models are better or worse at it.
const KINDS: [(&str, &str, f64, f64); 6] = [
    ("rename the field of a form and its tests", "refactor", 2.0, 0.5),
    ("write documents for the command line flags", "documentation", 1.5, 1.0),
    ("add an endpoint that lists the invoices of an account", "feature", 4.0, 0.0),
    ("find why the scheduler deadlocks under load", "debugging", 6.0, -1.5),
    ("migrate the tables of the ledger without downtime", "migration", 6.5, -0.5),
    ("prove that the merge of two logs keeps its order", "architecture", 9.0, 0.0),
];

struct Task {
    id: String,
    project: String,
    kind: &'static str,
    features: Features,
    solved: [bool; 3],
}

/// splitmix64
struct Dice(u64);

impl Dice {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let a = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let b = (a ^ (a >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((b ^ (b >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn made(seed: u64) -> Vec<Task> {
    let mut dice = Dice(seed);
    let task = |n: u64| {
        let (words, kind, difficulty, suits_weak) = KINDS[(dice.share() * KINDS.len() as f64) as usize];
        let project = (dice.share() * 5.0) as usize;
        // Projects differ in how hard they are, and one of them in how badly weak models do there.
        let hard = difficulty + project as f64 * 0.4 + (dice.share() + dice.share() - 1.0) * 2.0;
        let luck = dice.share();
        let solved = TIERS.map(|tier| {
            let bonus = if tier == ModelTier::Weak { suits_weak - f64::from(u8::from(project == 4)) } else { 0.0 };
            let chance = 1.0 / (1.0 + (hard - STRENGTH[index(tier)] - bonus).exp());
            0.7 * luck + 0.3 * dice.share() < chance
        });
        let text = format!("{words} in project {project}");
        Task { id: format!("T-{n}"), project: format!("p{project}"), kind, features: features::read(&text), solved }
    };
    (0..TASKS).map(task).collect()
}

fn piece(task: &Task) -> Piece<'_> {
    Piece { id: &task.id, project: &task.project, kind: Some(task.kind), features: &task.features }
}

/// Solves and dollars.
type Sum = (u32, f64);

fn one_try(tasks: &[Task], mut tier: impl FnMut(&Task) -> Option<ModelTier>) -> Sum {
    tasks.iter().fold((0, 0.0), |(solves, dollars), task| match tier(task) {
        None => (solves, dollars),
        Some(tier) => (solves + u32::from(task.solved[index(tier)]), dollars + COSTS[index(tier)]),
    })
}

fn by_score(task: &Task) -> Option<ModelTier> {
    Some(
        phasegate::routing::route(
            &Work { kind: Some(task.kind.to_owned()), ..Work::default() },
            None,
            &Scoring::default(),
        )
        .tier,
    )
}

/// The cheapest tier that does it; none where no tier does.
fn oracle(task: &Task) -> Option<ModelTier> {
    TIERS.into_iter().find(|tier| task.solved[index(*tier)])
}

/// Each failure is seen by a gate and comes back; all that is learned is learned on the way.
fn ours(tasks: &[Task], seed: Option<u64>) -> Sum {
    let mut router = Router { explore: seed, ..Router::new(COSTS.map(Some)) };
    let (mut solves, mut dollars) = (0, 0.0);
    for task in tasks {
        let mut failed = Vec::new();
        while let Some(tier) = router.route(&piece(task), &failed).choice.tier {
            let solved = task.solved[index(tier)];
            dollars += COSTS[index(tier)];
            router.outcome(&piece(task), tier, f64::from(u8::from(solved)), Some(COSTS[index(tier)]));
            if solved {
                solves += 1;
                break;
            }
            failed.push(tier);
        }
    }
    (solves, dollars)
}

fn main() -> io::Result<()> {
    let seed = env::args().nth(1).and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let tasks = made(seed);
    let strong = one_try(&tasks, |_| Some(ModelTier::Strong));
    let rows = [
        ("always weak", one_try(&tasks, |_| Some(ModelTier::Weak))),
        ("always base", one_try(&tasks, |_| Some(ModelTier::Base))),
        ("always strong", strong),
        ("static map by type", one_try(&tasks, by_score)),
        ("ours, raised on failure", ours(&tasks, None)),
        ("ours, with exploration", ours(&tasks, Some(seed))),
        ("oracle, one try", one_try(&tasks, oracle)),
    ];
    let mut out = io::stdout().lock();
    writeln!(out, "{TASKS} tasks, seed {seed}")?;
    for (name, (solves, dollars)) in rows {
        let (of_solves, of_cost) = (100.0 * f64::from(solves) / f64::from(strong.0), 100.0 * dollars / strong.1);
        writeln!(out, "{name:<24} {solves:>5} solved ({of_solves:>4.0} %)  ${dollars:>7.2} ({of_cost:>4.0} %)")?;
    }
    Ok(())
}
