// Enrolling passkeys and keys of a browser, and answering with them: real ceremonies, with an authenticator of the browser's own.

import assert from "node:assert/strict";

import { barriers, shot, Stage, WAIT_MS } from "./stage.mjs";
import { World } from "./world.mjs";

const FLOW = `version: 1
name: guarded
phases:
  plan:
    allow: [Read]
    exit:
      - approval: { ask: "Sign it?", level: 2 }
      - approval: { ask: "Touch it?", level: 3 }
    next: [done]
  done: { end: true }
`;

/** A world without approvers, whose pages are asked for by a name: passkeys belong to names. */
async function guarded(stage, test) {
  const own = new Stage();
  own.browser = stage.browser;
  own.world = new World();
  try {
    own.world.write("phasegate.yaml", FLOW);
    await own.world.does(["workflow", "trust", "--yes"]);
    own.tokens = { operator: await own.world.token("operator", "the-operator") };
    own.origin = (await own.world.serve()).replace("127.0.0.1", "localhost");
    await test(own);
  } finally {
    await own.world.close();
  }
}

async function authenticator(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("WebAuthn.enable");
  await session.send("WebAuthn.addVirtualAuthenticator", {
    options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
}

const approval = async (stage, id) => (await stage.world.value(["approvals", "list", "--all"])).find((one) => one.id === id);

async function enrolKey(page, name, passphrase) {
  const form = page.locator("form", { has: page.getByRole("button", { name: "Make a key" }) });
  await form.getByLabel("Name").fill(name);
  await form.getByLabel("Passphrase").fill(passphrase);
  await form.getByLabel("The same again").fill(passphrase);
  await form.getByRole("button", { name: "Make a key" }).click();
}

export const tests = {
  "a passkey and a key of the browser are enrolled, and their answers have level 3 and 2": (stage) =>
    guarded(stage, async (own) => {
      const { page, close } = await own.open("/people", { expected: [/pubKeyCredParams/] });
      page.setDefaultTimeout(WAIT_MS);
      await authenticator(page);
      await page.getByText("Nobody is enrolled yet").waitFor();
      // The first approver is taken on the person's word.
      const passkeys = page.locator("form", { has: page.getByRole("button", { name: "Make a passkey" }) });
      await passkeys.getByLabel("Name").fill("ana-phone");
      await passkeys.getByLabel("Groups").fill("lead");
      await passkeys.getByRole("button", { name: "Make a passkey" }).click();
      await page.locator("tr", { hasText: "ana-phone" }).getByText("passkey, level 3").waitFor();
      // The next one takes that one's signature.
      await enrolKey(page, "ana-laptop", "correct horse battery");
      await page.getByRole("button", { name: /^Sign with a passkey/ }).click();
      await page.locator("tr", { hasText: "ana-laptop" }).getByText("key, level 2").waitFor();
      assert.deepEqual(await barriers(page), []);
      await shot(page, "people-light");
      const known = await own.world.value(["approver", "list"]);
      assert.deepEqual(known.map((one) => [one.name, one.traced]), [["ana-laptop", true], ["ana-phone", true]]);

      await own.world.call("bot", "claim_task", { new: { title: "Guarded work" } });
      const two = (await own.world.call("bot", "request_approval", { gate: "approval" })).approval;
      const three = (await own.world.call("bot", "request_approval", { gate: "approval#2" })).approval;
      await page.goto(`${own.origin}/inbox/${two}`);
      await page.getByText("A yes takes a signature").waitFor();
      await page.getByRole("button", { name: "Approve", exact: true }).click();
      await page.getByLabel("Passphrase").fill("wrong horse battery");
      await page.getByRole("button", { name: "Sign with this key" }).click();
      await page.getByText("this passphrase does not open the key").waitFor();
      assert.equal((await approval(own, two)).state.is, "pending");
      await page.getByRole("button", { name: "Approve", exact: true }).click();
      await page.getByLabel("Passphrase").fill("correct horse battery");
      await shot(page, "inbox-sign-light");
      await page.getByRole("button", { name: "Sign with this key" }).click();
      await page.waitForURL("**/inbox");
      const signed = (await approval(own, two)).state;
      assert.deepEqual([signed.is, signed.by, signed.level], ["approved", "ana-laptop", 2]);

      await page.goto(`${own.origin}/inbox/${three}`);
      await page.getByText("A yes takes your passkey").waitFor();
      await page.getByRole("button", { name: "Approve", exact: true }).click();
      await page.getByRole("button", { name: "Sign with a passkey (ana-phone)" }).click();
      await page.waitForURL("**/inbox");
      const touched = (await approval(own, three)).state;
      assert.deepEqual([touched.is, touched.by, touched.level], ["approved", "ana-phone", 3]);
      const left = await own.world.call("bot", "transition_phase", {});
      assert.equal(left.status, "done", JSON.stringify(left));
      await own.world.does(["audit", "verify"]);
      await close();
    }),

  "where no key is at hand nothing can be pressed, and the page says how to go on": (stage) =>
    guarded(stage, async (own) => {
      await own.world.does(["approver", "add", "ana", "--passphrase-stdin"], "correct horse battery\n");
      await own.world.call("bot", "claim_task", { new: { title: "Guarded work" } });
      const two = (await own.world.call("bot", "request_approval", { gate: "approval" })).approval;
      const three = (await own.world.call("bot", "request_approval", { gate: "approval#2" })).approval;
      const { page, close } = await own.open(`/inbox/${two}`);
      await page.getByText("It takes a signature, and no key is in this browser").waitFor();
      await page.getByText(`phasegate approvals approve ${two}`).waitFor();
      for (const name of ["Approve", "Reject"]) {
        const button = page.getByRole("button", { name, exact: true });
        assert.equal(await button.getAttribute("aria-disabled"), "true", name);
        await button.click({ force: true });
        assert.equal(await page.evaluate(() => document.activeElement.id), "keyless", name);
      }
      await page.keyboard.press("a");
      assert.equal(await page.locator("dialog, .notice").count(), 0);
      assert.deepEqual(await barriers(page), []);
      await shot(page, "inbox-keyless-light");
      assert.equal((await approval(own, two)).state.is, "pending");
      await close();
      const named = own.origin;
      own.origin = named.replace("localhost", "127.0.0.1");
      for (const at of ["/people", `/inbox/${three}`]) {
        const { page, close } = await own.open(at);
        const there = page.getByRole("link", { name: "Open this page at localhost" });
        assert.equal(await there.evaluate((one) => one.href), named + at);
        await close();
      }
    }),

  "a key of the browser is enrolled by whoever is an approver at the command line, and answers then": (stage) =>
    guarded(stage, async (own) => {
      const passphrase = "correct horse battery\n";
      await own.world.does(["approver", "add", "ana", "--passphrase-stdin"], passphrase);
      await own.world.call("bot", "claim_task", { new: { title: "Guarded work" } });
      const two = (await own.world.call("bot", "request_approval", { gate: "approval" })).approval;
      const { page, close } = await own.open(`/inbox/${two}`);
      await page.getByRole("link", { name: "Enrol a key" }).click();
      await enrolKey(page, "ana-laptop", "another horse battery");
      const command = await page.locator("dialog pre").innerText();
      assert.deepEqual(await barriers(page), []);
      await shot(page, "people-elsewhere-light");
      await page.getByRole("button", { name: "Done" }).click();
      await page.getByText("not enrolled here").waitFor();
      const [program, ...words] = command.split(" ");
      assert.equal(program, "phasegate");
      await own.world.does([...words, "--as", "ana", "--passphrase-stdin"], passphrase);
      await page.locator("tr", { hasText: "ana-laptop" }).getByText("in this browser").waitFor();
      await page.goto(`${own.origin}/inbox/${two}`);
      await page.getByRole("button", { name: "Approve", exact: true }).click();
      await page.getByLabel("Passphrase").fill("another horse battery");
      await page.getByRole("button", { name: "Sign with this key" }).click();
      await page.waitForURL("**/inbox");
      const signed = (await approval(own, two)).state;
      assert.deepEqual([signed.is, signed.by, signed.level], ["approved", "ana-laptop", 2]);
      await close();
    }),

  "one touch answers several alike, each under its own signature": (stage) =>
    guarded(stage, async (own) => {
      const { page, close } = await own.open("/people", { expected: [/pubKeyCredParams/] });
      await authenticator(page);
      const passkeys = page.locator("form", { has: page.getByRole("button", { name: "Make a passkey" }) });
      await passkeys.getByLabel("Name").fill("ana-phone");
      await passkeys.getByRole("button", { name: "Make a passkey" }).click();
      await page.locator("tr", { hasText: "ana-phone" }).waitFor();
      const ids = [];
      for (const agent of ["b1", "b2"]) {
        await own.world.call(agent, "claim_task", { new: { title: `Work of ${agent}` } });
        ids.push((await own.world.call(agent, "request_approval", { gate: "approval#2" })).approval);
      }
      await page.getByRole("link", { name: "Inbox" }).click();
      await page.locator(".waits", { hasText: ids[0] }).getByRole("checkbox").check();
      await page.getByRole("button", { name: "Select 1 alike" }).click();
      await page.getByRole("button", { name: "Approve all…" }).click();
      await page.getByRole("button", { name: "Approve all 2" }).click();
      await page.getByRole("button", { name: /^Sign with a passkey/ }).click();
      await page.locator(".notice", { hasText: `${ids[1]} is approved at level 3` }).waitFor();
      const states = await Promise.all(ids.map(async (id) => (await approval(own, id)).state));
      assert.deepEqual(states.map((state) => [state.is, state.level, state.signed.passkey.together.length]), [["approved", 3, 2], ["approved", 3, 2]]);
      await close();
    }),

  "people draws for everybody, in the dark and on a phone": async (stage) => {
    for (const [name, options] of [["people-dark", { dark: true }], ["people-phone", { phone: true, role: "auditor" }]]) {
      const { page, close } = await stage.open("/people", options);
      await page.getByText("Credentials", { exact: true }).waitFor();
      assert.deepEqual(await barriers(page), []);
      await shot(page, name);
      await close();
    }
  },
};
