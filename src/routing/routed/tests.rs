//! What is chosen under which bounds and outcomes, as tables.

use ModelTier::{Base, Strong, Weak};

use super::*;
use crate::domain::ids::AgentName;
use crate::domain::route::Work;
use crate::domain::workflow::{Budget, Gate, GateKind, Phase};
use crate::routing::learned::TIERS;

fn taught(rows: [(u32, u32); 3]) -> Learned {
    let mut learned = Learned::default();
    let features = features::read("mend the parser");
    for (tier, (done, tries)) in TIERS.into_iter().zip(rows) {
        for n in 0..tries {
            let id = format!("{tier:?}-{n}");
            let piece = Piece { id: &id, project: "", kind: Some("feature"), features: &features };
            learned.tell(&piece, tier, f64::from(u8::from(n < done)), None, false);
        }
    }
    learned
}

fn phase(verified: bool, model: Option<ModelChoice>) -> Phase {
    let kind = GateKind::Command { argv: vec!["true".to_owned()], within_seconds: 60, fresh: false, observed: false };
    let exit = verified.then(|| Gate { id: "test".to_owned(), kind }).into_iter().collect();
    Phase { name: "build".to_owned(), model, exit, ..Phase::default() }
}

struct Case {
    learned: Learned,
    preferences: Preferences,
    phase: Phase,
    failed: Vec<ModelTier>,
    left: Option<f64>,
    taken: u64,
    work: Work,
    client: &'static str,
    local: Vec<Model>,
}

impl Case {
    fn new(rows: [(u32, u32); 3]) -> Self {
        let work = Work {
            kind: Some("feature".to_owned()),
            description: Some("mend the parser".to_owned()),
            ..Work::default()
        };
        Self {
            learned: taught(rows),
            preferences: Preferences::default(),
            phase: phase(false, None),
            failed: Vec::new(),
            left: None,
            taken: 0,
            work,
            client: "claude-code",
            local: Vec::new(),
        }
    }

    fn routed(&self) -> Option<Route> {
        let catalogue = Catalogue::built_in();
        let asked = ToRoute {
            id: "T-1/build".to_owned(),
            project: String::new(),
            work: &self.work,
            phase: Some(&self.phase),
            failed: &self.failed,
            agent: &AgentName("a".to_owned()),
            left: self.left.map(|usd| Budget { usd: Some(usd), ..Budget::default() }),
            taken_percent: self.taken,
            automatic: true,
        };
        routed(
            &asked,
            &Known {
                learned: &self.learned,
                preferences: &self.preferences,
                catalogue: &catalogue,
                local: &self.local,
                client: self.client,
            },
        )
    }

    #[track_caller]
    fn gives(&self, tier: ModelTier, says: &str) {
        let route = self.routed().unwrap();
        assert_eq!(route.tier, tier, "{}", route.reason);
        assert!(route.reason.contains(says), "{} says not {says}", route.reason);
    }
}

const NONE: [(u32, u32); 3] = [(0, 0); 3];

#[test]
fn without_outcomes_the_score_chooses_and_nothing_is_claimed() {
    let case = Case::new(NONE);
    case.gives(Base, "by complexity; one try about $");
    assert!(case.routed().unwrap().alternatives.iter().all(|one| one.success.is_none()));
    Case::new([(3, 3), (3, 3), (3, 3)]).gives(Base, "by complexity; one try");
    let verified = Case { phase: phase(true, None), ..Case::new(NONE) };
    verified.gives(Base, "by complexity");
    for (failed, tier, says) in [
        (vec![Weak], Base, "weak failed at it"),
        (vec![Weak, Base], Strong, "base failed at it"),
        (vec![Strong], Strong, "no stronger tier is left; a person"),
    ] {
        Case { failed, ..Case::new(NONE) }.gives(tier, says);
    }
}

