/**
 * A store that answers as a test says, to see what the adapter does with a store that is slow, broken or frozen.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface S3Stub {
  endpoint: string;
  /** Method and path with query of every request so far. */
  requests: string[];
  /** Answers the requests from now on; a request that it does not answer hangs. HEAD of the bucket always succeeds. */
  answer(how: (request: IncomingMessage, response: ServerResponse) => void): void;
  close(): Promise<void>;
}

/** Opens the stub on a port of its own. */
export async function openS3Stub(): Promise<S3Stub> {
  const requests: string[] = [];
  let answer: (request: IncomingMessage, response: ServerResponse) => void = () => {};
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (request.method === "HEAD" && /^\/[^/]+\/?$/.test(request.url ?? "")) response.end();
    else request.resume().once("end", () => answer(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer(how) {
      answer = how;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
