//! What is set against the cost of work, piece by piece; amounts of each case are worked out by hand.

use super::*;
use crate::domain::spending::Tokens;

const HAIKU: &str = "claude-haiku-5-5";
const OPUS: &str = "claude-opus-5-5";
const CENT: u64 = 10_000;

/// So many tokens of output: a million of them cost $0.50 on Haiku, $10 on Sonnet and $20 on Opus.
fn used(model: &str, output: u64) -> Vec<Used> {
    vec![Used { model: model.to_owned(), tokens: Tokens { output, ..Tokens::default() }, ..Used::default() }]
}

fn tried(piece: &str, model: &str, output: u64, success: f64) -> Ended {
    Ended {
        piece: piece.to_owned(),
        kind: "bugfix".to_owned(),
        project: "shop".to_owned(),
        tier: ModelTier::Weak,
        model: None,
        success,
        fresh: true,
        open: false,
        at: Time(1000),
        micro_usd: None,
        used: used(model, output),
    }
}

fn counted(tries: &[Ended]) -> Savings {
    savings(tries, &Catalogue::built_in(), Span::default())
}

#[test]
fn a_piece_is_set_against_one_strong_try() {
    let late = |piece, model, output, success| Ended { fresh: false, ..tried(piece, model, output, success) };
    // Pieces, and: cost, always strong, saved at least, solved.
    for (tries, expected) in [
        // One cheap try that succeeded: the same tokens on Opus, or half of them.
        (vec![tried("a", HAIKU, 1_000_000, 1.0)], (50, 2000, 950, 1)),
        // Failed cheap tries count on our side only.
        (vec![tried("a", HAIKU, 400_000, 0.0), tried("a", HAIKU, 1_000_000, 1.0)], (70, 2000, 930, 1)),
        // A cheap try failed and a strong one did it: always strong would have cost the second.
        (vec![tried("a", HAIKU, 1_000_000, 0.0), late("a", OPUS, 100_000, 1.0)], (250, 200, -50, 1)),
        // Strong all along saves nothing, and loses nothing.
        (vec![tried("a", OPUS, 100_000, 0.0), late("a", OPUS, 100_000, 1.0)], (400, 400, 0, 1)),
        // Not done, and nobody knows if a strong model would have: the cost stays.
        (vec![tried("a", HAIKU, 1_000_000, 0.0)], (50, 0, -50, 0)),
        // Not done by a strong model either.
        (vec![tried("a", HAIKU, 1_000_000, 0.0), late("a", OPUS, 100_000, 0.0)], (250, 200, -50, 0)),
        // Half done is done; two pieces are two.
        (vec![tried("a", HAIKU, 1_000_000, 0.5), tried("b", OPUS, 100_000, 1.0)], (250, 2200, 950, 2)),
    ] {
        let found = counted(&tries).all;
        let cents = |micro: i64| micro / i64::try_from(CENT).unwrap();
        let amounts =
            (found.micro_usd / CENT, found.baseline_micro_usd / CENT, cents(found.low_micro_usd), found.solved);
        assert_eq!(amounts, expected, "{tries:?}");
        assert_eq!(found.saved_micro_usd, found.high_micro_usd, "nothing but tokens is uncertain");
        assert_eq!(cents(found.saved_micro_usd), expected.1 as i64 - expected.0 as i64);
    }
}

#[test]
fn what_ran_says_the_tier_and_not_what_was_routed() {
    let routed_strong = Ended { tier: ModelTier::Strong, ..tried("a", HAIKU, 1_000_000, 1.0) };
    let found = counted(&[routed_strong]);
    assert_eq!((found.by_tier[0].name.as_str(), found.all.by_tokens), ("weak", 1));
    let told =
        Ended { used: Vec::new(), micro_usd: Some(CENT), model: Some("opus".to_owned()), ..tried("b", "", 0, 1.0) };
    let found = counted(&[told]);
    assert_eq!(
        (found.by_tier[0].name.as_str(), found.all.by_strong_tries, found.all.saved_micro_usd),
        ("strong", 1, 0)
    );
}

#[test]
fn the_model_that_did_most_is_priced_anew_and_what_ran_beside_it_stays() {
    let mut both = tried("a", "claude-sonnet-5-5", 100_000, 1.0);
    both.used.extend(used(HAIKU, 100_000));
    let found = counted(&[both]).all;
    assert_eq!((found.micro_usd, found.baseline_micro_usd), (105 * CENT, 205 * CENT));
}

/// Ten strong tries at fresh work: eight for $2 that succeed, two for $3 that do not.
fn strong_tries() -> Vec<Ended> {
    let one = |n: u64| {
        let (output, success) = if n < 8 { (100_000, 1.0) } else { (150_000, 0.0) };
        tried(&format!("strong {n}"), OPUS, output, success)
    };
    (0..10).map(one).collect()
}

