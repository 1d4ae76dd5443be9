//! May this call of a client's own tool run? The rules of the task's phase, what the phase may write, and what a person has
//! opened; asked inside the transaction. Carrying out the answer is not here.

use serde_json::Value;

use crate::domain::brief::open_words;
use crate::domain::bypass::Bypass;
use crate::domain::decide::budget;
use crate::domain::decide::gates;
use crate::domain::facts::{Context, Facts};
use crate::domain::ids::{BypassId, TaskId};
use crate::domain::refusal::Refusal;
use crate::domain::spending::Spent;
use crate::domain::task::Task;
use crate::domain::workflow::{Confine, Enforcement, Network, Phase, Rules, Workflow};

use super::judge::{self, Around, Decision, RuleSet, Verdict};
use super::paths::{self, Writes, effective_writes};
use super::undecided::{self, Undecided};

pub const SHELL: &str = "Bash";
/// Where an agent without a task stands.
pub const UNCLAIMED: &str = "unclaimed";
const SHOWN_CHARS: usize = 100;
const KEPT_HINT: &str = "a person does this, outside the agent's session";

/// The call, and what was looked up for it beforehand.
#[derive(Clone, Debug)]
pub struct ClientCall {
    pub tool: String,
    pub input: Value,
    /// What the client does in one call and we know as several: all of it must be allowed.
    pub also: Vec<(String, Value)>,
    pub around: Around,
    /// The person's own deny and ask rules for this client, which would not be asked about a rewritten call.
    pub theirs: RuleSet,
    /// The kernel can hold a command to everything its phase may do.
    pub kernel: bool,
    /// What a first answer of its model is taken to cost, where answers are counted.
    pub first: Spent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruled {
    Allow {
        held: Held,
    },
    /// A person decides: in front of the client, or by an approval where the workflow asks for that.
    Ask {
        approval: bool,
    },
    Deny,
    /// No rule decided and no task is held, or the person's own rules decide: the client goes by its own.
    Left,
}

/// By the kernel, to the phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    Not,
    /// As far as the machine can; what the phase asks for in so many words is never less.
    AsFarAsCan,
    /// Nobody could read the command: it runs under all bounds, or not.
    Wholly,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    pub ruled: Ruled,
    pub task: Option<TaskId>,
    pub phase: String,
    pub rule: Option<String>,
    pub reason: String,
    pub hint: String,
    /// The verdict was no and does not count: the workflow does not enforce it, or a bypass is open.
    pub waived: Option<Waived>,
    /// What its budget has to hold ready for it.
    pub aside: Spent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waived {
    pub bypass: Option<BypassId>,
}

/// What has to be loaded first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacks {
    Bypasses,
    Gates(TaskId),
}

#[derive(Debug)]
pub enum Unruled {
    Lacks(Lacks),
    Refused(Refusal),
}

