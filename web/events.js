// Records of the log in plain words: who did what, how it was judged and by which rule. What agents wrote stays in quotes.

import { h, link } from "./dom.js";
import { money, plural, worded } from "./parts.js";
import { minutes, moment } from "./time.js";

const said = (text) => (text ? h("q.said", text) : null);
const mono = (text) => h("code", text);

/** What a judged call was, from what the record keeps of it. */
export function callText(event) {
  const input = event.input ?? {};
  const what = input.command ?? input.file_path ?? input.path ?? input.url ?? input.pattern ?? input.query;
  const text = typeof what === "string" ? what : Object.keys(input).length ? JSON.stringify(input) : "";
  return `${event.tool} ${text}`.trim();
}

function gate(name) {
  return mono(name);
}

const VERDICT = { allow: "ok", ask: "warn", deny: "bad" };

/** By the type of the event: what kind of news it is ("ok", "bad", "warn", "info" or ""), and the sentence after the agent's name. */
const SENTENCES = {
  TaskSubmitted: (e) => ["", "handed the task in", e.waiting_on?.length ? [", waiting for ", e.waiting_on.join(", ")] : null],
  TaskReadied: (e) => ["info", "it is ready: ", e.met, " is done"],
  TaskClaimed: (e) => ["info", `claimed it (fence ${e.fence})`, e.route ? [" for the ", h("strong", `${e.route.tier} model`)] : null],
  ClaimResumed: (e) => ["info", `went on with its claim (fence ${e.fence})`],
  ClaimExpired: (e) => ["warn", "the lease of ", h("strong", e.agent), " ran out"],
  ClaimReleased: (e) => ["", "released the claim of ", h("strong", e.agent), e.reason ? [": ", said(e.reason)] : null],
  ClaimParked: (e) => ["warn", "is parked until ", moment(e.until), ": ", e.why],
  ProgressNoted: (e) => ["", e.percent === undefined || e.percent === null ? "noted: " : `noted at ${Math.round(e.percent)} %: `, said(e.note)],
  CheckpointSaved: () => ["", "saved a checkpoint"],
  TaskBlocked: (e) => ["bad", "is blocked: ", said(e.reason)],
  TaskUnblocked: () => ["ok", "took the blocker away"],
  AttemptFailed: (e) => ["bad", `gave up try ${e.failed}: `, said(e.reason)],
  TaskFailed: (e) => ["bad", "failed for good: ", said(e.reason)],
  TaskReopened: (e) => ["info", "opened it again", e.reason ? [": ", said(e.reason)] : null],
  TaskCancelled: (e) => ["warn", "cancelled it", e.reason ? [": ", said(e.reason)] : null],
  ArtifactSubmitted: (e) => ["", "handed in ", mono(e.name), ` version ${e.version} (${e.bytes} bytes)`],
  GateStarted: (e) => ["", "the gate ", gate(e.gate), " runs"],
  GatePassed: (e) => ["ok", "the gate ", gate(e.gate), " passed: ", worded(e.summary)],
  GateRefused: (e) => ["bad", "the gate ", gate(e.gate), " refused: ", worded(e.summary)],
  GateOrphaned: (e) => ["warn", "the run of the gate ", gate(e.gate), " was cut off"],
  GateObserved: (e) => [e.well ? "ok" : "bad", "the hook saw the gate ", gate(e.gate), e.well ? " pass" : " fail", ": ", worded(e.summary)],
  PhaseEntered: (e) => ["info", e.from ? ["went from ", h("strong", e.from), " to "] : "entered ", h("strong", e.phase)],
  TaskCompleted: (e) => ["ok", "completed it", e.outcome?.summary ? [": ", said(e.outcome.summary)] : null],
  ApprovalRequested: (e) => ["warn", "asked a person (", link(`/inbox/${e.approval}`, e.approval), "): ", h("q.said", worded(e.ask))],
  ApprovalApproved: (e) => ["ok", "said yes to ", link(`/inbox/${e.approval}`, e.approval), answer(e)],
  ApprovalRejected: (e) => ["bad", "said no to ", link(`/inbox/${e.approval}`, e.approval), answer(e)],
  ApprovalAdjusted: (e) => ["ok", "said yes to ", link(`/inbox/${e.approval}`, e.approval), " with other arguments", answer(e)],
  ApprovalExpired: (e) => ["warn", "nobody answered ", link(`/inbox/${e.approval}`, e.approval), " in time"],
  ApprovalCancelled: (e) => ["", "the approval ", link(`/inbox/${e.approval}`, e.approval), " is void: ", e.why],
  ApprovalConsumed: (e) => ["", "used the approval ", link(`/inbox/${e.approval}`, e.approval), e.gate || e.tool ? [" for ", mono(e.gate ?? e.tool)] : null],
  WorkflowTrusted: (e) => ["info", "put workflow ", h("strong", e.name), " in force ", mono(e.hash.slice(0, 12))],
  StoreRestored: () => ["warn", "put a backup in place of the store"],
  RuleWaived: (e) => ["warn", "was let through against a rule: ", worded(e.message)],
  CommandRefused: (e) => ["bad", "was refused (", mono(e.code), "): ", worded(e.message)],
  RefusalsRepeated: (e) => ["bad", `was refused ${e.times} more times (`, mono(e.code), ")"],
  ApproverEnrolled: (e) => ["info", "enrolled ", h("strong", e.name), " as approver"],
  ApproverRevoked: (e) => ["warn", "ended the approver ", h("strong", e.name)],
  CredentialCreated: (e) => ["info", `made the credential ${e.credential} for `, h("strong", e.name), " (", wordOf(e.role), ")"],
  CredentialRevoked: (e) => ["warn", `ended the credential ${e.credential}`],
  BypassOpened: (e) => ["bad", `opened the bypass ${e.bypass} of `, mono(e.rules.join(", ")), ": ", said(e.reason)],
  BypassClosed: (e) => ["ok", `the bypass ${e.bypass} is closed: `, e.why],
  BudgetWarned: (e) => [e.level >= 100 ? "bad" : "warn", `found ${e.percent} % of the budget used (${e.unit === "micro_usd" ? "money" : e.unit})`],
  BudgetChanged: (e) => ["info", `changed the budget from ${caps(e.before)} to ${caps(e.budget)}`, e.reason ? [": ", said(e.reason)] : null],
  ModelRouted: (e) => ["info", `${ROUTED[e.because] ?? "goes on with"} `, h("strong", `${e.route.tier} model`), e.route.model ? [" (", mono(e.route.model), ")"] : null, e.phase ? ` for ${e.phase}` : "", ": ", worded(e.route.reason.replace(/^\w+ tier: /, ""))],
  OutcomeRecorded: (e) => [e.success >= 0.5 ? "ok" : "bad", `noted that the work of the ${e.tier} model `, e.model ? ["(", mono(e.model), ") "] : null, went(e.success), e.micro_usd ? ` for ${money(e.micro_usd)}` : "", `, by ${JUDGES[e.judge] ?? e.judge}`, e.why ? [": ", worded(e.why)] : null],
  LearningReset: (e) => ["warn", `made the choice of models forget ${plural(e.forgotten, "outcome")}: `, said(e.reason)],
  CallStarted: (e) => ["", "began the approved act ", mono(e.tool)],
  CallFinished: (e) => ["ok", "the act ", mono(e.tool), " ended: ", e.summary],
  CallFailed: (e) => ["bad", "the act ", mono(e.tool), " failed: ", e.summary],
  CallOrphaned: (e) => ["warn", "how the act ", mono(e.tool), " ended is not known"],
  SessionStarted: (e) => ["info", `began a session of ${e.client}, guard `, wordOf(e.guard), e.why ? ` (${e.why})` : ""],
  SessionEnded: (e) => ["", "ended the session", e.why ? `: ${e.why}` : ""],
  SubAgentStarted: (e) => ["", "started the subagent ", h("strong", e.agent)],
  SubAgentEnded: (e) => ["", "its subagent ", h("strong", e.agent), " ended"],
  CallJudged: (e) => [VERDICT[wordOf(e.verdict)] ?? "", "called ", mono(callText(e))],
  CallObserved: (e) => [e.well ? "" : "warn", "ran ", mono(e.tool), e.well ? ", which ended well" : ", which failed", e.exit_code ? ` (exit code ${e.exit_code})` : ""],
  ResultReduced: (e) => ["", "was given ", `${e.tokens_after} of ${e.tokens_before} tokens of a result of `, mono(e.tool)],
  ViolationFound: (e) => ["bad", "changed what the phase does not allow: ", mono(e.violations.map((one) => one.path).join(", ")), e.more ? ` and ${e.more} more` : ""],
  ViolationUndone: (e) => ["ok", "undid the change of ", mono(e.paths.join(", "))],
  ViolationAccepted: (e) => ["warn", "accepted the change of ", mono(e.paths.join(", ")), ": ", said(e.reason)],
  GuardKept: (e) => ["bad", "tried to change settings that hold the guard; they did not count (", mono(e.file ?? e.source), ")"],
  TextFlagged: (e) => ["warn", "wrote a text that was flagged: ", (e.findings ?? []).map((one) => one.kind ?? one.what ?? one.rule).filter(Boolean).join(", ")],
  TextNotScreened: (e) => ["warn", "wrote a text that was not screened: ", e.why],
  LogKeyChanged: (e) => ["warn", "changed the key of the log: ", said(e.reason)],
  RecordErased: (e) => ["warn", "erased the content of ", `${plural(e.records?.length ?? 0, "record")}: `, said(e.reason)],
};

