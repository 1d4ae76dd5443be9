// The pages as people meet them: they draw, they live, they can be used by keys and on a phone, and texts of agents stay texts.

import assert from "node:assert/strict";

import { HOSTILE } from "./scene.mjs";
import { barriers, settled, shot, WAIT_MS } from "./stage.mjs";

const pages = (scene) => ({
  board: "/",
  graph: "/?view=graph",
  task: `/tasks/${scene.limit}`,
  "task-hostile": `/tasks/${scene.hostile}`,
  fleet: "/fleet",
  costs: "/costs",
  "costs-task": "/costs?by=task&days=7",
  workflows: "/workflows",
  workflow: "/workflows/feature",
  nothing: "/tasks/T-999",
});

/** A page that asks for what is not there hears so, and browsers note it. */
const expected = (name) => (name === "nothing" ? [/status of 404/] : []);

async function eachPage(stage, options, look) {
  const found = [];
  for (const [name, at] of Object.entries(pages(stage.scene))) {
    try {
      const opened = await stage.open(at, { ...options, expected: expected(name) });
      const more = await look(opened.page, name);
      if (more?.length) found.push(`${name}: ${more.join("\n   ")}`);
      await opened.close();
    } catch (error) {
      found.push(`${name}: ${error.message}`);
    }
  }
  assert.deepEqual(found, []);
}

async function drawn(page, name, look) {
  const found = await barriers(page);
  assert.equal(await page.locator("h1").count(), 1, `${name} has one heading`);
  await shot(page, `${name}-${look}`);
  return found;
}

async function hears(page) {
  await page.waitForSelector(".live.ok");
}

async function boardTask(stage, title, more = {}) {
  const made = await stage.world.call("planner", "submit_task", { title, ...more });
  return made.id ?? made.task ?? made.tasks?.[0]?.id;
}

