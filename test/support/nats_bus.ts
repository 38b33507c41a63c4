/** Buses on a NATS server, each as in a process of its own, with what they log and hear. */
import { openNats } from "../../adapters/nats.ts";
import type { Bus } from "../../core/ports/bus.ts";
import { type MemoryLog, memoryLog } from "../../core/ports/memory/log.ts";
import type { BusHarness } from "../contracts/bus.ts";
import { cuttableProxy } from "./cuttable_proxy.ts";

export interface NatsBus {
  bus: Bus;
  log: MemoryLog;
  /** Everything heard, in order: subjects, and "all". */
  heard: string[];
  /** The reasons given for not being connected. */
  lost(): string[];
}

/** Opens a bus and listens on it. */
export async function openNatsBus(url: string, installation = "test"): Promise<NatsBus> {
  const log = memoryLog("debug");
  const bus = await openNats({ url, installation: async () => installation, log });
  const heard: string[] = [];
  bus.listen((subjects) => heard.push(...(subjects === "all" ? ["all"] : subjects)), new AbortController().signal);
  const lost = () =>
    log.lines.filter(({ event }) => event === "bus_connection_lost").map(({ fields }) => String(fields.reason));
  return { bus, log, heard, lost };
}

/** Two buses of an installation of their own, on connections that can be cut. */
export async function natsHarness(url: string): Promise<BusHarness> {
  const proxy = await cuttableProxy(url);
  const through = new URL(url);
  through.host = new URL(proxy.url).host;
  const installation = crypto.randomUUID();
  const open = async () => (await openNatsBus(through.href, installation)).bus;
  const [bus, other] = await Promise.all([open(), open()]);
  return {
    bus,
    other,
    interrupt: async () => proxy.cut(),
    async close() {
      await Promise.all([bus.close(), other.close()]);
      await proxy.close();
    },
  };
}
