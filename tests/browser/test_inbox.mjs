// Signing in and answering: what people see of an approval, and that nothing else happens than what they answer.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

import { HOSTILE } from "./scene.mjs";
import { barriers, settled, shot } from "./stage.mjs";

const approval = async (stage, id) => {
  const all = await stage.world.value(["approvals", "list", "--all"]);
  return all.find((one) => one.id === id);
};

/** Something new for a person, asked by another process. */
async function asks(stage, agent, request) {
  const { tasks } = await stage.world.value(["tasks", "list"]);
  if (!tasks.some((task) => task.agent === agent)) await stage.world.call(agent, "claim_task", { new: { title: `Work of ${agent}` } });
  const asked = await stage.world.call(agent, "request_approval", request);
  assert.ok(asked.approval, JSON.stringify(asked));
  return asked.approval;
}

const bash = (command) => ({ call: { tool: "Bash", arguments: { command } } });

async function opened(stage, at, options, look) {
  const { page, close } = await stage.open(at, options);
  await look(page);
  await close();
}

const has = (page, text) => page.getByText(text, { exact: false }).first().waitFor();

async function answered(page, id) {
  await page.locator(".notice", { hasText: id }).waitFor();
}

/** A link as a message would carry it. */
async function linkTo(stage, id, press) {
  const { digest, expires_at } = await approval(stage, id);
  const key = Buffer.from(fs.readFileSync(path.join(stage.world.root, ".phasegate/link.key"), "utf8").trim(), "hex");
  const payload = Buffer.from(JSON.stringify({ approval: id, digest, press, channel: "phone", expires_at, nonce: "n" })).toString("base64url");
  const signature = createHmac("sha256", key).update(`phasegate link v1\n${payload}`).digest("base64url");
  return `/a/${payload}.${signature}`;
}

