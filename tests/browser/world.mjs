// A workspace in a temporary folder with a home of its own, the real binary in it, and the server that the browser looks at.

import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const REPOSITORY = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
export const BINARY = path.resolve(process.env.PHASEGATE_BINARY ?? path.join(REPOSITORY, "target/debug/phasegate"));
const WAIT_MS = 30_000;

export class World {
  constructor() {
    this.base = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "phasegate-browser-")));
    this.root = path.join(this.base, "work");
    this.home = path.join(this.base, "home");
    const bin = path.join(this.base, "bin");
    for (const folder of [path.join(this.root, ".git"), this.home, bin]) fs.mkdirSync(folder, { recursive: true });
    fs.symlinkSync(BINARY, path.join(bin, "phasegate"));
    this.env = {
      PATH: `${bin}:${process.env.PATH}`,
      HOME: this.home,
      USER: "lead",
      LANG: "C.UTF-8",
      AI_AGENT: "claude-code_2-1-329_harness",
      CLAUDE_PROJECT_DIR: this.root,
      CLAUDE_CODE_ENTRYPOINT: "cli",
    };
    this.running = new Set();
  }

  write(name, text) {
    const file = path.join(this.root, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
    return file;
  }

  /** Runs phasegate to its end: { code, out, err }. Each run is a process of its own, other than the server's. */
  run(words, input = "") {
    return new Promise((done, failed) => {
      const child = spawn(BINARY, words, { cwd: this.root, env: this.env, timeout: WAIT_MS });
      let [out, err] = ["", ""];
      child.stdout.on("data", (chunk) => (out += chunk));
      child.stderr.on("data", (chunk) => (err += chunk));
      child.on("error", failed);
      child.on("close", (code) => done({ code, out, err }));
      child.stdin.on("error", () => {});
      child.stdin.end(input);
    });
  }

  async does(words, input) {
    const ended = await this.run(words, input);
    if (ended.code !== 0) throw new Error(`phasegate ${words.join(" ")} ended with ${ended.code}: ${ended.out}${ended.err}`);
    return ended.out;
  }

  async value(words) {
    return JSON.parse(await this.does([...words, "--json"]));
  }

  /** A tool, as `agent`. A refusal is an answer too. */
  async call(agent, tool, input = {}) {
    const ended = await this.run(["--agent", agent, "call", tool, JSON.stringify(input), "--json"]);
    if (ended.code > 1) throw new Error(`${tool} ended with ${ended.code}: ${ended.err}`);
    return ended.out ? JSON.parse(ended.out) : {};
  }

  hook(session, event) {
    const transcript = path.join(this.home, `${session}.jsonl`);
    const whole = { session_id: session, cwd: this.root, transcript_path: transcript, ...event };
    return this.run(["hook", "claude-code"], JSON.stringify(whole));
  }

  /** Answers of a model, as the client notes them. */
  spend(session, rows) {
    const lines = rows.map(([id, model, usage]) =>
      JSON.stringify({
        isSidechain: false,
        type: "assistant",
        requestId: `req-${id}`,
        sessionId: session,
        message: {
          id, type: "message", role: "assistant", model, content: [],
          usage: { input_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 0, ...usage },
        },
      }),
    );
    fs.appendFileSync(path.join(this.home, `${session}.jsonl`), `${lines.join("\n")}\n`);
  }

  async token(role, name) {
    return (await this.value(["token", "create", "--role", role, "--name", name])).token;
  }

  /** Starts the server on a free port, or on this one again, and waits until it answers. */
  async serve(port) {
    port ??= await freePort();
    const child = spawn(BINARY, ["serve", "--http", `127.0.0.1:${port}`], {
      cwd: this.root,
      env: this.env,
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.running.add(child);
    let said = "";
    child.stderr.on("data", (chunk) => (said = (said + chunk).slice(-4000)));
    const origin = `http://127.0.0.1:${port}`;
    const until = Date.now() + WAIT_MS;
    for (;;) {
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}: ${said}`);
      try {
        await fetch(`${origin}/`);
        return origin;
      } catch (error) {
        if (Date.now() > until) throw new Error(`the server does not answer: ${error}; ${said}`);
        await new Promise((later) => setTimeout(later, 50));
      }
    }
  }

  /** Ends the servers that were started here. */
  async stop() {
    for (const child of this.running) {
      this.running.delete(child);
      if (child.exitCode !== null) continue;
      const ended = new Promise((done) => child.on("close", done));
      child.kill();
      await ended;
    }
  }

  async close() {
    await this.stop();
    fs.rmSync(this.base, { recursive: true, force: true });
  }
}

async function freePort() {
  const { createServer } = await import("node:net");
  return new Promise((done) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}
