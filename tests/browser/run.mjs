// Runs the tests of the pages in a real browser: every test_*.mjs here.
//
//   node run.mjs [WORD...]     only tests whose name holds one of the words
//
// The last line is `N passed, M failed`. Screenshots of all pages lie in target/screenshots afterwards.

import fs from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { Stage } from "./stage.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const LIMIT_MS = 240_000;
const words = process.argv.slice(2);
let [passed, failed] = [0, 0];

const stage = await Stage.set();
try {
  for (const file of fs.readdirSync(HERE).filter((name) => /^test_.*\.mjs$/.test(name)).sort()) {
    const { tests } = await import(pathToFileURL(path.join(HERE, file)));
    for (const [name, test] of Object.entries(tests)) {
      if (words.length && !words.some((word) => name.includes(word))) continue;
      const begun = Date.now();
      let timer;
      const late = new Promise((_, give) => (timer = setTimeout(() => give(new Error("it took too long")), LIMIT_MS)));
      try {
        await Promise.race([test(stage), late]);
        passed += 1;
        console.log(`ok    ${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
      } catch (error) {
        failed += 1;
        console.log(`FAIL  ${name}\n      ${String(error.stack ?? error).split("\n").join("\n      ")}`);
      }
      clearTimeout(timer);
    }
  }
} finally {
  await stage.close();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);
