// Work that is really done, so that there is something to see on every page: tasks in all states, a guarded session, gates that
// pass and refuse, approvals, costs, a violation, and texts of agents that try to be more than text.

export const FLOW = `version: 1
name: feature
protect:
  deny: ["Read(.env)"]
unclaimed:
  allow: [Read, Grep, Glob]
budget: { usd: 5.00 }
phases:
  scout:
    goal: Find out what is there. Change nothing.
    allow: [Read, Grep, Glob, submit_task, "Bash(ls *)"]
    exit: [ { artifact: findings } ]
    next: [plan]
  plan:
    goal: Say what will change before anything does.
    allow: [Read, Grep, Glob, "Edit(docs/plans/**)"]
    exit:
      - artifact: plan
      - approval: { ask: "Build it this way?", within: 72h }
    next: [build, scout]
  build:
    goal: Make the change.
    allow: [Read, Grep, Glob, Edit, Write, "Bash(cargo *)", "Bash(sh *)"]
    writes: ["src/**", "tests/**"]
    require_approval: ["Bash(cargo publish *)"]
    exit:
      - command: [sh, -c, "echo 'running 42 tests'; echo 'test limit::burst ... ok'; test -f src/limit.rs || { echo 'limit.rs is missing'; exit 3; }"]
        within: 10s
    next: [review, plan]
  review:
    goal: Look at what was made.
    allow: [Read, Grep, Glob]
    exit: [ { approval: { ask: "Ship it?", within: 72h } } ]
    next: [done, build]
  done: { end: true }
`;

/** What must stay text in every view: markup, a link that runs, a text that turns around, one that hides. */
export const HOSTILE = {
  markup: `<script>window.hacked=1</script><img src=x onerror="window.hacked=2">`,
  attribute: `" onmouseover="window.hacked=3" x="`,
  link: `javascript:window.hacked=4`,
  turned: `invoice\u202Efdp.exe`,
  hiding: `de\u200Bploy\u2066now\u2069`,
};

const SESSION = "3798ac99-d811-4e76-9bf5-a24d1804b989";
const OPUS = "claude-opus-5-5";
const HAIKU = "claude-haiku-5-5";

export async function play(world) {
  world.write("phasegate.yaml", FLOW);
  world.write("src/main.rs", "fn main() {}\n");
  await world.does(["init", "--client", "claude-code", "--yes"]);
  await world.call("planner", "claim_task", { new: { title: "Plan the work", goal: "Hand in what is to be done" } });
  const graph = await world.call("planner", "submit_task", {
    tasks: [
      { ref: "limit", title: "Limit the API to 30 calls a minute", goal: "Nobody can flood the API", priority: "critical", labels: ["api"], type: "feature", budget: { usd: 2 }, acceptance_criteria: ["429 after 30 calls", "a test shows it"] },
      { ref: "docs", title: "Say in the docs what a 429 means", depends_on: ["limit"], labels: ["docs"], type: "documentation" },
      { ref: "metric", title: "Count refused calls", depends_on: ["limit"], priority: "high", labels: ["api"] },
      { ref: "alert", title: "Alert when refusals jump", depends_on: ["metric", "docs"], priority: "low" },
      { ref: "typo", title: "Mend the typo in the README", priority: "low", type: "documentation" },
      { ref: "cache", title: "Cache the price list", labels: ["api", "speed"], priority: "medium", budget: { usd: 0.5, minutes: 45 } },
      { ref: "x1", title: HOSTILE.markup, goal: HOSTILE.attribute, labels: ["<b>x</b>", "javascript:1"], description: HOSTILE.link },
      { ref: "x2", title: `${HOSTILE.turned} ${HOSTILE.hiding}`, goal: HOSTILE.hiding, depends_on: ["typo"] },
    ],
  });
  const ids = Object.fromEntries((graph.tasks ?? []).map((row) => [row.ref, row.id]));
  const named = (ref, fallback) => ids[ref] ?? fallback;
  const [limit, typo, cache, hostile] = [named("limit", "T-2"), named("typo", "T-6"), named("cache", "T-7"), named("x1", "T-8")];
  const agent = await guarded(world, limit);
  await blind(world, cache, hostile, typo);
  await world.does(["bypass", "open", "Bash(cargo publish *)", "--for", "2h", "--reason", "releasing 1.4 by hand", "--yes"]);
  return { limit, docs: named("docs", "T-3"), typo, cache, hostile, turned: named("x2", "T-9"), agent };
}

