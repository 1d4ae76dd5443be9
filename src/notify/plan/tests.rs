//! Tables of the schedule: what is there, and what is to be told now.

use super::*;

const HOUR: i64 = 3_600_000;
/// A day's midnight in UTC.
const MIDNIGHT: Time = Time(1_795_046_400_000);

fn at(hour: i64, minute: i64) -> Time {
    Time(MIDNIGHT.0 + hour * HOUR + minute * 60_000)
}

fn schedule() -> Schedule {
    Schedule {
        channel: "ops".to_owned(),
        for_whom: BTreeSet::new(),
        least_level: 0,
        quiet: None,
        digest_seconds: 0,
        remind_seconds: None,
    }
}

fn waiting(id: u64, asked_at: Time) -> Waiting {
    let expires_at = Time(asked_at.0 + 72 * HOUR);
    Waiting { id: ApprovalId(id), from: Vec::new(), level: 1, asked_at, expires_at, pending: true }
}

fn answered(id: u64, asked_at: Time) -> Waiting {
    Waiting { pending: false, ..waiting(id, asked_at) }
}

fn notice(id: u64, what: What, state: NoticeState, at: Time) -> Notice {
    let reference = (state == NoticeState::Sent).then(|| format!("ref-{id}"));
    let channel = "ops".to_owned();
    Notice { approval: ApprovalId(id), channel, what, state, attempts: 1, at, reference, error: None }
}

/// The plan in short: a letter for what, then the approvals of each message.
fn told(approvals: &[Waiting], notices: &[Notice], schedules: &[Schedule], now: Time) -> String {
    told_with(approvals, notices, schedules, &BTreeMap::new(), now)
}

fn told_with(
    approvals: &[Waiting],
    notices: &[Notice],
    schedules: &[Schedule],
    breakers: &BTreeMap<String, Breaker>,
    now: Time,
) -> String {
    let plan = plan(&Look { approvals, notices, breakers, now }, schedules);
    let mut shown: Vec<String> = plan
        .jobs
        .iter()
        .map(|job| {
            let ids: Vec<String> = job.approvals.iter().map(|(id, _)| id.0.to_string()).collect();
            format!("{} {}", job.what.word(), ids.join("+"))
        })
        .collect();
    shown.extend(plan.settled.iter().map(|(id, _)| format!("settled {}", id.0)));
    shown.join(", ")
}

#[test]
fn a_new_approval_is_told_once_and_its_outcome_once() {
    let sent = notice(1, What::Asked, NoticeState::Sent, at(9, 0));
    let ended = notice(1, What::Outcome, NoticeState::Sent, at(9, 5));
    let leased = |until| notice(1, What::Asked, NoticeState::Leased { until }, at(9, 0));
    let failed = |again| notice(1, What::Asked, NoticeState::Failed { again }, at(9, 0));
    let (open, over) = (waiting(1, at(9, 0)), answered(1, at(9, 0)));
    let now = at(9, 10);
    for (approval, notices, wanted) in [
        (&open, vec![], "asked 1"),
        (&open, vec![sent.clone()], ""),
        (&open, vec![leased(at(9, 11))], ""),
        (&open, vec![leased(at(9, 10))], "asked 1"),
        (&open, vec![failed(Some(at(9, 11)))], ""),
        (&open, vec![failed(Some(at(9, 10)))], "asked 1"),
        (&over, vec![], ""),
        (&over, vec![sent.clone()], "outcome 1"),
        (&over, vec![sent.clone(), ended], ""),
        (&over, vec![leased(at(9, 11))], ""),
        (&over, vec![leased(at(9, 10))], "outcome 1"),
        (&over, vec![failed(Some(at(9, 10)))], "settled 1"),
    ] {
        assert_eq!(told(std::slice::from_ref(approval), &notices, &[schedule()], now), wanted, "{notices:?}");
    }
}

#[test]
fn an_approval_whose_time_is_over_is_not_told_any_more() {
    let approval = Waiting { expires_at: at(9, 0), ..waiting(1, at(8, 0)) };
    assert_eq!(told(&[approval], &[], &[schedule()], at(9, 0)), "");
}

