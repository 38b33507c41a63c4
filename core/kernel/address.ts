/** Internet addresses as values: who is really calling behind trusted proxies, and which bucket an address shares. RFC 4291, RFC 4632. */

interface Block {
  bytes: Uint8Array;
  bits: number;
}

/** Bytes of an IPv4 (4) or IPv6 (16) address; IPv4-mapped IPv6 counts as IPv4; null when it is neither. */
export function parseAddress(text: string): Uint8Array | null {
  const plain = text.replace(/^\[|\]$/g, "").replace(/%.*$/, "");
  if (!plain.includes(":")) return parseIpv4(plain);
  const bytes = parseIpv6(plain);
  const mapped = bytes?.slice(0, 12).every((byte, index) => byte === (index < 10 ? 0 : 255));
  return bytes !== null && mapped ? bytes.slice(12) : bytes;
}

function parseIpv4(text: string): Uint8Array | null {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return null;
  return Uint8Array.from(parts, Number);
}

function parseIpv6(text: string): Uint8Array | null {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const tail = dotted === null ? null : parseIpv4(dotted[2]!);
  if (dotted !== null && tail === null) return null;
  const whole =
    tail === null
      ? text
      : `${dotted![1]}${((tail[0]! << 8) | tail[1]!).toString(16)}:${((tail[2]! << 8) | tail[3]!).toString(16)}`;
  const halves = whole.split("::");
  if (halves.length > 2) return null;
  const groups = (half: string | undefined) => (half === undefined || half === "" ? [] : half.split(":"));
  const head = groups(halves[0]);
  const rest = groups(halves[1]);
  const missing = 8 - head.length - rest.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  const all = [...head, ...Array<string>(halves.length === 1 ? 0 : missing).fill("0"), ...rest];
  if (!all.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return null;
  return Uint8Array.from(all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]));
}

/** An address or CIDR block; null when it is neither. A block of IPv4-mapped addresses is one of IPv4. */
export function parseBlock(text: string): Block | null {
  const parts = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text.trim());
  const bytes = parts === null ? null : parseAddress(parts[1]!);
  if (parts === null || bytes === null) return null;
  const most = bytes.length * 8;
  if (parts[2] === undefined) return { bytes, bits: most };
  const bits = Number(parts[2]) - (bytes.length === 4 && parts[1]!.includes(":") ? 96 : 0);
  return bits >= 0 && bits <= most ? { bytes, bits } : null;
}

/** Whether the text is an address or a CIDR block. */
export function isAddressBlock(text: string): boolean {
  return parseBlock(text) !== null;
}

/** Some proxies report the caller's port too: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function withoutPort(hop: string): string {
  return hop.replace(/^(\d+\.\d+\.\d+\.\d+|\[[^\]]+\]):\d+$/, "$1");
}

function contains(block: Block, address: Uint8Array): boolean {
  if (block.bytes.length !== address.length) return false;
  for (let bit = 0; bit < block.bits; bit += 8) {
    const mask = block.bits - bit >= 8 ? 255 : (255 << (8 - (block.bits - bit))) & 255;
    if (((block.bytes[bit / 8]! ^ address[bit / 8]!) & mask) !== 0) return false;
  }
  return true;
}

/** Decides whose word about the caller counts: walks `X-Forwarded-For` from the right while the speaker is a trusted proxy. */
export function proxyTrust(trusted: readonly string[]) {
  const blocks = trusted.map(parseBlock).filter((block) => block !== null);
  const isTrusted = (text: string) => {
    const address = parseAddress(text);
    return address !== null && blocks.some((block) => contains(block, address));
  };
  if (blocks.length === 0) return { isTrusted: () => false, client: (socketAddress: string) => socketAddress };
  return {
    isTrusted,
    /** The caller's address: the socket's, or the last one that a trusted proxy reported and that is not itself one. */
    client(socketAddress: string, forwardedFor: string | null): string {
      let caller = socketAddress;
      const hops = forwardedFor === null ? [] : forwardedFor.split(",").map((hop) => hop.trim());
      while (hops.length > 0 && isTrusted(caller)) {
        const hop = withoutPort(hops.pop()!);
        if (parseAddress(hop) === null) break;
        caller = hop;
      }
      return caller;
    },
  };
}

/** What requests of one address share in the rate limiter: the IPv4 address, or the /64 of an IPv6 one. */
export function addressKey(address: string): string {
  // An IPv4 address is its own key, and what most requests have.
  if (!address.includes(":")) return address;
  const bytes = parseAddress(address);
  if (bytes === null) return address;
  if (bytes.length === 4) return bytes.join(".");
  return Array.from(bytes.slice(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
