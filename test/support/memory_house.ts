/**
 * A house on memory ports: what kernel tests hand to a corridor, a duty or a feeder. Houses that share a town imitate processes on one
 * database, one clock and one bus.
 */
import type { House, Ports } from "../../core/kernel/context.ts";
import { createHouse } from "../../core/kernel/house.ts";
import type { Settings } from "../../core/kernel/settings.ts";
import type { Database } from "../../core/ports/database.ts";
import { type MemoryHub, memoryBus, memoryHub } from "../../core/ports/memory/bus.ts";
import { type MemoryClock, memoryClock } from "../../core/ports/memory/clock.ts";
import { memoryDatabase } from "../../core/ports/memory/database.ts";
import { memoryHashes } from "../../core/ports/memory/hashes.ts";
import { memoryIds } from "../../core/ports/memory/ids.ts";
import { type MemoryLog, memoryLog } from "../../core/ports/memory/log.ts";
import { memoryObjects } from "../../core/ports/memory/objects.ts";
import type { Objects } from "../../core/ports/objects.ts";

/** What the processes of one town share. */
export interface MemoryTown {
  clock: MemoryClock;
  database: Database;
  objects: Objects;
  hub: MemoryHub;
}

export type MemoryPorts = Ports & { clock: MemoryClock; log: MemoryLog };

export type MemoryHouse = House & { clock: MemoryClock; log: MemoryLog; life: AbortController };

export function memoryTown(): MemoryTown {
  const clock = memoryClock();
  return { clock, database: memoryDatabase(clock), objects: memoryObjects(clock), hub: memoryHub() };
}

/** The ports of one process of the town. `seed` tells its ids apart from those of the others. */
export function memoryPorts(town: MemoryTown = memoryTown(), seed = 1): MemoryPorts {
  const { clock, database, objects, hub } = town;
  return {
    clock,
    database,
    objects,
    hashes: memoryHashes,
    bus: memoryBus(hub),
    ids: memoryIds(seed),
    log: memoryLog(),
  };
}

/** Settings as a test server has them: no rate limits, the defaults for the rest. */
export function memorySettings(changes: Partial<Settings> = {}): Settings {
  return {
    version: "test",
    channelBase: null,
    restBase: null,
    mcpBase: null,
    ports: null,
    tokenSecretSalt: new TextEncoder().encode("a salt for tests, long enough to be one"),
    internalToken: null,
    datastoreToken: null,
    payloadMaxBytes: 1_048_576,
    payloadInlineMaxBytes: 16_384,
    fileMaxBytes: 1_073_741_824,
    documentMaxBytes: 1_048_576,
    fileQuotaBytes: 10_737_418_240,
    defaultTtlSeconds: 86_400,
    rateLimits: null,
    allowedOrigins: [],
    trustedProxies: [],
    heartbeatMs: 15_000,
    pollMs: 1_000,
    streamMs: 600_000,
    maxStreams: 20_000,
    ...changes,
  };
}

/** One process of the town, until its `life` is aborted. */
export function memoryHouse(changes: Partial<Settings> = {}, ports: MemoryPorts = memoryPorts()): MemoryHouse {
  const life = new AbortController();
  const house = createHouse(ports, memorySettings(changes), { phase: () => "serving", signal: life.signal });
  return { ...house, ...ports, life };
}

/** Everything that the house's log was told, as text. */
export function logText(log: MemoryLog): string {
  return JSON.stringify(log.lines, (_, value) => (value instanceof Error ? String(value.stack) : value));
}