#[test]
fn quiet_hours_go_over_midnight_and_by_the_zone() {
    let quiet = |from, to, zone| Quiet { from, to, zone };
    let east = TimeZone::fixed(jiff::tz::offset(2));
    for (quiet, now, wanted) in [
        (quiet(22 * 60, 7 * 60, TimeZone::UTC), at(21, 59), false),
        (quiet(22 * 60, 7 * 60, TimeZone::UTC), at(22, 0), true),
        (quiet(22 * 60, 7 * 60, TimeZone::UTC), at(3, 0), true),
        (quiet(22 * 60, 7 * 60, TimeZone::UTC), at(6, 59), true),
        (quiet(22 * 60, 7 * 60, TimeZone::UTC), at(7, 0), false),
        (quiet(12 * 60, 13 * 60, TimeZone::UTC), at(12, 30), true),
        (quiet(12 * 60, 13 * 60, TimeZone::UTC), at(13, 0), false),
        (quiet(22 * 60, 7 * 60, east.clone()), at(20, 0), true),
        (quiet(22 * 60, 7 * 60, east), at(5, 0), false),
    ] {
        assert_eq!(quiet.covers(now), wanted, "{quiet:?} at {now}");
    }
}

#[test]
fn what_gathers_in_quiet_hours_comes_as_one_message_and_what_is_answered_meanwhile_not_at_all() {
    let quiet = Some(Quiet { from: 22 * 60, to: 7 * 60, zone: TimeZone::UTC });
    let schedules = [Schedule { quiet, ..schedule() }];
    let night = [waiting(1, at(23, 0)), waiting(2, at(23, 30)), answered(3, at(23, 40))];
    assert_eq!(told(&night, &[], &schedules, at(24, 30)), "");
    assert_eq!(told(&night, &[], &schedules, at(31, 0)), "asked 1+2");
    // Told in the evening, answered at night: the outcome waits for the morning.
    let told_before = [notice(3, What::Asked, NoticeState::Sent, at(21, 0))];
    assert_eq!(told(&[answered(3, at(21, 0))], &told_before, &schedules, at(23, 45)), "");
    assert_eq!(told(&[answered(3, at(21, 0))], &told_before, &schedules, at(31, 1)), "outcome 3");
}

#[test]
fn a_digest_waits_for_company_and_leaves_with_its_oldest() {
    let schedules = [Schedule { digest_seconds: 600, ..schedule() }];
    let three = [waiting(1, at(9, 0)), waiting(2, at(9, 5)), waiting(3, at(9, 9))];
    assert_eq!(told(&three, &[], &schedules, at(9, 9)), "");
    assert_eq!(told(&three, &[], &schedules, at(9, 10)), "asked 1+2+3");
    assert_eq!(told(&three, &[], &[schedule()], at(9, 9)), "asked 1, asked 2, asked 3");
    let many: Vec<Waiting> = (1..=25).map(|id| waiting(id, at(9, 0))).collect();
    let shown = told(&many, &[], &schedules, at(10, 0));
    assert_eq!(shown.matches("asked").count(), 2, "no more than {DIGEST_MAX} in one: {shown}");
}

#[test]
fn a_reminder_comes_once_and_not_to_who_was_only_just_told() {
    let schedules = [Schedule { remind_seconds: Some(3600), ..schedule() }];
    let approval = [Waiting { expires_at: at(12, 0), ..waiting(1, at(9, 0)) }];
    let sent = |when| notice(1, What::Asked, NoticeState::Sent, when);
    let reminded = notice(1, What::Reminder, NoticeState::Sent, at(11, 0));
    let failed = notice(1, What::Reminder, NoticeState::Failed { again: Some(at(11, 6)) }, at(11, 5));
    for (notices, now, wanted) in [
        (vec![sent(at(9, 0))], at(10, 59), ""),
        (vec![sent(at(9, 0))], at(11, 0), "reminder 1"),
        (vec![sent(at(9, 0)), reminded], at(11, 5), ""),
        (vec![sent(at(9, 0)), failed.clone()], at(11, 5), ""),
        (vec![sent(at(9, 0)), failed], at(11, 6), "reminder 1"),
        (vec![sent(at(11, 2))], at(11, 5), ""),
        (vec![sent(at(9, 0))], at(12, 0), ""),
    ] {
        assert_eq!(told(&approval, &notices, &schedules, now), wanted, "{notices:?} at {now}");
    }
}