impl From<Refusal> for Unruled {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

pub fn rule(facts: &Facts, call: &ClientCall, context: &Context) -> Result<Ruling, Unruled> {
    let own = facts.held.first().or(facts.lent.first()).and_then(|id| facts.state.tasks.get(id));
    match own {
        Some(task) => in_phase(facts, task, call, context),
        None => unclaimed(facts, call, context),
    }
}

fn in_phase(facts: &Facts, task: &Task, call: &ClientCall, context: &Context) -> Result<Ruling, Unruled> {
    let workflow = facts.workflow_of(task)?;
    let phase = facts.phase_of(task)?;
    let mut layers = Layers::of(&[&workflow.protect, &phase.rules], &phase.require_approval);
    // A subagent with a task of its own does not get past what is denied to whom it works for.
    for lent in facts.lent.iter().filter(|_| !facts.held.is_empty()).filter_map(|id| facts.state.tasks.get(id)) {
        let (workflow, phase) = (facts.workflow_of(lent)?, facts.phase_of(lent)?);
        layers.narrow(&[&workflow.protect, &phase.rules], &phase.require_approval);
    }
    let mut ruling = Ruling {
        ruled: Ruled::Deny,
        task: Some(task.id),
        phase: phase.name.clone(),
        rule: None,
        reason: String::new(),
        hint: String::new(),
        waived: None,
        aside: Spent::default(),
    };
    let found = layers.judge(facts, Some(task.id), call, context)?;
    if let Some(reason) = kept(&found.verdict, call) {
        ruling.reason = reason;
        ruling.hint = KEPT_HINT.to_owned();
        return Ok(ruling);
    }
    let answer = budget::next_answer(facts, task.id, call.first);
    let spent = budget::within(facts, task.id, answer, context.now).err();
    ruling.aside = budget::fitting(facts, task.id, answer.amount, context.now);
    if let Some(spent) = spent.as_ref().filter(|_| workflow.enforcement == Enforcement::Strict) {
        (ruling.reason, ruling.hint) = (spent.message.clone(), format!("next: {}", spent.hint));
        return Ok(ruling);
    }
    let mut ruling = by_verdict(facts, task, &layers, found, call, ruling, context)?;
    // Where it does not count, an empty purse opens nothing either: what else was to be said of the call stands.
    if let (Some(spent), Ruled::Allow { .. } | Ruled::Left, None) = (spent, &ruling.ruled, ruling.waived) {
        ruling.reason = spent.message;
        ruling.waived = Some(Waived { bypass: None });
    }
    Ok(ruling)
}

/// Why phasegate itself would be touched, which nothing opens: no bypass, and no workflow that does not enforce its rules.
/// A rule that denies the same call is found first and hides it.
fn kept(verdict: &Verdict, call: &ClientCall) -> Option<String> {
    let guarded = |verdict: &Verdict| verdict.decision == Decision::Deny && verdict.rule.is_none();
    if verdict.decision != Decision::Deny || guarded(verdict) {
        return guarded(verdict).then(|| verdict.reason.clone());
    }
    let bare = call.judge(&RuleSet::default());
    guarded(&bare).then_some(bare.reason)
}

fn by_verdict(
    facts: &Facts,
    task: &Task,
    layers: &Layers,
    found: Found<'_>,
    call: &ClientCall,
    mut ruling: Ruling,
    context: &Context,
) -> Result<Ruling, Unruled> {
    let (workflow, phase) = (facts.workflow_of(task)?, facts.phase_of(task)?);
    (ruling.rule, ruling.reason) = (found.verdict.rule.clone(), found.verdict.reason.clone());
    match found.verdict.decision {
        Decision::Allow => {
            if let Some(path) = outside(phase, call) {
                ruling.rule = None;
                ruling.reason = format!("`{path}` is outside `writes` of the phase");
                return closed(facts, task, workflow, phase, call, ruling, context);
            }
            ruling.ruled = allowed(call, confines(phase, call.kernel));
            ruling.waived = found.passed.map(|bypass| Waived { bypass: Some(bypass.id) });
            Ok(ruling)
        }
        Decision::Ask => {
            let approval = found.verdict.rule.as_ref().is_some_and(|rule| layers.approvals.contains(rule));
            ruling.ruled = Ruled::Ask { approval };
            ruling.hint = "a person decides about it".to_owned();
            Ok(ruling)
        }
        Decision::None => {
            match call.undecided(|tool| undecided::in_phase(workflow, phase, tool, &found.verdict, call.kernel)) {
                Undecided::Confined => {
                    // The rule that the words might hide decides nothing here.
                    (ruling.ruled, ruling.rule) = (Ruled::Allow { held: Held::Wholly }, None);
                    Ok(ruling)
                }
                Undecided::Left => {
                    ruling.ruled = Ruled::Left;
                    Ok(ruling)
                }
                Undecided::Asked => {
                    ruling.ruled = Ruled::Ask { approval: false };
                    ruling.hint = as_plain_commands(phase);
                    Ok(ruling)
                }
                Undecided::Refused if found.verdict.opaque => {
                    ruling.hint = as_plain_commands(phase);
                    Ok(ruling)
                }
                Undecided::Refused => closed(facts, task, workflow, phase, call, ruling, context),
            }
        }
        Decision::Deny => closed(facts, task, workflow, phase, call, ruling, context),
    }
}

fn as_plain_commands(phase: &Phase) -> String {
    format!("write it as plain commands that can be read; open now: {}", open_words(phase))
}

/// Whether a command of this phase is held. One that may write everywhere is held from what is ours, the client's and
/// denied, which takes all that a kernel can do.
pub fn confines(phase: &Phase, kernel: bool) -> bool {
    match phase.sandbox.confine {
        Confine::Off => false,
        Confine::Auto => kernel || is_bounded(phase),
        Confine::Writes | Confine::Full => true,
    }
}

pub fn is_bounded(phase: &Phase) -> bool {
    phase.sandbox.network == Network::Deny
        || effective_writes(phase.writes.as_deref(), &phase.rules.allow) != Writes::Everywhere
}

fn allowed(call: &ClientCall, confined: bool) -> Ruled {
    if call.theirs_decide() {
        return Ruled::Left;
    }
    Ruled::Allow { held: if call.tool == SHELL && confined { Held::AsFarAsCan } else { Held::Not } }
}

/// A file that an allowed call would write and the phase may not.
pub(super) fn outside(phase: &Phase, call: &ClientCall) -> Option<String> {
    let writes = phase.writes.as_ref()?;
    let written = |(tool, input)| written(tool, input).map(str::to_owned);
    call.parts().filter_map(written).find(|path| !paths::writes_cover(writes, path, &call.around))
}

fn written<'v>(tool: &str, input: &'v Value) -> Option<&'v str> {
    let field = match tool {
        "Edit" | "Write" | "MultiEdit" => "file_path",
        "NotebookEdit" => "notebook_path",
        _ => return None,
    };
    input.get(field).and_then(Value::as_str)
}

