// The official TypeScript clients, of both generations, against the real server: one task in each era.
// Prints one JSON line a test; run.py counts them.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import assert from 'node:assert/strict';

const binary = process.env.PHASEGATE_BINARY;
const require = createRequire(join(process.env.PHASEGATE_TOOLS, 'node', 'package.json'));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const older = await load('@modelcontextprotocol/sdk/client/index.js');
const olderPipes = await load('@modelcontextprotocol/sdk/client/stdio.js');
const olderTypes = await load('@modelcontextprotocol/sdk/types.js');
const newer = await load('@modelcontextprotocol/client');
const newerPipes = await load('@modelcontextprotocol/client/stdio');

const INFO = { name: 'tests', version: '1' };
const NAMES = [
  'claim_task', 'list_tasks', 'optimize_context', 'query_audit', 'record_outcome', 'request_approval', 'route_model',
  'submit_artifact', 'submit_task', 'transition_phase', 'update_task',
];
const WORKFLOW = `\
version: 1
name: story
phases:
  plan:
    goal: Say what will change.
    allow: [Read]
    exit:
      - artifact: plan
        schema: { type: object, required: [steps] }
      - approval: { ask: "Build it this way?", within: 1h }
    next: [build]
  build:
    goal: Make it.
    allow: [Read]
    exit:
      - command: [sleep, "1.2"]
        within: 20s
    next: [done]
  done: { end: true }
`;
const ASKS = WORKFLOW.replace('within: 1h', 'within: 1h, level: 0');
const LONG = `\
version: 1
name: long
phases:
  wait:
    goal: Wait.
    allow: [Read]
    exit:
      - command: [sleep, "30"]
        within: 60s
    next: [done]
  done: { end: true }
`;

function workspace(workflow) {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'phasegate-test-')));
  const place = { base, root: join(base, 'work'), env: { PATH: process.env.PATH, HOME: join(base, 'home'), USER: 'tester' } };
  mkdirSync(place.root);
  mkdirSync(place.env.HOME);
  place.cli = (...words) => execFileSync(binary, words, { cwd: place.root, env: place.env, encoding: 'utf8', timeout: 20000 });
  writeFileSync(join(place.root, 'phasegate.yaml'), workflow);
  place.cli('workflow', 'trust', '--yes');
  return place;
}

function connections() {
  const parameters = (place) => ({ command: binary, args: ['serve'], cwd: place.root, env: place.env, stderr: 'ignore' });
  const made = [{
    name: 'sdk 1',
    version: '2025-11-25',
    open: (place) => [new older.Client(INFO), new olderPipes.StdioClientTransport(parameters(place))],
    // The older client takes a schema for results before its options.
    call: (client, call, options) => client.callTool(call, undefined, options),
    person: (client, answer) => client.setRequestHandler(olderTypes.ElicitRequestSchema, answer),
  }];
  for (const [name, mode, version] of [
    ['legacy', 'legacy', '2025-11-25'], ['auto', 'auto', '2026-07-28'], ['pinned', { pin: '2026-07-28' }, '2026-07-28'],
  ]) {
    made.push({
      name: `client 2 ${name}`,
      version,
      open: (place) => [
        new newer.Client(INFO, { versionNegotiation: { mode } }), new newerPipes.StdioClientTransport(parameters(place)),
      ],
      call: (client, call, options) => client.callTool(call, options),
      person: (client, answer) => client.setRequestHandler('elicitation/create', answer),
    });
  }
  return made;
}

async function within(connection, workflow, story, answer) {
  const place = workspace(workflow);
  const [client, transport] = connection.open(place);
  try {
    if (answer) {
      client.registerCapabilities({ elicitation: { form: {} } });
      connection.person(client, answer);
    }
    await client.connect(transport);
    const run = (name, args = {}, options) => connection.call(client, { name, arguments: args }, options);
    const does = async (name, args, options) => {
      const result = await run(name, args, options);
      assert.ok(!result.isError, JSON.stringify(result.structuredContent));
      assert.equal(result.content[0].type, 'text');
      return result.structuredContent;
    };
    const refuses = async (name, args, code) => {
      const result = await run(name, args);
      assert.equal(result.isError, true, JSON.stringify(result));
      assert.equal(result.structuredContent.code, code);
      assert.ok(result.structuredContent.message && result.structuredContent.hint);
    };
    await story({ client, transport, place, does, refuses, run });
  } finally {
    await client.close();
    rmSync(place.base, { recursive: true, force: true });
  }
}

