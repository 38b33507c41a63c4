/** What a server that stops answers to requests other than streams: nothing was done, come back in a moment. */
import type { Phase } from "../kernel/context.ts";
import { stopping } from "../kernel/stopping.ts";
import type { Route } from "./route.ts";

/** The routes, closed while the process stops. What every app serves is about the process itself, and stays open. */
export function refuseWhenStopping(routes: readonly Route[], phase: () => Phase): Route[] {
  return routes.map((route) => {
    if (route.app === "all") return route;
    return {
      ...route,
      serve(exchange) {
        if (phase() === "stopping") throw stopping();
        return route.serve(exchange);
      },
    };
  });
}
