/// <reference types="vitest/config" />
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";
import { leanCss } from "./scripts/lean-css.mjs";
import { textsPlugin } from "./scripts/texts.mjs";

const OUT = process.env["PORTAL_OUT"] || "dist";

/** A .gz beside every text of the bundle: whoever serves it does not compress again and again. */
function gzipped(): Plugin {
  return {
    name: "litemaas-gzip",
    apply: "build",
    closeBundle() {
      if (!existsSync(`${OUT}/assets`)) return; // the build failed, and says why
      for (const name of readdirSync(`${OUT}/assets`).filter((file) => /\.(js|css|svg)$/.test(file))) {
        const file = join(OUT, "assets", name);
        writeFileSync(`${file}.gz`, gzipSync(readFileSync(file), { level: 9 }));
      }
    },
  };
}

const control = process.env["LITEMAAS_CONTROL_URL"] ?? "http://127.0.0.1:8080";

export default defineConfig(({ command }) => ({
  plugins: [react(), leanCss(), textsPlugin({ strict: command === "build" && !process.env["PORTAL_DRAFT"] }), gzipped()],
  build: { outDir: OUT, emptyOutDir: true, manifest: "manifest.json", target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 700, rolldownOptions: { output: { codeSplitting: { groups: [{ name: "react", test: /node_modules.(react|react-dom|scheduler|tslib|react-fast-compare)[\\/]/, priority: 2 }, { name: "lodash", test: /node_modules.lodash/, priority: 2 }, { name: "victory", test: /node_modules.(victory-core|d3-|delaun)/, priority: 1 }] } } } },
  server: { proxy: { "/api": control } },
  test: {
    environment: "happy-dom",
    include: ["tests/**/*.test.{ts,tsx}"],
    setupFiles: ["tests/setup.ts"],
    css: false,
    testTimeout: 40_000,
    pool: "threads",
    maxWorkers: 2,
    server: { deps: { inline: [/@patternfly/] } },
  },
}));