export const tests = {
  "a credential that does not count is told so, and one that counts leads on to where one wanted to go": (stage) =>
    opened(stage, "/inbox", { role: null, expected: [/status of 401/] }, async (page) => {
      await page.waitForURL("**/sign-in?next=%2Finbox");
      await page.getByLabel("Credential").fill("pgt_no");
      await page.getByRole("button", { name: "Sign in" }).click();
      await has(page, "This credential does not count");
      assert.deepEqual(await barriers(page), []);
      await shot(page, "sign-in-light");
      await page.getByLabel("Credential").fill(stage.tokens.approver);
      await page.keyboard.press("Enter");
      await page.waitForURL("**/inbox");
      await page.locator(".waits").first().waitFor();
      const cookies = await page.context().cookies();
      assert.ok(cookies.every((cookie) => cookie.httpOnly && cookie.sameSite === "Strict"), JSON.stringify(cookies));
      assert.equal(await page.evaluate(() => document.cookie), "");
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.waitForURL("**/sign-in");
    }),

  "what agents wrote stays text, and what hides in it is seen": (stage) =>
    opened(stage, "/inbox", {}, async (page) => {
      await page.locator(".waits", { hasText: "eve" }).locator("a").click();
      await settled(page);
      await has(page, HOSTILE.markup);
      await has(page, "\\u{202e}");
      assert.equal(await page.evaluate(() => window.hacked), undefined);
      assert.equal(await page.locator(".detail script, .detail img").count(), 0);
    }),

  "a yes by a button is recorded at level 1, by whom and how": (stage) =>
    opened(stage, "/inbox", {}, async (page) => {
      const id = await asks(stage, "fay", bash("make release\u202e"));
      await page.locator(".waits", { hasText: id }).locator("a").click();
      await has(page, "The call, exactly as it would run");
      await has(page, "command: make release\\u{202e}");
      for (const look of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme: look });
        assert.deepEqual(await barriers(page), []);
        await shot(page, `inbox-${look}`);
      }
      await page.getByLabel("Reason").fill("looked at it");
      await page.getByRole("button", { name: "Approve", exact: true }).click();
      await answered(page, id);
      const { state } = await approval(stage, id);
      assert.deepEqual([state.is, state.by, state.level, state.via, state.reason], ["approved", "the-operator", 1, "inbox", "looked at it"]);
    }),

  "the keyboard is enough, and a key asks once more": (stage) =>
    opened(stage, "/inbox", {}, async (page) => {
      const id = await asks(stage, "gus", bash("rm -r target"));
      await page.locator(".waits", { hasText: id }).waitFor();
      const open = page.locator(".waits.open");
      for (let step = 0; step < 20 && !(await open.innerText()).includes(id); step += 1) await page.keyboard.press("j");
      await page.keyboard.press("r");
      await page.getByRole("dialog").getByText("rm -r target").waitFor();
      await page.keyboard.press("Escape");
      assert.equal((await approval(stage, id)).state.is, "pending");
      await page.getByLabel("Reason").fill("keep the cache");
      await page.locator("h1").click();
      await page.keyboard.press("r");
      await page.keyboard.press("Enter");
      await answered(page, id);
      assert.deepEqual([(await approval(stage, id)).state.is, (await approval(stage, id)).state.reason], ["rejected", "keep the cache"]);
      await page.keyboard.press("?");
      await page.getByRole("dialog").getByText("change the arguments").waitFor();
    }),

  "a call is changed, and the changed one is what is approved": (stage) =>
    opened(stage, "/inbox", {}, async (page) => {
      const id = await asks(stage, "hal", bash("cargo publish"));
      await page.locator(".waits", { hasText: id }).locator("a").click();
      await page.getByRole("button", { name: "Change…" }).click();
      const changed = page.getByRole("button", { name: "Approve with these changes" });
      assert.ok(await changed.isDisabled());
      assert.ok(await page.getByRole("button", { name: "Approve", exact: true }).isHidden(), "no plain yes beside an edited call");
      await page.getByLabel("Arguments, as JSON").fill("{");
      await has(page, "This is not JSON yet");
      await page.getByLabel("Arguments, as JSON").fill('{\n  "command": "cargo publish --dry-run"\n}');
      await page.locator(".change.added", { hasText: "--dry-run" }).waitFor();
      await shot(page, "inbox-change-light");
      await changed.click();
      await answered(page, id);
      const { state } = await approval(stage, id);
      assert.deepEqual([state.is, state.arguments], ["adjusted", { command: "cargo publish --dry-run" }]);
    }),

  "alike ones are answered in one go, each shown before": (stage) =>
    opened(stage, "/inbox", {}, async (page) => {
      const ids = [];
      for (const command of ["touch a", "touch b", "touch c"]) ids.push(await asks(stage, "ida", bash(command)));
      const first = page.locator(".waits", { hasText: ids[0] });
      await first.getByRole("checkbox").check();
      await page.getByRole("button", { name: "Select 2 alike" }).click();
      await page.getByRole("button", { name: "Approve all…" }).click();
      for (const command of ["touch a", "touch b", "touch c"]) await page.getByRole("dialog").getByText(command).first().waitFor();
      assert.deepEqual(await barriers(page), []);
      await shot(page, "inbox-alike-light");
      await page.getByRole("button", { name: "Approve all 3" }).click();
      await answered(page, ids[0]);
      for (const id of ids) assert.equal((await approval(stage, id)).state.is, "approved", id);
    }),

  "on a phone one approval fills the screen, and the answer leads back": (stage) =>
    opened(stage, "/inbox", { phone: true }, async (page) => {
      const id = await asks(stage, "jan", { question: "Which one?", choices: ["the red one", "the \u200bblue one"] });
      await page.locator(".waits", { hasText: id }).waitFor();
      assert.deepEqual(await barriers(page), []);
      await shot(page, "inbox-phone");
      await page.locator(".waits", { hasText: id }).locator("a").tap();
      await page.waitForURL(`**/inbox/${id}`);
      await page.getByText("blue one").first().tap();
      assert.deepEqual(await barriers(page), []);
      await shot(page, "inbox-one-phone");
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.ok(!wide, "nothing stands out of the screen");
      await page.getByRole("button", { name: "Answer", exact: true }).tap();
      await page.waitForURL("**/inbox");
      assert.equal((await approval(stage, id)).state.choice, "the \u200bblue one");
    }),

  "a link of a message leads to one page that needs no signing in and no script": async (stage) => {
    const id = await asks(stage, "kim", bash("make deploy\u202e"));
    const { page, close } = await stage.open(await linkTo(stage, id, "open"), { role: null, phone: true });
    await has(page, "command: make deploy\\u{202e}");
    for (const look of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme: look });
      assert.deepEqual(await barriers(page), []);
      await shot(page, `link-phone-${look}`);
    }
    assert.equal(await page.locator("script").count(), 0);
    assert.equal((await approval(stage, id)).state.is, "pending", "looking answers nothing");
    await page.getByLabel("Reason").fill("from the train");
    await page.getByRole("button", { name: "Approve" }).click();
    await has(page, `${id} is approved`);
    const { state } = await approval(stage, id);
    assert.deepEqual([state.by, state.level, state.via, state.reason], ["channel:phone", 1, "link", "from the train"]);
    await close();
  },

  "a question reads the same wherever it stands, and a plan as its steps": async (stage) => {
    const task = await stage.world.call("lea", "claim_task", { new: { title: "Work of lea" } });
    const id = await asks(stage, "lea", { call: { tool: "raise_budget", arguments: { usd: 20 } } });
    const asked = `May the budget of ${task.task} be $20.00? It is $5.00 now.`;
    for (const at of ["/", `/tasks/${task.task}`, "/inbox", "/fleet"]) {
      await opened(stage, at, {}, (page) => page.locator("main").getByText(asked).first().waitFor());
    }
    await stage.world.does(["approvals", "reject", id, "--yes"]);
    await opened(stage, "/inbox", {}, async (page) => {
      await page.locator(".waits", { hasText: "ben" }).locator("a").click();
      await page.locator(".detail ol li", { hasText: "keep it for a minute" }).waitFor();
      await page.locator(".detail ol li", { hasText: HOSTILE.markup }).waitFor();
      assert.equal(/\d{4}-\d\d-\d\dT/.test(await page.locator(".on-yes").innerText()), false, "times are for people");
      assert.deepEqual(await barriers(page), []);
      await shot(page, "inbox-plan-light");
    });
  },

  "whoever may not answer sees why, and no button": (stage) =>
    opened(stage, "/inbox", { role: "auditor" }, async (page) => {
      await has(page, "You cannot answer this");
      assert.equal(await page.locator("[data-answer]").count(), 0);
    }),
};
