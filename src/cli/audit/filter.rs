//! The filters that `audit query` and `audit tail` share, from flags.

use crate::domain::ids::{TaskId, Time};
use crate::domain::record::{CallVerdict, CountBy, RecordFilter, TEXT_MAX, good_pattern, parse_kinds, parse_role};

use super::super::Ended;

#[derive(Debug, clap::Args)]
pub struct FilterArgs {
    /// Records of this task.
    #[arg(long, value_name = "ID")]
    task: Option<TaskId>,
    /// Who did it.
    #[arg(long, value_name = "AGENT")]
    by: Option<String>,
    /// Of whoever did it: agent, approver, operator, auditor, system.
    #[arg(long)]
    role: Option<String>,
    /// Such as TaskClaimed, or write, claim, gate, approval, refusal; several with commas.
    #[arg(long)]
    kind: Option<String>,
    /// How the call was judged: allowed, refused, waived.
    #[arg(long)]
    verdict: Option<String>,
    /// The tool or command it came by.
    #[arg(long)]
    tool: Option<String>,
    /// The code of a refusal.
    #[arg(long)]
    code: Option<String>,
    /// Records that name this phase.
    #[arg(long)]
    phase: Option<String>,
    /// Records that name a file that fits, such as 'billing/**'.
    #[arg(long, value_name = "PATTERN")]
    path: Option<String>,
    /// Records that hold this text, in any case of letters.
    #[arg(long)]
    text: Option<String>,
    /// A time, or how long ago: 30m, 24h, 30d.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Nothing after it; written as for `--since`.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl FilterArgs {
    pub fn filter(&self, now: Time, count_by: Option<&str>) -> Result<RecordFilter, Ended> {
        let Self { task, by, role, kind, verdict, tool, code, phase, path, text, since, until } = self;
        if text.as_ref().is_some_and(|text| text.is_empty() || text.chars().count() > TEXT_MAX) {
            let message = format!("`--text` takes 1 to {TEXT_MAX} characters");
            return Err(Ended::usage(message, "look for the part of it that is least common"));
        }
        let wrong = |flag: &'static str| {
            move |why: String| Ended::usage(format!("`{flag}`: {why}"), "`phasegate audit query --help` shows the rest")
        };
        path.as_deref().map(good_pattern).transpose().map_err(wrong("--path"))?;
        Ok(RecordFilter {
            task: *task,
            agent: by.clone(),
            role: role.as_deref().map(parse_role).transpose().map_err(wrong("--role"))?,
            kinds: kind.as_deref().map(parse_kinds).transpose().map_err(wrong("--kind"))?.unwrap_or_default(),
            verdict: verdict.as_deref().map(CallVerdict::parse).transpose().map_err(wrong("--verdict"))?,
            tool: tool.clone(),
            code: code.clone(),
            phase: phase.clone(),
            path: path.clone(),
            text: text.clone(),
            since: since.as_deref().map(|text| moment(text, now)).transpose()?,
            until: until.as_deref().map(|text| moment(text, now)).transpose()?,
            count_by: count_by.map(CountBy::parse_list).transpose().map_err(wrong("--count-by"))?.unwrap_or_default(),
            ..RecordFilter::default()
        })
    }
}

/// `2026-11-20T14:00:00Z`, or how long before now.
pub fn moment(text: &str, now: Time) -> Result<Time, Ended> {
    if let Ok(seconds) = crate::domain::duration::parse(text) {
        let ms = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
        return Ok(Time(now.0.saturating_sub(ms)));
    }
    text.parse().map_err(|_| {
        Ended::usage(format!("`{text}` is not a time"), "write `2026-11-20T14:00:00Z`, or how long ago: 30m, 24h, 30d")
    })
}
