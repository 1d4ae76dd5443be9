// The official TypeScript clients, of both generations, over HTTP: one whole task in each era, a call that is cancelled, and a
// person who is asked in the client. Prints one JSON line a test; run.py counts them.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import assert from 'node:assert/strict';

const binary = process.env.PHASEGATE_BINARY;
const require = createRequire(join(process.env.PHASEGATE_TOOLS, 'node', 'package.json'));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const older = await load('@modelcontextprotocol/sdk/client/index.js');
const olderHttp = await load('@modelcontextprotocol/sdk/client/streamableHttp.js');
const olderTypes = await load('@modelcontextprotocol/sdk/types.js');
const newer = await load('@modelcontextprotocol/client');

const INFO = { name: 'tests', version: '1' };
const gate = (seconds) => `\
version: 1
name: story
phases:
  plan:
    goal: Say what will change.
    allow: [Read]
    exit:
      - artifact: plan
        schema: { type: object, required: [steps] }
      - approval: { ask: "Build it this way?", within: 1h, level: 0 }
    next: [build]
  build:
    goal: Make it.
    allow: [Read]
    exit:
      - command: [sleep, "${seconds}"]
        within: 60s
    next: [done]
  done: { end: true }
`;

const free = () => new Promise((resolve) => {
  const probe = createServer();
  probe.listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});
const until = async (what, holds) => {
  for (const begun = Date.now(); Date.now() - begun < 20000;) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not within 20 s: ${what}`);
};
const listens = (port) => new Promise((resolve) => {
  const socket = connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
  socket.on('error', () => resolve(false));
});

async function served(workflow) {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'phasegate-test-')));
  const place = { root: join(base, 'work'), env: { PATH: process.env.PATH, HOME: join(base, 'home'), USER: 'tester' } };
  mkdirSync(place.root);
  mkdirSync(place.env.HOME);
  place.cli = (...words) => execFileSync(binary, words, { cwd: place.root, env: place.env, encoding: 'utf8', timeout: 20000 });
  writeFileSync(join(place.root, 'phasegate.yaml'), workflow);
  place.cli('workflow', 'trust', '--yes');
  const { token } = JSON.parse(place.cli('token', 'create', '--role', 'agent', '--name', 'ana', '--json'));
  const port = await free();
  const server = spawn(binary, ['serve', '--http', `127.0.0.1:${port}`], { cwd: place.root, env: place.env, stdio: 'ignore' });
  await until('the server listens', () => listens(port));
  place.url = new URL(`http://127.0.0.1:${port}/mcp`);
  place.options = { requestInit: { headers: { Authorization: `Bearer ${token}` } } };
  place.close = async () => {
    server.kill();
    await new Promise((resolve) => (server.exitCode === null && server.signalCode === null ? server.on('exit', resolve) : resolve()));
    rmSync(base, { recursive: true, force: true });
  };
  return place;
}

const connections = [{
  name: 'sdk 1',
  open: (place) => [new older.Client(INFO), new olderHttp.StreamableHTTPClientTransport(place.url, place.options)],
  call: (client, call, options) => client.callTool(call, undefined, options),
  person: (client, answer) => client.setRequestHandler(olderTypes.ElicitRequestSchema, answer),
}];
for (const [name, mode] of [['legacy', 'legacy'], ['auto', 'auto'], ['pinned', { pin: '2026-07-28' }]]) {
  connections.push({
    name: `client 2 ${name}`,
    open: (place) => [
      new newer.Client(INFO, { versionNegotiation: { mode } }), new newer.StreamableHTTPClientTransport(place.url, place.options),
    ],
    call: (client, call, options) => client.callTool(call, options),
    person: (client, answer) => client.setRequestHandler('elicitation/create', answer),
  });
}

async function within(connection, workflow, story, answer) {
  const place = await served(workflow);
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
      return result.structuredContent;
    };
    await story({ client, place, does, run });
  } finally {
    await client.close();
    await place.close();
  }
}

async function wholeTask({ client, place, does, run }) {
  const { tools } = await client.listTools();
  assert.equal(tools.length, 11);
  assert.equal((await does('claim_task', { new: { title: 'Wait a second' } })).task, 'T-1');
  assert.equal((await run('transition_phase')).structuredContent.code, 'gates_unmet');
  await does('submit_artifact', { name: 'plan', content: { steps: ['wait'] } });
  const asked = await does('request_approval');
  place.cli('approvals', 'approve', asked.approval, '--yes');
  assert.equal((await does('transition_phase')).phase, 'build');
  const reports = [];
  const ended = await does('transition_phase', { summary: 'waited' }, { onprogress: (report) => reports.push(report) });
  assert.equal(ended.status, 'done');
  assert.ok(reports.length >= 2, JSON.stringify(reports));
  const task = await client.readResource({ uri: 'phasegate://task/T-1' });
  assert.equal(JSON.parse(task.contents[0].text).id, 'T-1');
  await assert.rejects(client.callTool({ name: 'no_such_tool', arguments: {} }));
}

async function cancelled({ place, does, run }) {
  await does('claim_task', { new: { title: 'wait' } });
  await does('submit_artifact', { name: 'plan', content: { steps: ['wait'] } });
  const asked = await does('request_approval');
  place.cli('approvals', 'approve', asked.approval, '--yes');
  await does('transition_phase');
  const stop = new AbortController();
  await assert.rejects(run('transition_phase', {}, { signal: stop.signal, onprogress: () => stop.abort() }));
  // The gate's program must be gone before its 30 s.
  await until('the gate was ended', async () => (await does('query_audit', { kind: 'GateRefused' })).records.length === 1);
  await does('update_task', { progress: 'still here' });
}

async function dialog({ does }) {
  await does('claim_task', { new: { title: 'Ask first' } });
  const asked = await does('request_approval');
  assert.deepEqual([asked.state, asked.reason], ['approved', 'shown: A-1: Build it this way?']);
}

/** A person who always says yes, and tells what they saw first. */
const yes = (request) => ({
  action: 'accept', content: { approve: true, reason: `shown: ${request.params.message.split('\n')[0]}` },
});

for (const connection of connections) {
  for (const [name, workflow, story, answer] of [
    ['a whole task', gate('1.2'), wholeTask], ['a cancelled gate', gate('30'), cancelled], ['a dialog', gate('1'), dialog, yes],
  ]) {
    const begun = Date.now();
    let why = '';
    try {
      await within(connection, workflow, story, answer);
    } catch (error) {
      why = String(error.stack ?? error).slice(0, 2000);
    }
    console.log(JSON.stringify({ name: `http: ${connection.name}: ${name}`, ok: !why, seconds: (Date.now() - begun) / 1000, why }));
  }
}
// Failures are in the lines; the code is for what could not even be told.
process.exit(0);