#[test]
fn outcomes_speak_where_enough_are_known_of_the_cheaper_tier() {
    for (rows, verified, tier, says) in [
        ([(1, 12), (11, 12), (3, 3)], false, Base, "outcomes here say nothing else"),
        ([(12, 12), (12, 12), (3, 3)], false, Weak, "12 of 12 such tasks done by it, 12 of 12 by base"),
        ([(0, 12), (1, 12), (12, 12)], false, Strong, "base does such work too seldom"),
        ([(3, 3), (18, 18), (2, 2)], false, Base, "outcomes here say nothing else"),
        ([(20, 22), (0, 0), (0, 0)], false, Weak, "base gains too little for its price"),
        ([(5, 12), (8, 12), (3, 3)], true, Weak, "failures are seen here"),
    ] {
        Case { phase: phase(verified, None), ..Case::new(rows) }.gives(tier, says);
    }
    let known = Case::new([(1, 12), (11, 12), (3, 3)]).routed().unwrap();
    assert!(known.alternatives.iter().all(|one| one.success.is_some()), "{known:?}");
}

#[test]
fn the_phase_comes_first() {
    let model = |raise_on_failure| Some(ModelChoice { tier: Weak, raise_on_failure });
    let rows = [(0, 30), (30, 30), (30, 30)];
    for (raises, failed, tier, says) in [
        (true, vec![], Weak, "the phase sets weak"),
        (true, vec![Weak], Base, "weak failed, and the phase raises it"),
        (true, vec![Weak, Base], Strong, "base failed, and the phase raises it"),
        (false, vec![Weak], Weak, "the phase sets weak"),
    ] {
        Case { phase: phase(true, model(raises)), failed, left: Some(0.0), ..Case::new(rows) }.gives(tier, says);
    }
}

#[test]
fn a_tier_that_the_budget_cannot_pay_is_out() {
    let usd = |tier| {
        let route = Case::new(NONE).routed().unwrap();
        route.alternatives.iter().find(|one| one.tier == tier).map(|one| one.usd).unwrap()
    };
    let (weak, base) = (usd(Weak), usd(Base));
    let case = |left: f64| Case { left: Some(left), ..Case::new(NONE) };
    case(base * 1.1).gives(Base, "by complexity");
    case(base * 0.9).gives(Weak, "by complexity it were base, which does not fit");
    case(weak * 0.5).gives(Weak, "the cheapest, since $0.0");
    Case { failed: vec![Weak], ..case(base * 0.9) }.gives(Weak, "a stronger one costs more than the $");
}

#[test]
fn near_the_end_of_a_budget_a_dearer_tier_must_gain_something() {
    let even = [(0, 12), (11, 12), (12, 12)];
    for (rows, taken, failed, tier) in [
        (even, 79, vec![Weak], Strong),
        ([(0, 12), (9, 12), (12, 12)], 80, vec![Weak], Strong),
        ([(11, 12), (12, 12), (12, 12)], 95, vec![], Weak),
    ] {
        let case = Case { taken, failed, ..Case::new(rows) };
        let route = case.routed().unwrap();
        if taken >= 80 && tier == Weak {
            case.gives(Weak, "of the budget is taken");
        } else {
            assert!(route.tier >= Base, "{}", route.reason);
        }
    }
}

#[test]
fn a_raise_without_hope_is_left_out_and_said() {
    let mut case = Case { phase: phase(true, None), failed: vec![Weak], ..Case::new(NONE) };
    // The strong tier does what is plain, and fails at deadlocks; every failure came back.
    for n in 0..80_u32 {
        let hard = n % 4 == 0;
        let features = features::read(if hard { "a deadlock of the scheduler" } else { "rename a field of a form" });
        let id = format!("T-{n}");
        let piece = Piece { id: &id, project: "", kind: Some("feature"), features: &features };
        case.learned.tell(&piece, Weak, f64::from(u8::from(n % 4 > 1)), Some(0.03), false);
        if n % 4 <= 1 {
            case.learned.tell(&piece, Strong, f64::from(u8::from(!hard)), Some(0.9), true);
        }
        let alone = format!("S-{n}");
        case.learned.tell(&Piece { id: &alone, ..piece }, Strong, f64::from(u8::from(!hard)), Some(0.9), false);
    }
    case.work.description = Some("another deadlock of the scheduler".to_owned());
    case.gives(Weak, "fails at such work too; a person, or smaller tasks");
    case.work.description = Some("rename one more field of a form".to_owned());
    assert!(case.routed().unwrap().tier > Weak);
}

