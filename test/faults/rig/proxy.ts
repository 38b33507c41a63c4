/** A TCP proxy that does what networks do at their worst: connections cut in the middle of a byte stream, half-open, held up, or refused. */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Random, TcpProxy } from "../scenario.ts";

interface Link {
  near: Socket;
  far: Socket;
  /** How many bytes may still pass; null: any number. */
  fuse: number | null;
  /** The far side is lost: what comes from the near side is swallowed. */
  half: boolean;
  held: boolean;
}

/** An idle connection that is to be cut has no byte to be cut at. */
const CUT_MS = 200;

export async function openProxy(target: number, random: Random): Promise<TcpProxy & { close(): Promise<void> }> {
  const links = new Set<Link>();
  let holding = false;
  let refusing: { answer: string | undefined } | null = null;

  const server = createServer({ allowHalfOpen: true }, (near) => {
    near.on("error", () => undefined);
    near.setNoDelay(true);
    if (refusing !== null) return turnAway(near, refusing.answer);
    const far = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    const link: Link = { near, far, fuse: null, half: false, held: false };
    links.add(link);
    carry(link, near, far);
    carry(link, far, near);
    if (holding) hold(link);
  });

  function carry(link: Link, from: Socket, to: Socket): void {
    from.on("data", (chunk) => {
      if (link.half) return;
      if (link.fuse !== null && chunk.length >= link.fuse) {
        to.write(chunk.subarray(0, link.fuse));
        return sever(link);
      }
      if (link.fuse !== null) link.fuse -= chunk.length;
      if (!to.write(chunk)) from.pause();
    });
    to.on("drain", () => link.held || from.resume());
    from.on("end", () => (link.half ? from.end() : to.end()));
    from.on("error", () => undefined);
    from.on("close", () => {
      if (link.half && from === link.far) return;
      links.delete(link);
      if (!to.destroyed) to.destroy();
    });
  }

  function sever(link: Link): void {
    links.delete(link);
    // Some ends say that they are ends, some are resets.
    const rude = random.chance(0.5);
    for (const socket of [link.near, link.far]) {
      if (rude) socket.resetAndDestroy();
      else socket.destroySoon();
    }
  }

  function hold(link: Link): void {
    link.held = true;
    link.near.pause();
    link.far.pause();
  }

  function chosenLinks(chosen: ((farPort: number) => boolean) | undefined): Link[] {
    return [...links].filter(({ far }) => chosen === undefined || chosen(far.localPort ?? 0));
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;

  function cut({ bytes = 0, chosen }: { bytes?: number; chosen?: (farPort: number) => boolean } = {}): void {
    for (const link of chosenLinks(chosen)) {
      if (bytes === 0) {
        sever(link);
        continue;
      }
      link.fuse = random.whole(1, bytes);
      setTimeout(() => links.has(link) && sever(link), CUT_MS).unref();
    }
  }

  return {
    port,
    url: `http://127.0.0.1:${port}`,
    count: () => links.size,
    cut,
    halfOpen(chosen) {
      for (const link of chosenLinks(chosen)) {
        link.half = true;
        link.far.destroy();
        link.near.resume();
      }
    },
    blackhole(chosen) {
      if (chosen === undefined) holding = true;
      for (const link of chosenLinks(chosen)) hold(link);
    },
    refuse(answer) {
      refusing = { answer };
      cut();
    },
    heal({ halfOpen = false } = {}) {
      holding = false;
      refusing = null;
      for (const link of links) {
        if (halfOpen && link.half) link.near.resetAndDestroy();
        link.held = false;
        link.near.resume();
        link.far.resume();
      }
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const { near, far } of links) for (const socket of [near, far]) socket.destroy();
      await closed;
    },
  };
}

function turnAway(near: Socket, answer: string | undefined): void {
  if (answer === undefined) return void near.destroy();
  near.once("data", () => near.end(answer, () => near.destroy()));
}
