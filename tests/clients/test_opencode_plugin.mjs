// The plugin for opencode, called as opencode calls it: what phasegate says becomes a refusal, other arguments or words for
// the model, and a call that phasegate cannot be asked about does not run. Prints one JSON line a test; run.py counts them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const source = readFileSync(join(here, '../../src/clients/opencode/plugin.js'), 'utf8');
const binary = process.env.PHASEGATE_BINARY;
const WORKFLOW = `\
version: 1
name: flow
unclaimed: { allow: [Read] }
phases:
  work: { goal: Do it., allow: [Read], next: [done] }
  done: { end: true }
`;

async function plugin(folder, program, parents = {}) {
  const text = source.replace('const PROGRAM = "phasegate"', `const PROGRAM = ${JSON.stringify(program)}`);
  assert.notEqual(text, source);
  const place = join(folder, `plugin-${Math.random().toString(36).slice(2)}.mjs`);
  writeFileSync(place, text.replace('const LIMIT_MS = 15000', 'const LIMIT_MS = 1000'));
  const { Phasegate } = await import(pathToFileURL(place));
  const client = { session: { get: async ({ path }) => ({ data: { parentID: parents[path.id] } }) } };
  return Phasegate({ client, directory: folder });
}

// A stand-in for phasegate that keeps what it was told and says what it is given.
function stand_in(folder, body) {
  const place = join(folder, 'program');
  writeFileSync(place, `#!/bin/sh\n[ "$1 $2" = "hook opencode" ] || exit 9\ncat > ${folder}/told.json\n${body}\n`);
  chmodSync(place, 0o755);
  return place;
}

const before = (hooks, args, session = 's-1', tool = 'bash') => {
  const output = { args };
  return hooks['tool.execute.before']({ tool, sessionID: session, callID: 'c-1' }, output).then(() => output.args);
};
const told = (folder) => JSON.parse(readFileSync(join(folder, 'told.json'), 'utf8'));

const TESTS = {
  async 'what phasegate says is done'(folder) {
    const args = { command: 'ls', timeout: 5 };
    const cases = [
      ['', args],
      [`echo '{}'`, args],
      [`echo '{"args":{"command":"held ls"}}'`, { command: 'held ls' }],
      [`echo '{"deny":"not in this phase"}'`, /^not in this phase$/],
      ['echo "the store is broken" >&2; exit 2', /^the store is broken$/],
    ];
    for (const [body, wanted] of cases) {
      const hooks = await plugin(folder, stand_in(folder, body));
      if (wanted instanceof RegExp) await assert.rejects(before(hooks, args), { message: wanted });
      else assert.deepEqual(await before(hooks, args), wanted, body);
    }
    assert.deepEqual(told(folder), { event: 'before', session: 's-1', cwd: folder, call: 'c-1', tool: 'bash', args });
  },

  async 'a call that cannot be asked about does not run'(folder) {
    for (const body of ['exit 1', 'kill -9 $$', 'echo no json', 'echo "[]"', 'echo "{} {}"', 'sleep 5']) {
      const hooks = await plugin(folder, stand_in(folder, body));
      await assert.rejects(before(hooks, { command: 'ls' }), { message: /phasegate/ }, body);
    }
    for (const program of [join(folder, 'missing'), folder]) {
      const hooks = await plugin(folder, program);
      await assert.rejects(before(hooks, { command: 'ls' }), { message: /could not be started/ }, program);
    }
  },

  async 'a subagent is told apart from the session it works for'(folder) {
    const hooks = await plugin(folder, stand_in(folder, ''), { 's-3': 's-2', 's-2': 's-1' });
    await before(hooks, {}, 's-3');
    assert.deepEqual([told(folder).session, told(folder).agent], ['s-1', 's-3']);
    await before(hooks, {}, 's-1');
    assert.deepEqual([told(folder).session, told(folder).agent], ['s-1', undefined]);
  },

  async 'words for the model come with the next result'(folder) {
    const hooks = await plugin(folder, stand_in(folder, `echo '{"context":"you hold T-1"}'`));
    await hooks.event({ event: { type: 'session.created', properties: { info: { id: 's-1' } } } });
    assert.equal(told(folder).event, 'started');
    const output = { output: 'ran', metadata: { exit: 3 } };
    await hooks['tool.execute.after']({ tool: 'bash', sessionID: 's-1', callID: 'c', args: { command: 'x' } }, output);
    assert.match(output.output, /^ran\n\n\[phasegate\] you hold T-1/);
    assert.deepEqual([told(folder).event, told(folder).exit, told(folder).output], ['after', 3, 'ran']);
    const context = { context: [] };
    await hooks['experimental.session.compacting']({ sessionID: 's-1' }, context);
    assert.deepEqual(context.context, ['you hold T-1']);
  },

  async 'the real phasegate refuses what the phase does not open'(folder) {
    const work = join(folder, 'work');
    mkdirSync(work);
    writeFileSync(join(work, 'phasegate.yaml'), WORKFLOW);
    const env = { PATH: process.env.PATH, HOME: folder, USER: 'tester' };
    execFileSync(binary, ['workflow', 'trust', '--yes'], { cwd: work, env });
    const kept = { ...process.env };
    for (const name of Object.keys(process.env)) if (!['PATH'].includes(name)) delete process.env[name];
    Object.assign(process.env, env);
    try {
      const hooks = await plugin(work, binary);
      await assert.rejects(before(hooks, { filePath: 'a.txt', content: 'x' }, 's-1', 'write'), { message: /phasegate/ });
      await assert.rejects(before(hooks, { command: 'rm -rf x' }), { message: /phasegate/ });
      const args = { filePath: join(work, 'phasegate.yaml') };
      assert.deepEqual(await before(hooks, args, 's-1', 'read'), args);
    } finally {
      Object.assign(process.env, kept);
    }
  },
};

for (const [name, test] of Object.entries(TESTS)) {
  const begun = performance.now();
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'phasegate-test-')));
  let why;
  try {
    await test(folder);
  } catch (error) {
    why = error.stack;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const seconds = (performance.now() - begun) / 1000;
  console.log(JSON.stringify({ name: name.replaceAll(' ', '_'), ok: why === undefined, seconds, why }));
}