/** Sentences that name who or what acted; the others begin with the agent. */
const COMPLETE = new Set([
  "TaskReadied", "ClaimExpired", "GateStarted", "GatePassed", "GateRefused", "GateOrphaned", "GateObserved", "ApprovalExpired",
  "ApprovalCancelled", "BypassClosed", "CallFinished", "CallFailed", "CallOrphaned", "SubAgentEnded",
]);

/** By what a model was chosen for. */
const ROUTED = { asked: "asked, and was pointed to the", phase: "goes on with the", failure: "goes on after a failure with the", subagent: "got for a subagent the" };
const JUDGES = { gates: "its gates", agent: "the agent's own word", person: "a person's word" };

function went(success) {
  if (success >= 1) return "went well";
  return success <= 0 ? "went wrong" : `went well to ${Math.round(success * 100)} %`;
}

function caps(budget = {}) {
  const said = { usd: (value) => `$${value}`, minutes, tokens: (value) => plural(value, "token"), calls: (value) => plural(value, "answer") };
  const found = Object.keys(said).filter((name) => typeof budget[name] === "number").map((name) => said[name](budget[name]));
  return found.length ? found.join(", ") : "none";
}

/** A kind that this page does not know yet: its name, in words. */
function unknown(type) {
  return String(type ?? "").replace(/(?!^)([A-Z])/g, " $1").toLowerCase();
}