/// A no that only counts where the workflow enforces it.
fn unless_enforced(workflow: &Workflow, mut ruling: Ruling) -> Ruling {
    ruling.waived = match workflow.enforcement {
        Enforcement::Strict => None,
        Enforcement::Warn | Enforcement::Observe => Some(Waived { bypass: None }),
    };
    ruling
}

fn closed(
    facts: &Facts,
    task: &Task,
    workflow: &Workflow,
    phase: &Phase,
    call: &ClientCall,
    mut ruling: Ruling,
    context: &Context,
) -> Result<Ruling, Unruled> {
    if workflow.enforcement != Enforcement::Strict {
        return Ok(unless_enforced(workflow, ruling));
    }
    if !facts.gates_of.contains(&task.id) {
        return Err(Unruled::Lacks(Lacks::Gates(task.id)));
    }
    let unmet = gates::missing(facts, task, context)?;
    let missing: Vec<&str> = unmet.iter().map(|gate| gate.missing.as_str()).collect();
    let missing = if missing.is_empty() { String::new() } else { format!("; missing: {}", missing.join("; ")) };
    let next = phase.next.first().map_or("the end", String::as_str);
    let holder = if facts.held.is_empty() { "its holder calls " } else { "" };
    ruling.reason =
        format!("`{}` is not open in phase {} of {} ({})", call.shown(), phase.name, task.id, ruling.reason);
    ruling.hint = format!("open now: {}\nnext: {holder}transition_phase to {next}{missing}", open_words(phase));
    Ok(ruling)
}

/// Without a task the default workflow's word for that counts; where it has none, the client's own rules.
fn unclaimed(facts: &Facts, call: &ClientCall, context: &Context) -> Result<Ruling, Unruled> {
    let workflow = facts.default_workflow();
    let mut ruling = Ruling {
        ruled: Ruled::Left,
        task: None,
        phase: UNCLAIMED.to_owned(),
        rule: None,
        reason: "no workflow is in force".to_owned(),
        hint: String::new(),
        waived: None,
        aside: Spent::default(),
    };
    let nothing = Rules::default();
    let (protect, open) = workflow.map_or((&nothing, &nothing), |known| (&known.protect, &known.unclaimed));
    let found = Layers::of(&[protect, open], &[]).judge(facts, None, call, context)?;
    let verdict = &found.verdict;
    if let Some(reason) = kept(verdict, call) {
        (ruling.ruled, ruling.reason, ruling.hint) = (Ruled::Deny, reason, KEPT_HINT.to_owned());
        return Ok(ruling);
    }
    (ruling.rule, ruling.reason) = (verdict.rule.clone(), verdict.reason.clone());
    match verdict.decision {
        Decision::Allow => {
            // It is held like one of a phase that may write everywhere.
            ruling.ruled = allowed(call, call.kernel);
            ruling.waived = found.passed.map(|bypass| Waived { bypass: Some(bypass.id) });
            return Ok(ruling);
        }
        Decision::Ask => {
            ruling.ruled = Ruled::Ask { approval: false };
            return Ok(ruling);
        }
        Decision::None if call.undecided(|tool| undecided::without_task(open, tool)) == Undecided::Left => {
            return Ok(ruling);
        }
        Decision::Deny | Decision::None => {}
    }
    ruling.ruled = Ruled::Deny;
    match workflow.map_or(Enforcement::Strict, |known| known.enforcement) {
        Enforcement::Strict => {}
        Enforcement::Warn | Enforcement::Observe => ruling.waived = Some(Waived { bypass: None }),
    }
    ruling.reason = format!("`{}` is not open to an agent without a task ({})", call.shown(), ruling.reason);
    let list = if open.allow.is_empty() { "nothing".to_owned() } else { open.allow.join(", ") };
    ruling.hint = format!(
        "open now: {list}\nnext: claim_task {{\"new\":{{\"title\":\"…\"}}}} makes a task of what you were asked to do"
    );
    Ok(ruling)
}

