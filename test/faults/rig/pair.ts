/** The stage of most scenarios: two servers on one PostgreSQL and one object store, with a proxy before each and between each and PostgreSQL. */
import type { Cluster, ObjectStore, Rig, Server, TcpProxy } from "../scenario.ts";

export interface Pair {
  cluster: Cluster;
  store: ObjectStore;
  sites: [Site, Site];
}

export interface Site {
  server: Server;
  toDatabase: TcpProxy;
  fromClients: TcpProxy;
}

/** Both servers are ready when it resolves; `env` goes to both. */
export async function startPair(
  rig: Rig,
  { env = {}, settings = {} }: { env?: Record<string, string>; settings?: Record<string, string> } = {},
): Promise<Pair> {
  const [cluster, store] = await Promise.all([rig.postgres({ settings }), rig.objectStore()]);

  async function site(name: string): Promise<Site> {
    const toDatabase = await rig.proxy(cluster.port);
    const own = { DATABASE_URL: cluster.url(toDatabase.port), ...store.env, ...env };
    const server = await rig.server({ name, env: own });
    await server.start();
    return { server, toDatabase, fromClients: await rig.proxy(server.port) };
  }

  return { cluster, store, sites: await Promise.all([site("A"), site("B")]) };
}