#[test]
fn from_ten_strong_tries_of_a_type_on_their_mean_is_what_counts() {
    let mut tries = strong_tries();
    tries.push(tried("a", HAIKU, 1_000_000, 1.0));
    let found = counted(&tries);
    assert_eq!(found.strong, [StrongRow { kind: "bugfix".into(), tries: 10, solved: 8, mean_micro_usd: 220 * CENT }]);
    let weak = found.by_tier.iter().find(|row| row.name == "weak").unwrap();
    assert_eq!((weak.by_mean, weak.baseline_micro_usd, weak.saved_micro_usd), (1, 220 * CENT, 170 * CENT as i64));
    // One deviation is $0.4216; one piece and the mean of ten: $0.4422; twice that less a little to each side.
    assert_eq!((weak.low_micro_usd, weak.high_micro_usd), (833_255, 2_566_745));
    assert_eq!((weak.strong_known, weak.strong_solves), (1, 0.8));
    assert_eq!((found.all.strong_known, found.all.strong_solves, found.all.solved), (11, 8.8, 9));
    // Of another type, nine of this one, and tries after a failure say nothing of it.
    tries.iter_mut().take(1).for_each(|tried| tried.fresh = false);
    assert_eq!(counted(&tries).strong, []);
    assert_eq!(counted(&tries).all.by_tokens, 1);
}

#[test]
fn what_cannot_be_known_is_left_out_and_counted() {
    let told = |micro_usd| Ended { used: Vec::new(), micro_usd, ..tried("a", "", 0, 1.0) };
    let with = |change: &dyn Fn(&mut LeftOut)| {
        let mut left_out = LeftOut::default();
        change(&mut left_out);
        left_out
    };
    for (tries, expected) in [
        (vec![Ended { open: true, ..tried("a", HAIKU, 100, 0.0) }], with(&|out| out.going_on = 1)),
        (vec![told(None)], with(&|out| out.without_cost = 1)),
        (vec![told(Some(100))], with(&|out| out.without_baseline = 1)),
        // One try that is not known makes the whole piece unknown.
        (vec![tried("a", HAIKU, 100, 0.0), told(None)], with(&|out| out.without_cost = 1)),
        (
            vec![tried("a", "homemade", 100, 1.0), tried("b", "homemade", 100, 1.0)],
            with(&|out| (out.without_price, out.models) = (2, vec!["homemade".to_owned()])),
        ),
    ] {
        let found = counted(&tries);
        assert_eq!((found.left_out, found.all.pieces, found.all.micro_usd), (expected, 0, 0), "{tries:?}");
    }
}

#[test]
fn a_model_that_runs_here_is_set_against_the_first_strong_one() {
    let found = counted(&[tried("a", "gpt-oss:20b", 1_000_000, 1.0)]);
    assert_eq!((found.all.micro_usd, found.all.baseline_micro_usd), (0, 2000 * CENT));
    assert!(found.method.contains(OPUS), "{}", found.method);
}

#[test]
fn only_pieces_that_ended_since_then_count_but_all_strong_tries_teach() {
    let mut tries = strong_tries();
    tries.push(Ended { at: Time(5000), ..tried("a", HAIKU, 1_000_000, 1.0) });
    let span = Span { since: Some(Time(2000)), day: Some("2026-11-20".to_owned()), spent_micro_usd: 7 };
    let found = savings(&tries, &Catalogue::built_in(), span);
    assert_eq!((found.all.pieces, found.all.by_mean, found.spent_micro_usd), (1, 1, 7));
    assert_eq!(found.since.as_deref(), Some("2026-11-20"));
}

#[test]
fn sums_by_type_tier_and_project_come_to_the_whole() {
    let mut tries = strong_tries();
    for n in 0..30_u64 {
        let model = if n % 3 == 0 { OPUS } else { HAIKU };
        let mut one = tried(&format!("p{}", n / 2), model, 10_000 * (n + 1), if n % 4 == 0 { 0.0 } else { 1.0 });
        one.kind = ["bugfix", "test", ""][(n / 2 % 3) as usize].to_owned();
        one.project = ["shop", ""][(n / 2 % 2) as usize].to_owned();
        tries.push(one);
    }
    let found = counted(&tries);
    for rows in [&found.by_type, &found.by_tier, &found.by_project] {
        let sum = |of: &dyn Fn(&SavedRow) -> i64| rows.iter().map(of).sum::<i64>();
        let all = &found.all;
        assert_eq!(sum(&|row| row.pieces as i64), all.pieces as i64);
        assert_eq!(sum(&|row| row.tries as i64), all.tries as i64);
        // Each is rounded by itself.
        assert!((sum(&|row| row.micro_usd as i64) - all.micro_usd as i64).abs() <= 3);
        assert!((sum(&|row| row.saved_micro_usd) - all.saved_micro_usd).abs() <= 3);
        for row in rows {
            let by = row.by_strong_tries + row.by_mean + row.by_tokens + row.given_up;
            assert_eq!(by, row.pieces, "{row:?}");
            assert!(row.low_micro_usd <= row.saved_micro_usd && row.saved_micro_usd <= row.high_micro_usd, "{row:?}");
        }
    }
}

#[test]
fn nothing_recorded_is_nothing_saved() {
    let found = counted(&[]);
    assert_eq!(found.all, SavedRow { name: "all".to_owned(), ..SavedRow::default() });
    assert!(found.method.contains("none so far"));
}
