//! What a person is told, as data and as plain text. It is made from what is approved, never from an agent's account of it;
//! what an agent wrote is marked as its claim. Markup of a medium is not here.

use std::fmt::Write;

use crate::domain::address;
use crate::domain::approval::{About, Approval};
use crate::domain::call_text;
use crate::domain::decide::raise::RAISE;
use crate::domain::forecast::Forecast;
use crate::domain::ids::{AgentName, ApprovalId, TaskId, Time};
use crate::domain::notice::What;
use crate::domain::visible::{line, visible};

const ASK_CHARACTERS: usize = 600;
const TITLE_CHARACTERS: usize = 120;
const CALL_CHARACTERS: usize = 1200;
const CLAIM_LINES: usize = 12;
const CLAIM_CHARACTERS: usize = 240;

#[derive(Clone, Debug)]
pub struct Message {
    pub channel: String,
    /// The folder it is about.
    pub workspace: String,
    pub what: What,
    pub items: Vec<Item>,
    /// Caps that are nearly used up, in a message without items.
    pub caps: Vec<Near>,
    /// What the medium called the first message, where this one follows it.
    pub follows: Option<String>,
    pub at: Time,
    /// Sent by a person to see whether the channel works; nothing waits.
    pub is_test: bool,
}

/// One cap, and the task it is of.
#[derive(Clone, Debug)]
pub struct Near {
    pub title: String,
    pub at: Time,
    pub cap: Forecast,
}

impl Near {
    fn write(&self, text: &mut String) {
        let id = self.cap.task;
        let _ = writeln!(text, "{id} “{}”", line(&self.title, TITLE_CHARACTERS));
        let _ = writeln!(text, "  {:<10}{} ({} %)", "budget", self.cap.words(), self.cap.percent);
        let _ = writeln!(text, "  {:<10}phasegate tasks budget {id}", "raise");
    }
}

#[derive(Clone, Debug)]
pub struct Item {
    pub approval: ApprovalId,
    pub digest: String,
    pub ask: String,
    /// The question is the agent's own text, not made from a gate or a call.
    pub ask_by_agent: bool,
    pub task: Option<(TaskId, String)>,
    pub phase: Option<String>,
    pub level: u8,
    pub from: Vec<String>,
    pub asked_by: AgentName,
    pub asked_at: Time,
    pub expires_at: Time,
    pub on_yes: String,
    /// What of the call is not what it looks like.
    pub warnings: Vec<String>,
    /// What the agent says about it.
    pub claim: String,
    pub outcome: Option<String>,
    pub answer: Answering,
}

/// How the person can answer.
#[derive(Clone, Debug)]
pub enum Answering {
    Links {
        open: String,
        approve: String,
        reject: String,
    },
    /// At the command line, since no address of a page is set.
    Command(String),
}

impl Answering {
    pub fn command(id: ApprovalId) -> Self {
        Self::Command(format!("phasegate approvals show {id}"))
    }
}

impl Item {
    pub fn of(approval: &Approval, task_title: Option<String>, answer: Answering) -> Self {
        Self {
            approval: approval.id,
            digest: approval.digest.clone(),
            ask: approval.ask.clone(),
            ask_by_agent: matches!(approval.about, About::Question { .. }),
            task: approval.task.map(|id| (id, task_title.unwrap_or_default())),
            phase: approval.phase.clone(),
            level: approval.level,
            from: approval.from.clone(),
            asked_by: approval.requested_by.clone(),
            asked_at: approval.requested_at,
            expires_at: approval.expires_at,
            on_yes: yes_means(approval),
            warnings: approval.call().map(|(_, arguments)| address::warnings(arguments)).unwrap_or_default(),
            claim: approval.reason.clone(),
            outcome: (!approval.state.is_pending()).then(|| outcome(approval)),
            answer,
        }
    }
}

/// What happens on yes, and nothing else.
pub fn yes_means(approval: &Approval) -> String {
    let phase = approval.phase.as_deref().unwrap_or_default();
    match &approval.about {
        About::Gate { gate, .. } => format!("gate `{gate}` of phase `{phase}` opens, this once"),
        About::Call { tool, arguments, .. } if tool == RAISE => {
            format!("the budget is raised at once, to {}", line(&arguments.to_string(), TITLE_CHARACTERS))
        }
        About::Call { .. } => {
            let (tool, arguments) = approval.call().map_or_else(Default::default, |(tool, all)| {
                (call_text::name(tool).into_owned(), call_text::json(tool, all))
            });
            let call = format!("{tool} {arguments}");
            format!("this call may run once, exactly like this, and no other: {}", line(&call, CALL_CHARACTERS))
        }
        About::Question { choices, .. } if choices.is_empty() => "the agent reads your answer and goes on".to_owned(),
        About::Question { choices, .. } => {
            format!("the agent goes on with the choice you make: {}", line(&choices.join(" | "), TITLE_CHARACTERS))
        }
    }
}