#[test]
fn a_local_model_comes_first_only_where_that_is_wished_and_it_can_run() {
    let own = |name: &str, tier, window| Model {
        name: name.to_owned(),
        maker: "own".to_owned(),
        tier,
        window,
        local: true,
        ..Catalogue::built_in().find("gpt-oss:20b").cloned().unwrap()
    };
    let local = vec![own("small", Weak, 32_000), own("middle", Base, 64_000), own("middle-2", Base, 64_000)];
    let first = Preferences { local_first: true, ..Preferences::default() };
    let case = || Case { local: local.clone(), client: "cursor", preferences: first.clone(), ..Case::new(NONE) };
    let model = |case: &Case| case.routed().unwrap().model.unwrap();
    assert_eq!(model(&case()), "middle");
    assert_eq!(model(&Case { client: "claude-code", ..case() }), "sonnet", "it runs no others");
    assert_eq!(model(&Case { preferences: Preferences::default(), ..case() }), "claude-sonnet-5-5");
    let large = Work { context_tokens: Some(45_000), ..case().work };
    assert_eq!(model(&Case { work: large, ..case() }), "middle");
    let small = Case { local: vec![own("tiny", Base, 1_000), own("small", Weak, 32_000)], ..case() };
    let route = small.routed().unwrap();
    assert_eq!(route.model.as_deref(), Some("small"), "the instructions of a client are in view too");
    let says =
        "weak tier: small runs on your own machine and comes first; base by complexity; one try about $0.00 against";
    assert!(route.reason.starts_with(says), "{}", route.reason);
    let offered: Vec<&str> = route.alternatives.iter().map(|one| one.model.as_str()).collect();
    assert_eq!(offered, ["small", "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"]);
    let failed = Case { failed: vec![Base], ..case() };
    assert_eq!(failed.routed().unwrap().tier, Strong, "what failed is not tried again");
}

#[test]
fn a_window_has_to_keep_what_a_client_sends_beside_the_context() {
    let model = |tokens| {
        let work = Work { context_tokens: Some(tokens), ..Case::new(NONE).work };
        Case { work, ..Case::new(NONE) }.routed().unwrap().model
    };
    assert!(model(985_000).is_some() && model(985_001).is_none(), "of 1,000,000 it takes 15,000");
}

#[test]
fn what_no_model_can_hold_is_said_and_nobody_is_routed_against_the_settings() {
    let huge = Work { context_tokens: Some(90_000_000), ..Case::new(NONE).work };
    let case = Case { work: huge, ..Case::new(NONE) };
    assert!(case.routed().unwrap().model.is_none());
    case.gives(
        case.routed().unwrap().tier,
        "no model keeps 90,000,000 tokens and what its client adds in view: reduce",
    );
    let off = Preferences { automatic: false, ..Preferences::default() };
    assert_eq!(Case { preferences: off, ..Case::new(NONE) }.routed(), None);
}

#[test]
fn exploration_repeats_itself_by_seed_and_needs_checks() {
    let tiers = |seed: u64, verified| {
        let preferences = Preferences { explore: Some(seed), ..Preferences::default() };
        let case = Case { preferences, phase: phase(verified, None), ..Case::new([(0, 30), (5, 6), (2, 3)]) };
        case.routed().unwrap().tier
    };
    let seen: std::collections::BTreeSet<ModelTier> = (0..200).map(|seed| tiers(seed, true)).collect();
    assert!(seen.len() > 1, "{seen:?}");
    assert!((0..50).all(|seed| tiers(seed, true) == tiers(seed, true)));
    let unchecked: std::collections::BTreeSet<ModelTier> = (0..200).map(|seed| tiers(seed, false)).collect();
    assert_eq!(unchecked.len(), 1);
}
