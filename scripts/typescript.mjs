// Node 24 strips types by itself; on Node 20 and 22 tsx does it. Used as `node --import ./scripts/typescript.mjs FILE.ts`.
if (!process.features.typescript) await import("tsx");
