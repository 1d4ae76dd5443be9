// The log in the browser: found by words, and checked by the page itself, which believes nothing that does not fit.

import assert from "node:assert/strict";

import { barriers, shot } from "./stage.mjs";

const ok = (page, text) => page.locator(".checks .ok", { hasText: text }).waitFor();
const bad = (page, text) => page.locator(".checks .bad", { hasText: text }).waitFor();
const verify = (page) => page.getByRole("button", { name: "Verify now" }).click();

async function opened(stage, at, options, look) {
  const { page, close } = await stage.open(at, options);
  await look(page);
  await close();
}

/** Changes what the server answers on its way to the page. */
async function changed(page, pattern, change) {
  await page.route(pattern, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: change(await response.json()) });
  });
}

export const tests = {
  "records are found by the words of query_audit, page by page": (stage) =>
    opened(stage, "/audit", {}, async (page) => {
      await page.getByLabel("Kind").fill("ApprovalRequested");
      await page.keyboard.press("Enter");
      await page.waitForURL("**/audit?kind=ApprovalRequested");
      await page.waitForFunction(() => [...document.querySelectorAll(".what summary")].every((one) => one.textContent === "ApprovalRequested"));
      assert.ok((await page.locator(".records tbody tr").count()) >= 2);
      await page.reload();
      assert.equal(await page.getByLabel("Kind").inputValue(), "ApprovalRequested");
      await page.getByRole("button", { name: "Clear" }).click();
      await page.waitForURL("**/audit");
      await page.getByRole("button", { name: "Older records" }).click();
      await page.waitForFunction(() => document.querySelectorAll(".records tbody tr").length > 50);
    }),

  "what a filter offers is what the server takes": (stage) =>
    opened(stage, "/audit", {}, async (page) => {
      for (const name of ["verdict", "role"]) {
        const select = page.locator(`#filter-${name}`);
        for (const word of await select.locator("option").evaluateAll((all) => all.map((one) => one.value))) {
          const answered = page.waitForResponse((response) => /\/api\/v1\/audit(\?|$)/.test(response.url()));
          await select.selectOption(word);
          await page.getByRole("button", { name: "Search" }).click();
          assert.equal((await answered).status(), 200, `${name}: ${word}`);
        }
        await select.selectOption("");
      }
    }),

  "the page checks the newest head, what it kept, and what it shows": (stage) =>
    opened(stage, "/audit", {}, async (page) => {
      await verify(page);
      await ok(page, "signed by the log's key");
      await ok(page, "are in the log, exactly as shown");
      await page.locator(".checks .open", { hasText: "seen here for the first time" }).waitFor();
      const head = await stage.world.does(["audit", "head"]);
      await stage.world.call("planner", "list_tasks");
      await stage.world.call("ben", "update_task", { progress: "still waiting" });
      await page.getByText("Compare with a head from elsewhere").click();
      await page.getByLabel("Signed head").fill(head);
      await verify(page);
      await ok(page, "goes on from the head that this browser kept last time");
      await ok(page, "goes on from the head from elsewhere");
      await page.locator(".records summary").first().click();
      await page.getByRole("button", { name: "Prove that it is in the log" }).first().click();
      await page.getByText("Checked by this page").waitFor();
      for (const look of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme: look });
        assert.deepEqual(await barriers(page), []);
        await shot(page, `audit-${look}`);
      }
    }),

  "a record that differs from the log's, a changed head and another past are seen": async (stage) => {
    for (const [pattern, change, said] of [
      ["**/api/v1/audit?*", (page) => ((page.records[0].agent = "somebody-else"), page), "not the one that this page was given"],
      ["**/api/v1/audit/head", (head) => ({ ...head, note: head.note.replace(/\n(\d+)\n/, (_, size) => `\n${Number(size) + 1}\n`) }), "does not fit the head"],
      ["**/api/v1/audit/proof?*", (proof) => ({ ...proof, path: proof.path.map((step, at) => (at ? step : "00".repeat(32))) }), "does not lead to the head"],
    ]) {
      const { page, close } = await stage.open("/people");
      await changed(page, pattern, change);
      await page.getByRole("link", { name: "Audit" }).click();
      await page.locator(".records tbody tr").first().waitFor();
      await verify(page);
      await bad(page, said);
      await close();
    }
    await opened(stage, "/audit", {}, async (page) => {
      await verify(page);
      await ok(page, "are in the log");
      await stage.world.call("ben", "update_task", { progress: "once more" });
      await changed(page, "**/api/v1/audit/consistency?*", (proof) => ({ ...proof, path: proof.path.map(() => "11".repeat(32)) }));
      await verify(page);
      await bad(page, "Against the head that this browser kept last time");
    });
  },

  "on a phone, and for an agent, the page says what it cannot check": (stage) =>
    opened(stage, "/audit", { phone: true, role: "agent", expected: [/status of 403/] }, async (page) => {
      await page.getByText("may not fetch proofs").waitFor();
      assert.deepEqual(await barriers(page), []);
      await shot(page, "audit-phone");
    }),
};