#[test]
fn names_and_levels_choose_the_channel() {
    let lead = Schedule { for_whom: ["lead".to_owned()].into(), ..schedule() };
    let high = Schedule { least_level: 2, ..schedule() };
    let from = |names: &[&str]| Waiting {
        from: names.iter().map(|name| (*name).to_owned()).collect(),
        ..waiting(1, at(9, 0))
    };
    for (schedule, approval, wanted) in [
        (&lead, from(&["lead", "ana"]), "asked 1"),
        (&lead, from(&["ana"]), ""),
        (&lead, from(&[]), "asked 1"),
        (&high, from(&[]), ""),
        (&high, Waiting { level: 2, ..from(&[]) }, "asked 1"),
    ] {
        assert_eq!(told(&[approval], &[], std::slice::from_ref(schedule), at(9, 0)), wanted);
    }
}

#[test]
fn the_first_answer_is_told_to_every_channel_that_had_been_asked_and_follows_its_message() {
    let channel = |name: &str| Schedule { channel: name.to_owned(), ..schedule() };
    let sent = |name: &str| Notice {
        channel: name.to_owned(),
        reference: Some(format!("{name}-9")),
        ..notice(1, What::Asked, NoticeState::Sent, at(9, 0))
    };
    let notices = [sent("mail"), sent("phone"), sent("gone")];
    let approvals = [answered(1, at(9, 0))];
    let look = Look { approvals: &approvals, notices: &notices, breakers: &BTreeMap::new(), now: at(9, 5) };
    let plan = plan(&look, &[channel("mail"), channel("phone"), channel("new")]);
    let follows: Vec<(&str, Option<&str>)> =
        plan.jobs.iter().map(|job| (job.channel.as_str(), job.follows.as_deref())).collect();
    assert_eq!(follows, [("mail", Some("mail-9")), ("phone", Some("phone-9"))]);
    assert_eq!(plan.settled, [(ApprovalId(1), "gone".to_owned())], "a channel that is no longer there is closed");
}

#[test]
fn a_channel_that_fails_is_left_alone_then_tried_with_one_message() {
    let mut breaker = Breaker::default();
    for _ in 0..crate::domain::notice::BREAKER_FAILURES {
        breaker = breaker.after(Some("refused"), at(9, 0));
    }
    let breakers = BTreeMap::from([("ops".to_owned(), breaker)]);
    let two = [waiting(1, at(9, 0)), waiting(2, at(9, 0))];
    let other = Schedule { channel: "mail".to_owned(), ..schedule() };
    let shown = |now| told_with(&two, &[], &[schedule()], &breakers, now);
    assert_eq!(shown(Time(at(9, 0).0 + 59_999)), "", "open");
    assert_eq!(shown(at(9, 1)), "asked 1", "half open: one message tries");
    assert_eq!(told_with(&two, &[], &[other], &breakers, at(9, 0)), "asked 1, asked 2", "others go on");
    assert_eq!(told(&two, &[], &[schedule()], at(9, 0)), "asked 1, asked 2", "closed");
}

#[test]
fn tries_come_ever_later_up_to_a_cap_and_an_outcome_is_given_up() {
    for (attempts, least, most) in [
        (1, 2_000, 2_500),
        (2, 4_000, 5_000),
        (5, 32_000, 40_000),
        (12, 600_000, 750_000),
        (4_000_000, 600_000, 750_000),
    ] {
        for jitter in [0, 1, 12_345, u64::MAX] {
            let wait = again(What::Asked, attempts, Time(0), jitter).unwrap().0;
            assert!((least..most).contains(&wait), "{attempts} attempts, jitter {jitter}: {wait}");
        }
    }
    assert_eq!(again(What::Outcome, OUTCOME_ATTEMPTS, Time(0), 0), None);
    assert!(again(What::Outcome, OUTCOME_ATTEMPTS - 1, Time(0), 0).is_some());
}
