/** Reads NATS_URL: one address, or those of several servers of a cluster, separated by commas. The driver itself knows only hosts and ports. */

export interface NatsAddress {
  /** `host:port` each. */
  servers: string[];
  /** Nothing is said to a server that does not speak TLS. */
  tls: boolean;
  /** Who we are: a name and a password, a token, or nobody. */
  login: { user: string; pass: string } | { token: string } | Record<string, never>;
}

/** The address, or null when the text is none. All servers have the same scheme and the same login. */
export function readNatsAddress(text: string): NatsAddress | null {
  const urls = text.split(",").map((part) => readUrl(part.trim()));
  const [first] = urls;
  if (!first || !urls.every((url) => url !== null)) return null;
  const alike = ({ protocol, username, password }: URL) => [protocol, username, password].join("\n");
  if (urls.some((url) => alike(url) !== alike(first))) return null;
  const login = loginOf(first);
  if (login === null) return null;
  return {
    servers: urls.map(({ hostname, port }) => `${hostname}:${port || 4222}`),
    tls: first.protocol === "tls:",
    login,
  };
}

function readUrl(text: string): URL | null {
  if (!/^(nats|tls):\/\//.test(text) || !URL.canParse(text)) return null;
  const url = new URL(text);
  return url.hostname === "" || !["", "/"].includes(url.pathname + url.search + url.hash) ? null : url;
}

function loginOf({ username, password }: URL): NatsAddress["login"] | null {
  try {
    const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)];
    if (user === "") return pass === "" ? {} : null;
    return pass === "" ? { token: user } : { user, pass };
  } catch {
    return null;
  }
}
