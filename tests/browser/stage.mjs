// What the browser tests share: a world with work in it, its server, a real browser, and pages that are watched for faults.
//
// A file `test_*.mjs` here exports `tests`: names that are sentences, and functions that take the stage. What such a function
// changes in the world is there for the tests after it; `stage.another()` gives one of its own.

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { play } from "./scene.mjs";
import { REPOSITORY, World } from "./world.mjs";

const TOOLS = path.resolve(process.env.PHASEGATE_TOOLS ?? path.join(REPOSITORY, "target/tools"));
const require = createRequire(path.join(TOOLS, "browser", "package.json"));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { chromium } = (await load("playwright-core")).default;
const AXE = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const SHOTS = path.join(path.resolve(process.env.CARGO_TARGET_DIR ?? path.join(REPOSITORY, "target")), "screenshots");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** A folder whose files stand in for those of the binary. */
const WEB = process.env.PHASEGATE_WEB && path.resolve(process.env.PHASEGATE_WEB);
export const WAIT_MS = 15_000;
export const DESKTOP = { width: 1360, height: 900 };
export const PHONE = { width: 375, height: 740 };

export class Stage {
  static async set() {
    const stage = new Stage();
    fs.mkdirSync(SHOTS, { recursive: true });
    // The sandbox of the browser itself is not what is tested, and root cannot have it.
    const flags = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
    stage.browser = await chromium.launch({ executablePath: CHROMIUM, args: flags });
    await stage.fill();
    return stage;
  }

  async fill() {
    this.world = new World();
    this.scene = await play(this.world);
    this.tokens = {};
    for (const role of ["operator", "approver", "auditor", "agent"]) this.tokens[role] = await this.world.token(role, `the-${role}`);
    this.origin = await this.world.serve();
    this.port = Number(new URL(this.origin).port);
  }

  /** A world of its own for a test, with the same browser. */
  async another(test) {
    const stage = new Stage();
    stage.browser = this.browser;
    await stage.fill();
    try {
      return await test(stage);
    } finally {
      await stage.world.close();
    }
  }

  /**
   * A page of somebody who is signed in (`role: null`: nobody is), in a browser that has seen nothing before. What goes wrong on
   * it is in `faults`; `close()` throws if there was any that is not expected.
   */
  async open(at, { role = "operator", dark = false, phone = false, expected = [] } = {}) {
    const context = await this.browser.newContext({
      viewport: phone ? PHONE : DESKTOP,
      colorScheme: dark ? "dark" : "light",
      reducedMotion: "reduce",
      isMobile: phone,
      hasTouch: phone,
      deviceScaleFactor: phone ? 2 : 1,
    });
    context.setDefaultTimeout(WAIT_MS);
    if (role) await this.signIn(context, role);
    if (WEB) await context.route(/\.(js|css|svg)$/, (route) => fromFolder(route));
    const page = await context.newPage();
    const faults = watched(page, this.origin);
    const close = async () => {
      // Faults that were reported from within the page need a moment to come out.
      await page.evaluate(() => new Promise(requestAnimationFrame)).catch(() => {});
      await context.close();
      const left = faults.filter((fault) => !expected.some((pattern) => pattern.test(fault)));
      if (left.length) throw new Error(`the page has faults:\n${left.join("\n")}`);
    };
    await page.goto(this.origin + at);
    await settled(page);
    return { page, context, faults, close };
  }

  async signIn(context, role) {
    const answer = await context.request.post(`${this.origin}/api/v1/sign-in`, {
      headers: { "x-phasegate": "1" },
      data: { token: this.tokens[role] },
    });
    if (!answer.ok()) throw new Error(`signing in as ${role}: ${answer.status()} ${await answer.text()}`);
  }

  async close() {
    await this.browser.close();
    await this.world.close();
  }
}

/** To try a change of a page without a build. */
async function fromFolder(route) {
  const file = path.join(WEB, path.basename(new URL(route.request().url()).pathname));
  if (!fs.existsSync(file)) return route.continue();
  const answer = await route.fetch();
  return route.fulfill({ response: answer, body: fs.readFileSync(file) });
}

/** Collects what no page of ours may do. */
function watched(page, origin) {
  const faults = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => faults.push(`error: ${error.stack}`));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && !url.startsWith("data:")) faults.push(`a request left: ${url}`);
  });
  return faults;
}

/** The page is drawn: nothing says any more that it loads. */
export async function settled(page) {
  await page.waitForFunction(() => {
    const place = document.querySelector("main > .page");
    return place && !place.hasAttribute("aria-busy") && place.childElementCount > 0 && !/^Loading…/.test(place.innerText);
  });
}

/** Findings of axe that keep people out: serious ones and critical ones. */
export async function barriers(page) {
  // Evaluated by the browser's own tools, since no policy of ours lets a page load it.
  await page.evaluate(`${AXE}\n;0`);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.impact} ${one.id}: ${one.nodes.map((node) => `${node.html.slice(0, 160)} (${node.any[0]?.message ?? one.help})`).slice(0, 3).join("; ")}`);
}

export async function shot(page, name) {
  await page.screenshot({ path: path.join(SHOTS, `${name}.png`), fullPage: true });
}