function wordOf(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function answer(event) {
  const given = event.answer ?? {};
  return [given.level === undefined ? null : ` (level ${given.level}${given.via ? `, ${given.via}` : ""})`, given.reason ? [": ", said(given.reason)] : null];
}

/** { kind, text: nodes, by: the name that the sentence begins with or null, why: nodes or null } of a record. */
export function story(record) {
  const event = record.event;
  if (event.erased) return { kind: "", text: ["the content of this record was erased"], by: record.agent, why: null };
  const make = SENTENCES[event.type];
  let kind = "";
  let text;
  try {
    [kind, ...text] = make ? make(event) : ["", unknown(event.type)];
  } catch {
    // A record of another version may lack what a sentence needs.
    text = [unknown(event.type)];
  }
  return { kind, text, by: COMPLETE.has(event.type) ? null : record.agent, why: event.type === "CallJudged" ? judged(event) : null };
}

function judged(event) {
  const verdict = wordOf(event.verdict);
  return [
    h("span.tag", { class: VERDICT[verdict] ?? "" }, verdict),
    event.rule ? [" by the rule ", mono(event.rule)] : " by no rule",
    event.bypass ? [" under the bypass ", event.bypass] : null,
    event.waived ? " (only recorded)" : null,
    event.confined ? [", confined: ", wordOf(event.confined)] : null,
    event.reason && verdict !== "allow" ? h("div.muted.lines", worded(event.reason)) : null,
  ];
}

