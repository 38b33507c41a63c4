/** What a server that stops says to whoever wants something of it. */
import { Fault } from "../ports/fault.ts";

/** The fault for a request that it takes no more. */
export function stopping(): Fault {
  return new Fault("unavailable", "The server is stopping and did nothing; send the request again in a moment");
}