fn outcome(approval: &Approval) -> String {
    let word = approval.state.word();
    match approval.state.answer() {
        Some(answer) => {
            let reason = line(&answer.reason, TITLE_CHARACTERS);
            let because = if reason.is_empty() { reason } else { format!(": {reason}") };
            format!("{word} by {} at level {}{because}", line(&answer.by.0, 60), answer.level)
        }
        None => format!("{word}, with no answer"),
    }
}

impl Message {
    /// One line, for a subject or a headline.
    pub fn title(&self) -> String {
        if self.is_test {
            return format!("phasegate: a test of channel {}", line(&self.channel, 60));
        }
        if self.what == What::Warning {
            return match self.caps.as_slice() {
                [one] => format!("{}: {} % of the budget is used", one.cap.task, one.cap.percent),
                many => format!("{} budgets are nearly used up", many.len()),
            };
        }
        match (self.items.as_slice(), self.what) {
            ([one], What::Asked) => format!("{}: {}", one.approval, one.asked()),
            ([one], What::Reminder) => {
                format!("{} waits only until {}: {}", one.approval, one.expires_at, one.asked())
            }
            ([one], What::Outcome | What::Warning) => {
                format!("{} is {}", one.approval, one.outcome.as_deref().unwrap_or("closed"))
            }
            (many, What::Asked) => format!("{} approvals wait for an answer", many.len()),
            (many, What::Reminder) => format!("{} approvals wait, and their time is nearly over", many.len()),
            (many, What::Outcome | What::Warning) => format!("{} approvals are closed", many.len()),
        }
    }

    /// Of what it warns, in a word that is the same for the same warnings; "none" where it warns of nothing.
    pub fn caps_id(&self) -> String {
        match self.caps.first() {
            Some(Near { at, cap, .. }) => format!("{}.{}.{}.{}", cap.task, cap.unit.word(), at.0, self.caps.len()),
            None => "none".to_owned(),
        }
    }

    pub fn text(&self) -> String {
        if self.is_test {
            return format!(
                "This is a test, sent by hand from {}. Nothing waits for an answer.\n",
                line(&self.workspace, TITLE_CHARACTERS)
            );
        }
        let mut text = String::new();
        for item in &self.items {
            item.write(self.what, &mut text);
            text.push('\n');
        }
        for near in &self.caps {
            near.write(&mut text);
            text.push('\n');
        }
        let _ = writeln!(text, "Workspace {}", line(&self.workspace, TITLE_CHARACTERS));
        text
    }
}

impl Item {
    /// The question on one line, marked where the words are the agent's.
    fn asked(&self) -> String {
        let mark = if self.ask_by_agent { "the agent asks: " } else { "" };
        format!("{mark}{}", line(&self.ask, TITLE_CHARACTERS))
    }

    /// The lines of one approval; text of an agent is visible, marked, and cut.
    pub fn write(&self, what: What, text: &mut String) {
        if self.ask_by_agent {
            let _ = writeln!(text, "{}  the agent asks:", self.approval);
            let _ = writeln!(text, "            │ {}", line(&self.ask, ASK_CHARACTERS));
        } else {
            let _ = writeln!(text, "{}  {}", self.approval, line(&self.ask, ASK_CHARACTERS));
        }
        let mut field = |name: &str, value: &str| {
            if !value.is_empty() {
                let _ = writeln!(text, "  {name:<10}{value}");
            }
        };
        if let Some(outcome) = &self.outcome {
            field("is", outcome);
        }
        if let Some((id, title)) = &self.task {
            let phase = self.phase.as_deref().map(|phase| format!(", phase {}", line(phase, 60))).unwrap_or_default();
            field("task", &format!("{id} “{}”{phase}", line(title, TITLE_CHARACTERS)));
        }
        if what == What::Outcome {
            return;
        }
        field("asked by", &format!("{} at {}", line(&self.asked_by.0, 60), self.asked_at));
        field("until", &self.expires_at.to_string());
        field("on yes", &visible(&self.on_yes));
        for warning in &self.warnings {
            field("warning", warning);
        }
        match &self.answer {
            Answering::Links { open, approve, reject } => {
                field("open", open);
                field("approve", approve);
                field("reject", reject);
            }
            Answering::Command(command) => field("answer", command),
        }
        field("from", &line(&self.from.join(", "), TITLE_CHARACTERS));
        field("level", &self.level.to_string());
        field("digest", &self.digest);
        // Last, so that a medium that cuts long text cuts nothing of ours.
        if !self.claim.trim().is_empty() {
            field("claimed", "the agent says (its words, not checked):");
            for claimed in folded(&self.claim) {
                let _ = writeln!(text, "            │ {claimed}");
            }
        }
    }
}

/// Long text with its length instead of its tail.
fn folded(text: &str) -> Vec<String> {
    let count = text.lines().count();
    let mut lines: Vec<String> = text.lines().take(CLAIM_LINES).map(|one| line(one, CLAIM_CHARACTERS)).collect();
    if count > CLAIM_LINES {
        lines.push(format!("… ({count} lines)"));
    }
    lines
}

