// One approval as a person reads it: who asks, for what, what exactly happens on a yes. Texts come from the server with hidden
// characters as codes; what an agent wrote is marked as its own.

import { fill, h, link } from "./dom.js";
import { laidOut, told, worded } from "./parts.js";
import { moment, since, until } from "./time.js";

const asked = (one) => (one.ask_by_agent ? "The agent asks" : one.ask);

/** What a person is asked, in a line or two, the same wherever it stands: what is known of a call follows its question,
 * with both its ends. */
export function question({ ask, call }) {
  // A question about a budget says all that its call would.
  const what = call && call.tool !== "raise_budget" ? call.short : "";
  return [worded(ask), what && [" ", h("code", what)]];
}

export function described(one, context) {
  return h(
    "article.approval",
    h("h2", `${one.id}: `, worded(asked(one))),
    one.void && h("p.banner.bad", `Void: ${one.void}. It cannot be answered or used any more.`),
    one.ask_by_agent && h("blockquote.quote", one.ask),
    one.call && call(one.call),
    one.about === "gate" && h("p", "Opens gate ", h("code", one.gate), " of phase ", h("code", one.phase), "."),
    h("p.on-yes", h("strong", "After a yes: "), told(one.on_yes), "."),
    one.claim && h("div.claim", h("p.quote-by", "The agent says (its claim, not checked):"), h("blockquote.quote", one.claim)),
    one.artifacts.map((artifact) => document(artifact, context)),
    facts(one),
  );
}

function call({ tool, lines, warnings, starts, changes }) {
  return h(
    "div.call",
    h("h3", "The call, exactly as it would run"),
    h("pre", { tabindex: "0", "aria-label": "the call" }, h("strong", tool), "\n", lines.join("\n")),
    warnings.map((warning) => h("p.banner.warn", `Warning: ${warning}.`)),
    starts && [
      h("h3", "It starts", starts.doubt && ` (and maybe more: ${starts.doubt})`),
      h("pre", { tabindex: "0", "aria-label": "what it starts" }, starts.commands.join("\n")),
    ],
    changes.length > 0 && h("div.changes", { "aria-label": "what changes" }, changes.map((line) => h("div.change", { class: { "+": "added", "-": "gone" }[line.sign] ?? "same" }, line.sign, line.text))),
  );
}

/** Lists are fetched whole up to here, since half of one cannot be laid out. */
const LAID_BYTES_MAX = 100_000;

/** The beginning of what was handed in; the rest on demand. */
function document(artifact, context) {
  const beginning = artifact.lines.join("\n");
  const text = h("div.stack");
  const show = (written, json = written) => fill(text, laidOut(json) ?? h("pre", { tabindex: "0", "aria-label": `artifact ${artifact.name}` }, written));
  const whole = async () => {
    more.disabled = true;
    try {
      show(await context.api.text(`/blobs/${artifact.sha256}`));
      more.remove();
    } catch (error) {
      more.disabled = false;
      if (error.name !== "AbortError") context.notice(error, "artifact");
    }
  };
  const more = artifact.cut && h("button.small", { type: "button", onclick: whole }, `Show all of it (${artifact.bytes} bytes)`);
  const opened = () => {
    if (element.open && more?.isConnected && !more.disabled && /^[{[]/.test(beginning) && artifact.bytes <= LAID_BYTES_MAX) whole();
  };
  show(beginning, /^\s*[[{]/.test(beginning) ? uncoded(beginning) : beginning);
  const element = h(
    "details",
    { open: artifact.lines.length <= 12, ontoggle: opened },
    h("summary", `Artifact ${artifact.name} v${artifact.version}, handed in by ${artifact.by} (its claim)`),
    text,
    more,
  );
  return element;
}

/** The server's codes for hidden characters, as JSON has them. */
function uncoded(text) {
  return text.replace(/\\(?:u\{(10[0-9a-f]{4}|[0-9a-f]{1,5})\}|[^])/g, (found, code) => (code ? JSON.stringify(String.fromCodePoint(parseInt(code, 16))).slice(1, -1) : found));
}

function facts(one) {
  const rows = [
    ["Task", one.task && [link(`/tasks/${one.task}`, one.task), ` “${one.title}”`]],
    ["Workflow", one.workflow && `${one.workflow}, phase ${one.phase}`],
    ["Asked by", [one.requested_by, " ", h("span.muted", since(one.requested_at))]],
    ["Time left", one.state === "pending" && [until(one.expires_at), " ", h("span.muted", "until ", moment(one.expires_at))]],
    ["Rule", one.rules.length > 0 && one.rules.map((rule) => h("code", rule))],
    ["From", one.from.join(", ")],
    ["Not by", one.not_by_author && "whoever worked on the task"],
    ["Takes", `level ${one.level}: ${one.level_words}`],
    ["Together", one.together.length > 1 && one.together.join(", ")],
    ["Digest", h("code.small", one.digest)],
  ];
  return h("dl.facts", rows.filter(([, value]) => value).map(([name, value]) => [h("dt", name), h("dd", value)]));
}

/** What came of it. */
export function answered(one) {
  if (one.void) return null;
  const { answered: answer } = one;
  if (!answer) return h("p.banner.info", `It is ${one.state}.`);
  return h(
    "p.banner.info",
    `It is ${one.state}: answered by ${answer.by} ${answer.how} at level ${answer.level}${answer.signed ? ", signed" : ""}`,
    answer.choice && `, with “${answer.choice}”`,
    answer.reason && `: ${answer.reason}`,
    " ",
    since(answer.at),
  );
}
