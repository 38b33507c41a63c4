import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { addressKey, parseAddress, parseBlock, proxyTrust } from "../../core/kernel/address.ts";

const test = suite("kernel/address");

const hex = (text: string) => {
  const bytes = parseAddress(text);
  return bytes && Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
};

test("parseAddress() reads IPv4", () => {
  assert.is(hex("192.0.2.1"), "c0000201");
  assert.is(hex("0.0.0.0"), "00000000");
  assert.is(hex("255.255.255.255"), "ffffffff");
});

test("parseAddress() reads IPv6 in all its spellings", () => {
  assert.is(hex("::"), "0".repeat(32));
  assert.is(hex("::1"), `${"0".repeat(31)}1`);
  assert.is(hex("2001:db8::1"), "20010db8000000000000000000000001");
  assert.is(hex("2001:DB8:0:0:0:0:0:1"), "20010db8000000000000000000000001");
  assert.is(hex("1:2:3:4:5:6:7::"), "00010002000300040005000600070000");
  assert.is(hex("::2:3:4:5:6:7:8"), "00000002000300040005000600070008");
  assert.is(hex("64:ff9b::192.0.2.33"), "0064ff9b0000000000000000c0000221");
  assert.is(hex("[2001:db8::1]"), hex("2001:db8::1"));
  assert.is(hex("fe80::1%eth0"), hex("fe80::1"));
});

test("parseAddress() takes IPv4-mapped IPv6 for the IPv4 address that it is", () => {
  assert.is(hex("::ffff:192.0.2.1"), "c0000201");
  assert.is(hex("::ffff:c000:201"), "c0000201");
  assert.is(hex("0:0:0:0:0:ffff:c000:0201"), "c0000201");
  assert.is(hex("::fffe:192.0.2.1")?.length, 32);
});

test("parseAddress() refuses what is no address", () => {
  const wrong = ["", "unknown", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.-4", "0x7f.0.0.1", "1.2.3.4:80"];
  const wrong6 = [
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "12345::",
    "::g",
    "::1.2.3.256",
    ":1::",
    "1:2:3:4:5:6:7:8::",
  ];
  for (const text of [...wrong, ...wrong6]) assert.is(parseAddress(text), null, text);
});

test("parseAddress() reads back every address that is written", () => {
  const groups = fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(groups, fc.nat(7), (parts, at) => {
      const zeros = Math.min(2, 8 - at);
      const whole = parts.map((part, index) => (index >= at && index < at + zeros ? 0 : part));
      const short = [whole.slice(0, at), whole.slice(at + zeros)].map((half) =>
        half.map((part) => part.toString(16)).join(":"),
      );
      assert.is(hex(short.join("::")), hex(whole.map((part) => part.toString(16)).join(":")));
    }),
  );
});

test("parseBlock() reads CIDR blocks and single addresses", () => {
  assert.is(parseBlock("10.0.0.0/8")?.bits, 8);
  assert.is(parseBlock("0.0.0.0/0")?.bits, 0);
  assert.is(parseBlock(" 192.0.2.1 ")?.bits, 32);
  assert.is(parseBlock("2001:db8::/33")?.bits, 33);
  assert.is(parseBlock("::1")?.bits, 128);
});

test("parseBlock() refuses what is no block", () => {
  const wrong = [
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/",
    "10.0.0.0/8.5",
    "::/129",
    "lan/8",
    "",
    "10.0.0.0/8/8",
    "10.0.0.0/0x8",
    "10.0.0.0/ 8",
    "10.0.0.0/1e1",
  ];
  for (const text of wrong) assert.is(parseBlock(text), null, text);
});

test("isTrusted() compares bits and never mixes families", () => {
  const { isTrusted } = proxyTrust(["10.0.0.0/8", "192.0.2.128/25", "2001:db8::/33", "127.0.0.1"]);
  for (const inside of ["10.255.0.1", "192.0.2.200", "2001:db8:7fff::1", "127.0.0.1", "::ffff:10.1.2.3"])
    assert.ok(isTrusted(inside), inside);
  for (const outside of ["11.0.0.1", "192.0.2.127", "2001:db8:8000::1", "127.0.0.2", "::a00:1", "nonsense"])
    assert.not(isTrusted(outside), outside);
});

test("client() is the socket's address when nobody is trusted, whatever the header says", () => {
  assert.is(proxyTrust([]).client("203.0.113.9", "198.51.100.1"), "203.0.113.9");
  assert.is(proxyTrust(["10.0.0.0/8"]).client("203.0.113.9", "198.51.100.1"), "203.0.113.9");
});

test("client() walks from the right and stops at the first speaker that is no trusted proxy", () => {
  const trust = proxyTrust(["10.0.0.0/8", "2001:db8::/32"]);
  assert.is(trust.client("10.0.0.1", null), "10.0.0.1");
  assert.is(trust.client("10.0.0.1", "198.51.100.1"), "198.51.100.1");
  assert.is(trust.client("10.0.0.1", "198.51.100.1, 10.0.0.2"), "198.51.100.1");
  assert.is(trust.client("::ffff:10.0.0.1", "2001:4::7 , 2001:db8::5,10.9.9.9"), "2001:4::7");
});

test("client() gives nothing on hops that the caller made up", () => {
  const trust = proxyTrust(["10.0.0.0/8"]);
  assert.is(trust.client("10.0.0.1", "10.0.0.7, 1.1.1.1, 198.51.100.1"), "198.51.100.1");
  assert.is(trust.client("10.0.0.1", "127.0.0.1, 198.51.100.1, 10.0.0.2"), "198.51.100.1");
});

test("client() stays with the proxy that reported something unreadable", () => {
  const trust = proxyTrust(["10.0.0.0/8"]);
  assert.is(trust.client("10.0.0.1", "unknown"), "10.0.0.1");
  assert.is(trust.client("10.0.0.1", "198.51.100.1, , 10.0.0.2"), "10.0.0.2");
  assert.is(trust.client("10.0.0.1", ""), "10.0.0.1");
});

test("addressKey() is one per IPv4 address and one per IPv6 /64", () => {
  assert.is.not(addressKey("192.0.2.1"), addressKey("192.0.2.2"));
  assert.is(addressKey("::ffff:192.0.2.1"), addressKey("192.0.2.1"));
  assert.is(addressKey("2001:db8:0:1::1"), addressKey("2001:db8:0:1:ffff:ffff:ffff:ffff"));
  assert.is.not(addressKey("2001:db8:0:1::1"), addressKey("2001:db8:0:2::1"));
  assert.is(addressKey("a pipe"), "a pipe");
});

test.run();
