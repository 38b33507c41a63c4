/** The log of a real server. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { jsonLog } from "../../adapters/system.ts";
import { credentialKinds, ticketKind } from "../../core/kernel/credential.ts";

const test = suite("jsonLog()");

test("no kind of secret stands in a line, wherever a message picked it up", () => {
  for (const { prefix } of [...Object.values(credentialKinds), ticketKind]) {
    const lines: string[] = [];
    const secret = `${prefix}_${"a1".repeat(24)}`;
    jsonLog("info", (line) => void lines.push(line)).write("warn", "odd", { error: `cannot read ?ticket=${secret}&x` });
    assert.is(lines.length, 1);
    assert.not(lines[0]!.includes(secret), lines[0]);
    assert.is(JSON.parse(lines[0]!).error, `cannot read ?ticket=${prefix}_[hidden]&x`);
  }
});

test.run();
