// The report in a browser, where one is installed: nothing scrolls sideways on a phone, Tab reaches every figure and table, nothing is loaded.
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call } from "../call";
import { type DrawnSet, drawSet } from "../drawn-set";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

describe.skipIf(!CHROMIUM)(`the report in ${CHROMIUM ?? "a browser (none is installed)"}`, () => {
  let set: DrawnSet;
  let browser: Browser;
  let page: Page;
  const requests: string[] = [];

  beforeAll(async () => {
    set = await drawSet();
    const long = "a class whose name goes on for as long as it takes to be wider than any telephone";
    for (const split of ["train", "val"] as const) {
      await set.change(split, (json) => {
        // 1,000 classes; two of them have objects.
        const more = Array.from({ length: 998 }, (_, i) => ({ id: 100 + i, name: `${long.replaceAll(" ", "")}${i}` }));
        json.categories.push(...more);
        return undefined;
      });
    }
    const [run, file] = [set.path("run"), set.path("page.html")];
    const rest = ["--data", set.folder, "--backend", "wasm"];
    const trained = await call("train", "--out", run, "--config", set.configFile, ...rest);
    expect(trained.code, trained.err).toBe(0);
    const reported = await call("report", "--run", run, "--out", file, ...rest);
    expect(reported.code, reported.err).toBe(0);
    browser = await chromium.launch({ executablePath: CHROMIUM!, args: ["--no-sandbox"] });
    page = await browser.newPage({ viewport: { width: 375, height: 800 } });
    page.on("request", (request) => requests.push(request.url()));
    await page.goto(pathToFileURL(file).href);
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await set.remove();
  });

  it("loads nothing but itself", () => {
    expect(requests.filter((url) => !url.startsWith("data:"))).toHaveLength(1);
  });

  it.each([320, 375, 1280])("does not scroll sideways at %d pixels, with everything open", async (width) => {
    await page.setViewportSize({ width, height: 800 });
    await page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
    const excess = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    expect(excess).toBe(0);
  });

  it("is walked through with Tab: skip link first, then every figure, table and part that opens", async () => {
    await page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
    const wanted = await page.evaluate<string[]>(
      "[...document.querySelectorAll('[role=region], summary')].map((e) => e.getAttribute('aria-label') ?? e.textContent)",
    );
    expect(wanted.length).toBeGreaterThan(15);
    const reached: string[] = [];
    await page.evaluate("document.body.focus()");
    for (let i = 0; i < wanted.length + 30; i++) {
      await page.keyboard.press("Tab");
      const name = "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent";
      reached.push(await page.evaluate<string>(name));
    }
    expect(reached[0]).toBe("Skip to the content");
    expect(wanted.filter((name) => !reached.includes(name))).toEqual([]);
  });
});