export const tests = {
  "every page draws in the light, keeps nobody out, and asks nobody else": (stage) =>
    eachPage(stage, {}, (page, name) => drawn(page, name, "light")),

  "every page draws in the dark and keeps nobody out": (stage) =>
    eachPage(stage, { dark: true }, (page, name) => drawn(page, name, "dark")),

  "every page fits a phone": (stage) =>
    eachPage(stage, { phone: true }, async (page, name) => {
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      const found = await drawn(page, name, "phone");
      return wide > 0 ? [...found, `it is ${wide} pixels too wide`] : found;
    }),

  "texts of agents stay texts on every page": (stage) =>
    eachPage(stage, {}, async (page) => {
      await page.evaluate(() => document.querySelectorAll("main details").forEach((details) => (details.open = true)));
      await page.waitForTimeout(300);
      return page.evaluate(() => {
        const found = [];
        if (window.hacked !== undefined) found.push(`a text of an agent ran: ${window.hacked}`);
        const strange = document.querySelectorAll("main script, main img, main iframe, main b, main object, main embed, main style");
        for (const element of strange) found.push(`a text became ${element.outerHTML}`);
        for (const element of document.querySelectorAll("*")) {
          for (const { name, value } of element.attributes) {
            if (/^on/i.test(name)) found.push(`${element.tagName} has ${name}`);
            if (/^\s*javascript:/i.test(value) && ["href", "src", "action", "formaction", "xlink:href"].includes(name)) found.push(`${name} is ${value}`);
          }
        }
        if (/[\u200b-\u200f\u202a-\u202e\u2066-\u2069]/.test(document.body.innerText + document.title)) found.push("a hidden character is hidden");
        return found;
      });
    }),

  "a title of markup is shown as it was written, and hidden characters by their codes": async (stage) => {
    const { page, close } = await stage.open("/");
    assert.equal(await page.locator(`.card h4 a[href="/tasks/${stage.scene.hostile}"]`).innerText(), HOSTILE.markup);
    const turned = await page.locator(`.card h4 a[href="/tasks/${stage.scene.turned}"]`).innerText();
    assert.equal(turned, "invoice\\u{202e}fdp.exe de\\u{200b}ploy\\u{2066}now\\u{2069}");
    await close();
  },

  "what another process does is on the board without a reload": async (stage) => {
    const { page, close } = await stage.open("/");
    await hears(page);
    const took = [];
    for (let round = 0; round < 5; round += 1) {
      const title = `News ${round} of another process`;
      const shown = page.evaluate(
        (wanted) =>
          new Promise((done) => {
            const look = () => document.querySelector("main").textContent.includes(wanted) && (watch.disconnect(), done(Date.now()));
            const watch = new MutationObserver(look);
            watch.observe(document.querySelector("main"), { childList: true, subtree: true, characterData: true });
            look();
          }),
        title,
      );
      const id = await boardTask(stage, title);
      const at = await Promise.race([shown, new Promise((_, give) => setTimeout(() => give(new Error(`"${title}" did not appear`)), WAIT_MS))]);
      const records = await stage.world.does(["audit", "query", "--task", id, "--kind", "TaskSubmitted", "--json"]);
      took.push(at - Date.parse(JSON.parse(records.split("\n")[0]).at));
    }
    console.log(`      from the commit to the board: ${took.join(", ")} ms`);
    await close();
  },

  "the page of a task tells what happens while it is looked at": async (stage) => {
    const { page, close } = await stage.open(`/tasks/${stage.scene.cache}`);
    await hears(page);
    await stage.world.call("ben", "update_task", { progress: "half of the prices are in" });
    await page.locator(".timeline").getByText("half of the prices are in").waitFor();
    await page.locator(".task-side").getByText("half of the prices are in").waitFor();
    await close();
  },

  "what happened while the server was away is shown once it is back": (outer) =>
    outer.another(async (stage) => {
      const { page, close } = await stage.open("/", { expected: [/ERR_|Failed to load|net::/] });
      await hears(page);
      await stage.world.stop();
      await page.waitForSelector(".live.bad");
      await boardTask(stage, "Made while nobody served");
      await stage.world.serve(stage.port);
      await page.locator(".card").getByText("Made while nobody served").waitFor({ timeout: 2 * WAIT_MS });
      await hears(page);
      await close();
    }),

  "a page that nobody sees gives its connection back, and is true again once it is seen": async (stage) => {
    const { page, close } = await stage.open("/");
    await hears(page);
    const hide = (hidden) =>
      page.evaluate((now) => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => now });
        document.dispatchEvent(new Event("visibilitychange"));
      }, hidden);
    await hide(true);
    await page.waitForSelector(".live.warn");
    await boardTask(stage, "Made while nobody looked");
    await hide(false);
    await page.locator(".card").getByText("Made while nobody looked").waitFor();
    await hears(page);
    await close();
  },

  "an open card keeps its focus when the board changes": async (stage) => {
    const { page, close } = await stage.open("/");
    await hears(page);
    const card = page.locator(`.card h4 a[href="/tasks/${stage.scene.cache}"]`);
    await card.focus();
    await stage.world.call("ben", "update_task", { progress: "and now the other half" });
    await page.locator(".card").getByText("and now the other half").waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("href")), `/tasks/${stage.scene.cache}`);
    await close();
  },

  "the board can be used by keys alone": async (stage) => {
    const { page, close } = await stage.open("/");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the page");
    await page.keyboard.press("Enter");
    await page.locator(`.card h4 a[href="/tasks/${stage.scene.limit}"]`).focus();
    await page.keyboard.press("Enter");
    await page.locator("h1", { hasText: "Limit the API" }).waitFor();
    await page.goBack();
    await page.locator("h1", { hasText: "Board" }).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("price list");
    assert.equal(await page.locator(".card").count(), 1);
    await page.keyboard.press("Escape");
    await page.locator("h1").click();
    for (const [key, heading] of [["f", "Fleet"], ["c", "Costs"], ["w", "Workflows"], ["b", "Board"]]) {
      await page.keyboard.press("g");
      await page.keyboard.press(key);
      await page.locator("h1", { hasText: heading }).waitFor();
    }
    await page.getByRole("button", { name: "Graph" }).focus();
    await page.keyboard.press("Space");
    await page.locator(`.node a[href="/tasks/${stage.scene.docs}"]`).focus();
    assert.equal(await page.locator(".edge.lit").count() > 0, true, "the lines of the task in focus stand out");
    await close();
  },

  "filters stay in the address, so that a look can be sent to somebody": async (stage) => {
    const { page, close } = await stage.open("/");
    await page.getByLabel("Any label").selectOption("docs");
    await page.waitForURL(/label=docs/);
    await page.reload();
    await settled(page);
    await page.waitForSelector(".card");
    assert.deepEqual(await page.locator(".card").evaluateAll((cards) => cards.map((card) => card.dataset.key)), [stage.scene.docs]);
    await close();
  },

  "the menu of a phone opens, leads on, and closes": async (stage) => {
    const { page, close } = await stage.open("/", { phone: true });
    await page.getByRole("button", { name: "Menu" }).tap();
    await page.locator("nav").getByRole("link", { name: "Costs" }).tap();
    await page.locator("h1", { hasText: "Costs" }).waitFor();
    assert.equal(await page.locator("#nav").isVisible(), false);
    await close();
  },

  "a theme that was chosen holds after a reload": async (stage) => {
    const { page, close } = await stage.open("/");
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    const button = page.getByRole("button", { name: /^Theme/ });
    await button.click();
    await button.click();
    assert.notEqual(await ground(), light);
    await page.reload();
    await settled(page);
    assert.notEqual(await ground(), light);
    await close();
  },

  "a gate's output and an artifact open as text": async (stage) => {
    const { page, close } = await stage.open(`/tasks/${stage.scene.limit}`);
    await page.locator(".gates summary", { hasText: "Output" }).first().click();
    await page.locator(".gates pre").getByText("limit.rs is missing").waitFor();
    await page.locator("section", { hasText: "Handed in" }).locator("li", { hasText: "plan" }).locator("summary").first().click();
    await page.locator("pre").getByText(HOSTILE.markup).first().waitFor();
    await close();
  },

  "an operator cancels a task and the log keeps why": async (stage) => {
    const id = await boardTask(stage, "Not wanted any more");
    const { page, close } = await stage.open(`/tasks/${id}`);
    await page.getByRole("button", { name: "Cancel this task" }).click();
    await page.getByLabel(/Why/).fill("asked for twice");
    await page.locator("dialog").getByRole("button", { name: "Cancel this task" }).click();
    await page.locator(".timeline").getByText("asked for twice").waitFor();
    await close();
  },

  "what is not there is told to a person in a person's words": async (stage) => {
    for (const [at, told] of [["/nope", "There is no such page"], ["/tasks/T-999", "There is no such thing"]]) {
      const { page, close } = await stage.open(at, { expected: [/status of 404/] });
      await page.getByRole("heading", { name: told }).waitFor();
      assert.equal(await page.getByText("/api/").count(), 0, at);
      await page.getByRole("link", { name: "Go to the board" }).click();
      await page.waitForURL((url) => url.pathname === "/");
      await close();
    }
  },

  "an auditor is offered nothing that only an operator may do": async (stage) => {
    const { page, close } = await stage.open(`/tasks/${stage.scene.limit}`, { role: "auditor" });
    assert.equal(await page.getByRole("button", { name: /Cancel|Open it again|Take the blockers/ }).count(), 0);
    await close();
  },

  "an operator holds the calls on record against a workflow": async (stage) => {
    const { page, close } = await stage.open("/workflows/quick");
    await page.getByRole("button", { name: "Backtest" }).click();
    await page.getByText(/recorded calls?,/).waitFor();
    await shot(page, "backtest-light");
    await close();
  },

  "an empty workspace says what to do next": async (stage) => {
    const { World } = await import("./world.mjs");
    const world = new World();
    try {
      const quiet = Object.assign(Object.create(Object.getPrototypeOf(stage)), { world, browser: stage.browser });
      quiet.tokens = { operator: await world.token("operator", "boss") };
      quiet.origin = await world.serve();
      const { page, close } = await quiet.open("/");
      await page.getByText("phasegate init").waitFor();
      await shot(page, "empty-light");
      await close();
    } finally {
      await world.close();
    }
  },

  "what choosing models saved is told with what is left out of it": async (stage) => {
    // Ten strong tries of a type, and a cheap one that is set against their mean.
    for (let n = 0; n < 11; n += 1) {
      const { decision } = await stage.world.call("zoe", "route_model", { type: "test" });
      const [model, usd] = n < 10 ? ["claude-opus-5-5", 2] : ["claude-haiku-5-5", 0.25];
      await stage.world.call("zoe", "record_outcome", { decision, success: true, model, usd });
    }
    const { page, close } = await stage.open("/costs");
    const panel = page.locator("section.panel", { hasText: "Work that has ended, against always strong" });
    const text = await panel.innerText();
    for (const said of ["Saved $1.75, between $1.75 and $1.75", "11 of 11 pieces of work done", "10 of 10 tries done, $2.00 a try", "Left out: "]) {
      assert.ok(text.includes(said), `${said} is not in ${text}`);
    }
    assert.deepEqual(await panel.getByRole("region", { name: "Against always strong, by tier" }).locator("tbody tr").first().locator("td").allInnerTexts(), [
      "strong", "10", "10", "10", "$20.00", "$20.00", "$0", "$0 and $0",
    ]);
    await shot(page, "costs-saved");
    await close();
  },

  "nobody who is not signed in is shown a page": async (stage) => {
    const { page, close } = await stage.open("/costs?by=task", { role: null, expected: [/status of 401/] });
    await page.waitForURL(/\/sign-in\?next=%2Fcosts%3Fby%3Dtask/);
    await close();
  },

  "no page can read what signs it in": async (stage) => {
    const { page, close } = await stage.open("/");
    const readable = await page.evaluate(() => JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }]));
    assert.equal(/pgt_|phasegate/.test(readable), false, readable);
    await close();
  },

  "pages come with a strict policy, files with a tag, and unknown addresses with a no": async (stage) => {
    const get = (at, headers = {}, method = "GET") => fetch(stage.origin + at, { headers, method });
    const page = await get("/tasks/T-1");
    const policy = page.headers.get("content-security-policy");
    for (const word of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]) {
      assert.equal(policy.includes(word), true, `${word} is in ${policy}`);
    }
    assert.equal(/unsafe|\*|https?:/.test(policy), false, policy);
    const file = await get("/app.js");
    assert.match(file.headers.get("content-type"), /^text\/javascript/);
    assert.equal((await get("/app.js", { "if-none-match": file.headers.get("etag") })).status, 304);
    assert.equal((await get("/app.js", {}, "HEAD")).status, 200);
    for (const at of ["/nope", "/app.jsx", "/tasks", "/tasks/T-1/x", "/../Cargo.toml", "/%2e%2e/Cargo.toml"]) {
      assert.equal((await get(at)).status, 404, at);
    }
  },
};