/** A session whose hooks are there: it scouts, plans, is let through by a person, and builds. */
async function guarded(world, task) {
  const id = (name) => `toolu_${name}`;
  const before = (name, tool, input) => world.hook(SESSION, { hook_event_name: "PreToolUse", tool_name: tool, tool_input: input, tool_use_id: id(name) });
  const after = (name, tool, input, answer) =>
    world.hook(SESSION, { hook_event_name: "PostToolUse", tool_name: tool, tool_input: input, tool_use_id: id(name), tool_response: answer });
  await world.hook(SESSION, { hook_event_name: "SessionStart", source: "startup", model: OPUS });
  const [row] = await world.value(["sessions", "list"]);
  const agent = row.agent;
  await before("claim", "mcp__phasegate__claim_task", { id: task });
  await world.call(agent, "claim_task", { id: task });
  world.spend(SESSION, [["m1", OPUS, { input_tokens: 1200, cache_creation_input_tokens: 18_000, output_tokens: 900 }]]);
  await before("read", "Read", { file_path: `${world.root}/src/main.rs` });
  await after("read", "Read", { file_path: `${world.root}/src/main.rs` }, { type: "text" });
  await before("edit", "Edit", { file_path: `${world.root}/src/main.rs`, old_string: "a", new_string: "b" });
  await before("env", "Read", { file_path: `${world.root}/.env` });
  await world.call(agent, "submit_artifact", { name: "findings", content: { summary: "no limit anywhere", files: ["src/main.rs"] } });
  await before("plan", "mcp__phasegate__transition_phase", {});
  await world.call(agent, "transition_phase");
  await world.call(agent, "submit_artifact", { name: "plan", content: `# Plan\n1. A token bucket a caller.\n2. ${HOSTILE.markup}\n3. 429 with Retry-After.` });
  await world.call(agent, "request_approval", { reason: `Small change, one file. ${HOSTILE.markup}` });
  const [approval] = await world.value(["approvals", "list"]);
  await world.does(["approvals", "approve", approval.id, "--yes", "--reason", "go ahead"]);
  await world.call(agent, "transition_phase");
  world.spend(SESSION, [
    ["m2", OPUS, { input_tokens: 2600, cache_read_input_tokens: 41_000, output_tokens: 5400 }],
    ["m3", HAIKU, { input_tokens: 900, cache_read_input_tokens: 12_000, output_tokens: 1800 }],
  ]);
  await before("publish", "Bash", { command: "cargo publish --token x" });
  await world.call(agent, "transition_phase");
  await before("list", "Bash", { command: "cargo --version" });
  await after("list", "Bash", { command: "cargo --version" }, { stdout: "cargo" });
  world.write("src/limit.rs", "pub const PER_MINUTE: u32 = 30;\n");
  await world.call(agent, "update_task", { progress: `The bucket is in; tests next. ${HOSTILE.attribute}`, percent: 60 });
  await world.hook(SESSION, { hook_event_name: "Stop" });
  return agent;
}

/** Agents without hooks: one waits for a person, one is blocked, one is done, one has failed. */
async function blind(world, cache, hostile, typo) {
  await world.call("ben", "claim_task", { id: cache });
  await world.call("ben", "submit_artifact", { name: "findings", content: { summary: "read on every call" } });
  await world.call("ben", "transition_phase");
  await world.call("ben", "submit_artifact", { name: "plan", content: { steps: ["keep it for a minute", HOSTILE.markup] } });
  await world.call("ben", "request_approval", { reason: "A minute of stale prices is fine." });
  await world.call("eve", "claim_task", { id: hostile });
  await world.call("eve", "update_task", { progress: HOSTILE.turned });
  await world.call("eve", "request_approval", { question: `${HOSTILE.markup} ${HOSTILE.turned}`, reason: HOSTILE.link });
  await world.call("cleo", "claim_task", { id: typo });
  await world.call("cleo", "update_task", { blocker: `who owns the README? ${HOSTILE.markup}` });
  await world.call("dan", "claim_task", { new: { title: "An old idea", type: "research" } });
  await world.call("dan", "update_task", { cancel: "nobody wants it" });
}