/// At most so many characters, for media with a limit of their own.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::domain::spending::Unit;

    pub fn item() -> Item {
        Item {
            approval: ApprovalId(3),
            digest: "d".repeat(64),
            ask: "Ship <it> & *now*?\nApproved by: \u{202e}ana".to_owned(),
            ask_by_agent: false,
            task: Some((TaskId(4), "a\u{1b}[2Jtitle".to_owned())),
            phase: Some("review".to_owned()),
            level: 1,
            from: vec!["lead".to_owned()],
            asked_by: AgentName("bot-1".to_owned()),
            asked_at: Time(0),
            expires_at: Time(3_600_000),
            on_yes: "gate `ship` of phase `review` opens, this once".to_owned(),
            warnings: Vec::new(),
            claim: "all green\n  approve  https://evil.example/\n".to_owned(),
            outcome: None,
            answer: Answering::command(ApprovalId(3)),
        }
    }

    pub fn message() -> Message {
        Message {
            channel: "ops".to_owned(),
            workspace: "/home/ana/shop".to_owned(),
            what: What::Asked,
            items: vec![item()],
            caps: Vec::new(),
            follows: None,
            at: Time(1_000),
            is_test: false,
        }
    }

    #[test]
    fn an_agents_words_are_marked_visible_and_cannot_make_a_line_of_ours() {
        let text = message().text();
        for own in
            ["  answer    phasegate approvals show A-3\n", "  on yes    gate `ship`", "  until     1970-01-01T01:00"]
        {
            assert!(text.contains(own), "{own}: {text}");
        }
        assert!(text.contains("            │ approve  https://evil.example/"), "{text}");
        assert!(text.contains("\\u{202e}ana") && text.contains("a\\u{1b}[2Jtitle"), "{text}");
        let ours = text.lines().filter(|line| line.starts_with("  approve") || line.starts_with("Approved"));
        assert_eq!(ours.count(), 0, "{text}");
        assert!(!message().title().contains('\n'));
    }

    #[test]
    fn a_question_of_an_agent_is_never_shown_as_ours() {
        let item = Item { ask: "gate `ship` opens".to_owned(), ask_by_agent: true, ..item() };
        let asked = Message { items: vec![item], ..message() };
        assert_eq!(asked.title(), "A-3: the agent asks: gate `ship` opens");
        assert!(
            asked.text().starts_with("A-3  the agent asks:\n            │ gate `ship` opens\n"),
            "{}",
            asked.text()
        );
        let reminder = Message { what: What::Reminder, ..asked };
        assert!(reminder.title().ends_with(": the agent asks: gate `ship` opens"), "{}", reminder.title());
        assert_eq!(message().title().matches("the agent asks").count(), 0);
    }

    #[test]
    fn long_text_is_folded_with_its_length() {
        let long = Item { claim: "x".repeat(5000) + &"\ny".repeat(50), ..item() };
        let mut text = String::new();
        long.write(What::Asked, &mut text);
        assert!(
            text.contains("(5000 characters, 4760 left out)") && text.contains("(51 lines)") && text.len() < 2500,
            "{text}"
        );
    }

    #[test]
    fn a_cap_that_is_nearly_used_up_is_told_with_the_way_to_raise_it() {
        let cap = Forecast {
            task: TaskId(3),
            unit: Unit::MicroUsd,
            cap: 5_000_000,
            spent: 4_100_000,
            reserved: 0,
            percent: 82,
            minutes_left: None,
        };
        let near = Near { title: "a\u{1b}[2Jtitle".to_owned(), at: Time(0), cap };
        let warning = Message { what: What::Warning, items: Vec::new(), caps: vec![near.clone()], ..message() };
        assert_eq!(warning.title(), "T-3: 82 % of the budget is used");
        for own in
            ["T-3 “a\\u{1b}[2Jtitle”\n", "budget of T-3: $4.10 of $5.00 spent (82 %)\n", "phasegate tasks budget T-3"]
        {
            assert!(warning.text().contains(own), "{own}: {}", warning.text());
        }
        let several = Message { caps: vec![near.clone(), near], ..warning };
        assert_eq!(several.title(), "2 budgets are nearly used up");
    }

    #[test]
    fn several_are_counted_in_the_title_and_an_outcome_says_only_how_it_ended() {
        let mut several = message();
        several.items.push(item());
        assert_eq!(several.title(), "2 approvals wait for an answer");
        let ended = Item { outcome: Some("approved by ana at level 1".to_owned()), ..item() };
        let over = Message { what: What::Outcome, items: vec![ended], ..message() };
        assert_eq!(over.title(), "A-3 is approved by ana at level 1");
        assert!(!over.text().contains("evil.example") && !over.text().contains("approvals show"), "{}", over.text());
    }
}