/// Rules by list, as written.
pub(super) struct Layers {
    deny: Vec<String>,
    ask: Vec<String>,
    allow: Vec<String>,
    /// Of `ask`: those that take an approval, not a word in front of the client.
    approvals: Vec<String>,
}

struct Found<'f> {
    verdict: Verdict,
    /// The bypass of a rule that would have closed it.
    passed: Option<&'f Bypass>,
}

impl Layers {
    pub(super) fn of(rules: &[&Rules], approvals: &[String]) -> Self {
        let list = |of: fn(&Rules) -> &Vec<String>| rules.iter().flat_map(|rules| of(rules)).cloned().collect();
        let mut ask: Vec<String> = list(|rules| &rules.ask);
        ask.extend_from_slice(approvals);
        Self { deny: list(|rules| &rules.deny), ask, allow: list(|rules| &rules.allow), approvals: approvals.to_vec() }
    }

    pub(super) fn by_rules(&self, call: &ClientCall) -> Verdict {
        call.judge(&RuleSet::compile(&self.deny, &self.ask, &self.allow).0)
    }

    fn narrow(&mut self, rules: &[&Rules], approvals: &[String]) {
        let more = Self::of(rules, approvals);
        self.deny.extend(more.deny);
        self.ask.extend(more.ask);
        self.approvals.extend(more.approvals);
    }

    fn judge<'f>(
        &self,
        facts: &'f Facts,
        task: Option<TaskId>,
        call: &ClientCall,
        context: &Context,
    ) -> Result<Found<'f>, Unruled> {
        let verdict = self.by_rules(call);
        let by_rule = verdict.rule.is_some() && matches!(verdict.decision, Decision::Deny | Decision::Ask);
        if !by_rule {
            return Ok(Found { verdict, passed: None });
        }
        if !facts.bypasses_loaded {
            return Err(Unruled::Lacks(Lacks::Bypasses));
        }
        let over = |rule: &str| facts.state.bypasses.values().find(|known| known.covers(rule, task, context.now));
        let passed = verdict.rule.as_deref().and_then(over);
        if passed.is_none() {
            return Ok(Found { verdict, passed });
        }
        let left = |rules: &[String]| rules.iter().filter(|rule| over(rule).is_none()).cloned().collect();
        // What a person would have been asked about is open once nobody has to be asked; what no rule can open stays shut.
        let asked = self.ask.iter().filter(|rule| over(rule).is_some());
        let without = Self {
            deny: left(&self.deny),
            ask: left(&self.ask),
            allow: self.allow.iter().chain(asked).cloned().collect(),
            approvals: Vec::new(),
        };
        Ok(Found { verdict: without.by_rules(call), passed })
    }
}

impl ClientCall {
    fn parts(&self) -> impl Iterator<Item = (&str, &Value)> {
        let also = self.also.iter().map(|(tool, input)| (tool.as_str(), input));
        std::iter::once((self.tool.as_str(), &self.input)).chain(also)
    }

    /// The least that is said of any part.
    fn judge(&self, rules: &RuleSet) -> Verdict {
        let each = self.parts().map(|(tool, input)| judge::judge(rules, tool, input, &self.around));
        each.reduce(Verdict::stricter).unwrap_or_else(|| Verdict::none("it does nothing"))
    }

    /// Of several the least free; the client's own affair only where each is.
    pub(super) fn undecided(&self, of: impl Fn(&str) -> Undecided) -> Undecided {
        let each = self.parts().map(|(tool, _)| of(tool));
        each.reduce(|one, other| if one == other { one } else { Undecided::Refused }).unwrap_or(Undecided::Refused)
    }

    /// The person's own rules have something to say, which the client says itself.
    fn theirs_decide(&self) -> bool {
        matches!(self.judge(&self.theirs).decision, Decision::Deny | Decision::Ask)
    }

    /// The call in a few words.
    pub fn shown(&self) -> String {
        let field = |name: &str| self.input.get(name).and_then(Value::as_str);
        let subject =
            ["command", "file_path", "notebook_path", "path", "url", "subagent_type"].into_iter().find_map(field);
        let Some(subject) = subject else { return self.tool.clone() };
        let root = format!("{}/", self.around.root);
        let subject = subject.strip_prefix(&root).unwrap_or(subject);
        let plain: String = subject.chars().map(|c| if c.is_control() || c == '`' { ' ' } else { c }).collect();
        let mut cut: String = plain.chars().take(SHOWN_CHARS).collect();
        if cut.len() < plain.len() {
            cut.push('…');
        }
        format!("{} {cut}", self.tool)
    }
}