async function wholeTask({ client, place, does, refuses }, connection) {
  const spoken = client.getNegotiatedProtocolVersion?.();
  if (spoken) assert.equal(spoken, connection.version);
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name).sort(), NAMES);
  const brief = await does('claim_task', { new: { title: 'Wait a second' } });
  assert.deepEqual([brief.task, brief.phase], ['T-1', 'plan']);
  await refuses('transition_phase', {}, 'gates_unmet');
  await refuses('claim_task', { role: 'operator' }, 'bad_arguments');
  await does('submit_artifact', { name: 'plan', content: { steps: ['wait'] } });
  const asked = await does('request_approval');
  place.cli('approvals', 'approve', asked.approval, '--yes');
  assert.equal((await does('transition_phase')).phase, 'build');
  const reports = [];
  const ended = await does('transition_phase', { summary: 'waited' }, { onprogress: (report) => reports.push(report) });
  assert.equal(ended.status, 'done');
  assert.ok(reports.length >= 2, JSON.stringify(reports));
  assert.ok(reports[1].progress > reports[0].progress && reports[0].message);
}

async function besidesTools({ client, does }) {
  await does('claim_task', { new: { title: 'Wait a second' } });
  const { resources } = await client.listResources();
  assert.deepEqual(resources.map((resource) => resource.uri).sort(), ['phasegate://board', 'phasegate://workflow']);
  assert.match((await client.readResource({ uri: 'phasegate://board' })).contents[0].text, /Wait a second/);
  const { resourceTemplates } = await client.listResourceTemplates();
  assert.equal(resourceTemplates[0].uriTemplate, 'phasegate://task/{id}');
  const task = await client.readResource({ uri: 'phasegate://task/T-1' });
  assert.equal(JSON.parse(task.contents[0].text).id, 'T-1');
  await assert.rejects(client.readResource({ uri: 'file:///etc/hosts' }));
  const { prompts } = await client.listPrompts();
  assert.equal(prompts.length, 3);
  const prompt = await client.getPrompt({ name: 'start', arguments: { title: 'x' } });
  assert.match(prompt.messages[0].content.text, /claim_task/);
  const found = await client.complete({
    ref: { type: 'ref/resource', uri: 'phasegate://task/{id}' }, argument: { name: 'id', value: 'T-' },
  });
  assert.deepEqual(found.completion.values, ['T-1']);
  await assert.rejects(client.callTool({ name: 'no_such_tool', arguments: {} }));
}

async function cancelled({ does, run }) {
  await does('claim_task', { new: { title: 'wait' } });
  const stop = new AbortController();
  const begun = Date.now();
  const waiting = run('transition_phase', {}, { signal: stop.signal, onprogress: () => stop.abort() });
  await assert.rejects(waiting);
  // The gate's program must be gone before its 30 s: the refusal is in the log soon, and the server works on.
  for (;;) {
    const { records } = await does('query_audit', { kind: 'GateRefused' });
    if (records.length === 1) break;
    assert.ok(Date.now() - begun < 10000, 'the gate was not ended');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await does('update_task', { progress: 'still here' });
}

async function dialog({ does }) {
  await does('claim_task', { new: { title: 'Ask first' } });
  const asked = await does('request_approval');
  assert.deepEqual([asked.state, asked.reason], ['approved', 'shown: A-1: Build it this way?']);
  assert.match(asked.answered_by, /^client-of:/);
}

/** A person who always says yes, and tells what they saw first. */
const yes = (request) => ({
  action: 'accept', content: { approve: true, reason: `shown: ${request.params.message.split('\n')[0]}` },
});

for (const connection of connections()) {
  for (const [name, workflow, story, answer] of [
    ['a whole task', WORKFLOW, wholeTask], ['resources, prompts, completion', WORKFLOW, besidesTools],
    ['a cancelled gate', LONG, cancelled], ['a dialog', ASKS, dialog, yes],
  ]) {
    const begun = Date.now();
    let why = '';
    try {
      await within(connection, workflow, (session) => story(session, connection), answer);
    } catch (error) {
      why = String(error.stack ?? error).slice(0, 2000);

    }
    console.log(JSON.stringify({ name: `${connection.name}: ${name}`, ok: !why, seconds: (Date.now() - begun) / 1000, why }));
  }
}
// Failures are in the lines; the code is for what could not even be told.
process.exit(0);
