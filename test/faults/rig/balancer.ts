/** What stands before servers in production: it asks each whether it is ready and sends new connections to one that is, or to any when none is. */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { ask } from "../load/http.ts";
import type { Rig, Server } from "../scenario.ts";

export interface Balancer {
  url: string;
  /** The URLs of the servers that were ready when they were last asked; of all when none was. */
  ready(): string[];
}

const ASK_MS = 200;
const TRIES = 3;

export async function openBalancer(rig: Rig, servers: readonly Server[]): Promise<Balancer> {
  const random = rig.random.fork();
  const ready = new Set<Server>(servers);
  const sockets = new Set<Socket>();

  async function look(server: Server): Promise<void> {
    const answer = await ask(`${server.url}/readyz`, { timeoutMs: 2_000 }).catch(() => null);
    if (answer?.status === 200) ready.add(server);
    else ready.delete(server);
  }
  const timer = setInterval(() => servers.map(look), ASK_MS);

  const chosen = () => (ready.size > 0 ? [...ready] : servers);

  /** Tries another server where nobody listens: nothing has been sent yet. */
  function join(near: Socket, tries = 0): void {
    const server = random.pick(chosen());
    const far = connect(server.port, "127.0.0.1");
    far.once("error", () => {
      ready.delete(server);
      if (tries < TRIES && !near.destroyed) join(near, tries + 1);
      else near.destroy();
    });
    far.once("connect", () => {
      far.removeAllListeners("error");
      pipe(near, far);
      pipe(far, near);
    });
  }

  function pipe(from: Socket, to: Socket): void {
    sockets.add(from);
    from.pipe(to);
    from.on("error", () => to.destroy());
    from.on("close", () => {
      sockets.delete(from);
      to.destroy();
    });
  }

  const front = createServer((near) => {
    near.on("error", () => undefined);
    join(near);
  });
  await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
  rig.onEnd(() => {
    clearInterval(timer);
    front.close();
    for (const socket of sockets) socket.destroy();
  });
  return {
    url: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
    ready: () => chosen().map(({ url }) => url),
  };
}
