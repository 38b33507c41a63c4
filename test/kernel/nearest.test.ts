import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nearest } from "../../core/kernel/nearest.ts";

const test = suite("kernel/nearest");
const names = ["payload", "metadata", "ttl_seconds", "channel_id"];

test("nearest() finds what was mistyped", () => {
  assert.is(nearest("paylod", names), "payload");
  assert.is(nearest("ttl_second", names), "ttl_seconds");
  assert.is(nearest("METADATA", names), "metadata");
  assert.is(nearest("chanel_ids", names), "channel_id");
});

test("nearest() finds nothing rather than something far", () => {
  assert.is(nearest("colour", names), null);
  assert.is(nearest("x", names), null);
  assert.is(nearest("payload", []), null);
});

test("nearest() takes the nearest, and the first of equals", () => {
  assert.is(nearest("port_rets", ["port_mcp", "port_rest", "port_site"]), "port_rest");
  assert.is(nearest("cat", ["bat", "rat"]), "bat");
});

test("nearest() does not compare endless names", () => {
  assert.is(nearest("payload".repeat(10), names), null);
  assert.is(nearest("p".repeat(1_000_000), names), null);
});

test.run();
