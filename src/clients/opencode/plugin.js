// Phasegate's guard for opencode: every tool call is shown to `phasegate hook opencode` before it runs.
// What cannot be asked about does not run. Written by `phasegate init`; do not edit.

import { spawn } from "node:child_process"

const PROGRAM = "phasegate"
const LIMIT_MS = 15000
const OUTPUT_MAX = 64 * 1024
const DEPTH_MAX = 16

// One event in, one JSON object or nothing out. Exit 2, any other failure and silence beyond the limit are a no.
function ask(event, cwd) {
  return new Promise((resolve, reject) => {
    const no = (why) => reject(new Error(why))
    let child
    try {
      child = spawn(PROGRAM, ["hook", "opencode"], { cwd, stdio: ["pipe", "pipe", "pipe"] })
    } catch (error) {
      return no(`phasegate could not be started: ${error.message}; run \`phasegate doctor\``)
    }
    const out = []
    const err = []
    const timer = setTimeout(() => {
      child.kill("SIGKILL")
      no("phasegate did not answer in time; run `phasegate doctor`")
    }, LIMIT_MS)
    child.stdout.on("data", (part) => out.push(part))
    child.stderr.on("data", (part) => err.push(part))
    child.stdin.on("error", () => {})
    child.on("error", (error) => {
      clearTimeout(timer)
      no(`phasegate could not be started: ${error.message}; run \`phasegate doctor\``)
    })
    child.on("close", (code, signal) => {
      clearTimeout(timer)
      const said = Buffer.concat(err).toString().trim()
      if (code !== 0) return no(said || `phasegate ended with ${signal ?? code}; run \`phasegate doctor\``)
      const text = Buffer.concat(out).toString().trim()
      if (!text) return resolve({})
      try {
        const answer = JSON.parse(text)
        if (answer === null || typeof answer !== "object" || Array.isArray(answer)) throw new Error("no object")
        resolve(answer)
      } catch (error) {
        no(`phasegate gave no sound answer: ${error.message}; run \`phasegate doctor\``)
      }
    })
    child.stdin.end(JSON.stringify(event))
  })
}

export const Phasegate = async ({ client, directory }) => {
  const parents = new Map()
  const waiting = new Map()

  // A subagent is a session with a parent; the session at the top is the one that counts.
  async function who(session) {
    let top = session
    for (let depth = 0; depth < DEPTH_MAX; depth++) {
      if (!parents.has(top)) {
        const found = await client?.session?.get({ path: { id: top } }).catch(() => undefined)
        parents.set(top, found?.data?.parentID)
      }
      const parent = parents.get(top)
      if (!parent) break
      top = parent
    }
    return top === session ? { session } : { session: top, agent: session }
  }

  const told = (session, words) => {
    if (words) waiting.set(session, [...(waiting.get(session) ?? []), words].slice(-4))
  }

  // A moment at which nothing can be stopped: a fault shows at the next call.
  const tell = async (event, session, more = {}) => {
    const answer = await ask({ event, ...(await who(session)), cwd: directory, ...more }, directory).catch(() => ({}))
    told(session, answer.context)
    return answer
  }

  return {
    "tool.execute.before": async (input, output) => {
      const event = {
        event: "before",
        ...(await who(input.sessionID)),
        cwd: directory,
        call: input.callID,
        tool: input.tool,
        args: output.args ?? {},
      }
      const answer = await ask(event, directory)
      if (typeof answer.deny === "string") throw new Error(answer.deny)
      if (answer.args) output.args = answer.args
      told(input.sessionID, answer.context)
    },

    "tool.execute.after": async (input, output) => {
      const said = typeof output?.output === "string" ? output.output : JSON.stringify(output?.content ?? "")
      await tell("after", input.sessionID, {
        call: input.callID,
        tool: input.tool,
        args: input.args ?? {},
        output: said.slice(0, OUTPUT_MAX),
        exit: output?.metadata?.exit ?? null,
      })
      const words = waiting.get(input.sessionID)
      waiting.delete(input.sessionID)
      if (words && typeof output?.output === "string") output.output += `\n\n[phasegate] ${words.join("\n")}`
    },

    "experimental.session.compacting": async (input, output) => {
      const answer = await tell("compacting", input.sessionID)
      if (answer.context && Array.isArray(output?.context)) output.context.push(answer.context)
    },

    event: async ({ event }) => {
      const about = event?.properties ?? {}
      const session = about.sessionID ?? about.info?.id
      if (!session) return
      if (event.type === "session.created") {
        parents.set(session, about.info?.parentID)
        await tell(about.info?.parentID ? "agent_started" : "started", session)
      }
      if (event.type === "session.compacted") await tell("compacted", session)
      if (event.type === "session.idle") await tell(parents.get(session) ? "agent_stopped" : "idle", session)
      if (event.type === "session.deleted") await tell("ended", session)
    },
  }
}
