/** The landing page. */
import * as v from "valibot";
import { page } from "../../kernel/operation.ts";

export const landing = page({
  summary: "Show the landing page.",
  http: "GET /",
  needs: "nobody",
  limit: "other",
  input: v.strictObject({}),
  async handle() {
    return { type: "text/html; charset=utf-8", body: "<!doctype html><title>Millrace</title>" };
  },
});
